//! Meters: how often each thing happened, how long it took, how much there is now.
//!
//! [`Meters`] holds the catalogue's metrics. [`Meters::record`] is called once for each event; it
//! knows which counter, gauge and histogram the event moves. Nothing is ever reset while the process
//! runs; a restart begins at zero with a new [`created_ns`](tidings_event::Reading::created_ns),
//! which consumers take for a reset.
//!
//! ```
//! use tidings::meters::{Meters, Selection};
//! use tidings_event::{EventType, SeriesValue};
//!
//! let meters = Meters::new(1_700_000_000_000_000_000);
//! meters.count(EventType::AUTH_FAILED);
//! let readings = meters.read(&Selection::all());
//! let failed = readings.iter().find(|reading| reading.name == "auth.failed").unwrap();
//! assert!(matches!(failed.series[0].value, SeriesValue::Counter { count: 1, .. }));
//! ```
//!
//! A [`Family`] is a metric with labels, for whoever maps events to label values.
//!
//! Each thread counts in a part of its own, at the price of a plain store; the first 64 threads at a
//! time have one, further ones share one. Memory: about 25 KB per thread that counts. Gauges are
//! shared, and stop at zero.

mod cell;
mod family;
mod gauge;
#[cfg(all(test, loom))]
mod models;
pub mod own;
mod plan;
mod selection;
mod slot;
mod sync;
mod table;

#[cfg(all(test, not(loom)))]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tidings_event::{
    Distribution, EventRef, EventType, Exemplar, Id, Key, MetricInfo, Reading, Series, SeriesValue,
    Value,
};

use cell::{Count, Histogram, Latest, Writers, empty, later};
use plan::{COUNTERS, Effect, HistogramPlan, Plan};

pub use family::{FOLDED, Family, MAX_SERIES, MAX_VALUE_BYTES, OTHER, folded};
pub use gauge::Gauge;
pub use selection::{Policy, Selection, UnknownMetric};

/// The catalogue's metrics of this process.
///
/// All methods take `&self`, wait for nobody and may be called from any thread.
pub struct Meters {
    created_ns: i64,
    plan: Plan,
    /// One per slot, made when its thread first counts.
    own: [OnceLock<Box<Shard>>; slot::SLOTS],
    /// For threads without a slot.
    shared: Box<Shard>,
    gauges: [AtomicU64; Gauge::ALL.len()],
}

/// What one thread counted. Aligned so that two threads never write to one cache line.
#[repr(align(128))]
struct Shard {
    /// In place, so that counting follows as few pointers as can be.
    counts: [Count; COUNTERS],
    /// The latest span behind each count.
    latest: Box<[Latest]>,
    histograms: Box<[Histogram]>,
}

impl Shard {
    fn new(plan: &Plan) -> Shard {
        Shard {
            counts: std::array::from_fn(|_| Count::default()),
            latest: plan.counters.iter().map(|_| Latest::default()).collect(),
            histograms: plan
                .histograms
                .iter()
                .map(|known| Histogram::new(known.metric.bounds))
                .collect(),
        }
    }
}

impl Meters {
    /// All at zero; `created_ns` is now, in nanoseconds since the unix epoch.
    pub fn new(created_ns: i64) -> Meters {
        let plan = Plan::new();
        Meters {
            created_ns,
            shared: Box::new(Shard::new(&plan)),
            plan,
            own: [const { OnceLock::new() }; slot::SLOTS],
            gauges: [const { AtomicU64::new(0) }; Gauge::ALL.len()],
        }
    }

    /// When counting began, in nanoseconds since the unix epoch.
    pub fn created_ns(&self) -> i64 {
        self.created_ns
    }

    /// Counts an event that was not built: its counter and its gauge. A histogram needs the event's
    /// value: see [`value_key`](Self::value_key).
    #[inline]
    pub fn count(&self, kind: EventType) {
        let effect = self.plan.of(kind);
        if effect.counter != Effect::NO_COUNTER {
            let (shard, writers) = self.shard();
            if let Some(count) = shard.counts.get(usize::from(effect.counter)) {
                count.add(1, writers);
            }
        }
        if effect.gauge != 0 {
            self.move_gauge(effect.gauge);
        }
    }

