//! The management API as its clients use it: over a socket, with real events.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Running, get, post};

const TOKEN: &str = "0123456789abcdef";

const SETTINGS: &str = "[http]\ntoken = \"0123456789abcdef\"\n[[tracer]]\ntype = \"log\"\nname = \"main\"\npath = \"/tmp/no-such\"\nenable = false\n";

fn json_of(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Makes calls; gives the answers, each (name, arguments).
fn call(server: &Running, calls: &Value) -> Vec<(String, Value)> {
    let answer = request(server, &json!({ "using": [], "methodCalls": calls }));
    let answers = answer["methodResponses"].as_array().unwrap().iter();
    answers
        .map(|one| (one[0].as_str().unwrap().to_owned(), one[1].clone()))
        .collect()
}

fn request(server: &Running, body: &Value) -> Value {
    let head = "Content-Type: application/json\r\n";
    let (status, answer) = server.ask_socket(post("/jmap", head, body.to_string().as_bytes()));
    assert_eq!(status, 200, "{answer}");
    json_of(&answer)
}

/// Makes one call that must succeed.
fn ask(server: &Running, name: &str, arguments: Value) -> Value {
    let (answered, result) = call(server, &json!([[name, arguments, "c"]])).remove(0);
    assert_eq!(answered, name, "{result}");
    result
}

/// Makes one call that must fail; gives the type of the error.
fn fail(server: &Running, name: &str, arguments: Value) -> String {
    let (answered, result) = call(server, &json!([[name, arguments, "c"]])).remove(0);
    assert_eq!(answered, "error", "{result}");
    result["type"].as_str().unwrap().to_owned()
}

/// A server with a log of a mail server in it.
fn with_mail() -> Running {
    let server = Running::with(SETTINGS);
    let log = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../corpus/own/mail.rfc3339.log"
    );
    let options = tidings_engine::ImportOptions::default();
    server
        .app
        .engine
        .import(&[log.into()], &options, &mut |_| {})
        .unwrap();
    server
}

/// All ids of a query, page by page as the reference's command line does it.
fn all_by_anchor(server: &Running, name: &str, filter: &Value, limit: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    loop {
        let mut arguments = json!({ "filter": filter, "limit": limit });
        if let Some(last) = ids.last() {
            arguments["anchor"] = last.clone().into();
            arguments["anchorOffset"] = 1.into();
        }
        let page = ask(server, name, arguments)["ids"]
            .as_array()
            .unwrap()
            .clone();
        ids.extend(page.iter().map(|id| id.as_str().unwrap().to_owned()));
        if page.len() < limit {
            return ids;
        }
    }
}

#[test]
fn objects_are_made_changed_and_removed() {
    let server = Running::with(SETTINGS);
    let made = ask(
        &server,
        "x:WebHook/set",
        json!({ "create": { "n0": { "url": "https://h.test/x" } } }),
    );
    let id = made["created"]["n0"]["id"].as_str().unwrap();
    assert_ne!(made["oldState"], made["newState"]);
    let shown = ask(&server, "x:WebHook/get", json!({ "ids": [id, "zz", "NO"] }));
    assert_eq!(shown["list"][0]["throttle"], 1_000);
    assert_eq!(shown["notFound"], json!(["zz", "NO"]));
    assert_eq!(shown["state"], made["newState"]);

    let patch = json!({ id: { "events/auth.failed": true, "level": "warn" } });
    let changed = ask(
        &server,
        "x:WebHook/set",
        json!({ "update": patch, "ifInState": shown["state"] }),
    );
    assert_eq!(changed["updated"], json!({ id: null }));
    let again = fail(
        &server,
        "x:WebHook/set",
        json!({ "update": patch, "ifInState": shown["state"] }),
    );
    assert_eq!(again, "stateMismatch");
    // What is the same already changes nothing.
    let same = ask(&server, "x:WebHook/set", json!({ "update": patch }));
    assert_eq!(
        (&same["updated"], &same["oldState"]),
        (&json!({ id: null }), &same["newState"])
    );

    let changes = ask(
        &server,
        "x:WebHook/changes",
        json!({ "sinceState": made["oldState"] }),
    );
    assert_eq!(
        (&changes["created"], &changes["updated"]),
        (&json!([id]), &json!([]))
    );
    let changes = ask(
        &server,
        "x:WebHook/changes",
        json!({ "sinceState": made["newState"] }),
    );
    assert_eq!(changes["updated"], json!([id]));

    let both = json!({ "update": { id: { "level": "info" } }, "destroy": [id, "b"] });
    let gone = ask(&server, "x:WebHook/set", both);
    assert_eq!(gone["notUpdated"][id]["type"], "willDestroy");
    assert_eq!(gone["destroyed"], json!([id]));
    assert_eq!(gone["notDestroyed"]["b"]["type"], "notFound");
    assert_eq!(
        ask(&server, "x:WebHook/get", json!({ "ids": null }))["list"],
        json!([])
    );
}

