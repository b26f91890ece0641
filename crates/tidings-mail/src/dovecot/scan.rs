//! Small byte scanners that the readers of this module share.

use std::net::{IpAddr, Ipv4Addr};

/// Where `separator` stands, from the left. For short separators whose first byte is rare, which
/// is cheaper than building a searcher for each line.
pub(super) fn all<'a>(text: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = separator.first().copied().unwrap_or(0);
    memchr::memchr_iter(first, text).filter(move |at| text[*at..].starts_with(separator))
}

/// What stands before and after the first `separator`.
pub(super) fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = all(text, separator).next()?;
    Some((&text[..at], &text[at + separator.len()..]))
}

/// The rest behind the first of `starts` that `text` begins with.
pub(super) fn strip_any<'a>(text: &'a [u8], starts: &[&[u8]]) -> Option<&'a [u8]> {
    starts.iter().find_map(|start| text.strip_prefix(*start))
}

/// Whether `text` begins with one of `starts`.
pub(super) fn starts_any(text: &[u8], starts: &[&[u8]]) -> bool {
    starts.iter().any(|start| text.starts_with(start))
}

/// A number that is all of `text`.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let (value, rest) = leading_number(text)?;
    rest.is_empty().then_some(value)
}

/// The number at the head, and what follows it. `None` without digits, or beyond 64 bits.
pub(super) fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    let mut length = 0;
    while let Some(digit) = text.get(length).filter(|byte| byte.is_ascii_digit()) {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        length += 1;
    }
    (length > 0).then(|| (value, &text[length..]))
}

/// A process id that is all of `text`.
pub(super) fn pid(text: &[u8]) -> Option<u32> {
    number(text).and_then(|pid| u32::try_from(pid).ok())
}

/// An address that is all of `text`; IPv4 within IPv6 (`::ffff:192.0.2.1`) becomes IPv4.
pub(super) fn ip(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(text) {
        return Some(IpAddr::V4(address));
    }
    memchr::memchr(b':', text)?;
    let text = text
        .strip_prefix(b"[")
        .and_then(|text| text.strip_suffix(b"]"))
        .unwrap_or(text);
    let address = std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    if !(7..=15).contains(&text.len()) {
        return None;
    }
    let mut octets = [0_u8; 4];
    let mut part = 0;
    let mut digits = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' if digits < 3 => {
                octets[part] = octets[part].checked_mul(10)?.checked_add(byte - b'0')?;
                digits += 1;
            }
            b'.' if digits > 0 && part < 3 => {
                part += 1;
                digits = 0;
            }
            _ => return None,
        }
    }
    (part == 3 && digits > 0).then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(ip(b"192.0.2.1"), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(ip(b"::ffff:192.0.2.1"), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(ip(b"[2001:db8::1]"), "2001:db8::1".parse().ok());
        for text in [
            "",
            "192.0.2",
            "192.0.2.256",
            "1.2.3.4.5",
            "....",
            "192.0.2.0001",
            "local",
            ":",
        ] {
            assert_eq!(ip(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b""), None);
        assert_eq!(leading_number(b"3/24"), Some((3, &b"/24"[..])));
    }
}