    /// Counts an event: its counter, its gauge, its histogram. To be called once for each event, with
    /// no call of [`count`](Self::count) for the same.
    pub fn record(&self, event: &EventRef<'_>) {
        let header = event.header();
        let effect = self.plan.of(header.kind);
        let span = header
            .span
            .filter(|span| span.0 != 0)
            .map(|span| (span, header.time_ns));
        if is_link(effect, event) {
            return;
        }
        if effect.counter != Effect::NO_COUNTER {
            self.add_to_counter(effect.counter, span);
        }
        if effect.gauge != 0 {
            self.move_gauge(effect.gauge);
        }
        if effect.histogram != Effect::NO_HISTOGRAM
            && let Some(known) = self.plan.histograms.get(usize::from(effect.histogram))
            && let Some(value) = value_of(known, event)
        {
            self.add_to_histogram(effect.histogram, value, span);
        }
    }

    /// The key whose value feeds a histogram when an event of this type happens: `elapsed` or `size`.
    /// `None` for the many types that feed none.
    #[inline]
    pub fn value_key(&self, kind: EventType) -> Option<Key> {
        let histogram = usize::from(self.plan.of(kind).histogram);
        self.plan.histograms.get(histogram).map(|known| known.key)
    }

    /// Adds a value to the histogram that an event of this type feeds, if it feeds one: milliseconds
    /// or bytes, as [`value_key`](Self::value_key) says. For events that are counted by
    /// [`count`](Self::count), as they were not built.
    #[inline]
    pub fn observe(&self, kind: EventType, value: u64) {
        let histogram = self.plan.of(kind).histogram;
        if let Some(known) = self.plan.histograms.get(usize::from(histogram))
            && !(known.is_lookup && value == 0)
        {
            self.add_to_histogram(histogram, value, None);
        }
    }

    /// Remembers the span of an event that was counted by [`count`](Self::count) and
    /// [`observe`](Self::observe), for its counter's and its histogram's exemplar. For a collector,
    /// which has the event when its time and span are known.
    pub fn remember(&self, event: &EventRef<'_>) {
        let header = event.header();
        let effect = self.plan.of(header.kind);
        let Some(span) = header.span.filter(|span| span.0 != 0) else {
            return;
        };
        let (shard, writers) = self.shard();
        let exemplar = |value| Exemplar {
            value,
            time_ns: header.time_ns,
            span,
        };
        if let Some(latest) = shard.latest.get(usize::from(effect.counter)) {
            latest.put(&exemplar(1), writers);
        }
        let histogram = usize::from(effect.histogram);
        if let (Some(known), Some(histogram)) = (
            self.plan.histograms.get(histogram),
            shard.histograms.get(histogram),
        ) && let Some(value) = value_of(known, event)
        {
            histogram.remember(&exemplar(value), writers);
        }
    }

    /// Sets a gauge.
    pub fn set_gauge(&self, gauge: Gauge, value: u64) {
        self.gauges[gauge as usize].store(value, Ordering::Relaxed);
    }

    /// The value of a gauge.
    pub fn gauge(&self, gauge: Gauge) -> u64 {
        self.gauges[gauge as usize].load(Ordering::Relaxed)
    }

    /// The value of a counter: how many events of this type there were. 0 for types that are not
    /// counted.
    pub fn counter(&self, kind: EventType) -> u64 {
        let at = usize::from(self.plan.of(kind).counter);
        let counts = self.shards().filter_map(|shard| shard.counts.get(at));
        counts.fold(0, |sum, count| sum.wrapping_add(count.get()))
    }

    /// What the selected metrics show now: counters by the id of their event, zeros too; gauges;
    /// histograms.
    pub fn read(&self, selection: &Selection) -> Vec<Reading> {
        let shards: Vec<&Shard> = self.shards().collect();
        let counters = self.plan.counters.iter().enumerate();
        let counters = counters
            .filter(|(_, metric)| selection.includes(metric))
            .map(|(at, metric)| self.reading(metric, counter_value(&shards, at)));
        let gauges = Gauge::ALL
            .into_iter()
            .map(|gauge| (gauge, gauge.info()))
            .filter(|(_, metric)| selection.includes(metric))
            .map(|(gauge, metric)| {
                let value = i64::try_from(self.gauge(gauge)).unwrap_or(i64::MAX);
                self.reading(metric, SeriesValue::Gauge(value))
            });
        let histograms = self.plan.histograms.iter().enumerate();
        let histograms = histograms
            .filter(|(_, known)| selection.includes(known.metric))
            .map(|(at, known)| {
                let value = histogram_value(&shards, at, known.metric.bounds);
                self.reading(known.metric, SeriesValue::Histogram(value))
            });
        counters.chain(gauges).chain(histograms).collect()
    }

