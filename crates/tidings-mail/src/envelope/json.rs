//! Log lines wrapped in JSON: Docker's `json-file`, `journalctl -o json`, and the objects that log
//! shippers make of syslog, flat or as the Elastic Common Schema nests them.
//!
//! A small reader of one object, tolerant and without allocation; only texts that were
//! escaped are written out, into the caller's scratch buffer.

use super::stamp::{self, Precision, Stamp};

/// A value, as it stands in the line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Between the quotes, escapes and all.
    Text(&'a [u8]),
    /// Between the brackets.
    Array(&'a [u8]),
    /// A number, `true`, `false`, `null` or an object, with its braces.
    Other(&'a [u8]),
}

/// The members that say something about a log line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) message: Option<Value<'a>>,
    pub(super) stamp: Option<Stamp>,
    host: Option<&'a [u8]>,
    /// The host of the shipper, as the Elastic Common Schema names it: the line's own is better.
    shipper: Option<&'a [u8]>,
    pub(super) tag: Option<&'a [u8]>,
    pub(super) pid: Option<u32>,
    pub(super) severity: Option<u8>,
    pub(super) facility: Option<u8>,
    /// Rank of the tag's key: `SYSLOG_IDENTIFIER` before `_COMM`.
    tag_rank: u8,
    time_rank: u8,
    pid_rank: u8,
}

impl<'a> Fields<'a> {
    /// The host: that of the object, else that of the line within, else that of its shipper.
    pub(super) fn host(&self, inner: &'a [u8]) -> &'a [u8] {
        match (self.host, inner) {
            (Some(host), _) => host,
            (None, b"") => self.shipper.unwrap_or_default(),
            (None, inner) => inner,
        }
    }

    pub(super) fn priority(&self) -> Option<u8> {
        let severity = self.severity?;
        self.facility
            .unwrap_or(2)
            .checked_mul(8)?
            .checked_add(severity)
    }
}

/// Reads the object that `line` is; `None` if it is none, or has no message.
pub(super) fn fields(line: &[u8]) -> Option<Fields<'_>> {
    let mut fields = Fields::default();
    each(line, |key, value| take(&mut fields, key, value))?;
    fields.message.is_some().then_some(fields)
}

/// Calls `put` for every member of an object; `None` if it is none, at the place where it breaks.
fn each<'a>(object: &'a [u8], mut put: impl FnMut(&'a [u8], Value<'a>)) -> Option<()> {
    let mut rest = object.strip_prefix(b"{")?;
    loop {
        rest = skip_space(rest);
        let (key, after) = text(rest)?;
        rest = skip_space(skip_space(after).strip_prefix(b":")?);
        let (value, after) = value(rest)?;
        put(key, value);
        rest = skip_space(after);
        match rest.first()? {
            b',' => rest = &rest[1..],
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

fn take<'a>(fields: &mut Fields<'a>, key: &[u8], value: Value<'a>) {
    if let Value::Other(object @ [b'{', ..]) = value {
        return take_nested(fields, key, object);
    }
    match key {
        b"log" | b"MESSAGE" | b"message" | b"msg" | b"@message" => fields.message = Some(value),
        b"_HOSTNAME" | b"host" | b"hostname" => fields.host = plain(value).or(fields.host),
        b"SYSLOG_IDENTIFIER" | b"syslogtag" | b"ident" => set_tag(fields, value, 4),
        b"programname" | b"appname" | b"program" | b"app-name" | b"PROGRAM" => {
            set_tag(fields, value, 3)
        }
        b"_COMM" => set_tag(fields, value, 1),
        b"SYSLOG_PID" | b"pid" | b"procid" | b"PID" => set_pid(fields, value, 2),
        b"_PID" => set_pid(fields, value, 1),
        b"PRIORITY" => fields.severity = number(value).and_then(|n| u8::try_from(n).ok()),
        b"SYSLOG_FACILITY" => fields.facility = number(value).and_then(|n| u8::try_from(n).ok()),
        b"_SOURCE_REALTIME_TIMESTAMP" => set_micros(fields, value, 3),
        b"__REALTIME_TIMESTAMP" => set_micros(fields, value, 2),
        b"time" | b"@timestamp" | b"timestamp" | b"timereported" | b"ts" => set_time(fields, value),
        b"host.hostname"
        | b"host.name"
        | b"log.syslog.hostname"
        | b"process.name"
        | b"process.pid"
        | b"log.syslog.appname"
        | b"log.syslog.procid" => {
            take_common(fields, key, value);
        }
        _ => {}
    }
}

/// Reads the objects of the Elastic Common Schema that tell of host and program; three names deep
/// at most, so that nesting costs no stack.
fn take_nested<'a>(fields: &mut Fields<'a>, outer: &[u8], object: &'a [u8]) {
    // A member that breaks off ends the object: what was read before it stands.
    let _ = each(object, |key, value| match (outer, key, value) {
        (b"host", b"hostname", _) => take_common(fields, b"host.hostname", value),
        (b"host", b"name", _) => take_common(fields, b"host.name", value),
        (b"process", b"name", _) => take_common(fields, b"process.name", value),
        (b"process", b"pid", _) => take_common(fields, b"process.pid", value),
        (b"log", b"syslog", Value::Other(inner @ [b'{', ..])) => {
            let _ = each(inner, |key, value| match key {
                b"hostname" => take_common(fields, b"log.syslog.hostname", value),
                b"appname" => take_common(fields, b"log.syslog.appname", value),
                b"procid" => take_common(fields, b"log.syslog.procid", value),
                _ => {}
            });
        }
        _ => {}
    });
}

/// Takes a member of the Elastic Common Schema by its full name.
fn take_common<'a>(fields: &mut Fields<'a>, name: &[u8], value: Value<'a>) {
    match name {
        b"log.syslog.hostname" => fields.host = plain(value).or(fields.host),
        b"host.hostname" => fields.shipper = plain(value).or(fields.shipper),
        b"host.name" => fields.shipper = fields.shipper.or(plain(value)),
        b"log.syslog.appname" => set_tag(fields, value, 3),
        b"process.name" => set_tag(fields, value, 2),
        b"log.syslog.procid" => set_pid(fields, value, 2),
        b"process.pid" => set_pid(fields, value, 1),
        _ => {}
    }
}

