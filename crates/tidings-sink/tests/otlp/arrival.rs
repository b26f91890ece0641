//! What arrives, of an output without trouble.

use serde_json::Value as Json;
use tidings_sink::settings::{HttpAuth, Secret, SecretKey};
use tidings_sink::{Outcome, Sink};

use super::support::{Receiver, TIME_NS, attribute, base64, buffer, story, wait_until};

#[test]
fn logs_and_spans_arrive_over_both_protocols_compressed_or_not() {
    for (protocol, gzip) in [
        ("http", true),
        ("http", false),
        ("grpc", true),
        ("grpc", false),
    ] {
        let Some(receiver) = Receiver::start(&["--authorization", "Basic am86czNjcmV0"]) else {
            return;
        };
        let mut sink = receiver.sink(protocol, |settings| {
            settings.gzip = gzip;
            settings.headers = vec![("X-Scope".to_owned(), "mail".to_owned())];
            settings.auth = HttpAuth::Basic {
                username: "jo".to_owned(),
                secret: SecretKey::Value(Secret::new("s3cret")),
            };
        });
        let outcome = sink.deliver(&buffer(&story()).batch());
        assert_eq!(outcome, Outcome::Delivered, "{protocol}");
        wait_until("both requests", || receiver.requests().len() == 2);
        check_requests(&receiver.requests(), protocol, gzip);
        check_logs(&receiver.logs());
        check_spans(&receiver.spans());
    }
}

fn check_requests(requests: &[Json], protocol: &str, gzip: bool) {
    for (request, path) in requests.iter().zip(["/v1/logs", "/v1/traces"]) {
        let headers = &request["headers"];
        assert_eq!(headers["x-scope"], "mail");
        let agent = headers["user-agent"].as_str().unwrap();
        assert!(agent.starts_with("tidings/1.2.3"), "{agent}");
        if protocol == "http" {
            assert_eq!(request["path"], path);
            assert_eq!(headers["content-type"], "application/x-protobuf");
            assert_eq!(headers["content-encoding"] == "gzip", gzip);
        }
    }
    let resource = &requests[0]["request"]["resourceLogs"][0]["resource"];
    assert_eq!(attribute(resource, "service.name")["stringValue"], "mail");
}

fn check_logs(logs: &[Json]) {
    assert_eq!(logs.len(), 6);
    let names: Vec<_> = logs
        .iter()
        .map(|log| log["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(
        names[..3],
        [
            "smtp.connection-start",
            "delivery.attempt-start",
            "auth.failed"
        ]
    );
    assert_eq!(logs[0]["timeUnixNano"], (TIME_NS + 1_000_000).to_string());
    assert_eq!(
        attribute(&logs[0], "remoteIp")["stringValue"],
        "2001:db8::7"
    );
    assert_eq!(attribute(&logs[0], "remotePort")["intValue"], "50112");
    let to = &attribute(&logs[1], "to")["arrayValue"]["values"];
    assert_eq!(to[1]["stringValue"], "c@y.test");
    assert_eq!(
        attribute(&logs[1], "size")["stringValue"],
        u64::MAX.to_string()
    );
    let trace = base64(&u128::to_be_bytes(5));
    assert_eq!(
        logs[1]["traceId"],
        trace.as_str(),
        "the trace is the session"
    );
    assert_eq!(logs[3]["traceId"], trace.as_str());
    assert_eq!(logs[3]["spanId"], base64(&u64::to_be_bytes(6)).as_str());
    assert_eq!(logs[2]["traceId"], Json::Null);
    assert_eq!(
        attribute(&logs[2], "accountName")["stringValue"],
        "jo \"x\"\r\nbcc"
    );
    assert_eq!(
        attribute(&logs[2], "log.record.uid")["stringValue"],
        "00000007-3"
    );
}

pub(crate) fn check_spans(spans: &[Json]) {
    let [delivery, session] = spans else {
        panic!("{spans:?}")
    };
    assert_eq!(delivery["name"], "delivery.attempt-start");
    assert_eq!(delivery["kind"], "SPAN_KIND_CLIENT");
    assert_eq!(delivery["traceId"], session["traceId"]);
    assert_eq!(delivery["parentSpanId"], session["spanId"]);
    assert_eq!(session["parentSpanId"], Json::Null);
    assert_eq!(
        session["startTimeUnixNano"],
        (TIME_NS + 1_000_000).to_string()
    );
    assert_eq!(
        session["endTimeUnixNano"],
        (TIME_NS + 6_000_000).to_string()
    );
    let events = delivery["events"].as_array().unwrap();
    assert_eq!(events[0]["name"], "delivery.delivered");
    assert_eq!(attribute(&events[0], "code")["intValue"], "250");
    assert_eq!(events[1]["name"], "delivery.attempt-end");
    assert_eq!(attribute(session, "remoteIp")["stringValue"], "2001:db8::7");
}
