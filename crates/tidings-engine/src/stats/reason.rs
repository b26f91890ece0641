//! The reason in a reply, so that two replies that say the same read the same.
//!
//! `host mx.example[192.0.2.1] said: 452 4.2.2 <bob@example>: Mailbox full (in reply to RCPT TO
//! command)` becomes `mailbox full`. Left out are codes, numbers and ids, which is every word with a
//! digit. In place of what names somebody or something stands `*`: addresses, hosts, links, paths
//! and quoted names. The name of a block list (`blocked using zen.spamhaus.example`) stays, as it
//! is the reason.

use std::borrow::Cow;
use std::net::IpAddr;

use tidings_mail::diagnose::Reply;

/// Longer reasons are cut at a word, in bytes.
const REASON_BYTES_MAX: usize = 160;

/// Words that ask for what comes behind them: a name there stays even at the end.
const ASKING: &[&str] = &[
    "by", "for", "from", "to", "with", "see", "at", "of", "on", "than", "visit", "contact",
];

/// Words with a digit that are no numbers.
const WORDS_WITH_DIGITS: &[&str] = &[
    "8bitmime", "ipv4", "ipv6", "smtputf8", "utf-8", "utf8", "x509",
];

/// What counts as one reason: `class: reason`, or one of them where the other is missing.
pub(super) fn reason_name(class: Option<&str>, reply: &str) -> String {
    let class = class.unwrap_or_default();
    let parsed = Reply::parse(reply);
    let reason = essence(&String::from_utf8_lossy(parsed.text));
    match (class.is_empty(), reason.is_empty()) {
        (_, true) => class.to_owned(),
        (true, false) => reason,
        (false, false) => format!("{class}: {reason}"),
    }
}

/// The text in lower case without what differs between replies of one reason.
fn essence(text: &str) -> String {
    let text = unfolded(text);
    let mut out = Essence::default();
    let mut rest = &*text;
    // What remains after the quote that closes the one met last.
    let mut behind_quote = None;
    while let Some(first) = rest.chars().next() {
        if out.text.len() > REASON_BYTES_MAX {
            break;
        }
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '<' => match after.split_once('>') {
                Some((_, behind)) => out.star(behind),
                None => after,
            },
            '"' if behind_quote == Some(after.len()) => after,
            '"' => match after.split_once('"') {
                Some((inside, behind)) if out.names_somebody(inside) => out.star(behind),
                Some((_, behind)) => {
                    behind_quote = Some(behind.len());
                    after
                }
                None => after,
            },
            '[' => match after.split_once(']') {
                Some((inside, behind)) => match meaning(inside) {
                    Meaning::Name => out.star(behind),
                    Meaning::Nothing => behind,
                    Meaning::Words => after,
                },
                None => after,
            },
            first if separates(first) => after,
            _ => out.token(rest),
        };
    }
    out.finish()
}

/// Escaped line breaks and qmail's underscores as blanks.
fn unfolded(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for escape in ["#012", "#015", "#011", "\\n", "\\r"] {
        if text.contains(escape) {
            text = text.replace(escape, " ").into();
        }
    }
    if !text.contains(' ') {
        text = text.replace('_', " ").into();
    }
    text
}

fn separates(c: char) -> bool {
    match c {
        '<' | '>' | '"' | '[' | ']' | '(' | ')' | '{' | '}' | ';' | ',' => true,
        c if c.is_ascii() => c.is_ascii_whitespace() || c.is_ascii_control(),
        c => c.is_whitespace() || c.is_control(),
    }
}

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Words of the reason.
    Words,
    /// Names somebody or something.
    Name,
    /// A code, a number, an id, or no word at all.
    Nothing,
}

fn meaning(token: &str) -> Meaning {
    if !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Meaning::Words;
    }
    if !token.contains(char::is_alphanumeric) {
        return Meaning::Nothing;
    }
    if let Some((_, value)) = token.split_once('=').filter(|(_, value)| !value.is_empty()) {
        return meaning(value);
    }
    let is_link = token.contains("://") || token.starts_with("www.");
    let is_address = token.contains('@') || token.contains("%40");
    if is_link || is_address || token.starts_with('/') || token.starts_with("private/") {
        return Meaning::Name;
    }
    let (before_port, _) = token.split_once(':').unwrap_or((token, ""));
    if is_ip(token) || is_ip(before_port) || is_host(before_port) {
        return Meaning::Name;
    }
    let is_word = || {
        WORDS_WITH_DIGITS
            .iter()
            .any(|word| token.eq_ignore_ascii_case(word))
    };
    if token.contains(|c: char| c.is_ascii_digit()) && !is_word() {
        return Meaning::Nothing;
    }
    Meaning::Words
}

