//! Carries out plans: `tidings apply`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidings_admin::HIDDEN;
use tidings_admin::describe::Object;

use super::Map;
use super::api::{Api, Asked, CHUNK, refused, words};
use super::plan::{Plan, Step, What};
use crate::failure::Failure;

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
