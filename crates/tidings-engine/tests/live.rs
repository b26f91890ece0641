//! The live path while it runs: what is fed and ingested is found, sealed, and there again after
//! a restart, each event and each message once.

#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/postfix.rs"]
mod postfix;
#[path = "crash/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use tidings_engine::{EventQuery, Live, MessageQuery, RetentionRules, StoryQuery};
use tidings_mail::message::{Kind, Message, Verdict};
use tidings_spool::fault::MemoryBackend;

use feeder::{GrowingLog, catch_up, start};
use postfix::{attempted, delivered, queue_id, received, removed};
use world::{NOW_NS, Shown, assert_same_messages, import, log_lines, open, with_dependent_lines};

fn events_with(live: &Live, filter: &str) -> usize {
    let query = EventQuery {
        filter: filter.to_owned(),
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..EventQuery::default()
    };
    live.engine()
        .events(&query)
        .unwrap_or_else(|error| panic!("{error}"))
        .len()
}

fn messages_with(live: &Live, filter: &str) -> Vec<Message> {
    let query = MessageQuery {
        filter: filter.to_owned(),
        limit: 1000,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    live.engine()
        .messages(&query)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A new live path on a new disk.
fn fresh() -> (MemoryBackend, Live) {
    let disk = MemoryBackend::new();
    let live = start(open(&disk).unwrap());
    (disk, live)
}

fn reopened(live: Live, disk: &MemoryBackend) -> Live {
    live.shutdown().unwrap();
    let live = start(open(disk).unwrap());
    catch_up(&live);
    live
}

/// Follows a log to its end, in small steps.
fn follow(live: &Live, path: &Path, log: &[u8]) {
    GrowingLog::new(path, log)
        .follow(live, 20, &mut |_| {})
        .unwrap();
    catch_up(live);
}

fn accepted(shown: &Shown) -> BTreeMap<u64, Message> {
    let messages = shown.messages.clone().into_iter();
    messages
        .filter(|(_, message)| message.kind == Kind::Accepted)
        .collect()
}

fn write(dir: &TempDir, name: &str, log: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, log).unwrap();
    path
}

/// What is followed in small steps, with seals in between, is what an import of the same log gives,
/// apart from the number of the stream.
#[test]
fn a_followed_log_gives_the_messages_of_an_imported_one() {
    let dir = TempDir::new().unwrap();
    let log = with_dependent_lines(&log_lines(600, 900), 20);
    let imported = open(&MemoryBackend::new()).unwrap();
    import(&imported, &[write(&dir, "mail.log", &log)]).unwrap();
    let imported = Shown::of(&imported);
    let (disk, live) = fresh();
    follow(&live, &dir.path().join("mail.log"), &log);
    let shown = Shown::of(live.engine());
    assert_eq!(shown.lines(), imported.lines());
    // A refusal is named by its place, and places name the stream.
    assert_same_messages(&accepted(&shown), &accepted(&imported), "followed");
    assert_eq!(shown.messages.len(), imported.messages.len());
    let live = reopened(live, &disk);
    Shown::of(live.engine()).assert_is(&shown, "opened again");
    assert_eq!(live.engine().take_notes(), Vec::<String>::new());
}

#[test]
fn what_is_ingested_is_found_at_once() {
    let (disk, live) = fresh();
    for number in 0..300 {
        let body = format!(
            "{{\"type\":\"delivery.delivered\",\"data\":{{\"to\":\"user{number}@example.org\",\"queueId\":{number}}}}}\n"
        );
        let report = live.ingest(body.as_bytes(), NOW_NS).unwrap();
        assert_eq!(report.accepted, 1);
        assert_eq!(
            events_with(&live, &format!("to:user{number}@example.org")),
            1,
            "event {number}"
        );
    }
    let live = reopened(live, &disk);
    assert_eq!(Shown::of(live.engine()).events.len(), 300);
}

#[test]
fn a_body_with_a_bad_line_is_refused_whole() {
    let (_, live) = fresh();
    let body =
        b"{\"type\":\"server.notice\",\"data\":{}}\n\n{\"type\":\"no.such-type\",\"data\":{}}\n";
    let error = live.ingest(body, NOW_NS).unwrap_err().to_string();
    assert!(error.starts_with("line 3: "), "{error}");
    assert_eq!(Shown::of(live.engine()).events.len(), 0);
}

#[test]
fn messages_and_stories_are_found_while_the_log_is_followed() {
    let dir = TempDir::new().unwrap();
    let (_, live) = fresh();
    let log = [
        received(0, 1),
        attempted(1, 1, "deferred", "450 4.2.0 try later"),
    ]
    .concat();
    follow(&live, &dir.path().join("mail.log"), log.as_bytes());
    let found = messages_with(&live, "to:user1@in.example");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].recipients[0].verdict, Some(Verdict::Deferred));
    let query = StoryQuery {
        key: queue_id(1),
        raw: true,
        limit: 10,
    };
    let stories = live.engine().stories(&query).unwrap();
    assert_eq!(stories.len(), 1);
    let raw: Vec<_> = stories[0]
        .timeline
        .iter()
        .filter_map(|step| step.raw.as_deref())
        .collect();
    assert_eq!(
        raw.len(),
        6,
        "every line of the session and the message: {raw:#?}"
    );
}

