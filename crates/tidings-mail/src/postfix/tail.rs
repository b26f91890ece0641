//! The envelope at the end of a refusal: `; from=<a> to=<b> proto=ESMTP helo=<c>`.
//!
//! Much of such a line is the client's own text: both addresses, the HELO name, and the part
//! before the semicolon, where the reply repeats an address or cleanup quotes a header. So a
//! client can write a whole false envelope into its true one. What anchors the true one:
//!
//! - Postfix replaces blanks and `<>()\";@` in the HELO name, and `proto=` is its own word. So
//!   nothing from ` proto=` on is forged, and it ends the line (or, in cleanup, is followed by
//!   `: ` and the administrator's text).
//! - Since 3.5 addresses are logged in external form, with odd local parts quoted. An envelope
//!   counts only if **every** field parses in that form from its semicolon to the end; one that
//!   begins or ends inside a quoted string leaves a stray quote and does not.
//!
//! Where no semicolon passes (addresses in internal form, as before 3.5, or a line cut short) and
//! just one could begin an envelope, it is read leniently. Where several could, the whole stays
//! text and the addresses are left out rather than guessed. What a client can still do, before 3.5: put a complete second
//! envelope without odd characters into an address, and so name other addresses for a message
//! that it could have sent to and from those addresses anyway. It cannot touch the client, the
//! reply code, the stage, `proto=` or `helo=`.

use memchr::memchr_iter;

use super::scan::{self, NOBODY, strict_address};
use super::statement::Peer;

/// The fields of an envelope, as far as they are there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tail<'a> {
    /// Sender without brackets.
    pub(super) from: Option<&'a [u8]>,
    /// Recipient without brackets.
    pub(super) to: Option<&'a [u8]>,
    /// `SMTP`, `ESMTP`, …
    pub(super) proto: &'a [u8],
    /// HELO name without brackets.
    pub(super) helo: &'a [u8],
    /// SASL user name.
    pub(super) sasl_username: &'a [u8],
    /// What follows the fields, with its `: `.
    rest: &'a [u8],
}

impl<'a> Tail<'a> {
    /// The administrator's text behind the fields, without its `: `.
    pub(super) fn remark(&self) -> &'a [u8] {
        self.rest.strip_prefix(b": ").unwrap_or(self.rest)
    }

    fn has_fields(&self) -> bool {
        self.from.is_some() || self.to.is_some() || !self.proto.is_empty() || !self.helo.is_empty()
    }

    /// Nothing behind the fields but perhaps a remark, which must lie within the last `unmarked`
    /// bytes of the line.
    fn ends_in_remark(&self, unmarked: usize) -> bool {
        self.rest.is_empty() || self.rest.starts_with(b": ") && self.rest.len() <= unmarked
    }
}

/// How many bytes at the end of `text` hold no mark of an envelope.
fn unmarked(text: &[u8]) -> usize {
    let behind =
        |mark: &[u8]| scan::cut_last(text, mark).map_or(text.len(), |(_, rest)| rest.len());
    behind(b" proto=").min(behind(b"; from=<"))
}

/// Splits `450 4.3.2 text; from=<a> to=<b> …` into reply and envelope.
pub(super) fn after_reply(text: &[u8]) -> (&[u8], Tail<'_>) {
    for at in memchr_iter(b';', text) {
        let tail = fields(&text[at + 1..]);
        if tail.rest.is_empty() && (tail.has_fields() || at + 1 == text.len()) {
            return (&text[..at], tail);
        }
    }
    let mut starts = starts(text);
    match (starts.next(), starts.next()) {
        (None, _) => (text, Tail::default()),
        (Some(at), None) => (&text[..at], lenient(&text[at + 1..], false)),
        (Some(_), Some(_)) => (text, Tail::default()),
    }
}

/// Splits `Subject: x from h[ip]; from=<a> to=<b> …: remark` into content, client and envelope.
/// `None` where no envelope is there.
pub(super) fn after_content(text: &[u8]) -> Option<(&[u8], Peer<'_>, Tail<'_>)> {
    let unmarked = unmarked(text);
    let mut without_origin = None;
    for at in memchr_iter(b';', text) {
        let tail = fields(&text[at + 1..]);
        if !tail.has_fields() || !tail.ends_in_remark(unmarked) {
            continue;
        }
        match origin(&text[..at]) {
            Some((content, client)) => return Some((content, client, tail)),
            None => without_origin = without_origin.or(Some((&text[..at], NOBODY, tail))),
        }
    }
    // Postfix 1.x names no client here.
    if without_origin.is_some() {
        return without_origin;
    }
    let mut starts = starts(text);
    let at = starts.next()?;
    if starts.next().is_some() {
        return Some((text, NOBODY, Tail::default()));
    }
    let (content, client) = origin(&text[..at]).unwrap_or((&text[..at], NOBODY));
    Some((content, client, lenient(&text[at + 1..], true)))
}

