//! Objects written as the reference's tools write them: creations, patches, and what is refused.

use serde_json::{Map, Value, json};
use tidings_admin::describe::Object;
use tidings_admin::{OBJECTS, SetError, SetErrorType, create, defaults, patch, show};

fn object(name: &str) -> &'static Object {
    Object::named(name).unwrap()
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn resolve(name: &str) -> Option<String> {
    (name == "hook").then(|| "bc".to_owned())
}

fn made(name: &str, given: &Value) -> Result<Map<String, Value>, SetError> {
    create(object(name), &map(given), &resolve)
}

fn patched(
    name: &str,
    current: &Map<String, Value>,
    given: &Value,
) -> Result<Map<String, Value>, SetError> {
    patch(object(name), current, &map(given), &resolve)
}

/// The object, and what it becomes by a patch, member by member.
fn becomes(name: &str, start: &Value, given: &Value) -> Value {
    let start = made(name, start).unwrap();
    Value::Object(patched(name, &start, given).unwrap())
}

fn hook() -> Value {
    json!({ "url": "https://h.test/x" })
}

#[test]
fn a_creation_has_all_defaults() {
    let hook = made("WebHook", &hook()).unwrap();
    assert_eq!(hook["url"], "https://h.test/x");
    assert_eq!(hook["enable"], true);
    assert_eq!(hook["throttle"], 1_000);
    assert_eq!(hook["discardAfter"], 300_000);
    assert_eq!(hook["signatureKey"], json!({ "@type": "None" }));
    assert_eq!(hook["httpAuth"], json!({ "@type": "Unauthenticated" }));
    assert_eq!(hook["events"], json!({}));

    let tracer = made("Tracer", &json!({ "@type": "Log", "path": " /var/log/t " })).unwrap();
    assert_eq!(tracer["path"], "/var/log/t", "paths are trimmed");
    assert_eq!(tracer["@type"], "Log");
    assert_eq!(tracer["rotate"], "daily");
    let retention = defaults(object("DataRetention").form, None).unwrap();
    assert_eq!(
        retention["metricsCollectionInterval"],
        json!({ "minute": 0, "@type": "Hourly" })
    );
    assert_eq!(
        retention["dataCleanupSchedule"],
        json!({ "hour": 2, "minute": 0, "@type": "Daily" })
    );
}

