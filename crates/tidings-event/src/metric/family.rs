//! Families: metrics with labels, described as data, so that who maps events to them, who stores
//! their values and who documents them share one table.

use super::MetricKind;
use super::reading::{Reading, Series};

/// What there is to know of a metric with labels before anything was measured.
#[derive(Debug)]
pub struct FamilyInfo {
    /// Name by the conventions of Prometheus, with its unit and without `_total`:
    /// `mail_message_size_bytes`.
    pub name: &'static str,
    /// What it measures, a line of text.
    pub description: &'static str,
    /// Unit of the value once divided: `seconds`, `bytes`, … ; `count` if it only counts.
    pub unit: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// By what values, sums and bounds are divided on output: 1000 where seconds are measured in
    /// milliseconds. Never 0.
    pub divisor: u32,
    /// Upper bounds of a histogram's buckets, rising and inclusive, before division. Empty otherwise.
    pub bounds: &'static [u64],
    /// Its labels, at most [`MAX_LABELS`](Self::MAX_LABELS).
    pub labels: &'static [LabelInfo],
}

/// A label of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelInfo {
    /// Name, `[a-z_]+`.
    pub name: &'static str,
    /// How many different values are kept; what comes beyond is counted under `other`.
    pub max_values: u16,
}

impl FamilyInfo {
    /// The most labels that a family can have.
    pub const MAX_LABELS: usize = 4;

    /// A reading of this family with values that somebody else keeps.
    pub fn reading(&self, created_ns: i64, series: Vec<Series>) -> Reading {
        Reading {
            name: self.name.into(),
            description: self.description.into(),
            unit: self.unit,
            kind: self.kind,
            divisor: self.divisor.max(1),
            created_ns,
            series,
        }
    }
}
