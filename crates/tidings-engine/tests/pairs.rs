//! Sessions have one start and one end: metrics count those that are active by the two.
//!
//! Over all logs of the corpus: no span has two starts or two ends, no end comes without its start
//! before it. A start without an end is of a session that was open when the log ended, or whose
//! process was heard of no more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidings_engine::Interpreter;
use tidings_event::{Drafts, Id, Key};
use tidings_mail::correlate::{Correlator, Limits, NoLookup};
use tidings_mail::envelope::{ClockSettings, Zone};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

/// Starts and ends of one span, and at what it listened.
#[derive(Debug, Default)]
struct Told {
    starts: usize,
    ends: usize,
    /// An end came before its start.
    backwards: bool,
    listener: String,
}

/// What is told of the spans of sessions in a log.
fn sessions(text: &[u8]) -> BTreeMap<Id, Told> {
    let clock = ClockSettings {
        zone: Zone::Utc,
        year: Some(2026),
        reference_ns: 1_795_400_000_000_000_000,
    };
    let mut interpreter = Interpreter::new(1, 1, clock);
    let mut correlator = Correlator::new(Limits::default());
    let mut drafts = Drafts::default();
    let mut sessions: BTreeMap<Id, Told> = BTreeMap::new();
    let lines = text.split(|byte| *byte == b'\n');
    for (number, line) in lines.filter(|line| !line.is_empty()).enumerate() {
        drafts.clear();
        interpreter.line(line, number as u64, &mut correlator, &NoLookup, &mut drafts);
        for event in drafts.iter() {
            let name = event.header().kind.name();
            let is_start = name.ends_with(".connection-start");
            let is_end = name.ends_with(".connection-end");
            let Some(span) = event.header().span.filter(|_| is_start || is_end) else {
                continue;
            };
            let told = sessions.entry(span).or_default();
            told.starts += usize::from(is_start);
            told.ends += usize::from(is_end);
            told.backwards |= is_end && told.starts == 0;
            for (key, value) in event.pairs() {
                if key == Key::LISTENER_ID {
                    told.listener = format!("{value:?}");
                }
            }
        }
    }
    sessions
}

fn logs(folder: &str) -> Vec<PathBuf> {
    let mut logs: Vec<_> = std::fs::read_dir(corpus().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    logs.sort();
    logs
}

#[test]
fn no_session_ends_twice_or_without_a_start() {
    let mut ended = 0;
    for path in ["own", "dovecot", "postfix"].map(logs).concat() {
        for (span, told) in sessions(&std::fs::read(&path).unwrap()) {
            let file = path.display();
            assert!(told.starts == 1, "{file} {span:?} {told:?}");
            assert!(
                told.ends <= 1 && !told.backwards,
                "{file} {span:?} {told:?}"
            );
            ended += told.ends;
        }
    }
    assert!(ended > 1000, "only {ended} sessions ended");
}

/// The servers were stopped at the end of this log: nothing was open but what they were killed in.
#[test]
fn sessions_of_servers_that_were_stopped_have_ended() {
    let log = std::fs::read(corpus().join("own/mail.rfc3339.log")).unwrap();
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    for told in sessions(&log).into_values().filter(|told| told.ends == 0) {
        *open.entry(told.listener).or_default() += 1;
    }
    assert_eq!(open, BTreeMap::new());
}
