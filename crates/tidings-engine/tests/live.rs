//! The live path while it runs: what is fed and ingested is found, sealed, and there again after
//! a restart, each event and each message once.

#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/postfix.rs"]
mod postfix;
#[path = "crash/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use tidings_engine::input::{Block, Checkpoint, Follower, Poll, Start};
use tidings_engine::{Engine, EventQuery, Live, MessageQuery, RetentionRules, StoryQuery};
use tidings_event::{Key, Records, Value};
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

/// The story of a refused command had no steps and no lines: its event belongs to no message.
#[test]
fn the_story_of_a_refused_command_has_its_session() {
    const LOG: &str = "\
        2026-11-22T13:00:00.000000+00:00 mx postfix/smtpd[77]: connect from spam.test[203.0.113.9]\n\
        2026-11-22T13:00:00.100000+00:00 mx postfix/smtpd[77]: NOQUEUE: reject: RCPT from \
        spam.test[203.0.113.9]: 454 4.7.1 <b@y.test>: Relay access denied; from=<a@spam.test> \
        to=<b@y.test> proto=ESMTP helo=<spam.test>\n\
        2026-11-22T13:00:00.200000+00:00 mx postfix/smtpd[77]: disconnect from \
        spam.test[203.0.113.9]\n";
    let dir = TempDir::new().unwrap();
    let (_, live) = fresh();
    follow(&live, &dir.path().join("mail.log"), LOG.as_bytes());
    let imported = open(&MemoryBackend::new()).unwrap();
    import(&imported, &[dir.path().join("mail.log")]).unwrap();
    let engines: [(&Engine, &str); 2] = [(live.engine(), "in memory"), (&imported, "in a part")];
    for (engine, what) in engines {
        let query = |key: &str| StoryQuery {
            key: key.to_owned(),
            raw: true,
            limit: 10,
        };
        let stories = engine.stories(&query("b@y.test")).unwrap();
        let [story] = stories.as_slice() else {
            panic!("{what}: {stories:#?}");
        };
        assert_eq!(story.message.kind, "refused", "{what}");
        let steps = story.timeline.iter();
        let lines: Vec<_> = steps.filter_map(|step| step.raw.as_deref()).collect();
        assert_eq!(lines, LOG.lines().collect::<Vec<_>>(), "{what}");
        assert_eq!(
            engine.stories(&query(&story.message.id)).unwrap(),
            stories,
            "{what}"
        );
    }
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

/// Events that come without a server's own id (by ingest, or of an LMTP server alone) are of one
/// message by their `queueId`, also when it was settled in between.
#[test]
fn a_late_event_without_a_name_corrects_a_settled_message() {
    let (disk, live) = fresh();
    let event = |minute: i64, kind: &str, queue_id: u64| {
        let time = tidings_event::time::rfc3339(postfix::TEN_NS + minute * 60 * postfix::SECOND_NS);
        format!(
            "{{\"type\":\"{kind}\",\"time\":\"{time}\",\"data\":{{\"queueId\":{queue_id},\"to\":\"user{queue_id}@in.example\",\
             \"reason\":\"450 4.2.0 later\"}}}}\n"
        )
    };
    let mut body = String::new();
    for id in 1..=20 {
        body += &event(0, "delivery.failed", id);
        body += &event(0, "delivery.completed", id);
    }
    for id in 100..1000 {
        body += &event(60, "delivery.failed", id);
        body += &event(60, "delivery.completed", id);
    }
    live.ingest(body.as_bytes(), NOW_NS).unwrap();
    catch_up(&live);
    assert_eq!(
        messages_with(&live, "to:user7@in.example")[0].recipients[0].verdict,
        Some(Verdict::Bounced)
    );
    live.ingest(event(90, "delivery.delivered", 7).as_bytes(), NOW_NS)
        .unwrap();
    let corrected = |live: &Live| {
        let found = messages_with(live, "to:user7@in.example");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].recipients[0].verdict, Some(Verdict::Delivered));
        assert_eq!(Shown::of(live.engine()).messages.len(), 920);
    };
    corrected(&live);
    let live = reopened(live, &disk);
    corrected(&live);
}

