//! Plans: changes to many objects, a line of JSON each, as `tidings apply` reads them.
//!
//! `create`, `update` and `destroy` are as in the reference's plans. Ours are `upsert`, which updates the
//! object that agrees in some properties, or creates it, and `reconcile`, which besides removes all others.
//! First everything is destroyed that is to be, the last line first; then the rest, line by line. A text
//! `#NAME` stands for the id of what was created as `NAME`.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;
use tidings_admin::SINGLETON;
use tidings_admin::describe::{Kind, Object};

use super::Map;
use super::name;
use crate::failure::Failure;

/// Longest line of a plan.
const LINE_BYTES_MAX: usize = 8 << 20;

/// Most lines of a plan.
const LINES_MAX: usize = 100_000;

/// What a plan says.
pub(crate) type Plan = Vec<Step>;

/// A line of a plan.
#[derive(Debug)]
pub(crate) struct Step {
    pub(super) line: usize,
    pub(super) object: &'static Object,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Create(Vec<(String, Map)>),
    Update {
        id: String,
        patch: Map,
    },
    Destroy {
        filter: Option<Value>,
    },
    Upsert {
        by: Vec<String>,
        wanted: Vec<(String, Map)>,
    },
    Reconcile {
        by: Vec<String>,
        wanted: Vec<(String, Map)>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "@type")]
    kind: String,
    object: String,
    id: Option<String>,
    value: Option<Value>,
    #[serde(rename = "match")]
    by: Option<Vec<String>>,
}

