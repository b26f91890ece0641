//! Events, newest first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tidings_event::EventRef;
use tidings_event::filter::FieldSet;
use tidings_spool::Frame;
use tidings_store::{ColumnId, Part, RowSet, Rows, Snapshot, TokenExpr};

use super::held::holding;
use super::newest::Newest;
use super::{Compiled, Place, Scope};
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
    /// Only events that stand behind this one in the order of the results: the next page.
    pub behind: Option<Place>,
    /// What may be seen, if that is not everything.
    pub scope: Option<Arc<Scope>>,
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

    /// Its place among all events.
    pub fn place(&self) -> Place {
        Place::of_event(&self.event(), self.sequence)
    }
}

impl Engine {
    /// The newest events that pass the filter, newest first.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<FoundEvent>, Error> {
        Ok(self.newest_events(query, &|found| found)?.into_values())
    }

    /// The places of the newest events that pass the filter, newest first.
    pub fn event_places(&self, query: &EventQuery) -> Result<Vec<Place>, Error> {
        let newest = self.newest_events(query, &|_| ())?;
        Ok(newest
            .into_placed()
            .into_iter()
            .map(|(place, ())| place)
            .collect())
    }

    fn newest_events<T>(
        &self,
        query: &EventQuery,
        make: &dyn Fn(FoundEvent) -> T,
    ) -> Result<Newest<T>, Error> {
        let mut compiled = Compiled::new(
            &query.filter,
            &FieldSet::EVENTS,
            query.since_ns,
            earlier(query.until_ns, query.behind),
            query.now_ns,
        )?;
        let scope = query.scope.as_deref();
        if let Some(scope) = scope {
            let tokens = scope.tokens(&FieldSet::EVENTS);
            compiled.tokens = TokenExpr::And(vec![tokens, compiled.tokens]);
        }
        let mut newest = Newest::new(query.limit, query.behind);
        let recent = self.recent();
        recent.each(&mut |sequence, event| {
            let place = Place::of_event(event, Some(sequence));
            if compiled.covers(event.time_ns())
                && newest.takes(place)
                && compiled.matcher.matches(event)
                && scope.is_none_or(|scope| scope.event(event))
            {
                newest.push(place, make(found(sequence, event)));
            }
        });
        events_in(&recent, &compiled, scope, &mut newest, make)?;
        Ok(newest)
    }

    /// The events at these places, in their order; `None` for what is no longer, or never was, there.
    pub fn events_at(&self, places: &[Place]) -> Result<Vec<Option<FoundEvent>>, Error> {
        let mut wanted: HashMap<Place, Option<FoundEvent>> =
            places.iter().map(|place| (*place, None)).collect();
        let recent = self.recent();
        recent.each(&mut |sequence, event| {
            if let Some(slot) = wanted.get_mut(&Place::of_event(event, Some(sequence))) {
                *slot = Some(found(sequence, event));
            }
        });
        let missing = wanted.iter().filter(|(_, found)| found.is_none());
        let times: BTreeSet<i64> = missing.map(|(place, _)| place.time_ns()).collect();
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            for part in recent.snapshot.parts(EVENTS, *first..=*last)? {
                let rows = rows_at(&part, &times, &wanted)?;
                read_events(&part, &rows, &mut |found| {
                    if let Some(slot) = wanted.get_mut(&found.place()) {
                        *slot = Some(found);
                    }
                })?;
            }
        }
        let mut taken = places
            .iter()
            .map(|place| wanted.get(place).cloned().flatten());
        Ok(taken.by_ref().collect())
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

/// The columns that [`place_of`] needs.
const PLACE_COLUMNS: &[ColumnId] = &[
    rows::TIME,
    rows::STREAM,
    rows::GROUP,
    rows::OFFSET,
    rows::ORDINAL,
    rows::SEQUENCE,
];

/// The place of a row's event.
fn place_of(values: &Rows, row: usize) -> Place {
    let time_ns = values.time(rows::TIME, row).unwrap_or_default();
    let position = rows::position_of(values, row);
    let sequence = values.int(rows::SEQUENCE, row).map(|number| number as u64);
    Place::of(time_ns, position, sequence)
}

