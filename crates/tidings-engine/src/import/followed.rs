//! What the live path has read of a file is not imported again, and what it is about to read is
//! left to it.

use std::path::Path;

use crate::engine::Engine;
use crate::error::Error;
use crate::input::{Chain, ChainId, ChainSet, Checkpoint, Match, Sample, open};
use crate::live::{FollowedStream, followed_streams};

/// The streams that the live path has read or is reading, recognised by their content.
#[derive(Debug)]
pub(super) struct FollowedSet {
    chains: ChainSet,
    streams: Vec<(ChainId, FollowedStream)>,
}

/// What of a file the live path has read, in bytes of the unpacked file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) from: u64,
    pub(super) to: u64,
    /// It goes on reading there: what lies behind `to` is its own.
    pub(super) goes_on: bool,
}

impl Followed {
    /// Whether the live path has the line at this place.
    pub(super) fn has(&self, offset: u64) -> bool {
        (self.from..self.to).contains(&offset)
    }

    /// Whether the live path will have the line at this place.
    pub(super) fn will_have(&self, offset: u64) -> bool {
        self.goes_on && offset >= self.to
    }

    /// Whether nothing from this place on is left for an import.
    pub(super) fn has_all_from(&self, offset: u64) -> bool {
        self.goes_on && offset >= self.from
    }
}

impl FollowedSet {
    pub(super) fn of(engine: &Engine) -> Result<FollowedSet, Error> {
        let (mut chains, mut streams) = (ChainSet::new(), Vec::new());
        for stream in followed_streams(engine)? {
            let place = Checkpoint::decode(&stream.checkpoint)
                .map_err(|error| Error::State(error.to_string()))?;
            if let Some(id) = chains.insert(place.chain().clone()) {
                streams.push((id, stream));
            }
        }
        Ok(FollowedSet { chains, streams })
    }

    /// The samples of the streams, with the names of their sources.
    pub(super) fn samples(&self) -> impl Iterator<Item = (&str, Sample)> {
        let sample = |stream: &FollowedStream| Sample::decode(&stream.sample).ok();
        let streams = self.streams.iter().map(|(_, stream)| stream);
        streams.filter_map(move |stream| Some((&*stream.source, sample(stream)?)))
    }

    /// What the live path has of a file. Of files joined to one, the second and further ones are
    /// not recognised.
    pub(super) fn find(&self, path: &Path) -> Result<Option<Followed>, Error> {
        if self.streams.is_empty() {
            return Ok(None);
        }
        let mut file = open(path)?;
        let chain = match self.chains.match_file(&mut file)? {
            Match::Same { chain } | Match::Grown { chain, .. } | Match::PrefixOf { chain, .. }
                if file.stream_base() == 0 =>
            {
                chain
            }
            _ => return Ok(None),
        };
        let stream = self.streams.iter().find(|(id, _)| *id == chain);
        Ok(stream
            .zip(self.chains.get(chain))
            .map(|((_, stream), chain)| Followed {
                from: stream.from_offset,
                to: chain.length(),
                goes_on: stream.goes_on,
            }))
    }
}

/// The chain of a file up to a place between lines, as the import that knows `chains` would have it
/// had the file ended there: of the tail where the beginning is known.
pub(super) fn chain_up_to(chains: &ChainSet, path: &Path, offset: u64) -> Result<Chain, Error> {
    let mut file = open(path)?;
    chains.match_file(&mut file)?;
    file.skip_to_line_at(offset.saturating_sub(file.stream_base()))?;
    Ok(file.tail_chain().unwrap_or_else(|| file.chain()))
}
