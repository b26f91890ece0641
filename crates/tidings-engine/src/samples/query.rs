//! Finding samples: by metric and time, page by page, and by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::ReadTransaction;
use tidings_event::Id;

use super::dictionary::Dictionary;
use super::encode::{RowReader, Value};
use super::store::{MINUTE, SCHEDULED, Store, bad_row, failed};
use super::{Sample, SampleSeries, SampleValue, Samples};
use crate::error::Error;

/// Of the 21 bits of an id that tell the samples of a millisecond apart, this one tells the table; the
/// lower ones are the number of the series.
const SCHEDULED_BIT: u32 = 1 << 20;

/// Which samples to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleQuery {
    /// Of these metrics only.
    pub metrics: Option<Vec<String>>,
    /// Not only the catalogue's metrics, but those with labels and the server's own too.
    pub with_labels: bool,
    /// First nanosecond of the period, since the unix epoch.
    pub from_ns: Option<i64>,
    /// Last nanosecond of the period.
    pub until_ns: Option<i64>,
    /// Those behind the sample of this id, in the order that is asked for; it need not exist any more.
    pub behind: Option<Id>,
    /// At most this many.
    pub limit: usize,
    /// Oldest first; else newest first.
    pub is_ascending: bool,
    /// Those of minutes; else those of the schedule.
    pub fine: bool,
}

impl Default for SampleQuery {
    /// All scheduled samples of the catalogue's metrics, newest first.
    fn default() -> SampleQuery {
        SampleQuery {
            metrics: None,
            with_labels: false,
            from_ns: None,
            until_ns: None,
            behind: None,
            limit: usize::MAX,
            is_ascending: false,
            fine: false,
        }
    }
}

impl Samples {
    /// Finds samples, in the order of their times; those of one tick in the order of their ids. Takes the
    /// memory of what it gives.
    ///
    /// # Errors
    /// [`Error::Samples`] if the file is damaged or cannot be read.
    pub fn query(&self, query: &SampleQuery) -> Result<Vec<Sample>, Error> {
        let mut found = Vec::new();
        self.scan(query, &mut |key, series, value| {
            found.push(sample(key, query.fine, series, value));
        })?;
        Ok(found)
    }

    /// The same, ids only.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn ids(&self, query: &SampleQuery) -> Result<Vec<Id>, Error> {
        let mut found = Vec::new();
        self.scan(query, &mut |key, series, _| {
            found.push(id(key, query.fine, series.number));
        })?;
        Ok(found)
    }

    /// How many samples there are, up to the query's limit.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn count(&self, query: &SampleQuery) -> Result<u64, Error> {
        let mut count = 0;
        self.scan(query, &mut |_, _, _| count += 1)?;
        Ok(count)
    }

    /// The samples of these ids, in their order; `None` for what is no sample, or is one no more.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn get(&self, ids: &[Id]) -> Result<Vec<Option<Sample>>, Error> {
        let Some((read, known)) = self.begin()? else {
            return Ok(vec![None; ids.len()]);
        };
        let minute = read.open_table(MINUTE).map_err(failed)?;
        let scheduled = read.open_table(SCHEDULED).map_err(failed)?;
        let find = |asked: &Id| {
            let (key, is_fine, number) = parts(*asked);
            let (rows, table) = if is_fine {
                (&minute, "minute")
            } else {
                (&scheduled, "scheduled")
            };
            let Some(bytes) = rows.get(key).map_err(failed)? else {
                return Ok(None);
            };
            let bad = |damage| bad_row(table, key, damage);
            let mut reader = RowReader::new(key, bytes.value())
                .map_err(bad)?
                .up_to(number);
            let value = reader.next(&|known| known == number).map_err(bad)?;
            let series = known.get(number);
            Ok(value
                .zip(series)
                .map(|((_, value), series)| sample(key, is_fine, series, value))
                .filter(|sample| sample.id == *asked))
        };
        ids.iter().map(find).collect()
    }

    /// The file as it is now; `None` if there is none yet.
    fn begin(&self) -> Result<Option<(ReadTransaction, Arc<Dictionary>)>, Error> {
        let mut state = self.lock();
        if state.store.is_none() && !Store::exists(&*self.backend) {
            return Ok(None);
        }
        state.open(&*self.backend)?;
        let Some(store) = &state.store else {
            return Ok(None);
        };
        // Together, so that every number in the rows is known.
        Ok(Some((store.read()?, Arc::clone(&store.known))))
    }

    fn scan(
        &self,
        query: &SampleQuery,
        each: &mut dyn FnMut(i64, &Arc<SampleSeries>, Value),
    ) -> Result<(), Error> {
        let Some((read, known)) = self.begin()? else {
            return Ok(());
        };
        let chosen = known.chosen(query.metrics.as_deref(), query.with_labels);
        let behind = query
            .behind
            .map(parts)
            .map(|(key, _, number)| (key, number));
        let Some((first, last)) = keys(query, behind.map(|(key, _)| key)) else {
            return Ok(());
        };
        let (table, name) = if query.fine {
            (MINUTE, "minute")
        } else {
            (SCHEDULED, "scheduled")
        };
        let rows = read.open_table(table).map_err(failed)?;
        let rows = rows.range(first..=last).map_err(failed)?;
        let rows: Box<dyn Iterator<Item = _>> = if query.is_ascending {
            Box::new(rows)
        } else {
            Box::new(rows.rev())
        };
        let mut left = query.limit;
        for row in rows {
            if left == 0 {
                break;
            }
            let (key, bytes) = row.map_err(failed)?;
            let key = key.value();
            let mut values = chosen_of(key, bytes.value(), &chosen)
                .map_err(|damage| bad_row(name, key, damage))?;
            if !query.is_ascending {
                values.reverse();
            }
            let is_behind = |number: u32| match behind {
                Some(behind) if query.is_ascending => (key, number) > behind,
                Some(behind) => (key, number) < behind,
                None => true,
            };
            values.retain(|(number, _)| is_behind(*number));
            for (number, value) in values.into_iter().take(left) {
                if let Some(series) = chosen.get(&number) {
                    left -= 1;
                    each(key, series, value);
                }
            }
        }
        Ok(())
    }
}

