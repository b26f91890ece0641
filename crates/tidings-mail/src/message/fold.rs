//! Folds events into messages: finds the leg an event belongs to, joins legs that prove to be one
//! message, and settles messages that are over.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidings_event::{EventRef, EventType, Header, Id, Key, Position, Value, stable_hash};

use super::facts::{Facts, may_refuse, session_base};
use super::joins::{Joins, name_hash};
use super::leg::{Leg, Outcome, ip_text};
use super::lives::{ANY_TIME, Loose};
use super::sessions::Sessions;
use super::settled::{Reopen, Settled, since};
use super::view;
use super::{JoinBy, Message, Text, Verdict};
use crate::provider::Providers;

/// Above the limit, messages that are final go first: so many that are not are passed over.
const SPARED_MAX: u32 = 64;

/// When messages are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderLimits {
    /// Open messages at most; above, the ones quiet for longest are settled early.
    pub open: usize,
    /// Bytes of memory that open messages take at most, about; above, likewise.
    pub open_bytes: usize,
    /// A message that is final is settled when nothing was heard of it for so long, in log time.
    pub quiet_ns: i64,
    /// A message that is not final is settled after so long, in log time.
    pub give_up_ns: i64,
}

impl Default for FolderLimits {
    fn default() -> FolderLimits {
        FolderLimits {
            open: 200_000,
            open_bytes: 32 << 20,
            quiet_ns: 600_000_000_000,
            give_up_ns: 7 * 86_400_000_000_000,
        }
    }
}

/// Legs `from` and `to` are one message, by the name that `from` was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Link<S = Box<str>> {
    pub(super) by: JoinBy,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) name: S,
}

/// An open message.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Entry<S = Box<str>> {
    pub(super) legs: Vec<Leg<S>>,
    pub(super) links: Vec<Link<S>>,
    /// Legs with the ids that pieces of them had, which were read by themselves.
    pub(super) pieces: Vec<(u64, u64)>,
    pub(super) last_ns: i64,
    /// A command refused before there was a message.
    pub(super) refused: bool,
}

/// By what a message is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'n> {
    /// The id of one of its legs.
    Leg(u64),
    /// A queue id, Message-ID or address, without angle brackets.
    Text(&'n str),
}

impl Name<'_> {
    fn is_of<S: Text>(self, entry: &Entry<S>) -> bool {
        match self {
            Name::Leg(id) => entry.ids().any(|known| known == id),
            Name::Text(name) => entry.legs.iter().any(|leg| {
                let is = |text: &str| text.trim_matches(['<', '>']).eq_ignore_ascii_case(name);
                let is_some = |text: Option<&str>| text.is_some_and(is);
                is(&leg.name)
                    || is_some(leg.message_id.as_deref())
                    || is_some(leg.from.as_deref())
                    || leg
                        .outcomes
                        .iter()
                        .any(|outcome| is(&outcome.to) || is_some(outcome.original.as_deref()))
            }),
        }
    }
}

/// The messages that may still change. See the module's documentation.
#[derive(Debug)]
pub struct Folder {
    limits: FolderLimits,
    pub(super) entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// What each slot weighs, and all together, in bytes.
    weights: Vec<u32>,
    bytes: usize,
    /// Messages that were settled early, since the last call of `take_early`.
    early: u64,
    pub(super) by_leg: FxHashMap<u64, u32>,
    pub(super) joins: Joins,
    /// Slots with the time at which they were last looked at, oldest first.
    quiet: VecDeque<(u32, u64, i64)>,
    newest_ns: i64,
    /// Settled messages that were not taken yet.
    settled: Settled,
    settled_by_leg: FxHashMap<u64, u32>,
    /// Settled messages, taken or not, of which a piece may be missing.
    pub(super) loose: Loose,
    /// What sessions refused and brought.
    pub(super) sessions: Sessions,
    providers: Arc<Providers>,
}

