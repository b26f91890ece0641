//! Checks everything that is on disk, and says exactly what does not fit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_spool::{Backend, File, OpenMode};
use xxhash_rust::xxh3::Xxh3;

use crate::cache::PartCache;
use crate::error::IoContext;
use crate::manifest::{self, MANIFEST, PartEntry, State};
use crate::open::OpenPart;
use crate::part::read::{ChunkReader, Source};
use crate::rebuild::{read_chunk, rebuild};
use crate::sidecar::postings::BlockReader;
use crate::store::Tables;
use crate::{Day, Error, PartId, Result, RowSet, Schema};

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The checksum of every byte of every file: finds whatever the medium did.
    Checksums,
    /// In addition decodes every value and makes every sidecar anew, to compare: finds what our
    /// own code did wrong.
    Everything,
}

/// What was found wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the store's root.
    pub path: PathBuf,
    /// The part it belongs to, if it is known.
    pub part: Option<PartId>,
    /// The part's table and day, if they are known.
    pub place: Option<(String, Day)>,
    /// What does not fit, in words.
    pub what: String,
}

/// What a verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Parts of all tables.
    pub parts: usize,
    /// Rows of all tables, deleted ones included.
    pub rows: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What does not fit; none if the history is whole.
    pub problems: Vec<Problem>,
    /// Files that nothing refers to: left by a crash, removed when the store is opened.
    pub leftovers: Vec<PathBuf>,
    /// What the manifest mended by itself, in words.
    pub notes: Vec<String>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty() && self.notes.is_empty()
    }
}

/// Checks the manifest, every part and every sidecar of a store that no process writes to. Changes
/// nothing. Parts of tables without a schema get their checksums verified only.
///
/// # Errors
/// [`Error::Io`] if directories cannot be listed; damage is in the report.
pub fn verify(
    backend: &Arc<dyn Backend>,
    schemas: &[Schema],
    depth: Depth,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    let state = match manifest::load(&**backend) {
        Ok(Some(loaded)) => {
            report.notes = loaded.notes;
            loaded.state
        }
        Ok(None) => State::default(),
        Err(error @ Error::Damaged { .. }) => {
            report.problems.push(Problem {
                path: MANIFEST.into(),
                part: None,
                place: None,
                what: error.to_string(),
            });
            State::default()
        }
        Err(other) => return Err(other),
    };
    let tables: Tables = schemas
        .iter()
        .map(|schema| (schema.table().to_owned(), Arc::new(schema.clone())))
        .collect();
    let lost = !report.problems.is_empty() || manifest_is_missing(&**backend, &tables)?;
    if lost && report.problems.is_empty() {
        report.problems.push(Problem {
            path: MANIFEST.into(),
            part: None,
            place: None,
            what: "it is missing, though there are parts".to_owned(),
        });
    }
    for entry in state.parts.values() {
        report.parts += 1;
        report.rows += u64::from(entry.rows);
        report.bytes += entry.part_bytes + entry.sidecar_bytes;
        let schema = tables.get(&*entry.table).map(|schema| &**schema);
        for (path, what) in check_part(backend, entry, schema, depth) {
            report.problems.push(Problem {
                path,
                part: Some(entry.id),
                place: Some((entry.table.to_string(), entry.day)),
                what,
            });
        }
    }
    if !lost {
        report.leftovers = leftovers(&**backend, &state, &tables)?;
    }
    Ok(report)
}

