//! A metric with labels: one value for each set of label values, of which there is a limit.
//!
//! Label values may come from anywhere, a log or a peer: whatever they are, memory is bounded. Of
//! each label so many different values are kept as its [`LabelInfo`] says,
//! none longer than [`MAX_VALUE_BYTES`]; further ones are counted under the value `other`. Of each
//! family [`MAX_SERIES`] sets of values are kept; further ones are counted under a set of `other`s.
//! How often that happened is a metric of its own ([`Family::folded`]).

use std::borrow::Cow;

use tidings_event::{
    Distribution, Exemplar, FamilyInfo, Id, LabelInfo, MetricKind, Reading, Series, SeriesValue,
};

use super::cell::{Count, Histogram, Latest, Writers, empty};
use super::sync::{AtomicU64, Ordering};
use super::table::{Table, hash};

/// The most sets of label values in a family, besides the one of all `other`.
pub const MAX_SERIES: usize = 2000;

/// The longest label value; longer ones count under `other`.
pub const MAX_VALUE_BYTES: usize = 80;

/// What is beyond a limit counts under this value.
pub const OTHER: &str = "other";

/// How often a measurement was counted under `other`, by family and label; `series` stands for the
/// limit of sets.
pub static FOLDED: FamilyInfo = FamilyInfo {
    name: "tidings_metrics_folded",
    description: "Measurements counted under the label value other, as a limit of label values was reached",
    unit: "count",
    kind: MetricKind::Counter,
    divisor: 1,
    bounds: &[],
    labels: &[
        LabelInfo {
            name: "family",
            max_values: u16::MAX,
        },
        LabelInfo {
            name: "label",
            max_values: u16::MAX,
        },
    ],
};

/// A metric with labels.
///
/// All methods take `&self` and may be called from any thread. Measuring waits for nobody, except
/// that the first use of a label value, or of a set of them, takes a lock for a moment.
pub struct Family {
    info: &'static FamilyInfo,
    created_ns: i64,
    values: Box<[Values]>,
    series: Table<Entry>,
    /// For sets beyond the limit.
    rest: Cell,
    /// Measurements in `rest`.
    folded: Count,
}

/// The values of one label.
struct Values {
    known: Table<Box<str>>,
    folded: Count,
}

/// The numbers of a set's values: [`FamilyInfo::MAX_LABELS`] of 16 bits.
type SetKey = u64;

/// One set of label values, and where its value is: keys are near each other, as they are searched.
struct Entry {
    key: SetKey,
    cell: Box<Cell>,
}

/// One set of label values with its value.
struct Cell {
    key: SetKey,
    kind: CellKind,
}

enum CellKind {
    Counter {
        count: Count,
        latest: Latest,
    },
    /// The bits of a signed number.
    Gauge(AtomicU64),
    Histogram(Histogram),
}

impl Family {
    /// Without values; `created_ns` is now, in nanoseconds since the unix epoch. Labels beyond
    /// [`FamilyInfo::MAX_LABELS`] are left out.
    pub fn new(info: &'static FamilyInfo, created_ns: i64) -> Family {
        let labels = info.labels.iter().take(FamilyInfo::MAX_LABELS);
        // Each label has one value more: `other`.
        let sets = labels.clone().fold(1usize, |sets, label| {
            sets.saturating_mul(usize::from(label.max_values) + 1)
        });
        Family {
            info,
            created_ns,
            values: labels.map(|label| Values::new(label.max_values)).collect(),
            series: Table::new(sets.min(MAX_SERIES)),
            rest: Cell::new(0, info),
            folded: Count::default(),
        }
    }

