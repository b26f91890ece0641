//! Keeps the newest results of a search, and knows when older ones can no longer matter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Place;

/// The `limit` newest of the values pushed, of those that stand behind a place if one is given.
pub(super) struct Newest<T> {
    limit: usize,
    behind: Option<Place>,
    heap: BinaryHeap<Reverse<Entry<T>>>,
}

struct Entry<T>(Place, T);

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
    pub(super) fn new(limit: usize, behind: Option<Place>) -> Newest<T> {
        Newest {
            limit,
            behind,
            heap: BinaryHeap::new(),
        }
    }

    pub(super) fn push(&mut self, place: Place, value: T) {
        if self.takes(place) {
            self.heap.push(Reverse(Entry(place, value)));
            if self.heap.len() > self.limit {
                self.heap.pop();
            }
        }
    }

    /// How many values are kept at most.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether a value at this place would be kept.
    pub(super) fn takes(&self, place: Place) -> bool {
        self.behind.is_none_or(|behind| place < behind) && self.is_newer(place)
    }

    fn is_newer(&self, place: Place) -> bool {
        let oldest = self.heap.peek();
        self.heap.len() < self.limit || oldest.is_some_and(|Reverse(oldest)| place > oldest.0)
    }

    /// Whether anything that happened at `time_ns` or before may be kept.
    pub(super) fn may_take(&self, time_ns: i64) -> bool {
        self.is_newer(Place::last_of(time_ns))
    }

    /// Whether anything that happened at `time_ns` may be kept.
    pub(super) fn may_take_at(&self, time_ns: i64) -> bool {
        self.behind.is_none_or(|behind| time_ns <= behind.time_ns()) && self.may_take(time_ns)
    }

    /// The values, newest first.
    pub(super) fn into_values(self) -> Vec<T> {
        self.into_placed()
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }

    /// The values with their places, newest first.
    pub(super) fn into_placed(self) -> Vec<(Place, T)> {
        let entries = self.heap.into_iter();
        let mut placed: Vec<_> = entries
            .map(|Reverse(Entry(at, value))| (at, value))
            .collect();
        placed.sort_unstable_by_key(|(place, _)| Reverse(*place));
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time_ns: i64) -> Place {
        Place::of_id(time_ns, 0)
    }

    #[test]
    fn the_newest_are_kept_in_order() {
        let mut newest = Newest::new(3, None);
        for time in [5, 1, 9, 7, 3] {
            newest.push(at(time), time);
        }
        assert!(!newest.may_take(4));
        assert!(newest.may_take(6));
        assert_eq!(newest.into_values(), [9, 7, 5]);
    }

    #[test]
    fn nothing_before_the_place_behind_which_a_page_begins_is_kept() {
        let mut newest = Newest::new(2, Some(at(7)));
        for time in [5, 9, 7, 3, 1] {
            newest.push(at(time), time);
        }
        assert!(newest.may_take(8) && !newest.may_take_at(8));
        assert_eq!(newest.into_values(), [5, 3]);
    }
}
