//! Where a file's bytes come from: the file itself, or an unpacker over it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::decompress::{Encoding, Fault, Packed};

/// How many bytes before the reading position a followed file is compared with.
const RECENT_BYTES: usize = 256;

pub(super) enum Source {
    Plain(Plain),
    Packed(Box<Packed>),
}

/// A file that is not packed, read at positions, so that its handle has no state.
pub(super) struct Plain {
    file: File,
    position: u64,
    /// The bytes before the position, as they were read; kept of followed files only.
    recent: Option<Vec<u8>>,
}

impl Source {
    pub(super) fn new(file: File, encoding: Encoding, memory_bytes_max: u64) -> Self {
        match encoding {
            Encoding::Plain => Self::Plain(Plain {
                file,
                position: 0,
                recent: None,
            }),
            _ => Self::Packed(Box::new(Packed::new(file, encoding, memory_bytes_max))),
        }
    }

    /// Reads into `output`, which is not empty; 0 bytes mean the end, for now if it is plain.
    pub(super) fn read(&mut self, output: &mut [u8]) -> Result<usize, Fault> {
        match self {
            Self::Plain(plain) => plain.read(output),
            Self::Packed(packed) => packed.read(output),
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        match self {
            Self::Plain(_) => Encoding::Plain,
            Self::Packed(packed) => packed.encoding(),
        }
    }

    pub(super) fn file(&self) -> &File {
        match self {
            Self::Plain(plain) => &plain.file,
            Self::Packed(packed) => packed.file(),
        }
    }

    /// How far the file on the disk was used, in its own bytes.
    pub(super) fn disk_offset(&self) -> u64 {
        match self {
            Self::Plain(plain) => plain.position,
            Self::Packed(packed) => packed.packed_offset(),
        }
    }

    /// Starts again at the beginning.
    pub(super) fn rewind(&mut self) -> Result<(), Fault> {
        match self {
            Self::Plain(plain) => {
                plain.seek(0, &[]);
                Ok(())
            }
            Self::Packed(packed) => packed.rewind().map_err(Fault::Medium),
        }
    }

    pub(super) fn as_plain(&mut self) -> Option<&mut Plain> {
        match self {
            Self::Plain(plain) => Some(plain),
            Self::Packed(_) => None,
        }
    }
}

impl Plain {
    /// The next read begins at `position`; `before` are the bytes known to stand before it.
    pub(super) fn seek(&mut self, position: u64, before: &[u8]) {
        self.position = position;
        self.recent.iter_mut().for_each(Vec::clear);
        self.remember(before);
    }

    /// The next read begins at `position`, which the file is known to reach.
    pub(super) fn skip_to(&mut self, position: u64) -> io::Result<()> {
        let mut before = vec![0; position.min(RECENT_BYTES as u64) as usize];
        let from = position - before.len() as u64;
        self.file.read_exact_at(&mut before, from)?;
        self.seek(position, &before);
        Ok(())
    }

    /// From now on every read makes sure that what was read before still stands in the file.
    pub(super) fn watch(&mut self) {
        self.recent.get_or_insert_default();
    }

    /// Whether the bytes before the position are still those that were read.
    pub(super) fn is_intact(&self) -> io::Result<bool> {
        let Some(recent) = &self.recent else {
            return Ok(true);
        };
        let mut now = [0; RECENT_BYTES];
        let now = &mut now[..recent.len()];
        match self
            .file
            .read_exact_at(now, self.position - recent.len() as u64)
        {
            Ok(()) => Ok(now == recent),
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// Reads exactly `output`, which must lie within the file, at a place of its own.
    pub(super) fn read_at(&self, output: &mut [u8], position: u64) -> io::Result<()> {
        self.file.read_exact_at(output, position)
    }

    fn read(&mut self, output: &mut [u8]) -> Result<usize, Fault> {
        let read = loop {
            match self.file.read_at(output, self.position) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(Fault::Medium(why)),
                Ok(read) => break read,
            }
        };
        // Read first, compare then: whatever happens to the file after the comparison, these bytes
        // were read while the ones before them still stood.
        if read > 0 && !self.is_intact().map_err(Fault::Medium)? {
            return Err(Fault::Overwritten);
        }
        self.position += read as u64;
        self.remember(&output[..read]);
        Ok(read)
    }

    fn remember(&mut self, bytes: &[u8]) {
        let Some(recent) = &mut self.recent else {
            return;
        };
        let newest = &bytes[bytes.len().saturating_sub(RECENT_BYTES)..];
        let older = (RECENT_BYTES - newest.len()).min(recent.len());
        recent.drain(..recent.len() - older);
        recent.extend(newest);
    }
}
