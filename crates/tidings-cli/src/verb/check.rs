//! `tidings verify` and `tidings repair`: what is wrong with the history, and what can be saved.

use crate::args::JsonArgs;
use crate::choose::{self, Purpose};
use crate::failure::Stop;
use crate::render::problem_lines;
use crate::session::{Outcome, Session};
use crate::store::ProblemObject;
use crate::term::{Style, bytes, duration, plural};

pub(super) fn verify(args: JsonArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Read)?;
    let found = store.verify()?;
    let outcome = outcome(&found.problems);
    if args.json {
        session.json(&found)?;
        return Ok(outcome);
    }
    print_problems(session, &found.problems)?;
    let checked = format!(
        "{} with {} checked in {}: {} of the history, {} of the spool",
        plural(found.files, "file", "files"),
        bytes(found.bytes),
        duration(found.elapsed_ms),
        plural(found.rows, "row", "rows"),
        plural(found.spool_events, "event", "events"),
    );
    let verdict = match found.problems.len() as u64 {
        0 => session.screen.paint(Style::Green, "all is well"),
        problems => session
            .screen
            .paint(Style::Red, &plural(problems, "problem", "problems")),
    };
    session.line(&format!("{checked}; {verdict}"))?;
    if outcome == Outcome::Damaged {
        session.hint("salvage what can be read with: tidings repair")?;
    }
    Ok(outcome)
}

pub(super) fn repair(args: JsonArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Read)?;
    let done = store.repair()?;
    let outcome = outcome(&done.remaining);
    if args.json {
        session.json(&done)?;
        return Ok(outcome);
    }
    print_problems(session, &done.repaired)?;
    let summary = match done.repaired.len() as u64 {
        0 => format!("nothing to mend ({})", duration(done.elapsed_ms)),
        _ => format!(
            "mended in {}; lost: {}",
            duration(done.elapsed_ms),
            plural(done.lost_events, "event", "events"),
        ),
    };
    session.line(&summary)?;
    if !done.remaining.is_empty() {
        let heading = session.screen.paint(Style::Bold, "Still wrong");
        session.lines(&[String::new(), heading])?;
        print_problems(session, &done.remaining)?;
    }
    Ok(outcome)
}

fn outcome(problems: &[ProblemObject]) -> Outcome {
    if problems.is_empty() {
        Outcome::Done
    } else {
        Outcome::Damaged
    }
}

fn print_problems(session: &mut Session<'_>, problems: &[ProblemObject]) -> std::io::Result<()> {
    for problem in problems {
        let lines = problem_lines(&session.screen, problem);
        session.lines(&lines)?;
    }
    Ok(())
}
