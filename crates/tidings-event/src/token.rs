//! The words of a text, as search sees them: defined once, for the index that finds events and for
//! the matcher that tests them.
//!
//! A **term** is a maximal run of characters other than white space and ``< > ( ) [ ] { } , ; " ' =
//! | \ ` ``. A colon separates too, except inside an IPv6 address. Dots, colons and hyphens at either
//! end of a term are cut off, letters are lower-cased, and an IPv6 address takes its canonical text
//! (RFC 5952; one that stands for an IPv4 address becomes that).
//!
//! The **tokens** of a term are
//! * the term itself: `alice@mail.example.org`;
//! * if it has an `@`: what stands before the first one (if it has at most 24 bytes and 4 digits, as
//!   mailboxes have and Message-IDs have not) and what stands after the last one: `alice`,
//!   `mail.example.org`;
//! * the host name that it ends with and each parent of it with two labels or more: `example.org`. A
//!   host name has at most 253 bytes and at least two labels of letters, digits, `-` and `_`, the
//!   last one not all digits.
//!
//! A **phrase** is a sequence of terms; it occurs in a text where each of them is a token of the
//! text's terms, one after the other.
//!
//! The index keeps hashes of these tokens: a change here makes every index on disk wrong.

mod ipv6;

use std::fmt::{self, Write};
use std::net::IpAddr;

use crate::value::Value;

/// The longest name before an `@` that is a token of its own, in bytes.
const MAX_MAILBOX_BYTES: usize = 24;

/// Digits that such a name has at most.
const MAX_MAILBOX_DIGITS: usize = 4;

/// The longest host name, in bytes (RFC 1035, 2.3.4, as text).
const MAX_HOST_BYTES: usize = 253;

/// Terms up to this length are lower-cased without an allocation.
const STACK_BYTES: usize = 256;

/// Calls `f` with every token of `text`, in order, lower-cased. A token may come twice.
///
/// ASCII text costs no allocation, unless a term of more than 256 bytes has upper-case letters.
pub fn tokens_of(text: &str, f: &mut impl FnMut(&str)) {
    terms_of(text, &mut |term| {
        f(term);
        derived_tokens(term, f);
    });
}

/// Calls `f` with every term of `text`, in order, lower-cased: the words that a phrase is made of.
pub fn terms_of(text: &str, f: &mut impl FnMut(&str)) {
    if text.is_ascii() {
        return ascii_terms(text, f);
    }
    let lower: String = text.chars().flat_map(char::to_lowercase).collect();
    for chunk in lower.split(is_separator) {
        chunk_terms(chunk, f);
    }
}

/// Calls `f` with every token of a value: of texts, of IP addresses (their canonical text), of list
/// elements, and of nested events (the name of their type, and their values). Numbers, durations,
/// times, truth values and bytes have no tokens.
pub fn value_tokens(value: &Value<'_>, f: &mut impl FnMut(&str)) {
    visit_texts(value, &mut |text| {
        match text {
            Text::Plain(text) => tokens_of(text, f),
            Text::Ip(ip) => f(ip),
        }
        false
    });
}

/// A text of a value, as [`visit_texts`] finds it.
pub(crate) enum Text<'a> {
    /// Any text, still to be split into terms.
    Plain(&'a str),
    /// The canonical text of an IP address: one term as it is.
    Ip(&'a str),
}

/// Calls `f` with every text of a value until it says `true`, and tells whether it did.
pub(crate) fn visit_texts(value: &Value<'_>, f: &mut dyn FnMut(Text<'_>) -> bool) -> bool {
    match value {
        Value::Str(text) => f(Text::Plain(text)),
        Value::Ipv4(ip) => f(Text::Ip(IpText::new(IpAddr::V4(*ip)).as_str())),
        Value::Ipv6(ip) => f(Text::Ip(IpText::new(IpAddr::V6(*ip)).as_str())),
        &Value::Array(mut items) => items.any(|item| visit_texts(&item, f)),
        Value::Event(event) => {
            f(Text::Plain(event.kind().name()))
                || event.pairs().any(|(_, value)| visit_texts(&value, f))
        }
        _ => false,
    }
}

/// Whether a character separates terms wherever it stands (a colon does not).
pub(crate) fn is_separator(c: char) -> bool {
    match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => CLASSES[usize::from(byte)] & SEPARATOR != 0,
        _ => c.is_whitespace(),
    }
}

/// What is cut off at both ends of a term.
pub(crate) const TRIMMED: [char; 3] = ['.', ':', '-'];

/// Whether `token` is a token of `term`: the same as looking for it among what [`tokens_of`] gives.
pub(crate) fn term_has(term: &str, token: &str) -> bool {
    if term.len() <= token.len() {
        return term == token;
    }
    let (is_prefix, is_suffix) = (term.starts_with(token), term.ends_with(token));
    if token.is_empty() || !(is_prefix || is_suffix) {
        return false;
    }
    let bytes = term.as_bytes();
    if is_prefix && bytes[token.len()] == b'@' && is_mailbox_name(token) {
        return true;
    }
    match bytes[term.len() - token.len() - 1] {
        _ if !is_suffix => false,
        b'@' => !token.contains('@'),
        b'.' => is_host_name(token),
        before => !is_host_byte(before) && is_host_name(token),
    }
}

/// Whether what stands before an `@` is looked for by itself: `alice`, `team-7`. Message-IDs and
/// other machine-made names are not, and would be a third of the index.
pub(crate) fn is_mailbox_name(local: &str) -> bool {
    let digits = local.bytes().filter(u8::is_ascii_digit).count();
    (1..=MAX_MAILBOX_BYTES).contains(&local.len())
        && digits <= MAX_MAILBOX_DIGITS
        && !local.contains('@')
}

