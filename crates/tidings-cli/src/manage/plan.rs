//! Plans: changes to many objects, a line of JSON each, carried out by `tidings apply`.
//!
//! `create`, `update` and `destroy` are as in the reference's plans. Ours are `upsert`, which updates the
//! object that agrees in some properties, or creates it, and `reconcile`, which besides removes all others.
//! First everything is destroyed that is to be, the last line first; then the rest, line by line. A text
//! `#NAME` stands for the id of what was created as `NAME`.

use std::collections::BTreeSet;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::{Value, json};
use tidings_admin::describe::{Kind, Object};
use tidings_admin::{HIDDEN, SINGLETON};

use super::Map;
use super::api::{Api, Asked, CHUNK, refused, words};
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
    line: usize,
    object: &'static Object,
    what: What,
}

#[derive(Debug)]
enum What {
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

/// What was done with one object, or would be.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    /// `created`, `updated`, `destroyed`, `unchanged`, `kept` or `failed`.
    pub(crate) outcome: &'static str,
    pub(crate) object: &'static str,
    /// The id, or the plan's name for it.
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) properties: Vec<String>,
    /// Why it failed, or was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Carries out a plan.
pub(crate) struct Carrying<'a> {
    pub(crate) api: &'a Api,
    /// Nothing is changed.
    pub(crate) is_dry: bool,
    /// What fails stops no other.
    pub(crate) goes_on: bool,
    /// Told of everything that is done.
    pub(crate) tell: &'a mut dyn FnMut(&Done) -> std::io::Result<()>,
    /// The ids of what was created, by name.
    created: Map,
    failures: usize,
}

/// Why a plan ends early.
pub(crate) enum Broken {
    Failure(Failure),
    Output(std::io::Error),
    /// An object was refused, which was told.
    Refused,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        Broken::Failure(failure)
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Broken {
        Broken::Output(error)
    }
}

impl<'a> Carrying<'a> {
    pub(crate) fn new(
        api: &'a Api,
        is_dry: bool,
        goes_on: bool,
        tell: &'a mut dyn FnMut(&Done) -> std::io::Result<()>,
    ) -> Carrying<'a> {
        Carrying {
            api,
            is_dry,
            goes_on,
            tell,
            created: Map::new(),
            failures: 0,
        }
    }

    /// All steps; gives how many objects were refused.
    pub(crate) fn run(mut self, plan: &Plan) -> Result<usize, Broken> {
        let done = self.steps(plan);
        match done {
            Ok(()) | Err(Broken::Refused) => Ok(self.failures),
            Err(broken) => Err(broken),
        }
    }

    fn steps(&mut self, plan: &Plan) -> Result<(), Broken> {
        for step in plan.iter().rev() {
            if let What::Destroy { filter } = &step.what {
                self.destroy_found(step.object, filter.clone())?;
            }
        }
        for step in plan {
            match &step.what {
                What::Destroy { .. } => {}
                What::Create(objects) => self.create(step.object, objects)?,
                What::Update { id, patch } => self.update(step.object, id, patch)?,
                What::Upsert { by, wanted } => {
                    self.upsert(step, by, wanted)?;
                }
                What::Reconcile { by, wanted } => {
                    let (kept, all) = self.upsert(step, by, wanted)?;
                    let gone = all.into_iter().filter(|id| !kept.contains(id)).collect();
                    self.destroy(step.object, gone, true)?;
                }
            }
        }
        Ok(())
    }

    fn destroy_found(
        &mut self,
        object: &'static Object,
        filter: Option<Value>,
    ) -> Result<(), Broken> {
        let asked = Asked {
            filter,
            properties: Some(vec!["id".to_owned()]),
            ..Asked::default()
        };
        let mut ids = Vec::new();
        self.api.find(object, &asked, &mut |one| {
            ids.extend(id_of(&one));
            true
        })?;
        self.destroy(object, ids, false)
    }

    /// Destroys them; `others` were not named, and those that must not be destroyed are kept.
    fn destroy(
        &mut self,
        object: &'static Object,
        ids: Vec<String>,
        others: bool,
    ) -> Result<(), Broken> {
        for chunk in ids.chunks(CHUNK) {
            if self.is_dry {
                for id in chunk {
                    self.told(done("destroyed", object, id))?;
                }
                continue;
            }
            let answer = self.api.set(object, &json!({ "destroy": chunk }))?;
            let gone = answer.get("destroyed").and_then(Value::as_array);
            for id in gone.into_iter().flatten().filter_map(Value::as_str) {
                self.told(done("destroyed", object, id))?;
            }
            for (id, error) in refused(&answer, "notDestroyed") {
                if others && error["type"] == "forbidden" {
                    let kept = Done {
                        reason: Some(words(&error)),
                        ..done("kept", object, &id)
                    };
                    self.told(kept)?;
                } else {
                    self.failed(object, &id, &error)?;
                }
            }
        }
        Ok(())
    }

    fn create(&mut self, object: &'static Object, objects: &[(String, Map)]) -> Result<(), Broken> {
        for chunk in objects.chunks(CHUNK) {
            if self.is_dry {
                for (name, _) in chunk {
                    self.told(done("created", object, name))?;
                }
                continue;
            }
            let values: Map = chunk
                .iter()
                .map(|(name, value)| (name.clone(), self.resolved(&value.clone().into())))
                .collect();
            let answer = self.api.set(object, &json!({ "create": values }))?;
            let made = answer.get("created").and_then(Value::as_object);
            for (name, one) in made.into_iter().flatten() {
                self.created.insert(name.clone(), one["id"].clone());
                self.told(done("created", object, name))?;
            }
            for (name, error) in refused(&answer, "notCreated") {
                self.failed(object, &name, &error)?;
            }
        }
        Ok(())
    }

    fn update(&mut self, object: &'static Object, id: &str, patch: &Map) -> Result<(), Broken> {
        let updated = Done {
            properties: patch.keys().cloned().collect(),
            ..done("updated", object, id)
        };
        if self.is_dry {
            return self.told(updated);
        }
        let id = self.resolved(&id.into());
        let id = id.as_str().unwrap_or_default();
        let patch = self.resolved(&patch.clone().into());
        let answer = self.api.set(object, &json!({ "update": { id: patch } }))?;
        match refused(&answer, "notUpdated").first() {
            Some((_, error)) => self.failed(object, id, error),
            None => self.told(updated),
        }
    }

    /// Updates or creates each; gives the ids of those that were there and are wanted, and of all.
    fn upsert(
        &mut self,
        step: &Step,
        by: &[String],
        wanted: &[(String, Map)],
    ) -> Result<(BTreeSet<String>, Vec<String>), Broken> {
        let all = self.api.all(step.object)?;
        let mut kept = BTreeSet::new();
        for (name, value) in wanted {
            let mut resolved = Map::new();
            if let Value::Object(value) = self.resolved(&value.clone().into()) {
                resolved = value;
            }
            let agrees = |one: &&Map| {
                by.iter()
                    .all(|by| resolved.contains_key(by) && one.get(by) == resolved.get(by))
            };
            let mut same = all.iter().filter(agrees);
            match (same.next(), same.next()) {
                (None, _) => self.create(step.object, &[(name.clone(), resolved)])?,
                (Some(one), None) => {
                    let id = id_of(one).unwrap_or_default();
                    kept.insert(id.clone());
                    self.created.insert(name.clone(), id.clone().into());
                    let patch: Map = resolved
                        .into_iter()
                        .filter(|(name, value)| differs(value, one.get(name)))
                        .collect();
                    if patch.is_empty() {
                        self.told(done("unchanged", step.object, &id))?;
                    } else {
                        self.update(step.object, &id, &patch)?;
                    }
                }
                (Some(_), Some(_)) => {
                    return Err(Broken::Failure(Failure::usage(format!(
                        "line {} of the plan: several {} agree with {name} in {}; match more",
                        step.line,
                        step.object.list.plural,
                        by.join(", ")
                    ))));
                }
            }
        }
        Ok((kept, all.iter().filter_map(id_of).collect()))
    }

    fn failed(&mut self, object: &'static Object, id: &str, error: &Value) -> Result<(), Broken> {
        self.failures += 1;
        self.told(Done {
            reason: Some(words(error)),
            ..done("failed", object, id)
        })?;
        if self.goes_on {
            Ok(())
        } else {
            Err(Broken::Refused)
        }
    }

    fn told(&mut self, done: Done) -> Result<(), Broken> {
        (self.tell)(&done).map_err(Broken::Output)
    }

    /// With `#NAME` replaced by the id of what was created under that name.
    fn resolved(&self, value: &Value) -> Value {
        let known = |text: &str| self.created.get(text.strip_prefix('#')?).cloned();
        match value {
            Value::String(text) => known(text).unwrap_or_else(|| value.clone()),
            Value::Array(members) => members.iter().map(|one| self.resolved(one)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| {
                    let known = known(name).and_then(|id| id.as_str().map(str::to_owned));
                    (known.unwrap_or_else(|| name.clone()), self.resolved(value))
                })
                .collect::<Map>()
                .into(),
            _ => value.clone(),
        }
    }
}

