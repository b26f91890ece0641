//! The content chain: what a log file is recognised by, whatever its name, inode or compression.
//!
//! A chain holds hashes of prefixes of a stream: after the first line, at powers of two from 128
//! bytes, at multiples of 64 KiB (the older, the fewer) and at the end. The hash of a prefix is
//! itself chained block by block, so a reader that knows one block's value goes on from there: to
//! resume a stream costs the rereading of at most 128 KiB, never of the whole file.
//!
//! The hash is xxh3-128 (a frozen specification). It tells files apart that differ by accident;
//! it is no defence against somebody who writes a log in order to make two files collide.

use memchr::{memchr, memchr_iter};
use xxhash_rust::xxh3::Xxh3Default;

use super::chain_marks::{self, Marks};

/// Bytes of a block: prefixes are hashed at its multiples.
pub const CHAIN_BLOCK_BYTES: u64 = 64 * 1024;

/// The first power of two at which a prefix is hashed.
pub(super) const HEAD_FIRST: u64 = 128;

/// The identity of a stream of bytes, as far as it is known.
///
/// A few hundred bytes to 4 KiB when encoded, 10 GB of log included; see
/// `docs/format-chains.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub(super) length: u64,
    pub(super) lines: u64,
    pub(super) mid_line: bool,
    /// Length with its `\n`, and the prefix's hash there.
    pub(super) first_line: Option<(u32, u64)>,
    /// Hashes at 128, 256 … 32,768 bytes, as far as the stream reaches.
    pub(super) head: Vec<u64>,
    /// Hashes at multiples of the block.
    pub(super) marks: Marks,
    /// The running value one block before the last whole one, where resuming starts.
    pub(super) before: u128,
    /// The running value at the last whole block.
    pub(super) last: u128,
    /// The value at the end.
    pub(super) end: u128,
}

impl Chain {
    /// The chain of an empty stream.
    #[must_use]
    pub fn empty() -> Self {
        ChainBuilder::new().chain()
    }

    /// Bytes that the chain covers.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Line ends (`\n`) among those bytes.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether the last byte is no `\n`: what follows continues a line that was begun.
    #[must_use]
    pub fn ends_mid_line(&self) -> bool {
        self.mid_line
    }

    /// A number made of the stream's first line, the same however far the stream has grown.
    ///
    /// `None` while there is no whole first line (a first line beyond 64 KiB is replaced by the
    /// first 64 KiB). Two streams that begin with the same line share it.
    #[must_use]
    pub fn stream(&self) -> Option<u64> {
        match self.first_line {
            Some((_, hash)) => Some(hash),
            None => self.marks.first(),
        }
    }

    /// Where rereading starts to resume this chain: a multiple of the block, at most 128 KiB
    /// before the end.
    #[must_use]
    pub fn resume_offset(&self) -> u64 {
        (self.length / CHAIN_BLOCK_BYTES).saturating_sub(1) * CHAIN_BLOCK_BYTES
    }

    /// Bytes of the first line, 0 if it is not whole.
    pub(super) fn first_line_length(&self) -> u64 {
        self.first_line.map_or(0, |(length, _)| length.into())
    }

    /// The chain without what lies between its first line and its end: a stream of which nothing
    /// more comes is recognised by these. `None` without a first line.
    pub(super) fn outline(&self) -> Option<Chain> {
        Some(Chain::of_outline(self.length, self.first_line?, self.end))
    }

    /// The outline of a stream of this length, with this first line and value at its end.
    pub(super) fn of_outline(length: u64, first_line: (u32, u64), end: u128) -> Chain {
        Chain {
            length,
            first_line: Some(first_line),
            end,
            ..Chain::empty()
        }
    }

    /// The places at which the chain can be compared with a stream, ascending, the end last.
    pub(super) fn checks(&self) -> Vec<(u64, u64)> {
        let mut checks: Vec<(u64, u64)> = Vec::with_capacity(12 + self.marks.len());
        checks.extend(
            (HEAD_FIRST.ilog2()..)
                .map(|power| 1 << power)
                .zip(self.head.iter().copied()),
        );
        checks.extend(
            self.marks
                .iter()
                .map(|(block, hash)| (block * CHAIN_BLOCK_BYTES, hash)),
        );
        checks.extend(
            self.first_line
                .map(|(length, hash)| (u64::from(length), hash)),
        );
        checks.push((self.length, low(self.end)));
        checks.sort_unstable();
        checks.dedup();
        checks
    }
}

/// Hashes a stream as it passes.
#[derive(Clone)]
pub struct ChainBuilder {
    hasher: Box<Xxh3Default>,
    chain: Chain,
}

