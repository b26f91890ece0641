//! Hostile text in every field, lines of any length and bytes of any kind: never a panic, never a
//! wrong verdict for an honest message, and every line comes back byte for byte.

#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/postfix.rs"]
mod postfix;
#[path = "hostile/text.rs"]
mod text;
#[path = "crash/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tidings_engine::{
    Engine, Error, EventQuery, ImportOptions, Interpreter, MessageQuery, StoryQuery,
};
use tidings_event::Drafts;
use tidings_event::EventRef;
use tidings_event::time::rfc3339;
use tidings_mail::correlate::{Correlator, Limits, NoLookup};
use tidings_mail::envelope::{ClockSettings, Zone};
use tidings_mail::message::{Folder, FolderLimits, Kind, Message, Verdict};
use tidings_mail::provider::Providers;
use tidings_spool::fault::MemoryBackend;

use feeder::{catch_up, start};
use postfix::{SECOND_NS, TEN_NS, attempted, delivered, queue_id, received, removed};
use text::{NUMBERS, STATEMENTS, fill, texts};
use world::{NOW_NS, Shown, corpus, import, open};

/// Honest messages of every kind of end, and what became of them.
fn honest() -> (Vec<Vec<u8>>, BTreeMap<String, Verdict>) {
    let (mut log, mut verdicts) = (String::new(), BTreeMap::new());
    for number in 0..40 {
        let second = i64::from(number);
        let verdict = match number % 4 {
            0 => {
                log += &delivered(second, number);
                Verdict::Delivered
            }
            1 => {
                log += &received(second, number);
                log += &attempted(
                    second,
                    number,
                    "bounced",
                    "host mx.in.example[203.0.113.5] said: 550 5.1.1 no such user",
                );
                log += &removed(second, number);
                Verdict::Bounced
            }
            2 => {
                log += &received(second, number);
                log += &attempted(second, number, "deferred", "450 4.2.0 try later");
                Verdict::Deferred
            }
            _ => {
                log += &received(second, number);
                Verdict::InQueue
            }
        };
        verdicts.insert(queue_id(number), verdict);
    }
    (
        log.lines().map(|line| line.as_bytes().to_vec()).collect(),
        verdicts,
    )
}

/// Every statement with every text, one by one.
fn hostile_lines() -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let texts = texts(&queue_id(2), "user2@in.example");
    for (number, text) in texts.iter().enumerate() {
        for (at, (tag, statement)) in STATEMENTS.iter().enumerate() {
            // The very long ones in a few statements only, for the time it takes.
            if text.len() > 1000 && (at + number) % 5 != 0 {
                continue;
            }
            let id = format!("4jXC{:06}z1YS", number * STATEMENTS.len() + at);
            let digits = NUMBERS[(number + at) % NUMBERS.len()];
            let mut line =
                format!("{} mx ", rfc3339(TEN_NS + (at % 40) as i64 * SECOND_NS)).into_bytes();
            line.extend(fill(tag, text, digits, &id));
            line.extend_from_slice(b": ");
            line.extend(fill(statement, text, digits, &id));
            lines.push(line);
        }
    }
    lines
}

/// The hostile lines put between the honest ones, evenly.
fn mixed(honest: &[Vec<u8>], hostile: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut mixed = Vec::with_capacity(honest.len() + hostile.len());
    let share = hostile.len().div_ceil(honest.len());
    let mut hostile = hostile.chunks(share);
    for line in honest {
        mixed.push(line.clone());
        mixed.extend_from_slice(hostile.next().unwrap_or_default());
    }
    mixed
}

