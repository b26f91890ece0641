//! What an output is: the [`Sink`] trait, whose docs are the contract between an output and its driver.

use std::fmt;
use std::time::Duration;

use tidings_event::EventType;

use crate::batch::Batch;

/// A place that events are delivered to: a file, a terminal, a socket, a collector.
///
/// A sink only delivers. Reading, filtering, batching, retrying with back-off, splitting, counting,
/// reporting and keeping the place are the [driver](crate::Driver)'s, once for all sinks.
///
/// **Thread.** Every method is called on the driver's own thread, one after the other, never from two
/// threads. It may block: nobody but this output waits for it. What blocks longer than the end of the
/// program can wait is left behind with its thread; so a sink keeps nothing that only
/// [`flush`](Self::flush) would save and that the cursor does not cover (see
/// [`holds_from`](Self::holds_from)). A sink that needs an async runtime blocks on a handle of one.
///
/// **Order.** Batches come in the order of the sequences, each event once, unless it is told to be
/// tried again; after a crash the last ones come again: delivery is at least once.
///
/// **Failure.** No method panics on data. A sink never emits events and never prints: it gives its
/// failures to the driver, which counts and reports them.
pub trait Sink: Send {
    /// Gets ready to deliver. Called until it succeeds, with the driver's back-off between, before
    /// anything else but [`tick`](Self::tick), [`sync`](Self::sync) and [`reopen`](Self::reopen).
    ///
    /// # Errors
    /// When it cannot run yet.
    fn prepare(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Delivers the events of a batch, which is never empty, and tells what became of them.
    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome;

    /// How batches are to be cut. Asked once it is ready, before the first delivery.
    fn batching(&self) -> Batching {
        Batching::default()
    }

    /// Makes what was delivered survive a power cut, as far as the sink can. Called at most about once
    /// a second, before the cursor is stored; after an error the cursor stays where it is.
    ///
    /// # Errors
    /// When the medium refused.
    fn sync(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The lowest sequence that must come again after a crash although it was delivered, because the
    /// sink still holds what it made of it; nothing if it holds nothing.
    fn holds_from(&self) -> Option<u64> {
        None
    }

    /// Called about four times a second, with or without events: for what is due by the clock.
    ///
    /// # Errors
    /// A failure worth a report, such as an old file that could not be removed.
    fn tick(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Opens anew what it writes to, as after a log rotation by others. Must not fail: the next
    /// delivery does, if it cannot be opened.
    fn reopen(&mut self) {}

    /// Called once, after the last delivery: hands over what it still holds, within `limit`.
    ///
    /// # Errors
    /// When something held was not handed over.
    fn flush(&mut self, limit: Duration) -> Result<(), Failure> {
        let _ = limit;
        Ok(())
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was taken.
    Delivered,
    /// It was taken but for some events that the receiver will not have, now or later.
    Partial {
        /// How many; with none it took everything and had something to say.
        rejected: u64,
        /// What it said.
        failure: Failure,
    },
    /// The rest was not taken now: try it again.
    RetryAfter {
        /// Events at the beginning of the batch that were taken; they do not come again.
        delivered: usize,
        /// How long the receiver wants to be left alone; the driver's back-off if it did not say.
        after: Option<Duration>,
        /// What went wrong.
        failure: Failure,
    },
    /// None of it was taken, and trying the same again would not help.
    Rejected {
        /// The event that is to blame, counted from the batch's first. If nothing is known the
        /// driver halves the batch until the event is found; so is too large a batch split.
        index: Option<usize>,
        /// What went wrong.
        failure: Failure,
    },
}

impl Outcome {
    /// Nothing was taken; the driver's own back-off.
    #[must_use]
    pub fn retry(failure: Failure) -> Self {
        Self::RetryAfter {
            delivered: 0,
            after: None,
            failure,
        }
    }
}

/// A failure of an output, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The event that reports it: `telemetry.log-error` and the like.
    pub kind: EventType,
    /// What was tried, on what: `cannot write /var/log/tidings/tidings.2026-02-03`.
    pub details: String,
    /// What the system or the receiver said: `No space left on device`.
    pub reason: String,
}

impl Failure {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: EventType, details: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self {
            kind,
            details: details.into(),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.details, self.reason)
    }
}

impl std::error::Error for Failure {}

/// How the driver cuts batches for a sink.
///
/// A batch ends with the first event that reaches `events` or `bytes`, or when no more events are
/// there and `interval` has passed since the last delivery began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Events, at most. Default 8,192.
    pub events: usize,
    /// Bytes of records after which no further event is added. Default 1 MiB.
    pub bytes: usize,
    /// Least time between the beginnings of two deliveries of batches that are not full. The first
    /// goes at once. Default 0.
    pub interval: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            events: 8_192,
            bytes: 1 << 20,
            interval: Duration::ZERO,
        }
    }
}
