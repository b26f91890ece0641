//! Reads one line: the shape of the last one first, then every shape there is.

use super::header::{self, Header};
use super::stamp::{self, Stamp};
use super::{Envelope, Repeat, dirt, json, rfc5424, wrapped};

/// Longest container name looked for before ` | `.
const LONGEST_CONTAINER: usize = 80;

const ESCAPE: u8 = 0x1b;

/// Shape of a line, and hint for the lines after it: those of one source mostly look alike.
///
/// A hint only makes the common path fast. A line that does not fit is read anew, and says in its
/// [`Envelope::format`] how it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Not known: every shape is tried.
    #[default]
    Unknown,
    /// `Nov 22 13:08:45 mx postfix/smtpd[725]: `
    Rfc3164,
    /// `2026-11-22T13:08:45.123456+00:00 mx postfix/smtpd[725]: `
    Rfc3339,
    /// `<22>` before either of these: syslog on the wire.
    Priority,
    /// `<22>1 2026-11-22T13:08:45.1+00:00 mx postfix/smtpd 725 - - `
    Rfc5424,
    /// Dovecot's own file: `Nov 22 13:15:01 imap-login: Info: `
    DovecotFile,
    /// A time and a text without host and tag: Exim's and Rspamd's own files.
    Bare,
    /// `name  | ` of a container runner, or its time and stream, or a file's name of grep, before
    /// a line of another shape; a line within another one.
    Container,
    /// A JSON object.
    Json,
    /// A time of another spelling, or none.
    Other,
}

impl Format {
    /// The shape that most of the given lines have; some tens are enough.
    pub fn detect<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut counts: Vec<(Self, usize)> = Vec::new();
        let mut scratch = Vec::new();
        for line in lines {
            let format = read(line, Self::Unknown, &mut scratch).format;
            match counts.iter_mut().find(|(known, _)| *known == format) {
                Some((_, count)) => *count += 1,
                None => counts.push((format, 1)),
            }
        }
        counts
            .iter()
            .max_by_key(|(_, count)| *count)
            .map_or(Self::Unknown, |(format, _)| *format)
    }
}

/// Takes a line apart. Never fails: what has no envelope is all body.
///
/// `line` is one line with or without its line end, of any length and any bytes. `hint` is the
/// [`Format`] of the source's last line. `scratch` is used, and overwritten, only for lines that
/// cannot be borrowed: JSON with escapes, terminal colours.
#[inline]
pub fn read<'a>(line: &'a [u8], hint: Format, scratch: &'a mut Vec<u8>) -> Envelope<'a> {
    let line = dirt::trim(line);
    let quick = match hint {
        Format::Rfc3164 => rfc3164(line),
        Format::Rfc3339 => rfc3339(line),
        Format::DovecotFile => rfc3339(line).or_else(|| rfc3164(line)),
        Format::Priority | Format::Rfc5424 => with_priority(line),
        _ => None,
    };
    match quick {
        Some(envelope) if is_sure(&envelope) && memchr::memchr(ESCAPE, line).is_none() => {
            finish(envelope)
        }
        _ => read_anew(line, scratch),
    }
}

/// Whether no other reading can be better: without a tag, the line may be wrapped.
#[inline]
fn is_sure(envelope: &Envelope<'_>) -> bool {
    !envelope.tag.is_empty() || envelope.own_file
}

fn read_anew<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> Envelope<'a> {
    if line.first() == Some(&b'{')
        && let Some(fields) = json::fields(line)
    {
        return unwrap_json(&fields, scratch);
    }
    if memchr::memchr(ESCAPE, line).is_some() {
        scratch.clear();
        dirt::strip_colours(line, scratch);
        return finish(any(dirt::trim(scratch), 0));
    }
    // A container's line may itself be JSON.
    let inner = line.len() - container(line);
    let inner = &line[line.len() - inner..];
    if inner.len() < line.len()
        && inner.first() == Some(&b'{')
        && let Some(fields) = json::fields(inner)
    {
        return unwrap_json(&fields, scratch);
    }
    finish(any(line, 0))
}

