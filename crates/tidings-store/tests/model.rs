//! Any sequence of adds, deletions, merges, reopenings and retention gives what a plain list of
//! rows gives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use support::{DAY, Row, add, open, read_part, rows, schema};
use tidings_spool::fault::MemoryBackend;
use tidings_store::{DAY_NS, MergePlan, PartFlags, RowBatch, RowSet, Store, TokenExpr};

#[derive(Clone, Debug)]
enum Step {
    Add { rows: usize, seed: u64 },
    Delete { part: usize, from: u32, rows: u32 },
    MergeSome { first: usize, count: usize },
    MergePlanned,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..400, any::<u64>()).prop_map(|(rows, seed)| Step::Add { rows, seed }),
        2 => (0usize..8, 0u32..400, 1u32..200)
            .prop_map(|(part, from, rows)| Step::Delete { part, from, rows }),
        2 => (0usize..4, 2usize..6).prop_map(|(first, count)| Step::MergeSome { first, count }),
        1 => Just(Step::MergePlanned),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..14)
}

/// A row as text, so that rows compare and sort.
fn texts(rows: impl IntoIterator<Item = Row>) -> Vec<String> {
    let mut texts: Vec<String> = rows.into_iter().map(|row| format!("{row:?}")).collect();
    texts.sort();
    texts
}

fn seen(store: &Store) -> Vec<Row> {
    store
        .snapshot()
        .parts("events", ..)
        .unwrap()
        .iter()
        .flat_map(read_part)
        .collect()
}

fn delete(store: &Store, model: &mut Vec<Row>, part: usize, from: u32, count: u32) {
    let parts = store.snapshot().parts("events", ..).unwrap();
    let Some(part) = parts.get(part) else { return };
    let gone = RowSet::range(from..from + count).and(&RowSet::range(0..part.rows()));
    let read = part.read(&support::ALL, &gone).unwrap();
    for row in (0..read.len()).map(|i| Row::get(&read, i)) {
        let at = model.iter().position(|known| *known == row).unwrap();
        model.swap_remove(at);
    }
    let mut transaction = store.begin();
    transaction.delete_rows(part.id(), &gone);
    transaction.commit().unwrap();
}

fn merge_some(store: &Store, first: usize, count: usize) {
    let parts = store.snapshot().parts("events", ..).unwrap();
    let chosen: Vec<_> = parts
        .iter()
        .skip(first)
        .take(count)
        .map(tidings_store::Part::id)
        .collect();
    if !chosen.is_empty() {
        let plan = MergePlan {
            table: "events".into(),
            parts: chosen,
            rows: 0,
            day: DAY,
            settles: false,
        };
        store.merge(&plan, &AtomicBool::new(false)).unwrap();
    }
}

fn check_tokens(store: &Store, model: &[Row]) {
    for row in model.iter().step_by(model.len() / 3 + 1) {
        let Some(token) = row.tokens().into_iter().next() else {
            continue;
        };
        let expected = model
            .iter()
            .filter(|row| row.tokens().contains(&token))
            .count();
        let mut found = 0;
        for part in store.snapshot().parts("events", ..).unwrap() {
            let candidates = part.candidates(&TokenExpr::token(&token)).unwrap();
            let read = part.read(&support::ALL, &candidates).unwrap();
            let matches = |i: &usize| Row::get(&read, *i).tokens().contains(&token);
            found += (0..read.len()).filter(matches).count();
        }
        assert_eq!(found, expected, "{token}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_store_behaves_like_a_list(steps in steps()) {
        let disk = MemoryBackend::new();
        let mut store = open(&disk);
        let mut model: Vec<Row> = Vec::new();
        for step in steps {
            match step {
                Step::Add { rows: count, seed } => {
                    let some = rows(count, seed);
                    add(&store, &some);
                    model.extend(some);
                }
                Step::Delete { part, from, rows } => delete(&store, &mut model, part, from, rows),
                Step::MergeSome { first, count } => merge_some(&store, first, count),
                Step::MergePlanned => {
                    for plan in store.plan_merges(DAY.start_ns() + 3 * DAY_NS) {
                        store.merge(&plan, &AtomicBool::new(false)).unwrap();
                    }
                }
                Step::Reopen => {
                    drop(store);
                    store = open(&disk);
                }
            }
            assert_eq!(seen(&store).len(), model.len());
        }
        assert_eq!(texts(seen(&store)), texts(model.clone()));
        check_tokens(&store, &model);
    }
}

#[test]
fn readers_see_whole_states_while_one_writes_and_merges() {
    let store = open(&MemoryBackend::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut looks = 0;
                    while !done.load(Ordering::Relaxed) || looks < 3 {
                        // Every commit adds 300 rows in two parts, and says so in a blob.
                        let snapshot = store.snapshot();
                        let said = snapshot
                            .blob("rows")
                            .map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
                        let parts = snapshot.parts("events", ..).unwrap();
                        let count = |part: &tidings_store::Part| {
                            part.read(&[0, 5], &part.all()).unwrap().len() as u64
                        };
                        assert_eq!(parts.iter().map(count).sum::<u64>(), said);
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        let merger = scope.spawn(|| {
            let mut merges = 0;
            while !done.load(Ordering::Relaxed) {
                for plan in store.plan_merges(DAY.start_ns()) {
                    store.merge(&plan, &AtomicBool::new(false)).unwrap();
                    merges += 1;
                }
            }
            merges
        });
        for round in 0..40u64 {
            let mut transaction = store.begin();
            for (count, seed) in [(100, round), (200, round + 1000)] {
                let mut batch = RowBatch::new(store.schema("events").unwrap());
                rows(count, seed).iter().for_each(|row| row.put(&mut batch));
                transaction
                    .add("events", DAY, &mut batch, PartFlags::LIVE)
                    .unwrap();
            }
            transaction.set_blob("rows", &((round + 1) * 300).to_le_bytes());
            transaction.commit().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(merger.join().unwrap() > 0);
        for reader in readers {
            assert!(reader.join().unwrap() >= 3);
        }
    });
}

#[test]
fn parts_are_built_on_several_threads_and_committed_together() {
    let store = open(&MemoryBackend::new());
    let built: Vec<_> = std::thread::scope(|scope| {
        let build = |seed| {
            let store = store.clone();
            scope.spawn(move || {
                let mut batch = RowBatch::new(store.schema("events").unwrap());
                rows(500, seed).iter().for_each(|row| row.put(&mut batch));
                store
                    .build("events", DAY, &mut batch, PartFlags::LIVE)
                    .unwrap()
                    .unwrap()
            })
        };
        let threads: Vec<_> = (0..4).map(build).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut transaction = store.begin();
    let mut built = built.into_iter();
    for part in built.by_ref().take(3) {
        transaction.add_part(part);
    }
    transaction.commit().unwrap();
    // The fourth is given up: its files go.
    drop(built);
    assert_eq!(seen(&store).len(), 1500);
}

#[test]
fn a_store_of_two_hundred_parts_opens_without_opening_them() {
    let disk = MemoryBackend::new();
    let store = open(&disk);
    for seed in 0..200 {
        add(&store, &rows(3, seed));
    }
    drop(store);
    let (store, report) = Store::open(Arc::new(disk.clone()), vec![schema()]).unwrap();
    assert_eq!((report.parts, report.rows), (200, 600));
    assert_eq!(store.snapshot().stats("events").parts, 200);
}
