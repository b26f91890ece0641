//! Encodes pairs that are met piece by piece, nested ones included.
//!
//! [`RecordWriter`](crate::RecordWriter) takes whole values; a reader of JSON meets a list or a
//! nested event before it knows its length. The bytes are those of the record format
//! (`docs/format.md`, "Values"), to be handed over by `RecordWriter::pairs`.

use crate::event_type::EventType;
use crate::key::Key;
use crate::value::{
    TAG_ARRAY, TAG_BYTES, TAG_DURATION, TAG_EVENT, TAG_FALSE, TAG_FLOAT, TAG_INT, TAG_IPV4,
    TAG_IPV6, TAG_NONE, TAG_STR, TAG_TIMESTAMP, TAG_TRUE, TAG_UINT, Value,
};
use crate::varint;

/// Appends the key of the pair whose value comes next.
pub(crate) fn key(out: &mut Vec<u8>, key: Key) {
    varint::write(out, u64::from(key.id()));
}

/// Appends a value; a list or nested event is copied item by item.
pub(crate) fn value(out: &mut Vec<u8>, value: &Value<'_>) {
    let tagged = |out: &mut Vec<u8>, tag: u8, number: u64| {
        out.push(tag);
        varint::write(out, number);
    };
    let prefixed = |out: &mut Vec<u8>, tag: u8, bytes: &[u8]| {
        tagged(out, tag, bytes.len() as u64);
        out.extend_from_slice(bytes);
    };
    match *value {
        Value::Str(text) => prefixed(out, TAG_STR, text.as_bytes()),
        Value::Bytes(bytes) => prefixed(out, TAG_BYTES, bytes),
        Value::UInt(number) => tagged(out, TAG_UINT, number),
        Value::Int(number) => tagged(out, TAG_INT, varint::zigzag(number)),
        Value::Timestamp(seconds) => tagged(out, TAG_TIMESTAMP, seconds),
        Value::Duration(millis) => tagged(out, TAG_DURATION, millis),
        Value::Float(number) => {
            out.push(TAG_FLOAT);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Bool(truth) => out.push(if truth { TAG_TRUE } else { TAG_FALSE }),
        Value::Ipv4(ip) => {
            out.push(TAG_IPV4);
            out.extend_from_slice(&ip.octets());
        }
        Value::Ipv6(ip) => {
            out.push(TAG_IPV6);
            out.extend_from_slice(&ip.octets());
        }
        Value::Array(items) => list(out, |out| items.for_each(|item| self::value(out, &item))),
        Value::Event(nested) => event(out, nested.kind(), |out| {
            out.extend_from_slice(nested.pairs().as_bytes());
        }),
        Value::None => out.push(TAG_NONE),
    }
}

/// Appends a list whose values `items` appends.
pub(crate) fn list<R>(out: &mut Vec<u8>, items: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    with_length(out, TAG_ARRAY, items)
}

/// Appends a nested event whose pairs `pairs` appends.
pub(crate) fn event<R>(
    out: &mut Vec<u8>,
    kind: EventType,
    pairs: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    with_length(out, TAG_EVENT, |out| {
        varint::write(out, u64::from(kind.id()));
        pairs(out)
    })
}

/// Appends `tag`, the length of what `body` appends, and that.
fn with_length<R>(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    out.push(tag);
    let start = out.len();
    let result = body(out);
    let end = out.len();
    // The length is written behind the body and then turned to its front.
    varint::write(out, (end - start) as u64);
    let written = out.len() - end;
    out[start..].rotate_right(written);
    result
}
