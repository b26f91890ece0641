//! The way of events that no ring takes: a queue that all threads share.
//!
//! Large events come here (more than a quarter of the ring), events of threads that are ending, and
//! of threads beyond the number that gets a ring. Capacity: 8 MiB; when it is full an event is
//! refused, and counted by level and reason. Each event here costs an allocation and a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::encode::Encoder;
use crate::field::Fields;
use crate::ring::{HEAD_WORDS, LEVELS, MAX_PAIRS_BYTES, Stamp};
use crate::sync::AtomicU64 as Word;

/// How many bytes may wait.
const CAPACITY_BYTES: usize = 8 << 20;

/// Why an event came here, or was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The thread has no ring.
    Threads,
    /// A value emitted an event while its own was written.
    Nested,
    /// The event is longer than [`MAX_PAIRS_BYTES`].
    TooLong,
    /// The side queue is full.
    Full,
    /// The collector failed while it held the event.
    Collector,
}

/// How many reasons there are.
pub(crate) const REASONS: usize = 5;

impl Reason {
    pub(crate) const ALL: [Reason; REASONS] = [
        Reason::Threads,
        Reason::Nested,
        Reason::TooLong,
        Reason::Full,
        Reason::Collector,
    ];

    /// For people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Reason::Threads => "too many threads",
            Reason::Nested => "emitted by a value of another event",
            Reason::TooLong => "event longer than 1 MiB",
            Reason::Full => "queue of large events full",
            Reason::Collector => "collector failed",
        }
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Side {
    events: Mutex<Vec<Waiting>>,
    /// Bytes in `events`, so that an empty queue costs the collector no lock.
    bytes: AtomicU64,
    lost: [[AtomicU64; LEVELS]; REASONS],
}

/// An event as words, as in a ring.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) ticks: u64,
    pub(crate) words: Vec<u64>,
}

impl Side {
    pub(crate) const fn new() -> Side {
        Side {
            events: Mutex::new(Vec::new()),
            bytes: AtomicU64::new(0),
            lost: [const { [const { AtomicU64::new(0) }; LEVELS] }; REASONS],
        }
    }

    /// Takes an event, or counts it as lost.
    pub(crate) fn write(&self, stamp: &Stamp, fields: &dyn Fields) {
        let Some(words) = encode(stamp, fields) else {
            return self.lose(stamp.level, Reason::TooLong);
        };
        let bytes = words.len() as u64 * 8;
        let mut events = self.lock();
        if self.bytes.load(Ordering::Relaxed) + bytes > CAPACITY_BYTES as u64 {
            drop(events);
            return self.lose(stamp.level, Reason::Full);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let ticks = stamp.ticks;
        events.push(Waiting { ticks, words });
    }

    /// Counts an event as lost.
    pub(crate) fn lose(&self, level: u8, reason: Reason) {
        self.lose_many(level, reason, 1);
    }

    /// Counts events as lost.
    pub(crate) fn lose_many(&self, level: u8, reason: Reason, count: u64) {
        let level = usize::from(level).min(LEVELS - 1);
        self.lost[reason as usize][level].fetch_add(count, Ordering::Relaxed);
    }

    /// How many events were lost so far for this reason, by level.
    pub(crate) fn lost(&self, reason: Reason) -> [u64; LEVELS] {
        std::array::from_fn(|level| self.lost[reason as usize][level].load(Ordering::Relaxed))
    }

    /// Moves all events to the end of `out`, the earliest first.
    pub(crate) fn drain(&self, out: &mut Vec<u64>) {
        if self.bytes.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut events = {
            let mut events = self.lock();
            self.bytes.store(0, Ordering::Relaxed);
            std::mem::take(&mut *events)
        };
        events.sort_by_key(|event| event.ticks);
        for event in events {
            out.extend_from_slice(&event.words);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event as words; `None` if it is too long.
fn encode(stamp: &Stamp, fields: &dyn Fields) -> Option<Vec<u64>> {
    let mut measure = Encoder::measuring();
    fields.encode(&mut measure);
    let needed = measure.finish();
    if needed.bytes > MAX_PAIRS_BYTES {
        return None;
    }
    let words: Vec<_> = (0..HEAD_WORDS + needed.next)
        .map(|_| Word::new(0))
        .collect();
    let mut out = Encoder::straight(&words, HEAD_WORDS);
    fields.encode(&mut out);
    let written = out.finish();
    // A value that does not write the same each time is not to be trusted.
    if !written.fits || written.bytes != needed.bytes {
        return None;
    }
    let mut words: Vec<u64> = words
        .iter()
        .map(|word| word.load(Ordering::Relaxed))
        .collect();
    words[..HEAD_WORDS as usize].copy_from_slice(&stamp.words(written.bytes));
    Some(words)
}
