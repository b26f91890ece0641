//! The types that others generated from the OTLP definitions read what we wrote.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message;
use tidings_event::{EventRef, EventType, Id, Key, Level, Pairs, Value};

use super::*;
use crate::testing::{TIME_NS, any_event, event, record};

mod metrics;
mod responses;
mod spans;

/// 2026-02-03T04:05:07Z.
const NOW_NS: i64 = 1_770_091_507_000_000_000;

fn origin() -> Origin {
    let resource = Resource::new("mail", "1.2.3").with("host.name", "mx1.example.org");
    Origin::new(&resource, "tidings", "1.2.3")
}

fn logs(request: &mut Request) -> Vec<LogRecord> {
    let encoded = request.finish();
    let items = encoded.items();
    let read = ExportLogsServiceRequest::decode(encoded.as_bytes()).unwrap();
    // The same bytes as the generated code writes, so lengths are as short as they can be.
    assert_eq!(read.encoded_len(), encoded.as_bytes().len());
    let [resource] = read.resource_logs.try_into().unwrap();
    let names = resource.resource.unwrap().attributes;
    let text = |value: &str| Any::StringValue(value.to_owned());
    assert_eq!(names[0], key_value("service.name", text("mail")));
    assert_eq!(
        names.last(),
        Some(&key_value("host.name", text("mx1.example.org")))
    );
    let [scope] = resource.scope_logs.try_into().unwrap();
    let about = scope.scope.unwrap();
    assert_eq!(
        (about.name.as_str(), about.version.as_str()),
        ("tidings", "1.2.3")
    );
    assert_eq!(scope.log_records.len(), items);
    scope.log_records
}

