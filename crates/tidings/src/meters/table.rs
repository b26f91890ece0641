//! A hash table of fixed room that is read without a lock and only ever grows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// At most so many items; beyond, [`get_or_add`](Self::get_or_add) gives nothing.
///
/// Finding waits for nobody. Adding takes a lock for as long as it takes to put one item in its
/// place, and there are only so many items ever.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// A power of two, at least twice the room: an empty slot ends every search.
    slots: Box<[OnceLock<T>]>,
    /// Rises after the item is in its place.
    len: AtomicUsize,
    room: usize,
    adding: Mutex<()>,
}

impl<T> Table<T> {
    /// Empty.
    pub(super) fn new(room: usize) -> Table<T> {
        let slots = (2 * room.max(1)).next_power_of_two();
        Table {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            len: AtomicUsize::new(0),
            room,
            adding: Mutex::new(()),
        }
    }

    /// The item that `is` accepts among those of this hash, and the number of its slot. Added from
    /// `make` if there is none and there is room.
    #[inline]
    pub(super) fn get_or_add(
        &self,
        hash: u64,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(usize, &T)> {
        // Read first: with a full table, what the search does not find is not there.
        let is_full = self.len.load(Ordering::Acquire) >= self.room;
        match self.search(hash, &is) {
            Ok(found) => Some(found),
            Err(_) if is_full => None,
            Err(_) => self.add(hash, &is, make()),
        }
    }

    /// The item in a slot.
    pub(super) fn at(&self, slot: usize) -> Option<&T> {
        self.slots.get(slot)?.get()
    }

    /// All items, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.get())
    }

    /// The item, or the empty slot where the search ended.
    #[inline]
    fn search(&self, hash: u64, is: &impl Fn(&T) -> bool) -> Result<(usize, &T), usize> {
        let mask = self.slots.len() - 1;
        // The upper bits of a product are the better ones.
        let mut at = (hash >> 32) as usize & mask;
        loop {
            match self.slots[at].get() {
                Some(item) if is(item) => return Ok((at, item)),
                Some(_) => at = (at + 1) & mask,
                None => return Err(at),
            }
        }
    }

    #[cold]
    fn add(&self, hash: u64, is: &impl Fn(&T) -> bool, item: T) -> Option<(usize, &T)> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match self.search(hash, is) {
            Ok(found) => return Some(found),
            Err(at) => at,
        };
        if self.len.load(Ordering::Relaxed) >= self.room {
            return None;
        }
        let item = self.slots[at].get_or_init(|| item);
        self.len.fetch_add(1, Ordering::Release);
        Some((at, item))
    }
}

/// A hash of bytes, quick and of no value to anybody who tries to guess it: tables are small, so the
/// worst that chosen bytes can do is a short walk.
#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = bytes.len() as u64;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        hash = (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        rest = after;
    }
    // The last bytes at once, with some of those before if there are: the length is in the hash.
    let last = match (bytes.last_chunk::<8>(), rest) {
        (_, []) => return hash,
        (Some(last), _) => u64::from_le_bytes(*last),
        (None, short) => short
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    (hash.rotate_left(23) ^ last).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &Table<u64>, number: u64, hash: u64) -> Option<usize> {
        let found = table.get_or_add(hash, |known| *known == number, || number);
        found.map(|(slot, known)| {
            assert_eq!((*known, table.at(slot)), (number, Some(known)));
            slot
        })
    }

    #[test]
    fn items_are_found_again_and_the_room_is_kept() {
        for one_hash in [false, true] {
            let table = Table::new(5);
            let hash_of = |number: u64| {
                if one_hash {
                    7
                } else {
                    hash(&number.to_le_bytes())
                }
            };
            let slots: Vec<_> = (0..8).map(|n| add(&table, n, hash_of(n))).collect();
            assert_eq!(slots.iter().flatten().count(), 5);
            let again: Vec<_> = (0..8).map(|n| add(&table, n, hash_of(n))).collect();
            assert_eq!(slots, again);
            assert_eq!(table.iter().count(), 5);
        }
    }

    #[test]
    fn threads_that_add_the_same_get_the_same() {
        let table = Table::new(100);
        let found: Vec<Vec<_>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..200).map(|n| add(&table, n, n << 32)).collect()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(table.iter().count(), 100);
        // Which hundred it is depends on the order, but not for one thread and not for another.
        for n in 0..200 {
            let slots: Vec<_> = found.iter().filter_map(|slots| slots[n]).collect();
            assert!(slots.iter().all(|slot| *slot == slots[0]), "{n}: {slots:?}");
        }
    }

    /// Without a second look under the lock, two threads may both take the last place.
    #[test]
    fn the_room_is_kept_when_threads_add_at_once() {
        for _ in 0..500 {
            let table = Table::new(4);
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for thread in 0..4u64 {
                    let (table, start) = (&table, &start);
                    scope.spawn(move || {
                        start.wait();
                        for n in 0..4 {
                            add(table, 10 * thread + n, n << 32);
                        }
                    });
                }
            });
            assert_eq!(table.iter().count(), 4);
        }
    }
}
