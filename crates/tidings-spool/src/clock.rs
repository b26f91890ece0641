//! The time, as an argument: the one place of this crate that asks the system for it.

use std::fmt::Debug;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the spool takes the time from.
///
/// Called by the writer thread a few times per commit; must not block.
pub trait Clock: Debug + Send + Sync {
    /// Wall-clock time in nanoseconds since 1970-01-01 UTC. May jump; used for the age of segments.
    fn now_ns(&self) -> i64;
    /// Nanoseconds since some fixed moment, never going back; used to time syncs.
    fn monotonic_ns(&self) -> u64;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at 0 now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is where the system is asked"
    )]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is where the system is asked"
    )]
    fn now_ns(&self) -> i64 {
        // A clock before 1970 or after 2262 is a broken clock; the end of the range stands for it.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| {
                i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
            })
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_of_this_century_and_monotonic() {
        let clock = SystemClock::new();
        assert!(clock.now_ns() > 1_600_000_000_000_000_000);
        let first = clock.monotonic_ns();
        assert!(clock.monotonic_ns() >= first);
    }
}
