//! The output in the hands of its driver, over outages and restarts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use tidings_event::{EventType, Header, Key, Level, RecordWriter};
use tidings_sink::otlp::OtlpSink;
use tidings_sink::{Cursors, Driver, DriverContext, Interest, Output, Report, feed};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Batch as SpoolBatch, Spool, SpoolConfig, SystemClock};

use super::arrival::check_spans;
use super::support::{Receiver, TIME_NS, attribute, record, sink, story, wait_until};

/// A spool on a memory disk, its cursors, and what the output reports.
struct World {
    spool: Spool,
    cursors: Arc<Cursors>,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl World {
    fn new() -> World {
        let backend = Arc::new(MemoryBackend::new());
        let clock = Arc::new(SystemClock::new());
        let identity = tidings_spool::Identity {
            epoch: 9,
            origin: 7,
        };
        let config = SpoolConfig::default();
        let opened = Spool::open(backend.clone(), clock.clone(), config, identity).unwrap();
        let epoch = opened.spool.identity().epoch;
        World {
            spool: opened.spool,
            cursors: Arc::new(Cursors::open(backend, clock, epoch).unwrap()),
            reports: Arc::default(),
        }
    }

    /// Starts the output where it left off, with a sink that knows nothing of the one before.
    fn start(&self, sink: OtlpSink) -> Driver {
        let cursor = self.cursors.take("collector", 1, self.spool.head());
        let feed = feed::SpoolFeed::open(&self.spool, cursor.sequence()).unwrap();
        let taken = Arc::clone(&self.reports);
        let context = DriverContext {
            clock: Arc::new(SystemClock::new()),
            reporter: Arc::new(move |report| taken.lock().unwrap().push(report)),
        };
        let output = Output {
            name: "collector".to_owned(),
            interest: Interest::from_level(Level::Trace),
            lossy: false,
            error_kind: EventType::TELEMETRY_OTEL_EXPORTER_ERROR,
            sink: Box::new(sink),
        };
        Driver::start(output, Box::new(feed), Some(cursor), context).unwrap()
    }

    fn append(&self, records: &[Vec<u8>]) {
        let count = u32::try_from(records.len()).unwrap();
        let batch = SpoolBatch::events(count, records.concat());
        self.spool.append(batch).unwrap().wait().unwrap();
    }
}

/// A collector that is down gets everything once it is back, from the spool, by the driver.
#[test]
fn a_collector_that_comes_back_gets_everything() {
    for protocol in ["http", "grpc"] {
        let Some(receiver) = Receiver::start(&[]) else {
            return;
        };
        let port = match protocol {
            "http" => receiver.http,
            _ => receiver.grpc,
        };
        let place = port.to_string();
        let flag = format!("--{protocol}");
        drop(receiver);
        let world = World::new();
        let driver = world.start(sink(protocol, &format!("http://127.0.0.1:{port}"), |_| ()));
        let append = |numbers: std::ops::Range<u64>| {
            let event = |number| record(EventType::AUTH_SUCCESS, 0, number, |_| ());
            world.append(&numbers.map(event).collect::<Vec<_>>());
        };
        append(0..500);
        wait_until("a failure", || driver.state().read().failures > 0);
        append(500..20_000);
        let receiver = Receiver::start(&[&flag, &place]).unwrap();
        append(20_000..21_000);
        wait_until("all log records", || receiver.logs().len() >= 21_000);
        assert_eq!(receiver.logs().len(), 21_000, "each once");
        assert!(driver.finish(Duration::from_secs(5)));
        let reports = world.reports.lock().unwrap();
        let kinds: Vec<_> = reports.iter().map(|report| report.kind).collect();
        assert_eq!(
            kinds[..2],
            [
                EventType::TELEMETRY_OTEL_EXPORTER_ERROR,
                EventType::TELEMETRY_OUTPUT_RECOVERED
            ]
        );
    }
}

/// What came before a restart of a span that is open is read again: the span is whole.
#[test]
fn a_span_that_is_open_at_a_restart_is_sent_whole() {
    let Some(receiver) = Receiver::start(&[]) else {
        return;
    };
    let world = World::new();
    let driver = world.start(receiver.sink("http", |_| ()));
    let story = story();
    world.append(&[record(EventType::AUTH_SUCCESS, 0, 0, |_| ())]);
    world.append(&story[..4]);
    wait_until("five log records", || receiver.logs().len() == 5);
    assert!(driver.finish(Duration::from_secs(5)));
    let driver = world.start(receiver.sink("http", |_| ()));
    world.append(&story[4..]);
    wait_until("the spans", || receiver.spans().len() == 2);
    check_spans(&receiver.spans());
    assert!(driver.finish(Duration::from_secs(5)));
    let logs = receiver.logs();
    let uid = |log: &Json| attribute(log, "log.record.uid")["stringValue"].to_string();
    let mut uids: Vec<_> = logs.iter().map(uid).collect();
    uids.sort();
    assert_eq!(
        uids.len(),
        5 + 6,
        "from the start of the open span on, again"
    );
    uids.dedup();
    assert_eq!(uids.len(), 7, "and what came twice can be told");
}

/// What was read from a log has no id of its own: its place in the spool is its identity, over restarts.
#[test]
fn what_is_sent_twice_can_be_told_without_an_id_of_its_own() {
    let Some(receiver) = Receiver::start(&[]) else {
        return;
    };
    let world = World::new();
    let events = |numbers: std::ops::Range<u64>| {
        let event = |number| {
            let header = Header::new(EventType::AUTH_SUCCESS, TIME_NS);
            let mut out = Vec::new();
            RecordWriter::begin(&mut out, &header)
                .uint(Key::SIZE, number)
                .finish();
            out
        };
        world.append(&numbers.map(event).collect::<Vec<_>>());
    };
    for protocol in ["http", "grpc"] {
        let before = receiver.logs().len();
        let make = || receiver.sink(protocol, |_| ()).with_ids_of(0xbeef);
        let driver = world.start(make());
        let first = world.spool.head();
        events(0..3);
        wait_until("three log records", || receiver.logs().len() == before + 3);
        assert!(driver.finish(Duration::from_secs(5)));
        // As after a crash: the place was not stored.
        world.cursors.take("collector", 1, u64::MAX).note(first);
        let driver = world.start(make());
        wait_until("them again", || receiver.logs().len() == before + 6);
        assert!(driver.finish(Duration::from_secs(5)));
        let logs = &receiver.logs()[before..];
        for (at, log) in logs.iter().enumerate() {
            let expected = format!("0000beef-{}", first + at as u64 % 3);
            assert_eq!(
                attribute(log, "log.record.uid")["stringValue"],
                expected.as_str()
            );
            let size = &attribute(log, "size")["intValue"];
            assert_eq!(size, (at % 3).to_string().as_str(), "its own pairs stay");
        }
    }
}
