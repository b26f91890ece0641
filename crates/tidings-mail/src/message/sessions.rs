//! Joins recipients that were refused before their message had a queue id to that message.
//!
//! Postfix gives a message its queue id when the first recipient is accepted; what it refused
//! before is logged as `NOQUEUE: reject: RCPT …`. Both are of one transaction if
//!
//! * they are of one session (one connection to one process), in which one queue id was opened,
//! * they name the same envelope sender, and the refusal is not the later of the two,
//! * the counters at the session's end, if there are any (since 3.0), say `mail=1`, and `data=1` or
//!   `bdat=…`: one sender was named, and its content taken. Older servers count nothing, and
//!   sessions may have no end in the log: then the other places are the evidence.
//!
//! So the two are joined as soon as nothing speaks against it, and parted when something does. A
//! refused command waits for that, as an open message, until its session has ended and no late
//! line of it can come; one that may have a message is of a recipient, with a sender, by smtpd.
//!
//! **Limits.** At most 100,000 sessions are remembered, and 1,000 refused recipients of each. What a
//! session refused that had to make room, or refused beyond, is not joined to its message: it stays
//! a row of its own, and is counted ([`Folder::take_unjoined`]).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use tidings_event::Id;

use super::JoinBy;
use super::facts::Facts;
use super::fold::{Entry, Folder};
use super::leg::Leg;
use crate::correlate::DISORDER_NS;
use crate::counters::taken;
use crate::saved::{Load, Save, SavedError};

/// Sessions remembered at most; beyond, those noted longest ago go first, and what they refused
/// stays by itself.
const SESSIONS_MAX: usize = 100_000;

/// Refused recipients of a session that wait at most; others stay by themselves. Postfix ends a
/// session after 20 errors (`smtpd_hard_error_limit`).
const REFUSED_MAX: usize = 1000;

/// How long lines of a session may come after the one that ends it.
const LATE_NS: i64 = 2 * DISORDER_NS;

/// What a session's counters say, when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Said {
    /// Nothing, or it has not ended yet.
    #[default]
    Nothing,
    /// One transaction brought one message.
    One,
    /// Something else.
    Other,
}

/// A session, as far as it tells which refused recipients are of which message.
#[derive(Clone, Debug, Default)]
struct Session {
    /// The leg of the first message that it brought.
    leg: Option<u64>,
    /// It brought more than one.
    several: bool,
    /// Ids of refused commands.
    refused: Vec<u64>,
    last_ns: i64,
    said: Said,
}

/// Sessions of which a line may still come.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_span: FxHashMap<u64, Session>,
    /// Sessions by the legs of their messages, where recipients were refused before.
    by_leg: FxHashMap<u64, u64>,
    /// Sessions with the time at which they were last looked at, oldest first; stale ones are
    /// skipped.
    quiet: VecDeque<(u64, i64)>,
    /// Sessions that ended, with the time, in that order.
    ended: VecDeque<(u64, i64)>,
    /// Refused recipients that the limits keep from their messages, since they were last taken.
    unjoined: u64,
}

impl Sessions {
    fn note(&mut self, span: u64, time_ns: i64) -> &mut Session {
        let quiet = &mut self.quiet;
        let session = self.by_span.entry(span).or_insert_with(|| {
            quiet.push_back((span, time_ns));
            Session::default()
        });
        session.last_ns = session.last_ns.max(time_ns);
        session
    }

    fn remove(&mut self, span: u64) -> Option<Session> {
        let session = self.by_span.remove(&span)?;
        if let Some(leg) = session.leg {
            self.by_leg.remove(&leg);
        }
        Some(session)
    }

    /// Takes out a session of which no line is expected any more.
    fn take_over(&mut self, newest_ns: i64, quiet_ns: i64) -> Option<Session> {
        while let Some((span, ended_ns)) = self.ended.front().copied() {
            if newest_ns.saturating_sub(ended_ns) <= LATE_NS {
                break;
            }
            self.ended.pop_front();
            if let Some(session) = self.remove(span) {
                return Some(session);
            }
        }
        while let Some((span, seen_ns)) = self.quiet.front().copied() {
            let over = self.by_span.len() > SESSIONS_MAX;
            if !over && newest_ns.saturating_sub(seen_ns) < quiet_ns {
                break;
            }
            self.quiet.pop_front();
            match self.by_span.get(&span).map(|session| session.last_ns) {
                Some(last_ns) if !over && newest_ns.saturating_sub(last_ns) < quiet_ns => {
                    self.quiet.push_back((span, last_ns));
                }
                Some(_) => {
                    let session = self.remove(span)?;
                    if over {
                        self.unjoined += session.refused.len() as u64;
                    }
                    return Some(session);
                }
                None => {}
            }
        }
        None
    }