impl Folder {
    /// No messages yet.
    pub fn new(limits: FolderLimits, providers: Arc<Providers>) -> Folder {
        Folder {
            limits,
            entries: Vec::new(),
            free: Vec::new(),
            weights: Vec::new(),
            bytes: 0,
            early: 0,
            by_leg: FxHashMap::default(),
            joins: Joins::default(),
            quiet: VecDeque::new(),
            newest_ns: i64::MIN,
            settled: Settled::default(),
            settled_by_leg: FxHashMap::default(),
            loose: Loose::default(),
            sessions: Sessions::default(),
            providers,
        }
    }

    /// Takes one event, by its header and its decoded pairs. Events of a message must come in the order of their stream; streams may
    /// be interleaved at will.
    pub fn apply(&mut self, header: &Header, pairs: &[(Key, Value<'_>)], reopen: &mut dyn Reopen) {
        let kind = header.kind;
        if !concerns_messages(kind) {
            return;
        }
        let facts = Facts::read(header, pairs.iter().copied());
        self.newest_ns = self.newest_ns.max(facts.time_ns);
        match facts.queue_id {
            Some(leg) => self.apply_to_leg(leg, kind, &facts, reopen),
            None if kind == EventType::SMTP_CONNECTION_END => self.session_ended(&facts),
            None => self.refused(header, kind, &facts),
        }
        self.forget_sessions();
        self.settle_quiet();
    }

    /// Gives the messages settled since the last call and forgets them. Until then they are kept,
    /// saved (some 300 bytes each), and a late line opens them again.
    pub fn take_settled(&mut self, each: impl FnMut(Message<&str>)) {
        self.each_settled(each);
        self.forget_settled();
    }

    /// Gives the messages settled since [`forget_settled`](Self::forget_settled), and keeps them:
    /// for a writer that may fail.
    pub fn each_settled(&self, mut each: impl FnMut(Message<&str>)) {
        for saved in self.settled.iter() {
            if let Ok(entry) = Entry::in_saved(saved)
                && let Some(message) = view::message_of(&entry, &self.providers)
            {
                each(message);
            }
        }
    }

    /// Forgets the settled messages: they are kept elsewhere now.
    pub fn forget_settled(&mut self) {
        self.settled_by_leg.clear();
        let settled = std::mem::take(&mut self.settled);
        if settled.len() > self.open_count() {
            // To note the few that stay is less work than to forget the many that go.
            self.joins.clear();
            for entry in self.entries.iter().flatten() {
                let legs = entry.legs.iter();
                legs.for_each(|leg| self.joins.remember(leg, &entry.links));
            }
            return;
        }
        for saved in settled.iter() {
            if let Ok(entry) = Entry::in_saved(saved) {
                entry.legs.iter().for_each(|leg| self.joins.forget(leg));
            }
        }
    }

    /// Opens what is settled here and not taken, if `other` knows a leg of it.
    pub fn open_settled_of(&mut self, other: &Folder) {
        let known: Vec<u64> = self
            .settled_by_leg
            .keys()
            .copied()
            .filter(|leg| other.knows(*leg))
            .collect();
        known.into_iter().for_each(|leg| self.open_settled(leg));
    }

    pub(super) fn knows(&self, leg: u64) -> bool {
        self.by_leg.contains_key(&leg) || self.settled_by_leg.contains_key(&leg)
    }

    /// Hands over what is settled and not taken.
    pub(super) fn each_saved(&self, mut each: impl FnMut(Entry<&str>)) {
        let entries = self
            .settled
            .iter()
            .filter_map(|saved| Entry::in_saved(saved).ok());
        entries.for_each(&mut each);
    }

    /// How many messages are settled and not taken.
    pub fn settled_count(&self) -> usize {
        self.settled.len()
    }

    /// The legs of the open messages, with their servers' own ids.
    pub fn legs(&self) -> impl Iterator<Item = (u64, &str)> {
        self.open_legs().map(|leg| (leg.id, &*leg.name))
    }

    pub(super) fn open_legs(&self) -> impl Iterator<Item = &Leg> {
        let entries = self.entries.iter().flatten();
        entries.flat_map(|entry| &entry.legs)
    }

    /// Opens again, from the settled ones, the message that has this leg.
    pub fn open_again(&mut self, leg: u64, name: &str, reopen: &mut dyn Reopen) {
        reopen.reopen(leg, name, ANY_TIME, &mut |event| self.apply_again(event));
    }

    /// How many messages are open.
    pub fn open_count(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Bytes of memory that the open messages take, about.
    pub fn open_bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages were settled early since the last call, because there were too many.
    pub fn take_early(&mut self) -> u64 {
        std::mem::take(&mut self.early)
    }

    /// The messages that are open, or settled and not taken, in no particular order.
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        self.messages_of(None)
    }

    /// Those that `name` names: others are not even drawn up.
    pub fn messages_named(&self, name: Name<'_>) -> impl Iterator<Item = Message> {
        self.messages_of(Some(name))
    }

    fn messages_of(&self, name: Option<Name<'_>>) -> impl Iterator<Item = Message> {
        let of_open = move |entry| self.message_if(entry, name);
        let of_settled =
            move |saved: &'_ [u8]| self.message_if(&Entry::in_saved(saved).ok()?, name);
        let open = self.entries.iter().flatten().filter_map(of_open);
        open.chain(self.settled.iter().filter_map(of_settled))
    }

    fn message_if<S: Text>(&self, entry: &Entry<S>, name: Option<Name<'_>>) -> Option<Message> {
        if name.is_some_and(|name| !name.is_of(entry)) {
            return None;
        }
        view::message_of(entry, &self.providers).map(Message::into_owned)
    }

    /// Settles what is final and has been quiet for long enough at `now_ns`: for logs that end.
    pub fn settle_until(&mut self, now_ns: i64) {
        for slot in 0..self.entries.len() as u32 {
            let quiet =
                |entry: &Entry| now_ns.saturating_sub(entry.last_ns) >= self.limits.quiet_ns;
            if self.entries[slot as usize]
                .as_ref()
                .is_some_and(|entry| quiet(entry) && view::is_final(entry))
            {
                self.settle(slot);
            }
        }
    }

    /// Settles everything that is open, as if its time had come.
    pub fn settle_all(&mut self) {
        for slot in 0..self.entries.len() as u32 {
            self.settle(slot);
        }
    }

    /// How long nothing must have been heard of a message that is final.
    pub(super) fn quiet_ns(&self) -> i64 {
        self.limits.quiet_ns
    }

    pub(super) fn newest_ns(&self) -> i64 {
        self.newest_ns
    }

    pub(super) fn note_time(&mut self, newest_ns: i64) {
        self.newest_ns = self.newest_ns.max(newest_ns);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    /// Puts an open message back that was saved, or adds it to what is known of its legs.
    pub(super) fn restore_entry(&mut self, entry: Entry) {
        self.newest_ns = self.newest_ns.max(entry.last_ns);
        let slots: Vec<u32> = entry
            .ids()
            .filter_map(|leg| self.by_leg.get(&leg).copied())
            .collect();
        let slot = match slots.split_first() {
            Some((into, others)) => {
                others.iter().for_each(|out| self.merge(*into, *out));
                self.absorb(*into, entry);
                *into
            }
            None => self.insert(entry),
        };
        let Some(entry) = &self.entries[slot as usize] else {
            return;
        };
        let legs: Vec<u64> = entry.legs.iter().map(|leg| leg.id).collect();
        entry.ids().for_each(|leg| {
            self.by_leg.insert(leg, slot);
        });
        for leg in &entry.legs {
            self.joins.remember(leg, &entry.links);
        }
        legs.into_iter().for_each(|leg| self.note_claims(leg));
    }

    /// Adds what another reading tells of a message to the open one.
    fn absorb(&mut self, slot: u32, other: Entry) {
        let Some(open) = self.entries[slot as usize].as_mut() else {
            return;
        };
        open.last_ns = open.last_ns.max(other.last_ns);
        open.refused &= other.refused;
        for leg in other.legs {
            match open.legs.iter_mut().find(|mine| mine.id == leg.id) {
                Some(mine) => mine.absorb(leg),
                None => open.legs.push(leg),
            }
        }
        for link in other.links {
            let is_known = |known: &Link| known.from == link.from && known.to == link.to;
            if !open.links.iter().any(is_known) {
                open.links.push(link);
            }
        }
        if !(open.pieces.is_empty() && other.pieces.is_empty()) {
            open.pieces.extend(other.pieces);
            open.unite_pieces();
        }
        self.weigh(slot, |_| true);
    }

    /// Makes the messages of two slots one.
    pub(super) fn merge(&mut self, into: u32, out: u32) {
        if into == out {
            return;
        }
        let Some(moved) = self.entries[out as usize].take() else {
            return;
        };
        self.free.push(out);
        moved.ids().for_each(|leg| {
            self.by_leg.insert(leg, into);
        });
        if let Some(entry) = self.entries[into as usize].as_mut() {
            entry.legs.extend(moved.legs);
            entry.links.extend(moved.links);
            entry.pieces.extend(moved.pieces);
            entry.last_ns = entry.last_ns.max(moved.last_ns);
            entry.refused &= moved.refused;
        }
        self.weigh(out, |_| true);
        self.weigh(into, |_| true);
    }

    fn apply_to_leg(
        &mut self,
        leg: u64,
        kind: EventType,
        facts: &Facts<'_>,
        reopen: &mut dyn Reopen,
    ) {
        let slot = match self.by_leg.get(&leg) {
            Some(slot) => *slot,
            None => self.open_leg(leg, kind, facts, reopen),
        };
        let Some(entry) = self.entries[slot as usize].as_mut() else {
            return;
        };
        entry.last_ns = entry.last_ns.max(facts.time_ns);
        let Some(place) = entry.place_of(leg) else {
            return;
        };
        let state = &mut entry.legs[place];
        let leg = state.id;
        let unnamed = state.name.is_empty();
        state.apply(kind, facts);
        if unnamed && !state.name.is_empty() {
            let hash = name_hash(&state.name);
            state.claimed = self.joins.name(hash, leg);
        }
        self.follow(leg, facts, kind);
        if kind == EventType::SMTP_MAIL_FROM {
            self.session_brought(leg, facts);
        }
        self.weigh_session_of(leg);
        if let Some(slot) = self.by_leg.get(&leg).copied() {
            self.weigh(slot, Entry::is_to_be_weighed);
        }
    }

    /// Notes what a slot weighs now, if it is due.
    fn weigh(&mut self, slot: u32, is_due: impl Fn(&Entry) -> bool) {
        if self.limits.open_bytes == usize::MAX {
            return;
        }
        let at = slot as usize;
        if self.weights.len() <= at {
            self.weights.resize(at + 1, 0);
        }
        let weight = match &self.entries[at] {
            Some(entry) if !is_due(entry) => return,
            Some(entry) => u32::try_from(entry.weight()).unwrap_or(u32::MAX),
            None => 0,
        };
        let before = std::mem::replace(&mut self.weights[at], weight);
        self.bytes = self.bytes + weight as usize - before as usize;
    }

    fn open_leg(
        &mut self,
        leg: u64,
        kind: EventType,
        facts: &Facts<'_>,
        reopen: &mut dyn Reopen,
    ) -> u32 {
        self.open_settled(leg);
        if let Some(slot) = self.by_leg.get(&leg) {
            return *slot;
        }
        let session = facts.session.map(|session| session_base(session).0);
        let name = facts.mta_queue_id.or(session).unwrap_or_default();
        let since = since(leg, kind, facts);
        reopen.reopen(leg, name, since, &mut |event| self.apply_again(event));
        if let Some(slot) = self.by_leg.get(&leg) {
            return *slot;
        }
        self.insert_leg(leg, facts.time_ns)
    }

    /// Applies an event of a message that was settled and is open again.
    fn apply_again(&mut self, event: &EventRef<'_>) {
        let (kind, facts) = (event.kind(), Facts::read(event.header(), event.pairs()));
        if facts.queue_id.is_none() {
            self.refused(event.header(), kind, &facts);
        }
        if let (true, Some(leg)) = (concerns_messages(kind), facts.queue_id) {
            if !self.by_leg.contains_key(&leg) {
                self.insert_leg(leg, facts.time_ns);
            }
            self.apply_to_leg(leg, kind, &facts, &mut ());
        }
    }

    fn insert_leg(&mut self, leg: u64, time_ns: i64) -> u32 {
        let entry = Entry {
            legs: vec![Leg::new(leg, time_ns)],
            last_ns: time_ns,
            ..Entry::default()
        };
        let slot = self.insert(entry);
        self.by_leg.insert(leg, slot);
        slot
    }

    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        let last_ns = entry.last_ns;
        let first = entry.legs.first().map_or(0, |leg| leg.id);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() as u32 - 1
            }
        };
        self.quiet.push_back((slot, first, last_ns));
        self.weigh(slot, |_| true);
        slot
    }

