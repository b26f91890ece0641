//! Meters that are set by hand, and engines on a simulated disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tidings_engine::{Engine, EngineOptions, SampleQuery, SampleValue};
use tidings_event::{Distribution, MetricInfo, MetricKind, Reading, Series, SeriesValue};
use tidings_spool::fault::MemoryBackend;

/// A Tuesday.
pub(crate) const START_MS: i64 = 1_770_094_800_000;

/// What is measured: two counters, two gauges, two histograms of the catalogue, and one of each kind
/// with a label.
pub(crate) const METRICS: [(&str, MetricKind); 9] = [
    ("auth.failed", MetricKind::Counter),
    ("delivery.delivered", MetricKind::Counter),
    ("queue.count", MetricKind::Gauge),
    ("server.memory", MetricKind::Gauge),
    ("message.size", MetricKind::Histogram),
    ("delivery.attempt-time", MetricKind::Histogram),
    ("mail_x", MetricKind::Counter),
    ("mail_y", MetricKind::Gauge),
    ("mail_z", MetricKind::Histogram),
];

const LABELLED_BOUNDS: &[u64] = &[10, 100];

/// Meters of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hand {
    pub(crate) numbers: BTreeMap<&'static str, i64>,
    pub(crate) spreads: BTreeMap<&'static str, (Vec<u64>, u64)>,
}

impl Hand {
    pub(crate) fn count(&mut self, metric: usize, by: u64) {
        let (name, kind) = METRICS[metric];
        match kind {
            MetricKind::Counter => *self.numbers.entry(name).or_default() += by as i64,
            MetricKind::Gauge => {
                self.numbers.insert(name, by as i64);
            }
            MetricKind::Histogram => {
                let bounds = bounds(name);
                let spread = self.spreads.entry(name).or_default();
                spread.0.resize(bounds.len() + 1, 0);
                let at = bounds.iter().position(|bound| by <= *bound);
                spread.0[at.unwrap_or(bounds.len())] += 1;
                spread.1 += by;
            }
        }
    }

    /// What they show: everything, zeros too.
    pub(crate) fn read(&self) -> Vec<Reading> {
        METRICS
            .iter()
            .map(|(name, kind)| self.one(name, *kind))
            .collect()
    }

    fn one(&self, name: &'static str, kind: MetricKind) -> Reading {
        let number = self.numbers.get(name).copied().unwrap_or(0);
        let value = match kind {
            MetricKind::Counter => SeriesValue::Counter {
                count: number as u64,
                exemplar: None,
            },
            MetricKind::Gauge => SeriesValue::Gauge(number),
            MetricKind::Histogram => {
                let bounds = bounds(name);
                let (mut counts, sum) = self.spreads.get(name).cloned().unwrap_or_default();
                counts.resize(bounds.len() + 1, 0);
                SeriesValue::Histogram(Distribution {
                    bounds,
                    counts,
                    sum,
                    extremes: None,
                    exemplars: Vec::new(),
                })
            }
        };
        let is_labelled = name.starts_with("mail_");
        let labels = is_labelled.then(|| ("host", "mx1".into()));
        Reading {
            name: name.into(),
            description: "".into(),
            unit: "count",
            kind,
            divisor: 1,
            created_ns: 0,
            series: vec![Series {
                labels: labels.into_iter().collect(),
                value,
            }],
        }
    }
}

pub(crate) fn bounds(name: &str) -> &'static [u64] {
    MetricInfo::from_name(name).map_or(LABELLED_BOUNDS, |metric| metric.bounds)
}

/// A counter of so many hosts.
pub(crate) fn labelled(values: std::ops::Range<usize>, count: u64) -> Reading {
    let series = values.map(|value| Series {
        labels: vec![("host", value.to_string().into())],
        value: SeriesValue::Counter {
            count,
            exemplar: None,
        },
    });
    Reading {
        name: "mail_hosts".into(),
        description: "".into(),
        unit: "count",
        kind: MetricKind::Counter,
        divisor: 1,
        created_ns: 0,
        series: series.collect(),
    }
}

/// Opens an engine on a simulated disk.
pub(crate) fn open(disk: &MemoryBackend) -> Engine {
    let disk = Arc::new(disk.clone());
    Engine::open_on(disk, Path::new("data"), None, EngineOptions::default()).unwrap()
}

/// The sums of counters and of the counts of histograms over all ticks of a table.
pub(crate) fn sums(engine: &Engine, fine: bool) -> BTreeMap<String, u64> {
    let query = SampleQuery {
        with_labels: true,
        fine,
        ..SampleQuery::default()
    };
    let mut sums = BTreeMap::new();
    for sample in engine.samples().query(&query).unwrap() {
        match sample.value {
            SampleValue::Counter { count } | SampleValue::Histogram { count, .. } => {
                *sums.entry(sample.series.metric.clone()).or_default() += count;
            }
            SampleValue::Gauge { .. } => {}
        }
    }
    sums
}

/// What was measured, as [`sums`] gives it.
pub(crate) fn measured(hand: &Hand) -> BTreeMap<String, u64> {
    let is_counter = |name: &&str| METRICS.contains(&(*name, MetricKind::Counter));
    let counters = hand.numbers.iter().filter(|(name, _)| is_counter(name));
    let counters = counters.map(|(name, count)| ((*name).to_owned(), *count as u64));
    let spreads = hand.spreads.iter();
    let spreads = spreads.map(|(name, (counts, _))| ((*name).to_owned(), counts.iter().sum()));
    counters
        .chain(spreads)
        .filter(|(_, sum)| *sum > 0)
        .collect()
}
