//! What Postfix warns about: `warning: …`, and `error: …`, `fatal: …`, `panic: …`.
//!
//! A few warnings are statements of their own (failed sign-ins, wrong host names, limits, broken
//! protocol); every other one is kept as trouble, with its text.

use super::scan;
use super::session;
use super::statement::{Peer, Reject, RejectBy, Says, Severity};
use super::tls;

/// Splits `warning: ` and its like off.
pub(super) fn severity(text: &[u8]) -> Option<(Severity, &[u8])> {
    let (severity, word) = match text.first()? {
        b'w' => (Severity::Warning, &b"warning: "[..]),
        b'e' => (Severity::Error, &b"error: "[..]),
        b'f' => (Severity::Fatal, &b"fatal: "[..]),
        b'p' => (Severity::Panic, &b"panic: "[..]),
        _ => return None,
    };
    Some((severity, text.strip_prefix(word)?))
}

/// What a warning or worse says.
pub(super) fn parse<'a>(service: &[u8], severity: Severity, text: &'a [u8]) -> Says<'a> {
    let known = match severity {
        Severity::Warning => warning(service, text),
        _ => None,
    };
    known.unwrap_or(Says::Trouble { severity, text })
}

fn warning<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    // What smtpd and qmqpd of 1.x put before their own names.
    let text = match scan::cut(text, b": ") {
        Some((b"smtpd_peer_init" | b"qmqpd_peer_init", rest)) => rest,
        _ => text,
    };
    if let Some(rest) = text.strip_prefix(b"hostname ") {
        return mismatch(rest);
    }
    if let Some(rest) = text.strip_prefix(b"TLS library problem: ") {
        return Some(tls::library(service, rest));
    }
    if let Some(rest) = text.strip_prefix(b"milter ") {
        return milter(rest);
    }
    if let Some(rest) = text.strip_prefix(b"connect to Milter service ") {
        return milter(rest);
    }
    if let Some(rest) = text.strip_prefix(b"reject: ETRN ") {
        let (domain, client) = etrn(rest)?;
        return Some(refused_etrn(&text[8..12], domain, client));
    }
    if let Some(rest) = text.strip_prefix(b"bad ETRN ") {
        let (data, client) = etrn(rest)?;
        return Some(Says::ProtocolViolation {
            what: &text[..8],
            stage: &text[4..8],
            client,
            data,
        });
    }
    if let Some(rest) = text.strip_prefix(b"improper command pipelining after ") {
        return session::pipelining(&text[..27], rest);
    }
    limit(text)
        .or_else(|| violation(text))
        .or_else(|| about_client(text))
        .or_else(|| old_mismatch(text))
}

/// `h does not resolve to address ip[: reason]`, behind `hostname `.
fn mismatch(text: &[u8]) -> Option<Says<'_>> {
    let (hostname, rest) = scan::cut(text, b" does not resolve to address ")?;
    let (address, reason) = scan::cut(rest, b": ").unwrap_or((rest, b""));
    Some(Says::HostnameMismatch {
        hostname,
        ip: scan::ip(address),
        reason,
    })
}

/// `inet:127.0.0.1:8891: can't read SMFIC_BODYEOB reply packet header: …`
fn milter(text: &[u8]) -> Option<Says<'_>> {
    let (milter, reason) = scan::cut(text, b": ")?;
    Some(Says::MilterTrouble { milter, reason })
}

/// `example.test... from h[ip]`: the argument is the client's, the client ends the line.
fn etrn(text: &[u8]) -> Option<(&[u8], Peer<'_>)> {
    let (domain, client) = scan::cut_last(text, b"... from ")?;
    Some((domain, scan::whole_peer(client)?))
}

fn refused_etrn<'a>(stage: &'a [u8], subject: &'a [u8], client: Peer<'a>) -> Says<'a> {
    Says::Reject(Reject {
        by: RejectBy::Server,
        stage,
        client,
        code: 0,
        dsn: b"",
        subject,
        text: b"",
        from: None,
        to: None,
        proto: b"",
        helo: b"",
        sasl_username: b"",
    })
}

