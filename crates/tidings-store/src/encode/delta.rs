//! Parquet's `DELTA_BINARY_PACKED`: differences of integers in packed miniblocks.

use super::bits::{pack, unpack, width_of};
use super::varint::{self, Cursor};
use crate::{Error, Result};

const BLOCK: usize = 128;
const MINIBLOCKS: usize = 4;
const MINIBLOCK: usize = BLOCK / MINIBLOCKS;

/// Appends the encoding of `values`. With `whole_bytes`, widths are rounded up to bytes: larger
/// before compression, but the compressor then sees repeated differences (whole seconds, ids).
pub(crate) fn encode(values: &[i64], whole_bytes: bool, out: &mut Vec<u8>) {
    varint::put(out, BLOCK as u64);
    varint::put(out, MINIBLOCKS as u64);
    varint::put(out, values.len() as u64);
    varint::put_signed(out, values.first().copied().unwrap_or(0));
    let mut deltas = [0i64; BLOCK];
    let mut previous = values.first().copied().unwrap_or(0);
    for block in values.get(1..).unwrap_or(&[]).chunks(BLOCK) {
        for (delta, &value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(previous);
            previous = value;
        }
        encode_block(&mut deltas[..block.len()], whole_bytes, out);
    }
}

fn encode_block(deltas: &mut [i64], whole_bytes: bool, out: &mut Vec<u8>) {
    let least = deltas.iter().copied().min().unwrap_or(0);
    varint::put_signed(out, least);
    let widths_at = out.len();
    out.extend_from_slice(&[0; MINIBLOCKS]);
    for (at, mini) in deltas.chunks(MINIBLOCK).enumerate() {
        let bits = mini
            .iter()
            .fold(0, |bits, &delta| bits | delta.wrapping_sub(least) as u64);
        let mut width = width_of(bits);
        if whole_bytes {
            width = width.next_multiple_of(8);
        }
        out[widths_at + at] = width as u8;
        let padding = MINIBLOCK - mini.len();
        let offsets = mini.iter().map(|delta| delta.wrapping_sub(least) as u64);
        pack(offsets.chain(std::iter::repeat_n(0, padding)), width, out);
    }
}

/// Appends exactly `count` decoded values; gives the bytes behind them.
pub(crate) fn decode<'a>(input: &'a [u8], count: usize, out: &mut Vec<i64>) -> Result<&'a [u8]> {
    let mut cursor = Cursor::new(input);
    let block = cursor.size()?;
    let miniblocks = cursor.size()?;
    let total = cursor.size()?;
    let first = cursor.signed()?;
    if total != count {
        return Err(Error::corrupt(format!(
            "{total} differences where {count} were written"
        )));
    }
    if miniblocks == 0
        || miniblocks > 512
        || block > 1 << 20
        || !block.is_multiple_of(miniblocks * 8)
    {
        return Err(Error::corrupt(
            "a block of differences has an impossible shape",
        ));
    }
    if count == 0 {
        return Ok(cursor.rest);
    }
    let per_mini = block / miniblocks;
    out.reserve(count);
    out.push(first);
    let mut value = first;
    let mut left = count - 1;
    while left > 0 {
        let least = cursor.signed()?;
        let widths = cursor.take(miniblocks)?;
        for &width in widths {
            if left == 0 {
                break;
            }
            let width = u32::from(width);
            if width > 64 {
                return Err(Error::corrupt("a bit width exceeds 64"));
            }
            let bytes = cursor.take(per_mini * width as usize / 8)?;
            let here = per_mini.min(left);
            unpack(bytes, width, here, |offset| {
                value = value.wrapping_add(least).wrapping_add(offset as i64);
                out.push(value);
            });
            left -= here;
        }
    }
    Ok(cursor.rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn values_are_undone(wild in proptest::collection::vec(any::<i64>(), 0..300), tame in proptest::collection::vec(0i64..90, 0..700), whole in any::<bool>()) {
            for values in [wild, tame] {
                let mut bytes = Vec::new();
                encode(&values, whole, &mut bytes);
                bytes.push(7);
                let mut back = Vec::new();
                prop_assert_eq!(decode(&bytes, values.len(), &mut back).unwrap(), &[7][..]);
                prop_assert_eq!(&back, &values);
                prop_assert!(decode(&bytes, values.len() + 1, &mut back).is_err());
            }
        }
    }
}
