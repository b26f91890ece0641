//! What is remembered of queue ids: one leg per message and server, found by host and queue id,
//! in the face of short ids that are used again and lines that are out of order.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use tidings_event::Id;

use super::names::Names;
use super::{CLOSED_FOR_NS, DISORDER_NS, Limits, is_long_id};

/// Longest queue id that is told apart; Postfix's are at most 20 bytes.
const ID_MAX: usize = 26;

/// Host and queue id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct LegKey {
    pub(super) host: u16,
    length: u8,
    id: [u8; ID_MAX],
}

impl LegKey {
    /// `None` if `id` is too long to be a queue id.
    pub(super) fn new(host: u16, id: &[u8]) -> Option<LegKey> {
        let mut bytes = [0; ID_MAX];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(LegKey {
            host,
            length: id.len() as u8,
            id: bytes,
        })
    }

    pub(super) fn id(&self) -> &[u8] {
        &self.id[..usize::from(self.length)]
    }

    pub(super) fn is_long(&self) -> bool {
        is_long_id(self.id())
    }
}

/// What a line does to a leg: decides whether a short id means the leg known or a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `client=` or `uid=`: the first line of a message. With the process that wrote it.
    Opens { pid: u32 },
    /// `message-id=`, with a hash of it.
    Names { message: u64 },
    /// `(queue active)`.
    Activates,
    /// A delivery line, or anything else about a message that is in the queue.
    Continues,
    /// `removed`.
    Removes,
    /// The id was given to a message made from another one (bounce, forward).
    Derives,
}

/// A leg: one message at one server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leg {
    pub(super) queue_id: u64,
    pub(super) first_ns: i64,
    pub(super) removed_ns: Option<i64>,
    /// Time of the opening line and its process, once seen.
    pub(super) opened: Option<(i64, u32)>,
    /// Hash of the Message-ID, once seen.
    pub(super) message: Option<u64>,
    /// The session in which it was received.
    pub(super) session: Option<Id>,
    /// The delivery attempt that runs, or ran last.
    pub(super) attempt: Option<Id>,
    pub(super) attempt_start_ns: i64,
    pub(super) attempt_open: bool,
    /// `(queue active)` was seen.
    pub(super) queued: bool,
    /// It was received with a sign-in.
    pub(super) authenticated: bool,
    /// It was made by the server: a notification.
    pub(super) notice: bool,
    /// The leg that had this short id before, for lines that come late.
    pub(super) previous: Option<Box<Leg>>,
}

impl Leg {
    pub(super) fn new(queue_id: u64, first_ns: i64) -> Leg {
        Leg {
            queue_id,
            first_ns,
            removed_ns: None,
            opened: None,
            message: None,
            session: None,
            attempt: None,
            attempt_start_ns: 0,
            attempt_open: false,
            queued: false,
            authenticated: false,
            notice: false,
            previous: None,
        }
    }

    /// Whether a line with this role at this time speaks of a new message under a short id.
    fn is_over(&self, role: Role, time_ns: i64) -> bool {
        let within = |start: i64| (time_ns - start).abs() <= DISORDER_NS;
        match role {
            Role::Opens { pid } => match self.opened {
                Some((opened_ns, opener)) => !(opener == pid && opened_ns == time_ns),
                None => {
                    let removed = self
                        .removed_ns
                        .is_some_and(|removed_ns| time_ns >= removed_ns);
                    removed || !within(self.first_ns) || self.notice
                }
            },
            Role::Names { message } => match self.message {
                Some(known) => {
                    known != message && (self.removed_ns.is_some() || !within(self.first_ns))
                }
                None => self
                    .removed_ns
                    .is_some_and(|removed_ns| time_ns > removed_ns + DISORDER_NS),
            },
            Role::Activates => self
                .removed_ns
                .is_some_and(|removed_ns| time_ns > removed_ns),
            Role::Continues | Role::Removes => self
                .removed_ns
                .is_some_and(|removed_ns| time_ns > removed_ns + CLOSED_FOR_NS),
            Role::Derives => self.opened.is_some() || !within(self.first_ns),
        }
    }

    /// Whether a line with this role must mean the previous leg of the same short id: this one
    /// has not been in the queue yet.
    fn is_too_young(&self, role: Role) -> bool {
        let previous_lives = |leg: &Leg| role != Role::Removes || leg.removed_ns.is_none();
        matches!(role, Role::Continues | Role::Removes)
            && !self.queued
            && self.previous.as_deref().is_some_and(previous_lives)
    }
}

