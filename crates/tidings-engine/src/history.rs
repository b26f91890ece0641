//! Writes events and messages into the history, in bulk and all or nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Deref;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rustc_hash::FxHashMap;
use tidings_event::Header;
use tidings_mail::message::Message;
use tidings_store::{
    Committed, Day, Error as StoreError, NewPart, Part, PartFlags, PartId, RowBatch, RowSet, Store,
};

use crate::error::Error;
use crate::message_rows::{self, MESSAGES};
use crate::rows::{EVENTS, EventRows};
use crate::template::Pairs;

/// Rows of a batch that make a part of their own.
const PART_ROWS: u32 = 131_072;

/// Days that are filled at the same time; the fullest one makes a part when there are more.
const OPEN_DAYS: usize = 4;

/// A message whose rows are taken out: what they are found by.
#[derive(Clone, Debug)]
pub(crate) struct TakenOut {
    pub(crate) id: u64,
    pub(crate) time_ns: i64,
    pub(crate) legs: Vec<u64>,
}

/// What is written to the history and not committed yet.
///
/// Memory: at most [`OPEN_DAYS`] batches of [`PART_ROWS`] rows for each table, in practice one or
/// two, as logs come in order.
pub(crate) struct HistoryWriter {
    store: Store,
    flags: PartFlags,
    events: BTreeMap<Day, RowBatch>,
    messages: BTreeMap<Day, RowBatch>,
    parts: Vec<NewPart>,
    deleted: BTreeMap<PartId, RowSet>,
    /// The messages whose rows are deleted.
    taken_out: Vec<TakenOut>,
    /// The state of the store, and when its newest message began.
    newest_message: (u64, i64),
    /// When a message of each committed part was last heard of, as of a state of the store.
    heard: (u64, FxHashMap<PartId, i64>),
    rows: EventRows,
    builder: Option<Builder>,
}

impl HistoryWriter {
    pub(crate) fn new(store: Store, flags: PartFlags) -> HistoryWriter {
        HistoryWriter {
            store,
            flags,
            events: BTreeMap::new(),
            messages: BTreeMap::new(),
            parts: Vec::new(),
            deleted: BTreeMap::new(),
            taken_out: Vec::new(),
            newest_message: (u64::MAX, i64::MAX),
            heard: (u64::MAX, FxHashMap::default()),
            rows: EventRows::default(),
            builder: None,
        }
    }

    /// Builds parts on a thread of its own from now on, while the next rows are filled in: for
    /// rows without end. It takes the memory of two more batches.
    pub(crate) fn build_beside(&mut self) -> Result<(), Error> {
        self.builder = Some(Builder::start(self.store.clone(), self.flags)?);
        Ok(())
    }

    /// Adds an event; `line` is its line, for the first event of a line.
    pub(crate) fn event(
        &mut self,
        header: &Header,
        pairs: &Pairs<'_>,
        sequence: Option<u64>,
        line: Option<&[u8]>,
    ) -> Result<(), Error> {
        let day = Day::of(header.time_ns);
        let batch = match self.events.entry(day) {
            Entry::Occupied(batch) => batch.into_mut(),
            Entry::Vacant(place) => place.insert(empty(&self.store, &mut self.builder, EVENTS)?),
        };
        self.rows.push(batch, header, pairs, sequence, line);
        if batch.rows() >= PART_ROWS {
            self.build(EVENTS, day)?;
        } else if self.events.len() > OPEN_DAYS {
            let fullest = self
                .events
                .iter()
                .max_by_key(|(_, batch)| batch.rows())
                .map(|(day, _)| *day);
            self.build(EVENTS, fullest.unwrap_or(day))?;
        }
        Ok(())
    }

    /// Adds a settled message.
    pub(crate) fn message(
        &mut self,
        message: &Message<impl Deref<Target = str>>,
    ) -> Result<(), Error> {
        let day = Day::of(message.time_ns);
        let batch = match self.messages.entry(day) {
            Entry::Occupied(batch) => batch.into_mut(),
            Entry::Vacant(place) => place.insert(empty(&self.store, &mut self.builder, MESSAGES)?),
        };
        message_rows::push(batch, message);
        if batch.rows() >= PART_ROWS {
            self.build(MESSAGES, day)?;
        } else if self.messages.len() > OPEN_DAYS {
            let fullest = self
                .messages
                .iter()
                .max_by_key(|(_, batch)| batch.rows())
                .map(|(day, _)| *day);
            self.build(MESSAGES, fullest.unwrap_or(day))?;
        }
        Ok(())
    }

