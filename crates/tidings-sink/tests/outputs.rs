//! Whole outputs, from a spool on a real disk to files: what is told must be true under load, on a full
//! disk, after a kill, and while settings change.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings_event::{EventType, Header, Key, RecordWriter};
use tidings_sink::settings::{LogFile, RawTracer, Tracer, Variant};
use tidings_sink::{
    Cursors, LevelOverrides, LogFileSink, Outputs, OutputsContext, Report, Sink, Then,
};
use tidings_spool::{Batch, Clock, DiskBackend, Identity, Spool, SpoolConfig, SystemClock};

const LIMIT: Duration = Duration::from_secs(20);

struct World {
    spool: Arc<Spool>,
    outputs: Outputs,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl World {
    fn open(data: &Path) -> World {
        let clock = Arc::new(SystemClock::new());
        let backend = Arc::new(DiskBackend::new(data).unwrap());
        let identity = Identity {
            epoch: 5,
            origin: 5,
        };
        let opened = Spool::open(
            backend.clone(),
            clock.clone(),
            SpoolConfig::default(),
            identity,
        )
        .unwrap();
        let epoch = opened.spool.identity().epoch;
        let spool = Arc::new(opened.spool);
        let reports: Arc<Mutex<Vec<Report>>> = Arc::default();
        let told = Arc::clone(&reports);
        let make_clock = clock.clone();
        let context = OutputsContext {
            spool: Arc::clone(&spool),
            cursors: Arc::new(Cursors::open(backend, clock.clone(), epoch).unwrap()),
            clock,
            reporter: Arc::new(move |report: Report| told.lock().unwrap().push(report)),
            make: Arc::new(move |tracer: &Tracer| match &tracer.variant {
                Variant::Log(log) => {
                    Ok(Box::new(LogFileSink::new(log, make_clock.clone())) as Box<dyn Sink>)
                }
                _ => Err("this test has logs only".to_owned()),
            }),
        };
        World {
            spool,
            outputs: Outputs::new(context),
            reports,
        }
    }

    fn apply(&mut self, tracers: &[Tracer]) {
        assert_eq!(self.outputs.apply(tracers, &LevelOverrides::new()), []);
    }

    fn append(&self, numbers: std::ops::Range<u64>) {
        let mut records = Vec::new();
        for number in numbers.clone() {
            record(&mut records, number, "plain");
        }
        let count = u32::try_from(numbers.end - numbers.start).unwrap();
        self.spool
            .append(Batch::events(count, records))
            .unwrap()
            .wait()
            .unwrap();
    }
}

fn record(out: &mut Vec<u8>, number: u64, text: &str) {
    let now = SystemClock::new().now_ns();
    RecordWriter::begin(out, &Header::new(EventType::AUTH_SUCCESS, now))
        .str(Key::DETAILS, text)
        .uint(Key::SIZE, number)
        .finish();
}

fn log(name: &str, path: &Path, change: impl FnOnce(&mut RawTracer)) -> Tracer {
    let mut raw = RawTracer {
        name: name.to_owned(),
        variant: "log".to_owned(),
        path: Some(path.to_str().unwrap().to_owned()),
        ansi: Some(false),
        rotate: Some("never".to_owned()),
        ..RawTracer::default()
    };
    change(&mut raw);
    Tracer::check(&raw).unwrap()
}

/// The numbers of all events in all files of a directory, in no order, every line a whole event.
fn numbers(directory: &Path) -> Vec<u64> {
    let mut numbers = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else {
        return numbers;
    };
    for entry in entries {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        for line in text.lines() {
            let (_, number) = line
                .rsplit_once("size = ")
                .unwrap_or_else(|| panic!("{line:?}"));
            assert!(line.contains("Z INFO "), "{line:?}");
            numbers.push(number.parse().unwrap());
        }
    }
    numbers
}

#[test]
fn settings_replaced_under_load_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, other) = (
        directory.path().join("logs"),
        directory.path().join("other"),
    );
    let mut world = World::open(&directory.path().join("data"));
    let variant = |round: u64| {
        log("main", &logs, |raw| {
            raw.level = Some(["info", "debug", "trace"][(round % 3) as usize].to_owned());
            raw.rotate_bytes = Some(20_000 + round * 1_000);
            raw.prefix = Some(format!("part{}", round % 2));
            raw.lossy = Some(false);
        })
    };
    world.apply(&[variant(0)]);
    let (spool, is_over) = (Arc::clone(&world.spool), Arc::new(AtomicBool::new(false)));
    let over = Arc::clone(&is_over);
    let writer = std::thread::spawn(move || {
        let mut next = 0;
        while !over.load(Ordering::Relaxed) {
            let mut records = Vec::new();
            (next..next + 50).for_each(|number| record(&mut records, number, "plain"));
            let ticket = spool.append(Batch::events(50, records)).unwrap();
            next += 50;
            ticket.wait().unwrap();
        }
        next
    });
    for round in 1..30 {
        std::thread::sleep(Duration::from_millis(40));
        // Another one comes and goes beside it.
        match round % 4 {
            1 => world.apply(&[variant(round), log("other", &other, |_| ())]),
            _ => world.apply(&[variant(round)]),
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let count = writer.join().unwrap();
    world.spool.sync().unwrap();
    assert_eq!(world.outputs.stop(LIMIT), Vec::<String>::new());
    let mut found = numbers(&logs);
    found.sort_unstable();
    assert!(count > 5_000, "{count}");
    assert_eq!(
        found,
        (0..count).collect::<Vec<_>>(),
        "each of {count} once"
    );
    assert!(!numbers(&other).is_empty());
    assert_eq!(*world.reports.lock().unwrap(), []);
}

#[test]
fn an_output_that_cannot_be_changed_goes_on_and_a_new_one_begins_at_the_head() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    let mut world = World::open(&directory.path().join("data"));
    world.append(0..10);
    let main = log("main", &logs, |_| ());
    world.apply(std::slice::from_ref(&main));
    world.append(10..20);
    let journal = |name: &str| RawTracer {
        name: name.to_owned(),
        variant: "journal".to_owned(),
        ..RawTracer::default()
    };
    let changed = [
        Tracer::check(&journal("main")).unwrap(),
        Tracer::check(&journal("new")).unwrap(),
        log("silent", &logs, |raw| {
            raw.events_policy = Some("include".to_owned());
            raw.events = vec!["auth.success".to_owned()];
            raw.level = Some("error".to_owned());
        }),
    ];
    let refusals = world.outputs.apply(&changed, &LevelOverrides::new());
    let told: Vec<_> = refusals
        .iter()
        .map(|refusal| (refusal.name.as_str(), refusal.then))
        .collect();
    assert_eq!(
        told,
        [
            ("main", Then::OldGoesOn),
            ("new", Then::TriedAgain),
            ("silent", Then::Nothing)
        ]
    );
    assert!(refusals[2].reason.contains("leave no event"));
    world.append(20..30);
    // The new one is repaired: it gets what came since it was first asked for.
    let fixed = log("new", &directory.path().join("new"), |_| ());
    world.apply(&[main, fixed]);
    world.append(30..40);
    assert_eq!(world.outputs.running().len(), 2);
    world.outputs.stop(LIMIT);
    assert_eq!(numbers(&logs), (10..40).collect::<Vec<_>>());
    assert_eq!(
        numbers(&directory.path().join("new")),
        (20..40).collect::<Vec<_>>()
    );
}

