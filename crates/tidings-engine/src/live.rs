//! The live path: lines and events go into the spool, and from there into the history.
//!
//! Sources feed blocks of lines ([`LiveSource::feed`]) and clients feed events
//! ([`Live::ingest`]); both end in the spool. One thread, a reader of the spool like others,
//! applies every committed event to the memory table and to the open messages, and seals the
//! memory table into parts when it is large; its cursor is committed together with the parts.
//!
//! **Recovery.** A snapshot of the correlator, with the place up to which each source was read,
//! goes into the spool as a control record every [`SNAPSHOT_BYTES`] of input or
//! [`SNAPSHOT_NS`], and at shutdown. After a crash the last one is loaded, the sources are read
//! again from there, and events that are in the spool already are not written again: ids and
//! bytes are those of a run that was not interrupted.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_event::json::EventReader;
use tidings_event::{Key, RecordWriter, Records, Value};
use tidings_mail::correlate::{Correlator, Limits as CorrelatorLimits, NoLookup};
use tidings_mail::envelope::{ClockSettings, Zone};
use tidings_spool::{
    Batch, Clock, Delivery, Frame, Identity, Kind, Pin, Reader, Spool, SpoolConfig, SpoolError, SystemClock,
};
use tidings_store::PartFlags;

use crate::engine::{Engine, OPEN_BLOB, OPEN_IMPORT_BLOB};
use crate::error::Error;
use crate::history::HistoryWriter;
use crate::import::packed;
use crate::input::Block;
use crate::interpret::Interpreter;
use crate::memory::each_event;
use crate::reopen::StoreReopen;

/// Bytes of records in the memory table at which it is sealed.
pub(crate) const SEAL_BYTES: usize = 16 << 20;

/// Input bytes after which the correlator is saved.
const SNAPSHOT_BYTES: u64 = 4 << 20;

/// Time after which the correlator is saved, if there was input.
const SNAPSHOT_NS: i64 = 30_000_000_000;

/// Tag of the correlator's snapshots among the spool's control records.
const SNAPSHOT_TAG: u8 = 1;

/// Records of a batch, in bytes; a block of lines may be several.
const BATCH_BYTES: usize = 256 << 10;

/// Streams of followed files have numbers from here up, those of imported files below.
const LIVE_STREAM: u32 = 1 << 31;

const CURSOR_BLOB: &str = "spool/cursor";

/// How often the history thread looks whether it shall end.
const WAKE: Duration = Duration::from_millis(200);

/// How the live path is opened.
#[derive(Clone, Debug, Default)]
pub struct LiveOptions {
    /// The spool's limits.
    pub spool: SpoolConfig,
}

/// What of a body was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestReport {
    /// Events that are durable now.
    pub accepted: u64,
}

