//! Events as text for people: the log file and the console, on one line or on several, with colours
//! or without.
//!
//! The forms are those of the reference's text log, so that tools which read its logs read ours:
//! ```text
//! 2026-02-03T04:05:06Z INFO Delivery attempt began (delivery.attempt-start) queueId = 4711, from = "a@x.test"
//! ```
//!
//! **Escaping** goes further than the reference's, because much of the text is written by strangers:
//! whatever stands in an event, it can neither end its quotes nor its line, nor move the cursor,
//! colour the screen or reorder what is shown. Inside the quotes of a text
//! * `"` is written `\"` and `\` is written `\\`;
//! * line feed, carriage return and tab are `\n`, `\r`, `\t`;
//! * every other ASCII control character (U+0000 to U+001F, and U+007F) is `\x1b` with its two digits;
//! * the controls U+0080 to U+009F, the line and paragraph separators U+2028 and U+2029, and the
//!   controls of bidirectional text (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) are
//!   `\u{202e}` with their hexadecimal number.
//!
//! The reference escapes only the first two kinds without the quote. No other part of a line can hold
//! foreign text: names and descriptions come from the catalogue, the rest is digits.

use std::io::Write;
use std::net::IpAddr;

use crate::base64;
use crate::digits::{push_i64, push_ip, push_u64};
use crate::escape::{push_escaped, stops};
use crate::event_type::EventType;
use crate::key::Key;
use crate::level::Level;
use crate::record::EventRef;
use crate::time::{NANOS_PER_SECOND, write_rfc3339, write_rfc3339_seconds};
use crate::value::{Pairs, Value};

/// How a text log looks. The default is one line per event, without colours, with whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextStyle {
    /// One line for the event and one for each of its pairs.
    pub multiline: bool,
    /// Colours by ANSI escape sequences.
    pub ansi: bool,
    /// Times in full resolution, where the reference has whole seconds.
    pub full_time: bool,
}

/// Appends an event as text, line feed included.
///
/// `span_start` is the event that opened the event's span: its pairs come first. It is ignored when
/// it is the event itself. The span id and the raw line are not part of the text.
pub fn write_text(
    out: &mut Vec<u8>,
    event: &EventRef<'_>,
    span_start: Option<&EventRef<'_>>,
    style: &TextStyle,
) {
    write_head(out, event, style);
    write_details(out, event, span_start, style);
    if !style.multiline {
        out.push(b'\n');
    }
}

/// Appends an event as [`write_text`] does, where the pairs of its span's start were already written by
/// [`write_details`] in the same style, as `start_details`: many events have one start, and to copy its
/// text is several times faster than to write it again.
pub fn write_text_after(
    out: &mut Vec<u8>,
    event: &EventRef<'_>,
    start_details: &[u8],
    style: &TextStyle,
) {
    write_head(out, event, style);
    out.extend_from_slice(start_details);
    if style.multiline {
        write_lines(out, event.pairs(), 1, style);
    } else {
        write_list(out, event.pairs(), start_details.is_empty(), style);
        out.push(b'\n');
    }
}

/// Time, level, description and type, with the blank or line feed behind them.
fn write_head(out: &mut Vec<u8>, event: &EventRef<'_>, style: &TextStyle) {
    write_time(out, event.time_ns(), style);
    out.push(b' ');
    write_level(out, event.level(), style);
    out.push(b' ');
    coloured(out, "37;1", style, |out| {
        out.extend_from_slice(event.kind().info().description.as_bytes())
    });
    out.extend_from_slice(b" (");
    out.extend_from_slice(event.kind().name().as_bytes());
    out.push(b')');
    out.push(if style.multiline { b'\n' } else { b' ' });
}

/// Appends the pairs of an event alone, as they stand in its text: `key = value, key = value`, or one
/// to a line with a tab before and a line feed behind it.
pub fn write_details(
    out: &mut Vec<u8>,
    event: &EventRef<'_>,
    span_start: Option<&EventRef<'_>>,
    style: &TextStyle,
) {
    let start = span_start.filter(|start| start.as_bytes() != event.as_bytes());
    let mut is_first = true;
    for pairs in start
        .map(EventRef::pairs)
        .into_iter()
        .chain([event.pairs()])
    {
        if style.multiline {
            write_lines(out, pairs, 1, style);
        } else {
            is_first = write_list(out, pairs, is_first, style);
        }
    }
}

/// Appends a value as it stands in a single line.
pub fn write_text_value(out: &mut Vec<u8>, value: &Value<'_>) {
    write_value(out, value, &TextStyle::default());
}

/// The span's id says nothing to people, and the raw line is shown as a line or not at all.
fn is_hidden(key: Key) -> bool {
    key == Key::SPAN_ID || key == Key::RAW_LINE
}

