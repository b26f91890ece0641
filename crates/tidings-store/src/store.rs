//! The store itself: opening, the one writer, snapshots for readers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tidings_spool::Backend;

use crate::build::{self, NewPart, PartPlan};
use crate::cache::PartCache;
use crate::error::IoContext;
use crate::manifest::{self, AppendError, Edit, Log, MANIFEST, State, TEMPORARY};
use crate::part::choose::Choice;
use crate::snapshot::Snapshot;
use crate::version::Version;
use crate::{Day, Error, PartFlags, PartId, Result, RowBatch, Schema, Transaction};

/// Schemas by table name.
pub(crate) type Tables = BTreeMap<String, Arc<Schema>>;

/// What may be set when a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The zstd level of fresh parts.
    pub fresh_level: i32,
    /// The zstd level of parts merged within a day that still grows.
    pub merge_level: i32,
    /// The zstd level of parts merged when their day is closed or their month old. Level 12 packs
    /// real logs 8 % tighter than level 1, and costs 1.5 µs a row more, once.
    pub settle_level: i32,
    /// Files of parts that are kept open between two queries.
    pub max_open_files: usize,
    /// Bytes of sidecar heads kept in memory.
    pub max_head_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fresh_level: 1,
            merge_level: 1,
            settle_level: 12,
            max_open_files: 512,
            max_head_bytes: 8 << 20,
        }
    }
}

/// What was found when a store was opened.
#[derive(Clone, Debug, Default)]
pub struct OpenReport {
    /// Parts of all tables.
    pub parts: usize,
    /// Rows of all tables, deleted ones included.
    pub rows: u64,
    /// Files that no manifest entry refers to, left by a crash; they were removed.
    pub removed: Vec<PathBuf>,
    /// Files that the manifest refers to and that are missing or of another size. Reading them is
    /// an error until they are repaired.
    pub damaged: Vec<PathBuf>,
    /// What was mended or cut in the manifest, in words.
    pub notes: Vec<String>,
}

/// The history: tables of rows in immutable parts, under one manifest.
///
/// A handle; clones share the store. Any thread may read, build parts and commit; commits take
/// turns. One process owns the directory: locking it is the caller's work.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) options: Options,
    pub(crate) cache: Arc<PartCache>,
    version: RwLock<Arc<Version>>,
    /// The manifest for appending; `None` once its state is unknown.
    log: Mutex<Option<Log>>,
    next_part: AtomicU64,
    /// How the columns of each table's last part were encoded, so that not each part tries anew.
    choices: Mutex<BTreeMap<String, Vec<Choice>>>,
}

impl Store {
    /// Opens a store in a backend's root, or makes a new one, with the default [`Options`].
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open(backend: Arc<dyn Backend>, schemas: Vec<Schema>) -> Result<(Self, OpenReport)> {
        Self::open_with(backend, schemas, Options::default())
    }