fn set_tag<'a>(fields: &mut Fields<'a>, value: Value<'a>, rank: u8) {
    if let Some(tag) = plain(value)
        && rank > fields.tag_rank
    {
        (fields.tag, fields.tag_rank) = (Some(tag), rank);
    }
}

fn set_pid(fields: &mut Fields<'_>, value: Value<'_>, rank: u8) {
    if let Some(pid) = number(value).and_then(|n| u32::try_from(n).ok())
        && rank > fields.pid_rank
    {
        (fields.pid, fields.pid_rank) = (Some(pid), rank);
    }
}

fn set_micros(fields: &mut Fields<'_>, value: Value<'_>, rank: u8) {
    let ns = number(value)
        .and_then(|micros| i64::try_from(micros).ok())
        .and_then(|micros| micros.checked_mul(1_000));
    if let Some(ns) = ns
        && rank > fields.time_rank
    {
        fields.stamp = Some(Stamp::Epoch {
            ns,
            precision: Precision::Micro,
        });
        fields.time_rank = rank;
    }
}

fn set_time(fields: &mut Fields<'_>, value: Value<'_>) {
    let (Value::Text(text) | Value::Array(text) | Value::Other(text)) = value;
    if let Some((stamp, _)) = stamp::any(text)
        && fields.time_rank == 0
    {
        (fields.stamp, fields.time_rank) = (Some(stamp), 1);
    }
}

/// A text without escapes.
fn plain(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Text(text) if memchr::memchr(b'\\', text).is_none() => Some(text),
        _ => None,
    }
}

fn number(value: Value<'_>) -> Option<u64> {
    let (Value::Text(text) | Value::Other(text)) = value else {
        return None;
    };
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a string at the head; gives what is between the quotes, and what follows.
fn text(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = input.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &inner[at..])?;
        if inner[at] == b'"' {
            return Some((&inner[..at], &inner[at + 1..]));
        }
        at += 2;
        if at > inner.len() {
            return None;
        }
    }
}

fn value(input: &[u8]) -> Option<(Value<'_>, &[u8])> {
    match input.first()? {
        b'"' => text(input).map(|(text, rest)| (Value::Text(text), rest)),
        b'[' | b'{' => {
            let length = nested(input)?;
            let whole = &input[..length];
            let value = match whole[0] {
                b'[' => Value::Array(&whole[1..length - 1]),
                _ => Value::Other(whole),
            };
            Some((value, &input[length..]))
        }
        _ => {
            let end = input
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']' | b' '))?;
            (end > 0).then_some(())?;
            Some((Value::Other(&input[..end]), &input[end..]))
        }
    }
}

