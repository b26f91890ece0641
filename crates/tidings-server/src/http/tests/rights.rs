//! Who may do what: every method for every role, and what a domain viewer learns.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tidings_admin::describe::Kind;
use tidings_admin::{OBJECTS, Request, Role};
use tidings_engine::ImportOptions;

use super::Running;
use crate::manage::Identity;
use crate::manage::jmap::answer;

const NOW_NS: i64 = 1_795_400_000_000_000_000;

/// Answers calls for somebody; each answer is (name, arguments, id).
fn call(server: &Running, who: &Identity, calls: &Value) -> Value {
    let body = json!({ "using": [], "methodCalls": calls }).to_string();
    let request = Request::read(body.as_bytes(), 16).unwrap();
    let answer = answer(&server.app.manager, who, &request, NOW_NS);
    serde_json::from_str(&answer).unwrap()
}

fn viewer(domain: &str) -> Identity {
    Identity {
        domains: Some(Arc::from([domain.to_owned()])),
        ..Identity::local("customer", Role::DomainViewer)
    }
}

fn import(server: &Running, logs: &[&str]) {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/own/");
    let logs: Vec<PathBuf> = logs.iter().map(|log| Path::new(corpus).join(log)).collect();
    let options = ImportOptions {
        timezone: Some("UTC".to_owned()),
        force: true,
        now_ns: NOW_NS,
        ..ImportOptions::default()
    };
    let report = server
        .app
        .engine
        .import(&logs, &options, &mut |_| {})
        .unwrap();
    assert_eq!(report.files, logs.len() as u64, "{report:?}");
}

/// The whole matrix: what a role has no permission for is forbidden, and nothing else is.
#[test]
fn every_method_for_every_role() {
    let server = Running::with("");
    for role in [
        Role::DomainViewer,
        Role::Viewer,
        Role::Operator,
        Role::Admin,
    ] {
        let who = match role {
            Role::DomainViewer => viewer("example.test"),
            role => Identity::local("somebody", role),
        };
        for object in OBJECTS {
            for (method, arguments, verb) in [
                ("get", json!({ "ids": ["b"] }), "Get"),
                ("query", json!({}), "Query"),
                ("changes", json!({ "sinceState": "x" }), "Get"),
                ("queryChanges", json!({ "sinceQueryState": "x" }), "Query"),
                ("set", json!({ "create": { "n": 5 } }), "Create"),
                ("set", json!({ "update": { "b": 5 } }), "Update"),
                ("set", json!({ "destroy": ["b"] }), "Destroy"),
            ] {
                let verb = match (object.kind, verb) {
                    (Kind::Singleton, "Query") => continue,
                    (Kind::Singleton, "Create" | "Destroy") => "Update",
                    (_, verb) => verb,
                };
                let name = format!("x:{}/{method}", object.name);
                let answer = call(&server, &who, &json!([[name, arguments, "c"]]));
                let answer = &answer["methodResponses"][0];
                let is_forbidden = answer[0] == "error" && answer[1]["type"] == "forbidden";
                let permission = format!("sys{}{verb}", object.name);
                let may = role.permissions().has(&permission);
                assert_eq!(
                    is_forbidden,
                    !may,
                    "{} {name} {permission}: {answer}",
                    role.name()
                );
            }
        }
    }
}

/// What was asked is answered as if others' mail were not there: results, their number, ids, states.
#[test]
fn a_domain_viewer_learns_nothing_of_others() {
    let (alone, among) = (Running::with(""), Running::with(""));
    import(&alone, &["mail.rfc3339.log"]);
    import(&among, &["mail.rfc3339.log", others(&among).as_str()]);
    let who = viewer("example.test");
    let filters = [
        json!({}),
        json!({ "from": "sender.test" }),
        json!({ "to": "accept.test" }),
        json!({ "operator": "NOT", "conditions": [{ "to": "example.test" }] }),
        json!({ "operator": "OR", "conditions": [{ "from": "sender.test" }, { "to": "bob" }] }),
        json!({ "timestampIsGreaterThan": "2026-11-22T13:20:00Z" }),
        json!({ "text": "queue" }),
        json!({ "q": "-bob" }),
    ];
    for filter in filters {
        let one = normal(&call(&alone, &who, &calls_of(&filter, 30)));
        let other = normal(&call(&among, &who, &calls_of(&filter, 30)));
        assert_eq!(one, other, "{filter}");
        assert!(one.to_string().len() > 1_000, "{one}");
    }
}

