//! Walks a whole segment and sums up what is in it, sound or not.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::File;
use crate::batch::Kind;
use crate::cursor::{Check, Damage, DamageReason, SegmentCursor, SegmentFacts, Step};
use crate::frame::{FrameError, FrameHeader, Position, Role};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentError};

/// An unfinished write at the end of a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Where it begins.
    pub position: Position,
    /// How long it is.
    pub bytes: u64,
    /// The sequence that comes next.
    pub sequence: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at {} of a write that was never acknowledged",
            self.bytes, self.position
        )
    }
}

/// How thorough a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Checksums and sequences.
    Checksums,
    /// Every payload is decompressed, too.
    Payloads,
}

/// What a walk through one segment finds.
#[derive(Debug)]
pub(crate) struct Scan {
    first_sequence: u64,
    /// Length of the segment.
    length: u64,
    /// The sequence after its end.
    pub(crate) head: u64,
    pub(crate) header_error: Option<SegmentError>,
    pub(crate) created_ns: Option<i64>,
    pub(crate) frames: u64,
    pub(crate) events: u64,
    /// Whether the last frame proves that all before it was durable.
    pub(crate) sealed: bool,
    /// Bytes that a later frame proves to have been durable.
    proven: u64,
    pub(crate) damage: Vec<Damage>,
    /// Sequences that were already known to be lost.
    pub(crate) known_lost: Vec<Range<u64>>,
    /// The last control frame of each tag.
    pub(crate) controls: BTreeMap<u8, Position>,
    pub(crate) unreadable_sectors: u64,
}

impl Scan {
    pub(crate) fn run(
        file: Arc<dyn File>,
        facts: SegmentFacts,
        length: u64,
        depth: Depth,
    ) -> io::Result<Self> {
        let mut cursor = SegmentCursor::new(file, facts, length).lossy();
        let mut scan = Self {
            first_sequence: facts.first_sequence,
            length,
            head: facts.first_sequence,
            header_error: None,
            created_ns: None,
            frames: 0,
            events: 0,
            sealed: false,
            proven: SEGMENT_HEADER_BYTES as u64,
            damage: Vec::new(),
            known_lost: Vec::new(),
            controls: BTreeMap::new(),
            unreadable_sectors: 0,
        };
        loop {
            match cursor.step(Check::All)? {
                Step::Frame { header, offset } => {
                    let stored = if depth == Depth::Payloads {
                        cursor.payload()?
                    } else {
                        &[]
                    };
                    if depth == Depth::Payloads
                        && let Err(error) = header.decode_payload(stored)
                    {
                        scan.undecodable(&header, offset, error);
                    } else {
                        scan.frame(&header, offset);
                    }
                }
                Step::Lost(lost) => scan.lost(lost, cursor.offset()),
                Step::Damage(damage) => scan.damage(damage),
                Step::End => break,
            }
        }
        scan.head = cursor.expected();
        scan.created_ns = cursor.created_ns();
        scan.unreadable_sectors = cursor.unreadable_sectors();
        Ok(scan)
    }

    /// What was being written when the end came: the first unusable bytes that no later frame
    /// proves to have been durable, and everything behind them.
    pub(crate) fn torn_tail(&self) -> Option<TornTail> {
        let torn = self
            .damage
            .iter()
            .find(|damage| damage.position.offset >= self.proven)?;
        let bytes = self.length - torn.position.offset;
        Some(TornTail {
            position: torn.position,
            bytes,
            sequence: torn.lost.start,
        })
    }

    fn frame(&mut self, header: &FrameHeader, offset: u64) {
        match header.role {
            Role::Batch(Kind::Control { tag }) => {
                self.controls.insert(tag, self.position(header, offset));
            }
            Role::Batch(Kind::Events) => self.events += u64::from(header.count),
            Role::Seal | Role::Lost | Role::Skip => {}
        }
        self.frames += 1;
        self.sealed = header.role == Role::Seal;
        self.proven = self
            .proven
            .max(offset.saturating_sub(u64::from(header.unsynced)));
    }

    /// Notes a frame that stands for lost sequences, which ends at `end`. It was written on its
    /// own, after everything before it was synced.
    fn lost(&mut self, lost: Range<u64>, end: u64) {
        self.known_lost.push(lost);
        self.frames += 1;
        self.sealed = false;
        self.proven = self.proven.max(end);
    }

    fn damage(&mut self, damage: Damage) {
        if let DamageReason::SegmentHeader(error) = damage.reason {
            self.header_error = Some(error);
        }
        self.damage.push(damage);
    }

    fn undecodable(&mut self, header: &FrameHeader, offset: u64, error: FrameError) {
        self.damage.push(Damage {
            position: self.position(header, offset),
            bytes: header.frame_bytes(),
            lost: header.first_sequence..header.end_sequence(),
            reason: DamageReason::Frame(error),
        });
    }

    fn position(&self, header: &FrameHeader, offset: u64) -> Position {
        Position {
            segment: self.first_sequence,
            offset,
            sequence: header.first_sequence,
        }
    }
}
