//! Reads any bytes as an event in JSON; what is accepted is written and read again without change.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_event::EventRef;
use tidings_event::json::{Additional, EventReader, write_webhook};

fuzz_target!(|line: &[u8]| {
    let mut reader = EventReader::new();
    let mut first = Vec::new();
    let Ok(read) = reader.read(line, 0, &mut first) else {
        assert!(first.is_empty(), "what is refused leaves nothing");
        return;
    };
    let additional = Additional {
        sequence: read.sequence,
        node: read.node.as_deref(),
        raw: read.raw.as_deref(),
    };
    let write = |record: &[u8]| {
        let (event, rest) = EventRef::read(record).expect("a record was written");
        assert!(rest.is_empty());
        let mut json = Vec::new();
        write_webhook(
            &mut json,
            read.id.as_deref().unwrap_or_default(),
            &event,
            None,
            Some(&additional),
        );
        json
    };
    let json = write(&first);
    let mut second = Vec::new();
    let Ok(again) = reader.read(&json, 0, &mut second) else {
        // What was written may be longer than a line may be.
        assert!(json.len() > tidings_event::json::MAX_EVENT_JSON_BYTES);
        return;
    };
    assert_eq!(
        (again.sequence, &again.node, &again.raw),
        (read.sequence, &read.node, &read.raw)
    );
    let kinds = |record: &[u8]| {
        *EventRef::read(record)
            .expect("a record was written")
            .0
            .header()
    };
    assert_eq!(kinds(&first), kinds(&second));
    assert_eq!(write(&second), json);
});
