//! How long the forms of an event take: `cargo run --release -p tidings-event --example speed`.
//!
//! Each figure is the best of several rounds, in nanoseconds on one thread.

use std::hint::black_box;
use std::time::Instant;

use tidings_event::filter::{FieldSet, Filter, Matcher};
use tidings_event::json::{Additional, EventReader, write_registry, write_webhook};
use tidings_event::text::{TextStyle, write_text};
use tidings_event::token::tokens_of;
use tidings_event::{EventRef, EventType, Header, Id, Key, RecordWriter};

const ROUNDS: usize = 15;
const CALLS: u32 = 20_000;
const TIME_NS: i64 = 1_795_352_400_123_456_789;

fn main() {
    tokens();
    forms();
    filters();
}

fn tokens() {
    for text in [
        "alice@example.org",
        "Alice@Mail.Example.ORG",
        "mx1.mail.google.com",
        "4jXTsn2mtCz1X5k9",
        "2001:db8::7",
        "gmail-smtp-in.l.google.com[142.250.27.26]:25",
        "250 2.0.0 OK 1795352400 a640c23a62f3a-b7358e0b2d1si1234567a12.345 - gsmtp",
    ] {
        let mut count = 0;
        let nanos = measure(|| tokens_of(black_box(text), &mut |token| count += token.len()));
        black_box(count);
        report(&format!("tokens of {text:?}"), nanos);
    }
}

fn forms() {
    let record = delivered();
    let event = read(&record);
    let mut out = Vec::with_capacity(4_096);
    let nanos = measure(|| {
        out.clear();
        write_text(&mut out, black_box(&event), None, &TextStyle::default());
    });
    report("one line of text, 9 pairs", nanos);
    let additional = Additional {
        sequence: Some(123_456),
        node: Some("mx1"),
        raw: None,
    };
    let nanos = measure(|| {
        out.clear();
        write_webhook(&mut out, "1", black_box(&event), None, Some(&additional));
    });
    report("our own event JSON, 9 pairs", nanos);
    let json = out.clone();
    let nanos = measure(|| {
        out.clear();
        write_registry(&mut out, black_box(&event));
    });
    report("registry form, 9 pairs", nanos);
    let registry = out.clone();
    let mut reader = EventReader::new();
    for (name, json) in [("our own event JSON", &json), ("registry form", &registry)] {
        let nanos = measure(|| {
            out.clear();
            reader
                .read(black_box(json), TIME_NS, &mut out)
                .expect("what was written can be read");
        });
        report(&format!("reading {name}, {} bytes", json.len()), nanos);
    }
}

fn filters() {
    let record = delivered();
    let event = read(&record);
    for text in [
        "type:delivery.delivered",
        "to:bob@gmail.com",
        "to:*@gmail.com",
        "remoteIp:142.250.0.0/16",
        "size>10mb",
        "nobody@example.net",
        "\"2.0.0 OK\"",
        "*gsmt*",
        "from:alice@example.org to:*@gmail.com since:2h -type:smtp.quit \"mailbox full\"",
    ] {
        let nanos = measure(|| {
            black_box(Filter::parse(black_box(text), &FieldSet::EVENTS).is_ok());
        });
        report(&format!("parsing {text}"), nanos);
        let filter = Filter::parse(text, &FieldSet::EVENTS).expect("a filter");
        let matcher = Matcher::compile(&filter, TIME_NS);
        let nanos = measure(|| {
            black_box(matcher.matches(black_box(&event)));
        });
        report(&format!("matching {text}"), nanos);
    }
}

/// A delivery as Postfix logs it.
fn delivered() -> Vec<u8> {
    let header = Header {
        span: Some(Id(283_726_100_000_001)),
        ..Header::new(EventType::DELIVERY_DELIVERED, TIME_NS)
    };
    let mut out = Vec::new();
    RecordWriter::begin(&mut out, &header)
        .str(Key::MTA_QUEUE_ID, "4jXTsn2mtCz1X5k9")
        .str(Key::FROM, "alice@example.org")
        .texts(Key::TO, ["bob@gmail.com"])
        .str(Key::HOSTNAME, "gmail-smtp-in.l.google.com")
        .ip(Key::REMOTE_IP, [142, 250, 27, 26].into())
        .uint(Key::CODE, 250)
        .uint(Key::SIZE, 15_320)
        .duration_ms(Key::ELAPSED, 812)
        .str(
            Key::DETAILS,
            "250 2.0.0 OK 1795352400 a640c23a62f3a-b7358e0b2d1si1234567a12.345 - gsmtp",
        )
        .finish();
    out
}

fn read(record: &[u8]) -> EventRef<'_> {
    EventRef::read(record)
        .expect("a record that was just written")
        .0
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn measure(mut call: impl FnMut()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64()
    };
    let best = (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min);
    best / f64::from(CALLS) * 1e9
}

fn report(what: &str, nanos: f64) {
    println!("{nanos:8.1} ns  {what}");
}
