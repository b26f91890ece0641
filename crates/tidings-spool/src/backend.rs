//! The only way to the disk: a small trait, so that crashes, short writes, full disks and bit
//! flips are test doubles.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; the file must exist.
    Read,
    /// For reading and writing; created if it is missing.
    Write,
    /// For reading and writing; must not exist.
    CreateNew,
}

/// One directory tree that a store owns.
///
/// Paths are relative to the store's root. Called from any thread, may block on the disk. An
/// error means that the operation may have happened, in part or whole: after a failed write or
/// sync the caller stops trusting what it wrote.
pub trait Backend: Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Renames a file over another, atomically; durable after [`sync_dir`](Self::sync_dir).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and its parents.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Names and sizes of the regular files directly in a directory; empty if it is missing.
    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, u64)>>;
    /// Names of the directories directly in a directory; empty if it is missing.
    fn list_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes free on the file system, and its size.
    fn space(&self) -> io::Result<(u64, u64)>;
}

/// An open file. Reads and writes name their offset, so a handle may be shared by threads.
pub trait File: Debug + Send + Sync {
    /// Reads exactly `buffer.len()` bytes from `offset`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file as needed.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable (fdatasync).
    fn sync(&self) -> io::Result<()>;
    /// Cuts or grows the file.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
