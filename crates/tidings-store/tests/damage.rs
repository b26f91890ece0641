//! Damage is found, named, never answered with fewer rows, and repaired as far as bytes allow.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use support::{ALL, Numbers, Row, add, open, read_all, read_part, rows, schema};
use tidings_spool::Backend;
use tidings_spool::fault::MemoryBackend;
use tidings_store::{
    DAY_NS, Depth, Error, IfDamaged, RepairReport, RowSet, Schema, Store, TokenExpr, VerifyReport,
    repair, verify,
};

fn backend(disk: &MemoryBackend) -> Arc<dyn Backend> {
    Arc::new(disk.clone())
}

fn check(disk: &MemoryBackend, depth: Depth) -> VerifyReport {
    verify(&backend(disk), &[schema()], depth).unwrap()
}

fn mend(disk: &MemoryBackend) -> RepairReport {
    repair(&backend(disk), &[schema()]).unwrap()
}

/// A store of two parts, of three row groups and one; closed.
fn two_parts() -> (MemoryBackend, Vec<Row>) {
    let disk = MemoryBackend::new();
    let store = open(&disk);
    add(&store, &rows(70_000, 1));
    add(&store, &rows(900, 2));
    let all = read_all(&store);
    drop(store);
    (disk, all)
}

fn small() -> (MemoryBackend, Vec<Row>) {
    let disk = MemoryBackend::new();
    let store = open(&disk);
    add(&store, &rows(700, 3));
    let all = read_all(&store);
    drop(store);
    (disk, all)
}

fn file(disk: &MemoryBackend, end: &str) -> PathBuf {
    let files = disk.list(Path::new("events")).unwrap();
    let named = |name: &PathBuf| name.to_str().unwrap().ends_with(end);
    let found = files.into_iter().map(|(name, _)| name).find(named).unwrap();
    Path::new("events").join(found.file_name().unwrap())
}

#[test]
fn a_whole_store_has_no_problems_and_repair_leaves_it_alone() {
    let (disk, all) = two_parts();
    let report = check(&disk, Depth::Everything);
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.parts, report.rows), (2, 70_900));
    assert!(report.leftovers.is_empty());
    let before = disk.operations();
    assert_eq!(mend(&disk), RepairReport::default());
    assert_eq!(disk.operations(), before);
    disk.install(Path::new("events/1999-01-01.000000ff.parquet.tmp"), b"torn");
    assert_eq!(check(&disk, Depth::Checksums).leftovers.len(), 1);
    assert_eq!(mend(&disk).removed.len(), 1);
    assert_eq!(read_all(&open(&disk)), all);
}

#[test]
fn merged_parts_verify_too() {
    let (disk, _) = two_parts();
    let store = open(&disk);
    let mut plan = store.plan_merges(support::DAY.start_ns() + 3 * DAY_NS);
    plan.push(tidings_store::MergePlan {
        table: "events".into(),
        parts: store
            .snapshot()
            .parts("events", ..)
            .unwrap()
            .iter()
            .map(|part| part.id())
            .collect(),
        rows: 70_900,
        day: support::DAY,
        settles: false,
    });
    store
        .merge(plan.last().unwrap(), &AtomicBool::new(false))
        .unwrap();
    drop(store);
    let report = check(&disk, Depth::Everything);
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.parts, report.rows), (1, 70_900));
}

#[test]
fn any_flipped_bit_is_found_and_no_answer_is_wrong() {
    let (disk, all) = small();
    let files = [
        "manifest".into(),
        file(&disk, ".parquet"),
        file(&disk, ".tokens"),
    ];
    let mut numbers = Numbers(4);
    for path in &files {
        let length = disk.contents(path).unwrap().len() as u64;
        for _ in 0..150 {
            let flipped = two_copies(&disk);
            let (offset, bit) = (numbers.below(length), numbers.below(8) as u8);
            flipped.flip_bit(path, offset, bit).unwrap();
            let what = format!("{} byte {offset} bit {bit}", path.display());
            let report = check(&flipped, Depth::Checksums);
            assert!(!report.is_whole(), "{what}");
            match read_everything(&flipped) {
                Ok(read) => assert_eq!(read, all, "{what}"),
                Err(Error::Damaged { path: named, .. }) => assert_eq!(&named, path, "{what}"),
                Err(other) => panic!("{what}: {other}"),
            }
        }
    }
}

/// The same disk, to be spoiled.
fn two_copies(disk: &MemoryBackend) -> MemoryBackend {
    let copy = MemoryBackend::new();
    copy.create_dir(Path::new("events")).unwrap();
    for path in [
        "manifest".into(),
        file(disk, ".parquet"),
        file(disk, ".tokens"),
    ] {
        copy.install(&path, &disk.contents(&path).unwrap());
    }
    copy
}

