//! Sessions have one start and one end: metrics count those that are active by the two.
//!
//! Over all logs of the corpus, as they are, and with lines out of order, doubled, lost, and read in
//! several runs: no span has two starts or two ends, no end comes without its start before it, both
//! are of one protocol, and what has started and not ended is what the correlator says is active.

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
    /// `imap` of `imap.connection-start`.
    protocol: String,
    /// Start and end are of different protocols.
    mixed: bool,
    listener: String,
}

/// What was told of the spans of sessions.
#[derive(Debug, Default)]
struct Sessions {
    by_span: BTreeMap<Id, Told>,
    /// By protocol, as a gauge counts them.
    active: BTreeMap<String, i64>,
}

impl Sessions {
    fn take(&mut self, drafts: &Drafts) {
        for event in drafts.iter() {
            let name = event.header().kind.name();
            let Some((protocol, what)) = name.split_once('.') else {
                continue;
            };
            let (is_start, is_end) = (what == "connection-start", what == "connection-end");
            if !is_start && !is_end {
                continue;
            }
            let active = self.active.entry(protocol.to_owned()).or_default();
            *active += i64::from(is_start) - i64::from(is_end);
            assert!(*active >= 0, "{protocol} has {active} connections");
            let span = event.header().span.expect("a session has a span");
            let told = self.by_span.entry(span).or_default();
            told.starts += usize::from(is_start);
            told.ends += usize::from(is_end);
            told.backwards |= is_end && told.starts == 0;
            told.mixed |= !told.protocol.is_empty() && told.protocol != protocol;
            protocol.clone_into(&mut told.protocol);
            for (key, value) in event.pairs() {
                if key == Key::LISTENER_ID {
                    told.listener = format!("{value:?}");
                }
            }
        }
    }

    /// Fails unless all is paired, and as many are active as the correlator knows.
    fn assert_paired(&self, active: usize, what: &str) {
        for (span, told) in &self.by_span {
            let is_paired = told.starts == 1 && told.ends <= 1;
            assert!(
                is_paired && !told.backwards && !told.mixed,
                "{what}: {span:?} {told:?}"
            );
        }
        let open = self.by_span.values().filter(|told| told.ends == 0).count();
        assert_eq!(open, active, "{what}");
        let gauges: i64 = self.active.values().sum();
        assert_eq!(gauges, open as i64, "{what}");
    }
}

fn interpreter() -> Interpreter {
    let clock = ClockSettings {
        zone: Zone::Utc,
        year: Some(2026),
        reference_ns: 1_795_400_000_000_000_000,
    };
    Interpreter::new(1, 1, clock)
}

/// What is told of the sessions in a log of which each line that `cuts` tells of is the first of
/// another run. A run saves what it knows, and goes on in the same file or in the next one.
fn read_cut(lines: &[&[u8]], limits: Limits, mut cuts: impl FnMut() -> bool) -> (Sessions, usize) {
    let mut interpreter = interpreter();
    let mut correlator = Correlator::new(limits);
    let mut drafts = Drafts::default();
    let mut sessions = Sessions::default();
    for (number, line) in lines.iter().enumerate() {
        if cuts() {
            correlator.forget_closed(1_795_500_000_000_000_000);
            let mut saved = Vec::new();
            correlator.save(&mut saved);
            correlator = Correlator::restore(limits, &saved).unwrap();
            correlator.begin_file(number % 2 == 0);
        }
        drafts.clear();
        interpreter.line(line, number as u64, &mut correlator, &NoLookup, &mut drafts);
        sessions.take(&drafts);
    }
    (sessions, correlator.active_sessions())
}

fn read(lines: &[&[u8]]) -> (Sessions, usize) {
    read_cut(lines, Limits::default(), || false)
}

fn lines_of(text: &[u8]) -> Vec<&[u8]> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).collect()
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The lines as if each had come up to two seconds late.
fn shuffled<'l>(lines: &[&'l [u8]], numbers: &mut Numbers) -> Vec<&'l [u8]> {
    let (mut interpreter, mut correlator) = (interpreter(), Correlator::new(Limits::default()));
    let mut drafts = Drafts::default();
    let mut late: Vec<_> = (0..)
        .zip(lines)
        .map(|(number, line)| {
            drafts.clear();
            let done = interpreter.line(line, number, &mut correlator, &NoLookup, &mut drafts);
            (done.time_ns + numbers.below(2_000_000_000) as i64, *line)
        })
        .collect();
    late.sort_by_key(|(time_ns, _)| *time_ns);
    late.into_iter().map(|(_, line)| line).collect()
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
        let text = std::fs::read(&path).unwrap();
        let (sessions, active) = read(&lines_of(&text));
        sessions.assert_paired(active, &path.display().to_string());
        ended += sessions
            .by_span
            .values()
            .filter(|told| told.ends == 1)
            .count();
    }
    assert!(ended > 1000, "only {ended} sessions ended");
}

/// Whatever becomes of a log on its way: what has started ends, or is active.
#[test]
fn starts_and_ends_add_up_whatever_is_seen() {
    let mut numbers = Numbers(0x5eed);
    for path in ["own", "dovecot", "postfix"].map(logs).concat() {
        let text = std::fs::read(&path).unwrap();
        let lines = lines_of(&text);
        for round in 0..6 {
            let mut seen = lines.clone();
            if round & 1 != 0 {
                seen = seen.iter().flat_map(|line| [*line, *line]).collect();
            }
            if round & 2 != 0 {
                seen = shuffled(&seen, &mut numbers);
            }
            if round & 4 != 0 {
                seen.retain(|_| numbers.below(10) > 0);
            }
            let limits = Limits {
                sessions: if round == 3 { 5 } else { 50_000 },
                ..Limits::default()
            };
            let (sessions, active) = read_cut(&seen, limits, || numbers.below(40) == 0);
            let what = format!("{} round {round}", path.display());
            sessions.assert_paired(active, &what);
        }
    }
}

/// The servers were stopped at the end of this log: nothing was open but what they were killed in.
#[test]
fn sessions_of_servers_that_were_stopped_have_ended() {
    let log = std::fs::read(corpus().join("own/mail.rfc3339.log")).unwrap();
    let lines = lines_of(&log);
    let mut numbers = Numbers(0xc0ffee);
    let mixed = shuffled(&lines, &mut numbers);
    let doubled: Vec<_> = lines.iter().flat_map(|line| [*line, *line]).collect();
    for (what, lines) in [("as it is", lines), ("mixed", mixed), ("doubled", doubled)] {
        let mut open: BTreeMap<String, usize> = BTreeMap::new();
        let (sessions, _) = read(&lines);
        for told in sessions.by_span.into_values().filter(|told| told.ends == 0) {
            *open.entry(told.listener).or_default() += 1;
        }
        assert_eq!(open, BTreeMap::new(), "{what}");
    }
}