fn fold(lines: &[Vec<u8>]) -> Vec<Message> {
    let mut correlator = Correlator::new(Limits::default());
    let mut folder = Folder::new(
        FolderLimits::default(),
        Arc::new(Providers::builtin().clone()),
    );
    let clock = ClockSettings {
        zone: Zone::Utc,
        year: None,
        reference_ns: NOW_NS,
    };
    let mut interpreter = Interpreter::new(1, 1, clock);
    let mut drafts = Drafts::default();
    for (number, line) in lines.iter().enumerate() {
        drafts.clear();
        let done = interpreter.line(
            line,
            number as u64 + 1,
            &mut correlator,
            &NoLookup,
            &mut drafts,
        );
        let mut events = 0;
        for event in drafts.iter() {
            folder.apply(event.header(), &event.pairs().collect::<Vec<_>>(), &mut ());
            events += 1;
        }
        assert_eq!(events, done.events, "{}", String::from_utf8_lossy(line));
        assert!(events > 0);
    }
    // Saved and read again, as a restart does.
    let mut saved = Vec::new();
    correlator.save(&mut saved);
    Correlator::restore(Limits::default(), &saved).unwrap();
    saved.clear();
    folder.save(&mut saved);
    Folder::new(
        FolderLimits::default(),
        Arc::new(Providers::builtin().clone()),
    )
    .restore(&saved)
    .unwrap();
    folder.settle_all();
    let mut messages = Vec::new();
    folder.take_settled(|message| messages.push(message.into_owned()));
    messages
}

/// The messages with the queue ids of honest ones.
fn of_honest(
    messages: impl IntoIterator<Item = Message>,
    ids: &BTreeMap<String, Verdict>,
) -> BTreeMap<String, Message> {
    let mut honest = BTreeMap::new();
    for mut message in messages {
        message
            .recipients
            .iter_mut()
            .for_each(|recipient| recipient.delays = None);
        for id in message.queue_ids.clone() {
            if ids.contains_key(&id) {
                assert!(honest.insert(id, message.clone()).is_none());
            }
        }
    }
    honest
}

#[test]
fn no_text_of_a_stranger_changes_an_honest_message() {
    let (honest, verdicts) = honest();
    let alone = of_honest(fold(&honest), &verdicts);
    assert_eq!(alone.len(), verdicts.len());
    for (id, message) in &alone {
        assert_eq!(message.verdict(), verdicts[id]);
    }
    let hostile = hostile_lines();
    let beside = of_honest(fold(&mixed(&honest, &hostile)), &verdicts);
    for (id, message) in &alone {
        assert_eq!(beside.get(id), Some(message));
    }
    println!(
        "{} hostile lines beside {} honest ones",
        hostile.len(),
        honest.len()
    );
}

/// The lines of a file as an import gives them: without `\n`, those beyond 1 MiB in pieces.
fn lines_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut lines: Vec<_> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    lines.sort();
    lines
}

fn asks(engine: &Engine, text: &str) {
    let is_told = |error: Error| assert!(matches!(error, Error::Asked(_)), "{text:?}: {error}");
    for filter in [
        text.to_owned(),
        format!("to:{text}"),
        format!("\"{}\"", text.replace(['"', '\\'], "")),
    ] {
        let query = EventQuery {
            filter: filter.clone(),
            limit: 50,
            now_ns: NOW_NS,
            ..EventQuery::default()
        };
        engine.events(&query).map_or_else(is_told, drop);
        let query = MessageQuery {
            filter,
            limit: 50,
            now_ns: NOW_NS,
            ..MessageQuery::default()
        };
        engine.messages(&query).map_or_else(is_told, drop);
    }
    let query = StoryQuery {
        key: text.to_owned(),
        raw: true,
        limit: 3,
    };
    engine.stories(&query).map_or_else(is_told, drop);
}

