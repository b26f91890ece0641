//! A receiver that we did not write gets our log records, spans and metrics over HTTP and gRPC: the
//! packages `opentelemetry-proto`, `grpcio` and `googleapis-common-protos` of PyPI, in
//! `otlp_receiver.py` beside this file.
//!
//! `TIDINGS_OTLP_PYTHON` is a Python that has them (`make test` sees to it); without it these tests say
//! that they were skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::borrow::Cow;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use tidings_event::{
    EventId, EventRef, EventType, Header, Id, Key, Level, MetricKind, Reading, RecordWriter,
    Series, SeriesValue,
};
use tidings_sink::otlp::{Identity, MetricsPush, MetricsPushSettings, OtlpSink, PushReport};
use tidings_sink::settings::{HttpAuth, Otel, Secret, SecretKey};
use tidings_sink::{
    BatchBuffer, Cursors, Driver, DriverContext, Interest, Outcome, Output, Report, Sink, feed,
};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Batch as SpoolBatch, Spool, SpoolConfig, SystemClock};
use tokio::runtime::{Builder, Runtime};

/// 2026-02-03T04:05:06.007000008Z.
const TIME_NS: i64 = 1_770_091_506_007_000_008;

/// The Python receiver; it ends when this is dropped.
struct Receiver {
    process: Child,
    http: u64,
    grpc: u64,
    requests: Arc<Mutex<Vec<Json>>>,
}

impl Receiver {
    fn start(arguments: &[&str]) -> Option<Receiver> {
        let Some(python) = std::env::var_os("TIDINGS_OTLP_PYTHON") else {
            println!("skipped: no python3 with opentelemetry-proto and grpcio can be had here");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp_receiver.py");
        let mut process = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ports: Json = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let request = serde_json::from_str(&line).unwrap();
                seen.lock().unwrap().push(request);
            }
        });
        Some(Receiver {
            process,
            http: ports["http"].as_u64().unwrap(),
            grpc: ports["grpc"].as_u64().unwrap(),
            requests,
        })
    }

    fn requests(&self) -> Vec<Json> {
        self.requests.lock().unwrap().clone()
    }

    /// What arrived of a signal and was taken.
    fn taken(&self, signal: &str) -> Vec<Json> {
        let requests = self.requests().into_iter();
        let is_taken = |request: &Json| {
            let answer = request["answer"].as_str().unwrap();
            request["signal"] == signal && (answer == "ok" || answer.starts_with("partial"))
        };
        requests.filter(is_taken).collect()
    }

    /// The log records that were taken.
    fn logs(&self) -> Vec<Json> {
        items(
            &self.taken("logs"),
            "resourceLogs",
            "scopeLogs",
            "logRecords",
        )
    }

    fn spans(&self) -> Vec<Json> {
        items(
            &self.taken("traces"),
            "resourceSpans",
            "scopeSpans",
            "spans",
        )
    }

    fn sink(&self, protocol: &str, change: impl FnOnce(&mut Otel)) -> OtlpSink {
        let port = if protocol == "http" {
            self.http
        } else {
            self.grpc
        };
        sink(protocol, &format!("http://127.0.0.1:{port}"), change)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All items of some requests.
fn items(requests: &[Json], resources: &str, scopes: &str, items: &str) -> Vec<Json> {
    let list = |json: &Json, name: &str| json[name].as_array().cloned().unwrap_or_default();
    requests
        .iter()
        .flat_map(|request| list(&request["request"], resources))
        .flat_map(|resource| list(&resource, scopes))
        .flat_map(|scope| list(&scope, items))
        .collect()
}

/// The value of an attribute.
fn attribute<'j>(item: &'j Json, name: &str) -> &'j Json {
    let attributes = item["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == name);
    found.map_or(&Json::Null, |attribute| &attribute["value"])
}

fn runtime() -> &'static Runtime {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    })
}

fn sink(protocol: &str, url: &str, change: impl FnOnce(&mut Otel)) -> OtlpSink {
    sink_as(protocol, url, &Identity::new("mail", "1.2.3"), change)
}

fn sink_as(
    protocol: &str,
    url: &str,
    identity: &Identity,
    change: impl FnOnce(&mut Otel),
) -> OtlpSink {
    let mut settings = Otel::new(url);
    settings.throttle = Duration::from_millis(1);
    settings.timeout = Duration::from_secs(2);
    change(&mut settings);
    let clock = Arc::new(SystemClock::new());
    let make = if protocol == "http" {
        OtlpSink::http
    } else {
        OtlpSink::grpc
    };
    let handle = runtime().handle().clone();
    make("collector", &settings, identity, clock, handle).unwrap()
}

