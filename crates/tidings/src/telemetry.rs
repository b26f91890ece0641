//! Starting and stopping the process's telemetry.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_event::{EventType, Key, Level};

use crate::clock;
use crate::collector::{Collector, CollectorSettings};
use crate::dispatch::{self, SUBSCRIBERS_MAX};
use crate::emit;
use crate::field::Written;
use crate::meters::Meters;
use crate::process::{self, PROCESS, WhenFull};
use crate::subscribe::{Subscriber, Subscription};

/// How the process's telemetry works. All has a default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Memory of the ring of one thread, in bytes; rounded up to a power of two, 1 KiB to 1 GiB.
    /// 256 KiB hold some 3,000 events of five keys.
    pub ring_bytes: usize,
    /// What happens to an event that finds its ring full.
    pub when_full: WhenFull,
    /// How long an event waits for earlier ones of other threads, which were stopped between taking
    /// the time and writing. Not applied while only one thread emits.
    pub window: Duration,
    /// Effective levels that differ from the catalogue's. `disable` switches a type off for
    /// everybody; it is still counted.
    pub levels: Vec<(EventType, Level)>,
    /// Whether events are counted into [`meters`].
    pub meters: bool,
}

impl Default for Settings {
    /// Rings of 256 KiB that refuse by level, a window of 2 ms, the catalogue's levels, counting.
    fn default() -> Settings {
        Settings {
            ring_bytes: 256 << 10,
            when_full: WhenFull::Refuse,
            window: Duration::from_millis(2),
            levels: Vec::new(),
            meters: true,
        }
    }
}

/// Why telemetry could not be started, joined or stopped.
#[derive(Debug)]
pub enum TelemetryError {
    /// It runs already: a process has one.
    Running,
    /// The collector's thread could not be started.
    Thread(io::Error),
    /// There are 64 subscribers already.
    TooManySubscribers,
    /// It took longer than allowed; what was emitted may not have reached the subscribers.
    TimedOut(Duration),
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TelemetryError::Running => {
                f.write_str("telemetry runs already: a process has one at a time")
            }
            TelemetryError::Thread(_) => f.write_str("cannot start the collector's thread"),
            TelemetryError::TooManySubscribers => write!(
                f,
                "too many subscribers: at most {SUBSCRIBERS_MAX} are allowed at a time"
            ),
            TelemetryError::TimedOut(limit) => {
                write!(f, "the collector was not done within {limit:?}")
            }
        }
    }
}

impl std::error::Error for TelemetryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TelemetryError::Thread(why) => Some(why),
            _ => None,
        }
    }
}

/// The process's meters: what was counted since telemetry first started. `None` before.
pub fn meters() -> Option<&'static Arc<Meters>> {
    PROCESS.meters.get()
}

/// The running telemetry of the process. Dropping it is [`shutdown`](Self::shutdown) within five
/// seconds.
#[derive(Debug)]
pub struct Telemetry {
    collector: Option<JoinHandle<()>>,
}

/// Starts the process's telemetry: the collector's thread, and counting.
///
/// Events are built from the moment that somebody [subscribes](Telemetry::subscribe).
pub fn start(settings: Settings) -> Result<Telemetry, TelemetryError> {
    if !PROCESS.begin(settings.ring_bytes, settings.when_full) {
        return Err(TelemetryError::Running);
    }
    // Calibrates the clock now rather than with the first event.
    clock::ticks();
    if settings.meters {
        PROCESS
            .meters
            .get_or_init(|| Arc::new(Meters::new(clock::wall_ns())));
    }
    let collector = Collector::new(CollectorSettings {
        window: settings.window,
        origin: process::random() as u32,
    });
    let thread = std::thread::Builder::new()
        .name("tidings".into())
        .spawn(move || collector.run());
    match thread {
        Ok(thread) => {
            dispatch::set_levels(settings.levels);
            dispatch::set_paused(false);
            Ok(Telemetry {
                collector: Some(thread),
            })
        }
        Err(why) => {
            PROCESS.end();
            Err(TelemetryError::Thread(why))
        }
    }
}

impl Telemetry {
    /// Adds a subscriber. It gets the events that are emitted from now on.
    pub fn subscribe(&self, subscription: Subscription) -> Result<Subscriber, TelemetryError> {
        dispatch::subscribe(subscription)
            .map(Subscriber::new)
            .ok_or(TelemetryError::TooManySubscribers)
    }

    /// Sets the effective levels that differ from the catalogue's; types that are not named have the
    /// catalogue's again.
    pub fn set_levels(&self, levels: impl IntoIterator<Item = (EventType, Level)>) {
        dispatch::set_levels(levels);
    }

    /// Waits until everything that any thread emitted before is in the subscribers' queues.
    pub fn flush(&self, limit: Duration) -> Result<(), TelemetryError> {
        flush(limit)
    }

    /// From now on a panic in any thread is an event (`program.event` at level error, with the
    /// message, the place and the thread), and everything emitted is flushed, at most for half a
    /// second, before the hook that was set before goes on.
    pub fn install_panic_hook(&self) {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !process::is_collector() && PROCESS.is_running() {
                tell_panic(info);
                // Whether it was in time: the process has other worries.
                let _ = flush(Duration::from_millis(500));
            }
            before(info);
        }));
    }

    /// Stops: nothing is built any more, what was emitted goes to the subscribers, spans that are
    /// open are ended as interrupted, and each subscriber is told that this is all once it has
    /// received everything.
    pub fn shutdown(mut self, limit: Duration) -> Result<(), TelemetryError> {
        self.stop(limit)
    }

    fn stop(&mut self, limit: Duration) -> Result<(), TelemetryError> {
        let Some(collector) = self.collector.take() else {
            return Ok(());
        };
        dispatch::set_paused(true);
        PROCESS.ask(|control| control.stop = true);
        if !PROCESS.wait(limit, |control| control.stopped) {
            return Err(TelemetryError::TimedOut(limit));
        }
        // It has nothing left to do but to end; a panic of it was caught.
        let _ = collector.join();
        Ok(())
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.stop(Duration::from_secs(5));
    }
}

fn flush(limit: Duration) -> Result<(), TelemetryError> {
    let mut wanted = 0;
    PROCESS.ask(|control| {
        control.flush_wanted += 1;
        wanted = control.flush_wanted;
    });
    let is_done = PROCESS.wait(limit, |control| {
        control.flush_done >= wanted || control.stopped
    });
    if is_done {
        Ok(())
    } else {
        Err(TelemetryError::TimedOut(limit))
    }
}

fn tell_panic(info: &std::panic::PanicHookInfo<'_>) {
    let kind = EventType::PROGRAM_EVENT;
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(ToString::to_string);
    let thread = std::thread::current();
    emit::emit_at(
        kind,
        Level::Error,
        crate::span::current(),
        &Written(|out: &mut crate::Encoder<'_>| {
            out.pair(Key::DETAILS, &message);
            out.pair(Key::REASON, "panic");
            out.pair(Key::TARGET, &place);
            out.pair(Key::ATTRIBUTE, &("thread", thread.name().unwrap_or("")));
        }),
    );
}
