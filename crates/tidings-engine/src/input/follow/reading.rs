//! A file that a follower reads, and what it knows of it.

use super::super::decompress::Encoding;
use super::super::error::InputError;
use super::super::file::InputFile;
use super::super::open::FileId;
use super::checkpoint::{Checkpoint, Finished};

#[derive(Debug)]
pub(super) struct Reading {
    pub(super) file: InputFile,
    /// When the file was last written, before what was read of it last.
    pub(super) modified_ns: i64,
    pub(super) away: Option<Away>,
    /// Its content is gone, and what was not yet read has to be found elsewhere.
    pub(super) overwritten: bool,
}

/// A file that is no longer at the followed path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    pub(super) since_ns: u64,
    pub(super) quiet_since_ns: u64,
}

impl Reading {
    pub(super) fn new(file: InputFile) -> Result<Self, InputError> {
        Ok(Self {
            modified_ns: file.facts()?.modified_ns,
            file,
            away: None,
            overwritten: false,
        })
    }

    pub(super) fn is_plain(&self) -> bool {
        self.file.encoding() == Encoding::Plain
    }

    /// Lines were read.
    pub(super) fn noted(&mut self, now_ns: u64) {
        if let Ok(facts) = self.file.facts() {
            self.modified_ns = facts.modified_ns;
        }
        if let Some(away) = &mut self.away {
            away.quiet_since_ns = now_ns;
        }
    }

    /// The place reached, in this file.
    pub(super) fn here(&self) -> Checkpoint {
        self.place(Some(self.file.id()))
    }

    /// The place reached, in a file that has the same content.
    pub(super) fn place(&self, file: Option<FileId>) -> Checkpoint {
        Checkpoint {
            chain: self.file.chain(),
            file,
            modified_ns: self.modified_ns,
            finished: Finished::default(),
        }
    }

    /// Whether bytes were added that are left behind.
    pub(super) fn is_being_written(&self) -> bool {
        self.is_plain()
            && self
                .file
                .facts()
                .is_ok_and(|facts| facts.bytes > self.file.disk_offset())
    }

    /// Whether the file, which gives no more bytes, has another content than was read.
    pub(super) fn was_overwritten(&mut self) -> Result<bool, InputError> {
        if !self.is_plain() {
            return Ok(false);
        }
        let facts = self.file.facts()?;
        if facts.bytes < self.file.disk_offset() {
            return Ok(true);
        }
        // Truncated and grown to the very same length: only the time tells, and then the content.
        if facts.modified_ns == self.modified_ns {
            return Ok(false);
        }
        let intact = self.file.is_intact()?;
        if intact {
            self.modified_ns = facts.modified_ns;
        }
        Ok(!intact)
    }
}