/// Why a body was refused; nothing of it was taken, unless it says `Failed`.
#[derive(Debug)]
pub enum IngestError {
    /// A line is no event.
    Bad {
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The spool has no room now: try again later.
    Full,
    /// The medium failed; the events may or may not be durable.
    Failed(String),
}

impl std::fmt::Display for IngestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IngestError::Bad { line, why } => write!(f, "line {line}: {why}"),
            IngestError::Full => f.write_str("the spool is full: try again later"),
            IngestError::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for IngestError {}

/// The running live path of an engine.
#[derive(Debug)]
pub struct Live {
    engine: Arc<Engine>,
    spool: Arc<Spool>,
    shared: Arc<Mutex<Pipe>>,
    stop: Arc<AtomicBool>,
    history: Option<JoinHandle<Result<(), Error>>>,
}

/// What all sources share: the correlator, and where each of them stands.
#[derive(Debug)]
struct Pipe {
    correlator: Correlator,
    /// Follower checkpoints by source.
    checkpoints: BTreeMap<String, Vec<u8>>,
    /// Last line of each stream that is in the spool since the snapshot.
    done: HashMap<u32, u64>,
    fed_bytes: u64,
    saved_ns: i64,
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
    line_records: Vec<u8>,
}

impl Engine {
    /// Starts the live path: recovers the spool, and the memory table from it, in the background.
    pub fn live(self: &Arc<Self>, options: LiveOptions) -> Result<Live, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let identity = Identity { epoch: random(), origin: random() as u32 };
        let opened = Spool::open(Arc::clone(self.backend()), clock, options.spool, identity)?;
        let spool = Arc::new(opened.spool);
        let cursor = cursor_of(self, &spool);
        let pin = spool.pin("history", cursor);
        let pipe = recover(&spool)?;
        drop(opened.hold);
        let reader = spool.reader(cursor)?;
        self.set_ready(false);
        self.set_live(true);
        let stop = Arc::new(AtomicBool::new(false));
        let head = spool.head();
        let thread = std::thread::Builder::new().name("tidings-history".into());
        let history = {
            let (engine, stop) = (Arc::clone(self), Arc::clone(&stop));
            let goal = Goal { head, epoch: spool.identity().epoch };
            thread.spawn(move || keep_history(&engine, reader, &pin, goal, &stop))
        };
        let history = history.map_err(|error| Error::State(format!("cannot start a thread: {error}")))?;
        Ok(Live {
            engine: Arc::clone(self),
            spool,
            shared: Arc::new(Mutex::new(pipe)),
            stop,
            history: Some(history),
        })
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
            line_records: Vec::new(),
        })
    }

    /// Takes NDJSON events, all or none, and returns when they are durable.
    pub fn ingest(&self, body: &[u8], now_ns: i64) -> Result<IngestReport, IngestError> {
        let mut reader = EventReader::new();
        let (mut records, mut batches, mut count, mut total) = (Vec::new(), Vec::new(), 0, 0);
        for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let bad = |why: String| IngestError::Bad { line: number as u64 + 1, why };
            reader.read(line.trim_ascii(), now_ns, &mut records).map_err(|error| bad(error.to_string()))?;
            count += 1;
            total += 1;
            if records.len() >= BATCH_BYTES {
                batches.push(Batch::events(count, std::mem::take(&mut records)));
                count = 0;
            }
        }
        if count > 0 {
            batches.push(Batch::events(count, records));
        }
        let mut last = None;
        for batch in batches {
            let ticket = self.spool.append(batch).map_err(|refused| match refused.error {
                SpoolError::Full(_) if last.is_none() => IngestError::Full,
                error => IngestError::Failed(error.to_string()),
            })?;
            last = Some(ticket);
        }
        if let Some(ticket) = last {
            ticket.wait().map_err(|error| IngestError::Failed(error.to_string()))?;
        }
        Ok(IngestReport { accepted: total })
    }

    /// Committed events from now on, for the console.
    pub fn tail(&self) -> Result<LiveTail, Error> {
        Ok(LiveTail { reader: self.spool.reader(self.spool.head())?, skipped: 0 })
    }

    /// Bytes of the spool, and how many events the history is behind it.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Ends the live path: saves the correlator, makes everything durable, and waits for the
    /// history thread. Sources must have stopped feeding.
    pub fn shutdown(mut self) -> Result<(), Error> {
        lock(&self.shared).save(&self.spool, self.now_ns())?;
        self.spool.close()?;
        self.stop.store(true, Ordering::Release);
        self.engine.set_live(false);
        match self.history.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(_)) => Err(Error::State("the history thread panicked".into())),
            None => Ok(()),
        }
    }

    fn now_ns(&self) -> i64 {
        lock(&self.shared).saved_ns
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

/// Committed events as they come.
#[derive(Debug)]
pub struct LiveTail {
    reader: Reader,
    skipped: u64,
}

/// How far a tail may lag before it leaves events out.
const TAIL_LAG_BYTES: u64 = 8 << 20;

impl LiveTail {
    /// The records of the next batch; `None` if none came in time. Events are left out, and
    /// counted, when the reader is more than 8 MiB behind.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>, Error> {
        if self.reader.behind().bytes > TAIL_LAG_BYTES {
            let skipped = self.reader.skip_to_end();
            self.skipped += skipped.end - skipped.start;
        }
        match self.reader.next(timeout)? {
            Some(Delivery::Frame(frame)) if frame.kind() == Kind::Events => Ok(Some(without_lines(&frame))),
            Some(Delivery::Gap(gap)) => {
                self.skipped += gap.sequences.end - gap.sequences.start;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Events left out since the last call.
    pub fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }
}

fn without_lines(frame: &Frame) -> Vec<u8> {
    let mut records = Vec::with_capacity(frame.records().len());
    each_event(frame, &mut |sequence, event| records.extend(crate::memory::found(sequence, event).record));
    records
}

impl LiveSource {
    /// The follower's checkpoint from which the source has to be read (again).
    pub fn resume(&self) -> Option<Vec<u8>> {
        lock(&self.shared).checkpoints.get(&self.name).cloned()
    }

    /// Takes the next lines of the source. `stream_key` tells its files apart
    /// ([`crate::input::Follower::stream`]); `checkpoint` is where the follower stands behind the
    /// block. Waits while the spool is full.
    pub fn feed(&mut self, block: &Block, stream_key: u64, checkpoint: &[u8], now_ns: i64) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let mut pipe = lock(&shared);
        let stream = LIVE_STREAM | stream_key as u32;
        let mut interpreter = match self.stream.take().filter(|(key, _)| *key == stream_key) {
            Some((_, interpreter)) => interpreter,
            None => {
                let zone = crate::zone::zone(&self.zone_name).unwrap_or(Zone::Utc);
                Interpreter::new(stream, stream_key, ClockSettings { zone, year: self.year, reference_ns: now_ns })
            }
        };
        interpreter.set_now(now_ns);
        let mut count = 0;
        for line in block.lines() {
            self.line_records.clear();
            interpreter.line(line.bytes, line.number, &mut pipe.correlator, &NoLookup, &mut self.line_records);
            if pipe.done.get(&stream).is_some_and(|done| line.number <= *done) {
                continue;
            }
            count += keep_line(&self.line_records, line.bytes, &mut self.records);
            if self.records.len() >= BATCH_BYTES {
                let batch = Batch::events(count, std::mem::take(&mut self.records));
                self.spool.append(batch).map_err(|refused| refused.error)?;
                count = 0;
            }
        }
        if count > 0 {
            let batch = Batch::events(count, std::mem::take(&mut self.records));
            self.spool.append(batch).map_err(|refused| refused.error)?;
        }
        self.stream = Some((stream_key, interpreter));
        let is_new = pipe.checkpoints.insert(self.name.clone(), checkpoint.to_vec()).is_none();
        pipe.fed_bytes += block.bytes().len() as u64;
        if is_new || pipe.fed_bytes >= SNAPSHOT_BYTES || now_ns - pipe.saved_ns >= SNAPSHOT_NS {
            pipe.save(&self.spool, now_ns)?;
        }
        Ok(())
    }
}

/// Appends the events of a line, the line itself with the first of them; gives their number.
fn keep_line(line_records: &[u8], line: &[u8], out: &mut Vec<u8>) -> u32 {
    let mut count = 0;
    for event in Records::new(line_records).flatten() {
        let mut record = RecordWriter::begin(out, event.header());
        record.pairs(event.pairs());
        if count == 0 {
            record.value(Key::RAW_LINE, &Value::Bytes(line));
        }
        record.finish();
        count += 1;
    }
    count
}

/// The line that a value under [`Key::RAW_LINE`] holds.
pub(crate) fn line_of(value: &Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(line) => Some(line.to_vec()),
        Value::Str(line) => Some(line.as_bytes().to_vec()),
        _ => None,
    }
}

