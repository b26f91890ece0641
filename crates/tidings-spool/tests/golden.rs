//! The bytes on disk, once and for all: `fixtures/` holds a spool of every version ever released.
//! They are never changed, and read for ever. To write those of a new version, run the tests with
//! `TIDINGS_BLESS=1` and look at the difference.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and sleep"
)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{DAY_NS, IDENTITY, NOW_NS, batch, commit, config, read_all};
use tidings_spool::fault::{ManualClock, MemoryBackend};
use tidings_spool::{
    Backend, Batch, Delivery, DiskBackend, GapReason, Kind, Opened, Spool, SpoolConfig, repair,
    verify,
};

const FILES: [&str; 4] = [
    "spool/meta",
    "spool/00000000000000000001.seg",
    "spool/00000000000000000022.seg",
    "spool/00000000000000000025.seg",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/v1")
        .join(name)
}

/// A spool with a frame of every kind: raw, compressed, with context and checkpoint, control,
/// a seal, a spent sequence, a noted loss.
fn write() -> MemoryBackend {
    let disk = MemoryBackend::new();
    let clock = Arc::new(ManualClock::new(NOW_NS));
    let open = |config| {
        let backend = Arc::new(disk.clone());
        let Opened { spool, hold, .. } =
            Spool::open(backend, clock.clone(), config, IDENTITY).unwrap();
        drop(hold);
        spool
    };
    let spool = open(config());
    commit(
        &spool,
        Batch::events(2, b"raw record one, raw record two".to_vec()),
    );
    commit(
        &spool,
        batch(0..3, 84)
            .with_context(b"context".to_vec())
            .with_checkpoint(b"position".to_vec()),
    );
    commit(
        &spool,
        Batch::events(16, b"delivery.delivered to=user@example.org ".repeat(40)),
    );
    commit(
        &spool,
        Batch::control(
            7,
            b"a snapshot, a snapshot, a snapshot, a snapshot, a snapshot".to_vec(),
        ),
    );
    commit(&spool, Batch::checkpoint(b"no events".to_vec()));
    spool.close().unwrap();
    let spool = open(config());
    clock.advance(DAY_NS);
    // A new segment, by age; then so much control data that a sequence is spent.
    commit(&spool, batch(3..5, 84));
    for n in 0..4 {
        commit(&spool, Batch::control(8, common::record(n, 400)));
    }
    drop(spool);
    // Two frames damaged and repaired: a noted loss.
    let path = Path::new(FILES[2]);
    disk.flip_bit(path, 64 + 20, 0).unwrap();
    repair(&disk, clock.as_ref(), Path::new("spool")).unwrap();
    let spool = open(SpoolConfig {
        known_head: 26,
        segment_bytes: 1500,
        ..config()
    });
    commit(&spool, batch(5..6, 84));
    drop(spool);
    disk
}

#[test]
fn the_bytes_written_today_are_those_of_the_fixture() {
    let disk = write();
    let names: Vec<PathBuf> = disk
        .list(Path::new("spool"))
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let bless = std::env::var_os("TIDINGS_BLESS").is_some();
    for name in &names {
        let written = disk.contents(&Path::new("spool").join(name)).unwrap();
        let path = fixture("spool").join(name);
        if bless {
            std::fs::write(&path, &written).unwrap();
        }
        let kept =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            written == kept,
            "{} differs from its fixture",
            name.display()
        );
    }
    let mut expected: Vec<PathBuf> = FILES
        .iter()
        .map(|file| PathBuf::from(&file["spool/".len()..]))
        .collect();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn the_fixture_reads_as_it_always_did() {
    let disk = MemoryBackend::new();
    for file in FILES {
        disk.install(Path::new(file), &std::fs::read(fixture(file)).unwrap());
    }
    let report = verify(&disk, Path::new("spool")).unwrap();
    assert!(report.is_sound() && report.torn_tail.is_none(), "{report}");
    assert_eq!((report.identity, report.events()), (Some(IDENTITY), 22));
    check_contents(&disk);
    // As an operator's tool reads it: from the checked-in files, which it does not change.
    let backend = DiskBackend::new(fixture("")).unwrap();
    assert_eq!(verify(&backend, Path::new("spool")).unwrap(), report);
}

fn check_contents(disk: &MemoryBackend) {
    let clock = Arc::new(ManualClock::new(NOW_NS));
    let Opened {
        spool, recovery, ..
    } = Spool::open(Arc::new(disk.clone()), clock, config(), IDENTITY).unwrap();
    assert!(recovery.is_sound());
    let (frames, gaps) = read_all(&spool, 1);
    let seen: Vec<_> = frames
        .iter()
        .map(|frame| (frame.sequences(), frame.kind()))
        .collect();
    let control = |at, tag| (at..at, Kind::Control { tag });
    assert_eq!(
        seen,
        [
            (1..3, Kind::Events),
            (3..6, Kind::Events),
            (6..22, Kind::Events),
            control(22, 7),
            (22..22, Kind::Events),
            control(24, 8),
            control(24, 8),
            control(25, 8),
            control(25, 8),
            (26..27, Kind::Events),
        ]
    );
    assert_eq!(frames[0].records(), b"raw record one, raw record two");
    assert_eq!(frames[1].records(), batch(0..3, 84).records);
    assert_eq!(
        (frames[1].context(), frames[1].checkpoint()),
        (&b"context"[..], Some(&b"position"[..]))
    );
    assert_eq!(
        frames[2].records(),
        b"delivery.delivered to=user@example.org ".repeat(40)
    );
    assert_eq!(frames[4].checkpoint(), Some(&b"no events"[..]));
    assert_eq!(frames[8].records(), common::record(3, 400));
    assert_eq!(frames[9].records(), batch(5..6, 84).records);
    let lost: Vec<_> = gaps
        .iter()
        .map(|gap| (gap.sequences.clone(), gap.reason.clone()))
        .collect();
    assert_eq!(lost, [(22..24, GapReason::Lost), (25..26, GapReason::Lost)]);
    let delivered = spool
        .reader(22)
        .unwrap()
        .next(std::time::Duration::ZERO)
        .unwrap();
    assert!(matches!(
        delivered,
        Some(Delivery::Frame(_) | Delivery::Gap(_))
    ));
}
