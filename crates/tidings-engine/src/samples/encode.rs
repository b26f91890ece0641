//! The bytes of a row and of a series; `docs/format-samples.md` gives them one by one.
//!
//! Whatever the bytes are, reading them ends in values or in [`Damage`]; memory is bounded by their
//! length.

use std::collections::BTreeMap;

use tidings_event::MetricKind;
use xxhash_rust::xxh3::xxh3_64;

use super::SampleSeries;

/// Version of rows and series.
const VERSION: u8 = 1;

/// Most buckets of a histogram.
const BUCKETS_MAX: usize = 1024;

/// Most labels of a series.
const LABELS_MAX: usize = 64;

const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const HISTOGRAM: u64 = 2;

/// What is wrong with stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) &'static str);

/// The values of one tick by the numbers of their series.
pub(super) type Entries = BTreeMap<u32, Value>;

/// What a row holds of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// So many more.
    Counter(u64),
    /// So many now.
    Gauge(i64),
    /// So many more values, and all since the process started.
    Histogram(Spread),
}

/// What a row holds of a histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// Further values by bucket; buckets at the end without any are left out.
    pub(super) buckets: Vec<u64>,
    /// Sum of the further values.
    pub(super) sum: u64,
    /// All values since the process started.
    pub(super) total_count: u64,
    /// Their sum.
    pub(super) total_sum: u64,
}

impl Value {
    /// Adds what came later.
    pub(super) fn add(&mut self, later: &Value) {
        match (self, later) {
            (Value::Counter(count), Value::Counter(more)) => *count = count.saturating_add(*more),
            (Value::Histogram(known), Value::Histogram(more)) => {
                let length = known.buckets.len().max(more.buckets.len());
                known.buckets.resize(length, 0);
                for (bucket, more) in known.buckets.iter_mut().zip(&more.buckets) {
                    *bucket = bucket.saturating_add(*more);
                }
                known.sum = known.sum.wrapping_add(more.sum);
                (known.total_count, known.total_sum) = (more.total_count, more.total_sum);
            }
            (known, later) => *known = later.clone(),
        }
    }
}

/// The bytes of the row at `key`.
pub(super) fn row(key: i64, entries: &Entries) -> Vec<u8> {
    let mut out = vec![VERSION];
    varint(&mut out, entries.len() as u64);
    let mut last = 0;
    for (number, value) in entries {
        let kind = match value {
            Value::Counter(_) => COUNTER,
            Value::Gauge(_) => GAUGE,
            Value::Histogram(_) => HISTOGRAM,
        };
        varint(&mut out, u64::from(number - last) << 2 | kind);
        last = *number;
        match value {
            Value::Counter(count) => varint(&mut out, *count),
            Value::Gauge(value) => varint(&mut out, (value << 1 ^ value >> 63) as u64),
            Value::Histogram(spread) => write_spread(&mut out, spread),
        }
    }
    seal(&mut out, &key.to_le_bytes());
    out
}

fn write_spread(out: &mut Vec<u8>, spread: &Spread) {
    varint(out, spread.sum);
    varint(out, spread.total_count);
    varint(out, spread.total_sum);
    let filled = spread.buckets.iter().filter(|count| **count != 0).count();
    varint(out, filled as u64);
    let mut next = 0;
    for (at, count) in spread.buckets.iter().enumerate() {
        if *count != 0 {
            varint(out, (at - next) as u64);
            varint(out, *count);
            next = at + 1;
        }
    }
}

/// Reads the values of a row one after the other.
#[derive(Debug)]
pub(super) struct RowReader<'b> {
    bytes: &'b [u8],
    left: u64,
    number: u64,
    last: u32,
}

impl<'b> RowReader<'b> {
    /// Checks the row at `key`.
    pub(super) fn new(key: i64, bytes: &'b [u8]) -> Result<RowReader<'b>, Damage> {
        let mut bytes = unseal(bytes, &key.to_le_bytes())?;
        let left = read(&mut bytes)?;
        Ok(RowReader {
            bytes,
            left,
            number: 0,
            last: u32::MAX,
        })
    }

    /// Ends behind the series of this number; what follows is not looked at.
    pub(super) fn up_to(self, last: u32) -> RowReader<'b> {
        RowReader { last, ..self }
    }

