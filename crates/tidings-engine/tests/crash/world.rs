//! What the tests of whole engines share: pieces of a real log, engines on a simulated disk, and
//! everything that an engine holds, to be compared.

#![allow(dead_code, reason = "each test crate uses some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_engine::contract::ImportObject;
use tidings_engine::{Engine, EngineOptions, Error, EventQuery, ImportOptions, MessageQuery};
use tidings_mail::message::Message;
use tidings_spool::Backend;
use tidings_spool::fault::MemoryBackend;

/// A day after the last line of the corpus.
pub(crate) const NOW_NS: i64 = 1_795_500_000_000_000_000;

/// A file of the corpus.
pub(crate) fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus")
        .join(name)
}

/// `lines` lines of the recorded log from line `from` on.
pub(crate) fn log_lines(from: usize, lines: usize) -> Vec<u8> {
    let text = std::fs::read(corpus("own/mail.rfc3339.log")).unwrap();
    let part = text.split_inclusive(|byte| *byte == b'\n').skip(from);
    part.take(lines).collect::<Vec<_>>().concat()
}

/// The log with lines in between whose meaning depends on the line before: a repetition without
/// its text, and one without a time. Of every `step` lines they are the first two.
pub(crate) fn with_dependent_lines(log: &[u8], step: usize) -> Vec<u8> {
    let mut dirty = Vec::with_capacity(2 * log.len());
    let mut count = 0;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        if count > 0 && count % step == 0 {
            let stamp = line.split(|byte| *byte == b' ').next().unwrap();
            dirty.extend_from_slice(stamp);
            dirty.extend_from_slice(
                b" mx last message repeated 2 times\n  without a time of its own\n",
            );
            count += 2;
        }
        dirty.extend_from_slice(line);
        count += 1;
    }
    dirty
}

/// Cuts a log into `count` files in `dir`, at line ends, and gives their paths, oldest first.
pub(crate) fn cut_into_files(dir: &Path, log: &[u8], count: usize) -> Vec<PathBuf> {
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let pieces = lines.chunks(lines.len().div_ceil(count)).enumerate();
    pieces
        .map(|(number, piece)| {
            let path = dir.join(format!("mail.log.{number}"));
            std::fs::write(&path, piece.concat()).unwrap();
            path
        })
        .collect()
}

/// Opens an engine on a simulated disk.
pub(crate) fn open(disk: &MemoryBackend) -> Result<Engine, Error> {
    open_with(disk, EngineOptions::default())
}

pub(crate) fn open_with(disk: &MemoryBackend, options: EngineOptions) -> Result<Engine, Error> {
    let backend: Arc<dyn Backend> = Arc::new(disk.clone());
    Engine::open_on(backend, Path::new("simulated"), None, options)
}

pub(crate) fn import_options() -> ImportOptions {
    ImportOptions {
        timezone: Some("UTC".into()),
        now_ns: NOW_NS,
        ..ImportOptions::default()
    }
}

pub(crate) fn import(engine: &Engine, paths: &[impl AsRef<Path>]) -> Result<ImportObject, Error> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
    engine.import(&paths, &import_options(), &mut |_| {})
}

/// Everything that an engine shows: events with their lines, and messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    /// Records and lines, in the order of their bytes; places in the spool are left out.
    pub(crate) events: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// By id.
    pub(crate) messages: BTreeMap<u64, Message>,
}