    /// Opens a message again that was settled and not taken yet.
    pub(super) fn open_settled(&mut self, leg: u64) {
        let Some(at) = self.settled_by_leg.get(&leg) else {
            return;
        };
        if let Some(entry) = self.settled.take(*at) {
            entry.ids().for_each(|leg| {
                self.settled_by_leg.remove(&leg);
            });
            self.restore_entry(entry);
        }
    }

    /// A command refused before there was a message: a row of its own, settled at once where no
    /// message can come of its session.
    fn refused(&mut self, header: &Header, kind: EventType, facts: &Facts<'_>) {
        if facts.verdict(kind) != Some(Verdict::Rejected) {
            return;
        }
        let id = refused_id(facts.time_ns, header.position).0;
        if self.knows(id) {
            return;
        }
        let mut leg = Leg::new(id, facts.time_ns);
        leg.host = facts.host.unwrap_or_default().into();
        leg.from = facts.from.map(Box::from);
        leg.client_name = facts.hostname.map(Box::from);
        leg.client_ip = facts.remote_ip.map(ip_text);
        leg.account = facts.account.map(Box::from);
        leg.outcomes.push(Outcome::new(facts, Verdict::Rejected));
        leg.aborted = true;
        let entry = Entry {
            legs: vec![leg],
            last_ns: facts.time_ns,
            refused: true,
            ..Entry::default()
        };
        if let Some(entry) = self.session_refused(entry, facts) {
            self.settled.push(&entry);
        }
    }

