//! Joins legs of which one was settled before the other was read: at the ends of files.
//!
//! Where a log is imported in several goes, the last lines of one file and the first of the next
//! tell of the same messages: one leg ends here, the next begins there. A leg that is settled is
//! not looked for by those that come later, as most speak of servers elsewhere. So around the ends
//! of what was read, settled messages that share their Message-ID with another one are opened
//! again, and joined by the same evidence as ever.

use std::ops::RangeInclusive;

use rustc_hash::{FxHashMap, FxHashSet};
use tidings_event::stable_hash;

use super::evidence::message_id;
use super::fold::{Entry, Folder};
use super::settled::Reopen;
use super::{Text, view};

/// How far from the end of a file the legs of a message may be that it cuts in two.
const SEAM_NS: i64 = 120_000_000_000;

impl Folder {
    /// Joins legs around an end of what was read, where the message of one is settled. To be called
    /// before what is settled is taken.
    pub fn heal(&mut self, end_ns: i64, reopen: &mut dyn Reopen) {
        let near = end_ns.saturating_sub(SEAM_NS)..=end_ns.saturating_add(SEAM_NS);
        let mut kept: Vec<(u64, Box<str>, u64)> = Vec::new();
        reopen.heard_within(near.clone(), &mut |leg, name, message_id| {
            let id = message_id.trim_matches(['<', '>']);
            if !id.is_empty() {
                kept.push((leg, Box::from(name), stable_hash(&[id.as_bytes()])));
            }
        });
        kept.retain(|(leg, _, _)| !self.knows(*leg));
        if kept.is_empty() {
            return;
        }
        let here = self.messages_near(&near);
        let mut shared: FxHashMap<u64, u32> = FxHashMap::default();
        for (_, _, hash) in &kept {
            *shared.entry(*hash).or_default() += 1;
        }
        kept.retain(|(_, _, hash)| here.contains(hash) || shared[hash] > 1);
        for (leg, name, _) in &kept {
            self.open_again(*leg, name, reopen);
        }
        self.settle_again(kept.into_iter().map(|(leg, _, _)| leg));
    }

    /// Hashes of the Message-IDs of what is here, open or settled, and was heard of in this time.
    fn messages_near(&self, near: &RangeInclusive<i64>) -> FxHashSet<u64> {
        let mut hashes = FxHashSet::default();
        self.entries()
            .for_each(|entry| note(entry, near, &mut hashes));
        self.each_saved(|entry| note(&entry, near, &mut hashes));
        hashes
    }

    /// Settles what was opened again, where nothing more is to come.
    pub(super) fn settle_again(&mut self, legs: impl Iterator<Item = u64>) {
        for leg in legs {
            let Some(slot) = self.by_leg.get(&leg).copied() else {
                continue;
            };
            let Some(entry) = self.entries[slot as usize].as_ref() else {
                continue;
            };
            if self.is_quiet(entry) && view::is_final(entry) {
                self.settle(slot);
            }
        }
    }
}

fn note<S: Text>(entry: &Entry<S>, near: &RangeInclusive<i64>, hashes: &mut FxHashSet<u64>) {
    let is_near = |first_ns: i64, last_ns: i64| first_ns <= *near.end() && last_ns >= *near.start();
    let legs = entry
        .legs
        .iter()
        .filter(|leg| is_near(leg.first_ns, leg.last_ns));
    hashes.extend(
        legs.filter_map(message_id)
            .map(|id| stable_hash(&[id.as_bytes()])),
    );
}