#[test]
fn errors_of_objects_are_named_and_stop_no_other() {
    let server = Running::with(SETTINGS);
    let set = ask(
        &server,
        "x:WebHook/set",
        json!({ "create": {
        "a": {}, "b": { "url": "http://h/" }, "c": { "url": "http://h/", "events": { "no.such": true } }, "d": 5,
    } }),
    );
    assert_eq!(
        set["notCreated"]["a"],
        json!({ "type": "validationFailed", "validationErrors": [{ "type": "Required", "property": "url" }] })
    );
    assert_eq!(
        set["notCreated"]["c"]["properties"],
        json!(["events/no.such"])
    );
    assert_eq!(set["notCreated"]["d"]["type"], "invalidPatch");
    assert!(set["created"]["b"]["id"].is_string());
    let level = json!({ "event": "auth.failed", "level": "warn" });
    let set = ask(
        &server,
        "x:EventTracingLevel/set",
        json!({ "create": { "a": level, "b": level } }),
    );
    assert_eq!(set["notCreated"]["b"]["type"], "primaryKeyViolation");
    assert_eq!(set["notCreated"]["b"]["properties"], json!(["event"]));
    assert_eq!(
        set["notCreated"]["b"]["objectId"]["id"],
        set["created"]["a"]["id"]
    );
    let set = ask(
        &server,
        "x:Metrics/set",
        json!({ "destroy": ["singleton"] }),
    );
    assert_eq!(set["notDestroyed"]["singleton"]["type"], "singleton");
    let set = ask(
        &server,
        "x:TracingStore/set",
        json!({ "update": { "singleton": { "@type": "MySql", "host": "h" } } }),
    );
    let why = set["notUpdated"]["singleton"]["description"]
        .as_str()
        .unwrap();
    assert!(why.contains("Disabled, Default"), "{why}");
    let set = ask(
        &server,
        "x:Trace/set",
        json!({ "create": { "a": {} }, "update": { "b": {} }, "destroy": ["c"] }),
    );
    for kind in ["notCreated", "notUpdated", "notDestroyed"] {
        assert!(set[kind].to_string().contains("forbidden"), "{set}");
    }
}

#[test]
fn what_stands_in_the_settings_file_is_read_only() {
    let server = Running::with(SETTINGS);
    let shown = ask(&server, "x:Tracer/get", json!({ "ids": null }));
    let tracer = &shown["list"][0];
    assert_eq!(
        (&tracer["name"], &tracer["@type"]),
        (&json!("main"), &json!("Log"))
    );
    let id = tracer["id"].as_str().unwrap();
    let set = ask(
        &server,
        "x:Tracer/set",
        json!({ "update": { id: { "level": "debug" } }, "destroy": [id] }),
    );
    let set = match set.get("notUpdated") {
        Some(_) => ask(
            &server,
            "x:Tracer/set",
            json!({ "update": { id: { "level": "debug" } } }),
        ),
        None => set,
    };
    let why = set["notUpdated"][id]["description"].as_str().unwrap();
    assert!(why.contains("[[tracer]] main"), "{why}");
    // One of the same name cannot work beside it, and is refused before it is kept.
    let create = json!({ "n": { "@type": "Log", "path": "/tmp/x", "name": "main" } });
    let set = ask(&server, "x:Tracer/set", json!({ "create": create }));
    assert_eq!(set["notCreated"]["n"]["properties"], json!(["name"]));
}

