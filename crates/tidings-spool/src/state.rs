//! What producers, the writer and readers share: one lock, four signals.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::Backend;
use crate::batch::Prepared;
use crate::clock::Clock;
use crate::config::SpoolConfig;
use crate::error::{Full, SpoolError};
use crate::files::next_first;
use crate::frame::Position;
use crate::recover::SegmentInfo;
use crate::segment::Identity;
use crate::stats::{Counters, SpoolStats};
use crate::tail::Tail;

/// Everything behind the handles of one spool.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: SpoolConfig,
    pub(crate) identity: Identity,
    state: Mutex<State>,
    /// For the writer: there is something to do.
    pub(crate) work: Condvar,
    /// For producers: the queue has room again, or never will.
    pub(crate) room: Condvar,
    /// For readers and ticket holders: the end moved, or never will.
    pub(crate) moved: Condvar,
    /// For callers of maintenance: a round is done, or never will be.
    pub(crate) maintained: Condvar,
    subscribers: Mutex<Subscribers>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("directory", &self.config.directory)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        config: SpoolConfig,
        identity: Identity,
        state: State,
    ) -> Self {
        Self {
            backend,
            clock,
            config,
            identity,
            state: Mutex::new(state),
            work: Condvar::new(),
            room: Condvar::new(),
            moved: Condvar::new(),
            maintained: Condvar::new(),
            subscribers: Mutex::default(),
        }
    }

    /// The state. No code panics while it holds the lock, so a poisoned mutex is sound too.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everybody who may be waiting, because the state changed for good.
    pub(crate) fn wake_all(&self) {
        self.work.notify_all();
        self.room.notify_all();
        self.moved.notify_all();
        self.maintained.notify_all();
    }

    pub(crate) fn subscribe(&self, hook: Hook) -> u64 {
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        subscribers.last_id += 1;
        let id = subscribers.last_id;
        subscribers.hooks.push((id, Arc::from(hook)));
        id
    }

    pub(crate) fn unsubscribe(&self, id: u64) {
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        subscribers.hooks.retain(|(of, _)| *of != id);
    }

    /// Calls the subscribers, without any lock, so that they may call the spool.
    pub(crate) fn call_subscribers(&self) {
        let hooks = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .hooks
            .clone();
        for (_, hook) in hooks {
            hook();
        }
    }
}

/// Called after commits; see [`Spool::subscribe`](crate::Spool::subscribe).
pub(crate) type Hook = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Subscribers {
    hooks: Vec<(u64, Arc<dyn Fn() + Send + Sync>)>,
    last_id: u64,
}

/// The mutable part.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: VecDeque<Queued>,
    /// Bytes queued or being written; given back when they are durable.
    pub(crate) queue_bytes: usize,
    /// The sequence of the next record to be queued.
    pub(crate) next_sequence: u64,
    /// Bytes queued since a sequence was last used up; see [`State::take_sequences`].
    pub(crate) bytes_without_sequence: u64,
    /// Where a segment is ended.
    pub(crate) segment_limit: u64,
    /// Number of the newest batch queued; batches are numbered from 1.
    pub(crate) appended: u64,
    /// Number of the newest batch that somebody waits for.
    pub(crate) wanted: u64,
    /// Number of the newest durable batch.
    pub(crate) committed: u64,
    /// The sequence after the last durable record.
    pub(crate) head: u64,
    /// The durable end.
    pub(crate) end: Position,
    pub(crate) segments: BTreeMap<u64, SegmentInfo>,
    pub(crate) tail: Tail,
    /// The newest control frame of each tag in the segments from `indexed_from` on.
    pub(crate) controls: BTreeMap<u8, Position>,
    /// The segment that was the last on opening; older ones are searched when asked for.
    pub(crate) indexed_from: u64,
    pub(crate) pins: BTreeMap<u64, PinState>,
    pub(crate) last_pin: u64,
    /// The spool is at its limit and a pin holds its oldest segment.
    pub(crate) pinned_full: Option<Full>,
    /// The disk refused the last write for want of room; it is tried again.
    pub(crate) disk_full: bool,
    pub(crate) life: Life,
    /// Rounds of maintenance asked for, and done.
    pub(crate) maintenance_wanted: u64,
    pub(crate) maintenance_done: u64,
    pub(crate) counters: Counters,
}

