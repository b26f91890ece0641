//! A data directory, opened by the one process that owns it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_mail::message::{Folder, FolderLimits, QueueDepth};
use tidings_mail::provider::Providers;
use tidings_spool::{Backend, DirLock, DiskBackend, LockError, Overlay, lock_dir};
use tidings_store::Store;

use crate::error::{Error, in_words};
use crate::import::STEP_LINES;
use crate::input::Limits;
use crate::live::Sources;
use crate::memory::MemoryTable;
use crate::message_rows::messages_schema;
use crate::reopen::Reopened;
use crate::rows::events_schema;
use crate::samples::Samples;

/// Name of the blob that holds the open messages: those of the events that are in parts.
pub(crate) const OPEN_BLOB: &str = "messages/open";

/// Names of blobs that hold messages left open by imports beside the live path begin so; its next
/// seal takes them in.
pub(crate) const OPEN_IMPORT_BLOBS: &str = "messages/open-import/";

/// How a data directory is opened.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Provider groups besides the built-in ones, in the format of `providers.txt`.
    pub providers: Option<String>,
    /// When messages are settled.
    pub folder: FolderLimits,
    /// The bounds of reading files that are imported.
    pub reading: Limits,
    /// Lines after which an import commits what it has read of a file. Default 500,000.
    pub import_step_lines: u64,
    /// How long to wait for the directory while another process has it, which may be a short
    /// question of a client. Default not at all.
    pub lock_patience: Duration,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            providers: None,
            folder: FolderLimits::default(),
            reading: Limits::default(),
            import_step_lines: STEP_LINES,
            lock_patience: Duration::ZERO,
        }
    }
}

/// An open data directory.
#[derive(Debug)]
pub struct Engine {
    dir: PathBuf,
    backend: Arc<dyn Backend>,
    store: Store,
    samples: Samples,
    providers: Arc<Providers>,
    options: EngineOptions,
    /// Messages that may still change.
    open: Mutex<Folder>,
    /// Blobs of imports whose open messages are among them; used while `open` is locked only.
    taken_in: Mutex<Vec<String>>,
    /// Messages that were opened again, whose old rows are in parts until the next commit.
    reopened: Mutex<Arc<Reopened>>,
    /// Held by an import, and while the live path starts: each takes over what the other left.
    importing: Mutex<()>,
    /// Events that are in the spool and in no part yet.
    memory: MemoryTable,
    /// The sequence up to which searches know the spool.
    applied: Mutex<u64>,
    applied_moved: Condvar,
    /// The memory table holds everything that the spool held at the start.
    ready: AtomicBool,
    recording: Mutex<Option<bool>>,
    /// The live path runs: its folder is not to be taken away.
    is_live: AtomicBool,
    /// Messages that were settled early, for want of memory.
    early: AtomicU64,
    /// Refused recipients that were not joined to their messages, for want of room.
    unjoined: AtomicU64,
    /// What the running live path follows.
    sources: Mutex<Sources>,
    /// What opening found and what happened since, a sentence each.
    notes: Mutex<Vec<String>>,
    _lock: Option<DirLock>,
}

impl Engine {
    /// Opens a data directory and makes it if it is missing; takes its lock.
    pub fn open(dir: &Path, options: EngineOptions) -> Result<Engine, Error> {
        let refuse = |why: String| Error::Directory {
            path: dir.to_owned(),
            why,
        };
        if dir.exists() && !dir.is_dir() {
            return Err(refuse(
                "it is not a directory: name a directory, or one that does not exist yet".into(),
            ));
        }
        check_is_ours(dir)?;
        let backend = DiskBackend::new(dir).map_err(|error| refuse(in_words(&error)))?;
        let lock =
            lock_in_time(dir, options.lock_patience).map_err(|error| refuse(in_words(&error)))?;
        Engine::open_on(Arc::new(backend), dir, Some(lock), options)
    }

    /// Opens a data directory for searches, without its lock, and changes nothing in it: whatever
    /// the engine writes stays in memory. Another process may own the directory and write it
    /// meanwhile; searches see it as it was. Where they then fail because the owner has removed
    /// what was merged or has become too old ([`Error::is_missing_file`]), open it again.
    pub fn open_to_read(dir: &Path, options: EngineOptions) -> Result<Engine, Error> {
        let refuse = |error: std::io::Error| Error::Directory {
            path: dir.to_owned(),
            why: in_words(&error),
        };
        check_is_ours(dir)?;
        let overlay = Overlay::new(Arc::new(DiskBackend::existing(dir).map_err(refuse)?));
        // Before the manifest is read: its cursor tells which segments are still needed.
        let spool = tidings_spool::SpoolConfig::default().directory;
        overlay.hold(&spool).map_err(refuse)?;
        Engine::open_on(Arc::new(overlay), dir, None, options)
    }

