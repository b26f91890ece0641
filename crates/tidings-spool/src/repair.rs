//! Salvages what is readable of a damaged spool, and notes exactly what is not.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::backend::{Backend, File, OpenMode};
use crate::clock::Clock;
use crate::config::SpoolConfig;
use crate::cursor::{Check, SegmentCursor, SegmentFacts, Step};
use crate::error::SpoolError;
use crate::files::{
    Listing, identity_of_segments, next_first, put_in_place, read_meta, temporary_path,
};
use crate::frame::{FrameHeader, seed_of};
use crate::recover::{Recovered, RecoveryReport, SegmentInfo, recover};
use crate::segment::{SegmentHeader, meta_path};
use crate::verify::{End, verify_segments};

/// Written at once while a segment is copied.
const WRITE_BYTES: usize = 1 << 20;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// What was found, and what opening does by itself: a torn tail cut off, the meta file made.
    pub recovery: RecoveryReport,
    /// First sequences of the segments that were written anew.
    pub rewritten: Vec<u64>,
    /// The sequences that are lost for good, in order. They are noted in the spool, so that
    /// readers get them as gaps and a later check finds nothing wrong.
    pub lost: Vec<Range<u64>>,
}

/// Repairs the spool in a directory: writes damaged segments anew with all sound frames, at their
/// sequences, and a note for each stretch of sequences that is lost. Sound segments are left
/// alone. Each segment is replaced atomically, so a crash leaves a spool to be repaired again.
///
/// The caller holds the directory's lock.
///
/// # Errors
/// When the medium fails, when files are in the way that are not this spool's, or when no file
/// tells which spool it is: checksums depend on that, so nothing could be salvaged.
pub fn repair(
    backend: &dyn Backend,
    clock: &dyn Clock,
    directory: &Path,
) -> Result<RepairReport, SpoolError> {
    let listing = Listing::read(backend, directory)?;
    if listing.segments.is_empty() {
        return Ok(RepairReport::default());
    }
    let identity = match read_meta(backend, directory)? {
        Some(Ok(identity)) => Some(identity),
        _ => identity_of_segments(backend, directory, &listing.segments)?,
    };
    let identity = identity.ok_or_else(|| SpoolError::Damaged {
        path: meta_path(directory),
        reason: "no file tells which spool this is".to_owned(),
    })?;
    let config = SpoolConfig {
        directory: directory.to_path_buf(),
        ..SpoolConfig::default()
    };
    let Recovered {
        segments,
        report: recovery,
        ..
    } = recover(backend, clock, &config, identity)?;
    let lengths = segments
        .iter()
        .map(|(first, segment)| (*first, segment.length))
        .collect();
    let found = verify_segments(backend, directory, identity, &lengths, End::Durable)?;
    let mut rewritten = Vec::new();
    for ((&first_sequence, info), report) in segments.iter().zip(&found.segments) {
        if report.damage.is_empty() {
            continue;
        }
        let facts = SegmentFacts {
            identity,
            first_sequence,
            next_first: next_first(&segments, first_sequence),
        };
        rewrite(backend, &report.path, facts, info)
            .map_err(|error| SpoolError::io("repair", &report.path, error))?;
        rewritten.push(first_sequence);
    }
    let mut lost = found.lost();
    lost.extend(recovery.lost_end.clone());
    Ok(RepairReport {
        recovery,
        rewritten,
        lost,
    })
}

/// Writes a segment anew from its sound frames and puts it in place.
fn rewrite(
    backend: &dyn Backend,
    path: &Path,
    facts: SegmentFacts,
    info: &SegmentInfo,
) -> io::Result<()> {
    let source = backend.open(path, OpenMode::Read)?;
    let target = backend.open(&temporary_path(path), OpenMode::Write)?;
    target.set_len(0)?;
    let mut copy = Copy {
        target,
        written: 0,
        buffer: Vec::new(),
        seed: seed_of(facts.identity.epoch),
    };
    copy.header(&facts, info);
    let mut cursor = SegmentCursor::new(source, facts, info.length).lossy();
    loop {
        match cursor.step(Check::All)? {
            Step::Frame { header, .. } => {
                let stored = cursor.payload()?;
                match header.decode_payload(stored) {
                    Ok(_) => copy.frame(&header, stored)?,
                    Err(_) => copy.lost(&(header.first_sequence..header.end_sequence()))?,
                }
            }
            Step::Lost(lost) => copy.lost(&lost)?,
            Step::Damage(damage) => copy.lost(&damage.lost)?,
            Step::End => break,
        }
    }
    copy.finish()?;
    put_in_place(backend, path)
}

/// A segment being written.
struct Copy {
    target: Arc<dyn File>,
    written: u64,
    buffer: Vec<u8>,
    seed: u32,
}

impl Copy {
    fn header(&mut self, facts: &SegmentFacts, info: &SegmentInfo) {
        let SegmentFacts {
            identity,
            first_sequence,
            ..
        } = *facts;
        let header = SegmentHeader {
            identity,
            first_sequence,
            created_ns: info.created_ns,
        };
        self.buffer.extend_from_slice(&header.encode());
    }

    fn frame(&mut self, header: &FrameHeader, stored: &[u8]) -> io::Result<()> {
        // The file is in place only when all of it is synced, so every frame counts as proven.
        let header = FrameHeader {
            unsynced: 0,
            ..*header
        };
        self.buffer.extend_from_slice(&header.encode(self.seed));
        self.buffer.extend_from_slice(stored);
        if self.buffer.len() >= WRITE_BYTES {
            self.write()
        } else {
            Ok(())
        }
    }

    fn lost(&mut self, lost: &Range<u64>) -> io::Result<()> {
        if lost.is_empty() {
            return Ok(());
        }
        let (header, payload) = FrameHeader::lost(lost);
        self.frame(&header, &payload)
    }

    fn write(&mut self) -> io::Result<()> {
        self.target.write_all_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.write()?;
        self.target.sync()
    }
}
