//! Reads an event from one line of JSON into a record.

mod data;
mod typed;

use std::borrow::Cow;

use super::parse::{Number, Parser};
use super::{JsonError, names};
use crate::base64;
use crate::event_type::EventType;
use crate::id::{EventId, Id};
use crate::level::Level;
use crate::record::{Header, MAX_RECORD_BYTES, RecordWriter};
use crate::suggest::{did_you_mean, nearest};
use crate::time::parse_rfc3339;
use crate::value::Pairs;

/// The longest line that is read, in bytes.
pub const MAX_EVENT_JSON_BYTES: usize = 4 << 20;

/// Room that a record needs besides its pairs, at most.
const HEADER_BYTES: usize = 64;

/// Every field of either form.
const FIELDS: [&str; 17] = [
    "id",
    "createdAt",
    "type",
    "data",
    "sequence",
    "time",
    "level",
    "spanId",
    "eventId",
    "late",
    "imported",
    "node",
    "raw",
    "rawBase64",
    "event",
    "timestamp",
    "keyValues",
];

/// Reads events from lines of JSON: our own event JSON, the reference's webhook form (both are
/// [`write_webhook`](super::write_webhook)'s), and the registry form.
///
/// * `type` (or `event`) must be a type of the catalogue, every key of `data` one of its keys; older
///   names that the catalogue documents are taken too. Anything else is refused by name.
/// * Values take the kind that the catalogue gives for their key: under `remoteIp` a text that is an
///   IP address becomes one, under `elapsed` a number is milliseconds, under `due` an RFC 3339 text
///   or a number of seconds is a time. A value that does not fit stays what it is in JSON, so that
///   nothing is lost. Whole numbers beyond 64 bits become floats.
/// * An object as a value is a nested event: `{"type":…,"data":{…}}`.
/// * The time is `time`, else `createdAt` (or `timestamp`), else the time of receipt.
/// * `spanId` is read as text beside `data`, else as number or text inside; 0 is none. What is no id
///   stays a pair like others.
///
/// Reading is strict JSON: one object, UTF-8, no repeated fields, nesting and length limited.
#[derive(Default)]
pub struct EventReader {
    /// The pairs of the event being read; kept for its memory.
    pairs: Vec<u8>,
}

/// What a line says besides the event's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadEvent<'a> {
    /// The sender's `id`.
    pub id: Option<Cow<'a, str>>,
    /// Place of the event in the sender's spool.
    pub sequence: Option<u64>,
    /// The host that the event arose on.
    pub node: Option<Cow<'a, str>>,
    /// The line that the sender read the event from.
    pub raw: Option<Cow<'a, [u8]>>,
}

impl EventReader {
    /// A reader; one serves for any number of lines.
    pub fn new() -> EventReader {
        EventReader::default()
    }

    /// Reads the event that `line` holds and appends its record to `out`. `received_ns` is the time
    /// of receipt, for an event that names no time.
    ///
    /// # Errors
    /// If the line is not such an event, with the offset of the byte; `out` is as it was.
    pub fn read<'a>(
        &mut self,
        line: &'a [u8],
        received_ns: i64,
        out: &mut Vec<u8>,
    ) -> Result<ReadEvent<'a>, JsonError> {
        if line.len() > MAX_EVENT_JSON_BYTES {
            let message = format!(
                "event of {} bytes: at most {MAX_EVENT_JSON_BYTES} are allowed",
                line.len()
            );
            return Err(JsonError::new(MAX_EVENT_JSON_BYTES, message));
        }
        let text = std::str::from_utf8(line)
            .map_err(|error| JsonError::new(error.valid_up_to(), "the line is not UTF-8"))?;
        self.pairs.clear();
        let mut parser = Parser::new(text);
        let mut fields = Fields::default();
        parser.object(|parser, name, at| fields.read(parser, &name, at, &mut self.pairs))?;
        parser.end()?;
        if self.pairs.len() > MAX_RECORD_BYTES - HEADER_BYTES {
            let message = format!("the event's record is longer than {MAX_RECORD_BYTES} bytes");
            return Err(JsonError::new(0, message));
        }
        let header = fields.header(received_ns)?;
        let mut record = RecordWriter::begin(out, &header);
        record.pairs(Pairs::new(&self.pairs));
        record.finish();
        let raw = match fields.raw_bytes {
            Some(bytes) => Some(Cow::Owned(bytes)),
            None => fields.raw.map(into_bytes),
        };
        Ok(ReadEvent {
            id: fields.id,
            sequence: fields.sequence,
            node: fields.node,
            raw,
        })
    }
}

/// The fields as they were read.
#[derive(Default)]
struct Fields<'a> {
    /// One bit for each of [`FIELDS`] that was met.
    seen: u32,
    kind: Option<EventType>,
    level: Option<Level>,
    time_ns: Option<i64>,
    created_ns: Option<i64>,
    span: Option<Id>,
    span_in_data: Option<Id>,
    event_id: Option<EventId>,
    late: bool,
    imported: bool,
    id: Option<Cow<'a, str>>,
    sequence: Option<u64>,
    node: Option<Cow<'a, str>>,
    raw: Option<Cow<'a, str>>,
    raw_bytes: Option<Vec<u8>>,
}