    /// Appends all sessions, in the order in which they are looked at.
    pub(super) fn save(&self, save: &mut Save<'_>) {
        let spans = self.quiet.iter().map(|(span, _)| span);
        let known: Vec<_> = spans
            .filter_map(|span| Some((*span, self.by_span.get(span)?)))
            .collect();
        save.number(known.len() as u64);
        for (span, session) in known {
            save.number(span);
            save.signed(session.last_ns);
            save.option(session.leg, Save::number);
            save.flag(session.several);
            save.number(session.said as u64);
            save.number(session.refused.len() as u64);
            for refused in &session.refused {
                save.number(*refused);
            }
        }
        save.number(self.ended.len() as u64);
        for (span, ended_ns) in &self.ended {
            save.number(*span);
            save.signed(*ended_ns);
        }
    }

    /// Adds the sessions that [`save`](Self::save) wrote.
    pub(super) fn load(&mut self, load: &mut Load<'_>) -> Result<(), SavedError> {
        for _ in 0..load.number()? {
            let span = load.number()?;
            let last_ns = load.signed()?;
            let leg = load.option(Load::number)?;
            let several = load.flag()?;
            let said = match load.number()? {
                0 => Said::Nothing,
                1 => Said::One,
                2 => Said::Other,
                _ => return Err(SavedError("unknown counters of a session")),
            };
            let refused = load.list(Load::number)?;
            let session = self.note(span, last_ns);
            session.bring(leg);
            session.several |= several;
            session.said = session.said.max(said);
            for refused in refused {
                session.refuse(refused);
            }
            self.note_leg(span);
        }
        for _ in 0..load.number()? {
            let ended = (load.number()?, load.signed()?);
            self.ended.push_back(ended);
        }
        Ok(())
    }

    /// Lets the session be found by its leg, if recipients were refused in it.
    fn note_leg(&mut self, span: u64) {
        let session = self.by_span.get(&span);
        if let Some(session) = session.filter(|session| !session.refused.is_empty())
            && let Some(leg) = session.leg
        {
            self.by_leg.insert(leg, span);
        }
    }
}

impl Session {
    /// Notes that it brought a message.
    fn bring(&mut self, leg: Option<u64>) {
        if let Some(leg) = leg {
            self.several |= *self.leg.get_or_insert(leg) != leg;
        }
    }

    /// Notes that it refused a recipient. Gives whether that one is remembered.
    fn refuse(&mut self, refused: u64) -> bool {
        let known = self.refused.contains(&refused);
        let fits = known || self.refused.len() < REFUSED_MAX;
        if fits && !known {
            self.refused.push(refused);
        }
        fits
    }

    /// The leg of the only message that it brought, by all that is known.
    fn only_leg(&self) -> Option<u64> {
        let leg = self.leg.filter(|_| !self.several);
        leg.filter(|_| self.said != Said::Other)
    }
}

impl Said {
    fn of(commands: &str) -> Said {
        let commands = commands.as_bytes();
        match (taken(commands, b"mail"), commands.is_empty()) {
            (_, true) => Said::Nothing,
            (1, _) if taken(commands, b"data").max(taken(commands, b"bdat")) > 0 => Said::One,
            _ => Said::Other,
        }
    }

    /// What both say, of one session that is told of twice.
    fn max(self, other: Said) -> Said {
        if self as u8 >= other as u8 {
            self
        } else {
            other
        }
    }
}

impl Folder {
    /// A session brought a message.
    pub(super) fn session_brought(&mut self, leg: u64, facts: &Facts<'_>) {
        let Some(Id(span)) = facts.span else { return };
        let session = self.sessions.note(span, facts.time_ns);
        session.bring(Some(leg));
        if !session.refused.is_empty() {
            self.sessions.note_leg(span);
            self.weigh_session(span);
        }
    }

    /// A session refused a recipient, told as `entry`, of which a message may come or have come.
    /// Gives the entry back where none can be.
    pub(super) fn session_refused(&mut self, entry: Entry, facts: &Facts<'_>) -> Option<Entry> {
        let of_recipient = facts.stage == Some("RCPT") && facts.from.is_some();
        let by_smtpd = !facts.program.is_some_and(|tag| tag.ends_with("postscreen"));
        let span = facts
            .span
            .filter(|_| of_recipient && by_smtpd && facts.to.is_some_and(|to| !to.is_empty()));
        let (Some(Id(span)), Some(leg)) = (span, entry.legs.first()) else {
            return Some(entry);
        };
        let id = leg.id;
        if !self.sessions.note(span, facts.time_ns).refuse(id) {
            self.sessions.unjoined += 1;
            return Some(entry);
        }
        let slot = self.insert(entry);
        self.by_leg.insert(id, slot);
        self.sessions.note_leg(span);
        self.weigh_session(span);
        None
    }

