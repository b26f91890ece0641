//! The resumer: reads the spool for clients that go on behind an id or from a time, until they are
//! where the hub is.
//!
//! One thread, one reader at a time: the clients take turns. A client that reads slowly is waited for,
//! and holds up nobody; nothing is left out for it but what the spool itself has no longer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tidings_event::{EventRef, Records};
use tidings_spool::{Delivery, Frame, Kind, Reader, Spool, SpoolError, Start};

use super::frame::{Gap, Why};
use super::hub::{Inner, gap_of};
use super::mailbox::Then;
use super::matching::{Client, Starts, render};

/// Frames that one client is read before the next has its turn.
const TURN_FRAMES: usize = 64;

/// How long the thread waits where nobody can go on: for clients to read.
const WAIT: Duration = Duration::from_millis(10);

/// How much earlier than the time asked for an event may have been committed: clocks differ, and a
/// search by time needs times that rise.
const DISORDER_NS: i64 = 60_000_000_000;

/// Clients that are behind the hub, in line.
#[derive(Debug, Default)]
pub(super) struct Resumer {
    line: Mutex<VecDeque<Resuming>>,
    moved: Condvar,
}

/// A client that is behind the hub. `client.from` is the next sequence that it has not seen.
#[derive(Debug)]
pub(super) struct Resuming {
    pub(super) client: Client,
    /// Where the frame with that sequence is, or begins to be looked for.
    pub(super) at: Start,
    /// Events before this time are not for it.
    pub(super) since_ns: Option<i64>,
    /// Where it begins was found.
    pub(super) is_placed: bool,
}

/// What came of a turn.
enum Turn {
    /// It is handed over, or gone.
    Done,
    /// It went on, and can again.
    Moved(Resuming),
    /// It has to wait.
    Stuck(Resuming),
}

/// Where a search for this sequence begins.
pub(super) fn begin(next: u64) -> Start {
    Start::Sequence(next)
}

impl Resumer {
    pub(super) fn add(&self, resuming: Resuming) {
        self.lock().push_back(resuming);
        self.moved.notify_one();
    }

    pub(super) fn wake(&self) {
        // Under the lock, so that who is about to wait is woken.
        let _line = self.lock();
        self.moved.notify_all();
    }

    /// Serves the line until the hub stops.
    pub(super) fn run(hub: &Inner) {
        let resumer = &hub.resumer;
        // Turns since anybody moved.
        let mut stuck = 0;
        while !hub.stop.is_set() {
            let next = {
                let mut line = resumer.lock();
                if line.is_empty() {
                    stuck = 0;
                    line = resumer.wait(line, Duration::from_secs(1));
                } else if stuck >= line.len() {
                    stuck = 0;
                    line = resumer.wait(line, WAIT);
                }
                line.pop_front()
            };
            match next.map(|resuming| resuming.turn(hub)) {
                None => {}
                Some(Turn::Done) => stuck = 0,
                Some(Turn::Moved(resuming)) => {
                    stuck = 0;
                    resumer.lock().push_back(resuming);
                }
                Some(Turn::Stuck(resuming)) => {
                    stuck += 1;
                    resumer.lock().push_back(resuming);
                }
            }
        }
    }

