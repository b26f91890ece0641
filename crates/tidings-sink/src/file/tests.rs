use std::os::unix::fs::PermissionsExt;

use tidings_event::{EventRef, Header, Key, RecordWriter};
use tidings_spool::fault::ManualClock;

use super::*;
use crate::batch::BatchBuffer;
use crate::settings::Compression;

const SECOND: i64 = 1_000_000_000;
/// 2026-02-03T23:59:50Z.
const EVENING: i64 = 1_770_163_190 * SECOND;

struct Place {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    log: LogFile,
}

impl Place {
    fn new(change: impl FnOnce(&mut LogFile)) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogFile {
            ansi: false,
            ..LogFile::new(directory.path().join("a/b"))
        };
        change(&mut log);
        Place {
            directory,
            clock: Arc::new(ManualClock::new(EVENING)),
            log,
        }
    }

    fn sink(&self) -> LogFileSink {
        LogFileSink::new(&self.log, self.clock.clone())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.log.path).unwrap();
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.log.path.join(name)).unwrap();
        numbers(&text)
    }

    /// Lets the old files be looked after, and waits until that is done.
    fn tidy(&self, sink: &mut LogFileSink) {
        sink.tick().unwrap();
        while let Some(thread) = &sink.tidying {
            if thread.is_finished() {
                sink.tick().unwrap();
            }
        }
    }
}

fn numbers(text: &str) -> Vec<u64> {
    let number = |line: &str| line.rsplit("size = ").next().unwrap().parse().unwrap();
    text.lines().map(number).collect()
}

fn buffer(events: impl IntoIterator<Item = (u64, i64)>) -> BatchBuffer {
    let mut buffer = BatchBuffer::new();
    for (number, time_ns) in events {
        let mut record = Vec::new();
        let header = Header::new(EventType::AUTH_FAILED, time_ns);
        RecordWriter::begin(&mut record, &header)
            .uint(Key::SIZE, number)
            .finish();
        buffer.push(&EventRef::read(&record).unwrap().0, number);
    }
    buffer
}

fn deliver(sink: &mut LogFileSink, events: impl IntoIterator<Item = (u64, i64)>) {
    assert_eq!(sink.deliver(&buffer(events).batch()), Outcome::Delivered);
}

#[test]
fn files_and_directories_are_made_for_the_owner_and_the_group() {
    let place = Place::new(|_| ());
    let mut sink = place.sink();
    deliver(&mut sink, [(1, EVENING)]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.log.path) & !0o750, 0);
    assert_eq!(mode(sink.path().unwrap()) & !0o640, 0);
    assert_eq!(place.names(), ["tidings.2026-02-03"]);
    assert!(place.directory.path().join("a").is_dir());
}

#[test]
fn midnight_begins_a_new_file_and_loses_nothing() {
    let place = Place::new(|_| ());
    let mut sink = place.sink();
    // The batch goes over midnight, but the clock does so only after it.
    deliver(
        &mut sink,
        (0..20).map(|at| (at, EVENING + at as i64 * SECOND)),
    );
    assert_eq!(
        place.names(),
        ["tidings.2026-02-03"],
        "no stamp leads ahead of the clock"
    );
    place.clock.advance(15 * SECOND);
    deliver(
        &mut sink,
        (20..30).map(|at| (at, EVENING + (at as i64 - 14) * SECOND)),
    );
    assert_eq!(place.names(), ["tidings.2026-02-03", "tidings.2026-02-04"]);
    // A late event does not go back, and neither does a successor.
    deliver(&mut sink, [(30, EVENING - SECOND)]);
    deliver(&mut place.sink(), [(31, EVENING - 2 * SECOND)]);
    let (before, after) = (
        place.read("tidings.2026-02-03"),
        place.read("tidings.2026-02-04"),
    );
    assert_eq!(before, (0..24).collect::<Vec<_>>());
    assert_eq!(after, (24..32).collect::<Vec<_>>());
}

#[test]
fn a_backlog_goes_to_the_files_of_its_time() {
    let place = Place::new(|log| log.rotate = Rotate::Minutely);
    let mut sink = place.sink();
    let minute = 60 * SECOND;
    deliver(
        &mut sink,
        (0..5).map(|at| (at, EVENING - (4 - at as i64) * minute)),
    );
    assert_eq!(place.names().len(), 5);
    for at in 0..5 {
        assert_eq!(
            place.read(&format!("tidings.2026-02-03T23:{}", 55 + at)),
            [at]
        );
    }
}

