//! One byte for each event type: whether anybody wants it, whether it is counted, at which level.
//!
//! An emitting thread reads this byte and, if it is zero, does nothing else. The bytes are worked out
//! anew whenever a subscriber comes, goes or changes its interest, and when levels are changed.

use std::sync::atomic::{AtomicU8, Ordering};

use tidings_event::{EventType, Level};

/// Ids of the catalogue lie below this.
pub(crate) const TYPES: usize = 1280;

const BUILD: u8 = 1;
const COUNT: u8 = 2;
const VALUE: u8 = 4;
const LEVEL_SHIFT: u32 = 4;

static GATES: [AtomicU8; TYPES] = [const { AtomicU8::new(0) }; TYPES];

/// At which levels anybody wants events of a type, one bit each: for events that carry a level of
/// their own.
static WANTED_AT: [AtomicU8; TYPES] = [const { AtomicU8::new(0) }; TYPES];

/// What to do with an event of a type. Zero for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate(u8);

impl Gate {
    /// The gate of the type with this id.
    #[inline]
    pub(crate) fn of(id: u16) -> Gate {
        match GATES.get(usize::from(id)) {
            Some(gate) => Gate(gate.load(Ordering::Relaxed)),
            None => Gate(0),
        }
    }

    /// For an event of this level.
    pub(crate) fn new(level: Level, is_built: bool, is_counted: bool, has_value: bool) -> Gate {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let bits = bit(is_built, BUILD) | bit(is_counted, COUNT) | bit(has_value, VALUE);
        match bits {
            0 => Gate(0),
            bits => Gate(bits | level.ordinal() << LEVEL_SHIFT),
        }
    }

    /// Whether there is anything to do.
    #[inline]
    pub fn is_open(self) -> bool {
        self.0 != 0
    }

    /// Whether what is to be done needs the event's values.
    #[inline]
    pub fn needs_fields(self) -> bool {
        self.0 & (BUILD | VALUE) != 0
    }

    #[inline]
    pub(crate) fn is_built(self) -> bool {
        self.0 & BUILD != 0
    }

    #[inline]
    pub(crate) fn is_counted(self) -> bool {
        self.0 & COUNT != 0
    }

    #[inline]
    pub(crate) fn has_value(self) -> bool {
        self.0 & VALUE != 0
    }

    /// Ordinal of the effective level.
    #[inline]
    pub(crate) fn level(self) -> u8 {
        self.0 >> LEVEL_SHIFT
    }
}

/// Whether anybody wants an event of this type at this level.
#[inline]
pub(crate) fn is_wanted_at(kind: EventType, level: Level) -> bool {
    let wanted = WANTED_AT.get(usize::from(kind.id()));
    wanted.is_some_and(|levels| levels.load(Ordering::Relaxed) & 1 << level.ordinal() != 0)
}

/// Sets all gates, and at which levels each type is wanted, one bit each.
pub(crate) fn set_all(gate: impl Fn(EventType) -> (Gate, u8)) {
    for info in EventType::all() {
        let at = usize::from(info.id);
        let (gate, levels) = gate(EventType::from_id(info.id));
        if let (Some(place), Some(wanted)) = (GATES.get(at), WANTED_AT.get(at)) {
            place.store(gate.0, Ordering::Relaxed);
            wanted.store(levels, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_catalogue_has_a_gate() {
        let highest = EventType::all().map(|info| info.id).max().unwrap();
        assert!(usize::from(highest) < TYPES, "raise TYPES above {highest}");
    }

    #[test]
    fn a_gate_says_what_was_put_in() {
        assert!(!Gate::new(Level::Warn, false, false, false).is_open());
        let counted = Gate::new(Level::Disable, false, true, false);
        assert!(counted.is_open() && counted.is_counted() && !counted.needs_fields());
        let built = Gate::new(Level::Error, true, false, false);
        assert!(built.is_built() && built.needs_fields() && !built.is_counted());
        assert_eq!(built.level(), Level::Error.ordinal());
        assert!(Gate::new(Level::Info, false, true, true).needs_fields());
    }
}
