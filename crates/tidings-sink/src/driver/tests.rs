//! A scripted sink on a spool in memory.

mod reading;
mod trouble;

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use tidings_event::{EventRef, Header, Id, Key, Level, RecordWriter};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Batch as SpoolBatch, Identity, Spool, SpoolConfig, SystemClock};

use super::*;
use crate::batch::Batch;
use crate::cursors::Cursors;
use crate::feed::{SpoolFeed, channel};
use crate::sink::Outcome;

/// A sink that does as it is told, and remembers what it got.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    /// Numbers of the events, with those of their spans' starts.
    got: Vec<(u64, Option<u64>)>,
    levels: Vec<Level>,
    /// What to answer, before it takes everything.
    answers: VecDeque<Outcome>,
    /// Events that are never taken, with no word on which it was.
    poison: Vec<u64>,
    refuses_all: bool,
    calls: u64,
    /// Calls that began.
    begun: u64,
    is_held: bool,
    /// How often it cannot get ready before it can.
    unready: u64,
    reopened: bool,
    batching: Batching,
}

impl Scripted {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn numbers(&self) -> Vec<u64> {
        self.script()
            .got
            .iter()
            .map(|(number, _)| *number)
            .collect()
    }
}

fn oops() -> Failure {
    Failure::new(EventType::TELEMETRY_LOG_ERROR, "cannot test", "oops")
}

impl Sink for Scripted {
    fn prepare(&mut self) -> Result<(), Failure> {
        let mut script = self.script();
        if script.unready == 0 {
            return Ok(());
        }
        script.unready -= 1;
        Err(oops())
    }

    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome {
        self.script().begun += 1;
        while self.script().is_held {
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut script = self.script();
        script.calls += 1;
        let number = |event: &EventRef<'_>| event.uint(Key::SIZE).unwrap();
        let numbers: Vec<_> = batch.events().map(|item| number(&item.event)).collect();
        let answer = script.answers.pop_front();
        let has_poison = numbers.iter().any(|number| script.poison.contains(number));
        let taken = match &answer {
            None if script.refuses_all => return Outcome::retry(oops()),
            None if has_poison => {
                return Outcome::Rejected {
                    index: None,
                    failure: oops(),
                };
            }
            None | Some(Outcome::Delivered | Outcome::Partial { .. }) => batch.len(),
            Some(Outcome::RetryAfter { delivered, .. }) => *delivered,
            Some(Outcome::Rejected { .. }) => 0,
        };
        for item in batch.events().take(taken) {
            let start = item.span_start.map(|start| number(&start));
            script.got.push((number(&item.event), start));
            script.levels.push(item.event.level());
        }
        answer.unwrap_or(Outcome::Delivered)
    }

    fn batching(&self) -> Batching {
        self.script().batching
    }

    fn reopen(&mut self) {
        self.script().reopened = true;
    }
}

fn record(number: u64, kind: EventType, span: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header {
        span: (span > 0).then_some(Id(span)),
        ..Header::new(kind, 1_770_000_000_000_000_000)
    };
    RecordWriter::begin(&mut out, &header)
        .uint(Key::SIZE, number)
        .finish();
    out
}

fn plain(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers
        .into_iter()
        .flat_map(|number| record(number, EventType::AUTH_SUCCESS, 0))
        .collect()
}

/// A spool on a memory disk with its cursors.
struct World {
    disk: MemoryBackend,
    spool: Arc<Spool>,
    cursors: Arc<Cursors>,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl World {
    fn on(disk: MemoryBackend) -> World {
        let clock = Arc::new(SystemClock::new());
        let backend = Arc::new(disk.clone());
        let identity = Identity {
            epoch: 9,
            origin: 9,
        };
        let config = SpoolConfig::default();
        let opened = Spool::open(backend.clone(), clock.clone(), config, identity).unwrap();
        let epoch = opened.spool.identity().epoch;
        World {
            cursors: Arc::new(Cursors::open(backend, clock, epoch).unwrap()),
            spool: Arc::new(opened.spool),
            disk,
            reports: Arc::default(),
        }
    }

    fn new() -> World {
        World::on(MemoryBackend::new())
    }

    fn context(&self) -> DriverContext {
        let reports = Arc::clone(&self.reports);
        DriverContext {
            clock: Arc::new(SystemClock::new()),
            reporter: Arc::new(move |report| reports.lock().unwrap().push(report)),
        }
    }

    fn append(&self, numbers: std::ops::Range<u64>) {
        let count = u32::try_from(numbers.end - numbers.start).unwrap();
        let batch = SpoolBatch::events(count, plain(numbers));
        self.spool.append(batch).unwrap().wait().unwrap();
    }

    fn start(&self, name: &str, lossy: bool, sink: &Scripted) -> Driver {
        let cursor = self.cursors.take(name, 1, self.spool.head());
        let feed = SpoolFeed::open(&self.spool, cursor.sequence()).unwrap();
        let output = output(name, lossy, sink);
        Driver::start(output, Box::new(feed), Some(cursor), self.context()).unwrap()
    }

    fn kinds(&self) -> Vec<EventType> {
        self.reports
            .lock()
            .unwrap()
            .iter()
            .map(|report| report.kind)
            .collect()
    }
}

fn output(name: &str, lossy: bool, sink: &Scripted) -> Output {
    Output {
        name: name.to_owned(),
        interest: Interest::from_level(Level::Info),
        lossy,
        error_kind: EventType::TELEMETRY_LOG_ERROR,
        sink: Box::new(sink.clone()),
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} did not come");
}

const LIMIT: Duration = Duration::from_secs(10);
