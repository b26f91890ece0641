//! Which encoding a column gets: tried on a sample, remembered for the row groups that follow.

use super::chunk::{ChunkEncoder, GroupColumn, GroupValues};
use super::layout::{Encoding, PAGE_ROWS};
use crate::{Kind, Result};

/// Row groups for which a choice stands.
const LASTS: u32 = 63;

/// A column's encoding, kept from one row group to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) encoding: Encoding,
    /// Differences are rounded up to whole bytes.
    pub(crate) whole_bytes: bool,
    /// The local dictionary holds this chunk's words.
    pub(crate) dictionary_known: bool,
    /// Row groups until the next trial.
    left: u32,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            encoding: Encoding::Plain,
            whole_bytes: false,
            dictionary_known: false,
            left: 0,
        }
    }
}

impl Choice {
    /// Whether the next chunk is tried anew.
    pub(crate) fn is_due(&self) -> bool {
        self.left == 0
    }

    /// The chunk has too many distinct words for a dictionary: a choice of one ends.
    pub(crate) fn without_dictionary(&mut self) {
        if self.encoding == Encoding::Dictionary {
            self.left = 0;
        }
    }

    fn of(encoding: Encoding) -> Self {
        Self {
            encoding,
            ..Self::default()
        }
    }
}

/// A dictionary larger than this is not tried: it would be read for every page.
const MAX_DICTIONARY_BYTES: usize = 4 << 20;

impl ChunkEncoder {
    /// Decides how to encode a chunk. The local dictionary is filled for texts, and for words
    /// where `choice.dictionary_known`.
    pub(crate) fn choose(&mut self, column: &GroupColumn<'_>, choice: &mut Choice) -> Result<()> {
        if column.values.len() == 0 {
            // An all-null chunk says nothing about the next one; fronts of no text are legal.
            let encoding = if column.kind.is_text() {
                Encoding::Lengths
            } else {
                Encoding::Plain
            };
            *choice = Choice::of(encoding);
            return Ok(());
        }
        let candidates = self.candidates(column, choice);
        if let [only] = candidates[..] {
            *choice = only;
            return Ok(());
        }
        let same =
            |a: &Choice, b: &Choice| (a.encoding, a.whole_bytes) == (b.encoding, b.whole_bytes);
        if choice.left > 0 && candidates.iter().any(|candidate| same(candidate, choice)) {
            choice.left -= 1;
            return Ok(());
        }
        let mut best = (usize::MAX, candidates[0]);
        for candidate in candidates {
            let size = self.trial(column, &candidate)?;
            if size < best.0 {
                best = (size, candidate);
            }
        }
        *choice = Choice {
            left: LASTS,
            ..best.1
        };
        Ok(())
    }

    fn candidates(&self, column: &GroupColumn<'_>, choice: &Choice) -> Vec<Choice> {
        let values = column.values.len();
        let distinct = self.dictionary.words.len();
        let dictionary = Choice {
            dictionary_known: true,
            ..Choice::of(Encoding::Dictionary)
        };
        let whole = Choice {
            whole_bytes: true,
            ..Choice::of(Encoding::Delta)
        };
        match column.kind {
            Kind::Bool => vec![Choice::of(Encoding::Plain)],
            Kind::Float if choice.dictionary_known => vec![dictionary, Choice::of(Encoding::Plain)],
            Kind::Float => vec![Choice::of(Encoding::Plain)],
            Kind::Time | Kind::Int | Kind::UInt => {
                let mut all = vec![
                    Choice::of(Encoding::Delta),
                    whole,
                    Choice::of(Encoding::Plain),
                ];
                if choice.dictionary_known {
                    all.push(dictionary);
                }
                all
            }
            Kind::Text | Kind::Bytes => {
                let texts = [Choice::of(Encoding::Lengths), Choice::of(Encoding::Fronts)];
                let bytes = self.dictionary_bytes(&column.values);
                if distinct * 16 <= values && bytes <= MAX_DICTIONARY_BYTES {
                    vec![dictionary]
                } else if distinct * 4 > values * 3 || bytes > MAX_DICTIONARY_BYTES {
                    texts.to_vec()
                } else {
                    vec![dictionary, texts[0], texts[1]]
                }
            }
        }
    }

    fn dictionary_bytes(&self, values: &GroupValues<'_>) -> usize {
        let GroupValues::Texts { values, .. } = values else {
            return 0;
        };
        self.dictionary
            .words
            .iter()
            .map(|&code| values.get(code as usize).len() + 4)
            .sum()
    }

    /// Compressed bytes of a sample under one choice; a dictionary is counted by the sample's
    /// share of the chunk.
    fn trial(&mut self, column: &GroupColumn<'_>, choice: &Choice) -> Result<usize> {
        let sample = column.values.len().min(PAGE_ROWS);
        let mut size = 0;
        if choice.encoding == Encoding::Dictionary {
            self.put_dictionary_values(&column.values);
            let raw = std::mem::take(&mut self.raw);
            size = self.pages.try_size(&raw)? * sample / column.values.len();
            self.raw = raw;
        }
        self.raw.clear();
        self.put_values(column.kind, &column.values, choice, 0, sample);
        let raw = std::mem::take(&mut self.raw);
        size += self.pages.try_size(&raw)?;
        self.raw = raw;
        Ok(size)
    }
}
