//! What happens when something runs out: the disk, the spool's own limit, the age of events, or
//! the medium's willingness.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and sleep"
)]

mod common;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use common::{DAY_NS, IDENTITY, NOW_NS, batch, commit, config, open, read_all, segments, try_open};
use tidings_spool::fault::{ManualClock, MemoryBackend};
use tidings_spool::{
    Batch, Delivery, Full, Gap, GapReason, Opened, Spool, SpoolConfig, SpoolError, SpoolStats,
};

/// Eight segments of 2 KiB, four batches of five records each.
fn small() -> SpoolConfig {
    SpoolConfig {
        max_bytes: 16 << 10,
        segment_age_ns: i64::MAX,
        ..config()
    }
}

fn fill(spool: &Spool, batches: u64) {
    for n in 0..batches {
        commit(spool, batch(5 * n..5 * n + 5, 84));
    }
}

/// The numbers after the writer has removed what it may.
fn settled(spool: &Spool) -> SpoolStats {
    spool.maintain().unwrap();
    spool.stats()
}

#[test]
fn a_full_disk_refuses_new_batches_and_writes_the_queued_ones_later() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    commit(&spool, batch(0..5, 84));
    disk.full_after(100);
    let queued = spool.append(batch(5..10, 84)).unwrap();
    assert_eq!(
        queued.wait_timeout(Duration::from_millis(50)).unwrap(),
        None
    );
    let refused = spool.append(batch(10..15, 84)).unwrap_err();
    assert!(
        matches!(refused.error, SpoolError::Full(Full::Disk)),
        "{refused}"
    );
    let stats = spool.stats();
    assert!(stats.disk_full && stats.refused_disk == 1 && stats.poisoned.is_none());
    let survived = disk.crash(1);
    let (recovered, report) = open(&survived, config());
    assert_eq!(
        (report.head, report.torn_tail),
        (6, None),
        "no half frame is left lying there"
    );
    drop(recovered);

    // The crash of the copy killed the disk: the same again, to the good end.
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    commit(&spool, batch(0..5, 84));
    disk.full_after(100);
    let queued = spool.append(batch(5..10, 84)).unwrap();
    assert_eq!(
        queued.wait_timeout(Duration::from_millis(50)).unwrap(),
        None
    );
    disk.never_full();
    assert_eq!(queued.wait().unwrap(), 6..11);
    assert!(!spool.stats().disk_full);
    assert_eq!(commit(&spool, batch(10..15, 84)), 11..16);
    assert_eq!(read_all(&spool, 1).0.len(), 3);
}

#[test]
fn a_disk_that_fills_up_at_any_byte_loses_nothing() {
    for room in (0..3000).step_by(61) {
        let disk = MemoryBackend::new();
        let (spool, _) = open(&disk, config());
        disk.full_after(room);
        let tickets: Vec<_> = (0..10)
            .map_while(|n| spool.append(batch(3 * n..3 * n + 3, 84)).ok())
            .collect();
        let last = tickets.last().unwrap();
        let mut grow = 0;
        while last
            .wait_timeout(Duration::from_millis(7))
            .unwrap()
            .is_none()
        {
            grow += 500;
            disk.full_after(grow);
        }
        let frames = read_all(&spool, 1).0;
        assert_eq!(frames.len(), tickets.len());
        assert_eq!(spool.verify().unwrap().events(), 3 * tickets.len() as u64);
        // The proof of an orderly end may not fit; that is no failure.
        disk.full_after(room % 50);
        spool.close().unwrap();
        let (spool, report) = open(&disk.crash(0), config());
        assert!(report.is_sound() && report.torn_tail.is_none());
        assert_eq!(read_all(&spool, 1).0, frames);
    }
}

