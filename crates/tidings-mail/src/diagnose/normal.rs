//! Makes reply texts comparable: lower-case words with one blank between them, and nothing in them
//! that the sender of a message can choose.
//!
//! `550-5.1.1 <over.quota@x.example>: User doesn't  exist` becomes ` user doesnt exist `, and any IP
//! address the word `ip`, so that one wording stands for all. Masked,
//! because an attacker writes them: everything in `<…>`, every token with an `@`, and quoted
//! tokens. Dots, hyphens and underscores inside a word stay, so that a host name is one word and
//! `user-unknown.example` can never read as "user unknown".

/// What a byte is to the scanner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A letter, a digit, or part of a character outside ASCII.
    Word,
    /// `.`, `-`, `_`: part of a word when inside one, else a separator.
    Joint,
    /// `'`: nothing inside a word, else a separator.
    Apostrophe,
    /// Punctuation that does not end a token: `:`, `/`, `=`, …
    Soft,
    /// `@`, `%`, `#`, `\`: an address or an escaped line break may be here.
    Special,
    /// White space, control characters, brackets, quotes, commas: ends a token.
    Hard,
}

const KINDS: [Kind; 256] = kinds();

const fn kinds() -> [Kind; 256] {
    let mut kinds = [Kind::Hard; 256];
    let mut byte = 0x21;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | 0x80..=0xFF => Kind::Word,
            b'.' | b'-' | b'_' => Kind::Joint,
            b'\'' | b'`' => Kind::Apostrophe,
            b'@' | b'%' | b'#' | b'\\' => Kind::Special,
            b'<' | b'>' | b'"' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b';' | 0x7F => {
                Kind::Hard
            }
            _ => Kind::Soft,
        };
        byte += 1;
    }
    kinds
}

fn kind(byte: u8) -> Kind {
    KINDS[usize::from(byte)]
}

/// Appends the normal form of `text` to `out`: ` word word `, with a blank at both ends.
///
/// `code` is the reply code, whose repetitions in continuation lines (`550-`, `550 5.1.1`) are
/// left out, as are enhanced status codes at those places.
pub(super) fn normalise(text: &[u8], code: Option<u16>, out: &mut Vec<u8>) {
    out.push(b' ');
    let mut writer = Writer {
        out,
        code: code.map(decimal),
        underscore_is_blank: memchr::memchr(b' ', text).is_none(),
    };
    let mut at = 0;
    while at < text.len() {
        at = match text[at] {
            b'<' => skip_angle(text, at),
            b'"' => skip_quoted(text, at),
            b'#' | b'\\' if escape_length(&text[at..]) > 0 => at + escape_length(&text[at..]),
            b if kind(b) == Kind::Hard => at + 1,
            _ => writer.token(text, at),
        };
    }
}

/// Where the token that reaches `at` ends.
fn token_end(text: &[u8], at: usize) -> usize {
    let ends = |i: &usize| {
        kind(text[*i]) == Kind::Hard
            || (kind(text[*i]) == Kind::Special && escape_length(&text[*i..]) > 0)
    };
    (at..text.len()).find(ends).unwrap_or(text.len())
}

/// Whether an address shows at `at`: an `@`, also as it is escaped in links.
fn is_at_sign(text: &[u8], at: usize) -> bool {
    text[at] == b'@' || text[at..].starts_with(b"%40")
}

/// The length of an escaped line break or tab at the start: rsyslog's `#012`, `#015`, `#011`,
/// Exim's `\n` before the next reply line; 0 if there is none.
fn escape_length(text: &[u8]) -> usize {
    match text {
        [b'#', b'0', b'1', b'1' | b'2' | b'5', ..] => 4,
        [b'\\', b'n' | b'r', b'0'..=b'9' | b'\\', ..] => 2,
        _ => 0,
    }
}

/// Behind the `>` that closes the `<` at `at`; a quoted local part may hold a `>`. Without a
/// closing `>` only the `<` itself is skipped.
fn skip_angle(text: &[u8], at: usize) -> usize {
    let mut quoted = false;
    for (i, &b) in text[at..].iter().enumerate().skip(1) {
        match b {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return at + i + 1,
            _ => {}
        }
    }
    match memchr::memchr(b'>', &text[at..]) {
        Some(i) => at + i + 1,
        None => at + 1,
    }
}

