//! Ships events to a Tidings server, which acknowledges what is durable there.
//!
//! ```no_run
//! use tidings::forward::{ForwardSettings, Forwarder};
//!
//! let telemetry = tidings::start(tidings::Settings::default())?;
//! let settings = ForwardSettings::new("https://tidings.example.org").token("s3cret");
//! let forwarder = Forwarder::start(&telemetry, settings)?;
//! // … at the end:
//! telemetry.shutdown(std::time::Duration::from_secs(5))?;
//! let stats = forwarder.close(std::time::Duration::from_secs(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Records go by `POST /ingest` as `application/vnd.tidings.records`, some 512 KiB at a time, in
//! order, one request at a time. What is not acknowledged is sent again; every event has an id, so
//! the server skips what it has already, and nothing is stored twice.
//!
//! **Queues.** In memory events wait in the subscriber's queue (8 MiB by default); when it is full, new
//! ones are dropped, counted, and told in-band. With a [spool](ForwardSettings::spool) they wait on
//! disk, also beyond the end of the process; when that is full its oldest are removed, and counted as
//! skipped. A server that is away, overloaded (429, 503 with `Retry-After`) or refuses the token is
//! tried again, after a second at first and a minute at last. Events that it cannot read (400, 413)
//! are sought out by halving, left out and counted as refused.

mod post;
mod source;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_event::Records;
use tidings_spool::{
    Batch, DirLock, DiskBackend, Identity, LockError, Spool, SpoolConfig, SpoolError, SystemClock,
    lock_dir,
};

use crate::interest::Interest;
use crate::process::random;
use crate::subscribe::{Received, Subscriber, SubscriberStats, Subscription};
use crate::telemetry::{Telemetry, TelemetryError};
use post::{Answer, Post};
use source::{Acknowledged, Disk, Memory, Next};

/// Where to and how events are shipped.
#[derive(Clone)]
pub struct ForwardSettings {
    /// `http://` or `https://`, host, port; without a path, `/ingest` is meant. Certificates are
    /// checked against Mozilla's roots.
    pub url: String,
    /// Sent as `Authorization: Bearer …`; never printed.
    pub token: Option<String>,
    /// Which events are shipped; everything from info up by default.
    pub interest: Interest,
    /// How many bytes of records may wait in memory; 8 MiB by default.
    pub memory_bytes: usize,
    /// The longest that one request may take; 30 s by default.
    pub timeout: Duration,
    /// A directory in which events wait while the server is away, and how many bytes it may take.
    pub spool: Option<(PathBuf, u64)>,
}

impl ForwardSettings {
    /// To this server, from memory, without a token.
    pub fn new(url: impl Into<String>) -> ForwardSettings {
        ForwardSettings {
            url: url.into(),
            token: None,
            interest: Interest::level(crate::Level::Info),
            memory_bytes: 8 << 20,
            timeout: Duration::from_secs(30),
            spool: None,
        }
    }

    /// With this token.
    pub fn token(self, token: impl Into<String>) -> ForwardSettings {
        ForwardSettings {
            token: Some(token.into()),
            ..self
        }
    }

    /// With a spool in a directory of its own, of at most so many bytes.
    pub fn spool(self, directory: impl Into<PathBuf>, bytes_max: u64) -> ForwardSettings {
        ForwardSettings {
            spool: Some((directory.into(), bytes_max)),
            ..self
        }
    }
}

impl fmt::Debug for ForwardSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardSettings")
            .field("url", &self.url)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("interest", &self.interest)
            .field("memory_bytes", &self.memory_bytes)
            .field("timeout", &self.timeout)
            .field("spool", &self.spool)
            .finish()
    }
}

/// Why a forwarder could not be started.
#[derive(Debug)]
pub enum ForwardError {
    /// Not a URL that events can be sent to.
    Url(String),
    /// No room for another subscriber.
    Telemetry(TelemetryError),
    /// The spool's directory cannot be used.
    Directory(PathBuf, io::Error),
    /// Another process, or another forwarder, has the spool's directory.
    Locked(LockError),
    /// The spool cannot be opened.
    Spool(SpoolError),
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardError::Url(url) => write!(
                f,
                "cannot forward to {url:?}: must be http:// or https://, a host and maybe a port and a path"
            ),
            ForwardError::Telemetry(_) => f.write_str("the forwarder cannot subscribe"),
            ForwardError::Directory(path, _) => {
                write!(f, "cannot use the spool's directory {}", path.display())
            }
            ForwardError::Locked(_) => f.write_str("cannot take the spool's directory"),
            ForwardError::Spool(_) => f.write_str("cannot open the forwarder's spool"),
            ForwardError::Thread(_) => f.write_str("cannot start the forwarder's thread"),
        }
    }
}

impl std::error::Error for ForwardError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ForwardError::Url(_) => None,
            ForwardError::Telemetry(why) => Some(why),
            ForwardError::Directory(_, why) | ForwardError::Thread(why) => Some(why),
            ForwardError::Locked(why) => Some(why),
            ForwardError::Spool(why) => Some(why),
        }
    }
}