/// How many wrappings are taken off, one around the other.
const DEEPEST: u8 = 2;

/// Any shape but JSON. `depth` counts wrappings taken off.
fn any(line: &[u8], depth: u8) -> Envelope<'_> {
    if depth < DEEPEST
        && line.first() == Some(&b'<')
        && let Some(envelope) = with_priority(line)
    {
        return envelope;
    }
    if let Some(envelope) = rfc3164(line).or_else(|| rfc3339(line)) {
        return unwrap_inner(envelope, depth);
    }
    let prefix = if depth < DEEPEST { container(line) } else { 0 };
    if prefix > 0 {
        return Envelope {
            format: Format::Container,
            ..any(&line[prefix..], depth + 1)
        };
    }
    if let Some(envelope) = old_dovecot_file(line) {
        return envelope;
    }
    match stamp::any(line) {
        Some((stamp, length)) => {
            let rest = line[length..].strip_prefix(b":").unwrap_or(&line[length..]);
            let has_year = matches!(stamp, Stamp::Civil(civil) if civil.year.is_some());
            unwrap_inner(after_stamp(stamp, rest, has_year, Format::Other), depth)
        }
        None => without_stamp(line, depth),
    }
}

/// A line behind something that is no part of it, where that leaves a line with a time.
fn behind_prefix(line: &[u8], depth: u8) -> Option<Envelope<'_>> {
    let prefix = wrapped::prefix(line).filter(|_| depth < DEEPEST)?;
    let inner = any(header::skip_blanks(&line[prefix.length..]), depth + 1);
    (inner.stamp != Stamp::None).then_some(Envelope {
        priority: inner.priority.or(prefix.priority),
        format: Format::Container,
        ..inner
    })
}

/// Takes off what a container runner put around another line: `2026-…Z stdout F …` of Kubernetes,
/// or its own time before the line's.
fn unwrap_inner(envelope: Envelope<'_>, depth: u8) -> Envelope<'_> {
    let is_bare = envelope.tag.is_empty() && !envelope.own_file && depth < DEEPEST;
    if !is_bare || envelope.format == Format::Rfc3164 {
        return envelope;
    }
    let inner = match envelope.host {
        b"stdout" | b"stderr" => envelope
            .body
            .strip_prefix(b"F ")
            .or(envelope.body.strip_prefix(b"P ")),
        b"" => stamp::any(envelope.body).map(|_| envelope.body),
        _ => None,
    };
    let Some(inner) = inner else { return envelope };
    let inner = any(inner, depth + 1);
    let is_full = matches!(envelope.stamp, Stamp::Civil(civil) if civil.offset.is_some());
    let stamp = if is_full || inner.stamp == Stamp::None {
        envelope.stamp
    } else {
        inner.stamp
    };
    Envelope {
        stamp,
        format: Format::Container,
        ..inner
    }
}

#[inline]
fn rfc3164(line: &[u8]) -> Option<Envelope<'_>> {
    let (civil, length) = stamp::rfc3164(line)?;
    let rest = &line[length..];
    let next = rest.strip_prefix(b" ")?;
    // A year or a zone may follow: the full reader knows them.
    match next.first()? {
        b'1'..=b'2' if next.get(4) == Some(&b' ') => return None,
        b'A'..=b'Z' | b'+' | b'-' => {
            let (stamp, length) = stamp::any(line)?;
            return Some(after_stamp(stamp, &line[length..], false, Format::Rfc3164));
        }
        _ => {}
    }
    Some(after_stamp(
        Stamp::Civil(civil),
        rest,
        false,
        Format::Rfc3164,
    ))
}

