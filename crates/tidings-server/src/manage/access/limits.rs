//! Sign-in attempts, slowed down by address and by name.
//!
//! An attempt is counted before its password is checked, so that many at once are no way around, and
//! forgiven where it succeeds. After [`FREE`] failures one has to wait: a second, then twice as long
//! each time, up to [`WAIT_MAX_NS`] for an address and [`NAME_WAIT_MAX_NS`] for a name: less, because a
//! stranger can make a name wait. Where somebody signed in by that name not long ago, the name does not
//! wait at all.
//!
//! **Bounded**: [`ROWS_MAX`] rows. The one that was heard of longest ago is forgotten first, which is
//! counted; to be forgotten that way takes an attacker as many addresses.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::token::Hash;

/// Failures that cost nothing.
const FREE: u32 = 5;

/// How long a row is remembered after its last failure.
const KEEP_NS: i64 = 30 * 60 * SECOND_NS;

/// How long it is remembered where somebody has signed in.
const TRUST_NS: i64 = 30 * 24 * 60 * 60 * SECOND_NS;

/// The longest wait of an address.
const WAIT_MAX_NS: i64 = 15 * 60 * SECOND_NS;

/// The longest wait of a name.
const NAME_WAIT_MAX_NS: i64 = 30 * SECOND_NS;

/// Rows at most.
const ROWS_MAX: usize = 20_000;

const SECOND_NS: i64 = 1_000_000_000;

/// What attempts are counted by. Names are hashed, as people type passwords in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Who {
    /// An IPv4 address, or the /64 network of an IPv6 one.
    Address(IpAddr),
    /// A name.
    Name(Hash),
    /// A name that signed in from an address.
    Known(Hash, IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Row {
    failures: u32,
    /// Not before this.
    next_ns: i64,
    /// When it is forgotten.
    until_ns: i64,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Limits {
    rows: HashMap<Who, Row>,
    /// The same rows by when they are forgotten.
    by_end: BTreeSet<(i64, Who)>,
    /// Rows that were forgotten before their time, for others.
    displaced: u64,
}

/// An attempt that may be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    name: Hash,
    address: Option<IpAddr>,
}

impl Limits {
    /// Counts an attempt, or gives after how many nanoseconds to come again. Without an address (the
    /// socket) only the name is counted.
    pub(super) fn begin(
        &mut self,
        name: &str,
        address: Option<IpAddr>,
        now_ns: i64,
    ) -> Result<Attempt, i64> {
        self.forget(now_ns);
        let attempt = Attempt {
            name: Hash::of(name.as_bytes()),
            address: address.map(network),
        };
        let counted = self.counted(attempt);
        let waits = counted.iter().map(|who| self.wait(who, now_ns));
        let wait = waits.max().unwrap_or(0);
        if wait > 0 {
            return Err(wait);
        }
        for who in counted {
            self.fail(who, now_ns);
        }
        Ok(attempt)
    }

    /// The attempt was one with the right password.
    pub(super) fn succeeded(&mut self, attempt: Attempt, now_ns: i64) {
        for who in self.counted(attempt) {
            match who {
                Who::Name(_) => self.remove(who),
                // Only this attempt is forgiven: who has an account could guess at others in between.
                _ => self.uncount(who, now_ns),
            }
        }
        if let Some(address) = attempt.address {
            let row = Row {
                failures: 0,
                next_ns: 0,
                until_ns: now_ns.saturating_add(TRUST_NS),
            };
            self.put(Who::Known(attempt.name, address), row);
        }
    }

    /// How many rows were forgotten before their time, since this was asked last.
    pub(super) fn take_displaced(&mut self) -> u64 {
        std::mem::take(&mut self.displaced)
    }

    /// What an attempt is counted by.
    fn counted(&self, attempt: Attempt) -> Vec<Who> {
        let Some(address) = attempt.address else {
            return vec![Who::Name(attempt.name)];
        };
        let known = Who::Known(attempt.name, address);
        let by_name = if self.rows.contains_key(&known) {
            None
        } else {
            Some(Who::Name(attempt.name))
        };
        by_name.into_iter().chain([Who::Address(address)]).collect()
    }

    fn wait(&self, who: &Who, now_ns: i64) -> i64 {
        let row = self.rows.get(who);
        row.map_or(0, |row| row.next_ns.saturating_sub(now_ns))
    }

    fn fail(&mut self, who: Who, now_ns: i64) {
        let failures = self.rows.get(&who).map_or(0, |row| row.failures) + 1;
        let most = match who {
            Who::Name(_) => NAME_WAIT_MAX_NS,
            _ => WAIT_MAX_NS,
        };
        let wait = match failures.checked_sub(FREE) {
            None => 0,
            Some(over) => (SECOND_NS << over.min(20)).min(most),
        };
        let row = Row {
            failures,
            next_ns: now_ns.saturating_add(wait),
            until_ns: now_ns.saturating_add(KEEP_NS),
        };
        self.put(who, row);
    }

    fn uncount(&mut self, who: Who, now_ns: i64) {
        if let Some(row) = self.rows.get(&who).copied() {
            let row = Row {
                failures: row.failures.saturating_sub(1),
                next_ns: now_ns,
                ..row
            };
            self.put(who, row);
        }
    }

    fn put(&mut self, who: Who, row: Row) {
        self.remove(who);
        if self.rows.len() >= ROWS_MAX
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.rows.remove(&first);
            self.displaced += 1;
        }
        self.by_end.insert((row.until_ns, who));
        self.rows.insert(who, row);
    }

    fn remove(&mut self, who: Who) {
        if let Some(row) = self.rows.remove(&who) {
            self.by_end.remove(&(row.until_ns, who));
        }
    }

    fn forget(&mut self, now_ns: i64) {
        while let Some((until_ns, who)) = self.by_end.first().copied() {
            if until_ns > now_ns {
                return;
            }
            self.remove(who);
        }
    }
}