#[test]
fn secrets_are_hidden_and_survive_being_written_back() {
    let server = Running::with(SETTINGS);
    let auth =
        json!({ "@type": "Bearer", "bearerToken": { "@type": "Value", "secret": "hushhush" } });
    let made = ask(
        &server,
        "x:WebHook/set",
        json!({ "create": { "n": { "url": "http://h/", "httpAuth": auth } } }),
    );
    let id = made["created"]["n"]["id"].as_str().unwrap();
    let shown = ask(&server, "x:WebHook/get", json!({ "ids": [id] }));
    let mut hook = shown["list"][0].clone();
    assert_eq!(hook["httpAuth"]["bearerToken"]["secret"], "****");
    hook.as_object_mut().unwrap().remove("id");
    let before = server.app.manager.registry.list("WebHook").unwrap();
    let back = ask(&server, "x:WebHook/set", json!({ "update": { id: hook } }));
    assert_eq!(back["updated"], json!({ id: null }));
    assert_eq!(server.app.manager.registry.list("WebHook").unwrap(), before);
    assert!(before[0].value["httpAuth"].to_string().contains("hushhush"));
}

#[test]
fn calls_refer_to_earlier_answers_and_new_objects() {
    let server = Running::with(SETTINGS);
    let answer = request(
        &server,
        &json!({
            "using": ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"],
            "createdIds": { "old": "bc" },
            "methodCalls": [
                ["x:Alert/set", { "create": { "a": { "condition": { "else": "x > 1" } } } }, "0"],
                ["x:Silence/set", { "create": { "s": { "until": "2030-01-01T00:00:00Z", "alertId": "#a" } } }, "1"],
                ["x:Silence/query", {}, "2"],
                ["x:Silence/get", { "#ids": { "resultOf": "2", "name": "x:Silence/query", "path": "/ids" } }, "3"],
                ["x:Alert/get", { "#ids": { "resultOf": "2", "name": "x:Silence/get", "path": "/ids" } }, "4"],
                ["Core/echo", { "hello": true }, "5"],
            ],
        }),
    );
    let answers = &answer["methodResponses"];
    let alert = &answers[0][1]["created"]["a"]["id"];
    assert_eq!(&answers[3][1]["list"][0]["alertId"], alert);
    assert_eq!(answers[4][0], "error");
    assert_eq!(answers[4][1]["type"], "invalidResultReference");
    assert_eq!(answers[5], json!(["Core/echo", { "hello": true }, "5"]));
    assert_eq!(&answer["createdIds"]["a"], alert);
    assert_eq!(answer["createdIds"]["old"], "bc");
    // An alert that a silence is about stays.
    let id = alert.as_str().unwrap();
    let set = ask(&server, "x:Alert/set", json!({ "destroy": [id] }));
    assert_eq!(set["notDestroyed"][id]["type"], "objectIsLinked");
    assert_eq!(
        set["notDestroyed"][id]["linkedObjects"][0]["object"],
        "Silence"
    );
    let dangling =
        json!({ "create": { "s": { "until": "2030-01-01T00:00:00Z", "alertId": "zzz" } } });
    let set = ask(&server, "x:Silence/set", dangling);
    assert_eq!(set["notCreated"]["s"]["type"], "invalidForeignKey");
}

