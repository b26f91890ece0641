//! Places of tokens, packed into blocks of bits.

use std::ops::Range;

use super::{FINGERPRINT_BITS, GRANULE_ROWS};
use crate::encode::bits::{BitReader, BitWriter, width_of};
use crate::encode::varint::{self, Cursor};
use crate::part::layout::PAGE_ROWS;
use crate::{Error, Result, RowSet};

/// Tokens of a block.
pub(crate) const BLOCK_TOKENS: usize = 512;
/// A token in more granules than this is told by pages.
pub(crate) const MAX_GRANULES: usize = 8;

/// Where one token was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) fingerprint: u32,
    /// Sorted numbers of granules, or of pages.
    pub(crate) places: Vec<u32>,
    pub(crate) by_page: bool,
}

/// Bits of a granule's and a page's number in a part of so many rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widths {
    granule: u32,
    page: u32,
    pages: u32,
    rows: u32,
}

impl Widths {
    pub(crate) fn of(rows: u32) -> Self {
        let pages = rows.div_ceil(PAGE_ROWS as u32);
        let last = |count: u32| width_of(u64::from(count.saturating_sub(1)));
        Self {
            granule: last(rows.div_ceil(GRANULE_ROWS)),
            page: last(pages),
            pages,
            rows,
        }
    }
}

/// Appends a block of postings, sorted by fingerprint. The first one's fingerprint is not in it.
pub(crate) fn encode_block(postings: &[Posting], widths: Widths, out: &mut Vec<u8>) {
    varint::put(out, postings.len() as u64);
    let first = postings.first().map_or(0, |posting| posting.fingerprint);
    let span = postings.last().map_or(0, |posting| posting.fingerprint) - first;
    // Rice codes are shortest near the mean's logarithm.
    let mean = u64::from(span) / (postings.len() as u64).max(1);
    let rice = width_of(mean).saturating_sub(1);
    out.push(rice as u8);
    let mut bits = BitWriter::new(out);
    let mut previous = first;
    for (at, posting) in postings.iter().enumerate() {
        if at > 0 {
            // Fingerprints ascend strictly.
            let delta = u64::from(posting.fingerprint - previous - 1);
            bits.put_unary(delta >> rice);
            bits.put(delta & ((1 << rice) - 1), rice);
        }
        previous = posting.fingerprint;
        put_posting(posting, widths, &mut bits);
    }
    bits.finish();
}

fn put_posting(posting: &Posting, widths: Widths, bits: &mut BitWriter<'_>) {
    let places = &posting.places;
    if posting.by_page {
        bits.put(0b11, 2);
        put_pages(places, widths, bits);
    } else if let [only] = places[..] {
        bits.put(0b0, 1);
        bits.put(u64::from(only), widths.granule);
    } else {
        bits.put(0b01, 2);
        bits.put(places.len() as u64 - 2, 3);
        bits.put(
            u64::from(places.first().copied().unwrap_or(0)),
            widths.granule,
        );
        put_steps(places, bits);
    }
}

fn put_pages(places: &[u32], widths: Widths, bits: &mut BitWriter<'_>) {
    let listed: u32 = places
        .windows(2)
        .map(|pair| 2 * width_of(u64::from(pair[1] - pair[0])) - 1)
        .sum();
    if listed + 2 * width_of(places.len() as u64) > widths.pages {
        bits.put(1, 1);
        let mut places = places.iter().copied().peekable();
        for page in 0..widths.pages {
            let set = places.next_if_eq(&page).is_some();
            bits.put(u64::from(set), 1);
        }
    } else {
        bits.put(0, 1);
        bits.put_gamma(places.len() as u64);
        bits.put(u64::from(places.first().copied().unwrap_or(0)), widths.page);
        put_steps(places, bits);
    }
}

fn put_steps(places: &[u32], bits: &mut BitWriter<'_>) {
    for pair in places.windows(2) {
        bits.put_gamma(u64::from(pair[1] - pair[0]));
    }
}

/// Walks a block's postings.
pub(crate) struct BlockReader<'a> {
    bits: BitReader<'a>,
    widths: Widths,
    rice: u32,
    left: usize,
    fingerprint: u32,
    first: bool,
}

impl<'a> BlockReader<'a> {
    pub(crate) fn new(block: &'a [u8], first: u32, widths: Widths) -> Result<Self> {
        let mut cursor = Cursor::new(block);
        let left = cursor.size()?;
        let rice = u32::from(cursor.byte()?);
        if rice > FINGERPRINT_BITS || left > BLOCK_TOKENS {
            return Err(Error::corrupt("a token block has an impossible head"));
        }
        let bits = BitReader::new(cursor.rest);
        Ok(Self {
            bits,
            widths,
            rice,
            left,
            fingerprint: first,
            first: true,
        })
    }

