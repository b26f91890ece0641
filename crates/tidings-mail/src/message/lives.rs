//! Makes one leg of the pieces of a message's life under a short queue id, whichever is read first.
//!
//! A short queue id is used again, so the id of its leg holds the time of the leg's first line.
//! Where rotated logs are imported one by one and not oldest first, a file that begins in the
//! middle of a message knows nothing of that line, and what it tells is a leg of its own: a piece.
//! Pieces of one life are found by host and queue id, and proved by what both tell:
//!
//! * **Ends**: what follows `removed`, or begins with `client=`, is another life.
//! * **Sender and size**: the queue manager tells them at every attempt. Different ones refute it,
//!   the same ones prove it.
//! * **Arrival**: a delivery line tells how long ago the message arrived; where that is when the
//!   other piece begins, it proves it.
//! * **Nearness**: without any of these, the later piece begins within [`NEAR_NS`].
//!
//! Only neighbours in time are compared, so nothing is joined across another life.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use tidings_event::stable_hash;

use super::fold::{Entry, Folder};
use super::leg::{Leg, Outcome};
use super::settled::{Reopen, Since};
use super::{Text, Verdict};
use crate::correlate::{CLOSED_FOR_NS, DISORDER_NS, is_long_id};

/// Loose ends of settled messages remembered at most; beyond, those that have both ends go first, and
/// among them those noted longest ago; a piece of theirs stays a message of its own. Rotated logs leave
/// a few each, and a busy server has many messages that waited.
const LOOSE_MAX: usize = 10_000;

/// Who waited so long was tried again: Postfix's `minimal_backoff_time`.
const RETRY_NS: i64 = 300 * SECOND_NS;

const SECOND_NS: i64 = 1_000_000_000;

/// How far apart pieces are at most that nothing but the queue id joins: a message is tried again
/// sooner, and what an attempt leaves behind comes in its time.
const NEAR_NS: i64 = 3600 * SECOND_NS;

/// How far apart pieces of one life are at most: longer than messages stay in a queue.
const LIFE_NS: i64 = 14 * 86_400 * SECOND_NS;

/// A notification is told of while it is being queued.
const DERIVED_WITHIN_NS: i64 = 60 * SECOND_NS;

/// How far an arrival may be off: a line's whole second, and a delay's rounding.
const ARRIVAL_NS: i64 = 3 * SECOND_NS;

/// What a leg tells that decides whether another one is of the same life.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Life {
    /// Hash of host and queue id.
    pub(super) key: u64,
    pub(super) leg: u64,
    pub(super) name: Box<str>,
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    /// Its first line was seen: `client=`, `uid=`.
    pub(super) opened: bool,
    /// It was told to be a notification or forward of another message.
    pub(super) derived: bool,
    /// Hash of its Message-ID.
    pub(super) message: Option<u64>,
    /// Hash of sender and size, as the queue has them.
    pub(super) queued: Option<u64>,
    /// When it arrived, by a delivery line.
    pub(super) arrived_ns: Option<i64>,
    /// It is over.
    pub(super) over: bool,
    /// It tells nothing but what an operator did, which may be at any time.
    pub(super) by_operator: bool,
}

impl Life {
    fn of<S: Text>(leg: &Leg<S>) -> Life {
        let is_first_seen = is_opened(leg);
        Life {
            key: key_of(leg),
            leg: leg.id,
            name: Box::from(&*leg.name),
            first_ns: leg.first_ns,
            last_ns: leg.last_ns,
            opened: is_first_seen,
            derived: leg.derived,
            message: leg
                .message_id
                .as_deref()
                .map(|id| stable_hash(&[id.as_bytes()])),
            queued: queued_as(leg),
            arrived_ns: leg.outcomes.iter().find_map(arrived_ns),
            over: is_over(leg),
            by_operator: leg.whole.is_some()
                && leg.outcomes.is_empty()
                && !(is_first_seen || leg.queued || leg.message_id.is_some()),
        }
    }

    /// Whether `later`, which begins no sooner, goes on with this life.
    fn goes_on(&self, later: &Life) -> bool {
        let apart_ns = later.first_ns - self.first_ns;
        let at_once = apart_ns <= DISORDER_NS;
        if later.opened && (self.opened || self.derived || !at_once) {
            return false;
        }
        let is_at_beginning = self.message.is_none() && self.queued.is_none();
        if later.message.is_some() && later.message != self.message && !(is_at_beginning || at_once)
        {
            return false;
        }
        if later.derived && (self.opened || self.derived || apart_ns > DERIVED_WITHIN_NS) {
            return false;
        }
        if self.over && (later.over || later.last_ns > self.last_ns + CLOSED_FOR_NS) {
            return false;
        }
        self.is_proved_by(later)
    }