/// Splits ` 450 4.3.2 text; from=<a>, to=<b>, proto=ESMTP, helo=<c>` of postscreen. The reply is
/// the server's own, so the first `; from=<` begins the envelope; the HELO name holds no blank,
/// so the last `, helo=<` begins it.
pub(super) fn after_screen_reply(text: &[u8]) -> (&[u8], Tail<'_>) {
    let Some((reply, envelope)) = scan::cut(text, b"; from=<") else {
        return (text, Tail::default());
    };
    let mut tail = Tail::default();
    let mut addresses = envelope;
    if let Some((before, helo)) = scan::cut_last(envelope, b", helo=<")
        && let Some(helo) = helo.strip_suffix(b">")
        && let Some((before, proto)) = scan::cut_last(before, b">, proto=")
    {
        (addresses, tail.helo, tail.proto) = (before, helo, proto);
    }
    match scan::angle(addresses, b", to=<") {
        Some((from, rest)) => {
            tail.from = Some(from);
            tail.to = rest.strip_prefix(b", to=<");
        }
        None => tail.from = Some(addresses),
    }
    (reply, tail)
}

/// The client before the semicolon: `content from h[ip]`, `content from local`.
fn origin(text: &[u8]) -> Option<(&[u8], Peer<'_>)> {
    let (content, name) = scan::cut_last(text, b" from ")?;
    let client = match scan::whole_peer(name) {
        Some(client) => client,
        None if name.contains(&b' ') || name.is_empty() => return None,
        None => Peer {
            name,
            ip: None,
            port: None,
        },
    };
    Some((content, client))
}

/// Positions of the semicolons that could begin an envelope.
fn starts(text: &[u8]) -> impl Iterator<Item = usize> {
    memchr_iter(b';', text).filter(|at| {
        let after = &text[at + 1..];
        after.starts_with(b" from=<")
            || after.starts_with(b" to=<")
            || after.starts_with(b" proto=")
    })
}

/// Parses the fields after a semicolon in the order Postfix writes them; stops at the first that
/// is not there or not well-formed.
fn fields(text: &[u8]) -> Tail<'_> {
    let mut tail = Tail {
        rest: text,
        ..Tail::default()
    };
    if let Some((from, rest)) = tail.rest.strip_prefix(b" from=<").and_then(strict_address) {
        (tail.from, tail.rest) = (Some(from), rest);
    }
    if let Some((to, rest)) = tail.rest.strip_prefix(b" to=<").and_then(strict_address) {
        (tail.to, tail.rest) = (Some(to), rest);
    }
    session(tail)
}

/// The fields that no client can forge: `proto=`, `helo=`, and since 3.2 the SASL user.
fn session(mut tail: Tail<'_>) -> Tail<'_> {
    if let Some(value) = tail.rest.strip_prefix(b" proto=") {
        let len = value
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric())
            .unwrap_or(value.len());
        (tail.proto, tail.rest) = value.split_at(len);
    }
    if let Some(value) = tail.rest.strip_prefix(b" helo=<")
        && let Some(len) = value.iter().position(|byte| b" <>\"".contains(byte))
        && value[len] == b'>'
    {
        (tail.helo, tail.rest) = (&value[..len], &value[len + 1..]);
    }
    if let Some(value) = tail.rest.strip_prefix(b" sasl_method=") {
        let len = memchr::memchr(b' ', value).unwrap_or(value.len());
        tail.rest = &value[len..];
    }
    if let Some(value) = tail.rest.strip_prefix(b" sasl_username=") {
        let (user, rest) = match scan::find(value, b" sasl_sender=", 0) {
            // The sender is written as xtext, which has no blank.
            Some(at) => (&value[..at], &value[value.len()..]),
            None => (value, &value[value.len()..]),
        };
        // Written as `u`, or by 3.2 to 3.9 for replies of milters and proxies as `<u>`.
        let bare = user
            .strip_prefix(b"<")
            .and_then(|user| user.strip_suffix(b">"))
            .unwrap_or(user);
        if !bare.iter().any(|byte| b"<>".contains(byte)) {
            (tail.sasl_username, tail.rest) = (bare, rest);
        }
    }
    tail
}

/// Reads an envelope whose addresses are in internal form, or which is cut short. The part from
/// the last `> proto=` on is as strict as ever (no other could be, with that one behind it); the
/// first `> to=<` before it parts the addresses.
fn lenient(text: &[u8], remark: bool) -> Tail<'_> {
    if let Some((addresses, _)) = scan::cut_last(text, b"> proto=") {
        let rest = &text[addresses.len() + 1..];
        let tail = session(Tail {
            rest,
            ..Tail::default()
        });
        if tail.rest.is_empty() || remark && tail.ends_in_remark(unmarked(text)) {
            return addressed(addresses, tail);
        }
    }
    match text.strip_suffix(b">") {
        Some(addresses) if !remark => addressed(addresses, Tail::default()),
        _ => Tail {
            rest: b"",
            ..fields(text)
        },
    }
}

/// Puts ` from=<a> to=<b` into a tail.
fn addressed<'a>(text: &'a [u8], mut tail: Tail<'a>) -> Tail<'a> {
    match text.strip_prefix(b" from=<") {
        Some(text) => match scan::angle(text, b" to=<") {
            Some((from, rest)) => {
                tail.from = Some(from);
                tail.to = rest.strip_prefix(b" to=<");
            }
            None => tail.from = Some(text),
        },
        None => tail.to = text.strip_prefix(b" to=<"),
    }
    tail
}
