//! What meters showed at one time: plain data between those who measure and those who export.

use std::borrow::Cow;

use super::MetricKind;
use crate::id::Id;

/// The values of one metric at one time, for all its label sets.
///
/// Values are whole numbers. What people read as seconds is measured in milliseconds, with
/// [`divisor`](Self::divisor) 1000: an exporter divides values, sums and bounds by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Name: dotted for the catalogue's metrics (`delivery.attempt-time`), else as Prometheus wants
    /// it, without `_total` (`tidings_source_lines`).
    pub name: Cow<'static, str>,
    /// What it measures, a line of text.
    pub description: Cow<'static, str>,
    /// Unit of the value once divided: `milliseconds`, `seconds`, `bytes`, … ; `count` if it only counts.
    pub unit: &'static str,
    /// Counter, gauge or histogram; of all series alike.
    pub kind: MetricKind,
    /// By what values, sums and bounds are divided on output.
    pub divisor: u32,
    /// When counting began, nanoseconds since the unix epoch: a value before is of another run.
    pub created_ns: i64,
    /// The values, one per label set, in a stable order.
    pub series: Vec<Series>,
}

/// One label set with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Label names with values, in a stable order; names are `[a-z_]+`, values are any text.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The value.
    pub value: SeriesValue,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesValue {
    /// So many since counting began.
    Counter {
        /// The count.
        count: u64,
        /// The latest occurrence that belonged to a span, if known.
        exemplar: Option<Exemplar>,
    },
    /// The value now.
    Gauge(i64),
    /// A distribution since counting began.
    Histogram(Distribution),
}

/// Values counted by size.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Upper bounds, rising; a value equal to a bound counts below it (`<=`).
    pub bounds: &'static [u64],
    /// How many values fell into each bucket, *not* accumulated: one more than there are bounds.
    pub counts: Vec<u64>,
    /// Sum of all values.
    pub sum: u64,
    /// The smallest and the greatest value; nothing before the first value.
    pub extremes: Option<(u64, u64)>,
    /// The latest value of each bucket that belonged to a span; empty, or as long as `counts`.
    pub exemplars: Vec<Option<Exemplar>>,
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// One occurrence behind a number, so that it can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// Its value; 1 for a counter.
    pub value: u64,
    /// When it happened, nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// The span it belongs to.
    pub span: Id,
}
