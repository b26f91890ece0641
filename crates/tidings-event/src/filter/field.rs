//! The fields that a filter may name.

use super::ast::Field;
use super::error::FilterError;
use crate::key::Key;
use crate::kind::KeyKind;
use crate::suggest::{did_you_mean, nearest};

/// What kind of value a field holds: which values a filter may compare it with, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, or a list of texts.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number, possibly of bytes.
    Number,
    /// A duration.
    Duration,
    /// A time.
    Time,
    /// An IP address.
    Ip,
    /// A truth value.
    Bool,
    /// Any of these.
    Any,
}

/// A field that one kind of object has beside the keys of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraField {
    /// Name in camelCase. It hides a general field or key of the same name.
    pub name: &'static str,
    /// The number by which a [`Subject`](super::Subject) knows the field.
    pub id: u16,
    /// What it holds.
    pub kind: FieldKind,
    /// The tokens of its texts are among those that the index keeps for the object.
    pub is_indexed: bool,
}

/// The fields of one kind of object.
#[derive(Clone, Copy, Debug)]
pub struct FieldSet {
    /// What the objects are called, in the singular: `event`.
    pub object: &'static str,
    /// The objects are events: they have a type, a level and a span.
    pub is_event: bool,
    /// Fields beside the general ones and the keys.
    pub extra: &'static [ExtraField],
}

/// General fields of every object, with their meaning for errors and completion.
const GENERAL: [&str; 4] = ["since", "until", "time", "ip"];
/// General fields of events.
const OF_EVENTS: [&str; 3] = ["type", "level", "span"];

impl FieldSet {
    /// The fields of events: the general ones and every key of the catalogue.
    pub const EVENTS: FieldSet = FieldSet {
        object: "event",
        is_event: true,
        extra: &[],
    };

    /// Every name that a filter may use, in its canonical spelling: extra fields, general fields,
    /// keys. A name that occurs twice means its first occurrence.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let extra: &'static [ExtraField] = self.extra;
        self.special(extra).chain(Key::all().map(|info| info.name))
    }

    fn special(&self, extra: &'static [ExtraField]) -> impl Iterator<Item = &'static str> + use<> {
        let of_events = if self.is_event {
            OF_EVENTS.as_slice()
        } else {
            &[]
        };
        extra
            .iter()
            .map(|extra| extra.name)
            .chain(of_events.iter().copied())
            .chain(GENERAL)
    }

    /// The field that a name at byte `at` of a filter stands for.
    pub(super) fn resolve(&self, name: &str, at: usize) -> Result<Named, FilterError> {
        let plain: String = name
            .chars()
            .filter(|c| *c != '-')
            .flat_map(char::to_lowercase)
            .collect();
        let is = |known: &str| known.eq_ignore_ascii_case(&plain);
        if let Some(extra) = self.extra.iter().find(|extra| is(extra.name)) {
            return Ok(Named::Field(Field::Extra(*extra)));
        }
        let named = match plain.as_str() {
            "since" => Some(Named::Since),
            "until" => Some(Named::Until),
            "time" => Some(Named::Field(Field::Time)),
            "ip" => Some(Named::Field(Field::Ip)),
            "type" if self.is_event => Some(Named::Field(Field::Type)),
            "level" if self.is_event => Some(Named::Field(Field::Level)),
            "span" | "spanid" if self.is_event => Some(Named::Field(Field::Span)),
            // The key of this name would be mistaken for the type of events.
            "type" => None,
            _ => Key::from_name(&plain).map(|key| Named::Field(Field::Key(key))),
        };
        named.ok_or_else(|| self.unknown(name, at))
    }

    fn unknown(&self, name: &str, at: usize) -> FilterError {
        let near = nearest(name, self.names());
        let message = format!(
            "unknown field `{name}`{} (fields of {} {} are {} and every key of events; a word that is no field \
             must be quoted)",
            did_you_mean(&near),
            if self.object.starts_with(['a', 'e', 'i', 'o', 'u']) {
                "an"
            } else {
                "a"
            },
            self.object,
            self.special(self.extra).collect::<Vec<_>>().join(", "),
        );
        FilterError::new(at, name.len(), message)
    }
}

/// What a name of a filter stands for: a field, or a field with a comparison in it.
pub(super) enum Named {
    Field(Field),
    /// `time>=`.
    Since,
    /// `time<=`.
    Until,
}

impl Field {
    /// What the field holds.
    pub(super) fn kind(self) -> FieldKind {
        match self {
            Field::Type | Field::Level | Field::Span => FieldKind::Text,
            Field::Time => FieldKind::Time,
            Field::Ip => FieldKind::Ip,
            Field::Extra(extra) => extra.kind,
            Field::Key(key) => match key.info().kind {
                KeyKind::Text => FieldKind::Text,
                KeyKind::Number => FieldKind::Number,
                KeyKind::Duration => FieldKind::Duration,
                KeyKind::Timestamp => FieldKind::Time,
                KeyKind::Ip => FieldKind::Ip,
                KeyKind::Bool => FieldKind::Bool,
                KeyKind::Any => FieldKind::Any,
            },
        }
    }
}
