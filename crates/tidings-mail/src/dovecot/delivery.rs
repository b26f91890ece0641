//! Local delivery: lmtp, lda and the `deliver` of 1.x; and the submission service's relay.

use super::scan;
use super::sieve;
use super::statement::{Message, Relayed, Says};

/// Reads a delivery's outcome; `None` if the text is something else.
pub(super) fn read(text: &[u8]) -> Option<Says<'_>> {
    // 1.x logs `sieve(bob): msgid=…` in some builds.
    if let Some(rest) = text.strip_prefix(b"sieve: ") {
        return Some(Says::Sieve(sieve::read(rest)));
    }
    if let Some(says) = session(text)
        .or_else(|| proxied(text))
        .or_else(|| relayed(text))
    {
        return Some(says);
    }
    let (message, action) = message(text);
    outcome(message, action)
}

/// `Connect from …`, `Disconnect from …: Logged out (state=READY)`, `Disconnect from …: Client
/// quit (in DATA)`.
fn session(text: &[u8]) -> Option<Says<'_>> {
    if let Some(peer) = text.strip_prefix(b"Connect from ") {
        // `Connect from local: 1 client in total` before 2.3.
        let peer = match scan::split_once(peer, b": ") {
            Some((peer, rest)) if rest.ends_with(b" in total") => peer,
            _ => peer,
        };
        return Some(Says::LmtpConnect {
            peer,
            ip: peer_ip(peer),
        });
    }
    let rest = text.strip_prefix(b"Disconnect from ")?;
    let (peer, reason) = scan::split_once(rest, b": ").unwrap_or((rest, b""));
    let state_at = memchr::memmem::rfind(reason, b" (state=").map(|at| (at, 8));
    let state_at = state_at.or_else(|| memchr::memmem::rfind(reason, b" (in ").map(|at| (at, 5)));
    let (reason, state) = match state_at {
        Some((at, skip)) => (
            &reason[..at],
            reason[at + skip..].strip_suffix(b")").unwrap_or(b""),
        ),
        None => (reason, &b""[..]),
    };
    Some(Says::LmtpDisconnect {
        peer,
        ip: peer_ip(peer),
        reason,
        state,
    })
}

/// The address of `192.0.2.1` or `192.0.2.1:4711`; none of `local`.
fn peer_ip(peer: &[u8]) -> Option<std::net::IpAddr> {
    scan::ip(peer).or_else(|| scan::ip(&peer[..memchr::memrchr(b':', peer)?]))
}

/// `Sent message to <a> at 10.0.0.1:24: 250 2.0.0 … (1/1 at 23 ms)`
fn proxied(text: &[u8]) -> Option<Says<'_>> {
    let sent = text.starts_with(b"Sent message to <");
    let rest = scan::strip_any(
        text,
        &[b"Sent message to <", b"Failed to send message to <"],
    )?;
    let (to, rest) = scan::split_once(rest, b"> at ")?;
    let (host, reply) = scan::split_once(rest, b": ").unwrap_or((rest, b""));
    Some(Says::LmtpProxied {
        sent,
        to,
        host,
        reply,
    })
}

/// `Successfully relayed message: from=<>, to=<>, size=9, id=x, nrcpt=1, reply=`250 …'`
fn relayed(text: &[u8]) -> Option<Says<'_>> {
    let accepted = text.starts_with(b"Successfully relayed message: ");
    let rest = scan::strip_any(
        text,
        &[
            b"Successfully relayed message: ",
            b"Failed to relay message: ",
        ],
    )?;
    let mut relayed = Relayed {
        accepted,
        from: b"",
        to: b"",
        size: None,
        id: b"",
        recipients: None,
        reply: b"",
    };
    let (head, reply) = scan::split_once(rest, b", reply=").unwrap_or((rest, b""));
    relayed.reply = reply
        .strip_prefix(b"`")
        .and_then(|reply| reply.strip_suffix(b"'"))
        .unwrap_or(reply);
    let (path, rest) = scan::split_once(head.strip_prefix(b"from=<")?, b">, ")?;
    relayed.from = path;
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix(b"to=<")
        && let Some((to, after)) = scan::split_once(after, b">, ")
    {
        relayed.to = to;
        rest = after;
    }
    while !rest.is_empty() {
        let (element, after) = scan::split_once(rest, b", ").unwrap_or((rest, b""));
        match scan::split_once(element, b"=") {
            Some((b"size", value)) => relayed.size = scan::number(value),
            Some((b"id", value)) => relayed.id = value,
            Some((b"nrcpt", value)) => relayed.recipients = scan::number(value),
            Some((b"rcpt", value)) => {
                relayed.recipients =
                    scan::split_once(value, b"/").and_then(|(_, n)| scan::number(n));
            }
            _ => {}
        }
        rest = after;
    }
    Some(Says::Relayed(relayed))
}

