use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn full_header() -> Header {
    Header {
        span: Some(Id(0x1234_5678_9abc)),
        position: Some(Position {
            stream: 3,
            line: 70_000,
            ordinal: 1,
        }),
        event_id: Some(EventId {
            origin: 0xdead_beef,
            number: 42,
        }),
        late: true,
        imported: true,
        ..Header::new(EventType::DELIVERY_DELIVERED, 1_795_353_655_203_000_001)
    }
}

/// One value of every kind, nested ones included.
fn record_of_all_kinds() -> Vec<u8> {
    let mut nested = Vec::new();
    let mut inner = RecordWriter::begin(&mut nested, &Header::new(EventType::RESOURCE_ERROR, 0));
    inner.uint(Key::CODE, 502).str(Key::REASON, "bad\ngateway");
    inner.finish();
    drop(inner);
    let mut list = Vec::new();
    let mut inner = RecordWriter::begin(&mut list, &Header::new(EventType::RESOURCE_ERROR, 0));
    inner.texts(Key::TO, ["b@y.test", "c@y.test"]);
    inner.finish();
    drop(inner);
    let (list, _) = EventRef::read(&list).unwrap();
    let mut causing = vec![TAG_EVENT];
    let (nested, _) = EventRef::read(&nested).unwrap();
    let mut body = Vec::new();
    varint::write(&mut body, u64::from(nested.kind().id()));
    body.extend_from_slice(nested.pairs().as_bytes());
    varint::write(&mut causing, body.len() as u64);
    causing.extend_from_slice(&body);

    let mut out = Vec::new();
    let mut record = RecordWriter::begin(&mut out, &full_header());
    record
        .str(Key::FROM, "a@x.test")
        .uint(Key::SIZE, 1530)
        .value(Key::VALUE, &Value::Int(-3))
        .value(Key::LIMIT, &Value::Float(1.5))
        .value(Key::DUE, &Value::Timestamp(1_770_091_506))
        .duration_ms(Key::ELAPSED, 812)
        .value(Key::CONTENTS, &Value::Bytes(&[0, 255, 128]))
        .bool(Key::TLS, true)
        .bool(Key::STRICT, false)
        .ip(Key::REMOTE_IP, Ipv4Addr::new(203, 0, 113, 9).into())
        .ip(Key::LOCAL_IP, Ipv6Addr::LOCALHOST.into())
        .pairs(list.pairs())
        .value(Key::POLICY, &Value::None);
    record.key(Key::CAUSED_BY);
    record.out.extend_from_slice(&causing);
    record.finish();
    drop(record);
    out
}

#[test]
fn every_kind_of_value_round_trips() {
    let bytes = record_of_all_kinds();
    let (event, rest) = EventRef::read(&bytes).unwrap();
    assert!(rest.is_empty());
    assert_eq!(event.header(), &full_header());
    assert_eq!(event.str(Key::FROM), Some("a@x.test"));
    assert_eq!(event.get(Key::VALUE), Some(Value::Int(-3)));
    assert_eq!(event.get(Key::LIMIT), Some(Value::Float(1.5)));
    assert_eq!(event.get(Key::DUE), Some(Value::Timestamp(1_770_091_506)));
    assert_eq!(event.get(Key::ELAPSED), Some(Value::Duration(812)));
    assert_eq!(event.get(Key::CONTENTS), Some(Value::Bytes(&[0, 255, 128])));
    assert_eq!(event.get(Key::STRICT), Some(Value::Bool(false)));
    assert_eq!(
        event.get(Key::LOCAL_IP).unwrap().as_ip(),
        Some(Ipv6Addr::LOCALHOST.into())
    );
    assert_eq!(event.get(Key::POLICY), Some(Value::None));
    let Some(Value::Array(to)) = event.get(Key::TO) else {
        panic!("a list")
    };
    assert_eq!(
        to.filter_map(|item| item.as_str()).collect::<Vec<_>>(),
        ["b@y.test", "c@y.test"]
    );
    let Some(Value::Event(cause)) = event.get(Key::CAUSED_BY) else {
        panic!("an event")
    };
    assert_eq!(cause.kind(), EventType::RESOURCE_ERROR);
    assert_eq!(cause.pairs().get(Key::CODE), Some(Value::UInt(502)));

    let mut copy = Vec::new();
    let mut writer = RecordWriter::begin(&mut copy, event.header());
    for (key, value) in event.pairs() {
        writer.value(key, &value);
    }
    writer.finish();
    drop(writer);
    assert_eq!(
        copy, bytes,
        "re-encoding value by value gives the same bytes"
    );
}