#[test]
fn patches_change_what_they_name() {
    let events =
        json!({ "url": "http://h/", "events": { "auth.failed": true, "auth.success": true } });
    for (name, start, given, property, expected) in [
        (
            "WebHook",
            events.clone(),
            json!({ "events": { "auth.failed": true, "delivery.*": true, "auth.error": false } }),
            "events",
            json!({ "auth.failed": true, "delivery.*": true }),
        ),
        (
            "WebHook",
            events.clone(),
            json!({ "events/auth.error": true }),
            "events",
            json!({ "auth.failed": true, "auth.success": true, "auth.error": true }),
        ),
        (
            "WebHook",
            events.clone(),
            json!({ "events/auth.failed": false }),
            "events",
            json!({ "auth.success": true }),
        ),
        (
            "WebHook",
            events.clone(),
            json!({ "events/auth.failed": null }),
            "events",
            json!({ "auth.success": true }),
        ),
        (
            "WebHook",
            hook(),
            json!({ "httpHeaders/X-A": " 1 " }),
            "httpHeaders",
            json!({ "X-A": "1" }),
        ),
        (
            "WebHook",
            hook(),
            json!({ "httpHeaders": { "A": "1", "B": "2" }, "httpHeaders/A": null }),
            "httpHeaders",
            json!({ "B": "2" }),
        ),
        (
            "WebHook",
            hook(),
            json!({ "httpAuth": { "@type": "Bearer", "bearerToken": { "@type": "Value", "secret": "s" } } }),
            "httpAuth",
            json!({ "bearerToken": { "secret": "s", "@type": "Value" }, "@type": "Bearer" }),
        ),
        (
            "WebHook",
            hook(),
            json!({ "signatureKey": { "@type": "File", "filePath": "/k" }, "signatureKey/filePath": "/l" }),
            "signatureKey",
            json!({ "filePath": "/l", "@type": "File" }),
        ),
        (
            "Alert",
            json!({ "condition": { "else": "x > 1" } }),
            json!({ "condition/match/0": { "if": "a", "then": "b" } }),
            "condition",
            json!({ "match": { "0": { "if": "a", "then": "b" } }, "else": "x > 1" }),
        ),
        (
            "Alert",
            json!({ "condition": { "else": "e", "match": { "0": { "if": "a", "then": "b" }, "1": { "if": "c", "then": "d" } } } }),
            json!({ "condition/match/0": null }),
            "condition",
            json!({ "match": { "0": { "if": "c", "then": "d" } }, "else": "e" }),
        ),
        (
            "Alert",
            json!({ "condition": { "else": "e", "match": { "0": { "if": "a", "then": "b" } } } }),
            json!({ "condition/match/0/if": "z" }),
            "condition",
            json!({ "match": { "0": { "if": "z", "then": "b" } }, "else": "e" }),
        ),
        (
            "Tracer",
            json!({ "@type": "Log", "path": "/l" }),
            json!({ "@type": "Log", "level": "debug" }),
            "level",
            json!("debug"),
        ),
        (
            "Tracer",
            json!({ "@type": "Log", "path": "/l", "level": "debug" }),
            json!({ "@type": "Stdout" }),
            "level",
            json!("info"),
        ),
        (
            "Tracer",
            json!({ "@type": "OtelGrpc", "endpoint": "http://c:1" }),
            json!({ "endpoint": null }),
            "endpoint",
            json!(null),
        ),
        (
            "Silence",
            json!({ "until": "2026-02-03T04:05:06Z" }),
            json!({ "alertId": "#hook" }),
            "alertId",
            json!("bc"),
        ),
        (
            "Silence",
            json!({ "until": "2026-02-03T05:05:06+01:00" }),
            json!({}),
            "until",
            json!("2026-02-03T04:05:06Z"),
        ),
        (
            "DataRetention",
            json!({}),
            json!({ "metricsCollectionInterval": { "@type": "Weekly", "day": 6 } }),
            "metricsCollectionInterval",
            json!({ "day": 6, "hour": 0, "minute": 0, "@type": "Weekly" }),
        ),
        (
            "DataRetention",
            json!({}),
            json!({ "holdTracesFor": null }),
            "holdTracesFor",
            json!(null),
        ),
    ] {
        let result = becomes(name, &start, &given);
        assert_eq!(result[property], expected, "{name} {given}");
    }
}

