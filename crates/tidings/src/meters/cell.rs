//! Numbers that one thread, or several, write and another one reads: counts, the latest span behind
//! a number, distributions.
//!
//! All is relaxed: a reader may miss what was written a moment ago, and may see the sum of a
//! distribution one value ahead of its counts. It never sees a value torn or lost.

use tidings_event::{Distribution, Exemplar, Id};

use super::sync::{AtomicU64, Ordering, fence};

/// How many threads write to a cell at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    /// The caller alone: plain loads and stores do.
    One,
    /// Any number.
    Many,
}

/// A number that rises.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn new(value: u64) -> Count {
        Count(AtomicU64::new(value))
    }

    #[inline]
    pub(super) fn add(&self, number: u64, writers: Writers) {
        match writers {
            Writers::One => {
                let sum = self.0.load(Ordering::Relaxed).wrapping_add(number);
                self.0.store(sum, Ordering::Relaxed);
            }
            Writers::Many => {
                self.0.fetch_add(number, Ordering::Relaxed);
            }
        }
    }

    #[inline]
    fn at_least(&self, number: u64, writers: Writers) {
        if self.get() < number {
            match writers {
                Writers::One => self.0.store(number, Ordering::Relaxed),
                Writers::Many => {
                    self.0.fetch_max(number, Ordering::Relaxed);
                }
            }
        }
    }

    #[inline]
    fn at_most(&self, number: u64, writers: Writers) {
        if self.get() > number {
            match writers {
                Writers::One => self.0.store(number, Ordering::Relaxed),
                Writers::Many => {
                    self.0.fetch_min(number, Ordering::Relaxed);
                }
            }
        }
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The latest occurrence behind a number.
///
/// Of one writer it is the last; of many the last or one of the same second.
///
/// A sequence lock: odd while it is written. A reader that meets a writer tries again a few times,
/// then goes without; a writer that meets another one leaves the place to it.
#[derive(Debug, Default)]
pub(super) struct Latest {
    sequence: AtomicU64,
    span: AtomicU64,
    time_ns: AtomicU64,
    value: AtomicU64,
}

/// How often a reader tries; once where every order is tried anyway.
const TRIES: usize = if cfg!(loom) { 1 } else { 16 };

impl Latest {
    #[inline]
    pub(super) fn put(&self, exemplar: &Exemplar, writers: Writers) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        match writers {
            Writers::One => self
                .sequence
                .store(sequence.wrapping_add(1), Ordering::Relaxed),
            Writers::Many => {
                let begun = sequence & 1 == 0
                    && !self.is_fresh(sequence, exemplar)
                    && self
                        .sequence
                        .compare_exchange(
                            sequence,
                            sequence.wrapping_add(1),
                            Ordering::Acquire,
                            Ordering::Relaxed,
                        )
                        .is_ok();
                if !begun {
                    return;
                }
            }
        }
        // The odd number is seen before any of what follows.
        fence(Ordering::Release);
        self.span.store(exemplar.span.0, Ordering::Relaxed);
        // The bits of a signed number: turned back on reading.
        self.time_ns
            .store(exemplar.time_ns as u64, Ordering::Relaxed);
        self.value.store(exemplar.value, Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Whether what is here is of the same second, near enough: among many writers that does, and
    /// spares most of them the write.
    #[inline]
    fn is_fresh(&self, sequence: u64, exemplar: &Exemplar) -> bool {
        const FRESH_NS: u64 = 1_000_000_000;
        let here_ns = self.time_ns.load(Ordering::Relaxed) as i64;
        sequence != 0 && exemplar.time_ns.abs_diff(here_ns) < FRESH_NS
    }

    pub(super) fn get(&self) -> Option<Exemplar> {
        for _ in 0..TRIES {
            let before = self.sequence.load(Ordering::Acquire);
            let exemplar = Exemplar {
                value: self.value.load(Ordering::Relaxed),
                time_ns: self.time_ns.load(Ordering::Relaxed) as i64,
                span: Id(self.span.load(Ordering::Relaxed)),
            };
            fence(Ordering::Acquire);
            if before == self.sequence.load(Ordering::Relaxed) && before & 1 == 0 {
                return (before != 0).then_some(exemplar);
            }
        }
        None
    }
}

/// Of two occurrences the later one.
pub(super) fn later(a: Option<Exemplar>, b: Option<Exemplar>) -> Option<Exemplar> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.time_ns > a.time_ns { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Values counted by size.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: &'static [u64],
    buckets: Box<[Bucket]>,
    sum: Count,
    least: Count,
    most: Count,
}

#[derive(Debug, Default)]
struct Bucket {
    count: Count,
    latest: Latest,
}

impl Histogram {
    /// Empty, with these bounds.
    pub(super) fn new(bounds: &'static [u64]) -> Histogram {
        Histogram {
            bounds,
            buckets: (0..=bounds.len()).map(|_| Bucket::default()).collect(),
            sum: Count::default(),
            least: Count::new(u64::MAX),
            most: Count::default(),
        }
    }

    /// Counts a value; `span` is the span behind it, with its time.
    #[inline]
    pub(super) fn record(&self, value: u64, span: Option<(Id, i64)>, writers: Writers) {
        let Some(bucket) = self.bucket(value) else {
            return;
        };
        bucket.count.add(1, writers);
        self.sum.add(value, writers);
        self.least.at_most(value, writers);
        self.most.at_least(value, writers);
        if let Some((span, time_ns)) = span {
            let exemplar = Exemplar {
                value,
                time_ns,
                span,
            };
            bucket.latest.put(&exemplar, writers);
        }
    }

    /// Keeps the span behind a value that is counted already.
    pub(super) fn remember(&self, exemplar: &Exemplar, writers: Writers) {
        if let Some(bucket) = self.bucket(exemplar.value) {
            bucket.latest.put(exemplar, writers);
        }
    }

    #[inline]
    fn bucket(&self, value: u64) -> Option<&Bucket> {
        // A value on a bound is in the bucket below it. Without a branch, as sizes are not foretold.
        let at = self.bounds.iter().filter(|bound| value > **bound).count();
        self.buckets.get(at)
    }

    /// Adds what was counted here to `total`, which has the same bounds.
    pub(super) fn add_to(&self, total: &mut Distribution) {
        let mut counted = 0;
        for (sum, bucket) in total.counts.iter_mut().zip(&self.buckets) {
            let count = bucket.count.get();
            counted += count;
            *sum += count;
        }
        if counted == 0 {
            return;
        }
        total.sum = total.sum.wrapping_add(self.sum.get());
        let (least, most) = (self.least.get(), self.most.get());
        // The first value may be counted before it is compared.
        if least <= most {
            total.extremes = Some(match total.extremes {
                Some((low, high)) => (low.min(least), high.max(most)),
                None => (least, most),
            });
        }
        self.add_exemplars_to(total);
    }

    fn add_exemplars_to(&self, total: &mut Distribution) {
        for (at, bucket) in self.buckets.iter().enumerate() {
            let Some(latest) = bucket.latest.get() else {
                continue;
            };
            if total.exemplars.is_empty() {
                total.exemplars = vec![None; total.counts.len()];
            }
            if let Some(place) = total.exemplars.get_mut(at) {
                *place = later(*place, Some(latest));
            }
        }
    }
}

/// Nothing counted yet.
pub(super) fn empty(bounds: &'static [u64]) -> Distribution {
    Distribution {
        bounds,
        counts: vec![0; bounds.len() + 1],
        sum: 0,
        extremes: None,
        exemplars: Vec::new(),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of(histogram: &Histogram, bounds: &'static [u64]) -> Distribution {
        let mut total = empty(bounds);
        histogram.add_to(&mut total);
        total
    }

    #[test]
    fn a_value_on_a_bound_is_in_the_bucket_below_it() {
        const BOUNDS: &[u64] = &[10, 20];
        let histogram = Histogram::new(BOUNDS);
        for value in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.record(value, None, Writers::One);
        }
        let read = of(&histogram, BOUNDS);
        assert_eq!(read.counts, [2, 2, 2]);
        assert_eq!(read.count(), 6);
        assert_eq!(read.extremes, Some((0, u64::MAX)));
        assert!(read.exemplars.is_empty());
    }

    #[test]
    fn the_latest_span_of_each_bucket_is_kept() {
        const BOUNDS: &[u64] = &[10];
        let histogram = Histogram::new(BOUNDS);
        for (value, span) in [(3, 7), (4, 8), (30, 9)] {
            let span = Some((Id(span), span as i64 * 2_000_000_000));
            histogram.record(value, span, Writers::Many);
        }
        histogram.record(5, None, Writers::Many);
        let read = of(&histogram, BOUNDS);
        let spans: Vec<_> = read
            .exemplars
            .iter()
            .flatten()
            .map(|e| (e.value, e.span.0))
            .collect();
        assert_eq!(spans, [(4, 8), (30, 9)]);
        assert_eq!(read.counts, [3, 1]);
    }

    #[test]
    fn an_empty_histogram_has_no_extremes() {
        assert_eq!(of(&Histogram::new(&[5]), &[5]), empty(&[5]));
    }

    #[test]
    fn readers_never_see_half_of_an_exemplar() {
        let latest = Latest::default();
        std::thread::scope(|scope| {
            for start in [1, 2] {
                let latest = &latest;
                scope.spawn(move || {
                    for n in 0..50_000u64 {
                        let n = 2 * n + start;
                        let whole = Exemplar {
                            value: n,
                            time_ns: n as i64 * 2_000_000_000,
                            span: Id(n),
                        };
                        latest.put(&whole, Writers::Many);
                    }
                });
            }
            for _ in 0..50_000 {
                if let Some(seen) = latest.get() {
                    let seconds = seen.time_ns as u64 / 2_000_000_000;
                    assert_eq!((seconds, seen.span.0), (seen.value, seen.value));
                }
            }
        });
    }
}
