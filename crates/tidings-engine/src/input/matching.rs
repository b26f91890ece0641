//! Which known stream a file holds, and from where on its bytes are new: decided while the file is
//! read once.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::chain::{CHAIN_BLOCK_BYTES, Chain, low};
use super::chain_format::FormatError;
use super::error::InputError;
use super::file::InputFile;

/// Names a chain in a [`ChainSet`], and its stream in positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId(pub u64);

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// No known stream. The file stands at its beginning.
    New,
    /// Known streams and nothing else; the last of them is named. The file stands at its end.
    Same {
        /// The known chain.
        chain: ChainId,
    },
    /// A known stream and more. The file stands at the first unseen byte.
    Grown {
        /// The known chain.
        chain: ChainId,
        /// Bytes of the stream that are known.
        from_offset: u64,
        /// The number of the first unseen line in the stream; if the known part ends within a
        /// line, the number of that line.
        from_line: u64,
    },
    /// An older copy of a known stream: nothing new. The file stands at its end.
    PrefixOf {
        /// The known, longer chain.
        chain: ChainId,
        /// Bytes that were compared. Between here and the file's end the chain keeps no hash to
        /// compare with: at most 64 KiB near the chain's end, more farther back.
        verified: u64,
    },
    /// Begins as a known stream and differs later. The file stands at the stream's beginning. It
    /// is a stream of its own: a copied machine's log, a file that was edited, or one that lost
    /// its tail in a crash. [`InputFile::skip_to_line_at`] with `common` steps over what they
    /// share.
    Diverged {
        /// The known chain that agrees longest.
        chain: ChainId,
        /// Bytes known to agree. The files part behind them, before the known chain's next hash.
        common: u64,
    },
}

/// Where what stands behind a known stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// The known stream has grown: it is the same file as before, followed or under its old path.
    SameFile,
    /// Perhaps that, perhaps another stream put behind it (`cat mail.log.1 mail.log`): the content
    /// does not tell. It is remembered as a stream of its own, which serves both: a file may hold
    /// known streams one behind the other.
    Unknown,
}

/// The known chains. A store keeps each as a small blob under [`key`](Self::key).
#[derive(Clone, Debug, Default)]
pub struct ChainSet {
    chains: BTreeMap<ChainId, Chain>,
    by_stream: FxHashMap<Option<u64>, Vec<ChainId>>,
}

impl ChainSet {
    /// A set that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The set that was stored as these pairs of key and value.
    pub fn load<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, FormatError> {
        let mut set = Self::new();
        for (key, value) in pairs {
            let key = key
                .as_ref()
                .try_into()
                .map_err(|_| FormatError::new("chain", "its key is not 8 bytes long"))?;
            let id = ChainId(u64::from_be_bytes(key));
            set.put(id, Chain::decode(value.as_ref())?);
        }
        Ok(set)
    }

    /// The key and the value under which a store keeps a chain.
    #[must_use]
    pub fn entry(&self, id: ChainId) -> Option<([u8; 8], Vec<u8>)> {
        Some((Self::key(id), self.chains.get(&id)?.encode()))
    }

    /// The key under which a store keeps a chain.
    #[must_use]
    pub fn key(id: ChainId) -> [u8; 8] {
        id.0.to_be_bytes()
    }

    /// How many chains are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chains.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// A known chain.
    #[must_use]
    pub fn get(&self, id: ChainId) -> Option<&Chain> {
        self.chains.get(&id)
    }

    /// All known chains, by id.
    pub fn iter(&self) -> impl Iterator<Item = (ChainId, &Chain)> {
        self.chains.iter().map(|(id, chain)| (*id, chain))
    }

    /// Adds a stream and gives its id: the hash of its first line, moved on where another stream
    /// has it, so that the same files read in the same order get the same ids. `None`, and nothing
    /// added, for an empty chain.
    pub fn insert(&mut self, chain: Chain) -> Option<ChainId> {
        if chain.length() == 0 {
            return None;
        }
        let mut id = ChainId(chain.stream().unwrap_or(low(chain.end)));
        while self.chains.contains_key(&id) {
            id.0 = id.0.wrapping_add(1);
        }
        self.put(id, chain);
        Some(id)
    }

