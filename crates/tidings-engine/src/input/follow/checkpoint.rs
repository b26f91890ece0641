//! Where a follower stands, to be kept together with what came of the lines before.

use std::collections::VecDeque;

use super::super::chain::Chain;
use super::super::chain_format::{FormatError, Reader};
use super::super::open::FileId;

const VERSION: u8 = 2;

/// Before there were finished streams.
const FIRST_VERSION: u8 = 1;

/// Finished streams that are remembered.
const FINISHED_MAX: usize = 16;

/// A place in a followed log behind the last delivered line.
///
/// It names the stream by its content, so it is found again under any name and packing; inode and
/// time only say where to look first. At most a few KiB; see `docs/format-chains.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub(super) chain: Chain,
    pub(super) file: Option<FileId>,
    /// When the file was last written before the place was noted; of an empty chain, the time up
    /// to which everything is left out.
    pub(super) modified_ns: i64,
    pub(super) finished: Finished,
}

/// The streams that were read before the one at hand, in outline, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Finished(VecDeque<Chain>);

impl Finished {
    /// Remembers one more, and forgets the oldest beyond [`FINISHED_MAX`].
    pub(super) fn push(&mut self, stream: &Chain) {
        let Some(outline) = stream.outline() else {
            return;
        };
        self.0.push_back(outline);
        if self.0.len() > FINISHED_MAX {
            self.0.pop_front();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Chain> {
        self.0.iter()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        // At most `FINISHED_MAX`.
        out.push(self.0.len() as u8);
        for stream in &self.0 {
            let (first_length, first_hash) = stream.first_line.unwrap_or_default();
            out.extend(stream.length.to_le_bytes());
            out.extend(first_length.to_le_bytes());
            out.extend(first_hash.to_le_bytes());
            out.extend(stream.end.to_le_bytes());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Finished, FormatError> {
        let count = usize::from(reader.u8()?);
        if count > FINISHED_MAX {
            return Err(reader.wrong("too many finished streams"));
        }
        let stream = |_| {
            let (length, first_line) = (reader.u64()?, (reader.u32()?, reader.u64()?));
            Ok(Chain::of_outline(length, first_line, reader.u128()?))
        };
        (0..count)
            .map(stream)
            .collect::<Result<_, _>>()
            .map(Finished)
    }
}

impl Checkpoint {
    /// A place known by content alone, as where an import has ended. If the stream is not found
    /// any more, only the file at the followed path is read.
    #[must_use]
    pub fn of_chain(chain: Chain) -> Self {
        Self {
            chain,
            file: None,
            modified_ns: i64::MAX,
            finished: Finished::default(),
        }
    }

    /// The chain of the file being read, up to the last delivered line.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The checkpoint as bytes. They carry a version and no checksum: whoever stores them keeps
    /// one.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.file.is_some())];
        out.extend(self.modified_ns.to_le_bytes());
        if let Some(file) = self.file {
            out.extend(file.device.to_le_bytes());
            out.extend(file.inode.to_le_bytes());
        }
        self.finished.encode(&mut out);
        out.extend(self.chain.encode());
        out
    }

    /// Reads an encoded checkpoint; all bytes must be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("checkpoint", bytes);
        let has_finished = bytes.first() != Some(&FIRST_VERSION);
        reader.version(if has_finished { VERSION } else { FIRST_VERSION })?;
        let has_file = reader.u8()?;
        if has_file > 1 {
            return Err(reader.wrong("unknown flags"));
        }
        let modified_ns = reader.i64()?;
        let file = if has_file == 1 {
            Some(FileId {
                device: reader.u64()?,
                inode: reader.u64()?,
            })
        } else {
            None
        };
        let finished = match has_finished {
            true => Finished::decode(&mut reader)?,
            false => Finished::default(),
        };
        Ok(Self {
            chain: Chain::decode(reader.rest())?,
            file,
            modified_ns,
            finished,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::chain::ChainBuilder;
    use super::*;

    #[test]
    fn checkpoints_round_trip() {
        let mut builder = ChainBuilder::new();
        builder.update(b"one\ntwo\n");
        let with_file = Checkpoint {
            chain: builder.chain(),
            file: Some(FileId {
                device: 5,
                inode: 77,
            }),
            modified_ns: -3,
            finished: Finished::default(),
        };
        let mut after_others = with_file.clone();
        for number in 0..FINISHED_MAX + 3 {
            let mut finished = ChainBuilder::new();
            finished.update(format!("{number}\n").as_bytes());
            after_others.finished.push(&finished.chain());
        }
        assert_eq!(after_others.finished.iter().count(), FINISHED_MAX);
        for checkpoint in [
            with_file,
            after_others,
            Checkpoint::of_chain(builder.chain()),
            Checkpoint::of_chain(Chain::empty()),
        ] {
            let bytes = checkpoint.encode();
            assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint));
            assert!(bytes.len() < 1024, "{}", bytes.len());
            for length in 0..bytes.len() {
                assert!(Checkpoint::decode(&bytes[..length]).is_err());
            }
        }
    }
}
