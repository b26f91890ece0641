//! Parquet's hybrid of run lengths and bit packing, for dictionary codes and definition levels.

use super::bits::{pack, unpack};
use super::varint::{self, Cursor};
use crate::{Error, Result};

/// A run this long or longer leaves bit packing; a packed run holds whole groups of 8.
const MIN_RUN: usize = 8;

/// Appends `codes` at a bit width, in the cheaper of two shapes: runs of 8 and more between
/// packed groups, or nothing but runs (rows of one span repeat a code a handful of times, which
/// packing would store each time).
pub(crate) fn encode(codes: &[u32], width: u32, out: &mut Vec<u8>) {
    let runs = 1 + codes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let run_bytes = 1 + width.div_ceil(8) as usize;
    // Runs compress better than packed bits that straddle bytes, so they may cost a bit more.
    if runs * run_bytes * 8 <= codes.len() * width as usize {
        encode_runs(codes, width, out);
    } else {
        encode_mixed(codes, width, out);
    }
}

fn encode_runs(codes: &[u32], width: u32, out: &mut Vec<u8>) {
    for run in codes.chunk_by(|a, b| a == b) {
        put_run(run[0], run.len(), width, out);
    }
}

fn put_run(code: u32, length: usize, width: u32, out: &mut Vec<u8>) {
    varint::put(out, (length as u64) << 1);
    out.extend_from_slice(&code.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn encode_mixed(codes: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < codes.len() {
        let code = codes[at];
        let length = codes[at..]
            .iter()
            .take_while(|&&other| other == code)
            .count();
        // The packed run before this one must hold whole groups: it borrows from the run's head.
        let borrowed = (packed_from..at).len().next_multiple_of(8) - (at - packed_from);
        if length >= MIN_RUN + borrowed {
            put_packed(&codes[packed_from..at + borrowed], width, out);
            put_run(code, length - borrowed, width, out);
            packed_from = at + length;
        }
        at += length;
    }
    put_packed(&codes[packed_from..], width, out);
}

fn put_packed(codes: &[u32], width: u32, out: &mut Vec<u8>) {
    if codes.is_empty() {
        return;
    }
    let groups = codes.len().div_ceil(8);
    varint::put(out, (groups as u64) << 1 | 1);
    let padding = groups * 8 - codes.len();
    let padded = codes.iter().copied().chain(std::iter::repeat_n(0, padding));
    pack(padded.map(u64::from), width, out);
}

/// Decodes `count` codes; an input that holds fewer is damaged.
pub(crate) fn decode(input: &[u8], width: u32, count: usize, out: &mut Vec<u32>) -> Result<()> {
    if width > 32 {
        return Err(Error::corrupt("a bit width exceeds 32"));
    }
    let mut cursor = Cursor::new(input);
    let end = out.len() + count;
    while out.len() < end {
        let header = cursor.varint()?;
        let left = end - out.len();
        let length = usize::try_from(header >> 1).unwrap_or(usize::MAX);
        if header & 1 == 0 {
            let mut bytes = [0; 4];
            let taken = cursor.take(width.div_ceil(8) as usize)?;
            bytes[..taken.len()].copy_from_slice(taken);
            out.resize(out.len() + length.min(left), u32::from_le_bytes(bytes));
        } else {
            let taken = length.saturating_mul(8).min(left.next_multiple_of(8));
            let bytes = cursor.take((taken * width as usize).div_ceil(8))?;
            // A width of at most 32 bits leaves 32 bits a value.
            unpack(bytes, width, taken.min(left), |code| out.push(code as u32));
        }
        if length == 0 {
            return Err(Error::corrupt("a run has no length"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};

    fn runs() -> impl Strategy<Value = Vec<u32>> {
        let run = (0u32..200, prop_oneof![Just(1usize), 1..6usize, 1..60usize]);
        proptest::collection::vec(run, 0..60).prop_map(|runs| {
            runs.into_iter()
                .flat_map(|(code, length)| vec![code; length])
                .collect()
        })
    }

    proptest! {
        #[test]
        fn codes_are_undone(codes in runs()) {
            for encoder in [encode, encode_runs, encode_mixed] {
                let mut bytes = Vec::new();
                encoder(&codes, 8, &mut bytes);
                let mut back = Vec::new();
                decode(&bytes, 8, codes.len(), &mut back).unwrap();
                prop_assert_eq!(&back, &codes);
            }
        }
    }
}
