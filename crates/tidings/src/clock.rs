//! Time: ticks when an event happens, nanoseconds since the unix epoch when it is collected.
//!
//! An emitting thread reads the processor's counter (8 ns where `SystemTime::now` takes 25) and
//! nothing else. The collector turns ticks into wall time by an [`Anchor`], a pair of both that it
//! takes anew before each round, so a clock that is set, or slewed, is followed within
//! milliseconds, and the counter's own drift never adds up. Where the processor has no
//! steady counter, ticks are the system's monotonic nanoseconds.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quanta::Clock;

static CLOCK: OnceLock<Clock> = OnceLock::new();

fn clock() -> &'static Clock {
    // Calibrates on first use, which takes less than a millisecond.
    CLOCK.get_or_init(Clock::new)
}

/// The counter now. Comparable between threads.
#[inline]
pub(crate) fn ticks() -> u64 {
    clock().raw()
}

/// How long it is from one reading of the counter to a later one; 0 if it is not later.
#[inline]
pub(crate) fn nanos_between(from: u64, to: u64) -> u64 {
    clock().delta_as_nanos(from, to)
}

/// How long ago the counter showed `ticks`.
pub(crate) fn since(from: u64) -> Duration {
    Duration::from_nanos(nanos_between(from, ticks()))
}

/// The counter so long before `ticks`.
pub(crate) fn before(at: u64, span: Duration) -> u64 {
    // Ticks per nanosecond, from what a round number of ticks takes.
    const SAMPLE: u64 = 1 << 40;
    let nanos = nanos_between(0, SAMPLE).max(1);
    let ticks = span.as_nanos().saturating_mul(u128::from(SAMPLE)) / u128::from(nanos);
    at.saturating_sub(u64::try_from(ticks).unwrap_or(u64::MAX))
}

/// What the wall clock showed when the counter stood where it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    ticks: u64,
    wall_ns: i64,
}

impl Anchor {
    /// Reads both.
    pub(crate) fn now() -> Anchor {
        let before = ticks();
        let wall_ns = wall_ns();
        let after = ticks();
        Anchor {
            ticks: before + after.saturating_sub(before) / 2,
            wall_ns,
        }
    }

    /// The wall time at which the counter stood at `ticks`: nanoseconds since the unix epoch.
    #[inline]
    pub(crate) fn time_ns(&self, ticks: u64) -> i64 {
        let signed = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
        if ticks >= self.ticks {
            self.wall_ns
                .saturating_add(signed(nanos_between(self.ticks, ticks)))
        } else {
            self.wall_ns
                .saturating_sub(signed(nanos_between(ticks, self.ticks)))
        }
    }
}

/// The wall clock: nanoseconds since the unix epoch, 0 for times before it.
pub(crate) fn wall_ns() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ticks_read_as_wall_time() {
        let anchor = Anchor::now();
        std::thread::sleep(Duration::from_millis(5));
        // The least of several tries: a thread may be stopped between two readings.
        let worst = (0..200)
            .map(|_| (anchor.time_ns(ticks()) - wall_ns()).abs())
            .min();
        // On a machine with nothing else to do it is well below a microsecond.
        assert!(worst.unwrap() < 100_000, "{worst:?} ns");
        let past = anchor.time_ns(before(ticks(), Duration::from_secs(1)));
        assert!((wall_ns() - past - 1_000_000_000).abs() < 50_000_000);
    }
}
