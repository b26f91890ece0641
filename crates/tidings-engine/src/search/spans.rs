//! Spans: one session or one delivery attempt each, with all its events, newest first.
//!
//! A span is found by its events: those that the filter's most telling part names are looked up, and
//! the spans that they belong to are read whole and judged. The events of a span are looked for by
//! time, from the moment that its id holds on: nothing else says where they are, since a session
//! goes on in the next file when a log is rotated.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use tidings_event::filter::FieldSet;
use tidings_event::{EventRef, EventType, Id};
use tidings_store::{Part, RowSet, TokenExpr};

use super::events::{FoundEvent, Recent, each_slice, earlier, read_events, sieved};
use super::newest::Newest;
use super::{Compiled, Place, Scope};
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
    /// What may be seen, if that is not everything.
    pub scope: Option<Arc<Scope>>,
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
        let ids: Vec<Id> = self
            .span_places(query)?
            .into_iter()
            .map(Place::id)
            .collect();
        let spans = self.spans_with_ids(&ids)?.into_iter().flatten();
        Ok(match &query.scope {
            None => spans.collect(),
            Some(scope) => spans.filter_map(|span| scope.span(span)).collect(),
        })
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

    /// The places of the newest spans that pass the filter, newest first.
    pub fn span_places(&self, query: &SpanQuery) -> Result<Vec<Place>, Error> {
        let scope = query.scope.clone();
        let test = match &scope {
            None => Test::of(&query.filter, query.now_ns)?,
            Some(scope) => Test::of(&scope.narrow(query.filter.clone()), query.now_ns)?,
        };
        let since_ns = query.since_ns.unwrap_or(i64::MIN);
        let until_ns = earlier(query.until_ns, query.behind).unwrap_or(i64::MAX);
        let times = since_ns..=until_ns;
        let recent = self.recent();
        let newest_part = recent.snapshot.parts(EVENTS, ..)?.into_iter().next();
        let leads = test.leads(newest_part.as_ref())?;
        let mut search = Search {
            recent,
            leads,
            test,
            scope,
            times,
            seen: HashSet::new(),
            newest: Newest::new(query.limit, query.behind),
        };
        search.memory()?;
        let last_ns = until_ns.saturating_add(REACHES_NS[3]);
        let since_ns = since_ns.saturating_sub(BEFORE_NS);
        for part in search.recent.snapshot.parts(EVENTS, since_ns..=last_ns)? {
            let is_older = |(_, last_ns): (i64, i64)| {
                !search.newest.may_take(last_ns.saturating_add(BEFORE_NS))
            };
            if part.times().is_some_and(is_older) {
                break;
            }
            let times = part.within(since_ns..=last_ns)?;
            search.part(&part, &times)?;
        }
        let placed = search.newest.into_placed().into_iter();
        Ok(placed.map(|(place, ())| place).collect())
    }
}

/// A search for spans.
struct Search {
    recent: Recent,
    test: Test,
    /// What may be seen of spans.
    scope: Option<Arc<Scope>>,
    /// A span that passes has an event that passes one of these.
    leads: Arc<[Lead]>,
    times: RangeInclusive<i64>,
    /// Spans that were judged.
    seen: HashSet<Id>,
    newest: Newest<()>,
}

/// Spans judged together at most.
const BATCH_MAX: usize = 4096;

impl Search {
    /// Judges the spans that have events in memory.
    fn memory(&mut self) -> Result<(), Error> {
        let mut spans = BTreeSet::new();
        let leads = &self.leads;
        self.recent.each(&mut |_, event| {
            if leads.iter().any(|lead| lead.passes(event)) {
                spans.extend(event.span());
            }
        });
        self.judge(spans)
    }

    /// Judges the spans that have events in these rows of a part.
    fn part(&mut self, part: &Part, rows: &RowSet) -> Result<(), Error> {
        for lead in Arc::clone(&self.leads).iter() {
            let rows = part.candidates(&lead.tokens())?.and(rows);
            let first = self.newest.limit().saturating_mul(2);
            each_slice(part, &rows, first, &mut |part, slice| {
                let spans = self.spans_of_rows(part, slice, lead)?;
                self.judge(spans)
            })?;
        }
        Ok(())
    }

    /// The spans that rows belong to whose events may pass `lead`, and that may be among the newest.
    fn spans_of_rows(
        &self,
        part: &Part,
        rows: &RowSet,
        lead: &Lead,
    ) -> Result<BTreeSet<Id>, Error> {
        let values = part.read(&[rows::SPAN], rows)?;
        let of_row = |row: usize| values.uint(rows::SPAN, row).map(Id);
        let wanted = (0..values.len())
            .filter_map(|row| Some((values.number(row), of_row(row)?)))
            .filter(|(_, id)| self.wants(*id));
        // The index of types is exact; and what is read whole is judged anyway.
        let Lead::Event(compiled) = lead else {
            return Ok(wanted.map(|(_, id)| id).collect());
        };
        let ids: HashMap<u32, Id> = wanted.collect();
        let mut wanted: Vec<u32> = ids.keys().copied().collect();
        wanted.sort_unstable();
        let passing = sieved(part, RowSet::from_sorted_rows(wanted), compiled)?;
        let passing = passing.ranges().iter().cloned().flatten();
        Ok(passing.filter_map(|row| ids.get(&row).copied()).collect())
    }

