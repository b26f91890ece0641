//! The registry form: typed values, and lists as objects keyed by position.

use std::net::IpAddr;

use super::write::{write_float, write_ip, write_json_string, write_timestamp};
use crate::digits::{push_i64, push_u64};
use crate::key::Key;
use crate::record::EventRef;
use crate::time::{NANOS_PER_SECOND, write_rfc3339_seconds};
use crate::value::Value;

/// Appends an event as the management API's `TraceEvent`, without a line feed.
///
/// Only the event's own pairs are in it, all of them; the span id stands behind them, as a number.
/// `@type` is the first member of each value.
pub fn write_registry(out: &mut Vec<u8>, event: &EventRef<'_>) {
    out.extend_from_slice(b"{\"event\":\"");
    out.extend_from_slice(event.kind().name().as_bytes());
    out.extend_from_slice(b"\",\"timestamp\":\"");
    write_rfc3339_seconds(out, event.time_ns().div_euclid(NANOS_PER_SECOND));
    out.extend_from_slice(b"\",\"keyValues\":");
    let span = event.span().map(|span| (Key::SPAN_ID, Value::UInt(span.0)));
    write_pairs(out, event.pairs().chain(span));
    out.push(b'}');
}

fn write_pairs<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (Key, Value<'a>)>) {
    write_positions(out, pairs, |out, (key, value)| {
        out.extend_from_slice(b"{\"key\":\"");
        out.extend_from_slice(key.name().as_bytes());
        out.extend_from_slice(b"\",\"value\":");
        write_typed(out, &value);
        out.push(b'}');
    });
}

/// `{"0":…,"1":…}`.
fn write_positions<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'{');
    for (at, item) in items.enumerate() {
        out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
        push_u64(out, at as u64);
        out.extend_from_slice(b"\":");
        write(out, item);
    }
    out.push(b'}');
}

fn write_typed(out: &mut Vec<u8>, value: &Value<'_>) {
    let tag = |out: &mut Vec<u8>, name: &str| {
        out.extend_from_slice(b"{\"@type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"value\":");
    };
    match *value {
        Value::Str(text) => {
            tag(out, "String");
            write_json_string(out, text);
        }
        Value::Bytes(bytes) => {
            tag(out, "String");
            write_json_string(out, &String::from_utf8_lossy(bytes));
        }
        Value::UInt(number) => {
            tag(out, "UnsignedInt");
            push_u64(out, number);
        }
        Value::Int(number) => {
            tag(out, "Integer");
            push_i64(out, number);
        }
        Value::Bool(truth) => {
            tag(out, "Boolean");
            out.extend_from_slice(if truth { b"true" } else { b"false" });
        }
        Value::Float(number) => {
            tag(out, "Float");
            write_float(out, number);
        }
        Value::Timestamp(seconds) => {
            tag(out, "UTCDateTime");
            write_timestamp(out, seconds);
        }
        Value::Duration(millis) => {
            tag(out, "Duration");
            push_u64(out, millis);
        }
        Value::Ipv4(ip) => {
            tag(out, "IpAddr");
            write_ip(out, IpAddr::V4(ip));
        }
        Value::Ipv6(ip) => {
            tag(out, "IpAddr");
            write_ip(out, IpAddr::V6(ip));
        }
        Value::Array(items) => {
            tag(out, "List");
            write_positions(out, items, |out, item| write_typed(out, &item));
        }
        Value::Event(event) => {
            out.extend_from_slice(b"{\"@type\":\"Event\",\"event\":\"");
            out.extend_from_slice(event.kind().name().as_bytes());
            out.extend_from_slice(b"\",\"value\":");
            write_pairs(out, event.pairs());
        }
        Value::None => return out.extend_from_slice(b"{\"@type\":\"Null\"}"),
    }
    out.push(b'}');
}