#[inline]
fn rfc3339(line: &[u8]) -> Option<Envelope<'_>> {
    let (civil, length) = stamp::iso(line)?;
    let separator = line[10];
    if separator == b' ' || civil.offset.is_none() {
        // Exim's and other servers' own files are of this shape, and have no header.
        let (stamp, length) = stamp::any(line)?;
        return Some(after_stamp(
            stamp,
            &line[length..],
            separator == b' ',
            Format::Rfc3339,
        ));
    }
    Some(after_stamp(
        Stamp::Civil(civil),
        &line[length..],
        false,
        Format::Rfc3339,
    ))
}

/// Reads what follows the time: header and text, or Dovecot's own form of them.
#[inline]
fn after_stamp(stamp: Stamp, rest: &[u8], known_only: bool, format: Format) -> Envelope<'_> {
    let header = header::read(rest, known_only);
    if !header.host.is_empty() && !header.tag.is_empty() {
        return envelope(stamp, header, format);
    }
    let text = header::skip_blanks(rest);
    if header.host.is_empty() && crate::dovecot::is_own_file_text(text) {
        return dovecot_file(stamp, text);
    }
    if header.tag.is_empty() && stamp::any(text).is_some() {
        // A second time: what seemed to be the host is its first word.
        let header = Header {
            body: text,
            ..Header::default()
        };
        return envelope(stamp, header, format);
    }
    let is_bare = known_only && header.tag.is_empty();
    envelope(stamp, header, if is_bare { Format::Bare } else { format })
}

#[inline]
fn envelope(stamp: Stamp, header: Header<'_>, format: Format) -> Envelope<'_> {
    Envelope {
        stamp,
        host: header.host,
        tag: header.tag,
        pid: header.pid,
        priority: header.priority,
        body: header.body,
        repeated: None,
        own_file: false,
        format,
    }
}

fn dovecot_file(stamp: Stamp, body: &[u8]) -> Envelope<'_> {
    let header = Header {
        body,
        ..Header::default()
    };
    Envelope {
        own_file: true,
        ..envelope(stamp, header, Format::DovecotFile)
    }
}

/// Dovecot 1.x wrote its name before the time: `dovecot: Nov 22 13:15:01 Info: imap-login: …`,
/// `deliver(bob): Nov 22 13:15:01 Info: msgid=…`.
fn old_dovecot_file(line: &[u8]) -> Option<Envelope<'_>> {
    let Header { tag, body, .. } = header::tag(line)?;
    let is_own = tag == b"dovecot" || crate::dovecot::is_service(base(tag));
    let (stamp, length) = is_own.then(|| stamp::any(body)).flatten()?;
    let header = Header {
        tag,
        body: header::skip_blanks(&body[length..]),
        ..Header::default()
    };
    Some(Envelope {
        own_file: true,
        ..envelope(stamp, header, Format::DovecotFile)
    })
}

fn base(tag: &[u8]) -> &[u8] {
    &tag[..memchr::memchr2(b'(', b'<', tag).unwrap_or(tag.len())]
}

/// `<22>` and one of: `1 ` and RFC 5424, a line of another shape, a line without a time.
fn with_priority(line: &[u8]) -> Option<Envelope<'_>> {
    let end = line.iter().take(5).position(|byte| *byte == b'>')?;
    let digits = std::str::from_utf8(line[..end].strip_prefix(b"<")?).ok()?;
    // RFC 5424: at most 191. More is no priority.
    let priority = digits
        .parse::<u8>()
        .ok()
        .filter(|priority| *priority < 192)?;
    let rest = &line[end + 1..];
    if let Some((stamp, header)) = rest.strip_prefix(b"1 ").and_then(rfc5424::read) {
        let header = Header {
            priority: Some(priority),
            ..header
        };
        return Some(envelope(stamp, header, Format::Rfc5424));
    }
    let rest = header::skip_blanks(rest);
    let inner = rfc3164(rest)
        .or_else(|| rfc3339(rest))
        .unwrap_or_else(|| any(rest, DEEPEST));
    Some(Envelope {
        priority: Some(priority),
        format: Format::Priority,
        ..inner
    })
}