    /// What is known of it.
    pub fn info(&self) -> &'static FamilyInfo {
        self.info
    }

    /// Adds to a counter. `labels` are the values in the order of the family's labels; missing ones
    /// are empty. `span` is the span behind it, with the time in nanoseconds since the unix epoch.
    /// Does nothing if the family is no counter.
    pub fn count(&self, labels: &[&str], by: u64, span: Option<(Id, i64)>) {
        if let CellKind::Counter { count, latest } = &self.cell(labels).kind {
            count.add(by, Writers::Many);
            if let Some((span, time_ns)) = span {
                let exemplar = Exemplar {
                    value: by,
                    time_ns,
                    span,
                };
                latest.put(&exemplar, Writers::Many);
            }
        }
    }

    /// Adds a value to a histogram, in the unit before division; else as [`count`](Self::count).
    pub fn observe(&self, labels: &[&str], value: u64, span: Option<(Id, i64)>) {
        if let CellKind::Histogram(histogram) = &self.cell(labels).kind {
            histogram.record(value, span, Writers::Many);
        }
    }

    /// Sets a gauge, in the unit before division. Does nothing if the family is no gauge.
    pub fn set(&self, labels: &[&str], value: i64) {
        if let CellKind::Gauge(gauge) = &self.cell(labels).kind {
            gauge.store(value as u64, Ordering::Relaxed);
        }
    }

    /// How often a value was counted under `other`: by label, and for the whole set under `series`.
    pub fn folded(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let labels = self.info.labels.iter().zip(&self.values);
        labels
            .map(|(label, values)| (label.name, values.folded.get()))
            .chain([("series", self.folded.get())])
    }

    /// What it shows now, ordered by label values.
    pub fn read(&self) -> Reading {
        let rest = (self.folded.get() > 0).then_some(&self.rest);
        let mut series: Vec<Series> = self
            .series
            .iter()
            .map(|entry| &*entry.cell)
            .chain(rest)
            .map(|cell| Series {
                labels: self.labels_of(cell.key),
                value: cell.read(self.info.bounds),
            })
            .collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.info.reading(self.created_ns, series)
    }

    fn cell(&self, labels: &[&str]) -> &Cell {
        let mut key = 0;
        for (at, values) in self.values.iter().enumerate() {
            let value = labels.get(at).copied().unwrap_or_default();
            key |= values.number(value) << (16 * at);
        }
        let found = self.series.get_or_add(
            key.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            |entry| entry.key == key,
            || Entry {
                key,
                cell: Box::new(Cell::new(key, self.info)),
            },
        );
        match found {
            Some((_, entry)) => &entry.cell,
            None => {
                self.folded.add(1, Writers::Many);
                &self.rest
            }
        }
    }

    fn labels_of(&self, key: SetKey) -> Vec<(&'static str, Cow<'static, str>)> {
        let labels = self.info.labels.iter().zip(&self.values).enumerate();
        labels
            .map(|(at, (label, values))| (label.name, values.text(key >> (16 * at) & 0xffff)))
            .collect()
    }
}

impl Values {
    fn new(max_values: u16) -> Values {
        Values {
            // A number has 16 bits, and a table twice as many slots as room.
            known: Table::new(usize::from(max_values.min(0x3fff))),
            folded: Count::default(),
        }
    }

    /// 0 for `other`, else 1 + the slot of the value.
    #[inline]
    fn number(&self, value: &str) -> SetKey {
        if value == OTHER {
            return 0;
        }
        let found = if value.len() <= MAX_VALUE_BYTES {
            let hash = hash(value.as_bytes());
            self.known
                .get_or_add(hash, |known| is_same(known, value), || value.into())
        } else {
            None
        };
        match found {
            Some((slot, _)) => 1 + slot as SetKey,
            None => {
                self.folded.add(1, Writers::Many);
                0
            }
        }
    }

    fn text(&self, number: SetKey) -> Cow<'static, str> {
        let slot = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1));
        match slot.and_then(|slot| self.known.at(slot)) {
            Some(text) => Cow::Owned(text.to_string()),
            None => Cow::Borrowed(OTHER),
        }
    }
}

/// Whether two texts are the same: most are of four to sixteen bytes, for which a call of `memcmp`
/// costs more than the comparison.
#[inline]
fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    // The first and the last bytes overlap where the text is shorter than both.
    match a.len() {
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        _ => a == b,
    }
}

impl Cell {
    fn new(key: SetKey, info: &FamilyInfo) -> Cell {
        let kind = match info.kind {
            MetricKind::Counter => CellKind::Counter {
                count: Count::default(),
                latest: Latest::default(),
            },
            MetricKind::Gauge => CellKind::Gauge(AtomicU64::new(0)),
            MetricKind::Histogram => CellKind::Histogram(Histogram::new(info.bounds)),
        };
        Cell { key, kind }
    }

    fn read(&self, bounds: &'static [u64]) -> SeriesValue {
        match &self.kind {
            CellKind::Counter { count, latest } => SeriesValue::Counter {
                count: count.get(),
                exemplar: latest.get(),
            },
            CellKind::Gauge(gauge) => SeriesValue::Gauge(gauge.load(Ordering::Relaxed) as i64),
            CellKind::Histogram(histogram) => {
                let mut total: Distribution = empty(bounds);
                histogram.add_to(&mut total);
                SeriesValue::Histogram(total)
            }
        }
    }
}

