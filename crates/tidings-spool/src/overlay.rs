//! A directory as if it could be written: reads come from another backend, writes stay in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::backend::{Backend, File, OpenMode};

/// Bytes that are told to be free: what is written goes into memory, however full the disk is.
const SPACE_BYTES: u64 = 1 << 50;

/// Another backend below, of which nothing is changed, and everything that was written since, in
/// memory: for who wants to read a directory that another process writes, or that nobody may write.
///
/// Memory: the bytes written, which for a reader are few; what is read is not kept.
#[derive(Debug)]
pub struct Overlay {
    below: Arc<dyn Backend>,
    changed: Mutex<Changed>,
}

#[derive(Debug, Default)]
struct Changed {
    /// Files that were written or renamed; `None` if removed.
    files: BTreeMap<PathBuf, Option<Arc<Layer>>>,
    created: BTreeSet<PathBuf>,
    removed: BTreeSet<PathBuf>,
}

impl Overlay {
    /// Nothing written yet.
    pub fn new(below: Arc<dyn Backend>) -> Overlay {
        Overlay {
            below,
            changed: Mutex::default(),
        }
    }

    /// Keeps the files that are in a directory now open, so that they can be read even when their
    /// owner removes them.
    ///
    /// # Errors
    /// If the directory cannot be listed, or a file of it that is still there not be opened.
    pub fn hold(&self, directory: &Path) -> io::Result<()> {
        for (name, _) in self.below.list(directory)? {
            let path = directory.join(name);
            match self.below.open(&path, OpenMode::Read) {
                Ok(file) => self.put(&path, Layer::over(file)?),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, path: &Path, layer: Layer) -> Arc<Layer> {
        let layer = Arc::new(layer);
        let file = Some(Arc::clone(&layer));
        self.lock().files.insert(path.to_owned(), file);
        layer
    }

    /// The file for writing, if there is one.
    fn existing(&self, path: &Path) -> io::Result<Option<Arc<Layer>>> {
        if let Some(known) = self.lock().files.get(path) {
            return Ok(known.clone());
        }
        match self.below.open(path, OpenMode::Read) {
            Ok(file) => Ok(Some(self.put(path, Layer::over(file)?))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Backend for Overlay {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode == OpenMode::Read {
            let known = self.lock().files.get(path).cloned();
            return match known {
                Some(Some(layer)) => Ok(layer),
                Some(None) => Err(ErrorKind::NotFound.into()),
                None => self.below.open(path, mode),
            };
        }
        match self.existing(path)? {
            Some(_) if mode == OpenMode::CreateNew => Err(ErrorKind::AlreadyExists.into()),
            Some(layer) => Ok(layer),
            None => Ok(self.put(path, Layer::empty())),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let layer = self.existing(from)?.ok_or(ErrorKind::NotFound)?;
        let mut changed = self.lock();
        changed.files.insert(to.to_owned(), Some(layer));
        changed.files.insert(from.to_owned(), None);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.existing(path)?.ok_or(ErrorKind::NotFound)?;
        self.lock().files.insert(path.to_owned(), None);
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut changed = self.lock();
        for directory in path.ancestors() {
            changed.removed.remove(directory);
            changed.created.insert(directory.to_owned());
        }
        Ok(())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files: BTreeMap<PathBuf, u64> = self.below.list(path)?.into_iter().collect();
        for (changed, layer) in &self.lock().files {
            let Some(name) = changed.file_name().filter(|_| is_in(changed, path)) else {
                continue;
            };
            match layer {
                Some(layer) => files.insert(name.into(), layer.len()?),
                None => files.remove(Path::new(name)),
            };
        }
        Ok(files.into_iter().collect())
    }

    fn list_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let changed = self.lock();
        let mut names: BTreeSet<PathBuf> = self.below.list_dirs(path)?.into_iter().collect();
        names.retain(|name| !changed.removed.contains(&path.join(name)));
        let created = changed.created.iter().filter(|made| is_in(made, path));
        names.extend(created.filter_map(|made| Some(made.file_name()?.into())));
        Ok(names.into_iter().collect())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut changed = self.lock();
        changed.created.remove(path);
        changed.removed.insert(path.to_owned());
        Ok(())
    }

    fn space(&self) -> io::Result<(u64, u64)> {
        Ok((SPACE_BYTES, SPACE_BYTES))
    }
}

fn is_in(path: &Path, directory: &Path) -> bool {
    path.parent() == Some(directory)
}

/// A file whose first bytes are those of one below, and the others in memory.
#[derive(Debug)]
struct Layer {
    below: Option<Arc<dyn File>>,
    written: RwLock<Written>,
}

#[derive(Debug)]
struct Written {
    /// So many bytes are below.
    from: u64,
    /// The bytes behind them.
    bytes: Vec<u8>,
}

impl Layer {
    fn empty() -> Layer {
        Layer {
            below: None,
            written: RwLock::new(Written {
                from: 0,
                bytes: Vec::new(),
            }),
        }
    }

    /// As long as the file below is now.
    fn over(file: Arc<dyn File>) -> io::Result<Layer> {
        let from = file.len()?;
        Ok(Layer {
            below: Some(file),
            written: RwLock::new(Written {
                from,
                bytes: Vec::new(),
            }),
        })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Written> {
        self.written.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Written> {
        self.written.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_below(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.below {
            Some(file) => file.read_exact_at(buffer, offset),
            None => Ok(()),
        }
    }
}

impl File for Layer {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let written = self.read();
        let below = written.from.saturating_sub(offset);
        let below = usize::try_from(below).map_or(buffer.len(), |below| below.min(buffer.len()));
        let (below, above) = buffer.split_at_mut(below);
        if !below.is_empty() {
            self.read_below(below, offset)?;
        }
        if above.is_empty() {
            return Ok(());
        }
        let start = offset.saturating_sub(written.from);
        let start = usize::try_from(start).map_err(|_| ErrorKind::UnexpectedEof)?;
        let end = start.saturating_add(above.len());
        let bytes = written.bytes.get(start..end);
        above.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut written = self.write();
        let too_long = |_| io::Error::from(ErrorKind::FileTooLarge);
        if offset < written.from {
            let mut copied = vec![0; usize::try_from(written.from - offset).map_err(too_long)?];
            self.read_below(&mut copied, offset)?;
            copied.append(&mut written.bytes);
            *written = Written {
                from: offset,
                bytes: copied,
            };
        }
        let start = usize::try_from(offset - written.from).map_err(too_long)?;
        let end = start.saturating_add(bytes.len());
        if written.bytes.len() < end {
            written.bytes.resize(end, 0);
        }
        written.bytes[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.write();
        match length.checked_sub(written.from) {
            Some(above) => {
                let above = usize::try_from(above);
                let above = above.map_err(|_| io::Error::from(ErrorKind::FileTooLarge))?;
                written.bytes.resize(above, 0);
            }
            None => {
                *written = Written {
                    from: length,
                    bytes: Vec::new(),
                };
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let written = self.read();
        Ok(written.from + written.bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::MemoryBackend;

    fn write(backend: &dyn Backend, path: &str, bytes: &[u8], offset: u64) {
        let file = backend.open(Path::new(path), OpenMode::Write).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    fn read(backend: &dyn Backend, path: &str) -> io::Result<Vec<u8>> {
        let file = backend.open(Path::new(path), OpenMode::Read)?;
        let mut bytes = vec![0; file.len()? as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn kind<T>(result: io::Result<T>) -> ErrorKind {
        result.map(drop).unwrap_err().kind()
    }

    /// A directory with two files, and an overlay of it.
    fn world() -> (Arc<MemoryBackend>, Overlay) {
        let disk = Arc::new(MemoryBackend::new());
        disk.create_dir(Path::new("d")).unwrap();
        write(&*disk, "d/a", b"hello", 0);
        write(&*disk, "top", b"t", 0);
        let below: Arc<dyn Backend> = Arc::clone(&disk) as Arc<dyn Backend>;
        (disk, Overlay::new(below))
    }

    #[test]
    fn what_is_written_is_read_back_and_the_disk_is_as_before() {
        let (disk, over) = world();
        write(&over, "d/a", b"LLO, you", 2);
        write(&over, "d/a", b"!", 12);
        assert_eq!(read(&over, "d/a").unwrap(), b"heLLO, you\0\0!");
        let file = over.open(Path::new("d/a"), OpenMode::Write).unwrap();
        file.set_len(3).unwrap();
        file.write_all_at(b"p", 3).unwrap();
        file.set_len(6).unwrap();
        assert_eq!(read(&over, "d/a").unwrap(), b"heLp\0\0");
        let mut middle = [0; 2];
        file.read_exact_at(&mut middle, 1).unwrap();
        assert_eq!(&middle, b"eL");
        assert_eq!(
            kind(file.read_exact_at(&mut middle, 5)),
            ErrorKind::UnexpectedEof
        );
        assert_eq!(read(&*disk, "d/a").unwrap(), b"hello");
    }

    #[test]
    fn files_and_directories_are_listed_as_they_seem() {
        let (disk, over) = world();
        let create = |path: &str| over.open(Path::new(path), OpenMode::CreateNew);
        create("d/new").unwrap().write_all_at(b"xy", 0).unwrap();
        assert_eq!(kind(create("d/new")), ErrorKind::AlreadyExists);
        assert_eq!(kind(create("d/a")), ErrorKind::AlreadyExists);
        over.rename(Path::new("d/a"), Path::new("d/b")).unwrap();
        over.remove(Path::new("top")).unwrap();
        assert_eq!(kind(over.remove(Path::new("top"))), ErrorKind::NotFound);
        assert_eq!(kind(read(&over, "d/a")), ErrorKind::NotFound);
        let listed = [("b".into(), 5), ("new".into(), 2)];
        assert_eq!(over.list(Path::new("d")).unwrap(), listed);
        assert_eq!(over.list(Path::new("")).unwrap(), []);
        over.create_dir(Path::new("x/y")).unwrap();
        let directories = over.list_dirs(Path::new("")).unwrap();
        assert_eq!(directories, [PathBuf::from("d"), PathBuf::from("x")]);
        over.remove_dir(Path::new("d")).unwrap();
        assert_eq!(over.list_dirs(Path::new("")).unwrap(), [PathBuf::from("x")]);
        assert_eq!(disk.list(Path::new("d")).unwrap(), [("a".into(), 5)]);
        assert_eq!(disk.list(Path::new("")).unwrap(), [("top".into(), 1)]);
    }

    #[test]
    fn what_is_held_stays_when_its_owner_removes_or_grows_it() {
        let (disk, over) = world();
        over.hold(Path::new("d")).unwrap();
        over.hold(Path::new("missing")).unwrap();
        write(&*disk, "d/a", b" and more", 5);
        assert_eq!(read(&over, "d/a").unwrap(), b"hello");
        disk.remove(Path::new("d/a")).unwrap();
        assert_eq!(over.list(Path::new("d")).unwrap(), [("a".into(), 5)]);
        assert_eq!(read(&over, "d/a").unwrap(), b"hello");
    }
}
