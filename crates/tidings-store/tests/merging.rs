//! Merged parts hold the same rows, sorted, found by the same tokens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{DAY, Numbers, Row, add, add_as, open, read_all, read_part, rows, schema, sorted};
use tidings_spool::fault::MemoryBackend;
use tidings_store::{
    Column, DAY_NS, Error, Kind, MergePlan, PartFlags, RowBatch, RowSet, Schema, Store, TokenExpr,
};

fn plan_all(store: &Store) -> MergePlan {
    let parts = store.snapshot().parts("events", ..).unwrap();
    MergePlan {
        table: "events".into(),
        parts: parts.iter().map(tidings_store::Part::id).collect(),
        rows: parts.iter().map(|part| u64::from(part.rows())).sum(),
        day: DAY,
        settles: false,
    }
}

static GO: AtomicBool = AtomicBool::new(false);

#[test]
fn a_merge_keeps_every_row_and_finds_them_by_token() {
    let disk = MemoryBackend::new();
    let store = open(&disk);
    let mut expected = Vec::new();
    for (count, seed) in [(40_000, 20), (7_000, 21), (1, 22), (5_000, 23)] {
        let some = rows(count, seed);
        add(&store, &some);
        expected.extend(some);
    }
    let expected = sorted(expected);
    let before = store.snapshot();
    let report = store.merge(&plan_all(&store), &GO).unwrap();
    assert_eq!((report.rows, report.dropped_rows), (52_001, 0));
    let snapshot = store.snapshot();
    let parts = snapshot.parts("events", ..).unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].level(), 1);
    let all = read_part(&parts[0]);
    // Rows of equal keys may come in another order than the tests' stable sort gives them.
    assert!(all.windows(2).all(|pair| pair[0].key() <= pair[1].key()));
    assert_eq!(by_line(all.clone()), by_line(expected.clone()));
    let tokens: Vec<Vec<String>> = all.iter().map(Row::tokens).collect();
    let mut numbers = Numbers(24);
    for _ in 0..100 {
        let Some(token) = tokens[numbers.below(all.len() as u64) as usize].first() else {
            continue;
        };
        let found = parts[0].candidates(&TokenExpr::token(token)).unwrap();
        for (at, other) in tokens.iter().enumerate() {
            assert!(!other.contains(token) || found.contains(at as u32));
        }
    }
    // The old snapshot still reads the old parts; their files go with it.
    assert_eq!(before.parts("events", ..).unwrap().len(), 4);
    assert_eq!(
        read_part(&before.parts("events", ..).unwrap()[0]).len() % 1000,
        0
    );
    drop(before);
    drop((snapshot, parts));
    let again = open(&disk.kill());
    assert_eq!(by_line(read_all(&again)), by_line(expected));
    assert_eq!(again.snapshot().parts("events", ..).unwrap().len(), 1);
}

fn by_line(mut rows: Vec<Row>) -> Vec<String> {
    rows.sort_by_key(|row| (row.line, row.time));
    let mut texts: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    texts.sort();
    texts
}

#[test]
fn many_inputs_of_other_columns_and_nulls_merge() {
    let store = open(&MemoryBackend::new());
    let mut expected = Vec::new();
    for seed in 0..14 {
        let mut some = rows(3000, 100 + seed);
        for row in &mut some {
            if seed % 3 == 0 {
                (row.note, row.tls, row.delay) = (None, None, None);
            }
            if seed == 5 {
                (row.span_start, row.span) = (None, None);
            }
        }
        add(&store, &some);
        expected.extend(some);
    }
    store.merge(&plan_all(&store), &GO).unwrap();
    let all = read_all(&store);
    assert_eq!(store.snapshot().parts("events", ..).unwrap().len(), 1);
    assert!(all.windows(2).all(|pair| pair[0].key() <= pair[1].key()));
    assert_eq!(by_line(all), by_line(expected));
}

#[test]
fn deleted_rows_are_dropped() {
    let store = open(&MemoryBackend::new());
    for seed in 30..33 {
        add(&store, &rows(9000, seed));
    }
    let delete = |from: u32, to: u32| {
        let mut transaction = store.begin();
        for part in store.snapshot().parts("events", ..).unwrap() {
            transaction.delete_rows(part.id(), &RowSet::from_ranges(vec![from..to, 8000..8010]));
        }
        transaction.commit().unwrap();
    };
    delete(100, 700);
    let report = store.merge(&plan_all(&store), &GO).unwrap();
    assert_eq!(
        (report.rows, report.dropped_rows),
        (3 * (9000 - 610), 3 * 610)
    );
    assert_eq!(read_all(&store).len() as u64, report.rows);
}

