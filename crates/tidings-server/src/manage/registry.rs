//! The registry: objects that were made through the management API, in `DIR/registry.redb`.
//!
//! An object is JSON under a kind and an id. Each write is one durable transaction that also moves the
//! kind's *state* on and notes who changed what and when. Writes are rare, so each is synced.
//!
//! Tables (all in one redb file, format version 1):
//!
//! | table | key | value |
//! |---|---|---|
//! | `objects` | kind, id | the object, JSON |
//! | `states` | kind | how often objects of the kind were changed |
//! | `changes` | kind, state | the change that led to the state, JSON |
//! | `log` | number | kind, state: all changes in order, the last [`CHANGES_MAX`] |
//! | `about` | name | `version`, `last-id` |
//! | `keys` | name | 32 random bytes, made when they are first asked for |

mod change;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};
use serde_json::{Map, Value};
use tidings_event::Id;

use super::database;
pub(crate) use change::{Change, ChangeKind, Changes};

/// The file's name in the data directory.
const FILE: &str = "registry.redb";

/// The version of the tables.
const VERSION: u64 = 1;

/// Changes that are remembered.
const CHANGES_MAX: u64 = 100_000;

/// Memory for pages that were read.
const CACHE_BYTES: usize = 4 << 20;

/// What tells ids of this node from those of others in the same millisecond, in nine bits.
const NODE: u64 = 1;

type Key = (&'static str, u64);

const OBJECTS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("objects");
const STATES: TableDefinition<'_, &str, u64> = TableDefinition::new("states");
const CHANGES: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("changes");
const LOG: TableDefinition<'_, u64, Key> = TableDefinition::new("log");
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");

/// The objects of a data directory.
#[derive(Debug)]
pub(crate) struct Registry {
    database: Database,
    path: PathBuf,
    /// The last id that was given.
    last_id: Mutex<u64>,
}

/// An object with its id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: Id,
    pub(crate) value: Map<String, Value>,
}

/// A change to make.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// The object is this from now on.
    Put {
        object: &'static str,
        id: Id,
        value: Map<String, Value>,
    },
    /// There is no such object from now on.
    Remove { object: &'static str, id: Id },
}

/// The registry cannot be used.
#[derive(Debug)]
pub(crate) struct RegistryError {
    path: PathBuf,
    why: String,
}

impl std::fmt::Display for RegistryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the registry {} cannot be used: {}",
            self.path.display(),
            self.why
        )
    }
}

impl std::error::Error for RegistryError {}

type Result<T> = std::result::Result<T, RegistryError>;

impl Registry {
    /// Opens the registry of a data directory, whose lock this process holds; makes it where there is
    /// none.
    pub(crate) fn open(dir: &Path) -> Result<Registry> {
        let path = dir.join(FILE);
        let fail = |why| RegistryError {
            path: path.clone(),
            why,
        };
        let database = database::open(dir, FILE, CACHE_BYTES).map_err(fail)?;
        let registry = Registry {
            database,
            path: path.clone(),
            last_id: Mutex::new(0),
        };
        let last = registry.prepare()?;
        *registry.lock() = last;
        Ok(registry)
    }

    /// Makes the tables where they are not there; gives the last id.
    fn prepare(&self) -> Result<u64> {
        let writing = self.database.begin_write().map_err(self.fail())?;
        let mut last = 0;
        {
            for table in [OBJECTS, CHANGES] {
                writing.open_table(table).map_err(self.fail())?;
            }
            writing.open_table(STATES).map_err(self.fail())?;
            writing.open_table(LOG).map_err(self.fail())?;
            let mut about = writing.open_table(ABOUT).map_err(self.fail())?;
            let version = about
                .get("version")
                .map_err(self.fail())?
                .map(|found| found.value());
            match version {
                None => {
                    about.insert("version", VERSION).map_err(self.fail())?;
                }
                Some(VERSION) => {}
                Some(version) => {
                    let why =
                        format!("it has format version {version}, this program knows {VERSION}");
                    return Err(self.error(why));
                }
            }
            if let Some(found) = about.get("last-id").map_err(self.fail())? {
                last = found.value();
            }
        }
        writing.commit().map_err(self.fail())?;
        Ok(last)
    }