/// An import beside the live path brings the beginning of messages that the live path has seen
/// the end of, and the other way round: each is listed once, also after a crash before the next
/// seal, and after the next seal.
#[test]
fn an_import_beside_the_live_path_and_what_is_followed_make_one_message_each() {
    let dir = TempDir::new().unwrap();
    let (disk, live) = fresh();
    // Yesterday's end was not followed; today begins with the ends of its messages.
    let (mut before, mut after) = (String::new(), String::new());
    for number in 0..60 {
        before += &received(i64::from(number), number);
        before += &attempted(
            i64::from(number) + 1,
            number,
            "deferred",
            "450 4.2.0 try later",
        );
        after += &attempted(
            100 + i64::from(number),
            number,
            "sent",
            "250 2.0.0 Ok: taken",
        );
        after += &removed(100 + i64::from(number), number);
    }
    for number in 60..90 {
        before += &delivered(70, number);
        after += &delivered(200, number + 100);
    }
    let (path, rotated) = (
        dir.path().join("mail.log"),
        write(&dir, "mail.log.1", before.as_bytes()),
    );
    let half = after
        .lines()
        .take(60)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    follow(&live, &path, half.as_bytes());
    let done = import(live.engine(), &[&rotated]).unwrap();
    assert_eq!((done.files, done.warnings.len()), (1, 0));
    assert!(done.open > 0, "what the live path has open is left to it");
    let mut file = GrowingLog::new(&path, after.as_bytes());
    file.grow(usize::MAX);
    file.follow(&live, 1, &mut |_| {}).unwrap();
    catch_up(&live);
    let complete = |live: &Live, round: &str| {
        let shown = Shown::of(live.engine());
        assert_eq!(shown.messages.len(), 120, "{round}");
        for message in shown.messages.values() {
            assert_eq!(
                message.from.as_deref(),
                Some("ann@out.example"),
                "{round}: {message:?}"
            );
            assert_eq!(
                message.verdict(),
                Verdict::Delivered,
                "{round}: {message:?}"
            );
            let number: u32 = message.queue_ids[0][4..10].parse().unwrap();
            assert_eq!(
                message.recipients[0].attempts,
                if number < 60 { 2 } else { 1 },
                "{round}: {message:?}"
            );
        }
    };
    complete(&live, "beside");
    // A second import, and no seal in between: what both left open is there after a crash.
    let other = write(&dir, "other.log", received(300, 300).as_bytes());
    import(live.engine(), &[other]).unwrap();
    drop(live);
    let disk = disk.crash(1);
    let live = start(open(&disk).unwrap());
    catch_up(&live);
    assert_eq!(
        messages_with(&live, &format!("queueId:{}", queue_id(300))).len(),
        1
    );
    import(
        live.engine(),
        &[write(&dir, "again.log", received(300, 300).as_bytes())],
    )
    .unwrap();
    let live = reopened(live, &disk);
    assert_eq!(Shown::of(live.engine()).messages.len(), 121);
}

/// Logs are imported in the wrong order, the newer one first: a message in both is listed once.
#[test]
fn the_beginning_of_a_settled_message_is_joined_to_it() {
    let dir = TempDir::new().unwrap();
    let (mut older, mut newer) = (String::new(), String::new());
    for number in 0..60 {
        older += &received(i64::from(number), number);
        newer += &attempted(
            100 + i64::from(number),
            number,
            "sent",
            "250 2.0.0 Ok: taken",
        );
        newer += &removed(100 + i64::from(number), number);
    }
    for number in 100..300 {
        newer += &delivered(3600 + i64::from(number), number);
    }
    let whole = |shown: &Shown, round: &str| {
        assert_eq!(shown.messages.len(), 260, "{round}");
        for message in shown.messages.values() {
            assert_eq!(
                message.from.as_deref(),
                Some("ann@out.example"),
                "{round}: {message:?}"
            );
            assert_eq!(
                message.verdict(),
                Verdict::Delivered,
                "{round}: {message:?}"
            );
        }
    };
    let (older, newer_log) = (write(&dir, "mail.log.1", older.as_bytes()), newer);
    let newer = write(&dir, "mail.log", newer_log.as_bytes());
    let disk = MemoryBackend::new();
    let engine = open(&disk).unwrap();
    import(&engine, &[newer]).unwrap();
    import(&engine, &[&older]).unwrap();
    whole(&Shown::of(&engine), "imported");
    drop(engine);
    whole(&Shown::of(&open(&disk).unwrap()), "imported, opened again");
    // The newer one followed, and sealed.
    let (disk, live) = fresh();
    follow(
        &live,
        &dir.path().join("followed.log"),
        newer_log.as_bytes(),
    );
    import(live.engine(), &[older]).unwrap();
    whole(&Shown::of(live.engine()), "followed");
    let live = reopened(live, &disk);
    whole(&Shown::of(live.engine()), "followed, opened again");
}

