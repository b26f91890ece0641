//! Events on their way out: one buffer of records, from which every subscriber gets its share.
//!
//! A subscriber that wants all of a buffer gets the buffer itself, without a copy.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tidings_event::{EventId, EventRef, EventType, Header, Id, Key, Level, RecordWriter};

use super::merge::Event;
use crate::clock;
use crate::dispatch::Plan;
use crate::encode::Encoder;
use crate::gate::TYPES;
use crate::process::PROCESS;
use crate::ring::LEVELS;
use crate::subscribe::{Batch, Pushed, Queue};
use crate::sync::{AtomicU64, Ordering};

/// About how large a batch grows: what stays in the processor's cache.
const BATCH_BYTES: usize = 64 << 10;

/// How long a subscriber that wants nothing dropped may hold up the shutdown; once, not for each batch.
const HOLD_UP_MAX: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Outgoing {
    origin: u32,
    /// Number of the last event.
    number: u64,
    /// Numbers behind this one, as many as there are subscribers, are kept for telling each what its
    /// queue dropped before this batch; so numbers rise in every subscriber's stream.
    kept: u64,
    records: Vec<u8>,
    shares: Vec<Share>,
    /// For each type, where its last event within a span begins in the buffer, plus 1; 0 for none.
    latest: Box<[usize]>,
    /// The types that have one.
    touched: Vec<u16>,
}

/// What of the buffer is for one subscriber.
#[derive(Debug, Default)]
struct Share {
    ranges: Vec<Range<usize>>,
    levels: [u32; LEVELS],
}

impl Outgoing {
    pub(super) fn new(origin: u32) -> Outgoing {
        Outgoing {
            origin,
            number: 0,
            kept: 0,
            records: Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 8),
            shares: Vec::new(),
            latest: vec![0; TYPES].into_boxed_slice(),
            touched: Vec::new(),
        }
    }

    /// Prepares for so many subscribers; nothing waits.
    pub(super) fn expect(&mut self, subscribers: usize) {
        self.shares.clear();
        self.shares.resize_with(subscribers, Share::default);
    }

    /// Adds an event for the subscribers of `mask`; says whether it is time to dispatch.
    #[inline(always)]
    pub(super) fn add(&mut self, event: &Event<'_>, time_ns: i64, mask: u64) -> bool {
        let start = self.records.len();
        if start == 0 {
            self.kept = self.number;
            self.number += self.shares.len() as u64;
        }
        self.number += 1;
        let id = EventId {
            origin: self.origin,
            number: self.number,
        };
        write_record(&mut self.records, event, time_ns, id);
        let end = self.records.len();
        if event.span != 0
            && let Some(latest) = self.latest.get_mut(usize::from(event.kind))
        {
            if *latest == 0 {
                self.touched.push(event.kind);
            }
            *latest = start + 1;
        }
        let mut rest = mask;
        while rest != 0 {
            let subscriber = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(share) = self.shares.get_mut(subscriber) {
                share.add(start..end, event.level);
            }
        }
        end >= BATCH_BYTES
    }

    /// Hands every subscriber its share.
    pub(super) fn dispatch(&mut self, plan: &Plan) {
        if self.records.is_empty() {
            return;
        }
        self.remember_spans();
        let fresh = Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 8);
        let records = Arc::new(std::mem::replace(&mut self.records, fresh));
        for at in 0..self.shares.len() {
            let share = &mut self.shares[at];
            if share.ranges.is_empty() {
                continue;
            }
            let batch = share.batch(&records);
            if let Some(queue) = plan.queues.get(at) {
                let report_id = EventId {
                    origin: self.origin,
                    number: self.kept + 1 + at as u64,
                };
                hand_over(queue, &batch, report_id);
            }
        }
    }

    /// Shows the meters the span behind the last event of each type, for their exemplars: once for
    /// each batch and type, as only the latest counts.
    fn remember_spans(&mut self) {
        for kind in self.touched.drain(..) {
            let start = std::mem::take(&mut self.latest[usize::from(kind)]) - 1;
            if let Some(meters) = PROCESS.meters.get()
                && let Ok((event, _)) = EventRef::read(&self.records[start..])
            {
                meters.remember(&event);
            }
        }
    }
}