    /// A session ended.
    pub(super) fn session_ended(&mut self, facts: &Facts<'_>) {
        let Some(Id(span)) = facts.span else { return };
        let Some(session) = self.sessions.by_span.get_mut(&span) else {
            return;
        };
        session.last_ns = session.last_ns.max(facts.time_ns);
        session.said = session
            .said
            .max(Said::of(facts.commands.unwrap_or_default()));
        self.sessions.ended.push_back((span, facts.time_ns));
        self.weigh_session(span);
    }

    /// More became known of a leg.
    pub(super) fn weigh_session_of(&mut self, leg: u64) {
        if !self.sessions.by_leg.is_empty()
            && let Some(span) = self.sessions.by_leg.get(&leg).copied()
        {
            self.weigh_session(span);
        }
    }

    /// How many refused recipients stay by themselves since the last call, although they may have a
    /// message: of sessions that were too many (100,000 at a time), or that refused too many (1,000).
    pub fn take_unjoined(&mut self) -> u64 {
        std::mem::take(&mut self.sessions.unjoined)
    }

    /// Settles what sessions refused by themselves that are over.
    pub(super) fn forget_sessions(&mut self) {
        let quiet_ns = self.quiet_ns();
        while let Some(session) = self.sessions.take_over(self.newest_ns(), quiet_ns) {
            for refused in session.refused {
                if let Some(slot) = self.by_leg.get(&refused).copied()
                    && self.entries[slot as usize]
                        .as_ref()
                        .is_some_and(|entry| entry.refused)
                {
                    self.settle(slot);
                }
            }
        }
    }

    /// Joins what a session refused to its message, or parts them, by what is known now.
    fn weigh_session(&mut self, span: u64) {
        let Some(session) = self.sessions.by_span.get(&span) else {
            return;
        };
        if session.refused.is_empty() || session.leg.is_none() {
            return;
        }
        let (leg, only, said) = (session.leg, session.only_leg(), session.said);
        let refused = session.refused.clone();
        leg.into_iter()
            .chain(refused.iter().copied())
            .for_each(|leg| self.open_settled(leg));
        let leg = only.and_then(|leg| Some(self.leg(leg)?.id));
        for id in &refused {
            let wanted = leg.filter(|leg| self.is_of_transaction(*leg, *id, said));
            match (wanted, self.is_by_itself(*id)) {
                (Some(leg), Some(true)) => self.join(leg, *id, JoinBy::Session),
                (None, Some(false)) => self.part(*id),
                _ => {}
            }
        }
        self.settle_again(leg.into_iter().chain(refused));
    }

    /// Whether a refused recipient is of the transaction of the only leg of its session.
    fn is_of_transaction(&self, leg: u64, refused: u64, said: Said) -> bool {
        let (Some(leg), Some(refused)) = (self.leg(leg), self.leg(refused)) else {
            return false;
        };
        let sender = |leg: &Leg| leg.from.as_deref().map(str::to_ascii_lowercase);
        let in_order = refused.first_ns <= leg.first_ns;
        leg.from.is_some() && sender(leg) == sender(refused) && (in_order || said == Said::One)
    }

    /// Whether a refused recipient is a message of its own; `None` if it is not open.
    fn is_by_itself(&self, refused: u64) -> Option<bool> {
        let slot = *self.by_leg.get(&refused)?;
        Some(self.entries[slot as usize].as_ref()?.refused)
    }

    /// Makes a refused recipient a message of its own again.
    fn part(&mut self, refused: u64) {
        let Some(slot) = self.by_leg.get(&refused).copied() else {
            return;
        };
        let Some(entry) = self.entries[slot as usize].as_mut() else {
            return;
        };
        let Some(at) = entry.legs.iter().position(|leg| leg.id == refused) else {
            return;
        };
        let leg = entry.legs.remove(at);
        entry.links.retain(|link| link.to != refused);
        self.look_again(slot);
        let of_its_own = self.insert(Entry {
            last_ns: leg.last_ns,
            legs: vec![leg],
            refused: true,
            ..Entry::default()
        });
        self.by_leg.insert(refused, of_its_own);
    }
}
