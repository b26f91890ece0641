//! Follows the configured logs, a thread for each file.
//!
//! What is read goes to the engine together with the place up to which it was read, so that each line
//! is stored once, over rotations and restarts. A thread never waits for another one; it waits for the
//! engine where the spool is full.

mod board;
mod file;
mod paths;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidings::emit;
use tidings_engine::Live;

use crate::console::Console;
use crate::output::LogPlaces;
use crate::settings::SourceSettings;
use crate::stop::Stop;

pub(crate) use board::{Board, State, Status};

use file::FileSource;
use paths::{Named, Own, expand, id_of};

/// Files followed at a time; each takes a thread and a buffer of 1 MiB while it is read.
const FILES_MAX: usize = 512;

/// How often the directories are looked into for new files.
const LOOK: Duration = Duration::from_secs(5);

/// The logs that are followed, or will be when they appear.
pub(crate) struct Sources {
    pub(crate) settings: Vec<SourceSettings>,
    /// The data directory, of which nothing may be followed but `demo_log`.
    pub(crate) data: PathBuf,
    pub(crate) demo_log: Option<PathBuf>,
    /// Files that tracers write: they are not followed.
    pub(crate) places: Arc<LogPlaces>,
    pub(crate) live: Arc<Live>,
    pub(crate) board: Arc<Board>,
    pub(crate) console: Console,
    pub(crate) stop: Stop,
}

impl Sources {
    /// Starts a thread that follows the logs, and those that appear later, until the stop signal is
    /// set; it ends when all of them have.
    pub(crate) fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new()
            .name("sources".into())
            .stack_size(256 << 10);
        thread.spawn(move || {
            let mut following = Following {
                own: Own::of_process(&self.data, self.demo_log.clone(), Arc::clone(&self.places)),
                sources: &self,
                seen: BTreeSet::new(),
                threads: Vec::new(),
            };
            following.look(false);
            self.board.complete();
            if following.threads.is_empty() {
                self.console
                    .say("there is no log to follow yet; name some as [[source]] in the settings");
            }
            while !self.stop.is_set() {
                self.stop.wait(LOOK);
                following.look(true);
            }
            for thread in following.threads {
                // A thread that panicked has said so itself.
                let _ = thread.join();
            }
        })
    }
}

/// What is followed so far.
struct Following<'s> {
    sources: &'s Sources,
    own: Own,
    /// Paths that were looked at before.
    seen: BTreeSet<PathBuf>,
    threads: Vec<JoinHandle<()>>,
}

impl Following<'_> {
    /// Looks for files that the patterns name and that were not there before; `later` unless it is
    /// the first look.
    fn look(&mut self, later: bool) {
        for settings in &self.sources.settings {
            let named = settings
                .patterns
                .iter()
                .flat_map(|pattern| expand(pattern, &self.own));
            for named in named.collect::<Vec<_>>() {
                match named {
                    Named::Not(path, why) => self.leave_out(path, why),
                    Named::File(path) => self.follow(path, settings, later),
                }
            }
        }
    }

    fn leave_out(&mut self, path: PathBuf, why: &str) {
        if !self.seen.contains(&path) {
            self.sources
                .console
                .say(&format!("{} is not followed: {why}", path.display()));
            self.seen.insert(path);
        }
    }

    fn follow(&mut self, path: PathBuf, settings: &SourceSettings, later: bool) {
        if self.seen.contains(&path) || (!settings.is_awaited && !path.is_file()) {
            return;
        }
        if let Some(other) = self.other_name(&path) {
            let why = format!("it is the same file as {}, which is", other.display());
            return self.leave_out(path, &why);
        }
        if self.threads.len() >= FILES_MAX {
            return self.leave_out(
                path,
                &format!("{FILES_MAX} files are followed already, which is the most"),
            );
        }
        self.seen.insert(path.clone());
        let sources = self.sources;
        sources.board.update(&path.to_string_lossy(), |_| {});
        let source = FileSource {
            path: path.clone(),
            settings: settings.clone(),
            is_new: later,
            live: Arc::clone(&sources.live),
            board: Arc::clone(&sources.board),
            console: sources.console.clone(),
            stop: sources.stop.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("source".into())
            .stack_size(1 << 20);
        match thread.spawn(move || source.run()) {
            Ok(thread) => {
                sources
                    .console
                    .say(&format!("following {}", path.display()));
                emit!(Source::Started, path = path.to_string_lossy());
                self.threads.push(thread);
            }
            Err(error) => {
                sources.console.say(&format!(
                    "cannot start to follow {}: {error}",
                    path.display()
                ));
                self.seen.remove(&path);
            }
        }
    }

    /// Another path, followed already, of the same file.
    fn other_name(&self, path: &Path) -> Option<&PathBuf> {
        let id = id_of(path)?;
        self.seen.iter().find(|seen| id_of(seen) == Some(id))
    }
}
