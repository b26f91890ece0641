//! The management verbs of the command line, against a running server.

use serde_json::{Value, json};

use super::support::{Place, run, stderr};

/// Runs a verb; gives its exit code, what it printed, and what it said.
fn verb(place: &Place, args: &[&str]) -> (i32, String, String) {
    let data = place.data();
    let mut all = vec!["--data", &data];
    all.extend(args);
    let output = run(&all);
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    (output.status.code().unwrap_or(-1), printed, stderr(&output))
}

/// Runs a verb that must succeed.
fn done(place: &Place, args: &[&str]) -> String {
    let (code, printed, said) = verb(place, args);
    assert_eq!(code, 0, "{args:?}: {printed}{said}");
    printed
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Runs a verb that must be refused as wrong usage, for a reason with these words.
fn refused(place: &Place, args: &[&str], why: &str) {
    let (code, _, said) = verb(place, args);
    assert_eq!(code, 2, "{args:?}: {said}");
    assert!(said.contains(why), "{args:?}: {said}");
}

#[test]
fn objects_are_made_found_changed_and_removed() {
    let place = Place::new();
    let (out, settings) = (place.path("out"), "[http]\nlisten = []\n");
    let path = format!("path={}", out.display());
    assert_eq!(verb(&place, &["query", "Tracer"]).0, 5, "nobody serves");
    let server = place.serve(settings);
    let made = done(
        &place,
        &[
            "create",
            "tracer/log",
            "--field",
            "name=mine",
            "--field",
            &path,
            "--field",
            "keep=90d",
            "--field",
            "events=auth.failed,delivery.*",
            "--field",
            "eventsPolicy=include",
            "--json",
        ],
    );
    let id = lines(&made)[0]["id"].as_str().unwrap().to_owned();
    let found = lines(&done(
        &place,
        &["query", "Tracer", "--where", "name=mine", "--json"],
    ));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["keep"], 7_776_000_000_u64);
    assert_eq!(
        found[0]["events"],
        json!({ "auth.failed": true, "delivery.*": true })
    );
    let table = done(&place, &["query", "Tracer", "--fields", "ID,Name"]);
    assert_eq!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>(),
        [&id, "mine"]
    );

    done(
        &place,
        &[
            "update",
            "Tracer",
            &id,
            "--field",
            "events/auth.failed=null",
            "--field",
            "keep=null",
        ],
    );
    let changed = lines(&done(
        &place,
        &["get", "Tracer", &id, "--json", "--fields", "events,keep"],
    ));
    assert_eq!(changed[0]["events"], json!({ "delivery.*": true }));
    assert_eq!(changed[0]["keep"], Value::Null);
    done(
        &place,
        &["update", "DataRetention", "--field", "holdTracesFor=180d"],
    );
    assert!(
        done(&place, &["get", "DataRetention"])
            .contains("holdTracesFor                15552000000")
    );

    refused(
        &place,
        &["create", "Tracer/Log", "--field", "path=here"],
        "path: \"here\" must be an absolute path",
    );
    refused(
        &place,
        &["create", "Tracer/Log", "--field", "pth=/x"],
        "has no property \"pth\"",
    );
    refused(
        &place,
        &["update", "Tracer", &id, "--field", "level=loud"],
        "level",
    );
    refused(
        &place,
        &["update", "Tracer", &id],
        "nothing is to be changed",
    );
    refused(
        &place,
        &["query", "DataRetention"],
        "there is one DataRetention only",
    );
    refused(
        &place,
        &["query", "Trace", "--where", "nokey=1"],
        "cannot be filtered by \"nokey\"",
    );
    refused(
        &place,
        &["delete", "Tracer", "--ids", "aaaa"],
        "there is no tracer",
    );
    assert_eq!(verb(&place, &["get", "Tracer", "aaaa"]).0, 1);

    done(&place, &["delete", "Tracer", "--ids", &id]);
    assert_eq!(verb(&place, &["query", "Tracer"]).0, 1);
    done(&place, &["create", "Action/ReloadSettings"]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn plans_are_carried_out_once() {
    let place = Place::new();
    let server = place.serve(&format!(
        "[http]\nlisten = []\n[[tracer]]\ntype = \"log\"\nname = \"pinned\"\npath = {:?}\n",
        place.path("pinned")
    ));
    let plan = place.path("plan.ndjson");
    let tracer = |name: &str, level: &str| json!({ "@type": "Log", "name": name, "level": level, "path": place.path(name) });
    let apply = |steps: &[Value], more: &[&str]| {
        let text: String = steps.iter().map(|step| format!("{step}\n")).collect();
        std::fs::write(&plan, text).unwrap();
        let mut args = vec!["apply", "--json", "--file", plan.to_str().unwrap()];
        args.extend(more);
        verb(&place, &args)
    };
    let outcomes = |printed: &str| -> Vec<String> {
        let lines = lines(printed);
        lines
            .iter()
            .map(|done| {
                format!(
                    "{} {}",
                    done["outcome"].as_str().unwrap(),
                    done["object"].as_str().unwrap()
                )
            })
            .collect()
    };
    let wanted = json!({ "@type": "reconcile", "object": "Tracer", "value": {
        "a": tracer("a", "info"), "b": tracer("b", "warn"),
    }});
    let dry = apply(std::slice::from_ref(&wanted), &["--dry-run"]);
    assert_eq!(
        outcomes(&dry.1),
        ["created Tracer", "created Tracer", "destroyed Tracer"]
    );
    assert_eq!(
        lines(&done(&place, &["query", "Tracer", "--json"])).len(),
        1,
        "only the pinned one"
    );
    let first = apply(std::slice::from_ref(&wanted), &[]);
    assert_eq!(
        outcomes(&first.1),
        ["created Tracer", "created Tracer", "kept Tracer"]
    );
    let kept = lines(&first.1)[2]["reason"].as_str().unwrap().to_owned();
    assert!(kept.contains("settings file"), "{kept}");
    let again = apply(std::slice::from_ref(&wanted), &[]);
    assert_eq!(
        outcomes(&again.1),
        ["unchanged Tracer", "unchanged Tracer", "kept Tracer"]
    );
    let fewer =
        json!({ "@type": "reconcile", "object": "Tracer", "value": { "a": tracer("a", "error") } });
    let third = apply(&[fewer], &[]);
    assert_eq!(
        outcomes(&third.1),
        ["updated Tracer", "destroyed Tracer", "kept Tracer"]
    );
    assert_eq!(lines(&third.1)[0]["properties"], json!(["level"]));

    let broken =
        json!({ "@type": "create", "object": "Tracer", "value": { "c": { "@type": "Log" } } });
    let metrics =
        json!({ "@type": "update", "object": "Metrics", "value": { "metricsPolicy": "include" } });
    let steps = [broken, metrics];
    let (code, printed, said) = apply(&steps, &[]);
    assert_eq!(
        (code, outcomes(&printed)),
        (2, vec!["failed Tracer".to_owned()]),
        "{said}"
    );
    let (code, printed, _) = apply(&steps, &["--continue-on-error"]);
    assert_eq!(
        (code, outcomes(&printed)),
        (
            2,
            vec!["failed Tracer".to_owned(), "updated Metrics".to_owned()]
        )
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn what_is_snapshot_can_be_made_elsewhere() {
    let (here, there) = (Place::new(), Place::new());
    let settings = "[http]\nlisten = []\n";
    let (one, other) = (here.serve(settings), there.serve(settings));
    let auth = json!({ "@type": "Basic", "username": "u", "secret": { "@type": "Value", "secret": "hush" } });
    let collector = json!({ "@type": "OtelHttp", "name": "otel", "endpoint": "http://127.0.0.1:9", "httpAuth": auth });
    done(
        &here,
        &["create", "Tracer", "--value", &collector.to_string()],
    );
    done(
        &here,
        &[
            "create",
            "EventTracingLevel",
            "--field",
            "event=auth.success",
            "--field",
            "level=warn",
        ],
    );
    let kinds = ["Tracer", "EventTracingLevel", "Metrics", "DataRetention"];
    let snapshot = |place: &Place| done(place, &[&["snapshot"], &kinds[..]].concat());
    let taken = snapshot(&here);
    assert!(
        !taken.contains("hush") && !taken.contains("****"),
        "{taken}"
    );
    let plan = there.path("plan");
    std::fs::write(&plan, &taken).unwrap();
    let apply = || {
        let printed = verb(
            &there,
            &["apply", "--json", "--file", plan.to_str().unwrap()],
        );
        lines(&printed.1)
    };
    let first = apply();
    // A collector that asks for a password cannot be made without one: that is said, and nothing is made up.
    assert_eq!(first[0]["outcome"], "failed", "{first:?}");
    assert!(
        first[0]["reason"]
            .as_str()
            .unwrap()
            .contains("secret is required"),
        "{first:?}"
    );
    done(
        &there,
        &["create", "Tracer", "--value", &collector.to_string()],
    );
    let second = apply();
    assert!(
        second.iter().all(|done| done["outcome"] != "failed"),
        "{second:?}"
    );
    let third = apply();
    let idle = |done: &Value| {
        done["outcome"] == "unchanged"
            || done["object"] == "Metrics"
            || done["object"] == "DataRetention"
    };
    assert!(third.iter().all(idle), "{third:?}");
    let levels = lines(&done(&there, &["query", "EventTracingLevel", "--json"]));
    assert_eq!(levels[0]["level"], "warn");
    assert_eq!(one.stop(), 0);
    assert_eq!(other.stop(), 0);
}
