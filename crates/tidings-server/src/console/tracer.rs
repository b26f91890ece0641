//! Prints committed events as text, without ever holding up what commits them.

use std::thread::JoinHandle;
use std::time::Duration;

use tidings_engine::LiveTail;
use tidings_event::text::write_text;
use tidings_event::{Level, Records};

use super::Console;
use crate::stop::Stop;

/// Text that is handed over in one piece.
const PIECE_BYTES: usize = 64 << 10;

/// How long the tracer waits for events before it looks whether it is to end.
const WAIT: Duration = Duration::from_millis(250);

/// How long it waits for the last ones.
const LAST: Duration = Duration::from_millis(50);

/// Starts a thread that prints the events of at least this level until `stop`.
pub(crate) fn spawn(
    mut tail: LiveTail,
    level: Level,
    console: Console,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("tracer".into())
        .stack_size(256 << 10)
        .spawn(move || {
            loop {
                // What was committed before the end is printed before the end.
                let is_last = stop.is_set();
                let next = tail.next(if is_last { LAST } else { WAIT });
                console.skipped(tail.take_skipped());
                match next {
                    Ok(Some(records)) => trace(&records, level, &console),
                    Ok(None) if is_last => return,
                    Ok(None) => {}
                    Err(error) => {
                        return console.say(&format!("events are no longer printed: {error}"));
                    }
                }
            }
        })
}

fn trace(records: &[u8], level: Level, console: &Console) {
    let mut text = Vec::new();
    let mut count = 0;
    for event in Records::new(records) {
        // What was committed can be read; the history would say if not.
        let Ok(event) = event else { break };
        if !level.accepts(event.level()) {
            continue;
        }
        write_text(&mut text, &event, None, &console.style);
        count += 1;
        if text.len() >= PIECE_BYTES {
            console.events(std::mem::take(&mut text), std::mem::take(&mut count));
        }
    }
    if count > 0 {
        console.events(text, count);
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::{EventType, Header, Key, RecordWriter};

    use super::*;

    fn record(out: &mut Vec<u8>, level: Level, account: &str) {
        let header = Header {
            level,
            ..Header::new(EventType::AUTH_FAILED, 1_770_000_000_000_000_000)
        };
        let mut writer = RecordWriter::begin(out, &header);
        writer.str(Key::ACCOUNT_NAME, account);
        writer.finish();
    }

    #[test]
    fn events_below_the_level_are_left_out_and_none_can_forge_a_line() {
        let mut records = Vec::new();
        record(&mut records, Level::Debug, "quiet");
        record(
            &mut records,
            Level::Warn,
            "loud\n2026-01-01T00:00:00Z INFO forged",
        );
        let out = crate::console::tests::Slow::default();
        let (console, thread) = Console::printing_to(out.clone(), false);
        trace(&records, Level::Info, &console);
        trace(&records, Level::Disable, &console);
        thread.finish(console);
        let text = out.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("(auth.failed)") && text.contains("loud\\n2026"),
            "{text}"
        );
    }
}