    /// Opens a store on any backend, for tests.
    pub fn open_on(
        backend: Arc<dyn Backend>,
        dir: &Path,
        lock: Option<DirLock>,
        options: EngineOptions,
    ) -> Result<Engine, Error> {
        let providers = match &options.providers {
            Some(text) => Providers::with(text).map_err(|error| Error::Asked(error.to_string()))?,
            None => Providers::builtin().clone(),
        };
        let providers = Arc::new(providers);
        let (store, report) = Store::open(
            Arc::clone(&backend),
            vec![events_schema(), messages_schema()],
        )?;
        let mut notes = report.notes;
        notes.extend(
            report
                .removed
                .iter()
                .map(|path| format!("{}: left by a crash, removed", path.display())),
        );
        notes.extend(report.damaged.iter().map(|path| {
            format!(
                "{}: missing or of another size; run `tidings repair`",
                path.display()
            )
        }));
        let engine = Engine {
            dir: dir.to_owned(),
            samples: Samples::new(Arc::clone(&backend)),
            backend,
            store,
            open: Mutex::new(Folder::new(options.folder, Arc::clone(&providers))),
            providers,
            options,
            taken_in: Mutex::default(),
            reopened: Mutex::default(),
            importing: Mutex::default(),
            memory: MemoryTable::default(),
            applied: Mutex::default(),
            applied_moved: Condvar::new(),
            ready: AtomicBool::new(true),
            recording: Mutex::new(None),
            is_live: AtomicBool::new(false),
            early: AtomicU64::new(0),
            unjoined: AtomicU64::new(0),
            sources: Mutex::default(),
            notes: Mutex::new(notes),
            _lock: lock,
        };
        engine.start_over()?;
        Ok(engine)
    }

    /// Goes back to what the history holds: the open messages that were saved with it, and nothing
    /// of the spool.
    pub(crate) fn start_over(&self) -> Result<(), Error> {
        let mut folder = Folder::new(self.options.folder, Arc::clone(&self.providers));
        let mut open = self.open_messages();
        let snapshot = self.store.snapshot();
        let imports: Vec<String> = snapshot
            .blobs(OPEN_IMPORT_BLOBS)
            .map(|(name, _)| name.to_owned())
            .collect();
        for name in std::iter::once(OPEN_BLOB).chain(imports.iter().map(String::as_str)) {
            if let Some(saved) = snapshot.blob(name) {
                let saved =
                    zstd::decode_all(saved).map_err(|error| Error::State(error.to_string()))?;
                folder.restore(&saved)?;
            }
        }
        *open = folder;
        *lock(&self.taken_in) = imports;
        self.memory.clear();
        Ok(())
    }

