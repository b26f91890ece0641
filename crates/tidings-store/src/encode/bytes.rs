//! Parquet's encodings of byte strings: plain, with packed lengths, and front coded.

use super::delta;
use super::varint::Cursor;
use crate::{Error, Result};

/// Byte strings end to end; entry `i` is `bytes[ends[i - 1]..ends[i]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arena {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
}

impl Arena {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
    }

    /// An entry; empty beyond the end.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 {
            0
        } else {
            self.ends.get(at - 1).copied().unwrap_or(0)
        };
        let end = self.ends.get(at).copied().unwrap_or(start);
        &self.bytes[start..end]
    }
}

/// Appends `PLAIN` byte strings: a length of four bytes each.
pub(crate) fn encode_plain<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for value in values {
        // The writer refuses values of 1 GiB and more.
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value);
    }
}

/// Appends `count` decoded `PLAIN` byte strings.
pub(crate) fn decode_plain(input: &[u8], count: usize, out: &mut Arena) -> Result<()> {
    let mut cursor = Cursor::new(input);
    out.ends.reserve(count.min(input.len() / 4));
    out.bytes
        .reserve(input.len().saturating_sub(count.saturating_mul(4)));
    for _ in 0..count {
        let length = cursor.fixed32()? as usize;
        out.push(cursor.take(length)?);
    }
    Ok(())
}

/// Appends `DELTA_LENGTH_BYTE_ARRAY`: all lengths packed, then all bytes.
pub(crate) fn encode_lengths<'a>(
    values: impl Iterator<Item = &'a [u8]> + Clone,
    scratch: &mut Vec<i64>,
    out: &mut Vec<u8>,
) {
    scratch.clear();
    scratch.extend(values.clone().map(|value| value.len() as i64));
    delta::encode(scratch, false, out);
    for value in values {
        out.extend_from_slice(value);
    }
}

/// Appends `count` decoded `DELTA_LENGTH_BYTE_ARRAY` strings.
pub(crate) fn decode_lengths(
    input: &[u8],
    count: usize,
    scratch: &mut Vec<i64>,
    out: &mut Arena,
) -> Result<()> {
    scratch.clear();
    let bytes = delta::decode(input, count, scratch)?;
    let base = out.bytes.len();
    let mut end = 0usize;
    out.ends.reserve(count);
    for &length in scratch.iter() {
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| length <= bytes.len() - end);
        end += length.ok_or_else(|| Error::corrupt("a text's length does not fit its page"))?;
        out.ends.push(base + end);
    }
    out.bytes.extend_from_slice(&bytes[..end]);
    Ok(())
}

/// Appends `DELTA_BYTE_ARRAY`: lengths of the prefix shared with the value before, then the rest
/// with packed lengths.
pub(crate) fn encode_fronts<'a>(
    values: impl Iterator<Item = &'a [u8]> + Clone,
    scratch: &mut Vec<i64>,
    out: &mut Vec<u8>,
) {
    let shared = |previous: &[u8], value: &[u8]| {
        previous
            .iter()
            .zip(value)
            .take_while(|(a, b)| a == b)
            .count()
    };
    scratch.clear();
    let mut previous: &[u8] = &[];
    for value in values.clone() {
        scratch.push(shared(previous, value) as i64);
        previous = value;
    }
    delta::encode(scratch, false, out);
    let prefixes = std::mem::take(scratch);
    let suffixes = values
        .zip(&prefixes)
        .map(|(value, &prefix)| &value[prefix as usize..]);
    let mut lengths = Vec::with_capacity(prefixes.len());
    encode_lengths(suffixes, &mut lengths, out);
    *scratch = prefixes;
}

/// Appends `count` decoded `DELTA_BYTE_ARRAY` strings.
pub(crate) fn decode_fronts(
    input: &[u8],
    count: usize,
    scratch: &mut Vec<i64>,
    out: &mut Arena,
) -> Result<()> {
    /// A page holds at most this many bytes unpacked, whatever its prefixes claim.
    const MAX_BYTES: usize = 1 << 31;
    scratch.clear();
    let rest = delta::decode(input, count, scratch)?;
    let mut lengths = Vec::new();
    let mut suffixes = Cursor::new(delta::decode(rest, count, &mut lengths)?);
    let mut previous = out.bytes.len()..out.bytes.len();
    let base = out.bytes.len();
    out.ends.reserve(count);
    for (&prefix, &length) in scratch.iter().zip(&lengths) {
        let wrong = || Error::corrupt("a text's length does not fit its page");
        let prefix = usize::try_from(prefix).map_err(|_| wrong())?;
        let suffix = suffixes.take(usize::try_from(length).map_err(|_| wrong())?)?;
        let start = out.bytes.len();
        if prefix > previous.len() || start - base > MAX_BYTES {
            return Err(wrong());
        }
        out.bytes
            .extend_from_within(previous.start..previous.start + prefix);
        out.bytes.extend_from_slice(suffix);
        previous = start..out.bytes.len();
        out.ends.push(out.bytes.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn strings_are_undone(values in proptest::collection::vec("[ab]{0,6}", 0..300)) {
            let texts = || values.iter().map(|value| value.as_bytes());
            let mut expected = Arena::default();
            expected.push(b"before");
            texts().for_each(|text| expected.push(text));
            let mut scratch = Vec::new();
            let (mut plain, mut lengths, mut fronts) = (Vec::new(), Vec::new(), Vec::new());
            encode_plain(texts(), &mut plain);
            encode_lengths(texts(), &mut scratch, &mut lengths);
            encode_fronts(texts(), &mut scratch, &mut fronts);
            let mut back = [Arena::default(), Arena::default(), Arena::default()];
            back.iter_mut().for_each(|arena| arena.push(b"before"));
            decode_plain(&plain, values.len(), &mut back[0]).unwrap();
            decode_lengths(&lengths, values.len(), &mut scratch, &mut back[1]).unwrap();
            decode_fronts(&fronts, values.len(), &mut scratch, &mut back[2]).unwrap();
            for arena in back {
                prop_assert_eq!(&arena, &expected);
            }
        }
    }
}
