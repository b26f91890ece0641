//! Short forms in which the objects are written down.

use crate::describe::{
    Default, Enum, Field, FilterKind, Filterable, Format, Member, Number, NumberFormat, Takes,
    Text, Update, Words,
};

/// Most characters of a short text.
pub(super) const SHORT: usize = 255;

/// Most characters of a long one.
pub(super) const LONG: usize = 16 << 10;

/// Most members of a set, entries of a list or a map.
pub(super) const MANY: usize = 4_096;

/// A field that may be written.
pub(super) const fn field(
    name: &'static str,
    label: &'static str,
    takes: Takes,
    default: Default,
    about: &'static str,
) -> Field {
    Field {
        name,
        label,
        about,
        takes,
        update: Update::Mutable,
        default,
    }
}

/// A field that may be written once.
pub(super) const fn fixed(
    name: &'static str,
    label: &'static str,
    takes: Takes,
    default: Default,
    about: &'static str,
) -> Field {
    Field {
        update: Update::Immutable,
        ..field(name, label, takes, default, about)
    }
}

/// A field that the server writes.
pub(super) const fn shown(
    name: &'static str,
    label: &'static str,
    takes: Takes,
    about: &'static str,
) -> Field {
    Field {
        update: Update::ServerSet,
        ..field(name, label, takes, Default::Null, about)
    }
}

/// Text in this format.
pub(super) const fn text(format: Format, max: usize) -> Takes {
    Takes::String(Text {
        format,
        max,
        is_nullable: false,
    })
}

/// Text in this format, or nothing.
pub(super) const fn text_or_null(format: Format, max: usize) -> Takes {
    Takes::String(Text {
        format,
        max,
        is_nullable: true,
    })
}

/// A short text.
pub(super) const SHORT_TEXT: Takes = text(Format::String, SHORT);

/// A short text, or nothing.
pub(super) const SHORT_TEXT_OR_NULL: Takes = text_or_null(Format::String, SHORT);

/// A long text in several lines.
pub(super) const LONG_TEXT: Takes = text(Format::Text, LONG);

/// A URL.
pub(super) const URI: Takes = text(Format::Uri, 2_048);

/// A number that is not below zero.
pub(super) const fn number(min: i64, max: i64) -> Takes {
    whole(NumberFormat::UnsignedInteger, min, max, false)
}

/// A number within bounds.
pub(super) const fn whole(format: NumberFormat, min: i64, max: i64, is_nullable: bool) -> Takes {
    Takes::Number(Number {
        format,
        min,
        max,
        is_nullable,
    })
}

/// Any number of things.
pub(super) const COUNT: Takes = number(0, i64::MAX);

/// Any number of things, or nothing.
pub(super) const COUNT_OR_NULL: Takes = whole(NumberFormat::UnsignedInteger, 0, i64::MAX, true);

/// Milliseconds, more than none.
pub(super) const DURATION: Takes = whole(NumberFormat::Duration, 1, i64::MAX, false);

/// Milliseconds, more than none, or nothing.
pub(super) const DURATION_OR_NULL: Takes = whole(NumberFormat::Duration, 1, i64::MAX, true);

/// Bytes, or nothing.
pub(super) const fn size_or_null(min: i64) -> Takes {
    whole(NumberFormat::Size, min, i64::MAX, true)
}

/// A time.
pub(super) const TIME: Takes = Takes::UtcDateTime { is_nullable: false };

/// A time, or nothing.
pub(super) const TIME_OR_NULL: Takes = Takes::UtcDateTime { is_nullable: true };

/// One of these words.
pub(super) const fn word(words: &'static Words) -> Takes {
    Takes::Enum {
        of: Enum::Of(words),
        is_nullable: false,
    }
}

/// One of these words, or nothing.
pub(super) const fn word_or_null(words: &'static Words) -> Takes {
    Takes::Enum {
        of: Enum::Of(words),
        is_nullable: true,
    }
}

/// A word of a catalogue.
pub(super) const fn of(of: Enum) -> Takes {
    Takes::Enum {
        of,
        is_nullable: false,
    }
}

/// Any number of short texts.
pub(super) const fn texts(format: Format) -> Takes {
    Takes::Set {
        of: Member::String(format),
        min: 0,
        max: MANY,
    }
}

/// Event types, also by wildcard.
pub(super) const EVENTS: Takes = Takes::Set {
    of: Member::EventPattern,
    min: 0,
    max: MANY,
};

/// What a list can be filtered by.
pub(super) const fn filter(
    name: &'static str,
    label: &'static str,
    kind: FilterKind,
) -> Filterable {
    Filterable { name, label, kind }
}

/// The level of an event.
pub(super) static TRACING_LEVEL: Words = Words {
    name: "TracingLevel",
    words: &[
        ("error", "Error"),
        ("warn", "Warning"),
        ("info", "Information"),
        ("debug", "Debug"),
        ("trace", "Trace"),
    ],
};

/// What a list of names means.
pub(super) static EVENT_POLICY: Words = Words {
    name: "EventPolicy",
    words: &[
        ("include", "Only the listed"),
        ("exclude", "All but the listed"),
    ],
};
