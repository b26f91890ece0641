//! Snapshots and checkpoints: what the spool's owner rebuilds its state from.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and sleep"
)]

mod common;

use common::{batch, commit, config, frame_offsets, open, record, segments};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Batch, Spool};

const SNAPSHOT: u8 = 1;

fn checkpoint(n: u64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

/// What an owner does at start: the last snapshot, then the checkpoints behind it.
fn rebuild(spool: &Spool) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let snapshot = spool.last_control(SNAPSHOT).unwrap();
    let checkpoints = match &snapshot {
        Some(control) => spool.checkpoints(control.next_position).unwrap(),
        None => spool.checkpoints(1).unwrap(),
    };
    let behind = checkpoints
        .map(|checkpoint| checkpoint.unwrap().bytes)
        .collect();
    (snapshot.map(|control| control.bytes), behind)
}

#[test]
fn state_is_the_last_snapshot_and_the_checkpoints_behind_it() {
    let disk = MemoryBackend::new();
    let (mut spool, _) = open(&disk, config());
    let mut expected = (None, Vec::new());
    for n in 0..60 {
        match n % 10 {
            4 => {
                commit(&spool, Batch::control(SNAPSHOT, record(n, 100)));
                expected = (Some(record(n, 100)), Vec::new());
            }
            // Checkpoints at the very sequence of the snapshot, before and behind it.
            3 | 5 => {
                commit(&spool, Batch::checkpoint(checkpoint(n)));
                expected.1.push(checkpoint(n));
            }
            7 => drop(commit(&spool, Batch::control(2, record(n, 50)))),
            8 => {
                drop(spool);
                spool = open(&disk, config()).0;
            }
            _ => {
                commit(&spool, batch(n..n + 2, 84).with_checkpoint(checkpoint(n)));
                expected.1.push(checkpoint(n));
            }
        }
        assert_eq!(rebuild(&spool), expected, "step {n}");
    }
    assert_eq!(
        spool.last_control(2).unwrap().unwrap().bytes,
        record(57, 50)
    );
    assert_eq!(spool.last_control(9).unwrap(), None);
}

#[test]
fn a_snapshot_is_found_however_long_ago_it_was() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    commit(&spool, batch(0..2, 84));
    let at = commit(&spool, Batch::control(SNAPSHOT, b"old".to_vec())).start;
    for n in 0..60 {
        commit(&spool, batch(n..n + 3, 84));
    }
    drop(spool);
    assert!(segments(&disk).len() > 5);
    let (spool, _) = open(&disk, config());
    for _ in 0..2 {
        let control = spool.last_control(SNAPSHOT).unwrap().unwrap();
        assert_eq!((control.sequence, control.bytes), (at, b"old".to_vec()));
    }
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    let mut places = Vec::new();
    for n in 0..6 {
        commit(&spool, Batch::control(SNAPSHOT, record(n, 300)));
        places.push(segments(&disk).last().unwrap().clone());
        for m in 0..n {
            commit(&spool, batch(m..m + 5, 84));
        }
    }
    drop(spool);
    for n in (1..6).rev() {
        let bytes = disk.contents(&places[n]).unwrap();
        let at = bytes
            .windows(300)
            .position(|window| window == record(n as u64, 300))
            .unwrap();
        disk.flip_bit(&places[n], at as u64 + 20, 3).unwrap();
        let (spool, _) = open(&disk, config());
        let control = spool.last_control(SNAPSHOT).unwrap().unwrap();
        assert_eq!(control.bytes, record(n as u64 - 1, 300));
        // The checkpoints' walk says that something may be missing.
        let mut checkpoints = spool.checkpoints(control.next_position).unwrap();
        assert_eq!(checkpoints.by_ref().count(), 0);
        assert!(!checkpoints.gaps().is_empty());
    }
}

#[test]
fn a_checkpoint_and_its_events_are_there_together_or_not_at_all() {
    for n in 1..30 {
        for seed in 2..12 {
            let disk = MemoryBackend::new();
            let (spool, _) = open(&disk, config());
            disk.crash_at(n);
            for m in 0..6 {
                let _ = spool.append(batch(m..m + 9, 84).with_checkpoint(checkpoint(m)));
                let _ = spool.sync();
            }
            let (spool, _) = open(&disk.crash(seed), config());
            let checkpoints: Vec<_> = spool.checkpoints(1).unwrap().map(Result::unwrap).collect();
            assert_eq!(spool.head() - 1, 9 * checkpoints.len() as u64);
            for (m, found) in (0..).zip(checkpoints) {
                assert_eq!(
                    (found.sequences, found.bytes),
                    (9 * m + 1..9 * m + 10, checkpoint(m))
                );
            }
        }
    }
}

#[test]
fn the_walk_ends_where_the_spool_ended_when_it_began() {
    let disk = MemoryBackend::new();
    let (spool, _) = open(&disk, config());
    commit(&spool, Batch::checkpoint(checkpoint(1)));
    let checkpoints = spool.checkpoints(0).unwrap();
    commit(&spool, Batch::checkpoint(checkpoint(2)));
    assert_eq!(checkpoints.count(), 1);
    assert_eq!(
        frame_offsets(&disk.contents(&segments(&disk)[0]).unwrap()).len(),
        3
    );
}
