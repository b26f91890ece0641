//! The members `fields` and `forms`: types and defaults, labels and order.

use serde_json::{Map, Value, json};

use super::{object_of, outer, schemas_of};
use crate::describe::{
    Default, Enum, Field, Form, Format, Member, Number, NumberFormat, Takes, Text, Update,
};
use crate::write;

pub(super) fn fields(forms: &[&'static Form]) -> Value {
    let mut described = Map::new();
    for form in forms {
        for (name, fields) in schemas_of(form) {
            described.insert(name, properties(&fields));
        }
    }
    Value::Object(described)
}

fn properties(fields: &[&'static Field]) -> Value {
    let mut properties = Map::new();
    let mut defaults = Map::new();
    for field in fields {
        let update = match field.update {
            Update::Mutable => "mutable",
            Update::Immutable => "immutable",
            Update::ServerSet => "serverSet",
        };
        let property = json!({
            "description": field.about,
            "type": kind(&field.takes),
            "update": update,
        });
        properties.insert(field.name.to_owned(), property);
        if field.update != Update::ServerSet
            && !matches!(field.default, Default::Required | Default::Null)
            && let Some(value) = write::default_value(field)
        {
            defaults.insert(field.name.to_owned(), value);
        }
    }
    let mut described = json!({ "properties": properties });
    if !defaults.is_empty() {
        described["defaults"] = defaults.into();
    }
    described
}

fn kind(takes: &Takes) -> Value {
    match takes {
        Takes::Boolean => json!({ "type": "boolean" }),
        Takes::String(text) => string(*text),
        Takes::Number(number) => whole(*number),
        Takes::UtcDateTime { is_nullable } => {
            nullable(json!({ "type": "utcDateTime" }), *is_nullable)
        }
        Takes::Enum { of, is_nullable } => nullable(
            json!({ "type": "enum", "enumName": of.name() }),
            *is_nullable,
        ),
        Takes::ObjectId {
            object,
            is_nullable,
        } => nullable(
            json!({ "type": "objectId", "objectName": outer(object) }),
            *is_nullable,
        ),
        Takes::Object { form } => json!({ "type": "object", "objectName": outer(form.name) }),
        Takes::ObjectList { form, max } => {
            json!({ "type": "objectList", "objectName": outer(form.name), "maxItems": max })
        }
        Takes::Set { of, min, max } => {
            let mut set = json!({ "type": "set", "class": member(*of), "maxItems": max });
            if *min > 0 {
                set["minItems"] = (*min).into();
            }
            set
        }
        Takes::Map { max } => json!({
            "type": "map",
            "keyClass": { "type": "string", "format": "string" },
            "valueClass": { "type": "string", "format": "string", "minLength": 1 },
            "maxItems": max,
        }),
    }
}

fn nullable(mut kind: Value, is_nullable: bool) -> Value {
    if is_nullable {
        kind["nullable"] = true.into();
    }
    kind
}

fn string(text: Text) -> Value {
    let kind = json!({
        "type": "string",
        "format": format(text.format),
        "minLength": 1,
        "maxLength": text.max,
    });
    nullable(kind, text.is_nullable)
}

fn format(format: Format) -> &'static str {
    match format {
        Format::String | Format::Domain => "string",
        Format::Text => "text",
        Format::Uri => "uri",
        Format::EmailAddress => "emailAddress",
        Format::Secret => "secret",
        Format::IpAddress => "ipAddress",
    }
}

fn whole(number: Number) -> Value {
    let format = match number.format {
        NumberFormat::UnsignedInteger => "unsignedInteger",
        NumberFormat::Integer => "integer",
        NumberFormat::Float => "float",
        NumberFormat::Size => "size",
        NumberFormat::Duration => "duration",
    };
    let mut kind = json!({ "type": "number", "format": format });
    if number.min > i64::MIN {
        kind["min"] = number.min.into();
    }
    if number.max < i64::MAX {
        kind["max"] = number.max.into();
    }
    nullable(kind, number.is_nullable)
}

fn member(of: Member) -> Value {
    match of {
        Member::String(of) => json!({ "type": "string", "format": format(of) }),
        Member::Enum(of) => json!({ "type": "enum", "enumName": of.name() }),
        Member::EventPattern => json!({ "type": "enum", "enumName": Enum::EventType.name() }),
    }
}

pub(super) fn forms(forms: &[&'static Form]) -> Value {
    let mut described = Map::new();
    for form in forms {
        for (name, fields) in schemas_of(form) {
            let fields: Vec<Value> = fields
                .iter()
                .map(|field| json!({ "name": field.name, "label": field.label }))
                .collect();
            let mut drawn = Map::new();
            if let Some(object) = object_of(form) {
                drawn.insert("title".to_owned(), object.list.title.into());
                drawn.insert("subtitle".to_owned(), object.about.into());
            }
            drawn.insert("sections".to_owned(), json!([{ "fields": fields }]));
            described.insert(name, drawn.into());
        }
    }
    Value::Object(described)
}
