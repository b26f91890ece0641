//! The checklist for a server that the reference's tools speak to, line by line, against the running
//! program by TCP, as its command line asks it. Each line's result is printed.

use std::io::Read;

use serde_json::{Value, json};

use super::api::{Api, settings};
use super::support::{Place, mail};

fn schema(api: &Api) {
    let (status, head, _) = api.ask("GET", "/api/schema", None);
    assert_eq!(status, 302);
    let place = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap();
    let (status, head, body) = api.ask("GET", place, None);
    assert_eq!(status, 200);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    for member in [
        "objects",
        "schemas",
        "fields",
        "forms",
        "lists",
        "enums",
        "dashboards",
        "layouts",
    ] {
        assert!(schema.get(member).is_some(), "{member}");
    }
}

fn session(api: &Api) {
    let (status, _, body) = api.ask("GET", "/jmap/session", None);
    let session: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    assert!(session["capabilities"]["urn:ietf:params:jmap:core"].is_object());
    assert!(session["apiUrl"].as_str().unwrap().ends_with("/jmap/"));
    let echo = json!({ "using": [], "methodCalls": [["Core/echo", { "a": 1 }, "c0"]] });
    for path in ["/jmap", "/jmap/"] {
        assert_eq!(
            api.request(path, &echo)["methodResponses"][0],
            json!(["Core/echo", { "a": 1 }, "c0"])
        );
    }
}

fn calls(api: &Api) {
    let query = json!(["x:Log/query", { "limit": 3 }, "q"]);
    let reference = json!({ "resultOf": "q", "name": "x:Log/query", "path": "/ids" });
    let answers =
        api.call(&json!([query, ["x:Log/get", { "#ids": reference }, "g"], ["x:No/get", {}, "e"]]));
    assert_eq!(
        (&answers[0][0], &answers[1][0]),
        (&json!("x:Log/query"), &json!("x:Log/get"))
    );
    assert_eq!(answers[1][1]["list"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&answers[2][0], &answers[2][1]["type"]),
        (&json!("error"), &json!("unknownMethod"))
    );
    let body = json!({
        "using": [],
        "createdIds": { "known": "bc" },
        "methodCalls": [["x:WebHook/set", { "create": { "n0": { "url": "http://h/" } } }, "c0"]],
    });
    let answer = api.request("/jmap", &body);
    assert_eq!(answer["createdIds"]["known"], "bc");
    assert_eq!(
        answer["createdIds"]["n0"],
        answer["methodResponses"][0][1]["created"]["n0"]["id"]
    );
}

fn pages(api: &Api) {
    let answers = api.call(&json!([
        ["x:Log/query", { "limit": 5, "calculateTotal": true }, "q"],
        ["x:Log/get", { "#ids": { "resultOf": "q", "name": "x:Log/query", "path": "/ids" } }, "g"],
    ]));
    let (found, list) = (&answers[0][1], answers[1][1]["list"].as_array().unwrap());
    let ids: Vec<&Value> = list.iter().map(|one| &one["id"]).collect();
    assert_eq!(json!(ids), found["ids"]);
    let times: Vec<&str> = list
        .iter()
        .map(|one| one["timestamp"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|one, other| one >= other));
    assert!(found["total"].as_u64().unwrap() > 5);
    let next = json!([["x:Log/query", { "limit": 5, "anchor": ids[1], "anchorOffset": 1 }, "q"]]);
    let next = api.call(&next);
    assert_eq!(
        next[0][1]["ids"].as_array().unwrap()[..3],
        found["ids"].as_array().unwrap()[2..]
    );
}

fn writes(api: &Api) {
    let made =
        api.call(&json!([["x:WebHook/set", { "create": { "n0": { "url": "http://h/" } } }, "c0"]]));
    let id = made[0][1]["created"]["n0"]["id"].as_str().unwrap();
    let same =
        api.call(&json!([["x:WebHook/set", { "update": { id: { "url": "http://h/" } } }, "c0"]]));
    assert_eq!(same[0][1]["updated"], json!({ id: null }));
    let one = api.call(&json!([["x:DataRetention/get", { "ids": ["singleton"] }, "c0"]]));
    assert_eq!(one[0][1]["list"][0]["id"], "singleton");
    let gone = api.call(&json!([["x:WebHook/set", { "destroy": [id] }, "c0"]]));
    assert_eq!(gone[0][1]["destroyed"], json!([id]));
}

