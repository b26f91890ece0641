//! Sets, maps and lists, and paths into parts.

use serde_json::{Map, Value};
use tidings_event::EventType;

use super::check::{clean, wrong};
use super::path::Path;
use super::{TYPE, Writing};
use crate::describe::{Enum, Form, Format, Member, Takes};
use crate::error::{SetError, ValidationError};

/// Most characters of a member of a set, and of a name in a map.
const NAME_MAX: usize = 1_024;

/// Most characters of a text in a map.
const TEXT_MAX: usize = 16 << 10;

/// Checks a set that is given as a whole: `{"member": true}`.
pub(super) fn set(
    of: Member,
    (min, max): (usize, usize),
    value: &Value,
    at: &Path,
) -> Result<Value, SetError> {
    let allowed = "an object with members that are true";
    let given = value.as_object().ok_or_else(|| wrong(at, allowed))?;
    let mut set = Map::new();
    for (name, is_in) in given {
        match is_in {
            Value::Bool(true) => {
                set.insert(member(of, name, &at.then(name))?, true.into());
            }
            Value::Bool(false) => {}
            _ => return Err(wrong(&at.then(name), "true or false")),
        }
    }
    sized(set, min, max, at)
}

/// Checks a map that is given as a whole: `{"name": "text"}`.
pub(super) fn map(max: usize, value: &Value, at: &Path) -> Result<Value, SetError> {
    let given = value
        .as_object()
        .ok_or_else(|| wrong(at, "an object with texts"))?;
    let mut map = Map::new();
    for (name, text) in given {
        let (name, text) = entry(name, text, &at.then(name))?;
        map.insert(name, text);
    }
    sized(map, 0, max, at)
}

fn entry(name: &str, text: &Value, at: &Path) -> Result<(String, Value), SetError> {
    let name = clean(Format::String, name, at, NAME_MAX)?;
    let text = text.as_str().ok_or_else(|| wrong(at, "a text"))?;
    Ok((name, clean(Format::String, text, at, TEXT_MAX)?.into()))
}

fn member(of: Member, name: &str, at: &Path) -> Result<String, SetError> {
    match of {
        Member::String(format) => clean(format, name, at, NAME_MAX),
        Member::Enum(of) if of.has(name) => Ok(name.to_owned()),
        Member::Enum(of) => Err(wrong(at, &of.allowed())),
        Member::EventPattern => match EventType::matching(name) {
            Ok(_) => Ok(name.to_owned()),
            Err(_) => Err(wrong(
                at,
                &format!(
                    "{}, or several by wildcard: delivery.*",
                    Enum::EventType.allowed()
                ),
            )),
        },
    }
}

fn sized(map: Map<String, Value>, min: usize, max: usize, at: &Path) -> Result<Value, SetError> {
    let property = at.to_string();
    let bound = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    if map.len() < min {
        let required = bound(min);
        let error = ValidationError::MinLength { property, required };
        return Err(SetError::invalid(
            error,
            format!("{at} must have at least {min} members"),
        ));
    }
    if map.len() > max {
        let required = bound(max);
        let error = ValidationError::MaxLength { property, required };
        return Err(SetError::invalid(
            error,
            format!("{at} must have at most {max} members"),
        ));
    }
    Ok(Value::Object(map))
}

