//! Postfix: what its log lines say.
//!
//! [`parse`] takes the service (`smtpd`, `qmgr`, `smtp`, …) and the text behind `]: ` and gives a
//! typed [`Line`] that borrows from the text. It covers what Postfix writes from 1.x (2004) to
//! 3.10; the reference with a sample of every statement is `docs/reference/postfix.md`.
//!
//! Statements are told by their first words, never by words in the middle: what a client sends
//! comes later in the line. Each module says how its fields are anchored. Nothing is copied, no
//! line can panic, and a line of unknown shape is [`Says::Unrecognised`].

mod delivery;
mod notes;
mod queue;
mod scan;
mod screen;
mod session;
mod statement;
mod tail;
mod tls;
mod verdict;
mod warning;

pub use statement::{
    Action, ClientOf, Delivery, Line, Lost, Notice, Operator, Peer, Reject, RejectBy, Says,
    Severity, Status,
};

/// Parses the text of one line.
///
/// `service` is the last part of the program's name (`smtpd` of `postfix/submission/smtpd`);
/// an unknown one is no obstacle. `body` is what follows `]: `, without the line's end.
pub fn parse<'a>(service: &[u8], body: &'a [u8]) -> Line<'a> {
    let body = without_message_id(body.trim_ascii_start());
    if third_party(service) {
        return Line {
            queue_id: None,
            says: foreign(body),
        };
    }
    if service == b"MailScanner" {
        return queue::moved(body).unwrap_or(Line {
            queue_id: None,
            says: Says::Unrecognised,
        });
    }
    if let Some((severity, text)) = warning::severity(body) {
        let (queue_id, text) = queue_id(service, text);
        return Line {
            queue_id,
            says: warning::parse(service, severity, text),
        };
    }
    let (queue_id, text) = queue_id(service, body);
    Line {
        queue_id,
        says: info(service, text).unwrap_or_else(|| rest(service, text)),
    }
}

/// Splits off what Solaris' syslog puts before the text: `[ID 197553 mail.info] `.
fn without_message_id(body: &[u8]) -> &[u8] {
    match body.strip_prefix(b"[ID ") {
        Some(rest) => scan::cut(rest, b"] ").map_or(body, |(_, text)| text),
        None => body,
    }
}

/// Statements told by their first words. The first byte finds the few that can match.
fn info<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    match text.first()? {
        b'c' => starting_c(text),
        b'd' => match text.strip_prefix(b"disconnect from ") {
            Some(rest) => session::disconnect(rest),
            None => queue::removed(service, text).or_else(|| verdict::parse(text)),
        },
        b'f' => match text.strip_prefix(b"from=<") {
            Some(rest) => queue::from(rest),
            None => verdict::parse(text),
        },
        b't' => starting_t(text),
        b'm' => message_id(text)
            .or_else(|| verdict::parse(text))
            .or_else(|| server(text)),
        b'r' => starting_r(service, text),
        b's' => starting_s(text),
        b'l' => starting_l(text),
        b'h' => match text.strip_prefix(b"host ") {
            Some(rest) => delivery::host(rest),
            None => verdict::parse(text),
        },
        b'p' => queue::notification(text)
            .or_else(|| queue::operator(text))
            .or_else(|| verdict::parse(text)),
        b'a' => starting_a(text),
        b'u' => queue::pickup(text.strip_prefix(b"uid=")?),
        b'e' => queue::operator(text),
        b'i' => match text.strip_prefix(b"improper command pipelining after ") {
            Some(rest) => session::pipelining(&text[..27], rest),
            None => verdict::parse(text),
        },
        b'b' | b'w' => verdict::parse(text),
        b'A'..=b'Z' => capitals(service, text),
        _ => None,
    }
}

fn starting_a(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = text.strip_prefix(b"addr ") {
        return screen::dnsblog(rest);
    }
    if let Some(rest) = text.strip_prefix(b"abort: TLS from ") {
        return session::abort(rest);
    }
    server(text)
}

