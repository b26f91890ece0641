//! What the engine says about damage, as the objects that `tidings verify` and `tidings repair` print.

use tidings_cli::{ProblemObject, RepairObject, VerifyObject};
use tidings_engine::CheckReport;

use crate::clock::Watch;

/// What a check found, begun with `watch`.
pub(crate) fn verified(report: CheckReport, watch: Watch) -> VerifyObject {
    VerifyObject {
        files: report.parts + report.segments,
        bytes: report.bytes,
        rows: report.rows,
        spool_events: report.spool_events,
        elapsed_ms: millis(watch),
        problems: report
            .problems
            .iter()
            .map(|sentence| problem(sentence))
            .collect(),
    }
}

/// What a repair did, and what a check found after it.
pub(crate) fn repaired(done: CheckReport, left: CheckReport, watch: Watch) -> RepairObject {
    let lost = done.problems.iter().map(|sentence| ProblemObject {
        lost: sentence.clone(),
        ..problem(sentence)
    });
    let mended = done.notes.iter().map(|sentence| problem(sentence));
    RepairObject {
        repaired: lost.chain(mended).collect(),
        remaining: left
            .problems
            .iter()
            .map(|sentence| problem(sentence))
            .collect(),
        lost_events: done
            .problems
            .iter()
            .map(|sentence| events_lost(sentence))
            .sum(),
        elapsed_ms: millis(watch),
    }
}

/// A sentence, with the file that it begins with.
fn problem(sentence: &str) -> ProblemObject {
    let (path, what) = match sentence.split_once(": ") {
        Some((path, what)) if !path.contains(' ') => (path, what),
        _ => ("", sentence),
    };
    ProblemObject {
        path: path.to_owned(),
        what: what.to_owned(),
        ..ProblemObject::default()
    }
}

/// How many events a sentence of the engine says are lost: `rows 5 to 9 of events …`, `events 5 to 9
/// of the spool …`.
fn events_lost(sentence: &str) -> u64 {
    let mut words = sentence.split(' ');
    let (what, first, last) = (words.next(), words.next(), words.nth(1));
    let of_events = match what {
        Some("rows") => words.nth(1) == Some("events"),
        what => what == Some("events"),
    };
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
    match (number(first), number(last)) {
        (Some(first), Some(last)) if of_events && last >= first => last - first + 1,
        _ => 0,
    }
}

fn millis(watch: Watch) -> u64 {
    u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_counted() {
        let done = CheckReport {
            problems: vec![
                "rows 5 to 9 of events of 2026-11-22 (part 7) are lost".into(),
                "rows 0 to 99 of messages of 2026-11-22 (part 8) are lost".into(),
                "events 10 to 10 of the spool are lost".into(),
            ],
            notes: vec!["parts/7.idx: its index was made anew".into()],
            ..CheckReport::default()
        };
        let done = repaired(done, CheckReport::default(), Watch::start());
        assert_eq!((done.lost_events, done.repaired.len()), (6, 4));
        assert_eq!(done.repaired[3].path, "parts/7.idx");
        assert_eq!(done.repaired[3].what, "its index was made anew");
    }
}