#[test]
fn a_hostile_log_is_imported_searched_and_told_and_every_byte_comes_back() {
    let dir = TempDir::new().unwrap();
    let (honest, verdicts) = honest();
    let mut lines = mixed(&honest, &hostile_lines());
    for (at, length) in [(100, 300 << 10), (500, (1 << 20) - 1)] {
        let mut long = postfix::line(1, "smtpd[666]", "connect from ")
            .trim_end()
            .as_bytes()
            .to_vec();
        long.resize(length, b'x');
        lines.insert(at, long);
    }
    lines.push(b"the last line has no end".to_vec());
    let log = lines.join(&b'\n');
    let path = dir.path().join("mail.log");
    std::fs::write(&path, &log).unwrap();
    let disk = MemoryBackend::new();
    let engine = open(&disk).unwrap();
    let done = import(&engine, &[&path]).unwrap();
    assert_eq!(done.lines, lines.len() as u64);
    let shown = Shown::of(&engine);
    assert!(
        shown.lines() == lines_of(&log),
        "every line comes back byte for byte"
    );
    let found = of_honest(shown.messages.values().cloned(), &verdicts);
    for (id, verdict) in &verdicts {
        assert_eq!(found[id].verdict(), *verdict);
    }
    for text in texts(&queue_id(2), "user2@in.example") {
        asks(&engine, &String::from_utf8_lossy(&text));
    }
    for message in shown
        .messages
        .values()
        .filter(|message| message.kind == Kind::Accepted)
    {
        let query = StoryQuery {
            key: tidings_event::Id(message.id).to_string(),
            raw: true,
            limit: 1,
        };
        let stories = engine.stories(&query).unwrap();
        assert_eq!(stories.len(), 1, "{message:?}");
        assert!(!stories[0].timeline.is_empty());
    }
    drop(engine);
    Shown::of(&open(&disk).unwrap()).assert_is(&shown, "opened again");
}

/// A line beyond 1 MiB comes back in pieces, each with a place of its own.
#[test]
fn a_line_of_many_mebibytes_is_kept_in_pieces() {
    let dir = TempDir::new().unwrap();
    let mut log = received(0, 1).into_bytes();
    log.extend_from_slice(
        postfix::line(1, "smtpd[666]", "connect from ")
            .trim_end()
            .as_bytes(),
    );
    log.resize(log.len() + (3 << 20), b'y');
    log.push(b'\n');
    log.extend(removed(2, 1).into_bytes());
    let path = dir.path().join("mail.log");
    std::fs::write(&path, &log).unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[&path]).unwrap();
    let mut kept: usize = 0;
    let lines = Shown::of(&engine).lines();
    lines.iter().for_each(|line| kept += line.len());
    assert_eq!(lines.len(), 6 + 4);
    assert_eq!(kept, log.len() - 7);
    // Followed, and read again after a stop in the middle of it.
    let disk = MemoryBackend::new();
    let live = start(open(&disk).unwrap());
    let mut file = feeder::GrowingLog::new(&dir.path().join("followed.log"), &log);
    file.follow(&live, 3, &mut |_| {}).unwrap();
    catch_up(&live);
    assert_eq!(Shown::of(live.engine()).lines(), lines);
    drop(live);
    let live = start(open(&disk.crash(1)).unwrap());
    file.follow(&live, 3, &mut |_| {}).unwrap();
    catch_up(&live);
    assert_eq!(Shown::of(live.engine()).lines(), lines);
}

