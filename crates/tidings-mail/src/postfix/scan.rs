//! Byte scanners shared by all statements: addresses in angle brackets, peers, IP addresses.
//!
//! Every scanner takes a slice and gives slices of it; nothing is copied, nothing panics.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memrchr};

use super::statement::Peer;

/// A peer with nothing known, for statements that name none.
pub(super) const NOBODY: Peer<'static> = Peer {
    name: b"",
    ip: None,
    port: None,
};

/// Splits `text` at the first `needle`, which goes into neither half.
pub(super) fn cut<'a>(text: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, needle, 0)?;
    Some((&text[..at], &text[at + needle.len()..]))
}

/// Splits `text` at the last `needle`, which goes into neither half. Only for needles that are
/// anchored at the end of the line by what Postfix writes itself.
pub(super) fn cut_last<'a>(text: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let first = *needle.first()?;
    let mut end = text.len();
    while let Some(at) = memrchr(first, &text[..end]) {
        if text[at..].starts_with(needle) {
            return Some((&text[..at], &text[at + needle.len()..]));
        }
        end = at;
    }
    None
}

/// Whether `needle` occurs in `text`.
pub(super) fn has(text: &[u8], needle: &[u8]) -> bool {
    find(text, needle, 0).is_some()
}

/// Position of the first `needle` at or after `from`. Needles are short and lines are too, so a
/// jump from first byte to first byte beats building a searcher.
pub(super) fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let mut start = from;
    loop {
        let at = start + memchr(first, text.get(start..)?)?;
        if text[at..].starts_with(needle) {
            return Some(at);
        }
        start = at + 1;
    }
}

/// The first word and what follows the blank after it; a text without a blank is one word.
pub(super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b' ', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// A decimal number at the start of `text`, and what follows it. `None` without a digit or when
/// the number does not fit.
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    let mut len = 0;
    while let Some(digit) = text.get(len).filter(|byte| byte.is_ascii_digit()) {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        len += 1;
    }
    if len == 0 {
        None
    } else {
        Some((value, &text[len..]))
    }
}

/// `name[address]` or `name[address]:port` at the start of `text`, and what follows it.
///
/// The name may be empty (postscreen writes `[address]:port`). It holds no blank: Postfix logs a
/// verified host name, `unknown`, or the path of a socket.
pub(super) fn peer(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    let open = memchr(b'[', text)?;
    let name = &text[..open];
    if name.iter().any(|byte| *byte == b' ' || *byte == b']') {
        return None;
    }
    let inside = &text[open + 1..];
    let close = memchr(b']', inside)?;
    let ip = ip(&inside[..close]);
    let after = &inside[close + 1..];
    let (port, rest) = match port(after) {
        Some((port, rest)) => (Some(port), rest),
        None => (None, after),
    };
    Some((Peer { name, ip, port }, rest))
}

/// A peer that is all of `text`.
pub(super) fn whole_peer(text: &[u8]) -> Option<Peer<'_>> {
    peer(text)
        .filter(|(_, rest)| rest.is_empty())
        .map(|(peer, _)| peer)
}

/// A peer as postscreen writes it: `[address]:port`, or before 2.8 a bare address.
pub(super) fn endpoint(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    if text.first() == Some(&b'[') {
        return peer(text);
    }
    let end = text
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(text.len());
    let end = if text[..end].ends_with(b":") {
        end - 1
    } else {
        end
    };
    let ip = ip(&text[..end])?;
    Some((
        Peer {
            name: b"",
            ip: Some(ip),
            port: None,
        },
        &text[end..],
    ))
}

/// A peer that may be a host name alone, as TLS statements of old versions have it, up to `: `.
pub(super) fn peer_or_name(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    if let Some((peer, rest)) = peer(text) {
        return Some((peer, rest));
    }
    let end = find(text, b": ", 0)?;
    let name = &text[..end];
    if name.is_empty() || memchr(b' ', name).is_some() {
        return None;
    }
    Some((
        Peer {
            name,
            ip: ip(name),
            port: None,
        },
        &text[end..],
    ))
}