/// The rows whose events may pass the filter, told by few columns where it names few keys: to read
/// a row whole unpacks pages of some fifty columns.
pub(super) fn sieved(part: &Part, rows: RowSet, compiled: &Compiled) -> Result<RowSet, Error> {
    let keys = compiled.keys.as_deref();
    let Some((keys, columns)) = keys.and_then(|keys| Some((keys, rows::columns_of(keys)?))) else {
        return holding(part, rows, compiled, rows::text_columns());
    };
    let values = part.read(&columns, &rows)?;
    let mut record = Vec::new();
    let mut left = Vec::new();
    for row in 0..values.len() {
        record.clear();
        rows::event_with(&values, row, &|key| keys.contains(&key), &mut record)
            .ok_or_else(|| damaged(part, values.number(row)))?;
        // Just written.
        if EventRef::read(&record).is_ok_and(|(event, _)| compiled.matcher.matches(&event)) {
            left.push(values.number(row));
        }
    }
    Ok(RowSet::from_sorted_rows(left))
}

/// The rows of a part that are at wanted places, all of whose times are given.
fn rows_at(
    part: &Part,
    times: &BTreeSet<i64>,
    wanted: &HashMap<Place, Option<FoundEvent>>,
) -> Result<RowSet, Error> {
    let mut near = RowSet::none();
    for time_ns in times {
        near = near.or(&part.within(*time_ns..=*time_ns)?);
    }
    let values = part.read(PLACE_COLUMNS, &near)?;
    let is_wanted = |row: &usize| wanted.contains_key(&place_of(&values, *row));
    let rows = (0..values.len())
        .filter(is_wanted)
        .map(|row| values.number(row));
    Ok(RowSet::from_sorted_rows(rows))
}

/// The earlier of a last time and that of the place behind which a page begins.
pub(super) fn earlier(until_ns: Option<i64>, behind: Option<Place>) -> Option<i64> {
    let behind_ns = behind.map(Place::time_ns);
    until_ns.into_iter().chain(behind_ns).min()
}

fn events_in<T>(
    recent: &Recent,
    compiled: &Compiled,
    scope: Option<&Scope>,
    newest: &mut Newest<T>,
    make: &dyn Fn(FoundEvent) -> T,
) -> Result<(), Error> {
    if compiled.since_ns > compiled.until_ns {
        return Ok(());
    }
    let everything = compiled.filter.is_everything() && scope.is_none();
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
                let slice = if everything {
                    slice
                } else {
                    sieved(part, slice, compiled)?
                };
                read_events(part, &slice, &mut |found| {
                    if (everything || compiled.matcher.matches(&found.event()))
                        && scope.is_none_or(|scope| scope.event(&found.event()))
                        && !recent.holds(&found)
                    {
                        newest.push(found.place(), make(found));
                    }
                })
            },
        )?;
    }
    Ok(())
}

/// The rows of a slice that lie in the time range and could be among the newest.
fn rows_worth_reading<T>(
    part: &Part,
    slice: &RowSet,
    compiled: &Compiled,
    newest: &Newest<T>,
    everything: bool,
) -> Result<RowSet, Error> {
    let columns = if everything {
        PLACE_COLUMNS
    } else {
        &[rows::TIME]
    };
    let values = part.read(columns, slice)?;
    let mut wanted: Vec<(Place, u32)> = Vec::new();
    for row in 0..values.len() {
        let Some(time_ns) = values.time(rows::TIME, row) else {
            continue;
        };
        if compiled.covers(time_ns) && newest.may_take_at(time_ns) {
            let place = match everything {
                true => place_of(&values, row),
                false => Place::last_of(time_ns),
            };
            wanted.push((place, values.number(row)));
        }
    }
    if everything {
        wanted.retain(|(place, _)| newest.takes(*place));
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        wanted.truncate(newest.limit());
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
