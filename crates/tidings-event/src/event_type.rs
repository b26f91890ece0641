//! Event types: the names of the catalogue, with their stable ids, levels and flags.

use std::fmt;

use crate::catalogue_gen::{EVENT_NAMES, OWN_EVENTS, REFERENCE_EVENTS};
use crate::level::Level;

/// The type of an event, such as `delivery.delivered`: a stable numeric id.
///
/// Ids below 1024 are the reference's, from 1024 Tidings' own, from 4096 registered at run time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(pub(crate) u16);

/// What the catalogue says of an event type.
#[derive(Clone, Copy, Debug)]
pub struct EventInfo {
    /// Stable id.
    pub id: u16,
    /// Dotted name: `delivery.delivered`.
    pub name: &'static str,
    /// Label for text logs: `Message delivered`.
    pub description: &'static str,
    /// Default level.
    pub level: Level,
    pub(crate) flags: u8,
}

impl EventInfo {
    /// The event opens a span (a session or a delivery attempt).
    pub fn is_span_start(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The event closes a span.
    pub fn is_span_end(&self) -> bool {
        self.flags & 2 != 0
    }

    /// The event carries raw protocol input or output.
    pub fn is_raw_io(&self) -> bool {
        self.flags & 4 != 0
    }

    /// The event is counted by a metric of the same name.
    pub fn is_metric(&self) -> bool {
        self.flags & 8 != 0
    }

    /// The reference's history keeps the event.
    pub fn is_in_history(&self) -> bool {
        self.flags & 16 != 0
    }
}

static UNKNOWN: EventInfo = EventInfo {
    id: u16::MAX,
    name: "custom.other",
    description: "Event of a type this version does not know",
    level: Level::Info,
    flags: 0,
};

impl EventType {
    /// The type with this id. Any id is a type; one that the catalogue lacks has the
    /// [`info`](Self::info) of an unknown event.
    pub fn from_id(id: u16) -> EventType {
        EventType(id)
    }

    /// The type of this name: the catalogue's spelling or a documented older name.
    pub fn from_name(name: &str) -> Option<EventType> {
        let at = EVENT_NAMES
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        Some(EventType(EVENT_NAMES[at].1))
    }

    /// The stable id.
    pub fn id(self) -> u16 {
        self.0
    }

    /// What the catalogue says of it.
    pub fn info(self) -> &'static EventInfo {
        if let Some(info) = REFERENCE_EVENTS.get(usize::from(self.0)) {
            return info;
        }
        match OWN_EVENTS.binary_search_by_key(&self.0, |info| info.id) {
            Ok(at) => &OWN_EVENTS[at],
            Err(_) => &UNKNOWN,
        }
    }

    /// Dotted name: `delivery.delivered`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Default level.
    pub fn level(self) -> Level {
        self.info().level
    }

    /// Every type of the catalogue: the reference's by id, then our own by id.
    pub fn all() -> impl Iterator<Item = &'static EventInfo> {
        REFERENCE_EVENTS.iter().chain(OWN_EVENTS)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventType({} {})", self.0, self.name())
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_agree() {
        for info in EventType::all() {
            let by_name = EventType::from_name(info.name).expect("every catalogue name is found");
            assert_eq!(by_name.id(), info.id);
            assert_eq!(by_name.name(), info.name);
        }
        assert_eq!(EventType::AUTH_SUCCESS.name(), "auth.success");
        assert_eq!(
            EventType::from_name("queue.queue-message"),
            Some(EventType::QUEUE_MESSAGE_QUEUED)
        );
        assert_eq!(EventType::from_name("no.such"), None);
        assert_eq!(EventType::from_id(9999).name(), "custom.other");
    }
}
