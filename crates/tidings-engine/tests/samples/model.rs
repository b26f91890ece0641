//! Random ticks, restarts and kills; every question gets the answer of the model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};
use tidings_engine::{Engine, Sample, SampleQuery, SampleValue};
use tidings_event::{Id, MetricKind};
use tidings_spool::fault::MemoryBackend;

use super::support::{Hand, METRICS, START_MS, bounds, open};

#[derive(Clone, Debug)]
enum Step {
    /// The clock goes, or is set back.
    Wait(i64),
    Measure(usize, u64),
    Tick {
        is_scheduled: bool,
    },
    /// A last tick, and a new process.
    Restart,
    /// A new process.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![Just(0), 1..5i64, 50_000..70_000i64, -90_000..-1i64].prop_map(Step::Wait),
        8 => (0..METRICS.len(), prop_oneof![Just(0u64), 1..2000u64]).prop_map(|(metric, by)| Step::Measure(metric, by)),
        4 => Just(Step::Tick { is_scheduled: false }),
        1 => Just(Step::Tick { is_scheduled: true }),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ]
}

type Row = BTreeMap<&'static str, SampleValue>;

/// What there should be.
#[derive(Default)]
struct Model {
    minute: BTreeMap<i64, Row>,
    scheduled: BTreeMap<i64, Row>,
    collected: Row,
    collected_ms: i64,
    is_own: bool,
    /// As of the last tick of this process.
    before: Hand,
    shown_gauges: BTreeSet<&'static str>,
}

impl Model {
    fn tick(&mut self, ms: i64, hand: &Hand, is_scheduled: bool) {
        let mut row = Row::new();
        for (name, kind) in METRICS {
            let now = hand.numbers.get(name).copied().unwrap_or(0);
            let before = self.before.numbers.get(name).copied().unwrap_or(0);
            let value = match kind {
                MetricKind::Counter if now > before => SampleValue::Counter {
                    count: (now - before) as u64,
                },
                MetricKind::Gauge if now != 0 || self.shown_gauges.contains(name) => {
                    SampleValue::Gauge { value: now }
                }
                MetricKind::Histogram => match self.added(name, hand) {
                    Some(value) => value,
                    None => continue,
                },
                _ => continue,
            };
            row.insert(name, value);
        }
        if !std::mem::replace(&mut self.is_own, true) && !self.collected.is_empty() {
            let row = std::mem::take(&mut self.collected);
            put(&mut self.scheduled, self.collected_ms, row);
        }
        for (name, value) in &row {
            let sum = self.collected.remove(name);
            self.collected.insert(name, together(sum, value.clone()));
        }
        if !row.is_empty() {
            self.collected_ms = ms;
        }
        self.before = hand.clone();
        self.shown_gauges = gauges(&row);
        put(&mut self.minute, ms, row);
        if is_scheduled {
            put(&mut self.scheduled, ms, std::mem::take(&mut self.collected));
        }
    }

    fn added(&self, name: &'static str, hand: &Hand) -> Option<SampleValue> {
        let (counts, sum) = hand.spreads.get(name)?;
        let (old, old_sum) = self.before.spreads.get(name).cloned().unwrap_or_default();
        let buckets = counts.iter().enumerate();
        let buckets: Vec<u64> = buckets
            .map(|(at, count)| count - old.get(at).unwrap_or(&0))
            .collect();
        let count = buckets.iter().sum();
        (count > 0).then(|| SampleValue::Histogram {
            count,
            sum: sum - old_sum,
            buckets,
            total_count: counts.iter().sum(),
            total_sum: *sum,
        })
    }

    fn new_process(&mut self) {
        self.before = Hand::default();
        self.is_own = false;
        let last = self.minute.last_key_value();
        self.shown_gauges = last.map(|(_, row)| gauges(row)).unwrap_or_default();
    }

    /// The rows of a table flattened, oldest first.
    fn flat(&self, fine: bool) -> Vec<(i64, &'static str, SampleValue)> {
        let table = if fine { &self.minute } else { &self.scheduled };
        let rows = table.iter();
        rows.flat_map(|(ms, row)| row.iter().map(|(name, value)| (*ms, *name, value.clone())))
            .collect()
    }
}

fn put(table: &mut BTreeMap<i64, Row>, mut ms: i64, row: Row) {
    while table.contains_key(&ms) {
        ms += 1;
    }
    if !row.is_empty() {
        table.insert(ms, row);
    }
}

fn gauges(row: &Row) -> BTreeSet<&'static str> {
    let shown = |(name, value): (&&'static str, &SampleValue)| match value {
        SampleValue::Gauge { value } if *value != 0 => Some(*name),
        _ => None,
    };
    row.iter().filter_map(shown).collect()
}

