//! The spool as producers and readers meet it, on a disk without faults.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and sleep"
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{
    IDENTITY, NOW_NS, batch, commit, config, frame_offsets, open, read_all, record, segments,
};
use tidings_spool::fault::{ManualClock, MemoryBackend};
use tidings_spool::{
    Batch, Clock, Delivery, DiskBackend, Full, Kind, MAX_PAYLOAD_BYTES, Opened, Spool, SpoolConfig,
    SpoolError, SystemClock,
};

#[test]
fn what_is_appended_is_read() {
    let disk = MemoryBackend::new();
    let (spool, recovery) = open(&disk, config());
    assert!(recovery.created && recovery.is_sound());
    assert_eq!((recovery.head, recovery.segments), (1, 1));

    assert_eq!(commit(&spool, batch(1..4, 84)), 1..4);
    let with_all = batch(4..6, 84)
        .with_context(b"context".to_vec())
        .with_checkpoint(b"position".to_vec());
    assert_eq!(commit(&spool, with_all), 4..6);
    assert_eq!(
        commit(&spool, Batch::control(7, b"snapshot".to_vec())),
        6..6
    );
    assert_eq!(spool.head(), 6);

    let (frames, gaps) = read_all(&spool, 0);
    assert!(gaps.is_empty());
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[0].sequences(), 1..4);
    assert_eq!(frames[0].records(), batch(1..4, 84).records);
    assert_eq!(
        (frames[0].context(), frames[0].checkpoint()),
        (&b""[..], None)
    );
    assert_eq!(frames[1].records(), batch(4..6, 84).records);
    assert_eq!(
        (frames[1].context(), frames[1].checkpoint()),
        (&b"context"[..], Some(&b"position"[..]))
    );
    assert_eq!(
        (frames[2].kind(), frames[2].records()),
        (Kind::Control { tag: 7 }, &b"snapshot"[..])
    );
    assert_eq!((frames[2].first_sequence(), frames[2].count()), (6, 0));
}

#[test]
fn everything_is_there_after_reopening_and_sequences_go_on() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    for n in 0..50 {
        drop(spool.append(batch(2 * n..2 * n + 2, 84)).unwrap());
    }
    spool.close().unwrap();
    let before = read_all(&spool, 1).0;
    assert!(
        segments(&disk).len() > 3,
        "{} segments",
        segments(&disk).len()
    );

    let (spool, recovery) = open(&disk.kill(), config());
    assert!(recovery.is_sound() && recovery.torn_tail.is_none());
    assert_eq!(recovery.head, 101);
    assert_eq!(spool.identity(), IDENTITY);
    let (after, gaps) = read_all(&spool, 1);
    assert_eq!(
        (after, gaps),
        (before, Vec::new()),
        "frames from disk are those from memory"
    );
    assert_eq!(commit(&spool, batch(0..1, 84)), 101..102);
}

#[test]
fn reading_starts_anywhere_from_memory_and_from_disk() {
    for tail_bytes in [8 << 20, 4000, 0] {
        let disk = MemoryBackend::new();
        let (spool, _) = open(
            &disk,
            SpoolConfig {
                tail_bytes,
                ..config()
            },
        );
        for n in 0..40 {
            commit(&spool, batch(3 * n..3 * n + 3, 84));
            if n % 10 == 5 {
                commit(&spool, Batch::control(1, record(n, 20)));
            }
        }
        let all = read_all(&spool, 1).0;
        for from in 1..=121 {
            let (frames, gaps) = read_all(&spool, from);
            assert!(gaps.is_empty());
            let events = |frames: &[Arc<tidings_spool::Frame>]| {
                frames
                    .iter()
                    .filter(|frame| frame.sequences().end > from)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                events(&frames),
                events(&all),
                "from {from} with {tail_bytes} bytes of tail"
            );
            for frame in &all {
                let resumed = spool
                    .reader(frame.next_position())
                    .unwrap()
                    .next(Duration::ZERO)
                    .unwrap();
                let next = all
                    .iter()
                    .find(|other| other.position() >= frame.next_position());
                let expected = next.map(|next| Delivery::Frame(Arc::clone(next)));
                assert_eq!(resumed, expected, "behind {}", frame.position());
            }
        }
        assert!(matches!(
            spool.reader(122).unwrap_err(),
            SpoolError::Ahead {
                from: 122,
                head: 121
            }
        ));
    }
}

