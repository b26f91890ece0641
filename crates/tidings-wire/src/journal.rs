//! Events as entries of the systemd journal, in its native protocol.
//!
//! An entry is a run of fields `NAME LF · length u64 LE · value · LF`
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). Every field is written in this binary form, so a
//! value can hold any bytes and cannot end its field.
//!
//! The fields, in this order:
//!
//! | field | value |
//! |---|---|
//! | `PRIORITY` | error 3, warn 4, info 5, debug 6, trace and disable 7 |
//! | `SYSLOG_IDENTIFIER` | what the caller says |
//! | `MESSAGE` | the description of the event's type |
//! | `REMOTEIP`, `QUEUEID`, … | a field for each key, named in upper case: the event's own, then those of its span's start, the first of a name only |
//! | `SPANID` | number of the span, decimal |
//! | `EVENT_NAME` | `delivery.attempt-start` |
//! | `TIDINGS_LEVEL` | `info`; tells `trace` from `disable` |
//! | `TIDINGS_TIME` | when it happened, RFC 3339 with nanoseconds; journald's own stamp is when it was told |
//! | `TIDINGS_SPAN` | the span as other tools of Tidings write it, base 32 |
//! | `TIDINGS_EVENT_ID` | the event's identity |
//! | `TIDINGS_TO`, … | one field for each item of a list, as the journal finds a field by its whole value: at most 256 in an entry |
//! | `ATTRIBUTE_…` | an attribute that the catalogue does not know, by its name with `_` for what a field name cannot hold: at most 256 in an entry |
//!
//! Those up to `SPANID` are the reference's. journald refuses entries of more than 1,024 fields, hence
//! the two limits; the field of a list (`TO`) holds all of its items whatever their number.

use std::net::IpAddr;

use tidings_event::base64::push_encoded;
use tidings_event::digits::{push_i64, push_ip, push_u64};
use tidings_event::time::write_rfc3339;
use tidings_event::{EventRef, Key, Level, Pairs, Value};

/// Most fields `TIDINGS_<key>` and, apart from them, most fields `ATTRIBUTE_<name>` in one entry.
pub const MAX_ITEM_FIELDS: usize = 256;

/// The longest field name that journald takes, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Appends an event as the fields of one entry: the whole payload of a datagram or memfd.
///
/// `span_start` is the event that opened the event's span (ignored when it is the event itself);
/// `identifier` is the name of the program, as `journalctl -t` finds it.
pub fn write_entry(
    out: &mut Vec<u8>,
    event: &EventRef<'_>,
    span_start: Option<&EventRef<'_>>,
    identifier: &str,
) {
    let start = span_start.filter(|start| start.as_bytes() != event.as_bytes());
    let start_pairs = start.map(EventRef::pairs);
    field(out, b"PRIORITY", &[priority(event.level())]);
    field(out, b"SYSLOG_IDENTIFIER", identifier.as_bytes());
    field(out, b"MESSAGE", event.kind().info().description.as_bytes());
    let mut written = Names::default();
    for pairs in [Some(event.pairs()), start_pairs].into_iter().flatten() {
        write_keys(out, pairs, &mut written);
    }
    write_own_fields(out, event, &mut written);
    let mut left = Left::default();
    for pairs in [Some(event.pairs()), start_pairs].into_iter().flatten() {
        write_items(out, pairs, &mut left);
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::Error => b'3',
        Level::Warn => b'4',
        Level::Info => b'5',
        Level::Debug => b'6',
        Level::Trace | Level::Disable => b'7',
    }
}

