//! What the server prints to its standard error: sentences about itself, and events as text.
//!
//! **Queue**: one thread writes; 256 pieces of at most 64 KiB may wait for it. When the terminal, pipe
//! or journal behind it is slow and the queue is full, what comes is left out and counted, and the
//! count is printed when there is room: nothing that prints ever waits for it.

mod tracer;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_event::text::TextStyle;

use crate::clock::Watch;

pub(crate) use tracer::spawn as spawn_tracer;

/// Pieces that may wait to be printed.
const QUEUE_PIECES: usize = 256;

/// How long the end of the program waits for what is still to be printed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The standard error of the server; clones print to the same.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    pieces: SyncSender<Piece>,
    left_out: Arc<LeftOut>,
    style: TextStyle,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    /// Nothing more comes.
    End,
}

/// What was not printed and not yet told.
#[derive(Debug, Default)]
struct LeftOut {
    sentences: AtomicU64,
    events: AtomicU64,
}

/// The thread behind a [`Console`].
#[derive(Debug)]
pub(crate) struct ConsoleThread(JoinHandle<()>);

impl Console {
    /// A console that prints to the standard error, with colours where that is a terminal and
    /// `NO_COLOR` is not set.
    pub(crate) fn start() -> (Console, ConsoleThread) {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let ansi = std::io::stderr().is_terminal() && !no_color;
        Console::printing_to(std::io::stderr(), ansi)
    }

    /// The same with another output.
    fn printing_to(out: impl Write + Send + 'static, ansi: bool) -> (Console, ConsoleThread) {
        let (pieces, queue) = sync_channel(QUEUE_PIECES);
        let left_out = Arc::new(LeftOut::default());
        let counters = Arc::clone(&left_out);
        let thread = std::thread::Builder::new()
            .name("console".into())
            .stack_size(128 << 10)
            .spawn(move || print(out, &queue, &counters))
            .expect("a thread can be started before anything else runs");
        let style = TextStyle {
            ansi,
            ..TextStyle::default()
        };
        (
            Console {
                pieces,
                left_out,
                style,
            },
            ConsoleThread(thread),
        )
    }

    /// Says a sentence about the server.
    pub(crate) fn say(&self, sentence: &str) {
        let mut text = Vec::with_capacity(sentence.len() + 16);
        text.extend_from_slice(b"tidings: ");
        for c in sentence.chars() {
            match c {
                // Paths and foreign words may hold anything.
                c if c.is_control() => text.extend(c.escape_default().to_string().bytes()),
                c => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        text.push(b'\n');
        self.send(text, &self.left_out.sentences, 1);
    }

    /// Prints events that were rendered already.
    fn events(&self, text: Vec<u8>, count: u64) {
        self.send(text, &self.left_out.events, count);
    }

    /// Events were skipped before they could be rendered.
    fn skipped(&self, count: u64) {
        self.left_out.events.fetch_add(count, Ordering::Relaxed);
    }

    fn send(&self, text: Vec<u8>, counter: &AtomicU64, count: u64) {
        match self.pieces.try_send(Piece::Text(text)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

impl ConsoleThread {
    /// Waits until everything is printed, but not for long if it cannot be.
    pub(crate) fn finish(self, console: Console) {
        let watch = Watch::start();
        while let Err(TrySendError::Full(_)) = console.pieces.try_send(Piece::End) {
            if watch.elapsed() > LAST_WORDS {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        while !self.0.is_finished() && watch.elapsed() < LAST_WORDS {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn print(mut out: impl Write, queue: &Receiver<Piece>, left_out: &LeftOut) {
    loop {
        match queue.recv_timeout(Duration::from_millis(500)) {
            // Nobody is left to whom a failure to print could be told.
            Ok(Piece::Text(text)) => drop(out.write_all(&text)),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Piece::End) | Err(RecvTimeoutError::Disconnected) => {
                tell_left_out(&mut out, left_out);
                return;
            }
        }
        tell_left_out(&mut out, left_out);
    }
}

fn tell_left_out(out: &mut impl Write, left_out: &LeftOut) {
    for (counter, what) in [
        (&left_out.events, "events"),
        (&left_out.sentences, "sentences of the server"),
    ] {
        let count = counter.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = writeln!(
                out,
                "tidings: {count} {what} were not printed, as the console was too slow for them"
            );
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// An output whose reader can be held up.
    #[derive(Clone, Default)]
    pub(in crate::console) struct Slow(Arc<(Mutex<Output>, Condvar)>);

    #[derive(Default)]
    struct Output {
        is_held: bool,
        text: Vec<u8>,
    }

    impl Slow {
        fn hold(&self, held: bool) {
            self.0.0.lock().unwrap().is_held = held;
            self.0.1.notify_all();
        }

        pub(in crate::console) fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().text.clone()).unwrap()
        }
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let state = self.0.0.lock().unwrap();
            let mut state = self.0.1.wait_while(state, |state| state.is_held).unwrap();
            state.text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn sentences_are_lines_whatever_they_hold() {
        let out = Slow::default();
        let (console, thread) = Console::printing_to(out.clone(), false);
        console.say("cannot open /tmp/a\nb\u{1b}[31m");
        thread.finish(console);
        assert_eq!(out.text(), "tidings: cannot open /tmp/a\\nb\\u{1b}[31m\n");
    }

    #[test]
    fn a_slow_console_holds_nobody_up_and_its_losses_are_told() {
        let out = Slow::default();
        let (console, thread) = Console::printing_to(out.clone(), false);
        out.hold(true);
        for number in 0..2_000 {
            console.say(&format!("sentence {number}"));
            console.events(b"an event\n".to_vec(), 3);
        }
        out.hold(false);
        thread.finish(console);
        let text = out.text();
        let printed = text
            .lines()
            .filter(|line| line.starts_with("tidings: sentence "))
            .count();
        let events = text.lines().filter(|line| *line == "an event").count();
        let lost = |what: &str| -> usize {
            let told = text.lines().filter(|line| line.contains(what));
            told.map(|line| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap())
                .sum()
        };
        assert!(printed < 2_000);
        assert_eq!(
            printed + lost("sentences of the server were not printed"),
            2_000
        );
        assert_eq!(events * 3 + lost("events were not printed"), 6_000);
    }
}