#[test]
fn readers_see_only_what_is_durable() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    let hold = disk.hold_syncs();
    let ticket = spool.append(batch(0..1, 84)).unwrap();
    assert_eq!(
        ticket.wait_timeout(Duration::from_millis(50)).unwrap(),
        None
    );
    assert_eq!(ticket.poll().unwrap(), None);
    let mut reader = spool.reader(1).unwrap();
    assert_eq!(reader.next(Duration::from_millis(10)).unwrap(), None);
    assert_eq!(spool.head(), 1);
    drop(hold);
    assert_eq!(ticket.wait().unwrap(), 1..2);
    assert!(matches!(
        reader.next(Duration::ZERO).unwrap(),
        Some(Delivery::Frame(_))
    ));
}

#[test]
fn waiting_producers_share_one_sync() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(
        &disk,
        SpoolConfig {
            commit_delay: Duration::from_secs(3600),
            ..config()
        },
    );
    let hold = disk.hold_syncs();
    let first = spool.append(batch(0..1, 84)).unwrap();
    first.hurry();
    let before = disk.syncs();
    let others: Vec<_> = (1..10)
        .map(|n| spool.append(batch(n..n + 1, 8)).unwrap())
        .collect();
    drop(hold);
    for ticket in &others {
        ticket.wait().unwrap();
    }
    assert!(
        disk.syncs() - before <= 2,
        "{} syncs",
        disk.syncs() - before
    );
}

#[test]
fn nobody_waiting_means_commits_by_size_or_time() {
    let disk = MemoryBackend::new();
    let forever = Duration::from_secs(3600);
    let config = SpoolConfig {
        group_bytes: 2000,
        segment_bytes: 1 << 20,
        commit_delay: forever,
        ..config()
    };
    let (spool, _) = open(&disk, config.clone());
    let small = spool.append(batch(0..1, 84)).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(
        small.poll().unwrap(),
        None,
        "neither enough bytes nor enough time"
    );
    drop(spool.append(batch(1..30, 84)).unwrap());
    let mut reader = spool.reader(1).unwrap();
    assert!(
        reader.next(Duration::from_secs(10)).unwrap().is_some(),
        "enough bytes"
    );

    let config = SpoolConfig {
        commit_delay: Duration::from_millis(5),
        ..config
    };
    let (spool, _) = open(&MemoryBackend::new(), config);
    drop(spool.append(batch(0..1, 84)).unwrap());
    let mut reader = spool.reader(1).unwrap();
    assert!(
        reader.next(Duration::from_secs(10)).unwrap().is_some(),
        "enough time"
    );
}

/// A slow disk is given time between syncs; a batch that comes when it has had that time is
/// committed without another delay.
#[test]
fn a_slow_sync_delays_the_next_one_only_for_a_while() {
    let disk = MemoryBackend::new();
    let clock = Arc::new(ManualClock::new(NOW_NS));
    let opened = Spool::open(
        Arc::new(disk.clone()),
        Arc::clone(&clock) as Arc<dyn Clock>,
        SpoolConfig {
            segment_bytes: 1 << 20,
            ..config()
        },
        IDENTITY,
    );
    let spool = opened.unwrap().spool;
    let (syncs, operations) = (disk.syncs(), disk.operations());
    let hold = disk.hold_syncs();
    let first = spool.append(batch(0..1, 84)).unwrap();
    first.hurry();
    while disk.operations() == operations {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The frame is written, and its sync takes an hour.
    std::thread::sleep(Duration::from_millis(50));
    clock.advance(3_600_000_000_000);
    drop(hold);
    first.wait().unwrap();
    let soon = spool.append(batch(1..2, 84)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(soon.poll().unwrap(), None, "ten hours are not over");
    soon.wait().unwrap();
    assert_eq!(disk.syncs() - syncs, 2);
    clock.advance(36_000_000_000_000);
    drop(spool.append(batch(2..3, 84)).unwrap());
    let mut reader = spool.reader(3).unwrap();
    assert!(reader.next(Duration::from_secs(10)).unwrap().is_some());
}

/// A line that came after a slow sync was seen ten times as late as that sync took, although nothing
/// had been synced for long before.
#[test]
fn one_slow_sync_after_quiet_delays_nothing() {
    let disk = MemoryBackend::new();
    let clock = Arc::new(ManualClock::new(NOW_NS));
    let opened = Spool::open(
        Arc::new(disk.clone()),
        Arc::clone(&clock) as Arc<dyn Clock>,
        SpoolConfig {
            segment_bytes: 1 << 20,
            ..config()
        },
        IDENTITY,
    );
    let spool = opened.unwrap().spool;
    clock.advance(3_600_000_000_000);
    let operations = disk.operations();
    let hold = disk.hold_syncs();
    let first = spool.append(batch(0..1, 84)).unwrap();
    first.hurry();
    while disk.operations() == operations {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    clock.advance(95_000_000);
    drop(hold);
    first.wait().unwrap();
    drop(spool.append(batch(1..2, 84)).unwrap());
    let mut reader = spool.reader(2).unwrap();
    let seen = reader.next(Duration::from_millis(600)).unwrap();
    assert!(seen.is_some(), "950 ms, of which the hour before pays for");
}

#[test]
fn a_full_queue_refuses_or_waits() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(
        &disk,
        SpoolConfig {
            queue_bytes: 2000,
            ..config()
        },
    );
    let hold = disk.hold_syncs();
    drop(spool.try_append(batch(0..10, 84)).unwrap());
    let large = batch(10..30, 84);
    let refused = spool.try_append(large.clone()).unwrap_err();
    assert_eq!(*refused.batch, large, "the batch comes back");
    assert!(matches!(
        refused.error,
        SpoolError::Full(Full::Queue {
            queue_bytes: 2000,
            ..
        })
    ));
    assert_eq!(spool.stats().refused_queue, 1);
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| spool.append(large).unwrap().wait().unwrap());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!appending.is_finished(), "it waits");
        drop(hold);
        assert_eq!(appending.join().unwrap(), 11..31);
    });
}

