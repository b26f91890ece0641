//! The live path: lines and events go into the spool, and from there into the history.
//!
//! Sources feed blocks of lines ([`LiveSource::feed`]) and clients feed events
//! ([`Live::ingest`], [`Live::ingest_records`]); both end in the spool. One thread, a reader of the spool like others,
//! applies every committed event to the memory table and to the open messages, and seals the
//! memory table into parts when it is large; its cursor is committed together with the parts.
//!
//! **Recovery.** A snapshot of the correlator, with the place up to which each source was read,
//! goes into the spool as a control record every 4 MiB of input or 30 s, and at shutdown. After a
//! crash the last one is loaded, the sources are read again from there, and events that are in the
//! spool already are not written again: ids and bytes are those of a run that was not interrupted.

mod followed;
mod ingest;
mod keeper;
mod pipe;
mod spans;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tidings::emit;
use tidings_event::{Drafts, EventType, Key, Value};
use tidings_mail::correlate::NoLookup;
use tidings_mail::envelope::{ClockSettings, Zone};
use tidings_spool::{
    Batch, Clock, Gap, GapReason, Identity, RecoveryReport, Spool, SpoolConfig, SystemClock,
};
use tidings_store::PartFlags;

use crate::engine::Engine;
use crate::error::Error;
use crate::history::HistoryWriter;
use crate::import::imported_correlator;
use crate::input::{Block, Checkpoint, Limits, first_line_hash, first_year, open};
use crate::interpret::Interpreter;
use followed::followed_blobs;
use keeper::Keeper;
use pipe::{Pipe, Place};

pub use ingest::{IngestError, IngestReport};

pub(crate) use followed::{FollowedStream, Sources, followed_streams};

/// Records of a batch, in bytes; a block of lines may be several.
const BATCH_BYTES: usize = 256 << 10;

/// Streams of followed files have numbers from here up, those of imported files below.
pub(crate) const LIVE_STREAM: u32 = 1 << 31;

const CURSOR_BLOB: &str = "spool/cursor";

/// Name of the history's pin in the spool.
const PIN: &str = "history";

/// How the live path is opened.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The spool's limits.
    pub spool: SpoolConfig,
    /// Bytes of records in the memory table at which it is sealed into parts; smaller ones are an
    /// hour after the end of the (UTC) day in which their first event came. Default 16 MiB.
    pub seal_bytes: usize,
    /// Tells the age of what is in memory, and of the spool's segments. Default the system's.
    pub clock: Arc<dyn Clock>,
}

