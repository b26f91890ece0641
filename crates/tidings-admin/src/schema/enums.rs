//! The member `enums`: every list of words.

use serde_json::{Map, Value, json};
use tidings_event::{EventType, Key, MetricInfo};

use crate::OBJECTS;
use crate::describe::{Enum, Fields, FilterKind, Form, Kind, Member, Takes};

pub(super) fn enums(forms: &[&'static Form]) -> Value {
    let mut enums = Map::new();
    for of in [Enum::EventType, Enum::MetricType, Enum::Key] {
        enums.insert(of.name().to_owned(), words(of));
    }
    for field in forms.iter().flat_map(|form| form.all_fields()) {
        let of = match field.takes {
            Takes::Enum { of, .. }
            | Takes::Set {
                of: Member::Enum(of),
                ..
            } => of,
            _ => continue,
        };
        enums.insert(of.name().to_owned(), words(of));
    }
    for filter in OBJECTS.iter().flat_map(|object| object.list.filters) {
        if let FilterKind::Enum(of) = filter.kind {
            enums.insert(of.name().to_owned(), words(of));
        }
    }
    for object in OBJECTS.iter().filter(|object| object.kind != Kind::Action) {
        if let Fields::Multiple { variants, .. } = object.form.fields {
            let words: Vec<Value> = variants
                .iter()
                .map(|variant| json!({ "name": variant.name, "label": variant.label }))
                .collect();
            enums.insert(format!("{}Type", object.name), words.into());
        }
    }
    Value::Object(enums)
}

fn words(of: Enum) -> Value {
    match of {
        Enum::Of(words) => words
            .words
            .iter()
            .map(|(name, label)| json!({ "name": name, "label": label }))
            .collect(),
        Enum::EventType => EventType::all()
            .map(|kind| explained(kind.name, kind.description))
            .collect(),
        Enum::MetricType => MetricInfo::all()
            .iter()
            .map(|metric| explained(metric.name, metric.description))
            .collect(),
        Enum::Key => Key::all()
            .map(|key| explained(key.name, key.description))
            .collect(),
    }
}

fn explained(name: &str, description: &str) -> Value {
    json!({ "name": name, "label": name, "explanation": description })
}
