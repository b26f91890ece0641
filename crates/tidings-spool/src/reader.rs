//! A reader: one position in the spool, moving forward over what is committed.

use std::ops::Range;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use crate::backend::OpenMode;
use crate::cursor::{Check, Damage, DamageReason, SegmentCursor, SegmentFacts, Step};
use crate::error::SpoolError;
use crate::files::next_first;
use crate::frame::{Frame, FrameHeader, Position};
use crate::segment::segment_path;
use crate::state::{Life, Shared, State};

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At an event. The first frame delivered may begin before it: frames come whole. Control
    /// frames written directly before the event may be delivered too.
    Sequence(u64),
    /// Exactly at a place that a frame or another reader told.
    Position(Position),
}

impl From<u64> for Start {
    fn from(sequence: u64) -> Self {
        Self::Sequence(sequence)
    }
}

impl From<Position> for Start {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The next committed batch.
    Frame(Arc<Frame>),
    /// Something that was there, or should be, is not.
    Gap(Gap),
}

/// A stretch that a reader cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The sequences missed; empty when only control frames can be missing.
    pub sequences: Range<u64>,
    /// Why.
    pub reason: GapReason,
}

/// Why a reader misses something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// Retention removed it before it was read.
    Removed,
    /// The medium damaged it.
    Damaged(Damage),
    /// An earlier repair or recovery found it lost.
    Lost,
}

/// How far a reader is behind the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Events not yet read.
    pub events: u64,
    /// Bytes on disk not yet read.
    pub bytes: u64,
}

/// Reads committed frames in order, from memory where they are recent, else from disk.
///
/// A reader never slows the writer or another reader. It does not keep what it has still to read:
/// that does a [`Pin`](crate::Pin).
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    /// Where the next frame begins. Before the first frame of a segment was found, `offset` is 0
    /// and `sequence` the one that is looked for.
    at: Position,
    cursor: Option<SegmentCursor>,
}

/// Where the next frame is to be had.
enum Source {
    Memory(Arc<Frame>),
    Disk { facts: SegmentFacts, limit: u64 },
    Removed { next_segment: u64 },
    Nothing,
}

impl Reader {
    pub(crate) fn new(shared: &Arc<Shared>, start: Start) -> Result<Self, SpoolError> {
        let state = shared.lock();
        let at = match start {
            Start::Position(position) => position,
            Start::Sequence(sequence) => state.find(sequence.max(1)),
        };
        if at.sequence > state.head {
            return Err(SpoolError::Ahead {
                from: at.sequence,
                head: state.head,
            });
        }
        drop(state);
        Ok(Self {
            shared: Arc::clone(shared),
            at,
            cursor: None,
        })
    }

