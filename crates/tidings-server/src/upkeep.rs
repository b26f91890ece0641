//! Keeps the history small: merges parts, and drops what has been kept long enough, samples of metrics
//! too.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_engine::{Engine, RetentionRules, SampleRules};

use crate::clock;
use crate::console::Console;
use crate::stop::Stop;

/// How long to rest between two rounds.
const REST: Duration = Duration::from_secs(60);

/// How long what is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) history: RetentionRules,
    pub(crate) samples: SampleRules,
}

/// The thread that keeps the history small.
pub(crate) struct Upkeep {
    /// What it goes by in its next round.
    rules: Arc<Mutex<Rules>>,
    /// Set to break off a merge.
    cancel: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    /// Starts it.
    pub(crate) fn spawn(
        engine: Arc<Engine>,
        rules: Rules,
        console: Console,
        stop: Stop,
    ) -> std::io::Result<Upkeep> {
        let cancel = Arc::new(AtomicBool::new(false));
        let cancelled = Arc::clone(&cancel);
        let rules = Arc::new(Mutex::new(rules));
        let ruling = Arc::clone(&rules);
        let thread = std::thread::Builder::new()
            .name("upkeep".into())
            .spawn(move || {
                let mut told = String::new();
                loop {
                    stop.wait(REST);
                    if stop.is_set() {
                        return;
                    }
                    let Rules { history, samples } = *lock(&ruling);
                    if let Err(error) = engine.maintain(clock::now_ns(), &history, &cancelled) {
                        let why = error.to_string();
                        if why != told {
                            console.say(&format!(
                                "the history is not merged or shortened now: {why}"
                            ));
                            told = why;
                        }
                    }
                    // A failure is told by who writes them.
                    let _ = engine.samples().maintain(clock::now_ns(), &samples);
                }
            })?;
        Ok(Upkeep {
            rules,
            cancel,
            thread,
        })
    }

    /// Has it go by these from its next round on.
    pub(crate) fn set(&self, rules: Rules) {
        *lock(&self.rules) = rules;
    }

    /// Breaks off what it is doing; it ends when its stop signal is set.
    pub(crate) fn cancel(self) -> JoinHandle<()> {
        self.cancel
            .store(true, std::sync::atomic::Ordering::Release);
        self.thread
    }
}

fn lock(rules: &Mutex<Rules>) -> std::sync::MutexGuard<'_, Rules> {
    rules.lock().unwrap_or_else(PoisonError::into_inner)
}
