//! The time of day and the passing of time: the one place in this crate that asks the system.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time; a test brings its own.
pub(crate) trait Clock {
    /// Nanoseconds since the unix epoch.
    fn now_ns(&self) -> i64;
    /// Milliseconds since some fixed moment; never goes back.
    fn elapsed_ms(&self) -> u64;
}

/// The system's clock.
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock of the command line")]
    pub(crate) fn new() -> SystemClock {
        SystemClock {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock of the command line")]
    fn now_ns(&self) -> i64 {
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
