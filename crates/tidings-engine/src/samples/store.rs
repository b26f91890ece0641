//! The file of samples: a redb database on the engine's backend.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, Table,
    TableDefinition,
};
use tidings_spool::{Backend, File, OpenMode};

use super::dictionary::Dictionary;
use super::encode::{self, Entries};
use crate::error::{Error, in_words};

/// Name of the file in the data directory.
pub(super) const NAME: &str = "samples.redb";

/// Its name while it is made, or written anew.
const UNFINISHED: &str = "samples.redb.new";

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 256 << 10;

/// Rows by milliseconds since 1970.
type Rows = TableDefinition<'static, i64, &'static [u8]>;

/// A row a minute.
pub(super) const MINUTE: Rows = TableDefinition::new("minute");
/// A row for each time that is due by the schedule, and one for each end.
pub(super) const SCHEDULED: Rows = TableDefinition::new("scheduled");
/// The series by their numbers.
pub(super) const SERIES: TableDefinition<'static, u32, &'static [u8]> =
    TableDefinition::new("series");
/// What is collected for the next row of [`SCHEDULED`], under the time up to which it is: at most one.
pub(super) const COLLECTED: Rows = TableDefinition::new("collected");

/// Memory that redb may use for pages; its own default is 1 GiB.
const CACHE_BYTES: usize = 8 << 20;

/// The open file.
pub(super) struct Store {
    db: Database,
    pub(super) known: Arc<Dictionary>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the file, made if it is missing, and checks it.
    pub(super) fn open(backend: &dyn Backend) -> Result<Store, Error> {
        if !Store::exists(backend) {
            Store::make(backend)?;
        }
        let file = backend.open(Path::new(NAME), OpenMode::Write);
        let db = database(file.map_err(io_error)?)?;
        let mut known = Dictionary::default();
        let series = db.begin_read().map_err(failed)?;
        let series = series.open_table(SERIES).map_err(failed)?;
        for item in series.iter().map_err(failed)? {
            let (number, bytes) = item.map_err(failed)?;
            let number = number.value();
            known
                .read(number, bytes.value())
                .map_err(|damage| damaged(&format!("series {number}"), damage))?;
        }
        Ok(Store {
            db,
            known: Arc::new(known),
        })
    }

    /// Makes the file, under another name until it is whole: half a file would be taken for damage.
    fn make(backend: &dyn Backend) -> Result<(), Error> {
        let path = Path::new(UNFINISHED);
        let file = backend.open(path, OpenMode::Write).map_err(io_error)?;
        file.set_len(0).map_err(io_error)?;
        let db = database(file)?;
        let write = db.begin_write().map_err(failed)?;
        for table in [MINUTE, SCHEDULED, COLLECTED] {
            write.open_table(table).map_err(failed)?;
        }
        write.open_table(SERIES).map_err(failed)?;
        write.commit().map_err(failed)?;
        db.close().map_err(failed)?;
        finish(backend).map_err(io_error)
    }

    /// Writes the file anew after a failure: what a failed sync left out is in the system's memory, looks
    /// written, and would be gone after a crash.
    pub(super) fn renew(backend: &dyn Backend) -> Result<(), Error> {
        let old = match backend.open(Path::new(NAME), OpenMode::Read) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error(error)),
        };
        let copied = backend
            .open(Path::new(UNFINISHED), OpenMode::Write)
            .and_then(|new| copy(&*old, &*new))
            .and_then(|()| finish(backend));
        copied.map_err(io_error)
    }

    /// Whether there is a file.
    pub(super) fn exists(backend: &dyn Backend) -> bool {
        backend.open(Path::new(NAME), OpenMode::Read).is_ok()
    }

    /// The file as it is now, whatever is written later.
    pub(super) fn read(&self) -> Result<ReadTransaction, Error> {
        self.db.begin_read().map_err(failed)
    }

    /// Changes the file: all of it or nothing. An error may leave either.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Changes<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let write = self.db.begin_write().map_err(failed)?;
        let done = {
            let mut changes = Changes {
                minute: write.open_table(MINUTE).map_err(failed)?,
                scheduled: write.open_table(SCHEDULED).map_err(failed)?,
                collected: write.open_table(COLLECTED).map_err(failed)?,
                series: write.open_table(SERIES).map_err(failed)?,
            };
            change(&mut changes)?
        };
        write.commit().map_err(failed)?;
        Ok(done)
    }

    /// What is collected for the next scheduled row, and up to when.
    pub(super) fn collected(&self) -> Result<Option<(i64, Entries)>, Error> {
        let rows = self.read()?.open_table(COLLECTED).map_err(failed)?;
        last_row(&rows, "collected")
    }

    /// The last row of minutes.
    pub(super) fn last_minute(&self) -> Result<Option<(i64, Entries)>, Error> {
        let rows = self.read()?.open_table(MINUTE).map_err(failed)?;
        last_row(&rows, "minute")
    }
}

fn database(file: Arc<dyn File>) -> Result<Database, Error> {
    Builder::new()
        .set_cache_size(CACHE_BYTES)
        // Without it, a damaged file may be trusted until redb panics.
        .set_check_integrity_on_open(true)
        .create_with_backend(OnBackend(file))
        .map_err(failed)
}

