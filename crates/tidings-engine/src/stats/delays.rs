//! How long deliveries took: what share of them took at most so long.

use rustc_hash::FxHashMap;

use crate::contract::DelayObject;

/// Delays below are counted in a table.
const SHORT_MS: u64 = 16_384;

/// Distinct longer delays kept; beyond that they lose their last digits.
const LONG_MAX: usize = 200_000;

/// Significant bits that a delay keeps then: it is off by less than a thousandth.
const KEPT_BITS: u32 = 11;

/// Delays in milliseconds, counted one by one: exact, however many they are.
///
/// Of delays above 16 seconds at most [`LONG_MAX`] different ones are kept; beyond that they are
/// rounded down by less than a thousandth.
#[derive(Debug)]
pub(super) struct Delays {
    short: Vec<u64>,
    long: FxHashMap<u64, u64>,
    rounded: bool,
    count: u64,
    max: u64,
}

impl Default for Delays {
    fn default() -> Delays {
        Delays {
            short: vec![0; SHORT_MS as usize],
            long: FxHashMap::default(),
            rounded: false,
            count: 0,
            max: 0,
        }
    }
}

impl Delays {
    /// Counts a delivery.
    pub(super) fn add(&mut self, delay_ms: u64) {
        self.count += 1;
        self.max = self.max.max(delay_ms);
        if delay_ms < SHORT_MS {
            self.short[delay_ms as usize] += 1;
        } else {
            self.add_long(delay_ms, 1);
        }
    }

    /// Adds what another one has counted.
    pub(super) fn absorb(&mut self, other: &Delays) {
        self.count += other.count;
        self.max = self.max.max(other.max);
        self.rounded |= other.rounded;
        for (mine, theirs) in self.short.iter_mut().zip(&other.short) {
            *mine += theirs;
        }
        for (delay_ms, count) in &other.long {
            self.add_long(*delay_ms, *count);
        }
    }

    /// Whether delays were rounded.
    pub(super) fn is_approximate(&self) -> bool {
        self.rounded
    }

    /// The delays that half, nine tenths and so on of the deliveries did not exceed.
    pub(super) fn object(&self) -> DelayObject {
        let mut long: Vec<(u64, u64)> = self
            .long
            .iter()
            .map(|(delay_ms, count)| (*delay_ms, *count))
            .collect();
        long.sort_unstable();
        let at_most = |percent: u64| {
            // A count of rows stays far below 2^57.
            let wanted = (self.count * percent).div_ceil(100);
            let short = self
                .short
                .iter()
                .enumerate()
                .map(|(delay_ms, count)| (delay_ms as u64, *count));
            let mut reached = 0;
            let found = short.chain(long.iter().copied()).find(|(_, count)| {
                reached += count;
                reached >= wanted
            });
            found
                .filter(|_| wanted > 0)
                .map_or(0, |(delay_ms, _)| delay_ms)
        };
        DelayObject {
            median: at_most(50),
            p90: at_most(90),
            p99: at_most(99),
            max: self.max,
        }
    }

    fn add_long(&mut self, delay_ms: u64, count: u64) {
        if self.rounded {
            *self.long.entry(rounded(delay_ms)).or_default() += count;
            return;
        }
        *self.long.entry(delay_ms).or_default() += count;
        if self.long.len() > LONG_MAX {
            self.rounded = true;
            for (delay_ms, count) in std::mem::take(&mut self.long) {
                self.add_long(delay_ms, count);
            }
        }
    }
}

/// The delay with its first [`KEPT_BITS`] bits.
fn rounded(delay_ms: u64) -> u64 {
    let lost = (u64::BITS - delay_ms.leading_zeros()).saturating_sub(KEPT_BITS);
    delay_ms >> lost << lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(delays_ms: impl Iterator<Item = u64>) -> DelayObject {
        let mut delays = Delays::default();
        delays_ms.for_each(|delay_ms| delays.add(delay_ms));
        delays.object()
    }

    #[test]
    fn parts_of_the_deliveries() {
        assert_eq!(of(std::iter::empty()), DelayObject::default());
        assert_eq!(
            of([7].into_iter()),
            DelayObject {
                median: 7,
                p90: 7,
                p99: 7,
                max: 7
            }
        );
        assert_eq!(of([0, 0].into_iter()), DelayObject::default());
        assert_eq!(
            of((1..=100).rev()),
            DelayObject {
                median: 50,
                p90: 90,
                p99: 99,
                max: 100
            }
        );
        let days = (1..=1000).map(|n| n * 86_400_000);
        assert_eq!(of(days).p99, 990 * 86_400_000);
    }

    #[test]
    fn many_long_delays_are_rounded_a_little() {
        let mut delays = Delays::default();
        for n in 0..1_000_000 {
            delays.add(20_000 + n);
        }
        assert!(delays.is_approximate() && delays.long.len() < 10_000);
        let found = delays.object();
        assert!(
            found.median <= 519_999 && found.median > 519_999 - 520,
            "{found:?}"
        );
        assert_eq!(found.max, 1_019_999);
    }
}
