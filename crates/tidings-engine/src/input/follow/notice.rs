//! What a follower tells the operator, each as one sentence.

use std::fmt;
use std::path::PathBuf;

use super::super::error::InputError;

/// Something that happened to a followed file. Nothing is lost without a notice.
#[derive(Debug)]
pub enum Notice {
    /// The followed file or one of its rotated files cannot be read now; it is tried again with
    /// every poll. Given once until something else is said or [`Readable`](Self::Readable).
    Waiting(InputError),
    /// What was waited for can be read.
    Readable,
    /// A file begins: the first one, or the next one after the end of another.
    Next {
        /// The file.
        path: PathBuf,
    },
    /// The file was truncated or overwritten; what was not yet read of it is read from its copy.
    Truncated {
        /// The copy.
        copy: PathBuf,
    },
    /// The file last read is not to be found, neither by inode nor by content.
    Lost {
        /// The followed path.
        path: PathBuf,
        /// Lines read of it.
        lines: u64,
    },
    /// The followed file is shorter than what was read of it, as after a crash of the machine.
    Shorter {
        /// The followed path.
        path: PathBuf,
        /// Bytes read.
        read: u64,
        /// Bytes that it has.
        has: u64,
    },
    /// The followed file begins as what was read and then differs. It is read from the line that
    /// contains this byte on; up to 64 KiB may have been read before.
    Differs {
        /// The followed path.
        path: PathBuf,
        /// Bytes that agree.
        common: u64,
    },
    /// A rotated file is damaged; what stood before the damage was read.
    Damaged(InputError),
    /// A rotated file was still being written long after its rotation. It was left for the next
    /// one; what is written to it from now on is not read. A daemon did not reopen its log.
    StillWritten {
        /// The path by which it was opened.
        path: PathBuf,
        /// Bytes read of it.
        read: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(error) => write!(f, "waiting: {error}"),
            Self::Readable => f.write_str("the file can be read again"),
            Self::Next { path } => write!(f, "reading {} from its beginning", path.display()),
            Self::Truncated { copy } => {
                write!(
                    f,
                    "the file was truncated; reading the rest from its copy {}",
                    copy.display()
                )
            }
            Self::Lost { path, lines } => write!(
                f,
                "the file that was read as {} up to line {lines} is gone or was overwritten; what \
                 was written to it after that line is lost, if anything was",
                path.display()
            ),
            Self::Shorter { path, read, has } => write!(
                f,
                "{} has {has} bytes, of which {read} were read before; it lost its end, and is \
                 read from there on",
                path.display()
            ),
            Self::Differs { path, common } => write!(
                f,
                "{} agrees with what was read of it for {common} bytes only; it is read from there \
                 on, and some lines may come twice",
                path.display()
            ),
            Self::Damaged(error) => write!(f, "{error}"),
            Self::StillWritten { path, read } => write!(
                f,
                "the rotated file that was opened as {} is still being written; it was left after \
                 {read} bytes, since a program did not reopen its log",
                path.display()
            ),
        }
    }
}
