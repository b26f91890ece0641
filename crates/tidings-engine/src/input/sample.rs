//! Notices the same stream in another rendering: the lines of one log with other time stamps and
//! hosts, as when `mail.log` (RFC 3164) and `mail.rfc3339.log` are both written.
//!
//! The chain cannot see this, since every byte is at another place. A sample is the smallest
//! hashes of a stream's lines, each without what stands before the program's tag: two streams with
//! the same lines have the same smallest hashes, wherever the lines stand. 32 are kept of the
//! first 1,024 lines, so that a rendering that begins at the same moment is noticed before it is
//! read, and 32 of the whole stream.
//!
//! A line that comes again on another day, of a cron job or a monitoring probe, is no such line: the
//! times of the lines in both must differ by one zone's offset, or by an hour less where the clocks
//! were changed. A line that comes several times within a stream says nothing.
//!
//! Limits: a stream of fewer than 4 lines is not recognised, nor one whose lines are less than a
//! fraction of about an eighth of the other's (then too few of the kept hashes can be compared).
//!
//! [`line_key`] is what imports compare.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::chain_format::{FormatError, Reader};
use super::line_time::LineTime;

const VERSION: u8 = 2;
/// Without the times.
const FIRST_VERSION: u8 = 1;
const KEPT: usize = 32;
const HEAD_LINES: u64 = 1024;
/// With fewer hashes to compare, an overlap means nothing.
const COMPARABLE_MIN: usize = 4;

/// The share of comparable hashes above which two samples are of one stream. Renderings of one
/// stream share nearly all; different days of one host a quarter at most (recurring warnings,
/// connections from the same addresses).
pub const SAME_STREAM_SHARE: f32 = 0.6;

/// Gives what of a line is the same in every rendering: a part of it, which follows time, host and
/// the program's tag, and a number, from the time. `None` for a line to leave out.
pub type Normalise = fn(&[u8]) -> Option<(u64, &[u8])>;

/// Up to 64 hashes that stand for the lines of a stream, with their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    head: Kept,
    whole: Kept,
}

/// Hashes of lines, each with the time of its line.
type Kept = BTreeMap<u64, LineTime>;

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

    /// The sample as bytes, at most 1,027.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.head.len() as u8, self.whole.len() as u8];
        out.extend(
            self.head
                .iter()
                .chain(&self.whole)
                .flat_map(|(hash, time)| [*hash, time.encode()])
                .flat_map(u64::to_le_bytes),
        );
        out
    }

    /// Reads an encoded sample, or one of the first version; all bytes must be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("sample", bytes);
        let has_times = bytes.first() != Some(&FIRST_VERSION);
        reader.version(if has_times { VERSION } else { FIRST_VERSION })?;
        let counts = (reader.u8()?, reader.u8()?);
        let mut entry = || {
            let hash = reader.u64()?;
            let time = match has_times {
                true => LineTime::decode(reader.u64()?),
                false => LineTime::Unknown,
            };
            Ok((hash, time))
        };
        let mut read = |count: u8| (0..count).map(|_| entry()).collect::<Result<Kept, _>>();
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
        let Some((number, part)) = (self.normalise)(line) else {
            return;
        };
        let hash = xxh3_64_with_seed(part, number);
        if self.lines <= HEAD_LINES {
            keep(&mut self.sample.head, hash, line);
        }
        keep(&mut self.sample.whole, hash, line);
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

/// How far into a line its time is looked for.
const TIME_WITHIN: usize = 48;

/// What of a line of a mail log is the same in every rendering: its text, and the time within a
/// quarter of an hour. So much of the time is the same in every zone, and it tells a line from the
/// same one on another day. (RFC 3164 and 5424, rsyslog's forms with an RFC 3339 time; lines in
/// which no time is found are left out.)
#[must_use]
pub fn line_key(line: &[u8]) -> Option<(u64, &[u8])> {
    let head = &line[..line.len().min(TIME_WITHIN)];
    let is_time = |at: usize| {
        let digits = |at: usize| head[at].is_ascii_digit() && head[at + 1].is_ascii_digit();
        digits(at)
            && head[at + 2] == b':'
            && digits(at + 3)
            && head[at + 5] == b':'
            && digits(at + 6)
    };
    let at = memchr::memchr_iter(b':', head)
        .filter_map(|colon| colon.checked_sub(2))
        .find(|at| at + 8 <= head.len() && is_time(*at))?;
    let number = |at: usize| u64::from(head[at] - b'0') * 10 + u64::from(head[at + 1] - b'0');
    let time = number(at + 3) % 15 * 60 + number(at + 6);
    let rest = &line[at + 8..];
    let text = if is_rfc5424(line) {
        after_fields(rest)?
    } else {
        let is_end_of_tag = |at: &usize| rest.get(at + 1) == Some(&b' ');
        &rest[memchr::memchr_iter(b':', rest).find(is_end_of_tag)? + 2..]
    };
    Some((time, text.trim_ascii()))
}

