//! Where a follower stands, to be kept together with what came of the lines before.

use super::super::chain::Chain;
use super::super::chain_format::{FormatError, Reader};
use super::super::open::FileId;

const VERSION: u8 = 1;

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
        out.extend(self.chain.encode());
        out
    }

    /// Reads an encoded checkpoint; all bytes must be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("checkpoint", bytes);
        reader.version(VERSION)?;
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
        Ok(Self {
            chain: Chain::decode(reader.rest())?,
            file,
            modified_ns,
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
        };
        for checkpoint in [
            with_file,
            Checkpoint::of_chain(builder.chain()),
            Checkpoint::of_chain(Chain::empty()),
        ] {
            let bytes = checkpoint.encode();
            assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint));
            for length in 0..bytes.len() {
                assert!(Checkpoint::decode(&bytes[..length]).is_err());
            }
        }
    }
}
