//! What can go wrong, and who has to act.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::Batch;

/// Why an operation of the spool failed. Cheap to clone: one failed commit answers many waiters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SpoolError {
    /// The medium refused a read, a write or a sync.
    Io {
        /// What was tried, as in "cannot *read*".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed, so nothing more is written until the spool is opened
    /// again; reading goes on. The operator has to look at the disk.
    Poisoned {
        /// The failure that did it.
        cause: Arc<str>,
    },
    /// There is no room now; the batch was not taken, try again later.
    Full(Full),
    /// The batch itself is wrong; trying again does not help.
    InvalidBatch(InvalidBatch),
    /// The spool was closed.
    Closed,
    /// A reader was asked for at a sequence that was never committed: its cursor belongs to
    /// another spool or to one that lost its end.
    Ahead {
        /// Where the reader wanted to start.
        from: u64,
        /// The next sequence that will be committed.
        head: u64,
    },
    /// A file is not what it should be, and guessing could lose data; `repair` may help.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl SpoolError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            source: Arc::new(source),
        }
    }

    /// Whether the batch may be taken later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// The error and its causes in one line, for a place that cannot keep a chain.
    pub(crate) fn in_full(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
            Self::Poisoned { cause } => {
                write!(
                    f,
                    "the spool takes no more events until it is opened again, because an earlier write failed: {cause}"
                )
            }
            Self::Full(full) => write!(f, "{full}"),
            Self::InvalidBatch(reason) => write!(f, "the batch cannot be stored: {reason}"),
            Self::Closed => write!(f, "the spool is closed"),
            Self::Ahead { from, head } => {
                write!(
                    f,
                    "cannot read from sequence {from}: the spool ends before sequence {head}"
                )
            }
            Self::Damaged { path, reason } => write!(f, "{} is damaged: {reason}", path.display()),
        }
    }
}

impl Error for SpoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// What there is no room in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// The queue before the writer.
    Queue {
        /// Bytes waiting or being written.
        queued_bytes: usize,
        /// The limit.
        queue_bytes: usize,
    },
    /// The spool's byte limit: nothing may be removed, because a pin needs it.
    Pinned {
        /// Bytes in all segments.
        bytes: u64,
        /// The limit in force.
        limit_bytes: u64,
        /// Name of the pin that holds the oldest segment.
        pin: String,
    },
    /// The file system. What was queued stays queued and is written when there is room.
    Disk,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue {
                queued_bytes,
                queue_bytes,
            } => {
                write!(
                    f,
                    "the spool's queue is full: {queued_bytes} of {queue_bytes} bytes"
                )
            }
            Self::Pinned {
                bytes,
                limit_bytes,
                pin,
            } => {
                write!(
                    f,
                    "the spool is full: {bytes} bytes of at most {limit_bytes}, and {pin} still needs the oldest"
                )
            }
            Self::Disk => write!(f, "the disk is full"),
        }
    }
}

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidBatch {
    /// Neither records nor a checkpoint nor control bytes.
    Empty,
    /// The count cannot be that of the records: each takes at least one byte.
    Count {
        /// The count given.
        count: u32,
        /// The bytes of all records.
        records_bytes: usize,
    },
    /// More bytes than one frame takes.
    TooLarge {
        /// Context, records and checkpoint together.
        bytes: usize,
        /// The limit, [`MAX_PAYLOAD_BYTES`](crate::MAX_PAYLOAD_BYTES).
        max_bytes: usize,
    },
    /// The 64-bit sequence would overflow.
    SequencesExhausted,
}

impl fmt::Display for InvalidBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it has neither records nor a checkpoint"),
            Self::Count {
                count,
                records_bytes,
            } => {
                write!(
                    f,
                    "it counts {count} records in {records_bytes} bytes; each takes at least one"
                )
            }
            Self::TooLarge { bytes, max_bytes } => {
                write!(f, "it has {bytes} bytes, at most {max_bytes} are allowed")
            }
            Self::SequencesExhausted => write!(f, "no sequence number is left"),
        }
    }
}

/// A batch that was not taken, and why; the batch comes back to its owner.
#[derive(Clone, Debug)]
pub struct AppendError {
    /// What was to be appended, unchanged.
    pub batch: Box<Batch>,
    /// Why it was not.
    pub error: SpoolError,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for AppendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<AppendError> for SpoolError {
    fn from(error: AppendError) -> Self {
        error.error
    }
}
