//! Brings a damaged store back: everything that can still be read, and a list of what cannot.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tidings_spool::{Backend, File, OpenMode};

use crate::build::{PartPlan, temporary};
use crate::cache::PartCache;
use crate::error::IoContext;
use crate::manifest::{self, AppendError, Edit, MANIFEST, PartEntry, State};
use crate::merge::Unreadable;
use crate::open::OpenPart;
use crate::part::layout::{Chunk, PartColumn};
use crate::part::read::{ChunkReader, Source};
use crate::part::write::HashedFile;
use crate::rebuild::{Rebuilt, read_chunk, rebuild, rebuild_damaged};
use crate::rows::Data;
use crate::sidecar::file::NO_TIME;
use crate::store::{OpenReport, Store, Tables};
use crate::verify::{Depth, check_part, hash_file};
use crate::{Day, Error, IfDamaged, MergePlan, PartId, Result, RowSet, Schema};

/// Where damaged files are copied to.
const QUARANTINE: &str = "quarantine";

/// Rows that are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRows {
    /// Their table.
    pub table: String,
    /// The day they were filed under.
    pub day: Day,
    /// Their part.
    pub part: PartId,
    /// Their numbers in it.
    pub rows: Range<u32>,
    /// Least and greatest time of the part they were in, if known.
    pub times: Option<(i64, i64)>,
}

/// Values that are lost, of rows that are saved without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostValues {
    /// The table of their rows.
    pub table: String,
    /// The day that the rows are filed under.
    pub day: Day,
    /// The part that they were in.
    pub part: PartId,
    /// Their column.
    pub column: String,
    /// The numbers of the rows in that part.
    pub rows: Range<u32>,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Sidecars that were made anew from their parts.
    pub sidecars_rebuilt: Vec<PathBuf>,
    /// Copies of damaged files, as they were found.
    pub quarantined: Vec<PathBuf>,
    /// Rows that could not be read.
    pub lost: Vec<LostRows>,
    /// Values that could not be read, of rows that were saved without them.
    pub lost_values: Vec<LostValues>,
    /// Rows that were saved out of damaged parts.
    pub rows_saved: u64,
    /// Whether the manifest was made anew from the parts: then deletions of rows and all blobs
    /// (cursors, chains, counters) are lost.
    pub manifest_rebuilt: bool,
    /// Leftovers of crashes that were removed.
    pub removed: Vec<PathBuf>,
    /// What else was mended, in words.
    pub notes: Vec<String>,
}

/// Repairs a store that no other process has open. Makes a lost manifest again from the parts,
/// sidecars from their parts, and of a damaged part saves what can be read into a new part: of a row
/// every value but those on damaged pages, unless a [vital](crate::IfDamaged) one is among them. Damaged files are first copied to `quarantine/`, where nothing is ever removed. A whole store is left as it
/// is. Parts of tables without a schema are left alone.
///
/// # Errors
/// [`Error::Io`] if the medium refuses to be written.
pub fn repair(backend: &Arc<dyn Backend>, schemas: &[Schema]) -> Result<RepairReport> {
    let mut report = RepairReport::default();
    let tables: Tables = schemas
        .iter()
        .map(|schema| (schema.table().to_owned(), Arc::new(schema.clone())))
        .collect();
    match manifest::load(&**backend) {
        Ok(Some(_)) => {}
        Ok(None) | Err(Error::Damaged { .. }) => rebuild_manifest(backend, &tables, &mut report)?,
        Err(other) => return Err(other),
    }
    let (store, opened) = Store::open(Arc::clone(backend), schemas.to_vec())?;
    let OpenReport { removed, notes, .. } = opened;
    report.removed = removed;
    report.notes.extend(notes);
    let entries: Vec<PartEntry> = store
        .inner
        .version()
        .state
        .parts
        .values()
        .cloned()
        .collect();
    for entry in entries {
        if let Some(schema) = tables.get(&*entry.table) {
            repair_part(&store, backend, &entry, schema, &mut report)?;
        }
    }
    Ok(report)
}

fn repair_part(
    store: &Store,
    backend: &Arc<dyn Backend>,
    entry: &PartEntry,
    schema: &Schema,
    report: &mut RepairReport,
) -> Result<()> {
    let problems = check_part(backend, entry, Some(schema), Depth::Everything);
    if problems.is_empty() {
        return Ok(());
    }
    let sidecar_only = problems
        .iter()
        .all(|(path, _)| *path == entry.sidecar_path());
    if sidecar_only && let Some(new) = new_sidecar(backend, entry, schema)? {
        copy_to_quarantine(&**backend, &entry.sidecar_path(), report)?;
        install_sidecar(backend, &new)?;
        report.sidecars_rebuilt.push(new.sidecar_path());
        return commit_entry(store, new);
    }
    salvage(store, backend, entry, schema, report)
}

