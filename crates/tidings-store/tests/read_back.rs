//! What is written is read back, by value, by token, by time, in any choice of rows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use support::{ALL, DAY, Numbers, Row, add, open, read_all, read_part, rows, sorted};
use tidings_spool::fault::MemoryBackend;
use tidings_store::{NULL_CODE, RowBatch, RowSet, TokenExpr};

#[test]
fn rows_come_back_in_the_order_of_the_schema() {
    for count in [1, 2, 100, 4096, 5000, 40_000, 70_000] {
        let disk = MemoryBackend::new();
        let store = open(&disk);
        let expected = rows(count, 1);
        add(&store, &expected);
        let expected = sorted(expected);
        assert_eq!(read_all(&store), expected, "{count} rows");
        assert_eq!(read_all(&open(&disk.kill())), expected);
    }
}

#[test]
fn any_choice_of_rows_and_columns_reads_the_same_values() {
    let store = open(&MemoryBackend::new());
    add(&store, &rows(70_000, 2));
    let part = &store.snapshot().parts("events", ..).unwrap()[0];
    let all = read_part(part);
    let mut numbers = Numbers(3);
    for _ in 0..60 {
        let mut ranges = Vec::new();
        for _ in 0..numbers.below(6) {
            let start = numbers.below(70_000) as u32;
            let longest = [3, 300, 9000][numbers.below(3) as usize];
            let length = 1 + numbers.below(longest) as u32;
            ranges.push(start..(start + length).min(70_000));
        }
        let set = RowSet::from_ranges(ranges);
        let read = part.read(&ALL, &set).unwrap();
        let expected = set.ranges().iter().flat_map(|range| range.clone());
        assert!(read.numbers().iter().copied().eq(expected));
        for (i, &row) in read.numbers().iter().enumerate() {
            assert_eq!(Row::get(&read, i), all[row as usize]);
        }
        let two = part.read(&[10, 3], &set).unwrap();
        for (i, &row) in two.numbers().iter().enumerate() {
            assert_eq!(two.text(10, i), all[row as usize].note.as_deref());
            assert_eq!(two.int(3, i), all[row as usize].line);
        }
    }
}

#[test]
fn the_greatest_value_is_that_of_the_column() {
    for count in [1, 5000, 70_000] {
        let store = open(&MemoryBackend::new());
        add(&store, &rows(count, 5));
        let part = &store.snapshot().parts("events", ..).unwrap()[0];
        let lines = read_part(part).into_iter().map(|row| row.line).max();
        assert_eq!(part.greatest(3).unwrap(), lines.flatten(), "{count} rows");
        assert!(part.greatest(10).is_err(), "a column of texts");
    }
}

#[test]
fn candidates_hold_every_row_with_the_token() {
    let store = open(&MemoryBackend::new());
    add(&store, &rows(36_000, 4));
    let part = &store.snapshot().parts("events", ..).unwrap()[0];
    let all = read_part(part);
    let mut holders: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (row, at) in all.iter().zip(0u32..) {
        for token in row.tokens() {
            holders.entry(token).or_default().push(at);
        }
    }
    assert!(holders.len() > 10_000);
    for (token, rows) in &holders {
        let found = part.candidates(&TokenExpr::token(token)).unwrap();
        let missed = rows.iter().find(|&&row| !found.contains(row));
        assert_eq!(missed, None, "{token}");
    }
    let rare = all.iter().find_map(|row| row.message_id.clone()).unwrap();
    let found = part.candidates(&TokenExpr::token(rare)).unwrap();
    assert!(
        found.len() <= 1024,
        "a rare token gives {} rows",
        found.len()
    );
    let both = TokenExpr::And(vec![
        TokenExpr::token("example1"),
        TokenExpr::token("nowhere7"),
    ]);
    assert!(part.candidates(&both).unwrap().is_empty());
    let either = TokenExpr::Or(vec![TokenExpr::token("org"), TokenExpr::All]);
    assert_eq!(part.candidates(&either).unwrap(), part.all());
}

