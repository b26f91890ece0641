//! One call of the program: its output, its clock, and what the binary lends it.

use std::io::{self, Write};

use crate::clock::Clock;
use crate::failure::Stop;
use crate::globals::Globals;
use crate::hooks::ServerHooks;
use crate::term::{Screen, json_line};

/// How a verb ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it was asked to.
    Done,
    /// It found nothing.
    Nothing,
    /// It found damage.
    Damaged,
    /// It did what could be done with files that cannot be read to their ends.
    Unread,
}

/// What a verb works with.
pub(crate) struct Session<'a> {
    pub(crate) globals: Globals,
    pub(crate) hooks: &'a ServerHooks,
    pub(crate) clock: &'a dyn Clock,
    /// For results: the standard output.
    pub(crate) out: &'a mut dyn Write,
    /// For notes and progress: the standard error.
    pub(crate) err: &'a mut dyn Write,
    /// The screen that results are rendered for.
    pub(crate) screen: Screen,
    /// The screen behind the standard error; its width is absent where that is no terminal.
    pub(crate) err_screen: Screen,
}

impl Session<'_> {
    /// Prints a line of the result.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Prints lines of the result.
    pub(crate) fn lines(&mut self, lines: &[String]) -> io::Result<()> {
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Prints an object of the result as JSON on a line.
    pub(crate) fn json<T: serde::Serialize>(&mut self, object: &T) -> io::Result<()> {
        let line = json_line(object)?;
        self.line(&line)
    }

    /// Says what one could do next, where somebody is there to read it.
    pub(crate) fn hint(&mut self, text: &str) -> io::Result<()> {
        match self.err_screen.width {
            Some(_) => self.note(&format!("  {} {text}", self.err_screen.symbols.arrow)),
            None => Ok(()),
        }
    }

    /// Says something about the result, beside it. It follows what was printed so far.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        self.out.flush()?;
        writeln!(self.err, "{text}")
    }
}

/// Hands objects to a printer that may fail, for the stores' callbacks, which can only go on or stop.
pub(crate) struct Printer {
    stop: Option<io::Error>,
}

impl Printer {
    pub(crate) fn new() -> Printer {
        Printer { stop: None }
    }

    /// Notes how printing went; gives whether to go on.
    pub(crate) fn goes_on(&mut self, printed: io::Result<()>) -> bool {
        match printed {
            Ok(()) => true,
            Err(error) => {
                self.stop = Some(error);
                false
            }
        }
    }

    /// The result of the search and of the printing together.
    pub(crate) fn finish(self, search: Result<(), crate::Failure>) -> Result<(), Stop> {
        match self.stop {
            Some(error) => Err(Stop::Output(error)),
            None => search.map_err(Stop::Failure),
        }
    }
}