/// Texts of outcomes, as they begin behind the message's fields.
const OUTCOMES: &[&[u8]] = &[
    b"saved mail to ",
    b"save failed to ",
    b"stored mail into mailbox ",
    b"sending a rejection to ",
    b"Sending a rejection to ",
    b"rejected: ",
    b"Rejected: ",
    b"Auto-submitted message discarded: ",
    b"Return-Path missing, rejection reason: ",
    b"Invalid postmaster_address",
    b"forwarded to ",
    b"discarded",
    b"Permanently failed to send rejection",
    b"Temporarily failed to send rejection",
    b"sent vacation response to ",
    b"save failed: ",
    b"Couldn't send rejection",
    b"Can't save to ",
    b"delivered to ",
];

/// Splits `msgid=<…>: action` into the message and the action.
///
/// The head follows `deliver_log_format`, by default `msgid=%m: %$`. A Message-ID is the sender's
/// text and may hold colons and blanks: it ends at the first `>: ` or `>, `. With another format
/// the head ends where the first known outcome begins.
pub(super) fn message(text: &[u8]) -> (Message<'_>, &[u8]) {
    if let Some(rest) = text.strip_prefix(b"msgid=")
        && let Some((id, action)) = after_id(rest)
    {
        return (
            Message {
                id,
                ..Message::default()
            },
            action,
        );
    }
    let at = scan::all(text, b": ").find(|at| {
        scan::starts_any(&text[at + 2..], OUTCOMES) || sieve::is_action(&text[at + 2..])
    });
    let has_fields = memchr::memchr(b'=', text).is_some();
    match at {
        Some(at) if has_fields => (head_fields(&text[..at]), &text[at + 2..]),
        _ => (Message::default(), text),
    }
}

/// The id and what follows its colon: `<a@b>: x`, `unspecified: x`, `: x`.
fn after_id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (id, action) = if text.starts_with(b"<") {
        let end = memchr::memmem::find(text, b">: ")?;
        // `msgid=<a>, from=…: `: another format.
        if memchr::memmem::find(&text[..end], b">, ").is_some() {
            return None;
        }
        (&text[..=end], &text[end + 3..])
    } else {
        scan::split_once(text, b": ").filter(|(id, _)| memchr::memchr(b',', id).is_none())?
    };
    Some((given_id(id), action))
}

fn given_id(id: &[u8]) -> &[u8] {
    let id = id.trim_ascii_end();
    if matches!(id, b"unspecified" | b"?") {
        b""
    } else {
        id
    }
}

/// Fields of a custom `deliver_log_format`: `msgid=<…>, from=…, size=…`, in any order, joined by
/// commas or blanks.
fn head_fields(head: &[u8]) -> Message<'_> {
    let value = |key: &[u8]| {
        let at = scan::all(head, key)
            .find(|at| *at == 0 || matches!(head[at - 1], b' ' | b',' | b'(' | b'['))?;
        let rest = &head[at + key.len()..];
        if rest.first() == Some(&b'<') {
            let end = memchr::memchr(b'>', rest)?;
            return Some(&rest[..=end]);
        }
        let end = memchr::memchr2(b',', b' ', rest).unwrap_or(rest.len());
        Some(&rest[..end])
    };
    let from = value(b"from=").unwrap_or(b"");
    Message {
        id: given_id(value(b"msgid=").unwrap_or(b"")),
        from: from
            .strip_prefix(b"<")
            .and_then(|from| from.strip_suffix(b">"))
            .unwrap_or(from),
        size: value(b"size=").and_then(scan::number),
    }
}