impl Default for LiveOptions {
    fn default() -> LiveOptions {
        LiveOptions {
            spool: SpoolConfig::default(),
            seal_bytes: 16 << 20,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// The running live path of an engine. Dropping it without [`shutdown`](Self::shutdown) ends it as
/// a crash would, but in order: nothing that was acknowledged is lost.
#[derive(Debug)]
pub struct Live {
    engine: Arc<Engine>,
    spool: Arc<Spool>,
    shared: Arc<Mutex<Pipe>>,
    /// Held while a forwarded body is compared with what was taken before.
    forwarding: Mutex<()>,
    stop: Arc<AtomicBool>,
    history: Option<JoinHandle<()>>,
}

/// One followed source.
#[derive(Debug)]
pub struct LiveSource {
    name: String,
    spool: Arc<Spool>,
    shared: Arc<Mutex<Pipe>>,
    /// The stream being read, with its interpreter.
    stream: Option<(u64, Interpreter)>,
    zone_name: String,
    year: Option<i32>,
    records: Vec<u8>,
    line_events: Drafts,
}

impl Engine {
    /// Starts the live path: recovers the spool, and the memory table from it, in the background.
    pub fn live(self: &Arc<Self>, mut options: LiveOptions) -> Result<Live, Error> {
        let _no_import = self.no_import();
        let clock = Arc::clone(&options.clock);
        let identity = Identity {
            epoch: random(),
            origin: random() as u32,
        };
        let known = self.cursor();
        options.spool.known_head = options
            .spool
            .known_head
            .max(known.map_or(0, |cursor| cursor.sequence));
        let directory = options.spool.directory.clone();
        let opened = Spool::open(
            Arc::clone(self.backend()),
            Arc::clone(&clock),
            options.spool,
            identity,
        )?;
        self.note_recovery(&opened.recovery, &directory);
        let spool = Arc::new(opened.spool);
        // A cursor of another spool says nothing about this one.
        let epoch = spool.identity().epoch;
        let known = known.filter(|cursor| cursor.epoch == epoch);
        let cursor = known.map_or(0, |known| known.sequence.min(spool.head()));
        let pin = spool.pin(PIN, cursor);
        let mut pipe = Pipe::recover(&spool)?;
        if pipe.places.is_empty() {
            // Nothing was followed yet: what was imported may go on in what will be.
            pipe.correlator = imported_correlator(self)?;
        }
        let shared = Arc::new(Mutex::new(pipe));
        drop(opened.hold);
        self.start_over()?;
        self.set_ready(false);
        let reader = spool.reader(cursor)?;
        // A spool in which nothing was ever written is no event behind.
        self.note_applied(reader.sequence());
        let stop = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            engine: Arc::clone(self),
            reader,
            goal: spool.head(),
            spool: Arc::clone(&spool),
            shared: Arc::clone(&shared),
            clock,
            pin,
            stop: Arc::clone(&stop),
            writer: HistoryWriter::new(self.store().clone(), PartFlags::LIVE),
            seal_bytes: options.seal_bytes,
            directory,
            is_recording: known.is_none_or(|known| known.is_recording),
            bytes: 0,
            since_ns: known.map_or(0, |known| known.sealed_ns),
            complaint: None,
            patience: keeper::first_patience(),
        };
        let thread = std::thread::Builder::new()
            .name("tidings-history".into())
            .spawn(move || keeper.run());
        let history =
            thread.map_err(|error| Error::State(format!("cannot start a thread: {error}")))?;
        self.set_live(true);
        *self.sources() = Sources::new(&shared);
        Ok(Live {
            engine: Arc::clone(self),
            spool,
            shared,
            forwarding: Mutex::new(()),
            stop,
            history: Some(history),
        })
    }

    /// What the history has read of the spool.
    fn cursor(&self) -> Option<Cursor> {
        Cursor::decode(self.store().snapshot().blob(CURSOR_BLOB)?)
    }

    /// Tells of everything that could be a loss.
    fn note_recovery(&self, report: &RecoveryReport, directory: &Path) {
        let note = |what: String| self.note(format!("{}: {what}", directory.display()));
        if report.restarted {
            note("all segments are gone; it starts again as another spool".to_owned());
        }
        if report.meta_rebuilt {
            note("the file meta was damaged and is made anew".to_owned());
        }
        if let Some(torn) = &report.torn_tail {
            note(format!("cut off {torn}"));
            emit!(Spool::Truncated, details = torn.to_string());
        }
        report
            .damage
            .iter()
            .for_each(|damage| note(damage.to_string()));
        if let Some(lost) = &report.lost_end {
            note(format!(
                "events {} to {} at its end are lost",
                lost.start,
                lost.end - 1
            ));
        }
    }
}

/// Up to where the history has read which spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    epoch: u64,
    sequence: u64,
    /// When that was: what lies behind it came later. 0 if nobody noted it.
    sealed_ns: i64,
    /// Whether events behind it go into the history.
    is_recording: bool,
}

impl Cursor {
    fn encode(&self) -> Vec<u8> {
        let passed_by = u64::from(!self.is_recording);
        let numbers = [self.epoch, self.sequence, self.sealed_ns as u64, passed_by];
        numbers.map(u64::to_le_bytes).concat()
    }

