//! Finds keys and event types by their canonical names in one step, where a binary search among
//! hundreds of similar names would be half the cost of reading an event.

use std::sync::OnceLock;

use crate::event_type::EventType;
use crate::key::Key;

/// The key of this name, in any spelling that the catalogue knows.
pub(super) fn key(name: &str) -> Option<Key> {
    static KEYS: OnceLock<NameTable> = OnceLock::new();
    let table = KEYS.get_or_init(|| NameTable::new(Key::all().map(|info| (info.name, info.id))));
    table
        .get(name)
        .map(Key::from_id)
        .or_else(|| Key::from_name(name))
}

/// The event type of this name, in any spelling that the catalogue knows.
pub(super) fn event_type(name: &str) -> Option<EventType> {
    static TYPES: OnceLock<NameTable> = OnceLock::new();
    let table =
        TYPES.get_or_init(|| NameTable::new(EventType::all().map(|info| (info.name, info.id))));
    table
        .get(name)
        .map(EventType::from_id)
        .or_else(|| EventType::from_name(name))
}

/// A hash table of names: a name stands in the first free place from its hash on.
struct NameTable {
    /// A power of two of places, at least half of them free.
    places: Vec<Option<(&'static str, u16)>>,
}

impl NameTable {
    fn new(names: impl Iterator<Item = (&'static str, u16)>) -> NameTable {
        let names: Vec<_> = names.collect();
        let mut places = vec![None; (names.len() * 2).next_power_of_two()];
        for entry in names {
            let mut at = hash(entry.0) & (places.len() - 1);
            while places[at].is_some() {
                at = (at + 1) & (places.len() - 1);
            }
            places[at] = Some(entry);
        }
        NameTable { places }
    }

    fn get(&self, name: &str) -> Option<u16> {
        let mut at = hash(name) & (self.places.len() - 1);
        while let Some((known, id)) = self.places[at] {
            if known == name {
                return Some(id);
            }
            at = (at + 1) & (self.places.len() - 1);
        }
        None
    }
}

/// FNV-1a, with its upper half folded in. The table's names are fixed, so nobody can crowd one place;
/// a foreign name costs one walk to a free place at most.
fn hash(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The lower half is what the table takes its bits from.
    (hash ^ hash >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for info in Key::all() {
            assert_eq!(key(info.name).map(Key::id), Some(info.id));
            assert_eq!(key(info.kebab).map(Key::id), Some(info.id));
        }
        for info in EventType::all() {
            assert_eq!(event_type(info.name).map(EventType::id), Some(info.id));
        }
        assert_eq!(
            event_type("queue.queue-message"),
            Some(EventType::QUEUE_MESSAGE_QUEUED)
        );
        assert_eq!((key(""), event_type("delivery")), (None, None));
    }
}