    /// Takes the rows of a message, in a committed part, out of the history.
    pub(crate) fn delete(&mut self, part: PartId, rows: &RowSet, message: TakenOut) {
        self.delete_rows(part, rows);
        self.taken_out.push(message);
    }

    fn delete_rows(&mut self, part: PartId, rows: &RowSet) {
        let known = self.deleted.entry(part).or_default();
        *known = known.or(rows);
    }

    /// How many messages were taken out and not committed.
    pub(crate) fn taken_out(&self) -> usize {
        self.taken_out.len()
    }

    /// The legs of the messages that were taken out since this was asked last.
    pub(crate) fn take_deleted_legs(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.taken_out)
            .into_iter()
            .flat_map(|message| message.legs)
            .collect()
    }

    /// Looks again for the rows that were taken out, if a merge has moved some to other parts.
    pub(crate) fn find_deleted_again(&mut self) -> Result<(), Error> {
        let snapshot = self.store.snapshot();
        if self
            .deleted
            .keys()
            .all(|part| snapshot.part(*part).is_some())
        {
            return Ok(());
        }
        self.deleted.clear();
        for message in std::mem::take(&mut self.taken_out) {
            let times = message.time_ns..=message.time_ns;
            for part in snapshot.parts(MESSAGES, times.clone())? {
                let ids = part.read(&[message_rows::ID], &part.within(times.clone())?)?;
                let rows = (0..ids.len())
                    .filter(|row| ids.uint(message_rows::ID, *row) == Some(message.id));
                let rows = RowSet::from_sorted_rows(rows.map(|row| ids.number(row)));
                if !rows.is_empty() {
                    self.delete_rows(part.id(), &rows);
                }
            }
            self.taken_out.push(message);
        }
        Ok(())
    }

    /// Forgets the rows that were added and not committed; what was taken out stays so.
    pub(crate) fn give_up_rows(&mut self) {
        self.events.clear();
        self.messages.clear();
        self.parts.clear();
        if let Some(builder) = &mut self.builder {
            builder.give_up();
        }
    }

    /// When the newest committed message began; asked for every new message, so it is remembered
    /// from commit to commit.
    pub(crate) fn newest_message_ns(&mut self) -> Result<i64, Error> {
        let snapshot = self.store.snapshot();
        if self.newest_message.0 != snapshot.sequence() {
            let parts = snapshot.parts(MESSAGES, ..)?;
            let last_ns = |part: &Part| part.times().map_or(i64::MAX, |(_, last_ns)| last_ns);
            let newest_ns = parts.iter().map(last_ns).max().unwrap_or(i64::MIN);
            self.newest_message = (snapshot.sequence(), newest_ns);
        }
        Ok(self.newest_message.1)
    }

    /// When any committed message was last heard of, or later: one that was taken out counts until
    /// its part is merged.
    pub(crate) fn newest_heard_ns(&mut self) -> Result<i64, Error> {
        let snapshot = self.store.snapshot();
        let (sequence, known) = &mut self.heard;
        if *sequence != snapshot.sequence() {
            let mut parts = FxHashMap::default();
            for part in snapshot.parts(MESSAGES, ..)? {
                let heard_ns = match known.get(&part.id()) {
                    Some(heard_ns) => *heard_ns,
                    None => part.greatest(message_rows::LAST)?.unwrap_or(i64::MIN),
                };
                parts.insert(part.id(), heard_ns);
            }
            (*sequence, *known) = (snapshot.sequence(), parts);
        }
        Ok(known.values().copied().max().unwrap_or(i64::MIN))
    }

    /// When a message of a part was last heard of, as [`newest_heard_ns`](Self::newest_heard_ns)
    /// found; of a part made since, the end of time.
    pub(crate) fn heard_ns(&self, part: PartId) -> i64 {
        self.heard.1.get(&part).copied().unwrap_or(i64::MAX)
    }

    /// Rows of a part that are taken out and not committed yet.
    pub(crate) fn deleted_of(&self, part: PartId) -> &RowSet {
        static NONE: std::sync::LazyLock<RowSet> = std::sync::LazyLock::new(RowSet::none);
        self.deleted.get(&part).unwrap_or(&NONE)
    }

    /// Makes everything durable and visible at once, together with the given blobs (`None`
    /// removes one). On an error the rows are given up; what was taken out is not.
    pub(crate) fn commit(
        &mut self,
        blobs: &[(String, Option<Vec<u8>>)],
    ) -> Result<Option<Committed>, Error> {
        let days: Vec<Day> = self.events.keys().copied().collect();
        for day in days {
            self.build(EVENTS, day)?;
        }
        let days: Vec<Day> = self.messages.keys().copied().collect();
        for day in days {
            self.build(MESSAGES, day)?;
        }
        if let Some(builder) = &mut self.builder {
            builder.finish(&mut self.parts)?;
        }
        let mut transaction = self.store.begin();
        for part in self.parts.drain(..) {
            transaction.add_part(part);
        }
        for (part, rows) in &self.deleted {
            transaction.delete_rows(*part, rows);
        }
        for (name, blob) in blobs {
            match blob {
                Some(bytes) => transaction.set_blob(name.clone(), bytes),
                None => transaction.delete_blob(name.clone()),
            }
        }
        if transaction.is_empty() {
            return Ok(None);
        }
        let committed = transaction.commit()?;
        self.deleted.clear();
        Ok(Some(committed))
    }

    fn build(&mut self, table: &'static str, day: Day) -> Result<(), Error> {
        let batches = if table == EVENTS {
            &mut self.events
        } else {
            &mut self.messages
        };
        let Some(mut batch) = batches.remove(&day) else {
            return Ok(());
        };
        if let Some(builder) = &mut self.builder {
            return builder.build(Job { table, day, batch }, &mut self.parts);
        }
        let part = self.store.build(table, day, &mut batch, self.flags);
        // Its memory is used again.
        if part.is_ok() && batches.is_empty() {
            batches.insert(day, batch);
        }
        self.parts.extend(part?);
        Ok(())
    }
}

