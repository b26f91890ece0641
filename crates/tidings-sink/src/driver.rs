//! The driver: reads events, keeps those that its output wants, delivers them in batches, tries again,
//! and remembers how far it is.
//!
//! Every output has a driver of its own, on a plain thread of its own, with a cursor of its own: a slow
//! or dead output never holds up another, nor whoever emits events.
//!
//! **Queue**: the spool is the queue (or the channel of a process without one; see
//! [`channel`](crate::feed::channel)). Besides, a driver holds one batch in memory.
//! * An output that is not lossy goes on where it was, whatever that takes; what falls off the end of
//!   the spool meanwhile is counted (`lost`) and reported.
//! * A lossy one that is more than 8 MiB or 10 s behind skips to the end, reading over what lies
//!   between only to count, by level, what it would have wanted (`skipped`), and reports it.
//!
//! Delivery is at least once: after a crash the events since the cursor was last stored come again.
//!
//! **Retries**: after 0.5 s, doubled up to 60 s, of which a random part of up to a half is left out; or
//! as the receiver says, up to an hour. A rejected batch is halved until the event that is to blame is
//! found, which is then left out and counted (`rejected`); if 32 events are rejected and none was
//! taken, the rest of the batch is rejected with them.
//!
//! **Start**: a sink that cannot be made yet (no journald, no secret file) is tried again as a delivery is,
//! for as long as it takes, and shown as failing meanwhile.

mod deliver;
mod lag;
mod options;
mod reading;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_event::EventType;
use tidings_spool::Clock;

use self::lag::Lag;
pub use self::options::{DriverContext, Output};
use crate::batch::BatchBuffer;
use crate::cursors::Cursor;
use crate::feed::{Feed, Piece};
use crate::interest::Interest;
use crate::report::{Limiter, Report, Reporter};
use crate::sink::{Batching, Failure, Sink};
use crate::spans::SpanTable;
use crate::state::{SinkState, add};

#[cfg(feature = "otlp")]
pub(crate) use self::deliver::AFTER_MAX;

/// How long a driver waits for events before it looks after other things.
const WAIT: Duration = Duration::from_millis(250);
/// The same in nanoseconds.
const TICK_NS: u64 = 250_000_000;
/// Least time between two syncs of the sink, each followed by storing the cursor.
const SYNC_NS: u64 = 1_000_000_000;
/// How long to wait after the feed could not be read.
const FEED_RETRY: Duration = Duration::from_secs(1);

/// A running output.
#[derive(Debug)]
pub struct Driver {
    control: Arc<Control>,
    state: Arc<SinkState>,
    thread: JoinHandle<()>,
}

/// What others ask of a driver's thread.
#[derive(Debug)]
struct Control {
    wishes: Mutex<Wishes>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Wishes {
    /// To end by this time of the clock's monotonic count.
    stop_by_ns: Option<u64>,
    reopen: bool,
    is_over: bool,
}

impl Driver {
    /// Starts the thread of an output.
    ///
    /// `cursor` is where it begins in a spool and keeps its place; a process without one has none.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        output: Output,
        feed: Box<dyn Feed>,
        cursor: Option<Cursor>,
        context: DriverContext,
    ) -> std::io::Result<Driver> {
        let control = Arc::new(Control {
            wishes: Mutex::default(),
            changed: Condvar::new(),
            clock: Arc::clone(&context.clock),
        });
        let state = Arc::new(SinkState::new(Arc::clone(&context.clock)));
        let name = output.name.clone();
        let run = Run::new(output, feed, cursor, &context, &control, &state);
        let thread = std::thread::Builder::new()
            .name(thread_name(&name))
            .spawn(move || run.supervised(context.reporter))?;
        Ok(Driver {
            control,
            state,
            thread,
        })
    }

    /// Its numbers.
    #[must_use]
    pub fn state(&self) -> Arc<SinkState> {
        Arc::clone(&self.state)
    }

    /// Has the sink open anew what it writes to, soon.
    pub fn reopen(&self) {
        self.control.lock().reopen = true;
        self.control.changed.notify_all();
    }

    /// Asks it to deliver what is there and to end within `limit`; [`finish`](Self::finish) waits.
    pub fn stop(&self, limit: Duration) {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let now = self.control.clock.monotonic_ns();
        let mut wishes = self.control.lock();
        wishes.stop_by_ns = Some(now.saturating_add(limit_ns));
        drop(wishes);
        self.control.changed.notify_all();
    }

