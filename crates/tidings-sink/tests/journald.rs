//! The real systemd-journald stores our entries, and `journalctl -o json` gives them back.
//!
//! journald knows one place only, `/run/systemd/journal`. So this test starts one in a mount namespace of
//! its own, with an empty `/run`, which takes root; where that is not to be had, it says so.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use tidings_event::{EventRef, EventType, Header, Id, Key, Level, RecordWriter};
use tidings_sink::{BatchBuffer, JournalSink, Outcome, Sink, settings};

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "TIDINGS_TEST_INSIDE_JOURNALD";

/// Starts journald on an empty `/run`, runs this program again, and reads the journal.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n' >/run/systemd/journald.conf.d/test.conf
"$1" & journald=$!
trap 'kill $journald' EXIT
for _ in $(seq 100); do [ -S /run/systemd/journal/socket ] && break; sleep 0.05; done
"$2" --exact events_come_back_from_the_journal_of_systemd
journalctl --sync
journalctl --no-pager --all -o json -t tidings-test >"$3"
journalctl --no-pager --all -o json EVENT_NAME=auth.success >"$3.by-name"
"#;

const JOURNALDS: [&str; 2] = [
    "/lib/systemd/systemd-journald",
    "/usr/lib/systemd/systemd-journald",
];

#[test]
fn events_come_back_from_the_journal_of_systemd() {
    if std::env::var_os(INSIDE).is_some() {
        return deliver();
    }
    let Some(journald) = JOURNALDS.into_iter().find(|path| Path::new(path).exists()) else {
        return skip("systemd-journald is not installed");
    };
    if !Path::new("/etc/machine-id").exists() {
        return skip("the machine has no /etc/machine-id, without which journald does not start");
    }
    let can_unshare = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "mount",
            "-t",
            "tmpfs",
            "tmpfs",
            "/run",
        ])
        .output();
    if !can_unshare.is_ok_and(|output| output.status.success()) {
        return skip("a mount namespace cannot be made: it takes root");
    }
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("journal.json");
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            SCRIPT,
            "sh",
            journald,
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(&out)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    check(&fs::read_to_string(&out).unwrap());
    let by_name = fs::read_to_string(directory.path().join("journal.json.by-name")).unwrap();
    assert_eq!(by_name.lines().count(), 2, "events are found by EVENT_NAME");
}

/// What a stranger may have written.
const HOSTILE: &str = "a\r\nb\"c\u{1b}[31m\u{9b}1m) (auth.success)\nPRIORITY=0\n\u{202e}end";

fn large() -> String {
    (0..1 << 20)
        .map(|at| char::from(b'a' + (at % 23) as u8))
        .collect()
}

/// Inside the namespace: an event with hostile text, one of 1 MiB, and one within a span.
fn deliver() {
    let mut buffer = BatchBuffer::new();
    let mut put = |kind, level, span: u64, details: &str, number| {
        let mut record = Vec::new();
        let header = Header {
            level,
            span: Some(Id(span)),
            ..Header::new(kind, 1_770_091_506_000_000_001)
        };
        RecordWriter::begin(&mut record, &header)
            .str(Key::DETAILS, details)
            .uint(Key::SIZE, number)
            .finish();
        buffer.push(&EventRef::read(&record).unwrap().0, number);
    };
    put(EventType::AUTH_SUCCESS, Level::Warn, 1, HOSTILE, 1);
    put(EventType::AUTH_SUCCESS, Level::Info, 2, &large(), 2);
    put(EventType::AUTH_FAILED, Level::Error, 3, "plain", 3);
    let mut sink = JournalSink::connect(&settings::Journal::default(), "tidings-test").unwrap();
    assert_eq!(sink.deliver(&buffer.batch()), Outcome::Delivered);
}

fn check(journal: &str) {
    let entries: Vec<HashMap<String, Json>> = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len(), 3, "{journal:.2000}");
    let expected = [
        ("4", HOSTILE.to_owned(), "auth.success"),
        ("5", large(), "auth.success"),
        ("3", "plain".to_owned(), "auth.failed"),
    ];
    for (at, (entry, (priority, details, name))) in entries.iter().zip(expected).enumerate() {
        assert_eq!(entry["PRIORITY"], *priority, "{at}");
        assert_eq!(text(&entry["DETAILS"]), details, "{at}");
        assert_eq!(entry["EVENT_NAME"], *name);
        assert_eq!(entry["SIZE"], *(at + 1).to_string());
        assert_eq!(entry["SYSLOG_IDENTIFIER"], *"tidings-test");
        assert_eq!(entry["_TRANSPORT"], *"journal");
        assert!(entry["MESSAGE"].is_string());
    }
}

/// journalctl gives what is no printable text as a list of bytes.
fn text(value: &Json) -> String {
    match value {
        Json::Array(bytes) => {
            let byte = |byte: &Json| u8::try_from(byte.as_u64().unwrap()).unwrap();
            String::from_utf8(bytes.iter().map(byte).collect()).unwrap()
        }
        value => value.as_str().unwrap().to_owned(),
    }
}

fn skip(why: &str) {
    eprintln!("SKIPPED: events_come_back_from_the_journal_of_systemd: {why}");
}
