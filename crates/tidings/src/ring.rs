//! The ring of one thread: it alone writes, the collector alone reads.
//!
//! Capacity: a power of two of 8-byte words, set at start (see [`Settings`](crate::Settings)). When
//! it fills, the writer refuses by level or waits; what is refused is counted here by level, and the
//! count is written into the ring as a *gap* where the events are missing.
//!
//! The words are atomics, so there is no `unsafe`: the words themselves are stored and loaded relaxed,
//! and handed over by `tail` (release by the writer, acquire by the reader) and back by `head`.

use crate::encode::{Encoded, Encoder};
use crate::field::Fields;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Levels for which losses are counted: trace, debug, info, warn, error.
pub(crate) const LEVELS: usize = 5;

/// Words before the pairs of an event: head, ticks, span.
pub(crate) const HEAD_WORDS: u64 = 3;

/// Words of a gap: head, ticks, one count for each level.
const GAP_WORDS: u64 = 2 + LEVELS as u64;

/// Room that is kept at all times, so that a count of losses goes where the events are missing.
const RESERVED: u64 = GAP_WORDS + HEAD_WORDS;

/// The longest event that a ring or the side queue takes, in bytes of pairs.
pub(crate) const MAX_PAIRS_BYTES: u64 = 1 << 20;

/// The first word of what is in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Length of the pairs in bytes.
    pub(crate) bytes: u32,
    /// Id of the event's type.
    pub(crate) kind: u16,
    /// Ordinal of its level.
    pub(crate) level: u8,
    /// It is a gap: `kind`, `level` and pairs mean nothing, and five counts follow the ticks.
    pub(crate) is_gap: bool,
}

impl Head {
    #[inline]
    pub(crate) fn to_word(self) -> u64 {
        u64::from(self.bytes)
            | u64::from(self.kind) << 32
            | u64::from(self.level) << 48
            | u64::from(self.is_gap) << 56
    }

    #[inline]
    pub(crate) fn from_word(word: u64) -> Head {
        Head {
            bytes: word as u32,
            kind: (word >> 32) as u16,
            level: (word >> 48) as u8,
            is_gap: word >> 56 != 0,
        }
    }

    /// Length of the whole entry in words.
    #[inline]
    pub(crate) fn words(self) -> usize {
        if self.is_gap {
            GAP_WORDS as usize
        } else {
            HEAD_WORDS as usize + (self.bytes as usize).div_ceil(8)
        }
    }
}

/// An event about to be written: all but its pairs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) kind: u16,
    pub(crate) level: u8,
    pub(crate) ticks: u64,
    /// 0 for none.
    pub(crate) span: u64,
    /// Refused only when the ring is full, whatever its level.
    pub(crate) keep: bool,
}

impl Stamp {
    #[inline]
    fn head(&self, bytes: u64) -> u64 {
        Head {
            // Bounded by MAX_PAIRS_BYTES.
            bytes: bytes as u32,
            kind: self.kind,
            level: self.level,
            is_gap: false,
        }
        .to_word()
    }

    /// The words before the pairs.
    pub(crate) fn words(&self, bytes: u64) -> [u64; HEAD_WORDS as usize] {
        [self.head(bytes), self.ticks, self.span]
    }
}

/// Keeps its content on cache lines of its own: the writer's and the reader's numbers do not push
/// each other out.
#[repr(align(128))]
#[derive(Debug)]
struct Apart<T>(T);

/// What the writing thread and the collector share.
#[derive(Debug)]
pub(crate) struct Ring {
    words: Box<[AtomicU64]>,
    /// How many words were ever written.
    tail: Apart<AtomicU64>,
    /// How many of them were read.
    head: Apart<AtomicU64>,
    /// How many events were ever refused, by level. Written by the writer only.
    lost: Apart<[AtomicU64; LEVELS]>,
    closed: AtomicBool,
}

impl Ring {
    /// Of at least `bytes`, rounded up to a power of two, and at least 1 KiB.
    pub(crate) fn new(bytes: usize) -> Ring {
        Ring::of_words(Ring::words_for(bytes))
    }

    /// How many words a ring of `bytes` has.
    pub(crate) fn words_for(bytes: usize) -> usize {
        (bytes / 8).clamp(128, 1 << 27).next_power_of_two()
    }

    pub(crate) fn of_words(words: usize) -> Ring {
        Ring {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            tail: Apart(AtomicU64::new(0)),
            head: Apart(AtomicU64::new(0)),
            lost: Apart(std::array::from_fn(|_| AtomicU64::new(0))),
            closed: AtomicBool::new(false),
        }
    }

    /// The capacity in words.
    pub(crate) fn capacity(&self) -> u64 {
        self.words.len() as u64
    }

    /// Whether the writer has ended. What is read after this said so is all there is.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How many events were refused so far, by level.
    pub(crate) fn lost(&self) -> [u64; LEVELS] {
        std::array::from_fn(|level| self.lost.0[level].load(Ordering::Relaxed))
    }

    /// Makes a ring that has no writer any more, and from which all was read, ready for another one.
    pub(crate) fn reset(&self) {
        for lost in &self.lost.0 {
            lost.store(0, Ordering::Relaxed);
        }
        self.closed.store(false, Ordering::Release);
    }

