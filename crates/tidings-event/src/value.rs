//! Values: what an event says under a key, read in place from its binary form.
//!
//! Wire tags 0 to 13 are the fourteen kinds of the reference (`docs/format.md`, "Values"). A tag
//! from 14 up is followed by a length, so a reader that does not know it steps over it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::event_type::EventType;
use crate::key::Key;
use crate::varint;

pub(crate) const TAG_STR: u8 = 0;
pub(crate) const TAG_UINT: u8 = 1;
pub(crate) const TAG_INT: u8 = 2;
pub(crate) const TAG_FLOAT: u8 = 3;
pub(crate) const TAG_TIMESTAMP: u8 = 4;
pub(crate) const TAG_DURATION: u8 = 5;
pub(crate) const TAG_BYTES: u8 = 6;
pub(crate) const TAG_TRUE: u8 = 7;
pub(crate) const TAG_FALSE: u8 = 8;
pub(crate) const TAG_IPV4: u8 = 9;
pub(crate) const TAG_IPV6: u8 = 10;
pub(crate) const TAG_EVENT: u8 = 11;
pub(crate) const TAG_ARRAY: u8 = 12;
pub(crate) const TAG_NONE: u8 = 13;

/// How deep events and arrays may nest; deeper data reads as [`Value::None`].
pub const MAX_DEPTH: u8 = 16;

/// A value of an event, borrowed from the event's bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// Unsigned number.
    UInt(u64),
    /// Signed number.
    Int(i64),
    /// Floating-point number.
    Float(f64),
    /// Time in whole seconds since the unix epoch.
    Timestamp(u64),
    /// Duration in milliseconds.
    Duration(u64),
    /// Bytes that are not text.
    Bytes(&'a [u8]),
    /// Truth value.
    Bool(bool),
    /// Address of IP version 4.
    Ipv4(Ipv4Addr),
    /// Address of IP version 6.
    Ipv6(Ipv6Addr),
    /// An event within the event, without time and level.
    Event(NestedEvent<'a>),
    /// A list of values.
    Array(Array<'a>),
    /// Present, but nothing.
    None,
}

impl<'a> Value<'a> {
    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is a non-negative whole number, a duration or a timestamp.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::UInt(n) | Value::Duration(n) | Value::Timestamp(n) => Some(n),
            Value::Int(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// The address, if this is one.
    pub fn as_ip(&self) -> Option<IpAddr> {
        match *self {
            Value::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Value::Ipv6(ip) => Some(IpAddr::V6(ip)),
            _ => None,
        }
    }
}

impl From<IpAddr> for Value<'_> {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Value::Ipv4(ip),
            IpAddr::V6(ip) => Value::Ipv6(ip),
        }
    }
}

/// An event nested in a value: its type and pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NestedEvent<'a> {
    kind: EventType,
    pairs: Pairs<'a>,
}

impl<'a> NestedEvent<'a> {
    /// The type of the nested event.
    pub fn kind(&self) -> EventType {
        self.kind
    }

    /// Its key/value pairs, in order.
    pub fn pairs(&self) -> Pairs<'a> {
        self.pairs
    }
}

/// A list of values; iterate to get them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array<'a> {
    bytes: &'a [u8],
    depth: u8,
}

impl<'a> Iterator for Array<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        read_value(&mut self.bytes, self.depth)
    }
}

/// The key/value pairs of an event, in the order in which they were written.
///
/// Iteration ends at the end of the bytes, and early at bytes that are not a pair: data can be
/// damaged, it cannot make the reader panic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pairs<'a> {
    bytes: &'a [u8],
    depth: u8,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Pairs<'a> {
        Pairs { bytes, depth: 0 }
    }

    /// The first value under `key`.
    pub fn get(self, key: Key) -> Option<Value<'a>> {
        self.encoded()
            .find(|(known, _)| *known == key)
            .and_then(|(_, value)| value.read())
    }

    /// The pairs with their values as they are encoded: for who wants few of many, as it takes a
    /// fraction of the time of reading all.
    pub fn encoded(self) -> EncodedPairs<'a> {
        EncodedPairs { rest: self }
    }

    /// The encoded bytes of the pairs, for copying them as they are.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Key, Value<'a>);

    fn next(&mut self) -> Option<(Key, Value<'a>)> {
        let key = u16::try_from(varint::read(&mut self.bytes)?).ok()?;
        let value = read_value(&mut self.bytes, self.depth)?;
        Some((Key::from_id(key), value))
    }
}