/// While events come and are sealed, a search sees each of them once, and never fewer than before.
#[test]
fn searches_beside_sealing_see_everything_once() {
    let dir = TempDir::new().unwrap();
    let (_, live) = fresh();
    let log = log_lines(600, 1500);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            let (mut searches, mut events) = (0, 0);
            while !is_over.load(Ordering::Acquire) {
                let shown = Shown::of(live.engine());
                assert!(
                    shown.events.len() >= events,
                    "{} events, {events} before",
                    shown.events.len()
                );
                events = shown.events.len();
                searches += 1;
            }
            searches
        });
        follow(&live, &dir.path().join("mail.log"), &log);
        is_over.store(true, Ordering::Release);
        assert!(searching.join().unwrap() > 5);
    });
}

/// A late line opens a settled message again: it is listed once, with the new verdict, before and
/// after the next seal and restart, also when a merge moves its old row meanwhile.
#[test]
fn a_late_line_corrects_a_settled_message() {
    for merges in [false, true] {
        let dir = TempDir::new().unwrap();
        let (disk, live) = fresh();
        let mut log = String::new();
        for number in 0..40 {
            log += &received(i64::from(number), number);
            log += &attempted(
                i64::from(number) + 1,
                number,
                "bounced",
                "550 5.1.1 no such user",
            );
            log += &removed(i64::from(number) + 1, number);
        }
        // Much later, so that all of them are settled, and enough of it to seal several times.
        for number in 40..200 {
            log += &delivered(3600 + i64::from(number), number);
        }
        let path = dir.path().join("mail.log");
        follow(&live, &path, log.as_bytes());
        let before = Shown::of(live.engine());
        assert_eq!(before.messages.len(), 200);
        let settled = messages_with(&live, &format!("queueId:{}", queue_id(7)));
        assert_eq!(settled[0].recipients[0].verdict, Some(Verdict::Bounced));

        // An operator's second life for it, told late.
        let late = attempted(4000, 7, "sent", "250 2.0.0 Ok: taken at last");
        let mut file =
            GrowingLog::new(&path, [log.as_bytes(), late.as_bytes()].concat().as_slice());
        file.grow(usize::MAX);
        file.follow(&live, 1, &mut |_| {}).unwrap();
        catch_up(&live);
        let corrected = |live: &Live, round: &str| {
            let found = messages_with(live, &format!("queueId:{}", queue_id(7)));
            assert_eq!(found.len(), 1, "{round}");
            assert_eq!(found[0].recipients.len(), 1, "{round}");
            let recipient = &found[0].recipients[0];
            assert_eq!(
                (recipient.verdict, recipient.attempts),
                (Some(Verdict::Delivered), 2),
                "{round}"
            );
            assert_eq!(messages_with(live, "status:bounced").len(), 39, "{round}");
            assert_eq!(Shown::of(live.engine()).messages.len(), 200, "{round}");
        };
        corrected(&live, "open again");
        if merges {
            let cancel = AtomicBool::new(false);
            let done = live.engine().maintain(
                NOW_NS + 90 * 86_400_000_000_000,
                &RetentionRules::default(),
                &cancel,
            );
            assert!(
                done.unwrap() > 0,
                "parts were merged while the old row was held"
            );
            corrected(&live, "merged");
        }
        let mut more = String::new();
        for number in 200..400 {
            more += &delivered(9000 + i64::from(number), number);
        }
        let mut file = GrowingLog::new(
            &path,
            [log.as_bytes(), late.as_bytes(), more.as_bytes()]
                .concat()
                .as_slice(),
        );
        file.grow(usize::MAX);
        file.follow(&live, 1, &mut |_| {}).unwrap();
        catch_up(&live);
        let count = |live: &Live| Shown::of(live.engine()).messages.len();
        assert_eq!(count(&live), 400);
        assert_eq!(messages_with(&live, "status:bounced").len(), 39);
        assert_eq!(live.engine().take_notes(), Vec::<String>::new());
        let live = reopened(live, &disk);
        assert_eq!(count(&live), 400);
        assert_eq!(messages_with(&live, "status:bounced").len(), 39);
    }
}