    /// Settles what has been quiet for long enough, and what exceeds the limit.
    fn settle_quiet(&mut self) {
        let mut spared = 0;
        while let Some((slot, first, seen_ns)) = self.quiet.front().copied() {
            let over = self.open_count() > self.limits.open || self.bytes > self.limits.open_bytes;
            if !over && self.newest_ns.saturating_sub(seen_ns) < self.limits.quiet_ns {
                break;
            }
            self.quiet.pop_front();
            let Some(entry) = self.entries[slot as usize].as_ref() else {
                continue;
            };
            if entry.legs.first().map(|leg| leg.id) != Some(first) {
                continue;
            }
            let quiet_ns = self.newest_ns.saturating_sub(entry.last_ns);
            let is_final = view::is_final(entry);
            let done = is_final && (over || quiet_ns >= self.limits.quiet_ns);
            spared += u32::from(over && !is_final);
            if done || spared > SPARED_MAX || quiet_ns >= self.limits.give_up_ns {
                self.early += u64::from(over && quiet_ns < self.limits.quiet_ns);
                self.settle(slot);
            } else {
                let look_again_ns = if quiet_ns < self.limits.quiet_ns {
                    entry.last_ns
                } else {
                    self.newest_ns
                };
                self.quiet.push_back((slot, first, look_again_ns));
            }
        }
    }