#[test]
fn times_prune_pages_and_lose_no_row() {
    let store = open(&MemoryBackend::new());
    add(&store, &rows(70_000, 6));
    let part = &store.snapshot().parts("events", ..).unwrap()[0];
    let all = read_part(part);
    let start = DAY.start_ns();
    for (from, to) in [(0, 5), (1, 2), (30, 31), (69, 90), (0, 900)] {
        let times = start + from * 1_000_000_000..start + to * 1_000_000_000;
        let found = part.within(times.clone()).unwrap();
        for (at, row) in all.iter().enumerate() {
            assert!(!times.contains(&row.time) || found.contains(at as u32));
        }
    }
    assert!(part.within(start..start + 1_000_000).unwrap().len() < 40_000);
    assert_eq!(part.within(..).unwrap(), part.all());
    assert!(
        store
            .snapshot()
            .parts("events", ..start)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_scan_shows_each_row_group_with_codes() {
    let store = open(&MemoryBackend::new());
    add(&store, &rows(70_000, 7));
    let part = &store.snapshot().parts("events", ..).unwrap()[0];
    let all = read_part(part);
    let (mut seen, mut calls) = (0, 0);
    part.scan(&[6, 11, 12], &part.all(), &mut |rows| {
        calls += 1;
        let codes = rows.codes(6).unwrap();
        assert!(rows.codes(12).is_none());
        let words = rows.words(11).unwrap();
        for (i, &number) in rows.numbers().iter().enumerate() {
            let row = &all[number as usize];
            let text = (codes[i] != NULL_CODE).then(|| rows.value_text(6, codes[i]).unwrap());
            assert_eq!(text, row.recipient.as_deref());
            assert_eq!(words[i], row.code.unwrap_or(0) as u64);
        }
        seen += rows.len();
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((seen, calls), (70_000, 3));
}

#[test]
fn deleted_rows_are_in_no_answer() {
    let disk = MemoryBackend::new();
    let store = open(&disk);
    add(&store, &rows(5000, 8));
    let before = store.snapshot();
    let part = &before.parts("events", ..).unwrap()[0];
    let mut transaction = store.begin();
    transaction.delete_rows(part.id(), &RowSet::from_ranges(vec![0..10, 4999..5000]));
    transaction.set_blob("cursor", b"17");
    transaction.commit().unwrap();
    let mut transaction = store.begin();
    transaction.delete_rows(part.id(), &RowSet::range(5..20));
    transaction.commit().unwrap();
    assert_eq!(part.all().len(), 5000);
    let check = |store: &tidings_store::Store| {
        let snapshot = store.snapshot();
        let part = &snapshot.parts("events", ..).unwrap()[0];
        assert_eq!(part.all(), RowSet::range(20..4999));
        assert_eq!(
            part.read(&[0], &RowSet::range(0..5000)).unwrap().len(),
            4979
        );
        assert!(part.candidates(&TokenExpr::All).unwrap().ranges()[0].start == 20);
        assert_eq!(snapshot.blob("cursor"), Some(&b"17"[..]));
    };
    check(&store);
    check(&open(&disk.kill()));
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let store = open(&MemoryBackend::new());
    let mut batch = RowBatch::new(store.schema("events").unwrap());
    batch.begin_row();
    batch.put_int(0, 5);
    let mut transaction = store.begin();
    let error = transaction
        .add("events", DAY, &mut batch, Default::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column time of table events holds Time, not Int"
    );
    batch.clear();
    batch.begin_row();
    batch.put_int(3, 5);
    let error = transaction
        .add("events", DAY, &mut batch, Default::default())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("column time of table events is required")
    );
    assert!(store.snapshot().parts("nothing", ..).is_err());
    assert!(store.snapshot().parts("events", ..).unwrap().is_empty());
}
