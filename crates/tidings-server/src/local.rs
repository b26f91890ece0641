//! The history in this process, as the client verbs and the server's handlers ask it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidings_cli::{
    EventsQuery, Failure, Globals, ImportOptions, ImportProgress, MessagesQuery, RepairObject,
    SOCKET_NAME, StatsQuery, Store, StoryOptions, VerifyObject,
};
use tidings_engine::contract::{ImportObject, MessageObject, StatsObject, StoryObject};
use tidings_engine::input::InputError;
use tidings_engine::{
    Engine, EngineOptions, Error, EventQuery, FoundEvent, LiveOptions, MessageQuery, StoryQuery,
    event_object, message_object,
};
use tidings_mail::message::Message;

use crate::check;
use crate::clock::{self, Watch};

/// Results of the first page of a search: few, because most who search see no more.
const FIRST_PAGE: usize = 256;

/// Results of a page at most, which bounds the memory that a search takes.
const PAGE_MAX: usize = 8 * 1024;

/// The history of a data directory that no server has, for the client verbs. Nothing is opened before
/// it is needed: to verify and repair, a history that cannot be opened must do.
pub(crate) fn open(globals: &Globals) -> Result<Box<dyn Store>, Failure> {
    Ok(Box::new(DirectoryStore {
        dir: globals.data.clone(),
        store: None,
    }))
}

struct DirectoryStore {
    dir: PathBuf,
    store: Option<EngineStore>,
}

impl DirectoryStore {
    fn store(&mut self) -> Result<&mut EngineStore, Failure> {
        match &mut self.store {
            Some(store) => Ok(store),
            none => {
                let engine = open_engine(&self.dir, LOCK_PATIENCE)
                    .map_err(|failure| started_meanwhile(&self.dir).unwrap_or(failure))?;
                let engine = Arc::new(engine);
                take_in_spool(&engine)?;
                Ok(none.insert(EngineStore::new(engine)))
            }
        }
    }
}

impl Store for DirectoryStore {
    fn messages(
        &mut self,
        query: &MessagesQuery,
        each: &mut dyn FnMut(MessageObject) -> bool,
    ) -> Result<(), Failure> {
        self.store()?.messages(query, each)
    }

    fn events(
        &mut self,
        query: &EventsQuery,
        each: &mut dyn FnMut(serde_json::Value) -> bool,
    ) -> Result<(), Failure> {
        self.store()?.events(query, each)
    }

    fn stories(
        &mut self,
        key: &str,
        options: &StoryOptions,
        each: &mut dyn FnMut(StoryObject) -> bool,
    ) -> Result<(), Failure> {
        self.store()?.stories(key, options, each)
    }

    fn stats(&mut self, query: &StatsQuery) -> Result<StatsObject, Failure> {
        self.store()?.stats(query)
    }

