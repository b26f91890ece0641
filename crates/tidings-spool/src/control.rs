//! Finding what the spool's owner stored for itself: the newest snapshot, and the checkpoints since.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::OpenMode;
use crate::batch::Kind;
use crate::cursor::{Check, SegmentCursor, SegmentFacts, Step};
use crate::error::SpoolError;
use crate::files::next_first;
use crate::frame::{FrameHeader, Position, Role};
use crate::reader::{Delivery, Gap, Reader};
use crate::segment::segment_path;
use crate::state::{Shared, State};

/// The newest control frame of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The sequence of the next event behind it.
    pub sequence: u64,
    /// Where to read on to get all that came after it, and nothing that came before.
    pub next_position: Position,
    /// What was stored.
    pub bytes: Vec<u8>,
}

/// A note where the sources stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The events committed together with it; may be empty.
    pub sequences: Range<u64>,
    /// What was stored.
    pub bytes: Vec<u8>,
}

/// Walks the checkpoints of a stretch of the spool, oldest first; see
/// [`Spool::checkpoints`](crate::Spool::checkpoints).
#[derive(Debug)]
pub struct Checkpoints {
    reader: Reader,
    end: Position,
    gaps: Vec<Gap>,
}

impl Checkpoints {
    pub(crate) fn new(reader: Reader, end: Position) -> Self {
        Self {
            reader,
            end,
            gaps: Vec::new(),
        }
    }

    /// The stretches met so far in which checkpoints may be missing.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }
}

impl Iterator for Checkpoints {
    type Item = Result<Checkpoint, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.reader.position().place() < self.end.place() {
            match self.reader.next(Duration::ZERO) {
                Ok(Some(Delivery::Frame(frame))) => {
                    if let Some(bytes) = frame.checkpoint() {
                        return Some(Ok(Checkpoint {
                            sequences: frame.sequences(),
                            bytes: bytes.to_vec(),
                        }));
                    }
                }
                Ok(Some(Delivery::Gap(gap))) => self.gaps.push(gap),
                Ok(None) | Err(SpoolError::Closed | SpoolError::Poisoned { .. }) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

/// The newest sound control frame of a tag. If the newest is damaged, the one before it.
pub(crate) fn last_control(shared: &Arc<Shared>, tag: u8) -> Result<Option<Control>, SpoolError> {
    let (indexed, indexed_from) = {
        let state = shared.lock();
        (state.controls.get(&tag).copied(), state.indexed_from)
    };
    let unindexed = Position {
        segment: indexed_from,
        offset: 0,
        sequence: 0,
    };
    let mut found = match indexed {
        Some(position) => Some(position),
        None => find_before(shared, tag, unindexed)?,
    };
    while let Some(position) = found {
        if let Some(control) = load(shared, tag, position)? {
            return Ok(Some(control));
        }
        found = find_before(shared, tag, position)?;
    }
    Ok(None)
}

/// The last control frame of a tag before a place, by headers only.
fn find_before(
    shared: &Arc<Shared>,
    tag: u8,
    before: Position,
) -> Result<Option<Position>, SpoolError> {
    let segments: Vec<u64> = shared
        .lock()
        .segments
        .range(..=before.segment)
        .map(|(first, _)| *first)
        .collect();
    for segment in segments.into_iter().rev() {
        let Some(mut cursor) = open(shared, segment)? else {
            continue;
        };
        let limit = if segment == before.segment {
            before.offset
        } else {
            u64::MAX
        };
        if let Some(position) =
            find_in(&mut cursor, tag, limit).map_err(|error| failed(shared, segment, error))?
        {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

fn find_in(cursor: &mut SegmentCursor, tag: u8, limit: u64) -> std::io::Result<Option<Position>> {
    let mut last = None;
    while cursor.offset() < limit {
        match cursor.step(Check::Headers)? {
            Step::Frame { header, offset } if offset < limit && has_tag(&header, tag) => {
                last = Some(Position {
                    offset,
                    sequence: header.first_sequence,
                    ..cursor.position()
                });
            }
            Step::End => break,
            Step::Frame { .. } | Step::Lost(_) | Step::Damage(_) => {}
        }
    }
    Ok(last)
}

/// Reads a control frame; nothing if it is damaged or gone.
fn load(shared: &Arc<Shared>, tag: u8, position: Position) -> Result<Option<Control>, SpoolError> {
    let Some(mut cursor) = open(shared, position.segment)? else {
        return Ok(None);
    };
    cursor.jump(position.offset, position.sequence);
    let failed = |error| failed(shared, position.segment, error);
    let Step::Frame { header, .. } = cursor.step(Check::All).map_err(failed)? else {
        return Ok(None);
    };
    let next_position = cursor.position();
    let batch = header.decode_payload(cursor.payload().map_err(failed)?);
    Ok(batch
        .ok()
        .flatten()
        .filter(|_| has_tag(&header, tag))
        .map(|batch| Control {
            sequence: header.first_sequence,
            next_position,
            bytes: batch.into_batch().records,
        }))
}

fn has_tag(header: &FrameHeader, tag: u8) -> bool {
    header.role == Role::Batch(Kind::Control { tag })
}

/// A cursor at the beginning of a segment; nothing if it has been removed.
fn open(shared: &Arc<Shared>, segment: u64) -> Result<Option<SegmentCursor>, SpoolError> {
    let known = |state: &State| {
        let next = next_first(&state.segments, segment);
        state.segments.get(&segment).map(|info| (info.length, next))
    };
    let Some((length, next_first)) = known(&shared.lock()) else {
        return Ok(None);
    };
    let path = segment_path(&shared.config.directory, segment);
    match shared.backend.open(&path, OpenMode::Read) {
        Ok(file) => {
            let facts = SegmentFacts {
                identity: shared.identity,
                first_sequence: segment,
                next_first,
            };
            Ok(Some(SegmentCursor::new(file, facts, length)))
        }
        Err(error) if known(&shared.lock()).is_some() => Err(SpoolError::io("open", &path, error)),
        Err(_) => Ok(None),
    }
}

fn failed(shared: &Shared, segment: u64, error: std::io::Error) -> SpoolError {
    SpoolError::io(
        "read",
        &segment_path(&shared.config.directory, segment),
        error,
    )
}
