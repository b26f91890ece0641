use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::field::Written;

fn stamp(number: u64, level: u8) -> Stamp {
    Stamp {
        kind: 3,
        level,
        ticks: number,
        span: number,
        keep: false,
    }
}

/// Pairs of about so many bytes.
fn pairs(bytes: usize) -> Written<impl Fn(&mut Encoder<'_>)> {
    let text = "x".repeat(bytes);
    Written(move |out: &mut Encoder<'_>| {
        out.pair(tidings_event::Key::DETAILS, text.as_str());
    })
}

fn entries(words: &[u64]) -> Vec<(Head, Vec<u64>)> {
    let (mut at, mut seen) = (0, Vec::new());
    while at < words.len() {
        let head = Head::from_word(words[at]);
        seen.push((head, words[at + 1..at + head.words()].to_vec()));
        at += head.words();
    }
    seen
}

#[derive(Clone, Debug)]
enum Step {
    Write { level: u8, bytes: usize },
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..5, 0usize..400).prop_map(|(level, bytes)| Step::Write { level, bytes }),
        1 => Just(Step::Drain),
    ]
}

proptest! {
    /// Against the model, a list: what comes out is what went in, in order; what did not go in is
    /// counted by level, and the gaps say so where it is missing.
    #[test]
    fn a_ring_is_a_bounded_list(steps in prop::collection::vec(step(), 0..200)) {
        let ring = Arc::new(Ring::of_words(256));
        let mut writer = Writer::new(ring.clone(), [50, 75, 90, 100, 100]);
        let (mut model, mut lost, mut number) = (VecDeque::new(), [0u64; LEVELS], 0);
        let (mut out, mut told) = (Vec::new(), [0; LEVELS]);
        for step in steps.into_iter().chain([Step::Drain]) {
            match step {
                Step::Write { level, bytes } => {
                    number += 1;
                    let (stamp, pairs) = (stamp(number, level), pairs(bytes));
                    if writer.try_write(&stamp, &pairs) || writer.write(&stamp, &pairs).is_ok() {
                        model.push_back((number, level, lost));
                    } else {
                        writer.lose(level);
                        lost[usize::from(level)] += 1;
                    }
                }
                Step::Drain => {
                    out.clear();
                    ring.drain(&mut out);
                    for (head, rest) in entries(&out) {
                        if head.is_gap {
                            told.copy_from_slice(&rest[1..6]);
                        } else {
                            let expected = (rest[0], head.level, told);
                            prop_assert_eq!(model.pop_front(), Some(expected));
                            prop_assert_eq!(rest[1], rest[0]);
                        }
                    }
                    prop_assert!(model.is_empty());
                }
            }
        }
        prop_assert_eq!(ring.lost(), lost);
    }
}

#[test]
fn a_filling_ring_refuses_by_level() {
    let ring = Arc::new(Ring::of_words(1024));
    let mut writer = Writer::new(ring.clone(), [50, 75, 90, 100, 100]);
    let mut filled = Vec::new();
    for level in 0..5 {
        while writer.write(&stamp(1, level), &pairs(40)).is_ok() {}
        filled.push(writer.used() * 100 / writer.capacity());
    }
    assert!((48..=50).contains(&filled[0]), "trace: {filled:?}");
    assert!((73..=75).contains(&filled[1]), "debug: {filled:?}");
    assert!((88..=90).contains(&filled[2]), "info: {filled:?}");
    assert!(filled[3] >= 97 && filled[4] >= 97, "{filled:?}");
    let mut keep = stamp(1, 0);
    keep.keep = true;
    ring.drain(&mut Vec::new());
    while writer.write(&keep, &pairs(40)).is_ok() {}
    assert!(writer.used() * 100 / writer.capacity() >= 97);
}

#[test]
fn what_takes_a_quarter_of_the_ring_is_large_if_it_does_not_fit() {
    let ring = Arc::new(Ring::of_words(128));
    let mut writer = Writer::new(ring, [100; LEVELS]);
    let refused = writer.write(&stamp(1, 4), &pairs(2000));
    assert!(matches!(refused, Err(Refused::Large { bytes }) if bytes > 2000));
    assert_eq!(writer.write(&stamp(1, 4), &pairs(10)), Ok(()));
}
