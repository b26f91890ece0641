//! Parses any text as a filter; what is accepted prints as text of the same meaning, and its plan
//! holds for an event that matches.

#![no_main]

use std::collections::HashSet;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tidings_event::filter::{FieldSet, Filter, Matcher};
use tidings_event::token::value_tokens;
use tidings_event::{EventRef, EventType, Header, Id, Key, RecordWriter, Value};

const NOW_NS: i64 = 1_795_352_400_000_000_000;

fuzz_target!(|text: &str| {
    let filter = match Filter::parse(text, &FieldSet::EVENTS) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.get(error.at()..error.at() + error.length()).is_some());
            assert_eq!(error.render(text).lines().count(), 3);
            return;
        }
    };
    let canonical = filter.to_string();
    // Quotes and escapes make it longer, possibly longer than a filter may be.
    if canonical.len() <= tidings_event::filter::MAX_FILTER_BYTES {
        let again = Filter::parse(&canonical, &FieldSet::EVENTS);
        assert_eq!(again.as_ref(), Ok(&filter), "{canonical}");
    }
    let (record, tokens) = sample();
    let (event, _) = EventRef::read(record).expect("a record was written");
    let matcher = Matcher::compile(&filter, NOW_NS);
    if matcher.matches(&event) {
        let plan = matcher.plan();
        let is_admitted = plan.admits(Some(event.kind()), event.time_ns(), &mut |token| {
            tokens.contains(token)
        });
        assert!(is_admitted, "{canonical}: {plan:?}");
    }
});

/// An event with many texts, and its tokens.
fn sample() -> &'static (Vec<u8>, HashSet<String>) {
    static SAMPLE: OnceLock<(Vec<u8>, HashSet<String>)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let header = Header {
            span: Some(Id(32)),
            ..Header::new(EventType::DELIVERY_FAILED, NOW_NS - 1_000_000_000)
        };
        let mut record = Vec::new();
        RecordWriter::begin(&mut record, &header)
            .str(Key::FROM, "Alice@Example.ORG")
            .texts(
                Key::TO,
                ["bob@gmail.com", "a@b@c.d", "über@bücher.example", ""],
            )
            .str(
                Key::REASON,
                "452 4.2.2 <bob@gmail.com>: The mailbox is full (quota=5) a:b::c 1.2.3.4. -x-",
            )
            .str(
                Key::RELAY,
                "l.google.com[2001:DB8:0::1a]:25 fe80::1%eth0 ::/0 /x.y.z",
            )
            .uint(Key::CODE, 452)
            .value(Key::VALUE, &Value::Float(2.5))
            .value(Key::RANK, &Value::Int(-7))
            .duration_ms(Key::ELAPSED, 2_500)
            .bool(Key::TLS, true)
            .value(Key::DUE, &Value::Timestamp(1_795_352_400))
            .ip(Key::REMOTE_IP, [203, 0, 113, 9].into())
            .finish();
        let mut tokens = HashSet::new();
        let (event, _) = EventRef::read(&record).expect("a record was written");
        for (_, value) in event.pairs() {
            value_tokens(&value, &mut |token| {
                tokens.insert(token.to_owned());
            });
        }
        (record, tokens)
    })
}
