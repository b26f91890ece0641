//! Walks the frames of one segment, and finds the way again behind damaged bytes.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::File;
use crate::frame::{
    FRAME_HEADER_BYTES, FRAME_MAGIC, FrameError, FrameHeader, Position, Role, seed_of,
};
use crate::segment::{Identity, SEGMENT_HEADER_BYTES, SegmentError, SegmentHeader};

/// What is read at once when all payloads are wanted.
const READ_BYTES: usize = 256 << 10;
/// What is read at once when payloads are hopped over.
const HOP_BYTES: usize = 4 << 10;
/// Granularity in which an unreadable stretch is read around.
const SECTOR_BYTES: usize = 512;

/// Bytes of a segment that are not what was written, and the events that are lost with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the damage begins.
    pub position: Position,
    /// How many bytes are unusable; 0 where frames are missing without a trace.
    pub bytes: u64,
    /// The sequences that are lost; empty if only control frames or the segment's header are.
    pub lost: Range<u64>,
    /// What was found.
    pub reason: DamageReason,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at {}: {}; ",
            self.bytes, self.position, self.reason
        )?;
        if self.lost.is_empty() {
            write!(f, "no event is lost")
        } else {
            write!(
                f,
                "events {} to {} are lost",
                self.lost.start,
                self.lost.end - 1
            )
        }
    }
}

/// What kind of damage was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageReason {
    /// The segment's header; its frames may be sound.
    SegmentHeader(SegmentError),
    /// A frame.
    Frame(FrameError),
    /// A sound frame whose sequence does not fit here.
    OutOfOrder,
    /// The frames before the next frame or the next segment are missing.
    Missing,
}

impl fmt::Display for DamageReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentHeader(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::OutOfOrder => f.write_str("the frame does not follow the one before"),
            Self::Missing => f.write_str("frames are missing"),
        }
    }
}

/// What the cursor found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A sound frame; [`SegmentCursor::payload`] has its stored payload.
    Frame { header: FrameHeader, offset: u64 },
    /// Sequences that an earlier repair found to be lost.
    Lost(Range<u64>),
    /// Unusable bytes; the next step goes on behind them.
    Damage(Damage),
    /// Nothing more before the limit.
    End,
}

/// How thoroughly a step looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Header and payload.
    All,
    /// The header only; the payload is not read.
    Headers,
}

/// What a cursor has to know about its segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentFacts {
    pub(crate) identity: Identity,
    pub(crate) first_sequence: u64,
    /// First sequence of the next segment, where this one therefore has to end.
    pub(crate) next_first: Option<u64>,
}

/// A walk through one segment.
#[derive(Debug)]
pub(crate) struct SegmentCursor {
    file: Arc<dyn File>,
    facts: SegmentFacts,
    seed: u32,
    /// Where the next frame should begin; 0 before the segment's header.
    offset: u64,
    /// Bytes of the file that count; what lies behind is not committed.
    limit: u64,
    /// The sequence that should come next.
    expected: u64,
    buffer: Vec<u8>,
    buffer_offset: u64,
    /// Where the payload of the last frame lies in the file.
    payload: Range<u64>,
    /// Unreadable sectors count as zeros instead of failing.
    lossy: bool,
    unreadable_sectors: u64,
    created_ns: Option<i64>,
}

impl SegmentCursor {
    /// A cursor before the segment's header.
    pub(crate) fn new(file: Arc<dyn File>, facts: SegmentFacts, limit: u64) -> Self {
        Self {
            file,
            facts,
            seed: seed_of(facts.identity.epoch),
            offset: 0,
            limit,
            expected: facts.first_sequence,
            buffer: Vec::new(),
            buffer_offset: 0,
            payload: 0..0,
            lossy: false,
            unreadable_sectors: 0,
            created_ns: None,
        }
    }

    /// Lets unreadable sectors be damage instead of errors.
    pub(crate) fn lossy(mut self) -> Self {
        self.lossy = true;
        self
    }

    /// Goes to a place where a frame is known to begin.
    pub(crate) fn jump(&mut self, offset: u64, expected: u64) {
        self.offset = offset;
        self.expected = expected;
    }

    /// Tells what has become known since: more committed bytes, or the next segment.
    pub(crate) fn extend(&mut self, limit: u64, next_first: Option<u64>) {
        self.limit = limit;
        self.facts.next_first = next_first;
    }

    pub(crate) fn facts(&self) -> &SegmentFacts {
        &self.facts
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the cursor stands.
    pub(crate) fn position(&self) -> Position {
        Position {
            segment: self.facts.first_sequence,
            offset: self.offset,
            sequence: self.expected,
        }
    }

    /// The sequence that the next frame should have.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    pub(crate) fn unreadable_sectors(&self) -> u64 {
        self.unreadable_sectors
    }

