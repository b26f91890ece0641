//! Crashes at any write, failing media, rot: nothing is there twice, what was written is there, and
//! damage is told.

use std::io::ErrorKind;
use std::path::Path;

use tidings_engine::{Engine, Error, SampleQuery};
use tidings_spool::fault::MemoryBackend;

use super::support::{Hand, METRICS, START_MS, labelled, measured, open, sums};

const MINUTE_NS: i64 = 60_000_000_000;

/// Measures a little of everything.
fn measure(hand: &mut Hand, tick: u64) {
    for metric in 0..METRICS.len() {
        hand.count(metric, (tick * 37 + metric as u64 * 11) % 900);
    }
}

/// Ticks from number `from` on, the third of each five scheduled, until one fails; gives how many were
/// written, and the error.
fn ticks(engine: &Engine, hand: &mut Hand, from: i64, count: i64) -> (i64, Option<Error>) {
    for tick in from..from + count {
        measure(hand, tick as u64);
        let time_ns = START_MS * 1_000_000 + tick * MINUTE_NS;
        let written = engine.samples().write(time_ns, &hand.read(), tick % 5 == 2);
        if let Err(error) = written {
            return (tick - from, Some(error));
        }
    }
    (count, None)
}

/// Meters of the first so many ticks.
fn hand_after(ticks: i64) -> Hand {
    let mut hand = Hand::default();
    (0..ticks).for_each(|tick| measure(&mut hand, tick as u64));
    hand
}

#[test]
fn a_crash_at_any_write_loses_less_than_a_minute_and_doubles_nothing() {
    let calm = MemoryBackend::new();
    let engine = open(&calm);
    let begun = calm.operations();
    let _ = ticks(&engine, &mut Hand::default(), 0, 12);
    let operations = calm.operations() - begun;
    assert!(operations > 40, "{operations}");
    let mut crashes = 0;
    for at in 1..=operations {
        for seed in [0, 1, at + 2] {
            let disk = MemoryBackend::new();
            let engine = open(&disk);
            disk.crash_at(at);
            let (written, error) = ticks(&engine, &mut Hand::default(), 0, 12);
            crashes += u32::from(error.is_some());
            let disk = disk.crash(seed);
            drop(engine);
            let engine = open(&disk);
            let round = format!("crash at {at}, seed {seed}, {written} written");
            let report = engine.verify().unwrap();
            assert_eq!(report.problems, [""; 0], "{round}");
            // The tick during the crash is there or not, whole.
            let found = sums(&engine, true);
            let is_right =
                [written, written + 1].map(|ticks| measured(&hand_after(ticks)) == found);
            assert!(is_right.contains(&true), "{round}: {found:?}");
            // Another process goes on, and its first tick brings what was collected.
            let mut later = Hand::default();
            assert!(ticks(&engine, &mut later, 20, 3).1.is_none());
            assert_eq!(sums(&engine, false), sums(&engine, true), "{round}");
        }
    }
    assert!(crashes > 100, "{crashes}");
}

#[test]
fn what_could_not_be_written_is_in_the_next_tick_once() {
    let mut failures = 0;
    for round in 0..60 {
        let disk = MemoryBackend::new();
        let engine = open(&disk);
        let mut hand = Hand::default();
        assert!(ticks(&engine, &mut hand, 0, 4).1.is_none());
        match round % 3 {
            0 => disk.fail_write_once(ErrorKind::Other),
            1 => disk.fail_sync_once(),
            _ => disk.full_after(round * 512),
        }
        let (done, error) = ticks(&engine, &mut hand, 4, 1);
        if let Some(error) = &error {
            failures += 1;
            assert!(error.to_string().starts_with("samples.redb: "), "{error}");
        }
        disk.never_full();
        let (more, error) = ticks(&engine, &mut hand, 5, 3);
        assert!(error.is_none(), "round {round}: {error:?}, {done} {more}");
        assert_eq!(sums(&engine, true), measured(&hand), "round {round}");
        // Also after a crash of the machine: what only looked written was written anew.
        let disk = disk.crash(0);
        drop(engine);
        let engine = open(&disk);
        assert_eq!(sums(&engine, true), measured(&hand), "round {round}");
        assert_eq!(engine.verify().unwrap().problems, [""; 0]);
    }
    assert!(failures >= 20, "{failures}");
}

