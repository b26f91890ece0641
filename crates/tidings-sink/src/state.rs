//! The numbers of one output: how far it is, how far behind, and what it did not deliver.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_event::Level;
use tidings_spool::Clock;

/// Nothing waits.
const NEVER: u64 = u64::MAX;

/// Counters and gauges of an output, written by its driver, read by anybody at any time.
#[derive(Debug)]
pub struct SinkState {
    clock: Arc<dyn Clock>,
    pub(crate) delivered: AtomicU64,
    pub(crate) unwanted: AtomicU64,
    pub(crate) skipped: [AtomicU64; Level::ALL.len()],
    pub(crate) lost: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) sequence: AtomicU64,
    pub(crate) behind_events: AtomicU64,
    pub(crate) behind_bytes: AtomicU64,
    /// Monotonic time since when the oldest event that is not delivered has been waiting.
    waiting_since_ns: AtomicU64,
    pub(crate) is_failing: AtomicBool,
    pub(crate) is_stopped: AtomicBool,
    pub(crate) is_ready: AtomicBool,
    last_failure: Mutex<Option<String>>,
}

/// What [`SinkState::read`] gives: the numbers of one moment. Counters begin with the driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// Events delivered.
    pub delivered: u64,
    /// Events that the output does not want.
    pub unwanted: u64,
    /// Wanted events that a lossy output left out because it was too far behind, by the ordinal of
    /// their level.
    pub skipped: [u64; Level::ALL.len()],
    /// Events that were gone before they could be read; whether they were wanted is not known.
    pub lost: u64,
    /// Events that the receiver will not have.
    pub rejected: u64,
    /// Deliveries that succeeded, at least in part.
    pub batches: u64,
    /// Deliveries that were tried again.
    pub retries: u64,
    /// Failures of any kind.
    pub failures: u64,
    /// The sequence up to which everything is delivered, left out or lost.
    pub sequence: u64,
    /// Events behind the end, wanted or not.
    pub behind_events: u64,
    /// Bytes behind the end.
    pub behind_bytes: u64,
    /// For how long the oldest of them has been waiting at this moment, in nanoseconds, also while a
    /// delivery is under way; never more than it is, and at most half a second less, but that waiting
    /// before the start of the driver is not known.
    pub behind_ns: u64,
    /// Whether the last delivery failed, or the output cannot run yet.
    pub is_failing: bool,
    /// Whether what the output writes to could be made.
    pub is_ready: bool,
    /// Whether the driver has ended.
    pub is_stopped: bool,
    /// The last failure, while the output is failing and after.
    pub last_failure: Option<String>,
}

impl SinkState {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let counter = AtomicU64::default;
        Self {
            clock,
            delivered: counter(),
            unwanted: counter(),
            skipped: Default::default(),
            lost: counter(),
            rejected: counter(),
            batches: counter(),
            retries: counter(),
            failures: counter(),
            sequence: counter(),
            behind_events: counter(),
            behind_bytes: counter(),
            waiting_since_ns: AtomicU64::new(NEVER),
            is_failing: AtomicBool::default(),
            is_stopped: AtomicBool::default(),
            is_ready: AtomicBool::default(),
            last_failure: Mutex::default(),
        }
    }

    /// The numbers of this moment; each is right, but they need not be of one instant.
    #[must_use]
    pub fn read(&self) -> SinkStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SinkStats {
            delivered: get(&self.delivered),
            unwanted: get(&self.unwanted),
            skipped: std::array::from_fn(|level| get(&self.skipped[level])),
            lost: get(&self.lost),
            rejected: get(&self.rejected),
            batches: get(&self.batches),
            retries: get(&self.retries),
            failures: get(&self.failures),
            sequence: get(&self.sequence),
            behind_events: get(&self.behind_events),
            behind_bytes: get(&self.behind_bytes),
            behind_ns: self.behind_ns(),
            is_failing: self.is_failing.load(Ordering::Relaxed),
            is_ready: self.is_ready.load(Ordering::Relaxed),
            is_stopped: self.is_stopped.load(Ordering::Acquire),
            last_failure: self.lock_failure().clone(),
        }
    }

    /// The oldest event that is not delivered has been waiting since this monotonic time, if any is.
    pub(crate) fn set_waiting_since(&self, since_ns: Option<u64>) {
        let since_ns = since_ns.unwrap_or(NEVER);
        self.waiting_since_ns.store(since_ns, Ordering::Relaxed);
    }

    fn behind_ns(&self) -> u64 {
        match self.waiting_since_ns.load(Ordering::Relaxed) {
            NEVER => 0,
            since => self.clock.monotonic_ns().saturating_sub(since),
        }
    }

    pub(crate) fn fail(&self, what: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.is_failing.store(true, Ordering::Relaxed);
        *self.lock_failure() = Some(what);
    }

    pub(crate) fn skip(&self, level: Level, count: u64) {
        self.skipped[usize::from(level.ordinal())].fetch_add(count, Ordering::Relaxed);
    }

    fn lock_failure(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