    /// Takes in what a file held, after it was read to its end; gives the id of the chain that is
    /// new or changed, for the store.
    pub fn remember(&mut self, held: Match, file: &InputFile, growth: Growth) -> Option<ChainId> {
        let tail = file.tail_chain().filter(|_| growth == Growth::Unknown);
        match (held, tail) {
            (Match::Same { .. } | Match::PrefixOf { .. }, _) => None,
            (Match::New | Match::Diverged { .. }, _) => self.insert(file.chain()),
            (Match::Grown { .. }, Some(tail)) => self.insert(tail),
            // What continues a line that was begun is no other stream.
            (Match::Grown { chain, .. }, None) => {
                self.update(chain, file.chain());
                Some(chain)
            }
        }
    }

    /// Replaces a chain by that of the same stream, grown.
    pub fn update(&mut self, id: ChainId, chain: Chain) {
        self.put(id, chain);
    }

    /// Forgets a chain: its files count as new again.
    pub fn remove(&mut self, id: ChainId) -> Option<Chain> {
        let chain = self.chains.remove(&id)?;
        if let Some(ids) = self.by_stream.get_mut(&chain.stream()) {
            ids.retain(|other| *other != id);
        }
        Some(chain)
    }

    fn put(&mut self, id: ChainId, chain: Chain) {
        self.remove(id);
        self.by_stream.entry(chain.stream()).or_default().push(id);
        self.chains.insert(id, chain);
    }

    /// Finds out what a file holds and leaves it where the unseen bytes begin.
    ///
    /// To be called on a file just opened. Files may hold several streams one behind the other
    /// (`cat mail.log.1 mail.log`): known ones are stepped over. The file is read once, as far as
    /// known chains agree with it; a plain file is compared at the beginning (64 KiB) and at the
    /// known end (the 64 to 128 KiB before it), and what lies between is not read at all.
    pub fn match_file(&self, file: &mut InputFile) -> Result<Match, InputError> {
        let mut behind = None;
        loop {
            let candidates = self.candidates(file);
            match match_stream(file, candidates)? {
                Found::Whole(chain) => {
                    if file.peek(1).is_empty() {
                        return Ok(Match::Same { chain });
                    }
                    behind = Some((chain, file.bookmark()));
                    file.begin_stream();
                }
                Found::Older(chain, verified) => return Ok(Match::PrefixOf { chain, verified }),
                Found::Parted(chain, common) => return Ok(Match::Diverged { chain, common }),
                Found::Nothing => {
                    let Some((chain, end)) = behind else {
                        return Ok(Match::New);
                    };
                    file.restore(end)?;
                    file.begin_tail();
                    return Ok(Match::Grown {
                        chain,
                        from_offset: file.offset(),
                        from_line: file.lines() + 1,
                    });
                }
            }
        }
    }

    /// The chains that begin with the stream's first line, and those that end within theirs.
    pub(super) fn candidates(&self, file: &mut InputFile) -> Vec<(ChainId, &Chain)> {
        let stream = first_line_hash(file);
        let named = self.by_stream.get(&stream);
        let fragments = stream.and(self.by_stream.get(&None));
        let ids = named.into_iter().chain(fragments).flatten();
        ids.filter_map(|id| Some((*id, self.chains.get(id)?)))
            .collect()
    }
}

/// What tells a file's stream from others, as [`Chain::stream`]; `None` without a whole first line.
pub(crate) fn first_line_hash(file: &mut InputFile) -> Option<u64> {
    let mut builder = super::chain::ChainBuilder::new();
    builder.update(file.peek(CHAIN_BLOCK_BYTES as usize));
    builder.stream()
}

/// What stands at the beginning of a stream, as far as some chains can tell.
pub(super) enum Found<Id> {
    /// All that this chain describes; the file stands behind it.
    Whole(Id),
    /// The file ends before the chain does; it stands at its end. Bytes that were compared.
    Older(Id, u64),
    /// So many bytes are as in this chain, more than the first line, and later ones are not; the
    /// file stands at the stream's beginning.
    Parted(Id, u64),
    /// Nothing of them; the file stands at the stream's beginning.
    Nothing,
}

