//! What a filter can be matched with.

use crate::event_type::EventType;
use crate::id::Id;
use crate::key::Key;
use crate::level::Level;
use crate::record::EventRef;
use crate::value::Value;

/// An object that a [`Matcher`](super::Matcher) tests: an event, a row of the message list.
///
/// The matcher calls these methods on the caller's thread, any number of times and in any order; they
/// must give the same answers each time and should not allocate. For a [`Plan`](super::Plan) to hold,
/// the object's tokens must be those that [`value_tokens`](crate::token::value_tokens) gives for every
/// value of [`any_value`](Self::any_value), and of [`any_extra`](Self::any_extra) for fields that are
/// indexed.
pub trait Subject {
    /// Its event type; `None` where `type:` never applies.
    fn kind(&self) -> Option<EventType>;

    /// Its level; `None` where `level:` never applies.
    fn level(&self) -> Option<Level>;

    /// When it happened, in nanoseconds since the unix epoch.
    fn time_ns(&self) -> i64;

    /// The span it belongs to.
    fn span(&self) -> Option<Id>;

    /// Calls `test` with each value under `key`, or with every value where `key` is `None`, until it
    /// says `true`; tells whether it did.
    fn any_value(&self, key: Option<Key>, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool;

    /// The same for the extra field that was declared with this id; `false` for ids not declared.
    fn any_extra(&self, id: u16, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool;
}

impl Subject for EventRef<'_> {
    fn kind(&self) -> Option<EventType> {
        Some(EventRef::kind(self))
    }

    fn level(&self) -> Option<Level> {
        Some(EventRef::level(self))
    }

    fn time_ns(&self) -> i64 {
        EventRef::time_ns(self)
    }

    fn span(&self) -> Option<Id> {
        EventRef::span(self)
    }

    fn any_value(&self, key: Option<Key>, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        self.pairs()
            .any(|(known, value)| key.is_none_or(|key| key == known) && test(&value))
    }

    fn any_extra(&self, _id: u16, _test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        false
    }
}
