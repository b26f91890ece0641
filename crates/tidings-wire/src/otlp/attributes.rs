//! Pairs of an event as attributes, and its values as values.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tidings_event::digits::push_ip;
use tidings_event::time::write_rfc3339_seconds;
use tidings_event::{Key, Pairs, Value};

use super::proto::{BYTES, FIXED64, VARINT, bytes, fixed64, message, tag, varint, varint_bytes};

/// Appends the pairs of an event as attributes, each a field with this tag.
///
/// `except` is left out; so is the line that the event was read from, which is kept with an event
/// and is no part of it.
pub(super) fn push_pairs(out: &mut Vec<u8>, tag: u8, pairs: Pairs<'_>, except: Option<Key>) {
    let start = out.len();
    let mut seen = Seen::default();
    for (key, value) in pairs {
        if key == Key::RAW_LINE || Some(key) == except {
            continue;
        }
        if !seen.is_surely_new(key) {
            out.truncate(start);
            return push_gathered(out, tag, pairs, except);
        }
        push_attribute(out, tag, key.name(), &value);
    }
}

/// Appends one attribute.
#[inline]
pub(super) fn push_attribute(out: &mut Vec<u8>, tag: u8, name: &str, value: &Value<'_>) {
    match *value {
        Value::Str(text) => push_text(out, tag, name, text.as_bytes()),
        Value::UInt(number) | Value::Duration(number) => push_number(out, tag, name, number),
        _ => message(out, tag, 1, |out| {
            bytes(out, KEY, name.as_bytes());
            push_value(out, VALUE, value);
        }),
    }
}

/// Appends an attribute whose value is a text.
#[inline]
pub(super) fn push_text(out: &mut Vec<u8>, tag: u8, name: &str, text: &[u8]) {
    let value = 1 + varint_bytes(text.len() as u64) + text.len();
    key_of(out, tag, name, value);
    bytes(out, STRING, text);
}

/// Appends an attribute whose value is a number: a text if it is too great for OTLP's.
#[inline]
pub(super) fn push_number(out: &mut Vec<u8>, tag: u8, name: &str, number: u64) {
    if number > i64::MAX as u64 {
        return push_text(out, tag, name, number.to_string().as_bytes());
    }
    key_of(out, tag, name, 1 + varint_bytes(number));
    out.push(INT);
    varint(out, number);
}

/// Begins an attribute whose value takes `value` bytes.
#[inline]
fn key_of(out: &mut Vec<u8>, tag: u8, name: &str, value: usize) {
    let key = 1 + varint_bytes(name.len() as u64) + name.len();
    out.push(tag);
    varint(out, (key + 1 + varint_bytes(value as u64) + value) as u64);
    bytes(out, KEY, name.as_bytes());
    out.push(VALUE);
    varint(out, value as u64);
}

/// Appends a value (`AnyValue`) as a field with this tag.
pub(super) fn push_value(out: &mut Vec<u8>, field: u8, value: &Value<'_>) {
    message(out, field, 1, |out| match *value {
        Value::Str(text) => bytes(out, STRING, text.as_bytes()),
        Value::UInt(number) | Value::Duration(number) => match i64::try_from(number) {
            Ok(_) => {
                out.push(INT);
                varint(out, number);
            }
            Err(_) => bytes(out, STRING, number.to_string().as_bytes()),
        },
        Value::Int(number) => {
            out.push(INT);
            varint(out, number as u64); // two's complement, as protobuf's int64 is written
        }
        Value::Float(number) => fixed64(out, tag(4, FIXED64), number.to_bits()),
        Value::Timestamp(seconds) => text_with(out, |out| {
            write_rfc3339_seconds(out, i64::try_from(seconds).unwrap_or(i64::MAX));
        }),
        Value::Bytes(value) => bytes(out, tag(7, BYTES), value),
        Value::Bool(truth) => push_bool(out, truth),
        Value::Ipv4(ip) => text_with(out, |out| push_ip(out, ip.into())),
        Value::Ipv6(ip) => text_with(out, |out| push_ip(out, ip.into())),
        Value::Event(event) => message(out, tag(6, BYTES), 1, |out| {
            push_text(out, LIST_ITEM, "eventName", event.kind().name().as_bytes());
            push_pairs(out, LIST_ITEM, event.pairs(), None);
        }),
        Value::Array(items) => message(out, tag(5, BYTES), 1, |out| {
            items.for_each(|item| push_value(out, LIST_ITEM, &item));
        }),
        Value::None => push_bool(out, false),
    });
}

const KEY: u8 = tag(1, BYTES);
const VALUE: u8 = tag(2, BYTES);
const STRING: u8 = tag(1, BYTES);
const INT: u8 = tag(3, VARINT);
/// Items of `ArrayValue` and of `KeyValueList` are field 1 of theirs.
const LIST_ITEM: u8 = tag(1, BYTES);

fn push_bool(out: &mut Vec<u8>, truth: bool) {
    out.extend_from_slice(&[tag(2, VARINT), u8::from(truth)]);
}

fn text_with(out: &mut Vec<u8>, text: impl FnOnce(&mut Vec<u8>)) {
    message(out, STRING, 1, text);
}

/// Which keys of an event were there before. It may take a new key for an old one, never the
/// other way round.
#[derive(Default)]
struct Seen([u64; 4]);

impl Seen {
    #[inline]
    fn is_surely_new(&mut self, key: Key) -> bool {
        let id = usize::from(key.id());
        // The reference's keys are numbered from 0, our own from 1024. Others have no name of
        // their own, and `attribute` stands for a name that is in its value.
        let place = match id {
            0..128 => id,
            1024..1152 => id - 1024 + 128,
            _ => return false,
        };
        let bit = 1 << (place % 64);
        let word = &mut self.0[place / 64];
        let is_new = *word & bit == 0 && key != Key::ATTRIBUTE;
        *word |= bit;
        is_new
    }
}

/// As [`push_pairs`] for pairs whose names may repeat: gathers the values of each name first.
fn push_gathered(out: &mut Vec<u8>, tag: u8, pairs: Pairs<'_>, except: Option<Key>) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut gathered: Vec<(&str, Vec<Value<'_>>)> = Vec::new();
    for (key, value) in pairs {
        if key == Key::RAW_LINE || Some(key) == except {
            continue;
        }
        let (name, value) = own_name(key, value);
        match places.entry(name) {
            Entry::Occupied(place) => gathered[*place.get()].1.push(value),
            Entry::Vacant(place) => {
                place.insert(gathered.len());
                gathered.push((name, vec![value]));
            }
        }
    }
    for (name, values) in &gathered {
        match values.as_slice() {
            [value] => push_attribute(out, tag, name, value),
            values => message(out, tag, 1, |out| {
                bytes(out, KEY, name.as_bytes());
                message(out, VALUE, 1, |out| push_array(out, values));
            }),
        }
    }
}

fn push_array(out: &mut Vec<u8>, values: &[Value<'_>]) {
    message(out, tag(5, BYTES), 1, |out| {
        values
            .iter()
            .for_each(|value| push_value(out, LIST_ITEM, value));
    });
}

/// The name of a pair: the key's, or for an attribute that the catalogue does not know, its own.
fn own_name<'a>(key: Key, value: Value<'a>) -> (&'a str, Value<'a>) {
    if let (Key::ATTRIBUTE, Value::Array(mut items)) = (key, value)
        && let (Some(Value::Str(name)), Some(value), None) =
            (items.next(), items.next(), items.next())
        && !name.is_empty()
    {
        return (name, value);
    }
    (key.name(), value)
}
