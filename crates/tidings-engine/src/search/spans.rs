//! Spans: one session or one delivery attempt each, with all its events, newest first.
//!
//! A span is found by its events: those that the filter's most telling part names are looked up, and
//! the spans that they belong to are read whole and judged. The events of a span are looked for by
//! time, from the moment that its id holds on: nothing else says where they are, since a session
//! goes on in the next file when a log is rotated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use tidings_event::filter::FieldSet;
use tidings_event::{EventType, Id};
use tidings_store::{Part, RowSet, TokenExpr};

use super::events::{FoundEvent, Recent, earlier, read_events};
use super::newest::Newest;
use super::{Compiled, Place};
use crate::engine::Engine;
use crate::error::Error;
use crate::memory::found;
use crate::rows::{self, EVENTS};

const SECOND_NS: i64 = 1_000_000_000;

/// How long after its beginning the events of a span are looked for, step by step until its end is
/// found.
const REACHES_NS: [i64; 4] = [
    10 * SECOND_NS,
    600 * SECOND_NS,
    7200 * SECOND_NS,
    86_400 * SECOND_NS,
];

/// How far before the moment of its id a span's first event may lie: times of whole seconds have
/// their milliseconds from elsewhere.
const BEFORE_NS: i64 = SECOND_NS;

/// Rows whose spans are looked at in one step for spans whose end is not found yet.
const ROWS_MAX: u64 = 4 << 20;

/// Events of a span that are kept, besides its first and its last.
const MIDDLE_MAX: usize = 2048;

/// What has to hold of a span.
#[derive(Clone, Debug)]
pub enum SpanFilter {
    /// All of these; without any, everything.
    All(Vec<SpanFilter>),
    /// One of these at least.
    Any(Vec<SpanFilter>),
    /// Not this.
    Not(Box<SpanFilter>),
    /// One of its events passes this filter (`docs/reference/filter.md`).
    Event(String),
    /// It begins with an event of one of these types.
    Begins(Vec<EventType>),
}

impl Default for SpanFilter {
    fn default() -> SpanFilter {
        SpanFilter::All(Vec::new())
    }
}

/// What spans to find.
#[derive(Clone, Debug, Default)]
pub struct SpanQuery {
    /// What has to hold of them.
    pub filter: SpanFilter,
    /// First moment at which they began.
    pub since_ns: Option<i64>,
    /// Last moment at which they began.
    pub until_ns: Option<i64>,
    /// Only spans that stand behind this one in the order of the results: the next page.
    pub behind: Option<Place>,
    /// How many at most.
    pub limit: usize,
    /// Now.
    pub now_ns: i64,
}

/// A span with its events.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundSpan {
    /// Its id.
    pub id: Id,
    /// Its events, in order: the first, at most 2,048 more, and the last.
    pub events: Vec<FoundEvent>,
    /// Events between that are left out.
    pub omitted: u64,
}

impl FoundSpan {
    /// Its place among all spans.
    pub fn place(&self) -> Place {
        place_of(self.id)
    }

    fn of(id: Id, mut events: Vec<FoundEvent>) -> FoundSpan {
        events.sort_by_cached_key(FoundEvent::place);
        events.dedup_by_key(|event| event.place());
        let omitted = events.len().saturating_sub(MIDDLE_MAX + 2);
        if omitted > 0 {
            events.drain(1 + MIDDLE_MAX..1 + MIDDLE_MAX + omitted);
        }
        FoundSpan {
            id,
            events,
            omitted: omitted as u64,
        }
    }
}

/// The place of a span, which follows from its id.
fn place_of(id: Id) -> Place {
    Place::of_id(id.time_ns(), id.0)
}

impl Engine {
    /// The newest spans that pass the filter, newest first.
    pub fn spans(&self, query: &SpanQuery) -> Result<Vec<FoundSpan>, Error> {
        Ok(self.newest_spans(query, &|span| span)?.into_values())
    }

    /// The places of the newest spans that pass the filter, newest first.
    pub fn span_places(&self, query: &SpanQuery) -> Result<Vec<Place>, Error> {
        let newest = self.newest_spans(query, &|_| ())?;
        let placed = newest.into_placed().into_iter();
        Ok(placed.map(|(place, ())| place).collect())
    }

    /// The spans with these ids, in their order; `None` for what is no longer, or never was, there.
    pub fn spans_with_ids(&self, ids: &[Id]) -> Result<Vec<Option<FoundSpan>>, Error> {
        let mut read = whole_spans(&self.recent(), &ids.iter().copied().collect())?;
        let mut twice = HashMap::new();
        let spans = ids.iter().map(|id| {
            let span = read.remove(id).map(|events| FoundSpan::of(*id, events));
            // An id may be asked for twice.
            twice.entry(*id).or_insert(span).clone()
        });
        Ok(spans.collect())
    }