#[test]
fn a_replay_of_an_old_log_turns_the_file_with_the_days() {
    let day = 86_400 * SECOND;
    let old = EVENING - 900 * day;
    let place = Place::new(|_| ());
    let mut sink = place.sink();
    deliver(&mut sink, [(1, EVENING)]);
    for at in 2..5 {
        // Nothing but old events: each day has a file all the same.
        place.clock.advance(day);
        deliver(&mut sink, [(at, old + at as i64 * SECOND)]);
        deliver(&mut place.sink(), [(at + 10, old)]);
    }
    let names: Vec<String> = (3..7)
        .map(|day| format!("tidings.2026-02-0{day}"))
        .collect();
    assert_eq!(place.names(), names);
    for (name, expected) in names
        .iter()
        .zip([vec![1], vec![2, 12], vec![3, 13], vec![4, 14]])
    {
        assert_eq!(place.read(name), expected);
    }
    // In a directory of its own it has the files of its own days, late events within a day included.
    let other = Place::new(|_| ());
    let mut sink = other.sink();
    deliver(
        &mut sink,
        [(1, old), (2, old + day), (3, old), (4, old + 2 * day)],
    );
    assert_eq!(other.names().len(), 3);
    assert_eq!(other.read(&other.names()[1]), [2, 3]);
}

#[test]
fn size_sets_files_aside_with_rising_numbers() {
    let place = Place::new(|log| {
        log.rotate = Rotate::Never;
        log.rotate_bytes = Some(1024);
    });
    for run in 0..2 {
        let mut sink = place.sink();
        for at in 0..50 {
            deliver(&mut sink, [(run * 50 + at, EVENING)]);
        }
    }
    let mut all = Vec::new();
    let count = place.names().len() as u64;
    assert!(count > 5);
    for number in (1..count)
        .map(|number| format!("tidings.{number}"))
        .chain(["tidings".into()])
    {
        let length = fs::metadata(place.log.path.join(&number)).unwrap().len();
        assert!(length < 1024 + 200, "{number}: {length}");
        all.extend(place.read(&number));
    }
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_file_that_was_moved_away_or_removed_is_begun_anew() {
    let place = Place::new(|log| log.rotate = Rotate::Never);
    let mut sink = place.sink();
    deliver(&mut sink, [(1, EVENING)]);
    let path = place.log.path.join("tidings");
    fs::rename(&path, place.log.path.join("tidings.old")).unwrap();
    deliver(&mut sink, [(2, EVENING)]);
    place.clock.advance(SECOND);
    deliver(&mut sink, [(3, EVENING)]);
    assert_eq!(place.read("tidings.old"), [1, 2]);
    assert_eq!(place.read("tidings"), [3]);
    // With a signal, at once.
    fs::rename(&path, place.log.path.join("tidings.older")).unwrap();
    sink.reopen();
    deliver(&mut sink, [(4, EVENING)]);
    assert_eq!(
        (place.read("tidings.older"), place.read("tidings")),
        (vec![3], vec![4])
    );
    // The whole directory.
    fs::remove_dir_all(&place.log.path).unwrap();
    place.clock.advance(SECOND);
    deliver(&mut sink, [(5, EVENING)]);
    assert_eq!(place.read("tidings"), [5]);
    // Emptied in place, as `copytruncate` does.
    File::create(&path).unwrap();
    deliver(&mut sink, [(6, EVENING)]);
    assert_eq!(place.read("tidings"), [6]);
}

#[test]
fn a_half_line_of_a_killed_process_is_cut_off() {
    for (left, kept) in [
        ("whole size = 1\nhalf size", "whole size = 1\n"),
        ("half", ""),
        ("whole size = 1\n", "whole size = 1\n"),
        ("", ""),
    ] {
        let place = Place::new(|log| log.rotate = Rotate::Never);
        fs::create_dir_all(&place.log.path).unwrap();
        fs::write(place.log.path.join("tidings"), left).unwrap();
        deliver(&mut place.sink(), [(2, EVENING)]);
        let text = fs::read_to_string(place.log.path.join("tidings")).unwrap();
        assert!(
            text.starts_with(kept) && text.lines().count() == kept.lines().count() + 1,
            "{text}"
        );
    }
    let place = Place::new(|log| log.rotate = Rotate::Never);
    fs::create_dir_all(&place.log.path).unwrap();
    let path = place.log.path.join("tidings");
    fs::write(&path, vec![b'x'; 3 << 20]).unwrap();
    deliver(&mut place.sink(), [(2, EVENING)]);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text.lines().count(),
        2,
        "what is no half line of ours stays"
    );
}

