//! Parts in use: a part's sidecar head in memory, its files when they are read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tidings_spool::{Backend, File};

use crate::cache::{FileKind, PartCache};
use crate::error::IoContext;
use crate::manifest::PartEntry;
use crate::marks::Marks;
use crate::part::layout::{Group, PartColumn};
use crate::sidecar::file::{Head, TRAILER, checked, decode_head, decode_trailer, with_checksum};
use crate::sidecar::fingerprint;
use crate::sidecar::postings::{Widths, look_up};
use crate::{Error, PartId, Result, RowSet, Schema};

/// Read at once from a sidecar's end: holds the head of most parts.
const TAIL_BYTES: u64 = 16 << 10;

/// A part that some version of the store refers to.
#[derive(Debug)]
pub(crate) struct SharedPart {
    pub(crate) entry: PartEntry,
    backend: Arc<dyn Backend>,
    cache: Arc<PartCache>,
    /// No version refers to it any more: the last reader removes the files.
    dead: AtomicBool,
    pub(crate) marks: Marks,
}

impl SharedPart {
    pub(crate) fn new(entry: PartEntry, backend: Arc<dyn Backend>, cache: Arc<PartCache>) -> Self {
        Self {
            entry,
            backend,
            cache,
            dead: AtomicBool::new(false),
            marks: Marks::default(),
        }
    }

    /// Has the files removed when the last reader lets go.
    pub(crate) fn bury(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// The cache, which also lends readers.
    pub(crate) fn cache(&self) -> &Arc<PartCache> {
        &self.cache
    }

    /// The part with its head, from the cache or the disk.
    pub(crate) fn open(&self) -> Result<Arc<OpenPart>> {
        if let Some(open) = self.cache.get(self.entry.id) {
            return Ok(open);
        }
        let cache = Arc::clone(&self.cache);
        let open = Arc::new(OpenPart::open(
            &self.entry,
            Arc::clone(&self.backend),
            cache,
        )?);
        self.cache.insert(self.entry.id, Arc::clone(&open));
        Ok(open)
    }
}

impl Drop for SharedPart {
    fn drop(&mut self) {
        self.cache.remove(self.entry.id);
        if self.dead.load(Ordering::Acquire) {
            // What cannot be removed now is unreferenced, and removed at the next open.
            let _ = self.backend.remove(&self.entry.part_path());
            let _ = self.backend.remove(&self.entry.sidecar_path());
        }
    }
}

/// A part whose sidecar head is in memory. Its files are opened when they are read, and stay open
/// as long as the cache keeps them.
#[derive(Debug)]
pub(crate) struct OpenPart {
    pub(crate) head: Head,
    pub(crate) part_path: PathBuf,
    id: PartId,
    part_bytes: u64,
    sidecar_path: PathBuf,
    backend: Arc<dyn Backend>,
    cache: Arc<PartCache>,
    /// Whether the tokens are those that the table's schema promises; asked for once.
    is_indexed: OnceLock<bool>,
}

impl OpenPart {
    pub(crate) fn open(
        entry: &PartEntry,
        backend: Arc<dyn Backend>,
        cache: Arc<PartCache>,
    ) -> Result<Self> {
        let sidecar_path = entry.sidecar_path();
        let file = cache.file((entry.id, FileKind::Sidecar), &*backend, &sidecar_path)?;
        let head = read_head(&*file, &sidecar_path, entry.sidecar_bytes)
            .map_err(|error| error.in_file(&sidecar_path))?;
        if head.rows() != entry.rows {
            let what = format!(
                "it tells of {} rows, the manifest of {}",
                head.rows(),
                entry.rows
            );
            return Err(Error::damaged(&sidecar_path, what));
        }
        Ok(Self {
            head,
            part_path: entry.part_path(),
            id: entry.id,
            part_bytes: entry.part_bytes,
            sidecar_path,
            backend,
            cache,
            is_indexed: OnceLock::new(),
        })
    }

    /// The Parquet file and its length.
    pub(crate) fn part_file(&self) -> Result<(Arc<dyn File>, u64)> {
        let key = (self.id, FileKind::Part);
        Ok((
            self.cache.file(key, &*self.backend, &self.part_path)?,
            self.part_bytes,
        ))
    }

    /// Whether the sidecar has the tokens that a schema promises. A part is only ever asked for
    /// the one schema that its table has while the store is open.
    pub(crate) fn is_indexed(&self, schema: &Schema) -> bool {
        *self.is_indexed.get_or_init(|| {
            let roles = &self.head.roles;
            let lacks = |(had, at): (&PartColumn, u16)| {
                let id = schema.column(&had.name);
                id.is_some_and(|id| schema.columns()[id].indexed) && !roles.indexed.contains(&at)
            };
            roles.token_version == schema.token_version()
                && !self.head.columns.iter().zip(0u16..).any(lacks)
        })
    }

    /// The directory of a row group.
    pub(crate) fn group(&self, at: usize) -> Result<Group> {
        let head = self.head.groups[at];
        let read = || {
            let block = self.read_block(head.offset, head.length as usize)?;
            let group = Group::decode(checked(&block)?)?;
            if group.rows != head.rows || group.chunks.len() != self.head.columns.len() {
                return Err(Error::corrupt(
                    "a row group's directory does not fit its head",
                ));
            }
            Ok(group)
        };
        read().map_err(|error: Error| error.in_file(&self.sidecar_path))
    }

    /// The rows that may hold a token.
    pub(crate) fn look_up(&self, token: &str) -> Result<RowSet> {
        self.look_up_print(fingerprint(token.as_bytes()) >> self.head.shift)
    }

    /// The rows that may hold a token of this fingerprint, as the blocks have it.
    pub(crate) fn look_up_print(&self, print: u32) -> Result<RowSet> {
        let Some(at) = self.head.block_of(print) else {
            return Ok(RowSet::none());
        };
        let (first, offset, length) = self.head.block(at);
        let read = || {
            let block = self.read_block(offset, length)?;
            look_up(checked(&block)?, first, Widths::of(self.head.rows()), print)
        };
        read().map_err(|error: Error| error.in_file(&self.sidecar_path))
    }

    /// A block with its checksum.
    pub(crate) fn read_block(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut block = vec![0; with_checksum(length)];
        let key = (self.id, FileKind::Sidecar);
        let file = self.cache.file(key, &*self.backend, &self.sidecar_path)?;
        file.read_exact_at(&mut block, offset)
            .at("read", &self.sidecar_path)?;
        Ok(block)
    }

    /// Bytes of memory held, about.
    pub(crate) fn memory(&self) -> usize {
        self.head.memory() + 1024
    }
}

fn read_head(file: &dyn File, path: &Path, length: u64) -> Result<Head> {
    let tail_bytes = length.min(TAIL_BYTES);
    // At most TAIL_BYTES.
    let mut tail = vec![0; tail_bytes as usize];
    file.read_exact_at(&mut tail, length - tail_bytes)
        .at("read", path)?;
    let split = tail.len().checked_sub(TRAILER);
    let (before, trailer) =
        tail.split_at(split.ok_or_else(|| Error::corrupt("it is too short for a sidecar"))?);
    let head_bytes = decode_trailer(trailer)?;
    if let Some(start) = before.len().checked_sub(head_bytes) {
        return decode_head(&before[start..]);
    }
    let start = (length - TRAILER as u64)
        .checked_sub(head_bytes as u64)
        .ok_or_else(|| Error::corrupt("its head is longer than the file"))?;
    let mut head = vec![0; head_bytes];
    file.read_exact_at(&mut head, start).at("read", path)?;
    decode_head(&head)
}