fn logs_in(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(corpus(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    assert!(!paths.is_empty(), "{folder}");
    paths
}

fn assert_comes_back(path: &Path) {
    let engine = open(&MemoryBackend::new()).unwrap();
    let log = std::fs::read(path).unwrap();
    let done = import(&engine, &[path]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(done.warnings, Vec::<String>::new());
    let (shown, expected) = (Shown::of(&engine).lines(), lines_of(&log));
    let differs = shown
        .iter()
        .zip(&expected)
        .find(|(shown, expected)| shown != expected);
    assert!(
        differs.is_none() && shown.len() == expected.len(),
        "{}: {} lines instead of {}, {:?}",
        path.display(),
        shown.len(),
        expected.len(),
        differs.map(|(shown, expected)| (
            String::from_utf8_lossy(shown),
            String::from_utf8_lossy(expected)
        ))
    );
}

#[test]
fn every_line_of_the_small_logs_comes_back() {
    for folder in ["postfix", "dovecot", "envelope", "input"] {
        logs_in(folder)
            .iter()
            .for_each(|path| assert_comes_back(path));
    }
}

#[test]
fn every_line_of_the_recorded_logs_comes_back() {
    logs_in("own")
        .iter()
        .for_each(|path| assert_comes_back(path));
}

#[test]
fn lines_of_the_large_log_come_back() {
    use std::io::{BufRead, BufReader};
    let dir = TempDir::new().unwrap();
    let file = std::fs::File::open(corpus("own/postfix-volume.log.gz")).unwrap();
    let lines = BufReader::new(flate2::read::GzDecoder::new(file))
        .split(b'\n')
        .take(12_000);
    let path = dir.path().join("volume.log");
    std::fs::write(
        &path,
        lines.map(Result::unwrap).collect::<Vec<_>>().join(&b'\n'),
    )
    .unwrap();
    assert_comes_back(&path);
}

/// A pseudo-random sequence that is the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit as u64) as usize
    }
}

/// Lines of every kind with bytes changed, cut out, doubled, and pieces of other lines put in.
fn damaged_lines(count: usize) -> Vec<Vec<u8>> {
    let mut sound: Vec<Vec<u8>> = Vec::new();
    for folder in ["postfix", "dovecot", "envelope"] {
        for path in logs_in(folder) {
            sound.extend(
                std::fs::read(path)
                    .unwrap()
                    .split(|byte| *byte == b'\n')
                    .map(<[u8]>::to_vec),
            );
        }
    }
    sound.retain(|line| !line.is_empty());
    let mut dice = Dice(42);
    let mut damaged = Vec::with_capacity(count);
    for _ in 0..count {
        let mut line = sound[dice.below(sound.len())].clone();
        for _ in 0..=dice.below(3) {
            let (from, to) = (dice.below(line.len() + 1), dice.below(line.len() + 1));
            let (from, to) = (from.min(to), from.max(to));
            match dice.below(6) {
                0 if from < line.len() => line[from] = dice.below(256) as u8,
                1 => drop(line.drain(from..to)),
                2 => line
                    .splice(from..from, line[from..to].to_vec())
                    .for_each(drop),
                3 => {
                    let other = &sound[dice.below(sound.len())];
                    let piece = other[dice.below(other.len())..].to_vec();
                    line.splice(from..to, piece).for_each(drop);
                }
                4 => {
                    let digits = NUMBERS[dice.below(NUMBERS.len())].bytes();
                    line.splice(from..(from + 2).min(line.len()), digits)
                        .for_each(drop);
                }
                _ => line.truncate(to),
            }
        }
        line.retain(|byte| *byte != b'\n');
        damaged.push(line);
    }
    damaged
}

#[test]
fn damaged_lines_harm_nobody() {
    let (honest, verdicts) = honest();
    let damaged = damaged_lines(12_000);
    let alone = of_honest(fold(&honest), &verdicts);
    let beside = of_honest(fold(&mixed(&honest, &damaged)), &verdicts);
    assert_eq!(beside.len(), alone.len());
    for (id, message) in &alone {
        assert_eq!(beside[id].verdict(), message.verdict(), "{id}");
    }
}

#[test]
fn damaged_lines_come_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("damaged.log");
    std::fs::write(&path, damaged_lines(6000).join(&b'\n')).unwrap();
    assert_comes_back(&path);
}

