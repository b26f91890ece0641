//! `tidings import`: log files into the history, with progress on a terminal and a summary.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tidings_engine::contract::ImportObject;

use crate::args::ImportArgs;
use crate::choose::{self, Purpose};
use crate::clock::Clock;
use crate::failure::{Failure, Stop};
use crate::render::{import_summary, progress_line};
use crate::session::{Outcome, Session};
use crate::store::{ImportOptions, ImportProgress, Store};
use crate::term::{Screen, clean, plural};

/// The progress is drawn again after this long: more often would only flicker.
const REDRAW_MS: u64 = 100;

/// From this share of unrecognised lines on, the summary says how to see them: one in so many.
const UNRECOGNISED_NOTE: u64 = 20;

pub(super) fn run(args: &ImportArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let files = paths(args, session)?;
    let options = ImportOptions {
        year: args.reading.year,
        timezone: args.reading.timezone.clone(),
        force: args.force,
    };
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Add)?;
    let done = with_progress(store.as_mut(), &files, &options, session)?;
    let outcome = match done.files_damaged == 0 && done.refused.is_empty() {
        true => Outcome::Done,
        false => Outcome::Unread,
    };
    if args.output.json {
        session.json(&done)?;
        tell_refused(&done, session)?;
        return Ok(outcome);
    }
    if done.files + done.files_known > 0 || done.refused.is_empty() {
        let lines = import_summary(&session.screen, &done);
        session.lines(&lines)?;
    }
    tell_refused(&done, session)?;
    if done.lines.saturating_sub(done.recognised) > done.lines / UNRECOGNISED_NOTE {
        session.hint("see which lines are not recognised: tidings parse --summary FILES")?;
    }
    if done.lines > 0 {
        session.hint("go on with: tidings messages, tidings stats")?;
    }
    Ok(outcome)
}

/// Names the files that were not imported, and why.
fn tell_refused(done: &ImportObject, session: &mut Session<'_>) -> io::Result<()> {
    for refused in &done.refused {
        session.note(&format!("tidings: {}", clean(&refused.why)))?;
    }
    if done.refused.len() > 1 {
        let files = plural(done.refused.len() as u64, "file was", "files were");
        session.note(&format!("tidings: {files} not imported"))?;
    }
    Ok(())
}

/// Imports, drawing the progress where the standard error is a terminal, and says what became of the
/// lines before a failure.
pub(super) fn with_progress(
    store: &mut dyn Store,
    files: &[PathBuf],
    options: &ImportOptions,
    session: &mut Session<'_>,
) -> Result<ImportObject, Failure> {
    let mut display = Display {
        screen: session.err_screen.clone(),
        clock: session.clock,
        start_ms: session.clock.elapsed_ms(),
        drawn_ms: None,
    };
    let err = &mut *session.err;
    let mut lines = 0;
    let done = store.import(files, options, &mut |progress| {
        lines = progress.lines;
        // A progress that cannot be drawn is no reason to stop an import.
        let _ = display.draw(progress, err);
    });
    let _ = display.wipe(err);
    if done.is_err() && lines > 0 {
        // The failure itself is told at the end, whether or not this can be.
        let _ = session.note(
            "what was read before the failure below is in the history; once that is mended, or its \
             file left out, run the same command again: nothing is added twice",
        );
    }
    done
}

/// The line with the progress.
struct Display<'a> {
    screen: Screen,
    clock: &'a dyn Clock,
    start_ms: u64,
    drawn_ms: Option<u64>,
}

impl Display<'_> {
    fn draw(&mut self, progress: &ImportProgress, err: &mut dyn Write) -> io::Result<()> {
        let now_ms = self.clock.elapsed_ms();
        let is_due = self
            .drawn_ms
            .is_none_or(|drawn| now_ms >= drawn + REDRAW_MS);
        if self.screen.width.is_none() || !is_due {
            return Ok(());
        }
        self.drawn_ms = Some(now_ms);
        let line = progress_line(&self.screen, progress, now_ms.saturating_sub(self.start_ms));
        // Back to the start of the line, and what the last drawing left behind it erased.
        write!(err, "\r{line}\u{1b}[K")?;
        err.flush()
    }

    /// Takes the line away.
    fn wipe(&mut self, err: &mut dyn Write) -> io::Result<()> {
        if self.drawn_ms.take().is_some() {
            write!(err, "\r\u{1b}[K")?;
            err.flush()?;
        }
        Ok(())
    }
}

/// The files as absolute paths, at least one of which can be read: nothing is begun for none.
fn paths(args: &ImportArgs, session: &Session<'_>) -> Result<Vec<PathBuf>, Failure> {
    if let Some(server) = &session.globals.server {
        // The server reads them: whether they are there, it has to say.
        if let Some(file) = args.files.iter().find(|file| !file.is_absolute()) {
            return Err(Failure::usage(format!(
                "the server at {} reads the files itself: give their whole paths on its machine, \
                 not {}",
                clean(server),
                file.display()
            )));
        }
        return Ok(args.files.clone());
    }
    if args.files.iter().any(|file| file == Path::new("-")) {
        return Err(Failure::usage(
            "import does not read the standard input, whose lines could not be told from others \
             when they are read again: save them to a file first",
        ));
    }
    if args.files.iter().all(|file| openable(file).is_err()) {
        check_readable(&args.files, false)?;
    }
    args.files.iter().map(|file| absolute(file)).collect()
}

fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(file).map_err(|error| {
        Failure::file(format!("cannot tell the whole path of {}", file.display())).because(error)
    })
}

/// Makes sure that every file can be read before anything is done with the first.
///
/// # Errors
/// For the first file that cannot, with how many others there are.
pub(super) fn check_readable(files: &[PathBuf], takes_stdin: bool) -> Result<(), Failure> {
    let mut failed: Option<Failure> = None;
    let mut others = 0_u64;
    for file in files {
        if takes_stdin && file == Path::new("-") {
            continue;
        }
        match (openable(file), &failed) {
            (Ok(()), _) => {}
            (Err(failure), None) => failed = Some(failure),
            (Err(_), Some(_)) => others += 1,
        }
    }
    match failed {
        None => Ok(()),
        Some(failure) if others == 0 => Err(failure),
        Some(failure) => {
            let files = plural(others, "other file", "other files");
            Err(Failure::file(format!(
                "{} (and {files} likewise)",
                failure.sentence()
            )))
        }
    }
}

fn openable(file: &Path) -> Result<(), Failure> {
    let cannot = format!("cannot read {}", file.display());
    let found = match fs::metadata(file) {
        Ok(found) => found,
        Err(error) => return Err(Failure::file(cannot).because(error)),
    };
    if found.is_dir() {
        return Err(Failure::file(format!(
            "{cannot}: it is a directory; name the files in it"
        )));
    }
    // A pipe can be opened once only, by whoever reads it.
    if found.is_file() {
        File::open(file).map_err(|error| Failure::file(cannot).because(error))?;
    }
    Ok(())
}
