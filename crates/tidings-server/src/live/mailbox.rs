//! What waits for one client: events that it wants and has not read yet.
//!
//! **Queue**: as many bytes of events as the settings say (`live.buffer`), or one event that is longer.
//! When it is full, events are left out until the client reads: they are counted, and the client gets
//! the count as a gap in their place. Who reads the spool for a client leaves nothing out but waits
//! until half of it is free; an event that is longer than that half is put in all the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tidings_event::Level;

use super::frame::{Gap, Why, write_events, write_gap};
use super::id::StreamId;

/// What is counted for each event beside its bytes.
const ITEM_BYTES: usize = 64;

/// Gaps that may wait; further ones are joined to the last.
const GAPS_MAX: usize = 64;

/// The queue of one client.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    capacity: usize,
    /// Whose it is, so that it can be closed when an account is revoked.
    pub(super) who: Option<Arc<str>>,
    /// The level that the client asks for by name.
    pub(super) level: Option<Level>,
    /// The client is gone: nothing needs to be put in.
    is_gone: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    items: Vec<Item>,
    bytes: usize,
    gaps: usize,
    missed: Option<Missed>,
    /// The next sequence that was not looked at for this client; 0 while that is looked for.
    next: u64,
    /// The spool is still read for this client alone.
    is_resuming: bool,
    is_closed: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Item {
    Event(u64, Bytes),
    Gap(u64, Gap),
}

/// Events left out since the queue was full.
#[derive(Debug)]
struct Missed {
    count: u64,
    first: u64,
    last: u64,
}

/// Whether a client has to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Then {
    Nothing,
    Wake,
    /// Not that, but the event was left out, which is to be counted.
    Missed,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is there.
    Nothing,
    /// Something; it may be sent when its time has come.
    Something,
    /// So much that it should be sent now.
    Much,
    /// The stream is over.
    Closed,
}

/// What was taken out.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Frames.
    pub(super) bytes: Vec<u8>,
    pub(super) events: u64,
}

impl Mailbox {
    /// An empty one, for a client that wants everything from `next` on.
    pub(super) fn new(capacity: usize, who: Option<Arc<str>>, next: u64) -> Mailbox {
        Mailbox {
            state: Mutex::new(State {
                next,
                ..State::default()
            }),
            capacity,
            who,
            level: None,
            is_gone: AtomicBool::new(false),
        }
    }

    /// The mailbox of a client that asks for this level by name.
    pub(super) fn asking_for(self, level: Option<Level>) -> Mailbox {
        Mailbox { level, ..self }
    }

    /// Puts an event in, or counts it as missed.
    pub(super) fn put(&self, sequence: u64, event: &Bytes) -> Then {
        let mut state = self.lock();
        if state.missed.is_some() || !state.has_room(event.len(), self.capacity) {
            let missed = state.missed.get_or_insert(Missed {
                count: 0,
                first: sequence,
                last: sequence,
            });
            missed.count += 1;
            missed.last = sequence;
            return Then::Missed;
        }
        state.add(sequence, event, self.capacity)
    }

    /// Puts an event in, whatever room there is: for who asked [`has_room`](Mailbox::has_room) first.
    pub(super) fn add(&self, sequence: u64, event: &Bytes) -> Then {
        self.lock().add(sequence, event, self.capacity)
    }

    /// Says that events before `next` are missing.
    pub(super) fn put_gap(&self, next: u64, gap: Gap) -> Then {
        let mut state = self.lock();
        state.next = state.next.max(next);
        let next = state.next;
        if state.gaps < GAPS_MAX {
            state.gaps += 1;
            state.items.push(Item::Gap(next, gap));
        } else if let Some(Item::Gap(last, known)) = state
            .items
            .iter_mut()
            .rev()
            .find(|item| matches!(item, Item::Gap(..)))
        {
            *last = next;
            known.count = known.count.zip(gap.count).map(|(one, other)| one + other);
            known.from_to = known
                .from_to
                .zip(gap.from_to)
                .map(|(one, other)| (one.0, other.1));
        }
        Then::Wake
    }

    /// Everything before `next` was looked at; whether the spool is read for this client alone.
    pub(super) fn set_next(&self, next: u64, is_resuming: bool) {
        let mut state = self.lock();
        state.next = state.next.max(next);
        state.is_resuming = is_resuming;
    }