    fn reading(&self, metric: &'static MetricInfo, value: SeriesValue) -> Reading {
        Reading {
            name: metric.name.into(),
            description: metric.description.into(),
            unit: metric.unit,
            kind: metric.kind,
            divisor: 1,
            created_ns: self.created_ns,
            series: vec![Series {
                labels: Vec::new(),
                value,
            }],
        }
    }

    /// Where this thread counts.
    #[inline]
    fn shard(&self) -> (&Shard, Writers) {
        match self.own.get(slot::current()) {
            Some(own) => (
                own.get_or_init(|| Box::new(Shard::new(&self.plan))),
                Writers::One,
            ),
            None => (&self.shared, Writers::Many),
        }
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        let own = self.own.iter().filter_map(OnceLock::get);
        own.map(|shard| &**shard).chain([&*self.shared])
    }

    #[inline]
    fn add_to_counter(&self, counter: u16, span: Option<(Id, i64)>) {
        let (shard, writers) = self.shard();
        let at = usize::from(counter);
        let (Some(count), Some(latest)) = (shard.counts.get(at), shard.latest.get(at)) else {
            return;
        };
        count.add(1, writers);
        if let Some((span, time_ns)) = span {
            let exemplar = Exemplar {
                value: 1,
                time_ns,
                span,
            };
            latest.put(&exemplar, writers);
        }
    }

    #[inline]
    fn add_to_histogram(&self, histogram: u8, value: u64, span: Option<(Id, i64)>) {
        let (shard, writers) = self.shard();
        if let Some(histogram) = shard.histograms.get(usize::from(histogram)) {
            histogram.record(value, span, writers);
        }
    }

    /// Moves a gauge by one. One that is at zero stays there: the beginning of what ends now was
    /// before the counting.
    fn move_gauge(&self, by: i8) {
        let Some(gauge) = self.gauges.get(usize::from(by.unsigned_abs()) - 1) else {
            return;
        };
        if by > 0 {
            gauge.fetch_add(1, Ordering::Relaxed);
        } else {
            let fall = |value: u64| value.checked_sub(1);
            // An error says that it is at zero.
            let _ = gauge.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fall);
        }
    }
}

/// Whether the event, read from a log, tells of a message in the queue what another line tells too:
/// that the message was made from another one.
fn is_link(effect: Effect, event: &EventRef<'_>) -> bool {
    effect.gauge == 1 + Gauge::QueueCount as i8
        && event.header().position.is_some()
        && event.get(Key::PARENT_QUEUE_ID).is_some()
}

/// The value that the event feeds to its histogram, if it has one of the right kind.
fn value_of(known: &HistogramPlan, event: &EventRef<'_>) -> Option<u64> {
    match (known.key, event.get(known.key)?) {
        (Key::SIZE, Value::UInt(bytes)) => Some(bytes),
        (_, Value::Duration(0)) if known.is_lookup => None,
        (_, Value::Duration(_)) if known.is_lookup && event.header().position.is_some() => None,
        (Key::ELAPSED, Value::Duration(millis)) => Some(millis),
        _ => None,
    }
}

fn counter_value(shards: &[&Shard], at: usize) -> SeriesValue {
    let (mut count, mut exemplar) = (0u64, None);
    for shard in shards {
        count = count.wrapping_add(shard.counts.get(at).map_or(0, Count::get));
        exemplar = later(exemplar, shard.latest.get(at).and_then(Latest::get));
    }
    SeriesValue::Counter { count, exemplar }
}

fn histogram_value(shards: &[&Shard], at: usize, bounds: &'static [u64]) -> Distribution {
    let mut total = empty(bounds);
    for histogram in shards.iter().filter_map(|shard| shard.histograms.get(at)) {
        histogram.add_to(&mut total);
    }
    total
}
