//! Tells the sidecar which tokens the rows of a part hold.

use super::runs::{PAGE, TokenRuns};
use super::{GRANULE_ROWS, fingerprint, fingerprint_of_integer};
use crate::encode::bytes::Arena;
use crate::encode::presence::Presence;
use crate::part::layout::PAGE_ROWS;
use crate::{Kind, Tokenizer};

/// A value that often in a row group is noted by page, not by granule.
const COMMON: u32 = 64;

/// The fingerprints of each distinct text's tokens, by the text's code.
#[derive(Debug, Default)]
pub(crate) struct TokenTable {
    prints: Vec<u32>,
    ends: Vec<u32>,
}

impl TokenTable {
    /// Tokenises texts from code `self.len()` on.
    pub(crate) fn extend(&mut self, texts: &Arena, tokens: Tokenizer) {
        for code in self.ends.len()..texts.len() {
            let bytes = texts.get(code);
            let start = self.prints.len();
            let mut add = |token: &str| self.prints.push(fingerprint(token.as_bytes()));
            match std::str::from_utf8(bytes) {
                Ok(text) => tokens(text, &mut add),
                Err(_) => tokens(&String::from_utf8_lossy(bytes), &mut add),
            }
            self.prints[start..].sort_unstable();
            let mut kept = start;
            for at in start..self.prints.len() {
                if at == start || self.prints[at] != self.prints[kept - 1] {
                    self.prints[kept] = self.prints[at];
                    kept += 1;
                }
            }
            self.prints.truncate(kept);
            // 2^32 tokens would be 16 GiB of fingerprints of one column of one batch.
            self.ends.push(kept as u32);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.prints.clear();
        self.ends.clear();
    }

    fn get(&self, code: u32) -> &[u32] {
        let code = code as usize;
        let start = if code == 0 {
            0
        } else {
            self.ends[code - 1] as usize
        };
        &self.prints[start..self.ends[code] as usize]
    }
}

/// Collects the tokens of a part, row group by row group, column by column.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) runs: TokenRuns,
    /// By code: how often in this chunk, and the last place noted + 1.
    seen: Vec<(u32, u32)>,
}

impl Collector {
    /// Notes the texts of a chunk whose first row is `first_row`.
    pub(crate) fn texts(
        &mut self,
        first_row: u32,
        presence: &Presence,
        codes: &[u32],
        table: &TokenTable,
    ) {
        for &code in codes {
            let code = code as usize;
            if self.seen.len() <= code {
                self.seen.resize(code + 1, (0, 0));
            }
            self.seen[code].0 += 1;
        }
        let mut last = (u32::MAX, u32::MAX);
        each_row(first_row, presence, codes, |row, &code| {
            let granule = row / GRANULE_ROWS;
            if (code, granule) == last {
                return;
            }
            last = (code, granule);
            let (count, noted) = &mut self.seen[code as usize];
            let place = if *count > COMMON {
                (row / PAGE_ROWS as u32) | PAGE
            } else {
                granule
            };
            if *noted != place + 1 {
                *noted = place + 1;
                for &print in table.get(code) {
                    self.runs.push(print, place);
                }
            }
        });
        for &code in codes {
            self.seen[code as usize] = (0, 0);
        }
        self.runs.relieve();
    }

    /// Notes the integers of a chunk.
    pub(crate) fn words(&mut self, first_row: u32, presence: &Presence, kind: Kind, words: &[u64]) {
        let mut last = (u32::MAX, 0);
        each_row(first_row, presence, words, |row, &word| {
            let granule = row / GRANULE_ROWS;
            if (granule, word) != last {
                last = (granule, word);
                let signed = word as i64;
                let print = match kind {
                    Kind::UInt => fingerprint_of_integer(false, word),
                    _ => fingerprint_of_integer(signed < 0, signed.unsigned_abs()),
                };
                self.runs.push(print, granule);
            }
        });
        self.runs.relieve();
    }
}

/// Hands over each value with its row.
#[inline]
fn each_row<T>(first_row: u32, presence: &Presence, values: &[T], mut each: impl FnMut(u32, &T)) {
    if presence.rows() == values.len() {
        (first_row..)
            .zip(values)
            .for_each(|(row, value)| each(row, value));
    } else {
        let mut values = values.iter();
        presence.each_set(|row| {
            if let Some(value) = values.next() {
                each(first_row + row as u32, value);
            }
        });
    }
}