    /// The next frame or gap; waits up to about `timeout` for one to be committed. Nothing means
    /// that there was none.
    ///
    /// # Errors
    /// At the end of a spool that is closed or poisoned, [`SpoolError::Closed`] or
    /// [`SpoolError::Poisoned`]; when the medium cannot be read, [`SpoolError::Io`]: the reader
    /// stands where it stood, and may try again.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Delivery>, SpoolError> {
        loop {
            let delivery = match self.look(timeout)? {
                Source::Memory(frame) => Some(self.take(frame)),
                Source::Disk { facts, limit } => self.read(facts, limit)?,
                Source::Removed { next_segment } => self.enter(next_segment),
                Source::Nothing => return Ok(None),
            };
            if delivery.is_some() {
                return Ok(delivery);
            }
        }
    }

    /// Where the reader stands; a reader started there goes on as this one.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// The sequence of the next event that the reader has not delivered.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.at.sequence
    }

    /// How far it is behind the end.
    #[must_use]
    pub fn behind(&self) -> Behind {
        let state = self.shared.lock();
        let events = state.head.saturating_sub(self.at.sequence);
        Behind {
            events,
            bytes: state.bytes_behind(self.at),
        }
    }

    /// Leaves out everything up to the end, and tells which sequences that were.
    pub fn skip_to_end(&mut self) -> Range<u64> {
        let end = self.shared.lock().end;
        let from = self.at.sequence;
        self.at = end;
        self.cursor = None;
        from..end.sequence
    }

    /// Waits for something to read and finds where it is.
    fn look(&self, timeout: Duration) -> Result<Source, SpoolError> {
        let state = self.wait(timeout);
        if let Some(frame) = state.tail.at_or_after(self.at) {
            return Ok(Source::Memory(Arc::clone(frame)));
        }
        if state.end.place() <= self.at.place() {
            return match &state.life {
                Life::Open | Life::Closing => Ok(Source::Nothing),
                Life::Closed => Err(SpoolError::Closed),
                Life::Poisoned(cause) => Err(SpoolError::Poisoned {
                    cause: Arc::clone(cause),
                }),
            };
        }
        let first_sequence = self.at.segment;
        let next = next_first(&state.segments, first_sequence);
        match state.segments.get(&first_sequence) {
            Some(segment) => {
                let identity = self.shared.identity;
                let facts = SegmentFacts {
                    identity,
                    first_sequence,
                    next_first: next,
                };
                Ok(Source::Disk {
                    facts,
                    limit: segment.length,
                })
            }
            // The newest segment is never removed, so there is always a next one.
            None => Ok(
                next.map_or(Source::Nothing, |next_segment| Source::Removed {
                    next_segment,
                }),
            ),
        }
    }

    fn wait(&self, timeout: Duration) -> MutexGuard<'_, State> {
        let state = self.shared.lock();
        if timeout.is_zero() {
            return state;
        }
        let must_wait =
            |state: &mut State| state.end.place() <= self.at.place() && !state.is_over();
        let waited = self
            .shared
            .moved
            .wait_timeout_while(state, timeout, must_wait);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn take(&mut self, frame: Arc<Frame>) -> Delivery {
        self.at = frame.next_position();
        self.cursor = None;
        Delivery::Frame(frame)
    }

    /// Goes to the beginning of a segment; what lies between is gone.
    fn enter(&mut self, segment: u64) -> Option<Delivery> {
        let missed = self.at.sequence..segment;
        self.cursor = None;
        self.at = Position {
            segment,
            offset: 0,
            sequence: self.at.sequence.max(segment),
        };
        let gap = Gap {
            sequences: missed,
            reason: GapReason::Removed,
        };
        (!gap.sequences.is_empty()).then_some(Delivery::Gap(gap))
    }

    /// Reads on in a segment until there is something to deliver; nothing at its committed end.
    fn read(&mut self, facts: SegmentFacts, limit: u64) -> Result<Option<Delivery>, SpoolError> {
        if self.at.sequence < facts.first_sequence {
            return Ok(self.enter(facts.first_sequence));
        }
        let path = segment_path(&self.shared.config.directory, facts.first_sequence);
        let failed = |error| SpoolError::io("read", &path, error);
        let Some(mut cursor) = self.cursor(facts, limit)? else {
            return Ok(None);
        };
        let delivery = loop {
            let wanted_from = self.at.sequence;
            let step = cursor.step(Check::All).map_err(failed)?;
            self.at = cursor.position();
            let delivery = match step {
                Step::Frame { header, offset } => {
                    let position = Position {
                        offset,
                        sequence: header.first_sequence,
                        ..self.at
                    };
                    let stored = cursor.payload().map_err(failed)?;
                    self.frame(&header, stored, position)
                }
                Step::Lost(lost) => {
                    Some(gap(wanted_from.max(lost.start)..lost.end, GapReason::Lost))
                }
                Step::Damage(damage) => self.damaged(damage, wanted_from),
                Step::End => {
                    if let Some(next_segment) = facts.next_first {
                        break self.enter(next_segment);
                    }
                    break None;
                }
            };
            if delivery.is_some() {
                break delivery;
            }
        };
        if self.at.segment == facts.first_sequence {
            self.cursor = Some(cursor);
        }
        Ok(delivery)
    }

    /// A cursor at the reader's place; nothing if the segment was removed meanwhile.
    fn cursor(
        &mut self,
        facts: SegmentFacts,
        limit: u64,
    ) -> Result<Option<SegmentCursor>, SpoolError> {
        let path = segment_path(&self.shared.config.directory, facts.first_sequence);
        let failed = |error| SpoolError::io("read", &path, error);
        let mut cursor = match self.cursor.take() {
            Some(cursor) if cursor.facts().first_sequence == facts.first_sequence => cursor,
            _ => match self.shared.backend.open(&path, OpenMode::Read) {
                Ok(file) => SegmentCursor::new(file, facts, limit),
                Err(error)
                    if self
                        .shared
                        .lock()
                        .segments
                        .contains_key(&facts.first_sequence) =>
                {
                    return Err(failed(error));
                }
                Err(_) => return Ok(None),
            },
        };
        cursor.extend(limit, facts.next_first);
        if self.at.offset > 0 {
            cursor.jump(self.at.offset, self.at.sequence);
        } else if self.at.sequence > facts.first_sequence {
            cursor.seek(self.at.sequence).map_err(failed)?;
        }
        Ok(Some(cursor))
    }

    /// The frame with that header, unless it is one of the spool's own or cannot be decompressed.
    fn frame(&self, header: &FrameHeader, stored: &[u8], position: Position) -> Option<Delivery> {
        match header.decode_payload(stored) {
            Ok(Some(batch)) => Some(Delivery::Frame(Arc::new(Frame::of(
                batch, position, self.at,
            )))),
            Ok(None) => None,
            Err(error) => {
                let lost = header.first_sequence..header.end_sequence();
                let reason = DamageReason::Frame(error);
                self.damaged(
                    Damage {
                        position,
                        bytes: header.frame_bytes(),
                        lost,
                        reason,
                    },
                    0,
                )
            }
        }
    }

    /// A gap for what the reader has not read before.
    fn damaged(&self, damage: Damage, wanted_from: u64) -> Option<Delivery> {
        self.shared.lock().counters.damage_met += 1;
        if damage.lost.is_empty() {
            return Some(gap(damage.lost.clone(), GapReason::Damaged(damage)));
        }
        let sequences = wanted_from.max(damage.lost.start)..damage.lost.end;
        (!sequences.is_empty()).then(|| gap(sequences, GapReason::Damaged(damage)))
    }
}

fn gap(sequences: Range<u64>, reason: GapReason) -> Delivery {
    Delivery::Gap(Gap { sequences, reason })
}
