//! Finds legs by a hash of something they are known by: a name, a claim, a Message-ID.

use rustc_hash::FxHashMap;

/// Legs kept under one hash. Honest legs hardly ever share one; a server that gives every message
/// the same id does, and then the legs heard of longest ago go first.
const PER_HASH_MAX: usize = 32;

/// Legs by hash, most often one.
#[derive(Clone, Debug, Default)]
pub(super) struct LegIndex {
    first: FxHashMap<u64, u64>,
    others: FxHashMap<u64, Vec<u64>>,
}

impl LegIndex {
    /// Adds a leg; gives whether it was not there yet.
    pub(super) fn insert(&mut self, hash: u64, leg: u64) {
        let first = *self.first.entry(hash).or_insert(leg);
        if first == leg {
            return;
        }
        let others = self.others.entry(hash).or_default();
        if others.contains(&leg) {
            return;
        }
        if others.len() + 1 >= PER_HASH_MAX {
            self.first.insert(hash, others.remove(0));
        }
        others.push(leg);
    }

    /// Removes all legs, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.others.clear();
    }

    /// Removes a leg, if it is there.
    pub(super) fn remove(&mut self, hash: u64, leg: u64) {
        if let Some(others) = self.others.get_mut(&hash) {
            others.retain(|other| *other != leg);
            if self.first.get(&hash) == Some(&leg) && !others.is_empty() {
                self.first.insert(hash, others.remove(0));
            }
            if others.is_empty() {
                self.others.remove(&hash);
            }
        }
        if self.first.get(&hash) == Some(&leg) {
            self.first.remove(&hash);
        }
    }

    /// Whether any leg is there.
    pub(super) fn has(&self, hash: u64) -> bool {
        self.first.contains_key(&hash)
    }

    /// The legs with this hash, in the order in which they were added.
    pub(super) fn of(&self, hash: u64) -> Vec<u64> {
        let first = self.first.get(&hash);
        let others = self.others.get(&hash).into_iter().flatten();
        first.into_iter().chain(others).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_come_and_go_under_one_hash() {
        let mut index = LegIndex::default();
        for leg in [1, 2, 3, 2, 1] {
            index.insert(7, leg);
        }
        assert_eq!(index.of(7), [1, 2, 3]);
        index.remove(7, 1);
        assert_eq!(index.of(7), [2, 3]);
        index.remove(7, 3);
        index.remove(7, 9);
        assert_eq!(index.of(7), [2]);
        index.remove(7, 2);
        assert!(!index.has(7) && index.of(7).is_empty());
        assert!(index.first.is_empty() && index.others.is_empty());
    }

    #[test]
    fn a_hash_that_all_share_keeps_the_newest() {
        let mut index = LegIndex::default();
        (0..1000).for_each(|leg| index.insert(7, leg));
        let kept = index.of(7);
        assert_eq!(kept.len(), PER_HASH_MAX);
        assert_eq!(kept.last(), Some(&999));
        assert_eq!(kept.first(), Some(&(1000 - PER_HASH_MAX as u64)));
    }
}
