//! postscreen and dnsblog: tests of a client before it may talk to smtpd.
//!
//! The client stands before whatever it sent, so none of it can be mistaken for the client.

use super::scan::{self, NOBODY};
use super::statement::Says;

/// Verdicts, longest first where one begins another.
const VERDICTS: &[&[u8]] = &[
    b"PASS NEW",
    b"PASS OLD",
    b"ALLOWLISTED",
    b"DENYLISTED",
    b"WHITELISTED",
    b"BLACKLISTED",
    b"ALLOWLIST VETO",
    b"WHITELIST VETO",
];

/// Protocol violations logged as `WHAT from [ip]:port after STAGE: data`.
const VIOLATIONS: &[&[u8]] = &[
    b"COMMAND PIPELINING",
    b"COMMAND TIME LIMIT",
    b"COMMAND COUNT LIMIT",
    b"COMMAND LENGTH LIMIT",
    b"BARE NEWLINE",
    b"NON-SMTP COMMAND",
    b"DATA without valid RCPT",
    b"BDAT without valid RCPT",
];

/// Any of postscreen's statements in capitals.
pub(super) fn parse(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = text.strip_prefix(b"CONNECT from ") {
        return connect(rest);
    }
    if let Some(rest) = text.strip_prefix(b"DISCONNECT ") {
        let (client, rest) = scan::endpoint(rest)?;
        return rest.is_empty().then_some(Says::ScreenDisconnect { client });
    }
    if let Some(rest) = text.strip_prefix(b"DNSBL rank ") {
        return dnsbl(rest);
    }
    if let Some(rest) = text.strip_prefix(b"HANGUP after ") {
        return hangup(rest);
    }
    if text.starts_with(b"PREGREET ") {
        return pregreet(text);
    }
    verdict(text).or_else(|| violated(text))
}

/// `[ip]:port to [ip]:25`; development versions of 2.8 did not name our end.
fn connect(text: &[u8]) -> Option<Says<'_>> {
    let (client, rest) = scan::endpoint(text)?;
    let local = match rest {
        b"" => NOBODY,
        _ => scan::whole_peer(rest.strip_prefix(b" to ")?)?,
    };
    Some(Says::ScreenConnect { client, local })
}

fn dnsbl(text: &[u8]) -> Option<Says<'_>> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (rank, rest) = scan::number(text)?;
    let rank = i64::try_from(rank).ok()?;
    let (client, rest) = scan::endpoint(rest.strip_prefix(b" for ")?)?;
    rest.is_empty().then_some(Says::ScreenDnsbl {
        rank: if negative { -rank } else { rank },
        client,
    })
}

/// `0.27 from [ip]:port in tests after SMTP handshake`, before 2.8 without ` in …`.
fn hangup(text: &[u8]) -> Option<Says<'_>> {
    let (after, rest) = scan::cut(text, b" from ")?;
    let (client, rest) = scan::endpoint(rest)?;
    let stage = match rest {
        b"" => rest,
        _ => rest.strip_prefix(b" in ")?,
    };
    Some(Says::ScreenHangup {
        after,
        client,
        stage,
    })
}

/// `PREGREET 14 after 0.1 from [ip]:port: EHLO x\r\n`
fn pregreet(text: &[u8]) -> Option<Says<'_>> {
    let (what, rest) = scan::word(text);
    let (_, rest) = scan::cut(rest, b" from ")?;
    let (client, rest) = scan::endpoint(rest)?;
    // A client that sends nothing printable leaves the text empty.
    let data = rest
        .strip_prefix(b": ")
        .or_else(|| rest.strip_prefix(b":"))?;
    Some(Says::ProtocolViolation {
        what,
        stage: b"",
        client,
        data,
    })
}

fn verdict(text: &[u8]) -> Option<Says<'_>> {
    let verdict = VERDICTS.iter().find(|verdict| text.starts_with(verdict))?;
    let (client, rest) = scan::endpoint(text[verdict.len()..].strip_prefix(b" ")?)?;
    rest.is_empty().then_some(Says::ScreenVerdict {
        verdict: &text[..verdict.len()],
        client,
    })
}

fn violated(text: &[u8]) -> Option<Says<'_>> {
    let what = VIOLATIONS.iter().find(|what| text.starts_with(what))?;
    let (what, rest) = text.split_at(what.len());
    let (client, rest) = scan::endpoint(rest.strip_prefix(b" from ")?)?;
    let stage = match rest {
        b"" => rest,
        _ => rest.strip_prefix(b" after ")?,
    };
    // A bare newline shows the command it was in, the others the command before it.
    let (stage, data) = match what {
        b"BARE NEWLINE" => (stage, &b""[..]),
        _ => scan::cut(stage, b": ").unwrap_or((stage, b"")),
    };
    Some(Says::ProtocolViolation {
        what,
        stage,
        client,
        data,
    })
}

/// dnsblog: `addr ip listed by domain d as 127.0.0.4`, before 2.8 `blocked by`; behind `addr `.
pub(super) fn dnsblog(text: &[u8]) -> Option<Says<'_>> {
    let (address, rest) = scan::word(text);
    let rest = rest
        .strip_prefix(b"listed by domain ")
        .or_else(|| rest.strip_prefix(b"blocked by domain "))?;
    let (list, answer) = match scan::cut(rest, b" as ") {
        Some(parts) => parts,
        None => (rest, &b""[..]),
    };
    Some(Says::DnsblListed {
        ip: scan::ip(address),
        list,
        answer,
    })
}
