//! The file behind the sessions: `DIR/access.redb`, format version 1.
//!
//! | table | key | value |
//! |---|---|---|
//! | `sessions` | SHA-256 of the token | the session, JSON |
//! | `uses` | id of a key or an account | when it was last used, in nanoseconds since 1970 |
//! | `about` | name | `version` |

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::Session;
use crate::manage::access::token::Hash;
use crate::manage::database;

const FILE: &str = "access.redb";
const VERSION: u64 = 1;
const CACHE_BYTES: usize = 1 << 20;

const SESSIONS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("sessions");
const USES: TableDefinition<'_, u64, i64> = TableDefinition::new("uses");
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

/// The file, open.
#[derive(Debug)]
pub(super) struct Kept {
    database: Database,
    path: PathBuf,
}

/// The file cannot be used.
#[derive(Debug)]
pub(crate) struct KeptError {
    path: PathBuf,
    why: String,
}

impl std::fmt::Display for KeptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        write!(f, "the sessions in {path} cannot be used: {}", self.why)
    }
}

impl std::error::Error for KeptError {}

impl Kept {
    pub(super) fn open(dir: &Path) -> Result<Kept, KeptError> {
        let path = dir.join(FILE);
        let fail = |why| KeptError {
            path: path.clone(),
            why,
        };
        let database = database::open(dir, FILE, CACHE_BYTES);
        let kept = Kept {
            database: database.map_err(fail)?,
            path: path.clone(),
        };
        kept.prepare()?;
        Ok(kept)
    }

    fn prepare(&self) -> Result<(), KeptError> {
        let writing = self.database.begin_write().map_err(self.fail())?;
        {
            writing.open_table(SESSIONS).map_err(self.fail())?;
            writing.open_table(USES).map_err(self.fail())?;
            let mut about = writing.open_table(ABOUT).map_err(self.fail())?;
            let version = about.get("version").map_err(self.fail())?;
            let version = version.map(|found| found.value());
            match version {
                None => {
                    about.insert("version", VERSION).map_err(self.fail())?;
                }
                Some(VERSION) => {}
                Some(version) => {
                    let why =
                        format!("it has format version {version}, this program knows {VERSION}");
                    return Err(self.fail()(why));
                }
            }
        }
        writing.commit().map_err(self.fail())
    }

    /// All sessions; one that cannot be read is one that has ended.
    pub(super) fn sessions(&self) -> Result<Vec<(Hash, Session)>, KeptError> {
        let reading = self.database.begin_read().map_err(self.fail())?;
        let table = reading.open_table(SESSIONS).map_err(self.fail())?;
        let mut all = Vec::new();
        for found in table.iter().map_err(self.fail())? {
            let (hash, json) = found.map_err(self.fail())?;
            if let Ok(session) = serde_json::from_slice(json.value()) {
                all.push((Hash(*hash.value()), session));
            }
        }
        Ok(all)
    }

    pub(super) fn uses(&self) -> Result<Vec<(u64, i64)>, KeptError> {
        let reading = self.database.begin_read().map_err(self.fail())?;
        let table = reading.open_table(USES).map_err(self.fail())?;
        let mut all = Vec::new();
        for found in table.iter().map_err(self.fail())? {
            let (id, time_ns) = found.map_err(self.fail())?;
            all.push((id.value(), time_ns.value()));
        }
        Ok(all)
    }

    /// Keeps sessions, or forgets them; durable when this returns.
    pub(super) fn write(&self, changes: &[(Hash, Option<Session>)]) -> Result<(), KeptError> {
        if changes.is_empty() {
            return Ok(());
        }
        let writing = self.database.begin_write().map_err(self.fail())?;
        {
            let mut table = writing.open_table(SESSIONS).map_err(self.fail())?;
            for (hash, session) in changes {
                match session {
                    Some(session) => {
                        let json = serde_json::to_vec(session).map_err(self.fail())?;
                        table
                            .insert(&hash.0, json.as_slice())
                            .map_err(self.fail())?;
                    }
                    None => {
                        table.remove(&hash.0).map_err(self.fail())?;
                    }
                }
            }
        }
        writing.commit().map_err(self.fail())
    }

    pub(super) fn write_uses(&self, changes: &[(u64, Option<i64>)]) -> Result<(), KeptError> {
        if changes.is_empty() {
            return Ok(());
        }
        let writing = self.database.begin_write().map_err(self.fail())?;
        {
            let mut table = writing.open_table(USES).map_err(self.fail())?;
            for (id, time_ns) in changes {
                match time_ns {
                    Some(time_ns) => table.insert(id, time_ns).map_err(self.fail())?,
                    None => table.remove(id).map_err(self.fail())?,
                };
            }
        }
        writing.commit().map_err(self.fail())
    }

    fn fail<E: std::fmt::Display>(&self) -> impl Fn(E) -> KeptError + '_ {
        |error| KeptError {
            path: self.path.clone(),
            why: error.to_string(),
        }
    }
}
