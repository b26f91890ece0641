//! Writes events and messages into the history, in bulk and all or nothing.

use std::collections::BTreeMap;

use tidings_event::Header;
use tidings_mail::message::Message;
use tidings_store::{Committed, Day, NewPart, PartFlags, PartId, RowBatch, RowSet, Store};

use crate::error::Error;
use crate::message_rows::{self, MESSAGES};
use crate::rows::{EVENTS, EventRows};
use crate::template::Pairs;

/// Rows of a batch that make a part of their own.
const PART_ROWS: u32 = 262_144;

/// Days that are filled at the same time; the fullest one makes a part when there are more.
const OPEN_DAYS: usize = 4;

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
    rows: EventRows,
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
            rows: EventRows::default(),
        }
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
        let schema = self.store.schema(EVENTS)?;
        let batch = self.events.entry(day).or_insert_with(|| RowBatch::new(schema));
        self.rows.push(batch, header, pairs, sequence, line);
        if batch.rows() >= PART_ROWS {
            self.build(EVENTS, day)?;
        } else if self.events.len() > OPEN_DAYS {
            let fullest = self.events.iter().max_by_key(|(_, batch)| batch.rows()).map(|(day, _)| *day);
            self.build(EVENTS, fullest.unwrap_or(day))?;
        }
        Ok(())
    }

    /// Adds a settled message.
    pub(crate) fn message(&mut self, message: &Message) -> Result<(), Error> {
        let day = Day::of(message.time_ns);
        let schema = self.store.schema(MESSAGES)?;
        let batch = self.messages.entry(day).or_insert_with(|| RowBatch::new(schema));
        message_rows::push(batch, message);
        if batch.rows() >= PART_ROWS {
            self.build(MESSAGES, day)?;
        } else if self.messages.len() > OPEN_DAYS {
            let fullest = self.messages.iter().max_by_key(|(_, batch)| batch.rows()).map(|(day, _)| *day);
            self.build(MESSAGES, fullest.unwrap_or(day))?;
        }
        Ok(())
    }

    /// Takes rows of a committed part out of the history.
    pub(crate) fn delete(&mut self, part: PartId, rows: RowSet) {
        let known = self.deleted.entry(part).or_default();
        *known = known.or(&rows);
    }

    /// Rows of a part that are taken out and not committed yet.
    pub(crate) fn deleted_of(&self, part: PartId) -> &RowSet {
        static NONE: std::sync::LazyLock<RowSet> = std::sync::LazyLock::new(RowSet::none);
        self.deleted.get(&part).unwrap_or(&NONE)
    }

    /// Rows that are not committed yet.
    pub(crate) fn pending_rows(&self) -> u64 {
        let batches = self.events.values().chain(self.messages.values()).map(|batch| u64::from(batch.rows()));
        batches.sum::<u64>() + self.parts.iter().map(|part| u64::from(part.rows())).sum::<u64>()
    }

    /// Makes everything durable and visible at once, together with the given blobs (`None`
    /// removes one).
    pub(crate) fn commit(&mut self, blobs: &[(String, Option<Vec<u8>>)]) -> Result<Option<Committed>, Error> {
        let days: Vec<Day> = self.events.keys().copied().collect();
        for day in days {
            self.build(EVENTS, day)?;
        }
        let days: Vec<Day> = self.messages.keys().copied().collect();
        for day in days {
            self.build(MESSAGES, day)?;
        }
        let mut transaction = self.store.begin();
        for part in self.parts.drain(..) {
            transaction.add_part(part);
        }
        for (part, rows) in std::mem::take(&mut self.deleted) {
            transaction.delete_rows(part, &rows);
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
        Ok(Some(transaction.commit()?))
    }

    fn build(&mut self, table: &str, day: Day) -> Result<(), Error> {
        let batches = if table == EVENTS { &mut self.events } else { &mut self.messages };
        let Some(batch) = batches.get_mut(&day) else { return Ok(()) };
        self.parts.extend(self.store.build(table, day, batch, self.flags)?);
        if batches.len() > 1 {
            batches.remove(&day);
        }
        Ok(())
    }
}
