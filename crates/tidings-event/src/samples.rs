//! Events that the tests of several modules share.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::json::encode;
use crate::value::Pairs;
use crate::{EventId, EventType, Header, Id, Key, Level, RecordWriter, Value};

/// 2026-02-03T04:05:06.007Z.
pub(crate) const TIME_NS: i64 = 1_770_091_506_007_000_000;

/// A record of this type, with what `change` does to its header and `fill` to its pairs.
pub(crate) fn record(
    kind: EventType,
    change: impl FnOnce(&mut Header),
    fill: impl FnOnce(&mut RecordWriter<'_>),
) -> Vec<u8> {
    let mut header = Header::new(kind, TIME_NS);
    change(&mut header);
    let mut out = Vec::new();
    {
        let mut record = RecordWriter::begin(&mut out, &header);
        fill(&mut record);
        record.finish();
    }
    out
}

/// The start of a delivery attempt, the reference's own example.
pub(crate) fn attempt_start() -> Vec<u8> {
    record(
        EventType::DELIVERY_ATTEMPT_START,
        |header| header.span = Some(Id(283_726_100_000_001)),
        |record| {
            record
                .uint(Key::QUEUE_ID, 4711)
                .str(Key::QUEUE_NAME, "default")
                .str(Key::FROM, "a@x.test")
                .texts(Key::TO, ["b@y.test", "c@y.test"])
                .uint(Key::SIZE, 1530)
                .uint(Key::TOTAL, 2);
        },
    )
}

/// The start of an HTTP session.
pub(crate) fn http_start() -> Vec<u8> {
    record(
        EventType::HTTP_CONNECTION_START,
        |header| header.span = Some(Id(5)),
        |record| {
            record
                .str(Key::LISTENER_ID, "https")
                .uint(Key::LOCAL_PORT, 443)
                .ip(
                    Key::REMOTE_IP,
                    "2001:db8::7".parse::<Ipv6Addr>().unwrap().into(),
                )
                .uint(Key::REMOTE_PORT, 50_112);
        },
    )
}

/// Its end.
pub(crate) fn http_end() -> Vec<u8> {
    record(
        EventType::HTTP_CONNECTION_END,
        |header| {
            header.span = Some(Id(5));
            header.event_id = Some(EventId {
                origin: 0xbeef,
                number: u64::MAX,
            });
        },
        |record| {
            record
                .duration_ms(Key::ELAPSED, 812)
                .uint(Key::LOCAL_PORT, 444);
        },
    )
}

/// An event with another event, a list of everything, and every kind of value in it.
pub(crate) fn of_all_kinds() -> Vec<u8> {
    let mut pairs = Vec::new();
    encode::key(&mut pairs, Key::CAUSED_BY);
    encode::event(&mut pairs, EventType::RESOURCE_ERROR, |out| {
        for (key, value) in [
            (Key::CODE, Value::UInt(502)),
            (Key::REASON, Value::Str("bad\ngateway")),
            (Key::POLICY, Value::None),
            (Key::CODE, Value::UInt(503)),
        ] {
            encode::key(out, key);
            encode::value(out, &value);
        }
    });
    encode::key(&mut pairs, Key::CAUSED_BY);
    encode::event(&mut pairs, EventType::NETWORK_TIMEOUT, |_| ());
    encode::key(&mut pairs, Key::DETAILS);
    encode::list(&mut pairs, |out| {
        let values = [
            Value::None,
            Value::Bool(true),
            Value::Int(-3),
            Value::Float(f64::NAN),
            Value::Str("ß"),
        ];
        values.iter().for_each(|value| encode::value(out, value));
        encode::list(out, |_| ());
        encode::event(out, EventType::AUTH_FAILED, |out| {
            encode::key(out, Key::CODE);
            encode::value(out, &Value::UInt(u64::MAX));
        });
    });
    record(
        EventType::MTA_HOOK_ERROR,
        |header| {
            header.time_ns += 8_009;
            header.late = true;
        },
        |record| {
            record
                .pairs(Pairs::new(&pairs))
                .bool(Key::TLS, false)
                .value(Key::RANK, &Value::Int(i64::MIN))
                .value(Key::VALUE, &Value::Float(5.0))
                .value(Key::LIMIT, &Value::Float(f64::INFINITY))
                .value(Key::DUE, &Value::Timestamp(1_770_091_506))
                .value(Key::EXPIRES, &Value::Timestamp(u64::MAX))
                .value(Key::CONTENTS, &Value::Bytes(&[0, 255, 128, 7]))
                .ip(Key::REMOTE_IP, Ipv4Addr::new(203, 0, 113, 9).into())
                .value(Key::POLICY, &Value::None);
        },
    )
}

/// Text by which a stranger would like to forge lines, fields and screens.
pub(crate) const HOSTILE: &str = "a\", to = \"b\\\r\n2026-02-03T04:05:06Z INFO x\t\u{0}\u{7}\u{1b}[2J\u{7f}\
     \u{85}\u{9b}31m\u{2028}\u{2029}\u{202e}gnp.exe\u{2066}\u{61c}\u{200f}end";

/// An event with that text.
pub(crate) fn hostile() -> Vec<u8> {
    record(
        EventType::AUTH_FAILED,
        |_| (),
        |record| {
            record
                .str(Key::ACCOUNT_NAME, HOSTILE)
                .texts(Key::TO, [HOSTILE, "plain"]);
        },
    )
}

/// An event without pairs.
pub(crate) fn bare() -> Vec<u8> {
    record(EventType::AUTH_SUCCESS, |_| (), |_| ())
}

/// Text as attackers and mail servers write it.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-c]{1,2}",
        "[A-C.:@-]{1,4}",
        "[0-9a-f:.]{1,12}",
        "[<>()\\[\\]{},;\"'=|\\\\` \t\n]",
        "\\PC{1,3}",
        Just("mx.example.org".to_owned()),
        Just("@gmail.com".to_owned()),
        Just("2001:db8::1".to_owned()),
        Just("203.0.113.9".to_owned()),
        Just("mailbox full".to_owned()),
        Just("\u{0}\u{1b}\u{7f}\u{85}\u{2028}\u{202e}".to_owned()),
        Just("İK%/".to_owned()),
    ];
    proptest::collection::vec(part, 0..7).prop_map(|parts| parts.concat())
}