    fn import(
        &mut self,
        files: &[PathBuf],
        options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportObject, Failure> {
        self.store()?.import(files, options, progress)
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

/// The history behind an engine. Searches read it page by page, so that the first results come at
/// once and a search of everything takes little memory.
#[derive(Clone, Debug)]
pub(crate) struct EngineStore(Arc<Engine>);

impl EngineStore {
    pub(crate) fn new(engine: Arc<Engine>) -> EngineStore {
        EngineStore(engine)
    }
}

impl Store for EngineStore {
    fn messages(
        &mut self,
        query: &MessagesQuery,
        each: &mut dyn FnMut(MessageObject) -> bool,
    ) -> Result<(), Failure> {
        let now_ns = clock::now_ns();
        let find = |until_ns, limit| {
            self.0.messages(&MessageQuery {
                filter: query.filter.clone(),
                since_ns: query.since_ns,
                until_ns,
                limit,
                now_ns,
            })
        };
        let place = |message: &Message| (message.time_ns, message.id);
        page_through(query.until_ns, query.limit, find, place, &mut |message| {
            each(message_object(&message))
        })
    }

    fn events(
        &mut self,
        query: &EventsQuery,
        each: &mut dyn FnMut(serde_json::Value) -> bool,
    ) -> Result<(), Failure> {
        let now_ns = clock::now_ns();
        let find = |until_ns, limit| {
            self.0.events(&EventQuery {
                filter: query.filter.clone(),
                since_ns: query.since_ns,
                until_ns,
                limit,
                now_ns,
            })
        };
        let place = |found: &FoundEvent| {
            (
                found.event().time_ns(),
                hash_of(&(found.sequence, &found.record)),
            )
        };
        page_through(query.until_ns, query.limit, find, place, &mut |found| {
            each(event_object(&found, query.raw))
        })
    }

    fn stories(
        &mut self,
        key: &str,
        options: &StoryOptions,
        each: &mut dyn FnMut(StoryObject) -> bool,
    ) -> Result<(), Failure> {
        let most = |number: Option<u64>| {
            number.map_or(usize::MAX, |number| {
                usize::try_from(number).unwrap_or(usize::MAX)
            })
        };
        let query = StoryQuery {
            key: key.to_owned(),
            raw: options.raw,
            limit: most(options.limit),
        };
        let told = most(options.told);
        self.0.each_story(&query, told, each).map_err(failure)
    }

    fn stats(&mut self, query: &StatsQuery) -> Result<StatsObject, Failure> {
        let query = tidings_engine::StatsQuery {
            since_ns: query.since_ns,
            until_ns: query.until_ns,
            top: usize::try_from(query.top).unwrap_or(usize::MAX),
            now_ns: clock::now_ns(),
        };
        self.0.stats(&query).map_err(failure)
    }

    fn import(
        &mut self,
        files: &[PathBuf],
        options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportObject, Failure> {
        let watch = Watch::start();
        let engine_options = tidings_engine::ImportOptions {
            year: options.year,
            timezone: options.timezone.clone(),
            force: options.force,
            now_ns: clock::now_ns(),
        };
        let mut done = self
            .0
            .import(files, &engine_options, &mut |now| {
                progress(&ImportProgress {
                    file: now.file.to_string_lossy().into_owned(),
                    bytes_total: now.bytes_total,
                    bytes_done: now.bytes_done,
                    lines: now.lines,
                    recognised: now.recognised,
                });
            })
            .map_err(failure)?;
        done.elapsed_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(done)
    }

    fn verify(&mut self) -> Result<VerifyObject, Failure> {
        let watch = Watch::start();
        Ok(check::verified(self.0.verify().map_err(failure)?, watch))
    }

    /// Refuses: a history is repaired while nobody has it open.
    fn repair(&mut self) -> Result<RepairObject, Failure> {
        Err(Failure::data(
            "the history is open; stop the server, then run `tidings repair` again",
        ))
    }
}

/// What is asked for page by page.
struct Pages<K> {
    /// The next page ends with this moment, of which these were handed over before.
    until_ns: Option<i64>,
    handed: HashMap<K, usize>,
    left: u64,
}

impl<K: Eq + Hash + Clone> Pages<K> {
    /// Hands over the fresh ones of a page; gives whether there may be more that is wanted.
    fn hand_over<T>(
        &mut self,
        page: Vec<T>,
        place: impl Fn(&T) -> (i64, K),
        each: &mut dyn FnMut(T) -> bool,
    ) -> bool {
        let mut leave_out = self.handed.clone();
        for result in page {
            let (time_ns, key) = place(&result);
            if self.until_ns != Some(time_ns) {
                self.until_ns = Some(time_ns);
                self.handed.clear();
                leave_out.clear();
            }
            if let Some(count) = leave_out.get_mut(&key).filter(|count| **count > 0) {
                *count -= 1;
                continue;
            }
            *self.handed.entry(key).or_default() += 1;
            self.left -= 1;
            if !each(result) || self.left == 0 {
                return false;
            }
        }
        true
    }
}

/// Hands over what `find` gives for (latest time, how many at most), newest first, until `each` has
/// enough, `limit` is reached, or there is no more.
///
/// A page ends somewhere in a moment that may hold more results, so the next page begins with that
/// moment again and leaves out as many of its results as were handed over, told apart by `place`.
fn page_through<T, K: Eq + Hash + Clone>(
    until_ns: Option<i64>,
    limit: Option<u64>,
    find: impl Fn(Option<i64>, usize) -> Result<Vec<T>, Error>,
    place: impl Fn(&T) -> (i64, K),
    each: &mut dyn FnMut(T) -> bool,
) -> Result<(), Failure> {
    let mut pages = Pages {
        until_ns,
        handed: HashMap::new(),
        left: limit.unwrap_or(u64::MAX),
    };
    let mut size = FIRST_PAGE;
    while pages.left > 0 {
        let fresh = size.min(usize::try_from(pages.left).unwrap_or(usize::MAX));
        let wanted = fresh + pages.handed.values().sum::<usize>();
        let page = find(pages.until_ns, wanted).map_err(failure)?;
        let is_last = page.len() < wanted;
        if !pages.hand_over(page, &place, each) || is_last {
            break;
        }
        size = (size * 2).min(PAGE_MAX);
    }
    Ok(())
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// An engine's error, by who has to act on it.
pub(crate) fn failure(error: Error) -> Failure {
    let sentence = error.to_string();
    match error {
        Error::Asked(_) => Failure::usage(sentence),
        Error::Input(error) => input_failure(error),
        Error::Directory { .. } | Error::History(_) | Error::Spool(_) | Error::State(_) => {
            Failure::data(sentence)
        }
    }
}

/// A file that cannot be read.
pub(crate) fn input_failure(error: InputError) -> Failure {
    Failure::file(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results as (time, id), newest first, in an order that is the same each time.
    fn search(all: &[(i64, u64)], limit: Option<u64>, until_ns: Option<i64>) -> Vec<(i64, u64)> {
        let mut found = Vec::new();
        let find = |until_ns: Option<i64>, most: usize| {
            let in_time = all
                .iter()
                .filter(|(time, _)| until_ns.is_none_or(|until| *time <= until));
            Ok(in_time.take(most).copied().collect())
        };
        let each = &mut |result| {
            found.push(result);
            true
        };
        page_through(
            until_ns,
            limit,
            find,
            |result: &(i64, u64)| (result.0, result.1),
            each,
        )
        .unwrap();
        found
    }

    #[test]
    fn pages_join_without_gap_or_repetition() {
        // Moments with one result, with many, and with more than any page holds; equal results too.
        for together in [1_u64, 3, 300, 20_000] {
            let all: Vec<(i64, u64)> = (0..25_000_u64)
                .map(|n| (1_000_000 - (n / together) as i64, n / 2))
                .collect();
            assert_eq!(search(&all, None, None), all, "{together}");
            assert_eq!(search(&all, Some(10_001), None), all[..10_001]);
            let until = 1_000_000 - 1;
            let later = all
                .iter()
                .filter(|(time, _)| *time <= until)
                .copied()
                .collect::<Vec<_>>();
            assert_eq!(search(&all, None, Some(until)), later);
        }
        assert!(search(&[], None, None).is_empty());
        assert!(search(&[(1, 1)], Some(0), None).is_empty());
    }

    #[test]
    fn a_search_stops_when_enough_was_seen() {
        let asked = std::cell::Cell::new(0);
        let find = |_: Option<i64>, most: usize| {
            asked.set(asked.get() + 1);
            Ok((0..most as i64).rev().collect())
        };
        let mut seen = 0;
        let each = &mut |_| {
            seen += 1;
            seen < 5
        };
        page_through(None, None, find, |time: &i64| (*time, 0), each).unwrap();
        assert_eq!((asked.get(), seen), (1, 5));
    }
}