#[test]
fn deletions_during_a_merge_hit_the_same_rows() {
    let store = open(&MemoryBackend::new());
    for seed in 40..43 {
        add(&store, &rows(5000, seed));
    }
    let delete = |part, rows: &RowSet| {
        let mut transaction = store.begin();
        transaction.delete_rows(part, rows);
        transaction.commit().unwrap();
    };
    let parts = store.snapshot().parts("events", ..).unwrap();
    delete(parts[0].id(), &RowSet::from_ranges(vec![10..20, 300..301]));
    let late = RowSet::from_ranges(vec![0..15, 299..303, 4990..5000]);
    let mut expected = Vec::new();
    for (at, part) in store
        .snapshot()
        .parts("events", ..)
        .unwrap()
        .iter()
        .enumerate()
    {
        let kept = if at < 2 {
            part.all().minus(&late)
        } else {
            part.all()
        };
        let read = part.read(&support::ALL, &kept).unwrap();
        expected.extend((0..read.len()).map(|i| Row::get(&read, i)));
    }
    let merge = store.prepare_merge(&plan_all(&store), &GO).unwrap();
    delete(parts[0].id(), &late);
    delete(parts[1].id(), &late);
    let merged = merge.commit().unwrap().part.unwrap();
    assert_eq!(
        store.snapshot().part(merged).unwrap().deleted_rows(),
        (29 - 6) + 29
    );
    assert_eq!(by_line(read_all(&store)), by_line(expected));
}

#[test]
fn a_part_of_nothing_but_deleted_rows_vanishes() {
    let store = open(&MemoryBackend::new());
    add(&store, &rows(100, 50));
    let part = store.snapshot().parts("events", ..).unwrap()[0].id();
    let mut transaction = store.begin();
    transaction.delete_rows(part, &RowSet::range(0..100));
    transaction.commit().unwrap();
    let plans = store.plan_merges(DAY.start_ns());
    assert_eq!(plans.len(), 1);
    let report = store.merge(&plans[0], &GO).unwrap();
    assert_eq!((report.part, report.dropped_rows), (None, 100));
    assert!(store.snapshot().parts("events", ..).unwrap().is_empty());
}

#[test]
fn a_cancelled_merge_changes_nothing_and_leaves_nothing() {
    let disk = MemoryBackend::new();
    let store = open(&disk);
    for seed in 60..64 {
        add(&store, &rows(20_000, seed));
    }
    let expected = read_all(&store);
    let cancel = AtomicBool::new(false);
    cancel.store(true, Ordering::Relaxed);
    assert!(matches!(
        store.merge(&plan_all(&store), &cancel),
        Err(Error::Cancelled)
    ));
    assert_eq!(read_all(&store), expected);
    let (_, report) = Store::open(Arc::new(disk.kill()), vec![schema()]).unwrap();
    assert_eq!(report.removed, Vec::<std::path::PathBuf>::new());
}

#[test]
fn imported_and_live_rows_do_not_mix_and_plans_run_out() {
    let store = open(&MemoryBackend::new());
    for seed in 70..75 {
        add(&store, &rows(500, seed));
        add_as(&store, &rows(400, seed), PartFlags::IMPORTED);
    }
    let now = DAY.start_ns() + 3 * DAY_NS;
    let mut merges = 0;
    while let Some(plan) = store.plan_merges(now).first() {
        store.merge(plan, &GO).unwrap();
        merges += 1;
        assert!(merges < 10);
    }
    assert_eq!(merges, 2);
    let parts = store.snapshot().parts("events", ..).unwrap();
    let mut shapes: Vec<_> = parts
        .iter()
        .map(|part| (part.flags().is_imported(), part.rows()))
        .collect();
    shapes.sort();
    assert_eq!(shapes, [(false, 2500), (true, 2000)]);
}

#[test]
fn columns_that_the_schema_lost_survive_a_merge() {
    let disk = MemoryBackend::new();
    let old = || {
        let columns = vec![
            Column::new("time", Kind::Time).required(),
            Column::new("gone", Kind::Text),
            Column::new("kept", Kind::Int),
        ];
        Schema::new("t", columns, &["time"], "time", support::tokens).unwrap()
    };
    let new = || {
        let columns = vec![
            Column::new("kept", Kind::Int),
            Column::new("fresh", Kind::Text),
            Column::new("time", Kind::Time).required(),
        ];
        Schema::new("t", columns, &["time"], "time", support::tokens).unwrap()
    };
    {
        let (store, _) = Store::open(Arc::new(disk.clone()), vec![old()]).unwrap();
        for at in 0..2 {
            let mut batch = RowBatch::new(store.schema("t").unwrap());
            batch.begin_row();
            batch.put_time(0, DAY.start_ns() + at);
            batch.put_text(1, "remember");
            batch.put_int(2, 7 + at);
            let mut transaction = store.begin();
            transaction
                .add("t", DAY, &mut batch, PartFlags::LIVE)
                .unwrap();
            transaction.commit().unwrap();
        }
    }
    {
        let (store, _) = Store::open(Arc::new(disk.clone()), vec![new()]).unwrap();
        let parts = store.snapshot().parts("t", ..).unwrap();
        let rows = parts[0].read(&[0, 1, 2], &parts[0].all()).unwrap();
        assert_eq!((rows.int(0, 0), rows.text(1, 0)), (Some(8), None));
        let plan = store.plan_merges(DAY.start_ns() + 9 * DAY_NS).remove(0);
        store.merge(&plan, &GO).unwrap();
    }
    let (store, _) = Store::open(Arc::new(disk), vec![old()]).unwrap();
    let parts = store.snapshot().parts("t", ..).unwrap();
    let rows = parts[0].read(&[1, 2], &parts[0].all()).unwrap();
    assert_eq!(
        (rows.text(1, 1), rows.int(2, 1)),
        (Some("remember"), Some(8))
    );
}
