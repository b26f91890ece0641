//! An event as the line of a text log: time, level, description, type, and its values.

use std::fmt::Write;
use std::net::IpAddr;

use serde_json::{Map, Value};
use tidings_event::EventType;
use tidings_event::time::parse_rfc3339;

use crate::term::{Screen, Style, clean};

/// Nested events and lists deeper than this are shown as `…`.
const DEPTH_MAX: usize = 16;

/// `2026-11-22 13:00:05.123 INFO Message delivered (delivery.delivered) to = "bob@example.net"`.
pub(crate) fn event_line(screen: &Screen, event: &Value) -> String {
    let level = text_of(event, "level").to_ascii_uppercase();
    format!(
        "{} {} {}",
        screen.paint(Style::Dim, &time_of(screen, event)),
        screen.paint(level_style(&level), &clean(&level)),
        event_text(screen, event)
    )
}

/// The event without time and level: `Message delivered (delivery.delivered) to = …`.
pub(crate) fn event_text(screen: &Screen, event: &Value) -> String {
    let name = text_of(event, "type");
    let mut text = format!(
        "{} ({})",
        screen.paint(Style::Bold, &description(name)),
        clean(name)
    );
    if let Some(Value::Object(data)) = event.get("data") {
        push_pairs(&mut text, screen, data, " ", 0);
    }
    text
}

/// The pairs of an event alone: `to = "bob@example.net", code = 250`.
pub(crate) fn pairs_text(screen: &Screen, pairs: &Map<String, Value>) -> String {
    let mut text = String::new();
    push_pairs(&mut text, screen, pairs, "", 0);
    text
}

/// The line that an event was read from, as it stands beneath it.
pub(crate) fn raw_line(screen: &Screen, indent: &str, raw: &str) -> String {
    format!("{indent}{}", screen.paint(Style::Dim, &clean(raw)))
}

/// The catalogue's words for a type; the type itself where this version does not know it.
pub(crate) fn description(name: &str) -> String {
    match EventType::from_name(name) {
        Some(kind) => kind.info().description.to_owned(),
        None => clean(name).into_owned(),
    }
}

fn time_of(screen: &Screen, event: &Value) -> String {
    // `time` is our own field, with fractions; `createdAt` is the webhook form's, and has none.
    match text_of(event, "time") {
        "" => screen.zone.show(text_of(event, "createdAt")),
        time => match parse_rfc3339(time) {
            Ok(time_ns) => screen.zone.millis(time_ns),
            Err(_) => clean(time).into_owned(),
        },
    }
}

/// The colour of a level, which is in capitals.
pub(crate) fn level_style(level: &str) -> Style {
    match level {
        "ERROR" => Style::Red,
        "WARN" => Style::Yellow,
        "INFO" => Style::Green,
        "DEBUG" => Style::Blue,
        "TRACE" => Style::Magenta,
        _ => Style::Plain,
    }
}

fn text_of<'a>(event: &'a Value, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Appends `start`, then `key = value, key = value`; nothing if there are none. The span's id is left
/// out, as in the text log.
fn push_pairs(
    out: &mut String,
    screen: &Screen,
    pairs: &Map<String, Value>,
    start: &str,
    depth: usize,
) {
    let mut between = start;
    for (key, value) in pairs.iter().filter(|(key, _)| *key != "spanId") {
        out.push_str(between);
        between = ", ";
        out.push_str(&screen.paint(Style::Cyan, &clean(key)));
        out.push_str(" = ");
        if key == "elapsed" && value.is_number() {
            write!(out, "{value}ms").expect("writing to a String cannot fail");
        } else {
            push_value(out, screen, value, depth);
        }
    }
}

fn push_value(out: &mut String, screen: &Screen, value: &Value, depth: usize) {
    if depth > DEPTH_MAX {
        out.push_str(screen.symbols.ellipsis);
        return;
    }
    match value {
        Value::Null => out.push_str("(null)"),
        Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) if text.parse::<IpAddr>().is_ok() => out.push_str(text),
        Value::String(text) => push_quoted(out, text),
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                push_value(out, screen, value, depth + 1);
            }
            out.push(']');
        }
        Value::Object(event) => push_nested(out, screen, event, depth),
    }
}

/// A nested event: `description (type) { key = value }`.
fn push_nested(out: &mut String, screen: &Screen, event: &Map<String, Value>, depth: usize) {
    let name = event.get("type").and_then(Value::as_str);
    if let Some(name) = name {
        write!(out, "{} ({})", description(name), clean(name)).expect("a String takes it");
    }
    let pairs = match (name, event.get("data")) {
        (Some(_), Some(Value::Object(data))) => data,
        (Some(_), _) => return,
        (None, _) => event,
    };
    if !pairs.is_empty() {
        push_pairs(
            out,
            screen,
            pairs,
            if name.is_some() { " { " } else { "{ " },
            depth + 1,
        );
        out.push_str(" }");
    }
}

/// A text in quotes that nothing in it can end.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        out.push_str(&clean(&rest[..at]));
        out.push('\\');
        out.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    out.push_str(&clean(rest));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::plain_screen;

    #[test]
    fn an_event_reads_as_in_a_text_log() {
        let event = json!({
            "id": "1", "createdAt": "2026-11-22T12:00:05Z", "type": "delivery.delivered",
            "data": {
                "to": "bob@example.net", "remoteIp": "192.0.2.7", "elapsed": 812, "code": 250,
                "tls": true, "list": ["a", 1, null], "spanId": 7,
                "causedBy": { "type": "auth.failed", "data": { "reason": "bad\ngateway" } },
            },
            "time": "2026-11-22T12:00:05.1239Z", "level": "info",
        });
        let description = EventType::DELIVERY_DELIVERED.info().description;
        let failed = EventType::AUTH_FAILED.info().description;
        assert_eq!(
            event_line(&plain_screen(), &event),
            format!(
                "2026-11-22 13:00:05.123 INFO {description} (delivery.delivered) to = \
                 \"bob@example.net\", remoteIp = 192.0.2.7, elapsed = 812ms, code = 250, tls = \
                 true, list = [\"a\", 1, (null)], causedBy = {failed} (auth.failed) {{ reason = \
                 \"bad\\ngateway\" }}"
            )
        );
    }

    #[test]
    fn strangers_can_forge_nothing() {
        let event = json!({
            "type": "x\n2026", "time": "\u{1b}[1m", "level": "in\u{9b}fo",
            "data": { "k\n": "a\", forged = \"b\\\u{202e}" },
        });
        let line = event_line(&plain_screen(), &event);
        assert_eq!(
            line,
            "\\x1b[1m IN\\u{9b}FO x\\n2026 (x\\n2026) k\\n = \"a\\\", forged = \\\"b\\\\\\u{202e}\""
        );
    }

    #[test]
    fn deep_values_end() {
        let mut value = json!(1);
        for _ in 0..100 {
            value = json!([value]);
        }
        let event = json!({ "type": "a.b", "data": { "k": value } });
        assert!(event_text(&plain_screen(), &event).contains("[…]"));
        assert_eq!(event_line(&plain_screen(), &json!(null)), "   ()");
    }
}