/// Compares a stream from its beginning with chains; the one that explains most of it wins.
pub(super) fn match_stream<Id: Copy>(
    file: &mut InputFile,
    candidates: Vec<(Id, &Chain)>,
) -> Result<Found<Id>, InputError> {
    if candidates.is_empty() {
        return Ok(Found::Nothing);
    }
    let start = file.bookmark();
    let mut race = Race::new(&candidates);
    let mut ended = race.run(file, CHAIN_BLOCK_BYTES)?;
    if !ended && let Some(id) = jump(file, &mut race)? {
        return Ok(Found::Whole(id));
    }
    ended = ended || race.run(file, u64::MAX)?;
    match (race.won, race.longest()) {
        (Some((id, length)), _) if file.offset() == length => Ok(Found::Whole(id)),
        // Where a whole chain reaches farther than what was compared of a longer one, what stands
        // behind it may be something else: two machines' logs that were one before.
        (won, Some(runner)) if ended && runner.verified > won.map_or(0, |(_, length)| length) => {
            Ok(Found::Older(runner.id, runner.verified))
        }
        (Some((id, length)), _) => {
            file.restore(start)?;
            file.advance_to(length)?;
            Ok(Found::Whole(id))
        }
        (None, _) => {
            file.restore(start)?;
            Ok(race
                .parted
                .map_or(Found::Nothing, |(id, common)| Found::Parted(id, common)))
        }
    }
}

/// In a plain file that is at least as long as every chain still possible, goes behind the longest
/// that stands there, without reading what lies between.
fn jump<Id: Copy>(file: &mut InputFile, race: &mut Race<'_, Id>) -> Result<Option<Id>, InputError> {
    let Some(length) = file.plain_length()? else {
        return Ok(None);
    };
    let mut possible: Vec<&Runner<'_, Id>> = race.running.iter().collect();
    possible.sort_by_key(|runner| std::cmp::Reverse(runner.chain.length()));
    if possible
        .first()
        .is_none_or(|longest| longest.chain.length() > length)
    {
        return Ok(None);
    }
    for runner in possible {
        if file.jump_behind(runner.chain)? {
            return Ok(Some(runner.id));
        }
    }
    Ok(None)
}

/// Chains that run along a stream until it contradicts them.
struct Race<'a, Id> {
    running: Vec<Runner<'a, Id>>,
    /// The longest chain that was matched whole, and its length.
    won: Option<(Id, u64)>,
    /// The contradicted chain that had agreed longest, beyond its first line.
    parted: Option<(Id, u64)>,
}

struct Runner<'a, Id> {
    id: Id,
    chain: &'a Chain,
    /// What is still to be compared, the next one last.
    checks: Vec<(u64, u64)>,
    verified: u64,
}

impl<'a, Id: Copy> Race<'a, Id> {
    fn new(candidates: &[(Id, &'a Chain)]) -> Self {
        let runner = |&(id, chain): &(Id, &'a Chain)| Runner {
            id,
            chain,
            checks: chain.checks().into_iter().rev().collect(),
            verified: 0,
        };
        Self {
            running: candidates.iter().map(runner).collect(),
            won: None,
            parted: None,
        }
    }

    /// Reads on as long as there are chains to compare with, up to `limit`; true if the stream
    /// ended before it.
    fn run(&mut self, file: &mut InputFile, limit: u64) -> Result<bool, InputError> {
        while let Some(next) = self.running.iter().filter_map(Runner::next).min() {
            if next > limit {
                return Ok(false);
            }
            if !file.advance_to(next)? {
                return Ok(true);
            }
            self.compare(next, low(file.value()));
        }
        Ok(false)
    }

    fn compare(&mut self, at: u64, hash: u64) {
        let (won, parted) = (&mut self.won, &mut self.parted);
        self.running.retain_mut(|runner| {
            let Some((_, known)) = runner.checks.pop_if(|(place, _)| *place == at) else {
                return true;
            };
            if known != hash {
                let longer = runner.verified
                    > parted.map_or(runner.chain.first_line_length(), |(_, common)| common);
                if longer {
                    *parted = Some((runner.id, runner.verified));
                }
                return false;
            }
            runner.verified = at;
            if runner.checks.is_empty() {
                *won = Some((runner.id, at));
                return false;
            }
            true
        });
    }

    fn longest(&self) -> Option<&Runner<'a, Id>> {
        self.running
            .iter()
            .max_by_key(|runner| runner.chain.length())
    }
}

impl<Id> Runner<'_, Id> {
    fn next(&self) -> Option<u64> {
        self.checks.last().map(|(at, _)| *at)
    }
}