/// `:25` at the start of `text`.
fn port(text: &[u8]) -> Option<(u16, &[u8])> {
    let (value, rest) = number(text.strip_prefix(b":")?)?;
    Some((u16::try_from(value).ok()?, rest))
}

/// An IP address that is all of `text`: dotted IPv4, IPv6 with or without `IPv6:` before it and a
/// zone (`%eth0`) behind it.
pub(super) fn ip(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(text) {
        return Some(IpAddr::V4(address));
    }
    let text = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case(b"IPv6:") => &text[5..],
        _ => text,
    };
    let text = memchr(b'%', text).map_or(text, |zone| &text[..zone]);
    // The longest form has 45 characters, `ffff:…:255.255.255.255`.
    if text.len() > 45 || memchr(b':', text).is_none() {
        return None;
    }
    let address: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(IpAddr::V6(address))
}

/// A dotted IPv4 address without leading zeros.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    if text.len() > 15 {
        return None;
    }
    let mut octets = [0u8; 4];
    let mut index = 0;
    let mut digits = 0;
    let mut value = 0u16;
    for byte in text {
        match byte {
            b'0'..=b'9' if digits < 3 && !(digits > 0 && value == 0) => {
                value = value * 10 + u16::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && index < 3 => {
                octets[index] = u8::try_from(value).ok()?;
                index += 1;
                digits = 0;
                value = 0;
            }
            _ => return None,
        }
    }
    if index != 3 || digits == 0 {
        return None;
    }
    octets[3] = u8::try_from(value).ok()?;
    Some(Ipv4Addr::from(octets))
}

/// The address after `<`, and what follows its `>`, which must start with `next`.
///
/// Since 3.5 Postfix logs addresses in external form: odd local parts are quoted, so `>` and `,`
/// inside quotes do not end the address. Before (and with `info_log_address_format = internal`)
/// the bare text is logged; then the first `>` followed by `next` ends it.
pub(super) fn angle<'a>(text: &'a [u8], next: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    if text.first() == Some(&b'"')
        && let Some((address, rest)) = strict_address(text)
        && rest.starts_with(next)
    {
        return Some((address, rest));
    }
    let mut start = 0;
    loop {
        let end = start + memchr(b'>', &text[start..])?;
        let rest = &text[end + 1..];
        if rest.starts_with(next) {
            return Some((&text[..end], rest));
        }
        start = end + 1;
    }
}

/// The address after `<` and what follows its `>`, if it is in external form: a quoted string or
/// text without blanks and specials, then perhaps a domain. Empty for `<>`.
pub(super) fn strict_address(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let local = if text.first() == Some(&b'"') {
        quoted(text)?
    } else {
        0
    };
    let mut at = local;
    loop {
        match text.get(at)? {
            b'>' => break,
            b' ' | b'<' | b'"' | b'\\' | b',' | b';' => return None,
            // What follows a quoted local part is a domain.
            byte if at == local && local > 0 && *byte != b'@' => return None,
            _ => at += 1,
        }
    }
    Some((&text[..at], &text[at + 1..]))
}

