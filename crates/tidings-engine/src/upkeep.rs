//! Upkeep: merging small parts, retention, verify and repair.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings::emit;
use tidings_spool::{Backend, DirLock, DiskBackend, LockError, SpoolConfig, SystemClock};
use tidings_store::{Day, Depth, Retention};

use crate::engine::{Engine, lock_in_time};
use crate::error::{Error, in_words};
use crate::message_rows::{MESSAGES, messages_schema};
use crate::rows::{EVENTS, events_schema};
use crate::samples::{self, Checked};

/// How long what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionRules {
    /// Live events and messages are kept so long; for ever if absent.
    pub live_ns: Option<i64>,
    /// Imported ones are kept so long; for ever if absent.
    pub imported_ns: Option<i64>,
    /// The oldest live days go when all parts together exceed this.
    pub max_bytes: Option<u64>,
}

/// What a check, or a repair, found: a sentence for each thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Parts of the history that were checked.
    pub parts: u64,
    /// Their rows.
    pub rows: u64,
    /// Segments of the spool that were checked.
    pub segments: u64,
    /// Events in them.
    pub spool_events: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is damaged, or was lost for good: file, place, what does not fit.
    pub problems: Vec<String>,
    /// What was mended, or mends itself.
    pub notes: Vec<String>,
}

