//! Numbers of seven bits a byte (ULEB128), and a cursor over bytes that never panics.

use crate::{Error, Result};

/// Appends a ULEB128 number.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, small magnitudes short.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, zigzag(value));
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads bytes from the front; every shortage is an error.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8> {
        let (&first, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| Error::corrupt("bytes end early"))?;
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| Error::corrupt("bytes end early"))?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::corrupt("a number has too many bytes"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64> {
        Ok(unzigzag(self.varint()?))
    }

    /// A number that counts things in memory.
    pub(crate) fn size(&mut self) -> Result<usize> {
        usize::try_from(self.varint()?).map_err(|_| Error::corrupt("a size is too large"))
    }

    /// A count of items that each take at least one byte here, so that a wrong one cannot
    /// reserve more memory than the input has bytes.
    pub(crate) fn count(&mut self) -> Result<usize> {
        let count = self.size()?;
        if count > self.rest.len() {
            return Err(Error::corrupt("a count is larger than what follows"));
        }
        Ok(count)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        u32::try_from(self.varint()?).map_err(|_| Error::corrupt("a number exceeds 32 bits"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    pub(crate) fn string(&mut self) -> Result<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Error::corrupt("a name is not UTF-8"))
    }

    /// Four bytes, little endian.
    pub(crate) fn fixed32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(
            self.take(4)?.try_into().expect("four bytes were taken"),
        ))
    }

    /// Eight bytes, little endian.
    pub(crate) fn fixed64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(
            self.take(8)?.try_into().expect("eight bytes were taken"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn numbers_are_undone(a in any::<u64>(), b in any::<i64>()) {
            let mut bytes = Vec::new();
            put(&mut bytes, a);
            put_signed(&mut bytes, b);
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.varint().unwrap(), a);
            prop_assert_eq!(cursor.signed().unwrap(), b);
            prop_assert!(cursor.is_empty());
            prop_assert!(Cursor::new(&bytes[..bytes.len() - 1]).varint().and_then(|_| cursor.signed()).is_err());
        }
    }
}
