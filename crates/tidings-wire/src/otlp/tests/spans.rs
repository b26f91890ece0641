use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::*;

fn spans(request: &mut Request) -> Vec<Span> {
    let encoded = request.finish();
    let read = ExportTraceServiceRequest::decode(encoded.as_bytes()).unwrap();
    assert_eq!(read.encoded_len(), encoded.as_bytes().len());
    let [resource] = read.resource_spans.try_into().unwrap();
    let [scope] = resource.scope_spans.try_into().unwrap();
    assert_eq!(scope.spans.len(), encoded.items());
    scope.spans
}

fn one(parts: &SpanParts<'_>) -> Span {
    let mut request = Request::new(&origin());
    assert!(request.push_span(parts));
    let [span] = spans(&mut request).try_into().unwrap();
    span
}

fn expected_event(event: &EventRef<'_>) -> Event {
    Event {
        time_unix_nano: u64::try_from(event.time_ns()).unwrap_or(0),
        name: event.kind().name().to_owned(),
        attributes: expected_pairs(event.pairs(), Some(Key::SPAN_ID)),
        dropped_attributes_count: 0,
    }
}

#[test]
fn a_span_has_start_events_and_end() {
    let in_span = |header: &mut tidings_event::Header| header.span = Some(Id(7));
    let start = record(EventType::DELIVERY_ATTEMPT_START, in_span, |record| {
        record
            .uint(Key::SPAN_ID, 7)
            .uint(Key::QUEUE_ID, 4711)
            .uint(Key::PARENT_SPAN_ID, 6)
            .texts(Key::TO, ["b@y.test", "c@y.test"]);
    });
    let middle = record(EventType::DELIVERY_DELIVERED, in_span, |record| {
        record.uint(Key::CODE, 250);
    });
    let end = record(
        EventType::DELIVERY_ATTEMPT_END,
        |header| {
            in_span(header);
            header.time_ns += 1_000_000_001;
        },
        |record| {
            record.duration_ms(Key::ELAPSED, 1000);
        },
    );
    let span = one(&SpanParts {
        start: Some(event(&start)),
        events: &middle,
        dropped_events: 3,
        end: event(&end),
        trace: Id(5),
    });
    assert_eq!(
        span,
        Span {
            trace_id: u128::to_be_bytes(5).into(),
            span_id: u64::to_be_bytes(7).into(),
            parent_span_id: u64::to_be_bytes(6).into(),
            name: "delivery.attempt-start".to_owned(),
            kind: SpanKind::Client as i32,
            start_time_unix_nano: TIME_NS as u64,
            end_time_unix_nano: TIME_NS as u64 + 1_000_000_001,
            attributes: expected_pairs(event(&start).pairs(), Some(Key::SPAN_ID)),
            events: vec![
                expected_event(&event(&middle)),
                expected_event(&event(&end))
            ],
            dropped_events_count: 3,
            ..Span::default()
        }
    );
}

#[test]
fn a_span_whose_start_is_unknown_is_told_from_its_end() {
    let end = record(
        EventType::SMTP_CONNECTION_END,
        |header| header.span = Some(Id(7)),
        |record| {
            record.duration_ms(Key::ELAPSED, 812);
        },
    );
    let mut parts = SpanParts {
        start: None,
        events: &[],
        dropped_events: 0,
        end: event(&end),
        trace: Id(7),
    };
    let span = one(&parts);
    assert_eq!(span.name, "smtp.connection-start");
    assert_eq!(span.kind, SpanKind::Server as i32);
    assert_eq!(span.start_time_unix_nano, TIME_NS as u64 - 812_000_000);
    assert_eq!(
        span.attributes,
        [key_value(
            "tidings.span.start_unknown",
            Any::BoolValue(true)
        )]
    );
    let forever = record(
        EventType::PROGRAM_SPAN_END,
        |header| header.span = Some(Id(7)),
        |record| {
            record
                .duration_ms(Key::ELAPSED, u64::MAX)
                .bool(Key::INTERRUPTED, true);
        },
    );
    parts.end = event(&forever);
    let span = one(&parts);
    assert_eq!((span.start_time_unix_nano, span.kind), (0, 1));
    assert_eq!(span.status.unwrap().code, StatusCode::Error as i32);
    let outside = record(EventType::SMTP_CONNECTION_END, |_| (), |_| ());
    parts.end = event(&outside);
    assert!(!Request::new(&origin()).push_span(&parts));
}

proptest! {
    /// Any events at all, damaged ones between them, give a span that can be read.
    #[test]
    fn any_events_make_a_span(
        start in any_event(),
        middle in proptest::collection::vec(any_event(), 0..3),
        end in any_event(),
    ) {
        let events = middle.concat();
        let mut request = Request::new(&origin());
        let parts = SpanParts {
            start: Some(event(&start)),
            events: &events,
            dropped_events: 0,
            end: event(&end),
            trace: Id(1),
        };
        let is_in_span = event(&end).span().is_some();
        prop_assert_eq!(request.push_span(&parts), is_in_span);
        if is_in_span {
            let [span] = spans(&mut request).try_into().unwrap();
            prop_assert_eq!(span.events.len(), middle.len() + 1);
            for (span_event, bytes) in span.events.iter().zip(middle.iter().chain([&end])) {
                same(span_event, &expected_event(&event(bytes)))?;
            }
        }
    }
}
