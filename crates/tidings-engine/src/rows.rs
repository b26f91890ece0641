//! Events as rows of the history's `events` table and back, value for value.
//!
//! A key of the catalogue that is common has a column of its own; everything else goes, encoded,
//! into the column `more`. The column `shape` says which pairs an event has, in their order and
//! with their kinds, so the record that comes out is the record that went in. A line is kept in
//! `template` and `residue` of its first event (see [`crate::template`]).

mod form;

use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use tidings_event::digits::push_ip;
use tidings_event::{EventRef, EventType, Header, Id, Key, Level, Position, RecordWriter, Value};
use tidings_mail::correlate::{is_long_id, long_queue_id, short_queue_id};
use tidings_store::{Column, ColumnId, IfDamaged, Kind, RowBatch, Rows, Schema};

use crate::template::{Pairs, Scratch, Template};
use form::{Forms, How};

/// Name of the table.
pub(crate) const EVENTS: &str = "events";

/// Columns that are no keys, in their order; the keys' columns follow.
pub(crate) const TIME: ColumnId = 0;
pub(crate) const SPAN: ColumnId = 1;
pub(crate) const GROUP: ColumnId = 2;
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
pub(crate) const LEG_AGE: ColumnId = 13;
pub(crate) const OFFSET: ColumnId = 14;
const FIRST_KEY: ColumnId = 15;

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

/// The columns in which the texts of an event stand: those of keys, and `more`.
pub(crate) fn text_columns() -> &'static [ColumnId] {
    static COLUMNS: LazyLock<Vec<ColumnId>> = LazyLock::new(|| {
        let keys = (FIRST_KEY..).zip(KEYS);
        let texts = keys.filter(|(_, (_, kind, _))| *kind == Kind::Text);
        texts.map(|(column, _)| column).chain([MORE]).collect()
    });
    &COLUMNS
}

/// The table's schema.
pub(crate) fn events_schema() -> Schema {
    let column = |name: &str, kind: Kind, indexed: bool| {
        let column = Column::new(name, kind);
        if indexed { column.indexed() } else { column }
    };
    let mut columns = vec![
        column("time", Kind::Time, false),
        column("span", Kind::UInt, false),
        column("group", Kind::Int, false),
        column("ordinal", Kind::Int, false),
        column("stream", Kind::Int, false),
        column("type", Kind::Text, true).if_damaged(IfDamaged::Vital),
        column("level", Kind::Text, false),
        column("sequence", Kind::Int, false),
        column("flags", Kind::Int, false),
        column("shape", Kind::Text, false),
        column("more", Kind::Bytes, false),
        // A line is put together from them and the other values.
        column("template", Kind::Bytes, false).if_damaged(IfDamaged::OnlyWhole),
        column("residue", Kind::Bytes, false).if_damaged(IfDamaged::OnlyWhole),
        column("legAge", Kind::Int, false),
        column("offset", Kind::Int, false),
    ];
    columns.extend(
        KEYS.iter()
            .map(|(key, kind, indexed)| column(key.name(), *kind, *indexed)),
    );
    Schema::new(
        EVENTS,
        columns,
        &["stream", "group", "offset", "ordinal"],
        "time",
        crate::tokenise,
    )
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
    forms: Forms,
    scratch: Scratch,
    keys: Vec<(Key, How)>,
    residue: Vec<u8>,
    more: Vec<u8>,
    text: Vec<u8>,
    known: Known,
}

/// The pairs that place an event.
#[derive(Clone, Copy, Default)]
struct Names<'a> {
    leg: Option<u64>,
    host: &'a [u8],
    queue_id: Option<&'a [u8]>,
}