/// Reads one line of our text form back: its type, and the texts among its pairs.
fn read_back(line: &str) -> (String, Vec<(String, String)>) {
    let mut words = line.splitn(3, ' ');
    let (time, level) = (words.next().unwrap(), words.next().unwrap());
    assert!(tidings_event::time::parse_rfc3339(time).is_ok(), "{line}");
    assert!(
        ["INFO", "DEBUG", "WARN", "ERROR", "TRACE"].contains(&level),
        "{line}"
    );
    let rest = words.next().unwrap();
    // Descriptions come from the catalogue, so the first bracket is ours.
    let (_, rest) = rest.split_once(" (").unwrap();
    let (name, mut rest) = rest.split_once(") ").unwrap();
    let mut pairs = Vec::new();
    while let Some((key, value)) = rest.split_once(" = ") {
        let Some(quoted) = value.strip_prefix('"') else {
            let (value, after) = value.split_once(", ").unwrap_or((value, ""));
            pairs.push((key.to_owned(), value.to_owned()));
            rest = after;
            continue;
        };
        let (text, after) = unquote(quoted);
        pairs.push((key.to_owned(), text));
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    assert_eq!(rest, "", "{line}");
    (name.to_owned(), pairs)
}

fn unquote(mut rest: &str) -> (String, &str) {
    let mut text = String::new();
    loop {
        let c = rest.chars().next().expect("the quotes are closed");
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => return (text, rest),
            '\\' => {
                let (c, length) = match rest.as_bytes()[0] {
                    b'n' => ('\n', 1),
                    b'r' => ('\r', 1),
                    b't' => ('\t', 1),
                    b'x' => (char::from(u8::from_str_radix(&rest[1..3], 16).unwrap()), 3),
                    b'u' => {
                        let end = rest.find('}').unwrap();
                        let code = u32::from_str_radix(&rest[2..end], 16).unwrap();
                        (char::from_u32(code).unwrap(), end + 1)
                    }
                    other => (char::from(other), 1),
                };
                text.push(c);
                rest = &rest[length..];
            }
            c => text.push(c),
        }
    }
}

