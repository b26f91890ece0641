//! The live path while it runs: what is fed and ingested is found, sealed, and there again after
//! a restart, each event and each message once.

#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/world.rs"]
mod world;

use std::collections::BTreeMap;

use tempfile::TempDir;
use tidings_engine::{EventQuery, Live, LiveOptions, MessageQuery, StoryQuery};
use tidings_mail::message::{Kind, Message};
use tidings_spool::fault::MemoryBackend;

use feeder::{GrowingLog, catch_up, live_options, start};
use world::{NOW_NS, Shown, assert_same_messages, import, log_lines, open};

fn events_with(live: &Live, filter: &str) -> usize {
    let query = EventQuery {
        filter: filter.to_owned(),
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..EventQuery::default()
    };
    live.engine().events(&query).unwrap_or_else(|error| panic!("{error}")).len()
}

/// What is followed in small steps, with seals in between, is what an import of the same log gives,
/// apart from the number of the stream.
#[test]
fn a_followed_log_gives_the_messages_of_an_imported_one() {
    let dir = TempDir::new().unwrap();
    let log = log_lines(600, 900);
    let path = dir.path().join("mail.log");
    std::fs::write(&path, &log).unwrap();
    let imported = open(&MemoryBackend::new()).unwrap();
    import(&imported, &[path.clone()]).unwrap();
    let imported = Shown::of(&imported);

    let live = start(open(&MemoryBackend::new()).unwrap());
    GrowingLog::new(&path, &log).follow(&live, 20, &mut |_| {}).unwrap();
    catch_up(&live);
    let shown = Shown::of(live.engine());
    assert_eq!(shown.lines(), imported.lines());
    // A refusal is named by its place, and places name the stream.
    let accepted = |shown: &Shown| -> BTreeMap<u64, Message> {
        let messages = shown.messages.clone().into_iter();
        messages.filter(|(_, message)| message.kind == Kind::Accepted).collect()
    };
    assert_same_messages(&accepted(&shown), &accepted(&imported), "followed");
    assert_eq!(shown.messages.len(), imported.messages.len());
    assert!(live.engine().take_notes().is_empty());
}

#[test]
fn what_is_ingested_is_found_at_once() {
    let live = start(open(&MemoryBackend::new()).unwrap());
    for number in 0..200 {
        let body = format!(
            "{{\"type\":\"delivery.delivered\",\"data\":{{\"to\":\"user{number}@example.org\",\"queueId\":{number}}}}}\n"
        );
        let report = live.ingest(body.as_bytes(), NOW_NS).unwrap();
        assert_eq!(report.accepted, 1);
        assert_eq!(events_with(&live, &format!("to:user{number}@example.org")), 1, "event {number}");
    }
    assert_eq!(Shown::of(live.engine()).events.len(), 200);
}
