//! The places up to which the outputs have delivered, kept in one small file.
//!
//! The file is replaced as a whole, at most once a second and when an output ends: written beside,
//! synced, renamed. Its bytes: `TDCURSOR`, version `u32 LE` = 1, epoch of the spool `u64 LE`, count
//! `u32 LE`, then for each output the length of its name `u16 LE`, its name, its sequence `u64 LE`; at
//! the end the CRC-32C of all before as `u32 LE`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_spool::{Backend, Clock, OpenMode};

/// Least time between two writes of the file.
const SAVE_INTERVAL_NS: u64 = 1_000_000_000;

const MAGIC: &[u8; 8] = b"TDCURSOR";
const VERSION: u32 = 1;
const DIRECTORY: &str = "outputs";
const FILE: &str = "outputs/cursors";
const BESIDE: &str = "outputs/cursors.new";
/// The longest name of an output, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 128;
/// A longer file is not one of ours.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The cursors of all outputs of one spool.
#[derive(Debug)]
pub struct Cursors {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    epoch: u64,
    found: Found,
    inner: Mutex<Inner>,
    /// Held while the file is written, so that nobody waits for the disk to note a place.
    saving: Mutex<()>,
}

/// What was there at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No file: no output ever ran.
    Nothing,
    /// The cursors.
    Cursors,
    /// A file that cannot be used; outputs begin at the oldest event kept, so that none is lost.
    Unusable(String),
}

#[derive(Debug, Default)]
struct Inner {
    cursors: BTreeMap<String, Place>,
    owners: u64,
    is_changed: bool,
    saved_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    sequence: u64,
    /// Who may move it: the newest who took it.
    owner: u64,
}

impl Inner {
    /// Puts an output to a place that only its new owner may move.
    fn put(&mut self, name: &str, sequence: u64) -> u64 {
        self.owners += 1;
        let owner = self.owners;
        let place = Place { sequence, owner };
        self.cursors.insert(name.to_owned(), place);
        self.is_changed = true;
        owner
    }
}

/// The cursor of one output, in the hands of its driver.
#[derive(Debug)]
pub struct Cursor {
    cursors: Arc<Cursors>,
    name: String,
    owner: u64,
    sequence: u64,
}

impl Cursors {
    /// Reads `outputs/cursors` below the backend's root, for the spool of this epoch.
    ///
    /// # Errors
    /// When the medium fails; a damaged file is no error, see [`found`](Self::found).
    pub fn open(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>, epoch: u64) -> io::Result<Self> {
        backend.create_dir(Path::new(DIRECTORY))?;
        backend.sync_dir(Path::new(""))?;
        let (found, cursors) = match read(backend.as_ref())? {
            None => (Found::Nothing, BTreeMap::new()),
            Some(bytes) => match decode(&bytes) {
                Ok((of, cursors)) if of == epoch => (Found::Cursors, cursors),
                Ok((of, _)) => (
                    Found::Unusable(format!(
                        "it belongs to the spool {of:016x}, not to {epoch:016x}"
                    )),
                    BTreeMap::new(),
                ),
                Err(why) => (Found::Unusable(why.to_owned()), BTreeMap::new()),
            },
        };
        let place = |sequence| Place { sequence, owner: 0 };
        let cursors = cursors
            .into_iter()
            .map(|(name, sequence)| (name, place(sequence)))
            .collect();
        Ok(Self {
            backend,
            clock,
            epoch,
            found,
            inner: Mutex::new(Inner {
                cursors,
                ..Inner::default()
            }),
            saving: Mutex::new(()),
        })
    }

    /// What was there when it was opened.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The cursor of an output. One that had none begins at `head`, or at `oldest` if the file was
    /// unusable. Whoever took it before can no longer move it. Who takes a new
    /// one [saves](Self::save) it before anything else, or a kill moves its beginning.
    #[must_use]
    pub fn take(self: &Arc<Self>, name: &str, oldest: u64, head: u64) -> Cursor {
        let default = match self.found {
            Found::Unusable(_) => oldest,
            Found::Nothing | Found::Cursors => head,
        };
        let mut inner = self.lock();
        let known = inner.cursors.get(name).map(|place| place.sequence);
        let sequence = known.unwrap_or(default).min(head);
        let owner = inner.put(name, sequence);
        Cursor {
            cursors: Arc::clone(self),
            name: name.to_owned(),
            owner,
            sequence,
        }
    }

    /// Puts an output to another place; whoever took its cursor before can no longer move it.
    pub fn put(&self, name: &str, sequence: u64) {
        self.lock().put(name, sequence);
    }

