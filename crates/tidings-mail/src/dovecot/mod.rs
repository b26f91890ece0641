//! Dovecot: what its log lines say, from 1.0 to 2.4, with Pigeonhole.
//!
//! [`parse`] takes the text of a line whose syslog tag is `dovecot`, or of a line of Dovecot's own
//! file; [`parse_tagged`] takes lines whose tag is itself a service (`deliver(bob)`). [`read`] picks
//! the right one for an [`Envelope`]. `docs/reference/dovecot.md` lists the statements.

mod auth;
mod delivery;
mod login;
mod mailbox;
mod prefix;
mod scan;
mod server;
mod session;
mod sieve;
mod statement;

pub use statement::{
    Auth, AuthOutcome, Level, Line, LoginCause, LoginEnd, MailAction, MailEvent, MailboxAction,
    Message, Proxy, ProxyStep, Relayed, Says, SessionEnd, Sieve, SieveAction, Tls, Who,
};

pub(crate) use prefix::{is_service, length as prefix_length};

use crate::envelope::Envelope;
use prefix::Prefix;

/// What a line says, by its envelope, which must be of Dovecot's family.
pub fn read<'a>(envelope: &Envelope<'a>) -> Line<'a> {
    match envelope.tag {
        b"" | b"dovecot" => parse(envelope.body, envelope.own_file),
        tag => parse_tagged(tag, envelope.body),
    }
}

/// What a line says. `body` is the text behind the syslog tag `dovecot: `, or, with `own_file`, all
/// that follows the time in Dovecot's own log file.
///
/// Own files have a level word on every line; syslog has none for `Info`, and that of 1.x none at
/// all: there, unless `own_file`, a text that reads like an error is given [`Level::Error`].
pub fn parse(body: &[u8], own_file: bool) -> Line<'_> {
    let prefix = prefix::read(body);
    line(&prefix, own_file)
}

/// What a line says whose syslog tag is a service: `imap-login`, `deliver(bob@example.test)`.
pub fn parse_tagged<'a>(tag: &'a [u8], body: &'a [u8]) -> Line<'a> {
    line(&prefix::read_tagged(tag, body), false)
}

/// Whether `text` is a line of Dovecot's own file behind its time: a service and a level word.
pub(crate) fn is_own_file_text(text: &[u8]) -> bool {
    let (early, rest) = prefix::level(text);
    let Some(length) = prefix::length(rest) else {
        return false;
    };
    let name = rest
        .iter()
        .take_while(|byte| !matches!(byte, b'(' | b'<' | b':'))
        .count();
    is_service(&rest[..name.min(length)])
        && (early.is_some()
            || rest[length + 1..]
                .strip_prefix(b" ")
                .is_some_and(|text| prefix::level(text).0.is_some()))
}

/// Whether a text without any tag is surely Dovecot's.
pub(crate) fn is_own_text(text: &[u8]) -> bool {
    const STARTS: &[&[u8]] = &[
        b"imap-login: ",
        b"pop3-login: ",
        b"managesieve-login: ",
        b"submission-login: ",
        b"auth-worker(",
        b"imap(",
        b"pop3(",
        b"lmtp(",
        b"managesieve(",
        b"dovecot-lda(",
        b"indexer-worker(",
    ];
    let is_named = scan::starts_any(text, STARTS) && prefix::length(text).is_some();
    is_named || is_own_file_text(text)
}

fn line<'a>(prefix: &Prefix<'a>, own_file: bool) -> Line<'a> {
    let text = prefix.text;
    let known = match prefix.level {
        Level::Debug => Some(Says::Debug { text }),
        _ => says(prefix).map(|says| sieve::at_level(says, prefix.level)),
    };
    let (level, says) = match known {
        Some(says) => (prefix.level, says),
        None if prefix.level > Level::Info => (prefix.level, Says::Trouble { text }),
        None => match server::note(prefix.service, text) {
            Some(note) => (prefix.level, note),
            None if !own_file && !prefix.has_level && server::reads_like_trouble(text) => {
                (Level::Error, Says::Trouble { text })
            }
            None => (prefix.level, Says::Unrecognised),
        },
    };
    Line {
        service: prefix.service,
        user: prefix.user,
        pid: prefix.pid,
        session: prefix.session,
        rip: prefix.rip,
        level,
        says,
    }
}