/// The format is a promise: these bytes were written by the first version and stay readable.
#[test]
fn golden_record() {
    let golden = include_bytes!("golden-v1.bin");
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write("src/record/golden-v1.bin", record_of_all_kinds()).unwrap();
    }
    assert_eq!(record_of_all_kinds(), golden);
}

#[test]
fn unknown_tags_and_extensions_are_stepped_over() {
    let mut bytes = Vec::new();
    let mut record = RecordWriter::begin(&mut bytes, &Header::new(EventType::AUTH_SUCCESS, 7));
    record.key(Key::REASON);
    record.out.extend_from_slice(&[99, 2, 1, 1]);
    record.uint(Key::CODE, 1);
    record.finish();
    drop(record);
    let (event, _) = EventRef::read(&bytes).unwrap();
    assert_eq!(event.get(Key::REASON), Some(Value::None));
    assert_eq!(event.uint(Key::CODE), Some(1));

    let length = bytes.len() as u8 - 4 + 3;
    bytes[0] = length;
    bytes[4] |= FLAG_EXTENSION;
    bytes.splice(4 + FIXED_BYTES..4 + FIXED_BYTES, [2, 9, 9]);
    let (event, _) = EventRef::read(&bytes).unwrap();
    assert_eq!(event.uint(Key::CODE), Some(1));
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let mut bytes = vec![1, 2, 3];
    RecordWriter::begin(&mut bytes, &full_header()).str(Key::FROM, "x");
    assert_eq!(bytes, [1, 2, 3]);
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if bytes.len() > 4 {
            let length = bytes.len() as u32 - 4;
            bytes[..4].copy_from_slice(&length.to_le_bytes());
        }
        for event in Records::new(&bytes).flatten() {
            event.pairs().for_each(|(_, value)| { let _ = format!("{value:?}"); });
        }
    }

    #[test]
    fn encoded_pairs_are_the_pairs(event in crate::samples::any_event(), cut in 0usize..400) {
        for bytes in [&event[..], &event[..event.len().min(cut)]] {
            // Cut off after the header, so that some pair is damaged.
            let Some((_, pairs)) = bytes.get(4..).and_then(read_header) else {
                continue;
            };
            let pairs = Pairs::new(pairs);
            let read: Vec<_> = pairs.into_iter().map(|pair| format!("{pair:?}")).collect();
            let encoded = pairs.encoded();
            let encoded = encoded.map_while(|(key, value)| Some((key, value.read()?)));
            let encoded: Vec<_> = encoded.map(|pair| format!("{pair:?}")).collect();
            prop_assert_eq!(read, encoded);
            for (key, value) in pairs.encoded() {
                let text = value.read().and_then(|value| Some(value.as_str()?.as_bytes().to_vec()));
                let is_text = value.text().filter(|text| std::str::from_utf8(text).is_ok());
                prop_assert_eq!(is_text.map(<[u8]>::to_vec), text, "{}", key);
            }
        }
    }

    #[test]
    fn flipped_bits_never_panic(at in 0usize..400, bit in 0u8..8) {
        let mut bytes = record_of_all_kinds();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        for event in Records::new(&bytes).flatten() {
            event.pairs().for_each(|(_, value)| { let _ = format!("{value:?}"); });
        }
    }
}
