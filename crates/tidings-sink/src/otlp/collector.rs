//! Spans in the making: gathers the events of each span until it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxHashMap;
use tidings_event::{EventRef, Id};
use tidings_wire::otlp::SpanParts;

/// Open spans, at most.
pub const MAX_SPANS: usize = 16_384;
/// Events of one span that are kept, at most, as in the reference; further ones are counted.
pub const MAX_EVENTS_PER_SPAN: u32 = 2_048;
/// Bytes of one span's events that are kept, at most; further ones are counted.
pub const MAX_SPAN_BYTES: usize = 1 << 20;
/// Bytes of all spans, at most.
const MAX_BYTES: usize = 32 << 20;
/// A span that has not ended after this time, by its events' own clock, is forgotten.
const MAX_AGE_NS: i64 = 24 * 3_600 * 1_000_000_000;
/// An open span holds the cursor for this long, by its events' own clock; in nanoseconds.
pub const SPAN_HOLD: i64 = 60 * 1_000_000_000;
/// And no further back than so many events.
const MAX_HELD_EVENTS: u64 = 65_536;
/// What a span takes besides its records, roughly.
const OVERHEAD_BYTES: usize = 256;

/// The spans that are open, and those that have ended and are not sent yet.
///
/// **Bounds**: [`MAX_SPANS`] spans, 32 MiB of records, and per span [`MAX_EVENTS_PER_SPAN`] events and
/// [`MAX_SPAN_BYTES`]. An event beyond a span's own bounds is left out and counted in the span
/// (`dropped_events_count`). Beyond the bounds of all, the spans that were opened first are forgotten
/// (counted: `forgotten`), as are those open for a day: no end comes for a span whose end the output
/// does not want. Their end, if it comes, still makes a span, of their start alone.
///
/// **The start was not seen** (it came before the output was set up, or was forgotten): the driver
/// knows the start of most spans, and gives it with the end. If not even that, the span is told from
/// its end.
///
/// **Restart**: what is here is lost with the process, and the cursor is what brings it back. It is
/// held ([`holds_from`](Self::holds_from)) before the start of every open span that is not older than
/// [`SPAN_HOLD`], a minute, and not further back than 65,536 events. So after a crash, as after an
/// ordinary end, these spans are whole; the price is that the events of up to a minute are sent as log
/// records once more, with the same `log.record.uid`. Spans that were open for longer (IMAP sessions
/// stay open for days) lack the events before the restart, which were sent as log records; start,
/// end and what follows are there.
#[derive(Debug, Default)]
pub(super) struct Collector {
    open: FxHashMap<u64, Open>,
    /// Ids in the order in which they came, with the turn that tells a reused id apart.
    order: VecDeque<(u64, u64)>,
    turn: u64,
    done: VecDeque<Finished>,
    bytes: usize,
    newest_ns: i64,
    newest_sequence: u64,
    counters: Arc<SpanCounters>,
}

/// What becomes of the spans of an output: written by it, read by anybody at any time.
#[derive(Debug, Default)]
pub struct SpanCounters {
    ended: AtomicU64,
    forgotten: AtomicU64,
    dropped_events: AtomicU64,
}

/// What [`SpanCounters::read`] gives; counted since the output began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanStats {
    /// Spans that ended.
    pub ended: u64,
    /// Spans whose events were forgotten before they ended.
    pub forgotten: u64,
    /// Events that were left out of a span that had too many.
    pub dropped_events: u64,
}

impl SpanCounters {
    /// The numbers of this moment.
    #[must_use]
    pub fn read(&self) -> SpanStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SpanStats {
            ended: get(&self.ended),
            forgotten: get(&self.forgotten),
            dropped_events: get(&self.dropped_events),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Debug)]
struct Open {
    parts: Parts,
    count: u32,
    since_ns: i64,
    turn: u64,
}

/// Records of one span.
#[derive(Debug)]
struct Parts {
    /// Record of the start; empty if it is not known.
    start: Vec<u8>,
    /// Records of the events.
    events: Vec<u8>,
    dropped: u32,
    first_sequence: u64,
}