#[test]
fn a_batch_larger_than_the_queue_is_taken_when_it_is_empty() {
    let (spool, _) = open(
        &MemoryBackend::new(),
        SpoolConfig {
            queue_bytes: 100,
            ..config()
        },
    );
    assert_eq!(commit(&spool, batch(0..100, 84)), 1..101);
    assert_eq!(commit(&spool, batch(100..200, 84)), 101..201);
}

#[test]
fn wrong_batches_are_refused_without_harm() {
    let (spool, _) = open(&MemoryBackend::new(), config());
    let too_large = Batch::events(1, vec![0; MAX_PAYLOAD_BYTES + 1]);
    for wrong in [
        Batch::events(0, Vec::new()),
        Batch::events(3, vec![0; 2]),
        too_large,
    ] {
        let error = spool.append(wrong).unwrap_err();
        assert!(
            matches!(error.error, SpoolError::InvalidBatch(_)),
            "{error}"
        );
    }
    assert_eq!(commit(&spool, batch(0..1, 84)), 1..2);
    let largest = Batch::events(1, vec![7; MAX_PAYLOAD_BYTES]);
    assert_eq!(commit(&spool, largest.clone()), 2..3);
    assert_eq!(read_all(&spool, 2).0[0].records(), largest.records);
}

#[test]
fn a_closed_spool_gives_the_rest_and_then_says_so() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    let ticket = spool.append(batch(0..5, 84)).unwrap();
    let mut reader = spool.reader(1).unwrap();
    spool.close().unwrap();
    spool.close().unwrap();
    assert_eq!(ticket.wait().unwrap(), 1..6);
    assert!(reader.next(Duration::ZERO).unwrap().is_some());
    assert!(matches!(
        reader.next(Duration::from_secs(60)),
        Err(SpoolError::Closed)
    ));
    assert!(matches!(
        spool.append(batch(0..1, 84)).unwrap_err().error,
        SpoolError::Closed
    ));
    assert!(matches!(spool.maintain(), Err(SpoolError::Closed)));
}

#[test]
fn opening_and_closing_without_events_leaves_the_files_alone() {
    let disk = MemoryBackend::new();
    drop(open(&disk, config()));
    let first = disk.contents(&segments(&disk)[0]).unwrap();
    for _ in 0..3 {
        let (spool, recovery) = open(&disk, config());
        assert!(!recovery.created);
        drop(spool);
    }
    assert_eq!(disk.contents(&segments(&disk)[0]).unwrap(), first);
    assert_eq!(frame_offsets(&first), [64]);
}

#[test]
fn subscribers_are_woken_by_commits_and_by_the_end() {
    let (spool, _) = open(&MemoryBackend::new(), config());
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&calls);
    let subscription = spool.subscribe(Box::new(move || {
        counting.fetch_add(1, Ordering::SeqCst);
    }));
    let ticket = spool.append(batch(0..1, 84)).unwrap();
    ticket.wait().unwrap();
    drop(spool.append(batch(1..2, 84)).unwrap());
    spool.close().unwrap();
    assert!(calls.load(Ordering::SeqCst) >= 3, "two commits and the end");
    drop(subscription);
}

#[test]
fn a_panicking_subscriber_poisons_instead_of_hanging() {
    let (spool, _) = open(&MemoryBackend::new(), config());
    let _subscription = spool.subscribe(Box::new(|| {
        panic!("a defect in a subscriber (expected by a test)")
    }));
    let ticket = spool.append(batch(0..1, 84)).unwrap();
    assert_eq!(ticket.wait().unwrap(), 1..2, "it was durable before");
    while spool.stats().poisoned.is_none() {
        std::thread::yield_now();
    }
    let error = spool.append(batch(1..2, 84)).unwrap_err();
    assert!(
        error.to_string().contains("the writer's thread panicked"),
        "{error}"
    );
}