/// Length of the array or object at the head, with its brackets. Depth is a counter, so that
/// nesting costs no stack.
fn nested(input: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match input.get(at)? {
            b'"' => {
                let (inner, _) = text(&input[at..])?;
                at += inner.len() + 1;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn skip_space(input: &[u8]) -> &[u8] {
    input.trim_ascii_start()
}

/// Appends a value's bytes, escapes undone: a string, or the journal's array of byte values.
pub(super) fn write(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => unescape(text, out),
        // Several values of one field come as an array of strings: the first is the message.
        Value::Array(array) => {
            match text(skip_space(array)) {
                Some((first, _)) => unescape(first, out),
                None => out.extend(array.split(|byte| *byte == b',').filter_map(|number| {
                    std::str::from_utf8(number).ok()?.trim().parse::<u8>().ok()
                })),
            }
        }
        Value::Other(_) => {}
    }
}

fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(escape) = rest.first() else { break };
        let mut taken = 1;
        match escape {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => {
                let (letter, length) = unicode(&rest[1..]);
                let mut room = [0; 4];
                out.extend_from_slice(letter.encode_utf8(&mut room).as_bytes());
                taken += length;
            }
            other => out.push(*other),
        }
        rest = &rest[taken..];
    }
    out.extend_from_slice(rest);
}

/// The character of the digits behind `\u`, with a surrogate pair's second half, and the bytes
/// taken. Half a pair, or no digits, gives the replacement character.
fn unicode(text: &[u8]) -> (char, usize) {
    let unit = |text: &[u8]| {
        let digits = std::str::from_utf8(text.get(..4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(text) else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    if let Some(letter) = char::from_u32(u32::from(first)) {
        return (letter, 4);
    }
    let second = text[4..].strip_prefix(b"\\u").and_then(unit);
    let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    match pair {
        Some(letter) => (letter, 10),
        None => (char::REPLACEMENT_CHARACTER, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Option<String> {
        let fields = fields(line.as_bytes())?;
        let mut out = Vec::new();
        write(fields.message?, &mut out);
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn docker() {
        let line = r#"{"log":"a \u003cb\u003e \"c\" \\ \ud83d\ude00\n","stream":"stdout","attrs":{"x":["}",1]},"time":"2026-11-22T13:08:45.5Z"}"#;
        assert_eq!(message(line).as_deref(), Some("a <b> \"c\" \\ 😀\n"));
        assert!(matches!(
            fields(line.as_bytes()).and_then(|f| f.stamp),
            Some(Stamp::Civil(_))
        ));
    }

    #[test]
    fn journal() {
        let line = r#"{ "_PID":"7", "SYSLOG_IDENTIFIER" : "postfix/smtpd", "_COMM":"smtpd", "SYSLOG_PID":"725", "_HOSTNAME":"mx", "PRIORITY":"6", "SYSLOG_FACILITY":"2", "__REALTIME_TIMESTAMP":"1795352925000001", "MESSAGE":[99, 195,188,100] }"#;
        let read = fields(line.as_bytes()).expect("fields");
        assert_eq!(read.tag, Some(&b"postfix/smtpd"[..]));
        assert_eq!((read.pid, read.priority()), (Some(725), Some(22)));
        assert_eq!(message(line).as_deref(), Some("cüd"));
        let ns = 1_795_352_925_000_001_000;
        assert_eq!(
            read.stamp,
            Some(Stamp::Epoch {
                ns,
                precision: Precision::Micro
            })
        );
    }

    #[test]
    fn broken() {
        for line in [
            "{",
            "{}",
            r#"{"log":"a"#,
            r#"{"log":"a\"#,
            r#"{"log" "a"}"#,
            r#"{"log":[[[["#,
            r#"{"log":"a"]"#,
            r#"{"x":"a"}"#,
            "[]",
            r#"{"log":]}"#,
        ] {
            assert_eq!(message(line), None, "{line}");
        }
        assert_eq!(message(r#"{"log":"\u12"}"#).as_deref(), Some("\u{fffd}12"));
        assert_eq!(message(r#"{"log":"\ud83d"}"#).as_deref(), Some("\u{fffd}"));
    }
}
