//! Tells the program by the text of a line that carries no tag, only where that is sure.

use super::program::{Family, Program};

/// The program whose text this is; `None` where it could be another's.
pub(super) fn program(body: &[u8]) -> Option<Program<'static>> {
    if let Some(service) = postfix_service(body) {
        return Some(Program {
            family: Family::Postfix,
            instance: b"",
            listener: b"",
            service,
        });
    }
    let family = if crate::dovecot::is_own_text(body) {
        Family::Dovecot
    } else if is_exim(body) {
        Family::Exim
    } else if is_rspamd(body) {
        Family::Rspamd
    } else {
        return None;
    };
    Some(Program {
        family,
        instance: b"",
        listener: b"",
        service: b"",
    })
}

/// The Postfix daemon that writes such a text; `None` where several do, or none.
pub(super) fn postfix_service(body: &[u8]) -> Option<&'static [u8]> {
    if let Some(text) = after_queue_id(body) {
        return queue_text(text);
    }
    let text = body.strip_prefix(b"warning: ").unwrap_or(body);
    if let Some(text) = text.strip_prefix(b"NOQUEUE: ") {
        // postscreen names the client `[ip]:port`, smtpd `name[ip]`.
        let client = memchr::memmem::find(text, b" from ").map(|at| &text[at + 6..]);
        let is_postscreen = client.is_some_and(|client| client.first() == Some(&b'['));
        return Some(if is_postscreen {
            b"postscreen"
        } else {
            b"smtpd"
        });
    }
    // tlsproxy writes CONNECT and DISCONNECT as well, without our own address.
    if text.starts_with(b"CONNECT from [") {
        let has_local = memchr::memmem::find(text, b" to [").is_some();
        return has_local.then_some(b"postscreen");
    }
    STARTS
        .iter()
        .find(|(start, _)| text.starts_with(start))
        .map(|(_, service)| *service)
}

/// Beginnings of texts without a queue id that one daemon writes.
const STARTS: &[(&[u8], &[u8])] = &[
    (b"connect from ", b"smtpd"),
    (b"disconnect from ", b"smtpd"),
    (b"lost connection after ", b"smtpd"),
    (b"timeout after ", b"smtpd"),
    (b"too many errors after ", b"smtpd"),
    (b"improper command pipelining after ", b"smtpd"),
    (b"non-SMTP command from ", b"smtpd"),
    (b"SSL_accept error from ", b"smtpd"),
    (b"connect to transport ", b"qmgr"),
    (b"connect to ", b"smtp"),
    (b"SSL_connect error to ", b"smtp"),
    (b"PASS NEW [", b"postscreen"),
    (b"PASS OLD [", b"postscreen"),
    (b"ALLOWLISTED [", b"postscreen"),
    (b"DENYLISTED [", b"postscreen"),
    (b"WHITELISTED [", b"postscreen"),
    (b"BLACKLISTED [", b"postscreen"),
    (b"PREGREET ", b"postscreen"),
    (b"DNSBL rank ", b"postscreen"),
    (b"HANGUP after ", b"postscreen"),
    (b"COMMAND ", b"postscreen"),
    (b"BARE NEWLINE from [", b"postscreen"),
    (b"NON-SMTP COMMAND from [", b"postscreen"),
    (b"statistics: max connection ", b"anvil"),
    (b"statistics: max message ", b"anvil"),
    (b"statistics: max recipient ", b"anvil"),
    (b"statistics: max newtls ", b"anvil"),
    (b"statistics: max auth ", b"anvil"),
    (b"statistics: max cache size ", b"anvil"),
    (b"statistics: start interval ", b"scache"),
    (b"statistics: domain lookup ", b"scache"),
    (b"statistics: address lookup ", b"scache"),
    (b"statistics: max simultaneous ", b"scache"),
    (b"daemon started -- version ", b"master"),
    (b"reload -- version ", b"master"),
    (b"terminating on signal ", b"master"),
    (b"starting the Postfix mail system", b"postfix-script"),
    (b"stopping the Postfix mail system", b"postfix-script"),
    (b"refreshing the Postfix mail system", b"postfix-script"),
    (b"the Postfix mail system is running", b"postfix-script"),
];

/// The text after `QUEUEID: `.
fn after_queue_id(body: &[u8]) -> Option<&[u8]> {
    let end = body.iter().take(24).position(|byte| *byte == b':')?;
    let id = &body[..end];
    let is_short = (6..=15).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte));
    let is_long = (13..=20).contains(&id.len())
        && id.contains(&b'z')
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() && !b"AEIOUaeiou".contains(byte));
    if is_short || is_long {
        body[end + 1..].strip_prefix(b" ")
    } else {
        None
    }
}