#[test]
fn sync_waits_for_all_that_was_appended() {
    let (spool, _) = open(
        &MemoryBackend::new(),
        SpoolConfig {
            commit_delay: Duration::from_secs(3600),
            ..config()
        },
    );
    assert_eq!(spool.sync().unwrap(), 1);
    for n in 0..10 {
        drop(spool.append(batch(n..n + 1, 84)).unwrap());
    }
    assert_eq!(spool.sync().unwrap(), 11);
    assert_eq!(spool.head(), 11);
}

#[test]
fn a_reader_knows_how_far_it_is_behind_and_can_skip() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    let mut reader = spool.reader(1).unwrap();
    for n in 0..40 {
        commit(&spool, batch(n..n + 1, 84));
    }
    let all = reader.behind();
    let stored: usize = segments(&disk)
        .iter()
        .map(|path| disk.contents(path).unwrap().len())
        .sum();
    assert_eq!((all.events, all.bytes), (40, stored as u64));
    reader.next(Duration::ZERO).unwrap();
    assert_eq!(reader.behind().events, 39);
    assert_eq!(reader.skip_to_end(), 2..41);
    assert_eq!((reader.behind().events, reader.behind().bytes), (0, 0));
    assert_eq!(reader.next(Duration::ZERO).unwrap(), None);
}

#[test]
fn many_readers_and_writers_agree() {
    const BATCHES: u64 = 300;
    const WRITERS: u64 = 3;
    let disk = MemoryBackend::new();
    let config = SpoolConfig {
        tail_bytes: 3000,
        queue_bytes: 10_000,
        segment_bytes: 8192,
        ..config()
    };
    let (spool, _) = open(&disk, config);
    let collect = |slow: bool| {
        let mut reader = spool.reader(1).unwrap();
        let mut frames = Vec::new();
        while frames.len() < (WRITERS * BATCHES) as usize {
            match reader
                .next(Duration::from_secs(20))
                .unwrap()
                .expect("writers are at work")
            {
                Delivery::Frame(frame) => frames.push(frame),
                Delivery::Gap(gap) => panic!("{gap:?}"),
            }
            if slow && frames.len() % 16 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        frames
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|n| scope.spawn(move || collect(n % 2 == 0)))
            .collect();
        for writer in 0..WRITERS {
            let spool = &spool;
            scope.spawn(move || {
                for n in 0..BATCHES {
                    let number = writer * BATCHES + n;
                    let ticket = spool.append(batch(number..number + 1 + n % 3, 30)).unwrap();
                    if n % 7 == 0 {
                        ticket.wait().unwrap();
                    }
                }
            });
        }
        let results: Vec<_> = readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect();
        assert!(results.iter().all(|frames| *frames == results[0]));
        let mut next = 1;
        for frame in &results[0] {
            assert_eq!(frame.first_sequence(), next);
            next = frame.sequences().end;
        }
        let numbers: Vec<u64> = results[0]
            .iter()
            .map(|frame| u64::from_le_bytes(frame.records()[..8].try_into().unwrap()))
            .collect();
        for writer in 0..WRITERS {
            let of_writer = |number: &&u64| **number / BATCHES == writer;
            assert!(
                numbers.iter().filter(of_writer).is_sorted(),
                "each producer's order is kept"
            );
        }
    });
    assert_eq!(spool.stats().damage_met, 0);
}

#[test]
fn a_real_disk_behaves_alike() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Arc::new(DiskBackend::new(directory.path()).unwrap());
    let config = SpoolConfig {
        disk_divisor: 0,
        ..config()
    };
    let open = || {
        let Opened {
            spool, recovery, ..
        } = Spool::open(
            backend.clone(),
            Arc::new(SystemClock::new()),
            config.clone(),
            IDENTITY,
        )
        .unwrap();
        (spool, recovery)
    };
    let (spool, _) = open();
    for n in 0..100 {
        drop(spool.append(batch(n..n + 1, 84)).unwrap());
    }
    let before = {
        spool.sync().unwrap();
        read_all(&spool, 1).0
    };
    assert!(spool.stats().last_sync_ns > 0);
    drop(spool);
    let (spool, recovery) = open();
    assert!(recovery.is_sound(), "{recovery:?}");
    assert_eq!(read_all(&spool, 1).0, before);
    assert!(spool.verify().unwrap().is_sound());
    drop(spool);
    let report = tidings_spool::verify(backend.as_ref(), Path::new("spool")).unwrap();
    assert!(report.is_sound() && report.events() == 100, "{report}");
}
