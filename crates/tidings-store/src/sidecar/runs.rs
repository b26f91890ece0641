//! Sorts (token, place) pairs of a whole part in bounded memory.

use crate::encode::varint::{self, Cursor};
use crate::{Error, Result};

/// Pairs held before they are sorted and packed away.
const RUN_PAIRS: usize = 1 << 20;
const PLACE_BITS: u32 = 32;
/// Set in a place that is a page, clear in one that is a granule.
pub(crate) const PAGE: u32 = 1 << 31;

/// Gathers pairs in any order and gives them back sorted, each once.
#[derive(Debug, Default)]
pub(crate) struct TokenRuns {
    open: Vec<u64>,
    spare: Vec<u64>,
    /// Sorted, delta-packed.
    packed: Vec<Vec<u8>>,
}

impl TokenRuns {
    /// Notes that a token was seen at a granule, or at a page with [`PAGE`] set.
    #[inline]
    pub(crate) fn push(&mut self, fingerprint: u32, place: u32) {
        self.open
            .push(u64::from(fingerprint) << PLACE_BITS | u64::from(place));
    }

    /// Packs what is open away when it is a run's worth.
    pub(crate) fn relieve(&mut self) {
        if self.open.len() >= RUN_PAIRS {
            self.close_run();
        }
    }

    fn sort(&mut self) {
        if self.open.is_sorted() {
            self.open.dedup();
            return;
        }
        sort_pairs(&mut self.open, &mut self.spare);
        self.open.dedup();
    }

    fn close_run(&mut self) {
        self.sort();
        let mut packed = Vec::with_capacity(self.open.len() * 4);
        let mut previous = 0;
        for &pair in &self.open {
            let fingerprint = pair >> PLACE_BITS;
            varint::put(&mut packed, fingerprint - previous);
            varint::put(&mut packed, u64::from((pair as u32).rotate_left(1)));
            previous = fingerprint;
        }
        packed.shrink_to_fit();
        self.packed.push(packed);
        self.open.clear();
    }

    /// No more pairs will come: the distinct tokens are counted.
    pub(crate) fn close(&mut self) -> Result<usize> {
        self.sort();
        self.spare = Vec::new();
        if !self.packed.is_empty() {
            self.close_run();
            self.open = Vec::new();
        }
        let (mut tokens, mut last) = (0, None);
        self.each(|fingerprint, _| {
            tokens += usize::from(last != Some(fingerprint));
            last = Some(fingerprint);
            Ok(())
        })?;
        Ok(tokens)
    }

    /// After [`close`](Self::close): hands every pair over, sorted by fingerprint and place, each
    /// once.
    pub(crate) fn each(&self, mut each: impl FnMut(u32, u32) -> Result<()>) -> Result<()> {
        let split = |pair: u64| ((pair >> PLACE_BITS) as u32, pair as u32);
        if self.packed.is_empty() {
            return self.open.iter().try_for_each(|&pair| {
                let (fingerprint, place) = split(pair);
                each(fingerprint, place)
            });
        }
        let mut runs = self
            .packed
            .iter()
            .map(|run| Run::new(run))
            .collect::<Result<Vec<_>>>()?;
        let mut last = None;
        while let Some(least) = runs.iter().filter_map(|run| run.head).min() {
            if last != Some(least) {
                let (fingerprint, place) = split(least);
                each(fingerprint, place)?;
                last = Some(least);
            }
            for run in runs.iter_mut().filter(|run| run.head == Some(least)) {
                run.advance()?;
            }
        }
        Ok(())
    }
}

struct Run<'a> {
    cursor: Cursor<'a>,
    fingerprint: u64,
    head: Option<u64>,
}

impl<'a> Run<'a> {
    fn new(packed: &'a [u8]) -> Result<Self> {
        let mut run = Self {
            cursor: Cursor::new(packed),
            fingerprint: 0,
            head: None,
        };
        run.advance()?;
        Ok(run)
    }

    fn advance(&mut self) -> Result<()> {
        self.head = if self.cursor.is_empty() {
            None
        } else {
            self.fingerprint += self.cursor.varint()?;
            let place = u32::try_from(self.cursor.varint()?)
                .map_err(|_| Error::corrupt("a place exceeds 32 bits"))?;
            Some(self.fingerprint << PLACE_BITS | u64::from(place.rotate_right(1)))
        };
        Ok(())
    }
}

/// Sorts by the fingerprint with three counting passes, then by place within a token; much
/// faster than comparing, as most tokens are rare and places come nearly in order.
fn sort_pairs(pairs: &mut Vec<u64>, spare: &mut Vec<u64>) {
    const SMALL: usize = 4096;
    if pairs.len() <= SMALL {
        pairs.sort_unstable();
        return;
    }
    for (shift, bits) in [(32, 10), (42, 9), (51, 9)] {
        spare.clear();
        spare.resize(pairs.len(), 0);
        let mask = (1usize << bits) - 1;
        let mut starts = vec![0usize; 1 << bits];
        for pair in pairs.iter() {
            starts[(pair >> shift) as usize & mask] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        for &pair in pairs.iter() {
            let start = &mut starts[(pair >> shift) as usize & mask];
            spare[*start] = pair;
            *start += 1;
        }
        std::mem::swap(pairs, spare);
    }
    for token in pairs.chunk_by_mut(|a, b| a >> PLACE_BITS == b >> PLACE_BITS) {
        if !token.is_sorted() {
            token.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_sorted_and_once() {
        for count in [100u64, 10_000, 2_600_000] {
            let mut runs = TokenRuns::default();
            let mut expected = std::collections::BTreeSet::new();
            let mut state = 7u64;
            for _ in 0..count {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(11);
                let fingerprint = (state >> 60 << 20 | state >> 40 & 0x3FF) as u32;
                let place = (state >> 33) as u32 & 0x7F | (state as u32 & 1) << 31;
                runs.push(fingerprint, place);
                runs.relieve();
                expected.insert((fingerprint, place));
            }
            let tokens: std::collections::BTreeSet<u32> =
                expected.iter().map(|pair| pair.0).collect();
            assert_eq!(runs.close().unwrap(), tokens.len());
            let mut got = Vec::new();
            runs.each(|fingerprint, place| {
                got.push((fingerprint, place));
                Ok(())
            })
            .unwrap();
            assert!(got.iter().eq(expected.iter()));
        }
    }
}
