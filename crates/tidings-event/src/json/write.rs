//! Strings, numbers and values as JSON.

use std::io::Write;
use std::net::IpAddr;

use crate::base64;
use crate::digits::{push_i64, push_ip, push_u64};
use crate::escape::{push_escaped, stops};
use crate::key::Key;
use crate::time::write_rfc3339_seconds;
use crate::value::{NestedEvent, Pairs, Value};

/// Appends a JSON string, quotes included.
///
/// Escaped are `"`, `\`, all controls (C0, DEL, C1), the separators U+2028 and U+2029 (which end a
/// line in JavaScript sources) and the controls of bidirectional text, so that the JSON is safe to
/// print on a terminal as well.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    static STOPS: [bool; 256] = stops(b"\"\\");
    out.push(b'"');
    push_escaped(out, text, &STOPS, |out, c| {
        let short = match c {
            '"' => b'"',
            '\\' => b'\\',
            '\n' => b'n',
            '\r' => b'r',
            '\t' => b't',
            '\u{8}' => b'b',
            '\u{c}' => b'f',
            // All that is escaped lies below U+10000, so four digits do.
            c => {
                return write!(out, "\\u{:04x}", u32::from(c))
                    .expect("writing to memory does not fail");
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    });
    out.push(b'"');
}

/// Appends a value as the webhook form has it: durations are milliseconds, times RFC 3339, bytes
/// base64; a nested event is `{"type":…,"data":{…}}`; what is no number in JSON (NaN, infinity) is
/// null.
pub fn write_json_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Str(text) => write_json_string(out, text),
        Value::UInt(number) | Value::Duration(number) => push_u64(out, number),
        Value::Int(number) => push_i64(out, number),
        Value::Float(number) => write_float(out, number),
        Value::Timestamp(seconds) => write_timestamp(out, seconds),
        Value::Bytes(bytes) => write_base64(out, bytes),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Value::Ipv4(ip) => write_ip(out, IpAddr::V4(ip)),
        Value::Ipv6(ip) => write_ip(out, IpAddr::V6(ip)),
        Value::Event(event) => write_nested(out, &event),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_json_value(out, &item);
            }
            out.push(b']');
        }
        Value::None => out.extend_from_slice(b"null"),
    }
}

/// Appends `"name":`, with a comma before it unless it is the first member.
pub(super) fn write_name(out: &mut Vec<u8>, name: &str, is_first: bool) {
    if !is_first {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A whole float keeps its `.0`, so that it is read as a float again.
pub(super) fn write_float(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        write!(out, "{number:?}").expect("writing to memory does not fail");
    } else {
        out.extend_from_slice(b"null");
    }
}

pub(super) fn write_timestamp(out: &mut Vec<u8>, seconds: u64) {
    out.push(b'"');
    write_rfc3339_seconds(out, i64::try_from(seconds).unwrap_or(i64::MAX));
    out.push(b'"');
}

pub(super) fn write_ip(out: &mut Vec<u8>, ip: IpAddr) {
    out.push(b'"');
    push_ip(out, ip);
    out.push(b'"');
}

pub(super) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    base64::push_encoded(out, bytes);
    out.push(b'"');
}

fn write_nested(out: &mut Vec<u8>, event: &NestedEvent<'_>) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(event.kind().name().as_bytes());
    out.extend_from_slice(b"\",\"data\":{");
    Members::new().write(out, event.pairs());
    out.extend_from_slice(b"}}");
}

/// Writes pairs as members of an object: nothing for none, and of several under one key the first.
pub(super) struct Members {
    seen: [Key; Members::REMEMBERED],
    count: usize,
    /// Keys beyond the first [`Self::REMEMBERED`], for events that are unlike any real one.
    more: Vec<Key>,
}

impl Members {
    const REMEMBERED: usize = 32;

    pub(super) fn new() -> Members {
        Members {
            seen: [Key::SPAN_ID; Members::REMEMBERED],
            count: 0,
            more: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>, pairs: Pairs<'_>) {
        for (key, value) in pairs {
            self.write_one(out, key, &value);
        }
    }

    pub(super) fn write_one(&mut self, out: &mut Vec<u8>, key: Key, value: &Value<'_>) {
        if *value == Value::None {
            return;
        }
        let is_first = self.count == 0;
        if self.is_new(key) {
            write_name(out, key.name(), is_first);
            write_json_value(out, value);
        }
    }

    fn is_new(&mut self, key: Key) -> bool {
        let remembered = &self.seen[..self.count.min(Members::REMEMBERED)];
        if remembered.contains(&key) || self.more.contains(&key) {
            return false;
        }
        match self.seen.get_mut(self.count) {
            Some(slot) => *slot = key,
            None => self.more.push(key),
        }
        self.count += 1;
        true
    }
}
