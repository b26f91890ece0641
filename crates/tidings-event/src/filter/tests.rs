//! What filters mean, that their text and their tree say the same, and that plans hold.

mod any;
mod errors;
mod matching;
mod planning;
mod syntax;

use super::{ExtraField, FieldKind, FieldSet, Filter, Matcher, Subject};
use crate::{EventRef, EventType, Id, Key, Level, Value};

/// Fields such as the message list will have.
static MESSAGES: FieldSet = FieldSet {
    object: "message",
    is_event: false,
    extra: &[
        ExtraField {
            name: "status",
            id: 1,
            kind: FieldKind::Word(&["delivered", "deferred", "bounced", "in-queue"]),
            is_indexed: true,
        },
        ExtraField {
            name: "provider",
            id: 2,
            kind: FieldKind::Text,
            is_indexed: false,
        },
        ExtraField {
            name: "retryCount",
            id: 3,
            kind: FieldKind::Number,
            is_indexed: false,
        },
    ],
};

/// 2026-11-22T13:00:00Z.
const NOW_NS: i64 = 1_795_352_400_000_000_000;

fn filter(text: &str) -> Filter {
    Filter::parse(text, &FieldSet::EVENTS).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

fn matches(text: &str, record: &[u8]) -> bool {
    let (event, _) = EventRef::read(record).unwrap();
    Matcher::compile(&filter(text), NOW_NS).matches(&event)
}

/// A row of the message list, as the store will have them.
struct Message {
    status: &'static str,
    retries: u64,
    to: &'static str,
}

impl Subject for Message {
    fn kind(&self) -> Option<EventType> {
        None
    }

    fn level(&self) -> Option<Level> {
        None
    }

    fn time_ns(&self) -> i64 {
        NOW_NS
    }

    fn span(&self) -> Option<Id> {
        None
    }

    fn any_value(&self, key: Option<Key>, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        key.is_none_or(|key| key == Key::TO) && test(&Value::Str(self.to))
    }

    fn any_extra(&self, id: u16, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        match id {
            1 => test(&Value::Str(self.status)),
            3 => test(&Value::UInt(self.retries)),
            _ => false,
        }
    }
}