fn starting_c(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = text.strip_prefix(b"client=") {
        return session::client(rest);
    }
    if let Some(rest) = text.strip_prefix(b"connect from ") {
        return session::connect(rest);
    }
    if let Some(rest) = text.strip_prefix(b"connect to ") {
        return delivery::connect(rest);
    }
    if let Some(rest) = text.strip_prefix(b"conversation with ") {
        return delivery::timed_out(rest);
    }
    // postscreen's and verify's caches: `cache btree:/… full cleanup: retained=0 dropped=0 entries`
    let cleanup = text.starts_with(b"cache ") && scan::has(text, b" cleanup: retained=");
    cleanup.then_some(Says::Statistics { text })
}

fn starting_l(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = text.strip_prefix(b"lost connection after ") {
        return session::lost(Lost::Connection, rest);
    }
    delivery::lost(text.strip_prefix(b"lost connection with ")?)
}

fn starting_r<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    if text.starts_with(b"removed") {
        return queue::removed(service, text);
    }
    if text.starts_with(b"reload -- ")
        || text.starts_with(b"reload configuration")
        || text == b"refreshing the Postfix mail system"
    {
        return Some(Says::Reloaded { text });
    }
    if text.starts_with(b"resent-message-id=") {
        return message_id(text);
    }
    queue::operator(text).or_else(|| verdict::parse(text))
}

fn starting_s(text: &[u8]) -> Option<Says<'_>> {
    if let Some(text) = text.strip_prefix(b"statistics: ") {
        return Some(Says::Statistics { text });
    }
    if text.starts_with(b"sender ") {
        return queue::notification(text);
    }
    verdict::parse(text).or_else(|| server(text))
}

fn starting_t(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = text.strip_prefix(b"to=<") {
        return delivery::delivery(rest);
    }
    if let Some(rest) = text.strip_prefix(b"timeout after ") {
        return session::lost(Lost::Timeout, rest);
    }
    if let Some(rest) = text.strip_prefix(b"too many errors after ") {
        return session::lost(Lost::TooManyErrors, rest);
    }
    server(text)
}

/// cleanup: `message-id=<…>`. The value is the sender's and ends the line.
fn message_id(text: &[u8]) -> Option<Says<'_>> {
    if let Some(id) = text.strip_prefix(b"message-id=") {
        return Some(Says::MessageId { id, resent: false });
    }
    let id = text.strip_prefix(b"resent-message-id=")?;
    Some(Says::MessageId { id, resent: true })
}

/// master and postfix-script.
fn server(text: &[u8]) -> Option<Says<'_>> {
    let stopped = text.starts_with(b"terminating on signal ")
        || matches!(
            text,
            b"stopping the Postfix mail system"
                | b"aborting the Postfix mail system"
                | b"master exit time has arrived"
        );
    stopped.then_some(Says::Stopped { text })
}

/// Statements that begin with a capital: TLS, and postscreen's.
fn capitals<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    let says = match text[0] {
        b'A' | b'T' | b'U' | b'V' => tls::connection(text)
            .or_else(|| tls::refusal(text))
            .or_else(|| tls::handshake(text)),
        b'S' => tls::error(service, text)
            .or_else(|| tls::refusal(text))
            .or_else(|| delivery::sasl(text)),
        b'C' => tls::refusal(text),
        _ => None,
    };
    says.or_else(|| {
        if service == b"tlsproxy" {
            None
        } else {
            screen::parse(text)
        }
    })
}

/// What the first words do not tell: rarer texts, and those that begin with a name.
fn rest<'a>(service: &[u8], text: &'a [u8]) -> Says<'a> {
    if let Some(rest) = text.strip_prefix(b"daemon started -- version ") {
        let version = scan::cut(rest, b", configuration ").map_or(rest, |(version, _)| version);
        return Says::Started { version };
    }
    // Old versions; with `-v` every service says so.
    if text == b"daemon started" && service == b"master" {
        return Says::Started { version: b"" };
    }
    if let Some(says) = tls::step(service, text).or_else(|| tls::refusal(text)) {
        return says;
    }
    if let Some((peer, after)) = scan::peer(text)
        && let Some(after) = after.strip_prefix(b": ")
    {
        return session::lost_while(peer, after)
            .unwrap_or_else(|| tls::about_peer(service, text, after));
    }
    if notes::known(text) {
        return Says::Note { text };
    }
    Says::Unrecognised
}