/// The daemon that says such a thing of a message.
fn queue_text(text: &[u8]) -> Option<&'static [u8]> {
    const STARTS: &[(&[u8], &[u8])] = &[
        (b"client=", b"smtpd"),
        (b"message-id=", b"cleanup"),
        (b"resent-message-id=", b"cleanup"),
        (b"uid=", b"pickup"),
        (b"from=<", b"qmgr"),
        (b"removed", b"qmgr"),
        (b"skipped, still being delivered", b"qmgr"),
        (b"host ", b"smtp"),
        (b"lost connection with ", b"smtp"),
        (b"conversation with ", b"smtp"),
        (b"enabling PIX ", b"smtp"),
        (b"Cannot start TLS", b"smtp"),
        (b"sender ", b"bounce"),
        (b"postmaster ", b"bounce"),
        (b"placed on hold", b"postsuper"),
        (b"released from hold", b"postsuper"),
        (b"requeued", b"postsuper"),
    ];
    if let Some((_, service)) = STARTS.iter().find(|(start, _)| text.starts_with(start)) {
        return Some(service);
    }
    if text.starts_with(b"to=<") {
        return delivery_service(text);
    }
    if text.starts_with(b"reject: ") || text.starts_with(b"milter-") {
        let content = [
            &b"header "[..],
            b"body ",
            b"mime-header ",
            b"nested-header ",
            b"END-OF-MESSAGE ",
        ];
        let what = memchr::memchr(b' ', text).map_or(text, |at| &text[at + 1..]);
        let is_content = content.iter().any(|word| what.starts_with(word));
        return Some(if is_content { b"cleanup" } else { b"smtpd" });
    }
    None
}

/// The delivery agent, by its relay; `None` where the relay is not a server (`none`, a transport's
/// name): smtp, error, pipe and others write such.
fn delivery_service(text: &[u8]) -> Option<&'static [u8]> {
    let at = memchr::memmem::find(text, b">, relay=")?;
    let relay = &text[at + 9..];
    let end = memchr::memchr(b',', relay).unwrap_or(relay.len());
    let relay = &relay[..end];
    match relay {
        b"local" => Some(b"local"),
        b"virtual" => Some(b"virtual"),
        _ if relay.ends_with(b"]") && memchr::memchr(b'/', relay).is_some() => Some(b"lmtp"),
        _ if relay.ends_with(b"]:24") => Some(b"lmtp"),
        _ if memchr::memmem::find(relay, b"]:").is_some() => Some(b"smtp"),
        _ => None,
    }
}

/// `1xV7JE-0000BY-32 …`, with `[pid] ` before it where the selector `+pid` is set.
fn is_exim(body: &[u8]) -> bool {
    let body = match (body.first(), memchr::memchr(b']', body)) {
        (Some(b'['), Some(end)) if end < 12 => body[end + 1..].trim_ascii_start(),
        _ => body,
    };
    let Some(end) = body.iter().take(24).position(|byte| *byte == b' ') else {
        return false;
    };
    if EXIM_STARTS.iter().any(|start| body.starts_with(start)) {
        return true;
    }
    let id = &body[..end];
    let dashes = match id.len() {
        16 => [6, 13],
        23 => [6, 18],
        _ => return false,
    };
    id.iter().enumerate().all(|(at, byte)| {
        if dashes.contains(&at) {
            *byte == b'-'
        } else {
            byte.is_ascii_alphanumeric()
        }
    })
}

/// Beginnings of Exim's texts that have no message id.
const EXIM_STARTS: &[&[u8]] = &[
    b"exim 4.",
    b"Start queue run: pid=",
    b"End queue run: pid=",
    b"SMTP connection from ",
    b"no MAIL in SMTP connection from ",
    b"no host name found for IP address ",
    b"unexpected disconnection while reading SMTP command from ",
    b"TLS error on connection from ",
    b"Warning: purging the environment",
    b"H=",
];

/// `#168(rspamd_proxy) <69a481>; proxy; …`
fn is_rspamd(body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"#") else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest.get(digits) == Some(&b'(') && memchr::memmem::find(rest, b") ").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services() {
        let cases: &[(&str, Option<&str>)] = &[
            ("8DB749C091B: removed", Some("qmgr")),
            ("4jXTsn2mtCz1X5k9: client=x[192.0.2.1]", Some("smtpd")),
            ("8DB749C091B: to=<a@b>, relay=local, delay=1", Some("local")),
            (
                "8DB749C091B: to=<a@b>, relay=mx[private/dovecot-lmtp], delay=1",
                Some("lmtp"),
            ),
            (
                "8DB749C091B: to=<a@b>, relay=mx.b[192.0.2.1]:25, delay=1",
                Some("smtp"),
            ),
            (
                "8DB749C091B: milter-reject: END-OF-MESSAGE from x[192.0.2.1]: 5.7.1 no",
                Some("cleanup"),
            ),
            (
                "NOQUEUE: reject: RCPT from x[192.0.2.1]: 554",
                Some("smtpd"),
            ),
            (
                "NOQUEUE: reject: RCPT from [192.0.2.1]:99: 450",
                Some("postscreen"),
            ),
            (
                "warning: non-SMTP command from x[192.0.2.1]: GET /",
                Some("smtpd"),
            ),
            ("8DB749C091B: to=<a@b>, relay=none, delay=1", None),
            ("CONNECT from [192.0.2.1]:99", None),
            ("hello world", None),
            ("deadbeef: what", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found =
                postfix_service(text.as_bytes()).map(|s| String::from_utf8_lossy(s).into_owned());
            assert_eq!(found.as_deref(), *expected, "{text}");
        }
    }

    #[test]
    fn families() {
        let family = |text: &str| program(text.as_bytes()).map(|program| program.family);
        assert_eq!(family("1xV7JE-0000BY-32 <= a@b"), Some(Family::Exim));
        assert_eq!(
            family("[692] 1xV7JE-0000BY-32 Completed"),
            Some(Family::Exim)
        );
        assert_eq!(
            family("1xV7JE-0000000BY32-abcd Completed"),
            Some(Family::Exim)
        );
        assert_eq!(
            family("#168(rspamd_proxy) <69a481>; proxy; x"),
            Some(Family::Rspamd)
        );
        assert_eq!(family("-- Boot 1 --"), None);
    }
}
