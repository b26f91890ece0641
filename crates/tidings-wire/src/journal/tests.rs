use proptest::prelude::*;
use tidings_event::{EventId, EventType, Id, Key, Level, Value};

use super::*;
use crate::testing::{event, nested, pair, prefixed, record, with_pairs};

/// Reads an entry as journald does: name, line feed, length, value, line feed.
fn fields(mut entry: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| *byte == b'\n').unwrap();
        let name = String::from_utf8(entry[..end].to_vec()).unwrap();
        let (length, rest) = entry[end + 1..].split_first_chunk::<8>().unwrap();
        let (value, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
        assert_eq!(rest[0], b'\n');
        fields.push((name, value.to_vec()));
        entry = &rest[1..];
    }
    fields
}

fn texts(entry: &[u8]) -> Vec<String> {
    let fields = fields(entry).into_iter();
    fields
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(&value)))
        .collect()
}

#[test]
fn an_entry_is_these_bytes() {
    let bytes = record(EventType::DELIVERY_ATTEMPT_START, |_| (), |_| ());
    let mut entry = Vec::new();
    write_entry(&mut entry, &event(&bytes), None, "tidings");
    let description = EventType::DELIVERY_ATTEMPT_START.info().description;
    let expected = [
        b"PRIORITY\n\x01\0\0\0\0\0\0\x005\n".as_slice(),
        b"SYSLOG_IDENTIFIER\n\x07\0\0\0\0\0\0\0tidings\n",
        b"MESSAGE\n",
        &(description.len() as u64).to_le_bytes(),
        description.as_bytes(),
        b"\nEVENT_NAME\n\x16\0\0\0\0\0\0\0delivery.attempt-start\n",
        b"TIDINGS_LEVEL\n\x04\0\0\0\0\0\0\0info\n",
        b"TIDINGS_TIME\n\x1e\0\0\0\0\0\0\x002026-02-03T04:05:06.007000008Z\n",
    ]
    .concat();
    assert_eq!(
        String::from_utf8_lossy(&entry),
        String::from_utf8_lossy(&expected)
    );
    assert_eq!(entry, expected);
}

#[test]
fn own_keys_come_first_and_the_first_of_a_name_wins() {
    let start = record(
        EventType::HTTP_CONNECTION_START,
        |header| header.span = Some(Id(5)),
        |record| {
            record
                .str(Key::LISTENER_ID, "https")
                .uint(Key::LOCAL_PORT, 443)
                .ip(Key::REMOTE_IP, "2001:db8::7".parse().unwrap())
                .text(Key::RAW_LINE, b"the line");
        },
    );
    let end = record(
        EventType::HTTP_CONNECTION_END,
        |header| {
            header.span = Some(Id(5));
            header.level = Level::Disable;
            header.event_id = Some(EventId {
                origin: 0xbeef,
                number: 7,
            });
        },
        |record| {
            record
                .duration_ms(Key::ELAPSED, 812)
                .uint(Key::LOCAL_PORT, 444);
        },
    );
    let mut entry = Vec::new();
    write_entry(&mut entry, &event(&end), Some(&event(&start)), "tidings");
    assert_eq!(
        texts(&entry)[3..],
        [
            "ELAPSED=812",
            "LOCALPORT=444",
            "LISTENERID=https",
            "REMOTEIP=2001:db8::7",
            "SPANID=5",
            "EVENT_NAME=http.connection-end",
            "TIDINGS_LEVEL=disable",
            "TIDINGS_TIME=2026-02-03T04:05:06.007000008Z",
            "TIDINGS_SPAN=f",
            "TIDINGS_EVENT_ID=0000beef-7",
        ]
    );
    assert_eq!(texts(&entry)[0], "PRIORITY=7");
    let mut alone = Vec::new();
    write_entry(&mut alone, &event(&start), Some(&event(&start)), "tidings");
    assert_eq!(
        texts(&alone)
            .iter()
            .filter(|f| f.starts_with("LOCALPORT"))
            .count(),
        1
    );
}