    /// The next value whose series is wanted; none is made of the others. `None` behind the last.
    pub(super) fn next(
        &mut self,
        wanted: &dyn Fn(u32) -> bool,
    ) -> Result<Option<(u32, Value)>, Damage> {
        while self.left > 0 {
            self.left -= 1;
            let head = read(&mut self.bytes)?;
            self.number = self.number.saturating_add(head >> 2);
            let number = u32::try_from(self.number).map_err(|_| Damage("a number of a series"))?;
            if number > self.last {
                self.left = 0;
                return Ok(None);
            }
            let is_wanted = wanted(number);
            let value = match head & 3 {
                COUNTER => Value::Counter(read(&mut self.bytes)?),
                GAUGE => {
                    let value = read(&mut self.bytes)?;
                    Value::Gauge((value >> 1) as i64 ^ -((value & 1) as i64))
                }
                HISTOGRAM => Value::Histogram(read_spread(&mut self.bytes, is_wanted)?),
                _ => return Err(Damage("a kind that is not known")),
            };
            if is_wanted {
                return Ok(Some((number, value)));
            }
        }
        if self.bytes.is_empty() || self.last < u32::MAX {
            Ok(None)
        } else {
            Err(Damage("bytes behind the last value"))
        }
    }
}

/// All values of the row at `key`.
pub(super) fn entries(key: i64, bytes: &[u8]) -> Result<Entries, Damage> {
    let mut reader = RowReader::new(key, bytes)?;
    let mut entries = Entries::new();
    while let Some((number, value)) = reader.next(&|_| true)? {
        entries.insert(number, value);
    }
    Ok(entries)
}

fn read_spread(bytes: &mut &[u8], is_wanted: bool) -> Result<Spread, Damage> {
    let mut spread = Spread {
        sum: read(bytes)?,
        total_count: read(bytes)?,
        total_sum: read(bytes)?,
        buckets: Vec::new(),
    };
    let mut next = 0;
    for _ in 0..read(bytes)? {
        let gap = usize::try_from(read(bytes)?).unwrap_or(BUCKETS_MAX);
        let count = read(bytes)?;
        let at = gap.saturating_add(next);
        if at >= BUCKETS_MAX {
            return Err(Damage("a bucket that no histogram has"));
        }
        next = at + 1;
        if is_wanted {
            spread.buckets.resize(next, 0);
            spread.buckets[at] = count;
        }
    }
    Ok(spread)
}

/// The bytes that tell a series from all others, without its number.
pub(super) fn describe(out: &mut Vec<u8>, series: &SeriesView<'_>) {
    out.clear();
    out.push(VERSION);
    out.push(match series.kind {
        MetricKind::Counter => 0,
        MetricKind::Gauge => 1,
        MetricKind::Histogram => 2,
    });
    varint(out, u64::from(series.divisor));
    text(out, series.metric);
    varint(out, series.labels.len() as u64);
    for (name, value) in series.labels {
        text(out, name);
        text(out, value);
    }
    varint(out, series.bounds.len() as u64);
    let mut last = 0;
    for bound in series.bounds {
        varint(out, bound.wrapping_sub(last));
        last = *bound;
    }
}

/// A series as it is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeriesView<'s> {
    pub(super) metric: &'s str,
    pub(super) kind: MetricKind,
    pub(super) divisor: u32,
    pub(super) labels: &'s [(&'static str, std::borrow::Cow<'static, str>)],
    pub(super) bounds: &'s [u64],
}

/// The stored bytes of the series `number` that is described by these.
pub(super) fn series(number: u32, description: &[u8]) -> Vec<u8> {
    let mut out = description.to_vec();
    seal(&mut out, &number.to_le_bytes());
    out
}

/// Reads the series `number`; gives its description too.
pub(super) fn read_series(number: u32, bytes: &[u8]) -> Result<(Vec<u8>, SampleSeries), Damage> {
    let key = number.to_le_bytes();
    let mut rest = unseal(bytes, &key)?;
    let description = bytes[..bytes.len() - SEAL_BYTES].to_vec();
    let rest = &mut rest;
    let kind = match take(rest, 1)? {
        [0] => MetricKind::Counter,
        [1] => MetricKind::Gauge,
        [2] => MetricKind::Histogram,
        _ => return Err(Damage("a kind that is not known")),
    };
    let divisor = u32::try_from(read(rest)?).map_err(|_| Damage("a divisor"))?;
    let metric = read_text(rest)?;
    let count = read(rest)?;
    if count > LABELS_MAX as u64 {
        return Err(Damage("too many labels"));
    }
    let labels = (0..count).map(|_| Ok((read_text(rest)?, read_text(rest)?)));
    let labels = labels.collect::<Result<_, Damage>>()?;
    let count = read(rest)?;
    if count >= BUCKETS_MAX as u64 {
        return Err(Damage("too many buckets"));
    }
    let mut last = 0u64;
    let bounds = (0..count).map(|_| {
        last = last.wrapping_add(read(rest)?);
        Ok(last)
    });
    let bounds = bounds.collect::<Result<_, Damage>>()?;
    if !rest.is_empty() {
        return Err(Damage("bytes behind a series"));
    }
    Ok((
        description,
        SampleSeries {
            number,
            metric,
            kind,
            labels,
            divisor: divisor.max(1),
            bounds,
        },
    ))
}