#[test]
fn no_value_can_forge_an_entry() {
    let hostile = [
        ") (auth.success)",
        "a\r\nb",
        "\"\n2026-02-03T04:05:06Z INFO Forged (auth.success) size = 1",
        "\", size = 99, details = \"",
        "\\\", size = 99",
        "ESC \u{1b}[2J \u{1b}]0;title\u{7} C1 \u{9b}31m \u{85} \u{90}",
        "\u{202e}txt.exe \u{2028} \u{2066}",
        "trailing \\",
        "\0\u{7f}",
        "",
    ];
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::open(&directory.path().join("data"));
    let single = log("single", &directory.path().join("single"), |_| ());
    world.apply(&[single]);
    let mut records = Vec::new();
    for (number, text) in hostile.iter().enumerate() {
        record(&mut records, number as u64, text);
    }
    world
        .spool
        .append(Batch::events(hostile.len() as u32, records))
        .unwrap()
        .wait()
        .unwrap();
    world.outputs.stop(LIMIT);
    let text = fs::read_to_string(directory.path().join("single/tidings")).unwrap();
    assert_eq!(text.lines().count(), hostile.len(), "{text}");
    for ((number, value), line) in hostile.iter().enumerate().zip(text.lines()) {
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        let (name, pairs) = read_back(line);
        assert_eq!(name, "auth.success");
        let expected = [
            ("details", (*value).to_owned()),
            ("size", number.to_string()),
        ];
        let expected: Vec<_> = expected.map(|(key, value)| (key.to_owned(), value)).into();
        assert_eq!(pairs, expected);
    }
}

