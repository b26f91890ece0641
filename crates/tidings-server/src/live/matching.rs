//! Shows the events of a frame to those who may want them.

use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tidings_event::json::write_registry;
use tidings_event::{EventRef, Records};
use tidings_spool::Frame;

use super::frame::Gap;
use super::index::{Index, Slot};
use super::mailbox::{Mailbox, Then};
use super::wish::Follower;

/// Spans that the table of followed ones may hold before those that nobody follows are looked for.
const SPANS_MIN: usize = 4_096;

/// A client that the hub shows events to.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) follower: Follower,
    /// The first sequence that is for it.
    pub(super) from: u64,
}

/// The clients that are at the end of the spool.
#[derive(Debug, Default)]
pub(super) struct Clients {
    slots: Vec<Option<Client>>,
    index: Index,
    is_index_old: bool,
    /// Who follows a span; may name some who no longer do.
    by_span: FxHashMap<u64, Vec<Slot>>,
    /// How many it may hold before it is made anew.
    by_span_max: usize,
    /// The last event that a client was tried with.
    tried: Vec<u64>,
    turn: u64,
    found: Vec<Slot>,
    touched: Vec<Slot>,
    missed: u64,
}

impl Clients {
    pub(super) fn add(&mut self, client: Client) {
        let free = self.slots.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.tried.push(0);
            self.slots.len() - 1
        });
        let slot = Slot::try_from(at).expect("there are never so many clients");
        for span in client.follower.spans() {
            self.by_span.entry(span).or_default().push(slot);
        }
        self.slots[at] = Some(client);
        self.is_index_old = true;
    }

    /// Lets go of those who have left.
    pub(super) fn sweep(&mut self) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|client| client.mailbox.is_gone()) {
                *slot = None;
                self.is_index_old = true;
            }
        }
    }

    /// Shows a frame to everybody. Who got something is woken
    /// by [`wake`](Clients::wake).
    pub(super) fn show(&mut self, frame: &Frame) {
        self.refresh();
        if self.slots.iter().all(Option::is_none) {
            return;
        }
        let mut starts = Starts::of(frame, |start| {
            let mut found = Vec::new();
            self.index.by_needles(start, &mut found);
            found
        });
        // What cannot be read would not be read later either; the history tells of damage.
        let events = Records::new(frame.records()).map_while(Result::ok);
        for (sequence, event) in (frame.first_sequence()..).zip(events) {
            self.show_event(&event, sequence, &mut starts);
        }
    }

    fn show_event<'f>(&mut self, event: &EventRef<'f>, sequence: u64, starts: &mut Starts<'f>) {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.index.candidates(event, &mut found);
        let is_start = event.kind().info().is_span_start();
        let mut start = None;
        if let Some(span) = event.span() {
            if let Some(followers) = self.by_span.get(&span.0) {
                found.extend_from_slice(followers);
            }
            if is_start {
                starts.0.insert(span.0, (*event, found.clone()));
            } else if let Some((known, candidates)) = starts.0.get(&span.0) {
                found.extend_from_slice(candidates);
                start = Some(*known);
            }
        }
        self.turn += 1;
        let mut rendered: Option<Bytes> = None;
        for slot in &found {
            let at = *slot as usize;
            if std::mem::replace(&mut self.tried[at], self.turn) == self.turn {
                continue;
            }
            let Some(client) = self.slots[at]
                .as_mut()
                .filter(|client| sequence >= client.from)
            else {
                continue;
            };
            let follows = |client: &Client| {
                let span = event.span();
                span.filter(|span| client.follower.follows(*span))
            };
            let before = follows(client);
            if client.follower.takes(event, start.as_ref()) {
                let rendered = rendered.get_or_insert_with(|| render(event));
                match client.mailbox.put(sequence, rendered) {
                    Then::Wake => self.touched.push(*slot),
                    Then::Missed => self.missed += 1,
                    Then::Nothing => {}
                }
            }
            if let (None, Some(span)) = (before, follows(client)) {
                self.by_span.entry(span.0).or_default().push(*slot);
            }
        }
        if let Some(span) = event.span()
            && event.kind().info().is_span_end()
        {
            self.by_span.remove(&span.0);
        }
        self.found = found;
    }

    /// Tells everybody of a gap.
    pub(super) fn put_gap(&self, gap: &Gap, next: u64) {
        for client in self.slots.iter().flatten() {
            if client.mailbox.put_gap(next, gap.clone()) == Then::Wake {
                client.mailbox.wake();
            }
        }
    }

    /// How many events were left out since this was asked last, each counted for each client.
    pub(super) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// Wakes those who got something.
    pub(super) fn wake(&mut self) {
        for slot in self.touched.drain(..) {
            if let Some(client) = &self.slots[slot as usize] {
                client.mailbox.wake();
            }
        }
    }

    fn refresh(&mut self) {
        if self.is_index_old || self.by_span.len() > self.by_span_max {
            self.by_span.clear();
            for (slot, client) in numbered(&self.slots) {
                for span in client.follower.spans() {
                    self.by_span.entry(span).or_default().push(slot);
                }
            }
            self.by_span_max = SPANS_MIN.max(2 * self.by_span.len());
        }
        if self.is_index_old {
            let wishes = numbered(&self.slots);
            self.index = Index::of(wishes.map(|(slot, client)| (slot, client.follower.wish())));
            self.is_index_old = false;
        }
    }
}

/// The clients with their slots.
fn numbered(slots: &[Option<Client>]) -> impl Iterator<Item = (Slot, &Client)> {
    (0..)
        .zip(slots)
        .filter_map(|(slot, client)| Some((slot, client.as_ref()?)))
}

/// The starts of the spans that a frame speaks of, each with something known of it: a frame carries
/// copies of those that lie before it.
#[derive(Debug)]
pub(super) struct Starts<'f, T = Vec<Slot>>(FxHashMap<u64, (EventRef<'f>, T)>);

impl<'f, T> Starts<'f, T> {
    /// Those that lie before the frame.
    pub(super) fn of(frame: &'f Frame, mut known: impl FnMut(&EventRef<'f>) -> T) -> Starts<'f, T> {
        let starts = Records::new(frame.context()).map_while(Result::ok);
        let spans = starts.filter_map(|start| Some((start.span()?.0, start)));
        Starts(
            spans
                .map(|(span, start)| (span, (start, known(&start))))
                .collect(),
        )
    }

    /// Adds the event if it is a start itself; else gives the start of its span.
    pub(super) fn meet(&mut self, event: &EventRef<'f>, known: T) -> Option<EventRef<'f>> {
        let span = event.span()?.0;
        if event.kind().info().is_span_start() {
            self.0.insert(span, (*event, known));
            return None;
        }
        self.0.get(&span).map(|(start, _)| *start)
    }
}

/// The event as clients get it.
pub(super) fn render(event: &EventRef<'_>) -> Bytes {
    let mut json = Vec::with_capacity(512);
    write_registry(&mut json, event);
    json.into()
}
