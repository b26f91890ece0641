//! A batch: the events that an output is to deliver together, each with the start of its span.

use rustc_hash::FxHashMap;
use tidings_event::{EventRef, Id, Level};

use crate::spans::SpanTable;

/// Where the level lies in a record: after the length field and the flags.
const LEVEL_AT: usize = 5;

/// Some events in the order of their sequences: a view, cheap to copy and to cut.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    buffer: &'a BatchBuffer,
    from: usize,
    to: usize,
}

/// An event of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchEvent<'a> {
    /// The event, with the level that the level overrides give it.
    pub event: EventRef<'a>,
    /// The event that opened its span, if that is known and not the event itself.
    pub span_start: Option<EventRef<'a>>,
    /// Its sequence in the spool, or its number since the start in a process without one.
    pub sequence: u64,
}

impl<'a> Batch<'a> {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether it has none; a sink never gets such a batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The records of the events, one after the other, as [`tidings_event::Records`] walks them.
    #[must_use]
    pub fn records(&self) -> &'a [u8] {
        &self.buffer.records[self.buffer.offset(self.from)..self.buffer.offset(self.to)]
    }

    /// The events, in order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = BatchEvent<'a>> + use<'a> {
        let buffer = self.buffer;
        buffer.entries[self.from..self.to]
            .iter()
            .map(move |entry| BatchEvent {
                event: read(&buffer.records[entry.at..]),
                span_start: entry.start.map(|at| read(&buffer.starts[at..])),
                sequence: entry.sequence,
            })
    }

    /// The sequence of the first event; 0 if there is none.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        let entries = &self.buffer.entries[self.from..self.to];
        entries.first().map_or(0, |entry| entry.sequence)
    }

    /// The event that opened a span which an event of the batch belongs to, if that is known.
    #[must_use]
    pub fn span_start(&self, id: Id) -> Option<EventRef<'a>> {
        let at = *self.buffer.by_span.get(&id.0)?;
        Some(read(&self.buffer.starts[at..]))
    }

    /// The first `at` events, and the others.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn split_at(&self, at: usize) -> (Batch<'a>, Batch<'a>) {
        assert!(at <= self.len(), "a batch of {} cut at {at}", self.len());
        let middle = self.from + at;
        (
            Batch {
                to: middle,
                ..*self
            },
            Batch {
                from: middle,
                ..*self
            },
        )
    }
}

/// The memory behind batches, filled by the driver, or by who calls a sink without one.
#[derive(Debug, Default)]
pub struct BatchBuffer {
    records: Vec<u8>,
    entries: Vec<Entry>,
    /// Records of span starts, one after the other.
    starts: Vec<u8>,
    by_span: FxHashMap<u64, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its record begins.
    at: usize,
    /// Where the record of its span's start begins.
    start: Option<usize>,
    sequence: u64,
}

impl BatchBuffer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All of it.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            buffer: self,
            from: 0,
            to: self.entries.len(),
        }
    }

    /// Adds an event without its span's start.
    pub fn push(&mut self, event: &EventRef<'_>, sequence: u64) {
        self.add(event, None, sequence);
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.entries.clear();
        self.starts.clear();
        self.by_span.clear();
    }

    /// Bytes of all records.
    pub(crate) fn bytes(&self) -> usize {
        self.records.len()
    }

    /// Adds an event with the level it is to have, looking up its span.
    pub(crate) fn push_with(
        &mut self,
        event: &EventRef<'_>,
        level: Level,
        sequence: u64,
        spans: &SpanTable,
    ) {
        let is_start = event.kind().info().is_span_start();
        let start = match event.span() {
            Some(id) if !is_start => self.start_of(id, spans),
            _ => None,
        };
        let at = self.records.len();
        self.add(event, start, sequence);
        self.records[at + LEVEL_AT] = level.ordinal();
    }

    /// A span began anew, or ended: what was known of its start holds no longer.
    pub(crate) fn forget_span(&mut self, id: Id) {
        self.by_span.remove(&id.0);
    }

    fn add(&mut self, event: &EventRef<'_>, start: Option<usize>, sequence: u64) {
        let at = self.records.len();
        self.records.extend_from_slice(event.as_bytes());
        self.entries.push(Entry {
            at,
            start,
            sequence,
        });
    }

    fn start_of(&mut self, id: Id, spans: &SpanTable) -> Option<usize> {
        if let Some(at) = self.by_span.get(&id.0) {
            return Some(*at);
        }
        let record = spans.get(id)?;
        let at = self.starts.len();
        self.starts.extend_from_slice(record);
        self.by_span.insert(id.0, at);
        Some(at)
    }

    fn offset(&self, entry: usize) -> usize {
        self.entries
            .get(entry)
            .map_or(self.records.len(), |entry| entry.at)
    }
}

fn read(bytes: &[u8]) -> EventRef<'_> {
    let (event, _) = EventRef::read(bytes).expect("only records that were read are put in");
    event
}

#[cfg(test)]
mod tests {
    use tidings_event::{EventType, Header, Key, RecordWriter, Records};

    use super::*;

    fn record(kind: EventType, span: u64, number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let header = Header {
            span: (span > 0).then_some(Id(span)),
            ..Header::new(kind, 1_770_000_000_000_000_000)
        };
        RecordWriter::begin(&mut out, &header)
            .uint(Key::SIZE, number)
            .finish();
        out
    }

    #[test]
    fn events_come_with_the_starts_of_their_spans_and_their_new_levels() {
        let mut spans = SpanTable::new();
        let start = record(EventType::SMTP_CONNECTION_START, 7, 1);
        spans.open(Id(7), &start);
        let mut buffer = BatchBuffer::new();
        let (start, _) = EventRef::read(&start).unwrap();
        buffer.push_with(&start, Level::Debug, 10, &spans);
        for (span, sequence) in [(7, 11), (8, 12), (0, 13), (7, 14)] {
            let event = record(EventType::AUTH_FAILED, span, sequence);
            let (event, _) = EventRef::read(&event).unwrap();
            buffer.push_with(&event, Level::Error, sequence, &spans);
        }
        let batch = buffer.batch();
        let seen: Vec<_> = batch
            .events()
            .map(|item| {
                let of = item.span_start.map(|start| start.uint(Key::SIZE).unwrap());
                (item.sequence, item.event.level(), of)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (10, Level::Debug, None),
                (11, Level::Error, Some(1)),
                (12, Level::Error, None),
                (13, Level::Error, None),
                (14, Level::Error, Some(1)),
            ]
        );
        assert!(batch.span_start(Id(7)).is_some() && batch.span_start(Id(8)).is_none());
        let (first, second) = batch.split_at(2);
        assert_eq!((first.len(), second.first_sequence()), (2, 12));
        assert_eq!(Records::new(second.records()).count(), 3);
        assert_eq!(
            [first.records(), second.records()].concat(),
            batch.records()
        );
    }
}