    pub(super) fn is_quiet(&self, entry: &Entry) -> bool {
        self.newest_ns.saturating_sub(entry.last_ns) >= self.limits.quiet_ns
    }

    /// Puts a message, whose first leg may be another now, among those that are looked at again.
    pub(super) fn look_again(&mut self, slot: u32) {
        let Some(entry) = self.entries[slot as usize].as_ref() else {
            return;
        };
        if let Some(first) = entry.legs.first() {
            self.quiet.push_back((slot, first.id, entry.last_ns));
        }
    }

    pub(super) fn settle(&mut self, slot: u32) {
        let Some(entry) = self.entries[slot as usize].take() else {
            return;
        };
        self.free.push(slot);
        self.weigh(slot, |_| true);
        let at = self.settled.push(&entry);
        entry.ids().for_each(|leg| {
            self.by_leg.remove(&leg);
            self.settled_by_leg.insert(leg, at);
        });
        self.loose.note(&entry);
    }
}

/// The id of the message that a refused command makes: of the time, in nanoseconds since the unix
/// epoch, and the line of its event.
pub fn refused_id(time_ns: i64, position: Option<Position>) -> Id {
    let (stream, line) = position.map_or((0, 0), |position| (position.stream, position.line));
    let hash = stable_hash(&[
        &stream.to_le_bytes(),
        &line.to_le_bytes(),
        &time_ns.to_le_bytes(),
    ]);
    Id::at(time_ns, hash)
}

