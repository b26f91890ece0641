//! The spans that are open: what a frame must carry of earlier frames so that it can be read alone.
//!
//! **Bounded**: at most [`SPANS_MAX`] starts, each of at most [`START_BYTES_MAX`]. What is too many
//! displaces the oldest; events of such a span are rendered without the pairs of its start, as those
//! of a span whose start was never seen.

use std::collections::{HashMap, HashSet, VecDeque};

use tidings_event::{EventRef, Id, Key, RecordWriter, Records};
use tidings_spool::Batch;

/// Spans whose start is remembered.
const SPANS_MAX: usize = 65_536;

/// The longest start that is remembered, in bytes of its record; a longer one is not.
const START_BYTES_MAX: usize = 4 << 10;

/// The starts of the open spans.
#[derive(Debug, Default)]
pub(super) struct Spans {
    starts: HashMap<Id, Vec<u8>>,
    /// The spans in the order of their starts; some may have ended.
    order: VecDeque<Id>,
}

impl Spans {
    /// Gives a batch the copies of the starts that lie before it, and notes its own.
    pub(super) fn complete(&mut self, mut batch: Batch) -> Batch {
        let records = std::mem::take(&mut batch.records);
        let mut copied = HashSet::new();
        for event in Records::new(&records).flatten() {
            let Some(span) = event.span() else { continue };
            if event.kind().info().is_span_start() {
                // Its own start need not be copied.
                copied.insert(span);
            } else if copied.insert(span)
                && let Some(start) = self.starts.get(&span)
            {
                batch.context.extend_from_slice(start);
            }
            self.note(span, &event);
        }
        batch.records = records;
        batch
    }

    /// Notes the starts that a frame carries, and the starts and ends that happened in it.
    pub(super) fn replay(&mut self, context: &[u8], records: &[u8]) {
        for event in Records::new(context).chain(Records::new(records)).flatten() {
            if let Some(span) = event.span() {
                self.note(span, &event);
            }
        }
    }

    /// The starts, oldest first, as records.
    pub(super) fn save(&self) -> Vec<u8> {
        let mut seen = HashSet::new();
        let mut records = Vec::new();
        for span in &self.order {
            if let Some(start) = self.starts.get(span).filter(|_| seen.insert(*span)) {
                records.extend_from_slice(start);
            }
        }
        records
    }

    fn note(&mut self, span: Id, event: &EventRef<'_>) {
        let info = event.kind().info();
        if info.is_span_end() {
            self.starts.remove(&span);
        } else if info.is_span_start() && event.as_bytes().len() <= START_BYTES_MAX {
            if self.starts.insert(span, start_of(event)).is_none() {
                self.order.push_back(span);
            }
            self.shed();
        }
    }

    /// Forgets what is too much, and the ended spans in front of the order.
    fn shed(&mut self) {
        while self.starts.len() > SPANS_MAX
            || self.order.len() > 2 * SPANS_MAX
            || self
                .order
                .front()
                .is_some_and(|oldest| !self.starts.contains_key(oldest))
        {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.starts.remove(&oldest);
        }
    }
}

/// A start as it is copied: without the line that it was read from.
fn start_of(event: &EventRef<'_>) -> Vec<u8> {
    let mut start = Vec::with_capacity(event.as_bytes().len());
    let mut writer = RecordWriter::begin(&mut start, event.header());
    for (key, value) in event.pairs().filter(|(key, _)| *key != Key::RAW_LINE) {
        writer.value(key, &value);
    }
    writer.finish();
    drop(writer);
    start
}

#[cfg(test)]
mod tests {
    use tidings_event::{EventType, Header, Value};

    use super::*;

    fn record(kind: EventType, span: u64, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let header = Header {
            span: Some(Id(span)),
            ..Header::new(kind, 1_770_000_000_000_000_000)
        };
        let mut writer = RecordWriter::begin(&mut out, &header);
        writer.str(Key::LISTENER_ID, text);
        writer.value(Key::RAW_LINE, &Value::Bytes(b"a line"));
        writer.finish();
        drop(writer);
        out
    }

    /// The texts of the starts that a batch of these records carries.
    fn context(spans: &mut Spans, records: &[Vec<u8>]) -> Vec<String> {
        let batch = Batch::events(records.len() as u32, records.concat());
        let batch = spans.complete(batch);
        assert_eq!(batch.records, records.concat());
        Records::new(&batch.context)
            .map(|event| {
                let event = event.unwrap();
                assert_eq!(event.get(Key::RAW_LINE), None);
                event.str(Key::LISTENER_ID).unwrap().to_owned()
            })
            .collect()
    }

    const START: EventType = EventType::SMTP_CONNECTION_START;
    const MIDDLE: EventType = EventType::SMTP_EHLO;
    const END: EventType = EventType::SMTP_CONNECTION_END;

    #[test]
    fn a_batch_carries_each_earlier_start_once() {
        let mut spans = Spans::default();
        let first = [record(START, 1, "one"), record(MIDDLE, 1, "")];
        assert!(context(&mut spans, &first).is_empty());
        let second = [
            record(MIDDLE, 1, ""),
            record(START, 2, "two"),
            record(MIDDLE, 2, ""),
            record(END, 1, ""),
        ];
        assert_eq!(context(&mut spans, &second), ["one"]);
        let third = [record(MIDDLE, 1, ""), record(MIDDLE, 2, "")];
        assert_eq!(
            context(&mut spans, &third),
            ["two"],
            "the first span has ended"
        );
        assert!(context(&mut spans, &[record(MIDDLE, 9, "")]).is_empty());
    }

    #[test]
    fn what_is_saved_or_read_again_is_the_same() {
        let mut spans = Spans::default();
        let frames = [
            vec![record(START, 1, "one"), record(START, 2, "two")],
            vec![record(END, 1, ""), record(START, 3, "three")],
        ];
        let mut replayed = Spans::default();
        for records in frames {
            let batch = spans.complete(Batch::events(2, records.concat()));
            replayed.replay(&batch.context, &batch.records);
        }
        let mut restored = Spans::default();
        restored.replay(&spans.save(), &[]);
        let all = [record(MIDDLE, 3, ""), record(MIDDLE, 2, "")];
        for spans in [&mut spans, &mut replayed, &mut restored] {
            assert_eq!(context(spans, &all), ["three", "two"]);
        }
    }

    #[test]
    fn it_stays_bounded() {
        let mut spans = Spans::default();
        let long = "x".repeat(START_BYTES_MAX);
        for span in 1..=(SPANS_MAX as u64 + 10) {
            let text = if span % 1_000 == 0 { &long } else { "start" };
            spans.replay(&record(START, span, text), &[]);
        }
        assert!(spans.starts.len() <= SPANS_MAX && spans.order.len() <= 2 * SPANS_MAX);
        assert!(context(&mut spans, &[record(MIDDLE, 1_000, "")]).is_empty());
        let newest = SPANS_MAX as u64 + 10;
        assert_eq!(
            context(&mut spans, &[record(MIDDLE, newest, "")]),
            ["start"]
        );
        for span in 1..=newest {
            spans.replay(&record(END, span, ""), &[]);
        }
        assert!(spans.starts.is_empty());
    }
}
