//! Access rules that acted on a session before its message had a queue id: `NOQUEUE: hold: …`.
//!
//! Such a rule holds for the message whose `client=` line comes next in the same transaction, or came
//! already, where lines are out of order. Postfix forgets it with the transaction: the session ends,
//! or another sender is named. A `RSET` alone is not logged; what comes of it is seen later. At most [`KEPT_MAX`] rules and [`OPENED_MAX`] messages
//! are remembered; a rule that is forgotten is in its own event still.

use std::collections::VecDeque;
use std::net::IpAddr;

use tidings_event::{Key, Records};

use super::DISORDER_NS;
use super::legs::LegKey;
use super::snapshot::{load_key, save_key};
use crate::saved::{Load, Save, SavedError};

const KEPT_MAX: usize = 256;
const OPENED_MAX: usize = 64;

/// How long a client may take from the command that a rule acted on to the one that gets a queue
/// id.
const HOLDS_FOR_NS: i64 = 300_000_000_000;

/// A client in a process: what a session is, as far as a `NOQUEUE` line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientOfProcess {
    pub(super) host: u16,
    pub(super) pid: u32,
    pub(super) client: Option<IpAddr>,
}

/// A rule that acted.
#[derive(Clone, Debug)]
struct Rule {
    session: ClientOfProcess,
    time_ns: i64,
    record: Vec<u8>,
    /// When the message was opened to which it was applied already, or its transaction ended; only a
    /// message opened before, whose line comes later, can be the one that was meant.
    until_ns: Option<i64>,
}

/// Rules waiting for their message, and messages that a rule may still come for.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    kept: VecDeque<Rule>,
    opened: VecDeque<(ClientOfProcess, i64, LegKey)>,
}

impl Rules {
    /// The message of this session that was opened just after `time_ns`, though its line came
    /// before.
    fn opened_after(&self, session: &ClientOfProcess, time_ns: i64) -> Option<(i64, LegKey)> {
        let after = |opened_ns: i64| opened_ns > time_ns && opened_ns <= time_ns + DISORDER_NS;
        self.opened
            .iter()
            .filter(|(known, opened_ns, _)| known == session && after(*opened_ns))
            .min_by_key(|(_, opened_ns, _)| *opened_ns)
            .map(|(_, opened_ns, key)| (*opened_ns, *key))
    }

    /// Keeps a rule, a record, for the session's next message. Gives the message if its line came
    /// already.
    pub(super) fn keep(
        &mut self,
        session: ClientOfProcess,
        time_ns: i64,
        record: Vec<u8>,
    ) -> Option<LegKey> {
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        let opened = self.opened_after(&session, time_ns);
        self.kept.push_back(Rule {
            session,
            time_ns,
            record,
            until_ns: opened.map(|(opened_ns, _)| opened_ns),
        });
        opened.map(|(_, key)| key)
    }

    /// Takes the rules that hold for a message opened at `time_ns`, and notes the message.
    pub(super) fn take(
        &mut self,
        session: ClientOfProcess,
        time_ns: i64,
        key: LegKey,
    ) -> Vec<Vec<u8>> {
        if self.opened.len() >= OPENED_MAX {
            self.opened.pop_front();
        }
        self.opened.push_back((session, time_ns, key));
        if self.kept.is_empty() {
            return Vec::new();
        }
        let mut rules = Vec::new();
        self.kept.retain_mut(|rule| {
            let in_time = rule.time_ns <= time_ns && time_ns - rule.time_ns <= HOLDS_FOR_NS;
            if rule.session == session && in_time && rule.until_ns.is_none_or(|ns| time_ns < ns) {
                rules.push(rule.record.clone());
                rule.until_ns = Some(time_ns);
            }
            rule.until_ns
                .is_none_or(|ns| time_ns <= ns + 2 * DISORDER_NS)
        });
        rules
    }

    /// The session that a process of a host was in ended, or another one began.
    pub(super) fn end_session(&mut self, host: u16, pid: u32, time_ns: i64) {
        self.end(time_ns, |rule| {
            (rule.session.host, rule.session.pid) == (host, pid)
        });
    }

    /// The session is in a transaction with this sender: rules of another sender's are over.
    pub(super) fn end_others(&mut self, session: &ClientOfProcess, from: &[u8], time_ns: i64) {
        self.end(time_ns, |rule| {
            let mut records = Records::new(&rule.record).flatten();
            let sender = records.next().and_then(|record| record.str(Key::FROM));
            rule.session == *session && sender.is_some_and(|known| known.as_bytes() != from)
        });
    }

    fn end(&mut self, time_ns: i64, is_over: impl Fn(&Rule) -> bool) {
        for rule in &mut self.kept {
            if rule.time_ns <= time_ns && is_over(rule) {
                let until_ns = rule.until_ns.map_or(time_ns, |ns| ns.min(time_ns));
                rule.until_ns = Some(until_ns);
            }
        }
    }

    /// Forgets what concerns a host's processes.
    pub(super) fn forget_host(&mut self, host: u16) {
        self.kept.retain(|rule| rule.session.host != host);
        self.opened.retain(|(session, _, _)| session.host != host);
    }

    pub(super) fn save(&self, save: &mut Save<'_>) {
        save.number(self.kept.len() as u64);
        for rule in &self.kept {
            save_session(save, &rule.session);
            save.signed(rule.time_ns);
            save.bytes(&rule.record);
            save.option(rule.until_ns, Save::signed);
        }
        save.number(self.opened.len() as u64);
        for (session, time_ns, key) in &self.opened {
            save_session(save, session);
            save.signed(*time_ns);
            save_key(save, key);
        }
    }

    pub(super) fn load(load: &mut Load<'_>) -> Result<Rules, SavedError> {
        let kept = load.list(|load| {
            Ok(Rule {
                session: load_session(load)?,
                time_ns: load.signed()?,
                record: load.bytes()?.to_vec(),
                until_ns: load.option(Load::signed)?,
            })
        })?;
        let opened =
            load.list(|load| Ok((load_session(load)?, load.signed()?, load_key(load)?)))?;
        Ok(Rules {
            kept: kept.into(),
            opened: opened.into(),
        })
    }
}

fn save_session(save: &mut Save<'_>, session: &ClientOfProcess) {
    save.number(u64::from(session.host));
    save.number(u64::from(session.pid));
    save.ip(session.client);
}

fn load_session(load: &mut Load<'_>) -> Result<ClientOfProcess, SavedError> {
    Ok(ClientOfProcess {
        host: load.small()?,
        pid: load.small()?,
        client: load.ip()?,
    })
}