/// Bytes of the hash at the end.
const SEAL_BYTES: usize = 8;

/// Appends the hash of the key and the bytes, so that no row is taken for another one.
fn seal(out: &mut Vec<u8>, key: &[u8]) {
    let hash = hash(key, out);
    out.extend_from_slice(&hash.to_le_bytes());
}

/// What is between the version and the hash.
fn unseal<'b>(bytes: &'b [u8], key: &[u8]) -> Result<&'b [u8], Damage> {
    let (sealed, seal) = bytes
        .split_last_chunk::<SEAL_BYTES>()
        .ok_or(Damage("it ends early"))?;
    match sealed {
        [VERSION, rest @ ..] if hash(key, sealed) == u64::from_le_bytes(*seal) => Ok(rest),
        [VERSION, ..] => Err(Damage("its hash does not fit")),
        _ => Err(Damage("its version is not known")),
    }
}

fn hash(key: &[u8], bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, xxh3_64(key))
}

fn text(out: &mut Vec<u8>, text: &str) {
    varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn read_text(bytes: &mut &[u8]) -> Result<String, Damage> {
    let length = read(bytes)?;
    let length = usize::try_from(length).map_err(|_| Damage("it ends early"))?;
    let text = std::str::from_utf8(take(bytes, length)?);
    Ok(text.map_err(|_| Damage("a text that is none"))?.to_owned())
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Result<&'b [u8], Damage> {
    let (taken, rest) = bytes
        .split_at_checked(length)
        .ok_or(Damage("it ends early"))?;
    *bytes = rest;
    Ok(taken)
}

/// LEB128: seven bits a byte, low bits first.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
fn read(bytes: &mut &[u8]) -> Result<u64, Damage> {
    if let [low, rest @ ..] = *bytes
        && *low < 0x80
    {
        *bytes = rest;
        return Ok(u64::from(*low));
    }
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        if at == 9 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Ok(value);
        }
    }
    Err(Damage("a number that does not end"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let number = || prop_oneof![Just(0u64), 0..1000u64, any::<u64>()];
        let buckets = vec(number(), 0..13).prop_map(|mut buckets| {
            // As the reader gives them.
            while buckets.last() == Some(&0) {
                buckets.pop();
            }
            buckets
        });
        let spread = (buckets, number(), number(), number()).prop_map(
            |(buckets, sum, total_count, total_sum)| Spread {
                buckets,
                sum,
                total_count,
                total_sum,
            },
        );
        prop_oneof![
            number().prop_map(Value::Counter),
            any::<i64>().prop_map(Value::Gauge),
            spread.prop_map(Value::Histogram),
        ]
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(key in any::<i64>(), entries in btree_map(0..1u32 << 20, value(), 0..40)) {
            let bytes = row(key, &entries);
            assert_eq!(super::entries(key, &bytes), Ok(entries.clone()));
            let mut reader = RowReader::new(key, &bytes).unwrap();
            let mut odd = Entries::new();
            while let Some((number, value)) = reader.next(&|number| number % 2 == 1).unwrap() {
                odd.insert(number, value);
            }
            let expected: Entries = entries.into_iter().filter(|(number, _)| number % 2 == 1).collect();
            assert_eq!(odd, expected);
            assert!(super::entries(key.wrapping_add(1), &bytes).is_err());
        }

        #[test]
        fn foreign_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..200), key in any::<i64>(), number in any::<u32>()) {
            let _ = (entries(key, &bytes), read_series(number, &bytes));
            // With a hash that fits, the rest is looked at.
            bytes.insert(0, VERSION);
            let mut sealed = bytes.clone();
            seal(&mut sealed, &key.to_le_bytes());
            let _ = entries(key, &sealed);
            let _ = read_series(number, &series(number, &bytes));
        }
    }

    /// The format is frozen: rows of old versions are read for ever.
    #[test]
    fn golden_bytes() {
        let spread = Spread {
            buckets: vec![0, 2, 0, 1],
            sum: 700,
            total_count: 5,
            total_sum: 1811,
        };
        let entries = Entries::from([
            (4, Value::Counter(5)),
            (210, Value::Gauge(-3)),
            (300, Value::Histogram(spread)),
        ]);
        let bytes = row(1_770_094_800_000, &entries);
        let expected = [
            1, 3, 0x10, 5, 0xb9, 6, 5, 0xea, 2, 0xbc, 5, 5, 0x93, 0x0e, 2, 1, 2, 1, 1,
        ];
        assert_eq!(bytes[..bytes.len() - SEAL_BYTES], expected);
        assert_eq!(super::entries(1_770_094_800_000, &bytes), Ok(entries));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let entries = Entries::from([(1, Value::Counter(7)), (2, Value::Gauge(9))]);
        let bytes = row(5, &entries);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(super::entries(5, &flipped).is_err(), "bit {bit}");
        }
    }
}