/// Events that say nothing about any message are not even read.
fn concerns_messages(kind: EventType) -> bool {
    may_refuse(kind)
        || matches!(
            kind,
            EventType::SMTP_MAIL_FROM
                | EventType::SMTP_CONNECTION_END
                | EventType::SMTP_MESSAGE_ID
                | EventType::SMTP_TRANSACTION_ABORTED
                | EventType::QUEUE_MESSAGE_QUEUED
                | EventType::QUEUE_AUTHENTICATED_MESSAGE_QUEUED
                | EventType::QUEUE_DSN_QUEUED
                | EventType::QUEUE_AUTOGENERATED_QUEUED
                | EventType::QUEUE_RESCHEDULED
                | EventType::QUEUE_HELD
                | EventType::QUEUE_RELEASED
                | EventType::QUEUE_REQUEUED
                | EventType::QUEUE_REMOVED_BY_OPERATOR
                | EventType::DELIVERY_ATTEMPT_START
                | EventType::DELIVERY_COMPLETED
                | EventType::DELIVERY_DELIVERED
                | EventType::DELIVERY_FORWARDED
                | EventType::DELIVERY_FAILED
                | EventType::DELIVERY_EXPIRED
                | EventType::DELIVERY_DISCARDED
                | EventType::DELIVERY_FILTERED
                | EventType::DELIVERY_PROBE
                | EventType::DELIVERY_DSN_PERM_FAIL
                | EventType::DELIVERY_DSN_TEMP_FAIL
                | EventType::DELIVERY_DSN_SUCCESS
                | EventType::DELIVERY_DOUBLE_BOUNCE
                | EventType::MILTER_ACTION_DISCARD
                | EventType::MILTER_ACTION_QUARANTINE
                | EventType::MESSAGE_INGEST_HAM
                | EventType::MESSAGE_INGEST_SPAM
                | EventType::MESSAGE_INGEST_STORED
                | EventType::SIEVE_ACTION_DISCARD
                | EventType::SIEVE_ACTION_REJECT
                | EventType::SIEVE_ACTION_REDIRECT
        )
}