/// Run by the next test in a process of its own, which is killed: appends for ever, and prints each
/// number once it is durable in the spool.
#[test]
fn child_that_is_killed() {
    let Some(root) = std::env::var_os("TIDINGS_TEST_KILLED_CHILD") else {
        return;
    };
    let root = PathBuf::from(root);
    let from: u64 = std::env::var("TIDINGS_TEST_FROM").unwrap().parse().unwrap();
    let mut world = World::open(&root.join("data"));
    world.apply(&[log("main", &root.join("logs"), |raw| {
        raw.rotate_bytes = Some(50_000)
    })]);
    let mut out = fs::OpenOptions::new()
        .append(true)
        .open(root.join("acknowledged"))
        .unwrap();
    for batch in 0.. {
        let first = from + batch * 20;
        world.append(first..first + 20);
        writeln!(out, "{}", first + 20).unwrap();
        if batch == 0 {
            println!("running");
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("acknowledged"), "").unwrap();
    let acknowledged = || -> u64 {
        let text = fs::read_to_string(root.join("acknowledged")).unwrap();
        text.lines().last().map_or(0, |line| line.parse().unwrap())
    };
    for round in 0..5_u64 {
        // A number may be durable and not yet printed: the next begins well behind it.
        let from = acknowledged() + if round > 0 { 100 } else { 0 };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed", "--nocapture"])
            .env("TIDINGS_TEST_KILLED_CHILD", root)
            .env("TIDINGS_TEST_FROM", from.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_running = lines
            .map_while(Result::ok)
            .any(|line| line.ends_with("running"));
        assert!(is_running, "the child did not start");
        std::thread::sleep(Duration::from_millis(150 + 333 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = acknowledged();
    let mut world = World::open(&root.join("data"));
    world.apply(&[log("main", &root.join("logs"), |raw| {
        raw.rotate_bytes = Some(50_000)
    })]);
    assert!(world.outputs.stop(LIMIT).is_empty());
    let all = numbers(&root.join("logs"));
    let found: BTreeSet<u64> = all.iter().copied().collect();
    let missing: Vec<u64> = (0..last).filter(|number| !found.contains(number)).collect();
    // Only the numbers between two rounds were never used.
    let holes: Vec<(u64, usize)> = missing
        .chunk_by(|a, b| a + 1 == *b)
        .map(|hole| (hole[0], hole.len()))
        .collect();
    assert!(holes.len() <= 4, "{holes:?}");
    assert!(
        holes.iter().all(|(_, length)| (80..=100).contains(length)),
        "{holes:?}"
    );
    assert!(last > 500, "{last}");
    let repeated = all.len() - found.len();
    println!("{last} acknowledged, {repeated} twice after five kills");
}

const FULL_DISK: &str = r#"
set -eu
mount -t tmpfs -o size=1m tmpfs "$1"
"$2" --exact inside_a_full_disk --nocapture
"#;

/// Run by the next test within a mount namespace, where `logs` is a disk of 1 MiB.
#[test]
fn inside_a_full_disk() {
    let Some(root) = std::env::var_os("TIDINGS_TEST_FULL_DISK") else {
        return;
    };
    let root = PathBuf::from(root);
    let (patient, hasty) = (root.join("logs/patient"), root.join("logs/hasty"));
    let mut world = World::open(&root.join("data"));
    fs::write(root.join("logs/ballast"), vec![0; 700 << 10]).unwrap();
    let tracers = [
        log("patient", &patient, |raw| raw.rotate_bytes = Some(100_000)),
        log("hasty", &hasty, |raw| raw.lossy = Some(true)),
    ];
    world.apply(&tracers);
    let total = 6_000;
    for batch in 0..total / 100 {
        world.append(batch * 100..batch * 100 + 100);
    }
    let running = world.outputs.running();
    let state = |name: &str| {
        let found = running.iter().find(|output| output.tracer.name == name);
        found.unwrap().state.read()
    };
    // The disk is full: both fail, and only the lossy one gives anything up, after ten seconds.
    let mut waited = 0;
    while state("hasty").skipped.iter().sum::<u64>() == 0 {
        std::thread::sleep(Duration::from_millis(100));
        waited += 1;
        assert!(waited < 200, "{:?}", state("hasty"));
    }
    let stuck = state("patient");
    assert!(
        stuck.is_failing
            && stuck
                .last_failure
                .is_some_and(|why| why.contains("No space left"))
    );
    fs::remove_file(root.join("logs/ballast")).unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    world.append(total..total + 10);
    assert!(world.outputs.stop(LIMIT).is_empty());
    let mut whole = numbers(&patient);
    whole.sort_unstable();
    assert_eq!(
        whole,
        (0..total + 10).collect::<Vec<_>>(),
        "the patient one lost nothing"
    );
    let (some, stats) = (numbers(&hasty), state("hasty"));
    let skipped: u64 = stats.skipped.iter().sum();
    assert_eq!(some.len() as u64, stats.delivered);
    assert_eq!(
        stats.delivered + skipped,
        total + 10,
        "what the hasty one lost is counted"
    );
    assert!(some.windows(2).all(|pair| pair[0] < pair[1]));
    let reports = world.reports.lock().unwrap();
    let told = |kind| {
        reports
            .iter()
            .filter(|report| report.kind == kind)
            .map(|report| report.count)
            .sum::<u64>()
    };
    assert_eq!(told(EventType::TELEMETRY_OUTPUT_SKIPPED), skipped);
    assert!(told(EventType::TELEMETRY_LOG_ERROR) > 2);
    let reports_of_patient = reports.iter().filter(|report| {
        report.output == "patient" && report.kind == EventType::TELEMETRY_LOG_ERROR
    });
    assert!(
        reports_of_patient.count() <= 2,
        "at most one a minute, and the rest at the end"
    );
}

#[test]
fn a_full_disk_loses_nothing_that_is_not_counted() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
        ]);
        command.arg(&logs);
        command
    };
    let can = unshare("mount -t tmpfs -o size=1m tmpfs \"$1\"").output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "SKIPPED: a_full_disk_loses_nothing_that_is_not_counted: a mount namespace cannot be made: it takes root"
        );
        return;
    }
    let output = unshare(FULL_DISK)
        .arg(std::env::current_exe().unwrap())
        .env("TIDINGS_TEST_FULL_DISK", directory.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn defaults_need_no_more_than_a_path() {
    let log = LogFile::new("/var/log/tidings");
    let raw = RawTracer {
        name: "x".to_owned(),
        variant: "log".to_owned(),
        path: Some("/var/log/tidings".to_owned()),
        ..RawTracer::default()
    };
    assert_eq!(Tracer::check(&raw).unwrap().variant, Variant::Log(log));
}
