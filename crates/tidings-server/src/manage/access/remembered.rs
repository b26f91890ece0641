//! Passwords that were right a moment ago, for clients that show theirs with every request: to check one
//! anew takes tens of milliseconds each time.
//!
//! Kept is a keyed hash, in memory only, with a key that was made when the program started.
//!
//! **Bounded**: [`ROWS_MAX`] for [`KEEP_NS`]; the oldest is forgotten for a new one, and costs a check.

use std::collections::{HashMap, VecDeque};

use ring::hmac::{HMAC_SHA256, Key, sign};
use tidings_event::Id;

use super::token::{NoRandom, random};

const ROWS_MAX: usize = 256;

const KEEP_NS: i64 = 5 * 60 * 1_000_000_000;

type Mac = [u8; 32];

/// An account, and the stamp of its password.
type Whose = (Id, [u8; 8]);

#[derive(Debug)]
pub(super) struct Remembered {
    key: Key,
    rows: HashMap<Mac, (Whose, i64)>,
    /// The oldest first.
    order: VecDeque<Mac>,
}

impl Remembered {
    pub(super) fn new() -> Result<Remembered, NoRandom> {
        let key: [u8; 32] = random()?;
        Ok(Remembered {
            key: Key::new(HMAC_SHA256, &key),
            rows: HashMap::new(),
            order: VecDeque::new(),
        })
    }

    /// Whose name and password these are.
    pub(super) fn find(&self, name: &str, password: &str, now_ns: i64) -> Option<Whose> {
        let (whose, until_ns) = self.rows.get(&self.mac(name, password))?;
        (*until_ns > now_ns).then_some(*whose)
    }

    /// They were right just now.
    pub(super) fn remember(&mut self, name: &str, password: &str, whose: Whose, now_ns: i64) {
        let mac = self.mac(name, password);
        if self
            .rows
            .insert(mac, (whose, now_ns.saturating_add(KEEP_NS)))
            .is_some()
        {
            return;
        }
        self.order.push_back(mac);
        if self.order.len() > ROWS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.rows.remove(&oldest);
        }
    }

    fn mac(&self, name: &str, password: &str) -> Mac {
        let mut shown = (name.len() as u64).to_le_bytes().to_vec();
        shown.extend(name.as_bytes());
        shown.extend(password.as_bytes());
        let mut mac = [0; 32];
        mac.copy_from_slice(sign(&self.key, &shown).as_ref());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_right_is_known_again_for_a_while() {
        let mut remembered = Remembered::new().unwrap();
        let whose = (Id(1), [1; 8]);
        remembered.remember("a", "bc", whose, 0);
        assert_eq!(remembered.find("a", "bc", KEEP_NS - 1), Some(whose));
        assert_eq!(remembered.find("a", "bc", KEEP_NS), None);
        assert_eq!(remembered.find("ab", "c", 0), None);
        for n in 0..ROWS_MAX {
            remembered.remember(&n.to_string(), "x", whose, 0);
        }
        assert_eq!(remembered.find("a", "bc", 0), None);
        assert_eq!(
            (remembered.rows.len(), remembered.order.len()),
            (ROWS_MAX, ROWS_MAX)
        );
    }
}
