//! The bundled sample: five minutes of a real mail server, told as if they happened now.
//!
//! `tidings demo` imports it; `tidings serve` with `demo.replay` writes it to a log, line by line as
//! time passes and again and again, and follows that log like any other.

mod replay;
mod shift;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tidings_cli::{Failure, ImportOptions, Store};
use tidings_engine::{Engine, EngineOptions, EventQuery};
use tidings_event::time::parse_rfc3339;

use crate::clock;
use crate::local::{EngineStore, failure};

pub(crate) use replay::{log_in, spawn as spawn_replay};

/// The lines of Postfix and Dovecot among `corpus/own/mail.rfc3339.log`, packed by the test below.
const PACKED: &[u8] = include_bytes!("../../data/demo.log.zst");

const SECOND_NS: i64 = 1_000_000_000;

/// The sample's lines, oldest first, each with its line end.
struct Sample {
    text: String,
    first_ns: i64,
    last_ns: i64,
}

impl Sample {
    fn unpack() -> Sample {
        let text = zstd::decode_all(PACKED).expect("the sample is part of the program, and tested");
        let text = String::from_utf8(text).expect("the sample is part of the program, and tested");
        let time = |line: Option<&str>| line.and_then(time_of).unwrap_or_default();
        let (first_ns, last_ns) = (time(text.lines().next()), time(text.lines().next_back()));
        Sample {
            text,
            first_ns,
            last_ns,
        }
    }

    /// Each line with the time at which it was written.
    fn lines(&self) -> impl Iterator<Item = (i64, &str)> {
        self.text
            .split_inclusive('\n')
            .map(|line| (time_of(line).unwrap_or(self.first_ns), line))
    }

    /// Whole seconds by which the sample is moved to end at this time.
    fn shift_to_end_at(&self, end_ns: i64) -> i64 {
        (end_ns - self.last_ns).div_euclid(SECOND_NS)
    }

    /// A line moved by this many seconds.
    fn write_line(&self, out: &mut Vec<u8>, line: &str, shift_s: i64) {
        let span_s = self.first_ns / SECOND_NS - 3600..=self.last_ns / SECOND_NS + 3600;
        // The only ids that hold no time: Message-IDs of what the recording sent from the host itself.
        match line.split_once("<own.local.") {
            Some((before, after)) => {
                let round = self.first_ns / SECOND_NS + shift_s;
                shift::write_line(out, before, shift_s, &span_s);
                out.extend_from_slice(format!("<own.local.{round}.{after}").as_bytes());
            }
            None => shift::write_line(out, line, shift_s, &span_s),
        }
    }
}

fn time_of(line: &str) -> Option<i64> {
    parse_rfc3339(line.split(' ').next()?).ok()
}

/// Fills a directory with the sample, ended just now, unless it holds it already, and opens it.
pub(crate) fn open(directory: &Path) -> Result<Box<dyn Store>, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::data(format!(
            "cannot write the sample into {}",
            directory.display()
        ))
        .because(error)
    };
    // The directory was found to be empty but for the mark of the demo; with the lock in it, the
    // engine takes it for a data directory.
    let lock = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(directory.join("lock"));
    drop(lock.map_err(cannot)?);
    let engine = Arc::new(Engine::open(directory, EngineOptions::default()).map_err(failure)?);
    let mut store = EngineStore::new(Arc::clone(&engine));
    let now_ns = clock::now_ns();
    let any = EventQuery {
        limit: 1,
        now_ns,
        ..EventQuery::default()
    };
    if engine.events(&any).map_err(failure)?.is_empty() {
        let path = directory.join("sample.log");
        write_sample(&path, now_ns).map_err(cannot)?;
        let imported = store.import(
            std::slice::from_ref(&path),
            &ImportOptions::default(),
            &mut |_| {},
        );
        // It is in the history now, or will be written again.
        let _ = std::fs::remove_file(&path);
        imported?;
    }
    Ok(Box::new(store))
}

fn write_sample(path: &Path, end_ns: i64) -> std::io::Result<()> {
    let sample = Sample::unpack();
    let shift_s = sample.shift_to_end_at(end_ns);
    let mut text = Vec::with_capacity(sample.text.len());
    for (_, line) in sample.lines() {
        sample.write_line(&mut text, line, shift_s);
    }
    std::fs::File::create(path)?.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of the recorded log: what Tidings reads.
    fn selected(log: &str) -> String {
        let is_read = |line: &&str| {
            let tag = line.split(' ').nth(2).unwrap_or_default();
            tag.starts_with("postfix/") || tag.starts_with("dovecot:")
        };
        log.split_inclusive('\n').filter(is_read).collect()
    }

    /// `TIDINGS_BLESS=1` packs it anew.
    #[test]
    fn the_sample_is_what_was_recorded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let recorded =
            std::fs::read_to_string(root.join("../../corpus/own/mail.rfc3339.log")).unwrap();
        let wanted = selected(&recorded);
        if std::env::var_os("TIDINGS_BLESS").is_some() {
            let packed = zstd::encode_all(wanted.as_bytes(), 19).unwrap();
            std::fs::write(root.join("data/demo.log.zst"), packed).unwrap();
        }
        assert!(
            Sample::unpack().text == wanted,
            "run the tests with TIDINGS_BLESS=1, twice"
        );
    }

    #[test]
    fn a_moved_sample_ends_when_it_should_and_shares_no_id_with_another() {
        let sample = Sample::unpack();
        let now_ns = sample.last_ns + 1_000_000 * SECOND_NS + 5;
        let shift_s = sample.shift_to_end_at(now_ns);
        assert_eq!(shift_s, 1_000_000);
        let ids = |shift_s: i64| {
            let mut ids = std::collections::BTreeSet::new();
            for (_, line) in sample.lines() {
                let mut moved = Vec::new();
                sample.write_line(&mut moved, line, shift_s);
                let moved = String::from_utf8(moved).unwrap();
                assert_eq!(
                    time_of(&moved).unwrap() - time_of(line).unwrap(),
                    shift_s * SECOND_NS
                );
                let message_id = moved
                    .split_once(" message-id=<")
                    .map(|(_, id)| id.to_owned());
                ids.extend(message_id.filter(|id| id != ">\n"));
                let queue_id = moved
                    .split(": ")
                    .nth(1)
                    .filter(|id| id.len() == 16 && !id.contains(' '));
                ids.extend(queue_id.map(str::to_owned));
            }
            ids
        };
        let (first, second) = (ids(shift_s), ids(shift_s + 300));
        assert!(first.len() > 300);
        let shared: Vec<_> = first.intersection(&second).collect();
        assert!(shared.is_empty(), "{shared:?}");
    }

    #[test]
    fn the_demo_is_filled_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("this-is-the-tidings-demo"), "").unwrap();
        let count = || {
            let mut store = open(dir.path()).unwrap();
            let mut messages = 0;
            let query = tidings_cli::MessagesQuery::default();
            let each = &mut |_| {
                messages += 1;
                true
            };
            store.messages(&query, each).unwrap();
            messages
        };
        let first = count();
        assert!(first > 100, "{first} messages");
        assert_eq!(count(), first);
        assert!(!dir.path().join("sample.log").exists());
    }
}