#[test]
fn what_cannot_be_is_named() {
    let (patch, failed) = (SetErrorType::InvalidPatch, SetErrorType::ValidationFailed);
    for (name, given, kind, property) in [
        ("WebHook", json!({}), failed, "url"),
        ("WebHook", json!({ "url": "" }), failed, "url"),
        ("WebHook", json!({ "url": "ftp://h/" }), failed, "url"),
        ("WebHook", json!({ "url": 7 }), patch, "url"),
        ("WebHook", json!({ "url": null }), patch, "url"),
        (
            "WebHook",
            json!({ "url": "http://h/", "nonsense": 1 }),
            patch,
            "nonsense",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "throttle": 0 }),
            failed,
            "throttle",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "throttle": "1s" }),
            patch,
            "throttle",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "throttle": 1.5 }),
            patch,
            "throttle",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "level": "loud" }),
            patch,
            "level",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "events": ["auth.failed"] }),
            patch,
            "events",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "events": { "auth.no-such": true } }),
            patch,
            "events/auth.no-such",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "events": { "auth.failed": 1 } }),
            patch,
            "events/auth.failed",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "httpHeaders": { "A": "" } }),
            failed,
            "httpHeaders/A",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "httpAuth": { "username": "x" } }),
            patch,
            "httpAuth/@type",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "httpAuth": { "@type": "Basic", "username": "x" } }),
            failed,
            "httpAuth/secret",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "signatureKey": { "@type": "Value", "secret": "****" } }),
            failed,
            "signatureKey/secret",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "@type": "X" }),
            patch,
            "@type",
        ),
        (
            "WebHook",
            json!({ "url": "http://h/", "url/x": "y" }),
            patch,
            "url",
        ),
        ("WebHook", json!({ "id": "b" }), patch, "id"),
        ("Tracer", json!({ "path": "/x" }), patch, "@type"),
        ("Tracer", json!({ "@type": "Nonsense" }), patch, "@type"),
        ("Tracer", json!({ "@type": 1 }), patch, "@type"),
        ("Tracer", json!({ "@type": "Log" }), failed, "path"),
        (
            "Tracer",
            json!({ "@type": "Stdout", "path": "/x" }),
            patch,
            "path",
        ),
        (
            "Alert",
            json!({ "condition": { "match": {} } }),
            failed,
            "condition/else",
        ),
        (
            "Alert",
            json!({ "condition": { "else": "x", "match": { "0": { "if": "a" } } } }),
            failed,
            "condition/match/0/then",
        ),
        (
            "Alert",
            json!({ "condition": { "else": "x", "match": { "x": {} } } }),
            patch,
            "condition/match/x",
        ),
        (
            "Alert",
            json!({ "condition": { "else": "x" }, "condition/match/2": { "if": "a", "then": "b" } }),
            patch,
            "condition/match/2",
        ),
        ("Silence", json!({ "until": "tomorrow" }), patch, "until"),
        (
            "Silence",
            json!({ "until": "2026-02-03T04:05:06Z", "alertId": "A B" }),
            patch,
            "alertId",
        ),
        (
            "Silence",
            json!({ "until": "2026-02-03T04:05:06Z", "alertId": "#no" }),
            SetErrorType::InvalidForeignKey,
            "alertId",
        ),
        (
            "TracingStore",
            json!({ "@type": "PostgreSql", "host": "h" }),
            failed,
            "@type",
        ),
        (
            "DataRetention",
            json!({ "metricsCollectionInterval": { "@type": "Hourly", "minute": 60 } }),
            failed,
            "metricsCollectionInterval/minute",
        ),
        (
            "Account",
            json!({ "name": "x", "domains": { "not a domain": true } }),
            failed,
            "domains/not a domain",
        ),
        ("Source", json!({ "paths": {} }), failed, "paths"),
        ("Trace", json!({ "size": 1 }), patch, "size"),
    ] {
        let error = made(name, &given).unwrap_err();
        assert_eq!(error.kind, kind, "{name} {given}: {error:?}");
        let blamed = error
            .validation_errors
            .first()
            .map(|error| error.property().to_owned());
        let blamed = blamed.or_else(|| error.properties.first().cloned());
        assert_eq!(
            blamed.as_deref(),
            Some(property),
            "{name} {given}: {error:?}"
        );
    }
}

#[test]
fn read_only_properties_stay() {
    let level = made("EventTracingLevel", &json!({ "event": "auth.failed" })).unwrap();
    let same = patched(
        "EventTracingLevel",
        &level,
        &json!({ "event": "auth.failed" }),
    )
    .unwrap();
    assert_eq!(same, level);
    let error = patched(
        "EventTracingLevel",
        &level,
        &json!({ "event": "auth.success" }),
    )
    .unwrap_err();
    assert_eq!(
        error.description.as_deref(),
        Some("Cannot modify read-only property")
    );
    let source = made("Source", &json!({ "paths": { "/var/log/mail.log": true } })).unwrap();
    let error = patched("Source", &source, &json!({ "lines": 5 })).unwrap_err();
    assert_eq!(
        error.description.as_deref(),
        Some("Cannot modify server set property")
    );
}

