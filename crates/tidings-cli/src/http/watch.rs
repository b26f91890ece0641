//! A stream of the server that is opened again whenever it breaks.
//!
//! A thread of its own reads each stream. It holds one frame at a time, and waits until that is taken:
//! no queue. A server that sends faster than somebody reads leaves out events and says so in a `gap`
//! frame (`live.buffer`).

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::connect::{Hangup, Stream};
use super::request::{Answer, Request};
use super::server::Server;
use super::sse::{Frame, FrameReader};
use crate::failure::{Failure, FailureKind, io_words};

/// How long a server may say nothing: it sends a ping every 30 seconds, or metrics when they are due.
const SILENCE: Duration = Duration::from_secs(90);

/// How long to wait before a stream is opened again, unless the server says otherwise.
const RETRY_MS: u64 = 2_000;

/// The longest wait, to which it doubles.
const RETRY_MS_MAX: u64 = 30_000;

/// What is to be watched.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) server: Server,
    pub(super) path: &'static str,
    pub(super) parameters: Vec<(&'static str, String)>,
}

/// What comes of a stream.
#[derive(Debug)]
pub(crate) enum Watched {
    /// It is open, or open again.
    Open,
    /// A frame of it.
    Frame(Frame),
    /// It broke, or could not be opened again; it will be tried in so many milliseconds.
    Lost { why: String, retry_ms: u64 },
    /// It could not be opened at all, or must not be tried again. Nothing follows.
    Failed(Failure),
}

/// A stream that is being watched; ends with this.
#[derive(Debug)]
pub(crate) struct Watch {
    line: Arc<Mutex<Line>>,
    /// Dropped to wake the thread while it waits.
    stop: Option<SyncSender<()>>,
}

/// The connection as the other side of a watch sees it.
#[derive(Debug, Default)]
struct Line {
    hangup: Option<Hangup>,
    is_stopped: bool,
}

impl Watch {
    pub(super) fn start(
        wanted: Wanted,
        deliver: impl FnMut(Watched) -> bool + Send + 'static,
    ) -> Watch {
        let line = Arc::new(Mutex::new(Line::default()));
        // Nothing is ever sent: it holds the thread while it waits, until this end is dropped.
        let (stop, stopped) = sync_channel(1);
        let mut watcher = Watcher {
            wanted,
            line: Arc::clone(&line),
            stopped,
            deliver,
            last_id: None,
            retry_ms: RETRY_MS,
            has_been_open: false,
            failures: 0,
        };
        thread::spawn(move || watcher.run());
        Watch {
            line,
            stop: Some(stop),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.is_stopped = true;
        if let Some(hangup) = line.hangup.take() {
            hangup.hang_up();
        }
    }
}

/// How a stream ended.
enum End {
    /// Nobody wants more of it.
    Enough,
    /// It may be opened again.
    Broken(String),
    /// It must not.
    Refused(Failure),
}

struct Watcher<D> {
    wanted: Wanted,
    line: Arc<Mutex<Line>>,
    stopped: Receiver<()>,
    deliver: D,
    last_id: Option<String>,
    /// What the server asked to wait for.
    retry_ms: u64,
    has_been_open: bool,
    /// Attempts in a row that gave no stream.
    failures: u32,
}

impl<D: FnMut(Watched) -> bool> Watcher<D> {
    fn run(&mut self) {
        loop {
            let why = match self.stream() {
                End::Enough => return,
                End::Refused(failure) => {
                    (self.deliver)(Watched::Failed(failure));
                    return;
                }
                End::Broken(why) => why,
            };
            let retry_ms = wait_ms(self.retry_ms, self.failures);
            self.failures += 1;
            if !(self.deliver)(Watched::Lost { why, retry_ms }) || !self.wait(retry_ms) {
                return;
            }
        }
    }

    /// Waits; gives whether to go on.
    fn wait(&self, wait_ms: u64) -> bool {
        let wait = Duration::from_millis(wait_ms);
        matches!(
            self.stopped.recv_timeout(wait),
            Err(RecvTimeoutError::Timeout)
        )
    }

    /// Opens the stream once and reads it to its end.
    fn stream(&mut self) -> End {
        let answer = match self.open() {
            Ok(answer) => answer,
            // What cannot be reached at first is told at once; later it may come back.
            Err(failure) if self.is_final(&failure) => return End::Refused(failure),
            Err(failure) => return End::Broken(failure.sentence()),
        };
        self.has_been_open = true;
        self.failures = 0;
        if !(self.deliver)(Watched::Open) {
            return End::Enough;
        }
        let mut reader = FrameReader::new(self.last_id.clone());
        let end = self.read(answer, &mut reader);
        self.last_id = reader.last_id().map(str::to_owned);
        self.retry_ms = reader.retry_ms().unwrap_or(self.retry_ms);
        self.line().hangup = None;
        end
    }

    fn is_final(&self, failure: &Failure) -> bool {
        let is_hopeful = self.has_been_open || failure.is_passing();
        !is_hopeful || failure.kind() == FailureKind::Usage
    }

    fn open(&self) -> Result<Answer, Failure> {
        let Wanted {
            server,
            path,
            parameters,
        } = &self.wanted;
        let mut request = Request::stream(path, self.last_id.as_deref());
        for (name, value) in parameters {
            request = request.with(name, Some(value.clone()));
        }
        request.send_and(&server.target, server.token.as_deref(), |stream| {
            self.connected(stream)
        })
    }

    /// Lets the other side hang up.
    fn connected(&self, stream: &dyn Stream) -> io::Result<()> {
        let hangup = stream.hangup()?;
        hangup.set_silence(SILENCE)?;
        let mut line = self.line();
        if line.is_stopped {
            return Err(io::ErrorKind::Interrupted.into());
        }
        line.hangup = Some(hangup);
        Ok(())
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&mut self, mut answer: Answer, reader: &mut FrameReader) -> End {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let mut piece = match answer.read(&mut buffer) {
                Ok(0) => return End::Broken("the server ended the stream".to_owned()),
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return End::Broken(words(&error)),
            };
            while !piece.is_empty() {
                let (used, frame) = match reader.read(piece) {
                    Ok(read) => read,
                    Err(error) => return End::Broken(words(&error)),
                };
                piece = &piece[used..];
                if let Some(frame) = frame
                    && !(self.deliver)(Watched::Frame(frame))
                {
                    return End::Enough;
                }
            }
        }
    }
}

/// How long to wait after so many failures in a row.
fn wait_ms(retry_ms: u64, failures: u32) -> u64 {
    let doubled = retry_ms.max(100).saturating_mul(1 << failures.min(16));
    doubled.min(RETRY_MS_MAX)
}

/// Why a stream broke, in few words.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the server hung up".to_owned()
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!(
                "the server has been silent for {} seconds",
                SILENCE.as_secs()
            )
        }
        io::ErrorKind::InvalidData => format!("the server sent {error}"),
        _ => io_words(error),
    }
}

#[cfg(test)]
mod tests;
