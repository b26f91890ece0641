//! The history of metrics: what the meters showed, minute by minute and by a schedule.
//!
//! One file, `samples.redb`, with a row a tick that holds all series of that tick
//! (`docs/format-samples.md`). Rows of minutes are kept for two days, scheduled ones for months.
//! [`Samples::write`] is called by one thread, about once a minute; searches may go on meanwhile, and see
//! whole ticks.
//!
//! **One rule per kind**, the same in both tables, also over restarts:
//!
//! * a counter's sample is what was added since the previous tick of its table, and is there if that is
//!   more than nothing. The first tick of a process counts from 0;
//! * a gauge's sample is its value. It is there if that is not 0, or if it was not 0 at some minute since
//!   the previous tick of the table, in this process or an earlier one: so no sample means 0;
//! * a histogram's sample is the count, the sum and the buckets that were added, and is there if there was
//!   any value. It also holds count and sum since the process started.
//!
//! So the sums of a series over all ticks are what was measured: whoever stops the server well takes a
//! last tick, and a server that is killed loses what was measured since the last minute, in both tables.
//! A scheduled row is what the rows of its minutes hold together: it is collected in the file, minute by
//! minute, and what a killed server had collected becomes a row when the next one writes its first.
//!
//! **What fails**: a tick that could not be written is not lost: its numbers are in the next one. Series
//! beyond 16,384, besides those of the catalogue, are left out and counted ([`Samples::left_out`]) until
//! there is room; then their first sample holds what was left out.

mod dictionary;
mod encode;
mod query;
mod sampler;
mod store;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashSet;
use tidings_event::{Id, MetricInfo, MetricKind, Reading};
use tidings_spool::{Backend, Overlay};

use self::encode::Entries;
use self::sampler::{Tick, Written, collect};
use self::store::{Changes, Store, failed, io_error, put_row};
use crate::error::Error;

pub(crate) use self::store::Checked;
pub use query::SampleQuery;

/// A series of samples: a metric, with its labels if it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleSeries {
    number: u32,
    /// Name: dotted for the catalogue's metrics, else as in [`Reading::name`].
    pub metric: String,
    /// What it measures with.
    pub kind: MetricKind,
    /// Label names with values.
    pub labels: Vec<(String, String)>,
    /// By what values, sums and bounds are divided to be shown.
    pub divisor: u32,
    /// Upper bounds of a histogram's buckets, rising and inclusive.
    pub bounds: Vec<u64>,
}

impl SampleSeries {
    /// Whether it is a metric of the catalogue.
    pub fn is_of_catalogue(&self) -> bool {
        self.labels.is_empty() && MetricInfo::from_name(&self.metric).is_some()
    }
}

/// A series at one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its id, the same for ever; of the time of the tick.
    pub id: Id,
    /// When it was taken, nanoseconds since the unix epoch; whole milliseconds.
    pub time_ns: i64,
    /// What was measured.
    pub series: Arc<SampleSeries>,
    /// What was found.
    pub value: SampleValue,
}

impl Sample {
    /// Name of the metric.
    pub fn metric(&self) -> &str {
        &self.series.metric
    }
}

/// The value of a sample; "since the previous tick" is that of the same table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleValue {
    /// How often it happened since the previous tick.
    Counter {
        /// More than 0.
        count: u64,
    },
    /// How much there was.
    Gauge {
        /// The value.
        value: i64,
    },
    /// The values since the previous tick.
    Histogram {
        /// How many, more than 0.
        count: u64,
        /// Their sum.
        sum: u64,
        /// How many in each bucket: one more than there are bounds.
        buckets: Vec<u64>,
        /// How many since the process started.
        total_count: u64,
        /// The sum of those.
        total_sum: u64,
    },
}

/// How long samples are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRules {
    /// Those of minutes.
    pub minute_ns: i64,
    /// Scheduled ones; for ever if absent.
    pub scheduled_ns: Option<i64>,
}

