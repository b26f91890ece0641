//! The state of the simulated disk: what readers see, what is durable, and what lies between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SECTOR_BYTES;
use super::random::Fate;

const TEBIBYTE: u64 = 1 << 40;

/// Everything behind one lock.
#[derive(Debug)]
pub(super) struct World {
    /// Names as readers see them. Keys are [`normal`] paths.
    pub(super) files: BTreeMap<PathBuf, SharedInode>,
    directories: BTreeSet<PathBuf>,
    durable_files: BTreeMap<PathBuf, SharedInode>,
    durable_directories: BTreeSet<PathBuf>,
    /// Changes of names since the last sync of their directory, oldest first.
    pending: Vec<NameChange>,
    pub(super) operations: u64,
    pub(super) syncs: u64,
    pub(super) crash_at: Option<u64>,
    pub(super) crashed: bool,
    pub(super) capacity: Option<u64>,
    pub(super) disk_bytes: u64,
    pub(super) failing_syncs: u32,
    pub(super) failing_write: Option<ErrorKind>,
    pub(super) held: u32,
}

impl Default for World {
    fn default() -> Self {
        let root = BTreeSet::from([PathBuf::new()]);
        Self {
            files: BTreeMap::new(),
            directories: root.clone(),
            durable_files: BTreeMap::new(),
            durable_directories: root,
            pending: Vec::new(),
            operations: 0,
            syncs: 0,
            crash_at: None,
            crashed: false,
            capacity: None,
            disk_bytes: TEBIBYTE,
            failing_syncs: 0,
            failing_write: None,
            held: 0,
        }
    }
}

impl World {
    pub(super) fn check_alive(&self) -> io::Result<()> {
        if self.crashed {
            Err(crash_error())
        } else {
            Ok(())
        }
    }

    pub(super) fn check_parent(&self, path: &Path) -> io::Result<()> {
        let parent = parent_of(path);
        if self.directories.contains(&parent) {
            Ok(())
        } else {
            Err(not_found(&parent))
        }
    }

    pub(super) fn check_empty(&self, path: &Path) -> io::Result<()> {
        if !self.directories.contains(path) {
            return Err(not_found(path));
        }
        let holds = |child: &PathBuf| child != path && parent_of(child) == path;
        if self.files.keys().any(holds) || self.directories.iter().any(holds) {
            let message = format!("{} is not empty", path.display());
            return Err(io::Error::new(ErrorKind::DirectoryNotEmpty, message));
        }
        Ok(())
    }

    pub(super) fn has_directory(&self, path: &Path) -> bool {
        self.directories.contains(path)
    }

    pub(super) fn inode(&self, path: &Path) -> io::Result<SharedInode> {
        let path = normal(path);
        self.files
            .get(&path)
            .cloned()
            .ok_or_else(|| not_found(&path))
    }

    /// Bytes in all files that have a name.
    pub(super) fn used(&self) -> u64 {
        self.files
            .values()
            .map(|inode| inode.lock().current.len() as u64)
            .sum()
    }

    pub(super) fn change(&mut self, change: NameChange) -> io::Result<()> {
        let crashes = self.count();
        change.apply(&mut self.files, &mut self.directories);
        self.pending.push(change);
        if crashes { Err(crash_error()) } else { Ok(()) }
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        self.check_alive()?;
        if !self.directories.contains(path) {
            return Err(not_found(path));
        }
        if self.count() {
            return Err(crash_error());
        }
        let (synced, pending) = self
            .pending
            .drain(..)
            .partition(|change| change.directory() == path);
        self.pending = pending;
        let synced: Vec<NameChange> = synced;
        for change in synced {
            change.apply(&mut self.durable_files, &mut self.durable_directories);
        }
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        inode: &SharedInode,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        self.check_alive()?;
        let crashes = self.count();
        let fits = self.fitting(inode, bytes.len(), offset);
        let mut stored = &bytes[..fits];
        let mut failure = (fits < bytes.len()).then_some(ErrorKind::StorageFull);
        if let Some(kind) = self.failing_write.take() {
            stored = &bytes[..fits.min(bytes.len() / 2)];
            failure = Some(kind);
        }
        inode.lock().change(Change::Write {
            offset,
            bytes: stored.to_vec(),
        });
        match failure {
            _ if crashes => Err(crash_error()),
            Some(kind) => Err(io::Error::new(kind, "the simulated disk refuses the write")),
            None => Ok(()),
        }
    }

