//! `tidings parse`: what each line of a log means, without storing anything.

use std::path::PathBuf;

use super::search;
use crate::args::ParseArgs;
use crate::failure::{Failure, Stop};
use crate::hooks::ParseOptions;
use crate::render::{ParseTally, ProgramTally, parsed_lines};
use crate::session::{Outcome, Printer, Session};

pub(super) fn run(args: &ParseArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    search::set_zone(args.zone, session);
    let files: Vec<PathBuf> = args.files.clone();
    super::import::check_readable(&files, true)?;
    let options = ParseOptions {
        files,
        year: args.reading.year,
        timezone: args.reading.timezone.clone(),
    };
    let mut tally = ParseTally::default();
    let mut printer = Printer::new();
    let parse = session.hooks.parse;
    let parsed = parse(&options, &mut |line| {
        tally.add(&line);
        let is_wanted = !(args.summary || args.unrecognised && line.recognised);
        printer.goes_on(match (is_wanted, args.output.json, args.unrecognised) {
            (false, ..) => Ok(()),
            (true, true, _) => session.json(&line),
            // Alone, they can be piped on as they are.
            (true, false, true) => session.line(&crate::term::clean(&line.line)),
            (true, false, false) => {
                let lines = parsed_lines(&session.screen, &line);
                session.lines(&lines)
            }
        })
    });
    printer.finish(parsed)?;
    summarise(args, tally, session)?;
    Ok(Outcome::Done)
}

/// Prints the summary: as the result where it was asked for, else beneath the lines. With JSON, or
/// with the unrecognised lines alone, the standard output is kept for these.
fn summarise(args: &ParseArgs, tally: ParseTally, session: &mut Session<'_>) -> Result<(), Stop> {
    let programs = tally.programs(args.examples as usize);
    if programs.is_empty() {
        return Err(Failure::file("there is not a single line to parse").into());
    }
    match (args.summary, args.output.json, args.unrecognised) {
        (true, true, _) => programs
            .iter()
            .try_for_each(|program| session.json(program))?,
        (false, true, _) => {}
        (_, false, true) => {
            for line in ProgramTally::table(&session.err_screen, &programs) {
                session.note(&line)?;
            }
        }
        (is_alone, false, false) => {
            if !is_alone {
                session.line("")?;
            }
            let lines = ProgramTally::lines(&session.screen, &programs);
            session.lines(&lines)?;
        }
    }
    Ok(())
}
