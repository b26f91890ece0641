//! An event as a log record.

use tidings_event::{EventRef, Id, Key, Level};

use super::attributes::{push_number, push_pairs, push_text};
use super::ids::{push_span_id, push_trace_id};
use super::proto::{BYTES, FIXED64, VARINT, bytes, fixed64, message, tag};
use super::request::Request;

const ATTRIBUTE: u8 = tag(6, BYTES);

impl Request {
    /// Adds an event as a log record.
    ///
    /// `trace` is the trace of the event's span; `observed_ns` is now, in nanoseconds since the
    /// unix epoch. The attributes are the event's own pairs, `spanId` as a number, and
    /// `log.record.uid`: the event's identity, by which a receiver tells an event that it got twice.
    pub fn push_log(&mut self, event: &EventRef<'_>, trace: Option<Id>, observed_ns: i64) {
        message(&mut self.buffer, tag(2, BYTES), 2, |out| {
            push_record(out, event, trace, observed_ns);
        });
        self.count_item();
    }
}

fn push_record(out: &mut Vec<u8>, event: &EventRef<'_>, trace: Option<Id>, observed_ns: i64) {
    let info = event.kind().info();
    let (number, text) = severity(event.level());
    push_time(out, tag(1, FIXED64), event.time_ns());
    out.extend_from_slice(&[tag(2, VARINT), number]);
    bytes(out, tag(3, BYTES), text.as_bytes());
    message(out, tag(5, BYTES), 1, |out| {
        bytes(out, tag(1, BYTES), info.description.as_bytes());
    });
    push_pairs(out, ATTRIBUTE, event.pairs(), Some(Key::SPAN_ID));
    if let Some(span) = event.span() {
        push_number(out, ATTRIBUTE, Key::SPAN_ID.name(), span.0);
    }
    if let Some(id) = event.header().event_id {
        push_text(out, ATTRIBUTE, "log.record.uid", &uid(id));
    }
    if let Some(span) = event.span() {
        push_trace_id(out, tag(9, BYTES), trace.unwrap_or(span));
        push_span_id(out, tag(10, BYTES), span);
    }
    push_time(out, tag(11, FIXED64), observed_ns);
    bytes(out, tag(12, BYTES), info.name.as_bytes());
}

/// The text of an event's identity, `0000beef-7`.
fn uid(id: tidings_event::EventId) -> Vec<u8> {
    let mut text = Vec::with_capacity(29);
    for place in (0..8).rev() {
        let digit = (id.origin >> (4 * place) & 15) as usize;
        text.push(b"0123456789abcdef"[digit]);
    }
    text.push(b'-');
    tidings_event::digits::push_u64(&mut text, id.number);
    text
}

/// `SeverityNumber` and its text.
fn severity(level: Level) -> (u8, &'static str) {
    let number = match level {
        Level::Trace => 1,
        Level::Debug => 5,
        Level::Info => 9,
        Level::Warn => 13,
        Level::Error | Level::Disable => 17,
    };
    (number, level.as_upper_str())
}

/// Appends a time. OTLP cannot tell one before 1970, which is left out: "unknown".
pub(super) fn push_time(out: &mut Vec<u8>, tag: u8, time_ns: i64) {
    match u64::try_from(time_ns) {
        Ok(time) if time > 0 => fixed64(out, tag, time),
        _ => (),
    }
}