    /// The next token's fingerprint; its posting must be read or skipped before the next.
    pub(crate) fn next(&mut self) -> Result<Option<u32>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        if !std::mem::take(&mut self.first) {
            let high = self.bits.get_unary()?;
            let low = self.bits.get(self.rice)?;
            let next = u64::from(self.fingerprint) + 1 + (high << self.rice | low);
            self.fingerprint = u32::try_from(next)
                .map_err(|_| Error::corrupt("a fingerprint exceeds its bits"))?;
        }
        Ok(Some(self.fingerprint))
    }

    /// Reads the places of the current token, handing each range of rows over in order.
    pub(crate) fn places(&mut self, mut each: impl FnMut(Range<u32>)) -> Result<()> {
        let rows = self.widths.rows;
        let mut emit = |place: u64, step: u32| {
            let start = place.saturating_mul(u64::from(step)).min(u64::from(rows)) as u32;
            each(start..start.saturating_add(step).min(rows));
        };
        if self.bits.get(1)? == 0 {
            let granule = self.bits.get(self.widths.granule)?;
            emit(granule, GRANULE_ROWS);
        } else if self.bits.get(1)? == 0 {
            let count = self.bits.get(3)? + 2;
            let first = self.bits.get(self.widths.granule)?;
            self.steps(first, count, |granule| emit(granule, GRANULE_ROWS))?;
        } else if self.bits.get(1)? == 0 {
            let count = self.bits.get_gamma()?;
            let first = self.bits.get(self.widths.page)?;
            if count > u64::from(self.widths.pages) {
                return Err(Error::corrupt("a token is in more pages than there are"));
            }
            self.steps(first, count, |page| emit(page, PAGE_ROWS as u32))?;
        } else {
            for page in 0..self.widths.pages {
                if self.bits.get(1)? == 1 {
                    emit(u64::from(page), PAGE_ROWS as u32);
                }
            }
        }
        Ok(())
    }

    fn steps(&mut self, first: u64, count: u64, mut each: impl FnMut(u64)) -> Result<()> {
        let mut place = first;
        each(place);
        for _ in 1..count {
            place = place.saturating_add(self.bits.get_gamma()?);
            each(place);
        }
        Ok(())
    }
}

/// The rows that a block gives for a fingerprint.
pub(crate) fn look_up(block: &[u8], first: u32, widths: Widths, wanted: u32) -> Result<RowSet> {
    let mut reader = BlockReader::new(block, first, widths)?;
    while let Some(fingerprint) = reader.next()? {
        let mut rows = RowSet::none();
        if fingerprint > wanted {
            break;
        }
        let hit = fingerprint == wanted;
        reader.places(|range| {
            if hit {
                rows.push(range);
            }
        })?;
        if hit {
            return Ok(rows);
        }
    }
    Ok(RowSet::none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    const ROWS: u32 = 100_000;

    fn postings() -> impl Strategy<Value = Vec<Posting>> {
        let places = (
            any::<bool>(),
            proptest::collection::btree_set(0u32..24, 1..12),
        );
        proptest::collection::btree_map(0u32..1 << 28, places, 1..200).prop_map(|map| {
            map.into_iter()
                .map(|(fingerprint, (by_page, places))| Posting {
                    fingerprint,
                    by_page: by_page || places.len() > MAX_GRANULES,
                    places: places.into_iter().collect(),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn tokens_are_found_where_they_were_put(postings in postings(), other in 0u32..1 << 28) {
            let widths = Widths::of(ROWS);
            let mut block = Vec::new();
            encode_block(&postings, widths, &mut block);
            let first = postings[0].fingerprint;
            for posting in &postings {
                let step = if posting.by_page { PAGE_ROWS as u32 } else { GRANULE_ROWS };
                let expected = posting.places.iter().map(|&place| place * step..((place + 1) * step).min(ROWS));
                let expected = RowSet::from_ranges(expected.collect());
                prop_assert_eq!(look_up(&block, first, widths, posting.fingerprint).unwrap(), expected);
            }
            if postings.iter().all(|posting| posting.fingerprint != other) {
                prop_assert_eq!(look_up(&block, first, widths, other).unwrap(), RowSet::none());
            }
        }
    }
}