fn hand_over(queue: &Queue, batch: &Batch, report_id: EventId) {
    let begun = clock::ticks();
    loop {
        let pushed = queue.push(batch, |lost| report(lost, report_id, &queue.name));
        if pushed != Pushed::Wait {
            return;
        }
        queue.wait_for_room(Duration::from_millis(50));
        if PROCESS.control().stop && clock::since(begun) > HOLD_UP_MAX {
            queue.abandon();
        }
    }
}

impl Share {
    #[inline]
    fn add(&mut self, range: Range<usize>, level: u8) {
        if let Some(count) = self.levels.get_mut(usize::from(level)) {
            *count += 1;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    fn batch(&mut self, records: &Arc<Vec<u8>>) -> Batch {
        let levels = std::mem::take(&mut self.levels);
        let is_all = self.ranges.first() == Some(&(0..records.len()));
        let share = if is_all {
            records.clone()
        } else {
            let mut own = Vec::with_capacity(self.ranges.iter().map(Range::len).sum());
            for range in &self.ranges {
                own.extend_from_slice(&records[range.clone()]);
            }
            Arc::new(own)
        };
        self.ranges.clear();
        Batch::new(share, levels)
    }
}

#[inline(always)]
fn write_record(out: &mut Vec<u8>, event: &Event<'_>, time_ns: i64, id: EventId) {
    let header = Header {
        level: Level::from_ordinal(event.level).unwrap_or(Level::Info),
        span: (event.span != 0).then_some(Id(event.span)),
        event_id: Some(id),
        ..Header::new(EventType::from_id(event.kind), time_ns)
    };
    let mut record = RecordWriter::begin(out, &header);
    record.encoded_words(event.pairs, event.bytes);
    record.finish();
}

/// The batch that tells a subscriber what its queue has dropped.
fn report(lost: &[u64; LEVELS], id: EventId, queue: &str) -> Batch {
    let kind = EventType::TELEMETRY_EVENTS_LOST;
    let (words, bytes) = encode(|out| {
        write_losses(out, lost, "queue of the subscriber full");
        out.pair(Key::OUTPUT, queue);
    });
    let event = Event {
        kind: kind.id(),
        level: kind.level().ordinal(),
        ticks: 0,
        span: 0,
        bytes,
        pairs: &words,
    };
    let mut records = Vec::new();
    write_record(&mut records, &event, clock::wall_ns(), id);
    let mut levels = [0; LEVELS];
    levels[usize::from(event.level)] = 1;
    Batch::new(Arc::new(records), levels)
}

/// The pairs of `telemetry.events-lost`: the count in all, why, and the count of each level.
pub(super) fn write_losses(out: &mut Encoder<'_>, lost: &[u64; LEVELS], reason: &str) {
    out.pair(Key::COUNT, &lost.iter().sum::<u64>());
    out.pair(Key::REASON, reason);
    for (level, count) in Level::ALL.into_iter().zip(lost) {
        if *count > 0 {
            out.pair(Key::ATTRIBUTE, &(level.as_str(), count));
        }
    }
}

/// Pairs as words, and their length in bytes.
pub(super) fn encode(pairs: impl Fn(&mut Encoder<'_>)) -> (Vec<u64>, usize) {
    let mut measure = Encoder::measuring();
    pairs(&mut measure);
    let words: Vec<_> = (0..measure.finish().next)
        .map(|_| AtomicU64::new(0))
        .collect();
    let mut out = Encoder::straight(&words, 0);
    pairs(&mut out);
    let written = out.finish();
    let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
    (words.iter().map(load).collect(), written.bytes as usize)
}
