//! A medium that rots: whatever bit flips, it is noticed, told, and costs no more than its frame.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and sleep"
)]

mod common;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{
    IDENTITY, NOW_NS, batch, commit, config, frame_offsets, open, read_all, segments, try_open,
};
use tidings_spool::fault::{ManualClock, MemoryBackend};
use tidings_spool::{
    Backend, Batch, GapReason, Identity, Opened, Spool, SpoolConfig, SpoolError, repair, verify,
};

const META: &str = "spool/meta";
const DIRECTORY: &str = "spool";

/// A spool of several segments, closed in order; raw and compressed frames of all kinds.
fn rotten() -> MemoryBackend {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    for n in 0..16_u64 {
        commit(
            &spool,
            batch(3 * n..3 * n + 3, 84).with_checkpoint(n.to_le_bytes().to_vec()),
        );
        if n % 5 == 1 {
            commit(&spool, Batch::control(1, b"snapshot ".repeat(20)));
        }
    }
    spool.close().unwrap();
    disk
}

fn copy(disk: &MemoryBackend) -> MemoryBackend {
    let copy = MemoryBackend::new();
    for path in segments(disk)
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(META)])
    {
        copy.install(path, &disk.contents(path).unwrap());
    }
    copy
}

fn check_all() -> SpoolConfig {
    SpoolConfig {
        check_all_on_open: true,
        tail_bytes: 0,
        ..config()
    }
}

fn clock() -> ManualClock {
    ManualClock::new(NOW_NS)
}

/// What a damaged spool still gives: sound frames' sequences, and those of the gaps.
fn account(spool: &Spool, all: &[Arc<tidings_spool::Frame>]) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
    let (frames, gaps) = read_all(spool, 1);
    for frame in &frames {
        let original = all.iter().find(|other| {
            other.first_sequence() == frame.first_sequence() && other.records() == frame.records()
        });
        let original = original.expect("nothing is invented");
        assert_eq!(
            (frame.count(), frame.checkpoint()),
            (original.count(), original.checkpoint())
        );
    }
    let events = frames
        .iter()
        .map(|frame| frame.sequences())
        .filter(|range| !range.is_empty());
    (
        events.collect(),
        gaps.into_iter().map(|gap| gap.sequences).collect(),
    )
}

/// Every sequence is in exactly one of the two lists.
fn assert_accounted(events: &[Range<u64>], gaps: &[Range<u64>], head: u64) {
    let mut all: Vec<&Range<u64>> = events
        .iter()
        .chain(gaps)
        .filter(|range| !range.is_empty())
        .collect();
    all.sort_by_key(|range| range.start);
    let mut next = 1;
    for range in all {
        assert_eq!(range.start, next, "{events:?} {gaps:?}");
        next = range.end;
    }
    assert_eq!(next, head);
}

/// Neighbouring ranges as one.
fn joined(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range.clone()),
        }
    }
    joined
}

#[test]
fn any_flipped_bit_of_any_segment_is_told_and_costs_one_frame() {
    let disk = rotten();
    let (spool, _) = open(&disk, check_all());
    let all = read_all(&spool, 1).0;
    drop(spool);
    let files = segments(&disk);
    assert!(files.len() > 2);
    for (nth, path) in files.iter().enumerate() {
        let bytes = disk.contents(path).unwrap();
        let offsets = frame_offsets(&bytes);
        for at in 0..bytes.len() as u64 {
            // Every byte of every header, a sample of the payloads.
            let in_header = at < 64
                || offsets
                    .iter()
                    .any(|offset| (*offset..offset + 48).contains(&at));
            if !in_header && at % 7 != 0 {
                continue;
            }
            let damaged = copy(&disk);
            damaged.flip_bit(path, at, (at % 8) as u8).unwrap();
            let checked = verify(&damaged, Path::new(DIRECTORY)).unwrap();
            let is_seal = nth == files.len() - 1 && at >= offsets[offsets.len() - 2];
            // Of the very last frame nobody can say whether it was ever finished; it is the seal,
            // which holds no event.
            assert_eq!(
                checked.is_sound(),
                is_seal,
                "byte {at} of {path:?}: {checked}"
            );
            assert_eq!(checked.torn_tail.is_some(), is_seal);

            let Opened {
                spool, recovery, ..
            } = try_open(&damaged, check_all()).unwrap();
            assert_eq!(
                recovery.is_sound(),
                is_seal,
                "byte {at} of {path:?}: {recovery:?}"
            );
            assert_eq!(recovery.head, 49);
            let (events, gaps) = account(&spool, &all);
            assert_accounted(&events, &gaps, 49);
            assert!(
                is_seal || !gaps.is_empty(),
                "byte {at} of {path:?} is not told to readers"
            );
            assert!(
                gaps.iter().map(|gap| gap.end - gap.start).sum::<u64>() <= 3,
                "{gaps:?}"
            );
            assert_eq!(commit(&spool, batch(0..1, 84)), 49..50, "it goes on");
        }
    }
}

