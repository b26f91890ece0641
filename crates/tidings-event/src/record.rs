//! The binary form of an event: written once where the event arises, read in place ever after.
//!
//! A record is `length u32 LE` of what follows, then
//! `flags u8 · level u8 · type u16 LE · time i64 LE (ns)`, then what the flags announce (span id,
//! position, event id, an extension that older readers step over), then the pairs up to the end.
//! `docs/format.md` has it byte by byte.

use std::fmt;
use std::net::IpAddr;

use crate::event_type::EventType;
use crate::id::{EventId, Id, Position};
use crate::key::Key;
use crate::level::Level;
use crate::value::{
    Pairs, TAG_ARRAY, TAG_BYTES, TAG_DURATION, TAG_EVENT, TAG_FALSE, TAG_FLOAT, TAG_INT, TAG_IPV4,
    TAG_IPV6, TAG_NONE, TAG_STR, TAG_TIMESTAMP, TAG_TRUE, TAG_UINT, Value,
};
use crate::varint;

const FLAG_SPAN: u8 = 1;
const FLAG_POSITION: u8 = 2;
const FLAG_EVENT_ID: u8 = 4;
const FLAG_LATE: u8 = 8;
const FLAG_IMPORTED: u8 = 16;
const FLAG_EXTENSION: u8 = 128;
const FIXED_BYTES: usize = 12;

/// The longest record, in bytes after its length field.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// What every event has besides its pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// Type of the event.
    pub kind: EventType,
    /// Effective level.
    pub level: Level,
    /// When it happened: nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// The span it belongs to.
    pub span: Option<Id>,
    /// Where it was read, for events from an input.
    pub position: Option<Position>,
    /// Its identity, once a spool has given it one.
    pub event_id: Option<EventId>,
    /// It was more than ten minutes old when it was read.
    pub late: bool,
    /// It came by import, not live.
    pub imported: bool,
}

impl Header {
    /// A header with the type's default level and nothing optional.
    pub fn new(kind: EventType, time_ns: i64) -> Header {
        Header {
            level: kind.level(),
            ..Header::bare(kind, time_ns)
        }
    }

    fn bare(kind: EventType, time_ns: i64) -> Header {
        Header {
            kind,
            level: Level::Info,
            time_ns,
            span: None,
            position: None,
            event_id: None,
            late: false,
            imported: false,
        }
    }
}

/// Writes one record to the end of a buffer: begin, add pairs, finish.
///
/// A writer that is dropped without [`finish`](Self::finish) takes its bytes back.
pub struct RecordWriter<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
    finished: bool,
}

impl<'b> RecordWriter<'b> {
    /// Begins a record at the end of `out`.
    #[inline]
    pub fn begin(out: &'b mut Vec<u8>, header: &Header) -> RecordWriter<'b> {
        let start = out.len();
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = flag(header.span.is_some(), FLAG_SPAN)
            | flag(header.position.is_some(), FLAG_POSITION)
            | flag(header.event_id.is_some(), FLAG_EVENT_ID)
            | flag(header.late, FLAG_LATE)
            | flag(header.imported, FLAG_IMPORTED);
        out.extend_from_slice(&[0, 0, 0, 0, flags, header.level.ordinal()]);
        out.extend_from_slice(&header.kind.id().to_le_bytes());
        out.extend_from_slice(&header.time_ns.to_le_bytes());
        if let Some(span) = header.span {
            out.extend_from_slice(&span.0.to_le_bytes());
        }
        if let Some(position) = header.position {
            varint::write(out, u64::from(position.stream));
            varint::write(out, position.line);
            varint::write(out, u64::from(position.ordinal));
        }
        if let Some(id) = header.event_id {
            out.extend_from_slice(&id.origin.to_le_bytes());
            varint::write(out, id.number);
        }
        RecordWriter {
            out,
            start,
            finished: false,
        }
    }

    /// Adds a value of any kind.
    pub fn value(&mut self, key: Key, value: &Value<'_>) -> &mut Self {
        self.key(key);
        write_value(self.out, value);
        self
    }

    /// Adds text.
    pub fn str(&mut self, key: Key, text: &str) -> &mut Self {
        self.key(key);
        write_prefixed(self.out, TAG_STR, text.as_bytes());
        self
    }

    /// Adds text that came from outside as bytes; what is not UTF-8 becomes U+FFFD.
    pub fn text(&mut self, key: Key, text: &[u8]) -> &mut Self {
        match std::str::from_utf8(text) {
            Ok(text) => self.str(key, text),
            Err(_) => self.str(key, &String::from_utf8_lossy(text)),
        }
    }

    /// Adds text if there is any.
    pub fn text_if(&mut self, key: Key, text: &[u8]) -> &mut Self {
        if text.is_empty() {
            self
        } else {
            self.text(key, text)
        }
    }

    /// Adds an unsigned number.
    pub fn uint(&mut self, key: Key, number: u64) -> &mut Self {
        self.value(key, &Value::UInt(number))
    }

    /// Adds a duration in milliseconds.
    pub fn duration_ms(&mut self, key: Key, millis: u64) -> &mut Self {
        self.value(key, &Value::Duration(millis))
    }

    /// Adds a truth value.
    pub fn bool(&mut self, key: Key, truth: bool) -> &mut Self {
        self.value(key, &Value::Bool(truth))
    }

    /// Adds an IP address.
    pub fn ip(&mut self, key: Key, ip: IpAddr) -> &mut Self {
        self.value(key, &Value::from(ip))
    }

    /// Adds a list of texts.
    pub fn texts<'t>(&mut self, key: Key, texts: impl IntoIterator<Item = &'t str>) -> &mut Self {
        let mut items = Vec::new();
        for text in texts {
            write_prefixed(&mut items, TAG_STR, text.as_bytes());
        }
        self.key(key);
        write_prefixed(self.out, TAG_ARRAY, &items);
        self
    }

