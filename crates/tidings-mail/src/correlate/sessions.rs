//! What is remembered of sessions: by process for smtpd, by endpoint for postscreen, by session
//! id for Dovecot.
//!
//! **Pairs.** Metrics count active connections by starts and ends, so each start that was told is
//! followed by one end, whatever the log holds. A session is told of as started (`!implicit`), as
//! ended (`closed`), or as neither; who tells of one changes the state with it. One that has to make
//! room while it is open, because its process, endpoint or place was given to another, is *lost*:
//! its end is told with the line at which that shows ([`Sessions::next_lost`]).
//!
//! **Cuts.** A closed session is known for [`CLOSED_FOR_NS`] of log time and not longer, also where
//! it is still remembered: so a line means the same whether the lines before it were read at once
//! with it or in an earlier run, which saved less.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use tidings_event::{EventType, Id};

use super::legs::LegKey;
use super::names::Names;
use super::{CLOSED_FOR_NS, DISORDER_NS};
use crate::saved::SavedError;

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
    /// Another line ended it: the same one twice, or that of the process's next session.
    pub(super) ended_twice: bool,
    /// It ended by a lost connection, a timeout or too many errors. Of postscreen: it answered
    /// the client's commands itself, so the client is not handed over to smtpd.
    pub(super) lost: bool,
    /// Hash of the user who signed in, 0 for nobody.
    pub(super) user: u64,
    /// The queue id opened last, until it is seen in the queue.
    pub(super) leg: Option<LegKey>,
    /// Which connections it counts with.
    pub(super) kind: Kind,
    /// Hash of service and account by which an end without a session id finds it; 0 for none.
    pub(super) owner: u64,
    /// The process that serves it after the sign-in, if told.
    pub(super) served_by: Option<u32>,
}

/// Whose connections a session counts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Smtp,
    Imap,
    Pop3,
    ManageSieve,
}

impl Kind {
    pub(super) fn start(self) -> EventType {
        match self {
            Kind::Smtp => EventType::SMTP_CONNECTION_START,
            Kind::Imap => EventType::IMAP_CONNECTION_START,
            Kind::Pop3 => EventType::POP3_CONNECTION_START,
            Kind::ManageSieve => EventType::MANAGE_SIEVE_CONNECTION_START,
        }
    }

    pub(super) fn end(self) -> EventType {
        match self {
            Kind::Smtp => EventType::SMTP_CONNECTION_END,
            Kind::Imap => EventType::IMAP_CONNECTION_END,
            Kind::Pop3 => EventType::POP3_CONNECTION_END,
            Kind::ManageSieve => EventType::MANAGE_SIEVE_CONNECTION_END,
        }
    }

    /// The kind that is saved as this number.
    pub(super) fn saved(number: u64) -> Result<Kind, SavedError> {
        let kinds = [Kind::Smtp, Kind::Imap, Kind::Pop3, Kind::ManageSieve];
        let index = usize::try_from(number).ok();
        let kind = index.and_then(|index| kinds.get(index));
        kind.copied()
            .ok_or(SavedError("an unknown kind of session"))
    }
}

/// A second line that tells of a session's start comes within this time; later, it is another
/// session of a process whose end was not logged.
const TOLD_TWICE_NS: i64 = 2_000_000_000;

impl Session {
    /// Whether its start was told: by its own line, or together with its end.
    pub(super) fn is_started(&self) -> bool {
        !self.implicit || self.closed
    }

    /// Whether a line that tells of this client's start only repeats what is known: it came twice,
    /// or it comes late, and the start was told together with the end.
    pub(super) fn is_same_start(&self, time_ns: i64, client: Option<IpAddr>) -> bool {
        let apart_ns = time_ns.saturating_sub(self.start_ns).saturating_abs();
        let is_twice = self.is_active() && apart_ns <= TOLD_TWICE_NS;
        let is_late = apart_ns == 0 && self.ended_with_next(time_ns, client);
        self.client == client && (is_twice || is_late || self.ended_before_start(time_ns))
    }

    /// Whether the end of the session that a line of this client begins was told already: lines of
    /// two sessions of a process are out of order, and both ends came first.
    pub(super) fn ended_with_next(&self, time_ns: i64, client: Option<IpAddr>) -> bool {
        let late_ns = self.last_ns.saturating_sub(time_ns);
        self.ended_twice && self.client == client && (1..=DISORDER_NS).contains(&late_ns)
    }

    /// Whether it ended, as the log tells, shortly before a line that would begin it.
    pub(super) fn ended_before_start(&self, time_ns: i64) -> bool {
        let late_ns = self.last_ns.saturating_sub(time_ns);
        self.implicit && self.closed && (0..=DISORDER_NS).contains(&late_ns)
    }

