//! A number of its own for each thread, so that it can count where nobody else writes.
//!
//! Capacity: [`SLOTS`] threads at a time have a slot; a thread beyond them, or one that is ending,
//! has none and counts in a shared place. A thread gives its slot back when it ends, and whoever gets
//! it next sees all that was written under it.

use super::sync::{AtomicU64, Ordering};

/// How many threads have a slot of their own at a time.
pub(super) const SLOTS: usize = 64;

/// The slots that are taken, one bit each.
pub(super) struct SlotPool {
    taken: AtomicU64,
}

impl SlotPool {
    #[cfg(not(loom))]
    const fn new() -> SlotPool {
        SlotPool {
            taken: AtomicU64::new(0),
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> SlotPool {
        SlotPool {
            taken: AtomicU64::new(0),
        }
    }

    /// A slot that nobody else has until it is released; `None` if all are taken.
    pub(super) fn acquire(&self) -> Option<usize> {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let slot = taken.trailing_ones() as usize;
            if slot >= SLOTS {
                return None;
            }
            // Acquire: what the last holder wrote under this slot is seen by this thread.
            let swapped = self.taken.compare_exchange_weak(
                taken,
                taken | 1 << slot,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return Some(slot),
                Err(now) => taken = now,
            }
        }
    }

    /// Gives a slot back; the caller writes under it no more.
    pub(super) fn release(&self, slot: usize) {
        self.taken.fetch_and(!(1 << slot), Ordering::Release);
    }
}

#[cfg(not(loom))]
pub(super) use of_thread::current;

/// Models are checked with slots that they hand out themselves.
#[cfg(loom)]
pub(super) fn current() -> usize {
    SLOTS
}

#[cfg(not(loom))]
mod of_thread {
    use std::cell::Cell;

    use super::{SLOTS, SlotPool};

    static POOL: SlotPool = SlotPool::new();

    /// The thread has not asked yet.
    const UNKNOWN: usize = usize::MAX;

    thread_local! {
        // Without a destructor, so that reading it is a plain load, also while the thread ends.
        static SLOT: Cell<usize> = const { Cell::new(UNKNOWN) };
        static HOLD: Hold = const { Hold };
    }

    /// Gives the thread's slot back when the thread ends.
    struct Hold;

    impl Drop for Hold {
        fn drop(&mut self) {
            let slot = SLOT.replace(SLOTS);
            if slot < SLOTS {
                POOL.release(slot);
            }
        }
    }

    /// The slot of this thread, below [`SLOTS`]; [`SLOTS`] if it has none.
    #[inline]
    pub(crate) fn current() -> usize {
        let slot = SLOT.get();
        if slot == UNKNOWN { first() } else { slot }
    }

    #[cold]
    fn first() -> usize {
        // A thread that is ending cannot be told when it has ended: it gets no slot.
        let slot = match HOLD.try_with(|_| ()) {
            Ok(()) => POOL.acquire().unwrap_or(SLOTS),
            Err(_) => SLOTS,
        };
        SLOT.set(slot);
        slot
    }

    #[cfg(test)]
    mod tests {
        use std::sync::Barrier;

        use super::*;

        #[test]
        fn threads_that_run_at_once_have_different_slots_and_give_them_back() {
            let barrier = Barrier::new(8);
            let rounds: Vec<Vec<usize>> = (0..50)
                .map(|_| {
                    std::thread::scope(|scope| {
                        let threads: Vec<_> = (0..8)
                            .map(|_| {
                                scope.spawn(|| {
                                    let slot = current();
                                    barrier.wait();
                                    slot
                                })
                            })
                            .collect();
                        threads.into_iter().map(|t| t.join().unwrap()).collect()
                    })
                })
                .collect();
            for slots in rounds {
                let mut own: Vec<_> = slots.into_iter().filter(|slot| *slot < SLOTS).collect();
                let count = own.len();
                own.sort_unstable();
                own.dedup();
                assert_eq!(own.len(), count);
                assert!(
                    count > 0,
                    "50 rounds of 8 threads must not use up the slots"
                );
            }
        }
    }
}
