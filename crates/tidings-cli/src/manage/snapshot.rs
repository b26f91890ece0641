//! Objects as a plan that makes them again: `tidings snapshot`, read by `tidings apply`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidings_admin::TYPE;
use tidings_admin::describe::{Form, Format, Kind, Object, Takes, Update};

use super::Map;
use super::api::Api;
use super::name::label;
use crate::failure::Failure;

/// The steps that make these objects elsewhere: without what the server sets and without secrets, which it
/// never tells. Objects that have a name are updated where they are already there.
pub(crate) fn snapshot(api: &Api, objects: &[&'static Object]) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    let mut names = BTreeMap::new();
    for object in objects {
        match object.kind {
            Kind::Many => {
                let all = api.all(object)?;
                for id in all.iter().filter_map(|one| one.get("id")?.as_str()) {
                    let name = format!("{}-{id}", object.name.to_ascii_lowercase());
                    names.insert(id.to_owned(), name);
                }
                found.push((*object, all));
            }
            Kind::Singleton => found.push((*object, vec![api.singleton(object)?])),
            Kind::Record | Kind::Action => {
                return Err(Failure::usage(format!(
                    "{} is nothing that could be made elsewhere",
                    object.name
                )));
            }
        }
    }
    let mut steps = Vec::new();
    for (object, all) in found {
        for one in all {
            let id = one.get("id").and_then(Value::as_str).unwrap_or_default();
            let value = kept(object.form, &one, &names);
            // One without a name agrees with every other.
            let label = label(object).filter(|label| !value[*label].is_null());
            steps.push(match (object.kind, label) {
                (Kind::Singleton, _) => {
                    json!({ TYPE: "update", "object": object.name, "value": value })
                }
                (_, Some(label)) => json!({
                    TYPE: "upsert",
                    "object": object.name,
                    "match": [label],
                    "value": { names[id].as_str(): value },
                }),
                (_, None) => json!({
                    TYPE: "create",
                    "object": object.name,
                    "value": { names[id].as_str(): value },
                }),
            });
        }
    }
    Ok(steps)
}

/// What of an object, or of a part of one, can be written.
fn kept(form: &'static Form, object: &Map, names: &BTreeMap<String, String>) -> Value {
    let variant = object.get(TYPE).and_then(Value::as_str);
    let mut kept = Map::new();
    if let Some(variant) = variant {
        kept.insert(TYPE.to_owned(), variant.into());
    }
    for field in form.fields_of(variant).unwrap_or_default() {
        let Some(value) = object.get(field.name) else {
            continue;
        };
        let is_secret =
            matches!(&field.takes, Takes::String(text) if text.format == Format::Secret);
        if field.update == Update::ServerSet || is_secret {
            continue;
        }
        let value = match (&field.takes, value) {
            (Takes::Object { form }, Value::Object(part)) => self::kept(form, part, names),
            (Takes::ObjectList { form, .. }, Value::Object(parts)) => parts
                .iter()
                .map(|(at, part)| {
                    let part = part.as_object().cloned().unwrap_or_default();
                    (at.clone(), self::kept(form, &part, names))
                })
                .collect::<Map>()
                .into(),
            (Takes::ObjectId { .. }, Value::String(id)) => match names.get(id) {
                Some(name) => format!("#{name}").into(),
                None => value.clone(),
            },
            _ => value.clone(),
        };
        kept.insert(field.name.to_owned(), value);
    }
    kept.into()
}
