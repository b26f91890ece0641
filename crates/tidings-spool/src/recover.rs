//! Opens what a crash, a full disk or an operator left behind, and says what it found.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::{Backend, File, OpenMode};
use crate::clock::Clock;
use crate::config::SpoolConfig;
use crate::cursor::{Damage, SegmentFacts};
use crate::error::SpoolError;
use crate::files::{
    Listing, create_segment, identity_of_segments, next_first, read_meta, read_segment_header,
    replace_file, write_meta,
};
use crate::frame::{FrameHeader, Position, seed_of};
use crate::scan::{Depth, Scan, TornTail};
use crate::segment::{
    Identity, SEGMENT_HEADER_BYTES, SegmentError, SegmentHeader, meta_path, segment_path,
};

/// A byte of a segment holds at most this many records: lz4 expands no byte to more, and a record
/// takes at least one.
const MAX_RECORDS_PER_BYTE: u64 = 255;

/// What opening a spool found and did. Everything that could be a loss is named here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// There was no spool; a new one was made.
    pub created: bool,
    /// All segments were gone although the spool had existed: it starts again, as another spool.
    pub restarted: bool,
    /// The meta file was missing or damaged and was made anew from a segment's header.
    pub meta_rebuilt: bool,
    /// Segments found.
    pub segments: usize,
    /// The next sequence to be given.
    pub head: u64,
    /// What was cut off the end of the last segment: a write that was never acknowledged.
    pub torn_tail: Option<TornTail>,
    /// Damage in the last segment, or in all with
    /// [`check_all_on_open`](SpoolConfig::check_all_on_open). Readers get it as gaps.
    pub damage: Vec<Damage>,
    /// Sequences at the end that were perhaps given but are lost, and are not given again: up to
    /// [`known_head`](SpoolConfig::known_head), or what a wholly unreadable last segment could
    /// have held at most. Readers get them as a gap.
    pub lost_end: Option<Range<u64>>,
    /// Sectors that the medium could not read.
    pub unreadable_sectors: u64,
    /// Half-made files that were removed.
    pub removed: Vec<PathBuf>,
    /// Files in the directory that are not the spool's; left alone.
    pub unknown: Vec<PathBuf>,
}

impl RecoveryReport {
    /// Whether nothing was lost that was ever acknowledged, as far as was looked.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.restarted && self.damage.is_empty() && self.lost_end.is_none()
    }
}

/// What is known of a segment without reading its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    /// When it was begun, wall clock.
    pub(crate) created_ns: i64,
    /// Durable bytes.
    pub(crate) length: u64,
}

/// The segment being written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) file: Arc<dyn File>,
    pub(crate) first_sequence: u64,
    pub(crate) created_ns: i64,
    /// Durable bytes; the next frame goes there.
    pub(crate) length: u64,
}

impl Active {
    /// The end of the spool, given the next sequence.
    pub(crate) fn end(&self, sequence: u64) -> Position {
        Position {
            segment: self.first_sequence,
            offset: self.length,
            sequence,
        }
    }
}

/// The spool as recovery leaves it: all of it durable.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) identity: Identity,
    pub(crate) segments: BTreeMap<u64, SegmentInfo>,
    /// The last segment, open for writing.
    pub(crate) active: Active,
    /// Where the newest control frame of each tag lies, of those in the last segment.
    pub(crate) controls: BTreeMap<u8, Position>,
    /// Whether the end of the last segment proves that all before it was durable.
    pub(crate) sealed: bool,
    pub(crate) report: RecoveryReport,
}

/// Opens the spool in `config.directory`, making one with `new_identity` if there is none.
pub(crate) fn recover(
    backend: &dyn Backend,
    clock: &dyn Clock,
    config: &SpoolConfig,
    new_identity: Identity,
) -> Result<Recovered, SpoolError> {
    let directory = config.directory.as_path();
    let mut recovery = Recovery {
        backend,
        directory,
        now_ns: clock.now_ns(),
        report: RecoveryReport::default(),
    };
    let files = recovery.directory()?;
    let (identity, meta_missing) = recovery.identity(&files, new_identity)?;
    let mut segments = recovery.older_segments(&files, identity, config.check_all_on_open)?;
    let first_sequence = files.last_key_value().map_or(1, |(first, _)| *first);
    let mut last = recovery.last_segment(first_sequence, identity)?;
    if meta_missing {
        write_meta(backend, directory, identity)?;
    }
    if last.head < config.known_head {
        let lost = last.head..config.known_head;
        recovery.append_lost(&mut last, &lost, identity)?;
    }
    recovery.report.head = last.head;
    recovery.report.segments = segments.len() + 1;
    segments.insert(first_sequence, last.info);
    let LastSegment {
        file,
        info,
        controls,
        sealed,
        ..
    } = last;
    let SegmentInfo { created_ns, length } = info;
    let sealed = sealed || is_headless(length);
    let active = Active {
        file,
        first_sequence,
        created_ns,
        length,
    };
    Ok(Recovered {
        identity,
        segments,
        active,
        controls,
        sealed,
        report: recovery.report,
    })
}