    /// Opens a store in a backend's root, or makes a new one. Leftovers of a crash are removed and
    /// reported. Parts are not opened: the cost is that of the manifest and of listing the
    /// directories.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the manifest cannot be read, or is missing while parts exist: `repair`
    /// makes it anew. [`Error::Io`] if the medium refuses. [`Error::Invalid`] for two schemas of
    /// one table.
    pub fn open_with(
        backend: Arc<dyn Backend>,
        schemas: Vec<Schema>,
        options: Options,
    ) -> Result<(Self, OpenReport)> {
        let mut tables = Tables::new();
        for schema in schemas {
            let table = schema.table().to_owned();
            if tables.insert(table.clone(), Arc::new(schema)).is_some() {
                return Err(Error::Invalid(format!("table {table} has two schemas")));
            }
        }
        let (state, log, mut report) = load_or_create(&*backend, &tables)?;
        let tables_on_disk = table_names(&state, &tables);
        sweep(&*backend, &state, &tables_on_disk, &mut report)?;
        report.parts = state.parts.len();
        report.rows = state
            .parts
            .values()
            .map(|entry| u64::from(entry.rows))
            .sum();
        let cache = Arc::new(PartCache::new(
            options.max_open_files,
            options.max_head_bytes,
        ));
        let beyond = state.parts.keys().next_back().map_or(1, |id| id.0 + 1);
        let next_part = AtomicU64::new(state.next_part.max(beyond));
        let version = RwLock::new(Arc::new(Version::of(state, &backend, &cache)));
        let inner = Inner {
            backend,
            tables: Arc::new(tables),
            options,
            cache,
            version,
            log: Mutex::new(Some(log)),
            next_part,
            choices: Mutex::default(),
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            report,
        ))
    }

    /// The schema of a table.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown table.
    pub fn schema(&self, table: &str) -> Result<&Arc<Schema>> {
        let found = self.inner.tables.get(table);
        found.ok_or_else(|| Error::Invalid(format!("there is no table {table}")))
    }

    /// The current state, for reading.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            version: self.inner.version(),
            tables: Arc::clone(&self.inner.tables),
        }
    }

    /// Starts a transaction. Several may be open at once; each commits all or nothing.
    pub fn begin(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// Sorts, encodes and writes a batch as a part that a transaction then takes in with
    /// [`Transaction::add_part`]. This is the work of a commit; it may run on any thread, for
    /// several tables at once. The batch is cleared. `None` if it has no rows.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the batch is of another table or was misused (it is kept then);
    /// [`Error::Io`] if the medium refuses.
    pub fn build(
        &self,
        table: &str,
        day: Day,
        batch: &mut RowBatch,
        flags: PartFlags,
    ) -> Result<Option<NewPart>> {
        let schema = self.schema(table)?;
        if !Arc::ptr_eq(schema, batch.schema()) {
            return Err(Error::Invalid(format!(
                "a batch of {} cannot be added to table {table}: it was made with another schema",
                batch.schema().table()
            )));
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let plan = PartPlan {
            id: self.inner.new_id(),
            table: table.into(),
            day,
            flags,
            level: 0,
            from: Vec::new(),
        };
        let level = self.inner.options.fresh_level;
        let mut choices = self.inner.take_choices(table);
        let part = build::build(&self.inner.backend, &plan, batch, level, &mut choices)?;
        self.inner.keep_choices(table, choices);
        batch.clear();
        Ok(Some(part))
    }

    /// Whether a failed commit has left the store unable to write until it is opened again.
    pub fn is_poisoned(&self) -> bool {
        self.inner.is_poisoned()
    }
}

impl Inner {
    pub(crate) fn version(&self) -> Arc<Version> {
        // A version is replaced in one assignment: a panic elsewhere does not spoil it.
        Arc::clone(&self.version.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.log().is_none()
    }

    fn take_choices(&self, table: &str) -> Vec<Choice> {
        let known = self.choices.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(table).cloned().unwrap_or_default()
    }

    fn keep_choices(&self, table: &str, choices: Vec<Choice>) {
        let mut known = self.choices.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(table.to_owned(), choices);
    }

    pub(crate) fn new_id(&self) -> PartId {
        PartId(self.next_part.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes an edit durable and visible. `prepare` sees the newest state under the writer's
    /// lock, and gives the edit.
    pub(crate) fn commit(&self, prepare: impl FnOnce(&State) -> Result<Edit>) -> Result<u64> {
        let mut log = self.log();
        let open = log.as_mut().ok_or(Error::Poisoned)?;
        let version = self.version();
        let mut edit = prepare(&version.state)?;
        edit.next_part = self.next_part.load(Ordering::Relaxed);
        let sequence = version.state.sequence + 1;
        if let Err(error) = open.append(sequence, &edit) {
            if matches!(error, AppendError::Unknown(_)) {
                *log = None;
            }
            return Err(error.into_error());
        }
        let next = Arc::new(version.after(&edit, &self.backend, &self.cache));
        let compact = open.wants_compaction(&next.state);
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        if compact {
            match manifest::save(&*self.backend, &next.state) {
                Ok(new) => *log = Some(new),
                // The old file goes on; the next commit tries again.
                Err(AppendError::Undone(_)) => {}
                // This commit is durable; the next one says that the store is poisoned.
                Err(AppendError::Unknown(_)) => *log = None,
            }
        }
        Ok(sequence)
    }
}

fn load_or_create(backend: &dyn Backend, tables: &Tables) -> Result<(State, Log, OpenReport)> {
    let mut report = OpenReport::default();
    if let Some(loaded) = manifest::load(backend)? {
        let log = if loaded.notes.is_empty() {
            Log::open(backend, &loaded)?
        } else {
            manifest::save(backend, &loaded.state).map_err(AppendError::into_error)?
        };
        create_directories(backend, tables)?;
        report.notes = loaded.notes;
        return Ok((loaded.state, log, report));
    }
    for table in tables.keys() {
        let directory = Path::new(table);
        let files = backend.list(directory).at("list", directory)?;
        if files
            .iter()
            .any(|(name, _)| name.extension().is_some_and(|end| end == "parquet"))
        {
            return Err(Error::damaged(
                MANIFEST,
                format!("it is missing, though table {table} has parts"),
            ));
        }
    }
    create_directories(backend, tables)?;
    let log = manifest::save(backend, &State::default()).map_err(AppendError::into_error)?;
    Ok((State::default(), log, report))
}

fn create_directories(backend: &dyn Backend, tables: &Tables) -> Result<()> {
    let root = Path::new("");
    let known = backend.list_dirs(root).at("list", root)?;
    let mut created = false;
    for table in tables.keys() {
        if !known
            .iter()
            .any(|name| name.file_name().is_some_and(|name| name == &**table))
        {
            backend
                .create_dir(Path::new(table))
                .at("create", Path::new(table))?;
            created = true;
        }
    }
    if created {
        backend.sync_dir(root).at("sync", root)?;
    }
    Ok(())
}

/// The tables that have a schema or a part.
pub(crate) fn table_names(state: &State, tables: &Tables) -> BTreeSet<String> {
    let on_disk = state.parts.values().map(|entry| entry.table.to_string());
    tables.keys().cloned().chain(on_disk).collect()
}

/// Removes files of ours that the state does not refer to, and notes referred ones that lack or
/// have another size.
fn sweep(
    backend: &dyn Backend,
    state: &State,
    tables: &BTreeSet<String>,
    report: &mut OpenReport,
) -> Result<()> {
    let mut expected: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for entry in state.parts.values() {
        expected.insert(entry.part_path(), entry.part_bytes);
        expected.insert(entry.sidecar_path(), entry.sidecar_bytes);
    }
    let root = Path::new("");
    for (name, _) in backend.list(root).at("list", root)? {
        if name.file_name().is_some_and(|name| name == TEMPORARY) {
            remove(backend, Path::new(TEMPORARY), report)?;
        }
    }
    for table in tables {
        let directory = Path::new(table);
        for (name, bytes) in backend.list(directory).at("list", directory)? {
            let Some(name) = name.file_name() else {
                continue;
            };
            let path = directory.join(name);
            match expected.get(&path) {
                Some(&known) if known == bytes => {
                    expected.remove(&path);
                }
                Some(_) => {}
                None if is_ours(&path) => remove(backend, &path, report)?,
                None => {}
            }
        }
    }
    report.damaged = expected.into_keys().collect();
    Ok(())
}

/// Whether a file's name is one that we give; others are left alone.
pub(crate) fn is_ours(path: &Path) -> bool {
    let ends = |end: &str| path.to_str().is_some_and(|path| path.ends_with(end));
    [".parquet", ".tokens", ".parquet.tmp", ".tokens.tmp"]
        .into_iter()
        .any(ends)
}

fn remove(backend: &dyn Backend, path: &Path, report: &mut OpenReport) -> Result<()> {
    backend.remove(path).at("remove", path)?;
    report.removed.push(path.to_owned());
    Ok(())
}