fn is_ip(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':')
        && token.parse::<IpAddr>().is_ok()
}

/// Labels with dots between them that end in a word; two sentences without a blank between them
/// (`does not exist.Please check`) are none.
fn is_host(token: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let last = token.rsplit('.').next().unwrap_or_default();
    token.contains('.')
        && token.split('.').all(label)
        && last.len() > 1
        && last.bytes().all(|b| b.is_ascii_alphabetic())
        && joint(token).is_none()
}

/// Where a sentence ends in the middle of a token: at a dot between a small letter and a capital.
fn joint(token: &str) -> Option<usize> {
    let bytes = token.as_bytes();
    (1..bytes.len().saturating_sub(1)).find(|at| {
        bytes[*at] == b'.'
            && bytes[at - 1].is_ascii_lowercase()
            && bytes[at + 1].is_ascii_uppercase()
    })
}

/// The reason as far as it is written.
#[derive(Debug, Default)]
struct Essence {
    text: String,
}

impl Essence {
    /// Takes the token at the start of `rest` and gives what comes behind it.
    fn token<'t>(&mut self, rest: &'t str) -> &'t str {
        let length = rest.find(separates).unwrap_or(rest.len());
        let (token, behind) = match joint(&rest[..length]) {
            Some(dot) => (&rest[..=dot], &rest[dot + 1..]),
            None => rest.split_at(length),
        };
        let bare = token.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '/');
        let bare = bare.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '/');
        let ends_with_colon = token.ends_with(':');
        match meaning(bare) {
            Meaning::Nothing => return behind,
            Meaning::Name if !self.tells_a_list() || !is_host(bare) => self.push("*"),
            Meaning::Name | Meaning::Words => self.push(bare),
        }
        match token.chars().next_back() {
            _ if ends_with_colon => self.mark(':'),
            Some('.') => self.mark('.'),
            _ => self.mark_at(behind),
        }
        behind
    }

    /// Stands for a name that ends before `behind`.
    fn star<'t>(&mut self, behind: &'t str) -> &'t str {
        self.push("*");
        self.mark_at(behind);
        behind
    }

    /// A quoted token is a name; so is what is quoted as an unknown user.
    fn names_somebody(&self, quoted: &str) -> bool {
        !quoted.contains(char::is_whitespace) || self.text.ends_with("user:")
    }

    /// Whether the name of a block list comes next.
    fn tells_a_list(&self) -> bool {
        ["using", "listed at", "listed by", "listed in", "listed on"]
            .iter()
            .any(|words| self.text.ends_with(words))
    }

    fn push(&mut self, word: &str) {
        if word == "*" && self.text.ends_with('*') {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        if word.is_ascii() {
            let start = self.text.len();
            self.text.push_str(word);
            self.text[start..].make_ascii_lowercase();
        } else {
            self.text.extend(word.chars().flat_map(char::to_lowercase));
        }
    }

    /// Keeps the punctuation mark with which `behind` begins.
    fn mark_at(&mut self, behind: &str) {
        if let Some(mark) = behind.chars().next().filter(|mark| ":;,.".contains(*mark)) {
            self.mark(mark);
        }
    }

    fn mark(&mut self, mark: char) {
        if self
            .text
            .ends_with(|c: char| c.is_alphanumeric() || c == '*')
        {
            self.text.push(mark);
        }
    }

    /// The reason without marks and names at its ends, cut where it is too long.
    fn finish(self) -> String {
        let is_edge = |c: char| "*:;,. ".contains(c);
        let text = self.text.trim_matches(is_edge);
        if text.len() > REASON_BYTES_MAX {
            let end = floor_char_boundary(text, REASON_BYTES_MAX);
            let end = text[..end].rfind(' ').unwrap_or(end);
            return format!("{} ...", text[..end].trim_end_matches(is_edge));
        }
        let last = text.rsplit(' ').next().unwrap_or_default();
        if ASKING.contains(&last) && self.text.ends_with('*') {
            return format!("{text} *");
        }
        text.to_owned()
    }
}

