//! Subscribers: who gets the collected events, each by a queue of its own.
//!
//! A queue holds batches of records. Capacity: as many bytes as the subscriber asks for, 8 MiB by
//! default. When it is full, a **lossy** queue drops the new batch, counts its events by level and
//! says so in-band with the next batch that it takes; a queue with **back-pressure** makes the
//! collector wait, so that the rings of the emitting threads fill and their
//! [policy](crate::WhenFull) applies, to all subscribers alike. Where threads wait, a subscriber with
//! back-pressure should not emit events from the thread that receives: its ring may be full as it is
//! slow, and it waits for itself until the limit is over and the event is lost. At the shutdown a
//! subscriber may hold the collector up for five seconds, then its queue is lossy too.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_event::{Level, Records};

use crate::dispatch;
use crate::interest::Interest;
use crate::ring::LEVELS;

/// What a subscriber asks for.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub(crate) name: String,
    pub(crate) interest: Interest,
    pub(crate) queue_bytes: usize,
    pub(crate) lossy: bool,
}

impl Subscription {
    /// Everything from info up, with back-pressure, 8 MiB. The name is for reports.
    pub fn new(name: impl Into<String>) -> Subscription {
        Subscription {
            name: name.into(),
            interest: Interest::level(Level::Info),
            queue_bytes: 8 << 20,
            lossy: false,
        }
    }

    /// Which events are wanted.
    pub fn interest(self, interest: Interest) -> Subscription {
        Subscription { interest, ..self }
    }

    /// How many bytes of records may wait for the subscriber. One batch is always taken.
    pub fn queue_bytes(self, queue_bytes: usize) -> Subscription {
        Subscription {
            queue_bytes,
            ..self
        }
    }

    /// Never holds anybody up: what finds the queue full is dropped, and counted.
    pub fn lossy(self) -> Subscription {
        Subscription {
            lossy: true,
            ..self
        }
    }
}

/// Events on their way to a subscriber, in the order in which they were emitted.
#[derive(Clone, Debug)]
pub struct Batch {
    records: Arc<Vec<u8>>,
    events: usize,
    levels: [u32; LEVELS],
}

impl Batch {
    pub(crate) fn new(records: Arc<Vec<u8>>, levels: [u32; LEVELS]) -> Batch {
        Batch {
            records,
            events: levels.iter().map(|count| *count as usize).sum(),
            levels,
        }
    }

    /// The events as encoded records, one after the other.
    pub fn records(&self) -> &[u8] {
        &self.records
    }

    /// The events, to be read in place.
    pub fn events(&self) -> Records<'_> {
        Records::new(&self.records)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events
    }

    /// Whether there are none; a batch that a subscriber gets has some.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }
}

/// What [`Subscriber::next`] brought.
#[derive(Clone, Debug)]
pub enum Received {
    /// Events.
    Batch(Batch),
    /// Nothing came in time.
    TimedOut,
    /// The telemetry was shut down, and everything was received.
    Closed,
}

/// What a subscriber's queue did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriberStats {
    /// Events put into the queue.
    pub accepted: u64,
    /// Bytes of records put into the queue.
    pub accepted_bytes: u64,
    /// Events dropped as the queue was full, by level: trace, debug, info, warn, error.
    pub dropped: [u64; LEVELS],
    /// Bytes that wait now.
    pub waiting_bytes: u64,
}

/// The receiving end: events come out until it is dropped or the telemetry is shut down.
#[derive(Debug)]
pub struct Subscriber {
    queue: Arc<Queue>,
}

impl Subscriber {
    pub(crate) fn new(queue: Arc<Queue>) -> Subscriber {
        Subscriber { queue }
    }

    /// The next batch; waits for it, at most so long.
    pub fn next(&mut self, timeout: Duration) -> Received {
        self.queue.pop(timeout)
    }

    /// The next batch; waits as long as it takes. `None` after the shutdown.
    pub fn recv(&mut self) -> Option<Batch> {
        loop {
            match self.queue.pop(Duration::from_secs(3600)) {
                Received::Batch(batch) => return Some(batch),
                Received::TimedOut => {}
                Received::Closed => return None,
            }
        }
    }

    /// Changes which events are wanted. Holds for events emitted from now on; those on their way
    /// are judged by either.
    pub fn set_interest(&self, interest: Interest) {
        dispatch::change_interest(&self.queue, interest);
    }

