//! What the server says about itself, in sentences on its standard error. Events are printed there by
//! tracers, through the same [`Terminal`].
//!
//! **Queue**: one thread writes; 256 sentences may wait for it. When the terminal, pipe or journal
//! behind it is slow and the queue is full, what comes is left out and counted, and the count is
//! printed when there is room: nothing that speaks ever waits for it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_sink::Terminal;

use crate::clock::Watch;

/// Sentences that may wait to be printed.
const QUEUE_SENTENCES: usize = 256;

/// How long the end of the program waits for what is still to be printed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The standard error of the server; clones print to the same.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    pieces: SyncSender<Piece>,
    left_out: Arc<AtomicU64>,
    terminal: Terminal,
    is_coloured: bool,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    /// Nothing more comes.
    End,
}

/// The thread behind a [`Console`].
#[derive(Debug)]
pub(crate) struct ConsoleThread(JoinHandle<()>);

impl Console {
    /// A console that prints to the standard error, with colours where that is a terminal and
    /// `NO_COLOR` is not set.
    pub(crate) fn start() -> (Console, ConsoleThread) {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_coloured = std::io::stderr().is_terminal() && !no_color;
        Console::printing_to(Terminal::stderr(), is_coloured)
    }

    /// The same with another output.
    fn printing_to(terminal: Terminal, is_coloured: bool) -> (Console, ConsoleThread) {
        let (pieces, queue) = sync_channel(QUEUE_SENTENCES);
        let left_out = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&left_out);
        let out = terminal.clone();
        let thread = std::thread::Builder::new()
            .name("console".into())
            .stack_size(128 << 10)
            .spawn(move || print(&out, &queue, &counter))
            .expect("a thread can be started before anything else runs");
        (
            Console {
                pieces,
                left_out,
                terminal,
                is_coloured,
            },
            ConsoleThread(thread),
        )
    }

    /// Where it prints, for tracers that print there too.
    pub(crate) fn terminal(&self) -> Terminal {
        self.terminal.clone()
    }

    /// Whether who reads it wants colours.
    pub(crate) fn is_coloured(&self) -> bool {
        self.is_coloured
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
        match self.pieces.try_send(Piece::Text(text)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
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

fn print(out: &Terminal, queue: &Receiver<Piece>, left_out: &AtomicU64) {
    loop {
        match queue.recv_timeout(Duration::from_millis(500)) {
            // Nobody is left to whom a failure to print could be told.
            Ok(Piece::Text(text)) => drop(out.print(&text)),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Piece::End) | Err(RecvTimeoutError::Disconnected) => {
                tell_left_out(out, left_out);
                return;
            }
        }
        tell_left_out(out, left_out);
    }
}

fn tell_left_out(out: &Terminal, left_out: &AtomicU64) {
    let count = left_out.swap(0, Ordering::Relaxed);
    if count > 0 {
        let sentence = format!(
            "tidings: {count} sentences of the server were not printed, as the console was too slow for them\n"
        );
        let _ = out.print(sentence.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// An output whose reader can be held up.
    #[derive(Clone, Default)]
    struct Slow(Arc<(Mutex<Output>, Condvar)>);

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

        fn text(&self) -> String {
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
        let (console, thread) = Console::printing_to(Terminal::new(out.clone()), false);
        console.say("cannot open /tmp/a\nb\u{1b}[31m");
        thread.finish(console);
        assert_eq!(out.text(), "tidings: cannot open /tmp/a\\nb\\u{1b}[31m\n");
    }

    #[test]
    fn a_slow_console_holds_nobody_up_and_its_losses_are_told() {
        let out = Slow::default();
        let (console, thread) = Console::printing_to(Terminal::new(out.clone()), false);
        out.hold(true);
        for number in 0..2_000 {
            console.say(&format!("sentence {number}"));
        }
        out.hold(false);
        thread.finish(console);
        let text = out.text();
        let printed = text
            .lines()
            .filter(|line| line.starts_with("tidings: sentence "))
            .count();
        let told = text
            .lines()
            .filter(|line| line.contains("were not printed"));
        let lost: usize = told
            .map(|line| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap())
            .sum();
        assert!(printed < 2_000);
        assert_eq!(printed + lost, 2_000);
    }
}