    pub(super) fn set_len(&mut self, inode: &SharedInode, length: u64) -> io::Result<()> {
        self.check_alive()?;
        let crashes = self.count();
        let length_now = inode.lock().current.len() as u64;
        let grows = length.saturating_sub(length_now);
        if self
            .capacity
            .is_some_and(|capacity| self.used() + grows > capacity)
            && grows > 0
        {
            return Err(io::Error::new(
                ErrorKind::StorageFull,
                "the simulated disk is full",
            ));
        }
        inode.lock().change(Change::SetLength(length));
        if crashes { Err(crash_error()) } else { Ok(()) }
    }

    pub(super) fn sync(&mut self, inode: &SharedInode) -> io::Result<()> {
        self.check_alive()?;
        if self.count() {
            return Err(crash_error());
        }
        if self.failing_syncs > 0 {
            self.failing_syncs -= 1;
            inode.lock().pending.clear();
            return Err(io::Error::other("the simulated disk failed to sync"));
        }
        inode.lock().sync();
        self.syncs += 1;
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        self.check_alive()?;
        let inside = self
            .files
            .iter()
            .filter(|(name, _)| parent_of(name) == path);
        Ok(inside
            .map(|(name, inode)| (file_name(name), inode.lock().current.len() as u64))
            .collect())
    }

    pub(super) fn list_directories(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.check_alive()?;
        let is_child = |name: &&PathBuf| !name.as_os_str().is_empty() && parent_of(name) == path;
        Ok(self
            .directories
            .iter()
            .filter(is_child)
            .map(|name| file_name(name))
            .collect())
    }

    pub(super) fn install(&mut self, path: &Path, bytes: &[u8]) {
        for directory in parent_of(path).ancestors() {
            self.directories.insert(directory.to_path_buf());
            self.durable_directories.insert(directory.to_path_buf());
        }
        let inode = SharedInode::with(bytes.to_vec());
        self.files.insert(path.to_path_buf(), inode.clone());
        self.durable_files.insert(path.to_path_buf(), inode);
    }

    /// The disk after a crash, all of it durable and without faults.
    pub(super) fn survivors(&self, seed: u64) -> Self {
        let mut fate = Fate::of(seed);
        let mut files = self.durable_files.clone();
        let mut directories = self.durable_directories.clone();
        for change in &self.pending {
            if fate.keeps() {
                change.apply(&mut files, &mut directories);
            }
        }
        let reachable = directories.clone();
        directories.retain(|path| path.ancestors().all(|above| has(&reachable, above)));
        files.retain(|path, _| directories.contains(&parent_of(path)));
        let files: BTreeMap<PathBuf, SharedInode> = files
            .into_iter()
            .map(|(path, inode)| (path, inode.lock().survivor(&mut fate)))
            .collect();
        Self {
            files: files.clone(),
            durable_files: files,
            directories: directories.clone(),
            durable_directories: directories,
            disk_bytes: self.disk_bytes,
            ..Self::default()
        }
    }

    /// Counts a mutating operation; true when it is the one that crashes.
    fn count(&mut self) -> bool {
        self.operations += 1;
        self.crashed = self.crash_at.is_some_and(|at| self.operations >= at);
        self.crashed
    }

    /// How many of `length` bytes at `offset` the disk has room for.
    fn fitting(&self, inode: &SharedInode, length: usize, offset: u64) -> usize {
        let Some(capacity) = self.capacity else {
            return length;
        };
        let free = capacity.saturating_sub(self.used());
        let room = inode.lock().current.len() as u64 + free;
        usize::try_from(room.saturating_sub(offset)).map_or(length, |room| room.min(length))
    }
}

fn has(directories: &BTreeSet<PathBuf>, path: &Path) -> bool {
    path.as_os_str().is_empty() || directories.contains(path)
}

/// A change of the tree that is durable once its directory is synced.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link {
        path: PathBuf,
        inode: SharedInode,
    },
    Unlink {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        inode: SharedInode,
    },
    MakeDirectory {
        path: PathBuf,
    },
    RemoveDirectory {
        path: PathBuf,
    },
}

impl NameChange {
    fn apply(
        &self,
        files: &mut BTreeMap<PathBuf, SharedInode>,
        directories: &mut BTreeSet<PathBuf>,
    ) {
        match self {
            Self::Link { path, inode } => drop(files.insert(path.clone(), inode.clone())),
            Self::Unlink { path } => drop(files.remove(path)),
            Self::Rename { from, to, inode } => {
                files.remove(from);
                files.insert(to.clone(), inode.clone());
            }
            Self::MakeDirectory { path } => drop(directories.insert(path.clone())),
            Self::RemoveDirectory { path } => drop(directories.remove(path)),
        }
    }

