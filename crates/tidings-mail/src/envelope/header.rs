//! What stands between the time and the text: host, tag, pid.

use std::net::Ipv6Addr;

/// Longest tag looked for, in bytes: longer ones are text.
const LONGEST_TAG: usize = 256;

/// Where rsyslog's traditional forward format cuts a tag.
const CUT_TAG: usize = 32;

/// Host, tag and pid, and what follows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) host: &'a [u8],
    pub(super) tag: &'a [u8],
    pub(super) pid: Option<u32>,
    pub(super) priority: Option<u8>,
    pub(super) body: &'a [u8],
}

/// Reads `mx postfix/smtpd[725]: text`, where host, or tag, or both may be absent.
///
/// `text` begins after the time and the blank behind it. With `known_only`, a tag without `[pid]`
/// counts only if it names a program known here: Exim's and Rspamd's own files have no header, and
/// their texts hold colons.
#[inline]
pub(super) fn read(text: &[u8], known_only: bool) -> Header<'_> {
    let text = skip_blanks(text);
    // FreeBSD's `syslogd -v`: the priority stands here.
    let (priority, text) = match text.first() {
        Some(b'<') => bracketed_priority(text),
        _ => (None, text),
    };
    let mut end = 0;
    while let Some(byte) = text.get(end) {
        match byte {
            b' ' => break,
            b'(' | b'<' | b'[' => return without_host(text, known_only, priority),
            _ => end += 1,
        }
    }
    let first = &text[..end];
    if first.last() == Some(&b':') && !is_ipv6(first) {
        return without_host(text, known_only, priority);
    }
    let rest = skip_blanks(&text[end..]);
    with_host(text, first, rest, known_only, priority)
}

fn with_host<'a>(
    text: &'a [u8],
    host: &'a [u8],
    rest: &'a [u8],
    known_only: bool,
    priority: Option<u8>,
) -> Header<'a> {
    if let Some(header) = tagged(rest, known_only) {
        // OpenWrt and busybox write `mail.info` where others write the host; templates of rsyslog
        // in containers write `INFO`.
        let named = if host.contains(&b'.') {
            priority_of_name(host)
        } else if host.iter().all(u8::is_ascii_uppercase) {
            severity_alone(host)
        } else {
            None
        };
        return Header {
            host: if named.is_some() { b"" } else { host },
            priority: header.priority.or(named).or(priority),
            ..header
        };
    }
    if let Some((named, rest)) = named_priority(rest)
        && let Some(header) = tagged(rest, known_only)
    {
        return Header {
            host,
            priority: Some(named),
            ..header
        };
    }
    if known_only || super::guess::program(text).is_some() {
        return Header {
            body: text,
            priority,
            ..Header::default()
        };
    }
    Header {
        host,
        body: rest,
        priority,
        ..Header::default()
    }
}

fn without_host(text: &[u8], known_only: bool, priority: Option<u8>) -> Header<'_> {
    match tagged(text, known_only) {
        Some(header) => Header {
            priority: header.priority.or(priority),
            ..header
        },
        None => Header {
            body: text,
            priority,
            ..Header::default()
        },
    }
}

fn tagged(text: &[u8], known_only: bool) -> Option<Header<'_>> {
    let header = tag(text)?;
    let accepted = !known_only
        || header.pid.is_some()
        || super::Program::of_tag(header.tag).family != super::Family::Other;
    accepted.then_some(header)
}

/// Reads `postfix/smtpd[725]: `, `dovecot: `, or a tag cut at 32 characters; `None` if `text` does
/// not begin with a tag.
#[inline]
pub(super) fn tag(text: &[u8]) -> Option<Header<'_>> {
    let window = &text[..text.len().min(LONGEST_TAG)];
    let first = *window.first()?;
    if matches!(first, b'[' | b'<' | b':' | b'"' | b'=') {
        return None;
    }
    for (at, byte) in window.iter().enumerate() {
        match byte {
            b'[' => return with_pid(text, at).or_else(|| cut(text)),
            b':' if matches!(text.get(at + 1), None | Some(b' ')) => {
                return Some(body(&text[..at], None, &text[at + 1..]));
            }
            b' ' => return cut(text),
            b'(' => return parenthesised(text, at),
            _ => {}
        }
    }
    None
}

/// `name[725]: text`, and `name[725] text` without colon.
#[inline]
fn with_pid(text: &[u8], open: usize) -> Option<Header<'_>> {
    let mut at = open + 1;
    let mut pid = 0_u32;
    while let Some(digit) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
        pid = pid.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
        at += 1;
    }
    if at == open + 1 || text.get(at) != Some(&b']') {
        return None;
    }
    match text.get(at + 1) {
        Some(b':') => Some(body(&text[..open], Some(pid), &text[at + 2..])),
        Some(b' ') | None => Some(body(&text[..open], Some(pid), &text[at + 1..])),
        _ => None,
    }
}