/// The reading of [`FOLDED`] for these families: every label that has a limit, zeros too.
pub fn folded<'f>(families: impl IntoIterator<Item = &'f Family>, created_ns: i64) -> Reading {
    let mut series = Vec::new();
    for family in families {
        for (label, count) in family.folded() {
            series.push(Series {
                labels: vec![("family", family.info.name.into()), ("label", label.into())],
                value: SeriesValue::Counter {
                    count,
                    exemplar: None,
                },
            });
        }
    }
    FOLDED.reading(created_ns, series)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    static LINES: FamilyInfo = FamilyInfo {
        name: "lines",
        description: "Lines",
        unit: "count",
        kind: MetricKind::Counter,
        divisor: 1,
        bounds: &[],
        labels: &[
            LabelInfo {
                name: "program",
                max_values: 3,
            },
            LabelInfo {
                name: "result",
                max_values: 2,
            },
        ],
    };

    fn counts(family: &Family) -> Vec<(String, u64)> {
        let reading = family.read();
        let series = reading.series.iter().map(|series| {
            let values: Vec<_> = series.labels.iter().map(|(_, value)| &**value).collect();
            match series.value {
                SeriesValue::Counter { count, .. } => (values.join(" "), count),
                ref other => panic!("{other:?}"),
            }
        });
        series.collect()
    }

    fn owned(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
        expected
            .iter()
            .map(|(name, count)| ((*name).into(), *count))
            .collect()
    }

    #[test]
    fn values_beyond_the_limit_count_under_other_and_it_is_told() {
        let family = Family::new(&LINES, 0);
        for program in ["smtpd", "qmgr", "smtp", "evil-1", "evil-2", "smtpd"] {
            family.count(&[program, "ok"], 2, None);
        }
        family.count(&["evil-3", "bad"], 1, None);
        family.count(&["smtp", "worse"], 1, None);
        let expected = [
            ("other bad", 1),
            ("other ok", 4),
            ("qmgr ok", 2),
            ("smtp ok", 2),
            ("smtp other", 1),
            ("smtpd ok", 4),
        ];
        assert_eq!(counts(&family), owned(&expected));
        let folded: Vec<_> = family.folded().collect();
        assert_eq!(folded, [("program", 3), ("result", 1), ("series", 0)]);
        let reading = super::folded([&family], 5);
        assert_eq!((reading.series.len(), reading.created_ns), (3, 5));
    }

    #[test]
    fn texts_of_any_length_are_told_apart() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        for length in 0..=text.len() {
            let (whole, shorter) = (&text[..length], &text[..length.saturating_sub(1)]);
            let copy = String::from(whole);
            assert!(is_same(whole, &copy));
            assert_eq!(is_same(whole, shorter), length == 0);
            for at in 0..length {
                let mut other = whole.to_owned().into_bytes();
                other[at] = b'!';
                assert!(
                    !is_same(whole, std::str::from_utf8(&other).unwrap()),
                    "{length} {at}"
                );
            }
        }
    }

    #[test]
    fn odd_values_are_values_too() {
        let family = Family::new(&LINES, 0);
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        for program in ["", "other", "\n\"\\", &long] {
            family.count(&[program], 1, None);
        }
        let expected = [(" ", 1), ("\n\"\\ ", 1), ("other ", 2)];
        assert_eq!(counts(&family), owned(&expected));
        assert_eq!(family.folded().next(), Some(("program", 1)));
    }

    #[test]
    fn memory_is_bounded_whatever_the_labels_say() {
        static WIDE: FamilyInfo = FamilyInfo {
            labels: &[
                LabelInfo {
                    name: "a",
                    max_values: 500,
                },
                LabelInfo {
                    name: "b",
                    max_values: 500,
                },
            ],
            ..LINES_LIKE
        };
        const LINES_LIKE: FamilyInfo = FamilyInfo {
            name: "wide",
            description: "Wide",
            unit: "count",
            kind: MetricKind::Counter,
            divisor: 1,
            bounds: &[],
            labels: &[],
        };
        let family = Family::new(&WIDE, 0);
        for n in 0..100_000u64 {
            family.count(&[&(n % 700).to_string(), &(n / 700).to_string()], 1, None);
        }
        let counts = counts(&family);
        assert!(counts.len() <= MAX_SERIES + 1, "{}", counts.len());
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 100_000);
        assert!(
            family
                .folded()
                .all(|(label, count)| label == "b" || count > 0)
        );
    }

    #[test]
    fn gauges_and_histograms_have_labels_too() {
        static QUEUE: FamilyInfo = FamilyInfo {
            kind: MetricKind::Gauge,
            ..BARE
        };
        static DELAY: FamilyInfo = FamilyInfo {
            kind: MetricKind::Histogram,
            bounds: &[10, 100],
            divisor: 1000,
            ..BARE
        };
        const BARE: FamilyInfo = FamilyInfo {
            name: "x",
            description: "X",
            unit: "count",
            kind: MetricKind::Gauge,
            divisor: 1,
            bounds: &[],
            labels: &[LabelInfo {
                name: "state",
                max_values: 5,
            }],
        };
        let queue = Family::new(&QUEUE, 0);
        queue.set(&["held"], 7);
        queue.set(&["held"], -1);
        queue.count(&["held"], 1, None);
        assert_eq!(queue.read().series[0].value, SeriesValue::Gauge(-1));
        let delay = Family::new(&DELAY, 0);
        delay.observe(&["a"], 10, Some((Id(4), 9)));
        delay.set(&["a"], 10);
        let reading = delay.read();
        let SeriesValue::Histogram(read) = &reading.series[0].value else {
            panic!("{reading:?}");
        };
        assert_eq!((&read.counts[..], reading.divisor), (&[1, 0, 0][..], 1000));
        assert_eq!(read.exemplars[0].map(|exemplar| exemplar.span), Some(Id(4)));
    }
}
