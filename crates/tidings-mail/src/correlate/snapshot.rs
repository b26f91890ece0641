//! Saves the correlator's state and reads it again (`docs/format.md`, "Correlator snapshot").

use tidings_event::Id;

use super::attempts::Attempts;
use super::legs::{Leg, LegKey};
use super::rules::Rules;
use super::sessions::{Kind, Session, SessionKey};
use super::spans::SpanIds;
use super::{Correlator, Limits};
use crate::saved::{Load, Save, SavedError};

/// First byte of a saved correlator.
const VERSION: u8 = 4;

impl Correlator {
    /// Appends the whole state to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut save = Save(out);
        save.0.push(VERSION);
        let names = self.names.in_order();
        save.number(names.len() as u64);
        for name in names {
            save.bytes(name);
            save.signed(self.names.newest_ns(self.names.known(name)));
        }
        save.number(self.sessions.in_order().count() as u64);
        for (key, session) in self.sessions.in_order() {
            save_session(&mut save, key, session);
        }
        save.number(self.sessions.lost().len() as u64);
        for (span, kind) in self.sessions.lost() {
            save.number(span.0);
            save.number(*kind as u64);
        }
        save.number(self.legs.in_order().count() as u64);
        for (key, leg) in self.legs.in_order() {
            save_key(&mut save, key);
            save_leg(&mut save, leg);
        }
        save.number(self.legs.closed_in_order().count() as u64);
        for (key, queue_id, time_ns) in self.legs.closed_in_order() {
            save_key(&mut save, key);
            save.number(*queue_id);
            save.signed(*time_ns);
        }
        self.rules.save(&mut save);
        self.attempts.save(&mut save);
        self.spans.save(&mut save);
    }

    /// The state that [`save`](Self::save) wrote.
    pub fn restore(limits: Limits, bytes: &[u8]) -> Result<Correlator, SavedError> {
        let mut load = Load(bytes);
        if load.byte()? != VERSION {
            return Err(SavedError("a correlator of an unknown version"));
        }
        let mut state = Correlator::new(limits);
        for _ in 0..load.number()? {
            let host = state.names.number(load.bytes()?);
            state.names.note_time(host, load.signed()?);
        }
        for _ in 0..load.number()? {
            let (key, session) = load_session(&mut load)?;
            state.sessions.open(key, session);
        }
        for _ in 0..load.number()? {
            let span = Id(load.number()?);
            state
                .sessions
                .restore_lost(span, Kind::saved(load.number()?)?);
        }
        for _ in 0..load.number()? {
            let key = load_key(&mut load)?;
            let leg = load_leg(&mut load, true)?;
            state.legs.restore(key, leg);
        }
        for _ in 0..load.number()? {
            let key = load_key(&mut load)?;
            let queue_id = load.number()?;
            state.legs.close(key, queue_id, load.signed()?);
        }
        state.rules = Rules::load(&mut load)?;
        state.attempts = Attempts::load(&mut load)?;
        state.spans = SpanIds::load(&mut load)?;
        Ok(state)
    }
}

pub(super) fn save_key(save: &mut Save<'_>, key: &LegKey) {
    save.number(u64::from(key.host));
    save.bytes(key.id());
}

pub(super) fn load_key(load: &mut Load<'_>) -> Result<LegKey, SavedError> {
    let host = load.small()?;
    LegKey::new(host, load.bytes()?).ok_or(SavedError("a queue id is too long"))
}

fn save_session(save: &mut Save<'_>, key: &SessionKey, session: &Session) {
    match key {
        SessionKey::Process { host, pid } => {
            save.number(0);
            save.number(u64::from(*host));
            save.number(u64::from(*pid));
        }
        SessionKey::Hash { host, hash } => {
            save.number(1);
            save.number(u64::from(*host));
            save.number(*hash);
        }
    }
    save.number(session.span.0);
    save.signed(session.start_ns);
    save.signed(session.last_ns);
    save.ip(session.client);
    save.flag(session.implicit);
    save.flag(session.closed);
    save.flag(session.ended_twice);
    save.flag(session.lost);
    save.number(session.user);
    save.option(session.leg.as_ref(), save_key);
    save.number(session.kind as u64);
    save.number(session.owner);
    save.option(session.served_by, |save, pid| save.number(u64::from(pid)));
}

fn load_session(load: &mut Load<'_>) -> Result<(SessionKey, Session), SavedError> {
    let key = match load.number()? {
        0 => SessionKey::Process {
            host: load.small()?,
            pid: load.small()?,
        },
        1 => SessionKey::Hash {
            host: load.small()?,
            hash: load.number()?,
        },
        _ => return Err(SavedError("an unknown kind of session")),
    };
    let session = Session {
        span: Id(load.number()?),
        start_ns: load.signed()?,
        last_ns: load.signed()?,
        client: load.ip()?,
        implicit: load.flag()?,
        closed: load.flag()?,
        ended_twice: load.flag()?,
        lost: load.flag()?,
        user: load.number()?,
        leg: load.option(load_key)?,
        kind: Kind::saved(load.number()?)?,
        owner: load.number()?,
        served_by: load.option(Load::small)?,
    };
    Ok((key, session))
}

fn save_leg(save: &mut Save<'_>, leg: &Leg) {
    save.number(leg.queue_id);
    save.signed(leg.first_ns);
    save.option(leg.removed_ns, Save::signed);
    save.option(leg.opened, |save, (time_ns, pid)| {
        save.signed(time_ns);
        save.number(u64::from(pid));
    });
    save.option(leg.message, Save::number);
    save.option(leg.session, |save, id| save.number(id.0));
    save.option(leg.attempt, |save, id| save.number(id.0));
    save.signed(leg.attempt_start_ns);
    for flag in [leg.attempt_open, leg.queued, leg.authenticated, leg.notice] {
        save.flag(flag);
    }
    save.option(leg.previous.as_deref(), |save, previous| {
        save_leg(save, previous)
    });
}

fn load_leg(load: &mut Load<'_>, with_previous: bool) -> Result<Leg, SavedError> {
    let mut leg = Leg::new(load.number()?, load.signed()?);
    leg.removed_ns = load.option(Load::signed)?;
    leg.opened = load.option(|load| Ok((load.signed()?, load.small()?)))?;
    leg.message = load.option(Load::number)?;
    leg.session = load.option(Load::number)?.map(Id);
    leg.attempt = load.option(Load::number)?.map(Id);
    leg.attempt_start_ns = load.signed()?;
    leg.attempt_open = load.flag()?;
    leg.queued = load.flag()?;
    leg.authenticated = load.flag()?;
    leg.notice = load.flag()?;
    leg.previous = load
        .option(|load| {
            if with_previous {
                load_leg(load, false)
            } else {
                Err(SavedError("legs are nested"))
            }
        })?
        .map(Box::new);
    Ok(leg)
}
