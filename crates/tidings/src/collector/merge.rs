//! Puts the events of several threads in the order of their emission.
//!
//! Each source is in order by itself. An event is released once it is older than the reorder window,
//! as then nothing earlier is likely to come; events of one thread never change their order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ring::{HEAD_WORDS, Head, LEVELS};

/// What was drained and not yet released.
#[derive(Debug, Default)]
pub(super) struct Merge {
    sources: Vec<Staged>,
    /// Kept for its memory.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
}

#[derive(Debug, Default)]
struct Staged {
    words: Vec<u64>,
    at: usize,
}

/// An event as it came from a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'w> {
    pub(super) kind: u16,
    pub(super) level: u8,
    pub(super) ticks: u64,
    /// 0 for none.
    pub(super) span: u64,
    /// Length of the pairs.
    pub(super) bytes: usize,
    /// The pairs, padded to whole words.
    pub(super) pairs: &'w [u64],
}

/// Takes what comes out. Two methods, not one with a choice: the choice would be written to memory
/// and read back for every event, a tenth of what collecting costs.
pub(super) trait Take {
    /// An event.
    fn event(&mut self, source: usize, event: &Event<'_>);

    /// Events are missing here: how many the source has lost so far, by level.
    fn gap(&mut self, source: usize, ticks: u64, lost: &[u64; LEVELS]);
}

impl Merge {
    /// Where the words of a source go, at the end.
    pub(super) fn source(&mut self, at: usize) -> &mut Vec<u64> {
        if self.sources.len() <= at {
            self.sources.resize_with(at + 1, Staged::default);
        }
        &mut self.sources[at].words
    }

    /// Forgets a source; those behind it move up.
    pub(super) fn remove(&mut self, at: usize) {
        if at < self.sources.len() {
            self.sources.remove(at);
        }
    }

    pub(super) fn is_empty(&self, at: usize) -> bool {
        self.sources
            .get(at)
            .is_none_or(|source| source.at == source.words.len())
    }

    pub(super) fn bytes(&self) -> usize {
        let words = self.sources.iter().map(|s| s.words.len() - s.at);
        words.sum::<usize>() * 8
    }

    /// Hands on, earliest first, all that happened at `horizon` or before, with the number of its
    /// source. Gives how many there were.
    pub(super) fn release(&mut self, horizon: u64, handler: &mut impl Take) -> usize {
        let mut count = 0;
        self.heads.clear();
        for (at, source) in self.sources.iter().enumerate() {
            self.heads.extend(source.ticks().map(|t| Reverse((t, at))));
        }
        while let Some(Reverse((ticks, at))) = self.heads.pop() {
            if ticks > horizon {
                break;
            }
            // As far as this source is ahead of the others.
            let next = self.heads.peek().map_or(u64::MAX, |Reverse((t, _))| *t);
            let until = next.min(horizon);
            let source = &mut self.sources[at];
            while source.ticks().is_some_and(|ticks| ticks <= until) {
                // A handler that panics has had its entry.
                source.take(at, handler);
                count += 1;
            }
            self.heads.extend(source.ticks().map(|t| Reverse((t, at))));
        }
        for source in &mut self.sources {
            source.forget_taken();
        }
        count
    }
}

impl Staged {
    /// When the next entry happened.
    #[inline]
    fn ticks(&self) -> Option<u64> {
        self.words.get(self.at + 1).copied()
    }

    #[inline]
    fn take(&mut self, source: usize, handler: &mut impl Take) {
        let rest = &self.words[self.at..];
        let head = Head::from_word(rest[0]);
        let length = head.words().min(rest.len());
        let entry = &rest[..length];
        self.at += length;
        let ticks = entry[1];
        if head.is_gap {
            let mut lost = [0; LEVELS];
            for (count, word) in lost.iter_mut().zip(&entry[2..]) {
                *count = *word;
            }
            handler.gap(source, ticks, &lost);
        } else if let Some((fixed, pairs)) = entry.split_first_chunk::<{ HEAD_WORDS as usize }>() {
            let event = Event {
                kind: head.kind,
                level: head.level,
                ticks,
                span: fixed[2],
                bytes: head.bytes as usize,
                pairs,
            };
            handler.event(source, &event);
        }
    }

    fn forget_taken(&mut self) {
        if self.at == self.words.len() {
            self.words.clear();
        } else {
            self.words.drain(..self.at);
        }
        self.at = 0;
        // A burst must not be remembered for ever.
        if self.words.capacity() > 1 << 17 && self.words.len() < 1 << 14 {
            self.words.shrink_to(1 << 15);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Calls a function with each event.
    struct Each<F>(F);

    impl<F: FnMut(usize, &Event<'_>)> Take for Each<F> {
        fn event(&mut self, source: usize, event: &Event<'_>) {
            (self.0)(source, event);
        }

        fn gap(&mut self, _: usize, _: u64, _: &[u64; LEVELS]) {
            unreachable!("no gap was put in");
        }
    }

    fn entry(ticks: u64, span: u64, pairs: usize) -> Vec<u64> {
        let head = Head {
            bytes: 8 * pairs as u32,
            kind: 1,
            level: 2,
            is_gap: false,
        };
        let mut words = vec![head.to_word(), ticks, span];
        words.extend(vec![span; pairs]);
        words
    }

    proptest! {
        /// Against the model: a stable sort of everything up to the horizon, the rest later.
        #[test]
        fn what_comes_out_is_sorted_and_whole(
            sources in prop::collection::vec(prop::collection::vec((0u64..50, 0usize..4), 0..30), 0..5),
            horizon in 0u64..60,
        ) {
            let mut merge = Merge::default();
            let mut expected = Vec::new();
            for (at, events) in sources.iter().enumerate() {
                let mut ticks = 0;
                for (number, (step, pairs)) in events.iter().enumerate() {
                    ticks += step / 10;
                    let span = (at * 1000 + number) as u64;
                    merge.source(at).extend(entry(ticks, span, *pairs));
                    expected.push((ticks, at, span));
                }
            }
            expected.sort_by_key(|(ticks, at, _)| (*ticks, *at));
            let mut seen = Vec::new();
            for horizon in [horizon, u64::MAX] {
                merge.release(horizon, &mut Each(|at, event: &Event<'_>| {
                    assert!(event.pairs.iter().all(|word| *word == event.span));
                    seen.push((event.ticks, at, event.span));
                }));
                prop_assert!(seen.iter().all(|(ticks, ..)| *ticks <= horizon));
            }
            let by_time = |all: &[(u64, usize, u64)]| all.iter().map(|e| e.0).collect::<Vec<_>>();
            prop_assert_eq!(by_time(&seen), by_time(&expected));
            for at in 0..sources.len() {
                let of = |all: &[(u64, usize, u64)]| {
                    all.iter().filter(|e| e.1 == at).map(|e| e.2).collect::<Vec<_>>()
                };
                prop_assert_eq!(of(&seen), of(&expected));
            }
            prop_assert_eq!(merge.bytes(), 0);
        }
    }

    #[test]
    fn an_entry_whose_handler_fails_is_not_seen_again() {
        let mut merge = Merge::default();
        for span in 1..=3 {
            merge.source(0).extend(entry(span, span, 1));
        }
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            merge.release(u64::MAX, &mut Each(|_, _: &Event<'_>| panic!("told to")));
        }));
        assert!(failed.is_err());
        let mut seen = Vec::new();
        merge.release(
            u64::MAX,
            &mut Each(|_, event: &Event<'_>| seen.push(event.span)),
        );
        assert_eq!(seen, [2, 3]);
    }
}
