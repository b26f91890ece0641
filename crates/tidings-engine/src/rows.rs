//! Events as rows of the history's `events` table and back, value for value.
//!
//! A key of the catalogue that is common has a column of its own; everything else goes, encoded,
//! into the column `more`. The column `shape` says which pairs an event has, in their order and
//! with their kinds, so the record that comes out is the record that went in. A line is kept in
//! `template` and `residue` of its first event (see [`crate::rawline`]).

use std::net::IpAddr;
use std::sync::LazyLock;

use tidings_event::{EventRef, EventType, Header, Id, Key, Level, Position, RecordWriter, Value};
use tidings_store::{Column, ColumnId, Kind, RowBatch, Rows, Schema};

/// Name of the table.
pub(crate) const EVENTS: &str = "events";

/// Columns that are no keys, in their order; the keys' columns follow.
pub(crate) const TIME: ColumnId = 0;
pub(crate) const SPAN: ColumnId = 1;
pub(crate) const LINE: ColumnId = 2;
pub(crate) const ORDINAL: ColumnId = 3;
pub(crate) const STREAM: ColumnId = 4;
pub(crate) const TYPE: ColumnId = 5;
pub(crate) const LEVEL: ColumnId = 6;
pub(crate) const SEQUENCE: ColumnId = 7;
pub(crate) const FLAGS: ColumnId = 8;
pub(crate) const SHAPE: ColumnId = 9;
pub(crate) const MORE: ColumnId = 10;
pub(crate) const TEMPLATE: ColumnId = 11;
pub(crate) const RESIDUE: ColumnId = 12;
const FIRST_KEY: ColumnId = 13;

const LATE: i64 = 1;
const IMPORTED: i64 = 2;

/// Keys with a column of their own: key, kind, and whether its words are indexed.
const KEYS: &[(Key, Kind, bool)] = &[
    (Key::NODE, Kind::Text, true),
    (Key::PROGRAM, Kind::Text, true),
    (Key::PID, Kind::Int, false),
    (Key::QUEUE_ID, Kind::UInt, true),
    (Key::MTA_QUEUE_ID, Kind::Text, true),
    (Key::MESSAGE_ID, Kind::Text, true),
    (Key::FROM, Kind::Text, true),
    (Key::TO, Kind::Text, true),
    (Key::ORIGINAL_TO, Kind::Text, true),
    (Key::REMOTE_IP, Kind::Text, true),
    (Key::REMOTE_PORT, Kind::Int, false),
    (Key::LOCAL_IP, Kind::Text, true),
    (Key::LOCAL_PORT, Kind::Int, false),
    (Key::HOSTNAME, Kind::Text, true),
    (Key::RELAY, Kind::Text, true),
    (Key::ACCOUNT_NAME, Kind::Text, true),
    (Key::AUTH_METHOD, Kind::Text, true),
    (Key::LISTENER_ID, Kind::Text, true),
    (Key::ELAPSED, Kind::Int, false),
    (Key::DELAYS, Kind::Text, false),
    (Key::DSN, Kind::Text, true),
    (Key::CODE, Kind::Int, false),
    (Key::SIZE, Kind::Int, false),
    (Key::TOTAL, Kind::Int, false),
    (Key::REASON, Kind::Text, true),
    (Key::DETAILS, Kind::Text, true),
    (Key::STAGE, Kind::Text, true),
    (Key::HELO, Kind::Text, true),
    (Key::PROTOCOL, Kind::Text, true),
    (Key::COMMANDS, Kind::Text, false),
    (Key::SESSION, Kind::Text, true),
    (Key::MAILBOX_NAME, Kind::Text, true),
    (Key::REMOTE_QUEUE_ID, Kind::Text, true),
    (Key::CHILD_QUEUE_ID, Kind::Text, true),
    (Key::PARENT_QUEUE_ID, Kind::Text, true),
    (Key::ORIGINAL_QUEUE_ID, Kind::Text, true),
    (Key::DOMAIN, Kind::Text, true),
    (Key::MESSAGE, Kind::Text, true),
    (Key::CIPHER, Kind::Text, false),
    (Key::VERSION, Kind::Text, false),
    (Key::RESULT, Kind::Text, true),
    (Key::ACTION, Kind::Text, true),
    (Key::SUBJECT, Kind::Text, true),
    (Key::BYTES_IN, Kind::Int, false),
    (Key::BYTES_OUT, Kind::Int, false),
    (Key::REPEATED, Kind::Int, false),
];

