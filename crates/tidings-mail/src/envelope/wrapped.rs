//! Lines within lines: what greps, quotes and pods put before a line, and syslog inside syslog.

use super::{Envelope, Family, Program, Stamp, header, stamp};

/// Longest thing looked for before a line: a path, a pod's name.
const LONGEST_PREFIX: usize = 256;

/// What stands before a line: its length, and the priority that it names.
pub(super) struct Prefix {
    pub(super) length: usize,
    pub(super) priority: Option<u8>,
}

/// What stands before a line that cannot be read from its beginning: blanks and `>` of a quote,
/// `[pod/mail-0/postfix]` of `kubectl logs --prefix`, `mail.log:`, `mail.log-` and `12:` of grep,
/// `host: ` of parallel shells, `<mail.info>` and `mail.info: `. A line with a time must follow,
/// which the caller sees; `None` if nothing of these stands there.
pub(super) fn prefix(line: &[u8]) -> Option<Prefix> {
    let plain = |length| {
        Some(Prefix {
            length,
            priority: None,
        })
    };
    let quote = line
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'>' | b'|'))
        .count();
    if quote > 0 {
        return plain(quote);
    }
    match line.first()? {
        b'<' => named_priority(line),
        b'[' => {
            let window = &line[..line.len().min(LONGEST_PREFIX)];
            let end = memchr::memmem::find(window, b"] ")?;
            plain(end + 2)
        }
        _ => word(line),
    }
}

/// `<mail.info> `.
fn named_priority(line: &[u8]) -> Option<Prefix> {
    let (priority, rest) = header::bracketed_priority(line);
    Some(Prefix {
        length: line.len() - rest.len(),
        priority: Some(priority?),
    })
}

/// A first word behind which a time follows: after its first colon that fits, else its first dash.
fn word(line: &[u8]) -> Option<Prefix> {
    let window = &line[..line.len().min(LONGEST_PREFIX)];
    let end = memchr::memchr(b' ', window).unwrap_or(window.len());
    let named = line[..end].strip_suffix(b":").unwrap_or(&line[..end]);
    if let Some(priority) = header::priority_of_name(named) {
        return Some(Prefix {
            length: end,
            priority: Some(priority),
        });
    }
    // A file's name may hold dashes and digits that look like a count: colons first.
    let after = |sign: u8| {
        memchr::memchr_iter(sign, &line[..end])
            .map(|at| at + 1)
            .find(|at| stamp::any(header::skip_blanks(&line[*at..])).is_some())
    };
    let length = after(b':').or_else(|| after(b'-'))?;
    Some(Prefix {
        length,
        priority: None,
    })
}

/// Whether a text may be a whole line: it begins with a time of one of the two usual shapes, and
/// the line around it is none of a mail server's daemons, which never write so. Costs two looks at
/// the text where it is not so.
#[inline]
pub(super) fn may_hold_line(envelope: &Envelope<'_>) -> bool {
    let body = envelope.body;
    let has_colons = |first: usize, second: usize| {
        body.get(first) == Some(&b':') && body.get(second) == Some(&b':')
    };
    (has_colons(9, 12) || has_colons(13, 16)) && is_relay(envelope)
}

/// A relay names no tag; a container's driver names the container (`docker/mail`, `postfix-mailcow`).
fn is_relay(envelope: &Envelope<'_>) -> bool {
    let program = Program::of_tag(envelope.tag);
    !envelope.own_file
        && (program.family == Family::Other || program.service == program.instance)
        && stamp::any(envelope.body).is_some()
}

/// The line within, with what only the line around it tells. `inner` is the text of `outer`, read.
///
/// The time is the outer one, which is of the clock that all lines of the file share (a container's
/// is often UTC), unless only the inner one has a zone. The host is the inner one.
pub(super) fn join<'a>(outer: Envelope<'a>, inner: Envelope<'a>) -> Envelope<'a> {
    let is_line = inner.own_file
        || !inner.tag.is_empty()
            && (inner.pid.is_some() || Program::of_tag(inner.tag).family != Family::Other);
    if !is_line {
        return outer;
    }
    let is_inner_better =
        outer.stamp == Stamp::None || has_zone(&inner.stamp) && !has_zone(&outer.stamp);
    Envelope {
        stamp: if is_inner_better {
            inner.stamp
        } else {
            outer.stamp
        },
        host: if inner.host.is_empty() {
            outer.host
        } else {
            inner.host
        },
        priority: inner.priority.or(outer.priority),
        ..inner
    }
}

fn has_zone(stamp: &Stamp) -> bool {
    match stamp {
        Stamp::Epoch { .. } => true,
        Stamp::Civil(civil) => civil.offset.is_some(),
        Stamp::None => false,
    }
}