/// Programs that log under `postfix/` but are no part of Postfix: policy servers. Their texts
/// repeat what clients sent and follow no shape of Postfix'.
fn third_party(service: &[u8]) -> bool {
    service.starts_with(b"policy")
        || service.starts_with(b"spf")
        || service.ends_with(b"policyd-spf")
        || service == b"postfix-policyd-spf-perl"
        || matches!(
            service,
            b"postgrey" | b"sqlgrey" | b"postfwd" | b"postfwd2" | b"gld" | b"greyfix" | b"postsrsd"
        )
}

fn foreign(text: &[u8]) -> Says<'_> {
    match warning::severity(text) {
        Some((severity, text)) => Says::Trouble { severity, text },
        None => Says::Note { text },
    }
}

/// No queue id is longer: 8 digits of seconds, 4 of microseconds, `z`, 12 of the inode.
const ID_BYTES_MAX: usize = 28;

/// Bit of [`ID_KINDS`]: a byte of a short queue id.
const SHORT: u8 = 1;
/// Bit of [`ID_KINDS`]: a byte of a long queue id.
const LONG: u8 = 2;
/// Bit of [`ID_KINDS`]: a byte of a word.
const WORD: u8 = 4;

/// Which queue ids a byte may be part of. Long ids use digits and consonants.
const ID_KINDS: [u8; 256] = {
    let consonants = b"BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let ascii = byte as u8;
        if ascii.is_ascii_alphanumeric() {
            table[byte] |= WORD;
        }
        if ascii.is_ascii_digit() {
            table[byte] |= SHORT | LONG;
        }
        if matches!(ascii, b'A'..=b'F') {
            table[byte] |= SHORT;
        }
        byte += 1;
    }
    let mut at = 0;
    while at < consonants.len() {
        table[consonants[at] as usize] |= LONG;
        at += 1;
    }
    table
};

/// Splits the queue id off, or `NOQUEUE`, each followed by `: `.
fn queue_id<'a>(service: &[u8], text: &'a [u8]) -> (Option<&'a [u8]>, &'a [u8]) {
    if let Some(rest) = text.strip_prefix(b"NOQUEUE: ") {
        return (None, rest);
    }
    let mut kinds = SHORT | LONG | WORD;
    let mut len = 0;
    while kinds != 0 {
        match text.get(len) {
            Some(b':') => break,
            Some(byte) if len < ID_BYTES_MAX => kinds &= ID_KINDS[usize::from(*byte)],
            _ => return (None, text),
        }
        len += 1;
    }
    let id = &text[..len];
    match text[len..].strip_prefix(b": ") {
        Some(rest) if is_id(id, kinds, rest) && has_queue_ids(service) => (Some(id), rest),
        _ => (None, text),
    }
}

/// Short: 5 hexadecimal digits of microseconds and the inode, up to 16 digits. Long: 6 or more
/// digits in base 52 of seconds, 4 of microseconds, `z`, the inode in base 51. Any other word is
/// one where a message's statement follows, as in logs that were made anonymous.
fn is_id(id: &[u8], kinds: u8, rest: &[u8]) -> bool {
    let short = kinds & SHORT != 0 && (6..=21).contains(&id.len());
    let long = || {
        kinds & LONG != 0
            && memchr::memrchr(b'z', id).is_some_and(|at| at >= 10 && at + 1 < id.len())
    };
    let word = || {
        const OF_A_MESSAGE: &[&[u8]] = &[b"to=<", b"from=<", b"message-id=", b"client=", b"uid="];
        kinds & WORD != 0
            && id.len() >= 5
            && OF_A_MESSAGE.iter().any(|start| rest.starts_with(start))
            || kinds & WORD != 0 && rest == b"removed"
    };
    short || long() || word()
}

/// Services that never log a queue id; any other may.
fn has_queue_ids(service: &[u8]) -> bool {
    !matches!(
        service,
        b"master"
            | b"anvil"
            | b"scache"
            | b"tlsmgr"
            | b"tlsproxy"
            | b"proxymap"
            | b"dnsblog"
            | b"postlog"
            | b"postlogd"
            | b"postfix-script"
            | b"trivial-rewrite"
            | b"postscreen"
    )
}