/// The pairs of an event whose values are not read yet. Ends where [`Pairs`] would, except that it
/// does not look into an event within the event.
#[derive(Clone, Copy, Debug)]
pub struct EncodedPairs<'a> {
    rest: Pairs<'a>,
}

impl<'a> Iterator for EncodedPairs<'a> {
    type Item = (Key, EncodedValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = u16::try_from(varint::read(&mut self.rest.bytes)?).ok()?;
        let bytes = self.rest.bytes;
        skip_value(&mut self.rest.bytes)?;
        let value = EncodedValue {
            bytes,
            depth: self.rest.depth,
        };
        Some((Key::from_id(key), value))
    }
}

/// A value as it is encoded, with what follows it.
#[derive(Clone, Copy, Debug)]
pub struct EncodedValue<'a> {
    bytes: &'a [u8],
    depth: u8,
}

impl<'a> EncodedValue<'a> {
    /// The value; `None` for an event within the event that is damaged.
    #[inline]
    pub fn read(self) -> Option<Value<'a>> {
        let mut bytes = self.bytes;
        read_value(&mut bytes, self.depth)
    }

    /// The bytes of a text, not looked at; `None` if it is no text.
    #[inline]
    pub fn text(self) -> Option<&'a [u8]> {
        let (tag, mut rest) = self.bytes.split_first()?;
        if *tag == TAG_STR {
            take_prefixed(&mut rest)
        } else {
            None
        }
    }
}

/// Steps over a value.
#[inline]
fn skip_value(bytes: &mut &[u8]) -> Option<()> {
    let tag = *take(bytes, 1)?.first()?;
    let length = match tag {
        TAG_UINT | TAG_INT | TAG_TIMESTAMP | TAG_DURATION => {
            varint::read(bytes)?;
            0
        }
        TAG_FLOAT => 8,
        TAG_TRUE | TAG_FALSE | TAG_NONE => 0,
        TAG_IPV4 => 4,
        TAG_IPV6 => 16,
        _ => usize::try_from(varint::read(bytes)?).ok()?,
    };
    take(bytes, length).map(|_| ())
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

fn take_prefixed<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint::read(bytes)?).ok()?;
    take(bytes, length)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    take(bytes, N)?.try_into().ok()
}

pub(crate) fn read_value<'a>(bytes: &mut &'a [u8], depth: u8) -> Option<Value<'a>> {
    let tag = *take(bytes, 1)?.first()?;
    Some(match tag {
        TAG_STR => {
            let text = take_prefixed(bytes)?;
            std::str::from_utf8(text).map_or(Value::Bytes(text), Value::Str)
        }
        TAG_UINT => Value::UInt(varint::read(bytes)?),
        TAG_INT => Value::Int(varint::unzigzag(varint::read(bytes)?)),
        TAG_FLOAT => Value::Float(f64::from_le_bytes(take_array(bytes)?)),
        TAG_TIMESTAMP => Value::Timestamp(varint::read(bytes)?),
        TAG_DURATION => Value::Duration(varint::read(bytes)?),
        TAG_BYTES => Value::Bytes(take_prefixed(bytes)?),
        TAG_TRUE => Value::Bool(true),
        TAG_FALSE => Value::Bool(false),
        TAG_IPV4 => Value::Ipv4(Ipv4Addr::from(take_array::<4>(bytes)?)),
        TAG_IPV6 => Value::Ipv6(Ipv6Addr::from(take_array::<16>(bytes)?)),
        TAG_EVENT => read_nested(take_prefixed(bytes)?, depth)?,
        TAG_ARRAY => {
            let items = take_prefixed(bytes)?;
            if depth >= MAX_DEPTH {
                Value::None
            } else {
                Value::Array(Array {
                    bytes: items,
                    depth: depth + 1,
                })
            }
        }
        TAG_NONE => Value::None,
        _ => {
            take_prefixed(bytes)?;
            Value::None
        }
    })
}

fn read_nested(mut bytes: &[u8], depth: u8) -> Option<Value<'_>> {
    let kind = u16::try_from(varint::read(&mut bytes)?).ok()?;
    if depth >= MAX_DEPTH {
        return Some(Value::None);
    }
    let pairs = Pairs {
        bytes,
        depth: depth + 1,
    };
    Some(Value::Event(NestedEvent {
        kind: EventType::from_id(kind),
        pairs,
    }))
}