impl<'a> Names<'a> {
    fn of(pairs: &Pairs<'a>) -> Names<'a> {
        let mut names = Names::default();
        for (key, value) in pairs {
            match (*key, value) {
                (Key::QUEUE_ID, Value::UInt(id)) => names.leg = names.leg.or(Some(*id)),
                (Key::NODE, Value::Str(host)) if names.host.is_empty() => {
                    names.host = host.as_bytes();
                }
                (Key::MTA_QUEUE_ID, Value::Str(name)) if names.queue_id.is_none() => {
                    names.queue_id = Some(name.as_bytes());
                }
                _ => {}
            }
        }
        names
    }
}

/// Spans and legs that are remembered; beyond that all are forgotten, which costs neighbourhood,
/// and the bytes of queue ids in their column, nothing else.
const KNOWN_MAX: usize = 1 << 16;

/// Puts the rows of a session, and of the messages it brought, next to each other: they share
/// their values, and a story reads one page. A group is named by the number of its first line.
#[derive(Debug, Default)]
struct Known {
    spans: FxHashMap<u64, Group>,
    legs: FxHashMap<u64, KnownLeg>,
}

/// A stream and the number of its line with which the group begins.
#[derive(Clone, Copy, Debug)]
struct Group {
    stream: u32,
    line: u64,
}

#[derive(Clone, Copy, Debug)]
struct KnownLeg {
    group: Group,
    /// Its first time, if its queue id follows from that.
    first_ns: Option<i64>,
}

impl Known {
    /// The group of an event, and the first time of its leg where that is known.
    fn place(&mut self, header: &Header, leg: Option<u64>, here: Group) -> (u64, Option<i64>) {
        if self.spans.len() + self.legs.len() > KNOWN_MAX {
            self.spans.clear();
            self.legs.clear();
        }
        let is_before = |group: &Group| group.stream == here.stream && group.line <= here.line;
        let known_leg = leg.and_then(|leg| self.legs.get(&leg)).copied();
        let of_leg = known_leg.map(|leg| leg.group).filter(is_before);
        let known_span = header.span.map(|span| self.spans.entry(span.0));
        let of_span = match &known_span {
            Some(Entry::Occupied(known)) => Some(*known.get()).filter(is_before),
            _ => None,
        };
        let group = of_leg.or(of_span).unwrap_or(here);
        if let (Some(span), None) = (known_span, of_span) {
            span.insert_entry(group);
        }
        let first_ns = known_leg.and_then(|leg| leg.first_ns);
        if let (Some(leg), None) = (leg, of_leg) {
            self.legs.insert(leg, KnownLeg { group, first_ns });
        }
        (group.line, first_ns)
    }
}

impl EventRows {
    /// Adds a row. `line` is the event's line, for the first event of a line.
    pub(crate) fn push(
        &mut self,
        batch: &mut RowBatch,
        header: &Header,
        pairs: &Pairs<'_>,
        sequence: Option<u64>,
        line: Option<&[u8]>,
    ) {
        batch.begin_row();
        push_header(batch, header, sequence);
        let names = Names::of(pairs);
        let mut first_ns = None;
        if let Some(Position { stream, line, .. }) = header.position {
            let group;
            (group, first_ns) = self.known.place(header, names.leg, Group { stream, line });
            batch.put_int(GROUP, group as i64);
            if group != line {
                batch.put_int(OFFSET, (line - group) as i64);
            }
        }
        let age = self.choose(header, pairs, &names, first_ns);
        if age != 0 {
            batch.put_int(LEG_AGE, age);
        }
        let form = self.forms.of(header.kind, &self.keys);
        form.type_code
            .put(batch, TYPE, header.kind.name().as_bytes());
        if !form.shape.is_empty() {
            form.shape_code.put(batch, SHAPE, form.shape.as_bytes());
        }
        self.more.clear();
        for (((key, value), (_, how)), column) in pairs.iter().zip(&self.keys).zip(&form.columns) {
            match (how, value) {
                (How::Text, Value::Str(text)) => batch.put_text(*column, text),
                (How::Address, Value::Ipv4(_) | Value::Ipv6(_)) => {
                    self.text.clear();
                    if let Some(ip) = value.as_ip() {
                        push_ip(&mut self.text, ip);
                    }
                    batch.put_text(*column, str::from_utf8(&self.text).unwrap_or_default());
                }
                (How::Number | How::Duration, Value::UInt(number) | Value::Duration(number)) => {
                    if *key == Key::QUEUE_ID {
                        batch.put_uint(*column, *number);
                    } else {
                        batch.put_int(*column, *number as i64);
                    }
                }
                (How::More, value) => {
                    let mut record =
                        RecordWriter::begin(&mut self.more, &Header::new(header_of_more(), 0));
                    record.value(*key, value).finish();
                }
                _ => {}
            }
        }
        if !self.more.is_empty() {
            batch.put_bytes(MORE, &self.more);
        }
        if let Some(line) = line {
            let (template, code) = form.take_apart(
                line,
                header.time_ns,
                pairs,
                &mut self.scratch,
                &mut self.residue,
            );
            code.put(batch, TEMPLATE, template);
            if !self.residue.is_empty() {
                batch.put_bytes(RESIDUE, &self.residue);
            }
        }
    }

