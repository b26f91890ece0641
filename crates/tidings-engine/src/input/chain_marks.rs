//! Which of a chain's hashes are kept: all of the newest 64 blocks, then half as many for each
//! doubling of the age, and every power of two.
//!
//! So a chain of n blocks keeps about 64 + 32 × log2(n / 64) hashes: 0.5 KiB for 4 MiB of log,
//! 3.5 KiB for 10 GB, 5 KiB for a terabyte. What is kept depends on n alone, and what is kept at n
//! was kept at every smaller n, so thinning now and then gives the same as thinning always.

/// Blocks behind the end of which every hash is kept.
const DENSE: u64 = 64;

/// Hashes by block number, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marks(Vec<(u64, u64)>);

impl Marks {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Pairs the hashes of an encoded chain with the block numbers that are kept at its length.
    pub(super) fn of(blocks: Vec<u64>, hashes: impl Iterator<Item = u64>) -> Self {
        Self(blocks.into_iter().zip(hashes).collect())
    }

    /// Appends the hash at the end of a block and drops old ones from time to time.
    pub(super) fn push(&mut self, block: u64, hash: u64) {
        self.0.push((block, hash));
        if block.is_multiple_of(DENSE) {
            self.thin(block);
        }
    }

    /// Drops what is not kept of a stream of so many blocks.
    pub(super) fn thin(&mut self, blocks: u64) {
        self.0.retain(|(block, _)| is_kept(*block, blocks));
    }

    /// Drops what lies behind a block.
    pub(super) fn cut(&mut self, last: u64) {
        self.0.retain(|(block, _)| *block <= last);
    }

    /// The hash of the first block, which is always kept.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.first().map(|(_, hash)| *hash)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }
}

/// Whether the hash of a block is kept in a stream of so many blocks.
fn is_kept(block: u64, blocks: u64) -> bool {
    block.is_power_of_two() || block.is_multiple_of(1 << level(blocks - block))
}

/// Hashes whose block numbers have this many zero bits at the end are kept at an age.
fn level(age: u64) -> u32 {
    match age / DENSE {
        0 => 0,
        ages => ages.ilog2() + 1,
    }
}

/// The block numbers kept in a stream of so many blocks, ascending; without counting them all.
pub(super) fn kept(blocks: u64) -> Vec<u64> {
    let mut kept: Vec<u64> = (0..64)
        .map(|power| 1 << power)
        .take_while(|block| *block <= blocks)
        .collect();
    let mut oldest = blocks;
    let mut level = 0;
    // Level n covers the ages from 32 << n (0 for n = 0) to 64 << n.
    while oldest > 0 {
        let newest = oldest;
        oldest = blocks.saturating_sub(DENSE << level);
        let step = 1u64 << level;
        let first = (oldest + 1).next_multiple_of(step);
        kept.extend((first..=newest).step_by(step as usize));
        level += 1;
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_thinning_leaves() {
        let mut marks = Marks::new();
        for blocks in 1..5_000 {
            marks.push(blocks, blocks * 3);
            let mut thinned = marks.clone();
            thinned.thin(blocks);
            let by_rule: Vec<u64> = (1..=blocks)
                .filter(|block| is_kept(*block, blocks))
                .collect();
            assert_eq!(kept(blocks), by_rule, "{blocks} blocks");
            assert_eq!(
                thinned.iter().map(|(block, _)| block).collect::<Vec<_>>(),
                by_rule
            );
        }
    }

    #[test]
    fn large_streams_keep_few_hashes() {
        assert!(kept(64).len() == 64);
        let ten_gigabytes = kept(10_000_000_000 / 65_536).len();
        assert!((400..460).contains(&ten_gigabytes), "{ten_gigabytes}");
        assert!(kept(u64::MAX / 65_536).len() < 2_000);
    }
}