impl<'a> Fields<'a> {
    fn read(
        &mut self,
        parser: &mut Parser<'a>,
        name: &str,
        at: usize,
        pairs: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        self.note(name, at)?;
        if parser.null() {
            return Ok(());
        }
        match name {
            "type" | "event" => self.kind = Some(event_type(parser)?),
            "data" => data::read_members(parser, pairs, 0, Some(&mut self.span_in_data))?,
            "keyValues" => typed::read_pairs(parser, pairs, 0, Some(&mut self.span_in_data))?,
            "createdAt" | "timestamp" => self.created_ns = Some(time(parser)?),
            "time" => self.time_ns = Some(time(parser)?),
            "level" => {
                self.level = Some(from_text(parser, |text| {
                    text.parse().map_err(|e| format!("{e}"))
                })?)
            }
            "spanId" => self.span = Some(from_text(parser, span_id)?).filter(|span| span.0 != 0),
            "eventId" => self.event_id = Some(from_text(parser, event_id)?),
            "late" => self.late = parser.boolean()?,
            "imported" => self.imported = parser.boolean()?,
            "id" => self.id = Some(parser.string()?),
            "sequence" => self.sequence = Some(sequence(parser)?),
            "node" => self.node = Some(parser.string()?),
            "raw" => self.raw = Some(parser.string()?),
            _ => self.raw_bytes = Some(from_text(parser, raw_bytes)?),
        }
        Ok(())
    }

    /// Refuses a field that is unknown, was met before, or contradicts one that was.
    fn note(&mut self, name: &str, at: usize) -> Result<(), JsonError> {
        let Some(place) = FIELDS.iter().position(|known| *known == name) else {
            let message = format!("unknown field {name:?}: an event has {}", FIELDS.join(", "));
            return Err(JsonError::new(at, message));
        };
        let met = |name: &str| {
            FIELDS
                .iter()
                .position(|known| *known == name)
                .is_some_and(|at| self.seen & 1 << at != 0)
        };
        if met(name) {
            return Err(JsonError::new(at, format!("field `{name}` occurs twice")));
        }
        for (one, other) in [
            ("type", "event"),
            ("data", "keyValues"),
            ("createdAt", "timestamp"),
        ] {
            if name == one && met(other) || name == other && met(one) {
                return Err(JsonError::new(
                    at,
                    format!("`{one}` and `{other}` exclude each other"),
                ));
            }
        }
        self.seen |= 1 << place;
        Ok(())
    }

    fn header(&self, received_ns: i64) -> Result<Header, JsonError> {
        let Some(kind) = self.kind else {
            return Err(JsonError::new(0, "the event has no `type`"));
        };
        let time_ns = self.time_ns.or(self.created_ns).unwrap_or(received_ns);
        let mut header = Header::new(kind, time_ns);
        header.level = self.level.unwrap_or(header.level);
        header.span = self.span.or(self.span_in_data);
        header.event_id = self.event_id;
        header.late = self.late;
        header.imported = self.imported;
        Ok(header)
    }
}

/// Reads a string and makes something of it; what `make` says against it becomes an error there.
fn from_text<T>(
    parser: &mut Parser<'_>,
    make: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, JsonError> {
    let at = parser.at();
    let text = parser.string()?;
    make(&text).map_err(|message| JsonError::new(at, message))
}

fn event_type(parser: &mut Parser<'_>) -> Result<EventType, JsonError> {
    from_text(parser, |name| {
        names::event_type(name).ok_or_else(|| {
            let near = nearest(name, EventType::all().map(|info| info.name));
            format!("unknown event type {name:?}{}", did_you_mean(&near))
        })
    })
}

fn time(parser: &mut Parser<'_>) -> Result<i64, JsonError> {
    from_text(parser, |text| {
        parse_rfc3339(text).map_err(|error| error.to_string())
    })
}

fn span_id(text: &str) -> Result<Id, String> {
    Id::parse(text)
        .ok_or_else(|| format!("{text:?} is not a span id: it has 1 to 13 of a-z, 0-3, 7 and 9"))
}

fn event_id(text: &str) -> Result<EventId, String> {
    let parsed = text.split_once('-').and_then(|(origin, number)| {
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = origin.len() == 8 && is_plain(origin) && is_plain(number);
        let origin = u32::from_str_radix(origin, 16).ok().filter(|_| whole)?;
        Some(EventId {
            origin,
            number: number.parse().ok()?,
        })
    });
    parsed.ok_or_else(|| format!("{text:?} is not an event id such as 00c0ffee-42"))
}

fn sequence(parser: &mut Parser<'_>) -> Result<u64, JsonError> {
    let at = parser.at();
    let number = match parser.peek() {
        Some(b'"') => parser.string()?.parse().ok(),
        _ => match parser.number()? {
            Number::UInt(number) => Some(number),
            _ => None,
        },
    };
    number.ok_or_else(|| JsonError::new(at, "`sequence` must be a whole number of at most 64 bits"))
}

fn raw_bytes(text: &str) -> Result<Vec<u8>, String> {
    base64::decode(text).ok_or_else(|| "`rawBase64` must be base64 with padding".to_owned())
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
