//! What all followed sources share: the correlator, where each source stands, and how both come
//! back after a crash.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_event::Position;
use tidings_mail::correlate::{Correlator, Limits as CorrelatorLimits};
use tidings_spool::{Batch, Delivery, Spool, SpoolError, Start};

use crate::error::Error;
use crate::import::packed;
use crate::input::{Block, Sample, SampleBuilder, line_key};
use crate::interpret::Trail;
use crate::memory::each_event;

use super::ingest::Origins;
use super::spans::Spans;

/// Input bytes after which the correlator is saved.
const SNAPSHOT_BYTES: u64 = 4 << 20;

/// Time after which the correlator is saved, if there was input.
const SNAPSHOT_NS: i64 = 30_000_000_000;

/// Tag of the snapshots among the spool's control records.
const SNAPSHOT_TAG: u8 = 1;

/// The state of all sources.
///
/// **Order.** What is fed, and the snapshots of the state behind it, go into the spool in this
/// order, whatever fails in between: what the spool does not take now is kept, and goes first the
/// next time. At most the records of one block are kept so, as no further block is taken before.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) correlator: Correlator,
    pub(super) places: BTreeMap<String, Place>,
    /// The streams of each source that the history does not know of, or not up to here.
    followed: BTreeMap<String, Vec<Followed>>,
    /// The last event of each stream that the spool holds beyond the places: when the lines behind
    /// them are fed again, events up to this one are not written again.
    done: HashMap<u32, (u64, u16)>,
    unsent: VecDeque<Batch>,
    /// The spans that are open in what was handed over.
    pub(super) spans: Spans,
    /// What was taken of forwarders.
    pub(super) origins: Origins,
    /// Bytes fed, and time, since the last snapshot.
    fed_bytes: u64,
    saved_ns: i64,
}

/// Where a source stands: everything up to here was fed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The follower's checkpoint.
    pub(super) checkpoint: Vec<u8>,
    /// The stream that the last line belongs to.
    pub(super) stream_key: u64,
    /// What the next line's meaning depends on.
    pub(super) trail: Trail,
}

/// A stream of which lines were fed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Followed {
    /// What tells it from the other streams of its source.
    pub(super) stream_key: u64,
    /// Where its first line that was fed begins, in bytes.
    pub(super) from_offset: u64,
    /// The follower's checkpoint behind the last one.
    pub(super) checkpoint: Vec<u8>,
    /// Sample of the lines that were fed, and their number.
    #[serde(default)]
    pub(super) sample: Vec<u8>,
    #[serde(default)]
    pub(super) lines: u64,
}

/// The part of a snapshot before the correlator.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Snapshot {
    places: BTreeMap<String, Place>,
    followed: BTreeMap<String, Vec<Followed>>,
    done: Vec<(u32, u64, u16)>,
    /// Bytes of the starts of open spans, and of the origins, both behind the correlator.
    #[serde(default)]
    spans_bytes: usize,
    #[serde(default)]
    origins_bytes: usize,
    /// Spans and origins know everything before this event; what follows may have come before the
    /// snapshot.
    #[serde(default)]
    head: u64,
}

impl Pipe {
    pub(super) fn new() -> Pipe {
        Pipe {
            correlator: Correlator::new(CorrelatorLimits::default()),
            places: BTreeMap::new(),
            followed: BTreeMap::new(),
            done: HashMap::new(),
            unsent: VecDeque::new(),
            spans: Spans::default(),
            origins: Origins::default(),
            fed_bytes: 0,
            saved_ns: 0,
        }
    }

    /// The state that the spool's last snapshot holds, and which events came after it.
    pub(super) fn recover(spool: &Spool) -> Result<Pipe, Error> {
        let mut pipe = Pipe::new();
        let (mut from, mut behind) = (0, 0);
        if let Some(control) = spool.last_control(SNAPSHOT_TAG)? {
            from = pipe.load(&control.bytes)?.unwrap_or(control.sequence);
            behind = control.sequence;
        }
        let mut reader = spool.reader(Start::Sequence(from))?;
        while reader.sequence() < spool.head() {
            if let Some(Delivery::Frame(frame)) = reader.next(Duration::ZERO)? {
                pipe.spans.replay(frame.context(), frame.records());
                pipe.origins.replay(frame.checkpoint().unwrap_or_default());
                if frame.first_sequence() < behind {
                    continue;
                }
                each_event(&frame, &mut |_, event| {
                    if let Some(at) = event.header().position {
                        let done = pipe.done.entry(at.stream).or_default();
                        *done = (*done).max((at.line, at.ordinal));
                    }
                });
            }
        }
        Ok(pipe)
    }

    /// Whether this event of a line that is fed again is in the spool.
    pub(super) fn is_done(&self, at: Position) -> bool {
        self.done
            .get(&at.stream)
            .is_some_and(|done| (at.line, at.ordinal) <= *done)
    }

    /// Hands over records, or keeps them if the spool does not take them now.
    pub(super) fn send(&mut self, batch: Batch, spool: &Spool) {
        let batch = self.spans.complete(batch);
        self.unsent.push_back(batch);
        // What cannot be sent is told by the `flush` that ends every feeding.
        let _ = self.flush(spool);
    }