    /// Whether half of it is free.
    pub(super) fn has_room(&self) -> bool {
        let state = self.lock();
        state.bytes < self.capacity / 2 && state.gaps < GAPS_MAX
    }

    /// What is there; if nothing or too little to be sent at once, the task is woken for more.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Found {
        let mut state = self.lock();
        let found = state.found(self.capacity);
        if !matches!(found, Found::Closed | Found::Much) {
            state.waker = Some(context.waker().clone());
        }
        found
    }

    /// Waits until the stream is over.
    pub(super) async fn closed(&self) {
        std::future::poll_fn(|context| match self.poll(context) {
            Found::Closed => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    /// Takes everything out, as frames.
    pub(super) fn take(&self, id: StreamId) -> Taken {
        let (items, bytes, missed) = {
            let mut state = self.lock();
            state.gaps = 0;
            let bytes = std::mem::take(&mut state.bytes);
            let missed = state.missed.take();
            if let Some(missed) = &missed {
                state.next = state.next.max(missed.last + 1);
            }
            (std::mem::take(&mut state.items), bytes, missed)
        };
        let mut taken = Taken {
            bytes: Vec::with_capacity(bytes + 512),
            ..Taken::default()
        };
        let mut bundle: Vec<Bytes> = Vec::new();
        let mut last = 0;
        for item in items {
            match item {
                Item::Event(sequence, event) => {
                    bundle.push(event);
                    last = sequence;
                    taken.events += 1;
                }
                Item::Gap(next, gap) => {
                    flush(&mut taken.bytes, id, last, &mut bundle);
                    write_gap(&mut taken.bytes, id, next.saturating_sub(1), &gap);
                }
            }
        }
        flush(&mut taken.bytes, id, last, &mut bundle);
        if let Some(missed) = missed {
            let gap = Gap {
                why: Why::Slow,
                count: Some(missed.count),
                from_to: Some((missed.first, missed.last)),
            };
            write_gap(&mut taken.bytes, id, missed.last, &gap);
        }
        taken
    }

    /// The next sequence that was not looked at for this client, where the hub looked at everything
    /// before `published`. Ask for `published` first.
    pub(super) fn next(&self, published: u64) -> u64 {
        let state = self.lock();
        if state.is_resuming {
            state.next
        } else {
            state.next.max(published)
        }
    }

    /// Wakes the client.
    pub(super) fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends the stream; what waits is not sent.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake();
    }

    /// The client is gone.
    pub(super) fn leave(&self) {
        self.is_gone.store(true, Ordering::Release);
        let mut state = self.lock();
        state.items = Vec::new();
        state.waker = None;
    }

    /// Whether nothing need be put in any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// The sequences of the events that wait.
    #[cfg(test)]
    pub(super) fn sequences(&self) -> Vec<u64> {
        let state = self.lock();
        let events = state.items.iter().filter_map(|item| match item {
            Item::Event(sequence, _) => Some(*sequence),
            Item::Gap(..) => None,
        });
        events.collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, bytes: usize, capacity: usize) -> bool {
        self.items.is_empty() || self.bytes + bytes + ITEM_BYTES <= capacity
    }

    fn add(&mut self, sequence: u64, event: &Bytes, capacity: usize) -> Then {
        let before = self.found(capacity);
        self.bytes += event.len() + ITEM_BYTES;
        self.items.push(Item::Event(sequence, event.clone()));
        self.next = self.next.max(sequence + 1);
        if self.found(capacity) == before {
            Then::Nothing
        } else {
            Then::Wake
        }
    }

    fn found(&self, capacity: usize) -> Found {
        if self.is_closed {
            Found::Closed
        } else if self.bytes > 0 && self.bytes >= capacity / 2 {
            Found::Much
        } else if self.items.is_empty() && self.missed.is_none() {
            Found::Nothing
        } else {
            Found::Something
        }
    }
}

fn flush(out: &mut Vec<u8>, id: StreamId, last: u64, bundle: &mut Vec<Bytes>) {
    if !bundle.is_empty() {
        write_events(out, id, last, bundle);
        bundle.clear();
    }
}
