//! The `keyValues` of the registry form: values that name their own type.

use std::borrow::Cow;

use super::data::{check_depth, key, read_span, write_number, write_text};
use super::event_type;
use crate::id::Id;
use crate::json::parse::{Number, Parser};
use crate::json::{JsonError, encode};
use crate::kind::KeyKind;
use crate::value::Value;
use crate::{EventType, Key};

const TYPES: &str = "String, UnsignedInt, Integer, Boolean, Float, UTCDateTime, Duration, IpAddr, List, Event, Null";

/// Reads a list of keys and values and appends its pairs. With `span` given, the first `spanId` that
/// is an id goes there instead of among the pairs.
pub(super) fn read_pairs(
    parser: &mut Parser<'_>,
    out: &mut Vec<u8>,
    depth: u8,
    mut span: Option<&mut Option<Id>>,
) -> Result<(), JsonError> {
    read_list(parser, out, |parser, out| {
        let start = parser.at();
        let (mut name, mut value) = (None, None);
        parser.object(|parser, field, at| match &*field {
            "key" => {
                let at = parser.at();
                name = Some(key(&parser.string()?, at)?);
                Ok(())
            }
            "value" => {
                value = Some(parser.at());
                parser.skip()
            }
            _ => Err(JsonError::new(
                at,
                format!("unknown field {field:?}: a pair has `key` and `value`"),
            )),
        })?;
        let (Some(name), Some(value)) = (name, value) else {
            return Err(JsonError::new(start, "a pair must have `key` and `value`"));
        };
        let end = parser.at();
        parser.go_to(value);
        if name == Key::SPAN_ID
            && let Some(span @ None) = span.as_deref_mut()
        {
            if let Some(found) = read_typed_span(parser)? {
                *span = Some(found).filter(|found| found.0 != 0);
                parser.go_to(end);
                return Ok(());
            }
            parser.go_to(value);
        }
        encode::key(out, name);
        read_value(parser, out, depth)?;
        parser.go_to(end);
        Ok(())
    })
}

/// The members of a typed value: where they are, to be read once the type is known.
struct Typed<'a> {
    start: usize,
    end: usize,
    name: Option<Cow<'a, str>>,
    value: Option<usize>,
    event: Option<EventType>,
}

impl<'a> Typed<'a> {
    fn read(parser: &mut Parser<'a>) -> Result<Typed<'a>, JsonError> {
        let start = parser.at();
        let mut typed = Typed {
            start,
            end: start,
            name: None,
            value: None,
            event: None,
        };
        parser.object(|parser, field, at| match &*field {
            "@type" => {
                typed.name = Some(parser.string()?);
                Ok(())
            }
            "event" => {
                typed.event = Some(event_type(parser)?);
                Ok(())
            }
            "value" => {
                typed.value = Some(parser.at());
                parser.skip()
            }
            _ => {
                let message =
                    format!("unknown field {field:?}: a value has `@type`, `value` and `event`");
                Err(JsonError::new(at, message))
            }
        })?;
        typed.end = parser.at();
        Ok(typed)
    }

    /// Goes to the value.
    fn value(&self, parser: &mut Parser<'_>) -> Result<(), JsonError> {
        let at = self
            .value
            .ok_or_else(|| JsonError::new(self.start, "the typed value has no `value`"))?;
        parser.go_to(at);
        Ok(())
    }
}

fn read_value(parser: &mut Parser<'_>, out: &mut Vec<u8>, depth: u8) -> Result<(), JsonError> {
    let typed = Typed::read(parser)?;
    let name = typed.name.as_deref().unwrap_or_default();
    if name != "Null" {
        typed.value(parser)?;
    }
    match name {
        "String" => write_text(out, KeyKind::Text, &parser.string()?),
        "UTCDateTime" => write_text(out, KeyKind::Timestamp, &parser.string()?),
        "IpAddr" => write_text(out, KeyKind::Ip, &parser.string()?),
        "UnsignedInt" => write_number(out, KeyKind::Number, parser.number()?),
        "Integer" => {
            let number = parser.number()?;
            write_number(out, KeyKind::Number, signed(number));
        }
        "Duration" => write_number(out, KeyKind::Duration, parser.number()?),
        "Float" => read_float(parser, out)?,
        "Boolean" => encode::value(out, &Value::Bool(parser.boolean()?)),
        "Null" => encode::value(out, &Value::None),
        "List" => {
            check_depth(parser, depth)?;
            encode::list(out, |out| {
                read_list(parser, out, |parser, out| {
                    read_value(parser, out, depth + 1)
                })
            })?;
        }
        "Event" => {
            check_depth(parser, depth)?;
            let kind = typed
                .event
                .ok_or_else(|| JsonError::new(typed.start, "the nested event has no `event`"))?;
            encode::event(out, kind, |out| read_pairs(parser, out, depth + 1, None))?;
        }
        _ => {
            let message = format!("`@type` is {name:?}: it must be one of {TYPES}");
            return Err(JsonError::new(typed.start, message));
        }
    }
    parser.go_to(typed.end);
    Ok(())
}

/// A number that says that it is a signed one, if it can be one.
fn signed(number: Number) -> Number {
    match number {
        Number::UInt(unsigned) => i64::try_from(unsigned).map_or(number, Number::Int),
        _ => number,
    }
}

/// A float may be written without decimals; what JSON cannot hold is null.
fn read_float(parser: &mut Parser<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    if parser.null() {
        encode::value(out, &Value::None);
        return Ok(());
    }
    // Rounding is what a float field asks for.
    let number = match parser.number()? {
        Number::UInt(number) => number as f64,
        Number::Int(number) => number as f64,
        Number::Float(number) => number,
    };
    encode::value(out, &Value::Float(number));
    Ok(())
}

/// Reads a typed value and gives the id that it is, if it is an unsigned number.
fn read_typed_span(parser: &mut Parser<'_>) -> Result<Option<Id>, JsonError> {
    let typed = Typed::read(parser)?;
    match (typed.name.as_deref(), typed.value) {
        (Some("UnsignedInt"), Some(value)) => {
            parser.go_to(value);
            read_span(parser)
        }
        _ => Ok(None),
    }
}

/// A list: an object keyed by position, in any order, or an array. `item` appends each item.
fn read_list(
    parser: &mut Parser<'_>,
    out: &mut Vec<u8>,
    mut item: impl FnMut(&mut Parser<'_>, &mut Vec<u8>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if parser.peek() == Some(b'[') {
        return parser.array(|parser| item(parser, out));
    }
    let first = out.len();
    let mut items: Vec<(u64, usize, usize)> = Vec::new();
    parser.object(|parser, name, at| {
        let position = name.parse::<u64>();
        let position = position.map_err(|_| {
            JsonError::new(
                at,
                format!("{name:?} is not a position: a list is an object keyed \"0\", \"1\", …"),
            )
        })?;
        let start = out.len();
        item(parser, out)?;
        items.push((position, start - first, out.len() - first));
        Ok(())
    })?;
    if !items.is_sorted() {
        items.sort_by_key(|(position, ..)| *position);
        let unsorted = out.split_off(first);
        for (_, start, end) in items {
            out.extend_from_slice(&unsorted[start..end]);
        }
    }
    Ok(())
}