/// Column of each key id below 2048, plus one; 0 for keys without a column.
static COLUMN_OF: LazyLock<[u8; 2048]> = LazyLock::new(|| {
    let mut columns = [0; 2048];
    for (at, (key, ..)) in KEYS.iter().enumerate() {
        columns[usize::from(key.id())] = at as u8 + 1;
    }
    columns
});

/// The table's schema.
pub(crate) fn events_schema() -> Schema {
    let column = |name: &str, kind: Kind, indexed: bool| {
        let column = Column::new(name, kind);
        if indexed { column.indexed() } else { column }
    };
    let mut columns = vec![
        column("time", Kind::Time, false),
        column("span", Kind::UInt, false),
        column("line", Kind::Int, false),
        column("ordinal", Kind::Int, false),
        column("stream", Kind::Int, false),
        column("type", Kind::Text, true),
        column("level", Kind::Text, false),
        column("sequence", Kind::Int, false),
        column("flags", Kind::Int, false),
        column("shape", Kind::Text, false),
        column("more", Kind::Bytes, false),
        column("template", Kind::Bytes, false),
        column("residue", Kind::Bytes, false),
    ];
    columns.extend(KEYS.iter().map(|(key, kind, indexed)| column(key.name(), *kind, *indexed)));
    Schema::new(EVENTS, columns, &["span", "time", "line", "ordinal"], "time", crate::tokenise)
        .expect("the columns above are well formed: a test opens a store with them")
}

/// The column of a key, if it has one.
pub(crate) fn column_of(key: Key) -> Option<ColumnId> {
    match COLUMN_OF.get(usize::from(key.id())) {
        Some(0) | None => None,
        Some(at) => Some(FIRST_KEY + usize::from(*at) - 1),
    }
}

/// Writes events into batches; keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct EventRows {
    shape: String,
    more: Vec<u8>,
    text: String,
}

impl EventRows {
    /// Adds a row. `line` is template and residue of the event's line, for its first event.
    pub(crate) fn push(
        &mut self,
        batch: &mut RowBatch,
        event: &EventRef<'_>,
        sequence: Option<u64>,
        line: Option<(&[u8], &[u8])>,
    ) {
        let header = event.header();
        batch.begin_row();
        batch.put_time(TIME, header.time_ns);
        if let Some(span) = header.span {
            batch.put_uint(SPAN, span.0);
        }
        if let Some(position) = header.position {
            batch.put_int(LINE, position.line as i64);
            batch.put_int(STREAM, i64::from(position.stream));
            if position.ordinal > 0 {
                batch.put_int(ORDINAL, i64::from(position.ordinal));
            }
        }
        batch.put_text(TYPE, header.kind.name());
        if header.level != header.kind.level() {
            batch.put_text(LEVEL, header.level.as_str());
        }
        if let Some(sequence) = sequence {
            batch.put_int(SEQUENCE, sequence as i64);
        }
        let flags = if header.late { LATE } else { 0 } | if header.imported { IMPORTED } else { 0 };
        if flags != 0 {
            batch.put_int(FLAGS, flags);
        }
        self.push_pairs(batch, event);
        if let Some((template, residue)) = line {
            batch.put_bytes(TEMPLATE, template);
            if !residue.is_empty() {
                batch.put_bytes(RESIDUE, residue);
            }
        }
    }

    fn push_pairs(&mut self, batch: &mut RowBatch, event: &EventRef<'_>) {
        self.shape.clear();
        self.more.clear();
        let mut used: u64 = 0;
        for (key, value) in event.pairs() {
            let column = column_of(key).filter(|column| used & 1 << (column - FIRST_KEY) == 0);
            let kept = column.and_then(|column| self.put(batch, column, &value));
            let tag = match kept {
                Some(tag) => {
                    used |= column.map_or(0, |column| 1 << (column - FIRST_KEY));
                    tag
                }
                None => {
                    let mut record = RecordWriter::begin(&mut self.more, &Header::new(header_of_more(), 0));
                    record.value(key, &value).finish();
                    'm'
                }
            };
            push_shape(&mut self.shape, key, tag);
        }
        if !self.shape.is_empty() {
            batch.put_text(SHAPE, &self.shape);
        }
        if !self.more.is_empty() {
            batch.put_bytes(MORE, &self.more);
        }
    }

