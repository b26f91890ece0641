//! What is known of a part besides its rows, and its id.

use std::fmt;

/// A part's number, never used twice while the part it named may be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub u64);

impl fmt::Display for PartId {
    /// Eight hexadecimal digits or more, as in file names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Marks of a part. Parts with different marks are never merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PartFlags(u8);

impl PartFlags {
    /// No mark: rows that were met live.
    pub const LIVE: Self = Self(0);
    /// Rows from an import of old logs; they have a retention of their own.
    pub const IMPORTED: Self = Self(1);

    /// Whether its rows were imported.
    pub fn is_imported(self) -> bool {
        self.0 & Self::IMPORTED.0 != 0
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}
