//! Keeps the newest results of a search, and knows when older ones can no longer matter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When a result happened, and what orders results of the same moment.
pub(super) type Order = (i64, u64, u64);

/// The `limit` newest of the values pushed.
pub(super) struct Newest<T> {
    limit: usize,
    heap: BinaryHeap<Reverse<Entry<T>>>,
}

struct Entry<T>(Order, T);

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T> Newest<T> {
    pub(super) fn new(limit: usize) -> Newest<T> {
        Newest {
            limit,
            heap: BinaryHeap::new(),
        }
    }

    pub(super) fn push(&mut self, order: Order, value: T) {
        if self.takes(order) {
            self.heap.push(Reverse(Entry(order, value)));
            if self.heap.len() > self.limit {
                self.heap.pop();
            }
        }
    }

    /// How many values are kept at most.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether a value with this order would be kept.
    pub(super) fn takes(&self, order: Order) -> bool {
        self.heap.len() < self.limit
            || self
                .heap
                .peek()
                .is_some_and(|Reverse(oldest)| order > oldest.0)
    }

    /// Whether anything that happened at `time_ns` or before may be kept.
    pub(super) fn may_take(&self, time_ns: i64) -> bool {
        self.takes((time_ns, u64::MAX, u64::MAX))
    }

    /// The values, newest first.
    pub(super) fn into_values(self) -> Vec<T> {
        let mut entries: Vec<Entry<T>> =
            self.heap.into_iter().map(|Reverse(entry)| entry).collect();
        entries.sort_unstable_by_key(|entry| Reverse(entry.0));
        entries.into_iter().map(|Entry(_, value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_order() {
        let mut newest = Newest::new(3);
        for time in [5, 1, 9, 7, 3] {
            newest.push((time, 0, 0), time);
        }
        assert!(!newest.may_take(4));
        assert!(newest.may_take(6));
        assert_eq!(newest.into_values(), [9, 7, 5]);
    }
}
