//! What Dovecot says of itself: start and stop, limits, children, and remarks that decide nothing.

use super::scan;
use super::statement::Says;

/// Reads a text about the server; `None` if it is something else. Any service may say such things,
/// but only the master process speaks for all.
pub(super) fn read<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    let is_master = matches!(service, b"" | b"master" | b"dovecot");
    started(text)
        .or_else(|| match stopped(text) {
            Some(_) if !is_master => Some(Says::Note { text }),
            stopped => stopped,
        })
        .or_else(|| of_service(text))
        .or_else(|| indexed(text))
        .or_else(|| quota(text))
}

/// `Dovecot v2.3.19.1 (9b53102964) starting up for imap, pop3 (core dumps disabled)`
fn started(text: &[u8]) -> Option<Says<'_>> {
    let rest = text.strip_prefix(b"Dovecot ")?;
    let (version, rest) = scan::split_once(rest, b"starting up")
        .map(|(version, rest)| (version.trim_ascii(), rest))?;
    let version = version.strip_prefix(b"v").unwrap_or(version);
    let end = memchr::memchr(b' ', version).unwrap_or(version.len());
    let protocols = rest.strip_prefix(b" for ").unwrap_or(b"");
    let protocols = scan::split_once(protocols, b" (").map_or(protocols, |(list, _)| list);
    Some(Says::Started {
        version: &version[..end],
        protocols,
    })
}

fn stopped(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = text.strip_prefix(b"Killed with signal ") {
        let signal = scan::leading_number(rest).and_then(|(signal, _)| u32::try_from(signal).ok());
        return Some(Says::Stopped { signal, text });
    }
    const STOPS: &[&[u8]] = &[
        b"Shutting down",
        b"Dovecot stopped",
        b"Stopping Dovecot",
        b"dovecot stopped",
        b"Login process died too early - shutting down",
        b"auth process died too early",
    ];
    if scan::starts_any(text, STOPS) {
        return Some(Says::Stopped { signal: None, text });
    }
    const RELOADS: &[&[u8]] = &[
        b"SIGHUP received",
        b"Reloading configuration",
        b"Config reloaded",
    ];
    scan::starts_any(text, RELOADS).then_some(Says::Reloaded { text })
}

/// `service(imap-login): process_limit (100) reached, …`, `service(lmtp): child 9 killed with …`;
/// 1.x: `child 9 (imap) killed with signal 11`.
fn of_service(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = text.strip_prefix(b"service(") {
        let (service, rest) = scan::split_once(rest, b"): ")?;
        return limit(service, rest).or_else(|| child(service, rest));
    }
    let rest = text.strip_prefix(b"child ")?;
    let (pid, rest) = scan::leading_number(rest)?;
    let (service, reason) = scan::split_once(rest.strip_prefix(b" (")?, b") ")?;
    Some(Says::ChildFailed {
        service,
        pid: u32::try_from(pid).ok(),
        reason,
    })
}

/// `process_limit (100) reached, client connections are being dropped`, `client_limit=200 reached`
fn limit<'a>(service: &'a [u8], text: &'a [u8]) -> Option<Says<'a>> {
    let (limit, rest) = scan::split_once(text, b"_limit")?;
    if !matches!(limit, b"process" | b"client") {
        return None;
    }
    memchr::memmem::find(rest, b"reached")?;
    let value = scan::strip_any(rest, &[b" (", b"="]).and_then(scan::leading_number);
    let value = value.map_or(0, |(value, _)| value);
    Some(Says::Limit {
        service,
        limit: &text[..limit.len() + 6],
        value,
    })
}

fn child<'a>(service: &'a [u8], text: &'a [u8]) -> Option<Says<'a>> {
    let (pid, reason) = scan::leading_number(text.strip_prefix(b"child ")?)?;
    let reason = reason.strip_prefix(b" ").unwrap_or(reason);
    Some(Says::ChildFailed {
        service,
        pid: u32::try_from(pid).ok(),
        reason,
    })
}