/// The keys of the rows that are asked for, if there can be any.
fn keys(query: &SampleQuery, behind: Option<i64>) -> Option<(i64, i64)> {
    // A tick is at the beginning of its millisecond.
    let up = |ns: i64| ns.div_euclid(1_000_000) + i64::from(ns.rem_euclid(1_000_000) > 0);
    let mut first = query.from_ns.map_or(i64::MIN, up);
    let mut last = query
        .until_ns
        .map_or(i64::MAX, |ns| ns.div_euclid(1_000_000));
    match behind {
        Some(key) if query.is_ascending => first = first.max(key),
        Some(key) => last = last.min(key),
        None => {}
    }
    (first <= last).then_some((first, last))
}

/// The values of a row that are asked for.
fn chosen_of(
    key: i64,
    bytes: &[u8],
    chosen: &BTreeMap<u32, Arc<SampleSeries>>,
) -> Result<Vec<(u32, Value)>, super::encode::Damage> {
    let Some((last, _)) = chosen.last_key_value() else {
        return Ok(Vec::new());
    };
    let mut reader = RowReader::new(key, bytes)?.up_to(*last);
    let mut values = Vec::new();
    while let Some(value) = reader.next(&|number| chosen.contains_key(&number))? {
        values.push(value);
    }
    Ok(values)
}

fn id(key: i64, is_fine: bool, number: u32) -> Id {
    let table = if is_fine { 0 } else { SCHEDULED_BIT };
    Id::at(key.saturating_mul(1_000_000), u64::from(table | number))
}

/// The key of the row, whether it is of a minute, and the number of the series.
fn parts(id: Id) -> (i64, bool, u32) {
    let low = (id.0 & 0x1f_ffff) as u32;
    let key = id.time_ns().div_euclid(1_000_000);
    (key, low & SCHEDULED_BIT == 0, low & (SCHEDULED_BIT - 1))
}

fn sample(key: i64, is_fine: bool, series: &Arc<SampleSeries>, value: Value) -> Sample {
    let value = match value {
        Value::Counter(count) => SampleValue::Counter { count },
        Value::Gauge(value) => SampleValue::Gauge { value },
        Value::Histogram(mut spread) => {
            spread.buckets.resize(series.bounds.len() + 1, 0);
            SampleValue::Histogram {
                count: spread
                    .buckets
                    .iter()
                    .fold(0, |sum, n| n.saturating_add(sum)),
                sum: spread.sum,
                buckets: spread.buckets,
                total_count: spread.total_count,
                total_sum: spread.total_sum,
            }
        }
    };
    Sample {
        id: id(key, is_fine, series.number),
        time_ns: key.saturating_mul(1_000_000),
        series: Arc::clone(series),
        value,
    }
}
