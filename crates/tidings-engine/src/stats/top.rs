//! Counts how often names occur, in bounded memory, and gives the most frequent.

use rustc_hash::FxHashMap;

use crate::contract::CountObject;

/// Names kept for one list; beyond that the rarest half is forgotten.
const NAMES_MAX: usize = 200_000;

/// How often something occurred, and its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, count: u64, bytes: u64) {
        self.count = self.count.saturating_add(count);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Names and how often they occurred.
///
/// Holds at most [`NAMES_MAX`] names. When there is one more, the rarest half is forgotten, and
/// what of them comes later counts from zero: then the list is approximate, and says so.
#[derive(Debug)]
pub(super) struct Top {
    names: FxHashMap<Box<str>, Sum>,
    names_max: usize,
    approximate: bool,
}

impl Default for Top {
    fn default() -> Top {
        Top::with_names_max(NAMES_MAX)
    }
}

impl Top {
    fn with_names_max(names_max: usize) -> Top {
        Top {
            names: FxHashMap::default(),
            names_max,
            approximate: false,
        }
    }

    /// Counts a name.
    pub(super) fn add(&mut self, name: &str, sum: Sum) {
        match self.names.get_mut(name) {
            Some(known) => known.add(sum.count, sum.bytes),
            None => {
                if self.names.len() >= self.names_max {
                    self.forget_rarest();
                }
                self.names.insert(name.into(), sum);
            }
        }
    }

    /// Adds what another one has counted.
    pub(super) fn absorb(&mut self, other: &Top) {
        self.approximate |= other.approximate;
        for (name, sum) in &other.names {
            self.add(name, *sum);
        }
    }

    /// Whether names were forgotten.
    pub(super) fn is_approximate(&self) -> bool {
        self.approximate
    }

    /// The `top` most frequent names, most first; of equally frequent ones in the order of their
    /// names.
    pub(super) fn most(&self, top: usize) -> Vec<(&str, Sum)> {
        let mut all: Vec<(&str, Sum)> = self
            .names
            .iter()
            .map(|(name, sum)| (&**name, *sum))
            .collect();
        let order = |a: &(&str, Sum), b: &(&str, Sum)| b.1.count.cmp(&a.1.count).then(a.0.cmp(b.0));
        if top < all.len() {
            all.select_nth_unstable_by(top, order);
            all.truncate(top);
        }
        all.sort_unstable_by(order);
        all
    }

    /// The most frequent names as the contract has them.
    pub(super) fn objects(&self, top: usize, with_bytes: bool) -> Vec<CountObject> {
        let object = |(name, sum): (&str, Sum)| CountObject {
            name: name.to_owned(),
            count: sum.count,
            bytes: with_bytes.then_some(sum.bytes),
        };
        self.most(top).into_iter().map(object).collect()
    }

    fn forget_rarest(&mut self) {
        self.approximate = true;
        let kept: FxHashMap<Box<str>, Sum> = self
            .most(self.names_max / 2)
            .into_iter()
            .map(|(name, sum)| (name.into(), sum))
            .collect();
        self.names = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once() -> Sum {
        Sum {
            count: 1,
            bytes: 10,
        }
    }

    #[test]
    fn the_most_frequent_come_first() {
        let mut top = Top::default();
        for name in ["b", "a", "c", "c", "a", "c", "d"] {
            top.add(name, once());
        }
        let objects = top.objects(3, true);
        let shown: Vec<_> = objects
            .iter()
            .map(|o| (o.name.as_str(), o.count, o.bytes))
            .collect();
        assert_eq!(
            shown,
            [("c", 3, Some(30)), ("a", 2, Some(20)), ("b", 1, Some(10))]
        );
        assert_eq!(top.objects(0, false), []);
        assert_eq!(top.objects(9, false).len(), 4);
        assert!(!top.is_approximate());
    }

    #[test]
    fn frequent_names_survive_what_is_forgotten() {
        let mut top = Top::with_names_max(100);
        for round in 0..10_000 {
            top.add(&format!("rare {round}"), once());
            top.add("often", once());
            assert!(top.names.len() <= 100);
        }
        assert!(top.is_approximate());
        assert_eq!(
            top.most(1),
            [(
                "often",
                Sum {
                    count: 10_000,
                    bytes: 100_000
                }
            )]
        );
    }
}
