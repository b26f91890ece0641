//! Events as text in log files: rotated by time and size, kept within limits, never half a line.
//!
//! **Names** are the reference's: `prefix.2026-02-03` (daily), `prefix.2026-02-03T04` (hourly),
//! `prefix.2026-02-03T04:05` (minutely), `prefix` (never), in UTC. A file that reaches `rotateBytes` is
//! set aside as `….1`, `….2` and so on, the highest number being the newest, so that the file without a
//! number is always the one that is written. Compressed files end in `.gz` or `.zst`.
//!
//! **Which file.** An event goes to the file of its time, but not to one after the present (a wrong stamp
//! does not lead ahead), nor to one before the newest there is (nothing goes back): one that is late by
//! a period at most goes to the newest, and one that is later still to that of the present, so that a
//! source of nothing but old events does not keep one file open for ever.
//!
//! **Durability.** Everything is handed to the kernel at the end of each batch. In a program with a
//! spool, unless the output is lossy, the file is synced at most once a second, before the cursor is
//! stored, and when it is closed; so not even a power cut loses an event. After a crash the last
//! events may stand there twice.
//!
//! **Full disk.** A line that did not fit is cut off again; it and all after it are tried once a second.
//! What a lossy output skips meanwhile is counted and reported by the driver. A half line that an earlier
//! process left behind is cut off, too, when the file is opened: its event comes again.
//!
//! **Others who rotate.** A file that was moved away or removed is noticed within a second and at
//! [`reopen`](Sink::reopen), and begun anew. Directories are made with mode 0750, files with 0640.

mod name;
mod place;
mod render;
mod shelf;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidings_event::EventType;
use tidings_event::text::TextStyle;
use tidings_spool::Clock;

use self::name::{
    Name, active_name, period_end_ns, period_of, period_start_ns, previous_start_ns, start_ns,
};
pub use self::place::check_not_a_source;
pub(crate) use self::place::is_same_place;
use self::render::Renderer;
use crate::batch::Batch;
use crate::settings::{LogFile, Rotate};
use crate::sink::{Failure, Outcome, Sink};

const DIRECTORY_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;
/// Text is handed to the kernel in pieces of about this size.
const PIECE_BYTES: usize = 128 << 10;
/// How often to look whether the file is still there under its name.
const LOOK_NS: u64 = 1_000_000_000;
/// How often old files are looked at besides at each rotation: age passes without one.
const TIDY_NS: u64 = 3_600_000_000_000;
/// How long to wait before writing to a full disk again.
const FULL_RETRY: Duration = Duration::from_secs(1);
/// How far back the beginning of a half line is looked for.
const HALF_LINE_BYTES: u64 = 1 << 20;

/// Writes events to log files. See the [settings](LogFile) for what it does when.
pub struct LogFileSink {
    log: LogFile,
    renderer: Renderer,
    clock: Arc<dyn Clock>,
    active: Option<Active>,
    /// Start of the newest period that was written, so that none before it is opened again; the
    /// beginning of time before the first, and where files do not rotate by time.
    newest_start_ns: i64,
    text: Vec<u8>,
    /// Where each event of `text` ends.
    ends: Vec<usize>,
    looked_ns: u64,
    tidied_ns: Option<u64>,
    wants_tidying: bool,
    tidying: Option<JoinHandle<io::Result<()>>>,
}

/// The file that is being written.
struct Active {
    file: File,
    path: PathBuf,
    period: String,
    period_end_ns: i64,
    length: u64,
    identity: (u64, u64),
    is_dirty: bool,
    /// It ends within a line that could not be cut off.
    is_broken: bool,
}

impl LogFileSink {
    /// A sink with these settings. Nothing is opened before the first event.
    #[must_use]
    pub fn new(log: &LogFile, clock: Arc<dyn Clock>) -> Self {
        let looked_ns = clock.monotonic_ns();
        Self {
            log: log.clone(),
            renderer: Renderer::new(TextStyle {
                multiline: log.multiline,
                ansi: log.ansi,
                full_time: log.full_time,
            }),
            clock,
            active: None,
            newest_start_ns: i64::MIN,
            text: Vec::new(),
            ends: Vec::new(),
            looked_ns,
            tidied_ns: None,
            wants_tidying: false,
            tidying: None,
        }
    }

