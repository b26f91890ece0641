//! The data directory that no server has, for the client verbs.
//!
//! To search it, it is opened as it is, without its lock: a search that prints slowly keeps nobody
//! from writing, and a directory that may only be read can be searched. Whatever has to be mended or
//! taken in from the spool for that happens in memory.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidings_cli::{
    AccountObject, AccountsAsked, EventsQuery, Failure, Globals, ImportOptions, ImportProgress,
    MessagesQuery, RepairObject, SOCKET_NAME, StatsQuery, Store, StoryOptions, VerifyObject,
};
use tidings_engine::contract::{ImportObject, MessageObject, StatsObject, StoryObject};
use tidings_engine::{Engine, EngineOptions, LiveOptions};
use tidings_spool::lock_dir;

use crate::check;
use crate::clock::Watch;
use crate::local::{EngineStore, failure};
use crate::manage::accounts;

/// The history of a data directory that no server has, for the client verbs. Nothing is opened before
/// it is needed: to verify and repair, a history that cannot be opened must do.
pub(crate) fn open(globals: &Globals) -> Result<Box<dyn Store>, Failure> {
    Ok(Box::new(DirectoryStore {
        dir: globals.data.clone(),
        reader: None,
    }))
}

struct DirectoryStore {
    dir: PathBuf,
    reader: Option<EngineStore>,
}

impl DirectoryStore {
    /// For searches, which change nothing.
    fn reader(&mut self) -> Result<&mut EngineStore, Failure> {
        if self.reader.is_none() {
            let dir = self.dir.clone();
            let reopen = Box::new(move || open_to_read(&dir));
            self.reader = Some(EngineStore::of_others(reopen)?);
        }
        Ok(self.reader.as_mut().expect("it was just set"))
    }

    /// For an import, as the directory's owner.
    fn owner(&self) -> Result<EngineStore, Failure> {
        let engine = open_engine(&self.dir, LOCK_PATIENCE)
            .map_err(|failure| started_meanwhile(&self.dir).unwrap_or(failure))?;
        let engine = Arc::new(engine);
        take_in_spool(&engine)?;
        Ok(EngineStore::new(engine))
    }
}

impl Store for DirectoryStore {
    fn messages(
        &mut self,
        query: &MessagesQuery,
        each: &mut dyn FnMut(MessageObject) -> bool,
    ) -> Result<(), Failure> {
        self.reader()?.messages(query, each)
    }

    fn events(
        &mut self,
        query: &EventsQuery,
        each: &mut dyn FnMut(serde_json::Value) -> bool,
    ) -> Result<(), Failure> {
        self.reader()?.events(query, each)
    }

    fn stories(
        &mut self,
        key: &str,
        options: &StoryOptions,
        each: &mut dyn FnMut(StoryObject) -> bool,
    ) -> Result<(), Failure> {
        self.reader()?.stories(key, options, each)
    }

    /// As the directory's owner, but without its history, which may be damaged.
    fn accounts(&mut self, asked: &AccountsAsked) -> Result<Vec<AccountObject>, Failure> {
        let _lock = lock_dir(&self.dir).map_err(|error| {
            started_meanwhile(&self.dir).unwrap_or_else(|| Failure::data(error.to_string()))
        })?;
        accounts::offline(&self.dir, asked)
    }

    fn stats(&mut self, query: &StatsQuery) -> Result<StatsObject, Failure> {
        self.reader()?.stats(query)
    }

    fn import(
        &mut self,
        files: &[PathBuf],
        options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportObject, Failure> {
        self.owner()?.import(files, options, progress)
    }

    fn verify(&mut self) -> Result<VerifyObject, Failure> {
        let watch = Watch::start();
        let report = tidings_engine::verify(&self.dir).map_err(failure)?;
        Ok(check::verified(report, watch))
    }

    fn repair(&mut self) -> Result<RepairObject, Failure> {
        let watch = Watch::start();
        let done = tidings_engine::repair(&self.dir).map_err(failure)?;
        let left = tidings_engine::verify(&self.dir).map_err(failure)?;
        Ok(check::repaired(done, left, watch))
    }
}

/// How long a directory is waited for that another process has: as long as it takes to answer a
/// question, not as long as an import.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Opens a data directory, once the process that has it lets it go, within this time.
pub(crate) fn open_engine(dir: &Path, lock_patience: Duration) -> Result<Engine, Failure> {
    let options = EngineOptions {
        lock_patience,
        ..EngineOptions::default()
    };
    Engine::open(dir, options).map_err(failure)
}

/// Opens a data directory for searches, with what a server has left in the spool.
fn open_to_read(dir: &Path) -> Result<Arc<Engine>, Failure> {
    let engine = Engine::open_to_read(dir, EngineOptions::default()).map_err(failure)?;
    let engine = Arc::new(engine);
    take_in_spool(&engine)?;
    Ok(engine)
}

/// Says so if a server has the directory now, which did not answer a moment ago.
fn started_meanwhile(dir: &Path) -> Option<Failure> {
    UnixStream::connect(dir.join(SOCKET_NAME)).ok()?;
    Some(Failure::server(format!(
        "a server has just been started on {}: run this again, it will answer",
        dir.display()
    )))
}

/// Lets searches see what a server has left in the spool, and not yet in the history.
fn take_in_spool(engine: &Arc<Engine>) -> Result<(), Failure> {
    if !engine.dir().join("spool").is_dir() {
        return Ok(());
    }
    let live = engine.live(LiveOptions::default()).map_err(failure)?;
    while !engine.is_ready() {
        std::thread::sleep(Duration::from_millis(1));
    }
    live.shutdown().map_err(failure)
}