    /// When the segment was begun, if its header was read and is sound.
    pub(crate) fn created_ns(&self) -> Option<i64> {
        self.created_ns
    }

    /// The stored payload of the frame that the last step found.
    pub(crate) fn payload(&mut self) -> io::Result<&[u8]> {
        // Usually already there; a lossy cursor may find zeros again, as the step did.
        let Range { start, end } = self.payload;
        self.bytes(start, bytes_between(start, end), READ_BYTES)
    }

    /// The next thing in the segment. After an error the cursor stands where it stood.
    pub(crate) fn step(&mut self, check: Check) -> io::Result<Step> {
        if self.offset == 0
            && let Some(damage) = self.segment_header()?
        {
            return Ok(Step::Damage(damage));
        }
        if self.offset >= self.limit {
            return Ok(self.end());
        }
        match self.frame_at(self.offset, check)? {
            Ok(header) if header.first_sequence == self.expected => self.accept(header),
            Ok(header) if self.fits(&header) => Ok(self.missing_before(header.first_sequence)),
            Ok(_) => self.resynchronise(DamageReason::OutOfOrder),
            Err(error) => self.resynchronise(DamageReason::Frame(error)),
        }
    }

    /// Goes, by headers, to the first frame that ends behind `sequence`, or holds control bytes at
    /// it, or to the damage that may have held it.
    pub(crate) fn seek(&mut self, sequence: u64) -> io::Result<()> {
        loop {
            let before = (self.offset, self.expected);
            let found = match self.step(Check::Headers)? {
                Step::Frame { header, .. } => {
                    header.end_sequence() > sequence || header.first_sequence == sequence
                }
                Step::Lost(range) => range.end > sequence,
                Step::Damage(damage) => damage.lost.end > sequence,
                Step::End => return Ok(()),
            };
            if found {
                (self.offset, self.expected) = before;
                return Ok(());
            }
        }
    }

    fn segment_header(&mut self) -> io::Result<Option<Damage>> {
        let length = self.limit.min(SEGMENT_HEADER_BYTES as u64);
        let facts = self.facts;
        let bytes = self.bytes(0, bytes_between(0, length), HOP_BYTES)?;
        let result = SegmentHeader::decode_of(bytes, facts.first_sequence, facts.identity);
        self.offset = SEGMENT_HEADER_BYTES as u64;
        self.created_ns = result.as_ref().ok().map(|header| header.created_ns);
        Ok(result
            .err()
            .map(|error| self.damage(0, length, self.expected, DamageReason::SegmentHeader(error))))
    }

