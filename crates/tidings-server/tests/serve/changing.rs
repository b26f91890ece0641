//! What is changed through the management API, the running server goes by at once.

use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::json;

use super::api::{Api, settings};
use super::support::{Place, append, mail};

/// Waits until something holds.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_source_is_followed_as_soon_as_it_is_made_and_no_longer_than_it_is_there() {
    let place = Place::new();
    append(&place.log(), &mail(0..3));
    let server = place.serve(&settings());
    let api = Api::of(&server);
    let usual = api.call_one("x:Source/get", &json!({ "ids": null }));
    let usual = usual["list"][0]["paths"].as_object().unwrap().clone();
    assert!(usual.contains_key("/var/log/mail.log"), "{usual:?}");
    let log = place.log();
    let paths = json!({ log.to_str().unwrap(): true });
    let id = api.create("Source", &json!({ "paths": paths, "start": "beginning" }));
    place.wait_for(3);
    append(&place.log(), &mail(3..5));
    place.wait_for(5);
    wait_until("it tells what it has read", || {
        let source = api.get("Source", &id);
        source["files"] == 1 && source["lines"] == 25 && source["lagBytes"] == 0
    });

    api.update("Source", &id, &json!({ "enable": false }));
    server.wait_for("no longer");
    append(&place.log(), &mail(5..7));
    api.update("Source", &id, &json!({ "enable": true }));
    // What came meanwhile is read then, each line once.
    place.wait_for(7);

    let wrong = json!({ "create": { "n": { "paths": { "mail.log": true } } } });
    let refused = api.call_one("x:Source/set", &wrong);
    let error = &refused["notCreated"]["n"];
    assert_eq!(error["type"], "validationFailed", "{error}");
    assert!(
        error["description"]
            .as_str()
            .unwrap()
            .contains("\"mail.log\" must be an absolute path"),
        "{error}"
    );

    api.call_one("x:Source/set", &json!({ "destroy": [id] }));
    wait_until("it is forgotten", || {
        api.call_one("x:Source/get", &json!({ "ids": null }))["list"][0]["paths"] == json!(usual)
    });
    assert_eq!(server.stop(), 0);
}

#[test]
fn sources_outlive_a_restart() {
    let place = Place::new();
    append(&place.log(), &mail(0..3));
    let server = place.serve(&settings());
    let log = place.log();
    let source =
        json!({ "paths": { log.to_str().unwrap(): true }, "start": "beginning", "year": 2026 });
    Api::of(&server).create("Source", &source);
    place.wait_for(3);
    assert_eq!(server.stop(), 0);
    append(&place.log(), &mail(3..6));
    let server = place.serve(&settings());
    place.wait_for(6);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_disabled_store_keeps_nothing_and_forgets_nothing() {
    let place = Place::new();
    let log = place.log();
    let source = format!("[[source]]\npaths = {log:?}\nstart = \"beginning\"\n");
    let server = place.serve(&format!("{}{source}", settings()));
    let api = Api::of(&server);
    append(&place.log(), &mail(0..3));
    place.wait_for(3);
    let store = |kind: &str| {
        for object in ["TracingStore", "MetricsStore"] {
            api.update(object, "singleton", &json!({ "@type": kind }));
        }
    };
    let lines = |count: u64| {
        wait_until("the log is read", || {
            let sources = api.call_one("x:Source/get", &json!({ "ids": null }));
            sources["list"][0]["lines"] == count
        });
    };
    store("Disabled");
    // The history notices before it takes the next event.
    std::thread::sleep(Duration::from_millis(500));
    append(&place.log(), &mail(3..5));
    lines(25);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(place.delivered().len(), 3);
    store("Default");
    std::thread::sleep(Duration::from_millis(500));
    append(&place.log(), &mail(5..6));
    lines(30);
    wait_until("it is kept again", || place.delivered().len() == 4);
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_output_can_be_sent_again_what_the_spool_holds() {
    let place = Place::new();
    let server = place.serve(&settings());
    let api = Api::of(&server);
    let (log, out) = (place.log(), place.path("out"));
    let source = json!({ "paths": { log.to_str().unwrap(): true }, "start": "beginning" });
    api.create("Source", &source);
    let tracer = json!({
        "@type": "Log",
        "name": "mine",
        "path": out.to_str().unwrap(),
        "rotate": "never",
        "events": { "delivery.delivered": true },
        "eventsPolicy": "include",
    });
    api.create("Tracer", &tracer);
    let lines = || {
        let written = std::fs::read_dir(&out).into_iter().flatten().flatten();
        let texts = written.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default());
        texts.map(|text| text.lines().count()).sum::<usize>()
    };
    append(&log, &mail(0..4));
    wait_until("all is delivered", || lines() == 4);
    let readers = api.call_one("x:Reader/get", &json!({ "ids": null }));
    let id_of = |name: &str| {
        let mut list = readers["list"].as_array().unwrap().iter();
        let found = list.find(|reader| reader["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let replay = |name: &str| {
        let action = json!({ "@type": "ReplayReader", "reader": id_of(name) });
        api.call_one("x:Action/set", &json!({ "create": { "n": action } }))
    };
    let done = replay("mine");
    assert!(
        done["created"]["n"]["events"].as_u64().unwrap() >= 20,
        "{done}"
    );
    wait_until("all is delivered again", || lines() == 8);
    append(&log, &mail(4..5));
    wait_until("it goes on", || lines() == 9);
    for (name, why) in [("history", "keeps each event once"), ("stderr", "lossy")] {
        let refused = replay(name);
        let said = refused["notCreated"]["n"]["description"].as_str().unwrap();
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_level_of_an_event_makes_an_access_log() {
    let place = Place::new();
    let server = place.serve(&settings());
    let api = Api::of(&server);
    let level = json!({ "event": "http.request-url", "level": "info" });
    let logged = || {
        let found = place.ask(&["events", "type:http.request-url", "--json"]);
        let lines = found.lines();
        let events = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.collect::<Vec<_>>()
    };
    api.ask("GET", "/healthz", None);
    let id = api.create("EventTracingLevel", &level);
    wait_until("requests are told of", || {
        api.ask("GET", "/readyz?token=hush", None);
        !logged().is_empty()
    });
    let event = &logged()[0]["data"];
    assert_eq!(event["url"], "/readyz", "{event}");
    assert_eq!(event["code"], 200);
    assert_eq!(event["details"], "GET");
    assert_eq!(event["remoteIp"], "127.0.0.1");
    assert_eq!(event["accountName"], "the settings' token");
    api.call_one("x:EventTracingLevel/set", &json!({ "destroy": [id] }));
    assert_eq!(server.stop(), 0);
}

#[test]
fn answers_are_packed_for_who_can_unpack_them() {
    let place = Place::new();
    let server = place.serve(&settings());
    let api = Api::of(&server);
    let query = json!({ "using": [], "methodCalls": [["x:EventType/get", { "ids": null }, "c0"]] });
    let (status, head, body) =
        api.ask_with("POST", "/jmap", "Accept-Encoding: gzip\r\n", Some(&query));
    assert!(
        status == 200 && head.contains("content-encoding: gzip"),
        "{head}"
    );
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("\"auth.success\""));
    let (_, head, plain) = api.ask("POST", "/jmap", Some(&query));
    assert!(!head.contains("content-encoding"), "{head}");
    assert_eq!(plain, text.as_bytes());
    assert_eq!(server.stop(), 0);
}