/// Length of the quoted string at the start of `text`, both quotes included.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Length of `address` at the start of `text`, where `next` follows it. The address is given in
/// external form; the text may have it in internal form, without quotes.
pub(super) fn address_length(text: &[u8], address: &[u8], next: &[u8]) -> Option<usize> {
    if text
        .strip_prefix(address)
        .is_some_and(|rest| rest.starts_with(next))
    {
        return Some(address.len());
    }
    let len = address
        .first()
        .filter(|byte| **byte == b'"')
        .and_then(|_| quoted(address))?;
    let mut local = address[1..len - 1].iter();
    let mut at = 0;
    while let Some(byte) = local.next() {
        let byte = if *byte == b'\\' {
            local.next().unwrap_or(byte)
        } else {
            byte
        };
        if text.get(at) != Some(byte) {
            return None;
        }
        at += 1;
    }
    let domain = &address[len..];
    let rest = text[at..].strip_prefix(domain)?;
    rest.starts_with(next).then_some(at + domain.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_addresses_parse_as_the_standard_library_does() {
        for text in [
            "0.0.0.0",
            "1.2.3.4",
            "255.255.255.255",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1..2.3",
            "1.2.3.",
            ".1.2.3",
            "",
            "::1",
            "2001:db8::25",
            "::ffff:1.2.3.4",
            "unknown",
        ] {
            assert_eq!(ip(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(ip(b"IPv6:2001:db8::1"), "2001:db8::1".parse().ok());
        assert_eq!(ip(b"fe80::1%eth0"), "fe80::1".parse().ok());
    }

    #[test]
    fn peers_have_a_name_an_address_and_perhaps_a_port() {
        let (client, rest) = peer(b"mx.a.test[192.0.2.1]:52143 ehlo=1").unwrap();
        assert_eq!(
            (client.name, client.port, rest),
            (&b"mx.a.test"[..], Some(52143), &b" ehlo=1"[..])
        );
        assert_eq!(client.ip, "192.0.2.1".parse().ok());
        let (socket, rest) = peer(b"mx[private/lmtp]: gone").unwrap();
        assert_eq!(
            (socket.name, socket.ip, socket.port, rest),
            (&b"mx"[..], None, None, &b": gone"[..])
        );
        assert!(peer(b"two words[192.0.2.1]").is_none());
        assert!(peer(b"mx[192.0.2.1").is_none());
        assert!(whole_peer(b"mx[192.0.2.1]:99999").is_none(), "no such port");
        assert_eq!(endpoint(b"192.0.2.1: EHLO x").unwrap().1, b": EHLO x");
    }

    #[test]
    fn addresses_end_where_their_quotes_say() {
        assert_eq!(
            angle(b"a@b>, relay=x", b", "),
            Some((&b"a@b"[..], &b", relay=x"[..]))
        );
        let quoted = br#""a>, relay=\"x"@b>, relay=y"#;
        assert_eq!(angle(quoted, b", ").unwrap().0, br#""a>, relay=\"x"@b"#);
        assert_eq!(
            angle(b"a>b@c>, relay=x", b", ").unwrap().0,
            b"a>b@c",
            "internal form"
        );
        assert_eq!(
            angle(br#""a>, x"#, b", ").unwrap().0,
            br#""a"#,
            "a lone quote is internal form"
        );
        assert_eq!(angle(b"never closed", b", "), None);
        assert_eq!(strict_address(b"> x").unwrap(), (&b""[..], &b" x"[..]));
        assert_eq!(strict_address(b"a b@c>"), None);
        assert_eq!(strict_address(br#""a"b@c>"#), None);
        assert_eq!(strict_address(br#""a\"#), None);
    }

    #[test]
    fn an_address_is_found_in_either_form() {
        let length =
            |text: &str, address: &str| address_length(text.as_bytes(), address.as_bytes(), b">: ");
        assert_eq!(length("a@c>: no", "a@c"), Some(3));
        assert_eq!(length(">: no", ""), Some(0));
        assert_eq!(length(r#""a b"@c>: no"#, r#""a b"@c"#), Some(7));
        assert_eq!(length("a b@c>: no", r#""a b"@c"#), Some(5));
        assert_eq!(length(r#"a"b>: @c>: no"#, r#""a\"b>: "@c"#), Some(8));
        assert_eq!(length("a b@d>: no", r#""a b"@c"#), None);
        assert_eq!(length("a", r#""a b"@c"#), None);
        assert_eq!(length("a@c> no", "a@c"), None);
    }
}