    /// Where an output stands.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.lock().cursors.get(name).map(|place| place.sequence)
    }

    /// Forgets the outputs that do not exist any more.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        let mut inner = self.lock();
        let before = inner.cursors.len();
        inner.cursors.retain(|name, _| is_kept(name));
        inner.is_changed |= inner.cursors.len() != before;
    }

    /// Writes the file, if anything changed.
    ///
    /// # Errors
    /// When the medium fails; the old file is still there, and the next call tries again.
    pub fn save(&self) -> io::Result<()> {
        let _guard = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.write()
    }

    /// Writes the file if that is due and nobody else is at it.
    fn save_if_due(&self) -> io::Result<()> {
        let now = self.clock.monotonic_ns();
        let is_due = |inner: &Inner| {
            let since = |saved: u64| now.saturating_sub(saved) >= SAVE_INTERVAL_NS;
            inner.is_changed && inner.saved_ns.is_none_or(since)
        };
        if !is_due(&self.lock()) {
            return Ok(());
        }
        let Ok(_guard) = self.saving.try_lock() else {
            return Ok(());
        };
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let bytes = {
            let mut inner = self.lock();
            if !inner.is_changed {
                return Ok(());
            }
            inner.is_changed = false;
            inner.saved_ns = Some(self.clock.monotonic_ns());
            encode(self.epoch, &inner.cursors)
        };
        let written = self.replace(&bytes);
        if written.is_err() {
            self.lock().is_changed = true;
        }
        written
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let (directory, beside) = (Path::new(DIRECTORY), Path::new(BESIDE));
        let file = self.backend.open(beside, OpenMode::Write)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        self.backend.rename(beside, Path::new(FILE))?;
        self.backend.sync_dir(directory)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cursor {
    /// The sequence of the first event that is to be delivered.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Everything before `sequence` is delivered. Written by [`save_if_due`](Self::save_if_due).
    pub fn note(&mut self, sequence: u64) {
        if sequence == self.sequence {
            return;
        }
        self.sequence = sequence;
        let mut inner = self.cursors.lock();
        if let Some(place) = inner.cursors.get_mut(&self.name)
            && place.owner == self.owner
        {
            place.sequence = sequence;
            inner.is_changed = true;
        }
    }

    /// Writes all cursors if that was not done within the last second.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn save_if_due(&self) -> io::Result<()> {
        self.cursors.save_if_due()
    }

    /// Writes all cursors now.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn save(&self) -> io::Result<()> {
        self.cursors.save()
    }
}

fn read(backend: &dyn Backend) -> io::Result<Option<Vec<u8>>> {
    let file = match backend.open(Path::new(FILE), OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.len()?.min(MAX_FILE_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

fn encode(epoch: u64, cursors: &BTreeMap<String, Place>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + cursors.len() * 32);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&epoch.to_le_bytes());
    let named = || {
        cursors.iter().filter_map(|(name, place)| {
            let length = u16::try_from(name.len()).ok()?;
            Some((name, length, place.sequence))
        })
    };
    let count = u32::try_from(named().count()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for (name, length, sequence) in named() {
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
    }
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Result<(u64, BTreeMap<String, u64>), &'static str> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or("it is cut off")?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err("its checksum does not match");
    }
    fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], &'static str> {
        let (head, tail) = rest.split_first_chunk().ok_or("it is cut off")?;
        *rest = tail;
        Ok(head)
    }
    let mut rest = body;
    if take(&mut rest)? != MAGIC {
        return Err("it is no file of cursors");
    }
    if u32::from_le_bytes(*take(&mut rest)?) != VERSION {
        return Err("it is of a version that this program does not know");
    }
    let epoch = u64::from_le_bytes(*take(&mut rest)?);
    let count = u32::from_le_bytes(*take(&mut rest)?);
    let mut cursors = BTreeMap::new();
    for _ in 0..count {
        let length = u16::from_le_bytes(*take(&mut rest)?);
        let (name, tail) = rest
            .split_at_checked(usize::from(length))
            .ok_or("it is cut off")?;
        rest = tail;
        let name = std::str::from_utf8(name).map_err(|_| "a name is not UTF-8")?;
        cursors.insert(name.to_owned(), u64::from_le_bytes(*take(&mut rest)?));
    }
    Ok((epoch, cursors))
}

/// Where the file lies below the data directory, for messages.
#[must_use]
pub(crate) fn cursors_path() -> PathBuf {
    PathBuf::from(FILE)
}

#[cfg(test)]
mod tests;