/// Events of clients may hold any text: what they are found by, and what they look like, is the
/// same before and after they are sealed.
#[test]
fn ingested_text_is_the_same_before_and_after_it_is_sealed() {
    let disk = MemoryBackend::new();
    let live = start(open(&disk).unwrap());
    let mut body = String::new();
    let texts = texts(&queue_id(2), "user2@in.example");
    let evil = texts
        .iter()
        .map(|text| String::from_utf8_lossy(text).into_owned());
    for (number, text) in evil
        .chain(["a\nb".to_owned(), "\r\n\r\n".to_owned()])
        .enumerate()
    {
        let text = serde_json::to_string(&text).unwrap();
        let id = number + 1;
        body += &format!(
            "{{\"type\":\"delivery.failed\",\"data\":{{\"queueId\":{id},\"mtaQueueId\":{text},\"to\":{text},\"from\":{text},\
             \"messageId\":{text},\"hostname\":{text},\"relay\":{text},\"reason\":{text},\"accountName\":{text}}}}}\n"
        );
        body += &format!(
            "{{\"type\":\"delivery.completed\",\"data\":{{\"queueId\":{id},\"details\":{text}}}}}\n"
        );
    }
    live.ingest(body.as_bytes(), TEN_NS).unwrap();
    catch_up(&live);
    let before = Shown::of(live.engine());
    assert!(before.messages.len() >= texts.len());
    // An hour later everything above is settled, and this is enough to seal it.
    let mut later = String::new();
    for number in 1000..1600 {
        later +=
            &format!("{{\"type\":\"delivery.completed\",\"data\":{{\"queueId\":{number}}}}}\n");
    }
    live.ingest(later.as_bytes(), TEN_NS + 7200 * SECOND_NS)
        .unwrap();
    live.ingest(later.as_bytes(), TEN_NS + 7201 * SECOND_NS)
        .unwrap();
    catch_up(&live);
    live.shutdown().unwrap();
    let live = start(open(&disk).unwrap());
    catch_up(&live);
    let after = Shown::of(live.engine());
    for event in &before.events {
        assert!(
            after.events.contains(event),
            "an event is another after sealing"
        );
    }
    for (id, message) in &before.messages {
        assert_eq!(after.messages.get(id), Some(message));
    }
}

/// They had the time of the file, years later perhaps, and stretched the time that a store tells of.
#[test]
fn lines_before_the_first_time_have_that_time() {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    let cut = dir.path().join("mail.log");
    std::fs::write(
        &cut,
        "tfix/smtpd[7]: disconnect from x.test[192.0.2.1]\n\
         2024-03-05T09:00:01Z mx postfix/qmgr[12]: 4bXkWq1RZbz2JJ: removed\n",
    )
    .unwrap();
    import(&engine, &[&cut]).unwrap();
    let events = Shown::of(&engine).events;
    assert!(events.len() >= 2);
    for (record, _) in &events {
        let event = EventRef::read(record).unwrap().0;
        assert_eq!(event.header().time_ns, 1_709_629_201_000_000_000);
    }
}

/// A picture, or a text, was imported as a log of which nothing is understood, and stayed for ever.
#[test]
fn what_is_no_log_is_imported_by_force_only() {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    let (picture, dark) = (dir.path().join("picture"), dir.path().join("mail.log"));
    std::fs::write(&picture, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n").unwrap();
    // No times, but programs: what some containers print.
    std::fs::write(&dark, "postfix/qmgr[12]: 4bXkWq1RZbz2JJ: removed\n").unwrap();
    let done = import(&engine, &[&dark, &picture]).unwrap();
    let refused = &done.refused[0].why;
    assert!(
        refused.contains("picture: none of its first lines"),
        "{refused}"
    );
    assert_eq!((done.lines, done.refused.len()), (1, 1));
    assert_eq!(Shown::of(&engine).events.len(), 1, "nothing half done");
    let line = "Nov 22 13:08:45 mx postfix/qmgr[12]: 4bXkWq1RZbz2JJ: removed\n";
    let wide: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, mark) in [("marked", &b"\xff\xfe"[..]), ("unmarked", b"")] {
        let path = dir.path().join(name);
        std::fs::write(&path, [mark, &wide].concat()).unwrap();
        let refused = &import(&engine, &[&path]).unwrap().refused[0].why;
        assert!(refused.contains("its text is UTF-16"), "{refused}");
    }
    let force = ImportOptions {
        force: true,
        now_ns: NOW_NS,
        ..ImportOptions::default()
    };
    let done = engine.import(&[picture], &force, &mut |_| {}).unwrap();
    assert_eq!((done.files, done.files_damaged), (1, 0));
}
