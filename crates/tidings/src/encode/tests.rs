use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use tidings_event::{EventRef, Header, RecordWriter, Records, Value};

use super::*;
use crate::field::{Bytes, Cause};

/// What the encoder writes, as the pairs of a record.
fn record(pairs: impl Fn(&mut Encoder<'_>)) -> Vec<u8> {
    let mut measure = Encoder::measuring();
    pairs(&mut measure);
    let words: Vec<_> = (0..measure.finish().next)
        .map(|_| AtomicU64::new(u64::MAX))
        .collect();
    let mut out = Encoder::straight(&words, 0);
    pairs(&mut out);
    let written = out.finish();
    assert!(written.fits);
    let words: Vec<_> = words.iter().map(|w| w.load(Ordering::Relaxed)).collect();
    let mut record = Vec::new();
    let header = Header::new(EventType::AUTH_FAILED, 1);
    RecordWriter::begin(&mut record, &header)
        .encoded_words(&words, written.bytes as usize)
        .finish();
    record
}

fn by_record_writer(pairs: &[(Key, Value<'_>)]) -> Vec<u8> {
    let mut record = Vec::new();
    let header = Header::new(EventType::AUTH_FAILED, 1);
    let mut writer = RecordWriter::begin(&mut record, &header);
    for (key, value) in pairs {
        writer.value(*key, value);
    }
    writer.finish();
    drop(writer);
    record
}

#[derive(Clone, Debug)]
enum Plain {
    Text(String),
    UInt(u64),
    Int(i64),
    Float(f64),
    Timestamp(u64),
    Duration(u64),
    Bytes(Vec<u8>),
    Bool(bool),
    V4([u8; 4]),
    V6([u8; 16]),
    None,
}

impl Plain {
    fn value(&self) -> Value<'_> {
        match self {
            Plain::Text(text) => Value::Str(text),
            Plain::UInt(n) => Value::UInt(*n),
            Plain::Int(n) => Value::Int(*n),
            Plain::Float(n) => Value::Float(*n),
            Plain::Timestamp(n) => Value::Timestamp(*n),
            Plain::Duration(n) => Value::Duration(*n),
            Plain::Bytes(bytes) => Value::Bytes(bytes),
            Plain::Bool(truth) => Value::Bool(*truth),
            Plain::V4(ip) => Value::Ipv4(Ipv4Addr::from(*ip)),
            Plain::V6(ip) => Value::Ipv6(Ipv6Addr::from(*ip)),
            Plain::None => Value::None,
        }
    }
}

impl Field for Plain {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Plain::Text(text) => text.encode(out),
            Plain::UInt(n) => n.encode(out),
            Plain::Int(n) => n.encode(out),
            Plain::Float(n) => n.encode(out),
            Plain::Timestamp(n) => out.timestamp(*n),
            Plain::Duration(n) => Duration::from_millis(*n).encode(out),
            Plain::Bytes(bytes) => Bytes(bytes).encode(out),
            Plain::Bool(truth) => truth.encode(out),
            Plain::V4(ip) => Ipv4Addr::from(*ip).encode(out),
            Plain::V6(ip) => IpAddr::from(*ip).encode(out),
            Plain::None => None::<u64>.encode(out),
        }
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    // Numbers of every length.
    let number = (any::<u64>(), 0u32..64).prop_map(|(n, shift)| n >> shift);
    prop_oneof![
        ".{0,40}".prop_map(Plain::Text),
        number.clone().prop_map(Plain::UInt),
        number.clone().prop_map(|n| Plain::Int(n as i64)),
        any::<i64>().prop_map(Plain::Int),
        (-1e9..1e9).prop_map(Plain::Float),
        number.clone().prop_map(Plain::Timestamp),
        number.prop_map(Plain::Duration),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Plain::Bytes),
        any::<bool>().prop_map(Plain::Bool),
        any::<[u8; 4]>().prop_map(Plain::V4),
        any::<[u8; 16]>().prop_map(Plain::V6),
        Just(Plain::None),
    ]
}

proptest! {
    /// Byte for byte what the one writer of records would write.
    #[test]
    fn pairs_are_those_of_a_record(
        pairs in prop::collection::vec((prop_oneof![0u16..130, 1000u16..1100, any::<u16>()], plain()), 0..12)
    ) {
        let ours = record(|out| {
            for (key, value) in &pairs {
                out.pair(Key::from_id(*key), value);
            }
        });
        let values: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (Key::from_id(*key), value.value()))
            .collect();
        prop_assert_eq!(ours, by_record_writer(&values));
    }

    #[test]
    fn in_a_ring_words_go_round(begin in 0u64..100, text in ".{0,60}") {
        let words: Vec<_> = (0..64).map(|_| AtomicU64::new(7)).collect();
        let mut out = Encoder::ring(&words, begin, begin + 64);
        out.pair(Key::DETAILS, &text);
        let written = out.finish();
        prop_assert!(written.fits);
        let in_order: Vec<_> = (begin..written.next)
            .map(|at| words[at as usize % 64].load(Ordering::Relaxed))
            .collect();
        let untouched = words.iter().filter(|w| w.load(Ordering::Relaxed) == 7).count();
        prop_assert!(untouched >= 64 - in_order.len());
        let mut record = Vec::new();
        RecordWriter::begin(&mut record, &Header::new(EventType::AUTH_FAILED, 1))
            .encoded_words(&in_order, written.bytes as usize)
            .finish();
        prop_assert_eq!(record, by_record_writer(&[(Key::DETAILS, Value::Str(&text))]));
    }
}

#[test]
fn what_does_not_fit_is_told_and_written_nowhere_else() {
    let words: Vec<_> = (0..8).map(|_| AtomicU64::new(7)).collect();
    let mut out = Encoder::ring(&words, 6, 9);
    out.pair(Key::DETAILS, "forty bytes of text that need six words.");
    let written = out.finish();
    assert!(!written.fits);
    assert_eq!((written.bytes, written.next), (43, 12));
    let kept = words[1..6].iter().all(|w| w.load(Ordering::Relaxed) == 7);
    assert!(kept, "words before the place were overwritten");
}

#[test]
fn lists_and_events_are_read_back() {
    let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no such mailbox");
    let bytes = record(|out| {
        out.pair(Key::TO, &["a@example.org", "b@example.org"]);
        out.pair(Key::ATTRIBUTE, &("answer", 42u64));
        out.pair(Key::CAUSED_BY, &Cause::error(&cause));
    });
    let event: EventRef<'_> = Records::new(&bytes).next().unwrap().unwrap();
    let Some(Value::Array(to)) = event.get(Key::TO) else {
        panic!("{event:?}");
    };
    assert!(to.eq([Value::Str("a@example.org"), Value::Str("b@example.org")]));
    let Some(Value::Array(attribute)) = event.get(Key::ATTRIBUTE) else {
        panic!("{event:?}");
    };
    assert!(attribute.eq([Value::Str("answer"), Value::UInt(42)]));
    let Some(Value::Event(cause)) = event.get(Key::CAUSED_BY) else {
        panic!("{event:?}");
    };
    assert_eq!(cause.kind(), EventType::PROGRAM_EVENT);
    assert_eq!(
        cause.pairs().get(Key::DETAILS),
        Some(Value::Str("no such mailbox"))
    );
}
