//! Settled messages until they are taken, and what it takes to open one again.

use std::ops::{Range, RangeInclusive};

use tidings_event::{EventRef, EventType};

use super::facts::Facts;
use super::fold::Entry;
use crate::correlate::{DISORDER_NS, is_long_id, seconds_of_queue_id};

const SECOND_NS: i64 = 1_000_000_000;

/// Zones differ by whole quarters of an hour.
const ZONE_STEP_NS: i64 = 900 * SECOND_NS;

/// How far apart two zones are at most.
const ZONES_NS: i64 = 26 * 3600 * SECOND_NS;

/// How long a server takes at most to queue a message of its own.
const QUEUEING_NS: i64 = 60 * SECOND_NS;

/// How long a mailbox server takes over one message, disorder of lines included.
const HANDING_OVER_NS: i64 = 1200 * SECOND_NS;

/// Gives back a settled message when a late line speaks of it.
pub trait Reopen {
    /// If there is a settled message that has this leg, which its server calls `name`, and of
    /// which `since` holds: takes it out of the settled ones and feeds the events of all its legs,
    /// in order, to `apply`. Otherwise does nothing.
    fn reopen(&mut self, leg: u64, name: &str, since: Since, apply: &mut dyn FnMut(&EventRef<'_>));

    /// Tells of the settled messages that were heard of in these times, in nanoseconds since the
    /// unix epoch: first leg, its server's name for it, and Message-ID, as far as they are known.
    fn heard_within(
        &mut self,
        _times: RangeInclusive<i64>,
        _each: &mut dyn FnMut(u64, &str, &str),
    ) {
    }
}

/// What holds of every settled message that can have a leg; times in nanoseconds since the unix
/// epoch. Most legs are new, and need no look at any message then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// It began then or later.
    Began(i64),
    /// It was heard of then or later.
    Heard(i64),
}

/// There is nothing settled yet.
impl Reopen for () {
    fn reopen(&mut self, _: u64, _: &str, _: Since, _: &mut dyn FnMut(&EventRef<'_>)) {}
}

/// Settled messages in their saved form, end to end.
#[derive(Debug, Default)]
pub(super) struct Settled {
    bytes: Vec<u8>,
    /// Where each lies; empty for those that were opened again.
    places: Vec<Range<usize>>,
}

impl Settled {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places
            .iter()
            .filter(|place| !place.is_empty())
            .map(|place| &self.bytes[place.clone()])
    }

    /// Adds a message; gives its number.
    pub(super) fn push(&mut self, entry: &Entry) -> u32 {
        let start = self.bytes.len();
        entry.save(&mut self.bytes);
        self.places.push(start..self.bytes.len());
        self.places.len() as u32 - 1
    }

    /// Takes a message out.
    pub(super) fn take(&mut self, number: u32) -> Option<Entry> {
        let place = std::mem::take(self.places.get_mut(number as usize)?);
        Entry::from_saved(self.bytes.get(place)?).ok()
    }
}

/// What holds of a settled message that has a leg of which no other event is known here.
pub(super) fn since(leg: u64, kind: EventType, facts: &Facts<'_>) -> Since {
    // The first line of a message speaks of a settled one only where later lines were read
    // before: of the next log, or of a log that was followed from then on.
    if kind == EventType::SMTP_MAIL_FROM {
        return Since::Began(facts.time_ns.saturating_sub(DISORDER_NS));
    }
    // The line that tells of a notification is written while the notification is being queued.
    if facts.parent_queue_id.is_some() {
        return Since::Began(facts.time_ns.saturating_sub(QUEUEING_NS));
    }
    // An id holds the second of the leg's first line; that of a long queue id is the server's,
    // whose log may have been read in another zone: not, if the id was made just now by the log.
    let id_ns = seconds_of_queue_id(leg).saturating_mul(SECOND_NS);
    let is_of_now = (facts.time_ns - id_ns).abs() < ZONE_STEP_NS / 2;
    let began_ns = match facts.mta_queue_id {
        Some(name) if is_long_id(name.as_bytes()) && !is_of_now => id_ns - ZONES_NS,
        Some(_) => id_ns,
        None if facts.session.is_some() || facts.is_filing => {
            facts.time_ns.saturating_sub(HANDING_OVER_NS)
        }
        // Of somebody who gives ids of their own.
        None => i64::MIN,
    };
    Since::Heard(began_ns.min(facts.time_ns))
}
