//! What is kept of parts between two queries: sidecar heads, open files, readers with their buffers.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tidings_spool::{Backend, File, OpenMode};

use crate::error::IoContext;
use crate::open::OpenPart;
use crate::part::read::ChunkReader;
use crate::{PartId, Result};

/// Readers kept for later.
const MAX_IDLE_READERS: usize = 2;

/// Which of a part's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    Part,
    Sidecar,
}

/// Heads of parts, bounded by bytes, the least recently used going first; open files, bounded by
/// number, any of them going first, since a query over all parts asks for each once and would
/// find none of the recently used. What a reader holds stays until it lets go.
#[derive(Debug)]
pub(crate) struct PartCache {
    heads: Mutex<Heads>,
    files: Mutex<FxHashMap<(PartId, FileKind), Arc<dyn File>>>,
    /// Making a reader costs more than a small read.
    readers: Mutex<Vec<ChunkReader>>,
    max_files: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Heads {
    parts: FxHashMap<PartId, (Arc<OpenPart>, u64)>,
    bytes: usize,
    tick: u64,
}

/// The maps are whole between any two statements: a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartCache {
    pub(crate) fn new(max_files: usize, max_bytes: usize) -> Self {
        Self {
            heads: Mutex::default(),
            files: Mutex::default(),
            readers: Mutex::default(),
            max_files: max_files.max(2),
            max_bytes,
        }
    }

    /// A reader of chunks, used before or new.
    pub(crate) fn reader(&self) -> Result<ChunkReader> {
        let idle = lock(&self.readers).pop();
        idle.map_or_else(ChunkReader::new, Ok)
    }

    /// Takes a reader back for later.
    pub(crate) fn give_back(&self, mut reader: ChunkReader) {
        reader.trim();
        let mut idle = lock(&self.readers);
        if idle.len() < MAX_IDLE_READERS {
            idle.push(reader);
        }
    }

    /// A part's open file.
    pub(crate) fn file(
        &self,
        key: (PartId, FileKind),
        backend: &dyn Backend,
        path: &Path,
    ) -> Result<Arc<dyn File>> {
        if let Some(file) = lock(&self.files).get(&key) {
            return Ok(Arc::clone(file));
        }
        let file = backend.open(path, OpenMode::Read).at("open", path)?;
        let mut files = lock(&self.files);
        while files.len() >= self.max_files {
            // Ids spread over the map, so that any place in it is as good as a random one.
            let at = key.0.0 as usize % files.len();
            let Some(&victim) = files.keys().nth(at) else {
                break;
            };
            files.remove(&victim);
        }
        files.insert(key, Arc::clone(&file));
        Ok(file)
    }

    /// A part whose head is in memory.
    pub(crate) fn get(&self, id: PartId) -> Option<Arc<OpenPart>> {
        let mut heads = lock(&self.heads);
        heads.tick += 1;
        let tick = heads.tick;
        let (open, used) = heads.parts.get_mut(&id)?;
        *used = tick;
        Some(Arc::clone(open))
    }

    /// Keeps a part's head.
    pub(crate) fn insert(&self, id: PartId, open: Arc<OpenPart>) {
        let mut heads = lock(&self.heads);
        heads.tick += 1;
        let tick = heads.tick;
        heads.bytes += open.memory();
        if let Some((old, _)) = heads.parts.insert(id, (open, tick)) {
            heads.bytes -= old.memory();
        }
        while heads.bytes > self.max_bytes && heads.parts.len() > 1 {
            let oldest = heads.parts.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(&id, _)| id) else {
                break;
            };
            drop_head(&mut heads, oldest);
        }
    }

    /// Forgets a part.
    pub(crate) fn remove(&self, id: PartId) {
        drop_head(&mut lock(&self.heads), id);
        let mut files = lock(&self.files);
        files.remove(&(id, FileKind::Part));
        files.remove(&(id, FileKind::Sidecar));
    }
}

fn drop_head(heads: &mut Heads, id: PartId) {
    if let Some((open, _)) = heads.parts.remove(&id) {
        heads.bytes -= open.memory();
    }
}