const HOUR_NS: i64 = 3_600_000_000_000;

impl Default for SampleRules {
    /// 48 hours, and 90 days.
    fn default() -> SampleRules {
        SampleRules {
            minute_ns: 48 * HOUR_NS,
            scheduled_ns: Some(90 * 24 * HOUR_NS),
        }
    }
}

/// The history of metrics of a data directory. Nothing is opened before it is needed, and no file is
/// made before the first tick.
#[derive(Debug)]
pub struct Samples {
    backend: Arc<dyn Backend>,
    state: Mutex<State>,
    left_out: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    store: Option<Store>,
    /// The file was opened once by this process.
    is_known: bool,
    written: Written,
    /// What is collected for the next scheduled row, and up to when.
    collected: Option<(i64, Entries)>,
    /// What is collected is this process's own.
    is_own: bool,
    /// The tick whose writing failed, which may have reached the medium, and the key of its row, which
    /// was free before.
    doubtful: Option<(i64, Tick)>,
    /// Something could not be written: the file is written anew before it is used again.
    has_failed: bool,
    /// When series were last looked through for those that no row has.
    swept_ns: i64,
}

impl Samples {
    /// Those on this backend.
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Samples {
        Samples {
            backend,
            state: Mutex::default(),
            left_out: AtomicU64::new(0),
        }
    }

    /// Opens the file if there is one, and checks it, which the first use does otherwise.
    ///
    /// # Errors
    /// [`Error::Samples`] if it is damaged or cannot be read; the next use tries again.
    pub fn open(&self) -> Result<(), Error> {
        if Store::exists(&*self.backend) {
            self.lock().open(&*self.backend)?;
        }
        Ok(())
    }

    /// Writes a tick: what is new in these readings since the previous one. With `is_scheduled`, what was
    /// collected since the previous scheduled tick, this one included, becomes a scheduled row. Gives the
    /// number of samples; durable when it returns.
    ///
    /// # Errors
    /// [`Error::Samples`]; what these readings hold is then in the next tick that can be written, once.
    pub fn write(
        &self,
        time_ns: i64,
        readings: &[Reading],
        is_scheduled: bool,
    ) -> Result<usize, Error> {
        let millis = millis_of(time_ns)?;
        let mut state = self.lock();
        state.open(&*self.backend)?;
        let (samples, left_out) = state.write(millis, readings, is_scheduled)?;
        self.left_out.fetch_add(left_out, Ordering::Relaxed);
        Ok(samples)
    }

    /// How many samples were left out since the start for want of room; the first sample of their series
    /// when there is room holds them all.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Drops the samples whose time is over, an hour's at once; gives the number of rows.
    ///
    /// # Errors
    /// [`Error::Samples`] if the file cannot be read or written.
    pub fn maintain(&self, now_ns: i64, rules: &SampleRules) -> Result<u64, Error> {
        if !Store::exists(&*self.backend) {
            return Ok(0);
        }
        let mut state = self.lock();
        state.open(&*self.backend)?;
        let removed = state.retain(now_ns, rules);
        let swept = removed.and_then(|removed| state.sweep(now_ns).map(|()| removed));
        if swept.is_err() {
            state.give_up();
        }
        swept
    }