#[test]
fn closing_on_a_full_disk_says_what_could_not_be_written() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    disk.full_after(10);
    let ticket = spool.append(batch(0..5, 84)).unwrap();
    assert_eq!(
        ticket.wait_timeout(Duration::from_millis(20)).unwrap(),
        None
    );
    let error = spool.close().unwrap_err();
    assert!(error.to_string().contains("refuses the write"), "{error}");
    assert!(ticket.wait().is_err());
}

#[test]
fn a_producer_that_waits_for_room_in_the_queue_hears_of_the_full_disk() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(
        &disk,
        SpoolConfig {
            queue_bytes: 600,
            ..config()
        },
    );
    disk.full_after(0);
    drop(spool.append(batch(0..5, 84)).unwrap());
    // The queue is full, and the writer finds out that the disk is, before or after this begins.
    let refused = spool.append(batch(5..10, 84)).unwrap_err();
    assert!(
        matches!(refused.error, SpoolError::Full(Full::Disk)),
        "{refused}"
    );
    disk.never_full();
    assert_eq!(spool.sync().unwrap(), 6);
}

#[test]
fn a_failed_sync_poisons_and_reading_goes_on() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    commit(&spool, batch(0..5, 84));
    let mut reader = spool.reader(1).unwrap();
    disk.fail_sync_once();
    let error = spool.append(batch(5..10, 84)).unwrap().wait().unwrap_err();
    assert!(matches!(error, SpoolError::Poisoned { .. }));
    let refused = spool.append(batch(10..15, 84)).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.contains("cannot sync") && message.contains("failed to sync"),
        "{message}"
    );
    assert!(spool.stats().poisoned.is_some());
    assert_eq!(spool.head(), 6);
    assert!(matches!(
        reader.next(Duration::ZERO).unwrap(),
        Some(Delivery::Frame(_))
    ));
    assert!(matches!(
        reader.next(Duration::from_secs(60)),
        Err(SpoolError::Poisoned { .. })
    ));
    assert_eq!(read_all(&spool, 1).0.len(), 1);
    assert!(matches!(spool.close(), Err(SpoolError::Poisoned { .. })));
    assert!(matches!(spool.maintain(), Err(SpoolError::Poisoned { .. })));
    // What the failed sync lost must not come back, now or later.
    for seed in 0..5 {
        let (spool, report) = open(&disk.kill().crash(seed), config());
        assert!(report.is_sound());
        assert!(report.head == 6 || report.head == 11);
        assert_eq!(commit(&spool, batch(0..1, 84)).start, report.head);
    }
}

#[test]
fn a_failed_write_poisons() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    commit(&spool, batch(0..5, 84));
    disk.fail_write_once(ErrorKind::Other);
    assert!(spool.append(batch(5..10, 84)).unwrap().wait().is_err());
    assert!(matches!(
        spool.try_append(batch(5..10, 84)).unwrap_err().error,
        SpoolError::Poisoned { .. }
    ));
    let (spool, report) = open(&disk.kill(), config());
    assert_eq!(
        (report.head, report.torn_tail),
        (6, None),
        "the half was taken back"
    );
    assert_eq!(read_all(&spool, 1).0.len(), 1);
}

#[test]
fn beyond_the_limit_the_oldest_segments_go_and_late_readers_get_a_gap() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(
        &disk,
        SpoolConfig {
            tail_bytes: 0,
            ..small()
        },
    );
    let mut late = spool.reader(1).unwrap();
    assert!(late.next(Duration::ZERO).unwrap().is_none());
    let mut underway = spool.reader(1).unwrap();
    fill(&spool, 1);
    assert!(matches!(
        underway.next(Duration::ZERO).unwrap(),
        Some(Delivery::Frame(_))
    ));
    fill(&spool, 99);
    let stats = settled(&spool);
    assert!(
        stats.bytes <= 16 << 10 && stats.bytes > 13 << 10,
        "{stats:?}"
    );
    assert!(stats.segments_removed >= 15);
    assert_eq!(segments(&disk).len(), stats.segments);
    assert!(stats.oldest > 1 && stats.head == 501);

    let removed = |from| Gap {
        sequences: from..stats.oldest,
        reason: GapReason::Removed,
    };
    assert_eq!(
        late.next(Duration::ZERO).unwrap(),
        Some(Delivery::Gap(removed(1)))
    );
    assert_eq!(
        underway.next(Duration::ZERO).unwrap(),
        Some(Delivery::Gap(removed(6)))
    );
    for mut reader in [late, underway] {
        let Some(Delivery::Frame(frame)) = reader.next(Duration::ZERO).unwrap() else {
            panic!()
        };
        assert_eq!(frame.first_sequence(), stats.oldest);
    }
    let (frames, gaps) = read_all(&spool, 0);
    assert_eq!(gaps, [removed(1)]);
    assert_eq!(
        frames
            .iter()
            .map(|frame| u64::from(frame.count()))
            .sum::<u64>(),
        501 - stats.oldest
    );
}