fn record(
    kind: EventType,
    span: u64,
    number: u64,
    fill: impl FnOnce(&mut RecordWriter<'_>),
) -> Vec<u8> {
    let mut header = Header::new(kind, TIME_NS + number as i64 * 1_000_000);
    header.span = (span > 0).then_some(Id(span));
    header.event_id = Some(EventId { origin: 7, number });
    let mut out = Vec::new();
    {
        let mut writer = RecordWriter::begin(&mut out, &header);
        fill(&mut writer);
        writer.finish();
    }
    out
}

/// A session, a delivery within it, and an event of neither.
fn story() -> Vec<Vec<u8>> {
    vec![
        record(EventType::SMTP_CONNECTION_START, 5, 1, |record| {
            record
                .ip(Key::REMOTE_IP, "2001:db8::7".parse().unwrap())
                .uint(Key::REMOTE_PORT, 50_112);
        }),
        record(EventType::DELIVERY_ATTEMPT_START, 6, 2, |record| {
            record
                .uint(Key::PARENT_SPAN_ID, 5)
                .texts(Key::TO, ["b@y.test", "c@y.test"])
                .uint(Key::SIZE, u64::MAX);
        }),
        record(EventType::AUTH_FAILED, 0, 3, |record| {
            record.str(Key::ACCOUNT_NAME, "jo \"x\"\r\nbcc");
        }),
        record(EventType::DELIVERY_DELIVERED, 6, 4, |record| {
            record.uint(Key::CODE, 250);
        }),
        record(EventType::DELIVERY_ATTEMPT_END, 6, 5, |record| {
            record.duration_ms(Key::ELAPSED, 3);
        }),
        record(EventType::SMTP_CONNECTION_END, 5, 6, |record| {
            record.duration_ms(Key::ELAPSED, 5);
        }),
    ]
}

fn buffer(records: &[Vec<u8>]) -> BatchBuffer {
    let mut buffer = BatchBuffer::new();
    for (at, record) in records.iter().enumerate() {
        let (event, _) = EventRef::read(record).unwrap();
        buffer.push(&event, 100 + at as u64);
    }
    buffer
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} did not come");
}

/// Base64 of bytes, as protobuf's JSON shows ids.
fn base64(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    tidings_event::base64::push_encoded(&mut out, bytes);
    String::from_utf8(out).unwrap()
}

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