impl Pipe {
    /// Writes a snapshot into the spool, behind everything that was fed.
    fn save(&mut self, spool: &Spool, now_ns: i64) -> Result<(), Error> {
        let mut correlator = Vec::new();
        self.correlator.save(&mut correlator);
        let snapshot = Snapshot { checkpoints: self.checkpoints.clone(), correlator };
        let bytes = packed(&serde_json::to_vec(&snapshot).map_err(|error| Error::State(error.to_string()))?);
        spool.append(Batch::control(SNAPSHOT_TAG, bytes)).map_err(|refused| refused.error)?;
        self.fed_bytes = 0;
        self.saved_ns = now_ns;
        self.done.clear();
        Ok(())
    }
}

/// What a control record holds.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Snapshot {
    checkpoints: BTreeMap<String, Vec<u8>>,
    correlator: Vec<u8>,
}

/// The state that the spool's last snapshot holds, and what was fed after it.
fn recover(spool: &Spool) -> Result<Pipe, Error> {
    let limits = CorrelatorLimits::default();
    let mut pipe = Pipe {
        correlator: Correlator::new(limits),
        checkpoints: BTreeMap::new(),
        done: HashMap::new(),
        fed_bytes: 0,
        saved_ns: 0,
    };
    let Some(control) = spool.last_control(SNAPSHOT_TAG)? else { return Ok(pipe) };
    let bytes = zstd::decode_all(control.bytes.as_slice()).map_err(|error| Error::State(error.to_string()))?;
    let snapshot: Snapshot = serde_json::from_slice(&bytes).map_err(|error| Error::State(error.to_string()))?;
    pipe.correlator = Correlator::restore(limits, &snapshot.correlator)?;
    pipe.checkpoints = snapshot.checkpoints;
    let mut reader = spool.reader(control.next_position)?;
    while reader.sequence() < spool.head() {
        if let Some(Delivery::Frame(frame)) = reader.next(Duration::ZERO)? {
            each_event(&frame, &mut |_, event| {
                if let Some(position) = event.header().position {
                    let done = pipe.done.entry(position.stream).or_insert(0);
                    *done = (*done).max(position.line);
                }
            });
        }
    }
    Ok(pipe)
}

