use std::fs;

use rustix::fs::fcntl_get_seals;
use tidings_event::{EventRef, Header, Key, RecordWriter};

use super::*;
use crate::batch::BatchBuffer;

fn buffer(texts: &[&str]) -> BatchBuffer {
    let mut buffer = BatchBuffer::new();
    for (at, text) in texts.iter().enumerate() {
        let mut record = Vec::new();
        let header = Header::new(EventType::AUTH_SUCCESS, 1_770_000_000_000_000_000);
        RecordWriter::begin(&mut record, &header)
            .str(Key::DETAILS, text)
            .finish();
        buffer.push(&EventRef::read(&record).unwrap().0, at as u64);
    }
    buffer
}

#[test]
fn small_entries_are_datagrams_and_an_absent_journald_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let settings = settings::Journal {
        socket: path.clone(),
    };
    assert!(
        JournalSink::connect(&settings, "tidings").is_err(),
        "nobody is there"
    );
    let journald = UnixDatagram::bind(&path).unwrap();
    let mut sink = JournalSink::connect(&settings, "tidings").unwrap();
    let mut datagram = vec![0; 1 << 20];
    assert_eq!(journald.recv(&mut datagram).unwrap(), 0, "the probe");
    let events = buffer(&["one", "two"]);
    assert_eq!(sink.deliver(&events.batch()), Outcome::Delivered);
    for text in ["one", "two"] {
        let length = journald.recv(&mut datagram).unwrap();
        let entry = String::from_utf8_lossy(&datagram[..length]);
        assert!(
            entry.starts_with("PRIORITY\n") && entry.contains(text),
            "{entry}"
        );
    }
    // journald restarts: the socket is another one.
    drop(journald);
    fs::remove_file(&path).unwrap();
    let Outcome::RetryAfter {
        delivered: 0,
        failure,
        ..
    } = sink.deliver(&events.batch())
    else {
        panic!("nobody is there")
    };
    assert!(failure.details.starts_with("cannot send to /"), "{failure}");
    let journald = UnixDatagram::bind(&path).unwrap();
    assert_eq!(sink.deliver(&events.batch()), Outcome::Delivered);
    assert!(journald.recv(&mut datagram).unwrap() > 10);
}

#[test]
fn memory_files_are_sealed() {
    let file = sealed(b"entry").unwrap();
    let seals = fcntl_get_seals(&file).unwrap();
    assert!(seals.contains(SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE));
    assert!(rustix::io::write(&file, b"more").is_err());
}
