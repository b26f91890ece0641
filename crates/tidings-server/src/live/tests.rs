//! Helpers.
use tidings_event::{EventRef, EventType, Header, Id, Key, RecordWriter};

/// A record with an address, a number, and these texts.
pub(super) fn event(kind: EventType, span: u64, texts: &[(&str, &str)]) -> Vec<u8> {
    let mut record = Vec::new();
    let header = Header {
        span: (span > 0).then_some(Id(span)),
        ..Header::new(kind, 1_770_000_000_000_000_000)
    };
    let mut writer = RecordWriter::begin(&mut record, &header);
    writer.ip(Key::REMOTE_IP, "192.0.2.7".parse().unwrap());
    writer.uint(Key::LOCAL_PORT, 25);
    for (key, text) in texts {
        writer.str(Key::from_name(key).unwrap(), text);
    }
    writer.finish();
    drop(writer);
    record
}

pub(super) fn read(record: &[u8]) -> EventRef<'_> {
    EventRef::read(record).unwrap().0
}