#[test]
fn values_are_written_as_the_reference_writes_them() {
    let bytes = record(
        EventType::MTA_HOOK_ERROR,
        |_| (),
        |record| {
            let code = pair(Key::CODE, &[1, 0xf6, 0x03]);
            let reason = pair(Key::REASON, &prefixed(0, b"bad\ngateway"));
            let cause = nested(EventType::RESOURCE_ERROR, &[code, reason].concat());
            let holder = record_of(&pair(Key::CAUSED_BY, &cause));
            let value = event(&holder).get(Key::CAUSED_BY).unwrap();
            record
                .value(Key::CAUSED_BY, &value)
                .texts(Key::TO, ["b@y.test", "c@y.test"])
                .value(Key::DETAILS, &Value::Bytes(b"\xff\0"))
                .value(Key::EXPIRES, &Value::Timestamp(1_770_091_506))
                .value(Key::VALUE, &Value::Float(0.5))
                .value(Key::TOTAL, &Value::Int(-3))
                .value(Key::STRICT, &Value::None)
                .bool(Key::TLS, true);
        },
    );
    let mut entry = Vec::new();
    write_entry(&mut entry, &event(&bytes), None, "tidings");
    let cause = EventType::RESOURCE_ERROR.info().description;
    let cause = format!("CAUSEDBY={{{cause} (resource.error): code = 502, reason = bad\ngateway}}");
    assert_eq!(
        texts(&entry)[3..11],
        [
            cause.as_str(),
            "TO=[b@y.test, c@y.test]",
            "DETAILS=/wA=",
            "EXPIRES=1770091506",
            "VALUE=0.5",
            "TOTAL=-3",
            "STRICT=(null)",
            "TLS=true",
        ]
    );
    assert_eq!(
        texts(&entry)[14..],
        ["TIDINGS_TO=b@y.test", "TIDINGS_TO=c@y.test"]
    );
}

fn record_of(pairs: &[u8]) -> Vec<u8> {
    with_pairs(record(EventType::MTA_HOOK_ERROR, |_| (), |_| ()), pairs)
}

#[test]
fn attributes_have_safe_names_and_long_lists_few_fields() {
    let many: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    let bytes = record(
        EventType::PROGRAM_EVENT,
        |_| (),
        |record| {
            record
                .texts(Key::ATTRIBUTE, ["http.route\nPRIORITY=0", "/a\nMESSAGE=b"])
                .texts(Key::ATTRIBUTE, [&*"é".repeat(100), "long"])
                .texts(Key::ATTRIBUTE, ["not", "a", "pair"])
                .texts(Key::TO, many.iter().map(String::as_str));
            for number in 0..500 {
                record.texts(Key::ATTRIBUTE, ["n", &*number.to_string()]);
            }
        },
    );
    let mut entry = Vec::new();
    write_entry(&mut entry, &event(&bytes), None, "tidings");
    let fields = fields(&entry);
    assert!(fields.len() < 1_024, "{} fields", fields.len());
    let named = |name: &str| fields.iter().filter(|(n, _)| n == name).count();
    assert_eq!(named("TIDINGS_TO"), MAX_ITEM_FIELDS - 3);
    assert_eq!(named("ATTRIBUTE_N"), MAX_ITEM_FIELDS - 2);
    assert_eq!(named("ATTRIBUTE"), 1, "what is no attribute stays a list");
    assert!(fields.contains(&(
        "ATTRIBUTE_HTTP_ROUTE_PRIORITY_0".to_owned(),
        b"/a\nMESSAGE=b".to_vec()
    )));
    let long = fields.iter().find(|(_, value)| value == b"long").unwrap();
    assert_eq!(long.0.len(), MAX_NAME_BYTES);
}

proptest! {
    /// Whatever texts an event holds, the entry has the fields that it should, with whole values.
    #[test]
    fn hostile_texts_stay_in_their_fields(name in "\\PC{0,80}|[\n=\0]{1,9}", text in "(?s).{0,60}") {
        let bytes = record(EventType::PROGRAM_EVENT, |_| (), |record| {
            record.str(Key::REASON, &text).texts(Key::ATTRIBUTE, [&*name, &*text]);
        });
        let mut entry = Vec::new();
        write_entry(&mut entry, &event(&bytes), None, "tidings");
        let fields = fields(&entry);
        prop_assert_eq!(fields.len(), 8);
        prop_assert_eq!(&fields[3], &("REASON".to_owned(), text.clone().into_bytes()));
        prop_assert_eq!(&fields[7].1, text.as_bytes());
        for (name, _) in &fields {
            prop_assert!(name.len() <= MAX_NAME_BYTES && name.starts_with(|c: char| c.is_ascii_uppercase()));
            prop_assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'));
        }
    }

    /// Bytes that are no event, or a damaged one, cannot make the writer panic.
    #[test]
    fn damaged_records_are_written(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let encoded = record_of(&bytes);
        let mut entry = Vec::new();
        write_entry(&mut entry, &event(&encoded), None, "tidings");
        prop_assert!(fields(&entry).len() >= 6);
    }
}
