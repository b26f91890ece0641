//! Faults on demand: an in-memory disk that crashes, tears writes, fills up and rots, and a clock
//! that is set by hand.
//!
//! These are test doubles for this crate and every other that works through [`Backend`]. The
//! model is pessimistic, so that what holds on it holds on any file system that keeps POSIX:
//!
//! * what was written and not [synced](File::sync) may survive a crash wholly, in part or not at
//!   all, each 512-byte sector for itself; a sector is never half old, half new;
//! * creating, renaming and removing is durable only after [`Backend::sync_dir`] of the directory
//!   that holds the (new) name; syncing a file does not make its name durable;
//! * a failed sync loses what was to be synced for good: a later sync that succeeds does not
//!   bring it back (as Linux behaves), although reads go on showing it until the crash.
//!
//! ```
//! use std::path::Path;
//! use tidings_spool::fault::MemoryBackend;
//! use tidings_spool::{Backend, OpenMode};
//!
//! let disk = MemoryBackend::new();
//! let file = disk.open(Path::new("a"), OpenMode::CreateNew)?;
//! disk.sync_dir(Path::new(""))?;
//! file.write_all_at(b"kept", 0)?;
//! file.sync()?;
//! file.write_all_at(b"lost", 4)?;
//!
//! let after = disk.crash(0); // seed 0: nothing survives that was not synced
//! assert_eq!(after.contents(Path::new("a"))?, b"kept");
//! # Ok::<(), std::io::Error>(())
//! ```

mod random;
mod world;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use self::world::{NameChange, SharedInode, World, normal};
use crate::backend::{Backend, File, OpenMode};
use crate::clock::Clock;

/// Bytes that reach the disk together or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// An in-memory directory tree with faults. Clones share the tree.
///
/// *Mutating operations* are those that change the disk or make a change durable: creating a file
/// (an `open` that finds it does not count), writing, `set_len`, `sync`, `sync_dir`, renaming,
/// removing, and creating or removing a directory. They are counted from 1.
#[derive(Clone, Debug, Default)]
pub struct MemoryBackend {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    world: Mutex<World>,
    /// Signalled when held syncs may go on.
    released: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryBackend {
    /// An empty disk without faults; [`Backend::space`] says 1 TiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Crashes the machine: this disk fails every further operation, and the returned one holds
    /// what survived.
    ///
    /// With seed 0 nothing survives that was not synced, with seed 1 everything does; any other
    /// seed draws for each sector and each name.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let mut world = self.shared.lock();
        world.crashed = true;
        self.shared.released.notify_all();
        Self::of(world.survivors(seed))
    }

    /// Kills the process but not the machine: this disk fails every further operation, and the
    /// returned one holds everything that was written, all of it durable.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut world = self.shared.lock();
        world.crashed = true;
        self.shared.released.notify_all();
        Self::of(world.survivors(1))
    }

    /// Lets the `n`-th mutating operation from now, counted from 1, and everything after it fail
    /// as in a crash. That operation may still have an effect, as it may in a real crash; see
    /// what became of it with [`crash`](Self::crash).
    pub fn crash_at(&self, n: u64) {
        let mut world = self.shared.lock();
        world.crash_at = Some(world.operations + n);
    }

    /// Whether the machine has crashed.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.shared.lock().crashed
    }

    /// Mutating operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.lock().operations
    }

    /// Successful syncs of files so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.lock().syncs
    }

    /// Lets files grow by `bytes` more in total, then the disk is full: a write stores what fits
    /// and fails with [`io::ErrorKind::StorageFull`]. Removed bytes can be used again.
    pub fn full_after(&self, bytes: u64) {
        let mut world = self.shared.lock();
        world.capacity = Some(world.used() + bytes);
    }

    /// Takes back [`full_after`](Self::full_after).
    pub fn never_full(&self) {
        self.shared.lock().capacity = None;
    }

    /// Sets the size that [`Backend::space`] reports.
    pub fn set_disk_bytes(&self, bytes: u64) {
        self.shared.lock().disk_bytes = bytes;
    }

    /// Lets the next sync of a file fail; what it should have made durable is lost for good.
    pub fn fail_sync_once(&self) {
        self.shared.lock().failing_syncs += 1;
    }

    /// Lets the next write fail with `kind` after storing half of its bytes.
    pub fn fail_write_once(&self, kind: io::ErrorKind) {
        self.shared.lock().failing_write = Some(kind);
    }

    /// Lets syncs of files wait until the returned value is dropped.
    pub fn hold_syncs(&self) -> SyncHold {
        self.shared.lock().held += 1;
        SyncHold {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Flips one bit of a file, as rot on the medium: `bit` 0 is the lowest of the byte at
    /// `offset`. Does not count as an operation.
    ///
    /// # Errors
    /// When there is no such file, or it is shorter.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let world = self.shared.lock();
        world.inode(path)?.lock().flip(offset, bit)
    }

    /// Makes the sector that holds `offset` unreadable until it is written again.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn break_sector(&self, path: &Path, offset: u64) -> io::Result<()> {
        let world = self.shared.lock();
        world.inode(path)?.lock().bad.insert(offset / SECTOR_BYTES);
        Ok(())
    }

    /// All bytes of a file as readers see them now.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let world = self.shared.lock();
        let contents = world.inode(path)?.lock().current.clone();
        Ok(contents)
    }

    /// Puts a file there, durably, with its directories, replacing what was there. Does not count
    /// as an operation.
    pub fn install(&self, path: &Path, bytes: &[u8]) {
        self.shared.lock().install(&normal(path), bytes);
    }

    fn of(world: World) -> Self {
        Self {
            shared: Arc::new(Shared {
                world: Mutex::new(world),
                released: Condvar::new(),
            }),
        }
    }
}

