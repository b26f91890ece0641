//! The values that a filter compares with: what a text can mean as a number, duration, time or
//! address, and whether that suits the field.

mod meaning;
mod scalar;

use super::ast::{Field, Op, Operand, Pattern};
use super::field::FieldKind;
use super::glob::GlobMatcher;
use super::types::TypeSet;
use crate::event_type::EventType;
use crate::id::Id;
use crate::level::Level;
use crate::suggest::{did_you_mean, nearest};
use crate::time::parse_when;

pub(super) use meaning::Meaning;
pub(super) use scalar::Interval;
use scalar::{Net, parse_boolean, parse_millis, parse_number};

/// Some time that durations can be subtracted from when only their form matters (2026).
const ANY_NOW_NS: i64 = 1_795_000_000_000_000_000;

const IP: &str = "an IP address; compare with one, or with a network such as 203.0.113.0/24";
const TIME: &str = "a time; compare with one, such as 2h, 2026-11-22 or 2026-11-22T13:00";

/// Whether a field can be compared in this way; if not, why.
pub(super) fn check_op(field: Field, op: Op) -> Result<(), String> {
    let orders = match field {
        Field::Level => true,
        Field::Type | Field::Span => false,
        field => matches!(
            field.kind(),
            FieldKind::Number | FieldKind::Duration | FieldKind::Time | FieldKind::Any
        ),
    };
    if orders || !op.is_ordering() {
        return Ok(());
    }
    let (name, op) = (field.name(), op.as_str());
    Err(format!(
        "`{name}` cannot be compared with `{op}`: that is for numbers, durations, times and levels"
    ))
}

/// The range that a text such as `500..599` stands for, where the field can be compared by size and
/// both ends can be compared with it.
pub(super) fn with_range(field: Field, op: Op, pattern: &Pattern) -> Option<Operand> {
    let Pattern::Text(text) = pattern else {
        return None;
    };
    let (low, high) = text.split_once("..").filter(|_| !op.is_ordering())?;
    let is_end = |text: &str| match field {
        Field::Level => text.parse::<Level>().is_ok(),
        field => check_op(field, Op::Above).is_ok() && has_order(field.kind(), text),
    };
    (is_end(low) && is_end(high)).then(|| Operand::Range(low.to_owned(), high.to_owned()))
}

/// A value as one of the words of its field: `"in queue"` as `in-queue`. Other values as they are.
pub(super) fn in_one_word(field: Field, pattern: &Pattern) -> Pattern {
    let (FieldKind::Word(words), Pattern::Text(text)) = (field.kind(), pattern) else {
        return pattern.clone();
    };
    let joined = text.trim().replace([' ', '_'], "-");
    let is_meant = |word: &&&str| word.eq_ignore_ascii_case(&joined);
    match words.iter().find(is_meant) {
        Some(word) => Pattern::Text((*word).to_owned()),
        None => pattern.clone(),
    }
}

/// Whether a field can be compared with this value; if not, why.
pub(super) fn check_value(field: Field, op: Op, value: &Operand) -> Result<(), String> {
    match (field, value) {
        (Field::Type, value) => check_type(value),
        (Field::Level, Operand::One(Pattern::Text(text))) => text
            .parse::<Level>()
            .map(drop)
            .map_err(|error| error.to_string()),
        (Field::Level, Operand::One(Pattern::Glob(_))) => {
            Err("a level is one of trace, debug, info, warn, error, disable".to_owned())
        }
        (Field::Span, Operand::One(Pattern::Text(text))) if Id::parse(text).is_some() => Ok(()),
        (Field::Span, _) => {
            Err("a span is named by its id: 1 to 13 of a-z, 0-3, 7 and 9".to_owned())
        }
        (field, value) => check_kind(field, op, value),
    }
}