#[test]
fn methods_fail_with_their_types() {
    let server = with_mail();
    for (name, arguments, kind) in [
        ("x:Nothing/get", json!({}), "unknownMethod"),
        ("Email/get", json!({}), "unknownMethod"),
        ("x:Tracer/copy", json!({}), "unknownMethod"),
        ("x:Metrics/query", json!({}), "unknownMethod"),
        ("x:Tracer/get", json!({ "ids": "b" }), "invalidArguments"),
        (
            "x:Tracer/get",
            json!({ "ids": vec!["b"; 501] }),
            "requestTooLarge",
        ),
        (
            "x:Log/get",
            json!({ "ids": vec!["b"; 501] }),
            "requestTooLarge",
        ),
        (
            "x:Tracer/set",
            json!({ "destroy": vec!["b"; 501] }),
            "requestTooLarge",
        ),
        (
            "x:Tracer/query",
            json!({ "filter": { "path": "x" } }),
            "unsupportedFilter",
        ),
        (
            "x:Tracer/query",
            json!({ "sort": [{ "property": "no" }] }),
            "unsupportedSort",
        ),
        (
            "x:Tracer/query",
            json!({ "anchor": "zz" }),
            "anchorNotFound",
        ),
        ("x:Tracer/changes", json!({}), "invalidArguments"),
        (
            "x:Tracer/changes",
            json!({ "sinceState": "nonsense" }),
            "cannotCalculateChanges",
        ),
        (
            "x:Log/changes",
            json!({ "sinceState": "0" }),
            "cannotCalculateChanges",
        ),
        (
            "x:Log/query",
            json!({ "filter": { "nonsense": 1 } }),
            "unsupportedFilter",
        ),
        (
            "x:Log/query",
            json!({ "filter": { "level": "loud" } }),
            "unsupportedFilter",
        ),
        (
            "x:Log/query",
            json!({ "filter": { "q": "from:(" } }),
            "unsupportedFilter",
        ),
        (
            "x:Log/query",
            json!({ "filter": { "timestamp": "yesterday" } }),
            "unsupportedFilter",
        ),
        (
            "x:Log/query",
            json!({ "sort": [{ "property": "details" }] }),
            "unsupportedSort",
        ),
        ("x:Log/query", json!({ "anchor": "b" }), "anchorNotFound"),
        (
            "x:Log/query",
            json!({ "position": 200_000 }),
            "invalidArguments",
        ),
        (
            "x:Trace/query",
            json!({ "filter": { "event": "no.such" } }),
            "unsupportedFilter",
        ),
        (
            "x:Trace/query",
            json!({ "anchor": "zzzz" }),
            "anchorNotFound",
        ),
        (
            "x:Trace/query",
            json!({ "filter": { "operator": "NOT", "conditions": [{ "timestamp": "2026-01-01T00:00:00Z" }] } }),
            "unsupportedFilter",
        ),
        (
            "x:Message/query",
            json!({ "filter": { "text": "nofield:x" } }),
            "unsupportedFilter",
        ),
        (
            "x:Message/query",
            json!({ "anchor": "zzzz" }),
            "anchorNotFound",
        ),
    ] {
        assert_eq!(
            fail(&server, name, arguments.clone()),
            kind,
            "{name} {arguments}"
        );
    }
}