#[test]
fn a_crash_during_removals_leaves_no_hole_among_the_segments() {
    for n in 1..40 {
        for seed in 0..6 {
            let disk = MemoryBackend::new();
            let (spool, _) = open(
                &disk,
                SpoolConfig {
                    max_bytes: 1 << 30,
                    ..small()
                },
            );
            fill(&spool, 60);
            drop(spool);
            let Opened { spool, hold, .. } = try_open(&disk, small()).unwrap();
            disk.crash_at(n);
            drop(hold);
            let _ = spool.maintain();
            let config = SpoolConfig {
                check_all_on_open: true,
                max_bytes: 1 << 30,
                ..small()
            };
            let (spool, recovery) = open(&disk.crash(seed), config);
            assert!(recovery.is_sound(), "{recovery:?}");
            let (_, gaps) = read_all(&spool, spool.stats().oldest);
            assert_eq!(gaps, []);
        }
    }
}

#[test]
fn a_tenth_of_the_disk_is_a_limit_too() {
    let disk = MemoryBackend::new();
    disk.set_disk_bytes(160 << 10);
    let (spool, _) = open(
        &disk,
        SpoolConfig {
            max_bytes: 1 << 30,
            ..small()
        },
    );
    fill(&spool, 100);
    let stats = settled(&spool);
    assert_eq!(stats.limit_bytes, 16 << 10);
    assert!(stats.bytes <= 16 << 10 && stats.oldest > 1, "{stats:?}");
}

#[test]
fn pins_keep_what_is_needed_and_fill_the_spool_openly() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, small());
    let history = spool.pin("history", 8);
    let other = spool.pin("other", 300);
    let refused = loop {
        let numbers = spool.head()..spool.head() + 5;
        match spool.append(batch(numbers, 84)) {
            Ok(ticket) => drop(ticket.wait().unwrap()),
            Err(refused) => break refused,
        }
    };
    let SpoolError::Full(Full::Pinned {
        bytes,
        limit_bytes,
        pin,
    }) = &refused.error
    else {
        panic!("{refused}")
    };
    assert!(bytes > limit_bytes && *limit_bytes == 16 << 10 && pin == "history");
    assert_eq!(spool.stats().refused_pinned, 1);
    assert_eq!(
        spool.stats().oldest,
        1,
        "nothing is removed that 'history' may still read"
    );
    assert_eq!(read_all(&spool, 8).1, []);

    let head = spool.head();
    history.advance(3);
    assert_eq!(history.sequence(), 8, "a pin never goes back");
    history.advance(head);
    other.advance(head);
    spool.maintain().unwrap();
    assert_eq!(commit(&spool, *refused.batch), head..head + 5);
    let stats = settled(&spool);
    assert!(
        stats.oldest > 1 && stats.bytes <= 16 << 10 && stats.held_by.is_none(),
        "{stats:?}"
    );
    drop((history, other));
    fill(&spool, 50);
}

