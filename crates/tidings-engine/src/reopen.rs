//! Takes settled messages out of the history again when a late line speaks of them.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use tidings_event::EventRef;
use tidings_mail::message::{Message, Reopen, Since};
use tidings_store::{PartId, RowSet, TokenExpr};

use crate::engine::Engine;
use crate::error::Error;
use crate::history::{HistoryWriter, TakenOut};
use crate::message_rows::{self, MESSAGES};
use crate::search::{events_of_legs, leg_tokens, whole_rows};

/// Legs of messages that are open again while their rows are still in parts, with how many writers
/// opened each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reopened(HashMap<u64, u32>);

impl Reopened {
    pub(crate) fn add(&mut self, legs: &[u64]) {
        for leg in legs {
            *self.0.entry(*leg).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, legs: &[u64]) {
        for leg in legs {
            if let Some(count) = self.0.get_mut(leg) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(leg);
                }
            }
        }
    }

    pub(crate) fn contains_any(&self, legs: &[u64]) -> bool {
        !self.0.is_empty() && legs.iter().any(|leg| self.0.contains_key(leg))
    }
}

/// The history as seen by the folder of a writer.
pub(crate) struct StoreReopen<'e, 'w> {
    engine: &'e Engine,
    writer: &'w mut HistoryWriter,
    failed: Option<Error>,
}

impl<'e, 'w> StoreReopen<'e, 'w> {
    pub(crate) fn new(engine: &'e Engine, writer: &'w mut HistoryWriter) -> StoreReopen<'e, 'w> {
        StoreReopen {
            engine,
            writer,
            failed: None,
        }
    }

    /// The first error met, if any.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err)
    }

    fn find(
        &mut self,
        leg: u64,
        name: &str,
        since: Since,
    ) -> Result<Option<(Message, PartId, RowSet)>, Error> {
        let (began_ns, heard_ns) = match since {
            Since::Began(began_ns) => (began_ns, i64::MIN),
            Since::Heard(heard_ns) => (i64::MIN, heard_ns),
        };
        if began_ns > self.writer.newest_message_ns()?
            || heard_ns > self.writer.newest_heard_ns()?
        {
            return Ok(None);
        }
        let tokens = leg_tokens(leg, name);
        for part in self.engine.store().snapshot().parts(MESSAGES, began_ns..)? {
            if self.writer.heard_ns(part.id()) < heard_ns {
                continue;
            }
            let rows = part.candidates(&TokenExpr::Or(
                tokens.iter().map(TokenExpr::token).collect(),
            ))?;
            let rows = rows.minus(self.writer.deleted_of(part.id()));
            let Some(rows) = whole_rows(&part, &rows)? else {
                continue;
            };
            // A word of many rows may have the same print: only the message's own are read whole.
            let ids = part.read(&[message_rows::ID, message_rows::LEGS], &rows)?;
            let holder = (0..ids.len()).find(|row| message_rows::has_leg(&ids, *row, leg));
            let Some(id) = holder.and_then(|row| ids.uint(message_rows::ID, row)) else {
                continue;
            };
            let of_message = (0..ids.len())
                .filter(|row| ids.uint(message_rows::ID, *row) == Some(id))
                .map(|row| ids.number(row));
            let rows = RowSet::from_sorted_rows(of_message);
            let values = part.read(&message_rows::all_columns(), &rows)?;
            let Some(message) = message_rows::messages_of(&values).into_iter().next() else {
                continue;
            };
            return Ok(Some((message, part.id(), rows)));
        }
        Ok(None)
    }
}

/// Messages that were heard of after these times may have begun so long before.
const LASTED_NS: i64 = 3_600_000_000_000;

impl StoreReopen<'_, '_> {
    fn heard(
        &mut self,
        times: RangeInclusive<i64>,
        each: &mut dyn FnMut(u64, &str, &str),
    ) -> Result<(), Error> {
        use message_rows::{ID, LAST, MESSAGE_ID, NUMBER, QUEUE_IDS, TIME};
        let (start_ns, end_ns) = (*times.start(), *times.end());
        if start_ns > self.writer.newest_heard_ns()? {
            return Ok(());
        }
        let began = start_ns.saturating_sub(LASTED_NS)..=end_ns;
        for part in self
            .engine
            .store()
            .snapshot()
            .parts(MESSAGES, began.clone())?
        {
            let rows = part
                .within(began.clone())?
                .minus(self.writer.deleted_of(part.id()));
            // Few of an hour's messages are near: only of those the texts are read.
            let times = part.read(&[TIME, LAST, NUMBER], &rows)?;
            let near = (0..times.len()).filter(|row| {
                times
                    .time(TIME, *row)
                    .is_some_and(|began_ns| began_ns <= end_ns)
                    && times
                        .time(LAST, *row)
                        .is_some_and(|last_ns| last_ns >= start_ns)
                    && times.int(NUMBER, *row).unwrap_or(0) == 0
            });
            let near = RowSet::from_sorted_rows(near.map(|row| times.number(row)));
            let values = part.read(&[ID, MESSAGE_ID, QUEUE_IDS], &near)?;
            for row in 0..values.len() {
                if let (Some(id), Some(message_id)) =
                    (values.uint(ID, row), values.text(MESSAGE_ID, row))
                {
                    let names = values.text(QUEUE_IDS, row).unwrap_or_default();
                    each(id, names.split('\n').next().unwrap_or_default(), message_id);
                }
            }
        }
        Ok(())
    }
}

impl Reopen for StoreReopen<'_, '_> {
    fn heard_within(&mut self, times: RangeInclusive<i64>, each: &mut dyn FnMut(u64, &str, &str)) {
        if let Err(error) = self.heard(times, each) {
            self.failed.get_or_insert(error);
        }
    }

    fn reopen(&mut self, leg: u64, name: &str, since: Since, apply: &mut dyn FnMut(&EventRef<'_>)) {
        let found = self.find(leg, name, since).and_then(|found| {
            let Some((message, part, rows)) = found else {
                return Ok(());
            };
            let events = events_of_legs(self.engine, &message)?;
            self.engine.note_reopened(&message.legs);
            self.writer.delete(
                part,
                &rows,
                TakenOut {
                    id: message.id,
                    time_ns: message.time_ns,
                    legs: message.legs,
                },
            );
            events.iter().for_each(|found| apply(&found.event()));
            Ok(())
        });
        if let Err(error) = found {
            self.failed.get_or_insert(error);
        }
    }
}