fn key_value(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// What a value should be in OTLP, made with the generated types.
fn expected_value(value: Value<'_>) -> AnyValue {
    let whole = |number: u64| match i64::try_from(number) {
        Ok(number) => Any::IntValue(number),
        Err(_) => Any::StringValue(number.to_string()),
    };
    let value = match value {
        Value::Str(text) => Any::StringValue(text.to_owned()),
        Value::UInt(number) | Value::Duration(number) => whole(number),
        Value::Int(number) => Any::IntValue(number),
        Value::Float(number) => Any::DoubleValue(number),
        Value::Timestamp(seconds) => {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            Any::StringValue(tidings_event::time::rfc3339_seconds(seconds))
        }
        Value::Bytes(bytes) => Any::BytesValue(bytes.to_vec()),
        Value::Bool(truth) => Any::BoolValue(truth),
        Value::Ipv4(ip) => Any::StringValue(ip.to_string()),
        Value::Ipv6(ip) => Any::StringValue(ip.to_string()),
        Value::Array(items) => Any::ArrayValue(ArrayValue {
            values: items.map(expected_value).collect(),
        }),
        Value::Event(nested) => {
            let name = Any::StringValue(nested.kind().name().to_owned());
            let mut values = vec![key_value("eventName", name)];
            values.extend(expected_pairs(nested.pairs(), None));
            Any::KvlistValue(KeyValueList { values })
        }
        Value::None => Any::BoolValue(false),
    };
    AnyValue { value: Some(value) }
}

fn expected_pairs(pairs: Pairs<'_>, except: Option<Key>) -> Vec<KeyValue> {
    let mut names = Vec::new();
    let mut values: HashMap<String, Vec<AnyValue>> = HashMap::new();
    for (key, value) in pairs.filter(|(key, _)| *key != Key::RAW_LINE && Some(*key) != except) {
        let (name, value) = match value {
            Value::Array(items) if key == Key::ATTRIBUTE => {
                match items.collect::<Vec<_>>().as_slice() {
                    [Value::Str(name), value] if !name.is_empty() => ((*name).to_owned(), *value),
                    _ => (key.name().to_owned(), value),
                }
            }
            _ => (key.name().to_owned(), value),
        };
        if !names.contains(&name) {
            names.push(name.clone());
        }
        values.entry(name).or_default().push(expected_value(value));
    }
    let attribute = |name: String| {
        let mut values = values.remove(&name).unwrap();
        let value = match values.len() {
            1 => values.remove(0),
            _ => AnyValue {
                value: Some(Any::ArrayValue(ArrayValue { values })),
            },
        };
        KeyValue {
            key: name,
            value: Some(value),
            ..KeyValue::default()
        }
    };
    names.into_iter().map(attribute).collect()
}

fn expected_log(event: &EventRef<'_>, trace: Option<Id>) -> LogRecord {
    let mut attributes = expected_pairs(event.pairs(), Some(Key::SPAN_ID));
    let (mut trace_id, mut span_id) = (Vec::new(), Vec::new());
    if let Some(span) = event.span() {
        let value = expected_value(Value::UInt(span.0)).value.unwrap();
        attributes.push(key_value("spanId", value));
        trace_id = u128::from(trace.unwrap_or(span).0).to_be_bytes().to_vec();
        span_id = span.0.to_be_bytes().to_vec();
    }
    if let Some(id) = event.header().event_id {
        attributes.push(key_value(
            "log.record.uid",
            Any::StringValue(id.to_string()),
        ));
    }
    let severity = match event.level() {
        Level::Trace => 1,
        Level::Debug => 5,
        Level::Info => 9,
        Level::Warn => 13,
        Level::Error | Level::Disable => 17,
    };
    let body = Any::StringValue(event.kind().info().description.to_owned());
    LogRecord {
        time_unix_nano: u64::try_from(event.time_ns()).unwrap_or(0),
        observed_time_unix_nano: NOW_NS as u64,
        severity_number: severity,
        severity_text: event.level().as_upper_str().to_owned(),
        body: Some(AnyValue { value: Some(body) }),
        attributes,
        trace_id,
        span_id,
        event_name: event.kind().name().to_owned(),
        ..LogRecord::default()
    }
}

/// As text, since a NaN is not equal to itself.
fn same<T: std::fmt::Debug>(left: &T, right: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(format!("{left:#?}"), format!("{right:#?}"));
    Ok(())
}

proptest! {
    #[test]
    fn any_event_is_the_log_record_that_it_should_be(
        records in proptest::collection::vec(any_event(), 0..4),
        trace in any::<Option<u64>>(),
    ) {
        let trace = trace.map(Id);
        let mut request = Request::new(&origin());
        for bytes in &records {
            request.push_log(&event(bytes), trace, NOW_NS);
        }
        prop_assert_eq!(request.len(), records.len());
        let expected: Vec<_> = records
            .iter()
            .map(|bytes| expected_log(&event(bytes), trace))
            .collect();
        same(&logs(&mut request), &expected)?;
        prop_assert!(request.is_empty());
    }
}

#[test]
fn a_log_record_says_all_of_an_event() {
    let bytes = record(
        EventType::AUTH_FAILED,
        |header| {
            header.span = Some(Id(5));
            header.event_id = Some(tidings_event::EventId {
                origin: 0xbeef,
                number: 7,
            });
        },
        |record| {
            record
                .str(Key::ACCOUNT_NAME, "jo")
                .ip(Key::REMOTE_IP, "203.0.113.9".parse().unwrap())
                .uint(Key::SIZE, u64::MAX)
                .texts(Key::TO, ["a", "b"])
                .text(Key::RAW_LINE, b"secret line");
        },
    );
    let mut request = Request::new(&origin());
    request.push_log(&event(&bytes), Some(Id(3)), NOW_NS);
    let [log] = logs(&mut request).try_into().unwrap();
    assert_eq!(log.time_unix_nano, TIME_NS as u64);
    assert_eq!(
        log.trace_id,
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    );
    assert_eq!(log.span_id, [0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(log.event_name, "auth.failed");
    let names: Vec<_> = log.attributes.iter().map(|a| a.key.as_str()).collect();
    assert_eq!(
        names,
        [
            "accountName",
            "remoteIp",
            "size",
            "to",
            "spanId",
            "log.record.uid"
        ]
    );
    let value = |at: usize| log.attributes[at].value.clone().unwrap().value.unwrap();
    assert_eq!(value(2), Any::StringValue(u64::MAX.to_string()));
    assert_eq!(value(4), Any::IntValue(5));
    assert_eq!(value(5), Any::StringValue("0000beef-7".to_owned()));
}

#[test]
fn an_item_can_be_taken_back() {
    let first = record(EventType::SMTP_QUIT, |_| (), |_| ());
    let mut request = Request::new(&origin());
    request.push_log(&event(&first), None, NOW_NS);
    let (mark, bytes) = (request.mark(), request.bytes_max());
    request.push_log(&event(&first), None, NOW_NS);
    assert!(request.bytes_max() > bytes);
    request.take_back(mark);
    assert_eq!((request.len(), request.bytes_max()), (1, bytes));
    assert_eq!(logs(&mut request).len(), 1);
    assert_eq!(logs(&mut request).len(), 0, "an empty request is whole too");
}

#[test]
fn a_finished_request_is_no_longer_than_was_said() {
    let text = record(
        EventType::SMTP_QUIT,
        |_| (),
        |record| {
            record.str(Key::REASON, &"x".repeat(300_000));
        },
    );
    let mut request = Request::new(&origin());
    for _ in 0..9 {
        request.push_log(&event(&text), None, NOW_NS);
    }
    let most = request.bytes_max();
    let encoded = request.finish();
    let length = encoded.as_bytes().len();
    assert!(length <= most && length + 20 >= most, "{length} of {most}");
    let (buffer, start) = encoded.clone().into_buffer();
    assert_eq!(&buffer[start..], encoded.as_bytes());
}

#[test]
fn a_trace_is_named_after_its_outermost_span() {
    let child = |id: u64, parent: u64| {
        record(
            EventType::PROGRAM_SPAN_START,
            |header| header.span = Some(Id(id)),
            |record| {
                record.uint(Key::PARENT_SPAN_ID, parent);
            },
        )
    };
    let mut ids = TraceIds::default();
    let nowhere = |_: Id| None;
    assert_eq!(ids.trace_of(Id(9), nowhere), Id(9));
    ids.note(&event(&child(2, 1)));
    ids.note(&event(&child(3, 2)));
    assert_eq!(ids.trace_of(Id(3), nowhere), Id(1));
    let far = child(1, 8);
    let elsewhere = |id: Id| (id == Id(1)).then(|| event(&far));
    ids.note(&event(&child(4, 4)));
    assert_eq!(ids.trace_of(Id(4), nowhere), Id(4), "no parent of itself");
    assert_eq!(ids.trace_of(Id(3), elsewhere), Id(8));
    ids.note(&event(&child(1, 3)));
    ids.trace_of(Id(2), nowhere); // a circle ends
    for id in 100..100_000 {
        ids.note(&event(&child(id, id - 1)));
    }
    assert_eq!(ids.trace_of(Id(3), nowhere), Id(3), "forgotten");
}