    fn decode(bytes: &[u8]) -> Option<Cursor> {
        let mut numbers = bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| u64::from_le_bytes(*bytes));
        Some(Cursor {
            epoch: numbers.next()?,
            sequence: numbers.next()?,
            sealed_ns: numbers.next().unwrap_or(0) as i64,
            is_recording: numbers.next().unwrap_or(0) == 0,
        })
    }
}

/// A gap in the spool, in words.
fn words_of_gap(gap: &Gap) -> String {
    let (first, last) = (gap.sequences.start, gap.sequences.end.saturating_sub(1));
    match &gap.reason {
        GapReason::Damaged(damage) => damage.to_string(),
        GapReason::Removed => {
            format!("events {first} to {last} were removed before the history had them")
        }
        _ => format!("events {first} to {last} are lost"),
    }
}

impl Live {
    /// A source that follows a file, by the name it has in the settings. `zone` is the name of the
    /// zone of its times ([`crate::zone`]).
    pub fn source(&self, name: &str, zone: &str, year: Option<i32>) -> Result<LiveSource, Error> {
        crate::zone::zone(zone).map_err(Error::Asked)?;
        Ok(LiveSource {
            name: name.to_owned(),
            spool: Arc::clone(&self.spool),
            shared: Arc::clone(&self.shared),
            stream: None,
            zone_name: zone.to_owned(),
            year,
            records: Vec::new(),
            line_events: Drafts::default(),
        })
    }

    /// How many durable events searches do not see yet: the history's thread is behind.
    pub fn history_lag(&self) -> u64 {
        self.spool.head().saturating_sub(self.engine.applied())
    }

    /// How many sessions the followed logs told to have started, by events of this type, and not to
    /// have ended yet. After a crash, as it was when the correlator was last saved.
    pub fn active_sessions(&self, started_by: EventType) -> usize {
        lock(&self.shared).correlator.active_sessions(started_by)
    }

    /// The spool.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// The spool, to be read by others for as long as they like.
    pub fn shared_spool(&self) -> Arc<Spool> {
        Arc::clone(&self.spool)
    }

    /// Ends the live path: saves the correlator, makes everything durable, and waits for the
    /// history thread. Sources must have stopped feeding. Searches of this engine go on seeing
    /// what is in the spool.
    pub fn shutdown(mut self) -> Result<(), Error> {
        let saved = {
            let mut pipe = lock(&self.shared);
            pipe.save(&self.spool);
            pipe.flush(&self.spool)
        };
        let closed = self.end();
        saved.and(closed)
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(history) = self.history.take() else {
            return Ok(());
        };
        let closed = self.spool.close();
        self.stop.store(true, Ordering::Release);
        history.thread().unpark();
        self.engine.set_live(false);
        history
            .join()
            .map_err(|_| Error::State("the history thread panicked".into()))?;
        Ok(closed?)
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Who wants to hear of a failure calls `shutdown`.
        let _ = self.end();
    }
}

impl LiveSource {
    /// The follower's checkpoint from which the source has to be read (again).
    pub fn resume(&self) -> Option<Vec<u8>> {
        lock(&self.shared)
            .places
            .get(&self.name)
            .map(|place| place.checkpoint.clone())
    }

