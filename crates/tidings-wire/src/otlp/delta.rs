//! Differences between two readings, for receivers that want deltas.

use std::borrow::Cow;
use std::collections::HashMap;

use tidings_event::{Distribution, Reading, Series, SeriesValue};

/// The readings that were sent last, to tell the difference to the next.
///
/// Take the [`difference`](Self::difference), send it, and tell with [`sent`](Self::sent) that it
/// arrived. One that did not is contained in the next difference. It holds one number per series and
/// bucket of every series that it ever saw: meters fold labels beyond a limit, so their number is bounded.
#[derive(Debug, Default)]
pub struct Deltas {
    before: HashMap<SeriesKey, Before>,
    /// When the reading of each metric that arrived last was taken.
    times: HashMap<Cow<'static, str>, i64>,
}

/// Name and labels of a series.
type SeriesKey = (Cow<'static, str>, Vec<(&'static str, Cow<'static, str>)>);

#[derive(Debug)]
struct Before {
    created_ns: i64,
    counts: Vec<u64>,
    sum: u64,
}

impl Deltas {
    /// What was counted since the readings that arrived last; all of it for a series that is new or
    /// has begun anew. Gauges stay as they are. The least and the greatest value are those since
    /// counting began, and so left out, save for a series' first difference.
    pub fn difference(&self, readings: &[Reading]) -> Vec<Reading> {
        readings.iter().map(|now| self.reading(now)).collect()
    }

    /// The difference to these readings, taken at `time_ns`, has arrived. They may be some of those
    /// that were taken together, if they were sent in several requests.
    pub fn sent(&mut self, readings: &[Reading], time_ns: i64) {
        for reading in readings {
            self.times.insert(reading.name.clone(), time_ns);
            for series in &reading.series {
                let (counts, sum) = match &series.value {
                    SeriesValue::Counter { count, .. } => (vec![*count], 0),
                    SeriesValue::Histogram(now) => (now.counts.clone(), now.sum),
                    SeriesValue::Gauge(_) => continue,
                };
                let before = Before {
                    created_ns: reading.created_ns,
                    counts,
                    sum,
                };
                let key = (reading.name.clone(), series.labels.clone());
                self.before.insert(key, before);
            }
        }
    }

    fn reading(&self, now: &Reading) -> Reading {
        let mut difference = now.clone();
        let sent_ns = self.times.get(&now.name).copied().unwrap_or(i64::MIN);
        difference.created_ns = now.created_ns.max(sent_ns);
        for series in &mut difference.series {
            let key = (now.name.clone(), series.labels.clone());
            let known = self.before.get(&key);
            if let Some(before) = known.filter(|before| before.created_ns == now.created_ns) {
                subtract(series, before, sent_ns);
            }
        }
        difference
    }
}

fn subtract(series: &mut Series, before: &Before, sent_ns: i64) {
    match &mut series.value {
        SeriesValue::Counter { count, exemplar } => {
            let earlier = before.counts.first().copied().unwrap_or(0);
            *count = count.saturating_sub(earlier);
            *exemplar = exemplar.filter(|exemplar| exemplar.time_ns > sent_ns);
        }
        SeriesValue::Histogram(now) => subtract_distribution(now, before, sent_ns),
        SeriesValue::Gauge(_) => (),
    }
}

fn subtract_distribution(now: &mut Distribution, before: &Before, sent_ns: i64) {
    for (count, earlier) in now.counts.iter_mut().zip(&before.counts) {
        *count = count.saturating_sub(*earlier);
    }
    now.sum = now.sum.saturating_sub(before.sum);
    now.extremes = None;
    for exemplar in &mut now.exemplars {
        *exemplar = exemplar.filter(|exemplar| exemplar.time_ns > sent_ns);
    }
}
