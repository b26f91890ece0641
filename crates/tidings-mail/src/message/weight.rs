//! How much memory an open message takes, about: what bounds them all together.

use std::mem::size_of;

use super::fold::Entry;
use super::leg::{Leg, Outcome};

/// The entry itself, and its places among the legs, the joins and the quiet ones.
const ENTRY: usize = size_of::<Option<Entry>>() + 256;

/// An entry with more outcomes is weighed each time so many were added: to go through thousands of
/// recipients for every line would take long.
const FEW: usize = 16;
const STEP: usize = 64;

impl Entry {
    /// The bytes that it takes, with what the allocator adds to each text.
    pub(super) fn weight(&self) -> usize {
        let legs: usize = self.legs.iter().map(of_leg).sum();
        ENTRY + self.legs.capacity() * size_of::<Leg>() + legs + self.links.len() * 96
    }

    /// Whether it is worth weighing again after an event.
    pub(super) fn is_to_be_weighed(&self) -> bool {
        let outcomes: usize = self.legs.iter().map(|leg| leg.outcomes.len()).sum();
        outcomes <= FEW || outcomes.is_multiple_of(STEP)
    }
}

fn of_leg(leg: &Leg) -> usize {
    let texts = [
        &leg.from,
        &leg.message_id,
        &leg.client_name,
        &leg.client_ip,
        &leg.account,
        &leg.original,
        &leg.parent,
    ];
    let outcomes: usize = leg.outcomes.iter().map(of_outcome).sum();
    let whole = leg
        .whole
        .as_deref()
        .map_or(0, |outcome| size_of::<Outcome>() + of_outcome(outcome));
    of_text(&leg.name)
        + of_text(&leg.host)
        + of_texts(&texts)
        + leg
            .notices
            .iter()
            .map(|text| 16 + of_text(text))
            .sum::<usize>()
        + leg.outcomes.capacity() * size_of::<Outcome>()
        + outcomes
        + whole
}

fn of_outcome(outcome: &Outcome) -> usize {
    of_text(&outcome.to) + of_text(&outcome.reply) + of_texts(&outcome.texts())
}

fn of_texts(texts: &[&Option<Box<str>>]) -> usize {
    let present = texts.iter().filter_map(|text| text.as_deref());
    present.map(of_text).sum()
}

/// A text of its own: at least 32 bytes, in steps of 16, of which 8 are the allocator's.
fn of_text(text: &str) -> usize {
    match text.len() {
        0 => 0,
        length => (length + 8).next_multiple_of(16).max(32),
    }
}