/// A batch without rows.
fn empty(
    store: &Store,
    builder: &mut Option<Builder>,
    table: &'static str,
) -> Result<RowBatch, Error> {
    let used = builder
        .as_mut()
        .and_then(|builder| builder.used.remove(table));
    Ok(match used {
        Some(batch) => batch,
        None => RowBatch::new(store.schema(table)?),
    })
}

/// A thread that builds parts, one after the other.
struct Builder {
    jobs: SyncSender<Job>,
    built: Receiver<(Job, Result<Option<NewPart>, StoreError>)>,
    outstanding: usize,
    /// Batches that were built, for their memory.
    used: BTreeMap<&'static str, RowBatch>,
}

/// A batch that makes a part.
struct Job {
    table: &'static str,
    day: Day,
    batch: RowBatch,
}

impl Builder {
    fn start(store: Store, flags: PartFlags) -> Result<Builder, Error> {
        let (jobs, to_do) = sync_channel::<Job>(1);
        let (done, built) = sync_channel(1);
        let work = move || {
            while let Ok(mut job) = to_do.recv() {
                let part = store.build(job.table, job.day, &mut job.batch, flags);
                if done.send((job, part)).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new()
            .name("parts".into())
            .spawn(work)
            .map_err(|error| Error::State(format!("cannot start a thread: {error}")))?;
        Ok(Builder {
            jobs,
            built,
            outstanding: 0,
            used: BTreeMap::new(),
        })
    }

    /// Hands a batch over, after the one before is built.
    fn build(&mut self, job: Job, parts: &mut Vec<NewPart>) -> Result<(), Error> {
        self.finish(parts)?;
        let sent = self.jobs.send(job);
        self.outstanding += usize::from(sent.is_ok());
        sent.map_err(|_| gone())
    }

    /// Waits for what was handed over.
    fn finish(&mut self, parts: &mut Vec<NewPart>) -> Result<(), Error> {
        while self.outstanding > 0 {
            let (job, part) = self.built.recv().map_err(|_| gone())?;
            self.outstanding -= 1;
            if part.is_ok() {
                self.used.insert(job.table, job.batch);
            }
            parts.extend(part?);
        }
        Ok(())
    }

    /// Waits for what was handed over and throws it away.
    fn give_up(&mut self) {
        while self.outstanding > 0 && self.built.recv().is_ok() {
            self.outstanding -= 1;
        }
    }
}

fn gone() -> Error {
    Error::State("the thread that builds parts has ended".into())
}
