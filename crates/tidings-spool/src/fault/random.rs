//! A small seeded generator, so that a failing crash can be run again.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Decides what of the unsynced state survives a crash.
#[derive(Debug)]
pub(super) enum Fate {
    /// Nothing does.
    AllLost,
    /// Everything does.
    AllKept,
    /// Each piece for itself.
    Drawn(Random),
}

impl Fate {
    pub(super) fn of(seed: u64) -> Self {
        match seed {
            0 => Self::AllLost,
            1 => Self::AllKept,
            _ => Self::Drawn(Random::new(seed)),
        }
    }

    /// Whether the next piece survives.
    pub(super) fn keeps(&mut self) -> bool {
        match self {
            Self::AllLost => false,
            Self::AllKept => true,
            Self::Drawn(random) => random.next() & 1 == 1,
        }
    }

    /// The fate of one operation that has several pieces: often all or none of them survive,
    /// which single draws would hardly ever give.
    pub(super) fn of_operation(&mut self) -> Self {
        match self {
            Self::AllLost => Self::AllLost,
            Self::AllKept => Self::AllKept,
            Self::Drawn(random) => match random.next() % 4 {
                0 => Self::AllLost,
                1 => Self::AllKept,
                _ => Self::Drawn(Random::new(random.next())),
            },
        }
    }
}
