//! The numbers of series: rows hold them instead of names and labels.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidings_event::MetricInfo;

use super::SampleSeries;
use super::encode::{Damage, SeriesView, describe, read_series};

/// Numbers below are of the catalogue's metrics, by their ids there: what is asked for most stands
/// first in a row.
pub(super) const FIRST_OTHER: u32 = 1 << 16;

/// Most series besides the catalogue's. Further ones are left out, which is counted.
pub(super) const OTHERS_MAX: usize = 16_384;

/// All series that have a number.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    by_number: FxHashMap<u32, Arc<SampleSeries>>,
    /// By what tells a series from others.
    numbers: HashMap<Vec<u8>, u32>,
    /// Those that are not the catalogue's.
    others: usize,
    /// Where the search for a free number begins.
    next_other: u32,
    /// Reused for every description.
    description: Vec<u8>,
}

impl Dictionary {
    /// Takes in a stored series.
    pub(super) fn read(&mut self, number: u32, bytes: &[u8]) -> Result<(), Damage> {
        let (description, series) = read_series(number, bytes)?;
        self.put(number, description, series);
        Ok(())
    }

    fn put(&mut self, number: u32, description: Vec<u8>, series: SampleSeries) {
        if number >= FIRST_OTHER {
            self.others += 1;
            self.next_other = self.next_other.max(number + 1);
        }
        self.by_number.insert(number, Arc::new(series));
        self.numbers.insert(description, number);
    }

    /// The series of this number.
    pub(super) fn get(&self, number: u32) -> Option<&Arc<SampleSeries>> {
        self.by_number.get(&number)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<SampleSeries>> {
        self.by_number.values()
    }

    /// How many are not the catalogue's.
    pub(super) fn others(&self) -> usize {
        self.others
    }

    /// The number of a series that has one.
    pub(super) fn find(&mut self, series: &SeriesView<'_>) -> Option<u32> {
        let mut description = std::mem::take(&mut self.description);
        describe(&mut description, series);
        let found = self.numbers.get(&description).copied();
        self.description = description;
        found
    }

    /// Gives a series without a number one, if there is room; with it, what is to be stored.
    pub(super) fn add(&mut self, series: &SeriesView<'_>) -> Option<(u32, Vec<u8>)> {
        let number = self.free_number(series)?;
        let mut description = Vec::new();
        describe(&mut description, series);
        let owned = SampleSeries {
            number,
            metric: series.metric.to_owned(),
            kind: series.kind,
            labels: series
                .labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_string()))
                .collect(),
            divisor: series.divisor,
            bounds: series.bounds.to_vec(),
        };
        let stored = super::encode::series(number, &description);
        self.put(number, description, owned);
        Some((number, stored))
    }

    fn free_number(&self, series: &SeriesView<'_>) -> Option<u32> {
        let of_catalogue = MetricInfo::from_name(series.metric)
            .filter(|_| series.labels.is_empty())
            .map(|metric| u32::from(metric.id))
            // Taken where the metric had other buckets in an older version.
            .filter(|number| !self.by_number.contains_key(number));
        if of_catalogue.is_some() {
            return of_catalogue;
        }
        if self.others >= OTHERS_MAX {
            return None;
        }
        let end = FIRST_OTHER + 2 * OTHERS_MAX as u32;
        let next = self.next_other.clamp(FIRST_OTHER, end);
        (next..end)
            .chain(FIRST_OTHER..next)
            .find(|number| !self.by_number.contains_key(number))
    }

    /// Forgets the series that are not the catalogue's and that `is_used` does not name; gives their
    /// numbers.
    pub(super) fn sweep(&mut self, is_used: &dyn Fn(u32) -> bool) -> Vec<u32> {
        let goes = |number: u32| number >= FIRST_OTHER && !is_used(number);
        let gone: Vec<u32> = self
            .by_number
            .keys()
            .copied()
            .filter(|n| goes(*n))
            .collect();
        self.by_number.retain(|number, _| !goes(*number));
        self.numbers.retain(|_, number| !goes(*number));
        self.others -= gone.len();
        gone
    }

    /// The series of these metrics, or of all; by number.
    pub(super) fn chosen(
        &self,
        metrics: Option<&[String]>,
        is_labelled: bool,
    ) -> BTreeMap<u32, Arc<SampleSeries>> {
        let is_chosen = |series: &SampleSeries| {
            (is_labelled || series.is_of_catalogue())
                && metrics.is_none_or(|names| names.contains(&series.metric))
        };
        self.iter()
            .filter(|series| is_chosen(series))
            .map(|series| (series.number, Arc::clone(series)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::MetricKind;

    use super::*;

    fn counter<'s>(
        metric: &'s str,
        labels: &'s [(&'static str, std::borrow::Cow<'static, str>)],
    ) -> SeriesView<'s> {
        SeriesView {
            metric,
            kind: MetricKind::Counter,
            divisor: 1,
            labels,
            bounds: &[],
        }
    }

    #[test]
    fn a_series_keeps_its_number_and_is_read_back() {
        let mut known = Dictionary::default();
        let labels = [("host", "mx1".into()), ("program", "".into())];
        let (number, stored) = known.add(&counter("mail_lines", &labels)).unwrap();
        assert_eq!(known.find(&counter("mail_lines", &labels)), Some(number));
        assert_eq!(known.find(&counter("mail_lines", &labels[..1])), None);
        let (failed, _) = known.add(&counter("auth.failed", &[])).unwrap();
        assert_eq!(
            u32::from(MetricInfo::from_name("auth.failed").unwrap().id),
            failed
        );
        let mut read = Dictionary::default();
        read.read(number, &stored).unwrap();
        assert_eq!(read.get(number), known.get(number));
        assert!(read.read(number + 1, &stored).is_err(), "of another number");
        assert_eq!(read.find(&counter("mail_lines", &labels)), Some(number));
    }

    #[test]
    fn other_buckets_are_another_series() {
        let mut known = Dictionary::default();
        let size = MetricInfo::from_name("message.size").unwrap();
        let with = |bounds| SeriesView {
            kind: MetricKind::Histogram,
            bounds,
            ..counter("message.size", &[])
        };
        let (number, _) = known.add(&with(size.bounds)).unwrap();
        let (other, _) = known.add(&with(&[1, 2])).unwrap();
        assert_eq!((number, other), (u32::from(size.id), FIRST_OTHER));
        assert_eq!(known.chosen(Some(&["message.size".into()]), false).len(), 2);
    }

    #[test]
    fn there_is_room_for_so_many_and_for_more_when_old_ones_are_gone() {
        let mut known = Dictionary::default();
        let label = |n: usize| [("x", std::borrow::Cow::Owned(n.to_string()))];
        for n in 0..OTHERS_MAX {
            assert!(known.add(&counter("m", &label(n))).is_some(), "{n}");
        }
        assert_eq!(known.add(&counter("m", &label(OTHERS_MAX))), None);
        assert!(known.add(&counter("auth.failed", &[])).is_some());
        let gone = known.sweep(&|number| number % 2 == 0);
        assert_eq!(
            (gone.len(), known.others()),
            (OTHERS_MAX / 2, OTHERS_MAX / 2)
        );
        for n in 0..OTHERS_MAX / 2 {
            assert!(known.add(&counter("n", &label(n))).is_some(), "{n}");
        }
        assert_eq!(known.add(&counter("n", &label(OTHERS_MAX))), None);
        let numbers = known.iter().map(|series| series.number);
        assert!(
            numbers.max().unwrap() < 1 << 20,
            "an id holds 20 bits of it"
        );
    }
}