impl ChainBuilder {
    /// A builder at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        let chain = Chain {
            length: 0,
            lines: 0,
            mid_line: false,
            first_line: None,
            head: Vec::new(),
            marks: Marks::new(),
            before: 0,
            last: 0,
            end: 0,
        };
        Self::at_block(chain)
    }

    /// Goes on where `chain` ended, given the stream's bytes from [`Chain::resume_offset`] to the
    /// chain's end.
    ///
    /// `None` if these are other bytes: then the stream is not the one that the chain describes.
    #[must_use]
    pub fn resume(chain: &Chain, since: &[u8]) -> Option<Self> {
        let from = chain.resume_offset();
        if from + since.len() as u64 != chain.length {
            return None;
        }
        let mut builder = if from == 0 {
            Self::new()
        } else {
            let mut start = chain.clone();
            start.length = from;
            start.last = chain.before;
            start.marks.cut(from / CHAIN_BLOCK_BYTES);
            Self::at_block(start)
        };
        builder.update(since);
        let found = &mut builder.chain;
        found.lines = chain.lines;
        found.before = chain.before;
        found.mid_line = chain.mid_line;
        (builder.chain() == *chain).then_some(builder)
    }

    /// Takes the stream's next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.update_counted(bytes, memchr_iter(b'\n', bytes).count() as u64);
    }

    /// As [`update`](Self::update), for a caller who has counted the line ends.
    pub(super) fn update_counted(&mut self, mut bytes: &[u8], newlines: u64) {
        let Some(last) = bytes.last() else {
            return;
        };
        self.chain.mid_line = *last != b'\n';
        self.chain.lines += newlines;
        while !bytes.is_empty() {
            let taken = self.stretch(bytes);
            self.hasher.update(&bytes[..taken]);
            self.chain.length += taken as u64;
            self.mark(bytes[taken - 1]);
            bytes = &bytes[taken..];
        }
    }

    /// How many of `bytes` go by before the next place where a hash may be wanted; at least 1.
    fn stretch(&self, bytes: &[u8]) -> usize {
        let at = self.chain.length;
        let stop = if at < CHAIN_BLOCK_BYTES {
            (at + 1).next_power_of_two().max(HEAD_FIRST)
        } else {
            (at / CHAIN_BLOCK_BYTES + 1) * CHAIN_BLOCK_BYTES
        };
        // At most a block, so it fits.
        let taken = bytes.len().min((stop - at) as usize);
        if at < CHAIN_BLOCK_BYTES && self.chain.first_line.is_none() {
            return memchr(b'\n', &bytes[..taken]).map_or(taken, |end| end + 1);
        }
        taken
    }

    /// Notes the hash where one is wanted; `byte` is the one before this place.
    fn mark(&mut self, byte: u8) {
        let at = self.chain.length;
        let in_head = at <= CHAIN_BLOCK_BYTES;
        if at.is_multiple_of(CHAIN_BLOCK_BYTES) {
            self.end_block();
        } else if in_head && at >= HEAD_FIRST && at.is_power_of_two() {
            self.chain.head.push(low(self.value()));
        }
        if in_head && byte == b'\n' && self.chain.first_line.is_none() {
            // At most 65,536.
            self.chain.first_line = Some((at as u32, low(self.value())));
        }
    }

    fn end_block(&mut self) {
        let value = self.hasher.digest128();
        self.chain.before = self.chain.last;
        self.chain.last = value;
        self.chain
            .marks
            .push(self.chain.length / CHAIN_BLOCK_BYTES, low(value));
        self.begin_block();
    }

    /// The hash of the bytes so far.
    pub(super) fn value(&self) -> u128 {
        if self.chain.length.is_multiple_of(CHAIN_BLOCK_BYTES) {
            self.chain.last
        } else {
            self.hasher.digest128()
        }
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.chain.length
    }

    /// Line ends so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.chain.lines
    }

    /// Whether the last byte so far is no `\n`.
    #[must_use]
    pub fn is_mid_line(&self) -> bool {
        self.chain.mid_line
    }

    /// As [`Chain::stream`], of the bytes so far.
    #[must_use]
    pub fn stream(&self) -> Option<u64> {
        self.chain.stream()
    }

    /// The chain of the bytes so far.
    #[must_use]
    pub fn chain(&self) -> Chain {
        let mut chain = self.chain.clone();
        chain.marks.thin(chain.length / CHAIN_BLOCK_BYTES);
        chain.end = self.value();
        chain
    }

    /// A builder at a multiple of the block, with `chain.last` as the value there.
    fn at_block(chain: Chain) -> Self {
        let mut builder = Self {
            hasher: Box::default(),
            chain,
        };
        builder.begin_block();
        builder
    }

    /// A block's hash begins with the value of what came before it.
    fn begin_block(&mut self) {
        self.hasher.reset();
        self.hasher.update(&self.chain.last.to_le_bytes());
    }
}

