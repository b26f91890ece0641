//! Chains as bytes: `docs/format-chains.md`, version 1.

use std::fmt;

use super::chain::{CHAIN_BLOCK_BYTES, Chain, head_count, kept_blocks, low};
use super::chain_marks::Marks;

const VERSION: u8 = 1;
const MID_LINE: u8 = 1;
const FIRST_LINE: u8 = 2;

/// Bytes that should be an encoded chain, sample or checkpoint and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError(String);

impl FormatError {
    pub(super) fn new(what: &str, why: &str) -> Self {
        Self(format!("these bytes are no encoded {what}: {why}"))
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}

impl Chain {
    /// The chain as bytes, which [`decode`](Self::decode) reads back. They carry a version and no
    /// checksum: whoever stores them keeps one.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + 8 * (self.head.len() + self.marks.len()));
        out.push(VERSION);
        let mid_line = if self.mid_line { MID_LINE } else { 0 };
        let first_line = if self.first_line.is_some() {
            FIRST_LINE
        } else {
            0
        };
        out.push(mid_line | first_line);
        out.extend(self.length.to_le_bytes());
        out.extend(self.lines.to_le_bytes());
        if let Some((length, hash)) = self.first_line {
            out.extend(length.to_le_bytes());
            out.extend(hash.to_le_bytes());
        }
        for hash in &self.head {
            out.extend(hash.to_le_bytes());
        }
        for (_, hash) in self.marks.iter() {
            out.extend(hash.to_le_bytes());
        }
        if self.length >= CHAIN_BLOCK_BYTES {
            out.extend(self.before.to_le_bytes());
            out.extend(self.last.to_le_bytes());
        }
        if !self.length.is_multiple_of(CHAIN_BLOCK_BYTES) {
            out.extend(self.end.to_le_bytes());
        }
        out
    }

    /// Reads an encoded chain; all bytes must be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("chain", bytes);
        let chain = Self::read(&mut reader)?;
        reader.end()?;
        Ok(chain)
    }

    /// Reads an encoded chain that others may follow.
    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        reader.version(VERSION)?;
        let flags = reader.u8()?;
        if flags & !(MID_LINE | FIRST_LINE) != 0 {
            return Err(reader.wrong("unknown flags"));
        }
        let length = reader.u64()?;
        let lines = reader.u64()?;
        let first_line = if flags & FIRST_LINE != 0 {
            Some((reader.u32()?, reader.u64()?))
        } else {
            None
        };
        let head = (0..head_count(length))
            .map(|_| reader.u64())
            .collect::<Result<_, _>>()?;
        let blocks = kept_blocks(length);
        let hashes = blocks
            .iter()
            .map(|_| reader.u64())
            .collect::<Result<Vec<_>, _>>()?;
        let whole = length >= CHAIN_BLOCK_BYTES;
        let before = if whole { reader.u128()? } else { 0 };
        let last = if whole { reader.u128()? } else { 0 };
        let end = if length.is_multiple_of(CHAIN_BLOCK_BYTES) {
            last
        } else {
            reader.u128()?
        };
        let chain = Self {
            length,
            lines,
            mid_line: flags & MID_LINE != 0,
            first_line,
            head,
            marks: Marks::of(blocks, hashes.into_iter()),
            before,
            last,
            end,
        };
        chain.check().map_err(|why| reader.wrong(why))?;
        Ok(chain)
    }

    /// What every chain obeys, so that damaged bytes are not taken for one.
    fn check(&self) -> Result<(), &'static str> {
        let newest = self.marks.iter().last().map_or(0, |(_, hash)| hash);
        if newest != low(self.last) {
            return Err("the last block's two hashes differ");
        }
        if self.lines > self.length {
            return Err("more lines than bytes");
        }
        match self.first_line {
            Some((length, _))
                if length == 0 || u64::from(length) > self.length.min(CHAIN_BLOCK_BYTES) =>
            {
                Err("a first line longer than the stream or a block")
            }
            _ => Ok(()),
        }
    }
}

/// Steps through encoded bytes.
pub(super) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    pub(super) fn wrong(&self, why: &str) -> FormatError {
        FormatError::new(self.what, why)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.wrong("they end early"));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let bytes = self.bytes(N)?;
        Ok(bytes.try_into().expect("as many bytes as were asked for"))
    }

    pub(super) fn version(&mut self, known: u8) -> Result<(), FormatError> {
        let version = self.u8()?;
        if version == known {
            return Ok(());
        }
        Err(self.wrong(&format!("version {version}, known is {known}")))
    }

    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, FormatError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(super) fn u128(&mut self) -> Result<u128, FormatError> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub(super) fn end(&self) -> Result<(), FormatError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.wrong("bytes are left over"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::super::chain::ChainBuilder;
    use super::*;

    fn chain_of(length: usize) -> Chain {
        let line = b"Nov 22 13:20:35 mx postfix/qmgr[180]: 4YbCdE1xyz: removed\n";
        let mut builder = ChainBuilder::new();
        builder.update(
            &line
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect::<Vec<u8>>(),
        );
        builder.chain()
    }

    /// Chains on people's disks: these bytes stay readable for ever. The hashes were computed with
    /// another implementation of xxh3 (Python's `xxhash`), from the document alone.
    #[test]
    fn golden_bytes() {
        let mut builder = ChainBuilder::new();
        builder.update(b"first\nsecond begins.");
        let hex: String = builder
            .chain()
            .encode()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let fields = [
            "01",                               // version
            "03",                               // ends mid-line, has a first line
            "1400000000000000",                 // length
            "0100000000000000",                 // lines
            "060000000dbcceaf95441aa6",         // length and hash of the first line
            "af06a6b688e7992bd08681f99b34f1bf", // end
        ];
        assert_eq!(hex, fields.concat());
        let long = chain_of(200_000).encode();
        assert_eq!(
            (long.len(), xxhash_rust::xxh3::xxh3_64(&long)),
            (174, 0x5908_87b8_a633_a539)
        );
    }

    #[test]
    fn damage_is_refused() {
        let bytes = chain_of(200_000).encode();
        for length in 0..bytes.len() {
            assert!(Chain::decode(&bytes[..length]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Chain::decode(&longer).is_err());
        let mut other = bytes;
        other[0] = 2;
        let error = Chain::decode(&other).unwrap_err().to_string();
        assert_eq!(
            error,
            "these bytes are no encoded chain: version 2, known is 1"
        );
    }

    proptest! {
        #[test]
        fn chains_round_trip(length in 0usize..700_000) {
            let chain = chain_of(length);
            prop_assert_eq!(Chain::decode(&chain.encode()), Ok(chain));
        }

        /// A stored chain may be anything; its length field alone must not cost memory.
        #[test]
        fn any_bytes_are_safe(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(version) = bytes.first_mut() {
                *version = VERSION;
            }
            let _ = Chain::decode(&bytes);
        }
    }
}