/// All legs remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Legs {
    by_key: FxHashMap<LegKey, Leg>,
    /// Keys in the order of opening, each with the leg's id; stale entries are skipped.
    opened: VecDeque<(LegKey, u64)>,
    /// Keys in the order of removal.
    closed: VecDeque<(LegKey, u64, i64)>,
}

impl Legs {
    /// Open and closed legs.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let closed = self.closed.len().min(self.by_key.len());
        (self.by_key.len() - closed, closed)
    }

    /// The leg that a line with this role means; `make_id` gives the id of a new one.
    pub(super) fn find(
        &mut self,
        key: LegKey,
        role: Role,
        time_ns: i64,
        make_id: impl FnOnce() -> u64,
    ) -> &mut Leg {
        let over = match self.by_key.get(&key) {
            Some(leg) => !key.is_long() && leg.is_over(role, time_ns),
            None => true,
        };
        if over {
            self.open(key, Leg::new(make_id(), time_ns));
        }
        let leg = self.by_key.get_mut(&key).expect("found or opened above");
        if leg.is_too_young(role) {
            return leg
                .previous
                .as_deref_mut()
                .expect("checked by is_too_young");
        }
        leg
    }

    /// The leg that has this key now, if any.
    pub(super) fn current(&mut self, key: &LegKey) -> Option<&mut Leg> {
        self.by_key.get_mut(key)
    }

    /// Notes that the leg was removed from the queue.
    pub(super) fn close(&mut self, key: LegKey, queue_id: u64, time_ns: i64) {
        self.closed.push_back((key, queue_id, time_ns));
    }

    pub(super) fn open(&mut self, key: LegKey, mut leg: Leg) {
        self.opened.push_back((key, leg.queue_id));
        if let Some(mut previous) = self.by_key.remove(&key) {
            previous.previous = None;
            leg.previous = Some(Box::new(previous));
        }
        self.by_key.insert(key, leg);
    }

    /// Puts a saved leg back.
    pub(super) fn restore(&mut self, key: LegKey, leg: Leg) {
        self.opened.push_back((key, leg.queue_id));
        self.by_key.insert(key, leg);
    }

    /// Drops legs that were removed before the time at which late lines are still expected.
    pub(super) fn forget_closed(&mut self, now_ns: i64) {
        let is_over = |removed_ns: i64| now_ns.saturating_sub(removed_ns) > CLOSED_FOR_NS;
        self.by_key
            .retain(|_, leg| !leg.removed_ns.is_some_and(is_over));
        self.closed
            .retain(|(_, _, removed_ns)| !is_over(*removed_ns));
        let by_key = &self.by_key;
        self.opened
            .retain(|(key, id)| by_key.get(key).is_some_and(|leg| leg.queue_id == *id));
    }

    /// Drops the legs of a host under short queue ids.
    pub(super) fn forget_short_of(&mut self, host: u16) {
        let is_kept = |key: &LegKey| key.host != host || key.is_long();
        self.by_key.retain(|key, _| is_kept(key));
        self.closed.retain(|(key, _, _)| is_kept(key));
        self.opened.retain(|(key, _)| is_kept(key));
    }

    /// Drops closed legs whose time is over, and what exceeds the limits.
    pub(super) fn forget(&mut self, names: &Names, limits: &Limits) {
        while let Some((key, queue_id, removed_ns)) = self.closed.front() {
            let due = names.newest_ns(key.host).saturating_sub(*removed_ns) > CLOSED_FOR_NS;
            if !due && self.closed.len() <= limits.closed_legs {
                break;
            }
            if self
                .by_key
                .get(key)
                .is_some_and(|leg| leg.queue_id == *queue_id)
            {
                self.by_key.remove(key);
            }
            self.closed.pop_front();
        }
        let limit = limits.legs + limits.closed_legs;
        while self.by_key.len() > limit {
            let Some((key, queue_id)) = self.opened.pop_front() else {
                break;
            };
            if self
                .by_key
                .get(&key)
                .is_some_and(|leg| leg.queue_id == queue_id)
            {
                self.by_key.remove(&key);
            }
        }
        if self.opened.len() > 2 * self.by_key.len() + 1024 {
            let by_key = &self.by_key;
            self.opened
                .retain(|(key, id)| by_key.get(key).is_some_and(|leg| leg.queue_id == *id));
        }
    }

    /// All current legs in the order of opening.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&LegKey, &Leg)> {
        self.opened.iter().filter_map(|(key, id)| {
            self.by_key
                .get(key)
                .filter(|leg| leg.queue_id == *id)
                .map(|leg| (key, leg))
        })
    }

    /// Removed legs in the order of removal, with the time.
    pub(super) fn closed_in_order(&self) -> impl Iterator<Item = &(LegKey, u64, i64)> {
        self.closed.iter()
    }
}
