//! Sets of event types.

use crate::event_type::EventType;
use crate::filter::glob::{Glob, GlobMatcher};

/// A set of event types, by id.
///
/// Types that the catalogue does not have, from a newer version, count as `custom.other`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeSet {
    /// One bit for each id, up to the highest that the catalogue has.
    bits: Vec<u64>,
}

impl TypeSet {
    /// No type.
    pub fn none() -> TypeSet {
        let highest = EventType::all().map(|info| info.id).max().unwrap_or(0);
        TypeSet {
            bits: vec![0; usize::from(highest) / 64 + 1],
        }
    }

    /// Every type.
    pub fn all() -> TypeSet {
        TypeSet::none().complement()
    }

    /// Whether the set has this type.
    pub fn contains(&self, kind: EventType) -> bool {
        let id = usize::from(known_id(kind));
        self.bits
            .get(id / 64)
            .is_some_and(|word| word >> (id % 64) & 1 != 0)
    }

    /// Whether the set has every type.
    pub fn is_all(&self) -> bool {
        EventType::all().all(|info| self.contains(EventType::from_id(info.id)))
    }

    /// Whether the set has no type.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The types of the catalogue that are in the set.
    pub fn iter(&self) -> impl Iterator<Item = EventType> {
        EventType::all()
            .map(|info| EventType::from_id(info.id))
            .filter(|kind| self.contains(*kind))
    }

    /// Puts a type in.
    pub(super) fn insert(&mut self, kind: EventType) {
        let id = usize::from(known_id(kind));
        if let Some(word) = self.bits.get_mut(id / 64) {
            *word |= 1 << (id % 64);
        }
    }

    /// Puts every type in whose name has this shape.
    pub(super) fn insert_matching(&mut self, glob: &Glob) {
        let glob = GlobMatcher::new(glob);
        EventType::all()
            .filter(|info| glob.matches(info.name))
            .for_each(|info| self.insert(EventType::from_id(info.id)));
    }

    /// The types that are not in it.
    pub(super) fn complement(&self) -> TypeSet {
        TypeSet {
            bits: self.bits.iter().map(|word| !word).collect(),
        }
    }

    /// The types that are in both.
    pub(super) fn intersection(&self, other: &TypeSet) -> TypeSet {
        let bits = self.bits.iter().zip(&other.bits);
        TypeSet {
            bits: bits.map(|(one, other)| one & other).collect(),
        }
    }

    /// The types that are in either.
    pub(super) fn union(&self, other: &TypeSet) -> TypeSet {
        let bits = self.bits.iter().zip(&other.bits);
        TypeSet {
            bits: bits.map(|(one, other)| one | other).collect(),
        }
    }
}

fn known_id(kind: EventType) -> u16 {
    match kind.info().id {
        u16::MAX => EventType::CUSTOM_OTHER.id(),
        id => id,
    }
}