/// Behind a quoted address or a quoted single token; else only behind the opening quote, so that
/// quoted sentences are read.
fn skip_quoted(text: &[u8], at: usize) -> usize {
    let Some(length) = memchr::memchr(b'"', &text[at + 1..]) else {
        return at + 1;
    };
    let inside = &text[at + 1..at + 1 + length];
    let behind = at + length + 2;
    if text.get(behind) == Some(&b'@') {
        return token_end(text, behind);
    }
    // `unknown user: "…"` quotes the local part, which may hold blanks.
    let names_a_user = text[..at].ends_with(b"user: ");
    if names_a_user || memchr::memchr(b' ', inside).is_none() {
        behind
    } else {
        at + 1
    }
}

/// The length of the IP address at the start, 0 if there is none.
fn ip_length(text: &[u8]) -> usize {
    match ipv4_length(text) {
        0 => ipv6_length(text),
        length => length,
    }
}

/// Four numbers with dots that no name goes on from (`192.0.2.1.pool.example` is a host).
fn ipv4_length(text: &[u8]) -> usize {
    let mut at = 0;
    for group in 0..4 {
        if group > 0 {
            if text.get(at) != Some(&b'.') {
                return 0;
            }
            at += 1;
        }
        let digits = text[at..].iter().take(4).take_while(|b| b.is_ascii_digit());
        match digits.count() {
            digits @ 1..=3 => at += digits,
            _ => return 0,
        }
    }
    let goes_on = match text.get(at..) {
        Some([b, ..]) if kind(*b) == Kind::Word => true,
        Some([b, next, ..]) if kind(*b) == Kind::Joint => kind(*next) == Kind::Word,
        _ => false,
    };
    if goes_on { 0 } else { at }
}

/// Hexadecimal groups with a `::` or with all seven colons (`12:30:45` is a time).
fn ipv6_length(text: &[u8]) -> usize {
    let of_address = |b: &&u8| b.is_ascii_hexdigit() || **b == b':';
    let length = text.iter().take(40).take_while(of_address).count();
    let address = &text[..length];
    let colons = memchr::memchr_iter(b':', address).count();
    let is_address = colons == 7 || (colons > 1 && memchr::memmem::find(address, b"::").is_some());
    let goes_on = text.get(length).is_some_and(|&b| kind(b) == Kind::Word);
    if is_address && !goes_on { length } else { 0 }
}

fn decimal(code: u16) -> [u8; 3] {
    let digit = |n: u16| b'0' + (n % 10) as u8; // below 10
    [digit(code / 100), digit(code / 10), digit(code)]
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    code: Option<[u8; 3]>,
    /// qmail logs replies with `_` for blanks; then a text has no blank at all.
    underscore_is_blank: bool,
}

