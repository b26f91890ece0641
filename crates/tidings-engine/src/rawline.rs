//! Keeps input lines byte for byte at little cost: what an event of the line holds already is
//! referred to, the rest is a template (few distinct ones) and what varies in it.
//!
//! A line is `template` + `residue`. The template is the line with these bytes in place of what
//! varies:
//!
//! * `0x01 K R`: the value of key `K` of the line's first event, written as `R` says,
//! * `0x02`: the next part of the residue (parts are separated by `0x00`),
//! * `0x03 F …`: the event's time, written in the form `F`.
//!
//! The writer rebuilds every line and keeps it verbatim (template `0x04`, the line as residue) if
//! one byte differs: a template can be a bad idea, never a wrong line. See `docs/format.md`.

use std::fmt::Write as _;
use std::net::IpAddr;

use tidings_event::{EventRef, Key, Value};

use crate::stamp::StampForm;

const REFERENCE: u8 = 1;
const RESIDUE: u8 = 2;
const STAMP: u8 = 3;
const VERBATIM: u8 = 4;
const SEPARATOR: u8 = 0;

/// Keys whose values stand inside another value of the same line, or not in the line at all.
const NEVER_IN_LINE: &[Key] = &[Key::QUEUE_ID, Key::REMOTE_QUEUE_ID, Key::CODE];

/// Turns lines into template and residue. Keeps its buffers from line to line.
#[derive(Debug, Default)]
pub struct LineEncoder {
    /// Found values: start and end in the line, and how to write them.
    found: Vec<(usize, usize, Found)>,
    scratch: String,
    rebuilt: Vec<u8>,
    template: Vec<u8>,
    residue: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Key(Key, u8),
    Stamp(StampForm),
}

impl LineEncoder {
    /// Template and residue of `line`, whose first event is `event`. Both are empty for an empty
    /// line. The residue is empty where everything is in the template.
    pub fn encode(&mut self, line: &[u8], event: &EventRef<'_>) -> (&[u8], &[u8]) {
        self.template.clear();
        self.residue.clear();
        let is_plain = memchr::memchr3(SEPARATOR, REFERENCE, RESIDUE, line).is_none()
            && memchr::memchr2(STAMP, VERBATIM, line).is_none();
        if is_plain {
            self.find(line, event);
            self.write(line);
            self.rebuilt.clear();
            let whole = decode_into(&self.template, &self.residue, event, &mut self.rebuilt);
            if whole.is_some() && self.rebuilt == line {
                return (&self.template, &self.residue);
            }
        }
        self.template.clear();
        self.residue.clear();
        if !line.is_empty() {
            self.template.push(VERBATIM);
            self.residue.extend_from_slice(line);
        }
        (&self.template, &self.residue)
    }

    /// Finds the event's values in the line, none overlapping another.
    fn find(&mut self, line: &[u8], event: &EventRef<'_>) {
        self.found.clear();
        let mut cursor = 0;
        if let Some((end, form)) = StampForm::detect(line, event.time_ns()) {
            self.found.push((0, end, Found::Stamp(form)));
            cursor = end;
        }
        let body = cursor;
        let has_relay = event.get(Key::RELAY).is_some();
        for (key, value) in event.pairs() {
            let inside_relay = has_relay && matches!(key, Key::HOSTNAME | Key::REMOTE_IP | Key::REMOTE_PORT);
            if inside_relay || NEVER_IN_LINE.contains(&key) {
                continue;
            }
            self.scratch.clear();
            let Some(form) = render(&value, &mut self.scratch) else { continue };
            let text = self.scratch.as_bytes();
            if text.is_empty() || (text.len() < 3 && !matches!(value, Value::UInt(_) | Value::Duration(_))) {
                continue;
            }
            // The values of most events come in the order of the line.
            let start = position(line, cursor, text).filter(|start| self.is_free(*start, text.len()));
            let start = start.or_else(|| {
                position(line, body, text).filter(|start| self.is_free(*start, text.len()))
            });
            if let Some(start) = start {
                let end = start + text.len();
                self.found.push((start, end, Found::Key(key, form)));
                cursor = end;
            }
        }
        self.found.sort_unstable_by_key(|(start, ..)| *start);
    }

    fn is_free(&self, start: usize, length: usize) -> bool {
        self.found.iter().all(|(from, to, _)| start >= *to || start + length <= *from)
    }

    fn write(&mut self, line: &[u8]) {
        let mut at = 0;
        let mut parts = 0;
        for (start, end, found) in &self.found {
            parts += write_gap(&line[at..*start], &mut self.template, &mut self.residue, parts);
            match found {
                Found::Key(key, form) => {
                    self.template.push(REFERENCE);
                    let id = key.id();
                    // Key ids are written in base 64 from '0', so that a template is text.
                    self.template.extend([(id >> 6) as u8 + b'0', (id & 63) as u8 + b'0', *form]);
                }
                Found::Stamp(form) => {
                    self.template.push(STAMP);
                    form.write_code(&mut self.template);
                }
            }
            at = *end;
        }
        write_gap(&line[at..], &mut self.template, &mut self.residue, parts);
    }
}