/// The history's cursor in this spool.
fn cursor_of(engine: &Engine, spool: &Spool) -> u64 {
    let snapshot = engine.store().snapshot();
    let Some(blob) = snapshot.blob(CURSOR_BLOB) else { return 0 };
    let Some((epoch, sequence)) = blob.split_first_chunk::<8>() else { return 0 };
    let sequence = sequence.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // A cursor of another spool says nothing about this one.
    if u64::from_le_bytes(*epoch) == spool.identity().epoch { sequence.min(spool.head()) } else { 0 }
}

/// What the history thread has to know of the spool it reads.
#[derive(Clone, Copy, Debug)]
struct Goal {
    /// Where the spool ended at the start: from there on the memory table is complete.
    head: u64,
    epoch: u64,
}

/// The history's reader of the spool: memory table, open messages, parts.
fn keep_history(
    engine: &Engine,
    mut reader: Reader,
    pin: &Pin,
    goal: Goal,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let mut writer = HistoryWriter::new(engine.store().clone(), PartFlags::LIVE);
    let mut bytes = 0;
    loop {
        if reader.sequence() >= goal.head {
            engine.set_ready(true);
        }
        match reader.next(WAKE) {
            Ok(Some(Delivery::Frame(frame))) if frame.kind() == Kind::Events => {
                bytes += frame.records().len();
                apply(engine, &frame, &mut writer)?;
                engine.memory().push(frame);
                if bytes >= SEAL_BYTES {
                    seal(engine, &mut writer, reader.sequence(), goal.epoch)?;
                    pin.advance(reader.sequence());
                    bytes = 0;
                }
            }
            Ok(Some(Delivery::Gap(gap))) => engine.note(format!(
                "events {} to {} are missing from the spool: {:?}",
                gap.sequences.start, gap.sequences.end, gap.reason
            )),
            Ok(_) if stop.load(Ordering::Acquire) => return Ok(()),
            Ok(_) => {}
            Err(SpoolError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Applies a frame's events to the open messages.
fn apply(engine: &Engine, frame: &Frame, writer: &mut HistoryWriter) -> Result<(), Error> {
    let mut failed = Ok(());
    let mut folder = engine.open_messages();
    each_event(frame, &mut |_, event| {
        let pairs: Vec<_> = event.pairs().collect();
        let mut reopen = StoreReopen::new(engine, writer);
        folder.apply(event.header(), &pairs, &mut reopen);
        if let Err(error) = reopen.finish() {
            failed = Err(error);
        }
    });
    failed
}

/// Writes the memory table, and the messages settled meanwhile, into parts.
fn seal(engine: &Engine, writer: &mut HistoryWriter, sequence: u64, epoch: u64) -> Result<(), Error> {
    for frame in engine.memory().frames() {
        let mut failed = Ok(());
        each_event(&frame, &mut |sequence, event| {
            let mut line = None;
            let mut pairs: Vec<(Key, Value<'_>)> = Vec::with_capacity(16);
            for (key, value) in event.pairs() {
                if key == Key::RAW_LINE {
                    line = line_of(&value);
                } else {
                    pairs.push((key, value));
                }
            }
            if failed.is_ok() {
                failed = writer.event(event.header(), &pairs, Some(sequence), line.as_deref());
            }
        });
        failed?;
    }
    // From here to the end of the commit no query may see a message both open and settled.
    let mut folder = engine.open_messages();
    let mut failed = Ok(());
    folder.take_settled(|message| {
        if failed.is_ok() {
            failed = writer.message(&message);
        }
    });
    failed?;
    let mut saved = Vec::new();
    folder.save(&mut saved);
    let cursor = [epoch.to_le_bytes(), sequence.to_le_bytes()].concat();
    writer.commit(&[
        (OPEN_BLOB.to_owned(), Some(packed(&saved))),
        (OPEN_IMPORT_BLOB.to_owned(), None),
        (CURSOR_BLOB.to_owned(), Some(cursor)),
    ])?;
    engine.forget_reopened();
    engine.memory().drop_before(sequence);
    Ok(())
}

fn lock(shared: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A random number, from the randomness that the standard library's hash maps are seeded with.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
