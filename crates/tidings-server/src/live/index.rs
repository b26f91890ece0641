//! Which clients an event can be for: an index of their wishes, so that an event is not shown to each.
//!
//! Needles of all clients are looked for in one pass over a value (Aho–Corasick); words that a query
//! needs are looked up as tokens; event types have lists. A client stands in the index by whatever is
//! rarest in its wish. What the index gives is a candidate: [`Follower::takes`](super::wish::Follower)
//! decides.

use aho_corasick::AhoCorasick;
use rustc_hash::FxHashMap;
use tidings_event::filter::Needs;
use tidings_event::token::value_tokens;
use tidings_event::{EventRef, EventType, Key};

use super::needle::text_of;
use super::wish::Wish;

/// The place of a client in the hub.
pub(super) type Slot = u32;

/// The clients by what an event must have for them.
#[derive(Debug, Default)]
pub(super) struct Index {
    needles: Option<Needles>,
    tokens: FxHashMap<String, Vec<Slot>>,
    types: FxHashMap<u16, Vec<Slot>>,
    /// Those who may want anything.
    rest: Vec<Slot>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Needles {
    automaton: AhoCorasick,
    /// By the number of the pattern.
    owners: Vec<Vec<(Option<Key>, Slot)>>,
}

impl Index {
    /// The index of these clients.
    pub(super) fn of<'w>(wishes: impl Iterator<Item = (Slot, &'w Wish)>) -> Index {
        let mut index = Index::default();
        let mut patterns: Vec<&str> = Vec::new();
        let mut numbers: FxHashMap<&str, usize> = FxHashMap::default();
        let mut owners: Vec<Vec<(Option<Key>, Slot)>> = Vec::new();
        for (slot, wish) in wishes {
            let mut needles: Vec<_> = wish.needles().iter().collect();
            if !wish.any_needle_suffices() {
                // All must be found: the longest is the rarest, most likely.
                needles.sort_by_key(|needle| std::cmp::Reverse(needle.text.len()));
                needles.truncate(1);
            }
            for needle in &needles {
                let number = *numbers.entry(&needle.text).or_insert_with(|| {
                    patterns.push(&needle.text);
                    owners.push(Vec::new());
                    patterns.len() - 1
                });
                owners[number].push((needle.key, slot));
            }
            if needles.is_empty() {
                index.add_without_needles(slot, wish);
            }
        }
        if !patterns.is_empty() {
            match AhoCorasick::new(&patterns) {
                Ok(automaton) => index.needles = Some(Needles { automaton, owners }),
                // Too large an automaton: every event is shown to them.
                Err(_) => index
                    .rest
                    .extend(owners.iter().flatten().map(|(_, slot)| *slot)),
            }
        }
        index
    }

    fn add_without_needles(&mut self, slot: Slot, wish: &Wish) {
        let mut tokens = Vec::new();
        if wish
            .plan()
            .is_some_and(|plan| rarest(&plan.needs, &mut tokens).is_some())
        {
            for token in tokens {
                self.tokens.entry(token).or_default().push(slot);
            }
        } else if wish.names_types() {
            let types = EventType::all().map(|info| EventType::from_id(info.id));
            for kind in types.filter(|kind| wish.has_type(*kind)) {
                self.types.entry(kind.id()).or_default().push(slot);
            }
            // Types of newer versions: a filter takes them for `custom.other`, a list of events
            // that leaves some out lets them pass.
            if wish.has_type(EventType::from_id(u16::MAX)) {
                self.types.entry(u16::MAX).or_default().push(slot);
            }
        } else {
            self.rest.push(slot);
        }
    }

    /// Adds the clients that may want the event; some may come twice.
    pub(super) fn candidates(&mut self, event: &EventRef<'_>, found: &mut Vec<Slot>) {
        found.extend_from_slice(&self.rest);
        if !self.types.is_empty()
            && let Some(slots) = self.types.get(&event.kind().info().id)
        {
            found.extend_from_slice(slots);
        }
        if !self.tokens.is_empty() {
            for (_, value) in event.pairs() {
                value_tokens(&value, &mut |token| {
                    if let Some(slots) = self.tokens.get(token) {
                        found.extend_from_slice(slots);
                    }
                });
            }
        }
        self.by_needles(event, found);
    }

    /// Adds the clients one of whose needles is found in the event: an event, or the start of its
    /// span.
    pub(super) fn by_needles(&mut self, event: &EventRef<'_>, found: &mut Vec<Slot>) {
        let Some(Needles { automaton, owners }) = &self.needles else {
            return;
        };
        for (key, value) in event.pairs() {
            let Some(text) = text_of(&value, &mut self.scratch) else {
                continue;
            };
            for hit in automaton.find_overlapping_iter(text) {
                let owners = &owners[hit.pattern().as_usize()];
                let of_key = owners
                    .iter()
                    .filter(|(wanted, _)| wanted.is_none_or(|wanted| wanted == key));
                found.extend(of_key.map(|(_, slot)| *slot));
            }
        }
    }
}

/// Collects tokens one of which an event must have; of several such sets the one with the longest
/// tokens. `None` if events without any token may be meant too.
fn rarest(needs: &Needs, tokens: &mut Vec<String>) -> Option<usize> {
    match needs {
        Needs::Anything => None,
        Needs::Token(token) => {
            tokens.push(token.clone());
            Some(token.len())
        }
        Needs::All(parts) => {
            let mut best: Option<(usize, Vec<String>)> = None;
            for part in parts {
                let mut of_part = Vec::new();
                if let Some(length) = rarest(part, &mut of_part)
                    && best.as_ref().is_none_or(|(best, _)| length > *best)
                {
                    best = Some((length, of_part));
                }
            }
            let (length, of_part) = best?;
            tokens.extend(of_part);
            Some(length)
        }
        Needs::Any(parts) => {
            let mut shortest = usize::MAX;
            for part in parts {
                shortest = shortest.min(rarest(part, tokens)?);
            }
            Some(shortest)
        }
    }
}