/// `k = v, k = v`, without the hidden pairs. Tells whether there is still none before.
fn write_list(out: &mut Vec<u8>, pairs: Pairs<'_>, mut is_first: bool, style: &TextStyle) -> bool {
    for (key, value) in pairs {
        if is_hidden(key) {
            continue;
        }
        if !is_first {
            out.extend_from_slice(b", ");
        }
        is_first = false;
        write_key(out, key, style);
        write_value(out, &value, style);
    }
    is_first
}

/// A line for each pair but the hidden ones; a nested event's pairs follow it, one tab further in.
fn write_lines(out: &mut Vec<u8>, pairs: Pairs<'_>, indent: usize, style: &TextStyle) {
    for (key, value) in pairs {
        if is_hidden(key) {
            continue;
        }
        out.extend(std::iter::repeat_n(b'\t', indent));
        write_key(out, key, style);
        if let Value::Event(event) = value {
            write_type(out, event.kind());
            out.push(b'\n');
            write_lines(out, event.pairs(), indent + 1, style);
        } else {
            write_value(out, &value, style);
            out.push(b'\n');
        }
    }
}

fn write_time(out: &mut Vec<u8>, time_ns: i64, style: &TextStyle) {
    coloured(out, "37", style, |out| {
        if style.full_time {
            write_rfc3339(out, time_ns);
        } else {
            write_rfc3339_seconds(out, time_ns.div_euclid(NANOS_PER_SECOND));
        }
    });
}

fn write_level(out: &mut Vec<u8>, level: Level, style: &TextStyle) {
    let colour = match level {
        Level::Error => "31;1",
        Level::Warn => "33;1",
        Level::Info => "32;1",
        Level::Debug => "34;1",
        Level::Trace => "35;1",
        Level::Disable => "37;1",
    };
    coloured(out, colour, style, |out| {
        out.extend_from_slice(level.as_upper_str().as_bytes())
    });
}

fn write_key(out: &mut Vec<u8>, key: Key, style: &TextStyle) {
    coloured(out, "36", style, |out| {
        out.extend_from_slice(key.name().as_bytes())
    });
    out.extend_from_slice(b" = ");
}

fn coloured(out: &mut Vec<u8>, colour: &str, style: &TextStyle, text: impl FnOnce(&mut Vec<u8>)) {
    if !style.ansi {
        return text(out);
    }
    out.extend_from_slice(b"\x1b[");
    out.extend_from_slice(colour.as_bytes());
    out.push(b'm');
    text(out);
    out.extend_from_slice(b"\x1b[0m");
}

/// `Description (type)`.
fn write_type(out: &mut Vec<u8>, kind: EventType) {
    out.extend_from_slice(kind.info().description.as_bytes());
    out.extend_from_slice(b" (");
    out.extend_from_slice(kind.name().as_bytes());
    out.push(b')');
}

fn write_value(out: &mut Vec<u8>, value: &Value<'_>, style: &TextStyle) {
    match *value {
        Value::Str(text) => write_quoted(out, text),
        Value::UInt(number) => push_u64(out, number),
        Value::Int(number) => push_i64(out, number),
        Value::Float(number) => write!(out, "{number}").expect("writing to memory does not fail"),
        Value::Timestamp(seconds) => {
            write_rfc3339_seconds(out, i64::try_from(seconds).unwrap_or(i64::MAX));
        }
        Value::Duration(millis) => {
            push_u64(out, millis);
            out.extend_from_slice(b"ms");
        }
        Value::Bytes(bytes) => {
            out.extend_from_slice(b"base64:");
            base64::push_encoded(out, bytes);
        }
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Value::Ipv4(ip) => push_ip(out, IpAddr::V4(ip)),
        Value::Ipv6(ip) => push_ip(out, IpAddr::V6(ip)),
        Value::Event(event) => {
            write_type(out, event.kind());
            if event.pairs().next().is_some() {
                out.extend_from_slice(b" { ");
                write_list(out, event.pairs(), true, style);
                out.extend_from_slice(b" }");
            }
        }
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.enumerate() {
                if at > 0 {
                    out.extend_from_slice(b", ");
                }
                write_value(out, &item, style);
            }
            out.push(b']');
        }
        Value::None => out.extend_from_slice(b"(null)"),
    }
}

/// The characters that [`write_quoted`] escapes besides controls and hazards.
static STOPS: [bool; 256] = stops(b"\"\\");

fn write_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text, &STOPS, |out, c| match c {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
        c if c.is_ascii() => {
            write!(out, "\\x{:02x}", u32::from(c)).expect("writing to memory does not fail")
        }
        c => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("writing to memory does not fail"),
    });
    out.push(b'"');
}

#[cfg(test)]
mod tests;
