//! Numbers for the few names of hosts, so that keys stay small, and the time each log has reached.

use rustc_hash::FxHashMap;

/// How many names are told apart; from then on further names share number 0, which costs
/// correlation between them, never memory.
const NAMES_MAX: usize = 60_000;

/// A host whose lines go back by more than this is read anew, such as an older file of it.
const BACK_NS: i64 = 3_600_000_000_000;

/// A log that is rotated goes on in its next file within this time; a longer gap may be a file that
/// was not read. On a quiet host it is none, and what the messages tell joins them.
const NEXT_FILE_NS: i64 = 60_000_000_000;

/// How far back the next file may begin: lines are not in order to the fraction of a second.
const NEXT_FILE_BACK_NS: i64 = 500_000_000;

/// Hosts by number, each with its newest time. Number 0 is shared by all beyond the limit.
#[derive(Clone, Debug)]
pub(super) struct Names {
    numbers: FxHashMap<Box<[u8]>, u16>,
    /// The name that was asked for last: that of most lines.
    last: (Vec<u8>, u16),
    newest_ns: Vec<i64>,
    /// The file in which each was met last, by its number.
    met_in: Vec<u32>,
    file: u32,
    /// How far back and ahead a file may begin that goes on with the one before.
    back_ns: i64,
    ahead_ns: i64,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            numbers: FxHashMap::default(),
            last: (Vec::new(), 0),
            newest_ns: vec![i64::MIN],
            met_in: vec![0],
            file: 0,
            back_ns: 0,
            ahead_ns: 0,
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
        self.met_in.push(self.file);
        number
    }

    /// Begins another file, or what was `added` to one.
    pub(super) fn begin_file(&mut self, added: bool) {
        self.file = self.file.wrapping_add(1);
        (self.back_ns, self.ahead_ns) = if added {
            (BACK_NS, i64::MAX)
        } else {
            (NEXT_FILE_BACK_NS, NEXT_FILE_NS)
        };
    }

    /// Whether a line goes on with what was read of its host before: in the same file always. Where
    /// it does not, the host's time begins anew.
    pub(super) fn goes_on(&mut self, host: u16, time_ns: i64) -> bool {
        let met_in = &mut self.met_in[usize::from(host)];
        if *met_in == self.file {
            return true;
        }
        *met_in = self.file;
        let newest_ns = &mut self.newest_ns[usize::from(host)];
        let gap_ns = time_ns.saturating_sub(*newest_ns);
        let goes_on = (-self.back_ns..=self.ahead_ns).contains(&gap_ns);
        if !goes_on {
            *newest_ns = time_ns;
        }
        goes_on
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
