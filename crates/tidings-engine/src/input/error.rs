//! What can go wrong with an input file, each as one sentence.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::decompress::Encoding;
use crate::error::in_words;

/// Why a file cannot be read, or not further.
#[derive(Debug)]
pub enum InputError {
    /// The file cannot be opened, or its directory not looked at.
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not a regular file, or packed in a way that is not read.
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, with its article: `a directory`.
        what: &'static str,
    },
    /// The medium failed while reading.
    Read {
        /// The file.
        path: PathBuf,
        /// Where, in bytes of the file as it lies on the disk.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The packed data ends early or is damaged. Everything before was delivered.
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it is packed.
        encoding: Encoding,
        /// Where the damage was met, in bytes of the packed file; it lies at or before this place.
        packed_offset: u64,
        /// Lines read before.
        lines: u64,
        /// What is wrong: `it ends in the middle of the packed data`.
        why: String,
    },
    /// To unpack the file needs more memory than is allowed.
    Memory {
        /// The file.
        path: PathBuf,
        /// How it is packed.
        encoding: Encoding,
        /// Lines read before.
        lines: u64,
        /// The bound in bytes.
        allowed: u64,
    },
    /// A packed file cannot be followed.
    NotFollowed {
        /// The file.
        path: PathBuf,
        /// How it is packed.
        encoding: Encoding,
    },
    /// A followed file was truncated or overwritten under the reader. Only the follower meets it.
    Overwritten {
        /// The file.
        path: PathBuf,
    },
}

impl InputError {
    /// The file that the error is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Open { path, .. }
            | Self::Unsupported { path, .. }
            | Self::Read { path, .. }
            | Self::Damaged { path, .. }
            | Self::Memory { path, .. }
            | Self::NotFollowed { path, .. }
            | Self::Overwritten { path } => path,
        }
    }

    /// The error of a file that is not there.
    pub(super) fn missing(path: &Path) -> Self {
        Self::Open {
            path: path.to_owned(),
            source: io::ErrorKind::NotFound.into(),
        }
    }

    /// Whether the file is not there, which for a followed file is no failure.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Self::Open { source, .. } => {
                write!(f, "cannot open {path}: {}", in_words(source))
            }
            Self::Unsupported { what, .. } => write!(
                f,
                "cannot read {path}: it is {what}; allowed are regular files: plain text, or \
                 packed with gzip, zstd, xz or bzip2"
            ),
            Self::Read { offset, source, .. } => {
                write!(
                    f,
                    "cannot read {path} at byte {offset}: {}",
                    in_words(source)
                )
            }
            Self::Damaged {
                encoding,
                packed_offset,
                lines,
                why,
                ..
            } => write!(
                f,
                "{path} is damaged at byte {packed_offset} of its {encoding} data: {why}; the \
                 {} before were read",
                in_lines(*lines)
            ),
            Self::Memory {
                encoding,
                lines,
                allowed,
                ..
            } => write!(
                f,
                "unpacking {path} ({encoding}) needs more memory than the {} MiB allowed; {} before \
                 were read",
                allowed >> 20,
                in_lines(*lines)
            ),
            Self::NotFollowed { encoding, .. } => write!(
                f,
                "cannot follow {path}: it is packed with {encoding}, and only a plain file grows \
                 line by line"
            ),
            Self::Overwritten { .. } => write!(f, "{path} was truncated or overwritten"),
        }
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// `1 line`, `12,345 lines`.
fn in_lines(lines: u64) -> String {
    let digits = lines.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 6);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + if lines == 1 { " line" } else { " lines" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (lines, text) in [
            (0, "0 lines"),
            (1, "1 line"),
            (999, "999 lines"),
            (1_234_567, "1,234,567 lines"),
        ] {
            assert_eq!(in_lines(lines), text);
        }
    }
}
