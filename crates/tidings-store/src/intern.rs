//! Distinct byte strings and their codes, in the order they were first met.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::encode::bytes::Arena;

/// After this many distinct values the interner looks whether it is worth its work.
const TRIAL: usize = 4096;
/// Below one repeat in this many values, hashing stops: the column is as good as unique.
const UNIQUE_ABOVE: usize = 12;

/// Gives each distinct value a code, densely from 0. A column whose values hardly repeat is
/// noticed and no longer hashed: then equal values may get several codes.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    arena: Arena,
    /// Open addressing over 2^k places: code + 1 in the low k bits, bits of the hash above, 0 is
    /// free. Small, because looking it up is a miss of the cache for most columns.
    table: Vec<u32>,
    /// Codes in the table; less than the arena's once hashing has stopped.
    hashed: usize,
    repeats: usize,
    unique: bool,
}

impl Interner {
    /// The code of a value.
    #[inline]
    pub(crate) fn code(&mut self, value: &[u8]) -> u32 {
        if self.unique {
            return self.append(value);
        }
        if (self.hashed + 1) * 2 > self.table.len() {
            self.grow();
        }
        let hash = hash_of(value);
        let mask = self.table.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        let tag = hash as u32 & !(mask as u32);
        loop {
            let slot = self.table[at];
            if slot == 0 {
                break;
            }
            if slot & !(mask as u32) == tag {
                let code = (slot & mask as u32) - 1;
                if same(self.arena.get(code as usize), value) {
                    self.repeats += 1;
                    return code;
                }
            }
            at = (at + 1) & mask;
        }
        let code = self.append(value);
        // The table has twice as many places as codes: a code + 1 fits its low bits.
        self.table[at] = tag | (code + 1);
        self.hashed += 1;
        if self.hashed == TRIAL && self.repeats * UNIQUE_ABOVE < self.hashed {
            self.unique = true;
        }
        code
    }

    /// Whether a code is that of a value.
    #[inline]
    pub(crate) fn is(&self, code: u32, value: &[u8]) -> bool {
        same(self.arena.get(code as usize), value)
    }

    fn append(&mut self, value: &[u8]) -> u32 {
        self.arena.push(value);
        // A batch has fewer than 2^32 rows, hence values.
        self.arena.len() as u32 - 1
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(64);
        self.table.clear();
        self.table.resize(size, 0);
        let mask = size - 1;
        for code in 0..self.hashed {
            let hash = hash_of(self.arena.get(code));
            let mut at = (hash >> 32) as usize & mask;
            while self.table[at] != 0 {
                at = (at + 1) & mask;
            }
            self.table[at] = hash as u32 & !(mask as u32) | (code as u32 + 1);
        }
    }

    /// The values, by code.
    pub(crate) fn values(&self) -> &Arena {
        &self.arena
    }

    /// Forgets all values, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.table.fill(0);
        self.hashed = 0;
        self.repeats = 0;
        self.unique = false;
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.arena.bytes.capacity() + self.arena.ends.capacity() * 8 + self.table.capacity() * 4
    }
}

/// Equality of short strings without a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let word = |text: &[u8], at: usize| -> [u8; 8] {
        text[at..at + 8].try_into().expect("eight bytes were taken")
    };
    match a.len() {
        8..=16 => {
            let last = a.len() - 8;
            word(a, 0) == word(b, 0) && word(a, last) == word(b, last)
        }
        17..=32 => {
            let last = a.len() - 8;
            [0, 8, last - 8, last]
                .into_iter()
                .all(|at| word(a, at) == word(b, at))
        }
        _ => a == b,
    }
}

#[inline]
fn hash_of(value: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(value);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_code() {
        let mut interner = Interner::default();
        for round in 0..2 {
            for value in 0..3000u32 {
                assert_eq!(
                    interner.code(value.to_string().as_bytes()),
                    value,
                    "round {round}"
                );
            }
        }
        assert_eq!(interner.code(b""), 3000);
        assert_eq!(interner.values().get(2999), b"2999");
        interner.clear();
        assert_eq!(interner.code(b"x"), 0);
    }

    #[test]
    fn unique_values_stop_the_hashing_and_stay_readable() {
        let mut interner = Interner::default();
        for value in 0..10_000u32 {
            interner.code(format!("<{value}@host>").as_bytes());
        }
        assert!(interner.unique);
        assert_eq!(interner.values().get(9999), b"<9999@host>");
        assert_eq!(interner.hashed, TRIAL);
    }
}