fn outcome<'a>(message: Message<'a>, text: &'a [u8]) -> Option<Says<'a>> {
    if let Some(mailbox) = scan::strip_any(text, &[b"saved mail to ", b"delivered to "]) {
        return Some(Says::Saved { message, mailbox });
    }
    if let Some(rest) = scan::strip_any(text, &[b"save failed to ", b"Can't save to "]) {
        let rest = rest.strip_prefix(b"open mailbox ").unwrap_or(rest);
        let (mailbox, reason) = scan::split_once(rest, b": ").unwrap_or((rest, b""));
        return Some(Says::SaveFailed {
            message,
            mailbox,
            reason,
            over_quota: is_quota(reason),
        });
    }
    if let Some(reason) = text.strip_prefix(b"save failed: ") {
        return Some(Says::SaveFailed {
            message,
            mailbox: b"",
            reason,
            over_quota: is_quota(reason),
        });
    }
    if let Some(rest) = scan::strip_any(
        text,
        &[b"sending a rejection to ", b"Sending a rejection to "],
    ) {
        let (to, reason) = scan::split_once(rest, b": ").unwrap_or((rest, b""));
        let to = to
            .strip_prefix(b"<")
            .and_then(|to| to.strip_suffix(b">"))
            .unwrap_or(to);
        return Some(Says::DeliveryRejected {
            message,
            to,
            reason,
        });
    }
    const REJECTED: &[&[u8]] = &[
        b"rejected: ",
        b"Rejected: ",
        b"Return-Path missing, rejection reason: ",
        b"Auto-submitted message discarded: ",
    ];
    if let Some(reason) = scan::strip_any(text, REJECTED) {
        return Some(Says::DeliveryRejected {
            message,
            to: b"",
            reason,
        });
    }
    if sieve::is_action(text) {
        return Some(Says::Sieve(sieve::action(message, text)));
    }
    None
}

fn is_quota(reason: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"uota exceeded",
        b"over quota",
        b"mailbox for user is full",
        b"uota limit",
    ];
    WORDS
        .iter()
        .any(|words| memchr::memmem::find(reason, words).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_may_hold_anything() {
        let saved = |text: &'static str| match read(text.as_bytes()) {
            Some(Says::Saved { message, mailbox }) => (message.id, mailbox),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(
            saved("msgid=<a: b@c>: saved mail to INBOX"),
            (&b"<a: b@c>"[..], &b"INBOX"[..])
        );
        assert_eq!(
            saved("msgid=: saved mail to a: b"),
            (&b""[..], &b"a: b"[..])
        );
        assert_eq!(
            saved("msgid=unspecified: saved mail to INBOX"),
            (&b""[..], &b"INBOX"[..])
        );
        assert_eq!(saved("saved mail to INBOX"), (&b""[..], &b"INBOX"[..]));
        assert_eq!(
            saved("msgid=a@b: saved mail to INBOX"),
            (&b"a@b"[..], &b"INBOX"[..])
        );
    }

    #[test]
    fn custom_formats() {
        match read(b"from=<x@y>, subject=a: b, msgid=<a@b>, size=751: saved mail to INBOX") {
            Some(Says::Saved { message, mailbox }) => {
                assert_eq!(
                    message,
                    Message {
                        id: b"<a@b>",
                        from: b"x@y",
                        size: Some(751)
                    }
                );
                assert_eq!(mailbox, b"INBOX");
            }
            other => panic!("{other:?}"),
        }
        match read(b"msgid=<a@b>, from=x@y: saved mail to INBOX") {
            Some(Says::Saved { message, .. }) => {
                assert_eq!((message.id, message.from), (&b"<a@b>"[..], &b"x@y"[..]))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn relays() {
        match read(b"Successfully relayed message: from=<a@b>, size=93, id=sX, nrcpt=2, reply=`250 2.0.0 Ok, queued'") {
            Some(Says::Relayed(relayed)) => {
                assert!(relayed.accepted);
                assert_eq!((relayed.from, relayed.size, relayed.id), (&b"a@b"[..], Some(93), &b"sX"[..]));
                assert_eq!((relayed.recipients, relayed.reply), (Some(2), &b"250 2.0.0 Ok, queued"[..]));
            }
            other => panic!("{other:?}"),
        }
    }
}
