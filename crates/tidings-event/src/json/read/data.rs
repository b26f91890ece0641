//! The `data` object of the webhook form: plain JSON values, whose kind follows from their key.

use std::net::IpAddr;

use super::event_type;
use crate::id::Id;
use crate::json::parse::{Number, Parser};
use crate::json::{JsonError, encode, names};
use crate::key::Key;
use crate::kind::KeyKind;
use crate::suggest::{did_you_mean, nearest};
use crate::time::parse_rfc3339_seconds;
use crate::value::{MAX_DEPTH, Value};

/// Reads an object of keys and values and appends its pairs. With `span` given, the first `spanId`
/// that is an id goes there instead of among the pairs.
pub(super) fn read_members(
    parser: &mut Parser<'_>,
    out: &mut Vec<u8>,
    depth: u8,
    mut span: Option<&mut Option<Id>>,
) -> Result<(), JsonError> {
    parser.object(|parser, name, at| {
        let key = key(&name, at)?;
        if key == Key::SPAN_ID
            && let Some(span @ None) = span.as_deref_mut()
        {
            let value = parser.at();
            if let Some(found) = read_span(parser)? {
                *span = Some(found).filter(|found| found.0 != 0);
                return Ok(());
            }
            parser.go_to(value);
        }
        encode::key(out, key);
        read_value(parser, out, key.info().kind, depth)
    })
}

/// Reads a value and gives the id that it is: a whole number or its base-32 text.
pub(super) fn read_span(parser: &mut Parser<'_>) -> Result<Option<Id>, JsonError> {
    let span = match parser.peek() {
        Some(b'"') => Id::parse(&parser.string()?),
        Some(b'0'..=b'9') => match parser.number()? {
            Number::UInt(number) => Some(Id(number)),
            _ => None,
        },
        _ => {
            parser.skip()?;
            None
        }
    };
    Ok(span)
}

/// The key of this name, found at `at`.
pub(super) fn key(name: &str, at: usize) -> Result<Key, JsonError> {
    names::key(name).ok_or_else(|| {
        let near = nearest(name, Key::all().map(|info| info.name));
        let hint = did_you_mean(&near);
        JsonError::new(
            at,
            format!("unknown key {name:?}: only the catalogue's keys are allowed{hint}"),
        )
    })
}

/// Refuses values that nest deeper than a record can hold.
pub(super) fn check_depth(parser: &mut Parser<'_>, depth: u8) -> Result<(), JsonError> {
    if depth < MAX_DEPTH {
        return Ok(());
    }
    Err(JsonError::new(
        parser.at(),
        format!("values nest deeper than {MAX_DEPTH}"),
    ))
}

/// A text, as the kind of value that its key holds.
pub(super) fn write_text(out: &mut Vec<u8>, kind: KeyKind, text: &str) {
    let fitting = match kind {
        KeyKind::Ip => text.parse::<IpAddr>().ok().map(Value::from),
        KeyKind::Timestamp => {
            let seconds = parse_rfc3339_seconds(text).ok();
            seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Value::Timestamp)
        }
        _ => None,
    };
    encode::value(out, &fitting.unwrap_or(Value::Str(text)));
}

/// A number, as the kind of value that its key holds.
pub(super) fn write_number(out: &mut Vec<u8>, kind: KeyKind, number: Number) {
    let value = match (number, kind) {
        (Number::UInt(number), KeyKind::Duration) => Value::Duration(number),
        (Number::UInt(number), KeyKind::Timestamp) => Value::Timestamp(number),
        (Number::UInt(number), _) => Value::UInt(number),
        (Number::Int(number), _) => Value::Int(number),
        (Number::Float(number), _) => Value::Float(number),
    };
    encode::value(out, &value);
}

fn read_value(
    parser: &mut Parser<'_>,
    out: &mut Vec<u8>,
    kind: KeyKind,
    depth: u8,
) -> Result<(), JsonError> {
    match parser.peek() {
        Some(b'"') => write_text(out, kind, &parser.string()?),
        Some(b'-' | b'0'..=b'9') => write_number(out, kind, parser.number()?),
        Some(b't' | b'f') => encode::value(out, &Value::Bool(parser.boolean()?)),
        Some(b'[') => {
            check_depth(parser, depth)?;
            encode::list(out, |out| {
                parser.array(|parser| read_value(parser, out, kind, depth + 1))
            })?;
        }
        Some(b'{') => read_event(parser, out, depth)?,
        _ if parser.null() => encode::value(out, &Value::None),
        _ => return Err(parser.expected("a value")),
    }
    Ok(())
}

/// `{"type":…,"data":{…}}`, in either order.
fn read_event(parser: &mut Parser<'_>, out: &mut Vec<u8>, depth: u8) -> Result<(), JsonError> {
    check_depth(parser, depth)?;
    let start = parser.at();
    let (mut kind, mut data) = (None, None);
    parser.object(|parser, name, at| match &*name {
        "type" if kind.is_none() => {
            kind = Some(event_type(parser)?);
            Ok(())
        }
        "data" if data.is_none() => {
            data = Some(parser.at());
            parser.skip()
        }
        "type" | "data" => Err(JsonError::new(at, format!("field `{name}` occurs twice"))),
        _ => {
            let message = format!("unknown field {name:?}: an object among the values is an event with `type` and `data`");
            Err(JsonError::new(at, message))
        }
    })?;
    let Some(kind) = kind else {
        return Err(JsonError::new(start, "the nested event has no `type`"));
    };
    let end = parser.at();
    encode::event(out, kind, |out| match data {
        None => Ok(()),
        Some(data) => {
            parser.go_to(data);
            read_members(parser, out, depth + 1, None)
        }
    })?;
    parser.go_to(end);
    Ok(())
}