#[test]
fn dropping_a_pin_lets_waiting_sources_go_on_without_being_asked() {
    let (spool, _) = open(&MemoryBackend::new(), small());
    let pin = spool.pin("slow", 1);
    let refused = loop {
        match spool.append(batch(0..5, 84)) {
            Ok(ticket) => drop(ticket.wait().unwrap()),
            Err(refused) => break refused,
        }
    };
    drop(pin);
    let mut batch = refused.batch;
    for _ in 0..1000 {
        match spool.append(*batch) {
            Ok(ticket) => {
                ticket.wait().unwrap();
                return;
            }
            Err(refused) => batch = refused.batch,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("still full");
}

#[test]
fn opening_holds_everything_until_the_readers_have_their_pins() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(
        &disk,
        SpoolConfig {
            max_bytes: 1 << 30,
            ..small()
        },
    );
    fill(&spool, 100);
    drop(spool);
    let Opened { spool, hold, .. } = try_open(&disk, small()).unwrap();
    spool.maintain().unwrap();
    assert_eq!(spool.stats().oldest, 1);
    assert_eq!(spool.stats().held_by.as_deref(), Some("opening"));
    let history = spool.pin("history", 200);
    drop(hold);
    spool.maintain().unwrap();
    let oldest = spool.stats().oldest;
    assert!((180..=200).contains(&oldest), "{oldest}");
    drop(history);
    assert!(settled(&spool).bytes <= 16 << 10);
}

#[test]
fn old_segments_go_by_age_even_if_little_happens() {
    let disk = MemoryBackend::new();
    let clock = Arc::new(ManualClock::new(NOW_NS));
    let Opened { spool, .. } =
        Spool::open(Arc::new(disk.clone()), clock.clone(), config(), IDENTITY).unwrap();
    commit(&spool, batch(0..1, 84));
    for day in 1..=20 {
        clock.advance(DAY_NS);
        spool.maintain().unwrap();
        commit(&spool, batch(day..day + 1, 84));
        let (oldest, head) = (spool.stats().oldest, spool.head());
        assert!(head - oldest <= 8, "day {day}: {oldest} to {head}");
        assert!(
            day < 7 || head - oldest >= 7,
            "day {day}: {oldest} to {head}"
        );
    }
    // Nothing more happens: in the end all events are gone, and their sequences are not reused.
    for _ in 0..10 {
        clock.advance(DAY_NS);
        spool.maintain().unwrap();
    }
    assert_eq!(
        (spool.stats().oldest, spool.head(), spool.stats().segments),
        (22, 22, 1)
    );
    drop(spool);
    let (spool, report) = open(&disk, config());
    assert!(report.is_sound());
    assert_eq!(commit(&spool, batch(0..1, 84)), 22..23);
}

#[test]
fn control_frames_alone_cannot_grow_a_segment_without_end() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, small());
    for n in 0..100 {
        commit(&spool, Batch::control(1, common::record(n, 500)));
    }
    let stats = settled(&spool);
    assert!(stats.segments > 4 && stats.bytes <= 16 << 10, "{stats:?}");
    assert_eq!(
        spool.last_control(1).unwrap().unwrap().bytes,
        common::record(99, 500)
    );
    let (frames, gaps) = read_all(&spool, spool.stats().oldest);
    assert!(
        gaps.is_empty() && frames.len() > 20,
        "a spent sequence is no gap"
    );
    drop(spool);
    let (spool, report) = open(&disk, small());
    assert!(report.is_sound());
    // From memory came, too, what directly precedes the oldest sequence.
    assert!(frames.ends_with(&read_all(&spool, spool.stats().oldest).0));
}

#[test]
fn a_segment_that_cannot_be_removed_is_tried_again() {
    // The file is gone already, as if an operator had helped: nobody trips over it.
    use tidings_spool::Backend;
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, small());
    fill(&spool, 5);
    disk.remove(&segments(&disk)[0]).unwrap();
    fill(&spool, 60);
    let stats = settled(&spool);
    assert!(stats.oldest > 21 && stats.removals_failed == 0, "{stats:?}");
}
