//! The history in this process, as the client verbs and the server's handlers ask it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use tidings_cli::{
    AccountObject, AccountsAsked, EventsQuery, Failure, ImportOptions, ImportProgress,
    MessagesQuery, RepairObject, StatsQuery, Store, StoryOptions, VerifyObject,
};
use tidings_engine::contract::{ImportObject, MessageObject, StatsObject, StoryObject};
use tidings_engine::input::InputError;
use tidings_engine::{
    Engine, Error, EventQuery, FoundEvent, MessageQuery, Place, StoryQuery, event_object,
    message_object,
};

use crate::check;
use crate::clock::{self, Watch};

/// Results of the first page of a search: few, because most who search see no more.
const FIRST_PAGE: usize = 256;

/// Results of a page at most, which bounds the memory that a search takes.
const PAGE_MAX: usize = 8 * 1024;

/// The history behind an engine. Searches read it page by page, so that the first results come at
/// once and a search of everything takes little memory.
pub(crate) struct EngineStore {
    engine: RefCell<Arc<Engine>>,
    /// Makes the engine anew where another process owns the directory.
    reopen: Option<Reopen>,
}

/// Opens the directory again, as it is now.
type Reopen = Box<dyn Fn() -> Result<Arc<Engine>, Failure>>;

/// The directory's owner may remove so often in a row what is about to be read.
const REOPENINGS: usize = 5;

impl EngineStore {
    /// The history of an engine that owns its directory.
    pub(crate) fn new(engine: Arc<Engine>) -> EngineStore {
        EngineStore {
            engine: RefCell::new(engine),
            reopen: None,
        }
    }

    /// The history of a directory that another process may own and change: opened with `reopen`, now
    /// and whenever files are gone that the last state needs.
    pub(crate) fn of_others(reopen: Reopen) -> Result<EngineStore, Failure> {
        Ok(EngineStore {
            engine: RefCell::new(reopen()?),
            reopen: Some(reopen),
        })
    }

    fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.borrow())
    }

    /// Asks the engine, and a newer one if files are gone. What is missing though the directory has
    /// not changed is damage.
    fn ask<T>(&self, mut ask: impl FnMut(&Engine) -> Result<T, Error>) -> Result<T, Failure> {
        let mut left = REOPENINGS;
        loop {
            let engine = self.engine();
            let error = match ask(&engine) {
                Err(error) if error.is_missing_file() && left > 0 => error,
                answer => return answer.map_err(failure),
            };
            let Some(reopen) = &self.reopen else {
                return Err(failure(error));
            };
            left -= 1;
            let newer = reopen()?;
            if newer.history_sequence() == engine.history_sequence() {
                return Err(failure(error));
            }
            self.engine.replace(newer);
        }
    }
}

impl Store for EngineStore {
    fn messages(
        &mut self,
        query: &MessagesQuery,
        each: &mut dyn FnMut(MessageObject) -> bool,
    ) -> Result<(), Failure> {
        let now_ns = clock::now_ns();
        let find = |behind, limit| {
            let page = MessageQuery {
                filter: query.filter.clone(),
                since_ns: query.since_ns,
                until_ns: query.until_ns,
                behind,
                scope: None,
                limit,
                now_ns,
            };
            self.ask(|engine| engine.messages(&page))
        };
        page_through(query.limit, find, Place::of_message, &mut |message| {
            each(message_object(&message))
        })
    }