/// What was made under the other name is the file from now on.
fn finish(backend: &dyn Backend) -> io::Result<()> {
    backend.rename(Path::new(UNFINISHED), Path::new(NAME))?;
    backend.sync_dir(Path::new(""))
}

fn copy(from: &dyn File, to: &dyn File) -> io::Result<()> {
    to.set_len(0)?;
    let length = from.len()?;
    let (mut at, mut buffer) = (0, vec![0; COPY_BYTES]);
    while at < length {
        let step = usize::try_from(length - at).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
        from.read_exact_at(&mut buffer[..step], at)?;
        to.write_all_at(&buffer[..step], at)?;
        at += step as u64;
    }
    to.sync()
}

/// The tables while they are changed.
pub(super) struct Changes<'t> {
    pub(super) minute: Table<'t, i64, &'static [u8]>,
    pub(super) scheduled: Table<'t, i64, &'static [u8]>,
    pub(super) collected: Table<'t, i64, &'static [u8]>,
    pub(super) series: Table<'t, u32, &'static [u8]>,
}

/// Puts a row at a time, or at the first free millisecond behind it: clocks are set back. Gives its
/// key.
pub(super) fn put_row(
    table: &mut Table<'_, i64, &'static [u8]>,
    millis: i64,
    entries: &Entries,
) -> Result<i64, Error> {
    let mut key = millis;
    while table.get(key).map_err(failed)?.is_some() {
        key += 1;
    }
    let bytes = encode::row(key, entries);
    table.insert(key, bytes.as_slice()).map_err(failed)?;
    Ok(key)
}

fn last_row(
    rows: &impl ReadableTable<i64, &'static [u8]>,
    table: &str,
) -> Result<Option<(i64, Entries)>, Error> {
    let Some((key, bytes)) = rows.last().map_err(failed)? else {
        return Ok(None);
    };
    let key = key.value();
    let entries = encode::entries(key, bytes.value()).map_err(|damage| bad_row(table, key, damage));
    Ok(Some((key, entries?)))
}

/// A file of the backend as redb wants it.
#[derive(Debug)]
struct OnBackend(Arc<dyn File>);

impl StorageBackend for OnBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}

/// What a check of the file found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// What is damaged, a sentence each.
    pub(crate) problems: Vec<String>,
}

/// Checks every byte of the file, through a backend that keeps changes to itself.
pub(super) fn check(backend: &dyn Backend) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    let file = match backend.open(Path::new(NAME), OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(checked),
        Err(error) => return Err(io_error(error)),
    };
    checked.bytes = file.len().map_err(io_error)?;
    let rows = Store::open(backend).and_then(|store| check_rows(&store, &mut checked.problems));
    checked
        .problems
        .extend(rows.err().map(|error| error.to_string()));
    Ok(checked)
}

/// Problems that are told one by one.
const PROBLEMS_MAX: usize = 100;

fn check_rows(store: &Store, problems: &mut Vec<String>) -> Result<(), Error> {
    let read = store.read()?;
    let tables = BTreeMap::from([
        ("minute", MINUTE),
        ("scheduled", SCHEDULED),
        ("collected", COLLECTED),
    ]);
    for (name, table) in tables {
        for item in read
            .open_table(table)
            .map_err(failed)?
            .iter()
            .map_err(failed)?
        {
            let (key, bytes) = item.map_err(failed)?;
            let key = key.value();
            let problem = match encode::entries(key, bytes.value()) {
                Err(damage) => Some(bad_row(name, key, damage)),
                Ok(entries) => entries
                    .keys()
                    .find(|number| store.known.get(**number).is_none())
                    .map(|_| bad_row(name, key, encode::Damage("it has a series without a name"))),
            };
            if problems.len() < PROBLEMS_MAX {
                problems.extend(problem.map(|error| error.to_string()));
            }
        }
    }
    Ok(())
}

/// An error about a row.
pub(super) fn bad_row(table: &str, key: i64, damage: encode::Damage) -> Error {
    let time = tidings_event::time::rfc3339(key.saturating_mul(1_000_000));
    damaged(&format!("the row of {time} in {table}"), damage)
}

fn damaged(what: &str, damage: encode::Damage) -> Error {
    Error::Samples(format!("{what} is damaged: {}", damage.0))
}

pub(super) fn io_error(error: io::Error) -> Error {
    Error::Samples(in_words(&error))
}

/// An error of redb.
pub(super) fn failed(error: impl Into<redb::Error>) -> Error {
    Error::Samples(match error.into() {
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            "it is no file of samples, or its beginning is damaged".to_owned()
        }
        redb::Error::Io(error) => in_words(&error),
        redb::Error::Corrupted(what) => format!("it is damaged: {what}"),
        redb::Error::UpgradeRequired(version) => {
            format!("it was written by a version that is not known (format {version})")
        }
        redb::Error::PreviousIo => "it could not be written before".to_owned(),
        error => in_words(&error),
    })
}
