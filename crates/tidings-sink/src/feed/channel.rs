//! A channel as a feed, for programs that embed the outputs without a spool.
//!
//! **Queue**: as many bytes of records as [`channel`] was told. When it is full,
//! [`send`](FeedSender::send) waits and [`try_send`](FeedSender::try_send) refuses; the driver counts
//! refused events as lost, where they are missing. What is in it when the process dies is lost.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_spool::Behind;

use super::{Fed, Feed, FeedError, Piece};

/// A feed and the end into which events are put; at most `capacity_bytes` of records lie between, or
/// one larger piece.
#[must_use]
pub fn channel(capacity_bytes: usize) -> (FeedSender, ChannelFeed) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            next_sequence: 1,
            ..State::default()
        }),
        changed: Condvar::new(),
        capacity_bytes,
    });
    let feed = ChannelFeed {
        shared: Arc::clone(&shared),
    };
    (FeedSender { shared }, feed)
}

/// Puts events into a [`ChannelFeed`]; dropping it ends the feed.
#[derive(Debug)]
pub struct FeedSender {
    shared: Arc<Shared>,
}

/// Reads what a [`FeedSender`] puts in.
#[derive(Debug)]
pub struct ChannelFeed {
    shared: Arc<Shared>,
}

/// Records that were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There was no room; they are counted as lost.
    Full,
    /// The driver has ended.
    Ended,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    capacity_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    next_sequence: u64,
    /// The sequence of the next event to be read.
    read_sequence: u64,
    sender_is_gone: bool,
    feed_is_gone: bool,
}

#[derive(Debug)]
enum Item {
    Records {
        records: Arc<[u8]>,
        first_sequence: u64,
        count: u64,
    },
    Lost {
        until: u64,
        events: u64,
    },
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FeedSender {
    /// Puts in `count` whole records; waits while there is no room.
    ///
    /// # Errors
    /// [`Refused::Ended`].
    pub fn send(&self, records: impl Into<Arc<[u8]>>, count: u64) -> Result<(), Refused> {
        self.put(records.into(), count, true)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// [`Refused::Full`] or [`Refused::Ended`].
    pub fn try_send(&self, records: impl Into<Arc<[u8]>>, count: u64) -> Result<(), Refused> {
        self.put(records.into(), count, false)
    }

    fn put(&self, records: Arc<[u8]>, count: u64, may_wait: bool) -> Result<(), Refused> {
        let shared = &self.shared;
        let mut state = shared.lock();
        loop {
            if state.feed_is_gone {
                return Err(Refused::Ended);
            }
            if state.bytes == 0 || state.bytes + records.len() <= shared.capacity_bytes {
                break;
            }
            if !may_wait {
                state.refuse(count);
                return Err(Refused::Full);
            }
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let first_sequence = state.next_sequence;
        state.next_sequence += count;
        state.bytes += records.len();
        state.queue.push_back(Item::Records {
            records,
            first_sequence,
            count,
        });
        drop(state);
        shared.changed.notify_all();
        Ok(())
    }
}

impl State {
    /// Notes refused events at their place; neighbours are joined, so that the notes stay few.
    fn refuse(&mut self, count: u64) {
        self.next_sequence += count;
        let end = self.next_sequence;
        if let Some(Item::Lost { until, events }) = self.queue.back_mut() {
            (*until, *events) = (end, *events + count);
        } else {
            self.queue.push_back(Item::Lost {
                until: end,
                events: count,
            });
        }
    }
}

impl Drop for FeedSender {
    fn drop(&mut self) {
        self.shared.lock().sender_is_gone = true;
        self.shared.changed.notify_all();
    }
}

impl Feed for ChannelFeed {
    fn next(&mut self, timeout: Duration) -> Result<Option<Fed>, FeedError> {
        let state = self.shared.lock();
        let is_empty = |state: &mut State| state.queue.is_empty() && !state.sender_is_gone;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, timeout, is_empty);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let fed = match state.queue.pop_front() {
            Some(Item::Records {
                records,
                first_sequence,
                count,
            }) => {
                state.bytes -= records.len();
                state.read_sequence = first_sequence + count;
                Fed::Piece(Piece::records_from(records, first_sequence))
            }
            Some(Item::Lost { until, events }) => {
                state.read_sequence = until;
                let reason = "the output's queue was full".to_owned();
                Fed::Lost {
                    until,
                    events,
                    reason,
                }
            }
            None if state.sender_is_gone => return Err(FeedError::Closed),
            None => return Ok(None),
        };
        drop(state);
        self.shared.changed.notify_all();
        Ok(Some(fed))
    }

    fn behind(&self) -> Behind {
        let state = self.shared.lock();
        Behind {
            events: state.next_sequence - state.read_sequence.max(1),
            bytes: state.bytes as u64,
        }
    }

    fn head(&self) -> u64 {
        self.shared.lock().next_sequence
    }

    fn is_durable(&self) -> bool {
        false
    }
}

impl Drop for ChannelFeed {
    fn drop(&mut self) {
        self.shared.lock().feed_is_gone = true;
        self.shared.changed.notify_all();
    }
}
