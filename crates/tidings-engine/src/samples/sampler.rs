//! From what meters show to what a row holds: the one rule for each kind.

use std::collections::HashMap;

use rustc_hash::FxHashSet;
use tidings_event::{MetricKind, Reading, Series, SeriesValue};

use super::dictionary::Dictionary;
use super::encode::{Entries, SeriesView, Spread, Value};

/// What was already written of what this process measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    totals: HashMap<u32, Total>,
    /// Gauges that the last row holds, not at zero.
    gauges: FxHashSet<u32>,
}

/// What is written of a counter or histogram.
#[derive(Clone, Debug, Default)]
struct Total {
    count: u64,
    sum: u64,
    buckets: Vec<u64>,
}

/// A row in the making.
#[derive(Debug, Default)]
pub(super) struct Tick {
    pub(super) entries: Entries,
    /// Series that got their numbers for it, as they are stored.
    pub(super) series: Vec<(u32, Vec<u8>)>,
    /// Series that there was no room for.
    pub(super) left_out: u64,
    totals: Vec<(u32, Total)>,
}

impl Written {
    /// The last row was this one.
    pub(super) fn set_last(&mut self, last: &Entries) {
        self.gauges = gauges(last);
    }

    /// Numbers that must not be given to other series.
    pub(super) fn is_used(&self, number: u32) -> bool {
        self.totals.contains_key(&number) || self.gauges.contains(&number)
    }

    /// What is new in these readings. Changes nothing but the dictionary: see
    /// [`apply`](Self::apply).
    pub(super) fn tick(&self, readings: &[Reading], known: &mut Dictionary) -> Tick {
        let mut tick = Tick::default();
        for reading in readings {
            for series in &reading.series {
                self.take(reading, series, known, &mut tick);
            }
        }
        tick
    }

    fn take(&self, reading: &Reading, series: &Series, known: &mut Dictionary, tick: &mut Tick) {
        let (kind, bounds) = match &series.value {
            SeriesValue::Counter { .. } => (MetricKind::Counter, &[][..]),
            SeriesValue::Gauge(_) => (MetricKind::Gauge, &[][..]),
            SeriesValue::Histogram(spread) => (MetricKind::Histogram, spread.bounds),
        };
        let view = SeriesView {
            metric: &reading.name,
            kind,
            divisor: reading.divisor,
            labels: &series.labels,
            bounds,
        };
        let number = known.find(&view);
        let Some((value, total)) = self.news(number, &series.value) else {
            return;
        };
        let number = match number {
            Some(number) => number,
            None => match known.add(&view) {
                Some((number, stored)) => {
                    tick.series.push((number, stored));
                    number
                }
                None => {
                    tick.left_out += 1;
                    return;
                }
            },
        };
        // A series that is shown twice counts as it was shown first.
        if let std::collections::btree_map::Entry::Vacant(entry) = tick.entries.entry(number) {
            entry.insert(value);
            tick.totals.extend(total.map(|total| (number, total)));
        }
    }

    /// What a row holds of a series, if anything, and what is written then.
    fn news(&self, number: Option<u32>, now: &SeriesValue) -> Option<(Value, Option<Total>)> {
        let before = number.and_then(|number| self.totals.get(&number));
        match now {
            SeriesValue::Counter { count, .. } => {
                let more = since(*count, before.map_or(0, |total| total.count));
                let total = Total {
                    count: *count,
                    ..Total::default()
                };
                (more > 0).then_some((Value::Counter(more), Some(total)))
            }
            SeriesValue::Gauge(value) => {
                let was_shown = number.is_some_and(|number| self.gauges.contains(&number));
                (*value != 0 || was_shown).then_some((Value::Gauge(*value), None))
            }
            SeriesValue::Histogram(now) => {
                let total = Total {
                    count: now.count(),
                    sum: now.sum,
                    buckets: now.counts.clone(),
                };
                let more = total.more_than(before)?;
                Some((Value::Histogram(more), Some(total)))
            }
        }
    }

    /// The tick was written.
    pub(super) fn apply(&mut self, tick: Tick) {
        self.totals.extend(tick.totals);
        self.set_last(&tick.entries);
    }
}

impl Total {
    /// What came since `before`; nothing if that is nothing.
    fn more_than(&self, before: Option<&Total>) -> Option<Spread> {
        let none = Total::default();
        // Fewer than before were counted by other meters.
        let before = before.filter(|before| before.count <= self.count);
        let before = before.unwrap_or(&none);
        if self.count == before.count {
            return None;
        }
        let bucket_before = |at: usize| before.buckets.get(at).copied().unwrap_or(0);
        let buckets = self.buckets.iter().enumerate();
        let mut buckets: Vec<u64> = buckets
            .map(|(at, count)| count.saturating_sub(bucket_before(at)))
            .collect();
        while buckets.last() == Some(&0) {
            buckets.pop();
        }
        Some(Spread {
            buckets,
            sum: self.sum.wrapping_sub(before.sum),
            total_count: self.count,
            total_sum: self.sum,
        })
    }
}

/// How much was added; a count that fell began anew.
fn since(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

fn gauges(entries: &Entries) -> FxHashSet<u32> {
    let shown = entries.iter();
    shown
        .filter(|(_, value)| matches!(value, Value::Gauge(value) if *value != 0))
        .map(|(number, _)| *number)
        .collect()
}

/// Adds what came later to what is collected for a row.
pub(super) fn collect(collected: &mut Entries, later: &Entries) {
    for (number, value) in later {
        match collected.entry(*number) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(value.clone());
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().add(value),
        }
    }
}