#[test]
fn damage_in_older_segments_is_found_when_it_is_read() {
    let disk = rotten();
    let path = &segments(&disk)[0];
    disk.flip_bit(path, 200, 0).unwrap();
    let (spool, recovery) = open(&disk, config());
    assert!(recovery.is_sound(), "only the last segment was looked at");
    let (_, gaps) = read_all(&spool, 1);
    assert!(
        matches!(&gaps[..], [gap] if gap.sequences == (1..4) && matches!(gap.reason, GapReason::Damaged(_)))
    );
    assert_eq!(spool.stats().damage_met, 1);
    // Reading from the middle of the damage: only what was asked for is reported.
    assert_eq!(read_all(&spool, 3).1[0].sequences, 3..4);
    assert_eq!(read_all(&spool, 4).1, []);
    assert_eq!(spool.verify().unwrap().lost(), vec![1..4]);
}

#[test]
fn any_flipped_bit_of_the_meta_file_is_mended() {
    let disk = rotten();
    for bit in 0..32 * 8 {
        let damaged = copy(&disk);
        damaged
            .flip_bit(Path::new(META), bit / 8, (bit % 8) as u8)
            .unwrap();
        assert!(!verify(&damaged, Path::new(DIRECTORY)).unwrap().is_sound());
        let (spool, recovery) = open(&damaged, config());
        assert!(recovery.meta_rebuilt);
        assert_eq!(
            (spool.identity(), read_all(&spool, 1).1),
            (IDENTITY, vec![])
        );
        drop(spool);
        assert!(verify(&damaged, Path::new(DIRECTORY)).unwrap().is_sound());
    }
}

#[test]
fn repair_keeps_what_is_sound_and_names_what_is_lost() {
    let disk = rotten();
    let (spool, _) = open(&disk, check_all());
    let all = read_all(&spool, 1).0;
    drop(spool);
    for path in segments(&disk) {
        let bytes = disk.contents(&path).unwrap();
        for at in (0..bytes.len() as u64).step_by(37) {
            let damaged = copy(&disk);
            damaged.flip_bit(&path, at, 5).unwrap();
            damaged.break_sector(&segments(&disk)[0], 700).unwrap();
            let before = verify(&damaged, Path::new(DIRECTORY)).unwrap();
            let report = repair(&damaged, &clock(), Path::new(DIRECTORY)).unwrap();
            assert_eq!(report.lost, before.lost());
            let after = verify(&damaged, Path::new(DIRECTORY)).unwrap();
            assert!(after.is_sound() && after.torn_tail.is_none(), "{after}");
            assert_eq!(after.events(), before.events());
            let Opened {
                spool, recovery, ..
            } = try_open(&damaged, check_all()).unwrap();
            assert!(recovery.is_sound());
            let (events, gaps) = account(&spool, &all);
            assert_eq!(joined(&gaps), report.lost);
            assert_accounted(&events, &gaps, 49);
            let again = repair(&damaged, &clock(), Path::new(DIRECTORY)).unwrap();
            assert!(again.rewritten.is_empty() && again.lost.is_empty());
        }
    }
}

