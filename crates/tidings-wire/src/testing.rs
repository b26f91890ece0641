//! Events for the tests of this crate.

use proptest::prelude::*;
use tidings_event::{EventId, EventRef, EventType, Header, Id, Key, Level, RecordWriter, Records};

/// 2026-02-03T04:05:06.007000008Z.
pub(crate) const TIME_NS: i64 = 1_770_091_506_007_000_008;

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

/// The one event of these bytes.
pub(crate) fn event(bytes: &[u8]) -> EventRef<'_> {
    Records::new(bytes).next().unwrap().unwrap()
}

/// A record with encoded pairs, or what pretends to be pairs, behind its own.
pub(crate) fn with_pairs(mut record: Vec<u8>, pairs: &[u8]) -> Vec<u8> {
    record.extend_from_slice(pairs);
    let length = (record.len() - 4) as u32;
    record[..4].copy_from_slice(&length.to_le_bytes());
    record
}

pub(crate) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A value in its binary form: a tag, the length, and so many bytes.
pub(crate) fn prefixed(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

/// A value that is an event of this type with these encoded pairs.
pub(crate) fn nested(kind: EventType, pairs: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    varint(&mut inner, u64::from(kind.id()));
    inner.extend_from_slice(pairs);
    prefixed(11, &inner)
}

/// A key and its encoded value.
pub(crate) fn pair(key: Key, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, u64::from(key.id()));
    out.extend_from_slice(value);
    out
}

fn number(tag: u8, number: u64) -> Vec<u8> {
    let mut out = vec![tag];
    varint(&mut out, number);
    out
}

/// An encoded value of any kind, lists and events of others in it.
pub(crate) fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        "(?s).{0,9}|x{100,300}".prop_map(|text: String| prefixed(0, text.as_bytes())),
        any::<u64>().prop_map(|value| number(1, value)),
        (0u64..300).prop_map(|value| number(1, value)),
        any::<u64>().prop_map(|value| number(2, value)),
        any::<f64>().prop_map(|value| [&[3][..], &value.to_le_bytes()].concat()),
        (0u64..9_000_000_000).prop_map(|value| number(4, value)),
        any::<u64>().prop_map(|value| number(5, value)),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| prefixed(6, &bytes)),
        prop_oneof![Just(vec![7u8]), Just(vec![8]), Just(vec![13])],
        any::<[u8; 4]>().prop_map(|ip| [&[9][..], &ip].concat()),
        any::<[u8; 16]>().prop_map(|ip| [&[10][..], &ip].concat()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..3);
        let pairs = proptest::collection::vec((any_key(), inner), 0..4);
        prop_oneof![
            items.prop_map(|items| prefixed(12, &items.concat())),
            pairs.prop_map(|pairs| nested(EventType::RESOURCE_ERROR, &encoded(&pairs))),
        ]
    })
}

/// One of a few keys: the reference's, our own, one that the catalogue lacks, and those that are
/// treated apart.
pub(crate) fn any_key() -> impl Strategy<Value = Key> {
    let keys = vec![
        Key::FROM,
        Key::TO,
        Key::CODE,
        Key::CAUSED_BY,
        Key::RELAY,
        Key::ATTRIBUTE,
        Key::RAW_LINE,
        Key::SPAN_ID,
        Key::from_id(3000),
        Key::from_id(3001),
    ];
    proptest::sample::select(keys)
}

/// A record with a random header and random pairs.
pub(crate) fn any_event() -> impl Strategy<Value = Vec<u8>> {
    let attribute = ("[a-z.]{0,3}", any_value()).prop_map(|(name, value)| {
        let list = [prefixed(0, name.as_bytes()), value].concat();
        (Key::ATTRIBUTE, prefixed(12, &list))
    });
    let any_pair = prop_oneof![4 => (any_key(), any_value()).boxed(), 1 => attribute.boxed()];
    let pairs = proptest::collection::vec(any_pair, 0..6);
    let ids = (any::<Option<u64>>(), any::<Option<(u32, u64)>>());
    let kinds = proptest::sample::select(vec![
        EventType::SMTP_CONNECTION_START,
        EventType::DELIVERY_DELIVERED,
        EventType::PROGRAM_EVENT,
        EventType::from_id(3000),
    ]);
    (kinds, 0u8..6, any::<i64>(), ids, pairs).prop_map(
        |(kind, level, time_ns, (span, id), pairs)| {
            let change = |header: &mut Header| {
                header.time_ns = time_ns;
                header.level = Level::from_ordinal(level).unwrap();
                header.span = span.map(Id);
                header.event_id = id.map(|(origin, number)| EventId { origin, number });
            };
            with_pairs(record(kind, change, |_| ()), &encoded(&pairs))
        },
    )
}

fn encoded(pairs: &[(Key, Vec<u8>)]) -> Vec<u8> {
    let pairs = pairs.iter().map(|(key, value)| pair(*key, value));
    pairs.collect::<Vec<_>>().concat()
}
