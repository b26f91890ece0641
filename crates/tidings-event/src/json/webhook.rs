//! The webhook form, pure or with our additional fields.

use std::io::Write;

use super::write::{Members, write_base64, write_json_string, write_name};
use crate::digits::push_u64;
use crate::key::Key;
use crate::record::EventRef;
use crate::time::{NANOS_PER_SECOND, write_rfc3339, write_rfc3339_seconds};
use crate::value::Value;

/// The largest number below which a double holds every whole number: 2^53.
const MAX_SAFE_NUMBER: u64 = 1 << 53;

/// What our own event JSON says beyond the reference's webhook form and beyond the event's record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Additional<'a> {
    /// Place of the event in the spool.
    pub sequence: Option<u64>,
    /// The host that the event arose on.
    pub node: Option<&'a str>,
    /// The line that the event was read from, without its line end.
    pub raw: Option<&'a [u8]>,
}

/// Appends an event in the webhook form, without a line feed.
///
/// `id` is the text of the `id` field; `span_start` is the event that opened the event's span, whose
/// pairs follow the event's own in `data` where they have no such key yet (ignored when it is the
/// event itself). With `additional` absent, the form is the reference's and no more.
pub fn write_webhook(
    out: &mut Vec<u8>,
    id: &str,
    event: &EventRef<'_>,
    span_start: Option<&EventRef<'_>>,
    additional: Option<&Additional<'_>>,
) {
    out.push(b'{');
    write_name(out, "id", true);
    write_json_string(out, id);
    write_name(out, "createdAt", false);
    out.push(b'"');
    write_rfc3339_seconds(out, event.time_ns().div_euclid(NANOS_PER_SECOND));
    out.push(b'"');
    write_name(out, "type", false);
    write_json_string(out, event.kind().name());
    write_name(out, "data", false);
    write_data(out, event, span_start);
    if let Some(additional) = additional {
        write_additional(out, event, additional);
    }
    out.push(b'}');
}

fn write_data(out: &mut Vec<u8>, event: &EventRef<'_>, span_start: Option<&EventRef<'_>>) {
    out.push(b'{');
    let mut members = Members::new();
    members.write(out, event.pairs());
    if let Some(span) = event.span() {
        members.write_one(out, Key::SPAN_ID, &Value::UInt(span.0));
    }
    if let Some(start) = span_start {
        members.write(out, start.pairs());
    }
    out.push(b'}');
}

fn write_additional(out: &mut Vec<u8>, event: &EventRef<'_>, additional: &Additional<'_>) {
    let header = event.header();
    if let Some(sequence) = additional.sequence {
        write_name(out, "sequence", false);
        write_safe_number(out, sequence);
    }
    write_name(out, "time", false);
    out.push(b'"');
    write_rfc3339(out, header.time_ns);
    out.push(b'"');
    write_name(out, "level", false);
    write_json_string(out, header.level.as_str());
    if let Some(span) = header.span {
        write_name(out, "spanId", false);
        write!(out, "\"{span}\"").expect("writing to memory does not fail");
    }
    if let Some(id) = header.event_id {
        write_name(out, "eventId", false);
        write!(out, "\"{id}\"").expect("writing to memory does not fail");
    }
    for (name, is_set) in [("late", header.late), ("imported", header.imported)] {
        if is_set {
            write_name(out, name, false);
            out.extend_from_slice(b"true");
        }
    }
    if let Some(node) = additional.node {
        write_name(out, "node", false);
        write_json_string(out, node);
    }
    if let Some(raw) = additional.raw {
        write_raw(out, raw);
    }
}

/// A number as a number where every reader of JSON can hold it, otherwise as text.
fn write_safe_number(out: &mut Vec<u8>, number: u64) {
    let quote: &[u8] = if number <= MAX_SAFE_NUMBER {
        b""
    } else {
        b"\""
    };
    out.extend_from_slice(quote);
    push_u64(out, number);
    out.extend_from_slice(quote);
}

fn write_raw(out: &mut Vec<u8>, raw: &[u8]) {
    write_name(out, "raw", false);
    write_json_string(out, &String::from_utf8_lossy(raw));
    if std::str::from_utf8(raw).is_err() {
        write_name(out, "rawBase64", false);
        write_base64(out, raw);
    }
}
