//! What a receiver may answer, and what comes of it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value as Json;
use tidings_event::{EventType, Key};
use tidings_sink::otlp::Identity;
use tidings_sink::settings::{HttpAuth, Secret, SecretKey};
use tidings_sink::{Outcome, Sink};

use super::support::{Receiver, attribute, buffer, record, sink, sink_as, story, wait_until};

#[test]
fn what_can_be_tried_again_says_when_and_is_sent_once() {
    for (protocol, answer, after) in [
        ("http", "503:2", Some(2_000)),
        ("http", "429:3", Some(3_000)),
        ("http", "502", None),
        ("http", "504", None),
        ("grpc", "exhausted:1.5", Some(1_500)),
        ("grpc", "grpc:UNAVAILABLE", None),
        ("grpc", "grpc:ABORTED", None),
    ] {
        // The logs are taken, the spans are not at first.
        let Some(receiver) = Receiver::start(&["ok", answer]) else {
            return;
        };
        let mut sink = receiver.sink(protocol, |_| ());
        let buffer = buffer(&story());
        let Outcome::RetryAfter {
            delivered: 0,
            after: said,
            failure,
        } = sink.deliver(&buffer.batch())
        else {
            panic!("{protocol} {answer}")
        };
        assert_eq!(said, after.map(Duration::from_millis), "{answer}");
        assert!(failure.details.contains("spans"), "{failure}");
        assert_eq!(sink.holds_from(), Some(100), "until the spans are there");
        assert_eq!(sink.deliver(&buffer.batch()), Outcome::Delivered);
        assert_eq!(sink.holds_from(), None);
        wait_until("three requests", || receiver.requests().len() == 3);
        assert_eq!((receiver.logs().len(), receiver.spans().len()), (6, 2));
    }
}

#[test]
fn what_is_refused_for_good_is_not_tried_again() {
    for (protocol, answer, says) in [
        ("http", "400", "HTTP 400"),
        ("http", "500", "not now, said the receiver"),
        ("grpc", "grpc:INVALID_ARGUMENT", "InvalidArgument"),
        ("grpc", "grpc:RESOURCE_EXHAUSTED", "ResourceExhausted"),
    ] {
        let Some(receiver) = Receiver::start(&[answer]) else {
            return;
        };
        let mut sink = receiver.sink(protocol, |settings| settings.spans = false);
        let buffer = buffer(&story());
        let outcome = sink.deliver(&buffer.batch());
        let Outcome::Rejected {
            index: None,
            failure,
        } = outcome
        else {
            panic!("{protocol} {answer}: {outcome:?}")
        };
        assert!(failure.reason.contains(says), "{failure}");
        wait_until("the request", || !receiver.requests().is_empty());
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(receiver.requests().len(), 1);
    }
}

/// A wrong address or secret is the settings' fault: the events wait until somebody has mended it.
#[test]
fn what_can_be_mended_is_tried_again_and_no_redirect_is_followed() {
    for (protocol, answer, says) in [
        ("http", "redirect", "HTTP 307"),
        ("http", "401", "HTTP 401"),
        ("grpc", "grpc:PERMISSION_DENIED", "PermissionDenied"),
    ] {
        let Some(receiver) = Receiver::start(&[answer]) else {
            return;
        };
        let mut sink = receiver.sink(protocol, |settings| settings.spans = false);
        let buffer = buffer(&story());
        let outcome = sink.deliver(&buffer.batch());
        let Outcome::RetryAfter {
            delivered: 0,
            failure,
            ..
        } = outcome
        else {
            panic!("{protocol} {answer}: {outcome:?}")
        };
        assert!(failure.reason.contains(says), "{failure}");
        assert_eq!(sink.deliver(&buffer.batch()), Outcome::Delivered);
        wait_until("both requests", || receiver.requests().len() == 2);
        let requests = receiver.requests();
        let elsewhere = |request: &Json| request["path"] == "/elsewhere";
        assert!(!requests.iter().any(elsewhere), "{requests:?}");
    }
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let Some(receiver) = Receiver::start(&["--authorization", "Bearer right"]) else {
        return;
    };
    for protocol in ["http", "grpc"] {
        let mut sink = receiver.sink(protocol, |settings| {
            let token = SecretKey::Value(Secret::new("wr0ng"));
            settings.auth = HttpAuth::Bearer { token };
        });
        let outcome = format!("{:?} {sink:?}", sink.deliver(&buffer(&story()).batch()));
        assert!(outcome.contains("RetryAfter"), "{outcome}");
        assert!(!outcome.contains("wr0ng"), "{outcome}");
    }
}

#[test]
fn a_partial_success_is_counted() {
    for protocol in ["http", "grpc"] {
        let Some(receiver) = Receiver::start(&["partial:2", "partial:1"]) else {
            return;
        };
        let mut sink = receiver.sink(protocol, |_| ());
        let Outcome::Partial { rejected, failure } = sink.deliver(&buffer(&story()).batch()) else {
            panic!("{protocol}")
        };
        assert_eq!(rejected, 3);
        assert_eq!(failure.reason, "some are too old");
    }
}

