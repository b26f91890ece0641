//! Models that loom runs in every order:
//! `RUSTFLAGS="--cfg loom" cargo test -p tidings --release --lib models`.

use loom::thread;

use super::*;
use crate::field::Written;

fn stamp(number: u64) -> Stamp {
    Stamp {
        kind: 1,
        level: 0,
        ticks: number,
        span: number,
        keep: false,
    }
}

/// Reads entries, and says which numbers they carry and how many losses their gaps tell.
fn numbers(words: &[u64], lost: &mut u64) -> Vec<u64> {
    let (mut at, mut seen) = (0, Vec::new());
    while at < words.len() {
        let head = Head::from_word(words[at]);
        if head.is_gap {
            *lost = words[at + 2..at + 7].iter().sum();
        } else {
            assert_eq!(words[at + 1], words[at + 2], "an entry is whole");
            seen.push(words[at + 1]);
        }
        at += head.words();
    }
    seen
}

/// One writes, one reads: what is read is what was written, whole, in order, and what is missing is
/// counted.
#[test]
fn what_is_written_is_read_or_counted() {
    loom::model(|| {
        // Room for two events besides a gap, so that the third may be refused.
        let ring = std::sync::Arc::new(Ring::of_words(16));
        let mut writer = Writer::new(ring.clone(), [100; LEVELS]);
        let reader_ring = ring.clone();
        let reader = thread::spawn(move || {
            let mut words = Vec::new();
            reader_ring.drain(&mut words);
            words
        });
        for number in 1..=3 {
            let pairs = Written(|_: &mut Encoder<'_>| {});
            let stamp = stamp(number);
            if !writer.try_write(&stamp, &pairs) && writer.write(&stamp, &pairs).is_err() {
                writer.lose(0);
            }
        }
        drop(writer);
        let mut words = reader.join().unwrap();
        assert!(ring.is_closed());
        ring.drain(&mut words);
        let mut told = 0;
        let seen = numbers(&words, &mut told);
        let lost: u64 = ring.lost().iter().sum();
        assert!(told <= lost);
        assert_eq!(seen.len() as u64 + lost, 3);
        assert!(seen.is_sorted());
    });
}

/// A thread ends while the collector looks: what it wrote is not left behind.
#[test]
fn a_closed_ring_shows_all_that_was_written() {
    loom::model(|| {
        let ring = std::sync::Arc::new(Ring::of_words(16));
        let mut writer = Writer::new(ring.clone(), [100; LEVELS]);
        let writing = {
            thread::spawn(move || {
                let pairs = Written(|_: &mut Encoder<'_>| {});
                assert!(writer.try_write(&stamp(1), &pairs));
                drop(writer);
            })
        };
        let closed = ring.is_closed();
        let mut words = Vec::new();
        ring.drain(&mut words);
        if closed {
            assert_eq!(numbers(&words, &mut 0), [1]);
        }
        writing.join().unwrap();
    });
}
