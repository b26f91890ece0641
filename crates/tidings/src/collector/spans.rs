//! The open spans, so that each gets an end.
//!
//! Capacity: [`SPANS_MAX`] spans, [`AGE_MAX`] old. When there are more, or one is older, the oldest
//! is given up: it gets its end, marked `interrupted`. An end that its guard tells later is passed
//! on all the same.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tidings_event::EventType;

use crate::clock;
use crate::gate::TYPES;

/// How many spans may be open.
const SPANS_MAX: usize = 65_536;

/// How long a span may be open.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A span that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) id: u64,
    /// Id of the type of its end.
    pub(super) end: u16,
    pub(super) level: u8,
    /// Ticks when it began.
    pub(super) begun: u64,
}

/// What an event does to its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Start {
        /// Id of the type of the end.
        end: u16,
    },
    End,
}

/// See the module.
#[derive(Debug)]
pub(super) struct SpanTable {
    edges: Box<[Option<Edge>]>,
    open: HashMap<u64, Open>,
    /// In the order in which they began; holds spans that have ended, too.
    order: VecDeque<u64>,
}

impl Default for SpanTable {
    fn default() -> SpanTable {
        SpanTable {
            edges: (0..TYPES as u16).map(edge_of).collect(),
            open: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl SpanTable {
    #[inline]
    pub(super) fn edge(&self, kind: u16) -> Option<Edge> {
        *self.edges.get(usize::from(kind))?
    }

    /// Notes a span; gives the oldest one if it had to make room.
    pub(super) fn begin(&mut self, id: u64, end: u16, level: u8, begun: u64) -> Option<Open> {
        if id == 0 {
            return None;
        }
        let given_up = (self.open.len() >= SPANS_MAX).then(|| self.take_oldest());
        let span = Open {
            id,
            end,
            level,
            begun,
        };
        if self.open.insert(id, span).is_none() {
            self.order.push_back(id);
        }
        given_up.flatten()
    }

    pub(super) fn end(&mut self, id: u64) {
        self.open.remove(&id);
        if self.order.len() > 2 * self.open.len() + 64 {
            self.order.retain(|id| self.open.contains_key(id));
        }
    }

    /// Takes out the span that began first.
    pub(super) fn take_oldest(&mut self) -> Option<Open> {
        while let Some(id) = self.order.pop_front() {
            if let Some(span) = self.open.remove(&id) {
                return Some(span);
            }
        }
        None
    }

    /// Takes out a span that has been open for too long at `now`.
    pub(super) fn take_expired(&mut self, now: u64) -> Option<Open> {
        let oldest = loop {
            let id = *self.order.front()?;
            match self.open.get(&id) {
                Some(span) => break *span,
                None => {
                    self.order.pop_front();
                }
            }
        };
        let age = Duration::from_nanos(clock::nanos_between(oldest.begun, now));
        (age > AGE_MAX).then(|| self.take_oldest()).flatten()
    }
}

fn edge_of(id: u16) -> Option<Edge> {
    let info = EventType::from_id(id).info();
    if info.id != id {
        return None;
    }
    if info.is_span_end() {
        return Some(Edge::End);
    }
    let begun = info.name.strip_suffix("-start")?;
    if !info.is_span_start() {
        return None;
    }
    let end = EventType::from_name(&format!("{begun}-end"))?;
    Some(Edge::Start { end: end.id() })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_start_of_the_catalogue_has_its_end() {
        for info in EventType::all().filter(|info| info.is_span_start()) {
            let Some(Edge::Start { end }) = edge_of(info.id) else {
                panic!("{} has no end", info.name);
            };
            assert!(EventType::from_id(end).info().is_span_end());
        }
    }

    #[test]
    fn the_oldest_makes_room_and_what_ended_is_forgotten() {
        let mut table = SpanTable::default();
        for id in 1..=SPANS_MAX as u64 {
            assert_eq!(table.begin(id, 7, 2, id), None);
        }
        table.end(1);
        assert_eq!(table.begin(1_000_000, 7, 2, 5), None);
        let given_up = table.begin(1_000_001, 7, 2, 5).unwrap();
        assert_eq!(given_up.id, 2);
        for id in 3..=SPANS_MAX as u64 {
            table.end(id);
        }
        assert!(table.order.len() < 100, "{}", table.order.len());
        assert_eq!(table.take_oldest().map(|span| span.id), Some(1_000_000));
    }

    #[test]
    fn a_span_expires_after_a_day() {
        let mut table = SpanTable::default();
        let now = clock::ticks();
        let late = |age| clock::before(now, Duration::ZERO) + age;
        table.begin(1, 7, 2, now);
        assert_eq!(table.take_expired(now), None);
        // No counter runs faster than 10 ticks a nanosecond.
        let day = 10 * 25 * 3600 * 1_000_000_000;
        assert_eq!(table.take_expired(late(day)).map(|span| span.id), Some(1));
    }
}