/// Appends the text between two references: words with a digit vary and go to the residue, the
/// rest is the template's. Gives the number of parts added.
fn write_gap(gap: &[u8], template: &mut Vec<u8>, residue: &mut Vec<u8>, before: usize) -> usize {
    let mut parts = 0;
    let mut at = 0;
    while at < gap.len() {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"._-+/".contains(byte);
        let length = gap[at..].iter().position(|byte| !is_word(byte)).unwrap_or(gap.len() - at);
        let word = &gap[at..at + length];
        if word.iter().any(|byte| byte.is_ascii_digit() || *byte >= 0x80) {
            if before + parts > 0 {
                residue.push(SEPARATOR);
            }
            residue.extend_from_slice(word);
            template.push(RESIDUE);
            parts += 1;
        } else {
            template.extend_from_slice(word);
        }
        at += length;
        let length = gap[at..].iter().position(is_word).unwrap_or(gap.len() - at);
        template.extend_from_slice(&gap[at..at + length]);
        at += length;
    }
    parts
}

fn position(line: &[u8], from: usize, text: &[u8]) -> Option<usize> {
    let (first, rest) = text.split_first()?;
    let mut at = from;
    loop {
        at += memchr::memchr(*first, line.get(at..)?)?;
        if line[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
}

/// Writes a value as it stands in log lines; gives the form, or `None` for what never does.
fn render(value: &Value<'_>, out: &mut String) -> Option<u8> {
    match value {
        Value::Str(text) => {
            out.push_str(text);
            Some(b's')
        }
        Value::UInt(number) => {
            write!(out, "{number}").ok()?;
            Some(b'u')
        }
        Value::Int(number) => {
            write!(out, "{number}").ok()?;
            Some(b'i')
        }
        Value::Duration(millis) => {
            write_seconds(*millis, out);
            Some(b'd')
        }
        Value::Ipv4(ip) => write!(out, "{ip}").ok().map(|()| b'a'),
        Value::Ipv6(ip) => write!(out, "{ip}").ok().map(|()| b'a'),
        _ => None,
    }
}

/// Milliseconds as seconds, without needless zeros: `0.08`, `1.6`, `103`.
fn write_seconds(millis: u64, out: &mut String) {
    let start = out.len();
    let _ = write!(out, "{}.{:03}", millis / 1000, millis % 1000);
    let kept = out[start..].trim_end_matches('0').trim_end_matches('.').len();
    out.truncate(start + kept);
}

/// The line that [`LineEncoder::encode`] took apart; `None` if template, residue and event do not
/// belong together.
pub fn decode(template: &[u8], residue: &[u8], event: &EventRef<'_>) -> Option<Vec<u8>> {
    let mut line = Vec::with_capacity(256);
    decode_into(template, residue, event, &mut line)?;
    Some(line)
}

fn decode_into(template: &[u8], residue: &[u8], event: &EventRef<'_>, out: &mut Vec<u8>) -> Option<()> {
    if template.first() == Some(&VERBATIM) {
        out.extend_from_slice(residue);
        return Some(());
    }
    let mut parts = residue.split(|byte| *byte == SEPARATOR);
    let mut rest = template;
    let mut scratch = String::new();
    while !rest.is_empty() {
        let plain = memchr::memchr3(REFERENCE, RESIDUE, STAMP, rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        match rest {
            [] => {}
            [REFERENCE, high, low, form, tail @ ..] => {
                let id = u16::from(high.checked_sub(b'0')?) << 6 | u16::from(low.checked_sub(b'0')?);
                write_reference(event, Key::from_id(id), *form, &mut scratch, out)?;
                rest = tail;
            }
            [RESIDUE, tail @ ..] => {
                out.extend_from_slice(parts.next()?);
                rest = tail;
            }
            [STAMP, tail @ ..] => {
                let (form, tail) = StampForm::read_code(tail)?;
                form.write(event.time_ns(), out)?;
                rest = tail;
            }
            _ => return None,
        }
    }
    Some(())
}

fn write_reference(event: &EventRef<'_>, key: Key, form: u8, scratch: &mut String, out: &mut Vec<u8>) -> Option<()> {
    let value = event.get(key)?;
    if let (Value::Str(text), b's') = (&value, form) {
        out.extend_from_slice(text.as_bytes());
        return Some(());
    }
    scratch.clear();
    // An address column may come back as text; both forms are written alike.
    let rendered = match (&value, form) {
        (Value::Str(text), b'a') => text.parse::<IpAddr>().ok().map(|ip| write!(scratch, "{ip}").map(|()| b'a')),
        _ => render(&value, scratch).map(Ok),
    };
    (rendered?.ok()? == form).then(|| out.extend_from_slice(scratch.as_bytes()))
}

#[cfg(test)]
mod tests;