    fn newest_spans<T>(
        &self,
        query: &SpanQuery,
        make: &dyn Fn(FoundSpan) -> T,
    ) -> Result<Newest<T>, Error> {
        let test = Test::of(&query.filter, query.now_ns)?;
        let since_ns = query.since_ns.unwrap_or(i64::MIN);
        let until_ns = earlier(query.until_ns, query.behind).unwrap_or(i64::MAX);
        let mut newest = Newest::new(query.limit, query.behind);
        let recent = self.recent();
        let mut seen = BTreeSet::new();
        let mut judge = |candidates: BTreeSet<Id>, newest: &mut Newest<T>| -> Result<(), Error> {
            let in_time = |id: &Id| (since_ns..=until_ns).contains(&id.time_ns());
            let mut fresh: Vec<Id> = candidates
                .into_iter()
                .filter(|id| in_time(id) && newest.takes(place_of(*id)) && seen.insert(*id))
                .collect();
            fresh.sort_unstable_by_key(|id| std::cmp::Reverse(place_of(*id)));
            for some in fresh.chunks(query.limit.clamp(16, 256)) {
                // The first of them is the newest.
                if !some.iter().any(|id| newest.takes(place_of(*id))) {
                    break;
                }
                for (id, events) in whole_spans(&recent, &some.iter().copied().collect())? {
                    let span = FoundSpan::of(id, events);
                    if test.holds(&span) {
                        newest.push(place_of(id), make(span));
                    }
                }
            }
            Ok(())
        };
        let mut in_memory = BTreeSet::new();
        recent.each(&mut |_, event| in_memory.extend(event.span()));
        judge(in_memory, &mut newest)?;
        let last_ns = until_ns.saturating_add(REACHES_NS[3]);
        for part in recent
            .snapshot
            .parts(EVENTS, since_ns.saturating_sub(BEFORE_NS)..=last_ns)?
        {
            let is_older = |(_, last_ns)| !newest.may_take(last_ns + BEFORE_NS);
            if part.times().is_some_and(is_older) {
                break;
            }
            let times = part.within(since_ns.saturating_sub(BEFORE_NS)..=last_ns)?;
            let rows = test.candidates(&part)?.and(&times);
            judge(spans_of_rows(&part, &rows)?, &mut newest)?;
        }
        Ok(newest)
    }
}

/// A filter ready to be used.
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Event(Box<Compiled>),
    Begins(Vec<EventType>),
}

impl Test {
    fn of(filter: &SpanFilter, now_ns: i64) -> Result<Test, Error> {
        let all = |filters: &[SpanFilter]| -> Result<Vec<Test>, Error> {
            filters.iter().map(|f| Test::of(f, now_ns)).collect()
        };
        Ok(match filter {
            SpanFilter::All(filters) => Test::All(all(filters)?),
            SpanFilter::Any(filters) => Test::Any(all(filters)?),
            SpanFilter::Not(filter) => Test::Not(Box::new(Test::of(filter, now_ns)?)),
            SpanFilter::Event(text) => Test::Event(Box::new(Compiled::new(
                text,
                &FieldSet::EVENTS,
                None,
                None,
                now_ns,
            )?)),
            SpanFilter::Begins(types) => Test::Begins(types.clone()),
        })
    }

    fn holds(&self, span: &FoundSpan) -> bool {
        match self {
            Test::All(tests) => tests.iter().all(|test| test.holds(span)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(span)),
            Test::Not(test) => !test.holds(span),
            Test::Event(compiled) => span.events.iter().any(|found| {
                let event = found.event();
                compiled.covers(event.time_ns()) && compiled.matcher.matches(&event)
            }),
            Test::Begins(types) => {
                let first = span.events.first();
                first.is_some_and(|first| types.contains(&first.event().kind()))
            }
        }
    }

    /// The rows of a part of which a span that passes has one at least, in this part or another.
    fn candidates(&self, part: &Part) -> Result<RowSet, Error> {
        Ok(match self.telling_rows(part)? {
            Some(rows) => rows,
            None => {
                let starts = EventType::all().filter(|info| info.is_span_start());
                part.candidates(&begins_with(
                    starts.filter_map(|info| EventType::from_name(info.name)),
                ))?
            }
        })
    }