/// Writes a sidecar made from the part, under a temporary name; `None` if the part is damaged.
fn new_sidecar(
    backend: &Arc<dyn Backend>,
    entry: &PartEntry,
    schema: &Schema,
) -> Result<Option<PartEntry>> {
    let made = open_measured(&**backend, &entry.part_path())
        .and_then(|(file, length)| rebuild(&*file, length, schema));
    match made {
        Ok(made) => write_sidecar(backend, entry, &made).map(Some),
        Err(Error::Damaged { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

fn write_sidecar(
    backend: &Arc<dyn Backend>,
    entry: &PartEntry,
    made: &Rebuilt,
) -> Result<PartEntry> {
    let mut file = HashedFile::create(&**backend, &temporary(&entry.sidecar_path()))?;
    file.write(&made.sidecar)?;
    let written = file.finish()?;
    written.file.sync().at("sync", &written.path)?;
    Ok(PartEntry {
        rows: made.rows,
        times: made.times,
        sidecar_bytes: written.bytes,
        sidecar_hash: written.hash,
        ..entry.clone()
    })
}

fn install_sidecar(backend: &Arc<dyn Backend>, entry: &PartEntry) -> Result<()> {
    let path = entry.sidecar_path();
    backend
        .rename(&temporary(&path), &path)
        .at("rename", &path)?;
    let directory = Path::new(&*entry.table);
    backend.sync_dir(directory).at("sync", directory)
}

/// Replaces what the manifest says of a part.
fn commit_entry(store: &Store, entry: PartEntry) -> Result<()> {
    store
        .inner
        .commit(|_| {
            Ok(Edit {
                added: vec![entry],
                ..Edit::default()
            })
        })
        .map(drop)
}

/// Saves what can still be read of a damaged part.
fn salvage(
    store: &Store,
    backend: &Arc<dyn Backend>,
    entry: &PartEntry,
    schema: &Schema,
    report: &mut RepairReport,
) -> Result<()> {
    for path in [entry.part_path(), entry.sidecar_path()] {
        // The files go from their places when the part leaves the manifest.
        copy_to_quarantine(&**backend, &path, report)?;
    }
    let all = RowSet::range(0..entry.rows);
    let mut unreadable = unreadable(backend, entry, schema);
    let mut readable = entry.clone();
    if all.minus(&unreadable.rows).is_empty()
        && let Some(forgiving) = forgiving_sidecar(backend, entry, schema)?
    {
        install_sidecar(backend, &forgiving)?;
        unreadable = self::unreadable(backend, &forgiving, schema);
        commit_entry(store, forgiving.clone())?;
        readable = forgiving;
    }
    report
        .lost
        .extend(unreadable.rows.ranges().iter().map(|rows| LostRows {
            table: entry.table.to_string(),
            day: entry.day,
            part: entry.id,
            rows: rows.clone(),
            times: Some(entry.times).filter(|&times| times != NO_TIME),
        }));
    if all.minus(&unreadable.rows).is_empty() {
        let removed = [entry.id].into();
        return store
            .inner
            .commit(|_| {
                Ok(Edit {
                    removed,
                    ..Edit::default()
                })
            })
            .map(drop);
    }
    let plan = MergePlan {
        table: entry.table.to_string(),
        parts: vec![entry.id],
        rows: u64::from(entry.rows),
        day: entry.day,
        settles: true,
    };
    note_values(backend, &readable, &unreadable, report)?;
    let saved = store.merge_without(&plan, &unreadable, &AtomicBool::new(false))?;
    report.rows_saved += saved.rows;
    Ok(())
}

/// A sidecar of a damaged part whose own is damaged too; `None` if not even the footer is whole.
fn forgiving_sidecar(
    backend: &Arc<dyn Backend>,
    entry: &PartEntry,
    schema: &Schema,
) -> Result<Option<PartEntry>> {
    let made = open_measured(&**backend, &entry.part_path())
        .and_then(|(file, length)| rebuild_damaged(&*file, length, schema));
    match made {
        Ok(made) if made.rows == entry.rows => write_sidecar(backend, entry, &made).map(Some),
        Ok(_) | Err(Error::Damaged { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What of a part does not decode, page by page, as the sidecar's directory tells them.
fn unreadable(backend: &Arc<dyn Backend>, entry: &PartEntry, schema: &Schema) -> Unreadable {
    let mut found = Unreadable::default();
    let Ok(open) = OpenPart::open(entry, Arc::clone(backend), Arc::new(PartCache::new(2, 0)))
    else {
        found.rows = RowSet::range(0..entry.rows);
        return found;
    };
    for (at, head) in open.head.groups.iter().enumerate() {
        if check_group(&open, at, schema, &mut found).is_err() {
            let rows = RowSet::range(head.first_row..head.first_row + head.rows);
            found.rows = found.rows.or(&rows);
        }
    }
    let damaged = found.values.values();
    let damaged = damaged.fold(RowSet::none(), |all, rows| all.or(rows));
    for (at, column) in open.head.columns.iter().enumerate() {
        if if_damaged(schema, &column.name) == IfDamaged::OnlyWhole && !damaged.is_empty() {
            found.values.insert(at, damaged.clone());
        }
    }
    for rows in found.values.values_mut() {
        *rows = rows.minus(&found.rows);
    }
    found.values.retain(|_, rows| !rows.is_empty());
    found
}

/// Adds what does not decode of a row group.
fn check_group(open: &OpenPart, at: usize, schema: &Schema, found: &mut Unreadable) -> Result<()> {
    let group = open.group(at)?;
    let (file, length) = open.part_file()?;
    let source = Source {
        file: &*file,
        length,
    };
    let first_row = open.head.groups[at].first_row;
    let mut reader = ChunkReader::new()?;
    for (number, (column, chunk)) in open.head.columns.iter().zip(&group.chunks).enumerate() {
        if read_chunk(&mut reader, &source, column, chunk, group.rows).is_ok() {
            continue;
        }
        let bad = bad_rows(&mut reader, &source, column, chunk, first_row);
        let lost = match if_damaged(schema, &column.name) {
            IfDamaged::Vital => &mut found.rows,
            IfDamaged::Without | IfDamaged::OnlyWhole => found.values.entry(number).or_default(),
        };
        *lost = lost.or(&bad);
    }
    Ok(())
}

/// The rows of a damaged chunk whose pages do not decode.
fn bad_rows(
    reader: &mut ChunkReader,
    source: &Source<'_>,
    column: &PartColumn,
    chunk: &Chunk,
    first_row: u32,
) -> RowSet {
    let mut bad = RowSet::none();
    let mut row = 0;
    for page in &chunk.pages {
        let rows = row..row + page.rows;
        let mut data = Data::Absent;
        let read = reader.read(
            source,
            column,
            chunk,
            std::slice::from_ref(&rows),
            &mut data,
        );
        if read.and_then(|()| data.settle(column.kind)).is_err() {
            bad.push(first_row + rows.start..first_row + rows.end);
        }
        row = rows.end;
    }
    bad
}

/// What becomes of a row without its value in a column of a part.
fn if_damaged(schema: &Schema, name: &str) -> IfDamaged {
    match schema.column(name) {
        Some(id) if id == schema.time() || schema.sort().contains(&id) => IfDamaged::Vital,
        Some(id) if !schema.columns()[id].nullable => IfDamaged::Vital,
        Some(id) => schema.columns()[id].if_damaged,
        None => IfDamaged::Without,
    }
}

/// Reports the values that rows are saved without.
fn note_values(
    backend: &Arc<dyn Backend>,
    entry: &PartEntry,
    unreadable: &Unreadable,
    report: &mut RepairReport,
) -> Result<()> {
    let open = OpenPart::open(entry, Arc::clone(backend), Arc::new(PartCache::new(2, 0)))?;
    for (at, rows) in &unreadable.values {
        let values = rows.ranges().iter().map(|rows| LostValues {
            table: entry.table.to_string(),
            day: entry.day,
            part: entry.id,
            column: open.head.columns[*at].name.clone(),
            rows: rows.clone(),
        });
        report.lost_values.extend(values);
    }
    Ok(())
}

fn open_measured(backend: &dyn Backend, path: &Path) -> Result<(Arc<dyn File>, u64)> {
    let file = backend.open(path, OpenMode::Read).at("open", path)?;
    let length = file.len().at("measure", path)?;
    Ok((file, length))
}

/// Makes a lost manifest from the parts themselves.
fn rebuild_manifest(
    backend: &Arc<dyn Backend>,
    tables: &Tables,
    report: &mut RepairReport,
) -> Result<()> {
    report.manifest_rebuilt = true;
    copy_to_quarantine(&**backend, Path::new(MANIFEST), report)?;
    let mut state = State::default();
    let mut merged = BTreeSet::new();
    for (table, schema) in tables {
        let directory = Path::new(table);
        for (name, _) in backend.list(directory).at("list", directory)? {
            let Some(name) = name.file_name() else {
                continue;
            };
            let path = directory.join(name);
            if path.extension().is_none_or(|end| end != "parquet") {
                continue;
            }
            match entry_of(backend, &path, table, schema, report)? {
                Some((entry, plan)) => {
                    merged.extend(plan.from);
                    state.parts.insert(entry.id, entry);
                }
                None => {
                    // Not to be taken for a leftover of a crash, and removed.
                    copy_to_quarantine(&**backend, &path, report)?;
                    report.notes.push(format!(
                        "{} has no footer that says what it is; its rows are lost",
                        path.display()
                    ));
                }
            }
        }
    }
    // Where a merge was committed and its inputs not yet removed, both are there.
    state.parts.retain(|id, _| !merged.contains(id));
    manifest::save(&**backend, &state).map_err(AppendError::into_error)?;
    Ok(())
}

/// What a part's own footer says of it, its sidecar made anew where it does not fit.
fn entry_of(
    backend: &Arc<dyn Backend>,
    path: &Path,
    table: &str,
    schema: &Schema,
    report: &mut RepairReport,
) -> Result<Option<(PartEntry, PartPlan)>> {
    let (file, length) = open_measured(&**backend, path)?;
    let made = match rebuild_damaged(&*file, length, schema) {
        Ok(made) => made,
        Err(Error::Damaged { .. }) => return Ok(None),
        Err(other) => return Err(other),
    };
    let plan = PartPlan::of_notes(table, &made.meta.notes);
    let Some(plan) = plan.filter(|plan| plan.entry().part_path() == path) else {
        return Ok(None);
    };
    let part_hash = hash_file(&*file, path, length)?;
    let whole = PartEntry {
        part_bytes: length,
        part_hash,
        ..plan.entry()
    };
    let entry = write_sidecar(backend, &whole, &made)?;
    let known = open_measured(&**backend, &entry.sidecar_path())
        .and_then(|(file, length)| Ok((length, hash_file(&*file, &entry.sidecar_path(), length)?)));
    if known.is_ok_and(|known| known == (entry.sidecar_bytes, entry.sidecar_hash)) {
        let path = temporary(&entry.sidecar_path());
        backend.remove(&path).at("remove", &path)?;
    } else {
        install_sidecar(backend, &entry)?;
        report.sidecars_rebuilt.push(entry.sidecar_path());
    }
    Ok(Some((entry, plan)))
}

/// Copies a file to the quarantine, where nothing is ever removed. A missing file is none.
fn copy_to_quarantine(backend: &dyn Backend, path: &Path, report: &mut RepairReport) -> Result<()> {
    const STEP: u64 = 1 << 20;
    let Ok((from, length)) = open_measured(backend, path) else {
        return Ok(());
    };
    let (root, directory) = (Path::new(""), Path::new(QUARANTINE));
    backend.create_dir(directory).at("create", directory)?;
    backend.sync_dir(root).at("sync", root)?;
    let flat = path.to_string_lossy().replace('/', ".");
    let taken = backend.list(directory).at("list", directory)?;
    let is_taken = |name: &str| {
        taken
            .iter()
            .any(|(known, _)| known.file_name().is_some_and(|known| known == name))
    };
    let name = (0u32..)
        .map(|at| {
            if at == 0 {
                flat.clone()
            } else {
                format!("{flat}.{at}")
            }
        })
        .find(|name| !is_taken(name))
        .unwrap_or(flat.clone());
    let target = directory.join(name);
    let to = backend
        .open(&target, OpenMode::Write)
        .at("create", &target)?;
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < length {
        let step = STEP.min(length - at);
        buffer.resize(step as usize, 0);
        if from.read_exact_at(&mut buffer, at).is_err() {
            // The medium does not give these bytes: zeros stand for them.
            buffer.fill(0);
        }
        to.write_all_at(&buffer, at).at("write", &target)?;
        at += step;
    }
    to.sync().at("sync", &target)?;
    backend.sync_dir(directory).at("sync", directory)?;
    report.quarantined.push(target);
    Ok(())
}