/// What one client has at its disposal: an IPv4 address, or 2^64 IPv6 ones.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let upper = u128::from(six) >> 64 << 64;
            IpAddr::V6(upper.into())
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000 * SECOND_NS;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// How many guesses are let through in a time by somebody who never waits longer than told.
    fn guesses(
        limits: &mut Limits,
        hours: i64,
        mut who: impl FnMut(u32) -> (String, Option<IpAddr>),
    ) -> u32 {
        let (mut now_ns, mut made) = (NOW, 0);
        while now_ns < NOW + hours * 3_600 * SECOND_NS {
            let (name, address) = who(made);
            match limits.begin(&name, address, now_ns) {
                Ok(_) => made += 1,
                Err(wait) => now_ns += wait,
            }
        }
        made
    }

    #[test]
    fn brute_force_is_slowed() {
        let one = |_| ("admin".to_owned(), address("192.0.2.1"));
        // The row is kept for longer than the longest wait, so it never starts anew.
        let made = guesses(&mut Limits::default(), 24, one);
        assert!(made < 24 * 4 + 30, "{made}");
        let many_names = |n| (format!("user{n}"), address("192.0.2.1"));
        let made = guesses(&mut Limits::default(), 24, many_names);
        assert!(made < 24 * 4 + 30, "{made}");
        let many_addresses = |n: u32| {
            (
                "admin".to_owned(),
                Some(IpAddr::V4((0x0a00_0000 + n).into())),
            )
        };
        let made = guesses(&mut Limits::default(), 24, many_addresses);
        assert!(made < 24 * 120 + 30, "{made}");
        let many_of_a_network = |n: u32| {
            let six = 0x2001_0db8_u128 << 96 | u128::from(n);
            (format!("user{n}"), Some(IpAddr::V6(six.into())))
        };
        let made = guesses(&mut Limits::default(), 24, many_of_a_network);
        assert!(made < 24 * 4 + 30, "{made}");
    }

    #[test]
    fn attempts_at_once_are_counted_before_they_are_checked() {
        let mut limits = Limits::default();
        let made = (0..100).filter(|_| limits.begin("admin", address("192.0.2.1"), NOW).is_ok());
        assert_eq!(made.count(), 5);
    }

    #[test]
    fn who_knows_the_password_is_not_kept_out_by_strangers() {
        let mut limits = Limits::default();
        let attempt = limits.begin("admin", address("192.0.2.1"), NOW).unwrap();
        limits.succeeded(attempt, NOW);
        for n in 0..200_u32 {
            let stranger = Some(IpAddr::V4((0x0a00_0000 + n).into()));
            let _ = limits.begin("admin", stranger, NOW);
        }
        assert!(limits.begin("admin", address("198.51.100.1"), NOW).is_err());
        let mut own = || limits.begin("admin", address("192.0.2.1"), NOW);
        assert!((0..5).all(|_| own().is_ok()));
        assert!(own().is_err());
    }

    #[test]
    fn an_account_of_ones_own_is_no_way_to_guess_at_others() {
        let (mut limits, mut guesses) = (Limits::default(), 0);
        for n in 0..100 {
            for own in [true, false, false, false] {
                let name = if own {
                    "own".to_owned()
                } else {
                    format!("other{n}")
                };
                let Ok(attempt) = limits.begin(&name, address("192.0.2.1"), NOW) else {
                    continue;
                };
                match own {
                    true => limits.succeeded(attempt, NOW),
                    false => guesses += 1,
                }
            }
        }
        assert!(guesses <= FREE, "{guesses}");
    }

    #[test]
    fn success_forgives_and_time_too() {
        let mut limits = Limits::default();
        for _ in 0..100 {
            let attempt = limits.begin("a", address("192.0.2.1"), NOW).unwrap();
            limits.succeeded(attempt, NOW);
        }
        for _ in 0..5 {
            limits.begin("b", address("192.0.2.2"), NOW).unwrap();
        }
        let wait = limits.begin("b", address("192.0.2.2"), NOW).unwrap_err();
        assert_eq!(wait, SECOND_NS);
        assert!(limits.begin("b", address("192.0.2.2"), NOW + wait).is_ok());
        assert!(limits.begin("b", address("192.0.2.2"), NOW + wait).is_err());
        let later = NOW + wait + KEEP_NS;
        assert!((0..5).all(|_| limits.begin("b", address("192.0.2.2"), later).is_ok()));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut limits = Limits::default();
        let extra = 1_000;
        for n in 0..(ROWS_MAX / 2 + extra) {
            let address = IpAddr::V4(u32::try_from(n).unwrap().into());
            let _ = limits.begin(&n.to_string(), Some(address), NOW + n as i64);
        }
        assert_eq!(
            (limits.rows.len(), limits.by_end.len()),
            (ROWS_MAX, ROWS_MAX)
        );
        assert_eq!(limits.take_displaced(), 2 * extra as u64);
        limits.forget(i64::MAX);
        assert!(limits.rows.is_empty() && limits.by_end.is_empty());
    }
}