    /// The blobs of imports whose messages are among the open ones, which the caller has locked.
    pub(crate) fn taken_in(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.taken_in)
    }

    /// Waits until no import runs, and keeps others from running.
    pub(crate) fn no_import(&self) -> MutexGuard<'_, ()> {
        lock(&self.importing)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The state of the history: a number that grows with each commit.
    pub fn history_sequence(&self) -> u64 {
        self.store.snapshot().sequence()
    }

    /// What opening found and mended, and what happened since the last call, a sentence each.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.notes))
    }

    /// Whether searches see everything that was durable at the start.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn note(&self, note: String) {
        let mut notes = lock(&self.notes);
        if notes.len() < NOTES_MAX {
            notes.push(note);
        }
    }

    /// Counts messages that were settled early, and tells of the first.
    pub(crate) fn note_early(&self, count: u64) {
        if count > 0 && self.early.fetch_add(count, Ordering::Relaxed) == 0 {
            self.note(format!(
                "messages take more memory than the {} MiB allowed while they may still change: the oldest are \
                 written early, and read again where a late line speaks of them",
                self.options.folder.open_bytes >> 20
            ));
        }
    }

    /// How many messages were settled early since the start, because the open ones took too much
    /// memory ([`FolderLimits`]).
    pub fn settled_early(&self) -> u64 {
        self.early.load(Ordering::Relaxed)
    }

    /// Counts refused recipients that stay apart from their messages, and tells of the first.
    pub(crate) fn note_unjoined(&self, count: u64) {
        if count > 0 && self.unjoined.fetch_add(count, Ordering::Relaxed) == 0 {
            self.note(
                "more sessions refuse recipients than can be remembered (100,000 at a time, 1,000 recipients in each): \
                 further refused recipients are shown by themselves, not with their messages"
                    .to_owned(),
            );
        }
    }

    /// How many refused recipients were not joined to their messages since the start, because the
    /// sessions or what they refused were too many
    /// ([`Folder::take_unjoined`](tidings_mail::message::Folder::take_unjoined)).
    pub fn unjoined(&self) -> u64 {
        self.unjoined.load(Ordering::Relaxed)
    }

    /// How many messages may still change, and the bytes of memory that they take, about.
    pub fn open_size(&self) -> (usize, usize) {
        let open = self.open_messages();
        (open.open_count(), open.open_bytes())
    }

    /// How many messages are in the queues now, as far as the lines tell.
    pub fn queue_depth(&self) -> QueueDepth {
        self.open_messages().queue_depth()
    }

    /// Whether events go into the history from now on, or are passed by: searches then see what was there
    /// before. Kept over restarts, and as it was where this is never called.
    pub fn set_recording(&self, is_wanted: bool) {
        *lock(&self.recording) = Some(is_wanted);
    }

    /// What was wanted last, if anything.
    pub(crate) fn recording(&self) -> Option<bool> {
        *lock(&self.recording)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    pub(crate) fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Acquire)
    }

    /// What the running live path follows; nothing while there is none.
    pub(crate) fn sources(&self) -> MutexGuard<'_, Sources> {
        lock(&self.sources)
    }

    pub(crate) fn set_live(&self, is_live: bool) {
        self.is_live.store(is_live, Ordering::Release);
    }

    /// Searches see the spool's events before this sequence.
    pub(crate) fn note_applied(&self, sequence: u64) {
        *lock(&self.applied) = sequence;
        self.applied_moved.notify_all();
    }

    /// The sequence up to which searches know the spool.
    pub(crate) fn applied(&self) -> u64 {
        *lock(&self.applied)
    }

    /// Waits until searches see the spool's events before `sequence`, not longer than `patience`.
    pub(crate) fn wait_applied(&self, sequence: u64, patience: Duration) {
        let behind = |applied: &mut u64| *applied < sequence;
        drop(
            self.applied_moved
                .wait_timeout_while(lock(&self.applied), patience, behind),
        );
    }

    pub(crate) fn memory(&self) -> &MemoryTable {
        &self.memory
    }

    /// Rows of messages with these legs are not shown until a commit has taken them out.
    pub(crate) fn note_reopened(&self, legs: &[u64]) {
        Arc::make_mut(&mut lock(&self.reopened)).add(legs);
    }

    /// Takes back [`note_reopened`](Self::note_reopened) of these legs.
    pub(crate) fn forget_reopened(&self, legs: &[u64]) {
        if !legs.is_empty() {
            Arc::make_mut(&mut lock(&self.reopened)).remove(legs);
        }
    }

    /// The messages whose rows are not to be shown. Taken together with a snapshot, while the open
    /// messages are locked, it tells which rows of that snapshot are to be left out.
    pub(crate) fn reopened(&self) -> Arc<Reopened> {
        Arc::clone(&lock(&self.reopened))
    }

    /// The backend below.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The history of metrics.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn providers(&self) -> &Arc<Providers> {
        &self.providers
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// The open messages. A panic of another thread while it held them leaves them whole: every
    /// call of the folder does.
    pub(crate) fn open_messages(&self) -> MutexGuard<'_, Folder> {
        lock(&self.open)
    }
}

/// Notes kept until somebody takes them; further ones are left out.
const NOTES_MAX: usize = 1000;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lock of a directory as soon as it is free, within this time.
pub(crate) fn lock_in_time(dir: &Path, patience: Duration) -> Result<DirLock, LockError> {
    let mut left = patience;
    loop {
        match lock_dir(dir) {
            Err(LockError::Held { .. }) if !left.is_zero() => {
                std::thread::sleep(LOCK_AGAIN);
                left = left.saturating_sub(LOCK_AGAIN);
            }
            locked => return locked,
        }
    }
}

/// How often a lock that another process has is tried again.
const LOCK_AGAIN: Duration = Duration::from_millis(5);

/// A directory with files in it that are not ours is not taken for a data directory.
fn check_is_ours(dir: &Path) -> Result<(), Error> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(());
    };
    let names: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .collect();
    let ours = |name: &str| names.iter().any(|known| known == name);
    if names.is_empty() || ours("lock") || ours("manifest") || ours("MANIFEST") || ours("spool") {
        return Ok(());
    }
    Err(Error::Directory {
        path: dir.to_owned(),
        why: format!(
            "it holds other files ({}…) and no Tidings data: name an empty directory or one that Tidings made",
            names[0]
                .to_string_lossy()
                .chars()
                .take(40)
                .collect::<String>()
                .escape_debug()
        ),
    })
}
