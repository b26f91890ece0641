mod reading;
mod syntax;

use proptest::prelude::*;

use super::parse::Parser;
use super::*;
use crate::EventRef;
use crate::samples::{
    HOSTILE, TIME_NS, any_event, any_text, attempt_start, bare, hostile, http_end, http_start,
    of_all_kinds,
};

fn webhook(record: &[u8], start: Option<&[u8]>, additional: Option<&Additional<'_>>) -> String {
    let (event, _) = EventRef::read(record).unwrap();
    let start = start.map(|start| EventRef::read(start).unwrap().0);
    let mut out = Vec::new();
    write_webhook(
        &mut out,
        "1770091506054",
        &event,
        start.as_ref(),
        additional,
    );
    String::from_utf8(out).unwrap()
}

fn registry(record: &[u8]) -> String {
    let mut out = Vec::new();
    write_registry(&mut out, &EventRef::read(record).unwrap().0);
    String::from_utf8(out).unwrap()
}

fn read(json: &str) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    EventReader::new()
        .read(json.as_bytes(), TIME_NS, &mut out)
        .map(|_| out)
}

fn refusal(json: &str) -> String {
    read(json).expect_err(json).to_string()
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write_json_string(&mut out, text);
    String::from_utf8(out).unwrap()
}

/// All forms of all samples; `TIDINGS_BLESS=1` writes the file anew.
#[test]
fn golden_json() {
    let additional = Additional {
        sequence: Some(1 << 53),
        node: Some("mx\"1"),
        raw: Some(b"a\xffb"),
    };
    let mut all = Vec::new();
    for (record, start) in [
        (attempt_start(), None),
        (http_end(), Some(http_start())),
        (of_all_kinds(), None),
        (hostile(), None),
        (bare(), None),
    ] {
        all.push(webhook(&record, start.as_deref(), None));
        all.push(webhook(&record, start.as_deref(), Some(&additional)));
        all.push(registry(&record));
    }
    all.push(String::new());
    let all = all.join("\n");
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write("src/json/golden.ndjson", &all).unwrap();
    }
    assert_eq!(
        all,
        std::fs::read_to_string("src/json/golden.ndjson").unwrap()
    );
}

#[test]
fn the_webhook_form_merges_the_span_start_behind_the_events_own_pairs() {
    assert_eq!(
        webhook(&http_end(), Some(&http_start()), None),
        "{\"id\":\"1770091506054\",\"createdAt\":\"2026-02-03T04:05:06Z\",\"type\":\"http.connection-end\",\
         \"data\":{\"elapsed\":812,\"localPort\":444,\"spanId\":5,\"listenerId\":\"https\",\
         \"remoteIp\":\"2001:db8::7\",\"remotePort\":50112}}"
    );
}

#[test]
fn numbers_beyond_doubles_are_texts() {
    let json = |sequence| {
        let additional = Additional {
            sequence: Some(sequence),
            ..Additional::default()
        };
        webhook(&bare(), None, Some(&additional))
    };
    assert!(json(1 << 53).contains("\"sequence\":9007199254740992,"));
    assert!(json((1 << 53) + 1).contains("\"sequence\":\"9007199254740993\","));
    for sequence in [1 << 53, u64::MAX] {
        let text = json(sequence);
        let mut out = Vec::new();
        let read = EventReader::new()
            .read(text.as_bytes(), 0, &mut out)
            .unwrap();
        assert_eq!(read.sequence, Some(sequence));
    }
}

#[test]
fn strings_are_escaped_for_json_and_for_the_screen() {
    assert_eq!(
        quoted("a\"\\/\n\r\t\u{8}\u{c}\u{0}\u{1b}\u{7f}\u{85}\u{2028}\u{2029}\u{202e}é😀"),
        "\"a\\\"\\\\/\\n\\r\\t\\b\\f\\u0000\\u001b\\u007f\\u0085\\u2028\\u2029\\u202eé😀\""
    );
    assert_eq!(Parser::new(&quoted(HOSTILE)).string().unwrap(), HOSTILE);
}

proptest! {
    #[test]
    fn strings_round_trip(text in any_text(), more in any::<String>()) {
        for text in [text, more] {
            let quoted = quoted(&text);
            prop_assert_eq!(Parser::new(&quoted).string().unwrap(), text);
        }
    }

    /// What was written, read and written again is the same; so nothing is lost after the first time.
    #[test]
    fn webhooks_round_trip(record in any_event(), sequence in any::<Option<u64>>(), raw in any::<Option<Vec<u8>>>()) {
        let additional = Additional { sequence, node: None, raw: raw.as_deref() };
        let json = webhook(&record, None, Some(&additional));
        let mut out = Vec::new();
        let mut reader = EventReader::new();
        let extra = reader.read(json.as_bytes(), 0, &mut out).unwrap();
        prop_assert_eq!(extra.sequence, sequence);
        prop_assert_eq!(extra.raw.as_deref(), raw.as_deref());
        prop_assert_eq!(webhook(&out, None, Some(&additional)), json);
        let (read, written) = (EventRef::read(&out).unwrap().0, EventRef::read(&record).unwrap().0);
        prop_assert_eq!(read.header(), written.header());
    }

    /// The registry form names every type, so records come back to the byte, but for what only the
    /// webhook form has.
    #[test]
    fn the_registry_form_round_trips(record in any_event()) {
        let out = read(&registry(&record)).unwrap();
        let (read, written) = (EventRef::read(&out).unwrap().0, EventRef::read(&record).unwrap().0);
        prop_assert_eq!(read.pairs().as_bytes(), written.pairs().as_bytes());
        prop_assert_eq!(read.span(), written.span());
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{}:,\"\\\\utruefalsn0-9.eE+ é-]{0,40}", at in 0usize..400, byte in any::<u8>()) {
        let mut parser = Parser::new(&text);
        let _ = parser.skip().and_then(|()| parser.end());
        let mut json = webhook(&of_all_kinds(), None, Some(&Additional::default())).into_bytes();
        let at = at % json.len();
        json[at] = byte;
        let _ = EventReader::new().read(&json, 0, &mut Vec::new());
        let mut json = registry(&of_all_kinds()).into_bytes();
        let at = at % json.len();
        json[at] = byte;
        let _ = EventReader::new().read(&json, 0, &mut Vec::new());
    }
}
