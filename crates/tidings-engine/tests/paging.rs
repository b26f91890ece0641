//! Pages of a search, joined, are the whole; and an entry is found by its place for ever.

#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/world.rs"]
mod world;

use tempfile::TempDir;
use tidings_engine::{Engine, EventQuery, FoundEvent, MessageQuery, Place};
use tidings_spool::fault::MemoryBackend;

use feeder::{GrowingLog, catch_up, start};
use world::{NOW_NS, import, log_lines, open, with_dependent_lines};

/// Pages of events and messages, joined, are the whole; and an entry is found by its place.
fn assert_pages_join(engine: &Engine, filter: &str) {
    let events = |behind, limit| {
        let query = EventQuery {
            filter: filter.to_owned(),
            behind,
            limit,
            now_ns: NOW_NS,
            ..EventQuery::default()
        };
        let found = engine.events(&query).unwrap();
        let places: Vec<Place> = found.iter().map(FoundEvent::place).collect();
        assert_eq!(engine.event_places(&query).unwrap(), places);
        found
    };
    let messages = |behind, limit| {
        let query = MessageQuery {
            filter: filter.to_owned(),
            behind,
            limit,
            now_ns: NOW_NS,
            ..MessageQuery::default()
        };
        let found = engine.messages(&query).unwrap();
        let places: Vec<Place> = found.iter().map(Place::of_message).collect();
        assert_eq!(engine.message_places(&query).unwrap(), places);
        found
    };
    let all = events(None, usize::MAX);
    let places: Vec<Place> = all.iter().map(FoundEvent::place).collect();
    assert!(places.is_sorted_by(|newer, older| newer > older));
    let at = engine.events_at(&places).unwrap();
    assert_eq!(at, all.iter().cloned().map(Some).collect::<Vec<_>>());
    let nowhere = Place::of_id(NOW_NS, 7);
    assert_eq!(engine.events_at(&[nowhere]).unwrap(), [None]);
    for size in [1, 7, 100] {
        let (mut joined, mut behind) = (Vec::new(), None);
        loop {
            let page = events(behind, size);
            behind = page.last().map(FoundEvent::place);
            joined.extend(page);
            if behind.is_none() {
                break;
            }
        }
        assert_eq!(joined, all, "pages of {size}");
    }
    let all = messages(None, usize::MAX);
    let (mut joined, mut behind) = (Vec::new(), None);
    loop {
        let page = messages(behind, 3);
        behind = page.last().map(Place::of_message);
        joined.extend(page);
        if behind.is_none() {
            break;
        }
    }
    assert_eq!(joined, all);
}

#[test]
fn pages_of_an_import_and_of_what_is_followed_join() {
    let dir = TempDir::new().unwrap();
    let disk = MemoryBackend::new();
    let engine = open(&disk).unwrap();
    let imported = dir.path().join("old.log");
    std::fs::write(&imported, with_dependent_lines(&log_lines(0, 400), 20)).unwrap();
    import(&engine, &[imported]).unwrap();
    let live = start(engine);
    let log = with_dependent_lines(&log_lines(600, 900), 20);
    GrowingLog::new(&dir.path().join("mail.log"), &log)
        .follow(&live, 20, &mut |_| {})
        .unwrap();
    catch_up(&live);
    for number in 0..30 {
        let body = format!(
            "{{\"type\":\"delivery.delivered\",\"data\":{{\"to\":\"user{number}@example.org\"}}}}\n"
        );
        // All of one moment.
        live.ingest(body.as_bytes(), NOW_NS).unwrap();
    }
    for filter in [
        "",
        "user7",
        "to:user7@in.example",
        "to:in.example or from:out.example",
    ] {
        assert_pages_join(live.engine(), filter);
    }
}
