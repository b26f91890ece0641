//! Where a driver gets its events: the spool, or a channel in a process that has none.

mod channel;
mod spool;

use std::sync::Arc;
use std::time::Duration;

use tidings_spool::Frame;

pub use channel::{ChannelFeed, FeedSender, Refused, channel};
pub use spool::SpoolFeed;
pub use tidings_spool::Behind;

/// A stream of encoded events with sequences, for one driver.
///
/// Called on the driver's thread only. Sequences rise; where some are missing, [`Fed::Lost`] says so.
pub trait Feed: Send {
    /// The next events or loss; waits up to about `timeout` for it. Nothing means that there was none.
    ///
    /// # Errors
    /// [`FeedError::Closed`] when nothing more will come and all was given; [`FeedError::Failed`] when
    /// it may be tried again.
    fn next(&mut self, timeout: Duration) -> Result<Option<Fed>, FeedError>;

    /// What lies between what was given and the end.
    fn behind(&self) -> Behind;

    /// The sequence of the next event that will be put in.
    fn head(&self) -> u64;

    /// Whether what was not delivered will come again after a restart, from the cursor on.
    fn is_durable(&self) -> bool;
}

/// What a feed gives.
#[derive(Clone, Debug)]
pub enum Fed {
    /// Events.
    Piece(Piece),
    /// Events that are gone.
    Lost {
        /// The sequence after them.
        until: u64,
        /// How many, about: whether they were wanted is not known.
        events: u64,
        /// Why.
        reason: String,
    },
}

/// Some encoded events.
#[derive(Clone, Debug)]
pub struct Piece {
    bytes: Bytes,
    first_sequence: u64,
}

#[derive(Clone, Debug)]
enum Bytes {
    Frame(Arc<Frame>),
    Records(Arc<[u8]>),
}

impl Piece {
    /// A frame of the spool.
    #[must_use]
    pub fn frame(frame: Arc<Frame>) -> Self {
        Self {
            first_sequence: frame.first_sequence(),
            bytes: Bytes::Frame(frame),
        }
    }

    /// Whole records, the first of which has this sequence.
    #[must_use]
    pub fn records_from(records: impl Into<Arc<[u8]>>, first_sequence: u64) -> Self {
        Self {
            bytes: Bytes::Records(records.into()),
            first_sequence,
        }
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Frame(frame) => frame.records(),
            Bytes::Records(records) => records,
        }
    }

    /// Records of spans that began before the first of these.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Frame(frame) => frame.context(),
            Bytes::Records(_) => &[],
        }
    }

    /// The sequence of the first record.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// The sequence after the last record, if it is known without counting.
    #[must_use]
    pub fn end_sequence(&self) -> Option<u64> {
        match &self.bytes {
            Bytes::Frame(frame) => Some(frame.sequences().end),
            Bytes::Records(_) => None,
        }
    }
}

/// Why a feed gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedError {
    /// Nothing more will come.
    Closed,
    /// It could not be read now.
    Failed(String),
}