    fn is_proved_by(&self, later: &Life) -> bool {
        let same_mail = match (self.queued, later.queued) {
            (Some(mine), Some(other)) if mine != other => return false,
            (mine, other) => mine.is_some() && other.is_some(),
        };
        let near_ns = if same_mail || later.by_operator || self.has_arrival_of(later) {
            LIFE_NS
        } else {
            NEAR_NS
        };
        later.first_ns - self.last_ns <= near_ns
    }

    fn has_arrival_of(&self, later: &Life) -> bool {
        let mine = if self.opened {
            Some(self.first_ns)
        } else {
            self.arrived_ns
        };
        let both = mine.zip(later.arrived_ns);
        both.is_some_and(|(mine, other)| (mine - other).abs() <= ARRIVAL_NS)
    }

    /// Whether it begins and ends, and lacks nothing but what lies between.
    fn has_ends(&self) -> bool {
        (self.opened || self.derived) && self.over
    }

    /// Both pieces in one.
    fn with(&self, later: &Life) -> Life {
        Life {
            last_ns: self.last_ns.max(later.last_ns),
            opened: self.opened || later.opened,
            derived: self.derived || later.derived,
            message: self.message.or(later.message),
            queued: self.queued.or(later.queued),
            arrived_ns: self.arrived_ns.or(later.arrived_ns),
            over: self.over || later.over,
            by_operator: false,
            ..self.clone()
        }
    }
}

/// Whether its beginning was seen.
pub(super) fn is_opened<S>(leg: &Leg<S>) -> bool {
    leg.local || leg.client_name.is_some() || leg.client_ip.is_some()
}

fn is_over<S>(leg: &Leg<S>) -> bool {
    let decided = leg.whole.as_deref().and_then(|whole| whole.verdict);
    leg.removed || leg.aborted || decided.is_some_and(Verdict::is_final)
}

fn is_short<S: Text>(leg: &Leg<S>) -> bool {
    !leg.is_lmtp && !leg.name.is_empty() && !is_long_id(leg.name.as_bytes())
}

/// Whether a piece may be missing: the beginning, the end, or one in between, of what was put together
/// from pieces, does not tell what became of all its recipients, or waited long enough to be tried
/// again.
fn is_loose<S: Text>(leg: &Leg<S>, entry: &Entry<S>) -> bool {
    let has_ends = (is_opened(leg) || leg.derived) && is_over(leg);
    let lacks_outcomes = || {
        let is_final = |outcome: &&Outcome<S>| outcome.verdict.is_some_and(Verdict::is_final);
        let told = leg.outcomes.iter().filter(is_final).count() as u64;
        told + leg.unnamed < leg.total
    };
    let is_put_together = || entry.pieces.iter().any(|(of, _)| *of == leg.id);
    let waited = leg.last_ns - leg.first_ns >= RETRY_NS;
    is_short(leg) && (waited || !has_ends || lacks_outcomes() || is_put_together())
}

fn key_of<S: Text>(leg: &Leg<S>) -> u64 {
    stable_hash(&[leg.host.as_bytes(), leg.name.as_bytes()])
}

fn queued_as<S: Text>(leg: &Leg<S>) -> Option<u64> {
    let size = leg.size.filter(|_| leg.queued)?;
    let from = leg.from.as_deref()?.to_ascii_lowercase();
    Some(stable_hash(&[from.as_bytes(), &size.to_le_bytes()]))
}

fn arrived_ns<S>(outcome: &Outcome<S>) -> Option<i64> {
    let delay_ms = i64::try_from(outcome.delay_ms?).ok()?;
    outcome.relay.as_ref()?;
    Some(
        outcome
            .time_ns
            .saturating_sub(delay_ms.saturating_mul(1_000_000)),
    )
}

/// The loose ends of messages that are settled.
#[derive(Clone, Debug, Default)]
pub(super) struct Loose {
    by_key: FxHashMap<u64, Vec<Life>>,
    /// Keys and legs in the order in which they were noted, of those that have both ends and of the
    /// others; stale ones are skipped.
    order: [VecDeque<(u64, u64)>; 2],
    count: usize,
    /// Keys under which something was noted since they were looked at last.
    fresh: Vec<u64>,
}

