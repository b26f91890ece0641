//! Making, replacing and listing the spool's files so that a crash leaves the old or the new.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Bound::{Excluded, Unbounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::{Backend, File, OpenMode};
use crate::error::SpoolError;
use crate::segment::{
    Identity, META_BYTES, SEGMENT_HEADER_BYTES, SegmentError, SegmentHeader, decode_meta,
    encode_meta, meta_path, parse_segment_name, segment_path,
};

/// Ending of files that are not yet in place.
const TEMPORARY: &str = "tmp";

/// What lies in a spool's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Segments and their lengths, by first sequence.
    pub(crate) segments: BTreeMap<u64, u64>,
    /// Half-made files.
    pub(crate) temporary: Vec<PathBuf>,
    /// Anything else but the meta file.
    pub(crate) unknown: Vec<PathBuf>,
}

impl Listing {
    /// Reads a directory; a missing one is empty.
    pub(crate) fn read(backend: &dyn Backend, directory: &Path) -> Result<Self, SpoolError> {
        let files = backend
            .list(directory)
            .map_err(|error| SpoolError::io("list", directory, error))?;
        let mut listing = Self::default();
        for (name, length) in files {
            let path = directory.join(&name);
            if let Some(first_sequence) = parse_segment_name(&name) {
                listing.segments.insert(first_sequence, length);
            } else if name
                .extension()
                .is_some_and(|extension| extension == TEMPORARY)
            {
                listing.temporary.push(path);
            } else if path != meta_path(directory) {
                listing.unknown.push(path);
            }
        }
        Ok(listing)
    }
}

/// The key that follows one in a map of segments.
pub(crate) fn next_first<V>(segments: &BTreeMap<u64, V>, first_sequence: u64) -> Option<u64> {
    segments
        .range((Excluded(first_sequence), Unbounded))
        .next()
        .map(|(first, _)| *first)
}

/// Makes a segment with a header, durable with its name. Makes it anew if it exists.
pub(crate) fn create_segment(
    backend: &dyn Backend,
    directory: &Path,
    header: &SegmentHeader,
) -> io::Result<Arc<dyn File>> {
    let file = backend.open(
        &segment_path(directory, header.first_sequence),
        OpenMode::Write,
    )?;
    file.set_len(0)?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync()?;
    backend.sync_dir(directory)?;
    Ok(file)
}

/// Puts a file there, durably: after a crash there is the old one or the new one.
pub(crate) fn replace_file(backend: &dyn Backend, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    let file = backend.open(&temporary, OpenMode::Write)?;
    file.set_len(0)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    put_in_place(backend, path)
}

/// Where a file is made before it is put in place.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    PathBuf::from(name)
}

/// Renames the synced temporary file over its target, durably.
pub(crate) fn put_in_place(backend: &dyn Backend, path: &Path) -> io::Result<()> {
    backend.rename(&temporary_path(path), path)?;
    backend.sync_dir(path.parent().unwrap_or(Path::new("")))
}

/// Reads the meta file: nothing if it is missing.
pub(crate) fn read_meta(
    backend: &dyn Backend,
    directory: &Path,
) -> Result<Option<Result<Identity, SegmentError>>, SpoolError> {
    let path = meta_path(directory);
    let failed = |error| SpoolError::io("read", &path, error);
    let file = match backend.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if file.len().map_err(failed)? != META_BYTES as u64 {
        return Ok(Some(Err(SegmentError::Truncated)));
    }
    let mut bytes = [0; META_BYTES];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    Ok(Some(decode_meta(&bytes)))
}

/// Writes the meta file.
pub(crate) fn write_meta(
    backend: &dyn Backend,
    directory: &Path,
    identity: Identity,
) -> Result<(), SpoolError> {
    let path = meta_path(directory);
    replace_file(backend, &path, &encode_meta(identity))
        .map_err(|error| SpoolError::io("write", &path, error))
}

/// The newest identity that a segment's header tells.
pub(crate) fn identity_of_segments(
    backend: &dyn Backend,
    directory: &Path,
    segments: &BTreeMap<u64, u64>,
) -> Result<Option<Identity>, SpoolError> {
    for (first_sequence, length) in segments.iter().rev() {
        let path = segment_path(directory, *first_sequence);
        let header = read_segment_header(backend, &path, *length)?;
        if let Ok(header) = header {
            return Ok(Some(header.identity));
        }
    }
    Ok(None)
}

/// Reads the header of a segment of any spool.
pub(crate) fn read_segment_header(
    backend: &dyn Backend,
    path: &Path,
    length: u64,
) -> Result<Result<SegmentHeader, SegmentError>, SpoolError> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    if length < bytes.len() as u64 {
        return Ok(Err(SegmentError::Truncated));
    }
    let file = backend
        .open(path, OpenMode::Read)
        .map_err(|error| SpoolError::io("open", path, error))?;
    let read = file
        .read_exact_at(&mut bytes, 0)
        .map_err(|_| SegmentError::Unreadable);
    Ok(read.and_then(|()| SegmentHeader::decode(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::MemoryBackend;

    #[test]
    fn a_replaced_file_is_the_old_or_the_new_after_any_crash() {
        let path = Path::new("spool/file");
        let (old, new) = (vec![1; 2000], vec![2; 3000]);
        for n in 1..10 {
            for seed in 0..20 {
                let disk = MemoryBackend::new();
                disk.install(path, &old);
                disk.crash_at(n);
                let done = replace_file(&disk, path, &new).is_ok();
                let found = disk.crash(seed).contents(path).unwrap();
                assert!(
                    found == new || (found == old && !done),
                    "operation {n}, seed {seed}"
                );
            }
        }
    }
}
