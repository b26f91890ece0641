//! A program that tells `tracing` what it does: spans, events, fields of all kinds.

#![cfg(feature = "tracing")]

use std::time::Duration;

use tidings::{EventType, Interest, Key, Level, Received, Settings, Subscription, TracingLayer};
use tidings_event::Value;
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn spans_and_events_of_a_program_flow_in() {
    let telemetry = tidings::start(Settings::default()).unwrap();
    let all = Subscription::new("all").interest(Interest::all());
    let mut subscriber = telemetry.subscribe(all).unwrap();
    let registry = tracing_subscriber::registry().with(TracingLayer::new());
    tracing::subscriber::with_default(registry, || {
        let outer = tracing::info_span!("request", remote_port = 7, bytes = tracing::field::Empty);
        let _entered = outer.enter();
        let session = tracing::debug_span!("session", event = "imap.connection-start");
        session.in_scope(|| {
            let error = std::io::Error::other("disk full");
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(remote_ip = %"192.0.2.7", attempts = -3, fine = true, error, "no {}", "luck");
        });
        drop(session);
        tracing::error!(event = "auth.failed", account_name = "alice", size = 9u64);
        tracing::info!(name: "auth.success", total = 1);
        outer.record("bytes", 17);
    });
    telemetry.shutdown(Duration::from_secs(10)).unwrap();
    let mut seen = Vec::new();
    while let Received::Batch(batch) = subscriber.next(Duration::from_secs(10)) {
        for event in batch.events().map(Result::unwrap) {
            let span = event.span().map_or(0, |span| span.0);
            let pairs: Vec<String> = event
                .pairs()
                .filter(|(key, _)| *key != Key::ELAPSED && *key != Key::PARENT_SPAN_ID)
                .map(|(key, value)| format!("{}={}", key.name(), show(&value)))
                .collect();
            let parent = event.uint(Key::PARENT_SPAN_ID);
            seen.push((event.kind(), event.level(), span, parent, pairs.join(" ")));
        }
    }
    let (outer, session) = (seen[0].2, seen[1].2);
    let target = "target=tracing";
    let said = |text: &str| format!("{text} {target}");
    let warning = "details=no luck remoteIp=192.0.2.7 attribute=[attempts,-3] \
                   attribute=[fine,true] causedBy=program.event";
    let expected = [
        (
            EventType::PROGRAM_SPAN_START,
            Level::Info,
            outer,
            None,
            said("remotePort=7 value=request"),
        ),
        (
            EventType::IMAP_CONNECTION_START,
            EventType::IMAP_CONNECTION_START.level(),
            session,
            Some(outer),
            said("value=session"),
        ),
        (
            EventType::PROGRAM_EVENT,
            Level::Warn,
            session,
            None,
            said(warning),
        ),
        (
            EventType::IMAP_CONNECTION_END,
            EventType::IMAP_CONNECTION_START.level(),
            session,
            None,
            String::new(),
        ),
        (
            EventType::AUTH_FAILED,
            EventType::AUTH_FAILED.level(),
            outer,
            None,
            said("accountName=alice size=9"),
        ),
        (
            EventType::AUTH_SUCCESS,
            EventType::AUTH_SUCCESS.level(),
            outer,
            None,
            said("total=1"),
        ),
        (
            EventType::PROGRAM_SPAN_END,
            Level::Info,
            outer,
            None,
            "attribute=[bytes,17]".to_owned(),
        ),
    ];
    assert_eq!(seen, expected);
}

fn show(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) => (*text).to_owned(),
        Value::UInt(number) => number.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Array(items) => {
            let items: Vec<_> = items.map(|item| show(&item)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Event(event) => event.kind().name().to_owned(),
        other => format!("{other:?}"),
    }
}