    fn events(
        &mut self,
        query: &EventsQuery,
        each: &mut dyn FnMut(serde_json::Value) -> bool,
    ) -> Result<(), Failure> {
        let now_ns = clock::now_ns();
        let find = |behind, limit| {
            let page = EventQuery {
                filter: query.filter.clone(),
                since_ns: query.since_ns,
                until_ns: query.until_ns,
                behind,
                scope: None,
                limit,
                now_ns,
            };
            self.ask(|engine| engine.events(&page))
        };
        page_through(query.limit, find, FoundEvent::place, &mut |found| {
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
        // Where it has to be asked again, the first stories are known.
        let mut handed = HashSet::new();
        self.ask(|engine| {
            engine.each_story(&query, told, &mut |story| {
                let is_fresh = handed.insert(story.message.id.clone());
                !is_fresh || each(story)
            })
        })
    }

    /// Refuses: who may sign in is no part of a history.
    fn accounts(&mut self, _: &AccountsAsked) -> Result<Vec<AccountObject>, Failure> {
        Err(Failure::usage(
            "accounts belong to a server's data directory, not to a history alone",
        ))
    }

    fn stats(&mut self, query: &StatsQuery) -> Result<StatsObject, Failure> {
        let query = tidings_engine::StatsQuery {
            since_ns: query.since_ns,
            until_ns: query.until_ns,
            top: usize::try_from(query.top).unwrap_or(usize::MAX),
            now_ns: clock::now_ns(),
        };
        self.ask(|engine| engine.stats(&query))
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
            .engine()
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
        Ok(check::verified(
            self.engine().verify().map_err(failure)?,
            watch,
        ))
    }

    /// Refuses: a history is repaired while nobody has it open.
    fn repair(&mut self) -> Result<RepairObject, Failure> {
        Err(Failure::data(
            "the history is open; stop the server, then run `tidings repair` again",
        ))
    }
}

/// Hands over what `find` gives for (the place behind which to begin, how many at most), newest
/// first, until `each` has enough, `limit` is reached, or there is no more.
fn page_through<T>(
    limit: Option<u64>,
    find: impl Fn(Option<Place>, usize) -> Result<Vec<T>, Failure>,
    place: impl Fn(&T) -> Place,
    each: &mut dyn FnMut(T) -> bool,
) -> Result<(), Failure> {
    let mut left = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let mut size = FIRST_PAGE;
    let mut behind = None;
    while left > 0 {
        let wanted = size.min(left);
        let page = find(behind, wanted)?;
        let is_last = page.len() < wanted;
        behind = page.last().map(&place);
        left -= page.len();
        if !page.into_iter().all(&mut *each) || is_last {
            break;
        }
        size = (size * 2).min(PAGE_MAX);
    }
    Ok(())
}

/// An engine's error, by who has to act on it.
pub(crate) fn failure(error: Error) -> Failure {
    let sentence = error.to_string();
    match error {
        Error::Asked(_) => Failure::usage(sentence),
        Error::Input(error) => input_failure(error),
        Error::Directory { .. }
        | Error::History(_)
        | Error::Spool(_)
        | Error::State(_)
        | Error::Samples(_) => Failure::data(sentence),
    }
}

/// A file that cannot be read.
pub(crate) fn input_failure(error: InputError) -> Failure {
    Failure::file(error.to_string())
}

#[cfg(test)]
mod tests {
    use tidings_engine::{EngineOptions, RetentionRules};

    use super::*;

    fn search(all: &[Place], limit: Option<u64>) -> Vec<Place> {
        let mut found = Vec::new();
        let find = |behind: Option<Place>, most: usize| {
            let rest = all
                .iter()
                .filter(|place| behind.is_none_or(|behind| **place < behind));
            Ok(rest.take(most).copied().collect())
        };
        let each = &mut |result| {
            found.push(result);
            true
        };
        page_through(limit, find, |place: &Place| *place, each).unwrap();
        found
    }

    #[test]
    fn pages_join_without_gap_or_repetition() {
        // Moments with one result, with many, and with more than any page holds.
        for together in [1_u64, 3, 300, 20_000] {
            let all: Vec<Place> = (0..25_000_u64)
                .map(|n| Place::of_id(1_000_000 - (n / together) as i64, u64::MAX - n))
                .collect();
            assert_eq!(search(&all, None), all, "{together}");
            assert_eq!(search(&all, Some(10_001)), all[..10_001]);
        }
        assert!(search(&[], None).is_empty());
        assert!(search(&[Place::of_id(1, 1)], Some(0)).is_empty());
    }

    #[test]
    fn a_search_stops_when_enough_was_seen() {
        let asked = std::cell::Cell::new(0);
        let find = |_: Option<Place>, most: usize| {
            asked.set(asked.get() + 1);
            Ok((0..most as i64).rev().collect())
        };
        let mut seen = 0;
        let each = &mut |_| {
            seen += 1;
            seen < 5
        };
        page_through(None, find, |time: &i64| Place::of_id(*time, 0), each).unwrap();
        assert_eq!((asked.get(), seen), (1, 5));
    }

    /// A reader of a directory that others may own, and how often it was opened.
    fn reader_of(data: &std::path::Path) -> (EngineStore, std::rc::Rc<std::cell::Cell<u32>>) {
        let opened = std::rc::Rc::new(std::cell::Cell::new(0));
        let (count, path) = (std::rc::Rc::clone(&opened), data.to_owned());
        let reopen = Box::new(move || {
            count.set(count.get() + 1);
            let engine = Engine::open_to_read(&path, EngineOptions::default());
            engine.map(Arc::new).map_err(failure)
        });
        (EngineStore::of_others(reopen).unwrap(), opened)
    }

    /// How many events a reader finds.
    fn count_events(reader: &mut EngineStore) -> Result<usize, Failure> {
        let mut found = 0;
        let asked = reader.events(&EventsQuery::default(), &mut |_| {
            found += 1;
            true
        });
        asked.map(|()| found)
    }

    /// What the owner of a directory merged or dropped was missing for who read beside it, and a
    /// search in a pager ended with a failure.
    #[test]
    fn what_the_owner_removes_meanwhile_is_looked_for_anew() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../corpus/own/mail.rfc3339.log"
        );
        let engine = Arc::new(Engine::open(&data, EngineOptions::default()).unwrap());
        let mut owner = EngineStore::new(Arc::clone(&engine));
        let options = ImportOptions {
            force: true,
            ..ImportOptions::default()
        };
        owner
            .import(&[corpus.into()], &options, &mut |_| {})
            .unwrap();
        let (mut reader, opened) = reader_of(&data);
        // Nothing was read yet, so no file is open. The owner drops everything.
        let rules = RetentionRules {
            imported_ns: Some(1),
            ..RetentionRules::default()
        };
        let cancel = std::sync::atomic::AtomicBool::new(false);
        engine.maintain(i64::MAX, &rules, &cancel).unwrap();
        assert_eq!(count_events(&mut reader).unwrap(), 0);
        assert_eq!(opened.get(), 2);

        // What is missing without anybody's doing is damage, and is said.
        let log = dir.path().join("other.log");
        std::fs::write(&log, "Nov 22 13:00:00 mx postfix/qmgr[1]: AB: removed\n").unwrap();
        owner.import(&[log], &options, &mut |_| {}).unwrap();
        let (mut reader, _) = reader_of(&data);
        for part in std::fs::read_dir(data.join("events")).unwrap() {
            std::fs::remove_file(part.unwrap().path()).unwrap();
        }
        let failure = count_events(&mut reader).unwrap_err();
        assert_eq!(failure.kind(), tidings_cli::FailureKind::Data);
    }
}
