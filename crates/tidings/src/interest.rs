//! Which events somebody wants: a level, and a list of types.

use tidings_event::{EventSet, EventType, Level};

/// Which events a subscriber wants.
///
/// An event is wanted if its type is in the set and its effective level is at least the level asked
/// for. The starts and ends of spans come too, whatever their level and type, unless they are
/// declined: without them a reader cannot tell what the other events belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    events: EventSet,
    level: Level,
    spans: bool,
}

impl Interest {
    /// Everything from this level up.
    pub fn level(level: Level) -> Interest {
        Interest {
            events: EventSet::all(),
            level,
            spans: true,
        }
    }

    /// Everything.
    pub fn all() -> Interest {
        Interest::level(Level::Trace)
    }

    /// Of these types only.
    pub fn only(self, events: EventSet) -> Interest {
        Interest { events, ..self }
    }

    /// Of all types but these.
    pub fn except(self, events: &EventSet) -> Interest {
        Interest {
            events: self.events.without(events),
            ..self
        }
    }

    /// Without the starts and ends of spans, as far as they are not wanted by type and level.
    pub fn without_spans(self) -> Interest {
        Interest {
            spans: false,
            ..self
        }
    }

    /// Whether an event of this type and effective level is wanted.
    pub fn wants(&self, kind: EventType, level: Level) -> bool {
        if level == Level::Disable {
            return false;
        }
        self.events.contains(kind) && self.level.accepts(level) || self.spans && is_edge(kind)
    }
}

/// Whether the type begins or ends a span.
pub(crate) fn is_edge(kind: EventType) -> bool {
    let info = kind.info();
    info.is_span_start() || info.is_span_end()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn spans_come_along_unless_declined() {
        let warnings = Interest::level(Level::Warn);
        let start = EventType::SMTP_CONNECTION_START;
        assert!(warnings.wants(start, Level::Debug));
        assert!(!warnings.wants(start, Level::Disable));
        assert!(!warnings.wants(EventType::AUTH_SUCCESS, Level::Info));
        assert!(!warnings.without_spans().wants(start, Level::Debug));
        let few = Interest::all().except(&EventSet::of(["auth.*"]).unwrap());
        assert!(!few.wants(EventType::AUTH_FAILED, Level::Error));
        assert!(few.wants(EventType::DELIVERY_DELIVERED, Level::Trace));
    }
}
