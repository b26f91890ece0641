//! The head of a Dovecot line: service, user, pid, session, level.
//!
//! `imap(user)<pid><session>: Error: text` since 2.3, `imap(user): text` before,
//! `lmtp(pid, user): session: text` from 2.0 to 2.2, `auth(user,ip,sasl:plain)<session>: text`
//! since 2.4, `Info: imap-login: text` in 1.x.

use std::net::IpAddr;

use super::scan;
use super::statement::Level;

/// Longest head looked for, in bytes: users and sessions are cut well below. What is longer is text,
/// and a hostile line costs no more than this squared.
const LONGEST_HEAD: usize = 1024;

/// The head of a line, and the text after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prefix<'a> {
    pub(super) service: &'a [u8],
    pub(super) user: &'a [u8],
    pub(super) pid: Option<u32>,
    pub(super) session: &'a [u8],
    pub(super) rip: Option<IpAddr>,
    /// `plain` of 2.4's `sasl:plain`.
    pub(super) method: &'a [u8],
    pub(super) level: Level,
    /// Whether a level word was there.
    pub(super) has_level: bool,
    pub(super) text: &'a [u8],
}

/// Services of Dovecot 1.0 to 2.4, and of its plugins, as they stand before the colon.
#[rustfmt::skip]
pub(crate) fn is_service(name: &[u8]) -> bool {
    matches!(
        name,
        b"imap-login" | b"pop3-login" | b"managesieve-login" | b"submission-login" | b"sieve-login"
            | b"imap-urlauth-login" | b"script-login" | b"login" | b"imap" | b"pop3" | b"managesieve"
            | b"submission" | b"lmtp" | b"lda" | b"deliver" | b"dovecot-lda" | b"IMAP" | b"POP3"
            | b"MANAGESIEVE" | b"LDA" | b"auth" | b"auth-worker" | b"auth-login" | b"auth-master"
            | b"master" | b"log" | b"anvil" | b"config" | b"stats" | b"old-stats" | b"dict"
            | b"dict-async" | b"dict-expire" | b"director" | b"doveadm" | b"doveadm-server"
            | b"dsync" | b"dsync-local" | b"dsync-remote" | b"dsync-server" | b"replicator"
            | b"aggregator" | b"indexer" | b"indexer-worker" | b"ipc" | b"ssl-params"
            | b"ssl-build-param" | b"ssl_build_param" | b"imap-hibernate" | b"imap-urlauth"
            | b"imap-urlauth-worker" | b"dns-client" | b"dns_client" | b"quota-status"
            | b"quota-warning" | b"script" | b"checkpassword-reply" | b"welcome" | b"tcpwrap"
            | b"health-check" | b"rawlog" | b"dovecot-auth" | b"maildirlock" | b"expire-tool"
            | b"convert-tool" | b"push-notification" | b"sieve-filter" | b"cluster" | b"doveconf"
    )
}

/// Length of the head up to its colon, with user, pid and session: 34 of
/// `imap(bob@example.test)<752><vnxc>: text`. `None` if there is no such head.
pub(crate) fn length(text: &[u8]) -> Option<usize> {
    let text = &text[..text.len().min(LONGEST_HEAD)];
    let name = name_length(text);
    let mut at = name;
    if text.get(at) == Some(&b'(') {
        // The user ends where `: ` or `<pid>` follows; it may itself hold parentheses and blanks.
        at += end_of_parentheses(&text[at..])?;
    }
    at += groups_length(&text[at..])?;
    (at > 0 && text.get(at) == Some(&b':')).then_some(at)
}

/// The parenthesis that closes the one at the head, as an index behind it.
fn end_of_parentheses(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b')', text)
        .find(|at| {
            let rest = &text[at + 1..];
            rest == b":" || rest.starts_with(b": ") || starts_with_id(rest)
        })
        .map(|at| at + 1)
}

/// `<752><vnxc>: `, `<vnxc>: `, `<>: `, `[752]: `
fn starts_with_id(text: &[u8]) -> bool {
    groups_length(text).is_some_and(|length| length > 0 && text.get(length) == Some(&b':'))
}

