//! What readers have found out about pages of a part, kept as long as the part is there: a part never
//! changes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{ColumnId, Part};

/// A mark for each column and page of [`Part::PAGE_ROWS`] rows, of the first 64 columns. What it means is the
/// matter of who sets it. Eight bytes a page, once there is a mark.
#[derive(Debug, Default)]
pub(crate) struct Marks(OnceLock<Box<[AtomicU64]>>);

impl Marks {
    fn bit(column: ColumnId) -> Option<u64> {
        (column < 64).then(|| 1 << column)
    }

    pub(crate) fn is_set(&self, column: ColumnId, page: u32) -> bool {
        let Some(bit) = Marks::bit(column) else {
            return false;
        };
        let pages = self.0.get();
        let word = pages.and_then(|pages| pages.get(page as usize));
        word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Sets the mark, in a part of so many rows.
    pub(crate) fn set(&self, column: ColumnId, page: u32, rows: u32) {
        let Some(bit) = Marks::bit(column) else {
            return;
        };
        let pages = self.0.get_or_init(|| {
            let pages = rows.div_ceil(Part::PAGE_ROWS);
            (0..pages).map(|_| AtomicU64::new(0)).collect()
        });
        if let Some(word) = pages.get(page as usize) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_where_they_were_set() {
        let marks = Marks::default();
        assert!(!marks.is_set(3, 0));
        marks.set(3, 1, 3 * Part::PAGE_ROWS);
        marks.set(64, 1, 3 * Part::PAGE_ROWS);
        marks.set(3, 9, 3 * Part::PAGE_ROWS);
        assert!(marks.is_set(3, 1));
        for (column, page) in [(3, 0), (2, 1), (64, 1), (3, 9)] {
            assert!(!marks.is_set(column, page), "{column} {page}");
        }
    }
}
