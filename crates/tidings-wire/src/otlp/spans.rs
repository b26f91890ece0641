//! The events of a span as a span.

use tidings_event::{EventRef, EventType, Id, Key, Records, Value};

use super::attributes::{push_attribute, push_pairs};
use super::ids::{parent_of, push_span_id, push_trace_id};
use super::logs::push_time;
use super::proto::{BYTES, FIXED64, VARINT, bytes, message, tag, varint};
use super::request::Request;

const ATTRIBUTE: u8 = tag(9, BYTES);

/// All that is known of a span that has ended.
#[derive(Clone, Copy, Debug)]
pub struct SpanParts<'a> {
    /// The event that opened it, if it is known.
    pub start: Option<EventRef<'a>>,
    /// The records of events within it, one after the other.
    pub events: &'a [u8],
    /// How many more events it had that are not among those.
    pub dropped_events: u32,
    /// The event that closed it.
    pub end: EventRef<'a>,
    /// The trace that it belongs to.
    pub trace: Id,
}

impl Request {
    /// Adds a span.
    ///
    /// Its name is the type of the event that opened it, its attributes are that event's pairs; the
    /// events within it and the one that closed it are its events. If the start is not known, name
    /// and begin come from the end (its type, and `elapsed`), and the attribute
    /// `tidings.span.start_unknown` says so. A span that was given up (`interrupted`) has the
    /// status error.
    ///
    /// A span whose end names no span is not added; the return value tells.
    pub fn push_span(&mut self, parts: &SpanParts<'_>) -> bool {
        let Some(span) = parts.end.span() else {
            return false;
        };
        message(&mut self.buffer, tag(2, BYTES), 2, |out| {
            push_span(out, parts, span);
        });
        self.count_item();
        true
    }
}

fn push_span(out: &mut Vec<u8>, parts: &SpanParts<'_>, span: Id) {
    push_trace_id(out, tag(1, BYTES), parts.trace);
    push_span_id(out, tag(2, BYTES), span);
    if let Some(parent) = parts.start.as_ref().and_then(parent_of) {
        push_span_id(out, tag(4, BYTES), parent);
    }
    let name = name(parts);
    bytes(out, tag(5, BYTES), name.as_bytes());
    out.extend_from_slice(&[tag(6, VARINT), kind(name)]);
    let end_ns = parts.end.time_ns();
    push_time(out, tag(7, FIXED64), begin_ns(parts));
    push_time(out, tag(8, FIXED64), end_ns);
    match parts.start {
        Some(start) => push_pairs(out, ATTRIBUTE, start.pairs(), Some(Key::SPAN_ID)),
        None => {
            let is_unknown = Value::Bool(true);
            push_attribute(out, ATTRIBUTE, "tidings.span.start_unknown", &is_unknown);
        }
    }
    for event in Records::new(parts.events).map_while(Result::ok) {
        push_event(out, &event);
    }
    push_event(out, &parts.end);
    if parts.dropped_events > 0 {
        out.push(tag(12, VARINT));
        varint(out, u64::from(parts.dropped_events));
    }
    if parts.end.get(Key::INTERRUPTED) == Some(Value::Bool(true)) {
        message(out, tag(15, BYTES), 1, |out| {
            bytes(out, tag(2, BYTES), b"the span was given up before its end");
            out.extend_from_slice(&[tag(3, VARINT), 2]);
        });
    }
}

fn push_event(out: &mut Vec<u8>, event: &EventRef<'_>) {
    message(out, tag(11, BYTES), 1, |out| {
        push_time(out, tag(1, FIXED64), event.time_ns());
        bytes(out, tag(2, BYTES), event.kind().name().as_bytes());
        push_pairs(out, tag(3, BYTES), event.pairs(), Some(Key::SPAN_ID));
    });
}

/// The name of the span: the type that opened it.
fn name<'a>(parts: &SpanParts<'a>) -> &'a str {
    if let Some(start) = &parts.start {
        return start.kind().name();
    }
    let end = parts.end.kind().name();
    let opened_by = end.strip_suffix("-end").map(|stem| format!("{stem}-start"));
    opened_by
        .and_then(|name| EventType::from_name(&name))
        .map_or(end, EventType::name)
}

/// When the span began, as far as anything tells.
fn begin_ns(parts: &SpanParts<'_>) -> i64 {
    let end_ns = parts.end.time_ns();
    match (&parts.start, parts.end.uint(Key::ELAPSED)) {
        (Some(start), _) => start.time_ns(),
        (None, Some(elapsed_ms)) => {
            let elapsed = i64::try_from(elapsed_ms).unwrap_or(i64::MAX);
            end_ns.saturating_sub(elapsed.saturating_mul(1_000_000))
        }
        (None, None) => end_ns,
    }
}

/// `SpanKind`: deliveries are made as a client, sessions served, a program's own spans are internal.
fn kind(name: &str) -> u8 {
    match name.split_once('.').map_or(name, |(family, _)| family) {
        "delivery" => 3,
        "program" => 1,
        _ => 2,
    }
}
