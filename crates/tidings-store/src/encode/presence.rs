//! Which rows hold a value: one bit a row, and Parquet's definition levels made of it.

use super::varint::{self, Cursor};
use crate::{Error, Result};

/// One bit a row, set where the row holds a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    words: Vec<u64>,
    rows: usize,
}

impl Presence {
    /// All rows hold a value.
    #[cfg(test)]
    pub(crate) fn full(rows: usize) -> Self {
        let mut presence = Self::default();
        presence.push_run(true, rows);
        presence
    }

    /// No row of so many holds a value yet; see [`set`](Self::set).
    pub(crate) fn empty(rows: usize) -> Self {
        Self {
            words: vec![0; rows.div_ceil(64)],
            rows,
        }
    }

    /// Notes that a row holds a value.
    #[inline]
    pub(crate) fn set(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// For each word of 64 rows, the values before it.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        let mut before = 0;
        let mut ranks = Vec::with_capacity(self.words.len());
        for word in &self.words {
            ranks.push(before);
            before += word.count_ones();
        }
        ranks
    }

    /// How many values lie before a row, given [`ranks`](Self::ranks).
    #[inline]
    pub(crate) fn rank(&self, ranks: &[u32], row: usize) -> usize {
        let below = self.words[row / 64] & ((1 << (row % 64)) - 1);
        (ranks[row / 64] + below.count_ones()) as usize
    }

    /// Becomes a copy of rows `from..to` of another; `from` is a multiple of 64.
    pub(crate) fn copy_from(&mut self, other: &Self, from: usize, to: usize) {
        debug_assert!(from.is_multiple_of(64));
        self.words.clear();
        self.words
            .extend_from_slice(&other.words[from / 64..to.div_ceil(64)]);
        self.rows = to - from;
        if !self.rows.is_multiple_of(64)
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << (self.rows % 64)) - 1;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.rows = 0;
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    #[inline]
    pub(crate) fn push(&mut self, present: bool) {
        if self.rows.is_multiple_of(64) {
            self.words.push(0);
        }
        if present {
            self.words[self.rows / 64] |= 1 << (self.rows % 64);
        }
        self.rows += 1;
    }

    pub(crate) fn push_run(&mut self, present: bool, mut count: usize) {
        while count > 0 && !self.rows.is_multiple_of(64) {
            self.push(present);
            count -= 1;
        }
        if count == 0 {
            return;
        }
        let end = self.rows + count;
        self.words
            .resize(end.div_ceil(64), if present { u64::MAX } else { 0 });
        if present && !end.is_multiple_of(64) {
            self.words[end / 64] = (1 << (end % 64)) - 1;
        }
        self.rows = end;
    }