impl Parts {
    fn bytes(&self) -> usize {
        self.start.len() + self.events.len() + OVERHEAD_BYTES
    }
}

/// A span that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    parts: Parts,
    end: Vec<u8>,
    trace: Id,
}

impl Finished {
    /// What the encoder needs.
    pub(super) fn parts(&self) -> SpanParts<'_> {
        let read = |bytes: &[u8]| EventRef::read(bytes).is_ok();
        debug_assert!(read(&self.end));
        SpanParts {
            start: EventRef::read(&self.parts.start)
                .ok()
                .map(|(event, _)| event),
            events: &self.parts.events,
            dropped_events: self.parts.dropped,
            end: EventRef::read(&self.end)
                .expect("a record that was read before")
                .0,
            trace: self.trace,
        }
    }
}

impl Collector {
    /// Takes the next event; `start` is the event that opened its span, if the driver knows it.
    /// `trace` tells the trace of a span that has ended.
    pub(super) fn take(
        &mut self,
        event: &EventRef<'_>,
        start: Option<&EventRef<'_>>,
        sequence: u64,
        trace: impl FnOnce(Id) -> Id,
    ) {
        let Some(span) = event.span() else {
            return;
        };
        self.newest_ns = self.newest_ns.max(event.time_ns());
        self.newest_sequence = sequence;
        let info = event.kind().info();
        if info.is_span_start() {
            self.begin(span, event, sequence);
        } else if info.is_span_end() {
            self.end(span, event, start, sequence, trace(span));
        } else {
            self.add(span, event, sequence);
        }
        self.make_room();
    }

    /// The spans that have ended, the first one first.
    pub(super) fn done(&self) -> &VecDeque<Finished> {
        &self.done
    }

    /// The first `count` ended spans are done with.
    pub(super) fn settle(&mut self, count: usize) {
        for finished in self.done.drain(..count.min(self.done.len())) {
            self.bytes -= finished.parts.bytes();
        }
    }

    /// The first sequence that must be read again after a restart, if any.
    pub(super) fn holds_from(&self) -> Option<u64> {
        let farthest = self.newest_sequence.saturating_sub(MAX_HELD_EVENTS);
        let is_young = |open: &Open| self.newest_ns.saturating_sub(open.since_ns) <= SPAN_HOLD;
        let open = self.order.iter().filter_map(|(id, turn)| {
            let open = self.open.get(id).filter(|open| open.turn == *turn)?;
            (is_young(open)).then_some(open.parts.first_sequence)
        });
        let done = self.done.iter().map(|span| span.parts.first_sequence);
        open.chain(done)
            .filter(|sequence| *sequence >= farthest)
            .min()
    }

    /// The counters, to be read by others.
    pub(super) fn counters(&self) -> Arc<SpanCounters> {
        Arc::clone(&self.counters)
    }

    fn begin(&mut self, span: Id, event: &EventRef<'_>, sequence: u64) {
        let open = self.open(span, event.time_ns(), sequence);
        let grown = event.as_bytes().len().wrapping_sub(open.parts.start.len());
        open.parts.start.clear();
        open.parts.start.extend_from_slice(event.as_bytes());
        self.bytes = self.bytes.wrapping_add(grown);
    }

    fn add(&mut self, span: Id, event: &EventRef<'_>, sequence: u64) {
        let open = self.open(span, event.time_ns(), sequence);
        let record = event.as_bytes();
        let has_room = open.count < MAX_EVENTS_PER_SPAN
            && open.parts.events.len() + record.len() <= MAX_SPAN_BYTES;
        if has_room {
            open.count += 1;
            open.parts.events.extend_from_slice(record);
            self.bytes += record.len();
        } else {
            open.parts.dropped = open.parts.dropped.saturating_add(1);
            count(&self.counters.dropped_events);
        }
    }

