//! Others read our parts: the `parquet` crate value by value, DuckDB and pyarrow by aggregates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use support::{Row, add, rows, schema, sorted};
use tidings_spool::DiskBackend;
use tidings_store::Store;

fn store_on_disk() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let backend = DiskBackend::new(directory.path()).unwrap();
    let (store, _) = Store::open(Arc::new(backend), vec![schema()]).unwrap();
    (directory, store)
}

fn files(directory: &Path, store: &Store) -> Vec<PathBuf> {
    let parts = store.snapshot().parts("events", ..).unwrap();
    parts
        .iter()
        .map(|part| directory.join(part.path()))
        .collect()
}

#[test]
fn the_parquet_crate_reads_the_same_values() {
    let (directory, store) = store_on_disk();
    let expected = rows(70_000, 9);
    add(&store, &expected);
    let path = &files(directory.path(), &store)[0];
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    assert_eq!(reader.num_row_groups(), 3);
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let place = |name: &str| {
        (0..schema.num_columns())
            .find(|&at| schema.column(at).name() == name)
            .unwrap()
    };
    let columns: Vec<usize> = [
        "time",
        "span_start",
        "span",
        "line",
        "queue_id",
        "recipient",
        "delay",
        "tls",
        "raw",
        "code",
    ]
    .map(place)
    .into();
    let mut seen = 0;
    for (row, expected) in reader.get_row_iter(None).unwrap().zip(sorted(expected)) {
        let row = row.unwrap();
        let is_null = |at: usize| {
            matches!(
                row.get_column_iter().nth(columns[at]).unwrap().1,
                parquet::record::Field::Null
            )
        };
        let text = |at: usize| (!is_null(at)).then(|| row.get_string(columns[at]).unwrap().clone());
        let long = |at: usize| (!is_null(at)).then(|| row.get_long(columns[at]).unwrap());
        let time = |at: usize| {
            (!is_null(at)).then(|| match row.get_column_iter().nth(columns[at]).unwrap().1 {
                parquet::record::Field::Long(nanos) => *nanos,
                other => panic!("a time is {other:?}"),
            })
        };
        assert_eq!(time(0), Some(expected.time));
        assert_eq!(time(1), expected.span_start);
        assert_eq!(
            (!is_null(2)).then(|| row.get_ulong(columns[2]).unwrap()),
            expected.span
        );
        assert_eq!(long(3), expected.line);
        assert_eq!(text(4), expected.queue_id);
        assert_eq!(text(5), expected.recipient);
        assert_eq!(
            (!is_null(6)).then(|| row.get_double(columns[6]).unwrap()),
            expected.delay
        );
        assert_eq!(
            (!is_null(7)).then(|| row.get_bool(columns[7]).unwrap()),
            expected.tls
        );
        let raw = (!is_null(8)).then(|| row.get_bytes(columns[8]).unwrap().data().to_vec());
        assert_eq!(raw, expected.raw);
        assert_eq!(long(9), expected.code);
        seen += 1;
    }
    assert_eq!(seen, 70_000);
}

/// A python3 that has duckdb and pyarrow: a virtual environment below the target directory.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let python = target.join("venv/bin/python3");
    let able = |python: &Path| {
        let status = Command::new(python)
            .args(["-c", "import duckdb, pyarrow"])
            .output();
        status.is_ok_and(|output| output.status.success())
    };
    if able(&python) {
        return Some(python);
    }
    let run = |program: &Path, args: &[&str]| {
        Command::new(program)
            .args(args)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let venv = target.join("venv");
    let made = run(Path::new("python3"), &["-m", "venv", venv.to_str()?])
        && run(
            &python,
            &["-m", "pip", "install", "--quiet", "duckdb", "pyarrow"],
        );
    (made && able(&python)).then_some(python)
}

fn column(kind: &str, values: usize, more: String) -> String {
    format!("{{\"type\": \"{kind}\", \"count\": {values}{more}}}")
}

fn texts<'a>(rows: &'a [Row], text: impl Fn(&'a Row) -> Option<&'a String>) -> String {
    let texts: Vec<&String> = rows.iter().filter_map(text).collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let distinct: std::collections::HashSet<_> = texts.iter().collect();
    let more = format!(", \"distinct\": {}, \"bytes\": {bytes}", distinct.len());
    column("VARCHAR", texts.len(), more)
}

fn expected(rows: &[Row], files: &[PathBuf]) -> String {
    fn sum<T: std::fmt::Display>(sum: T) -> String {
        format!(", \"sum\": \"{sum}\"")
    }
    let count = |has: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| has(row)).count();
    let columns = [
        ("time", column("TIMESTAMP_NS", rows.len(), String::new())),
        (
            "span_start",
            column(
                "TIMESTAMP_NS",
                count(&|row| row.span_start.is_some()),
                String::new(),
            ),
        ),
        (
            "span",
            column(
                "UBIGINT",
                count(&|row| row.span.is_some()),
                sum(rows
                    .iter()
                    .filter_map(|row| row.span)
                    .map(u128::from)
                    .sum::<u128>()),
            ),
        ),
        (
            "line",
            column(
                "BIGINT",
                count(&|row| row.line.is_some()),
                sum(rows.iter().filter_map(|row| row.line).sum::<i64>()),
            ),
        ),
        ("queue_id", texts(rows, |row| row.queue_id.as_ref())),
        ("message_id", texts(rows, |row| row.message_id.as_ref())),
        ("recipient", texts(rows, |row| row.recipient.as_ref())),
        (
            "delay",
            column("DOUBLE", count(&|row| row.delay.is_some()), String::new()),
        ),
        (
            "tls",
            column("BOOLEAN", count(&|row| row.tls.is_some()), String::new()),
        ),
        (
            "raw",
            column("BLOB", count(&|row| row.raw.is_some()), String::new()),
        ),
        ("note", texts(rows, |row| row.note.as_ref())),
        (
            "code",
            column(
                "BIGINT",
                count(&|row| row.code.is_some()),
                sum(rows.iter().filter_map(|row| row.code).sum::<i64>()),
            ),
        ),
    ];
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, text)| format!("\"{name}\": {text}"))
        .collect();
    let files: Vec<String> = files
        .iter()
        .map(|path| format!("\"{}\"", path.display()))
        .collect();
    format!(
        "{{\"files\": [{}], \"rows\": {}, \"columns\": {{{}}}, \"min_time_ns\": {}, \"max_time_ns\": {}}}",
        files.join(", "),
        rows.len(),
        columns.join(", "),
        rows.iter().map(|row| row.time).min().unwrap(),
        rows.iter().map(|row| row.time).max().unwrap(),
    )
}

#[test]
fn duckdb_and_pyarrow_see_the_same_numbers() {
    let Some(python) = python() else {
        println!("skipped: no python3 with duckdb and pyarrow can be had here");
        return;
    };
    let (directory, store) = store_on_disk();
    let mut all = Vec::new();
    for (count, seed) in [(70_000, 10), (300, 11), (1, 12)] {
        let some = rows(count, seed);
        add(&store, &some);
        all.extend(some);
    }
    let json = directory.path().join("expected.json");
    std::fs::write(&json, expected(&all, &files(directory.path(), &store))).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/duckdb_check.py");
    let output = Command::new(python).arg(script).arg(json).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    println!("{out}");
}