    /// Asks it to end within `limit` and waits, but not much longer: a thread that its sink holds up
    /// is left behind. Tells whether it ended.
    pub fn finish(self, limit: Duration) -> bool {
        self.stop(limit);
        let wishes = self.control.lock();
        // What is due after the last delivery has a moment of its own.
        let patience = limit + Duration::from_millis(200);
        let is_running = |wishes: &mut Wishes| !wishes.is_over;
        let waited = self
            .control
            .changed
            .wait_timeout_while(wishes, patience, is_running);
        let is_over = waited.unwrap_or_else(PoisonError::into_inner).0.is_over;
        if is_over {
            // Its panics were caught and reported.
            let _ = self.thread.join();
        }
        is_over
    }
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, unless it is to end.
    fn sleep(&self, time: Duration) {
        let may_wait = |wishes: &mut Wishes| wishes.stop_by_ns.is_none() && !wishes.reopen;
        let waited = self.changed.wait_timeout_while(self.lock(), time, may_wait);
        drop(waited);
    }
}

/// The thread's own part.
struct Run {
    name: String,
    interest: Interest,
    is_lossy: bool,
    error_kind: EventType,
    sink: Box<dyn Sink>,
    batching: Batching,
    feed: Box<dyn Feed>,
    cursor: Option<Cursor>,
    clock: Arc<dyn Clock>,
    reporter: Arc<dyn Reporter>,
    control: Arc<Control>,
    state: Arc<SinkState>,
    limiter: Limiter,
    spans: SpanTable,
    batch: BatchBuffer,
    /// What is being read, and the place of the next record in it.
    piece: Option<(Piece, usize)>,
    /// The sequence of the next event to be read.
    at: u64,
    /// The sequence up to which everything is delivered or left out.
    done: u64,
    lag: Lag,
    delivered_ns: Option<u64>,
    ticked_ns: u64,
    synced_ns: u64,
    random: u64,
}

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The feed ended, or the driver was asked to and has read all there was.
    Done,
    /// The time that was given for it is over, or the sink does not take what is left.
    Unfinished,
}

impl Run {
    fn new(
        output: Output,
        feed: Box<dyn Feed>,
        cursor: Option<Cursor>,
        context: &DriverContext,
        control: &Arc<Control>,
        state: &Arc<SinkState>,
    ) -> Run {
        let at = cursor.as_ref().map_or(1, Cursor::sequence);
        let now = context.clock.monotonic_ns();
        let wall = context.clock.now_ns().unsigned_abs();
        Run {
            random: (tidings_event::stable_hash(&[output.name.as_bytes()]) ^ wall) | 1,
            batching: output.sink.batching(),
            name: output.name,
            interest: output.interest,
            is_lossy: output.lossy,
            error_kind: output.error_kind,
            sink: output.sink,
            feed,
            cursor,
            clock: Arc::clone(&context.clock),
            reporter: Arc::clone(&context.reporter),
            control: Arc::clone(control),
            state: Arc::clone(state),
            limiter: Limiter::default(),
            spans: SpanTable::new(),
            batch: BatchBuffer::new(),
            piece: None,
            at,
            done: at,
            lag: Lag::default(),
            delivered_ns: None,
            ticked_ns: now,
            synced_ns: now,
        }
    }

    /// Runs to the end; a panic becomes a report, so that nobody takes a dead output for a quiet one.
    fn supervised(mut self, reporter: Arc<dyn Reporter>) {
        let (control, state) = (Arc::clone(&self.control), Arc::clone(&self.state));
        let name = self.name.clone();
        let ended = catch_unwind(AssertUnwindSafe(move || self.run()));
        if let Err(panic) = ended {
            let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            let reason = said.unwrap_or_else(|| "no reason was given".to_owned());
            state.fail(format!("the output broke off: {reason}"));
            reporter.report(Report {
                kind: EventType::TELEMETRY_OUTPUT_STOPPED,
                output: name,
                details: "the output broke off by a fault of the program".to_owned(),
                reason,
                count: 1,
            });
        }
        state.is_stopped.store(true, Ordering::Release);
        control.lock().is_over = true;
        control.changed.notify_all();
    }

    fn run(&mut self) {
        self.state.sequence.store(self.done, Ordering::Relaxed);
        let end = match self.make_ready() {
            Ok(()) => self.work(),
            Err(end) => end,
        };
        self.close(end);
    }

    /// Delivers what comes until it is time to end.
    fn work(&mut self) -> End {
        loop {
            self.look_after(false);
            if self.is_past_the_end() {
                return End::Unfinished;
            }
            match self.fill() {
                Ok(()) => {}
                Err(end) if self.batch.is_empty() => return end,
                Err(_) => {}
            }
            if self.is_too_far_behind() {
                if let Err(end) = self.skip() {
                    return end;
                }
                continue;
            }
            if let Err(end) = self.deliver() {
                return end;
            }
        }
    }

