//! For how long the oldest undelivered event has been waiting.

use std::collections::VecDeque;

use tidings_spool::Behind;

/// A lossy output skips when it is further behind than this.
const MAX_BYTES: u64 = 8 << 20;
/// Or when an event has waited for longer.
const MAX_NS: u64 = 10_000_000_000;
/// Time between two samples.
const SAMPLE_NS: u64 = 500_000_000;
/// Samples kept: a little more than what [`MAX_NS`] needs. Older waiting is told as the oldest's.
const MAX_SAMPLES: usize = 64;

/// Where the end was at some moments: an event before it has been waiting at least since then.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// (end, monotonic time), oldest first.
    samples: VecDeque<(u64, u64)>,
}

impl Lag {
    /// Notes where the end is; everything before `done` waits no longer.
    pub(super) fn sample(&mut self, head: u64, done: u64, now_ns: u64) {
        while self.samples.front().is_some_and(|(end, _)| *end <= done) {
            self.samples.pop_front();
        }
        let is_new = self
            .samples
            .back()
            .is_none_or(|(_, at)| now_ns.saturating_sub(*at) >= SAMPLE_NS);
        if head > done && is_new {
            if self.samples.len() == MAX_SAMPLES {
                // The second goes: the first tells for how long, the others where that ends.
                self.samples.remove(1);
            }
            self.samples.push_back((head, now_ns));
        }
    }

    /// Since when the oldest event has been waiting, if any is: it came at the latest then.
    pub(super) fn since_ns(&self) -> Option<u64> {
        self.samples.front().map(|(_, at)| *at)
    }

    pub(super) fn behind_ns(&self, now_ns: u64) -> u64 {
        self.since_ns()
            .map_or(0, |since| now_ns.saturating_sub(since))
    }

    pub(super) fn is_too_far(&self, behind: Behind, now_ns: u64) -> bool {
        behind.bytes > MAX_BYTES || self.behind_ns(now_ns) > MAX_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn waiting_is_told_from_the_first_event_that_waits() {
        let mut lag = Lag::default();
        let behind = |bytes| Behind { events: 1, bytes };
        lag.sample(10, 10, 0);
        assert_eq!(lag.behind_ns(100 * SECOND), 0, "nothing waits");
        for second in 0..10 {
            lag.sample(20 + second, 10, second * SECOND);
        }
        assert_eq!(lag.behind_ns(10 * SECOND), 10 * SECOND);
        assert!(!lag.is_too_far(behind(1), 10 * SECOND));
        assert!(lag.is_too_far(behind(1), 10 * SECOND + 1));
        lag.sample(40, 25, 10 * SECOND);
        assert_eq!(lag.behind_ns(10 * SECOND), 4 * SECOND);
        assert!(lag.is_too_far(behind(MAX_BYTES + 1), 10 * SECOND));
        for second in 10..10_000 {
            lag.sample(second + 100, 25, second * SECOND);
            assert!(lag.samples.len() <= MAX_SAMPLES);
        }
        assert_eq!(lag.behind_ns(10_000 * SECOND), 9_994 * SECOND);
    }
}