/// Whether a text is a host name in the sense of the module's documentation.
pub(crate) fn is_host_name(text: &str) -> bool {
    let mut labels = 0;
    let well_formed = text.split('.').all(|label| {
        labels += 1;
        !label.is_empty() && label.bytes().all(is_host_byte)
    });
    let top = text.rsplit('.').next().unwrap_or_default();
    well_formed
        && labels >= 2
        && text.len() <= MAX_HOST_BYTES
        && !top.bytes().all(|byte| byte.is_ascii_digit())
}

/// The canonical text of an IP address, on the stack. An IPv6 address that stands for an IPv4 one
/// (`::ffff:203.0.113.9`) has the text of the latter.
pub(crate) struct IpText {
    text: [u8; 45],
    length: usize,
}

impl IpText {
    /// The text of `ip`.
    pub(crate) fn new(ip: IpAddr) -> IpText {
        let mut text = IpText {
            text: [0; 45],
            length: 0,
        };
        // 45 bytes hold every address, so the write cannot fail.
        let _ = match ip.to_canonical() {
            IpAddr::V4(ip) => write!(text, "{ip}"),
            IpAddr::V6(ip) => write!(text, "{ip}"),
        };
        text
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).expect("addresses are written in ASCII")
    }
}

impl Write for IpText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length + part.len();
        let space = self.text.get_mut(self.length..end).ok_or(fmt::Error)?;
        space.copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}

const SEPARATOR: u8 = 1;
const UPPER: u8 = 2;
const COLON: u8 = 4;

/// What each ASCII byte means for the splitting.
static CLASSES: [u8; 128] = classes();

const fn classes() -> [u8; 128] {
    let mut classes = [0; 128];
    let separators = b"\t\n\x0b\x0c\r <>()[]{},;\"'=|\\`";
    let mut at = 0;
    while at < separators.len() {
        classes[separators[at] as usize] = SEPARATOR;
        at += 1;
    }
    let mut letter = b'A';
    while letter <= b'Z' {
        classes[letter as usize] = UPPER;
        letter += 1;
    }
    classes[b':' as usize] = COLON;
    classes
}

fn ascii_terms(text: &str, f: &mut impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let mut seen = 0;
        let mut end = start;
        while end < bytes.len() {
            let class = CLASSES[usize::from(bytes[end] & 0x7f)];
            if class == SEPARATOR {
                break;
            }
            seen |= class;
            end += 1;
        }
        let chunk = &text[start..end];
        start = end + 1;
        if chunk.is_empty() {
            continue;
        }
        with_lower_case(chunk, seen & UPPER != 0, |chunk| {
            if seen & COLON == 0 {
                trimmed_term(chunk, f)
            } else {
                chunk_terms(chunk, f)
            }
        });
    }
}

/// Calls `f` with the lower-case form of ASCII text.
fn with_lower_case(chunk: &str, has_upper: bool, f: impl FnOnce(&str)) {
    if !has_upper {
        return f(chunk);
    }
    let mut stack = [0u8; STACK_BYTES];
    match stack.get_mut(..chunk.len()) {
        Some(lower) => {
            lower.copy_from_slice(chunk.as_bytes());
            lower.make_ascii_lowercase();
            f(std::str::from_utf8(lower).expect("ASCII stays ASCII"));
        }
        None => f(&chunk.to_ascii_lowercase()),
    }
}

/// The terms of lower-case text without separators other than colons.
fn chunk_terms(mut chunk: &str, f: &mut impl FnMut(&str)) {
    while let Some(found) = ipv6::find(chunk) {
        for part in found.before.split(':') {
            trimmed_term(part, f);
        }
        f(IpText::new(IpAddr::V6(found.address)).as_str());
        chunk = found.after;
    }
    for part in chunk.split(':') {
        trimmed_term(part, f);
    }
}

fn trimmed_term(term: &str, f: &mut impl FnMut(&str)) {
    let term = term.trim_matches(TRIMMED);
    if !term.is_empty() {
        f(term);
    }
}

/// The tokens of a term besides itself.
fn derived_tokens(term: &str, f: &mut impl FnMut(&str)) {
    if let Some((local, _)) = term.split_once('@')
        && is_mailbox_name(local)
    {
        f(local);
    }
    suffix_tokens(term, f);
}

/// The tokens of a term that stand at its end: what follows its last `@`, and host names.
pub(crate) fn suffix_tokens(term: &str, f: &mut impl FnMut(&str)) {
    if let Some((_, domain)) = term.rsplit_once('@')
        && !domain.is_empty()
    {
        f(domain);
    }
    host_tokens(term, f);
}

/// The host name that a term ends with, and its parents, shortest first, without what the caller has
/// given already: the whole term and the part behind the last `@`.
fn host_tokens(term: &str, f: &mut impl FnMut(&str)) {
    let bytes = term.as_bytes();
    let mut label_end = bytes.len();
    let mut labels = 0;
    loop {
        let length = bytes[..label_end]
            .iter()
            .rev()
            .take_while(|byte| is_host_byte(**byte))
            .count();
        let start = label_end - length;
        if length == 0 || bytes.len() - start > MAX_HOST_BYTES {
            return;
        }
        labels += 1;
        if labels == 1 && bytes[start..].iter().all(u8::is_ascii_digit) {
            return;
        }
        let before = start.checked_sub(1).map(|at| bytes[at]);
        if labels >= 2 && !matches!(before, None | Some(b'@')) {
            f(&term[start..]);
        }
        if before != Some(b'.') {
            return;
        }
        label_end = start - 1;
    }
}

/// Letters and digits of any script, hyphen, underscore.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests;