    /// The file that is being written, if one is open.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.active.as_ref().map(|active| active.path.as_path())
    }

    /// Renders and writes the batch; after an error, tells how many events are in the file.
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), (usize, Failure)> {
        let now_ns = self.clock.now_ns();
        self.look();
        self.renderer.begin();
        let mut written = 0;
        for item in batch.events() {
            let time_ns = self.placed(item.event.time_ns(), now_ns);
            if self.needs_another(time_ns) {
                written += self.hand_over().map_err(|(n, f)| (written + n, f))?;
                self.turn(time_ns, now_ns).map_err(|f| (written, f))?;
            }
            self.renderer.write(&mut self.text, &item);
            self.ends.push(self.text.len());
            if self.text.len() >= PIECE_BYTES {
                written += self.hand_over().map_err(|(n, f)| (written + n, f))?;
            }
        }
        self.hand_over().map_err(|(n, f)| (written + n, f))?;
        Ok(())
    }

    /// A time in the period whose file an event of this time goes to.
    fn placed(&self, time_ns: i64, now_ns: i64) -> i64 {
        let newest_ns = self.newest_start_ns.min(now_ns);
        let time_ns = time_ns.min(now_ns);
        if time_ns >= newest_ns {
            time_ns
        } else if time_ns >= previous_start_ns(self.log.rotate, newest_ns) {
            newest_ns
        } else {
            now_ns
        }
    }

    /// Whether an event of this time cannot go to the file that is open.
    fn needs_another(&self, time_ns: i64) -> bool {
        let Some(active) = &self.active else {
            return true;
        };
        let length = active.length + self.text.len() as u64;
        time_ns >= active.period_end_ns
            || length > 0 && self.log.rotate_bytes.is_some_and(|most| length >= most)
    }

    /// Opens the file for an event of this time, setting the present one aside if it is full.
    fn turn(&mut self, time_ns: i64, now_ns: i64) -> Result<(), Failure> {
        if let Some(active) = self.active.take() {
            self.wants_tidying = true;
            active.close()?;
            if time_ns < active.period_end_ns {
                self.set_aside(&active)?;
            }
        }
        let active = self.open(time_ns, now_ns)?;
        let is_full = |most: u64| active.length >= most;
        if active.length > 0 && self.log.rotate_bytes.is_some_and(is_full) {
            // An earlier process left it full.
            active.close()?;
            self.set_aside(&active)?;
            self.active = Some(self.open(time_ns, now_ns)?);
        } else {
            self.active = Some(active);
        }
        Ok(())
    }

    fn set_aside(&self, active: &Active) -> Result<(), Failure> {
        // Moved away by others: what lies there now is not what was full.
        if !active.is_in_place() {
            return Ok(());
        }
        let set_aside = || -> io::Result<()> {
            let name = Name {
                period: active.period.clone(),
                number: shelf::next_number(&self.log, &active.period)?,
                compression: crate::settings::Compression::None,
                is_unfinished: false,
            };
            fs::rename(
                &active.path,
                self.log.path.join(name.text(&self.log.prefix)),
            )
        };
        set_aside().map_err(|error| failure("set aside", &active.path, error))
    }

    fn open(&mut self, time_ns: i64, now_ns: i64) -> Result<Active, Failure> {
        let directory = &self.log.path;
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)
            .map_err(|error| failure("create", directory, error))?;
        self.newest_start_ns = self.newest_start(now_ns);
        let time_ns = self.placed(time_ns, now_ns);
        let period = period_of(self.log.rotate, time_ns);
        let path = directory.join(active_name(&self.log.prefix, &period));
        let active = Active::open(
            path.clone(),
            period,
            period_end_ns(self.log.rotate, time_ns),
        )
        .map_err(|error| failure("open", &path, error))?;
        if self.log.rotate != Rotate::Never {
            self.newest_start_ns = start_ns(self.log.rotate, time_ns);
        }
        self.looked_ns = self.clock.monotonic_ns();
        if self.tidied_ns.is_none() {
            self.wants_tidying = true;
        }
        Ok(active)
    }

    /// The start of the newest period up to the present that there is a file of.
    fn newest_start(&self, now_ns: i64) -> i64 {
        let mut newest = self.newest_start_ns;
        let Ok(entries) = fs::read_dir(&self.log.path) else {
            return newest;
        };
        for entry in entries.map_while(Result::ok) {
            let name = entry.file_name();
            let name = name
                .to_str()
                .and_then(|name| Name::parse(&self.log.prefix, name));
            let start = name.and_then(|name| period_start_ns(self.log.rotate, &name.period));
            if let Some(start) = start.filter(|start| *start <= now_ns) {
                newest = newest.max(start);
            }
        }
        newest.min(now_ns)
    }

    /// Gives the rendered text to the kernel; tells how many events were written whole.
    fn hand_over(&mut self) -> Result<usize, (usize, Failure)> {
        let count = self.ends.len();
        if count == 0 {
            return Ok(0);
        }
        let active = self
            .active
            .as_mut()
            .expect("a file is opened before anything is rendered for it");
        let outcome = active.append(&self.text).map_err(|(bytes, error)| {
            let whole = self.ends.iter().take_while(|end| **end <= bytes).count();
            let last = whole.checked_sub(1).map_or(0, |last| self.ends[last]);
            active.cut((bytes - last) as u64);
            (whole, failure("write", &active.path, error))
        });
        self.text.clear();
        self.ends.clear();
        outcome.map(|()| count)
    }

    /// Notices, at most once a second, that the file was moved away or removed.
    fn look(&mut self) {
        let now = self.clock.monotonic_ns();
        if now.saturating_sub(self.looked_ns) < LOOK_NS {
            return;
        }
        self.looked_ns = now;
        if self
            .active
            .as_ref()
            .is_some_and(|active| !active.is_in_place())
        {
            self.active = None;
        }
    }

    /// Starts looking after the old files if that is due and not under way; gives how the last time
    /// went.
    fn tidy(&mut self) -> io::Result<()> {
        let result = match self.tidying.take_if(|thread| thread.is_finished()) {
            Some(thread) => thread.join().unwrap_or_else(|_| {
                Err(io::Error::other("it broke off by a fault of the program"))
            }),
            None => Ok(()),
        };
        let now = self.clock.monotonic_ns();
        let is_old = |tidied: u64| now.saturating_sub(tidied) >= TIDY_NS;
        let is_due = self.wants_tidying || self.tidied_ns.is_some_and(is_old);
        let Some(active) = self.active.as_ref().filter(|_| is_due) else {
            return result;
        };
        if self.tidying.is_some() {
            return result;
        }
        (self.wants_tidying, self.tidied_ns) = (false, Some(now));
        let (log, path) = (self.log.clone(), active.path.clone());
        let wall_ns = self.clock.now_ns().max(0).unsigned_abs();
        let wall: SystemTime = UNIX_EPOCH + Duration::from_nanos(wall_ns);
        let thread = std::thread::Builder::new().name("log-shelf".to_owned());
        self.tidying = Some(thread.spawn(move || shelf::tidy(&log, &path, wall))?);
        result
    }
}