fn done(outcome: &'static str, object: &'static Object, id: &str) -> Done {
    Done {
        outcome,
        object: object.name,
        id: id.to_owned(),
        properties: Vec::new(),
        reason: None,
    }
}

fn id_of(object: &Map) -> Option<String> {
    object.get("id")?.as_str().map(str::to_owned)
}

/// Whether a wanted value is another than the one that is there. A secret that is not told is as it is;
/// members of parts that are not told are, too.
fn differs(wanted: &Value, found: Option<&Value>) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Some(Value::Object(found))) => {
            let is_set = |map: &Map| map.values().all(|value| *value == true);
            if !wanted.contains_key("@type") && (is_set(found) || wanted.len() != found.len()) {
                return wanted != found;
            }
            wanted
                .iter()
                .any(|(name, value)| differs(value, found.get(name)))
        }
        (Value::String(wanted), _) if wanted == HIDDEN => false,
        (wanted, Some(found)) => wanted != found,
        (Value::Null, None) => false,
        (_, None) => true,
    }
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

    #[test]
    fn only_what_differs_is_a_difference() {
        for (wanted, found, expected) in [
            (json!("a"), json!("a"), false),
            (json!("****"), json!("x"), false),
            (json!({"a": true}), json!({"a": true, "b": true}), true),
            (
                json!({"a": true, "b": true}),
                json!({"b": true, "a": true}),
                false,
            ),
            (json!({}), json!({"X-A": "1"}), true),
            (
                json!({"@type": "Value"}),
                json!({"@type": "Value", "secret": "****"}),
                false,
            ),
            (
                json!({"@type": "None"}),
                json!({"@type": "Value", "secret": "****"}),
                true,
            ),
            (
                json!({"@type": "Basic", "secret": {"@type": "Value"}}),
                json!({"@type": "Basic", "username": "u", "secret": {"@type": "Value", "secret": "****"}}),
                false,
            ),
        ] {
            assert_eq!(differs(&wanted, Some(&found)), expected, "{wanted} {found}");
        }
        assert!(differs(&json!(1), None) && !differs(&Value::Null, None));
    }
}