/// How far the spool is from its end.
#[derive(Clone, Debug)]
pub(crate) enum Life {
    /// Takes batches.
    Open,
    /// Takes no more; the writer finishes what is queued.
    Closing,
    /// The writer has ended in order.
    Closed,
    /// A write failed; the writer has ended.
    Poisoned(Arc<str>),
}

/// A batch with its sequence, waiting for the writer.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) batch: Prepared,
    pub(crate) first_sequence: u64,
    /// The sequence before it is used up by a frame of its own.
    pub(crate) skip_before: bool,
}

#[derive(Debug)]
pub(crate) struct PinState {
    pub(crate) name: String,
    pub(crate) sequence: u64,
}

/// What may be done about the oldest segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Oldest {
    /// It is to be removed.
    Remove(u64),
    /// It stays; all is within the limits.
    Keep,
    /// It would have to go, but is needed by the named pin.
    Held { pin: String, over_limit: bool },
}

impl State {
    /// The state after recovery.
    pub(crate) fn new(
        config: &SpoolConfig,
        segments: BTreeMap<u64, SegmentInfo>,
        controls: BTreeMap<u8, Position>,
        end: Position,
        disk_bytes: u64,
    ) -> Self {
        let limit_bytes = config.limit_bytes(disk_bytes);
        Self {
            queue: VecDeque::new(),
            queue_bytes: 0,
            next_sequence: end.sequence,
            bytes_without_sequence: if end.sequence > end.segment {
                0
            } else {
                end.offset
            },
            segment_limit: config.segment_limit(limit_bytes),
            appended: 0,
            wanted: 0,
            committed: 0,
            head: end.sequence,
            end,
            segments,
            tail: Tail::new(config.tail_bytes),
            controls,
            indexed_from: end.segment,
            pins: BTreeMap::new(),
            last_pin: 0,
            pinned_full: None,
            disk_full: false,
            life: Life::Open,
            maintenance_wanted: 0,
            maintenance_done: 0,
            counters: Counters {
                limit_bytes,
                ..Counters::default()
            },
        }
    }

    /// Gives a batch its sequences: the first, and whether the one before it is to be used up.
    ///
    /// Segments are named by their first sequence, so a segment must not end before it has used
    /// one up. Were nothing but control frames appended, it would grow without end; so after half
    /// a segment of them a sequence is spent.
    pub(crate) fn take_sequences(&mut self, batch: &Prepared) -> Option<(u64, bool)> {
        let unnamed_bytes = self
            .bytes_without_sequence
            .saturating_add(batch.payload.len() as u64);
        let skip_before = batch.count == 0 && unnamed_bytes > self.segment_limit / 2;
        let first_sequence = self.next_sequence.checked_add(u64::from(skip_before))?;
        self.next_sequence = first_sequence.checked_add(u64::from(batch.count))?;
        self.bytes_without_sequence = if batch.count == 0 && !skip_before {
            unnamed_bytes
        } else {
            0
        };
        Some((first_sequence, skip_before))
    }

    /// Whether batches are taken, apart from the queue's capacity.
    pub(crate) fn check_open(&self) -> Result<(), SpoolError> {
        match &self.life {
            Life::Open => {}
            Life::Closing | Life::Closed => return Err(SpoolError::Closed),
            Life::Poisoned(cause) => {
                return Err(SpoolError::Poisoned {
                    cause: Arc::clone(cause),
                });
            }
        }
        if self.disk_full {
            return Err(SpoolError::Full(Full::Disk));
        }
        match &self.pinned_full {
            Some(full) => Err(SpoolError::Full(full.clone())),
            None => Ok(()),
        }
    }

    /// Counts a batch that was not taken.
    pub(crate) fn count_refusal(&mut self, error: &SpoolError) {
        match error {
            SpoolError::Full(Full::Queue { .. }) => self.counters.refused_queue += 1,
            SpoolError::Full(Full::Pinned { .. }) => self.counters.refused_pinned += 1,
            SpoolError::Full(Full::Disk) => self.counters.refused_disk += 1,
            // The others are not for want of room; their owner hears of them.
            _ => {}
        }
    }

