//! Reads any bytes as a request of the management API: its references are resolved against an answer, and
//! its arguments read as those of each method.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tidings_admin::arguments::{Changes, Get, Query, QueryChanges, Set};
use tidings_admin::{Answer, Request};

const CALLS_MAX: usize = 16;

fuzz_target!(|body: &[u8]| {
    let request = match Request::read(body, CALLS_MAX) {
        Ok(request) => request,
        Err(error) => {
            assert!(error.to_json()["type"].is_string());
            return;
        }
    };
    assert!(request.calls.len() <= CALLS_MAX);
    let found = json!({ "ids": ["b", "c"], "list": [{ "id": "b", "to": { "a/b": 1, "~": [2] } }], "total": 2 });
    let mut answers = vec![Answer::of("x:Trace/query", &found, "q")];
    for call in &request.calls {
        let arguments = match call.resolved(&answers) {
            Ok(arguments) => arguments,
            Err(error) => {
                answers.push(Answer::error(&error, &call.id));
                continue;
            }
        };
        let _ = Get::read(arguments.clone());
        let _ = Set::read(arguments.clone()).map(|set| set.count());
        let _ = Changes::read(arguments.clone());
        let _ = QueryChanges::read(arguments.clone());
        if let Ok(query) = Query::read(arguments.clone())
            && let Some(filter) = query.filter
        {
            let mut seen = 0;
            filter.properties(&mut |_, _, _| seen += 1);
            assert!(seen <= 1_000, "filters are bounded");
            let _ = filter.holds(&mut |name, _, _| name.len() % 2 == 0);
        }
        answers.push(Answer::of(&call.name, &arguments, &call.id));
    }
});