impl Default for ChainBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ChainBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The hasher's state says nothing to a person.
        f.debug_struct("ChainBuilder")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// The half of a hash that is kept for comparing.
pub(super) fn low(value: u128) -> u64 {
    value as u64
}

/// How many hashes of the head a stream of `length` bytes has.
pub(super) fn head_count(length: u64) -> usize {
    if length < HEAD_FIRST {
        return 0;
    }
    let powers = length.min(CHAIN_BLOCK_BYTES / 2).ilog2() - HEAD_FIRST.ilog2() + 1;
    powers as usize
}

/// How many hashes at multiples of the block are kept of a stream of `length` bytes.
pub(super) fn kept_blocks(length: u64) -> Vec<u64> {
    chain_marks::kept(length / CHAIN_BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    fn text(lines: usize) -> Vec<u8> {
        (0..lines)
            .flat_map(|n| {
                format!("Nov 22 13:20:{:02} mx postfix/qmgr[{n}]: removed\n", n % 60).into_bytes()
            })
            .collect()
    }

    fn chain_of(bytes: &[u8]) -> Chain {
        let mut builder = ChainBuilder::new();
        builder.update(bytes);
        builder.chain()
    }

    #[test]
    fn a_hash_is_of_the_prefix_alone() {
        let bytes = text(9_000);
        let whole = chain_of(&bytes);
        for (at, hash) in whole.checks() {
            let prefix = chain_of(&bytes[..at as usize]);
            assert_eq!(low(prefix.end), hash, "at {at}");
        }
    }

    #[test]
    fn one_changed_byte_changes_every_hash_behind_it() {
        let mut bytes = text(9_000);
        let before = chain_of(&bytes);
        bytes[70_000] ^= 1;
        let after = chain_of(&bytes);
        for (old, new) in before.checks().iter().zip(after.checks()) {
            assert_eq!(old.1 == new.1, old.0 <= 70_000, "at {}", old.0);
        }
    }

    #[test]
    fn lines_are_counted_and_the_first_one_names_the_stream() {
        let chain = chain_of(b"first\nsecond\nthi");
        assert_eq!((chain.length(), chain.lines()), (16, 2));
        assert!(chain.ends_mid_line());
        assert_eq!(chain.stream(), chain_of(b"first\n").stream());
        assert_ne!(chain.stream(), chain_of(b"First\n").stream());
        assert_eq!(chain_of(b"first").stream(), None);
        assert_eq!(Chain::empty().stream(), None);
    }

    #[test]
    fn a_first_line_beyond_the_first_block_is_named_by_the_block() {
        let mut bytes = vec![b'x'; 70_000];
        assert_eq!(chain_of(&bytes[..60_000]).stream(), None);
        let named = chain_of(&bytes).stream();
        assert!(named.is_some());
        bytes.push(b'\n');
        assert_eq!(chain_of(&bytes).stream(), named);
    }

    #[test]
    fn resuming_refuses_other_bytes() {
        let mut bytes = text(9_000);
        let chain = chain_of(&bytes);
        let from = chain.resume_offset() as usize;
        assert!(bytes.len() - from <= 128 * 1024);
        assert!(ChainBuilder::resume(&chain, &bytes[from..]).is_some());
        assert!(ChainBuilder::resume(&chain, &bytes[from + 1..]).is_none());
        bytes[from] ^= 1;
        assert!(ChainBuilder::resume(&chain, &bytes[from..]).is_none());
    }

    proptest! {
        /// However a stream is cut into pieces and resumed, its chain is the same.
        #[test]
        fn pieces_do_not_matter(
            length in 0usize..400_000,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let bytes = &text(9_000)[..length];
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
            cuts.sort_unstable();
            let mut builder = ChainBuilder::new();
            let mut at = 0;
            for cut in cuts.into_iter().chain([length]) {
                builder.update(&bytes[at..cut]);
                let chain = builder.chain();
                let since = &bytes[chain.resume_offset() as usize..cut];
                builder = ChainBuilder::resume(&chain, since).unwrap();
                at = cut;
            }
            prop_assert_eq!(builder.chain(), chain_of(bytes));
        }
    }
}