fn together(sum: Option<SampleValue>, later: SampleValue) -> SampleValue {
    match (sum, later) {
        (Some(SampleValue::Counter { count }), SampleValue::Counter { count: more }) => {
            SampleValue::Counter {
                count: count + more,
            }
        }
        (
            Some(SampleValue::Histogram {
                count,
                sum,
                buckets,
                ..
            }),
            SampleValue::Histogram {
                count: more,
                sum: more_sum,
                buckets: more_buckets,
                total_count,
                total_sum,
            },
        ) => SampleValue::Histogram {
            count: count + more,
            sum: sum + more_sum,
            buckets: buckets
                .iter()
                .zip(more_buckets)
                .map(|(a, b)| a + b)
                .collect(),
            total_count,
            total_sum,
        },
        (_, later) => later,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_answer_is_the_models(steps in vec(step(), 1..80), page in 1..7usize) {
        let disk = MemoryBackend::new();
        let (mut model, mut hand, mut engine) = (Model::default(), Hand::default(), open(&disk));
        let mut ms = START_MS;
        for step in steps {
            match step {
                Step::Wait(by) => ms += by,
                Step::Measure(metric, by) => hand.count(metric, by),
                Step::Tick { is_scheduled } => {
                    model.tick(ms, &hand, is_scheduled);
                    engine.samples().write(ms * 1_000_000 + 999, &hand.read(), is_scheduled).unwrap();
                }
                Step::Restart | Step::Kill => {
                    if matches!(step, Step::Restart) {
                        model.tick(ms, &hand, true);
                        engine.samples().write(ms * 1_000_000, &hand.read(), true).unwrap();
                    }
                    drop(engine);
                    engine = open(&disk);
                    hand = Hand::default();
                    model.new_process();
                }
            }
        }
        for fine in [true, false] {
            compare(&engine, &model, fine, page);
        }
        drop(engine);
        assert_eq!(open(&disk).verify().unwrap().problems, [""; 0]);
    }
}

fn compare(engine: &Engine, model: &Model, fine: bool, page: usize) {
    let samples = engine.samples();
    let expected = model.flat(fine);
    let all = SampleQuery {
        with_labels: true,
        fine,
        is_ascending: true,
        ..SampleQuery::default()
    };
    let found = samples.query(&all).unwrap();
    assert_eq!(sorted(&found), sorted_model(&expected), "fine {fine}");
    let ids: Vec<Id> = found.iter().map(|sample| sample.id).collect();
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
    let times = found
        .iter()
        .map(|sample| (sample.id.time_ns(), sample.time_ns));
    assert!(times.clone().all(|(of_id, own)| of_id == own));
    // Every id leads to its sample, in any order, and others to none.
    let again = samples.get(&ids).unwrap();
    assert_eq!(again.into_iter().flatten().collect::<Vec<_>>(), found);
    let others: Vec<Id> = ids.iter().map(|id| Id(id.0 ^ 1 << 20)).collect();
    let of_other_table = samples.get(&others).unwrap();
    assert!(
        of_other_table
            .iter()
            .flatten()
            .all(|sample| !ids.contains(&sample.id))
    );

    let reversed: Vec<Id> = ids.iter().rev().copied().collect();
    let newest_first = SampleQuery {
        is_ascending: false,
        ..all.clone()
    };
    assert_eq!(samples.ids(&newest_first).unwrap(), reversed);
    assert_eq!(samples.count(&all).unwrap(), ids.len() as u64);
    for is_ascending in [true, false] {
        let mut query = SampleQuery {
            is_ascending,
            limit: page,
            ..all.clone()
        };
        let mut paged = Vec::new();
        loop {
            let ids = samples.ids(&query).unwrap();
            query.behind = ids.last().copied().or(query.behind);
            if ids.is_empty() {
                break;
            }
            assert!(ids.len() <= page);
            paged.extend(ids);
        }
        assert_eq!(
            paged,
            if is_ascending {
                ids.clone()
            } else {
                reversed.clone()
            }
        );
    }
    // By metric and time.
    for (name, _) in METRICS {
        let middle = expected
            .get(expected.len() / 2)
            .map_or(START_MS, |(ms, ..)| *ms);
        for (from, until) in [
            (None, Some(middle)),
            (Some(middle), None),
            (Some(middle), Some(middle)),
        ] {
            let query = SampleQuery {
                metrics: Some(vec![name.into(), "no.metric".into()]),
                from_ns: from.map(|ms| ms * 1_000_000),
                until_ns: until.map(|ms| ms * 1_000_000 + 5),
                ..all.clone()
            };
            let of_model = expected.iter().filter(|(ms, metric, _)| {
                *metric == name
                    && from.is_none_or(|from| *ms >= from)
                    && until.is_none_or(|until| *ms <= until)
            });
            let of_model: Vec<_> = of_model.cloned().collect();
            assert_eq!(
                sorted(&samples.query(&query).unwrap()),
                sorted_model(&of_model),
                "{name}"
            );
        }
    }
    let catalogue = SampleQuery {
        with_labels: false,
        ..all
    };
    let found = samples.query(&catalogue).unwrap();
    assert!(found.iter().all(|sample| sample.series.labels.is_empty()));
    let expected = expected
        .iter()
        .filter(|(_, name, _)| !name.starts_with("mail_"));
    assert_eq!(found.len(), expected.count());
}

type Flat = (i64, String, SampleValue);

fn sorted(samples: &[Sample]) -> Vec<Flat> {
    let flat = samples.iter().map(|sample| {
        if sample.series.kind == MetricKind::Histogram {
            assert_eq!(sample.series.bounds, bounds(sample.metric()));
        }
        (
            sample.time_ns / 1_000_000,
            sample.metric().to_owned(),
            sample.value.clone(),
        )
    });
    let mut flat: Vec<Flat> = flat.collect();
    flat.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    flat
}

fn sorted_model(rows: &[(i64, &'static str, SampleValue)]) -> Vec<Flat> {
    let rows = rows.iter();
    let mut flat: Vec<Flat> = rows
        .map(|(ms, name, value)| (*ms, (*name).to_owned(), value.clone()))
        .collect();
    flat.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    flat
}