/// What a forwarder did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardStats {
    /// Events that the server has, by its own word.
    pub acknowledged: u64,
    /// Those of them that it had before.
    pub duplicates: u64,
    /// Requests that were not answered as hoped, and made again.
    pub retries: u64,
    /// Events that the server could not read.
    pub refused: u64,
    /// Events dropped as the queue in memory was full.
    pub dropped: u64,
    /// Events that the full spool removed before they were sent, or that it did not take.
    pub skipped: u64,
    /// Events that were not acknowledged when the forwarder was closed, and are in no spool.
    pub unsent: u64,
    /// What went wrong last; `None` since the server took something.
    pub last_error: Option<String>,
}

/// What the forwarder's threads share.
#[derive(Debug, Default)]
struct Shared {
    acknowledged: AtomicU64,
    duplicates: AtomicU64,
    retries: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    skipped: AtomicU64,
    unsent: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last_error: Option<String>,
    /// Everything that will ever come is in the spool.
    filled: bool,
    /// Give up as soon as possible.
    stop: bool,
    /// How many threads have ended.
    ended: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_filled(&self) -> bool {
        self.lock().filled
    }

    fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    fn note_error(&self, why: String) {
        self.lock().last_error = Some(why);
    }

    fn note_skipped(&self, count: u64) {
        self.skipped.fetch_add(count, Ordering::Relaxed);
    }

    fn note_dropped(&self, stats: &SubscriberStats) {
        self.dropped
            .store(stats.dropped.iter().sum(), Ordering::Relaxed);
    }

    /// Changes the state and wakes who waits for it.
    fn set(&self, what: impl FnOnce(&mut State)) {
        what(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `done`, at most so long; says whether it came about.
    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| !done(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }
}

/// A running forwarder. Dropping it gives up what is not acknowledged at once; see
/// [`close`](Self::close).
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Held until the threads have ended.
    _lock: Option<DirLock>,
}

impl Forwarder {
    /// Subscribes and begins to ship.
    pub fn start(
        telemetry: &Telemetry,
        settings: ForwardSettings,
    ) -> Result<Forwarder, ForwardError> {
        let post = Post::new(&settings)?;
        let spool = match &settings.spool {
            Some((directory, bytes_max)) => Some(open_spool(directory, *bytes_max)?),
            None => None,
        };
        let subscription = Subscription::new("forward")
            .interest(settings.interest.clone())
            .queue_bytes(settings.memory_bytes)
            .lossy();
        let subscriber = telemetry
            .subscribe(subscription)
            .map_err(ForwardError::Telemetry)?;
        let shared = Arc::new(Shared::default());
        let mut forwarder = Forwarder {
            shared: shared.clone(),
            threads: Vec::new(),
            _lock: None,
        };
        match spool {
            None => {
                let source = Memory {
                    subscriber,
                    shared: shared.clone(),
                };
                forwarder.spawn(move || ship_memory(source, &post))?;
            }
            Some((spool, reader, acknowledged, lock)) => {
                forwarder._lock = Some(lock);
                let spool = Arc::new(spool);
                let source = Disk {
                    spool: spool.clone(),
                    reader,
                    shared: shared.clone(),
                    acknowledged,
                };
                forwarder.spawn(move || ship_disk(source, &post))?;
                forwarder.spawn(move || fill(subscriber, &spool, &shared))?;
            }
        }
        Ok(forwarder)
    }

    /// What was done so far.
    pub fn stats(&self) -> ForwardStats {
        let shared = &self.shared;
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        ForwardStats {
            acknowledged: get(&shared.acknowledged),
            duplicates: get(&shared.duplicates),
            retries: get(&shared.retries),
            refused: get(&shared.refused),
            dropped: get(&shared.dropped),
            skipped: get(&shared.skipped),
            unsent: get(&shared.unsent),
            last_error: shared.lock().last_error.clone(),
        }
    }

    /// Waits, at most so long, until the server has everything, and ends. To be called after the
    /// telemetry was shut down. What is not acknowledged then is counted as unsent, or stays in the
    /// spool for the next run. A request that is under way is waited for, up to its timeout.
    pub fn close(mut self, limit: Duration) -> ForwardStats {
        let threads = self.threads.len();
        self.shared.wait(limit, |state| state.ended == threads);
        self.end();
        self.stats()
    }

    fn end(&mut self) {
        self.shared.set(|state| state.stop = true);
        for thread in self.threads.drain(..) {
            // A panic there was told by the panic hook; there is nothing left to do.
            let _ = thread.join();
        }
    }

    fn spawn(&mut self, work: impl FnOnce() + Send + 'static) -> Result<(), ForwardError> {
        /// Counts the thread as ended however it ends.
        struct Ended(Arc<Shared>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.set(|state| state.ended += 1);
            }
        }
        let ended = Ended(self.shared.clone());
        let thread = std::thread::Builder::new().name("tidings-forward".into());
        let thread = thread.spawn(move || {
            let _ended = ended;
            work();
        });
        self.threads.push(thread.map_err(ForwardError::Thread)?);
        Ok(())
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.end();
    }
}