/// Length of the groups `<752>`, `<vnxc>`, `[752]` at the head; `None` if one does not end.
fn groups_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(close) = closing(text.get(at)) {
        let end = at + memchr::memchr2(close, b' ', &text[at..])?;
        if text[end] != close {
            return None;
        }
        at = end + 1;
    }
    Some(at)
}

fn closing(open: Option<&u8>) -> Option<u8> {
    match open {
        Some(b'<') => Some(b'>'),
        Some(b'[') => Some(b']'),
        _ => None,
    }
}

fn name_length(text: &[u8]) -> usize {
    text.iter()
        .take(32)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .count()
}

/// Reads the head of a line. What has none is all text.
pub(super) fn read(body: &[u8]) -> Prefix<'_> {
    let (early, body) = level(body);
    // Until 1.2 the main process named itself behind the tag, too.
    let body = body.strip_prefix(b"dovecot: ").unwrap_or(body);
    let mut prefix = match head(body).or_else(|| plesk_head(body)) {
        Some((head, text)) => Prefix { text, ..head },
        None => Prefix {
            text: body,
            ..EMPTY
        },
    };
    finish(&mut prefix, early);
    prefix
}

/// Reads a head that a syslog tag holds (`imap-login`, `deliver(bob)`), with its text apart.
pub(super) fn read_tagged<'a>(tag: &'a [u8], text: &'a [u8]) -> Prefix<'a> {
    let mut prefix = of_head(tag);
    prefix.text = text;
    finish(&mut prefix, None);
    prefix
}

const EMPTY: Prefix<'static> = Prefix {
    service: b"",
    user: b"",
    pid: None,
    session: b"",
    rip: None,
    method: b"",
    level: Level::Info,
    has_level: false,
    text: b"",
};

fn head(body: &[u8]) -> Option<(Prefix<'_>, &[u8])> {
    let end = length(body)?;
    let rest = &body[end + 1..];
    let text = match rest.first() {
        Some(b' ') => &rest[1..],
        None => rest,
        Some(_) => return None,
    };
    let prefix = of_head(&body[..end]);
    let accepted = is_service(prefix.service) || level(text).0.is_some();
    accepted.then_some((prefix, text))
}

/// `service=imap, user=bob, ip=[192.0.2.1]. text`: Plesk's `mail_log_prefix`.
fn plesk_head(body: &[u8]) -> Option<(Prefix<'_>, &[u8])> {
    let (service, rest) = scan::split_once(body.strip_prefix(b"service=")?, b", user=")?;
    let (user, rest) = scan::split_once(rest, b", ip=[")?;
    let (ip, text) = scan::split_once(rest, b"]. ")?;
    let prefix = Prefix {
        service,
        user,
        rip: scan::ip(ip),
        ..EMPTY
    };
    is_service(service).then_some((prefix, text))
}

/// The name of a service as it is since 2.0; before, processes of users had capital letters.
fn in_small_letters(name: &[u8]) -> &[u8] {
    match name {
        b"IMAP" => b"imap",
        b"POP3" => b"pop3",
        b"MANAGESIEVE" => b"managesieve",
        b"LDA" => b"lda",
        name => name,
    }
}

/// Takes `imap(user)<752><vnxc>` apart.
fn of_head(head: &[u8]) -> Prefix<'_> {
    let name = name_length(head);
    let mut prefix = Prefix {
        service: in_small_letters(&head[..name]),
        ..EMPTY
    };
    let mut rest = &head[name..];
    let ids = match end_of_parentheses_in_head(rest) {
        Some(end) => {
            let inner = &rest[1..end];
            rest = &rest[end + 1..];
            Some(inner)
        }
        None => None,
    };
    let has_id = !rest.is_empty();
    while let Some(close) = closing(rest.first()) {
        let Some((id, after)) = scan::split_once(&rest[1..], &[close]) else {
            break;
        };
        match scan::pid(id) {
            Some(pid) if prefix.pid.is_none() && prefix.session.is_empty() => {
                prefix.pid = Some(pid);
            }
            _ => prefix.session = id,
        }
        rest = after;
    }
    if let Some(inner) = ids {
        parenthesised(&mut prefix, inner, has_id);
    }
    prefix
}