    fn wait<'l>(&self, line: Line<'l>, at_most: Duration) -> Line<'l> {
        let waited = self.moved.wait_timeout(line, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> Line<'_> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Line<'l> = std::sync::MutexGuard<'l, VecDeque<Resuming>>;

impl Resuming {
    fn turn(mut self, hub: &Inner) -> Turn {
        let mailbox = std::sync::Arc::clone(&self.client.mailbox);
        if mailbox.is_gone() {
            return Turn::Done;
        }
        if !mailbox.has_room() {
            return Turn::Stuck(self);
        }
        let reached = self.place(&hub.spool).and_then(|()| self.read(&hub.spool));
        mailbox.wake();
        match reached {
            Ok(true) => match hub.hand_over(self.client) {
                None => Turn::Done,
                // The hub went on meanwhile.
                Some(client) => Turn::Moved(Resuming {
                    client,
                    at: self.at,
                    since_ns: self.since_ns,
                    is_placed: true,
                }),
            },
            Ok(false) if mailbox.has_room() => Turn::Moved(self),
            Ok(false) => Turn::Stuck(self),
            Err(SpoolError::Closed | SpoolError::Poisoned { .. }) => Turn::Done,
            // The next attempt may succeed; nothing is passed over.
            Err(_) => Turn::Stuck(self),
        }
    }

    /// Finds where a time begins.
    fn place(&mut self, spool: &Spool) -> Result<(), SpoolError> {
        if let (false, Some(since_ns)) = (self.is_placed, self.since_ns) {
            let oldest = spool.stats().oldest;
            let next = first_since(spool, since_ns)?;
            if next <= oldest && oldest > 1 {
                let gap = Gap {
                    why: Why::Removed,
                    count: None,
                    from_to: None,
                };
                let _ = self.client.mailbox.put_gap(next, gap);
            }
            self.client.from = next;
            self.client.mailbox.set_next(next, true);
            self.at = begin(next);
            self.is_placed = true;
        }
        Ok(())
    }

    /// Reads on, but no further than there is room; gives whether the end is reached.
    fn read(&mut self, spool: &Spool) -> Result<bool, SpoolError> {
        let mut reader = spool.reader(self.at)?;
        for _ in 0..TURN_FRAMES {
            match reader.next(Duration::ZERO)? {
                Some(Delivery::Frame(frame)) => {
                    if frame.kind() == Kind::Events && !self.show(&frame) {
                        self.at = frame.position().into();
                        return Ok(false);
                    }
                    self.pass(frame.sequences().end, &reader);
                }
                Some(Delivery::Gap(gap)) => {
                    let _ = self.client.mailbox.put_gap(gap.sequences.end, gap_of(&gap));
                    self.pass(gap.sequences.end, &reader);
                }
                None => {
                    self.pass(reader.sequence(), &reader);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn pass(&mut self, next: u64, reader: &Reader) {
        self.client.from = self.client.from.max(next);
        self.client.mailbox.set_next(self.client.from, true);
        self.at = reader.position().into();
    }

    /// Shows the events of a frame that the client has not seen; gives whether all had room.
    fn show(&mut self, frame: &Frame) -> bool {
        let mut starts = Starts::of(frame, |_| ());
        for (sequence, event) in
            (frame.first_sequence()..).zip(Records::new(frame.records()).map_while(Result::ok))
        {
            let start = starts.meet(&event, ());
            if sequence < self.client.from {
                continue;
            }
            if !self.show_event(&event, start.as_ref(), sequence) {
                return false;
            }
            self.client.from = sequence + 1;
        }
        true
    }

    fn show_event(
        &mut self,
        event: &EventRef<'_>,
        start: Option<&EventRef<'_>>,
        sequence: u64,
    ) -> bool {
        // Before it is shown: a follower must see an event once only.
        let mailbox = &self.client.mailbox;
        if !mailbox.has_room() {
            return false;
        }
        if !self.client.follower.takes(event, start)
            || self
                .since_ns
                .is_some_and(|since_ns| event.time_ns() < since_ns)
        {
            return true;
        }
        if mailbox.add(sequence, &render(event)) == Then::Wake {
            mailbox.wake();
        }
        true
    }
}

/// The first event that may be of this time or a later one, where times of events rise but for a minute;
/// the end of the spool if there is none.
pub(crate) fn first_since(spool: &Spool, since_ns: i64) -> Result<u64, SpoolError> {
    let since_ns = since_ns.saturating_sub(DISORDER_NS);
    let (mut low, mut high) = (spool.stats().oldest, spool.head());
    while low < high {
        let middle = low + (high - low) / 2;
        match time_at(&mut spool.reader(middle)?, middle)? {
            Some(time_ns) if time_ns < since_ns => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The time of the event with this sequence, or of one behind it; `None` if there is none.
fn time_at(reader: &mut Reader, sequence: u64) -> Result<Option<i64>, SpoolError> {
    while let Some(delivery) = reader.next(Duration::ZERO)? {
        let Delivery::Frame(frame) = delivery else {
            continue;
        };
        if frame.kind() == Kind::Events {
            let events = Records::new(frame.records()).map_while(Result::ok);
            let mut numbered = (frame.first_sequence()..).zip(events);
            if let Some((_, event)) = numbered.find(|(known, _)| *known >= sequence) {
                return Ok(Some(event.time_ns()));
            }
        }
    }
    Ok(None)
}