/// A line without a time: `postfix/smtpd[725]: text`, `imap-login: Info: text`, or text alone.
fn without_stamp(line: &[u8], depth: u8) -> Envelope<'_> {
    if crate::dovecot::is_own_file_text(line) {
        return dovecot_file(Stamp::None, line);
    }
    if let Some(found) = header::tag(line)
        && (found.pid.is_some() || is_known(found.tag))
    {
        return envelope(Stamp::None, found, Format::Other);
    }
    behind_prefix(line, depth).unwrap_or_else(|| {
        let header = Header {
            body: line,
            ..Header::default()
        };
        envelope(Stamp::None, header, Format::Other)
    })
}

fn is_known(tag: &[u8]) -> bool {
    super::Program::of_tag(tag).family != super::Family::Other
}

/// Length of `mailserver  | ` at the head; 0 if there is none.
fn container(line: &[u8]) -> usize {
    let window = &line[..line.len().min(LONGEST_CONTAINER)];
    let Some(bar) = memchr::memchr(b'|', window) else {
        return 0;
    };
    let name = window[..bar].trim_ascii_end();
    let is_name = !name.is_empty()
        && name.len() < bar
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    let is_followed = matches!(line.get(bar + 1), None | Some(b' '));
    if is_name && is_followed {
        bar + 1 + usize::from(bar + 1 < line.len())
    } else {
        0
    }
}

/// The message of a JSON line, which may be a whole line of another shape.
fn unwrap_json<'a>(fields: &json::Fields<'a>, scratch: &'a mut Vec<u8>) -> Envelope<'a> {
    scratch.clear();
    if let Some(message) = fields.message {
        json::write(message, scratch);
    }
    let text = dirt::trim(scratch);
    let inner = match fields.tag {
        // The journal's message is the text alone.
        Some(_) => envelope(
            Stamp::None,
            Header {
                body: text,
                ..Header::default()
            },
            Format::Json,
        ),
        None => any(text, 1),
    };
    let (tag, tag_pid) = fields.tag.map_or((inner.tag, inner.pid), split_tag);
    finish(Envelope {
        stamp: fields.stamp.unwrap_or(inner.stamp),
        host: fields.host(inner.host),
        tag,
        pid: fields.pid.or(tag_pid),
        priority: fields.priority().or(inner.priority),
        format: Format::Json,
        ..inner
    })
}

/// rsyslog's `syslogtag` holds the pid: `postfix/smtpd[725]:`.
fn split_tag(tag: &[u8]) -> (&[u8], Option<u32>) {
    match header::tag(tag) {
        Some(header) => (header.tag, header.pid),
        None => (tag, None),
    }
}