/// A log is followed from its end on, then imported: the lines before are added, those that were
/// followed are not there twice, those that are still to be followed are left. So it stays while
/// the server runs, after it has stopped, after the log was rotated and packed, and for a copy.
#[test]
fn importing_a_followed_log_adds_only_what_was_not_followed() {
    let dir = TempDir::new().unwrap();
    let log = log_lines(600, 900);
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let sorted = |lines: &[&[u8]]| {
        let mut lines: Vec<Vec<u8>> = lines
            .iter()
            .map(|line| line[..line.len() - 1].to_vec())
            .collect();
        lines.sort();
        lines
    };
    let path = write(&dir, "mail.log", &lines[..300].concat());
    let (disk, live) = fresh();
    let follow_to = |live: &Live, end: usize| {
        let mut source = live.source("mail.log", "UTC", None).unwrap();
        let start = match source.resume() {
            Some(place) => Start::Resume(Checkpoint::decode(&place).unwrap()),
            None => Start::End,
        };
        let mut follower = Follower::new(&path, start);
        let mut block = Block::new();
        let (mut grown, mut idle) = (false, 0);
        while idle < 2 {
            match follower.poll(0, &mut block).unwrap() {
                Poll::Lines => {
                    let place = follower.checkpoint().unwrap().encode();
                    source
                        .feed(&block, follower.stream().unwrap(), &place, NOW_NS)
                        .unwrap();
                }
                Poll::Idle if !grown => {
                    std::fs::write(&path, lines[..end].concat()).unwrap();
                    grown = true;
                }
                Poll::Idle => idle += 1,
                _ => {}
            }
        }
        catch_up(live);
    };
    // Lines 300 to 600 are followed.
    follow_to(&live, 600);
    assert_eq!(Shown::of(live.engine()).lines(), sorted(&lines[300..600]));
    // 50 more are written that nobody has read yet.
    std::fs::write(&path, lines[..650].concat()).unwrap();
    let done = import(live.engine(), &[&path]).unwrap();
    assert_eq!((done.lines, done.files, done.warnings.len()), (300, 1, 0));
    assert_eq!(Shown::of(live.engine()).lines(), sorted(&lines[..600]));
    let done = import(live.engine(), &[&path, &path]).unwrap();
    assert_eq!((done.lines, done.files_known), (0, 2));
    // What was left is followed, and more.
    follow_to(&live, 800);
    assert_eq!(Shown::of(live.engine()).lines(), sorted(&lines[..800]));
    let done = import(live.engine(), &[&path]).unwrap();
    assert_eq!((done.lines, done.files_known), (0, 1));
    // The server stops, and the log goes on and is copied.
    live.shutdown().unwrap();
    std::fs::write(&path, lines[..850].concat()).unwrap();
    let copy = write(&dir, "copy.log", &lines[..820].concat());
    let engine = open(&disk).unwrap();
    let done = import(&engine, &[&path, &copy]).unwrap();
    assert_eq!((done.lines, done.files_known), (0, 2));
    let live = start(engine);
    catch_up(&live);
    follow_to(&live, 900);
    let all = Shown::of(live.engine());
    assert_eq!(all.lines(), sorted(&lines));
    // Rotated and packed, and another one followed; seals make the spool forget what it was.
    let rotated = dir.path().join("mail.log.1.zst");
    std::fs::write(&rotated, zstd::encode_all(log.as_slice(), 1).unwrap()).unwrap();
    let more = log_lines(2000, 600);
    GrowingLog::new(&path, &more)
        .follow(&live, 50, &mut |_| {})
        .unwrap();
    catch_up(&live);
    let live = reopened(live, &disk);
    let done = import(live.engine(), &[&rotated, &path]).unwrap();
    assert_eq!((done.lines, done.files_known), (0, 2));
    // As if it had been one log: a session of what was followed first may end in the other one.
    let first = lines[300..].concat();
    let added = events_of(&[&*first, &*more].concat()) - events_of(&first);
    assert_eq!(
        Shown::of(live.engine()).events.len(),
        all.events.len() + added
    );
    // Every message is there once, by one id, in spite of having come by two ways.
    assert_eq!(live.engine().take_notes(), Vec::<String>::new());
}