/// `imap(user name)<725><session>: text`, as Dovecot's own processes write. The user may hold
/// blanks, so the tag ends at the colon after the closing bracket.
fn parenthesised(text: &[u8], open: usize) -> Option<Header<'_>> {
    let name = &text[..open];
    let at = if crate::dovecot::is_service(name) {
        crate::dovecot::prefix_length(text)?
    } else {
        // `(squid-1)`, `CRON(root)`: no blanks inside.
        let end = text.iter().position(|byte| matches!(byte, b' ' | b':'))?;
        (text[end] == b':').then_some(end)?
    };
    let (tag, pid) = split_pid(&text[..at]);
    Some(body(tag, pid, &text[at + 1..]))
}

/// `(squid-1)` and 9 of `(squid-1)[9]`.
fn split_pid(tag: &[u8]) -> (&[u8], Option<u32>) {
    let pid = tag.strip_suffix(b"]").and_then(|rest| {
        let open = memchr::memrchr(b'[', rest)?;
        let pid = std::str::from_utf8(&rest[open + 1..]).ok()?.parse().ok()?;
        Some((&tag[..open], Some(pid)))
    });
    pid.unwrap_or((tag, None))
}

/// `postfix/submission-filter/smtpd[` and a blank: 32 characters, the rest of the tag is lost.
fn cut(text: &[u8]) -> Option<Header<'_>> {
    if text.get(CUT_TAG) != Some(&b' ') {
        return None;
    }
    let tag = &text[..CUT_TAG];
    let is_tag = tag.contains(&b'/') && !tag.contains(&b' ') && !tag.contains(&b'=');
    if !is_tag {
        return None;
    }
    // What is left of `[12345]:` is not enough to be a pid, unless its bracket made it.
    let open = memchr::memchr(b'[', tag).unwrap_or(tag.len());
    let (_, pid) = split_pid(tag);
    Some(body(&tag[..open], pid, &text[CUT_TAG..]))
}

/// `text` begins behind the tag's colon: one blank is part of the envelope.
#[inline]
fn body<'a>(tag: &'a [u8], pid: Option<u32>, text: &'a [u8]) -> Header<'a> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (priority, text) = match text.strip_prefix(b"[ID ") {
        Some(rest) => solaris_id(rest).unwrap_or((None, text)),
        None => (None, text),
    };
    Header {
        host: b"",
        tag,
        pid,
        priority,
        body: text,
    }
}

/// Solaris' `[ID 197553 mail.info] ` behind the tag; `text` begins behind `[ID `.
fn solaris_id(text: &[u8]) -> Option<(Option<u8>, &[u8])> {
    let end = memchr::memchr(b']', text)?;
    let (number, name) = text[..end].split_at_checked(memchr::memchr(b' ', &text[..end])?)?;
    let is_number = number.iter().all(u8::is_ascii_digit);
    let rest = text[end + 1..].strip_prefix(b" ")?;
    is_number.then(|| (priority_of_name(&name[1..]), rest))
}

/// `<2.6>` or `<mail.info>` of FreeBSD's `syslogd -v`.
pub(super) fn bracketed_priority(text: &[u8]) -> (Option<u8>, &[u8]) {
    let Some(end) = text.iter().take(24).position(|byte| *byte == b'>') else {
        return (None, text);
    };
    let inner = &text[1..end];
    let priority = priority_of_name(inner).or_else(|| {
        let (facility, severity) = std::str::from_utf8(inner).ok()?.split_once('.')?;
        let facility = facility.parse::<u8>().ok()?.checked_mul(8)?;
        facility.checked_add(severity.parse().ok()?)
    });
    match priority {
        Some(priority) => (Some(priority), skip_blanks(&text[end + 1..])),
        None => (None, text),
    }
}

/// busybox' `mail.info ` and AIX's `mail:info ` between host and tag.
fn named_priority(text: &[u8]) -> Option<(u8, &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    let word = &text[..end];
    let priority = priority_of_name(word).or_else(|| severity_alone(word))?;
    Some((priority, skip_blanks(&text[end..])))
}

/// `INFO` and the like without a facility: that of mail is meant.
fn severity_alone(word: &[u8]) -> Option<u8> {
    const MAIL: u8 = 2 * 8;
    const LONGEST: usize = 8;
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    severity(lower).map(|severity| MAIL + severity)
}

/// The number of `info`.
fn severity(name: &[u8]) -> Option<u8> {
    Some(match name {
        b"emerg" | b"panic" => 0,
        b"alert" => 1,
        b"crit" => 2,
        b"err" | b"error" => 3,
        b"warning" | b"warn" => 4,
        b"notice" => 5,
        b"info" => 6,
        b"debug" => 7,
        _ => return None,
    })
}