/// The greatest character boundary up to `at`, which is within the text.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(reply: &str) -> String {
        reason_name(None, reply)
    }

    #[test]
    fn class_and_reason_make_the_name() {
        let full = "host mx.example[192.0.2.1] said: 452 4.2.2 <bob@x.example>: Mailbox full (in reply to RCPT TO command)";
        assert_eq!(
            reason_name(Some("mailbox-full"), full),
            "mailbox-full: mailbox full"
        );
        assert_eq!(reason_name(Some("network"), ""), "network");
        assert_eq!(reason_name(Some("network"), "550 5.1.1"), "network");
        assert_eq!(reason_name(None, ""), "");
    }

    #[test]
    fn replies_of_one_reason_count_once() {
        for (reason, replies) in [
            (
                "user unknown",
                &[
                    "550 5.1.1 <a@x.example>: User unknown",
                    "550-5.1.1 User unknown. 550 5.1.1",
                    "host mx.y.example[2001:db8::1] said: 550 #5.1.1 user UNKNOWN! (in reply to RCPT TO command)",
                    "550_5.1.1_User_unknown",
                ][..],
            ),
            (
                "connect to *: connection refused",
                &[
                    "connect to mx.closed.example[203.0.113.99]:25: Connection refused",
                    "connect to 127.0.0.1[127.0.0.1]:26: Connection refused",
                    "connect to mx.example[2001:db8::5]:25: Connection refused",
                ],
            ),
            (
                "lost connection with * while sending rcpt to",
                &["lost connection with mx.drop.example[203.0.113.17] while sending RCPT TO"],
            ),
            (
                "our system has detected that this message is likely unsolicited mail",
                &[
                    "550-5.7.1 [192.0.2.25] Our system has detected that this message is 550-5.7.1 likely unsolicited mail.",
                    "550-5.7.1 [192.0.2.25      12] Our system has detected that this 550-5.7.1 message is likely unsolicited mail. k8si123",
                ],
            ),
            (
                "unknown user",
                &["unknown user: \"loop\"", "unknown user: \"bob smith\""],
            ),
            (
                "user doesn't exist",
                &["550 5.1.1 <a@x.example> User doesn't exist: a@x.example"],
            ),
            (
                "cannot append message to file *: cannot create file exclusively: permission denied",
                &[
                    "cannot append message to file /var/mail/bob: cannot create file exclusively: Permission denied",
                ],
            ),
            (
                "command died with signal",
                &["Command died with signal 11: \"/usr/local/bin/pipe-exit\""],
            ),
            (
                "reject, banned: application/octet-stream, dat",
                &["554 5.7.0 Reject, id=00200-03 - BANNED: application/octet-stream,.dat,evil.exe"],
            ),
            ("ipv6 is required", &["550 5.7.1 IPv6 is required"]),
        ] {
            for reply in replies {
                assert_eq!(plain(reply), reason, "{reply}");
            }
        }
    }

    #[test]
    fn the_block_list_is_part_of_the_reason() {
        assert_eq!(
            plain(
                "Service unavailable; Client host [198.51.100.67] blocked using bl.example; see http://bl.example/q?198.51.100.67"
            ),
            "service unavailable; client host * blocked using bl.example; see *"
        );
        assert_eq!(
            plain("198.51.100.67 is listed at bl.example"),
            "is listed at bl.example"
        );
        assert_eq!(
            plain("rejected by DMARC policy for x.example"),
            "rejected by dmarc policy for *"
        );
        assert_eq!(
            plain("mail using alice@x.example is refused"),
            "mail using * is refused"
        );
    }

    #[test]
    fn sentences_without_a_blank_between_them_stay() {
        assert_eq!(
            plain("User does not exist.Please check mx.example.net"),
            "user does not exist. please check"
        );
        assert_eq!(plain("said PROD.OUTLOOK.COM to us"), "said * to us");
    }

    #[test]
    fn hostile_texts_end_and_are_short() {
        let long = "very ".repeat(400);
        let cut = plain(&long);
        assert!(
            cut.len() <= REASON_BYTES_MAX + 4 && cut.ends_with("very ..."),
            "{cut}"
        );
        let wide = "ä".repeat(400);
        assert!(plain(&wide).len() <= REASON_BYTES_MAX + 4);
        for text in [
            "<", ">", "\"", "[", "[[[", "\"\"\"", "<\"", "=", "a=", "=b", ".", "..", "@", "\u{0}",
            "é.É", "x.Éa",
        ] {
            plain(text);
        }
        assert_eq!(plain("an open \" quote"), "an open quote");
        assert_eq!(
            plain("said \"mailbox is full\" today"),
            "said mailbox is full today"
        );
    }
}