/// `Indexed 5 messages in INBOX (UIDs 1..5)`, 2.3.19's `Mailbox INBOX: Indexed 5 messages (…)`.
fn indexed(text: &[u8]) -> Option<Says<'_>> {
    let (mailbox, rest) = match text.strip_prefix(b"Mailbox ") {
        Some(rest) => scan::split_once(rest, b": Indexed ")?,
        None => (&b""[..], text.strip_prefix(b"Indexed ")?),
    };
    let (messages, rest) = scan::leading_number(rest)?;
    let rest = rest.strip_prefix(b" messages").unwrap_or(rest);
    let mailbox = match rest.strip_prefix(b" in ") {
        Some(name) => scan::split_once(name, b" (UID").map_or(name, |(name, _)| name),
        None => mailbox,
    };
    Some(Says::Indexed { mailbox, messages })
}

fn quota(text: &[u8]) -> Option<Says<'_>> {
    const STARTS: &[&[u8]] = &[
        b"Quota warning",
        b"quota warning",
        b"quota: ",
        b"quota-",
        b"Quota root",
        b"Quota: ",
        b"Quota exceeded",
    ];
    scan::starts_any(text, STARTS).then_some(Says::Quota { text })
}

/// Beginnings of texts at level `Info` that decide nothing, of all versions and the usual plugins.
#[rustfmt::skip]
const NOTES: &[&[u8]] = &[
    // login, auth
    b"ID sent: ", b"auth client connected", b"new auth connection", b"client in: ", b"client out: ",
    b"master in: ", b"master out: ", b"client passdb out: ", b"auth input", b"Policy server",
    b"Policy request", b"Policy check", b"Wrote new auth token secret", b"Allowing any password",
    b"Anonymous login", b"Authentication cache", b"SSL: where=", b"SSL alert: ", b"Loading modules",
    b"Module loaded: ", b"If you have trouble with authentication failures",
    b"This message goes away after", b"Client connected", b"Client disconnected",
    // ssl, master
    b"Generating Diffie-Hellman", b"Generating DH", b"Generating SSL parameters",
    b"SSL parameters regeneration completed", b"Created login processes successfully",
    b"Temporary failure in creating login processes", b"Time just moved", b"Time moved",
    // mail processes, with 1.x's mail_debug
    b"Effective uid=", b"Namespace", b"namespace", b"Home dir", b"maildir: ", b"maildir++: ",
    b"mbox: ", b"mdbox: ", b"sdbox: ", b"dbox: ", b"fs: ", b"none: ", b"acl: ", b"acl vfile: ",
    b"trash: ", b"expire: ", b"zlib: ", b"virtual: ", b"fts: ", b"fts_", b"fts-", b"FTS ",
    b"antispam: ", b"Successfully hibernated", b"Unhibernated because", b"imap-master: ",
    b"imapsieve: ", b"imap-sieve: ", b"imap_sieve: ", b"sieve-", b"last_login", b"lazy_expunge",
    b"notify: ", b"welcome: ", b"mail_crypt", b"push-notification", b"Push notification",
    b"Autoexpunged", b"autoexpunge", b"Purged ", b"Rescan", b"Optimiz", b"Resyncing", b"Rebuilding",
    b"UIDVALIDITY changed", b"lua: ", b"Reconnected ", b"replication: ", b"replication(",
    // others
    b"Director ", b"director: ", b"dsync", b"sync: ", b"{\"", b"Event ", b"event ", b"haproxy",
    b"User initialization", b"Opened ", b"Converting", b"doveadm", b"PANIC: ",
];

/// Services that carry no mail and end no user's session: what they say is a remark.
const AT_THE_BACK: &[&[u8]] = &[
    b"director",
    b"replicator",
    b"aggregator",
    b"doveadm",
    b"ipc",
    b"stats",
    b"old-stats",
    b"config",
    b"health-check",
    b"anvil",
    b"dict",
    b"dict-async",
    b"ssl-params",
];