#[test]
fn old_files_are_compressed_and_the_oldest_removed() {
    for (compression, end) in [(Compression::Gzip, ".gz"), (Compression::Zstd, ".zst")] {
        let place = Place::new(|log| {
            log.rotate = Rotate::Never;
            log.rotate_bytes = Some(2048);
            log.compression = compression;
            log.keep_files = Some(3);
        });
        let mut sink = place.sink();
        deliver(&mut sink, [(0, EVENING)]);
        fs::write(place.log.path.join("tidings.backup"), "not ours").unwrap();
        fs::write(
            place.log.path.join(format!("tidings.1{end}.part")),
            "unfinished",
        )
        .unwrap();
        for at in 1..300 {
            deliver(&mut sink, [(at, EVENING)]);
            place.tidy(&mut sink);
        }
        let names = place.names();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(
            names.contains(&"tidings".to_owned()) && names.contains(&"tidings.backup".to_owned())
        );
        let old: Vec<&String> = names.iter().filter(|name| name.ends_with(end)).collect();
        assert_eq!(old.len(), 3, "{names:?}");
        let mut all = Vec::new();
        let mut numbers_of: Vec<u64> = old
            .iter()
            .map(|name| Name::parse("tidings", name).unwrap().number)
            .collect();
        numbers_of.sort_unstable();
        for number in numbers_of {
            let file = File::open(place.log.path.join(format!("tidings.{number}{end}"))).unwrap();
            let mut text = String::new();
            use std::io::Read;
            match compression {
                Compression::Gzip => flate2::read::GzDecoder::new(file).read_to_string(&mut text),
                _ => zstd::Decoder::new(file).unwrap().read_to_string(&mut text),
            }
            .unwrap();
            all.extend(numbers(&text));
        }
        all.extend(place.read("tidings"));
        assert_eq!(
            all,
            (all[0]..300).collect::<Vec<_>>(),
            "without a hole up to the end"
        );
    }
}

#[test]
fn files_are_kept_by_age_and_by_bytes() {
    let place = Place::new(|log| {
        log.rotate = Rotate::Never;
        log.keep = Some(Duration::from_secs(100));
        log.keep_bytes = Some(2_500);
    });
    fs::create_dir_all(&place.log.path).unwrap();
    let now = UNIX_EPOCH + Duration::from_nanos(EVENING as u64);
    for (number, age) in [(1, 500), (2, 90), (3, 50), (4, 20), (5, 101)] {
        let path = place.log.path.join(format!("tidings.{number}"));
        fs::write(&path, vec![b'x'; 1000]).unwrap();
        let times = fs::FileTimes::new().set_modified(now - Duration::from_secs(age));
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_times(times)
            .unwrap();
    }
    shelf::tidy(&place.log, &place.log.path.join("tidings"), now).unwrap();
    assert_eq!(place.names(), ["tidings.3", "tidings.4"]);
}

#[test]
fn a_log_that_is_a_source_is_refused() {
    let place = Place::new(|_| ());
    fs::create_dir_all(&place.log.path).unwrap();
    let link = place.directory.path().join("link");
    std::os::unix::fs::symlink(&place.log.path, &link).unwrap();
    let check = |source: &Path| check_not_a_source("Tracer \"main\"", &place.log, &[source.into()]);
    for ours in ["tidings.2026-02-03", "tidings.2026-02-03.1.gz", "tidings"] {
        let error = check(&place.log.path.join(ours)).unwrap_err().to_string();
        assert!(error.starts_with("Tracer \"main\": path is "), "{error}");
        assert!(check(&link.join(ours)).is_err(), "through a link");
    }
    assert!(check(&place.log.path.join("mail.log")).is_ok());
    assert!(check(Path::new("/var/log/tidings")).is_ok());
}
