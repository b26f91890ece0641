//! Writes a part: pages as they come, then footer; the sidecar's directory on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_spool::{Backend, File, OpenMode};
use xxhash_rust::xxh3::Xxh3;

use super::footer::{self, FileMeta, MAGIC};
use super::layout::{Group, PartColumn};
use crate::Result;
use crate::error::IoContext;
use crate::sidecar::file::{Directory, Roles};

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// A file being written from front to back, hashed on the way.
pub(crate) struct HashedFile {
    file: Arc<dyn File>,
    path: PathBuf,
    pending: Vec<u8>,
    written: u64,
    hash: Xxh3,
}

impl std::fmt::Debug for HashedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashedFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A file whose bytes are all handed to the system, not yet durable.
#[derive(Debug)]
pub(crate) struct WrittenFile {
    pub(crate) file: Arc<dyn File>,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) hash: u64,
}

impl HashedFile {
    /// Creates the file, over a leftover if there is one.
    pub(crate) fn create(backend: &dyn Backend, path: &Path) -> Result<Self> {
        let file = backend.open(path, OpenMode::Write).at("create", path)?;
        file.set_len(0).at("empty", path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            pending: Vec::new(),
            written: 0,
            hash: Xxh3::new(),
        })
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        if bytes.len() >= WRITE_BYTES {
            self.flush()?;
            self.file
                .write_all_at(bytes, self.written)
                .at("write", &self.path)?;
            self.written += bytes.len() as u64;
            return Ok(());
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.file
                .write_all_at(&self.pending, self.written)
                .at("write", &self.path)?;
            self.written += self.pending.len() as u64;
            self.pending.clear();
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<WrittenFile> {
        self.flush()?;
        Ok(WrittenFile {
            file: self.file,
            path: self.path,
            bytes: self.written,
            hash: self.hash.digest(),
        })
    }
}

/// Writes row groups and footer of one part.
#[derive(Debug)]
pub(crate) struct PartWriter {
    file: HashedFile,
    meta: FileMeta,
    roles: Roles,
    directory: Directory,
}

impl PartWriter {
    /// Starts a part at a path.
    pub(crate) fn create(
        backend: &dyn Backend,
        path: &Path,
        meta: FileMeta,
        roles: Roles,
    ) -> Result<Self> {
        let mut file = HashedFile::create(backend, path)?;
        file.write(MAGIC)?;
        Ok(Self {
            file,
            meta,
            roles,
            directory: Directory::default(),
        })
    }

    /// Where the next row group will start.
    pub(crate) fn position(&self) -> u64 {
        self.file.position()
    }

    /// Appends a row group whose chunks' offsets are already those in the file, in pieces.
    pub(crate) fn put_group<'a>(
        &mut self,
        group: &Group,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<()> {
        for piece in pieces {
            self.file.write(piece)?;
        }
        self.directory.push(group, &self.roles);
        Ok(())
    }

    /// Writes the footer; gives what the sidecar is made of.
    pub(crate) fn finish(mut self) -> Result<WrittenPart> {
        let base = self.file.position();
        let tail = footer::encode(&self.meta, self.directory.groups(), base)?;
        self.file.write(&tail)?;
        Ok(WrittenPart {
            file: self.file.finish()?,
            columns: self.meta.columns,
            roles: self.roles,
            directory: self.directory,
        })
    }
}

/// A part's Parquet file, and all that its sidecar needs besides the tokens.
#[derive(Debug)]
pub(crate) struct WrittenPart {
    pub(crate) file: WrittenFile,
    pub(crate) columns: Vec<PartColumn>,
    pub(crate) roles: Roles,
    pub(crate) directory: Directory,
}
