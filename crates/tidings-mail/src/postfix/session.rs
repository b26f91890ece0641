//! The life of an SMTP session as smtpd (and qmqpd) logs it: connect, sign of a message, end.

use super::scan;
use super::statement::{ClientOf, Lost, Peer, Says};

/// `connect from h[ip]`
pub(super) fn connect(text: &[u8]) -> Option<Says<'_>> {
    Some(Says::Connect {
        client: scan::whole_peer(text)?,
    })
}

/// `disconnect from h[ip] ehlo=1 quit=1 commands=2`
pub(super) fn disconnect(text: &[u8]) -> Option<Says<'_>> {
    let (client, rest) = scan::peer(text)?;
    let commands = match rest {
        b"" => rest,
        _ => rest.strip_prefix(b" ")?,
    };
    Some(Says::Disconnect { client, commands })
}

/// `lost connection after DATA (12 bytes) from h[ip]` and its like, behind `after `. Both stage
/// and client are Postfix's own words; the client ends the line.
pub(super) fn lost(how: Lost, text: &[u8]) -> Option<Says<'_>> {
    let (stage, client) = scan::cut_last(text, b" from ")?;
    let client = scan::whole_peer(client)?;
    // How many bytes came is no part of the command.
    let stage = scan::cut(stage, b" (").map_or(stage, |(stage, _)| stage);
    Some(Says::SessionLost { how, stage, client })
}

/// qmqpd: `h[ip]: lost connection while receiving message content`
pub(super) fn lost_while<'a>(client: Peer<'a>, text: &'a [u8]) -> Option<Says<'a>> {
    let (how, stage) = scan::cut(text, b" while ")?;
    let how = match how {
        b"lost connection" | b"unexpected EOF" => Lost::Connection,
        b"timeout" | b"read/write timeout" => Lost::Timeout,
        _ => return None,
    };
    Some(Says::SessionLost { how, stage, client })
}

/// `improper command pipelining after DATA from h[ip]: data`, behind `after `.
pub(super) fn pipelining<'a>(what: &'a [u8], text: &'a [u8]) -> Option<Says<'a>> {
    let (stage, rest) = scan::cut(text, b" from ")?;
    let (client, rest) = scan::peer(rest)?;
    let data = match rest {
        b"" => rest,
        _ => rest.strip_prefix(b": ")?,
    };
    Some(Says::ProtocolViolation {
        what,
        stage,
        client,
        data,
    })
}

/// `client=h[ip], sasl_method=PLAIN, sasl_username=u, orig_client=…`, behind `client=`.
///
/// The SASL user is text of a client that has signed in; all values behind it hold no blank, so
/// they are split off from the end of the line.
pub(super) fn client(text: &[u8]) -> Option<Says<'_>> {
    let (client, mut rest) = scan::peer(text)?;
    let mut of = ClientOf {
        client,
        sasl_method: b"",
        sasl_username: b"",
        sasl_sender: b"",
        orig_queue_id: b"",
        orig_client: b"",
    };
    of.orig_client = split_value(&mut rest, b", orig_client=");
    of.orig_queue_id = split_value(&mut rest, b", orig_queue_id=");
    of.sasl_sender = split_value(&mut rest, b", sasl_sender=");
    if let Some(value) = rest.strip_prefix(b", sasl_method=") {
        let len = memchr::memchr(b',', value).unwrap_or(value.len());
        (of.sasl_method, rest) = value.split_at(len);
    }
    if let Some(value) = rest.strip_prefix(b", sasl_username=") {
        (of.sasl_username, rest) = (value, b"");
    }
    rest.is_empty().then_some(Says::Client(of))
}

/// Splits the last `key` and its value without blanks off `text`.
fn split_value<'a>(text: &mut &'a [u8], key: &[u8]) -> &'a [u8] {
    match scan::cut_last(text, key) {
        Some((before, value)) if !value.contains(&b' ') => {
            *text = before;
            value
        }
        _ => b"",
    }
}

/// `abort: TLS from h[ip]: No client certificate presented`, behind `abort: TLS from `.
pub(super) fn abort(text: &[u8]) -> Option<Says<'_>> {
    let (client, rest) = scan::peer(text)?;
    Some(Says::TlsError {
        inbound: true,
        peer: Some(client),
        reason: rest.strip_prefix(b": ")?,
    })
}
