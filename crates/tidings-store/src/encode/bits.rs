//! Bits in bytes, least significant first, as Parquet packs them.

use crate::{Error, Result};

/// Appends values of any width up to 64 bits.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    word: u64,
    used: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            word: 0,
            used: 0,
        }
    }

    /// Appends the low `width` bits; higher bits must be zero.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, width: u32) {
        debug_assert!(width <= 64 && (width == 64 || value >> width == 0));
        self.word |= value << self.used;
        self.used += width;
        if self.used >= 64 {
            self.out.extend_from_slice(&self.word.to_le_bytes());
            self.used -= 64;
            // `width - used` bits of the value went into the full word.
            self.word = if self.used == 0 {
                0
            } else {
                value >> (width - self.used)
            };
        }
    }

    /// Appends `count` one bits and a zero bit.
    pub(crate) fn put_unary(&mut self, mut count: u64) {
        while count >= 32 {
            self.put(u64::from(u32::MAX), 32);
            count -= 32;
        }
        self.put((1 << count) - 1, count as u32 + 1);
    }

    /// Elias gamma code of a value of at least 1.
    pub(crate) fn put_gamma(&mut self, value: u64) {
        let width = 63 - value.leading_zeros();
        self.put_unary(u64::from(width));
        self.put(value & !(1 << width), width);
    }

    /// Pads to a whole byte and gives the buffer up.
    pub(crate) fn finish(self) {
        let bytes = self.used.div_ceil(8) as usize;
        self.out
            .extend_from_slice(&self.word.to_le_bytes()[..bytes]);
    }
}

/// Reads what a [`BitWriter`] wrote.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    input: &'a [u8],
    bit: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, bit: 0 }
    }

    /// The next 57 bits or more, zero beyond the end.
    #[inline]
    fn peek(&self) -> u64 {
        load(self.input, self.bit / 8) >> (self.bit % 8)
    }

    #[inline]
    pub(crate) fn get(&mut self, width: u32) -> Result<u64> {
        if width > 56 {
            let low = self.get(32)?;
            return Ok(low | self.get(width - 32)? << 32);
        }
        let value = self.peek() & ((1u64 << width) - 1);
        self.bit += width as usize;
        if self.bit > self.input.len() * 8 {
            return Err(Error::corrupt("bits end early"));
        }
        Ok(value)
    }

    #[inline]
    pub(crate) fn get_unary(&mut self) -> Result<u64> {
        let mut count = 0;
        loop {
            let ones = self.peek().trailing_ones();
            if ones < 57 {
                self.bit += ones as usize + 1;
                if self.bit > self.input.len() * 8 {
                    return Err(Error::corrupt("bits end early"));
                }
                return Ok(count + u64::from(ones));
            }
            count += 32;
            self.bit += 32;
        }
    }

    #[inline]
    pub(crate) fn get_gamma(&mut self) -> Result<u64> {
        let width = self.get_unary()?;
        if width > 63 {
            return Err(Error::corrupt("a number has too many bits"));
        }
        Ok(1 << width | self.get(width as u32)?)
    }
}

/// Eight bytes at an offset, zero beyond the end.
#[inline]
pub(crate) fn load(input: &[u8], at: usize) -> u64 {
    match input.get(at..at + 8) {
        Some(bytes) => u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")),
        None => {
            let mut bytes = [0; 8];
            let rest = input.get(at..).unwrap_or(&[]);
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(bytes)
        }
    }
}

/// Bits needed for a value; 0 for 0.
pub(crate) fn width_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Packs values of one width.
#[inline]
pub(crate) fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let mut writer = BitWriter::new(out);
    for value in values {
        writer.put(value, width);
    }
    writer.finish();
}

/// Unpacks `count` values of one width from the head of `input`, zero beyond its end.
#[inline]
pub(crate) fn unpack(input: &[u8], width: u32, count: usize, mut each: impl FnMut(u64)) {
    if width == 0 {
        (0..count).for_each(|_| each(0));
    } else if width <= 56 {
        let mask = (1u64 << width) - 1;
        let mut bit = 0;
        for _ in 0..count {
            each(load(input, bit / 8) >> (bit % 8) & mask);
            bit += width as usize;
        }
    } else {
        let mask = if width >= 64 {
            u64::MAX
        } else {
            (1 << width) - 1
        };
        let mut bit = 0;
        for _ in 0..count {
            let (byte, shift) = (bit / 8, bit % 8);
            let low = u128::from(load(input, byte));
            let high = u128::from(load(input, byte + 8));
            each(((high << 64 | low) >> shift) as u64 & mask);
            bit += width as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn packing_is_undone(values in proptest::collection::vec(any::<u64>(), 0..200), width in 0u32..=64) {
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            let values: Vec<u64> = values.into_iter().map(|value| value & mask).collect();
            let mut bytes = Vec::new();
            pack(values.iter().copied(), width, &mut bytes);
            prop_assert_eq!(bytes.len(), (values.len() * width as usize).div_ceil(8));
            let mut back = Vec::new();
            unpack(&bytes, width, values.len(), |value| back.push(value));
            prop_assert_eq!(&back, &values);
            let mut reader = BitReader::new(&bytes);
            for value in values {
                prop_assert_eq!(reader.get(width).unwrap(), value);
            }
            prop_assert_eq!(reader.get(8).is_err(), true);
        }

        #[test]
        fn codes_are_undone(values in proptest::collection::vec(1u64..1 << 40, 0..50), small in 0u64..300) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for &value in &values {
                writer.put_gamma(value);
                writer.put_unary(small);
            }
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            for value in values {
                prop_assert_eq!(reader.get_gamma().unwrap(), value);
                prop_assert_eq!(reader.get_unary().unwrap(), small);
            }
        }
    }
}
