//! What clients send: their events go into the spool, and are acknowledged when they are durable.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use tidings_event::json::EventReader;
use tidings_event::{EventId, EventRef, Header, Key, RecordWriter, Records};
use tidings_spool::{Batch, SpoolError, Ticket};

use super::{Live, lock};

/// A body up to so many bytes of records is one batch: all of it or nothing.
const INGEST_BYTES: usize = 32 << 20;

/// An ingest waits so long for searches to see its events, if they are not far behind.
const SEEN_WITHIN: Duration = Duration::from_millis(200);

/// So many events behind is far.
const FAR_BEHIND: u64 = 50_000;

/// An event older than this when it comes is marked late.
const LATE_NS: i64 = 600_000_000_000;

/// Origins whose last event is remembered; the one that was heard of longest ago is forgotten.
const ORIGINS_MAX: usize = 16_384;

/// What of a body was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestReport {
    /// Events that are durable now.
    pub accepted: u64,
    /// Events that were there already: an earlier answer did not reach the client.
    pub duplicates: u64,
}

/// Why a body was refused; nothing of it was taken, unless it says `Failed`.
#[derive(Debug)]
pub enum IngestError {
    /// A line or record is no event.
    Bad {
        /// Number of the line or record, from 1.
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

impl Live {
    /// Takes NDJSON events, all or none, and returns when they are durable. (Of a body that makes
    /// more than 32 MiB of records, a crash may leave the first ones.)
    pub fn ingest(&self, body: &[u8], now_ns: i64) -> Result<IngestReport, IngestError> {
        let mut reader = EventReader::new();
        let mut batches = Batches::default();
        for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            reader
                .read(line.trim_ascii(), now_ns, &mut batches.records)
                .map_err(|error| bad(number as u64 + 1, error.to_string()))?;
            batches.note();
        }
        let (ticket, accepted) = self.append(batches)?;
        self.wait(ticket)?;
        Ok(IngestReport {
            accepted,
            duplicates: 0,
        })
    }

    /// Takes encoded records (`docs/format.md`), as the forwarder of the crate `tidings` sends them,
    /// all or none, and returns when they are durable. An event that carries an id whose number is not
    /// above the last one taken of that origin was taken before, and is not taken again.
    ///
    /// Where an event was read elsewhere, and that it was imported there, is no fact of this store:
    /// both are left out. What is more than ten minutes old is marked late.
    pub fn ingest_records(&self, body: &[u8], now_ns: i64) -> Result<IngestReport, IngestError> {
        let mut batches = Batches::default();
        let mut duplicates = 0;
        // Until this request's events have their place, no other may ask what was taken before.
        let turn = self.forwarding.lock();
        let turn = turn.unwrap_or_else(PoisonError::into_inner);
        for (at, event) in Records::new(body).enumerate() {
            let event = event.map_err(|error| bad(at as u64 + 1, error.to_string()))?;
            if let Some(EventId { origin, number }) = event.header().event_id {
                let last = match batches.last.get(&origin) {
                    Some(last) => Some(*last),
                    None => lock(&self.shared).origins.last(origin),
                };
                if last >= Some(number) {
                    duplicates += 1;
                    continue;
                }
                batches.last.insert(origin, number);
            }
            received(&event, now_ns, &mut batches.records);
            batches.note();
        }
        let (ticket, accepted) = self.append(batches)?;
        drop(turn);
        self.wait(ticket)?;
        Ok(IngestReport {
            accepted,
            duplicates,
        })
    }

    /// Takes encoded records of this very program, and does not wait until they are durable.
    ///
    /// # Errors
    /// When the spool takes nothing now: they are not kept.
    pub fn keep(&self, records: &[u8]) -> Result<(), IngestError> {
        let mut batches = Batches::default();
        for (at, event) in Records::new(records).enumerate() {
            let event = event.map_err(|error| bad(at as u64 + 1, error.to_string()))?;
            batches.records.extend_from_slice(event.as_bytes());
            batches.note();
        }
        self.append(batches).map(drop)
    }

    /// Hands batches to the spool, each with the starts of the spans that it speaks of.
    fn append(&self, batches: Batches) -> Result<(Option<Ticket>, u64), IngestError> {
        let (batches, accepted) = batches.finish();
        let mut last = None;
        for batch in batches {
            // The lock is held until the batch has its place: what follows it may rely on its spans.
            let mut pipe = lock(&self.shared);
            let batch = pipe.spans.complete(batch);
            let checkpoint = batch.checkpoint.clone();
            let ticket = self
                .spool
                .append(batch)
                .map_err(|refused| match refused.error {
                    SpoolError::Full(_) if last.is_none() => IngestError::Full,
                    error => IngestError::Failed(error.to_string()),
                })?;
            pipe.origins.replay(&checkpoint);
            last = Some(ticket);
        }
        Ok((last, accepted))
    }

    /// Waits until the events before are durable, and a moment for searches to see them.
    fn wait(&self, ticket: Option<Ticket>) -> Result<(), IngestError> {
        let Some(ticket) = ticket else { return Ok(()) };
        let sequences = ticket
            .wait()
            .map_err(|error| IngestError::Failed(error.to_string()))?;
        if self.history_lag() <= FAR_BEHIND {
            self.engine.wait_applied(sequences.end, SEEN_WITHIN);
        }
        Ok(())
    }
}

fn bad(line: u64, why: String) -> IngestError {
    IngestError::Bad { line, why }
}

/// Appends an event as this store keeps it.
fn received(event: &EventRef<'_>, now_ns: i64, out: &mut Vec<u8>) {
    let header = Header {
        position: None,
        imported: false,
        late: event.time_ns() < now_ns.saturating_sub(LATE_NS),
        ..*event.header()
    };
    let mut writer = RecordWriter::begin(out, &header);
    for (key, value) in event.pairs().filter(|(key, _)| *key != Key::RAW_LINE) {
        writer.value(key, &value);
    }
    writer.finish();
}

/// Records on their way into the spool.
#[derive(Default)]
struct Batches {
    full: Vec<Batch>,
    records: Vec<u8>,
    count: u32,
    total: u64,
    /// The last number of each origin in the records.
    last: BTreeMap<u32, u64>,
}

impl Batches {
    /// One more record stands in `records`.
    fn note(&mut self) {
        self.count += 1;
        self.total += 1;
        if self.records.len() >= INGEST_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.count > 0 {
            let records = std::mem::take(&mut self.records);
            let batch = Batch::events(std::mem::take(&mut self.count), records);
            self.full
                .push(batch.with_checkpoint(encode_origins(self.last.iter())));
        }
    }