/// The number of `mail.info`: facility times 8 plus severity.
pub(super) fn priority_of_name(name: &[u8]) -> Option<u8> {
    const FACILITIES: [&[u8]; 24] = [
        b"kern",
        b"user",
        b"mail",
        b"daemon",
        b"auth",
        b"syslog",
        b"lpr",
        b"news",
        b"uucp",
        b"cron",
        b"authpriv",
        b"ftp",
        b"ntp",
        b"security",
        b"console",
        b"clock",
        b"local0",
        b"local1",
        b"local2",
        b"local3",
        b"local4",
        b"local5",
        b"local6",
        b"local7",
    ];
    let split = name
        .iter()
        .take(10)
        .position(|byte| matches!(byte, b'.' | b':'))?;
    let facility = FACILITIES
        .iter()
        .position(|known| *known == &name[..split])?;
    let facility = u8::try_from(facility * 8).ok()?;
    severity(&name[split + 1..]).map(|severity| facility + severity)
}

/// Whether a first word that ends in a colon is an address all the same: `fe80::`.
fn is_ipv6(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<Ipv6Addr>().is_ok())
}

#[inline]
pub(super) fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| **byte == b' ').count();
    &text[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, Option<u32>, String) {
        let header = read(text.as_bytes(), false);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            text(header.host),
            text(header.tag),
            header.pid,
            text(header.body),
        )
    }

    #[test]
    fn hosts_and_tags() {
        let cases = [
            (
                "mx postfix/smtpd[725]: connect",
                "mx",
                "postfix/smtpd",
                Some(725),
                "connect",
            ),
            (
                "mx dovecot: imap-login: Login",
                "mx",
                "dovecot",
                None,
                "imap-login: Login",
            ),
            (
                "postfix/smtpd[725]: connect",
                "",
                "postfix/smtpd",
                Some(725),
                "connect",
            ),
            ("192.0.2.1 exim[9]: x", "192.0.2.1", "exim", Some(9), "x"),
            (
                "2001:db8::1 exim[9]: x",
                "2001:db8::1",
                "exim",
                Some(9),
                "x",
            ),
            ("fe80:: exim[9]: x", "fe80::", "exim", Some(9), "x"),
            (
                "mx mail.info postfix/qmgr[9]: x",
                "mx",
                "postfix/qmgr",
                Some(9),
                "x",
            ),
            (
                "mx mail:info postfix/qmgr[9]: x",
                "mx",
                "postfix/qmgr",
                Some(9),
                "x",
            ),
            (
                "<mail.info> mx postfix/qmgr[9]: x",
                "mx",
                "postfix/qmgr",
                Some(9),
                "x",
            ),
            (
                "<2.6> mx postfix/qmgr[9]: x",
                "mx",
                "postfix/qmgr",
                Some(9),
                "x",
            ),
            (
                "mx postfix/qmgr[9]: [ID 197553 mail.info] x",
                "mx",
                "postfix/qmgr",
                Some(9),
                "x",
            ),
            ("mx postfix/qmgr[9] x", "mx", "postfix/qmgr", Some(9), "x"),
            (
                "mx last message repeated 3 times",
                "mx",
                "",
                None,
                "last message repeated 3 times",
            ),
            (
                "disconnect from x[192.0.2.1]",
                "",
                "",
                None,
                "disconnect from x[192.0.2.1]",
            ),
            ("mx  foo: x", "mx", "foo", None, "x"),
            ("mx foo:", "mx", "foo", None, ""),
            ("mx", "mx", "", None, ""),
            ("", "", "", None, ""),
            (
                "mx deliver(a b@example.test): msgid=",
                "mx",
                "deliver(a b@example.test)",
                None,
                "msgid=",
            ),
            ("mx foo::bar: x", "mx", "foo::bar", None, "x"),
            (
                "mx postfix/submission-filters/smtpd connect from",
                "mx",
                "postfix/submission-filters/smtpd",
                None,
                "connect from",
            ),
            (
                "mx postfix/submission-filter/smtpd[ connect from",
                "mx",
                "postfix/submission-filter/smtpd",
                None,
                "connect from",
            ),
        ];
        for (line, host, tag, pid, body) in cases {
            let expected = (host.to_owned(), tag.to_owned(), pid, body.to_owned());
            assert_eq!(parts(line), expected, "{line}");
        }
    }

    #[test]
    fn priorities() {
        assert_eq!(priority_of_name(b"mail.info"), Some(22));
        assert_eq!(priority_of_name(b"local7.warn"), Some(188));
        assert_eq!(priority_of_name(b"mail"), None);
        assert_eq!(read(b"<2.6> mx a[1]: x", false).priority, Some(22));
        assert_eq!(
            read(b"mx a[1]: [ID 1 mail.err] x", false).priority,
            Some(19)
        );
    }

    #[test]
    fn own_files_of_other_servers_have_no_header() {
        for line in [
            "1xV7JE-0000BY-32 <= a@b",
            "Warning: purging the environment.",
            "H=mx [1.2.3.4]: x",
            "Start queue run: pid=710",
            "#168(main) <69a481>; x",
        ] {
            let header = read(line.as_bytes(), true);
            assert_eq!(header.body, line.as_bytes());
            assert!(header.tag.is_empty() && header.host.is_empty());
        }
        assert_eq!(read(b"mx dovecot: master: x", true).tag, b"dovecot");
    }
}