    /// What is due by the clock, besides delivering.
    fn look_after(&mut self, is_end: bool) {
        self.reopen_if_asked();
        let now = self.clock.monotonic_ns();
        self.lag.sample(self.feed.head(), self.done, now);
        if now.saturating_sub(self.ticked_ns) < TICK_NS && !is_end {
            return;
        }
        self.ticked_ns = now;
        if let Err(failure) = self.sink.tick() {
            self.failed(failure, 1);
        }
        if now.saturating_sub(self.synced_ns) >= SYNC_NS || is_end {
            self.synced_ns = now;
            self.store_cursor(is_end);
        }
        self.show_place();
        for report in self.limiter.due(now, is_end) {
            self.reporter.report(report);
        }
    }

    fn reopen_if_asked(&mut self) -> bool {
        let is_asked = std::mem::take(&mut self.control.lock().reopen);
        if is_asked {
            self.sink.reopen();
        }
        is_asked
    }

    fn show_place(&self) {
        let behind = self.feed.behind();
        let waiting = self.batch.len() as u64;
        let state = &self.state;
        state.sequence.store(self.done, Ordering::Relaxed);
        state
            .behind_events
            .store(behind.events + waiting, Ordering::Relaxed);
        state.behind_bytes.store(behind.bytes, Ordering::Relaxed);
        state.set_waiting_since(self.lag.since_ns());
    }

    /// Syncs the sink, then stores the place up to which everything is delivered.
    fn store_cursor(&mut self, is_end: bool) {
        let Some(cursor) = &self.cursor else { return };
        let place = self.done.min(self.sink.holds_from().unwrap_or(u64::MAX));
        if place != cursor.sequence()
            && !self.is_lossy
            && let Err(failure) = self.sink.sync()
        {
            return self.failed(failure, 1);
        }
        let Some(cursor) = &mut self.cursor else {
            return;
        };
        cursor.note(place);
        let stored = if is_end {
            cursor.save()
        } else {
            cursor.save_if_due()
        };
        if let Err(error) = stored {
            let path = crate::cursors::cursors_path();
            let details = format!("cannot write {}", path.display());
            self.failed(Failure::new(self.error_kind, details, error), 1);
        }
    }

    fn close(&mut self, end: End) {
        let limit = self.left().unwrap_or(Duration::from_secs(1));
        if let Err(failure) = self.sink.flush(limit) {
            self.failed(failure, 1);
        }
        if end == End::Unfinished && !self.feed.is_durable() {
            self.count_left_behind();
        }
        self.look_after(true);
    }

    /// Without a spool, what was not delivered at the end is lost.
    fn count_left_behind(&mut self) {
        let left = self.batch.len() as u64 + self.feed.behind().events;
        if left == 0 {
            return;
        }
        add(&self.state.lost, left);
        self.report(Report {
            kind: EventType::TELEMETRY_OUTPUT_SKIPPED,
            output: self.name.clone(),
            details: "the program ended before the output took its last events".to_owned(),
            reason: self.state.read().last_failure.unwrap_or_default(),
            count: left,
        });
    }

    fn stop_by_ns(&self) -> Option<u64> {
        self.control.lock().stop_by_ns
    }

    /// Time left until the driver has to end, if it was asked to.
    fn left(&self) -> Option<Duration> {
        let by = self.stop_by_ns()?;
        Some(Duration::from_nanos(
            by.saturating_sub(self.clock.monotonic_ns()),
        ))
    }

    fn is_past_the_end(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Time until a batch that is not full may be delivered.
    fn until_due(&self) -> Duration {
        let Some(last) = self.delivered_ns else {
            return Duration::ZERO;
        };
        let passed = self.clock.monotonic_ns().saturating_sub(last);
        self.batching
            .interval
            .saturating_sub(Duration::from_nanos(passed))
    }

    fn failed(&mut self, failure: Failure, count: u64) {
        self.state.fail(failure.to_string());
        self.tell(failure, count);
    }

    /// Reports what is no failure of a delivery, too.
    fn tell(&mut self, failure: Failure, count: u64) {
        self.report(Report {
            kind: failure.kind,
            output: self.name.clone(),
            details: failure.details,
            reason: failure.reason,
            count,
        });
    }

    fn report(&mut self, report: Report) {
        let now = self.clock.monotonic_ns();
        if let Some(report) = self.limiter.pass(report, now) {
            self.reporter.report(report);
        }
    }
}

/// Linux keeps 15 bytes of it.
fn thread_name(output: &str) -> String {
    let name: String = output.chars().filter(|c| *c != '\0').collect();
    format!("out-{name}")
}
