//! Where the forwarder takes records from: the queue in memory, or a spool on disk behind it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings_spool::{Delivery, Reader, Spool};

use super::{ForwardError, Shared};
use crate::subscribe::{Received, Subscriber};

/// What a source gave.
pub(super) enum Next {
    /// Encoded records, and how many.
    Records(Vec<u8>, u64),
    /// Nothing now.
    Nothing,
    /// Nothing more, ever.
    End,
}

/// About how many bytes of records go into one request.
const REQUEST_BYTES: usize = 512 << 10;

/// The subscriber's queue: what is not acknowledged when the process ends is gone, and counted.
pub(super) struct Memory {
    pub(super) subscriber: Subscriber,
    pub(super) shared: Arc<Shared>,
}

impl Memory {
    pub(super) fn next(&mut self, timeout: Duration) -> Next {
        let (mut records, mut count) = (Vec::new(), 0);
        let mut wait = timeout;
        while records.len() < REQUEST_BYTES {
            match self.subscriber.next(wait) {
                Received::Batch(batch) => {
                    records.extend_from_slice(batch.records());
                    count += batch.len() as u64;
                    // What is there already goes along.
                    wait = Duration::ZERO;
                }
                Received::TimedOut => break,
                Received::Closed if records.is_empty() => return Next::End,
                Received::Closed => break,
            }
        }
        self.shared.note_dropped(&self.subscriber.stats());
        if records.is_empty() {
            Next::Nothing
        } else {
            Next::Records(records, count)
        }
    }
}

/// A spool: what is not acknowledged is sent by the next run. When it is full its oldest events are
/// removed, and counted as skipped.
pub(super) struct Disk {
    pub(super) spool: Arc<Spool>,
    pub(super) reader: Reader,
    pub(super) shared: Arc<Shared>,
    pub(super) acknowledged: Acknowledged,
}

impl Disk {
    pub(super) fn next(&mut self, timeout: Duration) -> Next {
        // Asked for first: what is appended before the filling ends is seen.
        let is_filled = self.shared.is_filled();
        match self.reader.next(timeout) {
            Ok(Some(Delivery::Frame(frame))) => {
                Next::Records(frame.records().to_vec(), u64::from(frame.count()))
            }
            Ok(Some(Delivery::Gap(gap))) => {
                self.shared
                    .note_skipped(gap.sequences.end.saturating_sub(gap.sequences.start));
                Next::Nothing
            }
            Ok(None) if is_filled && self.reader.sequence() >= self.spool.head() => Next::End,
            Ok(None) => Next::Nothing,
            Err(why) => {
                self.shared.note_error(why.to_string());
                Next::End
            }
        }
    }

    /// The server has everything that was read.
    pub(super) fn acknowledge(&mut self) {
        if let Err(why) = self.acknowledged.write(self.reader.sequence()) {
            // The next run sends some events again, which the server skips.
            self.shared
                .note_error(format!("cannot note what was acknowledged: {why}"));
        }
    }
}

/// The file that holds the sequence up to which the server has everything.
pub(super) struct Acknowledged {
    path: PathBuf,
}

impl Acknowledged {
    pub(super) fn new(path: PathBuf) -> Acknowledged {
        Acknowledged { path }
    }

    /// The next sequence to send: 1 if nothing was noted, or what was is damaged.
    pub(super) fn read(&self) -> Result<u64, ForwardError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text.trim().parse().unwrap_or(1)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(1),
            Err(why) => Err(ForwardError::Directory(self.path.clone(), why)),
        }
    }

    fn write(&self, sequence: u64) -> io::Result<()> {
        let new = self.path.with_extension("new");
        fs::write(&new, format!("{sequence}\n"))?;
        fs::rename(new, &self.path)
    }
}