    /// What the queue did so far.
    pub fn stats(&self) -> SubscriberStats {
        self.queue.stats()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.queue.close();
        dispatch::unsubscribe(&self.queue);
    }
}

/// A subscriber's queue: the collector puts in, the subscriber takes out.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    capacity_bytes: usize,
    lossy: bool,
    inner: Mutex<Inner>,
    filled: Condvar,
    emptied: Condvar,
    accepted: AtomicU64,
    accepted_bytes: AtomicU64,
    dropped: [AtomicU64; LEVELS],
    /// The shutdown waited long enough: nobody waits for this subscriber any more.
    abandoned: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    batches: VecDeque<Batch>,
    bytes: usize,
    closed: bool,
    /// Dropped since the last batch that was taken in.
    gap: [u64; LEVELS],
}

/// Whether a queue took a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Taken,
    /// It was full, and the batch is counted.
    Dropped,
    /// It is full, and its owner wants nothing dropped.
    Wait,
    /// Nobody reads it any more.
    Closed,
}

impl Queue {
    pub(crate) fn new(subscription: &Subscription) -> Queue {
        Queue {
            name: subscription.name.clone(),
            capacity_bytes: subscription.queue_bytes,
            lossy: subscription.lossy,
            inner: Mutex::new(Inner {
                batches: VecDeque::new(),
                bytes: 0,
                closed: false,
                gap: [0; LEVELS],
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            accepted: AtomicU64::new(0),
            accepted_bytes: AtomicU64::new(0),
            dropped: [const { AtomicU64::new(0) }; LEVELS],
            abandoned: AtomicBool::new(false),
        }
    }

    /// Takes a batch, if there is room. `report` makes the batch that tells what was dropped before.
    pub(crate) fn push(
        &self,
        batch: &Batch,
        report: impl FnOnce(&[u64; LEVELS]) -> Batch,
    ) -> Pushed {
        let mut inner = self.lock();
        if inner.closed {
            return Pushed::Closed;
        }
        let is_full = inner.bytes > 0 && inner.bytes + batch.records.len() > self.capacity_bytes;
        if is_full && !self.lossy && !self.abandoned.load(Ordering::Relaxed) {
            return Pushed::Wait;
        }
        if is_full {
            for (at, count) in batch.levels.iter().enumerate() {
                inner.gap[at] += u64::from(*count);
                self.dropped[at].fetch_add(u64::from(*count), Ordering::Relaxed);
            }
            return Pushed::Dropped;
        }
        if inner.gap != [0; LEVELS] {
            let report = report(&inner.gap);
            self.take_in(&mut inner, report);
            inner.gap = [0; LEVELS];
        }
        self.take_in(&mut inner, batch.clone());
        drop(inner);
        self.filled.notify_one();
        Pushed::Taken
    }

    fn take_in(&self, inner: &mut Inner, batch: Batch) {
        self.accepted
            .fetch_add(batch.events as u64, Ordering::Relaxed);
        self.accepted_bytes
            .fetch_add(batch.records.len() as u64, Ordering::Relaxed);
        inner.bytes += batch.records.len();
        inner.batches.push_back(batch);
    }

    /// Waits until something is taken out, at most so long.
    pub(crate) fn wait_for_room(&self, limit: Duration) {
        let inner = self.lock();
        if inner.bytes > 0 && !inner.closed {
            // Whether it was in time shows when the batch is put in.
            let _ = self.emptied.wait_timeout(inner, limit);
        }
    }

    fn pop(&self, timeout: Duration) -> Received {
        let is_idle = |inner: &mut Inner| inner.batches.is_empty() && !inner.closed;
        let waited = self
            .filled
            .wait_timeout_while(self.lock(), timeout, is_idle);
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match inner.batches.pop_front() {
            Some(batch) => {
                inner.bytes -= batch.records.len();
                drop(inner);
                self.emptied.notify_one();
                Received::Batch(batch)
            }
            None if inner.closed => Received::Closed,
            None => Received::TimedOut,
        }
    }

    /// Takes no more batches; what is in it can be taken out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    fn stats(&self) -> SubscriberStats {
        SubscriberStats {
            accepted: self.accepted.load(Ordering::Relaxed),
            accepted_bytes: self.accepted_bytes.load(Ordering::Relaxed),
            dropped: std::array::from_fn(|at| self.dropped[at].load(Ordering::Relaxed)),
            waiting_bytes: self.lock().bytes as u64,
        }
    }

    /// From now on what finds the queue full is dropped and counted, although the queue is not lossy.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
