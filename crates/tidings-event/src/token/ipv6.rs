//! Finds an IPv6 address in a run of characters without separators.

use std::net::Ipv6Addr;

/// The longest text of an IPv6 address (RFC 4291, with an IPv4 address at its end).
const MAX_BYTES: usize = 45;

/// An address and what stands around it.
pub(super) struct Found<'a> {
    /// What comes before it: ends in the colon that separates it, or is empty.
    pub(super) before: &'a str,
    /// The address.
    pub(super) address: Ipv6Addr,
    /// What comes after it, without the `%` of a zone or the `/` of a prefix length.
    pub(super) after: &'a str,
}

/// The first IPv6 address of lower-case text. It begins at the start of the text or behind a colon,
/// and ends at the end of the text, at a `%` (zone), a `/` (prefix length) or a trailing colon or dot.
pub(super) fn find(text: &str) -> Option<Found<'_>> {
    let mut start = 0;
    loop {
        let rest = &text[start..];
        if let Some((address, length)) = address_at(rest) {
            let after = rest.get(length + 1..).unwrap_or_default();
            return Some(Found {
                before: &text[..start],
                address,
                after,
            });
        }
        start += rest.find(':')? + 1;
    }
}

/// The address at the start of `text`, and the length of the run of characters that it stands in.
fn address_at(text: &str) -> Option<(Ipv6Addr, usize)> {
    let bytes = text.as_bytes();
    let may_occur = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':' || *byte == b'.';
    // A trailing colon and dot may come on top; anything longer is no address.
    let length = bytes
        .iter()
        .take(MAX_BYTES + 3)
        .take_while(|byte| may_occur(byte))
        .count();
    if !matches!(bytes.get(length), None | Some(b'%' | b'/')) {
        return None;
    }
    let run = &text[..length];
    let candidates = [
        run,
        run.trim_end_matches('.'),
        run.trim_end_matches([':', '.']),
    ];
    let address = candidates
        .iter()
        .find_map(|candidate| candidate.parse().ok())?;
    Some((address, length))
}