    /// The fewest rows that will do; `None` if nothing is asked of events.
    fn telling_rows(&self, part: &Part) -> Result<Option<RowSet>, Error> {
        Ok(match self {
            Test::Not(_) => None,
            Test::Begins(types) => Some(part.candidates(&begins_with(types.iter().copied()))?),
            Test::Event(compiled) => match &compiled.tokens {
                TokenExpr::All => None,
                tokens => Some(part.candidates(tokens)?),
            },
            Test::Any(tests) => {
                let mut rows = RowSet::none();
                for test in tests {
                    match test.telling_rows(part)? {
                        Some(more) => rows = rows.or(&more),
                        None => return Ok(None),
                    }
                }
                Some(rows)
            }
            Test::All(tests) => {
                let mut fewest: Option<RowSet> = None;
                for test in tests {
                    if let Some(rows) = test.telling_rows(part)?
                        && fewest.as_ref().is_none_or(|known| rows.len() < known.len())
                    {
                        fewest = Some(rows);
                    }
                }
                fewest
            }
        })
    }
}

fn begins_with(types: impl Iterator<Item = EventType>) -> TokenExpr {
    TokenExpr::Or(types.map(|kind| TokenExpr::token(kind.name())).collect())
}

/// The spans that rows belong to.
fn spans_of_rows(part: &Part, rows: &RowSet) -> Result<BTreeSet<Id>, Error> {
    let values = part.read(&[rows::SPAN], rows)?;
    let spans = (0..values.len()).filter_map(|row| values.uint(rows::SPAN, row));
    Ok(spans.map(Id).collect())
}

/// All events of these spans that are there.
fn whole_spans(
    recent: &Recent,
    ids: &BTreeSet<Id>,
) -> Result<BTreeMap<Id, Vec<FoundEvent>>, Error> {
    let mut spans: BTreeMap<Id, Vec<FoundEvent>> = BTreeMap::new();
    recent.each(&mut |sequence, event| {
        if let Some(id) = event.span().filter(|id| ids.contains(id)) {
            spans.entry(id).or_default().push(found(sequence, event));
        }
    });
    let mut from_ns = -BEFORE_NS;
    for (step, reach_ns) in REACHES_NS.into_iter().enumerate() {
        let window_of = |id: &Id| {
            let end_ns = spans.get(id).and_then(|events| end_ns(events));
            let reach_ns = id.time_ns().saturating_add(reach_ns);
            let window =
                id.time_ns().saturating_add(from_ns)..=reach_ns.min(end_ns.unwrap_or(reach_ns));
            (!window.is_empty()).then_some((*id, window))
        };
        let (unfinished, windows): (BTreeSet<Id>, Vec<RangeInclusive<i64>>) =
            ids.iter().filter_map(window_of).unzip();
        let mut left = if step == 0 { u64::MAX } else { ROWS_MAX };
        for (part, rows) in rows_within(recent, &windows)? {
            let Some(rest) = left.checked_sub(rows.len()) else {
                break;
            };
            left = rest;
            let values = part.read(&[rows::SPAN], &rows)?;
            let is_wanted = |row: &usize| {
                let span = values.uint(rows::SPAN, *row);
                span.is_some_and(|span| unfinished.contains(&Id(span)))
            };
            let wanted = (0..values.len()).filter(is_wanted);
            let wanted = RowSet::from_sorted_rows(wanted.map(|row| values.number(row)));
            read_events(&part, &wanted, &mut |event| {
                if let Some(id) = event.event().span().filter(|_| !recent.holds(&event)) {
                    spans.entry(id).or_default().push(event);
                }
            })?;
        }
        from_ns = reach_ns;
    }
    Ok(spans)
}

/// When a span ended, if that is known.
fn end_ns(events: &[FoundEvent]) -> Option<i64> {
    let mut ends = events.iter().map(FoundEvent::event);
    let end = ends.find(|event| event.kind().info().is_span_end())?;
    Some(end.time_ns())
}

/// The rows of each part that may lie in one of these times.
fn rows_within(
    recent: &Recent,
    windows: &[RangeInclusive<i64>],
) -> Result<Vec<(Part, RowSet)>, Error> {
    let first = windows.iter().map(RangeInclusive::start).min();
    let last = windows.iter().map(RangeInclusive::end).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for part in recent.snapshot.parts(EVENTS, *first..=*last)? {
        let mut rows = RowSet::none();
        for window in windows {
            let meets = |(from, to): (i64, i64)| from <= *window.end() && to >= *window.start();
            if part.times().is_none_or(meets) {
                rows = rows.or(&part.within(window.clone())?);
            }
        }
        if !rows.is_empty() {
            found.push((part, rows));
        }
    }
    Ok(found)
}