    /// An object.
    pub(crate) fn get(&self, object: &'static str, id: Id) -> Result<Option<Map<String, Value>>> {
        let reading = self.database.begin_read().map_err(self.fail())?;
        let objects = reading.open_table(OBJECTS).map_err(self.fail())?;
        let found = objects.get((object, id.0)).map_err(self.fail())?;
        found.map(|found| self.read(found.value())).transpose()
    }

    /// All objects of a kind, by id.
    pub(crate) fn list(&self, object: &'static str) -> Result<Vec<Stored>> {
        let reading = self.database.begin_read().map_err(self.fail())?;
        let objects = reading.open_table(OBJECTS).map_err(self.fail())?;
        let mut list = Vec::new();
        for found in objects
            .range((object, 0)..=(object, u64::MAX))
            .map_err(self.fail())?
        {
            let (key, value) = found.map_err(self.fail())?;
            list.push(Stored {
                id: Id(key.value().1),
                value: self.read(value.value())?,
            });
        }
        Ok(list)
    }

    /// The secret key of this name, which stays the same for ever.
    pub(crate) fn key(&self, name: &str) -> Result<Vec<u8>> {
        let writing = self.database.begin_write().map_err(self.fail())?;
        let key = {
            let mut keys = writing.open_table(KEYS).map_err(self.fail())?;
            let known = keys
                .get(name)
                .map_err(self.fail())?
                .map(|key| key.value().to_vec());
            match known {
                Some(known) => known,
                None => {
                    let mut fresh = vec![0; 32];
                    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut fresh)
                        .map_err(|_| self.error("the system gives no random numbers".to_owned()))?;
                    keys.insert(name, fresh.as_slice()).map_err(self.fail())?;
                    fresh
                }
            }
        };
        writing.commit().map_err(self.fail())?;
        Ok(key)
    }

    /// An id that was never given before, near the present.
    pub(crate) fn new_id(&self, now_ns: i64) -> Id {
        let mut last = self.lock();
        let next = Id::at(now_ns, NODE).0.max((*last | 0x1ff) + 1 + NODE);
        *last = next;
        Id(next)
    }

    /// Makes changes, all of them or none; they are durable when this returns.
    pub(crate) fn commit(&self, writes: &[Write], by: &str, now_ns: i64) -> Result<()> {
        let writing = self.database.begin_write().map_err(self.fail())?;
        for write in writes {
            self.apply(&writing, write, by, now_ns)?;
        }
        {
            let mut about = writing.open_table(ABOUT).map_err(self.fail())?;
            about.insert("last-id", *self.lock()).map_err(self.fail())?;
        }
        self.forget_old(&writing)?;
        writing.commit().map_err(self.fail())
    }

    fn apply(
        &self,
        writing: &WriteTransaction,
        write: &Write,
        by: &str,
        now_ns: i64,
    ) -> Result<()> {
        let mut objects = writing.open_table(OBJECTS).map_err(self.fail())?;
        let (object, id, value) = match write {
            Write::Put { object, id, value } => (*object, *id, Some(value)),
            Write::Remove { object, id } => (*object, *id, None),
        };
        let old = match objects.get((object, id.0)).map_err(self.fail())? {
            Some(found) => Some(self.read(found.value())?),
            None => None,
        };
        match value {
            Some(value) => {
                let json = self.written(value)?;
                objects
                    .insert((object, id.0), json.as_slice())
                    .map_err(self.fail())?;
            }
            None => {
                objects.remove((object, id.0)).map_err(self.fail())?;
            }
        }
        let Some(kind) = ChangeKind::of(old.is_some(), value.is_some()) else {
            return Ok(());
        };
        let change = Change {
            id,
            kind,
            by: by.to_owned(),
            time_ns: now_ns,
            properties: change::differing(old.as_ref(), value),
        };
        self.note(writing, object, &change)
    }

    /// Moves the state of a kind on.
    fn note(
        &self,
        writing: &WriteTransaction,
        object: &'static str,
        change: &Change,
    ) -> Result<()> {
        let mut states = writing.open_table(STATES).map_err(self.fail())?;
        let state = states
            .get(object)
            .map_err(self.fail())?
            .map_or(0, |found| found.value())
            + 1;
        states.insert(object, state).map_err(self.fail())?;
        let mut changes = writing.open_table(CHANGES).map_err(self.fail())?;
        let json = self.written(change)?;
        changes
            .insert((object, state), json.as_slice())
            .map_err(self.fail())?;
        let mut log = writing.open_table(LOG).map_err(self.fail())?;
        let number = log
            .last()
            .map_err(self.fail())?
            .map_or(0, |(number, _)| number.value())
            + 1;
        log.insert(number, (object, state)).map_err(self.fail())?;
        Ok(())
    }

    /// Forgets the oldest changes.
    fn forget_old(&self, writing: &WriteTransaction) -> Result<()> {
        let mut log = writing.open_table(LOG).map_err(self.fail())?;
        let mut changes = writing.open_table(CHANGES).map_err(self.fail())?;
        while log.len().map_err(self.fail())? > CHANGES_MAX {
            let Some((_, place)) = log.pop_first().map_err(self.fail())? else {
                break;
            };
            changes.remove(place.value()).map_err(self.fail())?;
        }
        Ok(())
    }

    /// How often objects of a kind were changed.
    pub(crate) fn state(&self, object: &str) -> Result<u64> {
        let reading = self.database.begin_read().map_err(self.fail())?;
        let states = reading.open_table(STATES).map_err(self.fail())?;
        Ok(states
            .get(object)
            .map_err(self.fail())?
            .map_or(0, |found| found.value()))
    }

    /// What changed since a state, at most so many ids; `None` where that is not known any more, or
    /// there was no such state.
    pub(crate) fn changes(
        &self,
        object: &'static str,
        since: u64,
        max: usize,
    ) -> Result<Option<Changes>> {
        let reading = self.database.begin_read().map_err(self.fail())?;
        let states = reading.open_table(STATES).map_err(self.fail())?;
        let state = states
            .get(object)
            .map_err(self.fail())?
            .map_or(0, |found| found.value());
        if since > state {
            return Ok(None);
        }
        let changes = reading.open_table(CHANGES).map_err(self.fail())?;
        let mut folded = Changes::since(since);
        let mut expected = since;
        for found in changes
            .range((object, since + 1)..=(object, u64::MAX))
            .map_err(self.fail())?
        {
            let (key, value) = found.map_err(self.fail())?;
            expected += 1;
            if key.value().1 != expected {
                return Ok(None);
            }
            if !folded.add(expected, &self.read(value.value())?, max) {
                return Ok(Some(folded));
            }
        }
        // The oldest changes are forgotten.
        Ok((expected == state).then_some(folded))
    }

    /// The last changes of a kind, or of all: newest first, each with its kind.
    pub(crate) fn history(
        &self,
        object: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Change)>> {
        let reading = self.database.begin_read().map_err(self.fail())?;
        let log = reading.open_table(LOG).map_err(self.fail())?;
        let changes = reading.open_table(CHANGES).map_err(self.fail())?;
        let mut history = Vec::new();
        for found in log.iter().map_err(self.fail())?.rev() {
            let (_, place) = found.map_err(self.fail())?;
            let (kind, state) = place.value();
            if object.is_some_and(|object| object != kind) {
                continue;
            }
            if history.len() == limit {
                break;
            }
            if let Some(change) = changes.get((kind, state)).map_err(self.fail())? {
                history.push((kind.to_owned(), self.read(change.value())?));
            }
        }
        Ok(history)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, json: &[u8]) -> Result<T> {
        serde_json::from_slice(json)
            .map_err(|error| self.error(format!("it holds broken JSON: {error}")))
    }

    fn written(&self, value: &impl serde::Serialize) -> Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(|error| self.error(error.to_string()))
    }

    fn error(&self, why: String) -> RegistryError {
        RegistryError {
            path: self.path.clone(),
            why,
        }
    }

    fn fail<E: std::fmt::Display>(&self) -> impl Fn(E) -> RegistryError + '_ {
        |error| self.error(error.to_string())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.last_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
