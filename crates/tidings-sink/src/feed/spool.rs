//! The spool as a feed.

use std::time::Duration;

use tidings_spool::{Behind, Delivery, Gap, GapReason, Kind, Reader, Spool, SpoolError};

use super::{Fed, Feed, FeedError, Piece};

/// A reader of the spool, as a [`Feed`]: its events come again after a restart.
#[derive(Debug)]
pub struct SpoolFeed(Reader);

impl SpoolFeed {
    /// Reads from a sequence on, or from the end if the spool never got that far.
    ///
    /// # Errors
    /// As [`Spool::reader`].
    pub fn open(spool: &Spool, from: u64) -> Result<Self, SpoolError> {
        let reader = match spool.reader(from) {
            Err(SpoolError::Ahead { head, .. }) => spool.reader(head)?,
            other => other?,
        };
        Ok(Self(reader))
    }
}

impl Feed for SpoolFeed {
    fn next(&mut self, timeout: Duration) -> Result<Option<Fed>, FeedError> {
        loop {
            match self.0.next(timeout) {
                Ok(Some(Delivery::Frame(frame))) => {
                    // Snapshots and notes of the sources' places hold no events.
                    if frame.kind() == Kind::Events && frame.count() > 0 {
                        return Ok(Some(Fed::Piece(Piece::frame(frame))));
                    }
                }
                Ok(Some(Delivery::Gap(gap))) => return Ok(Some(lost(&gap))),
                Ok(None) => return Ok(None),
                Err(SpoolError::Closed | SpoolError::Poisoned { .. }) => {
                    return Err(FeedError::Closed);
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error);
                    let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
                    return Err(FeedError::Failed(format!("{error}{cause}")));
                }
            }
        }
    }

    fn behind(&self) -> Behind {
        self.0.behind()
    }

    fn head(&self) -> u64 {
        self.0.sequence() + self.0.behind().events
    }

    fn is_durable(&self) -> bool {
        true
    }
}

fn lost(gap: &Gap) -> Fed {
    let reason = match &gap.reason {
        GapReason::Removed => "the spool's limit removed them before they were read".to_owned(),
        GapReason::Damaged(damage) => format!("the medium damaged them: {damage}"),
        GapReason::Lost => "a repair of the spool found them lost".to_owned(),
        other => format!("the spool cannot give them: {other:?}"),
    };
    Fed::Lost {
        until: gap.sequences.end,
        events: gap.sequences.end.saturating_sub(gap.sequences.start),
        reason,
    }
}
