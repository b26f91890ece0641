//! Metrics: the counters, gauges and histograms of the catalogue.

mod family;
mod reading;

use crate::catalogue_gen::METRICS;

pub use family::{FamilyInfo, LabelInfo};
pub use reading::{Distribution, Exemplar, Reading, Series, SeriesValue};

/// What a metric measures with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Counts occurrences of the event of the same name.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// A distribution over fixed buckets.
    Histogram,
}

/// What the catalogue says of a metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricInfo {
    /// Stable id.
    pub id: u16,
    /// Dotted name: `delivery.attempt-time`.
    pub name: &'static str,
    /// What it measures.
    pub description: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// Unit of the value: `count`, `bytes`, `milliseconds`, …
    pub unit: &'static str,
    pub(crate) flags: u8,
    /// Upper bounds of a histogram's buckets; the last bucket is unbounded. Empty otherwise.
    pub bounds: &'static [u64],
}

impl MetricInfo {
    /// Every metric of the catalogue, by id.
    pub fn all() -> &'static [MetricInfo] {
        &METRICS
    }

    /// The metric of this dotted name.
    pub fn from_name(name: &str) -> Option<&'static MetricInfo> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// The reference samples it into its metric history.
    pub fn is_in_history(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The reference exports it without a licence.
    pub fn is_community_export(&self) -> bool {
        self.flags & 2 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_have_rising_bounds() {
        for metric in MetricInfo::all() {
            let is_histogram = metric.kind == MetricKind::Histogram;
            assert_eq!(is_histogram, !metric.bounds.is_empty(), "{}", metric.name);
            assert!(metric.bounds.is_sorted(), "{}", metric.name);
        }
        assert!(MetricInfo::from_name("queue.count").is_some());
    }
}