/// A known remark, or any of a service that says nothing else; `None` if the text is not known.
pub(super) fn note<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    let is_known = AT_THE_BACK.contains(&service)
        || scan::starts_any(text, NOTES)
        || scan::starts_any(text, DATABASES)
            && memchr::memmem::find(text, b"onnected to ").is_some();
    is_known.then_some(Says::Note { text })
}

/// `mysql(localhost): Connected to database mail`
const DATABASES: &[&[u8]] = &[
    b"mysql",
    b"pgsql",
    b"sqlite",
    b"cassandra",
    b"ldap",
    b"redis",
];

/// Whether a text without a level word is an error's: 1.x wrote none to syslog.
pub(super) fn reads_like_trouble(text: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b" failed",
        b"rror: ",
        b"rror ",
        b"orrupt",
        b"ouldn't ",
        b"an't ",
        b"annot ",
        b"nvalid ",
        b"No such file",
        b"ermission denied",
        b"imed out",
        b"imeout",
        b"BUG: ",
        b"nexpected",
        b"assertion",
        b"Out of memory",
        b"efused",
        b"nknown ",
        b"too many",
        b"not found",
        b"Raw backtrace",
        b"ailure",
        b"issing ",
        b"doesn't exist",
    ];
    WORDS
        .iter()
        .any(|words| memchr::memmem::find(text, words).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks() {
        let text = b"mysql(localhost): Connected to database mail";
        assert_eq!(note(b"auth", text), Some(Says::Note { text }));
        assert_eq!(note(b"auth", b"mysql(localhost): Connection lost"), None);
        assert!(reads_like_trouble(
            b"open(/var/mail/a) failed: Permission denied"
        ));
        assert!(!reads_like_trouble(b"something new that nobody knows"));
    }

    #[test]
    fn starts() {
        let cases: &[(&str, &str, &str)] = &[
            (
                "Dovecot v2.3.19.1 (9b53102964) starting up for imap, pop3, lmtp (core dumps disabled)",
                "2.3.19.1",
                "imap, pop3, lmtp",
            ),
            (
                "Dovecot v2.4.1-4 (7d8c0bc) starting up for imap",
                "2.4.1-4",
                "imap",
            ),
            ("Dovecot v1.0.7 starting up", "1.0.7", ""),
            ("Dovecot starting up", "", ""),
            (
                "Dovecot v2.0.9 starting up (core dumps disabled)",
                "2.0.9",
                "",
            ),
        ];
        for (text, version, protocols) in cases {
            let (version, protocols) = (version.as_bytes(), protocols.as_bytes());
            assert_eq!(
                read(b"master", text.as_bytes()),
                Some(Says::Started { version, protocols }),
                "{text}"
            );
        }
    }

    #[test]
    fn limits_and_children() {
        assert_eq!(
            read(b"master", b"service(imap-login): process_limit (100) reached, client connections are being dropped"),
            Some(Says::Limit { service: b"imap-login", limit: b"process_limit", value: 100 })
        );
        assert_eq!(
            read(
                b"master",
                b"service(lmtp): child 9 killed with signal 11 (core dumped)"
            ),
            Some(Says::ChildFailed {
                service: b"lmtp",
                pid: Some(9),
                reason: b"killed with signal 11 (core dumped)"
            })
        );
        assert_eq!(
            read(b"master", b"child 9 (imap) killed with signal 11"),
            Some(Says::ChildFailed {
                service: b"imap",
                pid: Some(9),
                reason: b"killed with signal 11"
            })
        );
        assert_eq!(
            read(b"master", b"Indexed 5 messages in a (b) (UIDs 1..5)"),
            Some(Says::Indexed {
                mailbox: b"a (b)",
                messages: 5
            })
        );
    }
}
