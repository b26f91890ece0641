//! What the server tells of itself as events: they are emitted anywhere with [`tidings::emit!`], and go
//! into the spool like all others, from where history and outputs have them.
//!
//! **No loop**: nothing that happens to one event is told as an event; told is what happens to many
//! (a part of the history was sealed), to a request, or to an output, whose failures are limited and
//! never go to that output.
//!
//! Kept are events from info up, and less important ones while a tracer or a live stream asks for them:
//! a search that is told of would otherwise be found by the next one.
//!
//! **Queue**: 1 MiB of events may wait for the spool. What finds it full, or is refused by the spool,
//! is left out and counted, and the count is an event (`telemetry.events-lost`) when there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings::{Interest, Level, Received, Subscription, Telemetry, emit};
use tidings_engine::Live;
use tidings_sink::LevelOverrides;
use tidings_sink::settings::Tracer;

use crate::console::Console;

/// Events that may wait for the spool, in bytes.
const QUEUE_BYTES: usize = 1 << 20;

/// How long to wait for events before looking again.
const WAIT: Duration = Duration::from_secs(1);

/// How long the end waits for the last events.
const LAST: Duration = Duration::from_secs(1);

/// The server's own telemetry, while it runs.
#[derive(Debug)]
pub(crate) struct Own {
    telemetry: Telemetry,
    feeding: Option<JoinHandle<()>>,
    /// Ordinal of the least important level that is kept.
    level: Arc<AtomicU8>,
}

impl Own {
    /// Starts it: what is emitted from now on is counted. `None` where the process has it already.
    pub(crate) fn start() -> Option<Own> {
        let telemetry = tidings::start(tidings::Settings::default()).ok()?;
        telemetry.install_panic_hook();
        Some(Own {
            telemetry,
            feeding: None,
            level: Arc::new(AtomicU8::new(Level::Info.ordinal())),
        })
    }

    /// Keeps what these tracers ask for, and everything from info up, by these levels of events.
    pub(crate) fn keep_for(&self, tracers: &[Tracer], levels: &LevelOverrides) {
        self.telemetry.set_levels(levels.iter());
        let levels = tracers.iter().filter(|tracer| tracer.enable);
        let least = levels.map(|tracer| tracer.level.ordinal()).min();
        let least = least.unwrap_or(u8::MAX).min(Level::Info.ordinal());
        self.level.store(least, Ordering::Relaxed);
    }

    /// What is emitted from now on goes into the spool too.
    /// `asked` is the ordinal of the least important level that live streams ask for.
    pub(crate) fn feed(
        &mut self,
        live: Arc<Live>,
        asked: Arc<AtomicU8>,
        console: Console,
    ) -> std::io::Result<()> {
        let level = Arc::clone(&self.level);
        let least = move || {
            level
                .load(Ordering::Relaxed)
                .min(asked.load(Ordering::Relaxed))
        };
        let mut known = least();
        let subscription = Subscription::new("spool")
            .interest(interest(known))
            .queue_bytes(QUEUE_BYTES)
            .lossy();
        let subscriber = self.telemetry.subscribe(subscription);
        let mut subscriber = subscriber.map_err(std::io::Error::other)?;
        let thread = std::thread::Builder::new()
            .name("own".into())
            .stack_size(256 << 10);
        self.feeding = Some(thread.spawn(move || {
            let mut lost = 0;
            let mut told = false;
            loop {
                let wanted = least();
                if wanted != known {
                    known = wanted;
                    subscriber.set_interest(interest(known));
                }
                let batch = match subscriber.next(WAIT) {
                    Received::Batch(batch) => batch,
                    Received::TimedOut => continue,
                    Received::Closed => return,
                };
                match live.keep(batch.records()) {
                    Ok(()) if lost > 0 => {
                        let count = std::mem::take(&mut lost);
                        emit!(
                            Telemetry::EventsLost,
                            count = count,
                            reason = "the spool refused them"
                        );
                    }
                    Ok(()) => {}
                    Err(error) => {
                        lost += batch.len() as u64;
                        if !told {
                            told = true;
                            console.say(&format!(
                                "events of the server itself are not kept: {error}"
                            ));
                        }
                    }
                }
            }
        })?);
        Ok(())
    }

    /// Puts what was emitted into the spool, and ends.
    pub(crate) fn stop(self) {
        // What is late is no reason to wait longer.
        let _ = self.telemetry.shutdown(LAST);
        if let Some(feeding) = self.feeding {
            let _ = feeding.join();
        }
    }
}

fn interest(level: u8) -> Interest {
    Interest::level(Level::from_ordinal(level).unwrap_or(Level::Info))
}