    fn wants(&self, id: Id) -> bool {
        self.times.contains(&id.time_ns())
            && self.newest.takes(place_of(id))
            && !self.seen.contains(&id)
    }

    /// Keeps the spans that pass, of those that have an event that passes a lead. Where that is not
    /// all that is asked they are read whole, the newest first.
    fn judge(&mut self, spans: BTreeSet<Id>) -> Result<(), Error> {
        let mut fresh: Vec<Id> = spans.into_iter().filter(|id| self.wants(*id)).collect();
        if self.test.is_led() {
            fresh
                .iter()
                .for_each(|id| self.newest.push(place_of(*id), ()));
            self.seen.extend(fresh);
            return Ok(());
        }
        fresh.sort_unstable_by_key(|id| Reverse(place_of(*id)));
        let mut size = self.newest.limit().clamp(16, BATCH_MAX);
        while let Some(first) = fresh.first() {
            // Of spans that are not wanted any more the rest is older.
            if !self.newest.takes(place_of(*first)) {
                break;
            }
            let rest = fresh.split_off(size.min(fresh.len()));
            for (id, events) in whole_spans(&self.recent, &fresh.iter().copied().collect())? {
                let span = FoundSpan::of(id, events);
                let seen = match &self.scope {
                    None => Some(span),
                    Some(scope) => scope.span(span),
                };
                if seen.is_some_and(|seen| self.test.holds(&seen)) {
                    self.newest.push(place_of(id), ());
                }
            }
            self.seen.extend(fresh);
            fresh = rest;
            size = (size * 2).min(BATCH_MAX);
        }
        Ok(())
    }
}

/// A filter ready to be used.
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Event(Arc<Compiled>),
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
            SpanFilter::Event(text) => Test::Event(Arc::new(Compiled::new(
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

    /// Whether every span that has an event that passes a lead passes.
    fn is_led(&self) -> bool {
        match self {
            Test::Event(compiled) => compiled.keys.is_some(),
            Test::Any(tests) => tests.iter().all(Test::is_led),
            Test::All(tests) => tests.len() == 1 && tests.iter().all(Test::is_led),
            Test::Begins(_) | Test::Not(_) => false,
        }
    }

    /// What one event at least of every span that passes has to pass: of several such things the
    /// one that the fewest rows of `part` may. The same for all parts, since a span's events may
    /// be in two.
    fn leads(&self, part: Option<&Part>) -> Result<Arc<[Lead]>, Error> {
        let leads = self.own_leads(part)?.unwrap_or_else(|| {
            let starts = EventType::all().filter(|info| info.is_span_start());
            let starts = starts.filter_map(|info| EventType::from_name(info.name));
            vec![Lead::Begins(starts.collect())]
        });
        Ok(leads.into())
    }

    fn own_leads(&self, part: Option<&Part>) -> Result<Option<Vec<Lead>>, Error> {
        Ok(match self {
            Test::Not(_) => None,
            Test::Begins(types) => Some(vec![Lead::Begins(types.clone())]),
            Test::Event(compiled) => Some(vec![Lead::Event(Arc::clone(compiled))]),
            Test::Any(tests) => {
                let mut all = Vec::new();
                for test in tests {
                    match test.own_leads(part)? {
                        Some(leads) => all.extend(leads),
                        None => return Ok(None),
                    }
                }
                Some(all)
            }
            Test::All(tests) => {
                let mut fewest: Option<(u64, Vec<Lead>)> = None;
                for test in tests {
                    let Some(leads) = test.own_leads(part)? else {
                        continue;
                    };
                    let mut count = 0;
                    if let Some(part) = part {
                        for lead in &leads {
                            count += part.candidates(&lead.tokens())?.len();
                        }
                    }
                    if fewest.as_ref().is_none_or(|(least, _)| count < *least) {
                        fewest = Some((count, leads));
                    }
                }
                fewest.map(|(_, leads)| leads)
            }
        })
    }
}

/// What an event of a span has to pass.
enum Lead {
    Event(Arc<Compiled>),
    Begins(Vec<EventType>),
}

impl Lead {
    fn passes(&self, event: &EventRef<'_>) -> bool {
        match self {
            Lead::Event(compiled) => compiled.matcher.matches(event),
            Lead::Begins(types) => types.contains(&event.kind()),
        }
    }

    /// What the index has to be asked.
    fn tokens(&self) -> TokenExpr {
        match self {
            Lead::Event(compiled) => compiled.tokens.clone(),
            Lead::Begins(types) => begins_with(types.iter().copied()),
        }
    }
}

fn begins_with(types: impl Iterator<Item = EventType>) -> TokenExpr {
    TokenExpr::Or(types.map(|kind| TokenExpr::token(kind.name())).collect())
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
