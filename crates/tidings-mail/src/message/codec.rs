//! Saves the open messages and reads them again (`docs/format.md`, "Open messages").

use super::fold::{Entry, Link};
use super::leg::{Leg, Outcome};
use super::lives::Life;
use super::{Folder, JoinBy, Verdict};
use crate::saved::{Load, Save, SavedError};

/// First byte of saved open messages.
const VERSION: u8 = 4;

/// The one before knew no sessions.
const VERSION_WITHOUT_SESSIONS: u8 = 3;

/// The one before that knew no pieces and no loose ends.
const VERSION_WITHOUT_PIECES: u8 = 2;

impl Folder {
    /// Appends all open messages to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut save = Save(out);
        save.0.push(VERSION);
        save.signed(self.newest_ns());
        save.number(self.entries().count() as u64);
        for entry in self.entries() {
            save_entry(&mut save, entry);
        }
        let loose: Vec<&Life> = self.loose.in_order().collect();
        save.number(loose.len() as u64);
        loose
            .into_iter()
            .for_each(|life| save_life(&mut save, life));
        self.sessions.save(&mut save);
    }

    /// Adds the open messages that [`save`](Self::save) wrote.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), SavedError> {
        let mut load = Load(bytes);
        let (has_pieces, has_sessions) = match load.byte()? {
            VERSION => (true, true),
            VERSION_WITHOUT_SESSIONS => (true, false),
            VERSION_WITHOUT_PIECES => (false, false),
            _ => return Err(SavedError("open messages of an unknown version")),
        };
        let newest_ns = load.signed()?;
        let entries = load.list(|load| load_entry(load, has_pieces))?;
        for entry in entries {
            self.restore_entry(entry);
        }
        if has_pieces {
            let loose = load.list(load_life)?;
            loose.into_iter().for_each(|life| self.loose.add(life));
        }
        if has_sessions {
            self.sessions.load(&mut load)?;
        }
        self.note_time(newest_ns);
        Ok(())
    }
}

impl Entry {
    /// Appends the entry in the form that is saved.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        save_entry(&mut Save(out), self);
    }

    /// The entry that [`save`](Self::save) wrote.
    pub(super) fn from_saved(saved: &[u8]) -> Result<Entry, SavedError> {
        load_entry(&mut Load(saved), true)
    }
}

