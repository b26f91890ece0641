//! Checks every byte of a spool without changing any.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::{Backend, OpenMode};
use crate::cursor::{Damage, SegmentFacts};
use crate::error::SpoolError;
use crate::files::{Listing, identity_of_segments, next_first, read_meta};
use crate::scan::{Depth, Scan, TornTail};
use crate::segment::{Identity, SegmentError, meta_path, segment_path};

/// What a check of a whole spool found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Which spool it is; nothing if there is none.
    pub identity: Option<Identity>,
    /// What is wrong with the meta file. It is made anew on opening.
    pub meta_error: Option<SegmentError>,
    /// The segments, oldest first.
    pub segments: Vec<SegmentReport>,
    /// An unfinished write at the end, which opening cuts off. No loss: it was never acknowledged.
    pub torn_tail: Option<TornTail>,
    /// Files in the directory that are not the spool's, or half-made.
    pub unknown: Vec<PathBuf>,
}

/// What a check of one segment found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The sequences it holds, lost ones among them.
    pub sequences: Range<u64>,
    /// Sound frames of any kind.
    pub frames: u64,
    /// Sound events.
    pub events: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
    /// Sequences that an earlier recovery or repair found lost, and noted.
    pub known_lost: Vec<Range<u64>>,
    /// Sectors that the medium could not read.
    pub unreadable_sectors: u64,
}

impl VerifyReport {
    /// Whether nothing needs repair. Losses that are already noted do not count.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.meta_error.is_none()
            && self
                .segments
                .iter()
                .all(|segment| segment.damage.is_empty())
    }

    /// Sound events in all segments.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.segments.iter().map(|segment| segment.events).sum()
    }

    /// The sequences that damage has taken, in order, without those already noted.
    #[must_use]
    pub fn lost(&self) -> Vec<Range<u64>> {
        lost_in(self.segments.iter().flat_map(|segment| &segment.damage))
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        write!(
            f,
            "{} events in {} segments, {bytes} bytes",
            self.events(),
            self.segments.len()
        )?;
        if let Some(error) = self.meta_error {
            write!(f, "\nmeta file: {error}")?;
        }
        for damage in self.segments.iter().flat_map(|segment| &segment.damage) {
            write!(f, "\n{damage}")?;
        }
        if let Some(torn) = &self.torn_tail {
            write!(f, "\n{torn}")?;
        }
        Ok(())
    }
}

/// Checks the spool in a directory: every header, every frame's checksums and payload, and that
/// the sequences follow each other. Reads all of it, changes nothing.
///
/// The caller holds the directory's lock; a spool that is open is checked with
/// [`Spool::verify`](crate::Spool::verify).
///
/// # Errors
/// When files cannot be opened, or nothing tells which spool it is. Unreadable sectors are damage,
/// not errors.
pub fn verify(backend: &dyn Backend, directory: &Path) -> Result<VerifyReport, SpoolError> {
    let listing = Listing::read(backend, directory)?;
    let meta = read_meta(backend, directory)?;
    let unknown = [listing.unknown, listing.temporary].concat();
    if listing.segments.is_empty() && meta.is_none() {
        return Ok(VerifyReport {
            unknown,
            ..VerifyReport::default()
        });
    }
    let (identity, meta_error) = match meta {
        Some(Ok(identity)) => (identity, None),
        broken => {
            let error = broken
                .and_then(Result::err)
                .unwrap_or(SegmentError::Truncated);
            let known = identity_of_segments(backend, directory, &listing.segments)?;
            let damaged = || SpoolError::Damaged {
                path: meta_path(directory),
                reason: format!("{error}, and no segment tells which spool this is"),
            };
            (known.ok_or_else(damaged)?, Some(error))
        }
    };
    let report = verify_segments(
        backend,
        directory,
        identity,
        &listing.segments,
        End::MayBeTorn,
    )?;
    Ok(VerifyReport {
        meta_error,
        unknown,
        ..report
    })
}

/// What unusable bytes at the end of the last segment mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Perhaps a write that was never finished.
    MayBeTorn,
    /// Damage: all of it is known to have been durable.
    Durable,
}

/// Checks segments up to the given lengths, leaving out those that vanish meanwhile.
pub(crate) fn verify_segments(
    backend: &dyn Backend,
    directory: &Path,
    identity: Identity,
    segments: &BTreeMap<u64, u64>,
    end: End,
) -> Result<VerifyReport, SpoolError> {
    let mut report = VerifyReport {
        identity: Some(identity),
        ..VerifyReport::default()
    };
    for (&first_sequence, &bytes) in segments {
        let path = segment_path(directory, first_sequence);
        let file = match backend.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(SpoolError::io("open", &path, error)),
        };
        let next_first = next_first(segments, first_sequence);
        let facts = SegmentFacts {
            identity,
            first_sequence,
            next_first,
        };
        let scan = |length| {
            let scan = Scan::run(Arc::clone(&file), facts, length, Depth::Payloads);
            scan.map_err(|error| SpoolError::io("read", &path, error))
        };
        let mut found = scan(bytes)?;
        if next_first.is_none() && end == End::MayBeTorn {
            report.torn_tail = found.torn_tail();
            if let Some(torn) = &report.torn_tail {
                found = scan(torn.position.offset)?;
            }
        }
        report.segments.push(SegmentReport {
            path,
            bytes,
            sequences: first_sequence..found.head,
            frames: found.frames,
            events: found.events,
            damage: found.damage,
            known_lost: found.known_lost,
            unreadable_sectors: found.unreadable_sectors,
        });
    }
    Ok(report)
}

/// The lost sequences of some damage, neighbours joined.
fn lost_in<'a>(damage: impl Iterator<Item = &'a Damage>) -> Vec<Range<u64>> {
    let mut lost: Vec<Range<u64>> = Vec::new();
    for range in damage
        .map(|damage| &damage.lost)
        .filter(|range| !range.is_empty())
    {
        match lost.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => lost.push(range.clone()),
        }
    }
    lost
}