#[test]
fn hidden_secrets_stay_as_they_are() {
    let basic = |secret: &str| json!({ "@type": "Basic", "username": "u", "secret": { "@type": "Value", "secret": secret } });
    let hook = made(
        "WebHook",
        &json!({ "url": "http://h/", "httpAuth": basic("geheim") }),
    )
    .unwrap();
    let shown = show(object("WebHook"), "b", &hook, None);
    assert_eq!(shown["httpAuth"]["secret"]["secret"], "****");
    assert!(!Value::Object(shown.clone()).to_string().contains("geheim"));

    // What was read is written back, with one thing changed.
    let mut back = Value::Object(shown);
    back.as_object_mut().unwrap().remove("id");
    back["httpAuth"]["username"] = "v".into();
    let written = patched("WebHook", &hook, &back).unwrap();
    assert_eq!(written["httpAuth"]["secret"]["secret"], "geheim");
    assert_eq!(written["httpAuth"]["username"], "v");

    // The same by path; and another secret is another secret.
    let written = patched(
        "WebHook",
        &hook,
        &json!({ "httpAuth/secret/secret": "****" }),
    )
    .unwrap();
    assert_eq!(written, hook);
    let written = patched(
        "WebHook",
        &hook,
        &json!({ "httpAuth/secret/secret": "neu" }),
    )
    .unwrap();
    assert_eq!(written["httpAuth"]["secret"]["secret"], "neu");
    // A secret does not wander to another place.
    let error = patched(
        "WebHook",
        &hook,
        &json!({ "signatureKey": { "@type": "Value", "secret": "****" } }),
    );
    assert_eq!(error.unwrap_err().kind, SetErrorType::ValidationFailed);
}

#[test]
fn objects_are_shown_in_order_with_type_and_id_last() {
    let tracer = made("Tracer", &json!({ "@type": "Stdout", "level": "warn" })).unwrap();
    let tracer_object = object("Tracer");
    let shown = show(tracer_object, "b", &tracer, None);
    let names: Vec<&String> = shown.keys().collect();
    assert_eq!(names.last().unwrap().as_str(), "id");
    assert_eq!(names[names.len() - 2], "@type");
    let wanted = |names: &[&str]| -> Value {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Value::Object(show(tracer_object, "b", &tracer, Some(&names)))
    };
    assert_eq!(
        wanted(&["@type", "level"]),
        json!({ "level": "warn", "@type": "Stdout", "id": "b" })
    );
    assert_eq!(wanted(&["id"]), json!({ "id": "b" }));
    assert_eq!(wanted(&["nonsense"]), Value::Object(shown.clone()));
    assert_eq!(wanted(&[]), Value::Object(shown));
}

#[test]
fn an_object_of_an_older_version_has_todays_properties() {
    let old = map(&json!({ "url": "http://h/", "gone": 1 }));
    let shown = show(object("WebHook"), "b", &old, None);
    assert_eq!(shown["timeout"], 30_000);
    assert!(!shown.contains_key("gone"));
    let written = patched("WebHook", &old, &json!({ "timeout": 5 })).unwrap();
    assert_eq!(written["timeout"], 5);
    assert_eq!(written["throttle"], 1_000);
}

#[test]
fn every_object_is_well_described() {
    for object in OBJECTS {
        let fields = object.form.all_fields();
        for column in object.list.columns {
            let is_known = *column == "@type" || fields.iter().any(|field| field.name == *column);
            assert!(is_known, "{}: column {column}", object.name);
        }
        for field in fields {
            assert!(
                field.about.ends_with(['.', ')']),
                "{}.{}: {}",
                object.name,
                field.name,
                field.about
            );
            assert!(
                field.name != "id" && field.name != "@type",
                "{}",
                object.name
            );
        }
    }
}
