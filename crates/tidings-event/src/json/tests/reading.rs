use super::*;
use crate::samples::{TIME_NS, http_end};
use crate::{EventId, EventRef, EventType, Id, Key, Level, Value};

#[test]
fn our_own_json_is_read_back() {
    let additional = Additional {
        sequence: Some(7),
        node: Some("mx1"),
        raw: Some(b"\xfe line"),
    };
    let json = webhook(&http_end(), None, Some(&additional));
    let mut out = Vec::new();
    let read = EventReader::new()
        .read(json.as_bytes(), 0, &mut out)
        .unwrap();
    assert_eq!(read.id.as_deref(), Some("1770091506054"));
    assert_eq!(
        (read.sequence, read.node.as_deref()),
        (Some(7), Some("mx1"))
    );
    assert_eq!(read.raw.as_deref(), Some(b"\xfe line".as_slice()));
    assert_eq!(out, http_end(), "the record is the same to the byte");
}

#[test]
fn values_take_the_kind_of_their_key() {
    let record = read(
        r#" {"type":"queue.queue-message","data":{"remoteIp":"203.0.113.9","localIp":"unknown","elapsed":5,
            "due":"2026-02-03T04:05:06.7Z","expires":9,"validTo":"soon","to":["a@x.test"],"code":-1,"value":1.0,
            "size":18446744073709551616,"tls":true,"policy":null,"spanId":"ba","causedBy":
            {"data":{"code":1,"spanId":3},"type":"auth.failed"},"details":[[],{"type":"auth.failed"}]}}"#,
    )
    .unwrap();
    let (event, _) = EventRef::read(&record).unwrap();
    assert_eq!(
        event.kind(),
        EventType::QUEUE_MESSAGE_QUEUED,
        "an older name"
    );
    assert_eq!((event.time_ns(), event.span()), (TIME_NS, Some(Id(32))));
    let found: Vec<(Key, String)> = event
        .pairs()
        .map(|(key, value)| {
            let mut out = Vec::new();
            crate::text::write_text_value(&mut out, &value);
            (key, String::from_utf8(out).unwrap())
        })
        .collect();
    let failed = EventType::AUTH_FAILED.info().description;
    assert_eq!(
        found,
        [
            (Key::REMOTE_IP, "203.0.113.9".to_owned()),
            (Key::LOCAL_IP, "\"unknown\"".to_owned()),
            (Key::ELAPSED, "5ms".to_owned()),
            (Key::DUE, "2026-02-03T04:05:06Z".to_owned()),
            (Key::EXPIRES, "1970-01-01T00:00:09Z".to_owned()),
            (Key::VALID_TO, "\"soon\"".to_owned()),
            (Key::TO, "[\"a@x.test\"]".to_owned()),
            (Key::CODE, "-1".to_owned()),
            (Key::VALUE, "1".to_owned()),
            (Key::SIZE, "18446744073709552000".to_owned()),
            (Key::TLS, "true".to_owned()),
            (Key::POLICY, "(null)".to_owned()),
            (
                Key::CAUSED_BY,
                format!("{failed} (auth.failed) {{ code = 1 }}")
            ),
            (Key::DETAILS, format!("[[], {failed} (auth.failed)]")),
        ]
    );
    assert_eq!(event.get(Key::VALUE), Some(Value::Float(1.0)));
    let Some(Value::Event(cause)) = event.get(Key::CAUSED_BY) else {
        panic!("an event")
    };
    assert_eq!(
        cause.pairs().get(Key::SPAN_ID),
        Some(Value::UInt(3)),
        "of the cause, not of the event"
    );
}

#[test]
fn the_header_is_read_from_the_fields_beside_the_data() {
    let record = read(
        r#"{"type":"auth.failed","createdAt":"2026-02-03T04:05:06Z","time":"2026-02-03T04:05:06.000000009Z",
            "level":"ERROR","spanId":"b","data":{"spanId":7},"eventId":"0000beef-18446744073709551615",
            "late":true,"imported":false,"node":null,"sequence":"12"}"#,
    )
    .unwrap();
    let header = *EventRef::read(&record).unwrap().0.header();
    assert_eq!(header.time_ns, 1_770_091_506_000_000_009);
    assert_eq!((header.level, header.span), (Level::Error, Some(Id(1))));
    assert_eq!(
        header.event_id,
        Some(EventId {
            origin: 0xbeef,
            number: u64::MAX
        })
    );
    assert!(header.late && !header.imported);
}

