//! One owner per directory: a lock that the kernel releases when its process dies.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Takes the lock of a directory, `DIR/lock`, and writes this process's id into it.
///
/// The lock is an advisory `flock(2)`: it goes away with the returned value or the process,
/// however that ends. The file itself stays, because removing it would let two owners lock two
/// files of the same name.
///
/// # Errors
/// [`LockError::Held`] with the holder's process id when another owner has it, in this process or
/// another; [`LockError::Io`] when the file cannot be made or written.
pub fn lock_dir(root: &Path) -> Result<DirLock, LockError> {
    let path = root.join("lock");
    let io_error = |source| LockError::Io {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&path)
        .map_err(io_error)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let holder_pid = read_pid(&mut file);
            return Err(LockError::Held { path, holder_pid });
        }
        Err(errno) => return Err(io_error(errno.into())),
    }
    write_pid(&mut file).map_err(io_error)?;
    Ok(DirLock { _file: file, path })
}

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
    path: PathBuf,
}

impl DirLock {
    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Why a directory could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// Another owner has it.
    Held {
        /// The lock file.
        path: PathBuf,
        /// The holder's process id, if the file tells it.
        holder_pid: Option<u32>,
    },
    /// The lock file could not be made, locked or written.
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held {
                path,
                holder_pid: Some(pid),
            } => {
                write!(
                    f,
                    "{} is held by process {pid}, and a directory has one owner",
                    path.display()
                )
            }
            Self::Held {
                path,
                holder_pid: None,
            } => {
                write!(
                    f,
                    "{} is held by another process, and a directory has one owner",
                    path.display()
                )
            }
            Self::Io { path, .. } => write!(f, "cannot lock {}", path.display()),
        }
    }
}

impl Error for LockError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::Io { source, .. } => Some(source),
        }
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // A pid and a line end; anything longer was not written by us.
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_learns_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let lock = lock_dir(directory.path()).unwrap();
        let error = lock_dir(directory.path()).unwrap_err();
        let LockError::Held { holder_pid, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*holder_pid, Some(std::process::id()));
        assert!(
            error
                .to_string()
                .contains(&format!("held by process {}", std::process::id())),
            "{error}"
        );
        drop(lock);
        lock_dir(directory.path()).unwrap();
    }

    #[test]
    fn a_stale_pid_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lock"), "4294967295 and more\n").unwrap();
        let lock = lock_dir(directory.path()).unwrap();
        let text = std::fs::read_to_string(lock.path()).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let error = lock_dir(&directory.path().join("missing")).unwrap_err();
        assert!(matches!(error, LockError::Io { .. }));
        assert!(error.to_string().contains("missing/lock"), "{error}");
    }
}