    /// Puts a value into its key's column, if the column can hold it; gives its kind for `shape`.
    fn put(&mut self, batch: &mut RowBatch, column: ColumnId, value: &Value<'_>) -> Option<char> {
        let kind = KEYS[column - FIRST_KEY].1;
        match (kind, value) {
            (Kind::Text, Value::Str(text)) => {
                batch.put_text(column, text);
                Some('s')
            }
            (Kind::Text, Value::Ipv4(_) | Value::Ipv6(_)) => {
                use std::fmt::Write as _;
                self.text.clear();
                let ip = value.as_ip()?;
                write!(self.text, "{ip}").ok()?;
                batch.put_text(column, &self.text);
                Some('a')
            }
            (Kind::UInt, Value::UInt(number)) => {
                batch.put_uint(column, *number);
                Some('u')
            }
            (Kind::Int, Value::UInt(number)) => {
                batch.put_int(column, i64::try_from(*number).ok()?);
                Some('u')
            }
            (Kind::Int, Value::Duration(number)) => {
                batch.put_int(column, i64::try_from(*number).ok()?);
                Some('d')
            }
            _ => None,
        }
    }
}

/// What stands in the header of values kept in `more`; never shown.
fn header_of_more() -> EventType {
    EventType::SOURCE_LINE
}

/// Three characters a pair: the key in base 64, then the kind.
fn push_shape(shape: &mut String, key: Key, tag: char) {
    let id = u32::from(key.id());
    for digit in [id >> 6, id & 63] {
        shape.push(char::from_u32(u32::from(b'0') + digit).unwrap_or('?'));
    }
    shape.push(tag);
}

/// Columns needed to make an event again, its line included.
pub(crate) fn all_columns() -> Vec<ColumnId> {
    (0..FIRST_KEY + KEYS.len()).collect()
}

/// Appends the record of row `row` to `out`; `None` if the row is not one that
/// [`EventRows::push`] wrote.
pub(crate) fn event_of(rows: &Rows, row: usize, out: &mut Vec<u8>) -> Option<()> {
    let kind = EventType::from_name(rows.text(TYPE, row)?)?;
    let mut header = Header::new(kind, rows.time(TIME, row)?);
    header.span = rows.uint(SPAN, row).map(Id);
    if let Some(level) = rows.text(LEVEL, row) {
        header.level = level.parse::<Level>().ok()?;
    }
    if let (Some(line), Some(stream)) = (rows.int(LINE, row), rows.int(STREAM, row)) {
        let ordinal = rows.int(ORDINAL, row).unwrap_or(0);
        header.position = Some(Position {
            stream: u32::try_from(stream).ok()?,
            line: line as u64,
            ordinal: u16::try_from(ordinal).ok()?,
        });
    }
    let flags = rows.int(FLAGS, row).unwrap_or(0);
    header.late = flags & LATE != 0;
    header.imported = flags & IMPORTED != 0;
    let mut record = RecordWriter::begin(out, &header);
    let mut more = tidings_event::Records::new(rows.bytes(MORE, row).unwrap_or_default());
    let mut shape = rows.text(SHAPE, row).unwrap_or_default().chars();
    while let (Some(high), Some(low), Some(tag)) = (shape.next(), shape.next(), shape.next()) {
        let digit = |digit: char| u32::from(digit).checked_sub(u32::from(b'0'));
        let key = Key::from_id(u16::try_from(digit(high)? << 6 | digit(low)?).ok()?);
        let value = match tag {
            'm' => more.next()?.ok()?.pairs().next()?.1,
            _ => value_of(rows, row, column_of(key)?, tag)?,
        };
        record.value(key, &value);
    }
    record.finish();
    Some(())
}

fn value_of<'r>(rows: &'r Rows, row: usize, column: ColumnId, tag: char) -> Option<Value<'r>> {
    let number = |column: ColumnId| match KEYS[column - FIRST_KEY].1 {
        Kind::UInt => rows.uint(column, row),
        _ => rows.int(column, row).map(|number| number as u64),
    };
    Some(match tag {
        's' => Value::Str(rows.text(column, row)?),
        'a' => Value::from(rows.text(column, row)?.parse::<IpAddr>().ok()?),
        'u' => Value::UInt(number(column)?),
        'd' => Value::Duration(number(column)?),
        _ => return None,
    })
}

/// The line of row `row`, if the row keeps one and `event` is the row's event.
pub(crate) fn line_of(rows: &Rows, row: usize, event: &EventRef<'_>) -> Option<Vec<u8>> {
    let template = rows.bytes(TEMPLATE, row)?;
    crate::rawline::decode(template, rows.bytes(RESIDUE, row).unwrap_or_default(), event)
}