    /// Adds pairs that are encoded already, such as another event's.
    pub fn pairs(&mut self, pairs: Pairs<'_>) -> &mut Self {
        self.out.extend_from_slice(pairs.as_bytes());
        self
    }

    /// Adds pairs that are encoded already and lie in words, low bytes first: the first `bytes` of
    /// them, or all if there are fewer.
    #[inline]
    pub fn encoded_words(&mut self, words: &[u64], bytes: usize) -> &mut Self {
        let start = self.out.len();
        self.out.resize(start + 8 * words.len(), 0);
        let (places, _) = self.out[start..].as_chunks_mut::<8>();
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        self.out.truncate(start + bytes.min(8 * words.len()));
        self
    }

    /// Closes the record.
    ///
    /// A record above [`MAX_RECORD_BYTES`] cannot be read back: callers bound what they put in.
    pub fn finish(&mut self) {
        self.finished = true;
        let length = self.out.len() - self.start - 4;
        debug_assert!(length <= MAX_RECORD_BYTES, "record of {length} bytes");
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn key(&mut self, key: Key) {
        varint::write(self.out, u64::from(key.id()));
    }
}

impl Drop for RecordWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

fn write_prefixed(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    varint::write(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a value in the form `tag · payload`.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    let tagged = |out: &mut Vec<u8>, tag: u8, number: u64| {
        out.push(tag);
        varint::write(out, number);
    };
    match *value {
        Value::Str(text) => write_prefixed(out, TAG_STR, text.as_bytes()),
        Value::UInt(number) => tagged(out, TAG_UINT, number),
        Value::Int(number) => tagged(out, TAG_INT, varint::zigzag(number)),
        Value::Float(number) => {
            out.push(TAG_FLOAT);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Timestamp(seconds) => tagged(out, TAG_TIMESTAMP, seconds),
        Value::Duration(millis) => tagged(out, TAG_DURATION, millis),
        Value::Bytes(bytes) => write_prefixed(out, TAG_BYTES, bytes),
        Value::Bool(truth) => out.push(if truth { TAG_TRUE } else { TAG_FALSE }),
        Value::Ipv4(ip) => {
            out.push(TAG_IPV4);
            out.extend_from_slice(&ip.octets());
        }
        Value::Ipv6(ip) => {
            out.push(TAG_IPV6);
            out.extend_from_slice(&ip.octets());
        }
        Value::Event(event) => {
            let mut nested = Vec::new();
            varint::write(&mut nested, u64::from(event.kind().id()));
            nested.extend_from_slice(event.pairs().as_bytes());
            write_prefixed(out, TAG_EVENT, &nested);
        }
        Value::Array(items) => {
            let mut encoded = Vec::new();
            for item in items {
                write_value(&mut encoded, &item);
            }
            write_prefixed(out, TAG_ARRAY, &encoded);
        }
        Value::None => out.push(TAG_NONE),
    }
}

/// An event read in place from its record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventRef<'a> {
    header: Header,
    pairs: Pairs<'a>,
    record: &'a [u8],
}

impl<'a> EventRef<'a> {
    /// Reads the record at the start of `bytes` and gives the bytes after it.
    pub fn read(bytes: &'a [u8]) -> Result<(EventRef<'a>, &'a [u8]), RecordError> {
        let (length, rest) = bytes
            .split_first_chunk::<4>()
            .ok_or(RecordError::Truncated)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong(length));
        }
        let (body, rest) = rest
            .split_at_checked(length)
            .ok_or(RecordError::Truncated)?;
        let (header, pairs) = read_header(body).ok_or(RecordError::Malformed)?;
        let record = &bytes[..4 + length];
        Ok((
            EventRef {
                header,
                pairs: Pairs::new(pairs),
                record,
            },
            rest,
        ))
    }