/// How many events a log gives, imported alone.
fn events_of(log: &[u8]) -> usize {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[write(&dir, "alone.log", log)]).unwrap();
    Shown::of(&engine).events.len()
}

#[test]
fn following_an_imported_log_goes_on_behind_what_was_imported() {
    let dir = TempDir::new().unwrap();
    let log = log_lines(600, 400);
    let end = log
        .split_inclusive(|byte| *byte == b'\n')
        .take(250)
        .map(<[u8]>::len)
        .sum::<usize>();
    let path = write(&dir, "mail.log", &log[..end]);
    let engine = open(&MemoryBackend::new()).unwrap();
    assert!(engine.imported_place(&path).unwrap().is_none());
    import(&engine, &[&path]).unwrap();
    std::fs::write(&path, &log).unwrap();
    let place = engine.imported_place(&path).unwrap().unwrap();
    let mut follower = Follower::new(&path, Start::Resume(place));
    let mut block = Block::new();
    while !matches!(follower.poll(0, &mut block).unwrap(), Poll::Lines) {}
    assert_eq!((block.offset(), block.first_line()), (end as u64, 251));
}

/// A message with a short queue id, begun in the imported lines, was another one in those that were
/// followed: nobody knew whose id it was.
#[test]
fn a_message_begun_in_the_import_goes_on_in_what_is_followed() {
    let dir = TempDir::new().unwrap();
    let begun = "2026-11-22T12:00:00Z mx postfix/smtpd[7]: 3E5F2A1B: client=a.test[192.0.2.1]\n\
                 2026-11-22T12:00:00Z mx postfix/cleanup[8]: 3E5F2A1B: message-id=<1@a.test>\n\
                 2026-11-22T12:00:00Z mx postfix/qmgr[3]: 3E5F2A1B: from=<a@a.test>, size=1, nrcpt=1 (queue active)\n";
    let rest = "2026-11-22T12:00:02Z mx postfix/smtp[5]: 3E5F2A1B: to=<b@b.test>, relay=m[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 Ok)\n\
                2026-11-22T12:00:02Z mx postfix/qmgr[3]: 3E5F2A1B: removed\n";
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[write(&dir, "mail.log.1", begun.as_bytes())]).unwrap();
    let live = start(engine);
    GrowingLog::new(&dir.path().join("mail.log"), rest.as_bytes())
        .follow(&live, 1, &mut |_| {})
        .unwrap();
    catch_up(&live);
    let shown = Shown::of(live.engine());
    assert_eq!(shown.messages.len(), 1, "{:?}", shown.messages);
    let message = shown.messages.values().next().unwrap();
    assert_eq!(message.from.as_deref(), Some("a@a.test"));
    assert_eq!(message.recipients[0].address, "b@b.test");
    // A short id means a message by the time of its first line.
    let ids: BTreeSet<u64> = shown
        .events
        .iter()
        .filter_map(|(record, _)| queue_id_of(record))
        .collect();
    assert_eq!(ids.len(), 1);
}

fn queue_id_of(record: &[u8]) -> Option<u64> {
    let event = Records::new(record).next()?.unwrap();
    let mut pairs = event.pairs();
    pairs.find_map(|(key, value)| match value {
        Value::UInt(id) if key == Key::QUEUE_ID => Some(id),
        _ => None,
    })
}
