//! Parts in use: open files and sidecar heads, held under a bound of number and bytes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::FxHashMap;
use tidings_spool::{Backend, File, OpenMode};

use crate::error::IoContext;
use crate::manifest::PartEntry;
use crate::part::layout::Group;
use crate::part::read::ChunkReader;
use crate::sidecar::file::{Head, TRAILER, checked, decode_head, decode_trailer, with_checksum};
use crate::sidecar::fingerprint;
use crate::sidecar::postings::{Widths, look_up};
use crate::{Error, PartId, Result, RowSet};

/// Read at once from a sidecar's end: holds the head of most parts.
const TAIL_BYTES: u64 = 16 << 10;

/// Readers kept for later.
const MAX_IDLE_READERS: usize = 2;

/// A part that some version of the store refers to.
#[derive(Debug)]
pub(crate) struct SharedPart {
    pub(crate) entry: PartEntry,
    backend: Arc<dyn Backend>,
    cache: Arc<PartCache>,
    /// No version refers to it any more: the last reader removes the files.
    dead: AtomicBool,
}

impl SharedPart {
    pub(crate) fn new(entry: PartEntry, backend: Arc<dyn Backend>, cache: Arc<PartCache>) -> Self {
        Self {
            entry,
            backend,
            cache,
            dead: AtomicBool::new(false),
        }
    }

    /// Has the files removed when the last reader lets go.
    pub(crate) fn bury(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// The cache, which also lends readers.
    pub(crate) fn cache(&self) -> &PartCache {
        &self.cache
    }

    /// The part's open files and head, from the cache or the disk.
    pub(crate) fn open(&self) -> Result<Arc<OpenPart>> {
        if let Some(open) = self.cache.get(self.entry.id) {
            return Ok(open);
        }
        let open = Arc::new(OpenPart::open(&self.entry, Arc::clone(&self.backend))?);
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

/// A part whose sidecar head is in memory.
#[derive(Debug)]
pub(crate) struct OpenPart {
    pub(crate) head: Head,
    pub(crate) part_path: PathBuf,
    part_bytes: u64,
    sidecar_path: PathBuf,
    sidecar: Arc<dyn File>,
    backend: Arc<dyn Backend>,
    part: OnceLock<Arc<dyn File>>,
}

impl OpenPart {
    pub(crate) fn open(entry: &PartEntry, backend: Arc<dyn Backend>) -> Result<Self> {
        let sidecar_path = entry.sidecar_path();
        let (sidecar, head) = open_sidecar(&*backend, &sidecar_path, entry.sidecar_bytes)
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
            part_bytes: entry.part_bytes,
            sidecar_path,
            sidecar,
            backend,
            part: OnceLock::new(),
        })
    }

    /// The Parquet file and its length; opened at the first call.
    pub(crate) fn part_file(&self) -> Result<(&dyn File, u64)> {
        if let Some(file) = self.part.get() {
            return Ok((&**file, self.part_bytes));
        }
        let file = self
            .backend
            .open(&self.part_path, OpenMode::Read)
            .at("open", &self.part_path)?;
        Ok((&**self.part.get_or_init(|| file), self.part_bytes))
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
        self.sidecar
            .read_exact_at(&mut block, offset)
            .at("read", &self.sidecar_path)?;
        Ok(block)
    }

    fn memory(&self) -> usize {
        self.head.memory() + 1024
    }
}

fn open_sidecar(backend: &dyn Backend, path: &Path, length: u64) -> Result<(Arc<dyn File>, Head)> {
    let file = backend.open(path, OpenMode::Read).at("open", path)?;
    let head = read_head(&*file, path, length)?;
    Ok((file, head))
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

/// Open parts, the least recently used going first. Bounded by number (each holds up to two file
/// handles) and by bytes of heads; parts in use by a reader stay open until it lets go.
#[derive(Debug)]
pub(crate) struct PartCache {
    inner: Mutex<Cached>,
    /// Idle readers, at most [`MAX_IDLE_READERS`]: making one costs more than a small read.
    readers: Mutex<Vec<ChunkReader>>,
    max_parts: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Cached {
    parts: FxHashMap<PartId, (Arc<OpenPart>, u64)>,
    bytes: usize,
    tick: u64,
}

impl PartCache {
    pub(crate) fn new(max_parts: usize, max_bytes: usize) -> Self {
        let readers = Mutex::default();
        Self {
            inner: Mutex::default(),
            readers,
            max_parts: max_parts.max(1),
            max_bytes,
        }
    }

    /// A reader of chunks, used before or new.
    pub(crate) fn reader(&self) -> Result<ChunkReader> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(ChunkReader::new, Ok)
    }

    /// Takes a reader back for later.
    pub(crate) fn give_back(&self, mut reader: ChunkReader) {
        reader.trim();
        let mut idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE_READERS {
            idle.push(reader);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cached> {
        // The map is whole between any two statements: a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: PartId) -> Option<Arc<OpenPart>> {
        let mut cached = self.lock();
        cached.tick += 1;
        let tick = cached.tick;
        let (open, used) = cached.parts.get_mut(&id)?;
        *used = tick;
        Some(Arc::clone(open))
    }

    fn insert(&self, id: PartId, open: Arc<OpenPart>) {
        let mut cached = self.lock();
        cached.tick += 1;
        let tick = cached.tick;
        cached.bytes += open.memory();
        if let Some((old, _)) = cached.parts.insert(id, (open, tick)) {
            cached.bytes -= old.memory();
        }
        while cached.parts.len() > self.max_parts
            || (cached.bytes > self.max_bytes && cached.parts.len() > 1)
        {
            let Some(oldest) = cached
                .parts
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(&id, _)| id)
            else {
                break;
            };
            drop_part(&mut cached, oldest);
        }
    }

    fn remove(&self, id: PartId) {
        drop_part(&mut self.lock(), id);
    }
}

fn drop_part(cached: &mut Cached, id: PartId) {
    if let Some((open, _)) = cached.parts.remove(&id) {
        cached.bytes -= open.memory();
    }
}
