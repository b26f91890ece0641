//! Models that loom runs in every order: `RUSTFLAGS="--cfg loom" cargo test -p tidings --lib models`.

use loom::sync::Arc;
use loom::thread;
use tidings_event::{Exemplar, Id};

use super::cell::{Count, Latest, Writers};
use super::slot::SlotPool;

/// Two threads, each of which takes a slot, counts in it and gives it back: no count is lost, whether
/// they get two slots or one after the other the same.
#[test]
fn a_slot_is_written_by_one_thread_at_a_time_and_handed_on_whole() {
    loom::model(|| {
        let pool = Arc::new(SlotPool::new());
        let counts = Arc::new([Count::default(), Count::default()]);
        let count = |pool: Arc<SlotPool>, counts: Arc<[Count; 2]>| {
            let slot = pool.acquire().unwrap();
            counts[slot].add(1, Writers::One);
            counts[slot].add(1, Writers::One);
            pool.release(slot);
        };
        let other = {
            let (pool, counts) = (pool.clone(), counts.clone());
            thread::spawn(move || count(pool, counts))
        };
        count(pool.clone(), counts.clone());
        other.join().unwrap();
        assert_eq!(counts[0].get() + counts[1].get(), 4);
    });
}

fn exemplar(number: u64) -> Exemplar {
    Exemplar {
        value: number,
        // Far enough apart that a later one is written.
        time_ns: number as i64 * 2_000_000_000,
        span: Id(number),
    }
}

fn is_whole(seen: Exemplar) -> bool {
    seen.time_ns as u64 == seen.value * 2_000_000_000 && seen.span.0 == seen.value
}

#[test]
fn a_reader_never_sees_half_of_an_exemplar_of_one_writer() {
    loom::model(|| {
        let latest = Arc::new(Latest::default());
        let writer = {
            let latest = latest.clone();
            thread::spawn(move || {
                latest.put(&exemplar(1), Writers::One);
                latest.put(&exemplar(2), Writers::One);
            })
        };
        assert!(latest.get().is_none_or(is_whole));
        writer.join().unwrap();
        assert_eq!(latest.get(), Some(exemplar(2)));
    });
}

#[test]
fn two_writers_leave_a_whole_exemplar() {
    loom::model(|| {
        let latest = Arc::new(Latest::default());
        let writer = {
            let latest = latest.clone();
            thread::spawn(move || latest.put(&exemplar(1), Writers::Many))
        };
        latest.put(&exemplar(2), Writers::Many);
        assert!(latest.get().is_none_or(is_whole));
        writer.join().unwrap();
        assert!(latest.get().is_some_and(is_whole));
    });
}