    /// Appends eight rows, or fewer at the end.
    #[inline]
    fn push_byte(&mut self, byte: u8, count: usize) {
        if self.rows.is_multiple_of(8) {
            if self.rows.is_multiple_of(64) {
                self.words.push(0);
            }
            let kept = if count < 8 {
                byte & ((1 << count) - 1)
            } else {
                byte
            };
            self.words[self.rows / 64] |= u64::from(kept) << (self.rows % 64);
            self.rows += count;
        } else {
            (0..count).for_each(|bit| self.push(byte >> bit & 1 == 1));
        }
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> bool {
        self.words
            .get(row / 64)
            .is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Rows with a value in `from..to`.
    pub(crate) fn count(&self, from: usize, to: usize) -> usize {
        if from >= to {
            return 0;
        }
        let mask_low = u64::MAX << (from % 64);
        let mask_high = u64::MAX >> (63 - (to - 1) % 64);
        let (first, last) = (from / 64, (to - 1) / 64);
        let mut total = 0;
        for at in first..=last {
            let mut word = self.words[at];
            if at == first {
                word &= mask_low;
            }
            if at == last {
                word &= mask_high;
            }
            total += word.count_ones() as usize;
        }
        total
    }

    /// Calls for each row that has a value, ascending.
    #[inline]
    pub(crate) fn each_set(&self, mut each: impl FnMut(usize)) {
        for (at, &word) in self.words.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                each(at * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.words[at / 8].to_le_bytes()[at % 8]
    }

    /// Appends the definition levels of rows `from..to` (maximum level 1), with their length in
    /// front as in a data page of version 1. `from` is a multiple of 8 or the levels are shifted
    /// bit by bit.
    pub(crate) fn encode(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        let head = out.len();
        out.extend_from_slice(&[0; 4]);
        let present = self.count(from, to);
        if present == 0 || present == to - from {
            put_run(out, present > 0, to - from);
        } else if from.is_multiple_of(8) {
            self.encode_bytes(from, to, out);
        } else {
            let mut shifted = Self::default();
            (from..to).for_each(|row| shifted.push(self.get(row)));
            shifted.encode_bytes(0, to - from, out);
        }
        // A page's levels are far below 4 GiB: it has 32,768 rows at most.
        let length = (out.len() - head - 4) as u32;
        out[head..head + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn encode_bytes(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        /// Bytes of equal bits worth leaving a packed run for.
        const MIN_RUN: usize = 4;
        let (first, whole) = (from / 8, to / 8);
        let mut packed_from = first;
        let mut at = first;
        while at < whole {
            let byte = self.byte(at);
            let mut next = at + 1;
            if byte == 0 || byte == 0xFF {
                while next < whole && self.byte(next) == byte {
                    next += 1;
                }
                if next - at >= MIN_RUN {
                    self.put_packed(packed_from, at, out);
                    put_run(out, byte != 0, (next - at) * 8);
                    packed_from = next;
                }
            }
            at = next;
        }
        self.put_packed(packed_from, to.div_ceil(8), out);
    }

    fn put_packed(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        if from == to {
            return;
        }
        varint::put(out, ((to - from) as u64) << 1 | 1);
        for at in from..to {
            let byte = self.byte(at);
            // Bits beyond the last row are another page's, or zero.
            out.push(byte);
        }
    }

    /// Appends decoded definition levels of `rows` rows; gives the bytes behind them.
    pub(crate) fn decode<'a>(&mut self, input: &'a [u8], rows: usize) -> Result<&'a [u8]> {
        let mut cursor = Cursor::new(input);
        let length = cursor.fixed32()? as usize;
        let levels = cursor.take(length)?;
        let mut runs = Cursor::new(levels);
        let mut left = rows;
        while left > 0 {
            let header = runs.varint()?;
            let length = usize::try_from(header >> 1).unwrap_or(usize::MAX);
            if length == 0 {
                return Err(Error::corrupt("a run has no length"));
            }
            if header & 1 == 0 {
                let count = length.min(left);
                self.push_run(runs.byte()? & 1 == 1, count);
                left -= count;
            } else {
                for &byte in runs.take(length.min(left.div_ceil(8)))? {
                    let count = left.min(8);
                    self.push_byte(byte, count);
                    left -= count;
                }
            }
        }
        Ok(cursor.rest)
    }
}

fn put_run(out: &mut Vec<u8>, present: bool, rows: usize) {
    varint::put(out, (rows as u64) << 1);
    out.push(u8::from(present));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn levels_are_undone(runs in proptest::collection::vec((any::<bool>(), 1usize..90), 1..30), cut in 0usize..100) {
            let mut presence = Presence::default();
            for (present, length) in runs {
                presence.push_run(present, length);
            }
            let from = cut.min(presence.rows());
            let mut bytes = Vec::new();
            presence.encode(from, presence.rows(), &mut bytes);
            bytes.push(77);
            let mut back = Presence::default();
            back.push(true);
            let rows = presence.rows() - from;
            prop_assert_eq!(back.decode(&bytes, rows).unwrap(), &[77][..]);
            prop_assert_eq!(back.rows(), rows + 1);
            for row in 0..rows {
                prop_assert_eq!(back.get(row + 1), presence.get(row + from));
            }
            prop_assert_eq!(back.count(1, rows + 1), presence.count(from, presence.rows()));
        }
    }

    #[test]
    fn full_is_one_run() {
        let mut bytes = Vec::new();
        Presence::full(4096).encode(0, 4096, &mut bytes);
        assert_eq!(bytes, [3, 0, 0, 0, 0x80, 0x40, 1]);
    }
}