    /// Takes the next lines of the source. `stream_key` tells its files apart
    /// ([`crate::input::Follower::stream`]); `checkpoint` is where the follower stands behind the
    /// block. Waits while the spool's queue is full.
    ///
    /// On an error the lines were taken or they were not: read on from [`resume`](Self::resume),
    /// and nothing is lost or there twice.
    pub fn feed(
        &mut self,
        block: &Block,
        stream_key: u64,
        checkpoint: &[u8],
        now_ns: i64,
    ) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let mut pipe = lock(&shared);
        pipe.flush(&self.spool)?;
        let mut interpreter = self.interpreter(&pipe, stream_key, block.offset() == 0, now_ns);
        let (mut count, mut last) = (0, None);
        for line in block.lines() {
            self.line_events.clear();
            interpreter.line(
                line.bytes,
                line.number,
                &mut pipe.correlator,
                &NoLookup,
                &mut self.line_events,
            );
            let Some(at) = self
                .line_events
                .iter()
                .next()
                .and_then(|event| event.header().position)
            else {
                continue;
            };
            last = Some(at);
            if pipe.is_done(at) {
                continue;
            }
            count += keep_line(&self.line_events, line.bytes, &mut self.records);
            if self.records.len() >= BATCH_BYTES {
                pipe.send(
                    Batch::events(count, std::mem::take(&mut self.records)),
                    &self.spool,
                );
                count = 0;
            }
        }
        if count > 0 {
            pipe.send(
                Batch::events(count, std::mem::take(&mut self.records)),
                &self.spool,
            );
        }
        let place = Place {
            checkpoint: checkpoint.to_vec(),
            stream_key,
            trail: interpreter.trail(),
        };
        self.stream = Some((stream_key, interpreter));
        if let Some(from) = first_offset(block, checkpoint)? {
            pipe.note_stream(&self.name, &place, from, block);
        }
        let bytes = block.bytes().len();
        pipe.note_fed(&self.name, place, last, bytes, now_ns, &self.spool);
        pipe.flush(&self.spool)
    }

    /// The year in which the stream begins, if the file at the followed path holds it: a rotated one
    /// begins in the last year that it can.
    fn first_year(&self, stream_key: u64, clock: &ClockSettings) -> Option<i32> {
        let path = Path::new(&self.name);
        let mut file = open(path).ok()?;
        if first_line_hash(&mut file) != Some(stream_key) {
            return None;
        }
        first_year(path, Limits::default(), &clock.zone, clock.reference_ns)
            .ok()
            .flatten()
    }

    /// The interpreter that goes on behind the last line that was fed.
    fn interpreter(
        &mut self,
        pipe: &Pipe,
        stream_key: u64,
        at_beginning: bool,
        now_ns: i64,
    ) -> Interpreter {
        if let Some((_, mut interpreter)) = self.stream.take().filter(|(key, _)| *key == stream_key)
        {
            interpreter.set_now(now_ns);
            return interpreter;
        }
        let zone = crate::zone::zone(&self.zone_name).unwrap_or(Zone::Utc);
        let mut clock = ClockSettings {
            zone,
            year: self.year,
            reference_ns: now_ns,
        };
        let stream = LIVE_STREAM | stream_key as u32;
        match pipe
            .places
            .get(&self.name)
            .filter(|place| place.stream_key == stream_key)
        {
            Some(place) => Interpreter::behind(stream, stream_key, clock, &place.trail),
            None => {
                if clock.year.is_none() && at_beginning {
                    clock.year = self.first_year(stream_key, &clock);
                }
                Interpreter::new(stream, stream_key, clock)
            }
        }
    }
}

/// Where the lines of a stream that are followed begin: with this block, or behind what was there
/// at the start. `None` if there is no stream yet.
fn first_offset(block: &Block, checkpoint: &[u8]) -> Result<Option<u64>, Error> {
    if !block.bytes().is_empty() {
        return Ok(Some(block.offset()));
    }
    let place = Checkpoint::decode(checkpoint).map_err(|error| Error::State(error.to_string()))?;
    Ok(Some(place.chain().length()).filter(|length| *length > 0))
}

/// Appends the events of a line, the line itself with the first of them; gives their number.
fn keep_line(events: &Drafts, line: &[u8], out: &mut Vec<u8>) -> u32 {
    for (at, event) in events.iter().enumerate() {
        let mut record = event.record(out);
        if at == 0 {
            record.value(Key::RAW_LINE, &Value::Bytes(line));
        }
        record.finish();
    }
    events.len() as u32
}

/// The line that a value under [`Key::RAW_LINE`] holds.
pub(crate) fn line_of(value: &Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(line) => Some(line.to_vec()),
        Value::Str(line) => Some(line.as_bytes().to_vec()),
        _ => None,
    }
}

fn lock(shared: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A random number, from the randomness that the standard library's hash maps are seeded with.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