    /// Whether its start was told, and its end was not.
    pub(super) fn is_active(&self) -> bool {
        !self.implicit && !self.closed
    }

    /// What orders sessions by their starts.
    fn age(&self) -> (i64, u64) {
        (self.start_ns, self.span.0)
    }

    /// Whether no line of this time can mean it: it is closed, and late lines of it have come.
    fn is_over(&self, time_ns: i64) -> bool {
        self.closed && time_ns.saturating_sub(self.last_ns).saturating_abs() > CLOSED_FOR_NS
    }

    /// Ends it. Gives what is to be told of it.
    pub(super) fn end(&mut self) -> Ending {
        let ending = match (self.closed, self.implicit) {
            (true, _) => Ending::Told,
            (false, true) => Ending::Both,
            (false, false) => Ending::End,
        };
        self.ended_twice = self.closed;
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
        ended_twice: false,
        lost: false,
        user: 0,
        leg: None,
        kind: Kind::default(),
        owner: 0,
        served_by: None,
    }
}

/// Active sessions that an account has of a service at most, as far as ends without session ids
/// are concerned; beyond, the oldest is lost. Dovecot allows 10 from an address unless told else
/// (`mail_max_userip_connections`): so many never ended as the log tells.
const OWNED_MAX: usize = 1000;

/// Sessions of an owner, with their spans; some may have ended.
type Owned = Vec<(SessionKey, Id)>;

/// Whether the session in this place is the one that was noted, and active.
fn is_active_at(by_key: &FxHashMap<SessionKey, Session>, (key, span): &(SessionKey, Id)) -> bool {
    let session = by_key.get(key);
    session.is_some_and(|session| session.span == *span && session.is_active())
}

