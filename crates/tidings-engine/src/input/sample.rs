//! Notices the same stream in another rendering: the lines of one log with other time stamps and
//! hosts, as when `mail.log` (RFC 3164) and `mail.rfc3339.log` are both written.
//!
//! The chain cannot see this, since every byte is at another place. A sample is the smallest
//! hashes of a stream's lines, each without what stands before the program's tag: two streams with
//! the same lines have the same smallest hashes, wherever the lines stand. 32 are kept of the
//! first 1,024 lines, so that a rendering that begins at the same moment is noticed before it is
//! read, and 32 of the whole stream.
//!
//! Limits: a stream of fewer than 4 lines is not recognised, nor one whose lines are less than a
//! fraction of about an eighth of the other's (then too few of the kept hashes can be compared).

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use super::chain_format::{FormatError, Reader};

const VERSION: u8 = 1;
const KEPT: usize = 32;
const HEAD_LINES: u64 = 1024;
/// With fewer hashes to compare, an overlap means nothing.
const COMPARABLE_MIN: usize = 4;

/// The share of comparable hashes above which two samples are of one stream. Renderings of one
/// stream share nearly all; different days of one host a quarter at most (recurring warnings,
/// connections from the same addresses).
pub const SAME_STREAM_SHARE: f32 = 0.6;

/// Gives the part of a line that is the same in every rendering: what follows time, host and, if
/// renderings punctuate it differently, the program's tag. `None` for a line to leave out.
pub type Normalise = fn(&[u8]) -> Option<&[u8]>;

/// Up to 64 hashes that stand for the lines of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    head: BTreeSet<u64>,
    whole: BTreeSet<u64>,
}

/// How far two samples agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Hashes that could be in both.
    pub comparable: usize,
    /// The share of these that is in both, 0 to 1.
    pub share: f32,
}

impl Overlap {
    /// Whether this is one stream in two renderings (or one stream contains the other).
    #[must_use]
    pub fn is_same_stream(&self) -> bool {
        self.comparable >= COMPARABLE_MIN && self.share >= SAME_STREAM_SHARE
    }
}

impl Sample {
    /// Compares the streams as wholes: true for the same stream, or if one contains the other.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Overlap {
        compare(&self.whole, &other.whole)
    }

    /// Compares the streams' first lines only: known early, and true only for streams that begin
    /// at about the same line.
    #[must_use]
    pub fn head_overlap(&self, other: &Self) -> Overlap {
        compare(&self.head, &other.head)
    }

    /// Whether the two are of one stream, by the beginning or by the whole: the verdict
    /// "same stream, other rendering" where the chains say that the files differ.
    #[must_use]
    pub fn is_same_stream(&self, other: &Self) -> bool {
        self.head_overlap(other).is_same_stream() || self.overlap(other).is_same_stream()
    }

    /// The sample as bytes, at most 515.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.head.len() as u8, self.whole.len() as u8];
        out.extend(
            self.head
                .iter()
                .chain(&self.whole)
                .flat_map(|hash| hash.to_le_bytes()),
        );
        out
    }

    /// Reads an encoded sample; all bytes must be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("sample", bytes);
        reader.version(VERSION)?;
        let counts = (reader.u8()?, reader.u8()?);
        let mut read = |count: u8| {
            (0..count)
                .map(|_| reader.u64())
                .collect::<Result<BTreeSet<u64>, _>>()
        };
        let (head, whole) = (read(counts.0)?, read(counts.1)?);
        reader.end()?;
        if head.len().max(whole.len()) > KEPT
            || (head.len(), whole.len()) != (counts.0.into(), counts.1.into())
        {
            return Err(reader.wrong("too many hashes, or one twice"));
        }
        Ok(Self { head, whole })
    }
}

/// Collects the sample of a stream, line by line.
#[derive(Clone, Debug)]
pub struct SampleBuilder {
    normalise: Normalise,
    sample: Sample,
    lines: u64,
}

impl SampleBuilder {
    /// A builder at the beginning of a stream.
    #[must_use]
    pub fn new(normalise: Normalise) -> Self {
        Self::resume(normalise, Sample::default(), 0)
    }

    /// Goes on with the sample of a stream that has grown, of which so many lines were seen.
    #[must_use]
    pub fn resume(normalise: Normalise, sample: Sample, lines: u64) -> Self {
        Self {
            normalise,
            sample,
            lines,
        }
    }

    /// Takes the stream's next line, without its line end.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(part) = (self.normalise)(line) else {
            return;
        };
        let hash = xxh3_64(part);
        if self.lines <= HEAD_LINES {
            keep(&mut self.sample.head, hash);
        }
        keep(&mut self.sample.whole, hash);
    }

    /// Whether the first lines are complete: a good moment to compare with known samples.
    #[must_use]
    pub fn head_is_complete(&self) -> bool {
        self.lines >= HEAD_LINES
    }

    /// The sample of the lines so far.
    #[must_use]
    pub fn sample(&self) -> &Sample {
        &self.sample
    }
}

fn keep(hashes: &mut BTreeSet<u64>, hash: u64) {
    if hashes.len() == KEPT && hashes.last().is_some_and(|largest| hash >= *largest) {
        return;
    }
    if hashes.insert(hash) && hashes.len() > KEPT {
        hashes.pop_last();
    }
}

/// A full sample says nothing about hashes above its largest, so only those below the smaller of
/// the two bounds can be compared.
fn compare(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> Overlap {
    let bound = |hashes: &BTreeSet<u64>| match hashes.last() {
        Some(largest) if hashes.len() == KEPT => *largest,
        _ => u64::MAX,
    };
    let bound = bound(one).min(bound(other));
    let comparable = one
        .range(..=bound)
        .count()
        .min(other.range(..=bound).count());
    let shared = one
        .range(..=bound)
        .filter(|hash| other.contains(hash))
        .count();
    let share = if comparable == 0 {
        0.0
    } else {
        shared as f32 / comparable as f32
    };
    Overlap { comparable, share }
}