impl Loose {
    /// Notes the legs of a message that is settled, and forgets those without loose ends.
    pub(super) fn note(&mut self, entry: &Entry) {
        for leg in entry.legs.iter().filter(|leg| is_short(leg)) {
            if is_loose(leg, entry) {
                self.add(Life::of(leg));
            } else if self.count > 0 {
                self.remove(key_of(leg), leg.id);
            }
        }
    }

    pub(super) fn add(&mut self, life: Life) {
        let (key, leg) = (life.key, life.leg);
        self.remove(key, leg);
        self.fresh.push(key);
        self.order[usize::from(!life.has_ends())].push_back((key, leg));
        self.by_key.entry(key).or_default().push(life);
        self.count += 1;
        while self.count > LOOSE_MAX {
            let Some((key, leg)) = self.order.iter_mut().find_map(VecDeque::pop_front) else {
                break;
            };
            self.remove(key, leg);
        }
        let by_key = &self.by_key;
        for order in self
            .order
            .iter_mut()
            .filter(|order| order.len() > 2 * LOOSE_MAX)
        {
            order.retain(|(key, leg)| {
                let lives = by_key.get(key);
                lives.is_some_and(|lives| lives.iter().any(|life| life.leg == *leg))
            });
        }
    }

    fn remove(&mut self, key: u64, leg: u64) {
        let Some(lives) = self.by_key.get_mut(&key) else {
            return;
        };
        let before = lives.len();
        lives.retain(|life| life.leg != leg);
        self.count -= before - lives.len();
        if lives.is_empty() {
            self.by_key.remove(&key);
        }
    }

    /// All of them, in the order in which they were noted.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Life> {
        let life = |(key, leg): &(u64, u64)| {
            let lives = self.by_key.get(key)?;
            lives.iter().find(|life| life.leg == *leg)
        };
        self.order.iter().flatten().filter_map(life)
    }
}

impl<S> Entry<S> {
    /// The place of the leg with this id, or of which this id is a piece.
    pub(super) fn place_of(&self, id: u64) -> Option<usize> {
        let place = |id: u64| self.legs.iter().position(|leg| leg.id == id);
        place(id).or_else(|| {
            let (leg, _) = self.pieces.iter().find(|(_, piece)| *piece == id)?;
            place(*leg)
        })
    }

    /// The ids of all legs and of their pieces.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        let legs = self.legs.iter().map(|leg| leg.id);
        legs.chain(self.pieces.iter().map(|(_, piece)| *piece))
    }
}

impl Entry {
    /// Makes one leg of each leg and those of its pieces that are still legs of their own.
    pub(super) fn unite_pieces(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        for (leg, piece) in &pieces {
            self.unite(*leg, *piece);
        }
        for known in pieces {
            if !self.pieces.contains(&known) {
                self.pieces.push(known);
            }
        }
    }

    /// Makes one leg of two, of which `later` is a piece of the life of `first`.
    fn unite(&mut self, first: u64, later: u64) {
        let place = |legs: &[Leg], id| legs.iter().position(|leg| leg.id == id);
        if first == later || place(&self.legs, first).is_none() {
            return;
        }
        let Some(out) = place(&self.legs, later) else {
            return;
        };
        let piece = self.legs.remove(out);
        let Some(into) = self.legs.iter_mut().find(|leg| leg.id == first) else {
            return;
        };
        into.go_on_with(piece);
        self.pieces.iter_mut().for_each(|(leg, _)| {
            if *leg == later {
                *leg = first;
            }
        });
        self.pieces.push((first, later));
        for link in &mut self.links {
            for end in [&mut link.from, &mut link.to] {
                if *end == later {
                    *end = first;
                }
            }
        }
        self.links.retain(|link| link.from != link.to);
    }
}

impl Folder {
    /// Joins the pieces of messages under short queue ids that were read in another order than they
    /// were written; settled ones are opened again for it. To be called before what is settled is
    /// taken.
    pub fn mend(&mut self, reopen: &mut dyn Reopen) {
        let mut mended = Vec::new();
        loop {
            let pairs = self.pieces_to_join();
            let before = mended.len();
            for (first, later) in pairs {
                if self.unite(&first, &later, reopen) {
                    mended.push(first.leg);
                }
            }
            if mended.len() == before {
                break;
            }
        }
        self.settle_again(mended.into_iter());
    }

