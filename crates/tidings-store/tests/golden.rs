//! Parts, sidecars and manifests of every version that was ever released are read for ever.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-store --test golden` writes the fixture of the current
//! version anew; fixtures of older versions are never touched.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use support::{DAY, Row, add, add_as, read_all, rows, schema, sorted};
use tidings_spool::{Backend, DiskBackend};
use tidings_store::{Depth, MergePlan, PartFlags, RowSet, Store, TokenExpr, verify};

const CURRENT: &str = "v1";

fn directory(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(version)
}

fn all_rows() -> [Vec<Row>; 4] {
    [rows(5000, 501), rows(40, 502), rows(60, 503), rows(20, 504)]
}

/// A merged part with deleted rows, a fresh one, an imported one, a blob.
fn bless(target: &Path) {
    std::fs::remove_dir_all(target).ok();
    let backend = DiskBackend::new(target).unwrap();
    let (store, _) = Store::open(Arc::new(backend), vec![schema()]).unwrap();
    let [large, small, fresh, imported] = all_rows();
    add(&store, &large);
    add(&store, &small);
    let parts = store
        .snapshot()
        .parts("events", ..)
        .unwrap()
        .iter()
        .map(|part| part.id())
        .collect();
    let plan = MergePlan {
        table: "events".into(),
        parts,
        rows: 0,
        day: DAY,
        settles: false,
    };
    let merged = store
        .merge(&plan, &AtomicBool::new(false))
        .unwrap()
        .part
        .unwrap();
    let mut transaction = store.begin();
    transaction.delete_rows(merged, &RowSet::from_ranges(vec![5..9, 5030..5040]));
    transaction.set_blob("cursor", b"events 42");
    transaction.commit().unwrap();
    add(&store, &fresh);
    add_as(&store, &imported, PartFlags::IMPORTED);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn old_stores_are_read() {
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        bless(&directory(CURRENT));
    }
    for version in ["v1"] {
        let scratch = tempfile::tempdir().unwrap();
        copy(&directory(version), scratch.path());
        let backend: Arc<dyn Backend> = Arc::new(DiskBackend::new(scratch.path()).unwrap());
        let report = verify(&backend, &[schema()], Depth::Everything).unwrap();
        assert!(report.is_whole(), "{version}: {report:?}");
        let (store, opened) = Store::open(backend, vec![schema()]).unwrap();
        assert!(opened.removed.is_empty() && opened.damaged.is_empty() && opened.notes.is_empty());
        let snapshot = store.snapshot();
        assert_eq!(snapshot.blob("cursor"), Some(&b"events 42"[..]));
        let parts = snapshot.parts("events", ..).unwrap();
        let shapes: Vec<_> = parts
            .iter()
            .map(|part| {
                (
                    part.rows(),
                    part.deleted_rows(),
                    part.level(),
                    part.flags().is_imported(),
                )
            })
            .collect();
        for shape in [(5040, 14, 1, false), (60, 0, 0, false), (20, 0, 0, true)] {
            assert!(shapes.contains(&shape), "{version}: {shapes:?}");
        }
        let [large, small, fresh, imported] = all_rows();
        let merged = sorted([large, small].concat());
        let deleted = RowSet::from_ranges(vec![5..9, 5030..5040]);
        let mut expected: Vec<Row> = merged
            .into_iter()
            .zip(0u32..)
            .filter(|(_, at)| !deleted.contains(*at))
            .map(|(row, _)| row)
            .collect();
        expected.extend([fresh, imported].concat());
        assert_eq!(read_all(&store), sorted(expected), "{version}");
        let token = TokenExpr::token("example7");
        let found: u64 = parts
            .iter()
            .map(|part| part.candidates(&token).unwrap().len())
            .sum();
        assert!(found > 0);
    }
}
