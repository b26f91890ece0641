//! Identifiers: span ids and their text, event ids, positions in an input.

use std::fmt;

/// Seconds of the unix epoch at which span ids begin (2021-09-22T03:06:40Z).
const ID_EPOCH_SECONDS: i64 = 1_632_280_000;

/// Milliseconds before and after the id epoch that 43 bits hold.
const MILLIS_MAX: i64 = 1 << 42;

/// Digits of the base-32 text of 64-bit ids, by value.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz792013";

/// The id of a span, queue or object: an opaque 64-bit number with a base-32 text.
///
/// The upper 43 bits hold milliseconds since the id epoch, in two's complement, so ids made at a
/// time since then sort near that time. Never pass one through a floating-point number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub u64);

impl Id {
    /// The id of a span that began at `time_ns` (nanoseconds since the unix epoch), told apart
    /// from others of the same millisecond by the low 21 bits of `discriminator`.
    ///
    /// Times more than 139 years from the id epoch use that.
    pub fn at(time_ns: i64, discriminator: u64) -> Id {
        let millis = time_ns.div_euclid(1_000_000) - ID_EPOCH_SECONDS * 1000;
        let is_held = (-MILLIS_MAX..MILLIS_MAX).contains(&millis);
        let millis = if is_held { millis } else { 0 };
        let id = (millis << 21) as u64 | discriminator & 0x1f_ffff;
        Id(id.max(1))
    }

    /// The moment that an id made by [`at`](Self::at) holds, in nanoseconds since the unix epoch;
    /// whole milliseconds.
    pub fn time_ns(self) -> i64 {
        ((self.0 as i64 >> 21) + ID_EPOCH_SECONDS * 1000) * 1_000_000
    }

    /// The second that an id made by [`at`](Self::at) holds, since the unix epoch.
    pub fn seconds(self) -> i64 {
        self.time_ns().div_euclid(1_000_000_000)
    }

    /// Reads the base-32 text; `None` for anything that is not the text of a 64-bit id.
    pub fn parse(text: &str) -> Option<Id> {
        if text.is_empty() || text.len() > 13 {
            return None;
        }
        let mut id: u64 = 0;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|known| *known == byte)? as u64;
            if id >> 59 != 0 {
                return None;
            }
            id = id << 5 | digit;
        }
        Some(Id(id))
    }
}

impl fmt::Display for Id {
    /// Base-32 text, most significant digit first, without leading zeros; 0 is `a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 13];
        let mut at = text.len();
        let mut rest = self.0;
        loop {
            at -= 1;
            text[at] = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
            if rest == 0 {
                break;
            }
        }
        f.pad(std::str::from_utf8(&text[at..]).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// The identity of an event: given once, by the first durable spool, and never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Random id of the node that made the event durable first.
    pub origin: u32,
    /// Number of the event at that node.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.origin, self.number)
    }
}

/// Where an event was read: an input stream, a line of it, and the event's place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the stream (one generation of one source) in this store.
    pub stream: u32,
    /// Number of the line in the stream, from 0.
    pub line: u64,
    /// Number of the event among the events of that line, from 0.
    pub ordinal: u16,
}

/// A hash of bytes that never changes between versions (FNV-1a with a final avalanche), for ids
/// that are kept. Not for untrusted hash tables.
pub fn stable_hash(parts: &[&[u8]]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in *part {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // A separator that cannot occur in a byte keeps ("ab", "c") and ("a", "bc") apart.
        hash = (hash ^ 0x100).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_ids_is_the_reference_text() {
        for (id, text) in [(0, "a"), (1, "b"), (32, "ba"), (u64::MAX, "p333333333333")] {
            assert_eq!(Id(id).to_string(), text);
            assert_eq!(Id::parse(text), Some(Id(id)));
        }
        assert_eq!(Id::parse("singleton"), Some(Id(20_080_258_862_541)));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "A", "a b", "8", "p3333333333333", "7333333333333"] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ids_hold_their_millisecond() {
        let id = Id::at(1_795_353_655_203_000_000, u64::MAX);
        assert_eq!(
            (id.0 >> 21) as i64 + ID_EPOCH_SECONDS * 1000,
            1_795_353_655_203
        );
        assert_eq!(id.0 & 0x1f_ffff, 0x1f_ffff);
        // Logs are older than the epoch of ids.
        for millis in [0, 1_072_915_200_000, 1_632_279_999_999, 1_632_280_000_000] {
            assert_eq!(Id::at(millis * 1_000_000, 5).time_ns(), millis * 1_000_000);
            assert_eq!(Id::at(millis * 1_000_000, 5).0 & 0x1f_ffff, 5);
        }
        assert_eq!(Id::at(i64::MIN, 5).0, 5);
        assert_eq!(Id::at(i64::MIN, 0).0, 1, "0 means no span");
    }

    #[test]
    fn stable_hash_is_frozen() {
        assert_eq!(
            stable_hash(&[b"mx1", b"A90049BC91D"]),
            stable_hash(&[b"mx1", b"A90049BC91D"])
        );
        assert_ne!(stable_hash(&[b"ab", b"c"]), stable_hash(&[b"a", b"bc"]));
        assert_eq!(stable_hash(&[]), 0xefd0_1f60_ba99_2926);
    }
}