fn check_kind(field: Field, op: Op, value: &Operand) -> Result<(), String> {
    let pattern = match value {
        Operand::Range(..) => return Ok(()),
        Operand::One(pattern) => pattern,
    };
    let (name, kind) = (field.name(), field.kind());
    let holds = |what: &str| Err(format!("`{name}` holds {what}"));
    match (kind, pattern) {
        (FieldKind::Text, _) => Ok(()),
        (_, Pattern::Glob(_)) if field == Field::Ip => holds(IP),
        (_, Pattern::Glob(_)) if field == Field::Time => holds(TIME),
        (_, Pattern::Glob(glob)) if glob.is_anything() && !op.is_ordering() => Ok(()),
        (FieldKind::Word(words), Pattern::Text(text)) => {
            let is_known = words.iter().any(|word| word.eq_ignore_ascii_case(text));
            let near = nearest(text, words.iter().copied());
            if is_known {
                Ok(())
            } else {
                holds(&format!(
                    "one of {}{}",
                    words.join(", "),
                    did_you_mean(&near)
                ))
            }
        }
        (FieldKind::Word(words), Pattern::Glob(glob)) => {
            let glob = GlobMatcher::new(glob);
            let is_known = words.iter().any(|word| glob.matches(word));
            if is_known {
                Ok(())
            } else {
                holds(&format!("one of {}", words.join(", ")))
            }
        }
        (FieldKind::Number | FieldKind::Ip | FieldKind::Any, Pattern::Glob(_))
            if !op.is_ordering() =>
        {
            Ok(())
        }
        (FieldKind::Any, Pattern::Text(text)) if !op.is_ordering() || has_order(kind, text) => {
            Ok(())
        }
        (FieldKind::Number, Pattern::Text(text)) if parse_number(text).is_some() => Ok(()),
        (FieldKind::Duration, Pattern::Text(text)) if parse_millis(text).is_some() => Ok(()),
        (FieldKind::Ip, Pattern::Text(text)) if Net::parse(text).is_some() => Ok(()),
        (FieldKind::Bool, Pattern::Text(text)) if parse_boolean(text).is_some() => Ok(()),
        (FieldKind::Time, Pattern::Text(text)) => parse_when(text, ANY_NOW_NS)
            .map(drop)
            .map_err(|error| error.to_string()),
        (FieldKind::Number, _) => holds("a number, such as 550, 1.5 or 10mb"),
        (FieldKind::Duration, _) => holds("a duration, such as 200ms, 2s or 1h30m"),
        (FieldKind::Ip, _) => holds(IP),
        (FieldKind::Bool, _) => holds("true or false"),
        (FieldKind::Time, _) => holds(TIME),
        (FieldKind::Any, _) => Err(format!(
            "`{}` compares with a number, a duration or a time",
            op.as_str()
        )),
    }
}

fn check_type(value: &Operand) -> Result<(), String> {
    match value {
        Operand::One(Pattern::Text(name)) if EventType::from_name(name).is_some() => Ok(()),
        Operand::One(Pattern::Text(name)) => {
            let near = nearest(name, EventType::all().map(|info| info.name));
            let hint = if near.is_empty() {
                "; a family is written delivery.*".to_owned()
            } else {
                did_you_mean(&near)
            };
            Err(format!("no event type is named {name:?}{hint}"))
        }
        Operand::One(Pattern::Glob(glob)) => {
            let mut types = TypeSet::none();
            types.insert_matching(glob);
            if types.is_empty() {
                Err("no event type has such a name".to_owned())
            } else {
                Ok(())
            }
        }
        Operand::Range(..) => Err("event types have no order".to_owned()),
    }
}

/// Whether a text can be an end of a range over a field of this kind.
fn has_order(kind: FieldKind, text: &str) -> bool {
    let is_time = || parse_when(text, ANY_NOW_NS).is_ok();
    match kind {
        FieldKind::Number => parse_number(text).is_some(),
        FieldKind::Duration => parse_millis(text).is_some(),
        FieldKind::Time => is_time(),
        FieldKind::Any => parse_number(text).is_some() || parse_millis(text).is_some() || is_time(),
        _ => false,
    }
}
