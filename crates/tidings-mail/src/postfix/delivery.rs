//! What the delivery agents say: one line per recipient and attempt, and asides about servers
//! that did not answer as hoped.
//!
//! A delivery line is read from the left, in the order Postfix writes its fields; only the text
//! in parentheses, which repeats the remote server's reply, comes after the status. A recipient
//! in external form (3.5 and later) cannot end early; one in internal form that holds `>, relay=`
//! can make up the rest of its own line, and nothing else.

use memchr::{memchr, memrchr};

use super::scan;
use super::statement::{Delivery, Peer, Says, Status};

/// `to=<r>, orig_to=<o>, relay=h[ip]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (text)`,
/// behind `to=<`.
pub(super) fn delivery(text: &[u8]) -> Option<Says<'_>> {
    let (to, rest) = scan::angle(text, b", ")?;
    let mut rest = &rest[2..];
    let mut orig_to: &[u8] = b"";
    if let Some(value) = rest.strip_prefix(b"orig_to=<") {
        let (address, after) = scan::angle(value, b", ")?;
        (orig_to, rest) = (address, &after[2..]);
    }
    let mut d = Delivery {
        to,
        orig_to,
        relay: b"",
        relay_host: b"",
        relay_ip: None,
        relay_port: None,
        conn_use: 0,
        delay: b"",
        delays: b"",
        dsn: b"",
        status: Status::Other,
        status_word: b"",
        text: b"",
    };
    loop {
        if let Some(status) = rest.strip_prefix(b"status=") {
            set_status(&mut d, status);
            return Some(Says::Delivery(d));
        }
        let equals = memchr(b'=', rest)?;
        let (key, value) = (&rest[..equals], &rest[equals + 1..]);
        // A snapshot of 2.3 forgot the comma between `dsn=` and `status=`.
        let end = value
            .iter()
            .position(|byte| *byte == b',' || *byte == b' ')?;
        let (value, after) = value.split_at(end);
        match key {
            b"relay" => set_relay(&mut d, value),
            b"conn_use" => d.conn_use = conn_use(value),
            b"delay" => d.delay = value,
            b"delays" => d.delays = value,
            b"dsn" => d.dsn = value,
            _ if key.contains(&b' ') => return None,
            _ => {}
        }
        rest = after
            .strip_prefix(b", ")
            .or_else(|| after.strip_prefix(b" "))?;
    }
}

fn conn_use(value: &[u8]) -> u32 {
    scan::number(value)
        .and_then(|(uses, _)| u32::try_from(uses).ok())
        .unwrap_or(0)
}

fn set_relay<'a>(d: &mut Delivery<'a>, relay: &'a [u8]) {
    d.relay = relay;
    if let Some(Peer { name, ip, port }) = scan::whole_peer(relay) {
        // A socket has a path in place of a host: `/run/lmtp[/run/lmtp]`.
        let host = if memchr(b'/', name).is_none() {
            name
        } else {
            b""
        };
        (d.relay_host, d.relay_ip, d.relay_port) = (host, ip, port);
    } else if memchr(b'.', relay).is_some() && memchr(b'/', relay).is_none() {
        // A host whose address is not logged; transports have no dots.
        (d.relay_host, d.relay_ip) = (relay, scan::ip(relay));
    }
}

/// `sent (250 ok)`. The text ends at the last parenthesis: it is the line's own, whatever the
/// server's reply has inside. A line cut short has none.
fn set_status<'a>(d: &mut Delivery<'a>, text: &'a [u8]) {
    let (word, rest) = scan::word(text);
    d.status_word = word.strip_suffix(b",").unwrap_or(word);
    if let Some(text) = rest.strip_prefix(b"(") {
        let end = memrchr(b')', text).unwrap_or(text.len());
        d.text = &text[..end];
    }
    d.status = match d.status_word {
        b"sent" => Status::Sent,
        b"deferred" | b"SOFTBOUNCE" => Status::Deferred,
        b"bounced" => Status::Bounced,
        b"expired" | b"force-expired" => Status::Expired,
        b"deliverable" => Status::Deliverable,
        b"undeliverable" | b"undeliverable-but-not-cached" => Status::Undeliverable,
        _ => Status::Other,
    };
}

/// `host h[ip] said: 450 … (in reply to RCPT TO command)`, `host h[ip] refused to talk to me: …`,
/// behind `host `.
pub(super) fn host(text: &[u8]) -> Option<Says<'_>> {
    let (host, rest) = scan::peer(text)?;
    if let Some(reply) = rest.strip_prefix(b" said: ") {
        return Some(said(host, reply));
    }
    let reply = rest.strip_prefix(b" refused to talk to me: ")?;
    Some(Says::HostSaid {
        host,
        refused: true,
        reply,
        stage: b"",
    })
}

/// The suffix is Postfix's own and ends the line; what the server wrote stands before it.
fn said<'a>(host: Peer<'a>, text: &'a [u8]) -> Says<'a> {
    let parts = text
        .strip_suffix(b")")
        .and_then(|text| scan::cut_last(text, b" (in reply to "));
    let (reply, stage) = match parts {
        Some((reply, stage)) => (reply, stage.strip_suffix(b" command").unwrap_or(stage)),
        None => (text, &b""[..]),
    };
    Says::HostSaid {
        host,
        refused: false,
        reply,
        stage,
    }
}

/// `SASL authentication failed; server h[ip] said: 535 …`: the stage is `SASL authentication`.
pub(super) fn sasl(text: &[u8]) -> Option<Says<'_>> {
    let (what, rest) = scan::cut(text, b" failed; server ")?;
    let (host, rest) = scan::peer(rest)?;
    let reply = rest.strip_prefix(b" said: ")?;
    Some(Says::HostSaid {
        host,
        refused: false,
        reply,
        stage: what,
    })
}

/// `connect to h[ip]:25: Connection refused`, older `connect to h[ip]: Connection refused
/// (port 25)`, behind `connect to `.
pub(super) fn connect(text: &[u8]) -> Option<Says<'_>> {
    let (mut host, rest) = scan::peer(text)?;
    let mut reason = rest.strip_prefix(b": ")?;
    if let Some((before, port)) = reason
        .strip_suffix(b")")
        .and_then(|text| scan::cut_last(text, b" (port "))
        && let Some((port, b"")) = scan::number(port)
    {
        (host.port, reason) = (u16::try_from(port).ok(), before);
    }
    Some(Says::ConnectFailed { host, reason })
}

/// `lost connection with h[ip] while sending RCPT TO`, behind `lost connection with `.
pub(super) fn lost(text: &[u8]) -> Option<Says<'_>> {
    let (host, rest) = scan::peer(text)?;
    Some(Says::ConversationLost {
        host,
        timed_out: false,
        stage: stage(rest)?,
    })
}

/// `conversation with h[ip] timed out while sending MAIL FROM`, behind `conversation with `.
pub(super) fn timed_out(text: &[u8]) -> Option<Says<'_>> {
    let (host, rest) = scan::peer(text)?;
    Some(Says::ConversationLost {
        host,
        timed_out: true,
        stage: stage(rest.strip_prefix(b" timed out")?)?,
    })
}

fn stage(text: &[u8]) -> Option<&[u8]> {
    match text {
        b"" => Some(text),
        _ => text.strip_prefix(b" while "),
    }
}
