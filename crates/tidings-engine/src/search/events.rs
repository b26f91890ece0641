//! Events, newest first.

use std::sync::Arc;

use tidings_event::EventRef;
use tidings_event::filter::FieldSet;
use tidings_spool::Frame;
use tidings_store::{Part, RowSet, Snapshot};

use super::Compiled;
use super::newest::Newest;
use crate::engine::Engine;
use crate::error::Error;
use crate::memory::{each_event, found};
use crate::rows::{self, EVENTS};

/// Rows read at a time, about.
const SLICE_ROWS: u64 = Part::PAGE_ROWS as u64;

/// What events to find.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Filter (`docs/reference/filter.md`); empty for everything.
    pub filter: String,
    /// First time.
    pub since_ns: Option<i64>,
    /// Last time.
    pub until_ns: Option<i64>,
    /// How many at most.
    pub limit: usize,
    /// Now.
    pub now_ns: i64,
}

/// A found event.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundEvent {
    /// Its record.
    pub record: Vec<u8>,
    /// Place in the spool, for events that were met live.
    pub sequence: Option<u64>,
    /// Its line, for the first event of a line.
    pub line: Option<Vec<u8>>,
}

impl FoundEvent {
    /// The event.
    pub fn event(&self) -> EventRef<'_> {
        EventRef::read(&self.record)
            .expect("records of found events were written by us")
            .0
    }
}

impl Engine {
    /// The newest events that pass the filter, newest first.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<FoundEvent>, Error> {
        let compiled = Compiled::new(
            &query.filter,
            &FieldSet::EVENTS,
            query.since_ns,
            query.until_ns,
            query.now_ns,
        )?;
        let mut newest = Newest::new(query.limit);
        let recent = self.recent();
        recent.each(&mut |sequence, event| {
            if compiled.covers(event.time_ns())
                && newest.may_take(event.time_ns())
                && compiled.matcher.matches(event)
            {
                newest.push(order_of(event), found(sequence, event));
            }
        });
        events_in(&recent, &compiled, &mut newest)?;
        Ok(newest.into_values())
    }

    /// What is in memory, and the state of the history that goes with it.
    pub(crate) fn recent(&self) -> Recent {
        let frames = self.memory().frames();
        // Taken after the memory: what is sealed in between is in both, and told by its sequence.
        Recent {
            frames,
            snapshot: self.store().snapshot(),
        }
    }
}

/// One moment's events: in memory, and in the history.
pub(crate) struct Recent {
    frames: Vec<Arc<Frame>>,
    pub(crate) snapshot: Snapshot,
}