#[test]
fn pages_by_anchor_and_by_position_are_the_whole() {
    let server = with_mail();
    for name in [
        "x:Log/query",
        "x:Trace/query",
        "x:Message/query",
        "x:EventType/query",
    ] {
        let whole = ask(
            &server,
            name,
            json!({ "limit": 5_000, "calculateTotal": true }),
        );
        let mut ids: Vec<String> = serde_json::from_value(whole["ids"].clone()).unwrap();
        let total = usize::try_from(whole["total"].as_u64().unwrap()).unwrap();
        let last = ask(&server, name, json!({ "position": 5_000, "limit": 5_000 }));
        ids.extend(serde_json::from_value::<Vec<String>>(last["ids"].clone()).unwrap());
        assert_eq!(ids.len(), total, "{name}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), total, "{name}");
        assert_eq!(all_by_anchor(&server, name, &json!({}), 97), ids, "{name}");
        let page = ask(&server, name, json!({ "position": 10, "limit": 7 }));
        assert_eq!(page["ids"], json!(ids[10..17]), "{name}");
        assert_eq!(
            (&page["position"], &page["limit"]),
            (&json!(10), &json!(7)),
            "{name}"
        );
        let back = ask(
            &server,
            name,
            json!({ "anchor": ids[20], "anchorOffset": -5, "limit": 7 }),
        );
        assert_eq!(
            (&back["ids"], &back["position"]),
            (&json!(ids[15..22]), &json!(15)),
            "{name}"
        );
        let end = ask(&server, name, json!({ "position": -3 }));
        assert_eq!(end["ids"], json!(ids[total - 3..]), "{name}");
        let sort = json!([{ "property": "id", "isAscending": true }]);
        let oldest = ask(&server, name, json!({ "sort": sort, "limit": 3 }));
        let mut expected = ids[total - 3..].to_vec();
        expected.reverse();
        assert_eq!(oldest["ids"], json!(expected), "{name}");
    }
}

#[test]
fn records_come_in_the_order_of_their_ids() {
    let server = with_mail();
    for object in ["Log", "Trace", "Message"] {
        let query = format!("x:{object}/query");
        let answers = call(
            &server,
            &json!([
                [query, { "limit": 20 }, "q"],
                [format!("x:{object}/get"), { "#ids": { "resultOf": "q", "name": query, "path": "/ids" }, "properties": ["timestamp"] }, "g"],
            ]),
        );
        let list = answers[1].1["list"].as_array().unwrap();
        let ids: Vec<&Value> = list.iter().map(|one| &one["id"]).collect();
        assert_eq!(json!(ids), answers[0].1["ids"]);
        assert_eq!(list[0].as_object().unwrap().len(), 2, "{}", list[0]);
        let times: Vec<&str> = list
            .iter()
            .map(|one| one["timestamp"].as_str().unwrap())
            .collect();
        assert!(times.is_sorted_by(|one, other| one >= other), "{times:?}");
        // Each is found by its id alone, too.
        let alone = ask(
            &server,
            &format!("x:{object}/get"),
            json!({ "ids": [ids[7]], "properties": ["timestamp"] }),
        );
        assert_eq!(alone["list"][0], list[7]);
    }
}

#[test]
fn filters_find_what_searches_find() {
    let server = with_mail();
    let total = |name: &str, filter: Value| {
        ask(
            &server,
            name,
            json!({ "filter": filter, "calculateTotal": true, "limit": 1 }),
        )["total"]
            .as_u64()
            .unwrap()
    };
    let all = total("x:Log/query", json!({}));
    let warnings = total("x:Log/query", json!({ "level": "warn" }));
    let not = json!({ "operator": "NOT", "conditions": [{ "level": "warn" }] });
    assert!(warnings > 10);
    assert_eq!(total("x:Log/query", not.clone()), all - warnings);
    let either = json!({ "operator": "OR", "conditions": [{ "level": "warn" }, not] });
    assert_eq!(total("x:Log/query", either), all);
    assert_eq!(
        total(
            "x:Log/query",
            json!({ "levelIsGreaterThanOrEqual": "trace" })
        ),
        all
    );
    let delivered = total("x:Log/query", json!({ "event": "delivery.delivered" }));
    assert_eq!(
        total("x:Log/query", json!({ "q": "type:delivery.delivered" })),
        delivered
    );
    assert_eq!(
        total("x:Log/query", json!({ "text": "no-such-word-anywhere" })),
        0
    );
    let middle = ask(
        &server,
        "x:Log/query",
        json!({ "position": all / 2, "limit": 1 }),
    );
    let middle = ask(&server, "x:Log/get", json!({ "ids": middle["ids"] }));
    let noon = &middle["list"][0]["timestamp"];
    let before = total("x:Log/query", json!({ "timestampIsLessThan": noon }));
    let after = total(
        "x:Log/query",
        json!({ "timestampIsGreaterThanOrEqual": noon }),
    );
    assert!(before > 0 && after > 0);
    assert_eq!(before + after, all);

    let attempts = total(
        "x:Trace/query",
        json!({ "event": "delivery.attempt-start" }),
    );
    let sessions = total("x:Trace/query", json!({ "event": "smtp.connection-start" }));
    assert!(attempts > 10 && sessions > 10);
    let ann = total("x:Trace/query", json!({ "text": "ann@sender.test" }));
    assert!(ann > 0 && ann < attempts + sessions);
    assert_eq!(
        total(
            "x:Trace/query",
            json!({ "from": "ann@sender.test", "text": "no-such-word" })
        ),
        0
    );

    let bob = total("x:Message/query", json!({ "to": "bob@example.test" }));
    assert!(bob > 0);
    assert_eq!(
        total("x:Message/query", json!({ "text": "to:bob@example.test" })),
        bob
    );
    let deferred = total("x:Message/query", json!({ "status": "deferred" }));
    assert_eq!(
        total("x:Message/query", json!({ "verdict": "deferred" })),
        deferred
    );
}

#[test]
fn a_trace_is_found_by_its_queue_id() {
    let server = with_mail();
    let answers = call(
        &server,
        &json!([
            ["x:Trace/query", { "filter": { "event": "delivery.attempt-start" }, "limit": 1 }, "q"],
            ["x:Trace/get", { "#ids": { "resultOf": "q", "name": "x:Trace/query", "path": "/ids" } }, "g"],
        ]),
    );
    let trace = &answers[1].1["list"][0];
    let values: Vec<&Value> = trace["events"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|event| event["keyValues"].as_object().unwrap().values())
        .collect();
    let of = |key: &str| {
        values.iter().find(|pair| pair["key"] == key).unwrap()["value"]["value"].clone()
    };
    let id = tidings_event::Id(of("queueId").as_u64().unwrap()).to_string();
    let by_id = ask(
        &server,
        "x:Trace/query",
        json!({ "filter": { "queueId": id } }),
    );
    assert!(by_id["ids"].as_array().unwrap().contains(&trace["id"]));
    let name = of("mtaQueueId");
    let by_name = ask(
        &server,
        "x:Trace/query",
        json!({ "filter": { "queueId": name } }),
    );
    assert_eq!(by_name["ids"], by_id["ids"]);
}

#[test]
fn a_message_tells_its_story_where_that_is_asked_for() {
    let server = with_mail();
    let found = ask(&server, "x:Message/query", json!({ "limit": 1 }));
    let id = found["ids"][0].as_str().unwrap();
    let plain = ask(&server, "x:Message/get", json!({ "ids": [id] }));
    assert!(plain["list"][0].get("timeline").is_none());
    assert!(plain["list"][0]["recipients"]["0"]["verdict"].is_string());
    let properties = json!(["verdict", "timeline", "summaries"]);
    let told = ask(
        &server,
        "x:Message/get",
        json!({ "ids": [id], "properties": properties }),
    );
    let message = &told["list"][0];
    assert!(message["timeline"]["0"]["raw"].is_string(), "{message}");
    assert!(message["summaries"]["0"]["text"].is_string(), "{message}");
    assert_eq!(message.as_object().unwrap().len(), 4);
}

#[test]
fn requests_are_refused_as_a_whole_with_problem_objects() {
    let server = Running::with(SETTINGS);
    let post = |kind: &str, body: &str| {
        server.ask_socket(post(
            "/jmap",
            &format!("Content-Type: {kind}\r\n"),
            body.as_bytes(),
        ))
    };
    for (kind, body, expected) in [
        ("text/plain", "{}", "notJSON"),
        ("application/json", "{", "notJSON"),
        ("application/json; charset=utf-8", "{}", "notRequest"),
        (
            "application/json",
            r#"{"using":["urn:no"],"methodCalls":[]}"#,
            "unknownCapability",
        ),
    ] {
        let (status, answer) = post(kind, body);
        assert_eq!(status, 400, "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        let problem = json_of(&answer);
        assert_eq!(
            problem["type"],
            format!("urn:ietf:params:jmap:error:{expected}")
        );
        assert_eq!(problem["status"], 400);
    }
    let large = " ".repeat(10_000_001);
    let (status, answer) = post("application/json", &large);
    assert_eq!(
        (status, &json_of(&answer)["limit"]),
        (400, &json!("maxSizeRequest"))
    );
}

#[test]
fn nobody_gets_in_without_saying_who_they_are() {
    let server = Running::with(SETTINGS);
    let with = |path: &str, authorization: &str| {
        server.ask(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n"
        ))
    };
    for path in ["/api/schema", "/api/account"] {
        let (status, answer) = with(path, "");
        assert_eq!(status, 401, "{answer}");
        assert!(
            answer.contains("www-authenticate: Bearer realm="),
            "{answer}"
        );
        assert!(
            answer.contains("www-authenticate: Basic realm="),
            "{answer}"
        );
        let (status, _) = with(path, "Authorization: Bearer wrong-wrong-wrong\r\n");
        assert_eq!(status, 401);
    }
    let (status, answer) = with("/jmap/session", "");
    assert_eq!((status, &json_of(&answer)["accounts"]), (200, &json!({})));
    let (status, _) = with(
        "/jmap/session",
        "Authorization: Bearer wrong-wrong-wrong\r\n",
    );
    assert_eq!(status, 401);
    let (status, answer) = with(
        "/jmap/session",
        &format!("Authorization: Bearer {TOKEN}\r\n"),
    );
    let session = json_of(&answer);
    assert_eq!(status, 200);
    let account = session["primaryAccounts"]["urn:stalwart:jmap"]
        .as_str()
        .unwrap();
    assert!(session["accounts"][account]["accountCapabilities"]["urn:stalwart:jmap"].is_object());
    assert!(session["apiUrl"].as_str().unwrap().ends_with("/jmap/"));
    let (status, answer) = with("/.well-known/jmap", "");
    assert!(
        status == 307 && answer.contains("location: /jmap/session"),
        "{answer}"
    );
}

#[test]
fn the_schema_is_named_by_its_hash() {
    let server = Running::with(SETTINGS);
    let (status, answer) = server.ask_socket(get("/api/schema"));
    assert_eq!(status, 302, "{answer}");
    let place = answer
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap()
        .to_owned();
    assert_eq!(place.rsplit('/').next().unwrap().len(), 43);
    let (status, answer) = server.ask_socket(get("/api/schema/nonsense"));
    assert!(status == 302 && answer.contains(&place), "{answer}");
}