#[test]
fn lists_of_the_registry_form_are_in_the_order_of_their_positions() {
    let pair = |key: &str, number: u8| {
        format!(r#"{{"value":{{"value":{number},"@type":"UnsignedInt"}},"key":"{key}"}}"#)
    };
    let json = format!(
        r#"{{"event":"auth.failed","timestamp":"2026-02-03T04:05:06Z","keyValues":{{"10":{},"2":{},"0":{}}}}}"#,
        pair("total", 3),
        pair("spanId", 9),
        pair("code", 1),
    );
    let record = read(&json).unwrap();
    let (event, _) = EventRef::read(&record).unwrap();
    let pairs: Vec<_> = event.pairs().collect();
    assert_eq!(
        pairs,
        [(Key::CODE, Value::UInt(1)), (Key::TOTAL, Value::UInt(3))]
    );
    assert_eq!(event.span(), Some(Id(9)));
}

#[test]
fn errors_say_where_and_what() {
    for (json, expected) in [
        ("", "at byte 0: expected an object, found the end"),
        (
            r#"{"type":"auth.failed"} x"#,
            "at byte 23: expected the end of the line, found 'x'",
        ),
        (
            r#"{"type":"auth.failde"}"#,
            "at byte 8: unknown event type \"auth.failde\"; did you mean `auth.failed`?",
        ),
        (r#"{"data":{}}"#, "at byte 0: the event has no `type`"),
        (
            r#"{"typ":1}"#,
            "at byte 1: unknown field \"typ\": an event has id, createdAt, type",
        ),
        (
            r#"{"type":"auth.failed","data":{"form":1}}"#,
            "at byte 30: unknown key \"form\": only the catalogue's keys are allowed; did you mean `from`",
        ),
        (
            r#"{"type":"auth.failed","type":"auth.failed"}"#,
            "at byte 22: field `type` occurs twice",
        ),
        (
            r#"{"type":"auth.failed","event":"auth.failed"}"#,
            "at byte 22: `type` and `event` exclude each other",
        ),
        (
            r#"{"type":"auth.failed","level":"loud"}"#,
            "at byte 30: unknown level \"loud\": must be one of trace",
        ),
        (
            r#"{"type":"auth.failed","time":"noon"}"#,
            "at byte 29: \"noon\" is not a time: write RFC 3339",
        ),
        (
            r#"{"type":"auth.failed","eventId":"7"}"#,
            "at byte 32: \"7\" is not an event id such as",
        ),
        (
            r#"{"type":"auth.failed","sequence":-1}"#,
            "at byte 33: `sequence` must be a whole number",
        ),
        (
            r#"{"type":"auth.failed","spanId":"A"}"#,
            "at byte 31: \"A\" is not a span id",
        ),
        (
            r#"{"type":"auth.failed","rawBase64":"x"}"#,
            "at byte 34: `rawBase64` must be base64",
        ),
        (
            r#"{"type":"auth.failed","data":{"to":[1,]}}"#,
            "at byte 38: expected a value, found ']'",
        ),
        (
            r#"{"type":"auth.failed","data":{"to":{}}}"#,
            "at byte 35: the nested event has no `type`",
        ),
        (
            r#"{"type":"auth.failed","data":{"to":{"x":1}}}"#,
            "at byte 36: unknown field \"x\": an object among the values",
        ),
        (
            r#"{"event":"auth.failed","keyValues":{"x":1}}"#,
            "at byte 36: \"x\" is not a position",
        ),
        (
            r#"{"event":"auth.failed","keyValues":[{"key":"to","value":{"@type":"Set"}}]}"#,
            "the typed value has no `value`",
        ),
        (
            r#"{"event":"auth.failed","keyValues":[{"key":"to","value":{"@type":"Set","value":1}}]}"#,
            "`@type` is \"Set\": it must be one of",
        ),
    ] {
        let message = refusal(json);
        assert!(message.contains(expected), "{json}: {message}");
    }
    let mut out = vec![1];
    let not_utf8 = EventReader::new()
        .read(b"{\"id\":\"\xff\"}", 0, &mut out)
        .unwrap_err();
    assert_eq!(not_utf8.to_string(), "at byte 7: the line is not UTF-8");
    assert_eq!(out, [1], "nothing was written");
    let long = vec![b' '; MAX_EVENT_JSON_BYTES + 1];
    assert!(
        EventReader::new()
            .read(&long, 0, &mut out)
            .unwrap_err()
            .to_string()
            .contains("at most 4194304")
    );
}

#[test]
fn a_span_id_that_is_none_stays_a_pair() {
    for (json, span, pairs) in [
        (r#"{"type":"auth.failed","data":{"spanId":0}}"#, None, 0),
        (r#"{"type":"auth.failed","data":{"spanId":null}}"#, None, 1),
        (
            r#"{"type":"auth.failed","data":{"spanId":[7],"spanId":7,"spanId":8}}"#,
            Some(Id(7)),
            2,
        ),
        (
            r#"{"type":"auth.failed","data":{"spanId":"ba"}}"#,
            Some(Id(32)),
            0,
        ),
        (r#"{"type":"auth.failed","data":{"spanId":"A"}}"#, None, 1),
        (
            r#"{"event":"auth.failed","keyValues":[{"key":"spanId","value":{"@type":"Null"}},
                {"key":"spanId","value":{"value":7,"@type":"UnsignedInt"}}]}"#,
            Some(Id(7)),
            1,
        ),
    ] {
        let record = read(json).unwrap();
        let (event, _) = EventRef::read(&record).unwrap();
        assert_eq!(
            (event.span(), event.pairs().count()),
            (span, pairs),
            "{json}"
        );
    }
}