/// Reads a plan, all of it before anything is done.
pub(crate) fn read_plan(name: &str, mut text: impl BufRead) -> Result<Plan, Failure> {
    let mut plan = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut limited = std::io::Read::take(&mut text, LINE_BYTES_MAX as u64 + 1);
        let length = limited
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::file(format!("cannot read {name}")).because(error))?;
        if length == 0 {
            break;
        }
        let wrong = |why: &str| Failure::usage(format!("{name}, line {number}: {why}"));
        if length > LINE_BYTES_MAX {
            return Err(wrong(&format!("it is longer than {LINE_BYTES_MAX} bytes")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if plan.len() == LINES_MAX {
            return Err(wrong(&format!("a plan has at most {LINES_MAX} lines")));
        }
        let read: Line = serde_json::from_slice(&line).map_err(|error| {
            wrong(&format!(
                "it is no step of a plan, as {{\"@type\":\"create\",\"object\":\"Tracer\",\"value\":{{…}}}}: {error}"
            ))
        })?;
        plan.push(step(read, number).map_err(|why| wrong(&why))?);
    }
    Ok(plan)
}

fn step(line: Line, number: usize) -> Result<Step, String> {
    let object = name::object(&line.object).map_err(|failure| failure.sentence())?;
    let is_match = matches!(line.kind.as_str(), "upsert" | "reconcile");
    if line.by.is_some() && !is_match {
        return Err(format!("{:?} takes no match", line.kind));
    }
    if line.id.is_some() && line.kind != "update" {
        return Err(format!("{:?} takes no id", line.kind));
    }
    let what = match line.kind.as_str() {
        "create" => What::Create(named(line.value)?),
        "update" => {
            let id = match (line.id, object.kind) {
                (Some(id), _) => id,
                (None, Kind::Singleton) => SINGLETON.to_owned(),
                (None, _) => return Err(format!("it does not say the id of one {}", object.name)),
            };
            What::Update {
                id,
                patch: map(line.value)?,
            }
        }
        "destroy" => What::Destroy { filter: line.value },
        "upsert" => What::Upsert {
            by: by(object, line.by)?,
            wanted: named(line.value)?,
        },
        "reconcile" => What::Reconcile {
            by: by(object, line.by)?,
            wanted: named(line.value)?,
        },
        other => {
            return Err(format!(
                "{other:?} is no step; there are create, update, destroy, upsert and reconcile"
            ));
        }
    };
    let is_update = matches!(what, What::Update { .. });
    match object.kind {
        Kind::Record => Err(format!("{} is made by the server only", object.name)),
        Kind::Singleton if !is_update => {
            Err(format!("there is one {} only: update it", object.name))
        }
        Kind::Action if !matches!(what, What::Create(_)) => {
            Err(format!("{} can only be created", object.name))
        }
        _ => Ok(Step {
            line: number,
            object,
            what,
        }),
    }
}

/// The properties by which objects are the same: as said, else the label.
fn by(object: &'static Object, said: Option<Vec<String>>) -> Result<Vec<String>, String> {
    let names = match (said, name::label(object)) {
        (Some(names), _) if !names.is_empty() => names,
        (_, Some(label)) => vec![label.to_owned()],
        (_, None) => {
            return Err(format!(
                "{} has no property that names one; say which as \"match\"",
                object.name
            ));
        }
    };
    let known = |name: &String| {
        name::field(object.form, name)
            .map(|field| field.name.to_owned())
            .ok_or_else(|| name::no_field(object.name, object.form, name).sentence())
    };
    names.iter().map(known).collect()
}

fn map(value: Option<Value>) -> Result<Map, String> {
    match value {
        Some(Value::Object(map)) => Ok(map),
        _ => Err("value must be an object".to_owned()),
    }
}

/// Objects by the names under which the plan knows them.
fn named(value: Option<Value>) -> Result<Vec<(String, Map)>, String> {
    let objects = map(value)?.into_iter();
    objects
        .map(|(name, value)| match value {
            Value::Object(value) => Ok((name, value)),
            _ => Err(format!("value/{name} must be an object")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_whole_and_what_is_wrong_is_named() {
        let good = "\
{\"@type\":\"destroy\",\"object\":\"WebHook\"}

{\"@type\":\"create\",\"object\":\"x:tracer\",\"value\":{\"a\":{\"@type\":\"Log\",\"path\":\"/tmp/x\"}}}
{\"@type\":\"update\",\"object\":\"Metrics\",\"value\":{\"metricsPolicy\":\"include\"}}
{\"@type\":\"upsert\",\"object\":\"Tracer\",\"value\":{}}
{\"@type\":\"reconcile\",\"object\":\"Silence\",\"match\":[\"comment\"],\"value\":{}}
";
        assert_eq!(read_plan("plan", good.as_bytes()).unwrap().len(), 5);
        for (line, why) in [
            ("{", "is no step of a plan"),
            (
                "{\"@type\":\"make\",\"object\":\"Tracer\"}",
                "\"make\" is no step",
            ),
            (
                "{\"@type\":\"create\",\"object\":\"Trasor\",\"value\":{}}",
                "there is no object \"Trasor\"",
            ),
            (
                "{\"@type\":\"create\",\"object\":\"Tracer\",\"value\":[]}",
                "value must be an object",
            ),
            (
                "{\"@type\":\"create\",\"object\":\"Tracer\",\"value\":{\"a\":1}}",
                "value/a must be an object",
            ),
            (
                "{\"@type\":\"update\",\"object\":\"Tracer\",\"value\":{}}",
                "does not say the id",
            ),
            (
                "{\"@type\":\"create\",\"object\":\"Metrics\",\"value\":{}}",
                "there is one Metrics only",
            ),
            (
                "{\"@type\":\"upsert\",\"object\":\"Silence\",\"value\":{}}",
                "say which as \"match\"",
            ),
            (
                "{\"@type\":\"upsert\",\"object\":\"Tracer\",\"match\":[\"nme\"],\"value\":{}}",
                "no property \"nme\"",
            ),
            (
                "{\"@type\":\"destroy\",\"object\":\"Trace\"}",
                "made by the server only",
            ),
            (
                "{\"@type\":\"destroy\",\"object\":\"Tracer\",\"more\":1}",
                "unknown field",
            ),
        ] {
            let refused = read_plan("plan", line.as_bytes()).unwrap_err().sentence();
            assert!(
                refused.contains(why) && refused.contains("line 1"),
                "{line}: {refused}"
            );
        }
    }
}
