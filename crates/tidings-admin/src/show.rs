//! Objects as the management API shows them.

use serde_json::{Map, Value};
use tidings_event::Id;

use crate::describe::{Form, Format, Object, Takes};
use crate::write::{HIDDEN, TYPE, complete};

/// The id of the one object of a kind of which there is one.
pub const SINGLETON: &str = "singleton";

/// A stored object as `get` shows it: all properties in order, then `@type` where there are variants,
/// then `id`; secrets hidden. With `properties`, those only, and `id`; names that are no property's do
/// not count, and where none is left everything is shown.
#[must_use]
pub fn show(
    object: &Object,
    id: &str,
    stored: &Map<String, Value>,
    properties: Option<&[String]>,
) -> Map<String, Value> {
    let mut shown = hide(object.form, complete(object.form, stored));
    if let Some(kind) = shown.shift_remove(TYPE) {
        shown.insert(TYPE.to_owned(), kind);
    }
    if let Some(wanted) = known(object, properties) {
        shown.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
    }
    shown.insert("id".to_owned(), id.into());
    shown
}

/// Those of some names that are properties of an object; `None` for all.
#[must_use]
pub fn known<'p>(object: &Object, properties: Option<&'p [String]>) -> Option<Vec<&'p str>> {
    let fields = object.form.all_fields();
    let is_known = |name: &&str| *name == TYPE || fields.iter().any(|field| field.name == *name);
    let names = properties?.iter().map(String::as_str);
    let is_id_alone = properties?.iter().any(|name| name == "id");
    let known: Vec<&str> = names.filter(is_known).collect();
    (is_id_alone || !known.is_empty()).then_some(known)
}

/// The text of an object's id.
#[must_use]
pub fn id_text(object: &Object, id: Id) -> String {
    if object.kind == crate::describe::Kind::Singleton {
        return SINGLETON.to_owned();
    }
    id.to_string()
}

/// Replaces secrets by [`HIDDEN`].
fn hide(form: &'static Form, stored: Map<String, Value>) -> Map<String, Value> {
    let variant = stored.get(TYPE).and_then(Value::as_str);
    let fields = form.fields_of(variant).unwrap_or_default();
    let mut shown = stored;
    for field in fields {
        if let Some(value) = shown.get_mut(field.name) {
            hide_in(&field.takes, value);
        }
    }
    shown
}

fn hide_in(takes: &Takes, value: &mut Value) {
    match (takes, value) {
        (Takes::String(text), value @ Value::String(_)) if text.format == Format::Secret => {
            *value = HIDDEN.into();
        }
        (Takes::Object { form }, Value::Object(part)) => {
            *part = hide(form, std::mem::take(part));
        }
        (Takes::ObjectList { form, .. }, Value::Object(entries)) => {
            for entry in entries.values_mut() {
                hide_in(&Takes::Object { form }, entry);
            }
        }
        _ => {}
    }
}