fn manifest_is_missing(backend: &dyn Backend, tables: &Tables) -> Result<bool> {
    if manifest::load(backend).is_ok_and(|loaded| loaded.is_some()) {
        return Ok(false);
    }
    for table in tables.keys() {
        let directory = Path::new(table);
        let files = backend.list(directory).at("list", directory)?;
        if files
            .iter()
            .any(|(name, _)| name.extension().is_some_and(|end| end == "parquet"))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All that is wrong with a part: file and words.
pub(crate) fn check_part(
    backend: &Arc<dyn Backend>,
    entry: &PartEntry,
    schema: Option<&Schema>,
    depth: Depth,
) -> Vec<(PathBuf, String)> {
    let mut problems = Vec::new();
    let files = [
        (entry.part_path(), entry.part_bytes, entry.part_hash),
        (
            entry.sidecar_path(),
            entry.sidecar_bytes,
            entry.sidecar_hash,
        ),
    ];
    for (path, bytes, hash) in files {
        if let Err(error) = check_hash(&**backend, &path, bytes, hash) {
            problems.push((path, words(error)));
        }
    }
    if let (true, Some(schema), Depth::Everything) = (problems.is_empty(), schema, depth)
        && let Err(error) = check_contents(backend, entry, schema)
    {
        let path = match &error {
            Error::Damaged { path, .. } | Error::Io { path, .. } => path.clone(),
            _ => entry.part_path(),
        };
        problems.push((path, words(error)));
    }
    problems
}

/// What is wrong, without the file's name.
fn words(error: Error) -> String {
    match error {
        Error::Damaged { what, .. } => what,
        Error::Io { doing, source, .. } => format!("cannot {doing} it: {source}"),
        other => other.to_string(),
    }
}

fn check_hash(backend: &dyn Backend, path: &Path, bytes: u64, hash: u64) -> Result<()> {
    let file = backend.open(path, OpenMode::Read).at("open", path)?;
    let length = file.len().at("measure", path)?;
    if length != bytes {
        let what = format!("it has {length} bytes, {bytes} were written");
        return Err(Error::damaged(path, what));
    }
    if hash_file(&*file, path, bytes)? != hash {
        return Err(Error::damaged(path, "its checksum does not hold"));
    }
    Ok(())
}

/// The xxh3-64 of a whole file.
pub(crate) fn hash_file(file: &dyn File, path: &Path, bytes: u64) -> Result<u64> {
    const STEP: u64 = 1 << 20;
    let mut hash = Xxh3::new();
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < bytes {
        let step = STEP.min(bytes - at);
        buffer.resize(step as usize, 0);
        file.read_exact_at(&mut buffer, at).at("read", path)?;
        hash.update(&buffer);
        at += step;
    }
    Ok(hash.digest())
}

/// Decodes every value, and compares the sidecar with one made anew.
fn check_contents(backend: &Arc<dyn Backend>, entry: &PartEntry, schema: &Schema) -> Result<()> {
    let path = entry.part_path();
    let file = backend.open(&path, OpenMode::Read).at("open", &path)?;
    let anew = rebuild(&*file, entry.part_bytes, schema).map_err(|error| error.in_file(&path))?;
    if anew.rows != entry.rows {
        let what = format!(
            "it has {} rows, the manifest says {}",
            anew.rows, entry.rows
        );
        return Err(Error::damaged(&path, what));
    }
    let sidecar_path = entry.sidecar_path();
    let sidecar = backend
        .open(&sidecar_path, OpenMode::Read)
        .at("open", &sidecar_path)?;
    let length = usize::try_from(entry.sidecar_bytes).unwrap_or(usize::MAX);
    if length == anew.sidecar.len() {
        let mut bytes = vec![0; length];
        sidecar
            .read_exact_at(&mut bytes, 0)
            .at("read", &sidecar_path)?;
        if bytes == anew.sidecar {
            return Ok(());
        }
    }
    // Other bytes are no damage by themselves: the schema may index more or fewer columns than
    // when it was written, and page ranges may be told for other columns. Places must be the same.
    compare_directories(backend, entry, &anew.sidecar)
}

fn compare_directories(backend: &Arc<dyn Backend>, entry: &PartEntry, anew: &[u8]) -> Result<()> {
    let path = entry.sidecar_path();
    let open = OpenPart::open(entry, Arc::clone(backend), Arc::new(PartCache::new(2, 0)))?;
    let (file, length) = open.part_file()?;
    let source = Source {
        file: &*file,
        length,
    };
    let mut reader = ChunkReader::new()?;
    for at in 0..open.head.groups.len() {
        let group = open.group(at)?;
        for (column, chunk) in open.head.columns.iter().zip(&group.chunks) {
            read_chunk(&mut reader, &source, column, chunk, group.rows)
                .map_err(|error| error.in_file(&path))?;
        }
    }
    // Every token that the part holds must be found, wherever else the sidecar points.
    let anew = crate::sidecar::file::View::of(anew)?;
    if anew.head.shift != open.head.shift {
        return Err(Error::damaged(path, "its tokens are not those of its part"));
    }
    let mut missing = 0u64;
    for at in 0..anew.head.blocks() {
        let (first, block) = anew.block(at)?;
        let mut tokens = BlockReader::new(block, first, anew.widths())?;
        while let Some(print) = tokens.next()? {
            let mut rows = RowSet::none();
            tokens.places(|range| rows.push(range))?;
            if !rows.minus(&open.look_up_print(print)?).is_empty() {
                missing += 1;
            }
        }
    }
    if missing > 0 {
        return Err(Error::damaged(
            path,
            format!("it lacks {missing} tokens of its part"),
        ));
    }
    Ok(())
}

fn leftovers(backend: &dyn Backend, state: &State, tables: &Tables) -> Result<Vec<PathBuf>> {
    let mut known: BTreeMap<PathBuf, ()> = BTreeMap::new();
    for entry in state.parts.values() {
        known.insert(entry.part_path(), ());
        known.insert(entry.sidecar_path(), ());
    }
    let mut found = Vec::new();
    for table in crate::store::table_names(state, tables) {
        let directory = Path::new(&table);
        for (name, _) in backend.list(directory).at("list", directory)? {
            let Some(name) = name.file_name() else {
                continue;
            };
            let path = directory.join(name);
            if !known.contains_key(&path) && crate::store::is_ours(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}
