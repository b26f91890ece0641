//! Which rows of a part: sorted, disjoint ranges of row numbers.

use std::ops::Range;

/// A set of row numbers of one part, held as sorted, disjoint, non-adjacent ranges.
///
/// What the token sidecar and time pruning answer, and what reading takes. Pages are ranges too,
/// so that page sets and row sets combine freely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSet {
    ranges: Vec<Range<u32>>,
}

impl RowSet {
    /// No row.
    pub fn none() -> Self {
        Self::default()
    }

    /// The rows of one range.
    pub fn range(rows: Range<u32>) -> Self {
        let mut set = Self::none();
        set.push(rows);
        set
    }

    /// Any ranges, in any order.
    pub fn from_ranges(mut ranges: Vec<Range<u32>>) -> Self {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut set = Self {
            ranges: Vec::with_capacity(ranges.len()),
        };
        for range in ranges {
            set.push(range);
        }
        set
    }

    /// Single rows, ascending; rows out of order are an error of the caller and are skipped in
    /// debug assertions.
    pub fn from_sorted_rows(rows: impl IntoIterator<Item = u32>) -> Self {
        let mut set = Self::none();
        for row in rows {
            set.push(row..row.saturating_add(1));
        }
        set
    }

    /// The ranges, sorted and disjoint.
    pub fn ranges(&self) -> &[Range<u32>] {
        &self.ranges
    }

    /// How many rows.
    pub fn len(&self) -> u64 {
        self.ranges
            .iter()
            .map(|range| u64::from(range.end - range.start))
            .sum()
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether it holds this row.
    pub fn contains(&self, row: u32) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= row);
        after > 0 && row < self.ranges[after - 1].end
    }

    /// Appends a range that starts at or after the last one's start; joins what touches.
    pub(crate) fn push(&mut self, rows: Range<u32>) {
        if rows.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if rows.start <= last.end => last.end = last.end.max(rows.end),
            _ => self.ranges.push(rows),
        }
    }

    /// Rows in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut set = Self::none();
        let (mut a, mut b) = (0, 0);
        while let (Some(x), Some(y)) = (self.ranges.get(a), other.ranges.get(b)) {
            set.push(x.start.max(y.start)..x.end.min(y.end));
            if x.end <= y.end {
                a += 1;
            } else {
                b += 1;
            }
        }
        set
    }

    /// Rows in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        let mut ranges = self.ranges.clone();
        ranges.extend_from_slice(&other.ranges);
        Self::from_ranges(ranges)
    }

    /// Rows of this set that are not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut set = Self::none();
        let mut at = 0;
        for range in &self.ranges {
            let mut start = range.start;
            while at > 0 && other.ranges[at - 1].end > start {
                at -= 1;
            }
            while let Some(hole) = other.ranges.get(at) {
                if hole.end <= start {
                    at += 1;
                    continue;
                }
                if hole.start >= range.end {
                    break;
                }
                set.push(start..hole.start.max(start));
                start = hole.end.max(start);
                at += 1;
            }
            set.push(start..range.end);
        }
        set
    }

    /// The newest part of the set: at most `rows` rows from its end.
    #[must_use]
    pub fn last_rows(&self, rows: u64) -> Self {
        let mut left = rows;
        let mut ranges = Vec::new();
        for range in self.ranges.iter().rev() {
            if left == 0 {
                break;
            }
            let length = u64::from(range.end - range.start).min(left);
            // `length` is at most the range's own length, a u32.
            ranges.push(range.end - length as u32..range.end);
            left -= length;
        }
        ranges.reverse();
        Self { ranges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn set_of(bits: u64) -> RowSet {
        RowSet::from_sorted_rows((0..64).filter(|bit| bits >> bit & 1 == 1))
    }

    proptest! {
        #[test]
        fn sets_behave_like_bits(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(set_of(a).and(&set_of(b)), set_of(a & b));
            prop_assert_eq!(set_of(a).or(&set_of(b)), set_of(a | b));
            prop_assert_eq!(set_of(a).minus(&set_of(b)), set_of(a & !b));
            prop_assert_eq!(set_of(a).len(), u64::from(a.count_ones()));
            for row in 0..64 {
                prop_assert_eq!(set_of(a).contains(row), a >> row & 1 == 1);
            }
        }
    }

    #[test]
    fn last_rows_come_from_the_end() {
        let set = RowSet::from_ranges(vec![10..20, 0..5]);
        assert_eq!(set.last_rows(12).ranges(), &[3..5, 10..20]);
        assert_eq!(set.last_rows(3), RowSet::range(17..20));
        assert_eq!(set.last_rows(99), set);
    }
}