/// Takes a line out of another one, and reads the folding of repeated lines.
#[inline]
fn finish(envelope: Envelope<'_>) -> Envelope<'_> {
    if wrapped::may_hold_line(&envelope) {
        let inner = any(envelope.body, 1);
        return unfold(wrapped::join(
            envelope,
            Envelope {
                format: Format::Container,
                ..inner
            },
        ));
    }
    unfold(envelope)
}

#[inline]
fn unfold(envelope: Envelope<'_>) -> Envelope<'_> {
    match envelope.body.first() {
        Some(b'm' | b'l' | b'L' | b'-' | b'a') => folded(envelope),
        _ => envelope,
    }
}

fn folded(envelope: Envelope<'_>) -> Envelope<'_> {
    let body = envelope.body;
    if let Some(rest) = body.strip_prefix(b"message repeated ")
        && let Some((count, rest)) = count(rest)
        && let Some(inner) = rest
            .strip_prefix(b" times: [")
            .and_then(|rest| rest.strip_suffix(b"]"))
    {
        let inner = inner.strip_prefix(b" ").unwrap_or(inner);
        return Envelope {
            body: inner,
            repeated: Some(Repeat::This(count)),
            ..envelope
        };
    }
    match previous(body) {
        Some(count) => Envelope {
            repeated: Some(Repeat::Previous(count)),
            ..envelope
        },
        None => envelope,
    }
}

/// `last message repeated 3 times` of sysklogd, BSD, macOS and busybox, and syslog-ng's
/// `Last message 'x' repeated 3 times, suppressed by syslog-ng on mx`.
fn previous(body: &[u8]) -> Option<u32> {
    let body = body
        .strip_prefix(b"--- ")
        .and_then(|rest| rest.strip_suffix(b" ---"))
        .unwrap_or(body);
    let syslog_ng = || {
        let rest = body.strip_prefix(b"Last message '")?;
        let body = rest.strip_suffix(b".").unwrap_or(rest);
        let end = memchr::memmem::rfind(body, b" times, suppressed by syslog-ng on ")?;
        let start = memchr::memmem::rfind(&body[..end], b"' repeated ")?;
        count(&body[start + 11..]).map(|(count, _)| count)
    };
    let rest = body
        .strip_prefix(b"last message repeated ")
        .or_else(|| body.strip_prefix(b"Last message repeated "))
        .or_else(|| body.strip_prefix(b"last message buffered "))
        .or_else(|| body.strip_prefix(b"above message repeats "));
    let Some(rest) = rest else { return syslog_ng() };
    let (count, rest) = count(rest)?;
    matches!(rest, b" times" | b" time" | b" times." | b" time(s)").then_some(count)
}

fn count(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let count = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some((count, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detect_takes_the_majority() {
        let lines: [&[u8]; 3] = [
            b"-- Logs begin --",
            b"Nov 22 13:08:45 mx postfix/smtpd[725]: connect",
            b"Nov 22 13:08:45 mx postfix/smtpd[725]: connect",
        ];
        assert_eq!(Format::detect(lines), Format::Rfc3164);
        assert_eq!(Format::detect([]), Format::Unknown);
    }

    #[test]
    fn hints_do_not_change_the_reading() {
        let lines: [&[u8]; 6] = [
            b"Nov 22 13:08:45 mx postfix/smtpd[725]: connect",
            b"2026-11-22T13:08:45Z mx postfix/smtpd[725]: connect",
            b"<22>1 2026-11-22T13:08:45Z mx postfix/smtpd 725 - - connect",
            b"2026-11-22 13:08:45 imap-login: Info: Login: user=<a>",
            b"2026-11-22 13:08:44 1xV7JE-0000BY-32 Completed",
            b"{\"log\":\"Nov 22 13:08:45 mx a: b\\n\"}",
        ];
        let hints = [
            Format::Unknown,
            Format::Rfc3164,
            Format::Rfc3339,
            Format::Priority,
            Format::Rfc5424,
            Format::DovecotFile,
            Format::Bare,
            Format::Container,
            Format::Json,
            Format::Other,
        ];
        for line in lines {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let expected = read(line, Format::Unknown, &mut one);
            for hint in hints {
                assert_eq!(read(line, hint, &mut other), expected, "{hint:?}");
            }
        }
    }

    #[test]
    fn folds() {
        let repeated = |body: &str| {
            let line = format!("Nov 22 13:08:45 mx {body}");
            read(line.as_bytes(), Format::Rfc3164, &mut Vec::new()).repeated
        };
        assert_eq!(
            repeated("last message repeated 3 times"),
            Some(Repeat::Previous(3))
        );
        assert_eq!(
            repeated("--- last message repeated 1 time ---"),
            Some(Repeat::Previous(1))
        );
        assert_eq!(
            repeated(
                "Last message 'a 'b' repeated 9 times' repeated 4 times, suppressed by syslog-ng on mx"
            ),
            Some(Repeat::Previous(4))
        );
        assert_eq!(
            repeated("a[1]: message repeated 5 times: [ x [y]]"),
            Some(Repeat::This(5))
        );
        assert_eq!(repeated("a[1]: message repeated 5 times: x"), None);
        assert_eq!(repeated("a[1]: last message repeated 5 times over"), None);
    }
}