    /// The directory whose sync makes the change durable.
    fn directory(&self) -> PathBuf {
        match self {
            Self::Link { path, .. }
            | Self::Unlink { path }
            | Self::Rename { to: path, .. }
            | Self::MakeDirectory { path }
            | Self::RemoveDirectory { path } => parent_of(path),
        }
    }
}

/// A file's contents, shared by its name and its handles.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedInode(Arc<Mutex<Inode>>);

impl SharedInode {
    fn with(bytes: Vec<u8>) -> Self {
        let inode = Inode {
            current: bytes.clone(),
            durable: bytes,
            ..Inode::default()
        };
        Self(Arc::new(Mutex::new(inode)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    /// What readers see.
    pub(super) current: Vec<u8>,
    /// What survives any crash.
    durable: Vec<u8>,
    /// Changes since the last sync, oldest first.
    pending: Vec<Change>,
    /// Numbers of unreadable sectors.
    pub(super) bad: BTreeSet<u64>,
}

impl Inode {
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.current.len() as u64 {
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the file is shorter",
            ));
        }
        if !buffer.is_empty()
            && self
                .bad
                .range(offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES)
                .next()
                .is_some()
        {
            return Err(io::Error::other("the simulated disk cannot read a sector"));
        }
        // Both ends are within a Vec, so they fit a usize.
        buffer.copy_from_slice(&self.current[offset as usize..end as usize]);
        Ok(())
    }

    pub(super) fn flip(&mut self, offset: u64, bit: u8) -> io::Result<()> {
        let mask = 1 << (bit % 8);
        let flip_in = |bytes: &mut [u8], at: u64| {
            let byte = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at));
            byte.map(|byte| *byte ^= mask)
        };
        for change in &mut self.pending {
            if let Change::Write {
                offset: start,
                bytes,
            } = change
            {
                offset.checked_sub(*start).and_then(|at| flip_in(bytes, at));
            }
        }
        flip_in(&mut self.durable, offset);
        flip_in(&mut self.current, offset).ok_or_else(|| {
            io::Error::new(
                ErrorKind::InvalidInput,
                format!("the file has no byte {offset}"),
            )
        })
    }

    fn change(&mut self, change: Change) {
        if let Change::Write { offset, bytes } = &change {
            let sectors =
                offset / SECTOR_BYTES..(offset + bytes.len() as u64).div_ceil(SECTOR_BYTES);
            self.bad.retain(|sector| !sectors.contains(sector));
        }
        change.apply(&mut self.current, &mut Fate::AllKept);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable, &mut Fate::AllKept);
        }
    }

    fn survivor(&self, fate: &mut Fate) -> SharedInode {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            change.apply(&mut bytes, &mut fate.of_operation());
        }
        let survivor = SharedInode::with(bytes);
        survivor.lock().bad.clone_from(&self.bad);
        survivor
    }
}

#[derive(Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLength(u64),
}

impl Change {
    /// Applies the change as far as fate keeps it: a new length whole, a write sector by sector.
    fn apply(&self, target: &mut Vec<u8>, fate: &mut Fate) {
        match self {
            Self::SetLength(length) => {
                if fate.keeps() {
                    target.resize(to_usize(*length), 0);
                }
            }
            Self::Write { offset, bytes } => {
                let mut done = 0;
                while done < bytes.len() {
                    let at = offset + done as u64;
                    let piece = to_usize(SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len() - done);
                    if fate.keeps() {
                        overwrite(target, to_usize(at), &bytes[done..done + piece]);
                    }
                    done += piece;
                }
            }
        }
    }
}

fn overwrite(target: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if target.len() < end {
        target.resize(end, 0);
    }
    target[at..end].copy_from_slice(bytes);
}

/// An offset of the simulated disk, whose files live in memory.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("a simulated file is addressable")
}

/// The path without `.` parts; the root is the empty path.
pub(super) fn normal(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect()
}

fn parent_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn file_name(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_default()
}

pub(super) fn not_found(path: &Path) -> io::Error {
    io::Error::new(
        ErrorKind::NotFound,
        format!("{} does not exist", path.display()),
    )
}

fn crash_error() -> io::Error {
    io::Error::other("the simulated machine has crashed")
}