type OpenedSpool = (Spool, tidings_spool::Reader, Acknowledged, DirLock);

fn open_spool(directory: &Path, bytes_max: u64) -> Result<OpenedSpool, ForwardError> {
    let in_directory = |why| ForwardError::Directory(directory.to_owned(), why);
    let backend = DiskBackend::new(directory).map_err(in_directory)?;
    let lock = lock_dir(directory).map_err(ForwardError::Locked)?;
    let config = SpoolConfig {
        max_bytes: bytes_max,
        segment_bytes: (bytes_max / 8).max(64 << 10),
        tail_bytes: 1 << 20,
        queue_bytes: 4 << 20,
        ..SpoolConfig::default()
    };
    let identity = Identity {
        epoch: random(),
        origin: random() as u32,
    };
    let clock = Arc::new(SystemClock::new());
    let opened = Spool::open(Arc::new(backend), clock, config, identity);
    let spool = opened.map_err(ForwardError::Spool)?.spool;
    let acknowledged = Acknowledged::new(directory.join("acknowledged"));
    let from = acknowledged.read()?;
    let reader = match spool.reader(from) {
        // The spool was made anew: all of it is to be sent.
        Err(SpoolError::Ahead { .. }) => spool.reader(1),
        reader => reader,
    };
    let reader = reader.map_err(ForwardError::Spool)?;
    Ok((spool, reader, acknowledged, lock))
}

/// How long to wait for events before looking whether the work is over.
const LOOK: Duration = Duration::from_millis(200);

fn ship_memory(mut source: Memory, post: &Post) {
    let shared = source.shared.clone();
    loop {
        match source.next(LOOK) {
            Next::Records(records, count) => {
                let left = ship(&records, count, post, &shared);
                shared.unsent.fetch_add(left, Ordering::Relaxed);
            }
            Next::Nothing if shared.is_stopped() => return,
            Next::Nothing => {}
            Next::End => return,
        }
    }
}

fn ship_disk(mut source: Disk, post: &Post) {
    let shared = source.shared.clone();
    loop {
        match source.next(LOOK) {
            Next::Records(records, count) => {
                if ship(&records, count, post, &shared) > 0 {
                    // Stays in the spool.
                    return;
                }
                source.acknowledge();
            }
            Next::Nothing if shared.is_stopped() => return,
            Next::Nothing => {}
            Next::End => return,
        }
    }
}

/// Puts what comes into the spool.
fn fill(mut subscriber: Subscriber, spool: &Spool, shared: &Shared) {
    loop {
        match subscriber.next(LOOK) {
            Received::Batch(batch) => {
                let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
                let records = batch.records().to_vec();
                if let Err(why) = spool.append(Batch::events(count, records)) {
                    shared.note_skipped(u64::from(count));
                    shared.note_error(why.error.to_string());
                }
            }
            Received::TimedOut if shared.is_stopped() => break,
            Received::TimedOut => {}
            Received::Closed => break,
        }
        shared.note_dropped(&subscriber.stats());
    }
    if let Err(why) = spool.sync() {
        shared.note_error(why.to_string());
    }
    shared.set(|state| state.filled = true);
}

/// Sends records until they are acknowledged. Gives how many are not, when it was told to stop.
fn ship(records: &[u8], count: u64, post: &Post, shared: &Shared) -> u64 {
    let mut pause = Duration::from_secs(1);
    loop {
        match post.send(records) {
            Answer::Taken { duplicates } => {
                shared.acknowledged.fetch_add(count, Ordering::Relaxed);
                shared.duplicates.fetch_add(duplicates, Ordering::Relaxed);
                shared.lock().last_error = None;
                return 0;
            }
            Answer::Smaller { why } => return ship_halves(records, count, post, shared, why),
            Answer::Later { after, why } => {
                shared.retries.fetch_add(1, Ordering::Relaxed);
                shared.note_error(why);
                let wait = after.unwrap_or(pause).min(PAUSE_MAX);
                if shared.wait(wait + jitter(wait), |state| state.stop) {
                    return count;
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// The longest pause between two tries, but for the jitter.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Up to a quarter of the pause, so that many programs do not come at once.
fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(f64::from(random() as u16) / f64::from(u16::MAX) / 4.0)
}

/// Sends records in two requests; a single one is given up.
fn ship_halves(records: &[u8], count: u64, post: &Post, shared: &Shared, why: String) -> u64 {
    if count <= 1 {
        shared.refused.fetch_add(count, Ordering::Relaxed);
        shared.note_error(why);
        return 0;
    }
    let half = count / 2;
    let lengths = Records::new(records).map_while(Result::ok);
    let first: usize = lengths
        .take(usize::try_from(half).unwrap_or(usize::MAX))
        .map(|event| event.as_bytes().len())
        .sum();
    let (first, second) = records.split_at(first.min(records.len()));
    match ship(first, half, post, shared) {
        0 => ship(second, count - half, post, shared),
        left => left + count - half,
    }
}
