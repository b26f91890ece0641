//! Numbers for the few names of hosts, so that keys stay small, and the time each log has reached.

use rustc_hash::FxHashMap;

/// How many names are told apart; from then on further names share number 0, which costs
/// correlation between them, never memory.
const NAMES_MAX: usize = 60_000;

/// A host whose lines go back by more than this is read anew, such as an older file of it.
const BACK_NS: i64 = 3_600_000_000_000;

/// Hosts by number, each with its newest time. Number 0 is shared by all beyond the limit.
#[derive(Clone, Debug)]
pub(super) struct Names {
    numbers: FxHashMap<Box<[u8]>, u16>,
    /// The name that was asked for last: that of most lines.
    last: (Vec<u8>, u16),
    newest_ns: Vec<i64>,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            numbers: FxHashMap::default(),
            last: (Vec::new(), 0),
            newest_ns: vec![i64::MIN],
        }
    }
}

impl Names {
    /// The number of a name, given at first sight.
    pub(super) fn number(&mut self, name: &[u8]) -> u16 {
        if self.last.1 != 0 && self.last.0 == name {
            return self.last.1;
        }
        if let Some(number) = self.numbers.get(name) {
            self.last.1 = *number;
            self.last.0.clear();
            self.last.0.extend_from_slice(name);
            return *number;
        }
        if self.numbers.len() >= NAMES_MAX {
            return 0;
        }
        let number = self.numbers.len() as u16 + 1;
        self.numbers.insert(name.into(), number);
        self.newest_ns.push(i64::MIN);
        number
    }

    /// Notes that a host's log has reached this time.
    pub(super) fn note_time(&mut self, host: u16, time_ns: i64) {
        let newest_ns = &mut self.newest_ns[usize::from(host)];
        if time_ns > *newest_ns || time_ns < newest_ns.saturating_sub(BACK_NS) {
            *newest_ns = time_ns;
        }
    }

    /// How far a host's log has come.
    pub(super) fn newest_ns(&self, host: u16) -> i64 {
        self.newest_ns
            .get(usize::from(host))
            .copied()
            .unwrap_or(i64::MIN)
    }

    /// The number of a name that is known; 0 for others.
    pub(super) fn known(&self, name: &[u8]) -> u16 {
        self.numbers.get(name).copied().unwrap_or(0)
    }

    /// All names, in the order of their numbers from 1.
    pub(super) fn in_order(&self) -> Vec<&[u8]> {
        let mut names: Vec<_> = self.numbers.iter().collect();
        names.sort_unstable_by_key(|(_, number)| **number);
        names.into_iter().map(|(name, _)| &**name).collect()
    }
}
