//! Events as text on the standard error, or wherever a program prints to.
//!
//! The sink writes through a [`Terminal`], which the program shares with it for its own sentences: what
//! is written at once stays together, so lines never mix. A terminal that takes nothing holds up the
//! output's own thread and nobody else; whoever prints sentences should do so from a thread that may
//! wait, too. Nothing is left out unless the output is set to be lossy.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_event::EventType;
use tidings_event::text::{TextStyle, write_text};

use crate::batch::Batch;
use crate::settings;
use crate::sink::{Batching, Failure, Outcome, Sink};

/// Events are handed over when this many bytes of text are there, and at the end of each batch.
const BLOCK_BYTES: usize = 4096;

/// How long to wait for a terminal that is set not to block.
const WOULD_BLOCK: Duration = Duration::from_millis(5);

/// A place to print to, shared by all who print there. Clones print to the same.
///
/// What is given to one call of [`print`](Self::print), or of `write`, is written whole before
/// anything else is. A call blocks as long as the place does.
#[derive(Clone)]
pub struct Terminal(Arc<Mutex<dyn Write + Send>>);

impl Terminal {
    /// Prints to `out`.
    #[must_use]
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(out)))
    }

    /// Prints to the standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(io::stderr())
    }

    /// Writes all of it together.
    ///
    /// # Errors
    /// What the place said, and how much it had taken by then.
    pub fn print(&self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = 0;
        while written < bytes.len() {
            match out.write(&bytes[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another program may have set the terminal so; to wait is what was meant.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(WOULD_BLOCK);
                }
                Err(error) => return Err((written, error)),
            }
        }
        out.flush().map_err(|error| (written, error))
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.print(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err((0, error)) => Err(error),
            Err((written, _)) => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// Prints events to a [`Terminal`].
#[derive(Debug)]
pub struct ConsoleSink {
    terminal: Terminal,
    buffered: bool,
    style: TextStyle,
    text: Vec<u8>,
    /// Where each event of `text` ends.
    ends: Vec<usize>,
    /// The last line was cut off by an error: a line feed comes before the next.
    is_broken: bool,
}

impl ConsoleSink {
    /// A sink with these settings. Buffered, it writes blocks of whole events of about 4 KiB and the
    /// rest at the end of each batch; else event by event.
    #[must_use]
    pub fn new(settings: &settings::Console, terminal: Terminal) -> Self {
        Self {
            terminal,
            buffered: settings.buffered,
            style: TextStyle {
                multiline: settings.multiline,
                ansi: settings.ansi,
                full_time: false,
            },
            text: Vec::new(),
            ends: Vec::new(),
            is_broken: false,
        }
    }

    /// Writes what is rendered; after an error, tells how many of its events were written whole.
    fn hand_over(&mut self) -> Result<usize, (usize, io::Error)> {
        let count = self.ends.len();
        let written = self.terminal.print(&self.text);
        let outcome = match written {
            Ok(()) => Ok(count),
            Err((bytes, error)) => {
                let whole = self.ends.iter().take_while(|end| **end <= bytes).count();
                let last = whole.checked_sub(1).map_or(0, |last| self.ends[last]);
                self.is_broken |= bytes > last;
                Err((whole, error))
            }
        };
        self.text.clear();
        self.ends.clear();
        outcome
    }
}

impl Sink for ConsoleSink {
    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome {
        let mut delivered = 0;
        let count = batch.len();
        for (at, item) in batch.events().enumerate() {
            if std::mem::take(&mut self.is_broken) {
                self.text.push(b'\n');
            }
            write_text(
                &mut self.text,
                &item.event,
                item.span_start.as_ref(),
                &self.style,
            );
            self.ends.push(self.text.len());
            if self.buffered && self.text.len() < BLOCK_BYTES && at + 1 < count {
                continue;
            }
            match self.hand_over() {
                Ok(written) => delivered += written,
                Err((whole, error)) => {
                    return Outcome::RetryAfter {
                        delivered: delivered + whole,
                        after: None,
                        failure: Failure::new(
                            EventType::TELEMETRY_CONSOLE_ERROR,
                            "cannot print events",
                            error,
                        ),
                    };
                }
            }
        }
        Outcome::Delivered
    }

    fn batching(&self) -> Batching {
        // Small, so that the end of the program finds a slow terminal between two batches.
        Batching {
            events: 512,
            bytes: 128 << 10,
            ..Batching::default()
        }
    }
}

#[cfg(test)]
mod tests;
