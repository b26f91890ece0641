//! How many messages are in the queues, as far as the lines tell.

use super::Verdict;
use super::fold::Folder;
use super::leg::Leg;

/// Messages in the queues of the servers, by what they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Not yet tried, or being tried.
    pub active: u64,
    /// Tried, and to be tried again.
    pub deferred: u64,
    /// Put on hold.
    pub held: u64,
}

impl Folder {
    /// The messages that came into a queue and did not leave it. One that two servers have is
    /// counted at each of them.
    pub fn queue_depth(&self) -> QueueDepth {
        let mut depth = QueueDepth::default();
        for leg in self.open_legs().filter(|leg| is_in_queue(leg)) {
            match state(leg) {
                Some(Verdict::Held) => depth.held += 1,
                Some(Verdict::Deferred) => depth.deferred += 1,
                _ => depth.active += 1,
            }
        }
        depth
    }
}

fn is_in_queue(leg: &Leg) -> bool {
    leg.queued && !leg.removed && !leg.aborted && !leg.is_lmtp
}

/// What was decided last: for the message as a whole, or for any of its recipients.
fn state(leg: &Leg) -> Option<Verdict> {
    let held = leg.whole.as_ref().and_then(|whole| whole.verdict);
    if held == Some(Verdict::Held) {
        return held;
    }
    let last = leg
        .outcomes
        .iter()
        .max_by_key(|outcome| (outcome.time_ns, outcome.line));
    last.and_then(|outcome| outcome.verdict)
}
