//! Which events somebody wants: a level, and a list of types.

use std::fmt;

use tidings_event::{EventType, Level};

use crate::gate::TYPES;

/// A set of event types of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSet([u64; TYPES / 64]);

impl EventSet {
    /// No type.
    pub fn empty() -> EventSet {
        EventSet([0; TYPES / 64])
    }

    /// Every type.
    pub fn all() -> EventSet {
        EventSet([u64::MAX; TYPES / 64])
    }

    /// The types that the patterns name: names such as `auth.failed`, or names with `*`, such as
    /// `delivery.*`, `*.connection-start` or `*`, where it stands for any text.
    ///
    /// Fails at the first pattern that names nothing.
    pub fn of<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<EventSet, UnknownEvent> {
        let mut set = EventSet::empty();
        for pattern in patterns {
            set.add(pattern)?;
        }
        Ok(set)
    }

    /// Whether the type is in the set.
    pub fn contains(&self, kind: EventType) -> bool {
        let id = usize::from(kind.id());
        self.0
            .get(id / 64)
            .is_some_and(|word| word & 1 << (id % 64) != 0)
    }

    /// Adds a type.
    pub fn insert(&mut self, kind: EventType) {
        let id = usize::from(kind.id());
        if let Some(word) = self.0.get_mut(id / 64) {
            *word |= 1 << (id % 64);
        }
    }

    fn add(&mut self, pattern: &str) -> Result<(), UnknownEvent> {
        let unknown = || UnknownEvent(pattern.to_owned());
        if !pattern.contains('*') {
            self.insert(EventType::from_name(pattern).ok_or_else(unknown)?);
            return Ok(());
        }
        let mut found = false;
        for info in EventType::all().filter(|info| matches(pattern, info.name)) {
            self.insert(EventType::from_id(info.id));
            found = true;
        }
        if found { Ok(()) } else { Err(unknown()) }
    }

    fn without(&self, other: &EventSet) -> EventSet {
        EventSet(std::array::from_fn(|at| self.0[at] & !other.0[at]))
    }
}

/// Whether `*`s in the pattern can stand for something so that it is the name.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A pattern that names no event of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEvent(String);

impl fmt::Display for UnknownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no event is named {:?}: must be a name of the catalogue such as auth.failed, or one with * such as delivery.*",
            self.0
        )
    }
}

impl std::error::Error for UnknownEvent {}

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
    fn patterns_name_types() {
        let set = EventSet::of(["delivery.*", "auth.failed", "*.connection-start"]).unwrap();
        assert!(set.contains(EventType::DELIVERY_DELIVERED));
        assert!(set.contains(EventType::AUTH_FAILED));
        assert!(set.contains(EventType::IMAP_CONNECTION_START));
        assert!(!set.contains(EventType::AUTH_SUCCESS));
        for pattern in ["auth.nothing", "nothing.*", ""] {
            assert_eq!(EventSet::of([pattern]), Err(UnknownEvent(pattern.into())));
        }
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, is_match) in [
            ("*", "a.b", true),
            ("a*b", "a.b", true),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("*.b", "a.b", true),
            ("a.*", "ab.c", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
    }

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