    fn finish(mut self) -> (Vec<Batch>, u64) {
        self.close();
        (self.full, self.total)
    }
}

/// The last event taken of each origin that sends events with ids.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// By origin: the number of its last event, and when it was heard of, counted in notes.
    last: BTreeMap<u32, (u64, u64)>,
    notes: u64,
}

impl Origins {
    fn last(&self, origin: u32) -> Option<u64> {
        self.last.get(&origin).map(|(number, _)| *number)
    }

    /// Notes what a frame's checkpoint, or [`save`](Self::save), says.
    pub(super) fn replay(&mut self, checkpoint: &[u8]) {
        for entry in checkpoint.as_chunks::<12>().0 {
            let (origin, number) = entry.split_at(4);
            let origin = u32::from_le_bytes(origin.try_into().expect("four bytes"));
            let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
            self.note(origin, number);
        }
    }

    /// Every origin with its last number, the one heard of longest ago first.
    pub(super) fn save(&self) -> Vec<u8> {
        let mut all: Vec<_> = self.last.iter().collect();
        all.sort_by_key(|(_, (_, heard))| *heard);
        encode_origins(all.iter().map(|(origin, (number, _))| (*origin, number)))
    }

    fn note(&mut self, origin: u32, number: u64) {
        self.notes += 1;
        let known = self.last.entry(origin).or_default();
        *known = (known.0.max(number), self.notes);
        if self.last.len() > ORIGINS_MAX {
            let oldest = self.last.iter().min_by_key(|(_, (_, heard))| *heard);
            let oldest = oldest.map(|(origin, _)| *origin);
            oldest.map(|origin| self.last.remove(&origin));
        }
    }
}

fn encode_origins<'o>(origins: impl Iterator<Item = (&'o u32, &'o u64)>) -> Vec<u8> {
    origins
        .flat_map(|(origin, number)| {
            let (origin, number) = (origin.to_le_bytes(), number.to_le_bytes());
            origin.into_iter().chain(number)
        })
        .collect()
}