    /// All that every event has.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Type of the event.
    pub fn kind(&self) -> EventType {
        self.header.kind
    }

    /// Effective level.
    pub fn level(&self) -> Level {
        self.header.level
    }

    /// When it happened: nanoseconds since the unix epoch.
    pub fn time_ns(&self) -> i64 {
        self.header.time_ns
    }

    /// The span it belongs to.
    pub fn span(&self) -> Option<Id> {
        self.header.span
    }

    /// The key/value pairs, in order.
    pub fn pairs(&self) -> Pairs<'a> {
        self.pairs
    }

    /// The first value under `key`.
    pub fn get(&self, key: Key) -> Option<Value<'a>> {
        self.pairs.get(key)
    }

    /// The first value under `key`, if it is text.
    pub fn str(&self, key: Key) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    /// The first value under `key`, if it is a non-negative number.
    pub fn uint(&self, key: Key) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    /// The whole record, length field included.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.record
    }
}

/// The events of a run of records, one after the other. Ends after the first error.
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Walks `bytes`, which hold whole records and nothing else.
    pub fn new(bytes: &'a [u8]) -> Records<'a> {
        Records { rest: bytes }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<EventRef<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match EventRef::read(self.rest) {
            Ok((event, rest)) => {
                self.rest = rest;
                Some(Ok(event))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// Bytes that are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The bytes end within the record.
    Truncated,
    /// The length field is above [`MAX_RECORD_BYTES`].
    TooLong(usize),
    /// The header does not fit in the record.
    Malformed,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Truncated => f.write_str("event record is cut short"),
            RecordError::TooLong(length) => {
                write!(
                    f,
                    "event record of {length} bytes: at most {MAX_RECORD_BYTES} are allowed"
                )
            }
            RecordError::Malformed => f.write_str("event record has a malformed header"),
        }
    }
}

impl std::error::Error for RecordError {}

fn read_header(body: &[u8]) -> Option<(Header, &[u8])> {
    let (fixed, mut rest) = body.split_first_chunk::<FIXED_BYTES>()?;
    let flags = fixed[0];
    let level = Level::from_ordinal(fixed[1])?;
    let kind = EventType::from_id(u16::from_le_bytes([fixed[2], fixed[3]]));
    let time_ns = i64::from_le_bytes(fixed[4..].try_into().ok()?);
    let mut header = Header {
        level,
        ..Header::bare(kind, time_ns)
    };
    header.late = flags & FLAG_LATE != 0;
    header.imported = flags & FLAG_IMPORTED != 0;
    if flags & FLAG_SPAN != 0 {
        let (span, tail) = rest.split_first_chunk::<8>()?;
        header.span = Some(Id(u64::from_le_bytes(*span)));
        rest = tail;
    }
    if flags & FLAG_POSITION != 0 {
        header.position = Some(Position {
            stream: u32::try_from(varint::read(&mut rest)?).ok()?,
            line: varint::read(&mut rest)?,
            ordinal: u16::try_from(varint::read(&mut rest)?).ok()?,
        });
    }
    if flags & FLAG_EVENT_ID != 0 {
        let (origin, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        let number = varint::read(&mut rest)?;
        header.event_id = Some(EventId {
            origin: u32::from_le_bytes(*origin),
            number,
        });
    }
    if flags & FLAG_EXTENSION != 0 {
        let length = usize::try_from(varint::read(&mut rest)?).ok()?;
        rest = rest.split_at_checked(length)?.1;
    }
    Some((header, rest))
}

#[cfg(test)]
mod tests;