    fn end(
        &mut self,
        span: Id,
        event: &EventRef<'_>,
        start: Option<&EventRef<'_>>,
        sequence: u64,
        trace: Id,
    ) {
        self.open(span, event.time_ns(), sequence);
        let Some(mut open) = self.open.remove(&span.0) else {
            return;
        };
        if let Some(start) = start.filter(|_| open.parts.start.is_empty()) {
            open.parts.start.extend_from_slice(start.as_bytes());
            self.bytes += start.as_bytes().len();
        }
        count(&self.counters.ended);
        self.done.push_back(Finished {
            parts: open.parts,
            end: event.as_bytes().to_vec(),
            trace,
        });
    }

    /// The span as far as it is known; a new one if it is not.
    fn open(&mut self, span: Id, time_ns: i64, sequence: u64) -> &mut Open {
        self.open.entry(span.0).or_insert_with(|| {
            self.turn += 1;
            self.order.push_back((span.0, self.turn));
            self.bytes += OVERHEAD_BYTES;
            Open {
                parts: Parts {
                    start: Vec::new(),
                    events: Vec::new(),
                    dropped: 0,
                    first_sequence: sequence,
                },
                count: 0,
                since_ns: time_ns,
                turn: self.turn,
            }
        })
    }

    fn make_room(&mut self) {
        while let Some((id, turn)) = self.order.front().copied() {
            let Some(open) = self.open.get(&id).filter(|open| open.turn == turn) else {
                self.order.pop_front();
                continue;
            };
            let is_old = self.newest_ns.saturating_sub(open.since_ns) > MAX_AGE_NS;
            if !is_old && self.open.len() <= MAX_SPANS && self.bytes <= MAX_BYTES {
                break;
            }
            self.order.pop_front();
            if let Some(open) = self.open.remove(&id) {
                self.bytes -= open.parts.bytes();
                count(&self.counters.forgotten);
            }
        }
        // Spans that ended behind one that is still open leave their place in the order.
        if self.order.len() > 2 * MAX_SPANS {
            let open = &self.open;
            self.order
                .retain(|(id, turn)| open.get(id).is_some_and(|open| open.turn == *turn));
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::{EventType, Header, Key, RecordWriter, Records};

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn record(kind: EventType, span: u64, seconds: i64, size: usize) -> Vec<u8> {
        let mut header = Header::new(kind, seconds * SECOND);
        header.span = Some(Id(span));
        let mut out = Vec::new();
        RecordWriter::begin(&mut out, &header)
            .str(Key::DETAILS, &"x".repeat(size))
            .finish();
        out
    }

    #[derive(Default)]
    struct Feed {
        spans: Collector,
        sequence: u64,
    }

    impl Feed {
        fn take(&mut self, kind: EventType, span: u64, seconds: i64, size: usize) {
            self.sequence += 1;
            let bytes = record(kind, span, seconds, size);
            let event = EventRef::read(&bytes).unwrap().0;
            self.spans.take(&event, None, self.sequence, |span| span);
        }

        fn start(&mut self, span: u64, seconds: i64) {
            self.take(EventType::SMTP_CONNECTION_START, span, seconds, 3);
        }

        fn end(&mut self, span: u64, seconds: i64) {
            self.take(EventType::SMTP_CONNECTION_END, span, seconds, 3);
        }

        /// Whether the bytes that are counted are those that are there.
        fn check(&self) {
            let open = self.spans.open.values().map(|open| open.parts.bytes());
            let done = self.spans.done.iter().map(|done| done.parts.bytes());
            assert_eq!(self.spans.bytes, open.chain(done).sum::<usize>());
        }
    }

    #[test]
    fn a_span_is_whole_once_it_ends() {
        let mut feed = Feed::default();
        feed.start(7, 1);
        feed.take(EventType::SMTP_EHLO, 7, 2, 5);
        feed.start(8, 2);
        feed.take(EventType::SMTP_EHLO, 7, 3, 5);
        assert!(feed.spans.done().is_empty());
        feed.end(7, 4);
        feed.check();
        let span = feed.spans.done()[0].parts();
        assert_eq!(span.start.unwrap().time_ns(), SECOND);
        assert_eq!(Records::new(span.events).count(), 2);
        assert_eq!(span.end.time_ns(), 4 * SECOND);
        feed.spans.settle(9);
        feed.check();
        assert_eq!(feed.spans.open.len(), 1);
    }

    #[test]
    fn the_driver_knows_a_start_that_was_not_seen() {
        let mut feed = Feed::default();
        let start = record(EventType::SMTP_CONNECTION_START, 7, 1, 3);
        let end = record(EventType::SMTP_CONNECTION_END, 7, 9, 3);
        let read = |bytes| EventRef::read(bytes).unwrap().0;
        let (start, end) = (read(&start), read(&end));
        feed.spans.take(&end, Some(&start), 5, |span| span);
        feed.check();
        assert_eq!(feed.spans.done()[0].parts().start, Some(start));
        feed.end(9, 1);
        assert_eq!(feed.spans.done()[1].parts().start, None);
    }

    #[test]
    fn one_span_is_bounded_and_says_what_it_lacks() {
        let mut feed = Feed::default();
        feed.start(7, 1);
        for _ in 0..MAX_EVENTS_PER_SPAN + 5 {
            feed.take(EventType::SMTP_EHLO, 7, 2, 5);
        }
        feed.start(8, 1);
        for _ in 0..5 {
            feed.take(EventType::SMTP_EHLO, 8, 2, MAX_SPAN_BYTES / 2 - 100);
        }
        feed.end(7, 3);
        feed.end(8, 3);
        let dropped = feed
            .spans
            .done()
            .iter()
            .map(|span| span.parts().dropped_events);
        assert_eq!(dropped.collect::<Vec<_>>(), [5, 3]);
        assert_eq!(feed.spans.counters().read().dropped_events, 8);
    }

    #[test]
    fn all_spans_together_are_bounded() {
        let mut feed = Feed::default();
        let many = MAX_SPANS as u64;
        for span in 1..=many + 10 {
            feed.start(span, 1);
        }
        feed.check();
        assert_eq!(feed.spans.open.len(), MAX_SPANS);
        assert_eq!(feed.spans.counters().read().forgotten, 10);
        for span in 1..200 {
            feed.take(EventType::SMTP_EHLO, many + span, 2, MAX_SPAN_BYTES / 2);
            assert!(feed.spans.bytes <= MAX_BYTES);
        }
        feed.check();
        feed.start(5, 30 * 3_600);
        assert_eq!(feed.spans.open.len(), 1, "a day has passed");
        for _ in 0..100_000 {
            feed.start(6, 30 * 3_600);
            feed.end(6, 30 * 3_600);
            feed.spans.settle(1);
        }
        assert!(feed.spans.order.len() <= 2 * MAX_SPANS + 1);
        feed.check();
    }

    #[test]
    fn young_spans_hold_the_cursor_and_old_ones_do_not() {
        let mut feed = Feed::default();
        assert_eq!(feed.spans.holds_from(), None);
        feed.start(1, 0);
        feed.start(2, 30);
        assert_eq!(feed.spans.holds_from(), Some(1));
        feed.take(EventType::SMTP_EHLO, 2, 61, 3);
        assert_eq!(
            feed.spans.holds_from(),
            Some(2),
            "the first is a minute old"
        );
        feed.end(2, 62);
        assert_eq!(feed.spans.holds_from(), Some(2), "not sent yet");
        feed.spans.settle(1);
        assert_eq!(feed.spans.holds_from(), None);
        feed.start(3, 62);
        let first = feed.sequence;
        for _ in 0..MAX_HELD_EVENTS {
            feed.take(EventType::SMTP_EHLO, 1, 62, 3);
        }
        assert_eq!(feed.spans.holds_from(), Some(first));
        feed.take(EventType::SMTP_EHLO, 1, 62, 3);
        assert_eq!(feed.spans.holds_from(), None, "too many events since");
    }
}
