//! Whatever happens to the machine at whatever operation, the store is in the old state or in the
//! new one; what was acknowledged is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use support::{DAY, Row, open, read_all, rows, schema};
use tidings_spool::fault::MemoryBackend;
use tidings_store::{DAY_NS, Error, PartFlags, Result, RowBatch, RowSet, Store};

/// Rows and blob of a store: all that a commit changes.
type Seen = (Vec<String>, Option<Vec<u8>>);

fn seen(store: &Store) -> Seen {
    let mut rows: Vec<String> = read_all(store)
        .iter()
        .map(|row| format!("{row:?}"))
        .collect();
    rows.sort();
    (rows, store.snapshot().blob("cursor").map(<[u8]>::to_vec))
}

fn try_open(disk: &MemoryBackend) -> Result<Store> {
    Store::open(Arc::new(disk.clone()), vec![schema()]).map(|(store, _)| store)
}

/// Adds two parts, deletes rows of an older one, moves the cursor: one commit.
fn change(store: &Store, round: u64) -> Result<()> {
    let mut transaction = store.begin();
    for seed in [round * 2, round * 2 + 1] {
        let mut batch = RowBatch::new(store.schema("events")?);
        rows(60, seed)
            .iter()
            .for_each(|row: &Row| row.put(&mut batch));
        transaction.add("events", DAY, &mut batch, PartFlags::LIVE)?;
    }
    if let Some(part) = store.snapshot().parts("events", ..)?.first() {
        transaction.delete_rows(part.id(), &RowSet::range(round as u32..round as u32 + 3));
    }
    transaction.set_blob("cursor", &round.to_le_bytes());
    transaction.commit().map(drop)
}

fn merge(store: &Store) -> Result<()> {
    let plans = store.plan_merges(DAY.start_ns() + 5 * DAY_NS);
    assert!(!plans.is_empty());
    plans
        .iter()
        .try_for_each(|plan| store.merge(plan, &AtomicBool::new(false)).map(drop))
}

/// Crashes `work` at each of its operations, with several fates of what was not synced.
fn crash_everywhere(prepare: &dyn Fn(&Store), work: &dyn Fn(&Store) -> Result<()>) {
    let reference = MemoryBackend::new();
    let store = open(&reference);
    prepare(&store);
    let old = seen(&store);
    let before = reference.operations();
    work(&store).unwrap();
    let operations = reference.operations() - before;
    let new = seen(&store);
    assert!(operations > 8);
    for at in 1..=operations {
        for seed in [0, 1, at + 7] {
            let disk = MemoryBackend::new();
            let store = open(&disk);
            prepare(&store);
            disk.crash_at(at);
            let acknowledged = work(&store).is_ok();
            drop(store);
            let after = disk.crash(seed);
            let found = seen(&try_open(&after).unwrap());
            let what = format!("crash at operation {at} of {operations}, seed {seed}");
            assert!(found == new || (found == old && !acknowledged), "{what}");
            // It goes on from there, and leaves nothing behind.
            let store = open(&after);
            change(&store, 27).unwrap();
            drop(store);
            let (_, report) = Store::open(Arc::new(after.kill()), vec![schema()]).unwrap();
            assert!(
                report.removed.is_empty() && report.damaged.is_empty(),
                "{what}: {report:?}"
            );
        }
    }
}

#[test]
fn a_commit_survives_a_crash_at_every_operation() {
    crash_everywhere(
        &|store| (1..3).for_each(|round| change(store, round).unwrap()),
        &|store| change(store, 5),
    );
}

#[test]
fn a_merge_survives_a_crash_at_every_operation() {
    crash_everywhere(
        &|store| (1..3).for_each(|round| change(store, round).unwrap()),
        &merge,
    );
}

#[test]
fn a_first_open_survives_a_crash_at_every_operation() {
    for at in 1..12 {
        for seed in [0, 1, at + 9] {
            let disk = MemoryBackend::new();
            disk.crash_at(at);
            let _ = try_open(&disk);
            let after = disk.crash(seed);
            let store = try_open(&after).unwrap();
            change(&store, 1).unwrap();
            assert_eq!(seen(&store).0.len(), 120);
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_state_and_is_got_over() {
    let mut refused = 0;
    for bytes in (0..60_000).step_by(700) {
        let disk = MemoryBackend::new();
        let store = open(&disk);
        change(&store, 1).unwrap();
        let old = seen(&store);
        disk.full_after(bytes);
        match change(&store, 2) {
            Ok(()) => continue,
            Err(Error::Io { source, .. }) => {
                assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
            }
            Err(other) => panic!("{other}"),
        }
        refused += 1;
        assert_eq!(seen(&store), old, "full after {bytes} bytes");
        assert!(!store.is_poisoned());
        disk.never_full();
        change(&store, 2).unwrap();
        assert_eq!(seen(&store).0.len(), old.0.len() + 120 - 3);
        assert_eq!(seen(&open(&disk.kill())).0.len(), old.0.len() + 120 - 3);
    }
    assert!(refused > 5);
}

#[test]
fn a_failed_sync_of_the_manifest_poisons_and_of_a_part_does_not() {
    let count_syncs = {
        let disk = MemoryBackend::new();
        let store = open(&disk);
        change(&store, 1).unwrap();
        let before = disk.syncs();
        change(&store, 2).unwrap();
        disk.syncs() - before
    };
    assert_eq!(count_syncs, 5, "two parts, two sidecars, the manifest");
    let disk = MemoryBackend::new();
    let store = open(&disk);
    change(&store, 1).unwrap();
    let old = seen(&store);
    disk.fail_sync_once();
    assert!(change(&store, 2).is_err());
    assert!(!store.is_poisoned());
    assert_eq!(seen(&store), old);
    // A blob alone needs no part: the only sync is the manifest's.
    disk.fail_sync_once();
    let mut transaction = store.begin();
    transaction.set_blob("cursor", b"x");
    assert!(transaction.commit().is_err());
    assert!(store.is_poisoned());
    assert!(matches!(change(&store, 3), Err(Error::Poisoned)));
    assert_eq!(seen(&store), old, "reads go on");
    let again = open(&disk.crash(0));
    assert_eq!(seen(&again), old);
    change(&again, 3).unwrap();
}

#[test]
fn the_manifest_is_rewritten_when_its_edits_outgrow_it() {
    let disk = MemoryBackend::new();
    let store = open(&disk);
    let large = vec![7u8; 200_000];
    for round in 0..20u8 {
        let mut transaction = store.begin();
        transaction.set_blob("large", &large);
        transaction.set_blob(format!("small.{round}"), &[round]);
        transaction.delete_blob(format!("small.{}", round.wrapping_sub(2)));
        transaction.commit().unwrap();
    }
    assert!(disk.contents("manifest".as_ref()).unwrap().len() < 2_600_000);
    let again = open(&disk.crash(0));
    let snapshot = again.snapshot();
    let small: Vec<_> = snapshot
        .blobs("small.")
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(small, ["small.18", "small.19"]);
    assert_eq!(snapshot.blob("large"), Some(&large[..]));
}

#[test]
fn a_lost_manifest_is_an_error_and_removes_no_part() {
    let disk = MemoryBackend::new();
    change(&open(&disk), 1).unwrap();
    tidings_spool::Backend::remove(&disk, "manifest".as_ref()).unwrap();
    let error = try_open(&disk).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("manifest is damaged: it is missing")
    );
    assert!(
        tidings_spool::Backend::list(&disk, "events".as_ref())
            .unwrap()
            .len()
            == 4
    );
}