    pub(crate) fn stats(&self, config: &SpoolConfig) -> SpoolStats {
        let counters = &self.counters;
        SpoolStats {
            bytes: self.bytes(),
            limit_bytes: counters.limit_bytes,
            segments: self.segments.len(),
            head: self.head,
            oldest: self.oldest_sequence(),
            queue_bytes: self.queue_bytes,
            queue_capacity_bytes: config.queue_bytes,
            tail_bytes: self.tail.bytes(),
            commits: counters.commits,
            frames: counters.frames,
            events: counters.events,
            written_bytes: counters.written_bytes,
            last_sync_ns: counters.last_sync_ns,
            refused_queue: counters.refused_queue,
            refused_pinned: counters.refused_pinned,
            refused_disk: counters.refused_disk,
            segments_removed: counters.segments_removed,
            removals_failed: counters.removals_failed,
            held_by: counters.held_by.clone(),
            damage_met: counters.damage_met,
            disk_full: self.disk_full,
            poisoned: match &self.life {
                Life::Poisoned(cause) => Some(Arc::clone(cause)),
                Life::Open | Life::Closing | Life::Closed => None,
            },
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.life, Life::Closing)
    }

    /// Whether the writer has ended, so that nothing will move any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.life, Life::Closed | Life::Poisoned(_))
    }

    /// Bytes in all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.length).sum()
    }

    /// The oldest sequence kept.
    pub(crate) fn oldest_sequence(&self) -> u64 {
        self.segments
            .first_key_value()
            .map_or(self.head, |(first, _)| *first)
    }

    /// The segment that holds a sequence, or the oldest one.
    pub(crate) fn segment_of(&self, sequence: u64) -> u64 {
        let holding = self.segments.range(..=sequence).next_back();
        holding.map_or_else(|| self.oldest_sequence(), |(first, _)| *first)
    }

    /// Where a reader starts that wants a sequence and those behind it.
    pub(crate) fn find(&self, sequence: u64) -> Position {
        if let Some(frame) = self.tail.find(sequence) {
            return frame.position();
        }
        let segment = self.segment_of(sequence);
        if sequence == self.head && sequence > segment {
            return self.end;
        }
        Position {
            segment,
            offset: 0,
            sequence,
        }
    }

    /// Whether no pin needs the oldest segment any more.
    pub(crate) fn is_released(&self) -> bool {
        let end = next_first(&self.segments, self.oldest_sequence());
        end.is_none_or(|end| self.pins.values().all(|pin| pin.sequence >= end))
    }

    /// Durable bytes behind a position.
    pub(crate) fn bytes_behind(&self, position: Position) -> u64 {
        let behind = self.segments.range(position.segment..);
        behind
            .map(|(first, segment)| {
                let from = if *first == position.segment {
                    position.offset
                } else {
                    0
                };
                segment.length.saturating_sub(from)
            })
            .sum()
    }

    /// Decides about the oldest segment, given the age that is too old; the newest is never removed.
    pub(crate) fn judge_oldest(&self, oldest_ns: i64) -> Oldest {
        let Some(first) = self.segments.keys().next() else {
            return Oldest::Keep;
        };
        let Some(end) = next_first(&self.segments, *first) else {
            return Oldest::Keep;
        };
        let over_limit = self.bytes() > self.counters.limit_bytes;
        // Nothing in a segment is younger than the beginning of the next one.
        let too_old = self
            .segments
            .get(&end)
            .is_some_and(|next| next.created_ns <= oldest_ns);
        if !over_limit && !too_old {
            return Oldest::Keep;
        }
        match self.pins.values().find(|pin| pin.sequence < end) {
            Some(pin) => Oldest::Held {
                pin: pin.name.clone(),
                over_limit,
            },
            None => Oldest::Remove(*first),
        }
    }

    /// Refuses batches while a pin keeps the spool over its limit, and takes them again after.
    pub(crate) fn note_verdict(&mut self, verdict: &Oldest) {
        (self.counters.held_by, self.pinned_full) = match verdict {
            Oldest::Held { pin, over_limit } => {
                let (bytes, limit_bytes) = (self.bytes(), self.counters.limit_bytes);
                let full = Full::Pinned {
                    bytes,
                    limit_bytes,
                    pin: pin.clone(),
                };
                (Some(pin.clone()), over_limit.then_some(full))
            }
            Oldest::Keep | Oldest::Remove(_) => (None, None),
        };
    }

    /// Forgets a segment whose file is gone.
    pub(crate) fn forget_segment(&mut self, first_sequence: u64) {
        self.segments.remove(&first_sequence);
        self.controls
            .retain(|_, position| position.segment != first_sequence);
    }
}