impl Engine {
    /// Merges parts that are worth it and drops those whose time is over; gives the number of
    /// merges. Searches and commits go on meanwhile.
    pub fn maintain(
        &self,
        now_ns: i64,
        rules: &RetentionRules,
        cancel: &AtomicBool,
    ) -> Result<u64, Error> {
        let mut merges = 0;
        loop {
            let plans = self.store().plan_merges(now_ns);
            if plans.is_empty() || cancel.load(Ordering::Acquire) {
                break;
            }
            for plan in plans {
                match self.store().merge(&plan, cancel) {
                    Ok(_) => {
                        merges += 1;
                        emit!(History::Merged, count = plan.parts.len());
                    }
                    Err(tidings_store::Error::Stale(_)) => {}
                    Err(tidings_store::Error::Cancelled) => return Ok(merges),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let before = |hold: Option<i64>| hold.map(|hold| now_ns.saturating_sub(hold));
        let tables: Vec<Retention> = [EVENTS, MESSAGES]
            .map(|table| Retention {
                table: table.to_owned(),
                live_before_ns: before(rules.live_ns),
                imported_before_ns: before(rules.imported_ns),
            })
            .into();
        self.store()
            .retain(&tables, rules.max_bytes, Day::of(now_ns))?;
        Ok(merges)
    }

    /// Checks every byte of spool, history and samples. Searches go on meanwhile.
    pub fn verify(&self) -> Result<CheckReport, Error> {
        check(self.backend(), self.samples().check())
    }
}

/// Checks every byte of a data directory that no other process has. One that may only be read is
/// checked without its lock.
pub fn verify(dir: &Path) -> Result<CheckReport, Error> {
    let backend = backend(dir)?;
    let _lock = match lock_in_time(dir, LOCK_PATIENCE) {
        Err(LockError::Io { source, .. }) if is_read_only(&source) => None,
        locked => Some(locked.map_err(|error| refuse(dir, in_words(&error)))?),
    };
    check(&backend, samples::check(&backend))
}

fn is_read_only(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

/// Saves what can be saved of a damaged data directory that no other process has, and says what
/// was lost.
pub fn repair(dir: &Path) -> Result<CheckReport, Error> {
    let (backend, _lock) = take(dir)?;
    let mut report = CheckReport::default();
    let history = tidings_store::repair(&backend, &[events_schema(), messages_schema()])?;
    report.rows = history.rows_saved;
    for lost in &history.lost {
        let (year, month, day) = lost.day.civil();
        report.problems.push(format!(
            "rows {} to {} of {} of {year}-{month:02}-{day:02} (part {}) are lost",
            lost.rows.start,
            lost.rows.end.saturating_sub(1),
            lost.table,
            lost.part
        ));
    }
    for lost in &history.lost_values {
        let (year, month, day) = lost.day.civil();
        report.problems.push(format!(
            "the values of column {} in rows {} to {} of {} of {year}-{month:02}-{day:02} (part {}) are lost; the rows are kept without them",
            lost.column,
            lost.rows.start,
            lost.rows.end.saturating_sub(1),
            lost.table,
            lost.part
        ));
    }
    let mended = |what: &str, paths: &[std::path::PathBuf]| -> Vec<String> {
        paths
            .iter()
            .map(|path| format!("{}: {what}", path.display()))
            .collect()
    };
    report
        .notes
        .extend(mended("its index was made anew", &history.sidecars_rebuilt));
    report.notes.extend(mended(
        "the damaged file is kept here",
        &history.quarantined,
    ));
    report
        .notes
        .extend(mended("left by a crash, removed", &history.removed));
    if history.manifest_rebuilt {
        report.notes.push(
            "the manifest was made anew from the parts: deletions, open messages and what was imported are forgotten".into(),
        );
    }
    report.notes.extend(history.notes);
    let spool = tidings_spool::repair(
        &*backend,
        &SystemClock::new(),
        &SpoolConfig::default().directory,
    )?;
    report.problems.extend(spool.lost.iter().map(|lost| {
        format!(
            "events {} to {} of the spool are lost",
            lost.start,
            lost.end.saturating_sub(1)
        )
    }));
    report.notes.extend(
        spool
            .rewritten
            .iter()
            .map(|first| format!("spool segment {first} was written anew")),
    );
    repair_samples(&backend, &mut report)?;
    Ok(report)
}

/// A damaged file of samples is set aside: the next tick makes a new one.
fn repair_samples(backend: &Arc<dyn Backend>, report: &mut CheckReport) -> Result<(), Error> {
    let found = samples::check(backend)?;
    if found.problems.is_empty() {
        return Ok(());
    }
    let kept = samples::set_aside(&**backend)?;
    report.problems.extend(found.problems);
    report
        .problems
        .push("the samples of metrics are lost: their history begins anew".to_owned());
    report
        .notes
        .push(format!("{}: the damaged file is kept here", kept.display()));
    Ok(())
}

/// How long a check waits for another process to be done with the directory: a search takes moments.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

fn take(dir: &Path) -> Result<(Arc<dyn Backend>, DirLock), Error> {
    let backend = backend(dir)?;
    let lock = lock_in_time(dir, LOCK_PATIENCE);
    let lock = lock.map_err(|error| refuse(dir, in_words(&error)))?;
    Ok((backend, lock))
}

fn backend(dir: &Path) -> Result<Arc<dyn Backend>, Error> {
    if !dir.is_dir() {
        return Err(refuse(dir, "there is no such directory".into()));
    }
    let backend = DiskBackend::existing(dir).map_err(|error| refuse(dir, in_words(&error)))?;
    Ok(Arc::new(backend))
}

fn refuse(dir: &Path, why: String) -> Error {
    Error::Directory {
        path: dir.to_owned(),
        why,
    }
}

fn check(
    backend: &Arc<dyn Backend>,
    samples: Result<Checked, Error>,
) -> Result<CheckReport, Error> {
    let history = tidings_store::verify(
        backend,
        &[events_schema(), messages_schema()],
        Depth::Everything,
    )?;
    let spool = tidings_spool::verify(&**backend, &SpoolConfig::default().directory)?;
    let mut report = CheckReport {
        parts: history.parts as u64,
        rows: history.rows,
        bytes: history.bytes
            + spool
                .segments
                .iter()
                .map(|segment| segment.bytes)
                .sum::<u64>(),
        segments: spool.segments.len() as u64,
        spool_events: spool.segments.iter().map(|segment| segment.events).sum(),
        problems: Vec::new(),
        notes: history.notes,
    };
    for problem in &history.problems {
        report
            .problems
            .push(format!("{}: {}", problem.path.display(), problem.what));
    }
    let directory = SpoolConfig::default().directory;
    if let Some(error) = spool.meta_error {
        report.problems.push(format!(
            "{}: {error}; the next start makes it anew",
            directory.join("meta").display()
        ));
    }
    for segment in &spool.segments {
        let damage = segment
            .damage
            .iter()
            .map(|damage| format!("{}: {damage}", segment.path.display()));
        report.problems.extend(damage);
    }
    if let Some(tail) = &spool.torn_tail {
        let path = spool
            .segments
            .last()
            .map_or(directory, |segment| segment.path.clone());
        report.notes.push(format!(
            "{}: ends in an unfinished write of {} bytes, which the next start cuts off",
            path.display(),
            tail.bytes
        ));
    }
    report.notes.extend(
        history
            .leftovers
            .iter()
            .map(|path| format!("{}: left by a crash", path.display())),
    );
    match samples {
        Ok(samples) => {
            report.bytes += samples.bytes;
            report.problems.extend(samples.problems);
        }
        Err(error) => report.problems.push(error.to_string()),
    }
    Ok(report)
}