/// The entries of a list in their order: `{"0": …, "1": …}`.
fn entries(value: &Value, at: &Path) -> Result<Vec<Value>, SetError> {
    let allowed = "an object with the members \"0\", \"1\" and so on";
    let given = value.as_object().ok_or_else(|| wrong(at, allowed))?;
    let mut entries = Vec::new();
    for (index, entry) in given {
        let number: usize = index.parse().map_err(|_| wrong(&at.then(index), allowed))?;
        entries.push((number, entry.clone()));
    }
    entries.sort_by_key(|(number, _)| *number);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// A list of these entries.
fn numbered(entries: Vec<Value>) -> Map<String, Value> {
    let keys = (0_usize..).map(|number| number.to_string());
    keys.zip(entries).collect()
}

impl Writing<'_> {
    /// Checks a list that is given as a whole.
    pub(super) fn list(
        &self,
        form: &'static Form,
        max: usize,
        value: &Value,
        old: Option<&Value>,
        at: &Path,
    ) -> Result<Value, SetError> {
        let mut list = Vec::new();
        for (index, entry) in entries(value, at)?.iter().enumerate() {
            let index = index.to_string();
            let old = old.and_then(|old| old.get(&index));
            list.push(self.part(form, entry, old, &at.then(&index))?);
        }
        sized(numbered(list), 0, max, at)
    }

    /// Writes what a path leads to within a value.
    pub(super) fn within(
        &self,
        takes: &Takes,
        base: Value,
        old: Option<&Value>,
        steps: &[String],
        value: &Value,
        at: &Path,
    ) -> Result<Value, SetError> {
        let (Value::Object(base), Some((first, rest))) = (base, steps.split_first()) else {
            return Err(SetError::patch(
                at.clone(),
                "Invalid path: there is nothing in it",
            ));
        };
        match takes {
            Takes::Object { form } => self.within_part(form, base, old, (first, rest), value, at),
            Takes::ObjectList { form, max } => {
                self.within_list(form, *max, base, old, (first, rest), value, at)
            }
            Takes::Set { of, min, max } if rest.is_empty() => {
                within_set(*of, (*min, *max), base, first, value, at)
            }
            Takes::Map { max } if rest.is_empty() => within_map(*max, base, first, value, at),
            _ => Err(SetError::patch(
                at.then(first),
                "Invalid path: there is nothing in it",
            )),
        }
    }

    fn within_part(
        &self,
        form: &'static Form,
        base: Map<String, Value>,
        old: Option<&Value>,
        (first, rest): (&str, &[String]),
        value: &Value,
        at: &Path,
    ) -> Result<Value, SetError> {
        let nothing = Map::new();
        let current = old.and_then(Value::as_object).unwrap_or(&nothing);
        let mut base = base;
        if first == TYPE && rest.is_empty() {
            return Ok(Value::Object(self.in_variant(
                form,
                base,
                Some(value),
                at,
            )?));
        }
        self.member(form, &mut base, current, (first, rest), value, at)?;
        Ok(Value::Object(base))
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different thing, and a struct would be used once"
    )]
    fn within_list(
        &self,
        form: &'static Form,
        max: usize,
        base: Map<String, Value>,
        old: Option<&Value>,
        (first, rest): (&str, &[String]),
        value: &Value,
        at: &Path,
    ) -> Result<Value, SetError> {
        let at_entry = at.then(first);
        let mut list = entries(&Value::Object(base), at)?;
        let index: usize = first
            .parse()
            .map_err(|_| wrong(&at_entry, "the number of an entry"))?;
        if index > list.len() {
            let last = list.len();
            return Err(wrong(
                &at_entry,
                &format!("an entry up to {last}, which adds one"),
            ));
        }
        let old = old.and_then(|old| old.get(first));
        if !rest.is_empty() {
            let Some(entry) = list.get_mut(index) else {
                return Err(SetError::patch(
                    at_entry,
                    "Invalid path: there is no such entry",
                ));
            };
            *entry = self.within(
                &Takes::Object { form },
                entry.clone(),
                old,
                rest,
                value,
                &at_entry,
            )?;
        } else if value.is_null() {
            if index < list.len() {
                list.remove(index);
            }
        } else {
            let part = self.part(form, value, old, &at_entry)?;
            match list.get_mut(index) {
                Some(entry) => *entry = part,
                None => list.push(part),
            }
        }
        sized(numbered(list), 0, max, at)
    }
}

fn within_set(
    of: Member,
    (min, max): (usize, usize),
    mut base: Map<String, Value>,
    name: &str,
    value: &Value,
    at: &Path,
) -> Result<Value, SetError> {
    let at_member = at.then(name);
    match value {
        Value::Bool(true) => {
            base.insert(member(of, name, &at_member)?, true.into());
        }
        Value::Bool(false) | Value::Null => {
            base.shift_remove(name);
        }
        _ => return Err(wrong(&at_member, "true, false or null")),
    }
    sized(base, min, max, at)
}

fn within_map(
    max: usize,
    mut base: Map<String, Value>,
    name: &str,
    value: &Value,
    at: &Path,
) -> Result<Value, SetError> {
    if value.is_null() {
        base.shift_remove(name);
    } else {
        let (name, text) = entry(name, value, &at.then(name))?;
        base.insert(name, text);
    }
    sized(base, 0, max, at)
}
