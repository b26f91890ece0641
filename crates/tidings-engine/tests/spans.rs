//! Spans that a search gives are those that a look at all events gives.

#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use tidings_engine::{Engine, EventQuery, FoundEvent, FoundSpan, Place, SpanFilter, SpanQuery};
use tidings_event::{EventType, Id};
use tidings_spool::fault::MemoryBackend;

use feeder::{GrowingLog, catch_up, start};
use world::{NOW_NS, import, log_lines, open, with_dependent_lines};

/// Which spans have an event that passes a filter, and all spans with their first events.
struct Model {
    passing: BTreeMap<&'static str, BTreeSet<Id>>,
    first: BTreeMap<Id, FoundEvent>,
    events: BTreeMap<Id, BTreeSet<Place>>,
}

const FILTERS: [&str; 6] = [
    "to:user7@in.example",
    "type:delivery.*",
    "remoteIp:192.0.2.0/24",
    "user3",
    "type:smtp.connection-end",
    "elapsed>1s",
];

impl Model {
    fn of(engine: &Engine) -> Model {
        let events = |filter: &str| {
            let query = EventQuery {
                filter: filter.to_owned(),
                limit: usize::MAX,
                now_ns: NOW_NS,
                ..EventQuery::default()
            };
            engine.events(&query).unwrap()
        };
        let (mut first, mut all) = (BTreeMap::new(), BTreeMap::<Id, BTreeSet<Place>>::new());
        for found in events("") {
            if let Some(id) = found.event().span() {
                all.entry(id).or_default().insert(found.place());
                // Newest first: the last one stays.
                first.insert(id, found);
            }
        }
        let spans = |filter: &'static str| {
            let found = events(filter);
            let spans = found.iter().filter_map(|found| found.event().span());
            (filter, spans.collect())
        };
        Model {
            passing: FILTERS.into_iter().map(spans).collect(),
            first,
            events: all,
        }
    }

    fn holds(&self, filter: &SpanFilter, id: Id) -> bool {
        match filter {
            SpanFilter::All(filters) => filters.iter().all(|filter| self.holds(filter, id)),
            SpanFilter::Any(filters) => filters.iter().any(|filter| self.holds(filter, id)),
            SpanFilter::Not(filter) => !self.holds(filter, id),
            SpanFilter::Event(text) => self.passing[text.as_str()].contains(&id),
            SpanFilter::Begins(types) => types.contains(&self.first[&id].event().kind()),
        }
    }

    fn places(&self, filter: &SpanFilter) -> Vec<Place> {
        let ids = self.first.keys().filter(|id| self.holds(filter, **id));
        let mut places: Vec<Place> = ids.map(|id| Place::of_id(id.time_ns(), id.0)).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        places
    }
}

fn filters() -> impl Strategy<Value = SpanFilter> {
    let leaf = prop_oneof![
        prop::sample::select(&FILTERS[..]).prop_map(|text| SpanFilter::Event(text.to_owned())),
        prop::sample::select(vec![
            vec![EventType::SMTP_CONNECTION_START],
            vec![
                EventType::DELIVERY_ATTEMPT_START,
                EventType::QUEUE_RESCHEDULED
            ],
            vec![],
        ])
        .prop_map(SpanFilter::Begins),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let some = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            some.clone().prop_map(SpanFilter::All),
            some.prop_map(SpanFilter::Any),
            inner.prop_map(|filter| SpanFilter::Not(Box::new(filter))),
        ]
    })
}

fn assert_spans_are_those_of(engine: &Engine, model: &Model, filter: &SpanFilter, limit: usize) {
    let expected = model.places(filter);
    let (mut joined, mut behind) = (Vec::new(), None);
    loop {
        let query = SpanQuery {
            filter: filter.clone(),
            behind,
            limit,
            now_ns: NOW_NS,
            ..SpanQuery::default()
        };
        let page = engine.spans(&query).unwrap();
        let places: Vec<Place> = page.iter().map(FoundSpan::place).collect();
        assert_eq!(engine.span_places(&query).unwrap(), places);
        for span in &page {
            let events: BTreeSet<Place> = span.events.iter().map(FoundEvent::place).collect();
            assert_eq!(events, model.events[&span.id], "{:?}", span.id);
        }
        behind = places.last().copied();
        joined.extend(places);
        if behind.is_none() {
            break;
        }
    }
    assert_eq!(joined, expected, "{filter:?}");
}

/// A store with an import, and beside it what is followed: a part of it sealed, a part in memory.
fn filled(dir: &Path, check: impl FnOnce(&Engine)) {
    let disk = MemoryBackend::new();
    let engine = open(&disk).unwrap();
    let imported = dir.join("old.log");
    std::fs::write(&imported, with_dependent_lines(&log_lines(0, 300), 20)).unwrap();
    import(&engine, &[imported]).unwrap();
    let live = start(engine);
    let log = with_dependent_lines(&log_lines(600, 900), 20);
    GrowingLog::new(&dir.join("mail.log"), &log)
        .follow(&live, 20, &mut |_| {})
        .unwrap();
    catch_up(&live);
    check(live.engine());
}

#[test]
fn spans_are_those_that_a_look_at_all_events_gives() {
    let dir = TempDir::new().unwrap();
    filled(dir.path(), |engine| {
        let model = Model::of(engine);
        assert!(model.first.len() > 100, "{}", model.first.len());
        for filter in FILTERS {
            let filter = SpanFilter::Event(filter.to_owned());
            assert_spans_are_those_of(engine, &model, &filter, 20);
        }
        assert_spans_are_those_of(engine, &model, &SpanFilter::default(), 50);
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(24));
        let run = runner.run(&(filters(), 1usize..60), |(filter, limit)| {
            // Pages of one would be read for minutes.
            assert_spans_are_those_of(engine, &model, &filter, limit.max(20));
            Ok(())
        });
        run.unwrap();
    });
}

#[test]
fn spans_are_found_by_their_ids_and_by_the_time_they_began() {
    let dir = TempDir::new().unwrap();
    filled(dir.path(), |engine| {
        let model = Model::of(engine);
        let ids: Vec<Id> = model.first.keys().copied().step_by(7).collect();
        let mut asked = ids.clone();
        asked.push(Id(77));
        asked.push(ids[0]);
        let found = engine.spans_with_ids(&asked).unwrap();
        assert_eq!(found.len(), ids.len() + 2);
        assert_eq!(found[ids.len()], None);
        assert_eq!(found[0], found[ids.len() + 1]);
        for (id, span) in ids.iter().zip(&found) {
            let span = span.as_ref().unwrap();
            assert_eq!(span.id, *id);
            assert_eq!(span.events.len(), model.events[id].len());
        }
        let middle = ids[ids.len() / 2].time_ns();
        let query = SpanQuery {
            since_ns: Some(middle),
            until_ns: Some(middle + 60_000_000_000),
            limit: usize::MAX,
            now_ns: NOW_NS,
            ..SpanQuery::default()
        };
        let times = engine.span_places(&query).unwrap();
        let in_time = |id: &&Id| (middle..=middle + 60_000_000_000).contains(&id.time_ns());
        assert_eq!(times.len(), model.first.keys().filter(in_time).count());
    });
}
