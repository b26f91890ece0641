//! The catalogue as paths: what `emit!` and `span!` name is a constant here, so a name that does not
//! exist does not compile.

use tidings_event::EventType;

#[rustfmt::skip]
mod paths_gen;

pub use paths_gen::*;

/// An event that [`emit!`](crate::emit) can name: any of the catalogue but the starts and ends of
/// spans, which have a [guard](crate::Span).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event(u16);

impl Event {
    const fn new(id: u16) -> Event {
        Event(id)
    }

    /// The event's type.
    #[inline]
    pub fn kind(self) -> EventType {
        EventType::from_id(self.0)
    }

    #[inline]
    pub(crate) const fn id(self) -> u16 {
        self.0
    }
}

/// A span that [`span!`](crate::span) can begin, named by its start event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanType {
    start: u16,
    end: u16,
}

impl SpanType {
    const fn new(start: u16, end: u16) -> SpanType {
        SpanType { start, end }
    }

    /// The type of the event that begins the span.
    #[inline]
    pub fn start(self) -> EventType {
        EventType::from_id(self.start)
    }

    /// The type of the event that ends it.
    #[inline]
    pub fn end(self) -> EventType {
        EventType::from_id(self.end)
    }

    #[inline]
    pub(crate) const fn start_event(self) -> Event {
        Event(self.start)
    }

    #[inline]
    pub(crate) const fn end_event(self) -> Event {
        Event(self.end)
    }
}