impl Sink for LogFileSink {
    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome {
        match self.write(batch) {
            Ok(()) => Outcome::Delivered,
            Err((delivered, failure)) => {
                self.text.clear();
                self.ends.clear();
                Outcome::RetryAfter {
                    delivered,
                    after: Some(FULL_RETRY),
                    failure,
                }
            }
        }
    }

    fn sync(&mut self) -> Result<(), Failure> {
        match &mut self.active {
            Some(active) => active.sync(),
            None => Ok(()),
        }
    }

    fn tick(&mut self) -> Result<(), Failure> {
        self.tidy()
            .map_err(|error| failure("look after the old files in", &self.log.path, error))
    }

    fn reopen(&mut self) {
        if let Some(active) = self.active.take() {
            // What the kernel has cannot be synced better by waiting; the next sync would tell.
            let _ = active.close();
        }
    }

    fn flush(&mut self, limit: Duration) -> Result<(), Failure> {
        // A compression under way is left behind: the next process finishes it.
        let _ = limit;
        self.sync()
    }
}

impl fmt::Debug for LogFileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFileSink")
            .field("log", &self.log)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl Active {
    fn open(path: PathBuf, period: String, period_end_ns: i64) -> io::Result<Active> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(FILE_MODE)
            .open(&path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut active = Active {
            file,
            path,
            period,
            period_end_ns,
            length: metadata.len(),
            identity: (metadata.dev(), metadata.ino()),
            is_dirty: false,
            is_broken: false,
        };
        active.mend()?;
        Ok(active)
    }

    /// Cuts off the half line that a killed process left at the end; ends one that is too long.
    fn mend(&mut self) -> io::Result<()> {
        let reach = self.length.min(HALF_LINE_BYTES);
        let mut tail = vec![0; usize::try_from(reach.min(1)).unwrap_or(1)];
        self.file
            .read_exact_at(&mut tail, self.length - reach.min(1))?;
        if tail.last().is_none_or(|byte| *byte == b'\n') {
            return Ok(());
        }
        tail.resize(usize::try_from(reach).unwrap_or(0), 0);
        self.file.read_exact_at(&mut tail, self.length - reach)?;
        let kept = tail
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map(|at| at + 1);
        match kept {
            Some(kept) => self.cut((tail.len() - kept) as u64),
            None if reach == self.length => self.cut(reach),
            None => self.is_broken = true,
        }
        Ok(())
    }

    /// Appends, or tells how many bytes were taken before the error.
    fn append(&mut self, text: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.is_broken {
            self.put(b"\n")?;
            self.is_broken = false;
        }
        self.put(text)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        self.is_dirty = true;
        while written < bytes.len() {
            match self.file.write(&bytes[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    self.length += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    /// Takes back the last bytes, which are no whole event.
    fn cut(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let cut = self.file.metadata().and_then(|metadata| {
            let length = metadata.len().saturating_sub(bytes);
            self.file.set_len(length).map(|()| length)
        });
        match cut {
            Ok(length) => self.length = length,
            Err(_) => self.is_broken = true,
        }
    }

    fn sync(&mut self) -> Result<(), Failure> {
        if !self.is_dirty {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| failure("sync", &self.path, error))?;
        self.is_dirty = false;
        Ok(())
    }

    fn close(&self) -> Result<(), Failure> {
        if !self.is_dirty {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| failure("sync", &self.path, error))
    }

    /// Whether the file is still the one of its name.
    fn is_in_place(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }
}

fn failure(action: &str, path: &Path, error: io::Error) -> Failure {
    Failure::new(
        EventType::TELEMETRY_LOG_ERROR,
        format!("cannot {action} {}", path.display()),
        error,
    )
}