/// Lines of other servers, which have nothing to do with `example.test`.
fn others(server: &Running) -> String {
    let corpus = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../corpus/own/postfix-volume.log.gz"
    );
    let unpacking = flate2::read::GzDecoder::new(std::fs::File::open(corpus).unwrap());
    let lines = BufReader::new(unpacking)
        .lines()
        .map(Result::unwrap)
        .take(3_000);
    let lines: Vec<String> = lines.collect();
    assert!(lines.iter().all(|line| !line.contains("example.test")));
    let path = server.dir.path().join("others.log");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path.to_str().unwrap().to_owned()
}

/// Queries of all kinds of mail with a total, and what they find.
fn calls_of(filter: &Value, limit: usize) -> Value {
    let mut calls = Vec::new();
    for object in ["Message", "Trace", "Log"] {
        let query = format!("x:{object}/query");
        let reference = json!({ "resultOf": object, "name": query, "path": "/ids" });
        calls.push(
            json!([query, { "filter": filter, "limit": limit, "calculateTotal": true }, object]),
        );
        calls.push(json!([format!("x:{object}/get"), { "#ids": reference }, "g"]));
    }
    json!(calls)
}

/// An answer without what is random in each server: the second half of ids of log entries.
fn normal(answer: &Value) -> Value {
    match answer {
        Value::String(text) if text.len() == 26 && !text.contains('@') => text[..13].into(),
        Value::Array(all) => all.iter().map(normal).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), normal(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Ids of others' mail are as unknown as ids of nothing.
#[test]
fn ids_of_others_are_not_found() {
    let server = Running::with("");
    import(&server, &["mail.rfc3339.log"]);
    let admin = Identity::local("admin", Role::Admin);
    let nobody = viewer("nowhere.test");
    for object in ["Message", "Trace", "Log"] {
        let (get, query) = (format!("x:{object}/get"), format!("x:{object}/query"));
        let found = call(&server, &admin, &json!([[query, { "limit": 50 }, "q"]]));
        let ids = &found["methodResponses"][0][1]["ids"];
        assert_eq!(ids.as_array().unwrap().len(), 50);
        let seen = call(
            &server,
            &nobody,
            &json!([[get, { "ids": ids }, "g"], [query, { "anchor": ids[0] }, "q"]]),
        );
        assert_eq!(seen["methodResponses"][0][1]["list"], json!([]));
        assert_eq!(seen["methodResponses"][0][1]["notFound"], *ids);
        assert_eq!(seen["methodResponses"][1][1]["type"], "anchorNotFound");
        // Their own ids lead back to what they saw.
        let who = viewer("example.test");
        let own = call(
            &server,
            &who,
            &json!([
                [query, { "limit": 20 }, "q"],
                [get, { "#ids": { "resultOf": "q", "name": query, "path": "/ids" } }, "g"],
            ]),
        );
        let own = &own["methodResponses"];
        assert_eq!(own[1][1]["list"].as_array().unwrap().len(), 20);
        let page = json!([[query, { "anchor": own[0][1]["ids"][4], "anchorOffset": 1, "limit": 15 }, "q"]]);
        let page = call(&server, &who, &page);
        let expected = &own[0][1]["ids"].as_array().unwrap()[5..];
        assert_eq!(
            page["methodResponses"][0][1]["ids"],
            json!(expected),
            "{object}"
        );
    }
}