impl Writer<'_> {
    /// Writes the words of the token at `start`, nothing if it holds an address, and gives where
    /// the token ends.
    fn token(&mut self, text: &[u8], start: usize) -> usize {
        let mark = self.out.len();
        let mut at = self.behind_codes(text, start);
        let mut in_word = false;
        while let Some(&b) = text.get(at) {
            match kind(b) {
                Kind::Word if !in_word && b.is_ascii_hexdigit() && ip_length(&text[at..]) > 0 => {
                    self.out.extend_from_slice(b"ip ");
                    at += ip_length(&text[at..]);
                    continue;
                }
                Kind::Word => {
                    self.out.push(b.to_ascii_lowercase());
                    in_word = true;
                }
                Kind::Joint if in_word && self.joins(text, at) => self.out.push(b),
                // "doesn't" is one word.
                Kind::Apostrophe if in_word => {}
                Kind::Special if is_at_sign(text, at) => {
                    self.out.truncate(mark);
                    return token_end(text, at);
                }
                Kind::Special if escape_length(&text[at..]) > 0 => break,
                Kind::Hard => break,
                _ => in_word = self.end_word(in_word),
            }
            at += 1;
        }
        self.end_word(in_word);
        at
    }

    fn end_word(&mut self, in_word: bool) -> bool {
        if in_word {
            self.out.push(b' ');
        }
        false
    }

    /// Whether the dot, hyphen or underscore at `at` belongs to the word: a word byte follows, and
    /// it is not the end of a sentence without a blank after it (`unknown.Please`).
    fn joins(&self, text: &[u8], at: usize) -> bool {
        let Some(&next) = text.get(at + 1) else {
            return false;
        };
        match text[at] {
            b'.' => {
                kind(next) == Kind::Word
                    && !(next.is_ascii_uppercase() && text[at - 1].is_ascii_lowercase())
            }
            b'_' => kind(next) == Kind::Word && !self.underscore_is_blank,
            _ => kind(next) == Kind::Word,
        }
    }

    /// Behind a repeated reply code and enhanced code in front of a token: `550-5.1.1`, `550`,
    /// `#5.1.1`, `5.1.1:`.
    fn behind_codes(&self, text: &[u8], start: usize) -> usize {
        let token = &text[start..];
        if !matches!(token[0], b'0'..=b'9' | b'#') {
            return start;
        }
        let mut rest = token;
        if let Some(code) = self.code
            && let Some(behind) = rest.strip_prefix(&code)
            && behind
                .first()
                .is_none_or(|&b| b == b'-' || kind(b) == Kind::Hard)
        {
            rest = behind.strip_prefix(b"-").unwrap_or(behind);
        }
        let unhashed = rest.strip_prefix(b"#").unwrap_or(rest);
        if let Some((_, length)) = super::enhanced::Enhanced::at_start(unhashed) {
            rest = &unhashed[length..];
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
        start + (token.len() - rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        let mut out = Vec::new();
        normalise(text.as_bytes(), Some(550), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn words_are_lower_case_with_single_blanks() {
        assert_eq!(normal("  Mailbox\tIS  Full!"), " mailbox is full ");
        assert_eq!(
            normal("User doesn't exist.Please check"),
            " user doesnt exist please check "
        );
        assert_eq!(normal("(over-quota); anti-spam"), " over-quota anti-spam ");
        assert_eq!(normal("- a . b _ c -"), " a b c ");
        assert_eq!(normal(""), " ");
        assert_eq!(normal("AS(201806281) [S3140]"), " as 201806281 s3140 ");
    }

    #[test]
    fn host_names_and_numbers_stay_whole() {
        assert_eq!(
            normal(
                "blocked using zen.spamhaus.org; see http://www.spamhaus.org/query?ip=192.0.2.1"
            ),
            " blocked using zen.spamhaus.org see http www.spamhaus.org query ip ip "
        );
        assert_eq!(normal("PROD.OUTLOOK.COM"), " prod.outlook.com ");
        assert_eq!(normal("user-unknown.example"), " user-unknown.example ");
    }

    #[test]
    fn ip_addresses_are_one_word() {
        assert_eq!(
            normal("host [192.0.2.1]:25 is blocked"),
            " host ip 25 is blocked "
        );
        assert_eq!(normal("IP=192.0.2.1."), " ip ip ");
        assert_eq!(normal("2001:db8::25: refused"), " ip refused ");
        assert_eq!(normal("[2001:DB8:0:0:0:0:0:1]"), " ip ");
        for other in [
            "at 12:30:45 today",
            "192.0.2.1.pool.example",
            "dead beef",
            "face:off",
        ] {
            assert_eq!(normal(other), format!(" {} ", other.replace(':', " ")));
        }
    }

    #[test]
    fn repeated_codes_are_left_out() {
        assert_eq!(
            normal("550-5.1.1 The account 550-5.1.1 does not 550 5.1.1 exist"),
            " the account does not exist "
        );
        assert_eq!(normal("550 #5.1.0 Address rejected."), " address rejected ");
        assert_eq!(normal("550-No such\\n550 user"), " no such user ");
        assert_eq!(normal("550-No such#012550 user"), " no such user ");
        assert_eq!(normal("see 5.1.2.3"), " see ip ");
    }

    #[test]
    fn what_a_sender_chooses_is_masked() {
        for text in [
            "user <mailbox.full@x> gone",
            "user <mailbox full> gone",
            "user <\"> mailbox full\"@x> gone",
            "user mailbox-full@x.example gone",
            "user \"mailbox full\"@x.example gone",
            "user (mailbox=full@x) gone",
            "user id=mailbox-full%40x.example gone",
            "user: \"mailbox full\" gone",
        ] {
            assert_eq!(normal(text), " user gone ", "{text}");
        }
    }

    #[test]
    fn quoted_sentences_are_read() {
        assert_eq!(
            normal("said \"mailbox is full\" today"),
            " said mailbox is full today "
        );
        assert_eq!(normal("an open \" quote"), " an open quote ");
        assert_eq!(normal("a < b"), " a b ");
    }

    #[test]
    fn qmail_writes_blanks_as_underscores() {
        assert_eq!(
            normal("user_is_over_quota_(#5.2.2)/"),
            " user is over quota "
        );
        assert_eq!(normal("over_quota now"), " over_quota now ");
    }
}