/// Which keys have a field already. Keys that the catalogue lacks share one name.
#[derive(Default)]
struct Names(Vec<&'static str>);

impl Names {
    /// Notes the name; whether it is new.
    fn is_new(&mut self, key: Key) -> bool {
        let is_new = !self.0.contains(&key.name());
        if is_new {
            self.0.push(key.name());
        }
        is_new
    }
}

fn write_keys(out: &mut Vec<u8>, pairs: Pairs<'_>, written: &mut Names) {
    for (key, value) in pairs {
        if is_hidden(key) || attribute(key, &value).is_some() || !written.is_new(key) {
            continue;
        }
        field_with(
            out,
            |out| push_name(out, key.name()),
            |out| push_value(out, &value),
        );
    }
}

/// The line that an event was read from is kept with it, and is no part of it.
fn is_hidden(key: Key) -> bool {
    key == Key::RAW_LINE
}

fn write_own_fields(out: &mut Vec<u8>, event: &EventRef<'_>, written: &mut Names) {
    if let Some(span) = event.span()
        && written.is_new(Key::SPAN_ID)
    {
        field_with(
            out,
            |out| out.extend_from_slice(b"SPANID"),
            |out| push_u64(out, span.0),
        );
    }
    field(out, b"EVENT_NAME", event.kind().name().as_bytes());
    field(out, b"TIDINGS_LEVEL", event.level().as_str().as_bytes());
    field_with(
        out,
        |out| out.extend_from_slice(b"TIDINGS_TIME"),
        |out| write_rfc3339(out, event.time_ns()),
    );
    if let Some(span) = event.span() {
        field(out, b"TIDINGS_SPAN", span.to_string().as_bytes());
    }
    if let Some(id) = event.header().event_id {
        field(out, b"TIDINGS_EVENT_ID", id.to_string().as_bytes());
    }
}

/// How many fields of list items and of attributes may still be written.
struct Left {
    items: usize,
    attributes: usize,
}

impl Default for Left {
    fn default() -> Left {
        Left {
            items: MAX_ITEM_FIELDS,
            attributes: MAX_ITEM_FIELDS,
        }
    }
}

fn write_items(out: &mut Vec<u8>, pairs: Pairs<'_>, left: &mut Left) {
    for (key, value) in pairs {
        if is_hidden(key) {
            continue;
        }
        if let Some((name, value)) = attribute(key, &value) {
            if left.attributes > 0 {
                left.attributes -= 1;
                field_with(
                    out,
                    |out| {
                        let start = out.len();
                        out.extend_from_slice(b"ATTRIBUTE_");
                        push_name(out, name);
                        out.truncate(start + MAX_NAME_BYTES);
                    },
                    |out| push_value(out, &value),
                );
            }
        } else if let Value::Array(items) = value {
            for item in items.take(left.items) {
                left.items -= 1;
                field_with(
                    out,
                    |out| {
                        out.extend_from_slice(b"TIDINGS_");
                        push_name(out, key.name());
                    },
                    |out| push_value(out, &item),
                );
            }
        }
    }
}

/// Name and value of an attribute that the catalogue does not know: a list of the two.
fn attribute<'a>(key: Key, value: &Value<'a>) -> Option<(&'a str, Value<'a>)> {
    let Value::Array(mut items) = *value else {
        return None;
    };
    if key != Key::ATTRIBUTE {
        return None;
    }
    match (items.next()?, items.next()?, items.next()) {
        (Value::Str(name), value, None) => Some((name, value)),
        _ => None,
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    field_with(
        out,
        |out| out.extend_from_slice(name),
        |out| out.extend_from_slice(value),
    );
}

/// Appends a field; the length goes in front of the value once that is written.
fn field_with(
    out: &mut Vec<u8>,
    name: impl FnOnce(&mut Vec<u8>),
    value: impl FnOnce(&mut Vec<u8>),
) {
    name(out);
    out.push(b'\n');
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    value(out);
    let length = (out.len() - at - 8) as u64;
    out[at..at + 8].copy_from_slice(&length.to_le_bytes());
    out.push(b'\n');
}

/// Appends a name in the letters of field names: `A` to `Z`, digits and `_`.
fn push_name(out: &mut Vec<u8>, name: &str) {
    out.extend(name.bytes().map(|byte| match byte {
        b'a'..=b'z' => byte.to_ascii_uppercase(),
        b'A'..=b'Z' | b'0'..=b'9' => byte,
        _ => b'_',
    }));
}

fn push_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::UInt(number) | Value::Timestamp(number) | Value::Duration(number) => {
            push_u64(out, number);
        }
        Value::Int(number) => push_i64(out, number),
        Value::Float(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Bytes(bytes) => push_encoded(out, bytes),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Value::Ipv4(ip) => push_ip(out, IpAddr::V4(ip)),
        Value::Ipv6(ip) => push_ip(out, IpAddr::V6(ip)),
        Value::Event(event) => {
            out.push(b'{');
            out.extend_from_slice(event.kind().info().description.as_bytes());
            out.extend_from_slice(b" (");
            out.extend_from_slice(event.kind().name().as_bytes());
            out.push(b')');
            let pairs = event.pairs().filter(|(key, _)| !is_hidden(*key));
            for (at, (key, value)) in pairs.enumerate() {
                out.extend_from_slice(if at == 0 { b": " } else { b", " });
                out.extend_from_slice(key.name().as_bytes());
                out.extend_from_slice(b" = ");
                push_value(out, &value);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.enumerate() {
                if at > 0 {
                    out.extend_from_slice(b", ");
                }
                push_value(out, &item);
            }
            out.push(b']');
        }
        Value::None => out.extend_from_slice(b"(null)"),
    }
}

#[cfg(test)]
mod tests;