    /// Moves all that is in the ring to the end of `out`. For the one reader.
    pub(crate) fn drain(&self, out: &mut Vec<u64>) {
        let head = self.head.0.load(Ordering::Relaxed);
        let tail = self.tail.0.load(Ordering::Acquire);
        let count = (tail - head) as usize;
        if count == 0 {
            return;
        }
        let start = head as usize & (self.words.len() - 1);
        let (before, after) = self.words.split_at(start);
        let straight = count.min(after.len());
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        out.extend(after[..straight].iter().map(load));
        out.extend(before[..count - straight].iter().map(load));
        self.head.0.store(tail, Ordering::Release);
    }
}

/// Why an event was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too full for an event of this level.
    Full,
    /// It would take more than a quarter of the ring: it goes another way.
    Large {
        /// Length of its pairs.
        bytes: u64,
    },
}

/// The writing end of a ring.
#[derive(Debug)]
pub(crate) struct Writer {
    ring: std::sync::Arc<Ring>,
    tail: u64,
    /// Where the reader was when last looked.
    head: u64,
    /// Events were refused since the last gap was written.
    gap: bool,
    /// How full the ring may be for an event of each level, in words.
    limits: [u64; LEVELS],
}

impl Writer {
    /// For the one thread that writes to `ring`. `shares` says for each level at how many
    /// hundredths of the ring an event is refused.
    pub(crate) fn new(ring: std::sync::Arc<Ring>, shares: [u8; LEVELS]) -> Writer {
        let tail = ring.tail.0.load(Ordering::Relaxed);
        let mut writer = Writer {
            tail,
            head: ring.head.0.load(Ordering::Acquire),
            gap: false,
            limits: [0; LEVELS],
            ring,
        };
        writer.set_shares(shares);
        writer
    }

    /// See [`new`](Self::new).
    pub(crate) fn set_shares(&mut self, shares: [u8; LEVELS]) {
        let capacity = self.ring.capacity();
        self.limits = shares.map(|share| capacity * u64::from(share.min(100)) / 100);
    }

    /// Writes an event if there is room by the last look; the way of nearly all events. Says whether
    /// it did; where not, [`write`](Self::write) looks closer.
    #[inline(always)]
    pub(crate) fn try_write<F: Fields>(&mut self, stamp: &Stamp, fields: &F) -> bool {
        if self.used() + RESERVED > self.limit(stamp) || self.gap {
            return false;
        }
        let end = self.head + self.ring.capacity();
        let mut out = Encoder::ring(&self.ring.words, self.tail + HEAD_WORDS, end);
        fields.encode(&mut out);
        let written = out.finish();
        if written.fits {
            self.publish(stamp, written.bytes, written.next);
        }
        written.fits
    }

    /// Writes an event. On refusal nothing is counted yet: the caller may wait and try again.
    #[cold]
    pub(crate) fn write(&mut self, stamp: &Stamp, fields: &dyn Fields) -> Result<(), Refused> {
        self.head = self.ring.head.0.load(Ordering::Acquire);
        if self.used() + RESERVED > self.limit(stamp) {
            return Err(Refused::Full);
        }
        if self.gap {
            self.write_gap(stamp.ticks);
        }
        let end = self.head + self.ring.capacity();
        let mut out = Encoder::ring(&self.ring.words, self.tail + HEAD_WORDS, end);
        fields.encode(&mut out);
        let Encoded { bytes, next, fits } = out.finish();
        if fits {
            self.publish(stamp, bytes, next);
            Ok(())
        } else if bytes > self.ring.capacity() * 8 / 4 {
            Err(Refused::Large { bytes })
        } else {
            Err(Refused::Full)
        }
    }

    /// How full the ring may be for this event.
    #[inline]
    fn limit(&self, stamp: &Stamp) -> u64 {
        let rank = if stamp.keep {
            LEVELS
        } else {
            usize::from(stamp.level)
        };
        self.limits[rank.min(LEVELS - 1)]
    }

    /// How many words wait to be read, by the last look.
    #[inline]
    pub(crate) fn used(&self) -> u64 {
        self.tail - self.head
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// Counts an event that is not written after all.
    #[cold]
    pub(crate) fn lose(&mut self, level: u8) {
        let lost = &self.ring.lost.0[usize::from(level).min(LEVELS - 1)];
        lost.store(lost.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.gap = true;
    }

    #[inline]
    fn publish(&mut self, stamp: &Stamp, bytes: u64, next: u64) {
        self.put(0, stamp.head(bytes));
        self.put(1, stamp.ticks);
        self.put(2, stamp.span);
        self.tail = next;
        self.ring.tail.0.store(next, Ordering::Release);
    }

    #[inline]
    fn put(&self, at: u64, word: u64) {
        let at = (self.tail + at) as usize & (self.ring.words.len() - 1);
        self.ring.words[at].store(word, Ordering::Relaxed);
    }

    /// Writes how many events were refused so far; there is room.
    #[cold]
    fn write_gap(&mut self, ticks: u64) {
        let head = Head {
            bytes: 0,
            kind: 0,
            level: 0,
            is_gap: true,
        };
        self.put(0, head.to_word());
        self.put(1, ticks);
        for (at, count) in self.ring.lost().into_iter().enumerate() {
            self.put(2 + at as u64, count);
        }
        self.tail += GAP_WORDS;
        self.ring.tail.0.store(self.tail, Ordering::Release);
        self.gap = false;
    }
}

impl Drop for Writer {
    /// The thread ends; what it wrote stays to be read.
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
mod tests;
