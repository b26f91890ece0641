//! Sets of event types, and the names with wildcards that stand for several.

use std::fmt;

use crate::event_type::EventType;

const IDS: usize = 1 << 16;

/// A set of event types: one bit for each of the 65,536 ids, 8 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct EventSet(Box<[u64]>);

impl EventSet {
    /// No type.
    pub fn none() -> EventSet {
        EventSet(vec![0; IDS / 64].into())
    }

    /// Every type, also those that no catalogue has yet.
    pub fn all() -> EventSet {
        EventSet(vec![u64::MAX; IDS / 64].into())
    }

    /// The types that the patterns stand for: see [`EventType::matching`].
    ///
    /// # Errors
    /// The first pattern that stands for none.
    pub fn of<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<EventSet, UnknownEvent> {
        let mut set = EventSet::none();
        for pattern in patterns {
            for kind in EventType::matching(pattern)? {
                set.insert(kind);
            }
        }
        Ok(set)
    }

    /// Whether it holds a type.
    #[inline]
    pub fn contains(&self, kind: EventType) -> bool {
        let id = usize::from(kind.id());
        self.0[id / 64] >> (id % 64) & 1 != 0
    }

    /// Puts a type in.
    pub fn insert(&mut self, kind: EventType) {
        let id = usize::from(kind.id());
        self.0[id / 64] |= 1 << (id % 64);
    }

    /// Takes a type out.
    pub fn remove(&mut self, kind: EventType) {
        let id = usize::from(kind.id());
        self.0[id / 64] &= !(1 << (id % 64));
    }

    /// What it holds and the other does not.
    #[must_use]
    pub fn without(&self, other: &EventSet) -> EventSet {
        let words = self.0.iter().zip(&other.0);
        EventSet(words.map(|(mine, theirs)| mine & !theirs).collect())
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

impl fmt::Debug for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        write!(f, "EventSet({count} types)")
    }
}

impl EventType {
    /// The types of the catalogue that a name stands for: one, by its name or an older one of the
    /// reference's documentation, or several where it holds `*`, which stands for any text:
    /// `delivery.*`, `*.connection-start`, `*`.
    ///
    /// # Errors
    /// When it stands for none.
    pub fn matching(pattern: &str) -> Result<Vec<EventType>, UnknownEvent> {
        let types: Vec<EventType> = if pattern.contains('*') {
            EventType::all()
                .filter(|info| name_fits(pattern, info.name))
                .map(|info| EventType::from_id(info.id))
                .collect()
        } else {
            EventType::from_name(pattern).into_iter().collect()
        };
        if types.is_empty() {
            return Err(UnknownEvent(pattern.to_owned()));
        }
        Ok(types)
    }
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

/// Whether a pattern, in which `*` stands for any text, stands for this name.
pub fn name_fits(pattern: &str, name: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, fits) in [
            ("*", "delivery.delivered", true),
            ("delivery.*", "delivery.delivered", true),
            ("delivery.*", "delivery", false),
            ("*.error", "store.error", true),
            ("*.error", "store.errors", false),
            ("*-*-start", "smtp.a-b-start", true),
            ("a*b", "a.b", true),
            ("a*b*c", "axxbxxbxc", true),
            ("a*b*c", "axxbxxbx", false),
            ("a*b*c", "acb", false),
            ("a.*", "ab.c", false),
            ("ab*ba", "aba", false),
            ("**", "", true),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(name_fits(pattern, name), fits, "{pattern} {name}");
        }
    }

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
        // An older name.
        let old = EventType::matching("queue.queue-message").unwrap();
        assert_eq!(old, [EventType::QUEUE_MESSAGE_QUEUED]);
    }

    #[test]
    fn sets_hold_what_was_put_in_and_not_taken_out() {
        let mut set = EventSet::none();
        let (high, low) = (EventType::from_id(u16::MAX), EventType::from_id(0));
        set.insert(high);
        set.insert(low);
        assert!(set.contains(high) && set.contains(low) && !set.is_empty());
        assert!(!EventSet::all().without(&set).contains(high));
        set.remove(high);
        set.remove(low);
        assert!(set.is_empty() && !set.contains(high));
    }
}