fn read_everything(disk: &MemoryBackend) -> Result<Vec<Row>, Error> {
    let (store, _) = Store::open(backend(disk), vec![schema()])?;
    let mut all = Vec::new();
    for part in store.snapshot().parts("events", ..)? {
        part.candidates(&TokenExpr::token("example3"))?;
        part.within(..support::DAY.start_ns() + 1_000_000)?;
        let rows = part.read(&ALL, &part.all())?;
        all.extend((0..rows.len()).map(|i| Row::get(&rows, i)));
    }
    Ok(support::sorted(all))
}

#[test]
fn a_missing_or_short_file_is_named_at_open_and_at_reading() {
    for cut in [false, true] {
        let (disk, _) = small();
        let path = file(&disk, ".parquet");
        if cut {
            let bytes = disk.contents(&path).unwrap();
            disk.install(&path, &bytes[..bytes.len() / 2]);
        } else {
            disk.remove(&path).unwrap();
        }
        let (store, report) = Store::open(backend(&disk), vec![schema()]).unwrap();
        assert_eq!(report.damaged, std::slice::from_ref(&path));
        let part = &store.snapshot().parts("events", ..).unwrap()[0];
        let error = part.read(&ALL, &part.all()).unwrap_err();
        assert!(
            matches!(&error, Error::Damaged { path: named, .. } if *named == path),
            "{error}"
        );
    }
}

#[test]
fn rows_without_a_vital_value_are_lost_alone() {
    let (disk, all) = two_parts();
    let path = file(&disk, "00000001.parquet");
    // The first page of the first column, the time.
    disk.flip_bit(&path, 1000, 3).unwrap();
    let report = check(&disk, Depth::Checksums);
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].path, path);
    assert_eq!(
        report.problems[0].place,
        Some(("events".to_owned(), support::DAY))
    );
    let report = mend(&disk);
    assert_eq!(report.lost.len(), 1);
    assert_eq!(
        (report.lost[0].part.0, report.lost[0].rows.clone()),
        (1, 0..8_192)
    );
    assert_eq!(report.rows_saved, 70_000 - 8_192);
    assert_eq!(report.quarantined.len(), 2);
    assert!(check(&disk, Depth::Everything).is_whole());
    let left = read_all(&open(&disk));
    assert_eq!(left.len(), 70_900 - 8_192);
    let known: BTreeSet<String> = all.iter().map(|row| format!("{row:?}")).collect();
    assert!(left.iter().all(|row| known.contains(&format!("{row:?}"))));
    assert_eq!(
        disk.contents(&report.quarantined[0]).unwrap()[..4],
        *b"PAR1"
    );
    assert_eq!(mend(&disk), RepairReport::default());
}

/// A row as text, with some of its columns left out.
fn without(row: &Row, columns: &BTreeSet<&str>) -> String {
    let mut row = row.clone();
    for column in columns {
        match *column {
            "queue_id" => row.queue_id = None,
            "message_id" => row.message_id = None,
            "recipient" => row.recipient = None,
            "delay" => row.delay = None,
            "tls" => row.tls = None,
            "raw" => row.raw = None,
            "note" => row.note = None,
            "code" => row.code = None,
            vital => panic!("rows without {vital} are not kept"),
        }
    }
    format!("{row:?}")
}

/// In a part of one page a column, one flipped bit cost every row.
#[test]
fn a_flipped_bit_costs_the_values_of_one_page_only() {
    let (whole, all) = small();
    let path = file(&whole, ".parquet");
    let length = whole.contents(&path).unwrap().len() as u64;
    let mut numbers = Numbers(9);
    let (mut kept, mut lost) = (0, 0);
    for _ in 0..60 {
        let disk = two_copies(&whole);
        let (offset, bit) = (numbers.below(length), numbers.below(8) as u8);
        disk.flip_bit(&path, offset, bit).unwrap();
        let what = format!("byte {offset} bit {bit}");
        let report = mend(&disk);
        assert!(check(&disk, Depth::Everything).is_whole(), "{what}");
        let left = read_all(&open(&disk));
        if !report.lost.is_empty() {
            assert!(left.is_empty() && report.lost_values.is_empty(), "{what}");
            lost += 1;
            continue;
        }
        assert_eq!((report.rows_saved, left.len()), (700, 700), "{what}");
        let columns: BTreeSet<&str> = report
            .lost_values
            .iter()
            .map(|lost| lost.column.as_str())
            .collect();
        let is_whole = |lost: &tidings_store::LostValues| lost.rows == (0..700);
        assert!(report.lost_values.iter().all(is_whole) && columns.len() <= 1);
        for (before, after) in all.iter().zip(&left) {
            assert_eq!(without(before, &columns), format!("{after:?}"), "{what}");
        }
        kept += usize::from(!columns.is_empty());
    }
    // The vital columns are half of the bytes.
    assert!(kept > 15 && lost < 35, "{kept} kept, {lost} lost");
}