    /// Chooses how each pair is stored; gives the age of the leg where that is needed.
    fn choose(
        &mut self,
        header: &Header,
        pairs: &Pairs<'_>,
        names: &Names<'_>,
        first_ns: Option<i64>,
    ) -> i64 {
        self.keys.clear();
        let mut used: u64 = 0;
        let mut age = 0;
        for (key, value) in pairs {
            let column = column_of(*key).filter(|column| used & 1 << (column - FIRST_KEY) == 0);
            let mut how = How::of(column, value);
            if let (Key::QUEUE_ID, How::Number, Value::UInt(id)) = (*key, how, value) {
                (how, age) = self
                    .derived(*id, header.time_ns, names, first_ns)
                    .unwrap_or((how, 0));
            }
            if how != How::More {
                used |= column.map_or(0, |column| 1 << (column - FIRST_KEY));
            }
            self.keys.push((*key, how));
        }
        age
    }

    /// Whether a queue id follows from the event's other values (`docs/format.md`, "Ids"), and the
    /// age of its leg. Most do, and eight bytes of hash a message are a tenth of the history.
    fn derived(
        &mut self,
        id: u64,
        time_ns: i64,
        names: &Names<'_>,
        first_ns: Option<i64>,
    ) -> Option<(How, i64)> {
        let name = names.queue_id?;
        if is_long_id(name) {
            return (long_queue_id(names.host, name) == id).then_some((How::LongId, 0));
        }
        let from_ns = first_ns.unwrap_or(time_ns);
        if short_queue_id(names.host, name, from_ns) != id {
            return None;
        }
        if let (None, Some(known)) = (first_ns, self.known.legs.get_mut(&id)) {
            known.first_ns = Some(time_ns);
        }
        Some((How::ShortId, time_ns - from_ns))
    }
}

fn long_or_short(host: &[u8], name: &[u8], first_ns: i64) -> u64 {
    if is_long_id(name) {
        long_queue_id(host, name)
    } else {
        short_queue_id(host, name, first_ns)
    }
}

fn push_header(batch: &mut RowBatch, header: &Header, sequence: Option<u64>) {
    batch.put_time(TIME, header.time_ns);
    if let Some(span) = header.span {
        batch.put_uint(SPAN, span.0);
    }
    if let Some(position) = header.position {
        batch.put_int(STREAM, i64::from(position.stream));
        if position.ordinal > 0 {
            batch.put_int(ORDINAL, i64::from(position.ordinal));
        }
    }
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
}

/// What stands in the header of values kept in `more`; never shown.
fn header_of_more() -> EventType {
    EventType::SOURCE_LINE
}

/// Columns needed to make an event again, its line included.
pub(crate) fn all_columns() -> Vec<ColumnId> {
    (0..FIRST_KEY + KEYS.len()).collect()
}

/// Columns needed to make an event that has these keys alone, if they are kept in few.
pub(crate) fn columns_of(keys: &[Key]) -> Option<Vec<ColumnId>> {
    let mut columns = vec![TIME, SPAN, TYPE, LEVEL, SHAPE, MORE];
    for key in keys {
        columns.push(column_of(*key)?);
        if *key == Key::QUEUE_ID {
            columns.extend(queue_id_columns());
        }
    }
    columns.sort_unstable();
    columns.dedup();
    Some(columns)
}

/// Appends the record of row `row` to `out`; `None` if the row is not one that
/// [`EventRows::push`] wrote.
pub(crate) fn event_of(rows: &Rows, row: usize, out: &mut Vec<u8>) -> Option<()> {
    event_with(rows, row, &|_| true, out)
}

/// As [`event_of`], with those keys alone that are wanted; needs the columns of [`columns_of`]. The
/// event has its position and flags only where all columns were read.
pub(crate) fn event_with(
    rows: &Rows,
    row: usize,
    is_wanted: &dyn Fn(Key) -> bool,
    out: &mut Vec<u8>,
) -> Option<()> {
    let kind = EventType::from_name(rows.text(TYPE, row)?)?;
    let mut header = Header::new(kind, rows.time(TIME, row)?);
    header.span = rows.uint(SPAN, row).map(Id);
    if let Some(level) = rows.text(LEVEL, row) {
        header.level = level.parse::<Level>().ok()?;
    }
    if rows.has(STREAM) {
        header.position = position_of(rows, row);
        let is_placed = line_number_of(rows, row).is_some() && rows.int(STREAM, row).is_some();
        if is_placed && header.position.is_none() {
            return None;
        }
        let flags = rows.int(FLAGS, row).unwrap_or(0);
        header.late = flags & LATE != 0;
        header.imported = flags & IMPORTED != 0;
    }
    let mut record = RecordWriter::begin(out, &header);
    let mut more = tidings_event::Records::new(rows.bytes(MORE, row).unwrap_or_default());
    let mut shape = rows.text(SHAPE, row).unwrap_or_default().chars();
    while let (Some(high), Some(low), Some(tag)) = (shape.next(), shape.next(), shape.next()) {
        let digit = |digit: char| u32::from(digit).checked_sub(u32::from(b'0'));
        let key = Key::from_id(u16::try_from(digit(high)? << 6 | digit(low)?).ok()?);
        let how = How::of_letter(tag)?;
        if !is_wanted(key) {
            if how == How::More {
                more.next()?.ok()?;
            }
            continue;
        }
        let value = match how {
            How::More => more.next()?.ok()?.pairs().next()?.1,
            How::LongId | How::ShortId => Value::UInt(queue_id_of(rows, row)?),
            how => value_of(rows, row, column_of(key)?, how)?,
        };
        record.value(key, &value);
    }
    record.finish();
    Some(())
}

fn value_of<'r>(rows: &'r Rows, row: usize, column: ColumnId, how: How) -> Option<Value<'r>> {
    let number = |column: ColumnId| match KEYS[column - FIRST_KEY].1 {
        Kind::UInt => rows.uint(column, row),
        _ => rows.int(column, row).map(|number| number as u64),
    };
    Some(match how {
        How::Text => Value::Str(rows.text(column, row)?),
        How::Address => Value::from(rows.text(column, row)?.parse::<IpAddr>().ok()?),
        How::Number => Value::UInt(number(column)?),
        How::Duration => Value::Duration(number(column)?),
        How::LongId | How::ShortId | How::More => return None,
    })
}

