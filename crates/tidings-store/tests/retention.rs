//! Old parts go as a whole, imported ones by a rule of their own, bytes by whole days.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;

use support::{open, rows, schema};
use tidings_spool::fault::MemoryBackend;
use tidings_store::{DAY_NS, Day, Dropped, PartFlags, Retention, RowBatch, Store};

const TODAY: Day = Day(20_100);

fn add_day(store: &Store, day: Day, flags: PartFlags) {
    let mut batch = RowBatch::new(store.schema("events").unwrap());
    for mut row in rows(200, day.0 as u64) {
        row.time = day.start_ns() + row.line.unwrap();
        row.put(&mut batch);
    }
    let mut transaction = store.begin();
    transaction.add("events", day, &mut batch, flags).unwrap();
    transaction.commit().unwrap();
}

fn days(store: &Store) -> Vec<(i32, bool)> {
    let parts = store.snapshot().parts("events", ..).unwrap();
    let mut days: Vec<_> = parts
        .iter()
        .map(|part| (TODAY.0 - part.day().0, part.flags().is_imported()))
        .collect();
    days.sort_unstable();
    days
}

fn store(disk: &MemoryBackend) -> Store {
    let store = open(disk);
    for age in [0, 1, 5, 30] {
        add_day(&store, Day(TODAY.0 - age), PartFlags::LIVE);
        add_day(&store, Day(TODAY.0 - age), PartFlags::IMPORTED);
    }
    store
}

fn rule(live: Option<i64>, imported: Option<i64>) -> [Retention; 1] {
    let before = |days: i64| TODAY.start_ns() - days * DAY_NS;
    [Retention {
        table: "events".into(),
        live_before_ns: live.map(before),
        imported_before_ns: imported.map(before),
    }]
}

#[test]
fn cut_offs_are_separate_for_imported_parts() {
    let disk = MemoryBackend::new();
    let store = store(&disk);
    let held = store.snapshot();
    let dropped = store.retain(&rule(Some(4), None), None, TODAY).unwrap();
    assert_eq!((dropped.parts.len(), dropped.rows), (2, 400));
    assert_eq!(
        days(&store),
        [
            (0, false),
            (0, true),
            (1, false),
            (1, true),
            (5, true),
            (30, true)
        ]
    );
    store.retain(&rule(None, Some(10)), None, TODAY).unwrap();
    assert_eq!(
        days(&store),
        [(0, false), (0, true), (1, false), (1, true), (5, true)]
    );
    // The files of dropped parts go with the last snapshot.
    for part in held.parts("events", ..).unwrap() {
        assert_eq!(part.read(&[0], &part.all()).unwrap().len(), 200);
    }
    drop(held);
    let (again, report) = Store::open(Arc::new(disk.kill()), vec![schema()]).unwrap();
    assert!(report.removed.is_empty(), "{:?}", report.removed);
    assert_eq!(again.snapshot().stats("events").parts, 5);
}

#[test]
fn a_byte_limit_drops_the_oldest_live_days_and_spares_the_kept_ones() {
    let store = store(&MemoryBackend::new());
    let stats = store.snapshot().stats("events");
    let each = (stats.part_bytes + stats.sidecar_bytes) / 8;
    store.retain(&[], Some(each * 8 - each / 2), TODAY).unwrap();
    assert_eq!(days(&store).len(), 7);
    assert!(!days(&store).contains(&(30, false)));
    store.retain(&[], Some(0), Day(TODAY.0 - 1)).unwrap();
    let left = [
        (0, false),
        (0, true),
        (1, false),
        (1, true),
        (5, true),
        (30, true),
    ];
    assert_eq!(days(&store), left);
    let before = store.snapshot().sequence();
    assert_eq!(
        store.retain(&[], Some(0), Day(TODAY.0 - 1)).unwrap(),
        Dropped::default()
    );
    assert_eq!(store.snapshot().sequence(), before);
}
