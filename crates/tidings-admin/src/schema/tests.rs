//! The schema against what the reference's tools accept: only known words, and every name that is used
//! is defined.

use std::collections::BTreeSet;

use serde_json::Value;
use tidings_event::MetricInfo;

use super::schema;

const TYPES: [&str; 12] = [
    "string",
    "number",
    "utcDateTime",
    "boolean",
    "enum",
    "blobId",
    "objectId",
    "object",
    "objectList",
    "set",
    "map",
    "link",
];

const STRING_FORMATS: [&str; 11] = [
    "string",
    "ipAddress",
    "ipNetwork",
    "socketAddress",
    "emailAddress",
    "secret",
    "secretText",
    "uri",
    "color",
    "text",
    "html",
];

const NUMBER_FORMATS: [&str; 5] = ["integer", "unsignedInteger", "float", "size", "duration"];

fn names(member: &Value) -> BTreeSet<&str> {
    member
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Checks one type, and everything that it names.
fn check_type(schema: &Value, place: &str, kind: &Value) {
    let word = kind["type"].as_str().unwrap();
    assert!(TYPES.contains(&word) && word != "link", "{place}: {word}");
    match word {
        "string" => assert!(
            STRING_FORMATS.contains(&kind["format"].as_str().unwrap()),
            "{place}"
        ),
        "number" => assert!(
            NUMBER_FORMATS.contains(&kind["format"].as_str().unwrap()),
            "{place}"
        ),
        "enum" => assert!(
            names(&schema["enums"]).contains(kind["enumName"].as_str().unwrap()),
            "{place}"
        ),
        "objectId" => {
            assert!(
                names(&schema["objects"]).contains(kind["objectName"].as_str().unwrap()),
                "{place}"
            );
        }
        "object" | "objectList" => {
            assert!(
                names(&schema["schemas"]).contains(kind["objectName"].as_str().unwrap()),
                "{place}"
            );
        }
        "set" => check_type(schema, place, &kind["class"]),
        "map" => {
            check_type(schema, place, &kind["keyClass"]);
            check_type(schema, place, &kind["valueClass"]);
        }
        _ => {}
    }
}

#[test]
fn only_words_that_the_references_tools_know() {
    let schema = schema();
    let members = [
        "objects",
        "schemas",
        "fields",
        "forms",
        "lists",
        "enums",
        "dashboards",
        "layouts",
    ];
    assert_eq!(
        schema.as_object().unwrap().keys().collect::<Vec<_>>(),
        members
    );
    for (name, fields) in schema["fields"].as_object().unwrap() {
        for (property, described) in fields["properties"].as_object().unwrap() {
            let place = format!("{name}.{property}");
            check_type(&schema, &place, &described["type"]);
            let update = described["update"].as_str().unwrap();
            assert!(
                ["mutable", "immutable", "serverSet"].contains(&update),
                "{place}"
            );
        }
        for default in fields
            .get("defaults")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            assert!(
                fields["properties"].get(default.0).is_some(),
                "{name}: {}",
                default.0
            );
        }
    }
}

#[test]
fn every_name_is_defined() {
    let schema = schema();
    for (name, object) in schema["objects"].as_object().unwrap() {
        match object["type"].as_str().unwrap() {
            "view" => assert!(
                schema["objects"]
                    .get(object["objectName"].as_str().unwrap())
                    .is_some()
            ),
            "object" | "singleton" => assert!(schema["schemas"].get(name).is_some(), "{name}"),
            other => panic!("{name}: {other}"),
        }
    }
    for (name, described) in schema["schemas"].as_object().unwrap() {
        let named: Vec<&Value> = match described["type"].as_str().unwrap() {
            "single" => vec![&described["schemaName"]],
            "multiple" => described["variants"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|variant| variant.get("schemaName"))
                .collect(),
            other => panic!("{name}: {other}"),
        };
        for schema_name in named {
            let schema_name = schema_name.as_str().unwrap();
            assert!(
                schema["fields"].get(schema_name).is_some(),
                "{name}: {schema_name}"
            );
            assert!(
                schema["forms"].get(schema_name).is_some(),
                "{name}: {schema_name}"
            );
        }
    }
}

#[test]
fn lists_dashboards_and_layouts_name_what_there_is() {
    let schema = schema();
    for (name, list) in schema["lists"].as_object().unwrap() {
        for member in ["title", "subtitle", "singularName", "pluralName"] {
            assert!(list[member].is_string(), "{name}.{member}");
        }
        assert!(schema["objects"].get(name).is_some(), "{name}");
        for filter in list
            .get("filters")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let kind = filter["type"].as_str().unwrap();
            assert!(
                ["text", "integer", "date", "enum", "objectId"].contains(&kind),
                "{name}"
            );
        }
    }
    let dashboards = schema["dashboards"].to_string();
    let metrics = schema["dashboards"][0]["cards"].as_array().unwrap().iter();
    let charts = schema["dashboards"][0]["charts"].as_array().unwrap().iter();
    let series = charts.flat_map(|chart| chart["series"].as_array().unwrap());
    for metric in metrics
        .chain(series)
        .flat_map(|one| one["metrics"].as_array().unwrap())
    {
        let name = metric.as_str().unwrap();
        assert!(
            MetricInfo::from_name(name).is_some(),
            "{name} in {dashboards}"
        );
    }
    let layouts = schema["layouts"].to_string();
    for part in layouts.split("\"viewName\":\"").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schema["objects"].get(name).is_some(), "{name}");
    }
}

#[test]
fn the_references_columns_and_views_are_kept() {
    let schema = schema();
    let columns = |name: &str| -> Vec<String> {
        let columns = schema["lists"][name]["columns"].as_array().unwrap().iter();
        columns
            .map(|column| column["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(columns("x:Tracer"), ["@type", "level", "enable"]);
    assert_eq!(columns("x:WebHook"), ["url"]);
    assert_eq!(columns("x:Log"), ["timestamp", "level", "event", "details"]);
    assert_eq!(
        columns("x:Trace/InboundDelivery"),
        ["timestamp", "from", "to", "size"]
    );
    let only = &schema["lists"]["x:Trace/OutboundDelivery"]["filtersStatic"];
    assert_eq!(only["event"], "delivery.attempt-start");
    assert_eq!(
        schema["fields"]["x:TracerOtelHttp"]["defaults"]["throttle"],
        1000
    );
    assert_eq!(
        schema["schemas"]["x:Tracer"]["variants"][0]["schemaName"],
        "x:TracerLog"
    );
    assert_eq!(
        schema["enums"]["EventType"].as_array().unwrap().len(),
        tidings_event::EventType::all().count()
    );
}