impl Shown {
    /// Reads everything, and makes sure that nothing is there twice.
    pub(crate) fn of(engine: &Engine) -> Shown {
        Shown::try_of(engine).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`of`](Self::of), where the medium may fail.
    pub(crate) fn try_of(engine: &Engine) -> Result<Shown, Error> {
        let everything = EventQuery {
            limit: usize::MAX,
            now_ns: NOW_NS,
            ..EventQuery::default()
        };
        let found = engine.events(&everything)?;
        let (mut places, mut sequences) = (BTreeSet::new(), BTreeSet::new());
        let mut events = Vec::with_capacity(found.len());
        for event in found {
            // What a server tells of itself depends on the run.
            let header = *event.event().header();
            let family = header.kind.name().split('.').next();
            if header.position.is_none()
                && matches!(family, Some("history" | "source" | "spool" | "telemetry"))
            {
                continue;
            }
            if let Some(at) = header.position {
                let place = (at.stream, at.line, at.ordinal);
                assert!(places.insert(place), "an event is there twice: {place:?}");
            }
            if let Some(sequence) = event.sequence {
                assert!(
                    sequences.insert(sequence),
                    "sequence {sequence} is there twice"
                );
            }
            events.push((event.record, event.line));
        }
        events.sort();
        let messages = messages(engine)?;
        Ok(Shown { events, messages })
    }

    /// The lines, in the order of their bytes.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        let mut lines: Vec<_> = self
            .events
            .iter()
            .filter_map(|(_, line)| line.clone())
            .collect();
        lines.sort();
        lines
    }

    /// Fails with the differences if the other one is not the same.
    pub(crate) fn assert_is(&self, expected: &Shown, round: &str) {
        if self == expected {
            return;
        }
        let mine: BTreeSet<_> = self.events.iter().collect();
        let theirs: BTreeSet<_> = expected.events.iter().collect();
        let mut report = format!(
            "{round}: {} events instead of {}, {} messages instead of {}\n",
            self.events.len(),
            expected.events.len(),
            self.messages.len(),
            expected.messages.len()
        );
        for event in mine.difference(&theirs).take(5) {
            report += &format!("only here:   {}\n", readable(event));
        }
        for event in theirs.difference(&mine).take(5) {
            report += &format!("missing:     {}\n", readable(event));
        }
        panic!(
            "{report}{}",
            differences(&self.messages, &expected.messages)
        );
    }
}

/// Fails with the differences if these are not the same messages.
pub(crate) fn assert_same_messages(
    shown: &BTreeMap<u64, Message>,
    expected: &BTreeMap<u64, Message>,
    round: &str,
) {
    assert!(
        shown == expected,
        "{round}:\n{}",
        differences(shown, expected)
    );
}

fn differences(shown: &BTreeMap<u64, Message>, expected: &BTreeMap<u64, Message>) -> String {
    let ids: BTreeSet<_> = shown.keys().chain(expected.keys()).collect();
    let differ = ids
        .into_iter()
        .filter(|id| shown.get(id) != expected.get(id));
    let pair = |id: &u64| {
        format!(
            "message    {:?}\ninstead of {:?}\n",
            shown.get(id),
            expected.get(id)
        )
    };
    differ.take(3).map(pair).collect()
}

/// All messages by id; each is there once, by each of its legs.
fn messages(engine: &Engine) -> Result<BTreeMap<u64, Message>, Error> {
    let everything = MessageQuery {
        filter: "kind:accepted OR kind:refused".into(),
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    let found = engine.messages(&everything)?;
    let (mut by_id, mut legs) = (BTreeMap::new(), BTreeMap::new());
    for mut message in found {
        // Shown of open messages only.
        message
            .recipients
            .iter_mut()
            .for_each(|recipient| recipient.delays = None);
        for leg in &message.legs {
            if let Some(other) = legs.insert(*leg, message.clone()) {
                panic!("two messages have a leg in common:\n{other:?}\n{message:?}");
            }
        }
        by_id.insert(message.id, message);
    }
    Ok(by_id)
}

fn readable((record, line): &(Vec<u8>, Option<Vec<u8>>)) -> String {
    let event = tidings_event::EventRef::read(record).unwrap().0;
    let line = line.as_deref().map(String::from_utf8_lossy);
    format!(
        "{} {:?} span {:?} {:?} {line:?}",
        event.kind().name(),
        event.header().position,
        event.span(),
        event.pairs().collect::<Vec<_>>()
    )
}