/// Reads the text by what its service can say; other texts of the server may come from any.
fn says<'a>(prefix: &Prefix<'a>) -> Option<Says<'a>> {
    let text = prefix.text;
    let special = match prefix.service {
        service if service.ends_with(b"-login") || service == b"login" => login::read(text),
        b"auth" | b"auth-worker" | b"dovecot-auth" => auth::read(prefix),
        b"imap" | b"pop3" => mailbox::read(text)
            .or_else(|| session::read(text))
            .or_else(|| delivery::read(text)),
        b"lmtp" | b"lda" | b"deliver" | b"dovecot-lda" => {
            mailbox::read(text).or_else(|| delivery::read(text))
        }
        b"" => without_service(text),
        b"managesieve" | b"submission" | b"sieve" | b"imap-hibernate" | b"imap-urlauth" => {
            mailbox::read(text)
                .or_else(|| delivery::read(text))
                .or_else(|| session::read(text))
        }
        // Others talk to each other: what they say of a connection is about no user's session.
        _ => mailbox::read(text).or_else(|| delivery::read(text)),
    };
    special.or_else(|| server::read(prefix.service, text))
}

/// Texts of 1.x and of tags that are services, whose service is not known.
fn without_service(text: &[u8]) -> Option<Says<'_>> {
    login::read(text).or_else(|| delivery::read(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_files_are_told_from_other_texts() {
        for text in [
            "imap-login: Info: Login: user=<a>",
            "imap(a b@example.test)<752><s>: Error: x",
            "master: Warning: Killed with signal 15",
            "Info: imap-login: Login: user=<a>",
        ] {
            assert!(is_own_file_text(text.as_bytes()), "{text}");
        }
        for text in [
            "Warning: purging the environment.",
            "dovecot: imap-login: Login: user=<a>",
            "mx dovecot: imap-login: Info: x",
            "1xV7JE-0000BY-32 Completed",
            "imap-login: Login: user=<a>",
            "",
            ":",
        ] {
            assert!(!is_own_file_text(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn recipients_of_a_session() {
        let line = parse(
            b"lmtp(a)<9><GHx3NTfsAmv9AgAALsOh1Q:R2>: msgid=<x>: saved mail to INBOX",
            false,
        );
        assert_eq!(
            (line.session, line.recipient()),
            (&b"GHx3NTfsAmv9AgAALsOh1Q:R2"[..], 2)
        );
        assert_eq!(line.base_session(), b"GHx3NTfsAmv9AgAALsOh1Q");
        let line = parse(b"lmtp(a)<9><GHx3:T2:R3>: x", false);
        assert_eq!(
            (line.base_session(), line.recipient()),
            (&b"GHx3:T2"[..], 3)
        );
        let line = parse(b"lmtp(a)<9><GHx3:T2>: x", false);
        assert_eq!(
            (line.base_session(), line.recipient()),
            (&b"GHx3:T2"[..], 1)
        );
        let line = parse(b"lmtp(a)<9><GHx3>: x", false);
        assert_eq!((line.base_session(), line.recipient()), (&b"GHx3"[..], 1));
    }

    #[test]
    fn levels() {
        assert_eq!(
            parse(b"imap(a)<9><s>: Debug: Disconnected", false).says,
            Says::Debug {
                text: b"Disconnected"
            }
        );
        assert_eq!(
            parse(b"imap(a)<9><s>: Error: boom", false).says,
            Says::Trouble { text: b"boom" }
        );
        assert_eq!(
            parse(b"replicator: Error: Disconnected from notify", false).says,
            Says::Trouble {
                text: b"Disconnected from notify"
            }
        );
        assert_eq!(
            parse(b"imap(a)<9><s>: boom", false).says,
            Says::Unrecognised
        );
        assert_eq!(parse(b"", true).says, Says::Unrecognised);
    }
}