#[test]
fn a_crash_during_repair_leaves_a_spool_to_repair() {
    let disk = rotten();
    let files = segments(&disk);
    for n in 1..30 {
        for seed in 0..4 {
            let damaged = copy(&disk);
            for path in &files {
                damaged.flip_bit(path, 300, 1).unwrap();
            }
            let lost = verify(&damaged, Path::new(DIRECTORY)).unwrap().lost();
            damaged.crash_at(n);
            let _ = repair(&damaged, &clock(), Path::new(DIRECTORY));
            let survived = damaged.crash(seed);
            repair(&survived, &clock(), Path::new(DIRECTORY)).unwrap();
            let report = verify(&survived, Path::new(DIRECTORY)).unwrap();
            assert!(report.is_sound(), "{report}");
            let noted: Vec<_> = report
                .segments
                .iter()
                .flat_map(|segment| segment.known_lost.clone())
                .collect();
            assert_eq!(noted, lost);
        }
    }
}

#[test]
fn a_missing_segment_is_a_gap() {
    let disk = rotten();
    let files = segments(&disk);
    disk.remove(&files[1]).unwrap();
    let Opened {
        spool, recovery, ..
    } = try_open(&disk, check_all()).unwrap();
    assert!(!recovery.is_sound());
    let (_, gaps) = read_all(&spool, 1);
    assert_eq!(gaps.len(), 1);
    let lost = gaps[0].sequences.clone();
    drop(spool);
    let report = repair(&disk, &clock(), Path::new(DIRECTORY)).unwrap();
    assert_eq!(report.lost, vec![lost]);
    assert!(verify(&disk, Path::new(DIRECTORY)).unwrap().is_sound());
}

#[test]
fn a_last_segment_without_a_trace_does_not_give_its_sequences_again() {
    let disk = rotten();
    let last = segments(&disk).pop().unwrap();
    let length = disk.contents(&last).unwrap().len();
    disk.install(&last, &vec![0; length]);
    let (spool, recovery) = open(&disk, config());
    let lost = recovery.lost_end.clone().unwrap();
    assert!(!recovery.is_sound() && lost.start < 49 && lost.end > 49 && recovery.head == lost.end);
    assert_eq!(commit(&spool, batch(0..1, 84)).start, lost.end);
    assert_eq!(read_all(&spool, 1).1[0].sequences, lost);
    drop(spool);
    assert!(open(&disk, config()).1.is_sound());
}

#[test]
fn what_a_reader_has_seen_is_never_given_again() {
    let disk = rotten();
    let last = segments(&disk).pop().unwrap();
    // The last two frames: the seal, and the one whose end nothing else proves.
    let offsets = frame_offsets(&disk.contents(&last).unwrap());
    for offset in &offsets[offsets.len() - 3..offsets.len() - 1] {
        disk.flip_bit(&last, offset + 5, 0).unwrap();
    }
    let forgetful = copy(&disk);
    assert_eq!(
        open(&forgetful, config()).1.head,
        46,
        "without a hint it looks like a torn write"
    );

    let (spool, recovery) = open(
        &disk,
        SpoolConfig {
            known_head: 49,
            ..config()
        },
    );
    assert_eq!((recovery.head, recovery.lost_end), (49, Some(46..49)));
    assert_eq!(commit(&spool, batch(0..1, 84)), 49..50);
    let (_, gaps) = read_all(&spool, 1);
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (&gaps[0].sequences, &gaps[0].reason),
        (&(46..49), &GapReason::Lost)
    );
}

#[test]
fn reading_from_inside_a_noted_loss_tells_of_the_rest_only() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    commit(&spool, batch(0..4, 84));
    drop(spool);
    let (spool, _) = open(
        &disk,
        SpoolConfig {
            known_head: 20,
            ..config()
        },
    );
    commit(&spool, batch(4..5, 84));
    for from in [3, 5, 12, 19, 20] {
        let (frames, gaps) = read_all(&spool, from);
        let missed = gaps.into_iter().map(|gap| gap.sequences).next();
        let expected = (from < 20).then_some(from.max(5)..20);
        assert_eq!(missed, expected, "from {from}");
        assert_eq!(frames.last().unwrap().first_sequence(), 20);
    }
}

