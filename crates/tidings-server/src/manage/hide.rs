//! Ids of log entries for those who may see some of them only.
//!
//! A place among all events tells how many lines lie between two entries, which is others' business.
//! So they get the time of the event, which they see anyway, and a keyed hash of the place.

use tidings_engine::Place;
use tidings_event::Id;

/// Hides places.
pub(crate) struct Hider(ring::hmac::Key);

/// Digits of each half of an id.
const DIGITS: usize = 13;

/// Makes the order of signed numbers that of unsigned ones.
const SIGN: u64 = 1 << 63;

impl Hider {
    /// With this secret key.
    pub(super) fn new(key: &[u8]) -> Hider {
        Hider(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key))
    }

    /// The id of the entry at a place.
    pub(crate) fn hide(&self, place: Place) -> String {
        let tag = ring::hmac::sign(&self.0, place.to_string().as_bytes());
        let tag: [u8; 8] = tag.as_ref().first_chunk().copied().unwrap_or_default();
        let time = Id(place.time_ns() as u64 ^ SIGN).to_string();
        let tag = Id(u64::from_be_bytes(tag)).to_string();
        // `a` is the digit 0.
        format!("{time:a>DIGITS$}{tag:a>DIGITS$}")
    }

    /// The time of the entry with such an id, in nanoseconds.
    pub(crate) fn time_ns(id: &str) -> Option<i64> {
        let (time, tag) = id.split_at_checked(DIGITS)?;
        Id::parse(tag).filter(|_| tag.len() == DIGITS)?;
        Some((Id::parse(time)?.0 ^ SIGN) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_the_time_and_nothing_else() {
        let hider = Hider::new(&[7; 32]);
        for time_ns in [0, -5, 1_795_353_655_203_000_001, i64::MAX, i64::MIN] {
            let (one, other) = (Place::of_id(time_ns, 1), Place::of_id(time_ns, 2));
            let id = hider.hide(one);
            assert_eq!(id.len(), 26);
            assert_eq!(Hider::time_ns(&id), Some(time_ns));
            assert_eq!(hider.hide(one), id);
            assert_ne!(hider.hide(other), id);
            assert_ne!(Hider::new(&[8; 32]).hide(one), id);
        }
        for text in [
            "",
            "a",
            "zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "A",
            "aaaaaaaaaaaaaéaaaaaaaaaaaa",
        ] {
            assert_eq!(Hider::time_ns(text), None, "{text}");
        }
    }
}