    /// Hands over what was kept; an error says why the spool does not take it.
    pub(super) fn flush(&mut self, spool: &Spool) -> Result<(), Error> {
        while let Some(batch) = self.unsent.pop_front() {
            // Nobody waits for it: where a source stands is only believed once it is durable.
            if let Err(refused) = spool.append(batch).map(drop) {
                if !matches!(refused.error, SpoolError::InvalidBatch(_)) {
                    self.unsent.push_front(*refused.batch);
                }
                return Err(refused.error.into());
            }
        }
        Ok(())
    }

    /// Notes that these lines of a source's stream were fed, up to `place`; `offset` is where the
    /// first of them begins.
    pub(super) fn note_stream(&mut self, source: &str, place: &Place, offset: u64, block: &Block) {
        let streams = self.followed.entry(source.to_owned()).or_default();
        let at = streams
            .iter()
            .position(|known| known.stream_key == place.stream_key);
        let at = at.unwrap_or_else(|| {
            streams.push(Followed {
                stream_key: place.stream_key,
                from_offset: offset,
                ..Followed::default()
            });
            streams.len() - 1
        });
        let stream = &mut streams[at];
        stream.checkpoint.clone_from(&place.checkpoint);
        // A sample of an older version is begun anew.
        let sample = Sample::decode(&stream.sample).unwrap_or_default();
        let mut builder = SampleBuilder::resume(line_key, sample, stream.lines);
        block.lines().for_each(|line| builder.line(line.bytes));
        stream.sample = builder.sample().encode();
        stream.lines += block.line_count();
    }

    /// The streams by source, each with whether the source stands in it.
    pub(super) fn streams(&self) -> impl Iterator<Item = (&str, &Followed, bool)> {
        self.followed.iter().flat_map(|(source, streams)| {
            let current = self.places.get(source).map(|place| place.stream_key);
            streams
                .iter()
                .map(move |stream| (&**source, stream, current == Some(stream.stream_key)))
        })
    }

    /// Forgets the streams that no source stands in: the history knows them.
    pub(super) fn forget_finished(&mut self, kept: &BTreeMap<String, Vec<Followed>>) {
        let places = &self.places;
        self.followed.retain(|source, streams| {
            let current = places.get(source).map(|place| place.stream_key);
            let is_kept =
                |stream: &Followed| kept.get(source).is_some_and(|kept| kept.contains(stream));
            streams.retain(|stream| current == Some(stream.stream_key) || !is_kept(stream));
            !streams.is_empty()
        });
    }

    /// The streams by source.
    pub(super) fn followed(&self) -> &BTreeMap<String, Vec<Followed>> {
        &self.followed
    }

    /// Notes that a source has come to `place`, behind so many bytes, and saves the state if it is
    /// time.
    pub(super) fn note_fed(
        &mut self,
        source: &str,
        place: Place,
        last: Option<Position>,
        bytes: usize,
        now_ns: i64,
        spool: &Spool,
    ) {
        if let Some(at) = last.filter(|at| !self.is_done(*at)) {
            self.done.remove(&at.stream);
        }
        let is_new = self.places.insert(source.to_owned(), place).is_none();
        self.fed_bytes += bytes as u64;
        if is_new
            || self.fed_bytes >= SNAPSHOT_BYTES
            || now_ns.saturating_sub(self.saved_ns) >= SNAPSHOT_NS
        {
            self.saved_ns = now_ns;
            self.save(spool);
        }
    }

    /// Puts a snapshot behind everything that was fed.
    pub(super) fn save(&mut self, spool: &Spool) {
        let (spans, origins) = (self.spans.save(), self.origins.save());
        let snapshot = Snapshot {
            places: self.places.clone(),
            followed: self.followed.clone(),
            done: self
                .done
                .iter()
                .map(|(stream, (line, ordinal))| (*stream, *line, *ordinal))
                .collect(),
            spans_bytes: spans.len(),
            origins_bytes: origins.len(),
            head: spool.head(),
        };
        let places =
            serde_json::to_vec(&snapshot).expect("numbers, texts and lists of them become JSON");
        let mut bytes = (places.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&places);
        self.correlator.save(&mut bytes);
        bytes.extend_from_slice(&spans);
        bytes.extend_from_slice(&origins);
        self.unsent
            .push_back(Batch::control(SNAPSHOT_TAG, packed(&bytes)));
        self.fed_bytes = 0;
    }

    /// Takes what [`save`](Self::save) wrote; gives the event before which spans and origins know
    /// everything, unless an older version wrote it.
    fn load(&mut self, bytes: &[u8]) -> Result<Option<u64>, Error> {
        let short = || Error::State("a snapshot of the sources ends early".into());
        let bytes = zstd::decode_all(bytes).map_err(|error| Error::State(error.to_string()))?;
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        let (places, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let snapshot: Snapshot =
            serde_json::from_slice(places).map_err(|error| Error::State(error.to_string()))?;
        let (rest, origins) = split_end(rest, snapshot.origins_bytes).ok_or_else(short)?;
        let (correlator, spans) = split_end(rest, snapshot.spans_bytes).ok_or_else(short)?;
        self.correlator = Correlator::restore(CorrelatorLimits::default(), correlator)?;
        self.spans.replay(spans, &[]);
        self.origins.replay(origins);
        self.places = snapshot.places;
        self.followed = snapshot.followed;
        self.done = snapshot
            .done
            .into_iter()
            .map(|(stream, line, ordinal)| (stream, (line, ordinal)))
            .collect();
        Ok(Some(snapshot.head).filter(|head| *head > 0))
    }
}

fn split_end(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(length)?)
}