/// The pages that the failed sync left out looked written, were never touched again, and were missing
/// after a crash: they must not be trusted.
#[test]
fn what_a_failed_sync_left_out_is_written_anew() {
    let disk = MemoryBackend::new();
    let engine = open(&disk);
    let samples = engine.samples();
    let start_ns = START_MS * 1_000_000;
    let hosts = [labelled(0..1000, 3)];
    samples.write(start_ns, &[], false).unwrap();
    let minute = |number: i64| start_ns + number * MINUTE_NS;
    assert!(
        samples
            .write(minute(1), &Hand::default().read(), true)
            .is_ok()
    );
    disk.fail_sync_once();
    samples.write(minute(2), &hosts, true).unwrap_err();
    for number in 3..20 {
        samples.write(minute(number), &hosts, true).unwrap();
    }
    let disk = disk.crash(0);
    drop(engine);
    let engine = open(&disk);
    assert_eq!(engine.verify().unwrap().problems, [""; 0]);
    let expected = std::collections::BTreeMap::from([("mail_hosts".to_owned(), 3000)]);
    assert_eq!(
        (sums(&engine, true), sums(&engine, false)),
        (expected.clone(), expected)
    );
}

#[test]
fn a_file_that_is_none_is_told_and_everything_else_works() {
    for bytes in [&b"not a database"[..], &[0; 70_000], &[0xff; 4096]] {
        let disk = MemoryBackend::new();
        disk.install(Path::new("samples.redb"), bytes);
        let engine = open(&disk);
        let mut hand = Hand::default();
        let told = [
            engine.samples().open().unwrap_err(),
            engine.samples().query(&SampleQuery::default()).unwrap_err(),
            ticks(&engine, &mut hand, 0, 1).1.unwrap(),
        ];
        for error in told {
            let text = error.to_string();
            assert!(
                matches!(error, Error::Samples(_)) && text.starts_with("samples.redb: "),
                "{text}"
            );
        }
        assert_eq!(engine.verify().unwrap().problems.len(), 1);
        // Set right by hand, it goes on by itself.
        tidings_spool::Backend::remove(&disk, Path::new("samples.redb")).unwrap();
        assert!(ticks(&engine, &mut hand, 1, 1).1.is_none());
        assert_eq!(sums(&engine, true), measured(&hand));
    }
}

#[test]
fn rot_is_found_wherever_it_matters() {
    let disk = MemoryBackend::new();
    let engine = open(&disk);
    assert!(ticks(&engine, &mut Hand::default(), 0, 60).1.is_none());
    let expected = (sums(&engine, true), sums(&engine, false));
    drop(engine);
    let file = Path::new("samples.redb");
    let bytes = disk.contents(file).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for at in (0..bytes.len() as u64).step_by(577) {
        let disk = MemoryBackend::new();
        disk.install(file, &bytes);
        disk.flip_bit(file, at, (at % 8) as u8).unwrap();
        let engine = open(&disk);
        let problems = engine.verify().unwrap().problems;
        if problems.is_empty() {
            harmless += 1;
            let now = (sums(&engine, true), sums(&engine, false));
            assert_eq!(now, expected, "a flipped bit at {at} was not noticed");
        } else {
            found += 1;
            assert!(
                problems
                    .iter()
                    .all(|problem| problem.starts_with("samples.redb: "))
            );
        }
    }
    println!("{found} found, {harmless} harmless");
    assert!(found > 15, "{found} of {}", found + harmless);
}

#[test]
fn repair_sets_a_damaged_file_aside() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Engine::open(&data, Default::default()).unwrap());
    for kept in ["samples.redb", "samples.redb.1"] {
        std::fs::write(data.join("samples.redb"), b"not a database").unwrap();
        let report = tidings_engine::repair(&data).unwrap();
        assert!(
            report
                .problems
                .iter()
                .any(|told| told.contains("begins anew")),
            "{report:?}"
        );
        assert_eq!(
            std::fs::read(data.join("quarantine").join(kept)).unwrap(),
            b"not a database"
        );
        assert_eq!(tidings_engine::verify(&data).unwrap().problems, [""; 0]);
        assert!(!data.join("samples.redb").exists());
    }
}