impl<'s> Entry<&'s str> {
    /// The same, with texts in the saved form.
    pub(super) fn in_saved(saved: &'s [u8]) -> Result<Entry<&'s str>, SavedError> {
        load_entry(&mut Load(saved), true)
    }
}

fn save_entry(save: &mut Save<'_>, entry: &Entry) {
    save.signed(entry.last_ns);
    save.flag(entry.refused);
    save.number(entry.legs.len() as u64);
    for leg in &entry.legs {
        save_leg(save, leg);
    }
    save.number(entry.links.len() as u64);
    for link in &entry.links {
        let by = JoinBy::ALL
            .iter()
            .position(|by| *by == link.by)
            .unwrap_or(0);
        save.number(by as u64);
        save.number(link.from);
        save.number(link.to);
        save.bytes(link.name.as_bytes());
    }
    save.number(entry.pieces.len() as u64);
    for (leg, piece) in &entry.pieces {
        save.number(*leg);
        save.number(*piece);
    }
}

fn load_entry<'s, S: From<&'s str>>(
    load: &mut Load<'s>,
    has_pieces: bool,
) -> Result<Entry<S>, SavedError> {
    Ok(Entry {
        last_ns: load.signed()?,
        refused: load.flag()?,
        legs: load.list(load_leg)?,
        links: load.list(|load| {
            let by: usize = load.small()?;
            Ok(Link {
                by: *JoinBy::ALL
                    .get(by)
                    .ok_or(SavedError("an unknown kind of join"))?,
                from: load.number()?,
                to: load.number()?,
                name: load.string()?,
            })
        })?,
        pieces: if has_pieces {
            load.list(|load| Ok((load.number()?, load.number()?)))?
        } else {
            Vec::new()
        },
    })
}

fn save_life(save: &mut Save<'_>, life: &Life) {
    save.number(life.key);
    save.number(life.leg);
    save.bytes(life.name.as_bytes());
    save.signed(life.first_ns);
    save.signed(life.last_ns);
    for flag in [life.opened, life.derived, life.over, life.by_operator] {
        save.flag(flag);
    }
    save.option(life.message, Save::number);
    save.option(life.queued, Save::number);
    save.option(life.arrived_ns, Save::signed);
}

fn load_life(load: &mut Load<'_>) -> Result<Life, SavedError> {
    Ok(Life {
        key: load.number()?,
        leg: load.number()?,
        name: load.string()?,
        first_ns: load.signed()?,
        last_ns: load.signed()?,
        opened: load.flag()?,
        derived: load.flag()?,
        over: load.flag()?,
        by_operator: load.flag()?,
        message: load.option(Load::number)?,
        queued: load.option(Load::number)?,
        arrived_ns: load.option(Load::signed)?,
    })
}

fn save_leg(save: &mut Save<'_>, leg: &Leg) {
    save.number(leg.id);
    save.bytes(leg.name.as_bytes());
    save.bytes(leg.host.as_bytes());
    save.signed(leg.first_ns);
    save.signed(leg.last_ns);
    save.option(leg.size, Save::number);
    save.number(leg.total);
    save.number(u64::from(leg.attempts));
    save.number(leg.unnamed);
    for text in [
        &leg.from,
        &leg.message_id,
        &leg.client_name,
        &leg.client_ip,
        &leg.account,
        &leg.original,
        &leg.parent,
    ] {
        save.text(text);
    }
    for flag in [
        leg.is_lmtp,
        leg.queued,
        leg.removed,
        leg.aborted,
        leg.expired,
        leg.probe,
        leg.derived,
        leg.local,
    ] {
        save.flag(flag);
    }
    save.number(leg.notices.len() as u64);
    for notice in &leg.notices {
        save.bytes(notice.as_bytes());
    }
    save.option(leg.whole.as_deref(), save_outcome);
    save.number(leg.outcomes.len() as u64);
    for outcome in &leg.outcomes {
        save_outcome(save, outcome);
    }
}

fn load_leg<'s, S: From<&'s str>>(load: &mut Load<'s>) -> Result<Leg<S>, SavedError> {
    Ok(Leg {
        id: load.number()?,
        name: load.string()?,
        host: load.string()?,
        first_ns: load.signed()?,
        last_ns: load.signed()?,
        size: load.option(Load::number)?,
        total: load.number()?,
        attempts: load.small()?,
        unnamed: load.number()?,
        from: load.text()?,
        message_id: load.text()?,
        client_name: load.text()?,
        client_ip: load.text()?,
        account: load.text()?,
        original: load.text()?,
        parent: load.text()?,
        is_lmtp: load.flag()?,
        queued: load.flag()?,
        removed: load.flag()?,
        aborted: load.flag()?,
        expired: load.flag()?,
        probe: load.flag()?,
        derived: load.flag()?,
        local: load.flag()?,
        claimed: false,
        notices: load.list(Load::string)?,
        whole: load.option(load_outcome)?.map(Box::new),
        outcomes: load.list(load_outcome)?,
    })
}

fn save_outcome(save: &mut Save<'_>, outcome: &Outcome) {
    save.bytes(outcome.to.as_bytes());
    save.bytes(outcome.reply.as_bytes());
    let verdict = outcome
        .verdict
        .and_then(|verdict| Verdict::ALL.iter().position(|known| *known == verdict));
    save.option(verdict, |save, verdict| save.number(verdict as u64));
    save.signed(outcome.time_ns);
    save.number(outcome.line);
    save.number(u64::from(outcome.code));
    save.number(u64::from(outcome.number));
    save.number(u64::from(outcome.attempts));
    save.option(outcome.delay_ms, Save::number);
    for text in outcome.texts() {
        save.text(text);
    }
}

fn load_outcome<'s, S: From<&'s str>>(load: &mut Load<'s>) -> Result<Outcome<S>, SavedError> {
    Ok(Outcome {
        to: load.string()?,
        reply: load.string()?,
        verdict: load.option(|load| {
            let verdict: usize = load.small()?;
            Verdict::ALL
                .get(verdict)
                .copied()
                .ok_or(SavedError("an unknown verdict"))
        })?,
        time_ns: load.signed()?,
        line: load.number()?,
        code: load.small()?,
        number: load.small()?,
        attempts: load.small()?,
        delay_ms: load.option(Load::number)?,
        original: load.text()?,
        dsn: load.text()?,
        relay: load.text()?,
        relay_host: load.text()?,
        stage: load.text()?,
        remote: load.text()?,
        child: load.text()?,
        delays: load.text()?,
    })
}
