//! A directory of the real disk as a [`Backend`].

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::backend::{Backend, File, OpenMode};

/// Directories are for the owner, and readable by the group (log readers, backups).
const DIRECTORY_MODE: u32 = 0o750;
/// Files likewise; mail metadata is nobody else's business.
const FILE_MODE: u32 = 0o640;

/// A directory tree of a file system: files 0640, directories 0750, positioned reads and writes,
/// fdatasync for contents, fsync for directories.
///
/// Paths that are absolute or climb out with `..` are refused with [`ErrorKind::InvalidInput`].
#[derive(Clone, Debug)]
pub struct DiskBackend {
    root: PathBuf,
}

impl DiskBackend {
    /// Takes a directory, creating it and its parents if they are missing.
    ///
    /// # Errors
    /// When the directory cannot be created, or the path is something else than a directory.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&root)?;
        Ok(Self { root })
    }

    /// Takes a directory that exists, without touching it.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn existing(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        match fs::metadata(&root)?.is_dir() {
            true => Ok(Self { root }),
            false => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn full(&self, path: &Path) -> io::Result<PathBuf> {
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            let message = format!(
                "{} is not a path below the store's directory",
                path.display()
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(self.root.join(path))
    }
}

impl Backend for DiskBackend {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(FILE_MODE);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true).create(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(DiskFile(options.open(self.full(path)?)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.full(from)?, self.full(to)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(self.full(path)?)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(self.full(path)?)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(self.full(path)?)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files = Vec::new();
        for (name, metadata) in read_dir(&self.full(path)?)? {
            if metadata.is_file() {
                files.push((name, metadata.len()));
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    fn list_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut directories = Vec::new();
        for (name, metadata) in read_dir(&self.full(path)?)? {
            if metadata.is_dir() {
                directories.push(name);
            }
        }
        directories.sort_unstable();
        Ok(directories)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(self.full(path)?)
    }

    fn space(&self) -> io::Result<(u64, u64)> {
        let status = rustix::fs::statvfs(&self.root)?;
        let free = status.f_bavail.saturating_mul(status.f_frsize);
        Ok((free, status.f_blocks.saturating_mul(status.f_frsize)))
    }
}

/// Names and metadata of a directory's entries; none if it is missing. A file that vanishes
/// while the directory is read is left out.
fn read_dir(path: &Path) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) => found.push((PathBuf::from(entry.file_name()), metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// An open file of the disk.
#[derive(Debug)]
struct DiskFile(fs::File);

impl File for DiskFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn backend() -> (tempfile::TempDir, DiskBackend) {
        let directory = tempfile::tempdir().unwrap();
        let backend = DiskBackend::new(directory.path().join("data")).unwrap();
        (directory, backend)
    }

    #[test]
    fn files_are_written_read_listed_renamed_and_removed() {
        let (_directory, backend) = backend();
        backend.create_dir(Path::new("a/b")).unwrap();
        let file = backend
            .open(Path::new("a/b/one"), OpenMode::CreateNew)
            .unwrap();
        file.write_all_at(b"hello", 3).unwrap();
        file.sync().unwrap();
        backend.sync_dir(Path::new("a/b")).unwrap();
        backend.sync_dir(Path::new("")).unwrap();
        let mut bytes = [9; 8];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"\0\0\0hello");

        backend
            .rename(Path::new("a/b/one"), Path::new("a/two"))
            .unwrap();
        assert_eq!(
            backend.list(Path::new("a")).unwrap(),
            [(PathBuf::from("two"), 8)]
        );
        assert_eq!(
            backend.list_dirs(Path::new("a")).unwrap(),
            [PathBuf::from("b")]
        );
        assert_eq!(backend.list(Path::new("missing")).unwrap(), []);
        backend.remove(Path::new("a/two")).unwrap();
        backend.remove_dir(Path::new("a/b")).unwrap();
        assert!(backend.list(Path::new("a")).unwrap().is_empty());
    }

    #[test]
    fn open_modes_do_what_they_say() {
        let (_directory, backend) = backend();
        let path = Path::new("file");
        assert_eq!(
            backend.open(path, OpenMode::Read).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        backend
            .open(path, OpenMode::Write)
            .unwrap()
            .write_all_at(b"kept", 0)
            .unwrap();
        assert_eq!(
            backend.open(path, OpenMode::Write).unwrap().len().unwrap(),
            4
        );
        let error = backend.open(path, OpenMode::CreateNew).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn modes_keep_others_out() {
        let (directory, backend) = backend();
        backend.open(Path::new("file"), OpenMode::Write).unwrap();
        let root = directory.path().join("data");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&root) & 0o027, 0);
        assert_eq!(mode(&root.join("file")) & 0o137, 0);
    }

    #[test]
    fn paths_cannot_leave_the_root() {
        let (_directory, backend) = backend();
        for path in ["../x", "/etc/passwd", "a/../../x"] {
            let error = backend.open(Path::new(path), OpenMode::Read).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
    }

    #[test]
    fn space_is_that_of_the_file_system() {
        let (_directory, backend) = backend();
        let (free, total) = backend.space().unwrap();
        assert!(free <= total && total > 0);
    }
}