    /// Pairs of neighbours that are one life, as far as they tell.
    fn pieces_to_join(&mut self) -> Vec<(Life, Life)> {
        let mut open: Vec<(u64, u64)> = Vec::new();
        for entry in self.entries.iter().flatten() {
            let loose = entry.legs.iter().filter(|leg| is_loose(leg, entry));
            open.extend(loose.map(|leg| (key_of(leg), leg.id)));
        }
        let fresh = std::mem::take(&mut self.loose.fresh);
        let mut keys: Vec<u64> = open.iter().map(|(key, _)| *key).chain(fresh).collect();
        keys.sort_unstable();
        keys.dedup();
        open.sort_unstable();
        let mut pairs = Vec::new();
        for key in keys {
            let start = open.partition_point(|(other, _)| *other < key);
            let end = open.partition_point(|(other, _)| *other <= key);
            let settled = self.loose.by_key.get(&key).map_or(0, Vec::len);
            if end - start + settled > 1 {
                let lives = self.lives_of(key, &open[start..end]);
                pairs.extend(neighbours(lives));
            }
        }
        pairs
    }

    /// The open and the settled ones; those that are open again are no longer settled.
    fn lives_of(&mut self, key: u64, open: &[(u64, u64)]) -> Vec<Life> {
        let settled = self.loose.by_key.get(&key).cloned().unwrap_or_default();
        let mut lives: Vec<Life> = Vec::new();
        for life in settled {
            if self.by_leg.contains_key(&life.leg) {
                self.loose.remove(key, life.leg);
            } else {
                lives.push(life);
            }
        }
        lives.extend(
            open.iter()
                .filter_map(|(_, leg)| Some(Life::of(self.leg(*leg)?))),
        );
        lives
    }

    /// Makes one leg of two; gives whether that could be done.
    fn unite(&mut self, first: &Life, later: &Life, reopen: &mut dyn Reopen) -> bool {
        let ids = [first, later].map(|life| self.bring(life, reopen));
        for (life, id) in [first, later].into_iter().zip(ids) {
            if id != Some(life.leg) {
                self.loose.remove(life.key, life.leg);
            }
        }
        let [Some(first), Some(later)] = ids else {
            return false;
        };
        if first == later {
            return false;
        }
        let (Some(into), Some(out)) = (
            self.by_leg.get(&first).copied(),
            self.by_leg.get(&later).copied(),
        ) else {
            return false;
        };
        self.merge(into, out);
        let Some(entry) = self.entries[into as usize].as_mut() else {
            return false;
        };
        for leg in entry
            .legs
            .iter()
            .filter(|leg| [first, later].contains(&leg.id))
        {
            self.joins.forget(leg);
        }
        entry.unite(first, later);
        if let Some(leg) = entry.legs.iter().find(|leg| leg.id == first) {
            self.joins.remember(leg, &entry.links);
        }
        self.look_again(into);
        self.follow_again(first);
        true
    }

    /// Opens the message of a loose end; gives the id of its leg now.
    fn bring(&mut self, life: &Life, reopen: &mut dyn Reopen) -> Option<u64> {
        self.open_settled(life.leg);
        if !self.by_leg.contains_key(&life.leg) {
            self.open_again(life.leg, &life.name, reopen);
        }
        let leg = self.leg(life.leg)?.id;
        self.loose.remove(life.key, life.leg);
        Some(leg)
    }
}

/// Pairs of neighbours in time that are one life. What is joined may prove what comes next.
fn neighbours(mut lives: Vec<Life>) -> Vec<(Life, Life)> {
    let mut pairs = Vec::new();
    lives.sort_by_key(|life| (life.first_ns, !life.opened, life.leg));
    loop {
        let before = lives.len();
        let mut joined: Vec<Life> = Vec::with_capacity(before);
        for life in lives {
            match joined.last_mut() {
                Some(last) if last.goes_on(&life) => {
                    let both = last.with(&life);
                    pairs.push((std::mem::replace(last, both), life));
                }
                _ => joined.push(life),
            }
        }
        lives = joined;
        if lives.len() == before {
            return pairs;
        }
    }
}

/// Asks the history for any time: a loose end may be of any.
pub(super) const ANY_TIME: Since = Since::Heard(i64::MIN);
