//! Events that come as encoded records: each taken once, and every frame readable alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidings_engine::{Engine, EngineOptions, EventQuery, IngestReport, Live, LiveOptions};
use tidings_event::{EventId, EventType, Header, Id, Key, RecordWriter, Records};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Delivery, Kind};

const NOW_NS: i64 = 1_795_500_000_000_000_000;

const ORIGIN: u32 = 0xfeed;

fn record(kind: EventType, number: u64, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header {
        span: Some(Id(77)),
        event_id: Some(EventId {
            origin: ORIGIN,
            number,
        }),
        ..Header::new(kind, NOW_NS - 1_000_000_000)
    };
    let mut writer = RecordWriter::begin(&mut out, &header);
    writer.str(Key::DETAILS, text);
    writer.finish();
    drop(writer);
    out
}

fn send(live: &Live, numbers: impl Iterator<Item = u64>) -> (u64, u64) {
    let body: Vec<_> = numbers
        .flat_map(|number| record(EventType::SMTP_EHLO, number, &format!("event{number}")))
        .collect();
    let IngestReport {
        accepted,
        duplicates,
    } = live.ingest_records(&body, NOW_NS).unwrap();
    (accepted, duplicates)
}

fn found(live: &Live) -> usize {
    let query = EventQuery {
        filter: "type:smtp.ehlo".to_owned(),
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..EventQuery::default()
    };
    while !live.engine().is_ready() {
        std::thread::sleep(Duration::from_millis(5));
    }
    live.engine().events(&query).unwrap().len()
}

fn start(disk: &MemoryBackend) -> Live {
    let options = EngineOptions::default();
    let backend = Arc::new(disk.clone());
    let engine = Engine::open_on(backend, Path::new("simulated"), None, options).unwrap();
    Arc::new(engine).live(LiveOptions::default()).unwrap()
}

fn fresh() -> (MemoryBackend, Live) {
    let disk = MemoryBackend::new();
    let live = start(&disk);
    (disk, live)
}

/// The answer to a request may be lost on its way, and the server may die behind it.
#[test]
fn what_is_sent_again_is_not_taken_again() {
    let (disk, live) = fresh();
    assert_eq!(send(&live, 1..=10), (10, 0));
    assert_eq!(send(&live, 8..=12), (2, 3));
    // Numbers may be left out, but never go back.
    assert_eq!(send(&live, [20, 30, 25, 31].into_iter()), (3, 1));
    // Ended as by a crash: no snapshot says what was taken.
    drop(live);
    let live = start(&disk);
    assert_eq!(send(&live, 30..=33), (2, 2));
    live.shutdown().unwrap();
    let live = start(&disk);
    assert_eq!(send(&live, 33..=34), (1, 1));
    assert_eq!(found(&live), 18);
}

#[test]
fn a_body_that_is_no_record_is_refused_whole() {
    let (_disk, live) = fresh();
    let mut body = record(EventType::SMTP_EHLO, 1, "whole");
    body.extend_from_slice(&record(EventType::SMTP_EHLO, 2, "cut short")[..20]);
    let error = live.ingest_records(&body, NOW_NS).unwrap_err();
    assert_eq!(error.to_string(), "line 2: event record is cut short");
    assert_eq!(found(&live), 0);
    assert_eq!(send(&live, 1..=1), (1, 0), "its number was not noted");
}

/// A reader that starts at any frame finds the start of the span in it.
#[test]
fn frames_carry_the_starts_of_their_spans() {
    let (disk, live) = fresh();
    let ingest = |live: &Live, kind, number, text: &str| {
        live.ingest_records(&record(kind, number, text), NOW_NS)
            .unwrap();
    };
    ingest(&live, EventType::SMTP_CONNECTION_START, 1, "the start");
    ingest(&live, EventType::SMTP_EHLO, 2, "");
    live.shutdown().unwrap();
    let live = start(&disk);
    ingest(&live, EventType::SMTP_EHLO, 3, "");
    drop(live);
    let live = start(&disk);
    ingest(&live, EventType::SMTP_CONNECTION_END, 4, "");
    ingest(&live, EventType::SMTP_EHLO, 5, "");

    let mut reader = live.spool().reader(1).unwrap();
    let mut contexts = Vec::new();
    while let Some(delivery) = reader.next(Duration::ZERO).unwrap() {
        let Delivery::Frame(frame) = delivery else {
            panic!("a gap")
        };
        if frame.kind() == Kind::Events {
            let starts = Records::new(frame.context()).map(|event| {
                let event = event.unwrap();
                event.str(Key::DETAILS).unwrap().to_owned()
            });
            contexts.push(starts.collect::<Vec<_>>());
        }
    }
    let start = vec!["the start".to_owned()];
    let none = Vec::new();
    assert_eq!(
        contexts,
        [none.clone(), start.clone(), start.clone(), start, none]
    );
}