/// The last segment, ready for more.
struct LastSegment {
    file: Arc<dyn File>,
    info: SegmentInfo,
    head: u64,
    controls: BTreeMap<u8, Position>,
    sealed: bool,
}

struct Recovery<'a> {
    backend: &'a dyn Backend,
    directory: &'a Path,
    now_ns: i64,
    report: RecoveryReport,
}

impl Recovery<'_> {
    /// Makes the directory if it is missing, removes half-made files, and lists the segments.
    fn directory(&mut self) -> Result<BTreeMap<u64, u64>, SpoolError> {
        let parent = self.directory.parent().unwrap_or(Path::new(""));
        let made = self
            .backend
            .create_dir(self.directory)
            .and_then(|()| self.backend.sync_dir(parent));
        made.map_err(|error| SpoolError::io("create", self.directory, error))?;
        let listing = Listing::read(self.backend, self.directory)?;
        for path in &listing.temporary {
            self.backend
                .remove(path)
                .map_err(|error| SpoolError::io("remove", path, error))?;
        }
        self.report.removed = listing.temporary;
        self.report.unknown = listing.unknown;
        Ok(listing.segments)
    }

    /// Which spool this is, and whether the meta file has to be written.
    fn identity(
        &mut self,
        files: &BTreeMap<u64, u64>,
        new_identity: Identity,
    ) -> Result<(Identity, bool), SpoolError> {
        let meta = read_meta(self.backend, self.directory)?;
        if files.is_empty() {
            // The meta file is written after the first segment, so with it there were segments.
            self.report.restarted = meta.is_some();
            self.report.created = meta.is_none();
            return Ok((new_identity, true));
        }
        match meta {
            Some(Ok(identity)) => return Ok((identity, false)),
            Some(Err(error)) => refuse_misplaced(error, &meta_path(self.directory))?,
            None => {}
        }
        if let Some(identity) = identity_of_segments(self.backend, self.directory, files)? {
            self.report.meta_rebuilt = true;
            return Ok((identity, true));
        }
        let died_in_creation =
            files.len() == 1 && files.get(&1).is_some_and(|length| is_headless(*length));
        if died_in_creation && meta.is_none() {
            self.report.created = true;
            return Ok((new_identity, true));
        }
        let reason = match meta {
            Some(Err(error)) => format!("{error}, and no segment tells which spool this is"),
            _ => "it is missing, and no segment tells which spool this is".to_owned(),
        };
        Err(SpoolError::Damaged {
            path: meta_path(self.directory),
            reason,
        })
    }

    /// All segments but the last. They were complete and synced before the next one was made.
    fn older_segments(
        &mut self,
        files: &BTreeMap<u64, u64>,
        identity: Identity,
        check_all: bool,
    ) -> Result<BTreeMap<u64, SegmentInfo>, SpoolError> {
        let mut segments = BTreeMap::new();
        for (&first_sequence, &length) in files.iter().rev().skip(1) {
            let path = segment_path(self.directory, first_sequence);
            let header = read_segment_header(self.backend, &path, length)?
                .and_then(|header| header.belonging_to(first_sequence, identity));
            if let Err(error) = header {
                refuse_misplaced(error, &path)?;
            }
            // Without its header a segment counts as new, so it is kept longer rather than shorter.
            let created_ns = header.map_or(self.now_ns, |header| header.created_ns);
            segments.insert(first_sequence, SegmentInfo { created_ns, length });
            if check_all {
                let facts = SegmentFacts {
                    identity,
                    first_sequence,
                    next_first: next_first(files, first_sequence),
                };
                let file = self.open(&path, OpenMode::Read)?;
                let scan = Scan::run(file, facts, length, Depth::Checksums)
                    .map_err(|error| SpoolError::io("read", &path, error))?;
                self.report.unreadable_sectors += scan.unreadable_sectors;
                // Oldest first, although the walk is backwards.
                self.report.damage.splice(0..0, scan.damage);
            }
        }
        Ok(segments)
    }

    /// The last segment: what was torn is cut off, everything before is made durable.
    fn last_segment(
        &mut self,
        first_sequence: u64,
        identity: Identity,
    ) -> Result<LastSegment, SpoolError> {
        let path = segment_path(self.directory, first_sequence);
        let file = self.open(&path, OpenMode::Write)?;
        let failed = |error| SpoolError::io("recover", &path, error);
        let length = file.len().map_err(failed)?;
        let facts = SegmentFacts {
            identity,
            first_sequence,
            next_first: None,
        };
        let mut scan =
            Scan::run(Arc::clone(&file), facts, length, Depth::Checksums).map_err(failed)?;
        if let Some(error) = scan.header_error {
            refuse_misplaced(error, &path)?;
        }
        if scan.frames == 0 && scan.header_error.is_some() {
            return self.make_last_anew(&facts, length).map_err(failed);
        }
        if let Some(torn) = scan.torn_tail() {
            file.set_len(torn.position.offset).map_err(failed)?;
            self.report.torn_tail = Some(torn);
            scan = Scan::run(
                Arc::clone(&file),
                facts,
                torn.position.offset,
                Depth::Checksums,
            )
            .map_err(failed)?;
        }
        // What is there may still be in the page cache only, if just the process had died; and the
        // name may be, if it died while making the segment.
        file.sync()
            .and_then(|()| self.backend.sync_dir(self.directory))
            .map_err(failed)?;
        let created_ns = scan.created_ns.unwrap_or(self.now_ns);
        let info = SegmentInfo {
            created_ns,
            length: file.len().map_err(failed)?,
        };
        self.report.unreadable_sectors += scan.unreadable_sectors;
        self.report.damage.append(&mut scan.damage);
        Ok(LastSegment {
            file,
            info,
            head: scan.head,
            controls: scan.controls,
            sealed: scan.sealed,
        })
    }

    /// Replaces a last segment without header and frames. Died its maker before the header was
    /// durable, nothing is lost; otherwise no more than its bytes could hold.
    fn make_last_anew(&mut self, facts: &SegmentFacts, length: u64) -> io::Result<LastSegment> {
        let SegmentFacts {
            identity,
            first_sequence,
            ..
        } = *facts;
        let header = SegmentHeader {
            identity,
            first_sequence,
            created_ns: self.now_ns,
        };
        let position = Position {
            segment: first_sequence,
            offset: 0,
            sequence: first_sequence,
        };
        let mut bytes = header.encode().to_vec();
        let mut head = first_sequence;
        if is_headless(length) {
            if length > 0 {
                self.report.torn_tail = Some(TornTail {
                    position,
                    bytes: length,
                    sequence: head,
                });
            }
            create_segment(self.backend, self.directory, &header)?;
        } else {
            head = first_sequence.saturating_add(length.saturating_mul(MAX_RECORDS_PER_BYTE));
            let lost = first_sequence..head;
            let (frame, payload) = FrameHeader::lost(&lost);
            bytes.extend_from_slice(&frame.encode(seed_of(identity.epoch)));
            bytes.extend_from_slice(&payload);
            replace_file(
                self.backend,
                &segment_path(self.directory, first_sequence),
                &bytes,
            )?;
            self.report.lost_end = Some(lost);
        }
        let file = self.backend.open(
            &segment_path(self.directory, first_sequence),
            OpenMode::Write,
        )?;
        let info = SegmentInfo {
            created_ns: self.now_ns,
            length: bytes.len() as u64,
        };
        Ok(LastSegment {
            file,
            info,
            head,
            controls: BTreeMap::new(),
            sealed: false,
        })
    }

    /// Ends the spool with a note that these sequences are lost.
    fn append_lost(
        &mut self,
        last: &mut LastSegment,
        lost: &Range<u64>,
        identity: Identity,
    ) -> Result<(), SpoolError> {
        let (frame, payload) = FrameHeader::lost(lost);
        let bytes = [&frame.encode(seed_of(identity.epoch))[..], &payload].concat();
        let written = last
            .file
            .write_all_at(&bytes, last.info.length)
            .and_then(|()| last.file.sync());
        written.map_err(|error| SpoolError::io("write", self.directory, error))?;
        last.info.length += bytes.len() as u64;
        last.head = lost.end;
        last.sealed = false;
        let start = self
            .report
            .lost_end
            .as_ref()
            .map_or(lost.start, |range| range.start);
        self.report.lost_end = Some(start..lost.end);
        Ok(())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>, SpoolError> {
        self.backend
            .open(path, mode)
            .map_err(|error| SpoolError::io("open", path, error))
    }
}

/// An error if a file is sound but not one of this spool: it must not be overwritten.
fn refuse_misplaced(error: SegmentError, path: &Path) -> Result<(), SpoolError> {
    if error.is_misplaced() {
        return Err(SpoolError::Damaged {
            path: path.to_path_buf(),
            reason: error.to_string(),
        });
    }
    Ok(())
}

/// Whether a segment of this length never got beyond its header.
fn is_headless(length: u64) -> bool {
    length <= SEGMENT_HEADER_BYTES as u64
}