impl Backend for MemoryBackend {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let path = normal(path);
        let mut world = self.shared.lock();
        world.check_alive()?;
        let inode = match world.files.get(&path) {
            Some(_) if mode == OpenMode::CreateNew => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the file exists",
                ));
            }
            Some(inode) => inode.clone(),
            None if mode == OpenMode::Read => return Err(world::not_found(&path)),
            None => {
                world.check_parent(&path)?;
                let inode = SharedInode::default();
                world.change(NameChange::Link {
                    path,
                    inode: inode.clone(),
                })?;
                inode
            }
        };
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(MemoryFile {
            shared: Arc::clone(&self.shared),
            inode,
            writable,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from), normal(to));
        let mut world = self.shared.lock();
        world.check_alive()?;
        world.check_parent(&to)?;
        let inode = world.inode(&from)?;
        world.change(NameChange::Rename { from, to, inode })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        let mut world = self.shared.lock();
        world.check_alive()?;
        world.inode(&path)?;
        world.change(NameChange::Unlink { path })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        let mut world = self.shared.lock();
        world.check_alive()?;
        let mut parents: Vec<PathBuf> = path.ancestors().map(Path::to_path_buf).collect();
        parents.reverse();
        for directory in parents {
            if !world.has_directory(&directory) {
                world.change(NameChange::MakeDirectory { path: directory })?;
            }
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.shared.lock().sync_directory(&normal(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        self.shared.lock().list(&normal(path))
    }

    fn list_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.shared.lock().list_directories(&normal(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        let mut world = self.shared.lock();
        world.check_alive()?;
        world.check_empty(&path)?;
        world.change(NameChange::RemoveDirectory { path })
    }

    fn space(&self) -> io::Result<(u64, u64)> {
        let world = self.shared.lock();
        world.check_alive()?;
        let free_of_disk = world.disk_bytes.saturating_sub(world.used());
        let free = world.capacity.map_or(free_of_disk, |capacity| {
            capacity.saturating_sub(world.used()).min(free_of_disk)
        });
        Ok((free, world.disk_bytes))
    }
}

/// An open file of a [`MemoryBackend`]; stays readable after its name is removed.
#[derive(Debug)]
struct MemoryFile {
    shared: Arc<Shared>,
    inode: SharedInode,
    writable: bool,
}

impl MemoryFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the file is open for reading only",
        ))
    }
}

impl File for MemoryFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let world = self.shared.lock();
        world.check_alive()?;
        self.inode.lock().read(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        self.shared.lock().write(&self.inode, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.shared.lock();
        while world.held > 0 && !world.crashed {
            world = self
                .shared
                .released
                .wait(world)
                .unwrap_or_else(PoisonError::into_inner);
        }
        world.sync(&self.inode)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        self.shared.lock().set_len(&self.inode, length)
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.shared.lock();
        world.check_alive()?;
        let length = self.inode.lock().current.len();
        Ok(length as u64)
    }
}

/// Holds back syncs while it lives; see [`MemoryBackend::hold_syncs`].
#[derive(Debug)]
#[must_use = "syncs are held only while this value lives"]
pub struct SyncHold {
    shared: Arc<Shared>,
}

impl Drop for SyncHold {
    fn drop(&mut self) {
        self.shared.lock().held -= 1;
        self.shared.released.notify_all();
    }
}

/// A clock that stands still until it is moved by hand.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ns: AtomicI64,
    elapsed_ns: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now_ns` nanoseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn new(now_ns: i64) -> Self {
        Self {
            now_ns: AtomicI64::new(now_ns),
            elapsed_ns: AtomicI64::new(0),
        }
    }

    /// Moves both times forward by `ns` nanoseconds.
    pub fn advance(&self, ns: i64) {
        self.now_ns.fetch_add(ns, Ordering::Relaxed);
        self.elapsed_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        self.now_ns.load(Ordering::Relaxed)
    }

    fn monotonic_ns(&self) -> u64 {
        self.elapsed_ns.load(Ordering::Relaxed).unsigned_abs()
    }
}