impl Recent {
    pub(crate) fn each(&self, each: &mut dyn FnMut(u64, &EventRef<'_>)) {
        self.frames.iter().for_each(|frame| each_event(frame, each));
    }

    /// Whether an event of a part is in memory, too.
    pub(crate) fn holds(&self, found: &FoundEvent) -> bool {
        let (Some(sequence), Some(first)) = (found.sequence, self.frames.first()) else {
            return false;
        };
        sequence >= first.first_sequence()
    }
}

/// Newest first; of one moment, the later line first.
pub(super) fn order_of(event: &EventRef<'_>) -> (i64, u64, u64) {
    let position = event.header().position;
    let (line, ordinal) = position.map_or((0, 0), |position| {
        (position.line, u64::from(position.ordinal))
    });
    (event.time_ns(), line, ordinal)
}

fn events_in(
    recent: &Recent,
    compiled: &Compiled,
    newest: &mut Newest<FoundEvent>,
) -> Result<(), Error> {
    if compiled.since_ns > compiled.until_ns {
        return Ok(());
    }
    let everything = compiled.filter.is_everything();
    for part in recent
        .snapshot
        .parts(EVENTS, compiled.since_ns..=compiled.until_ns)?
    {
        if part
            .times()
            .is_some_and(|(_, last_ns)| !newest.may_take(last_ns))
        {
            break;
        }
        let candidates = part.candidates(&compiled.tokens)?;
        let candidates = candidates.and(&part.within(compiled.since_ns..=compiled.until_ns)?);
        each_slice(
            &part,
            &candidates,
            newest.limit().saturating_mul(2),
            &mut |part, slice| {
                let slice = rows_worth_reading(part, slice, compiled, newest, everything)?;
                read_events(part, &slice, &mut |found| {
                    if (everything || compiled.matcher.matches(&found.event()))
                        && !recent.holds(&found)
                    {
                        newest.push(order_of(&found.event()), found);
                    }
                })
            },
        )?;
    }
    Ok(())
}

/// The rows of a slice that lie in the time range and could be among the newest.
fn rows_worth_reading(
    part: &Part,
    slice: &RowSet,
    compiled: &Compiled,
    newest: &Newest<FoundEvent>,
    everything: bool,
) -> Result<RowSet, Error> {
    let times = part.read(&[rows::TIME, rows::GROUP, rows::OFFSET], slice)?;
    let mut wanted: Vec<((i64, u64), u32)> = Vec::new();
    for row in 0..times.len() {
        let Some(time_ns) = times.time(rows::TIME, row) else {
            continue;
        };
        if compiled.covers(time_ns) && newest.may_take(time_ns) {
            let line = rows::line_number_of(&times, row).unwrap_or(0);
            wanted.push(((time_ns, line), times.number(row)));
        }
    }
    if everything && wanted.len() > newest.limit() {
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        // Events of one line share its number: a few more than asked for keeps them together.
        wanted.truncate(newest.limit() + 16);
    }
    let mut numbers: Vec<u32> = wanted.into_iter().map(|(_, number)| number).collect();
    numbers.sort_unstable();
    Ok(RowSet::from_sorted_rows(numbers))
}

/// Hands out a part's rows in slices, the last rows first: parts are sorted by time, or nearly.
/// The first slice has about `first` rows, as few as may be enough; each further one more, up to
/// about [`SLICE_ROWS`], since rows that are not enough are likely to be many.
pub(super) fn each_slice(
    part: &Part,
    rows: &RowSet,
    first: usize,
    each: &mut dyn FnMut(&Part, &RowSet) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut rest = rows.clone();
    let mut size = (first as u64).clamp(16, SLICE_ROWS);
    while !rest.is_empty() {
        let slice = last_rows_by_page(&rest, size);
        rest = rest.minus(&slice);
        each(part, &slice)?;
        size = (size * 4).min(SLICE_ROWS);
    }
    Ok(())
}

/// The last rows, `size` of them or more, but fewer than twice as many: a page is unpacked whole for
/// any of its rows, and so is not shared by slices where that can be had.
fn last_rows_by_page(rows: &RowSet, size: u64) -> RowSet {
    let last = rows.last_rows(size);
    let first = last.ranges().first().map_or(0, |range| range.start);
    let page = first - first % Part::PAGE_ROWS;
    let whole = rows.minus(&RowSet::range(0..page));
    if whole.len() < size * 2 { whole } else { last }
}

/// Reads whole events.
pub(super) fn read_events(
    part: &Part,
    rows: &RowSet,
    each: &mut dyn FnMut(FoundEvent),
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let values = part.read(&rows::all_columns(), rows)?;
    for row in 0..values.len() {
        let mut record = Vec::new();
        rows::event_of(&values, row, &mut record)
            .ok_or_else(|| damaged(part, values.number(row)))?;
        let mut found = FoundEvent {
            sequence: values
                .int(rows::SEQUENCE, row)
                .map(|sequence| sequence as u64),
            line: None,
            record,
        };
        found.line = rows::line_of(&values, row, &found.event());
        each(found);
    }
    Ok(())
}

fn damaged(part: &Part, row: u32) -> Error {
    Error::State(format!("{}: row {row} is no event", part.path().display()))
}
