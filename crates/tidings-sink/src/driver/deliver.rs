//! Delivering one batch: trying again, splitting, giving up on single events.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_event::EventType;

use super::{End, Run};
use crate::report::Report;
use crate::sink::{Failure, Outcome};
use crate::state::add;

/// Waiting after the first failure, doubled after each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(500);
/// At most.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// At most, where the receiver says how long. The OTLP specification has clients honour `Retry-After` and
/// `RetryInfo` and knows no bound. Ours is there because a slip (milliseconds for seconds, a date by a
/// clock that is off) must not silence an output for days; an hour is little of the days that the spool
/// holds. The report of the failure says both times.
pub(crate) const AFTER_MAX: Duration = Duration::from_secs(3600);
/// Waiting is cut into pieces of this length, between which other things are looked after.
const NAP: Duration = Duration::from_millis(250);
/// Events rejected one by one before the rest of a batch of which nothing was taken goes with them.
const MAX_SINGLES: u64 = 32;

/// What became of the batch so far.
#[derive(Default)]
struct Progress {
    /// Stretches that are still to be delivered, the first last.
    todo: Vec<(usize, usize)>,
    failures: u32,
    singles: u64,
    is_taken: bool,
}

impl Run {
    /// Makes the sink, and tries again until that succeeds; what comes meanwhile waits in the feed, or
    /// is skipped and counted if the output is lossy.
    pub(super) fn make_ready(&mut self) -> Result<(), End> {
        let mut failures: u32 = 0;
        while let Err(failure) = self.sink.prepare() {
            failures = failures.saturating_add(1);
            self.failed(failure, 1);
            self.pause(None, failures)?;
            if self.is_too_far_behind() {
                self.skip()?;
            }
            add(&self.state.retries, 1);
        }
        self.batching = self.sink.batching();
        self.state.is_ready.store(true, Ordering::Relaxed);
        self.recovered();
        Ok(())
    }

    /// Delivers the batch; comes back when it is delivered, rejected or skipped.
    pub(super) fn deliver(&mut self) -> Result<(), End> {
        let mut progress = Progress::default();
        progress.todo.push((0, self.batch.len()));
        while let Some((from, to)) = progress.todo.pop() {
            if from == to {
                continue;
            }
            let now = self.clock.monotonic_ns();
            self.delivered_ns = Some(now);
            // It may take long: meanwhile it is to be seen what waits, and since when.
            self.lag.sample(self.feed.head(), self.done, now);
            self.show_place();
            let rest = self.batch.batch().split_at(from).1;
            match self.sink.deliver(&rest.split_at(to - from).0) {
                Outcome::Delivered => self.took(to - from, &mut progress),
                Outcome::Partial { rejected, failure } => {
                    let rejected = rejected.min((to - from) as u64);
                    self.took(to - from, &mut progress);
                    self.state.delivered.fetch_sub(rejected, Ordering::Relaxed);
                    if rejected == 0 {
                        // It has everything: that is worth a word, but no failure.
                        self.tell(failure, 1);
                    } else {
                        self.reject(rejected, failure);
                    }
                }
                Outcome::Rejected { index, failure } => {
                    self.rejected((from, to), index, failure, &mut progress);
                }
                Outcome::RetryAfter {
                    delivered,
                    after,
                    failure,
                } => {
                    let taken = delivered.min(to - from);
                    if taken > 0 {
                        self.took(taken, &mut progress);
                    }
                    progress.todo.push((from + taken, to));
                    progress.failures = progress.failures.saturating_add(1);
                    self.failed(failure, 1);
                    self.settle_before(from + taken);
                    if self.is_too_far_behind() {
                        self.drop_taken(from + taken);
                        return self.skip();
                    }
                    if let Err(end) = self.pause(after, progress.failures) {
                        self.drop_taken(from + taken);
                        return Err(end);
                    }
                    add(&self.state.retries, 1);
                }
            }
        }
        self.batch.clear();
        // A piece that is half read is done with as far as it was read.
        self.done = self.at;
        Ok(())
    }

    fn took(&mut self, count: usize, progress: &mut Progress) {
        add(&self.state.delivered, count as u64);
        add(&self.state.batches, 1);
        (progress.is_taken, progress.failures) = (true, 0);
        self.recovered();
    }

    fn recovered(&mut self) {
        if self.state.is_failing.swap(false, Ordering::Relaxed) {
            self.report(Report {
                kind: EventType::TELEMETRY_OUTPUT_RECOVERED,
                output: self.name.clone(),
                details: String::new(),
                reason: String::new(),
                count: 1,
            });
        }
    }

    /// Goes on without the event that is to blame, or looks for it.
    fn rejected(
        &mut self,
        (from, to): (usize, usize),
        index: Option<usize>,
        failure: Failure,
        progress: &mut Progress,
    ) {
        let count = to - from;
        if progress.singles >= MAX_SINGLES && !progress.is_taken {
            return self.reject(count as u64, failure);
        }
        match index.filter(|index| *index < count) {
            Some(index) => {
                progress.todo.push((from + index + 1, to));
                progress.todo.push((from, from + index));
            }
            None if count > 1 => {
                let middle = from + count / 2;
                progress.todo.push((middle, to));
                progress.todo.push((from, middle));
                return;
            }
            None => {}
        }
        progress.singles += 1;
        self.reject(1, failure);
    }

    fn reject(&mut self, count: u64, failure: Failure) {
        add(&self.state.rejected, count);
        self.failed(failure, count);
    }

    /// Events of the batch before this one are done with.
    fn settle_before(&mut self, index: usize) {
        self.done = self
            .batch
            .batch()
            .split_at(index)
            .1
            .first_sequence()
            .max(self.done);
    }

    /// Takes events that were delivered out of the batch, so that they are not counted as skipped.
    fn drop_taken(&mut self, index: usize) {
        let mut rest = crate::batch::BatchBuffer::new();
        for item in self.batch.batch().split_at(index).1.events() {
            rest.push(&item.event, item.sequence);
        }
        self.batch = rest;
    }

    /// Waits until the next try. At the end of the program what comes again anyway is tried no more.
    fn pause(&mut self, after: Option<Duration>, failures: u32) -> Result<(), End> {
        let wait = match after {
            Some(after) => after.min(AFTER_MAX),
            None => self.backoff(failures),
        };
        let until = self.clock.monotonic_ns() + wait.as_nanos() as u64;
        loop {
            if let Some(left) = self.left() {
                if self.feed.is_durable() || left.is_zero() {
                    return Err(End::Unfinished);
                }
                // Few moments are left: they are used for tries, not for politeness.
                std::thread::sleep(left.min(Duration::from_millis(50)));
                return Ok(());
            }
            let now = self.clock.monotonic_ns();
            if now >= until {
                return Ok(());
            }
            self.control
                .sleep(Duration::from_nanos(until - now).min(NAP));
            let is_reopened = self.reopen_if_asked();
            self.look_after(false);
            if self.is_too_far_behind() || is_reopened {
                return Ok(());
            }
        }
    }

    fn backoff(&mut self, failures: u32) -> Duration {
        let doubled = BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10));
        let most = doubled.min(BACKOFF_MAX);
        // xorshift: outputs that failed together need not come back together.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        most.mul_f64(1.0 - part / 2.0)
    }
}