#[test]
fn a_damaged_meta_file_beside_an_unmade_segment_is_not_taken_for_a_new_spool() {
    let disk = rotten();
    disk.flip_bit(Path::new(META), 20, 0).unwrap();
    for path in segments(&disk) {
        disk.remove(&path).unwrap();
    }
    disk.install(Path::new("spool/00000000000000000001.seg"), &[0; 10]);
    assert!(matches!(
        try_open(&disk, config()),
        Err(SpoolError::Damaged { .. })
    ));
}

#[test]
fn files_of_others_are_not_touched() {
    let disk = rotten();
    let other = MemoryBackend::new();
    let foreign = Identity {
        epoch: 1,
        origin: 1,
    };
    let opened = Spool::open(
        Arc::new(other.clone()),
        Arc::new(clock()),
        config(),
        foreign,
    )
    .unwrap();
    commit(&opened.spool, batch(0..9, 84));
    drop(opened);
    let file = other.contents(&segments(&other)[0]).unwrap();
    for place in [
        "spool/00000000000000000100.seg",
        "spool/00000000000000000001.seg",
    ] {
        let mixed = copy(&disk);
        mixed.install(Path::new(place), &file);
        let error = try_open(&mixed, config()).unwrap_err();
        assert!(
            matches!(&error, SpoolError::Damaged { path, .. } if path == Path::new(place)),
            "{error}"
        );
        assert!(repair(&mixed, &clock(), Path::new(DIRECTORY)).is_err());
        assert_eq!(mixed.contents(Path::new(place)).unwrap(), file);
    }
    // A renamed segment.
    let first = disk.contents(&segments(&disk)[0]).unwrap();
    disk.install(Path::new("spool/00000000000000000100.seg"), &first);
    let error = try_open(&disk, config()).unwrap_err().to_string();
    assert!(
        error.contains("its header says that it starts at sequence 1"),
        "{error}"
    );
}

#[test]
fn strange_files_are_reported_and_left_alone() {
    let disk = rotten();
    disk.install(Path::new("spool/notes.txt"), b"by an operator");
    disk.install(Path::new("spool/meta.tmp"), b"half");
    let (_, recovery) = open(&disk, config());
    assert_eq!(recovery.unknown, [PathBuf::from("spool/notes.txt")]);
    assert_eq!(recovery.removed, [PathBuf::from("spool/meta.tmp")]);
    assert_eq!(
        disk.contents(Path::new("spool/notes.txt")).unwrap(),
        b"by an operator"
    );
}

#[test]
fn a_spool_whose_segments_are_gone_starts_again_as_another_one() {
    let disk = rotten();
    for path in segments(&disk) {
        disk.remove(&path).unwrap();
    }
    let identity = Identity {
        epoch: 7,
        origin: 8,
    };
    let Opened {
        spool, recovery, ..
    } = Spool::open(Arc::new(disk), Arc::new(clock()), config(), identity).unwrap();
    assert!(recovery.restarted && !recovery.is_sound());
    assert_eq!((spool.identity(), spool.head()), (identity, 1));
}

#[test]
fn without_meta_file_and_headers_nothing_is_guessed() {
    let disk = rotten();
    disk.remove(Path::new(META)).unwrap();
    for path in segments(&disk) {
        disk.flip_bit(&path, 20, 0).unwrap();
    }
    assert!(matches!(
        try_open(&disk, config()),
        Err(SpoolError::Damaged { .. })
    ));
    assert!(verify(&disk, Path::new(DIRECTORY)).is_err());
    assert!(repair(&disk, &clock(), Path::new(DIRECTORY)).is_err());
}

#[test]
fn an_empty_directory_is_sound() {
    let disk = MemoryBackend::new();
    assert!(verify(&disk, Path::new(DIRECTORY)).unwrap().is_sound());
    assert_eq!(
        repair(&disk, &clock(), Path::new(DIRECTORY)).unwrap(),
        Default::default()
    );
}