/// An encoded value of any kind but bytes, with lists and events of others in it.
pub(crate) fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let encoded = |value: &Value<'_>| {
        let mut out = Vec::new();
        encode::value(&mut out, value);
        out
    };
    let leaf = prop_oneof![
        any_text().prop_map(move |text| encoded(&Value::Str(&text))),
        any_text().prop_map(move |text| encoded(&Value::Str(&text))),
        prop_oneof![0u64..1_000, any::<u64>()]
            .prop_map(move |number| encoded(&Value::UInt(number))),
        any::<i64>().prop_map(move |number| encoded(&Value::Int(number))),
        (-1.0e9..1.0e9).prop_map(move |number| encoded(&Value::Float(number))),
        (0u64..200_000_000_000).prop_map(move |seconds| encoded(&Value::Timestamp(seconds))),
        (0u64..10_000_000).prop_map(move |millis| encoded(&Value::Duration(millis))),
        any::<bool>().prop_map(move |truth| encoded(&Value::Bool(truth))),
        (0xcb00_7100u32..0xcb00_7200).prop_map(move |ip| encoded(&Value::Ipv4(ip.into()))),
        any::<[u8; 16]>().prop_map(move |ip| encoded(&Value::Ipv6(ip.into()))),
        Just(encoded(&Value::None)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..3);
        let pairs = proptest::collection::vec((any_key(), inner), 0..3);
        prop_oneof![
            items.prop_map(|items| {
                let mut out = Vec::new();
                encode::list(&mut out, |out| out.extend(items.concat()));
                out
            }),
            (any_type(), pairs).prop_map(|(kind, pairs)| {
                let mut out = Vec::new();
                encode::event(&mut out, kind, |out| {
                    pairs.iter().for_each(|(key, value)| pair(out, *key, value))
                });
                out
            }),
        ]
    })
}

/// One of a few keys that hold texts, numbers and anything.
pub(crate) fn any_key() -> impl Strategy<Value = Key> {
    proptest::sample::select(vec![
        Key::FROM,
        Key::TO,
        Key::CODE,
        Key::SIZE,
        Key::REASON,
        Key::DETAILS,
        Key::CAUSED_BY,
    ])
}

/// One of a few types.
pub(crate) fn any_type() -> impl Strategy<Value = EventType> {
    proptest::sample::select(vec![
        EventType::SMTP_QUIT,
        EventType::DELIVERY_DELIVERED,
        EventType::DELIVERY_FAILED,
        EventType::CUSTOM_OTHER,
    ])
}

/// A record with a random header and random pairs under [`any_key`].
pub(crate) fn any_event() -> impl Strategy<Value = Vec<u8>> {
    let pairs = proptest::collection::vec((any_key(), any_value()), 0..5);
    let ids = (any::<Option<u64>>(), any::<Option<(u32, u64)>>());
    let time = TIME_NS - 4 * 3_600_000_000_000..TIME_NS;
    (any_type(), 0u8..6, time, ids, any::<(bool, bool)>(), pairs).prop_map(
        |(kind, level, time_ns, (span, id), (late, imported), pairs)| {
            let mut encoded = Vec::new();
            pairs
                .iter()
                .for_each(|(key, value)| pair(&mut encoded, *key, value));
            let change = |header: &mut Header| {
                header.time_ns = time_ns;
                header.level = Level::from_ordinal(level).unwrap();
                header.span = span.filter(|span| *span != 0).map(Id);
                header.event_id = id.map(|(origin, number)| EventId { origin, number });
                (header.late, header.imported) = (late, imported);
            };
            record(kind, change, |record| {
                record.pairs(Pairs::new(&encoded));
            })
        },
    )
}

fn pair(out: &mut Vec<u8>, key: Key, value: &[u8]) {
    encode::key(out, key);
    out.extend_from_slice(value);
}