    /// Checks every byte of the file. Nothing is written meanwhile.
    pub(crate) fn check(&self) -> Result<Checked, Error> {
        let _quiet = self.lock();
        check(&self.backend)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks every byte of the file of samples, if there is one; changes nothing.
pub(crate) fn check(backend: &Arc<dyn Backend>) -> Result<Checked, Error> {
    store::check(&Overlay::new(Arc::clone(backend)))
}

/// Sets a damaged file aside; gives where it is now.
pub(crate) fn set_aside(backend: &dyn Backend) -> Result<PathBuf, Error> {
    let directory = Path::new("quarantine");
    backend.create_dir(directory).map_err(io_error)?;
    let taken = backend.list(directory).map_err(io_error)?;
    let is_taken = |name: &str| taken.iter().any(|(known, _)| known == Path::new(name));
    let mut name = store::NAME.to_owned();
    let mut number = 0;
    while is_taken(&name) {
        number += 1;
        name = format!("{}.{number}", store::NAME);
    }
    let target = directory.join(name);
    let moved = backend.rename(Path::new(store::NAME), &target);
    moved.map_err(io_error)?;
    for directory in [directory, Path::new("")] {
        backend.sync_dir(directory).map_err(io_error)?;
    }
    Ok(target)
}

impl State {
    fn open(&mut self, backend: &dyn Backend) -> Result<(), Error> {
        if self.store.is_some() {
            return Ok(());
        }
        if self.has_failed {
            Store::renew(backend)?;
            self.has_failed = false;
        }
        let store = Store::open(backend)?;
        self.collected = store.collected()?;
        if !self.is_known {
            if let Some((_, last)) = store.last_minute()? {
                self.written.set_last(&last);
            }
            self.is_known = true;
        }
        // Before anything is written: a tick must not be written twice.
        self.settle(&store)?;
        self.store = Some(store);
        Ok(())
    }

    /// After a failure, what is in memory may not be what is in the file.
    fn give_up(&mut self) {
        self.store = None;
        self.has_failed = true;
    }

    /// Finds out whether a tick was written whose writing failed.
    fn settle(&mut self, store: &Store) -> Result<(), Error> {
        let Some((key, _)) = &self.doubtful else {
            return Ok(());
        };
        let rows = store.read()?.open_table(store::MINUTE).map_err(failed)?;
        let is_there = rows.get(*key).map_err(failed)?.is_some();
        if let Some((_, tick)) = self.doubtful.take_if(|_| is_there) {
            self.written.apply(tick);
            self.is_own = true;
        }
        self.doubtful = None;
        Ok(())
    }

    /// Gives the number of samples, and of those left out.
    fn write(
        &mut self,
        millis: i64,
        readings: &[Reading],
        is_scheduled: bool,
    ) -> Result<(usize, u64), Error> {
        let Some(store) = &mut self.store else {
            return Err(Error::Samples("it is not open".to_owned()));
        };
        let tick = self.written.tick(readings, Arc::make_mut(&mut store.known));
        let (count, left_out) = (tick.entries.len(), tick.left_out);
        let old = self.collected.take_if(|_| !self.is_own);
        let mut collected = self.collected.clone().unwrap_or((millis, Entries::new()));
        collected.0 = millis;
        collect(&mut collected.1, &tick.entries);
        let has_row = is_scheduled && !collected.1.is_empty();
        let mut key = None;
        let done = if count == 0 && !has_row && old.is_none() {
            Ok(())
        } else {
            store.write(|tables| {
                if let Some((old_millis, old)) = &old {
                    put_row(&mut tables.scheduled, *old_millis, old)?;
                }
                key = put_tick(tables, millis, &tick)?;
                if has_row {
                    put_row(&mut tables.scheduled, millis, &collected.1)?;
                }
                let kept = (!has_row).then_some(&collected);
                put_collected(tables, kept)
            })
        };
        match done {
            Ok(()) => {
                self.written.apply(tick);
                self.is_own = true;
                self.collected = (!has_row && !collected.1.is_empty()).then_some(collected);
                Ok((count, left_out))
            }
            Err(error) => {
                self.give_up();
                self.doubtful = key.map(|key| (key, tick));
                Err(error)
            }
        }
    }

    fn retain(&mut self, now_ns: i64, rules: &SampleRules) -> Result<u64, Error> {
        let Some(store) = &mut self.store else {
            return Ok(0);
        };
        let cut = |hold: i64| now_ns.saturating_sub(hold).div_euclid(1_000_000);
        let cuts = [
            (store::MINUTE, Some(cut(rules.minute_ns))),
            (store::SCHEDULED, rules.scheduled_ns.map(cut)),
        ];
        let read = store.read()?;
        let mut is_due = false;
        for (table, cut) in cuts {
            let rows = read.open_table(table).map_err(failed)?;
            let first = redb::ReadableTable::first(&rows).map_err(failed)?;
            // In steps, so that not every minute is written twice.
            let step = HOUR_NS / 1_000_000;
            is_due |= first
                .zip(cut)
                .is_some_and(|((key, _), cut)| key.value() < cut.saturating_sub(step));
        }
        drop(read);
        if !is_due {
            return Ok(0);
        }
        store.write(|tables| {
            let mut removed = 0;
            for (table, cut) in [
                (&mut tables.minute, cuts[0].1),
                (&mut tables.scheduled, cuts[1].1),
            ] {
                let Some(cut) = cut else { continue };
                let gone = |_: i64, _: &[u8]| {
                    removed += 1;
                    false
                };
                table.retain_in(..cut, gone).map_err(failed)?;
            }
            Ok(removed)
        })
    }

    /// Forgets series that no row has, when half of the room is taken.
    fn sweep(&mut self, now_ns: i64) -> Result<(), Error> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        let is_due = now_ns.saturating_sub(self.swept_ns).saturating_abs() >= HOUR_NS;
        if store.known.others() <= dictionary::OTHERS_MAX / 2 || !is_due {
            return Ok(());
        }
        self.swept_ns = now_ns;
        let used = numbers_in_rows(store)?;
        let (known, written) = (Arc::make_mut(&mut store.known), &self.written);
        let gone = known.sweep(&|number| used.contains(&number) || written.is_used(number));
        store.write(|tables| {
            for number in gone {
                tables.series.remove(number).map_err(failed)?;
            }
            Ok(())
        })
    }
}

/// Gives the key of the row, if it is not empty.
fn put_tick(tables: &mut Changes<'_>, millis: i64, tick: &Tick) -> Result<Option<i64>, Error> {
    for (number, bytes) in &tick.series {
        let put = tables.series.insert(*number, bytes.as_slice());
        put.map_err(failed)?;
    }
    if tick.entries.is_empty() {
        return Ok(None);
    }
    put_row(&mut tables.minute, millis, &tick.entries).map(Some)
}

fn put_collected(tables: &mut Changes<'_>, kept: Option<&(i64, Entries)>) -> Result<(), Error> {
    tables.collected.retain(|_, _| false).map_err(failed)?;
    if let Some((millis, entries)) = kept.filter(|(_, entries)| !entries.is_empty()) {
        put_row(&mut tables.collected, *millis, entries)?;
    }
    Ok(())
}

/// The numbers of all series that rows have.
fn numbers_in_rows(store: &Store) -> Result<FxHashSet<u32>, Error> {
    let read = store.read()?;
    let mut used = FxHashSet::default();
    for table in [store::MINUTE, store::SCHEDULED, store::COLLECTED] {
        let rows = read.open_table(table).map_err(failed)?;
        for item in redb::ReadableTable::iter(&rows).map_err(failed)? {
            let (key, bytes) = item.map_err(failed)?;
            let entries = encode::entries(key.value(), bytes.value());
            let entries = entries.map_err(|damage| store::bad_row("a table", key.value(), damage));
            used.extend(entries?.into_keys());
        }
    }
    Ok(used)
}

/// The millisecond of a tick; ids must hold it.
fn millis_of(time_ns: i64) -> Result<i64, Error> {
    let millis = time_ns.div_euclid(1_000_000);
    if Id::at(time_ns, 1).time_ns().div_euclid(1_000_000) == millis {
        return Ok(millis);
    }
    let time = tidings_event::time::rfc3339(time_ns);
    Err(Error::Samples(format!(
        "a tick at {time} is refused: it must be within 139 years of 2021; is the clock right?"
    )))
}