/// `Connection rate limit exceeded: 4 from h[ip] for service smtp`, before 2.3 `Too many
/// connections: 4 from …` and `Too frequent connections: …`. The words are Postfix' own: a
/// warning that quotes a client has brackets before the quotation.
fn limit(text: &[u8]) -> Option<Says<'_>> {
    let (what, rest) = scan::cut(text, b": ")?;
    let what = match what.strip_suffix(b" limit exceeded") {
        Some(what) => what,
        None if what.starts_with(b"Too many ") || what.starts_with(b"Too frequent ") => what,
        None => return None,
    };
    if !what
        .iter()
        .all(|byte| byte.is_ascii_alphabetic() || *byte == b' ')
    {
        return None;
    }
    let (count, rest) = scan::number(rest)?;
    let (client, rest) = scan::peer(rest.strip_prefix(b" from ")?)?;
    let service = rest.strip_prefix(b" for service ")?;
    Some(Says::LimitExceeded {
        what,
        count,
        client,
        service,
    })
}

/// Warnings about what a client sent, with the client before what it sent: `non-SMTP command from
/// h[ip]: GET / HTTP/1.1`, `null BDAT request from h[ip]`, `BDAT request from h[ip] exceeds message
/// size limit`, `Illegal address syntax from h[ip] in RCPT command: <…>`.
fn violation(text: &[u8]) -> Option<Says<'_>> {
    let (what, rest) = scan::cut(text, b" from ")?;
    let known = matches!(
        what,
        b"non-SMTP command"
            | b"malformed BDAT command syntax"
            | b"null BDAT request"
            | b"BDAT request"
            | b"too much BDAT content -- disabling further input"
            | b"Illegal address syntax"
    );
    if !known {
        return None;
    }
    let (client, rest) = scan::peer(rest)?;
    let (stage, data) = match rest.strip_prefix(b" in ") {
        Some(rest) => scan::cut(rest, b" command: ")?,
        None => (
            &b""[..],
            rest.strip_prefix(b": ")
                .or_else(|| rest.strip_prefix(b" "))
                .unwrap_or(rest),
        ),
    };
    Some(Says::ProtocolViolation {
        what,
        stage,
        client,
        data,
    })
}

/// Warnings that begin with a client: `h[ip]: SASL …`, `h[ip]: request longer than 2048: data`,
/// before 2.3 `h[ip] sent non-SMTP command: data`.
fn about_client(text: &[u8]) -> Option<Says<'_>> {
    let (client, rest) = scan::peer(text)?;
    let (what, data) = match rest.strip_prefix(b": ") {
        Some(rest) => match rest.strip_prefix(b"SASL ") {
            Some(rest) => return sasl(client, rest),
            None => scan::cut(rest, b": ")
                .filter(|(what, _)| what.starts_with(b"request longer than "))?,
        },
        None => scan::cut(rest.strip_prefix(b" ")?, b": ")
            .filter(|(what, _)| what.starts_with(b"sent "))?,
    };
    Some(Says::ProtocolViolation {
        what,
        stage: b"",
        client,
        data,
    })
}

/// `LOGIN authentication failed: reason, sasl_username=u`. The method is one word; the reason is
/// the server's, so the first `, sasl_username=` begins the client's text.
fn sasl<'a>(client: Peer<'a>, text: &'a [u8]) -> Option<Says<'a>> {
    let (method, rest) = scan::word(text);
    let (aborted, rest) = match rest.strip_prefix(b"authentication failed") {
        Some(rest) => (false, rest),
        None => (true, rest.strip_prefix(b"authentication aborted")?),
    };
    let (reason, user) = scan::cut(rest, b", sasl_username=").unwrap_or((rest, b""));
    let reason = reason
        .strip_prefix(b":")
        .unwrap_or(reason)
        .trim_ascii_start();
    let user = if user == b"(unavailable)" { b"" } else { user };
    Some(Says::SaslFailed {
        client,
        method,
        reason,
        user,
        aborted,
    })
}

/// Before 2.9: `ip: hostname h verification failed: reason`, `ip: address not listed for hostname
/// h`.
fn old_mismatch(text: &[u8]) -> Option<Says<'_>> {
    let (address, rest) = scan::cut(text, b": ")?;
    let ip = Some(scan::ip(address)?);
    if let Some(hostname) = rest.strip_prefix(b"address not listed for hostname ") {
        return Some(Says::HostnameMismatch {
            hostname,
            ip,
            reason: b"",
        });
    }
    let (hostname, reason) = scan::cut(rest.strip_prefix(b"hostname ")?, b" verification failed")?;
    Some(Says::HostnameMismatch {
        hostname,
        ip,
        reason: reason.strip_prefix(b": ").unwrap_or(reason),
    })
}
