//! What can go wrong in the history, told by who has to act.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of every operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a file that is not there.
const MISSING: &str = "it is missing";

/// A failure, told by who has to act on it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The medium refused: disk full, permission, a failing device. The operator acts; what was
    /// committed before is untouched.
    Io {
        /// The file or directory, relative to the store's root.
        path: PathBuf,
        /// What was being done, as "write" or "rename".
        doing: &'static str,
        /// The system's own words.
        source: io::Error,
    },
    /// A file is not what was written: `tidings repair` acts. The answer that met it is given up
    /// whole; never are fewer rows returned silently.
    Damaged {
        /// The file, relative to the store's root.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The caller asked for what cannot be: an unknown table, a column of another kind.
    Invalid(String),
    /// A part was merged or dropped since it was looked at: take a new snapshot and look again.
    Stale(crate::PartId),
    /// An earlier commit failed in a way that leaves the manifest's state unknown. Reads go on;
    /// writes are refused until the store is opened again.
    Poisoned,
    /// The caller's cancel flag was set.
    Cancelled,
}

impl Error {
    /// Whether a file is not there: damage, or the work of another process that owns the directory.
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Self::Damaged { what, .. } if what == MISSING)
    }

    /// A damaged file, by name.
    pub(crate) fn damaged(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.as_ref().to_owned(),
            what: what.into(),
        }
    }

    /// Names the file in an error of a decoder that does not know it.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Damaged { path: known, what } if known.as_os_str().is_empty() => Self::Damaged {
                path: path.to_owned(),
                what,
            },
            Self::Io {
                path: known,
                doing,
                source,
            } if known.as_os_str().is_empty() => Err::<(), _>(source)
                .at(doing, path)
                .expect_err("an error stays one"),
            other => other,
        }
    }

    /// Damage met by a decoder that does not know its file's name.
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Damaged {
            path: PathBuf::new(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, .. } => write!(f, "cannot {doing} {}", path.display()),
            Self::Damaged { path, what } => write!(f, "{} is damaged: {what}", path.display()),
            Self::Invalid(what) => f.write_str(what),
            Self::Stale(part) => write!(f, "part {part} is no longer there; look again"),
            Self::Poisoned => f.write_str(
                "the history refuses writes since a commit failed midway; open it again",
            ),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Adds path and deed to an I/O result.
pub(crate) trait IoContext<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| match source.kind() {
            // A file that lacks or ends early was not refused by the medium: it is damaged.
            io::ErrorKind::UnexpectedEof => Error::damaged(path, "it ends early"),
            io::ErrorKind::NotFound if doing != "create" => Error::damaged(path, MISSING),
            _ => Error::Io {
                path: path.to_owned(),
                doing,
                source,
            },
        })
    }
}