/// What is put together from all values of a row is not to be put together without one.
#[test]
fn a_value_that_needs_the_others_goes_with_them() {
    let linked = |name: &str| {
        let schema = schema();
        let columns = schema.columns().iter().cloned();
        let columns = columns.map(|column| match column.name == name {
            true => column.if_damaged(IfDamaged::OnlyWhole),
            false => column,
        });
        let sort = ["span_start", "span", "time", "line"];
        Schema::new("events", columns.collect(), &sort, "time", support::tokens).unwrap()
    };
    let (whole, _) = small();
    let path = file(&whole, ".parquet");
    let length = whole.contents(&path).unwrap().len() as u64;
    let mut seen = 0;
    for offset in (0..length).step_by(97) {
        let disk = two_copies(&whole);
        disk.flip_bit(&path, offset, 2).unwrap();
        let report = repair(&backend(&disk), &[linked("note")]).unwrap();
        let of_note = |lost: &&tidings_store::LostValues| lost.column == "note";
        let notes = report.lost_values.iter().filter(of_note).count();
        assert_eq!(notes, usize::from(!report.lost_values.is_empty()));
        seen += usize::from(report.lost_values.len() == 2);
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn a_flip_in_the_footer_loses_no_row() {
    let (disk, all) = two_parts();
    let path = file(&disk, "00000001.parquet");
    let length = disk.contents(&path).unwrap().len() as u64;
    disk.flip_bit(&path, length - 200, 1).unwrap();
    assert!(!check(&disk, Depth::Checksums).is_whole());
    let report = mend(&disk);
    assert!(report.lost.is_empty());
    assert_eq!(report.rows_saved, 70_000);
    assert!(check(&disk, Depth::Everything).is_whole());
    assert_eq!(read_all(&open(&disk)), all);
}

#[test]
fn a_damaged_or_missing_sidecar_is_made_anew_byte_for_byte() {
    for missing in [false, true] {
        let (disk, all) = two_parts();
        let path = file(&disk, "00000001.tokens");
        let whole = disk.contents(&path).unwrap();
        if missing {
            disk.remove(&path).unwrap();
        } else {
            disk.flip_bit(&path, 5000, 3).unwrap();
        }
        assert_eq!(check(&disk, Depth::Checksums).problems.len(), 1);
        let report = mend(&disk);
        assert_eq!(report.sidecars_rebuilt, std::slice::from_ref(&path));
        assert!(report.lost.is_empty());
        assert_eq!(disk.contents(&path).unwrap(), whole);
        assert!(check(&disk, Depth::Everything).is_whole());
        assert_eq!(read_all(&open(&disk)), all);
    }
}

#[test]
fn part_and_sidecar_damaged_together_save_the_other_row_groups() {
    let (disk, _) = two_parts();
    disk.flip_bit(&file(&disk, "00000001.parquet"), 1000, 3)
        .unwrap();
    let sidecar = file(&disk, "00000001.tokens");
    let length = disk.contents(&sidecar).unwrap().len() as u64;
    disk.flip_bit(&sidecar, length - 3, 3).unwrap();
    let report = mend(&disk);
    assert_eq!(report.lost.len(), 1);
    assert_eq!(report.rows_saved, 70_000 - 32_768);
    assert!(check(&disk, Depth::Everything).is_whole());
    assert_eq!(read_all(&open(&disk)).len(), 70_900 - 32_768);
}

#[test]
fn a_lost_manifest_is_made_anew_from_the_parts() {
    let (disk, all) = two_parts();
    {
        let store = open(&disk);
        let part = store.snapshot().parts("events", ..).unwrap()[0].clone();
        let mut transaction = store.begin();
        transaction.delete_rows(part.id(), &RowSet::range(0..5));
        transaction.commit().unwrap();
        assert_eq!(
            read_part(&store.snapshot().part(part.id()).unwrap()).len() as u64,
            u64::from(part.rows()) - 5
        );
    }
    let manifest = Path::new("manifest");
    let length = disk.contents(manifest).unwrap().len();
    disk.install(manifest, &vec![0xAA; length]);
    assert!(matches!(
        Store::open(backend(&disk), vec![schema()]),
        Err(Error::Damaged { .. })
    ));
    assert!(
        check(&disk, Depth::Checksums).problems[0]
            .what
            .contains("no state")
    );
    let report = mend(&disk);
    assert!(report.manifest_rebuilt && report.lost.is_empty());
    // Deletions are lost with the manifest, as the report's documentation says.
    assert_eq!(read_all(&open(&disk)), all);
    assert!(check(&disk, Depth::Everything).is_whole());
}

#[test]
fn an_index_of_another_version_is_not_trusted() {
    let (disk, all) = small();
    let newer = schema().with_token_version(1);
    let (store, _) = Store::open(backend(&disk), vec![newer.clone()]).unwrap();
    let part = &store.snapshot().parts("events", ..).unwrap()[0];
    let found = part.candidates(&TokenExpr::token("nowhere7")).unwrap();
    assert_eq!(found.len(), all.len() as u64);
}
