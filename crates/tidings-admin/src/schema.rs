//! The schema at `/api/schema`: all objects as data, from which the reference's command line and web
//! page draw their lists and forms.
//!
//! Its eight members and all words in it are the reference's: its tools refuse a schema with any other.

mod enums;
mod fields;
mod pages;

use serde_json::{Map, Value, json};

use crate::OBJECTS;
use crate::describe::{Fields, Form, Kind, Object, Takes};

/// The whole schema.
#[must_use]
pub fn schema() -> Value {
    let forms = all_forms();
    json!({
        "objects": objects(),
        "schemas": schemas(&forms),
        "fields": fields::fields(&forms),
        "forms": fields::forms(&forms),
        "lists": pages::lists(),
        "enums": enums::enums(&forms),
        "dashboards": pages::dashboards(),
        "layouts": pages::layouts(),
    })
}

/// `x:Tracer`.
fn outer(name: &str) -> String {
    format!("x:{name}")
}

fn objects() -> Value {
    let mut objects = Map::new();
    for object in OBJECTS {
        let kind = match object.kind {
            Kind::Singleton => "singleton",
            Kind::Many | Kind::Record | Kind::Action => "object",
        };
        let mut described = json!({
            "type": kind,
            "description": object.about,
            "permissionPrefix": object.permission_prefix(),
        });
        if object.is_enterprise {
            described["enterprise"] = true.into();
        }
        objects.insert(outer(object.name), described);
    }
    for view in pages::VIEWS {
        let name = format!("x:{}/{}", view.object, view.name);
        let described = json!({ "type": "view", "objectName": outer(view.object) });
        objects.insert(name, described);
    }
    Value::Object(objects)
}

/// Every form, of objects and of parts, each once.
fn all_forms() -> Vec<&'static Form> {
    let mut forms: Vec<&'static Form> = Vec::new();
    for object in OBJECTS {
        gather(object.form, &mut forms);
    }
    forms
}

fn gather(form: &'static Form, forms: &mut Vec<&'static Form>) {
    if forms.iter().any(|known| known.name == form.name) {
        return;
    }
    forms.push(form);
    for field in form.all_fields() {
        if let Takes::Object { form } | Takes::ObjectList { form, .. } = field.takes {
            gather(form, forms);
        }
    }
}

fn schemas(forms: &[&'static Form]) -> Value {
    let mut schemas = Map::new();
    for form in forms {
        let schema = match form.fields {
            Fields::Single(_) => json!({ "type": "single", "schemaName": outer(form.name) }),
            Fields::Multiple { variants, .. } => {
                let variants: Vec<Value> = variants
                    .iter()
                    .map(|variant| {
                        let mut described = json!({ "name": variant.name, "label": variant.label });
                        if variant.all().next().is_some() {
                            described["schemaName"] = variant_schema(form, variant.name).into();
                        }
                        described
                    })
                    .collect();
                json!({ "type": "multiple", "variants": variants })
            }
        };
        schemas.insert(outer(form.name), schema);
    }
    Value::Object(schemas)
}

/// `x:TracerLog`.
fn variant_schema(form: &Form, variant: &str) -> String {
    format!("x:{}{variant}", form.name)
}

/// Every schema of a form: its name and the fields.
fn schemas_of(form: &'static Form) -> Vec<(String, Vec<&'static crate::describe::Field>)> {
    match form.fields {
        Fields::Single(fields) => vec![(outer(form.name), fields.iter().collect())],
        Fields::Multiple { variants, .. } => variants
            .iter()
            .map(|variant| (variant_schema(form, variant.name), variant.all().collect()))
            .filter(|(_, fields): &(_, Vec<_>)| !fields.is_empty())
            .collect(),
    }
}

/// The object that has this form as a whole.
fn object_of(form: &Form) -> Option<&'static Object> {
    OBJECTS
        .iter()
        .copied()
        .find(|object| object.form.name == form.name)
}

#[cfg(test)]
mod tests;
