//! Follows the configured logs, a thread for each file; which ones may change meanwhile.
//!
//! What is read goes to the engine together with the place up to which it was read, so that each line
//! is stored once, over rotations and restarts. A thread never waits for another one; it waits for the
//! engine where the spool is full.

mod board;
mod file;
mod paths;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings::emit;
use tidings_engine::Live;

use crate::console::Console;
use crate::output::LogPlaces;
use crate::settings::SourceSettings;
use crate::stop::{Stop, Waker};

pub(crate) use board::{Board, State, Status};

use file::FileSource;
use paths::{Named, Own, expand, id_of};

/// Files followed at a time; each takes a thread and a buffer of 1 MiB while it is read.
const FILES_MAX: usize = 512;

/// How often the directories are looked into for new files.
const LOOK: Duration = Duration::from_secs(5);

/// Which logs are to be followed; shared with who changes that.
#[derive(Debug)]
pub(crate) struct Wanted {
    settings: Mutex<Vec<SourceSettings>>,
    /// Told when they have changed.
    changed: Waker,
}

impl Wanted {
    /// Fails only if the system gives no more file descriptors.
    pub(crate) fn new(settings: Vec<SourceSettings>) -> std::io::Result<Wanted> {
        Ok(Wanted {
            settings: Mutex::new(settings),
            changed: Waker::new()?,
        })
    }

    /// These from now on: what is no longer among them is soon followed no more.
    pub(crate) fn set(&self, settings: Vec<SourceSettings>) {
        let mut now = self.lock();
        if *now != settings {
            *now = settings;
            self.changed.wake();
        }
    }

    fn get(&self) -> Vec<SourceSettings> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SourceSettings>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The logs that are followed, or will be when they appear.
pub(crate) struct Sources {
    pub(crate) wanted: Arc<Wanted>,
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
                known: Vec::new(),
                followed: BTreeMap::new(),
                left_out: BTreeSet::new(),
            };
            following.look();
            self.board.complete();
            if following.followed.is_empty() {
                self.console
                    .say("there is no log to follow yet; name some as [[source]] in the settings");
            }
            while !self.stop.is_set() {
                self.stop.wait_or(Some(self.wanted.changed.fd()), LOOK);
                self.wanted.changed.drain();
                following.look();
            }
            following.end();
        })
    }
}

/// What is followed now.
struct Following<'s> {
    sources: &'s Sources,
    own: Own,
    /// The settings of the last look: files that appear later are new.
    known: Vec<SourceSettings>,
    followed: BTreeMap<PathBuf, Followed>,
    /// Paths that were said to be left out.
    left_out: BTreeSet<PathBuf>,
}

/// A file that a thread follows.
struct Followed {
    settings: SourceSettings,
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Following<'_> {
    /// Looks for files that the patterns name, follows those that were not there before, and no
    /// longer those that are not wanted any more.
    fn look(&mut self) {
        let wanted = self.sources.wanted.get();
        let mut files = BTreeMap::new();
        for settings in wanted.iter().filter(|settings| settings.is_enabled) {
            let named = settings.patterns.iter();
            let named = named.flat_map(|pattern| expand(pattern, &self.own));
            for named in named.collect::<Vec<_>>() {
                match named {
                    Named::Not(path, why) => self.leave_out(path, why),
                    Named::File(path) => {
                        files.entry(path).or_insert(settings);
                    }
                }
            }
        }
        self.let_go(&wanted, &files);
        for (path, settings) in files {
            self.follow(path, settings);
        }
        self.known = wanted;
    }

    /// Ends what is followed as it should no longer be. A file that was only removed is waited for.
    fn let_go(&mut self, wanted: &[SourceSettings], files: &BTreeMap<PathBuf, &SourceSettings>) {
        if *wanted == self.known[..] {
            return;
        }
        self.left_out.clear();
        let is_kept = |path: &PathBuf, followed: &Followed| match files.get(path) {
            Some(settings) => **settings == followed.settings,
            None => wanted.contains(&followed.settings),
        };
        let let_go: Vec<PathBuf> = self
            .followed
            .iter()
            .filter(|(path, followed)| !is_kept(path, followed))
            .map(|(path, _)| path.clone())
            .collect();
        for path in let_go {
            if let Some(followed) = self.followed.remove(&path) {
                followed.end();
                self.sources.board.remove(&path.to_string_lossy());
                if !files.contains_key(&path) {
                    let said = format!("following {} no longer", path.display());
                    self.sources.console.say(&said);
                    emit!(Source::Stopped, path = path.to_string_lossy());
                }
            }
        }
    }

    fn leave_out(&mut self, path: PathBuf, why: &str) {
        if !self.followed.contains_key(&path) && !self.left_out.contains(&path) {
            self.sources
                .console
                .say(&format!("{} is not followed: {why}", path.display()));
            self.left_out.insert(path);
        }
    }

    fn follow(&mut self, path: PathBuf, settings: &SourceSettings) {
        let is_known = self.followed.contains_key(&path) || self.left_out.contains(&path);
        if is_known || (!settings.is_awaited && !path.is_file()) {
            return;
        }
        if let Some(other) = self.other_name(&path) {
            let why = format!("it is the same file as {}, which is", other.display());
            return self.leave_out(path, &why);
        }
        if self.followed.len() >= FILES_MAX {
            return self.leave_out(
                path,
                &format!("{FILES_MAX} files are followed already, which is the most"),
            );
        }
        match self.start(&path, settings) {
            Ok(followed) => {
                let said = format!("following {}", path.display());
                self.sources.console.say(&said);
                emit!(Source::Started, path = path.to_string_lossy());
                self.followed.insert(path, followed);
            }
            Err(error) => self.sources.console.say(&format!(
                "cannot start to follow {}: {error}",
                path.display()
            )),
        }
    }

    fn start(&self, path: &Path, settings: &SourceSettings) -> std::io::Result<Followed> {
        let sources = self.sources;
        let stop = Stop::new()?;
        sources.board.update(&path.to_string_lossy(), |_| {});
        let source = FileSource {
            path: path.to_owned(),
            settings: settings.clone(),
            is_new: self.known.contains(settings),
            live: Arc::clone(&sources.live),
            board: Arc::clone(&sources.board),
            console: sources.console.clone(),
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("source".into())
            .stack_size(1 << 20);
        Ok(Followed {
            settings: settings.clone(),
            stop,
            thread: thread.spawn(move || source.run())?,
        })
    }

    /// Another path, followed already, of the same file.
    fn other_name(&self, path: &Path) -> Option<&PathBuf> {
        let id = id_of(path)?;
        let mut paths = self.followed.keys();
        paths.find(|followed| id_of(followed) == Some(id))
    }

    /// Ends all of it.
    fn end(self) {
        for followed in self.followed.values() {
            followed.stop.set();
        }
        for followed in self.followed.into_values() {
            followed.end();
        }
    }
}

impl Followed {
    fn end(self) {
        self.stop.set();
        // A thread that panicked has said so itself.
        let _ = self.thread.join();
    }
}
