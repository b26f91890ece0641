//! The receiver, and what is sent to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use tidings_event::{EventId, EventRef, EventType, Header, Id, Key, RecordWriter};
use tidings_sink::BatchBuffer;
use tidings_sink::otlp::{Identity, OtlpSink};
use tidings_sink::settings::Otel;
use tidings_spool::SystemClock;
use tokio::runtime::{Builder, Runtime};

/// 2026-02-03T04:05:06.007000008Z.
pub(crate) const TIME_NS: i64 = 1_770_091_506_007_000_008;

/// The Python receiver; it ends when this is dropped.
pub(crate) struct Receiver {
    process: Child,
    pub(crate) http: u64,
    pub(crate) grpc: u64,
    requests: Arc<Mutex<Vec<Json>>>,
}

impl Receiver {
    pub(crate) fn start(arguments: &[&str]) -> Option<Receiver> {
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

    pub(crate) fn requests(&self) -> Vec<Json> {
        self.requests.lock().unwrap().clone()
    }

    /// What arrived of a signal and was taken.
    pub(crate) fn taken(&self, signal: &str) -> Vec<Json> {
        let requests = self.requests().into_iter();
        let is_taken = |request: &Json| {
            let answer = request["answer"].as_str().unwrap();
            request["signal"] == signal && (answer == "ok" || answer.starts_with("partial"))
        };
        requests.filter(is_taken).collect()
    }

    /// The log records that were taken.
    pub(crate) fn logs(&self) -> Vec<Json> {
        items(
            &self.taken("logs"),
            "resourceLogs",
            "scopeLogs",
            "logRecords",
        )
    }

    pub(crate) fn spans(&self) -> Vec<Json> {
        items(
            &self.taken("traces"),
            "resourceSpans",
            "scopeSpans",
            "spans",
        )
    }

    pub(crate) fn sink(&self, protocol: &str, change: impl FnOnce(&mut Otel)) -> OtlpSink {
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
pub(crate) fn items(requests: &[Json], resources: &str, scopes: &str, items: &str) -> Vec<Json> {
    let list = |json: &Json, name: &str| json[name].as_array().cloned().unwrap_or_default();
    requests
        .iter()
        .flat_map(|request| list(&request["request"], resources))
        .flat_map(|resource| list(&resource, scopes))
        .flat_map(|scope| list(&scope, items))
        .collect()
}

/// The value of an attribute.
pub(crate) fn attribute<'j>(item: &'j Json, name: &str) -> &'j Json {
    let attributes = item["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == name);
    found.map_or(&Json::Null, |attribute| &attribute["value"])
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    })
}

pub(crate) fn sink(protocol: &str, url: &str, change: impl FnOnce(&mut Otel)) -> OtlpSink {
    sink_as(protocol, url, &Identity::new("mail", "1.2.3"), change)
}

pub(crate) fn sink_as(
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

pub(crate) fn record(
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
pub(crate) fn story() -> Vec<Vec<u8>> {
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

pub(crate) fn buffer(records: &[Vec<u8>]) -> BatchBuffer {
    let mut buffer = BatchBuffer::new();
    for (at, record) in records.iter().enumerate() {
        let (event, _) = EventRef::read(record).unwrap();
        buffer.push(&event, 100 + at as u64);
    }
    buffer
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} did not come");
}

/// Base64 of bytes, as protobuf's JSON shows ids.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    tidings_event::base64::push_encoded(&mut out, bytes);
    String::from_utf8(out).unwrap()
}