#[test]
fn a_request_that_is_too_large_is_cut() {
    let Some(receiver) = Receiver::start(&["413", "413", "ok", "413"]) else {
        return;
    };
    let mut sink = receiver.sink("http", |settings| settings.spans = false);
    let records: Vec<_> = (0..64)
        .map(|number| {
            record(EventType::AUTH_SUCCESS, 0, number, |record| {
                record.str(Key::ACCOUNT_NAME, &"x".repeat(1000));
            })
        })
        .collect();
    assert_eq!(sink.deliver(&buffer(&records).batch()), Outcome::Delivered);
    wait_until("all log records", || receiver.logs().len() == 64);
    let numbers = receiver.logs();
    let numbers = numbers
        .iter()
        .map(|log| attribute(log, "log.record.uid")["stringValue"].clone());
    let expected = (0..64).map(|number| Json::from(format!("00000007-{number}")));
    assert!(numbers.eq(expected), "each once, in order");
    let sizes: Vec<_> = receiver
        .requests()
        .iter()
        .map(|r| r["bytes"].as_u64().unwrap())
        .collect();
    assert!(sizes[2] * 3 < sizes[0], "{sizes:?}");
}

#[test]
fn no_request_is_above_four_mebibytes() {
    let Some(receiver) = Receiver::start(&[]) else {
        return;
    };
    // The gRPC server takes 4 MiB, as all do by default.
    let mut sink = receiver.sink("grpc", |settings| {
        settings.timeout = Duration::from_secs(20)
    });
    let records: Vec<_> = (0..1_100)
        .map(|number| {
            record(EventType::SMTP_EHLO, number / 550 + 1, number, |record| {
                record.str(Key::DETAILS, &"x".repeat(9_990));
            })
        })
        .collect();
    assert_eq!(sink.deliver(&buffer(&records).batch()), Outcome::Delivered);
    wait_until("all log records", || receiver.logs().len() == 1_100);
    for request in receiver.requests() {
        assert!(request["bytes"].as_u64().unwrap() <= 4 << 20);
    }
}

#[test]
fn nobody_there_and_nobody_answering_are_tried_again() {
    let Some(receiver) = Receiver::start(&["hang"]) else {
        return;
    };
    let nowhere = sink("http", "http://127.0.0.1:9", |_| ());
    let nowhere_grpc = sink("grpc", "http://127.0.0.1:9", |_| ());
    let slow = receiver.sink("http", |settings| {
        settings.timeout = Duration::from_millis(300)
    });
    for mut sink in [nowhere, nowhere_grpc, slow] {
        let outcome = sink.deliver(&buffer(&story()).batch());
        let Outcome::RetryAfter { after: None, .. } = &outcome else {
            panic!("{outcome:?}")
        };
    }
}

#[test]
fn tls_is_spoken_with_whom_we_trust_and_with_nobody_else() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let pem = certified.cert.pem();
    let certificate = write("certificate", pem.clone());
    let key = write("key", certified.signing_key.serialize_pem());
    let Some(receiver) = Receiver::start(&["--certificate", &certificate, "--key", &key]) else {
        return;
    };
    for (protocol, port) in [("http", receiver.http), ("grpc", receiver.grpc)] {
        let url = format!("https://localhost:{port}");
        let mut stranger = sink(protocol, &url, |_| ());
        let outcome = stranger.deliver(&buffer(&story()).batch());
        let Outcome::RetryAfter { failure, .. } = &outcome else {
            panic!("{protocol}: {outcome:?}")
        };
        assert!(
            failure.reason.contains("ertificate"),
            "{protocol}: {failure}"
        );
        let mut identity = Identity::new("mail", "1.2.3");
        identity.trust = Some(pem.clone().into_bytes());
        let mut friend = sink_as(protocol, &url, &identity, |_| ());
        let outcome = friend.deliver(&buffer(&story()).batch());
        assert_eq!(outcome, Outcome::Delivered, "{protocol}");
    }
    wait_until("both", || receiver.logs().len() == 12);
}

/// A page of a web server in place of an answer: the status says that the events were accepted.
#[test]
fn a_success_that_cannot_be_read_is_a_delivery_with_a_warning() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let (mut stream, mut bytes) = (stream.unwrap(), [0; 65_536]);
            // One small request a connection comes in one or two pieces.
            let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
            while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\
                          Connection: close\r\n\r\n<html> Welcome";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let mut sink = sink("http", &url, |settings| settings.spans = false);
    let Outcome::Partial { rejected, failure } = sink.deliver(&buffer(&story()).batch()) else {
        panic!("a warning")
    };
    assert_eq!(rejected, 0);
    assert!(
        failure
            .details
            .contains("took the log records with a warning")
    );
    assert!(failure.reason.contains("is there a collector at this URL?"));
}
