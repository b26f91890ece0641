//! References to results of earlier calls: `"#ids": {"resultOf": "q", "name": "x:Log/query", "path": "/ids"}`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Answer;
use crate::error::{MethodError, MethodErrorType};

/// Longest answer that may be referred to, in bytes: it is read again.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Most values that a reference may select.
const VALUES_MAX: usize = 100_000;

/// Longest path.
const PATH_BYTES_MAX: usize = 1_024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reference {
    result_of: String,
    name: String,
    path: String,
}

pub(super) fn resolve(
    arguments: &Map<String, Value>,
    answers: &[Answer],
) -> Result<Map<String, Value>, MethodError> {
    let mut resolved = Map::new();
    for (name, value) in arguments {
        let Some(plain) = name.strip_prefix('#') else {
            resolved.insert(name.clone(), value.clone());
            continue;
        };
        if arguments.contains_key(plain) {
            let why = format!("{plain} is given, and {name} too; give one of them");
            return Err(MethodError::arguments(why));
        }
        resolved.insert(plain.to_owned(), referred(name, value, answers)?);
    }
    Ok(resolved)
}

fn referred(name: &str, value: &Value, answers: &[Answer]) -> Result<Value, MethodError> {
    let wrong = |why: String| MethodError::new(MethodErrorType::InvalidResultReference, why);
    let reference = Reference::deserialize(value).map_err(|error| {
        wrong(format!(
            "{name} must have resultOf, name and path, and nothing else: {error}"
        ))
    })?;
    let Reference {
        result_of,
        name: method,
        path,
    } = &reference;
    let answer = answers.iter().find(|answer| answer.id == *result_of);
    let Some(answer) = answer.filter(|answer| answer.name == *method) else {
        return Err(wrong(format!(
            "{name}: no earlier answer to {result_of:?} is named {method:?}"
        )));
    };
    let text = answer.arguments.get();
    if text.len() > ANSWER_BYTES_MAX || path.len() > PATH_BYTES_MAX {
        return Err(wrong(format!(
            "{name}: the answer or the path is too long to be referred to"
        )));
    }
    let nothing = || {
        wrong(format!(
            "{name}: there is nothing at {path:?} in the answer to {result_of:?}"
        ))
    };
    let whole: Value = serde_json::from_str(text).map_err(|_| nothing())?;
    let steps: Vec<String> = match path.strip_prefix('/') {
        Some(rest) => rest.split('/').map(unescaped).collect(),
        None if path.is_empty() => Vec::new(),
        None => return Err(nothing()),
    };
    let mut left = VALUES_MAX;
    select(&whole, &steps, &mut left).ok_or_else(nothing)
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// What a path leads to: a JSON pointer, in which `*` stands for every entry of an array, and arrays
/// that are found so are joined (RFC 8620, 3.7). `left` is how many values may still be taken.
fn select(value: &Value, steps: &[String], left: &mut usize) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else {
        let size = match value {
            Value::Array(entries) => entries.len().max(1),
            _ => 1,
        };
        *left = left.checked_sub(size)?;
        return Some(value.clone());
    };
    match value {
        Value::Array(entries) if step == "*" => {
            let mut joined = Vec::new();
            for entry in entries {
                match select(entry, rest, left)? {
                    Value::Array(inner) => joined.extend(inner),
                    one => joined.push(one),
                }
            }
            Some(Value::Array(joined))
        }
        Value::Array(entries) => {
            let is_plain = step == "0" || !step.starts_with(['0', '+']);
            let index: usize = step.parse().ok().filter(|_| is_plain)?;
            select(entries.get(index)?, rest, left)
        }
        Value::Object(members) => select(members.get(step)?, rest, left),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers() -> Vec<Answer> {
        let query = json!({ "ids": ["b", "c"], "a/b": 1 });
        let get = json!({ "list": [{ "id": "b", "to": ["x", "y"] }, { "id": "c", "to": ["z"] }] });
        vec![
            Answer::of("x:Log/query", &query, "q"),
            Answer::of("x:Log/get", &get, "g"),
        ]
    }

    fn found(of: &str, name: &str, path: &str) -> Result<Value, MethodErrorType> {
        let given = json!({ "#ids": { "resultOf": of, "name": name, "path": path } });
        let resolved = resolve(given.as_object().unwrap(), &answers());
        resolved
            .map(|resolved| resolved["ids"].clone())
            .map_err(|error| error.kind)
    }

    #[test]
    fn paths_lead_into_answers() {
        for (of, name, path, expected) in [
            ("q", "x:Log/query", "/ids", json!(["b", "c"])),
            ("q", "x:Log/query", "/ids/1", json!("c")),
            ("q", "x:Log/query", "/a~1b", json!(1)),
            ("g", "x:Log/get", "/list/*/id", json!(["b", "c"])),
            ("g", "x:Log/get", "/list/*/to", json!(["x", "y", "z"])),
            ("g", "x:Log/get", "/list/0/to/*", json!(["x", "y"])),
        ] {
            assert_eq!(found(of, name, path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_invalid_reference() {
        for (of, name, path) in [
            ("q", "x:Log/query", "/no"),
            ("q", "x:Log/query", "ids"),
            ("q", "x:Log/query", "/ids/2"),
            ("q", "x:Log/query", "/ids/01"),
            ("q", "x:Log/query", "/ids/*/x"),
            ("q", "x:Log/get", "/ids"),
            ("z", "x:Log/query", "/ids"),
        ] {
            assert_eq!(
                found(of, name, path),
                Err(MethodErrorType::InvalidResultReference),
                "{path}"
            );
        }
        let both = json!({ "ids": [], "#ids": {} });
        let error = resolve(both.as_object().unwrap(), &[]).unwrap_err();
        assert_eq!(error.kind, MethodErrorType::InvalidArguments);
        let none = json!({ "#ids": 1 });
        let error = resolve(none.as_object().unwrap(), &[]).unwrap_err();
        assert_eq!(error.kind, MethodErrorType::InvalidResultReference);
    }

    #[test]
    fn a_reference_cannot_multiply_what_is_there() {
        let entry: Vec<u32> = (0..1_000).collect();
        let list = json!({ "list": vec![json!({ "to": entry }); 200] });
        let answers = [Answer::of("x:Log/get", &list, "g")];
        let given =
            json!({ "#ids": { "resultOf": "g", "name": "x:Log/get", "path": "/list/*/to" } });
        assert!(resolve(given.as_object().unwrap(), &answers).is_err());
    }
}