/// `<22>1 2026-…`: a version stands behind the priority.
fn is_rfc5424(line: &[u8]) -> bool {
    let behind = memchr::memchr(b'>', &line[..line.len().min(5)]).filter(|_| line[0] == b'<');
    behind.is_some_and(|at| line.get(at + 1..at + 3) == Some(b"1 "))
}

/// The text behind host, program, process id, message id and structured data.
fn after_fields(rest: &[u8]) -> Option<&[u8]> {
    let (at, _) = rest
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b' ')
        .nth(4)?;
    let rest = &rest[at + 1..];
    match rest.first() {
        Some(b'[') => Some(&rest[memchr::memmem::find(rest, b"] ")? + 2..]),
        _ => rest.get(2..),
    }
}

fn keep(kept: &mut Kept, hash: u64, line: &[u8]) {
    let is_full = kept.len() == KEPT;
    if is_full && kept.last_key_value().is_some_and(|last| hash > *last.0) {
        return;
    }
    let time = LineTime::of(line);
    kept.entry(hash)
        .and_modify(|known| {
            if *known != time && *known != LineTime::Unknown {
                *known = LineTime::Several;
            }
        })
        .or_insert(time);
    if kept.len() > KEPT {
        kept.pop_last();
    }
}

/// A full sample says nothing about hashes above its largest, so only those below the smaller of
/// the two bounds can be compared.
fn compare(one: &Kept, other: &Kept) -> Overlap {
    let bound = |kept: &Kept| match kept.last_key_value() {
        Some((largest, _)) if kept.len() == KEPT => *largest,
        _ => u64::MAX,
    };
    let bound = bound(one).min(bound(other));
    let several = |kept: &Kept, hash: &u64| kept.get(hash) == Some(&LineTime::Several);
    let told = |hash: &u64| !several(one, hash) && !several(other, hash);
    let count = |kept: &Kept| kept.range(..=bound).filter(|(hash, _)| told(hash)).count();
    let comparable = count(one).min(count(other));
    let shared = one.range(..=bound).filter(|(hash, _)| told(hash));
    let shared = shared.filter_map(|(hash, time)| time.shift_to(*other.get(hash)?));
    let share = match comparable {
        0 => 0.0,
        _ => with_one_shift(shared) as f32 / comparable as f32,
    };
    Overlap { comparable, share }
}

/// How many lines, of which each is so many quarter hours ahead, may be as much ahead as the others:
/// the most with one shift, or with two an hour apart.
fn with_one_shift(shifts: impl Iterator<Item = Option<i64>>) -> usize {
    let (mut unknown, mut counts) = (0, BTreeMap::<i64, usize>::new());
    for shift in shifts {
        match shift {
            Some(shift) => *counts.entry(shift).or_default() += 1,
            None => unknown += 1,
        }
    }
    let with_next = |(shift, count): (&i64, &usize)| count + counts.get(&(shift + 4)).unwrap_or(&0);
    unknown + counts.iter().map(with_next).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rendering_of_a_line_has_the_same_key() {
        let key = line_key(b"Nov 22 13:20:35 mx postfix/qmgr[12]: AB: removed: yes");
        assert_eq!(key, Some((5 * 60 + 35, &b"AB: removed: yes"[..])));
        for line in [
            &b"<22>Nov 22 13:20:35 mx postfix/qmgr[12]: AB: removed: yes"[..],
            b"2026-11-22T13:20:35.858771+00:00 mx postfix/qmgr[12]: AB: removed: yes ",
            b"2026-11-22T18:50:35+05:30 mx postfix/qmgr[12]: AB: removed: yes",
            b"<22>2026-11-22T13:20:35Z mx.example.test postfix/qmgr[12]: AB: removed: yes",
            b"<22>1 2026-11-22T13:20:35.858771+00:00 mx postfix/qmgr 12 - - AB: removed: yes",
            b"<22>1 2026-11-22T13:20:35Z mx postfix/qmgr 12 - [a@1 b=\"c\"] AB: removed: yes",
        ] {
            assert_eq!(line_key(line), key, "{}", line.escape_ascii());
        }
        let without_pid = line_key(b"Nov 22 13:20:35 mx dovecot: lmtp(ann): saved");
        assert_eq!(without_pid, Some((335, &b"lmtp(ann): saved"[..])));
        let tomorrow = line_key(b"Nov 23 14:20:36 mx postfix/qmgr[12]: AB: removed: yes");
        assert_ne!(tomorrow, key);
        let hostile = [
            &b""[..],
            b":",
            b"12:34:5",
            b"::::::::",
            b"12:34:56",
            b"<22>1 ",
            b"<22>1 12:34:56 a b c d",
            b"12:34:56 a: ",
            b"no time: at all",
            b"<22>1 12:34:56 a b c d [",
            b"<",
            b"<1>1 12:34:56 a b c d -",
        ];
        for line in hostile {
            let _ = line_key(line);
        }
    }
}
