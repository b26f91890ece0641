//! Opens a log file, whatever it is packed with, or says in one sentence why not.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use super::decompress::{Encoding, MAGIC_BYTES};
use super::error::InputError;
use super::file::InputFile;
use super::source::Source;

/// The bounds of reading a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a line that are delivered in one piece, and of a block. A longer line is
    /// cut into pieces of this length and counted in [`InputFile::cuts`]. Default 1 MiB; less
    /// than 64 KiB is taken as 64 KiB.
    pub block_bytes: usize,
    /// The most memory that unpacking may take: the window of zstd, the dictionary of xz. Default
    /// 128 MiB; gzip and bzip2 need less than 4 MiB in any case.
    pub unpack_memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_bytes: 1 << 20,
            unpack_memory_bytes: 128 << 20,
        }
    }
}

/// A file's place in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Number of the device.
    pub device: u64,
    /// Number of the inode.
    pub inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// What is known of a file from outside its content, as hints for dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Its place.
    pub id: FileId,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970 UTC.
    pub modified_ns: i64,
    /// The time in a gzip header, in nanoseconds since 1970 UTC: when the content was last written
    /// before it was packed.
    pub gzip_time_ns: Option<i64>,
}

/// Opens a file with the default limits.
///
/// Fails with a sentence when the file is missing, unreadable, no regular file, or packed in a way
/// that is not read. Which packing it is, the first bytes tell.
pub fn open(path: &Path) -> Result<InputFile, InputError> {
    open_with(path, Limits::default())
}

/// As [`open`], with other limits.
pub fn open_with(path: &Path, limits: Limits) -> Result<InputFile, InputError> {
    let failed = |source| InputError::Open {
        path: path.to_owned(),
        source,
    };
    let refused = |what| InputError::Unsupported {
        path: path.to_owned(),
        what,
    };
    // Looked at before it is opened: to open a named pipe would wait for somebody to write.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if let Some(what) = not_regular(&metadata) {
        return Err(refused(what));
    }
    let file = File::open(path).map_err(failed)?;
    let mut first = [0; 8];
    let length = read_start(&file, &mut first).map_err(failed)?;
    let first = &first[..length];
    let encoding = Encoding::detect(&first[..length.min(MAGIC_BYTES)]).map_err(refused)?;
    let gzip_time = if encoding == Encoding::Gzip {
        gzip_time_ns(first)
    } else {
        None
    };
    let id = FileId::of(&file.metadata().map_err(failed)?);
    let source = Source::new(file, encoding, limits.unpack_memory_bytes);
    Ok(InputFile::new(path, id, gzip_time, source, limits))
}

/// Names what is no regular file, with an article.
fn not_regular(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else {
        Some("a device")
    }
}

fn read_start(file: &File, first: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < first.len() {
        match file.read_at(&mut first[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(length)
}

/// MTIME of RFC 1952: seconds since 1970, 0 for none.
fn gzip_time_ns(header: &[u8]) -> Option<i64> {
    let seconds: [u8; 4] = header.get(4..8)?.try_into().ok()?;
    let seconds = u32::from_le_bytes(seconds);
    (seconds != 0).then(|| i64::from(seconds) * 1_000_000_000)
}

pub(super) fn modified_ns(metadata: &Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}