/// The number of row `row`'s line in its stream; needs the columns `group` and `offset`.
pub(crate) fn line_number_of(rows: &Rows, row: usize) -> Option<u64> {
    Some((rows.int(GROUP, row)? + rows.int(OFFSET, row).unwrap_or(0)) as u64)
}

/// The columns that [`position_of`] needs, and the time.
pub(crate) fn position_columns() -> [ColumnId; 5] {
    [TIME, STREAM, GROUP, OFFSET, ORDINAL]
}

/// The place of row `row`'s event in its stream; `None` where it has none, or none of ours.
pub(crate) fn position_of(rows: &Rows, row: usize) -> Option<Position> {
    Some(Position {
        stream: u32::try_from(rows.int(STREAM, row)?).ok()?,
        line: line_number_of(rows, row)?,
        ordinal: u16::try_from(rows.int(ORDINAL, row).unwrap_or(0)).ok()?,
    })
}

/// The columns that [`queue_id_of`] needs.
pub(crate) fn queue_id_columns() -> [ColumnId; 5] {
    let column = |key| column_of(key).expect("the key has a column");
    [
        TIME,
        LEG_AGE,
        column(Key::QUEUE_ID),
        column(Key::NODE),
        column(Key::MTA_QUEUE_ID),
    ]
}

/// The queue id of row `row`, stored or derived; `None` for an event of no message.
pub(crate) fn queue_id_of(rows: &Rows, row: usize) -> Option<u64> {
    let [time, age, stored, host, name] = queue_id_columns();
    if let Some(id) = rows.uint(stored, row) {
        return Some(id);
    }
    let host = rows.text(host, row).unwrap_or_default().as_bytes();
    let name = rows.text(name, row)?.as_bytes();
    let first_ns = rows.time(time, row)? - rows.int(age, row).unwrap_or(0);
    Some(long_or_short(host, name, first_ns))
}

/// The line of row `row`, if the row keeps one and `event` is the row's event.
pub(crate) fn line_of(rows: &Rows, row: usize, event: &EventRef<'_>) -> Option<Vec<u8>> {
    let template = Template::parse(rows.bytes(TEMPLATE, row)?)?;
    let pairs: Vec<_> = event.pairs().collect();
    let mut line = Vec::with_capacity(256);
    template.write(
        rows.bytes(RESIDUE, row).unwrap_or_default(),
        event.time_ns(),
        &pairs,
        &mut line,
    )?;
    Some(line)
}