fn encodings(api: &Api) {
    let hook = json!({
        "url": "http://h/",
        "events": { "auth.failed": true },
        "httpHeaders": { "X-A": "1" },
        "timeout": 5000,
        "httpAuth": { "@type": "Bearer", "bearerToken": { "@type": "Value", "secret": "hush" } },
    });
    let alert =
        json!({ "condition": { "else": "x", "match": { "0": { "if": "a", "then": "b" } } } });
    let answers = api.call(&json!([
        ["x:WebHook/set", { "create": { "h": hook } }, "0"],
        ["x:Alert/set", { "create": { "a": alert } }, "1"],
        ["x:WebHook/get", { "ids": null }, "2"],
        ["x:Alert/get", { "ids": null }, "3"],
    ]));
    let hooks = answers[2][1]["list"].as_array().unwrap();
    let hook = hooks.iter().find(|hook| hook["timeout"] == 5000).unwrap();
    assert_eq!(hook["events"], json!({ "auth.failed": true }));
    assert_eq!(hook["httpHeaders"], json!({ "X-A": "1" }));
    assert_eq!(
        hook["httpAuth"]["bearerToken"],
        json!({ "secret": "****", "@type": "Value" })
    );
    assert_eq!(
        answers[3][1]["list"][0]["condition"]["match"]["0"]["then"],
        "b"
    );
}

fn ids(api: &Api) {
    let answers = api.call(&json!([
            ["x:Trace/query", { "filter": { "event": "delivery.attempt-start" }, "limit": 1 }, "q"],
            ["x:Trace/get", { "#ids": { "resultOf": "q", "name": "x:Trace/query", "path": "/ids" } }, "g"],
        ]),
    );
    let trace = &answers[1][1]["list"][0];
    let id = trace["id"].as_str().unwrap();
    assert!(
        id.bytes()
            .all(|byte| b"abcdefghijklmnopqrstuvwxyz792013".contains(&byte))
    );
    let values = trace["events"].as_object().unwrap().values();
    let mut pairs = values.flat_map(|event| event["keyValues"].as_object().unwrap().values());
    let queue = pairs.find(|pair| pair["key"] == "queueId").unwrap()["value"]["value"]
        .as_u64()
        .unwrap();
    let queue = tidings_event::Id(queue).to_string();
    let found = api.call(&json!([["x:Trace/query", { "filter": { "queueId": queue } }, "q"]]));
    assert!(found[0][1]["ids"].as_array().unwrap().contains(&json!(id)));
}

fn streams(api: &Api) {
    let (status, _, body) = api.ask("GET", "/metrics/prometheus", None);
    assert_eq!(status, 200);
    assert!(String::from_utf8(body).unwrap().contains("\nqueue_count "));
    let tracing = api.first_frame("/api/live/tracing");
    assert!(
        tracing.contains("event: ping\ndata: {\"interval\": 30000}"),
        "{tracing}"
    );
    let metrics = api.first_frame("/api/live/metrics?interval=1");
    assert!(metrics.contains("event: metrics\ndata: ["), "{metrics}");
    let (status, _, body) = api.ask("GET", "/api/token/tracing", None);
    let token = String::from_utf8(body).unwrap();
    assert!(
        status == 200 && !token.contains(['"', '{', '\n']),
        "{token}"
    );
}

fn actions(api: &Api) {
    let reload = json!({ "create": { "r": { "@type": "ReloadSettings" } } });
    let answers = api.call(&json!([["x:Action/set", reload, "0"]]));
    assert!(answers[0][1]["created"]["r"]["id"].is_string(), "{answers}");
}

/// A line of the checklist, and what shows that it holds.
type Line = (&'static str, fn(&Api));

const LINES: [Line; 9] = [
    (
        "302 and the schema under its hash, gzip, all 8 members",
        schema,
    ),
    (
        "/jmap/session with the core capability and apiUrl; POST /jmap and /jmap/",
        session,
    ),
    (
        "method names echoed, errors named `error`, `#ids`, createdIds in and out",
        calls,
    ),
    (
        "list in the order of ids, newest first, anchor with anchorOffset, calculateTotal",
        pages,
    ),
    (
        "updated[id] is always there, created[cid].id, the id `singleton`",
        writes,
    ),
    (
        "lists, sets, maps, durations, @type, hidden secrets",
        encodings,
    ),
    ("ids of the base-32 alphabet, queueId as such an id", ids),
    (
        "Prometheus names, frames `ping` and `metrics`, stream tokens",
        streams,
    ),
    ("x:Action/set ReloadSettings", actions),
];

#[test]
fn the_checklist_holds_line_by_line() {
    let place = Place::new();
    std::fs::write(place.log(), mail(0..20)).unwrap();
    let server = place.serve(&settings());
    let api = Api::of(&server);
    let log = place.path("imported.log");
    std::fs::write(&log, mail(100..140)).unwrap();
    place.ask(&["import", log.to_str().unwrap()]);
    let mut broken = 0;
    for (line, check) in LINES {
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&api)));
        println!(
            "{} {line}",
            if checked.is_ok() { "ok    " } else { "BROKEN" }
        );
        broken += usize::from(checked.is_err());
    }
    assert_eq!(broken, 0, "lines of the checklist do not hold");
    assert_eq!(server.stop(), 0);
}