/// Index of the parenthesis that ends the user, in a head that is all of `text`.
fn end_of_parentheses_in_head(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'(') {
        return None;
    }
    memchr::memchr_iter(b')', text).find(|at| {
        let rest = &text[at + 1..];
        rest.is_empty() || groups_length(rest) == Some(rest.len())
    })
}

/// `user`, `pid`, `pid, user` (lmtp of 2.0 to 2.2), `user,ip`, `user,ip,sasl:plain` (2.4).
fn parenthesised<'a>(prefix: &mut Prefix<'a>, inner: &'a [u8], has_id: bool) {
    if let Some((pid, user)) = scan::split_once(inner, b", ")
        && let Some(pid) = scan::pid(pid)
    {
        (prefix.pid, prefix.user) = (Some(pid), user);
        return;
    }
    let takes_pid = !has_id
        && matches!(
            prefix.service,
            b"lmtp"
                | b"auth"
                | b"auth-worker"
                | b"dict"
                | b"config"
                | b"anvil"
                | b"log"
                | b"stats"
                | b"director"
                | b"indexer"
                | b"imap-login"
                | b"pop3-login"
                | b"managesieve-login"
                | b"submission-login"
        );
    if takes_pid && let Some(pid) = scan::pid(inner) {
        prefix.pid = Some(pid);
        return;
    }
    // 1.x names the auth process: `auth(default): `.
    if inner == b"default" && prefix.service.starts_with(b"auth") {
        return;
    }
    let mut user = inner;
    if let Some(comma) = memchr::memrchr(b',', user)
        && let Some(method) = user[comma + 1..].strip_prefix(b"sasl:")
    {
        prefix.method = method;
        user = &user[..comma];
    }
    if let Some(comma) = memchr::memrchr(b',', user)
        && let Some(ip) = scan::ip(&user[comma + 1..])
    {
        prefix.rip = Some(ip);
        user = &user[..comma];
    }
    // `doveadm(192.0.2.30,bob)`: the client's address stands first.
    if prefix.service == b"doveadm"
        && let Some((ip, name)) = scan::split_once(user, b",")
        && let Some(ip) = scan::ip(ip)
    {
        prefix.rip = Some(ip);
        user = name;
    }
    prefix.user = if user == b"?" { b"" } else { user };
}

/// Level word, and 2.0-to-2.2 lmtp's session, in either order.
fn finish<'a>(prefix: &mut Prefix<'a>, early: Option<Level>) {
    let (before, text) = level(prefix.text);
    prefix.text = text;
    take_session(prefix);
    let (after, text) = level(prefix.text);
    prefix.text = text;
    let level = early.or(before).or(after);
    prefix.has_level = level.is_some();
    prefix.level = level.unwrap_or(Level::Info);
}

/// `lmtp(9, bob): GHx3NTfsAmv9AgAALsOh1Q: msgid=…`: the session stands before the text.
fn take_session(prefix: &mut Prefix<'_>) {
    if !prefix.session.is_empty() || !matches!(prefix.service, b"lmtp" | b"lda" | b"deliver") {
        return;
    }
    if let Some((id, text)) = scan::split_once(prefix.text, b": ")
        && is_session(id)
    {
        (prefix.session, prefix.text) = (id, text);
    }
}

/// 16 to 48 characters of base64, and what [`Line::recipient`](super::Line::recipient) takes off.
fn is_session(id: &[u8]) -> bool {
    let base = &id[..memchr::memchr(b':', id).unwrap_or(id.len())];
    (16..=48).contains(&base.len())
        && id.len() <= 64
        && base.iter().any(u8::is_ascii_digit) | base.iter().any(u8::is_ascii_uppercase)
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=:".contains(byte))
}

