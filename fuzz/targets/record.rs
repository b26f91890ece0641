//! Reads any bytes as records and renders what comes out in every form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_event::json::{Additional, EventReader, write_registry, write_webhook};
use tidings_event::text::{TextStyle, write_text};
use tidings_event::token::value_tokens;
use tidings_event::{EventRef, Records};

fuzz_target!(|bytes: &[u8]| {
    for event in Records::new(bytes).flatten() {
        check_text(&event);
        check_json(&event);
        for (_, value) in event.pairs() {
            value_tokens(&value, &mut |token| assert!(!token.is_empty()));
        }
    }
});

/// One line, whatever the event holds, and nothing on it that a terminal obeys.
fn check_text(event: &EventRef<'_>) {
    let mut out = Vec::new();
    write_text(&mut out, event, Some(event), &TextStyle::default());
    let text = std::str::from_utf8(&out).expect("text is UTF-8");
    let line = text.strip_suffix('\n').expect("a line ends");
    assert!(!line.contains(|c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}')));
    for (multiline, ansi) in [(true, false), (false, true), (true, true)] {
        write_text(
            &mut out,
            event,
            None,
            &TextStyle {
                multiline,
                ansi,
                full_time: true,
            },
        );
    }
}

/// JSON that is JSON: it is read back, unless it names a key or type that this version does not know.
fn check_json(event: &EventRef<'_>) {
    let mut json = Vec::new();
    write_webhook(
        &mut json,
        "1",
        event,
        Some(event),
        Some(&Additional {
            raw: Some(event.as_bytes()),
            ..Additional::default()
        }),
    );
    check_reading(&json);
    json.clear();
    write_registry(&mut json, event);
    check_reading(&json);
}

fn check_reading(json: &[u8]) {
    let mut out = Vec::new();
    match EventReader::new().read(json, 0, &mut out) {
        Ok(_) => assert!(EventRef::read(&out).is_ok()),
        Err(error) => {
            let error = error.to_string();
            let is_known = ["unknown key", "is not a time", "nest", "at most"]
                .iter()
                .any(|known| error.contains(known));
            assert!(is_known, "{error}\n{}", String::from_utf8_lossy(json));
        }
    }
}