fn check_spans(spans: &[Json]) {
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

/// A spool on a memory disk, its cursors, and what the output reports.
struct World {
    spool: Spool,
    cursors: Arc<Cursors>,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl World {
    fn new() -> World {
        let backend = Arc::new(MemoryBackend::new());
        let clock = Arc::new(SystemClock::new());
        let identity = tidings_spool::Identity {
            epoch: 9,
            origin: 7,
        };
        let config = SpoolConfig::default();
        let opened = Spool::open(backend.clone(), clock.clone(), config, identity).unwrap();
        let epoch = opened.spool.identity().epoch;
        World {
            spool: opened.spool,
            cursors: Arc::new(Cursors::open(backend, clock, epoch).unwrap()),
            reports: Arc::default(),
        }
    }

    /// Starts the output where it left off, with a sink that knows nothing of the one before.
    fn start(&self, sink: OtlpSink) -> Driver {
        let cursor = self.cursors.take("collector", 1, self.spool.head());
        let feed = feed::SpoolFeed::open(&self.spool, cursor.sequence()).unwrap();
        let taken = Arc::clone(&self.reports);
        let context = DriverContext {
            clock: Arc::new(SystemClock::new()),
            reporter: Arc::new(move |report| taken.lock().unwrap().push(report)),
        };
        let output = Output {
            name: "collector".to_owned(),
            interest: Interest::from_level(Level::Trace),
            lossy: false,
            error_kind: EventType::TELEMETRY_OTEL_EXPORTER_ERROR,
            sink: Box::new(sink),
        };
        Driver::start(output, Box::new(feed), Some(cursor), context).unwrap()
    }

    fn append(&self, records: &[Vec<u8>]) {
        let count = u32::try_from(records.len()).unwrap();
        let batch = SpoolBatch::events(count, records.concat());
        self.spool.append(batch).unwrap().wait().unwrap();
    }
}

/// A collector that is down gets everything once it is back, from the spool, by the driver.
#[test]
fn a_collector_that_comes_back_gets_everything() {
    for protocol in ["http", "grpc"] {
        let Some(receiver) = Receiver::start(&[]) else {
            return;
        };
        let port = match protocol {
            "http" => receiver.http,
            _ => receiver.grpc,
        };
        let place = port.to_string();
        let flag = format!("--{protocol}");
        drop(receiver);
        let world = World::new();
        let driver = world.start(sink(protocol, &format!("http://127.0.0.1:{port}"), |_| ()));
        let append = |numbers: std::ops::Range<u64>| {
            let event = |number| record(EventType::AUTH_SUCCESS, 0, number, |_| ());
            world.append(&numbers.map(event).collect::<Vec<_>>());
        };
        append(0..500);
        wait_until("a failure", || driver.state().read().failures > 0);
        append(500..20_000);
        let receiver = Receiver::start(&[&flag, &place]).unwrap();
        append(20_000..21_000);
        wait_until("all log records", || receiver.logs().len() >= 21_000);
        assert_eq!(receiver.logs().len(), 21_000, "each once");
        assert!(driver.finish(Duration::from_secs(5)));
        let reports = world.reports.lock().unwrap();
        let kinds: Vec<_> = reports.iter().map(|report| report.kind).collect();
        assert_eq!(
            kinds[..2],
            [
                EventType::TELEMETRY_OTEL_EXPORTER_ERROR,
                EventType::TELEMETRY_OUTPUT_RECOVERED
            ]
        );
    }
}

/// What came before a restart of a span that is open is read again: the span is whole.
#[test]
fn a_span_that_is_open_at_a_restart_is_sent_whole() {
    let Some(receiver) = Receiver::start(&[]) else {
        return;
    };
    let world = World::new();
    let driver = world.start(receiver.sink("http", |_| ()));
    let story = story();
    world.append(&[record(EventType::AUTH_SUCCESS, 0, 0, |_| ())]);
    world.append(&story[..4]);
    wait_until("five log records", || receiver.logs().len() == 5);
    assert!(driver.finish(Duration::from_secs(5)));
    let driver = world.start(receiver.sink("http", |_| ()));
    world.append(&story[4..]);
    wait_until("the spans", || receiver.spans().len() == 2);
    check_spans(&receiver.spans());
    assert!(driver.finish(Duration::from_secs(5)));
    let logs = receiver.logs();
    let uid = |log: &Json| attribute(log, "log.record.uid")["stringValue"].to_string();
    let mut uids: Vec<_> = logs.iter().map(uid).collect();
    uids.sort();
    assert_eq!(
        uids.len(),
        5 + 6,
        "from the start of the open span on, again"
    );
    uids.dedup();
    assert_eq!(uids.len(), 7, "and what came twice can be told");
}

fn readings(count: u64) -> Vec<Reading> {
    let value = SeriesValue::Counter {
        count,
        exemplar: None,
    };
    vec![Reading {
        name: Cow::Borrowed("mail_deliveries"),
        description: Cow::Borrowed("Deliveries"),
        unit: "count",
        kind: MetricKind::Counter,
        divisor: 1,
        created_ns: TIME_NS,
        series: vec![Series {
            labels: vec![("provider", Cow::Borrowed("gmail"))],
            value,
        }],
    }]
}

#[test]
fn metrics_are_pushed_at_intervals_and_at_the_end_whatever_happens_between() {
    use tidings_wire::otlp::Temporality;
    for (grpc, temporality) in [
        (false, Temporality::Cumulative),
        (true, Temporality::Cumulative),
        (false, Temporality::Delta),
    ] {
        let failure = if grpc { "exhausted:0.05" } else { "503:0" };
        let Some(receiver) = Receiver::start(&["ok", failure]) else {
            return;
        };
        let port = if grpc { receiver.grpc } else { receiver.http };
        let settings = MetricsPushSettings {
            grpc,
            interval: Duration::from_millis(400),
            temporality,
            ..MetricsPushSettings::http(format!("http://127.0.0.1:{port}"))
        };
        let (identity, clock) = (Identity::new("mail", "1.2.3"), Arc::new(SystemClock::new()));
        let count = Arc::new(Mutex::new(0));
        let meters = move || {
            let mut count = count.lock().unwrap();
            *count += 10;
            readings(*count)
        };
        let reports: Arc<Mutex<Vec<PushReport>>> = Arc::default();
        let taken = Arc::clone(&reports);
        let report = move |report| taken.lock().unwrap().push(report);
        let handle = runtime().handle();
        let push = MetricsPush::new(&settings, &identity, clock, handle, meters, report).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = handle.spawn(push.run(async move {
            let _ = stopped.await;
        }));
        std::thread::sleep(Duration::from_millis(200));
        assert!(
            receiver.requests().is_empty(),
            "the first after an interval"
        );
        wait_until("three pushes", || receiver.taken("metrics").len() >= 2);
        let before = receiver.requests().len();
        stop.send(()).unwrap();
        runtime().block_on(task).unwrap();
        wait_until("the last push", || receiver.requests().len() > before);
        let taken = receiver.taken("metrics");
        let points: Vec<_> = items(&taken, "resourceMetrics", "scopeMetrics", "metrics")
            .iter()
            .map(|metric| {
                assert_eq!(metric["name"], "mail_deliveries");
                let points = metric["sum"]["dataPoints"].as_array().unwrap().clone();
                let provider = attribute(&points[0], "provider")["stringValue"].clone();
                assert_eq!(provider, "gmail");
                points[0]["asInt"].as_str().unwrap().parse::<u64>().unwrap()
            })
            .collect();
        match temporality {
            Temporality::Cumulative => assert_eq!(points[..3], [10, 30, 40], "the second failed"),
            Temporality::Delta => assert_eq!(points[..3], [10, 20, 10], "they add up"),
        }
        let reports = reports.lock().unwrap();
        let failed = |report: &&PushReport| matches!(report, PushReport::Failed { count: 1, .. });
        assert_eq!(reports.iter().filter(failed).count(), 1, "{reports:?}");
        let pushed = |report: &&PushReport| matches!(report, PushReport::Pushed { metrics: 1, .. });
        assert_eq!(reports.iter().filter(pushed).count(), points.len());
    }
}