/// All sessions remembered, forgetting the one opened longest ago first.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_key: FxHashMap<SessionKey, Session>,
    /// Keys in the order of opening, with the span that was opened; stale entries are skipped.
    order: VecDeque<(SessionKey, Id)>,
    /// By host and [`Session::owner`].
    by_owner: FxHashMap<(u16, u64), Owned>,
    /// Entries in `by_owner`.
    owned: usize,
    /// Active sessions that had to make room, and whose ends are still to be told.
    lost: VecDeque<(Id, Kind)>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many sessions were told to have started and not to have ended.
    pub(super) fn active(&self) -> usize {
        let active = self.by_key.values().filter(|session| session.is_active());
        active.count() + self.lost.len()
    }

    /// The session that a line of this time means by `key`.
    pub(super) fn get_mut(&mut self, key: &SessionKey, time_ns: i64) -> Option<&mut Session> {
        let session = self.by_key.get_mut(key)?;
        (!session.is_over(time_ns)).then_some(session)
    }

    /// Opens a session; one that is active under the same key is lost.
    pub(super) fn open(&mut self, key: SessionKey, session: Session) -> &mut Session {
        self.order.push_back((key, session.span));
        if session.owner != 0 {
            self.note_owner(key, session.span, session.owner);
        }
        if let Some(old) = self.by_key.insert(key, session) {
            self.lose(&old);
        }
        self.by_key.get_mut(&key).expect("inserted the line before")
    }

    /// Tells of an active session's end with one of the next lines.
    fn lose(&mut self, session: &Session) {
        if session.is_active() {
            self.lost.push_back((session.span, session.kind));
        }
    }

    /// Takes out a session that was lost, whose end is to be told.
    pub(super) fn next_lost(&mut self) -> Option<(Id, Kind)> {
        self.lost.pop_front()
    }

    /// All that were lost, oldest first.
    pub(super) fn lost(&self) -> &VecDeque<(Id, Kind)> {
        &self.lost
    }

    /// Adds a session that was lost.
    pub(super) fn restore_lost(&mut self, span: Id, kind: Kind) {
        self.lost.push_back((span, kind));
    }

    /// Lets an end without a session id find this session by the account's hash.
    pub(super) fn set_owner(&mut self, key: &SessionKey, owner: u64) {
        if let Some(session) = self.by_key.get_mut(key)
            && session.owner != owner
        {
            session.owner = owner;
            let span = session.span;
            self.note_owner(*key, span, owner);
        }
    }

    fn note_owner(&mut self, key: SessionKey, span: Id, owner: u64) {
        let owned = self.by_owner.entry((key.host(), owner)).or_default();
        owned.push((key, span));
        self.owned += 1;
        if owned.len() > OWNED_MAX {
            self.forget_ended_of(key.host(), owner);
            self.lose_oldest_of(key.host(), owner);
        }
        if self.owned > 2 * self.by_key.len() + 1024 {
            self.forget_owned();
        }
    }

    /// Makes room for a session of an account that has too many.
    fn lose_oldest_of(&mut self, host: u16, owner: u64) {
        let by_key = &self.by_key;
        let Some(owned) = self.by_owner.get(&(host, owner)) else {
            return;
        };
        let oldest = owned.iter().min_by_key(|(key, _)| by_key[key].age());
        if let Some((key, _)) = oldest.copied().filter(|_| owned.len() > OWNED_MAX)
            && let Some(session) = self.by_key.remove(&key)
        {
            self.lose(&session);
        }
    }

    /// The active session of this account that an end without a session id ends: that of the
    /// process that tells of it, else the one that began first. Not one of another process.
    pub(super) fn owned(
        &mut self,
        host: u16,
        owner: u64,
        pid: Option<u32>,
    ) -> Option<&mut Session> {
        self.forget_ended_of(host, owner);
        let by_key = &self.by_key;
        let owned = self.by_owner.get(&(host, owner))?;
        let may_be = |(key, _): &&(SessionKey, Id)| {
            let served_by = by_key[key].served_by;
            pid.is_none() || served_by.is_none() || served_by == pid
        };
        let first = |(key, _): &&(SessionKey, Id)| {
            let session = &by_key[key];
            (pid.is_none() || session.served_by != pid, session.age())
        };
        let key = owned.iter().filter(may_be).min_by_key(first)?.0;
        self.by_key.get_mut(&key)
    }

    /// Drops the places of an account's sessions that ended.
    fn forget_ended_of(&mut self, host: u16, owner: u64) {
        let by_key = &self.by_key;
        if let Some(owned) = self.by_owner.get_mut(&(host, owner)) {
            let before = owned.len();
            owned.retain(|at| is_active_at(by_key, at));
            self.owned -= before - owned.len();
        }
    }

    /// Drops sessions that were closed before the time at which late lines are still expected, by
    /// the time that the log of their host has reached.
    pub(super) fn forget_closed(&mut self, names: &Names) {
        let is_over = |key: &SessionKey, session: &Session| {
            let now_ns = names.newest_ns(key.host());
            let closed_for_ns = now_ns.saturating_sub(session.last_ns);
            session.closed && closed_for_ns > CLOSED_FOR_NS + DISORDER_NS
        };
        self.by_key.retain(|key, session| !is_over(key, session));
        self.forget_stale();
    }

    /// Drops the sessions of a host's processes.
    pub(super) fn forget_processes_of(&mut self, of: u16) {
        let is_dropped =
            |key: &SessionKey| matches!(key, SessionKey::Process { host, .. } if *host == of);
        let keys: Vec<_> = self.in_order().map(|(key, _)| *key).collect();
        for key in keys.into_iter().filter(is_dropped) {
            if let Some(session) = self.by_key.remove(&key) {
                self.lose(&session);
            }
        }
        self.forget_stale();
    }

    /// Drops what exceeds `limit`: closed sessions that no line can mean, then those that were
    /// opened longest ago. Keeps the order queue from outgrowing the map.
    pub(super) fn forget(&mut self, limit: usize, names: &Names) {
        if self.by_key.len() > limit {
            self.forget_closed(names);
            // Some more, so that not every line looks through all.
            let goal = limit - limit / 16;
            while self.by_key.len() > goal
                && let Some((key, span)) = self.order.pop_front()
            {
                if self.by_key.get(&key).is_some_and(|at| at.span == span)
                    && let Some(session) = self.by_key.remove(&key)
                {
                    self.lose(&session);
                }
            }
        }
        if self.order.len() > 2 * self.by_key.len() + 1024 {
            self.forget_stale();
        }
    }

    /// Drops the places of sessions that are remembered no more.
    fn forget_stale(&mut self) {
        let by_key = &self.by_key;
        self.order
            .retain(|(key, span)| by_key.get(key).is_some_and(|session| session.span == *span));
        self.forget_owned();
    }

    fn forget_owned(&mut self) {
        let by_key = &self.by_key;
        self.by_owner.retain(|_, owned| {
            owned.retain(|at| is_active_at(by_key, at));
            !owned.is_empty()
        });
        self.owned = self.by_owner.values().map(Vec::len).sum();
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

impl SessionKey {
    pub(super) fn host(&self) -> u16 {
        match self {
            SessionKey::Process { host, .. } | SessionKey::Hash { host, .. } => *host,
        }
    }
}
