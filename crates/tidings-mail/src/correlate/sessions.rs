//! What is remembered of sessions: by process for smtpd, by endpoint for postscreen, by session
//! id for Dovecot.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use tidings_event::Id;

use super::CLOSED_FOR_NS;
use super::legs::LegKey;

/// Which session is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum SessionKey {
    /// A process of a host that serves one client at a time.
    Process { host: u16, pid: u32 },
    /// A hash of a client's address and port (postscreen), or of a session id (Dovecot).
    Hash { host: u16, hash: u64 },
}

/// A session, open or just closed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Session {
    pub(super) span: Id,
    pub(super) start_ns: i64,
    pub(super) last_ns: i64,
    pub(super) client: Option<IpAddr>,
    /// Its start line was not seen (yet).
    pub(super) implicit: bool,
    pub(super) closed: bool,
    /// It ended by a lost connection, a timeout or too many errors. Of postscreen: it answered
    /// the client's commands itself, so the client is not handed over to smtpd.
    pub(super) lost: bool,
    /// Hash of the user who signed in, 0 for nobody.
    pub(super) user: u64,
    /// The queue id opened last, until it is seen in the queue.
    pub(super) leg: Option<LegKey>,
}

/// A second line that tells of a session's start comes within this time; later, it is another
/// session of a process whose end was not logged.
const TOLD_TWICE_NS: i64 = 2_000_000_000;

impl Session {
    /// Whether its start was told: by its own line, or together with its end.
    pub(super) fn is_started(&self) -> bool {
        !self.implicit || self.closed
    }

    /// Whether a line that tells of this client's start only repeats what is known.
    pub(super) fn is_same_start(&self, time_ns: i64, client: Option<IpAddr>) -> bool {
        let apart_ns = (time_ns - self.start_ns).abs();
        !self.implicit && !self.closed && self.client == client && apart_ns <= TOLD_TWICE_NS
    }

    /// Ends it. Gives what is to be told of it.
    pub(super) fn end(&mut self) -> Ending {
        let ending = match (self.closed, self.implicit) {
            (true, _) => Ending::Told,
            (false, true) => Ending::Both,
            (false, false) => Ending::End,
        };
        self.closed = true;
        ending
    }
}

/// What a line that ends a session has to tell, so that each has one start and one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its start was told: the end.
    End,
    /// Its start was not told: start and end. Both have the time of the line, as all events of a
    /// line; how long the session took is told with the end, where it is known.
    Both,
    /// Its end was told.
    Told,
}

/// A session that begins.
pub(super) fn new_session(
    span: Id,
    time_ns: i64,
    client: Option<IpAddr>,
    implicit: bool,
) -> Session {
    Session {
        span,
        start_ns: time_ns,
        last_ns: time_ns,
        client,
        implicit,
        closed: false,
        lost: false,
        user: 0,
        leg: None,
    }
}

/// All sessions remembered, forgetting the one opened longest ago first.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_key: FxHashMap<SessionKey, Session>,
    /// Keys in the order of opening, with the span that was opened; stale entries are skipped.
    order: VecDeque<(SessionKey, Id)>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get_mut(&mut self, key: &SessionKey) -> Option<&mut Session> {
        self.by_key.get_mut(key)
    }

    pub(super) fn open(&mut self, key: SessionKey, session: Session) -> &mut Session {
        self.order.push_back((key, session.span));
        self.by_key.insert(key, session);
        self.by_key.get_mut(&key).expect("inserted the line before")
    }

    /// Drops sessions that were closed before the time at which late lines are still expected.
    pub(super) fn forget_closed(&mut self, now_ns: i64) {
        let is_over = |session: &Session| {
            session.closed && now_ns.saturating_sub(session.last_ns) > CLOSED_FOR_NS
        };
        self.by_key.retain(|_, session| !is_over(session));
        let by_key = &self.by_key;
        self.order
            .retain(|(key, span)| by_key.get(key).is_some_and(|session| session.span == *span));
    }

    /// Drops the sessions of a host's processes.
    pub(super) fn forget_processes_of(&mut self, of: u16) {
        let is_kept =
            |key: &SessionKey| !matches!(key, SessionKey::Process { host, .. } if *host == of);
        self.by_key.retain(|key, _| is_kept(key));
        self.order.retain(|(key, _)| is_kept(key));
    }

    /// Drops what exceeds `limit`, and keeps the order queue from outgrowing the map.
    pub(super) fn forget(&mut self, limit: usize) {
        while self.by_key.len() > limit {
            let Some((key, span)) = self.order.pop_front() else {
                break;
            };
            if self
                .by_key
                .get(&key)
                .is_some_and(|session| session.span == span)
            {
                self.by_key.remove(&key);
            }
        }
        if self.order.len() > 2 * self.by_key.len() + 1024 {
            let by_key = &self.by_key;
            self.order
                .retain(|(key, span)| by_key.get(key).is_some_and(|s| s.span == *span));
        }
    }

    /// All sessions in the order of opening.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&SessionKey, &Session)> {
        self.order.iter().filter_map(|(key, span)| {
            self.by_key
                .get(key)
                .filter(|session| session.span == *span)
                .map(|session| (key, session))
        })
    }
}