    /// The frame at a place, if there is a sound one.
    fn frame_at(
        &mut self,
        offset: u64,
        check: Check,
    ) -> io::Result<Result<FrameHeader, FrameError>> {
        let body = offset + FRAME_HEADER_BYTES as u64;
        if body > self.limit {
            return Ok(Err(FrameError::Truncated));
        }
        let at_once = if check == Check::All {
            READ_BYTES
        } else {
            HOP_BYTES
        };
        let seed = self.seed;
        let bytes = self.bytes(offset, FRAME_HEADER_BYTES, at_once)?;
        let bytes = bytes.first_chunk().expect("as many bytes as asked for");
        let header = match FrameHeader::decode(bytes, seed) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error)),
        };
        let end = offset + header.frame_bytes();
        if end > self.limit {
            return Ok(Err(FrameError::Truncated));
        }
        if check == Check::All || header.role == Role::Lost {
            let stored = self.bytes(body, header.length as usize, at_once)?;
            if let Err(error) = header.check_payload(stored) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(header))
    }

    fn accept(&mut self, header: FrameHeader) -> io::Result<Step> {
        let offset = self.offset;
        let end = offset + header.frame_bytes();
        self.payload = offset + FRAME_HEADER_BYTES as u64..end;
        if header.role == Role::Lost {
            let start = self.expected;
            let until = self
                .payload()?
                .first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes));
            if until <= start || self.facts.next_first.is_some_and(|next| until > next) {
                return self.resynchronise(DamageReason::OutOfOrder);
            }
            (self.offset, self.expected) = (end, until);
            return Ok(Step::Lost(start..until));
        }
        (self.offset, self.expected) = (end, header.end_sequence());
        Ok(Step::Frame { header, offset })
    }

    /// Whether a frame may come next, perhaps behind lost ones.
    fn fits(&self, header: &FrameHeader) -> bool {
        let in_bounds = self
            .facts
            .next_first
            .is_none_or(|next| header.end_sequence() <= next);
        header.first_sequence >= self.expected && in_bounds
    }

    fn missing_before(&mut self, sequence: u64) -> Step {
        let damage = self.damage(self.offset, 0, sequence, DamageReason::Missing);
        self.expected = sequence;
        Step::Damage(damage)
    }

    fn end(&mut self) -> Step {
        match self.facts.next_first {
            Some(next) if next > self.expected => self.missing_before(next),
            _ => Step::End,
        }
    }

    /// Finds the next frame behind a place that holds none, and goes there.
    fn resynchronise(&mut self, reason: DamageReason) -> io::Result<Step> {
        let start = self.offset;
        let found = self.next_frame_after(start)?;
        let (offset, expected) = match found {
            Some((offset, header)) => (offset, header.first_sequence),
            None => (self.limit, self.facts.next_first.unwrap_or(self.expected)),
        };
        let damage = self.damage(start, offset - start, expected, reason);
        (self.offset, self.expected) = (offset, expected);
        Ok(Step::Damage(damage))
    }

    /// The first place behind `start` that has a frame with a sound header and a sequence that may
    /// come next.
    fn next_frame_after(&mut self, start: u64) -> io::Result<Option<(u64, FrameHeader)>> {
        // What lies inside a frame with a sound header is payload, whatever it looks like.
        let from = match self.frame_at(start, Check::Headers)? {
            Ok(header) => start + header.frame_bytes(),
            Err(_) => start + 1,
        };
        if let Some(found) = self.fitting_at(from)? {
            return Ok(Some(found));
        }
        let mut from = from + 1;
        while let Some(offset) = self.find_magic(from)? {
            if let Some(found) = self.fitting_at(offset)? {
                return Ok(Some(found));
            }
            from = offset + 1;
        }
        Ok(None)
    }

    fn fitting_at(&mut self, offset: u64) -> io::Result<Option<(u64, FrameHeader)>> {
        let header = self.frame_at(offset, Check::Headers)?;
        Ok(header
            .ok()
            .filter(|header| self.fits(header))
            .map(|header| (offset, header)))
    }

    fn find_magic(&mut self, mut from: u64) -> io::Result<Option<u64>> {
        while from + FRAME_HEADER_BYTES as u64 <= self.limit {
            let length = bytes_between(from, self.limit).min(READ_BYTES);
            let window = self.bytes(from, length, READ_BYTES)?;
            if let Some(at) = window
                .windows(FRAME_MAGIC.len())
                .position(|four| four == FRAME_MAGIC)
            {
                return Ok(Some(from + at as u64));
            }
            // The last three bytes may begin what the next window ends.
            from += (length - (FRAME_MAGIC.len() - 1)) as u64;
        }
        Ok(None)
    }

    fn damage(&self, offset: u64, bytes: u64, lost_end: u64, reason: DamageReason) -> Damage {
        let position = Position {
            segment: self.facts.first_sequence,
            offset,
            sequence: self.expected,
        };
        Damage {
            position,
            bytes,
            lost: self.expected..lost_end,
            reason,
        }
    }

    /// `length` bytes from `offset`, which lie before the limit; reads ahead up to `at_once`.
    fn bytes(&mut self, offset: u64, length: usize, at_once: usize) -> io::Result<&[u8]> {
        let buffered = self.buffer_offset..self.buffer_offset + self.buffer.len() as u64;
        let end = offset + length as u64;
        if offset < buffered.start || end > buffered.end {
            let available = bytes_between(offset, self.limit);
            let wanted = length.max(at_once.min(available));
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            buffer.resize(wanted, 0);
            self.read(&mut buffer, offset)?;
            self.buffer = buffer;
            self.buffer_offset = offset;
        }
        let start = bytes_between(self.buffer_offset, offset);
        Ok(&self.buffer[start..start + length])
    }

    fn read(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.file.read_exact_at(buffer, offset) {
            Err(_) if self.lossy => {}
            result => return result,
        }
        let mut at = 0;
        while at < buffer.len() {
            let place = offset + at as u64;
            let in_sector = bytes_between(place % SECTOR_BYTES as u64, SECTOR_BYTES as u64);
            let piece = in_sector.min(buffer.len() - at);
            if self
                .file
                .read_exact_at(&mut buffer[at..at + piece], place)
                .is_err()
            {
                buffer[at..at + piece].fill(0);
                self.unreadable_sectors += 1;
            }
            at += piece;
        }
        Ok(())
    }
}

/// The distance of two places in one file, of which a stretch is in memory or soon will be.
fn bytes_between(start: u64, end: u64) -> usize {
    usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX)
}