/// The level word at the head, and what follows it.
pub(super) fn level(text: &[u8]) -> (Option<Level>, &[u8]) {
    const WORDS: [(&[u8], Level); 6] = [
        (b"Error: ", Level::Error),
        (b"Warning: ", Level::Warning),
        (b"Info: ", Level::Info),
        (b"Debug: ", Level::Debug),
        (b"Fatal: ", Level::Fatal),
        (b"Panic: ", Level::Panic),
    ];
    if !matches!(text.first(), Some(b'E' | b'W' | b'I' | b'D' | b'F' | b'P')) {
        return (None, text);
    }
    for (word, level) in WORDS {
        if let Some(rest) = text.strip_prefix(word) {
            return (Some(level), rest);
        }
    }
    (None, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Service, user, pid, session, text.
    fn parts(line: &str) -> (String, String, Option<u32>, String, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let p = read(line.as_bytes());
        (
            text(p.service),
            text(p.user),
            p.pid,
            text(p.session),
            text(p.text),
        )
    }

    #[test]
    fn heads() {
        let cases = [
            (
                "imap-login: Login: x",
                "imap-login",
                "",
                None,
                "",
                "Login: x",
            ),
            (
                "imap(a@b)<752><vn+c/=>: x",
                "imap",
                "a@b",
                Some(752),
                "vn+c/=",
                "x",
            ),
            (
                "imap(a b (c) d)<752><v>: x",
                "imap",
                "a b (c) d",
                Some(752),
                "v",
                "x",
            ),
            (
                "imap(12345)<752><v>: x",
                "imap",
                "12345",
                Some(752),
                "v",
                "x",
            ),
            ("imap(12345): x", "imap", "12345", None, "", "x"),
            ("lmtp(765): x", "lmtp", "", Some(765), "", "x"),
            (
                "lmtp(9, a@b): GHx3NTfsAmv9AgAALsOh1Q: msgid=y",
                "lmtp",
                "a@b",
                Some(9),
                "GHx3NTfsAmv9AgAALsOh1Q",
                "msgid=y",
            ),
            (
                "lmtp(9, a@b): Error: GHx3NTfsAmv9AgAALsOh1Q:2: z",
                "lmtp",
                "a@b",
                Some(9),
                "GHx3NTfsAmv9AgAALsOh1Q:2",
                "z",
            ),
            ("lda(a)<9><>: x", "lda", "a", Some(9), "", "x"),
            (
                "auth(a,192.0.2.1,sasl:plain)<s>: x",
                "auth",
                "a",
                None,
                "s",
                "x",
            ),
            ("auth(default): x", "auth", "", None, "", "x"),
            ("auth-worker(12): x", "auth-worker", "", Some(12), "", "x"),
            ("Info: imap-login: x", "imap-login", "", None, "", "x"),
            (
                "Dovecot v1.0.7 starting up",
                "",
                "",
                None,
                "",
                "Dovecot v1.0.7 starting up",
            ),
            ("foo: bar", "", "", None, "", "foo: bar"),
            ("foo: Error: bar", "foo", "", None, "", "bar"),
            ("imap(a", "", "", None, "", "imap(a"),
            ("imap(a)[752]: x", "imap", "a", Some(752), "", "x"),
            (
                "service=imap, user=a@b, ip=[192.0.2.1]. Logged out",
                "imap",
                "a@b",
                None,
                "",
                "Logged out",
            ),
            ("", "", "", None, "", ""),
        ];
        for (line, service, user, pid, session, text) in cases {
            let own = str::to_owned;
            assert_eq!(
                parts(line),
                (own(service), own(user), pid, own(session), own(text)),
                "{line}"
            );
        }
    }

    #[test]
    fn addresses_and_mechanisms() {
        let prefix = read(b"auth(a,b,192.0.2.1,sasl:plain)<s>: Error: x");
        assert_eq!((prefix.user, prefix.method), (&b"a,b"[..], &b"plain"[..]));
        assert_eq!(prefix.rip, scan::ip(b"192.0.2.1"));
        assert_eq!((prefix.level, prefix.has_level), (Level::Error, true));
        assert_eq!(
            read(b"imap(a,2001:db8::1): x").rip,
            scan::ip(b"2001:db8::1")
        );
    }
}
