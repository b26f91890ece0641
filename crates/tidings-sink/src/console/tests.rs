use tidings_event::{EventRef, EventType, Header, Key, RecordWriter};

use super::*;
use crate::batch::BatchBuffer;

/// Takes so many bytes, then fails once, and so on.
#[derive(Clone, Default)]
struct Moody(Arc<Mutex<Mood>>);

#[derive(Default)]
struct Mood {
    text: Vec<u8>,
    left: usize,
    writes: usize,
}

impl Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut mood = self.0.lock().unwrap();
        mood.writes += 1;
        if mood.left == 0 {
            mood.left = 100;
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(mood.left).min(70);
        mood.left -= count;
        mood.text.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn events(count: u64) -> BatchBuffer {
    let mut buffer = BatchBuffer::new();
    for number in 0..count {
        let mut record = Vec::new();
        let header = Header::new(EventType::AUTH_FAILED, 1_770_000_000_000_000_000);
        RecordWriter::begin(&mut record, &header)
            .uint(Key::SIZE, number)
            .finish();
        buffer.push(&EventRef::read(&record).unwrap().0, number);
    }
    buffer
}

#[test]
fn a_terminal_that_fails_now_and_then_gets_every_event_once_as_a_whole_line() {
    for buffered in [true, false] {
        let out = Moody::default();
        out.0.lock().unwrap().left = 130;
        let settings = settings::Console {
            buffered,
            ..settings::Console::default()
        };
        let mut sink = ConsoleSink::new(&settings, Terminal::new(out.clone()));
        let buffer = events(50);
        let mut rest = buffer.batch();
        let mut failures = 0;
        while let Outcome::RetryAfter { delivered, .. } = sink.deliver(&rest) {
            failures += 1;
            rest = rest.split_at(delivered).1;
        }
        assert!(failures > 5);
        let text = String::from_utf8(out.0.lock().unwrap().text.clone()).unwrap();
        for number in 0..50 {
            let ending = format!("(auth.failed) size = {number}");
            let whole = |line: &&str| line.starts_with("2026") && line.ends_with(&ending);
            assert_eq!(text.lines().filter(whole).count(), 1, "{number} in {text}");
        }
    }
}

#[test]
fn events_and_sentences_of_others_never_mix() {
    let out = Moody::default();
    out.0.lock().unwrap().left = usize::MAX;
    let terminal = Terminal::new(out.clone());
    let sentences = terminal.clone();
    let talker = std::thread::spawn(move || {
        for number in 0..500 {
            let sentence = format!("sentence {number} {}\n", "x".repeat(100));
            sentences.print(sentence.as_bytes()).unwrap();
        }
    });
    let mut sink = ConsoleSink::new(&settings::Console::default(), terminal);
    for _ in 0..50 {
        assert_eq!(sink.deliver(&events(40).batch()), Outcome::Delivered);
    }
    talker.join().unwrap();
    let text = String::from_utf8(out.0.lock().unwrap().text.clone()).unwrap();
    assert_eq!(text.lines().count(), 2_500);
    for line in text.lines() {
        let is_sentence = line.starts_with("sentence ") && line.ends_with("xxx");
        let is_event = line.starts_with("2026-02-02T") && line.contains("(auth.failed) size = ");
        assert!(is_sentence != is_event, "{line:?}");
    }
}

#[test]
fn buffering_writes_blocks_and_its_absence_every_event() {
    for (buffered, expected) in [(true, 1..=60), (false, 100..=200)] {
        let out = Moody::default();
        out.0.lock().unwrap().left = usize::MAX;
        let settings = settings::Console {
            buffered,
            ..settings::Console::default()
        };
        struct Whole(Moody);
        impl Write for Whole {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.0.lock().unwrap().writes += 1;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut sink = ConsoleSink::new(&settings, Terminal::new(Whole(out.clone())));
        assert_eq!(sink.deliver(&events(100).batch()), Outcome::Delivered);
        let writes = out.0.lock().unwrap().writes;
        assert!(expected.contains(&writes), "{buffered}: {writes}");
    }
}
