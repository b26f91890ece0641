//! What a producer hands over: some records that become durable together, or not at all.

use crate::MAX_PAYLOAD_BYTES;
use crate::error::InvalidBatch;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Event records, each with a sequence number of its own.
    Events,
    /// Bytes for a purpose named by the tag, such as a snapshot; takes no sequence number. The
    /// newest of each tag is found with [`Spool::last_control`](crate::Spool::last_control).
    Control {
        /// Chosen by the caller.
        tag: u8,
    },
}

/// Records, and what is to be committed atomically with them. Becomes one frame.
///
/// The spool does not look into any of the byte strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Events or control.
    pub kind: Kind,
    /// Number of records; 0 for control.
    pub count: u32,
    /// Copies of earlier records that a reader needs who starts here, such as the start records
    /// of the spans mentioned. May be empty.
    pub context: Vec<u8>,
    /// The encoded records, or the control bytes.
    pub records: Vec<u8>,
    /// Where the sources stand after these records; empty for none.
    pub checkpoint: Vec<u8>,
}

impl Batch {
    /// `count` event records.
    #[must_use]
    pub fn events(count: u32, records: Vec<u8>) -> Self {
        Self {
            kind: Kind::Events,
            count,
            context: Vec::new(),
            records,
            checkpoint: Vec::new(),
        }
    }

    /// Control bytes.
    #[must_use]
    pub fn control(tag: u8, bytes: Vec<u8>) -> Self {
        Self {
            kind: Kind::Control { tag },
            count: 0,
            context: Vec::new(),
            records: bytes,
            checkpoint: Vec::new(),
        }
    }

    /// No records, only a note where the sources stand.
    #[must_use]
    pub fn checkpoint(checkpoint: Vec<u8>) -> Self {
        Self::events(0, Vec::new()).with_checkpoint(checkpoint)
    }

    /// The batch with context records.
    #[must_use]
    pub fn with_context(mut self, context: Vec<u8>) -> Self {
        self.context = context;
        self
    }

    /// The batch with a checkpoint.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: Vec<u8>) -> Self {
        self.checkpoint = checkpoint;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidBatch> {
        let lengths = [
            self.context.len(),
            self.records.len(),
            self.checkpoint.len(),
        ];
        let bytes = lengths
            .iter()
            .fold(0, |sum: usize, length| sum.saturating_add(*length));
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(InvalidBatch::TooLarge {
                bytes,
                max_bytes: MAX_PAYLOAD_BYTES,
            });
        }
        let is_control = matches!(self.kind, Kind::Control { .. });
        if !counts_agree(is_control, u64::from(self.count), self.records.len() as u64) {
            let records_bytes = self.records.len();
            return Err(InvalidBatch::Count {
                count: self.count,
                records_bytes,
            });
        }
        if !is_control && self.records.is_empty() && self.checkpoint.is_empty() {
            return Err(InvalidBatch::Empty);
        }
        Ok(())
    }

    /// Joins the parts into one buffer, without copying where there are only records.
    pub(crate) fn prepare(self) -> Prepared {
        let (context_bytes, records_bytes) = (self.context.len(), self.records.len());
        let mut payload = self.context;
        if payload.is_empty() {
            payload = self.records;
        } else {
            payload.extend_from_slice(&self.records);
        }
        payload.extend_from_slice(&self.checkpoint);
        Prepared {
            kind: self.kind,
            count: self.count,
            context_bytes,
            records_bytes,
            payload,
        }
    }
}

/// Whether a count of records and their bytes can belong together.
pub(crate) fn counts_agree(is_control: bool, count: u64, records_bytes: u64) -> bool {
    if is_control {
        return count == 0;
    }
    count <= records_bytes && (count == 0) == (records_bytes == 0)
}

/// A validated batch with its parts in one buffer: context, records, checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) kind: Kind,
    pub(crate) count: u32,
    pub(crate) context_bytes: usize,
    pub(crate) records_bytes: usize,
    pub(crate) payload: Vec<u8>,
}

impl Prepared {
    /// Bytes of memory it holds, about.
    pub(crate) fn cost(&self) -> usize {
        self.payload.capacity() + size_of::<Self>()
    }

    /// Gives the batch back.
    pub(crate) fn into_batch(self) -> Batch {
        let mut context = self.payload;
        let mut records = context.split_off(self.context_bytes);
        let checkpoint = records.split_off(self.records_bytes);
        Batch {
            kind: self.kind,
            count: self.count,
            context,
            records,
            checkpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preparing_and_giving_back_changes_nothing() {
        let full = Batch::events(2, b"records".to_vec())
            .with_context(b"context".to_vec())
            .with_checkpoint(b"checkpoint".to_vec());
        let batches = [
            full,
            Batch::events(1, b"r".to_vec()),
            Batch::control(7, Vec::new()),
            Batch::checkpoint(b"c".to_vec()),
        ];
        for batch in batches {
            batch.validate().unwrap();
            assert_eq!(batch.clone().prepare().into_batch(), batch);
        }
    }

    #[test]
    fn impossible_batches_are_refused() {
        assert_eq!(
            Batch::events(0, Vec::new()).validate(),
            Err(InvalidBatch::Empty)
        );
        let few = Batch::events(3, b"ab".to_vec()).validate();
        assert_eq!(
            few,
            Err(InvalidBatch::Count {
                count: 3,
                records_bytes: 2
            })
        );
        assert!(Batch::events(0, b"ab".to_vec()).validate().is_err());
        let counted = Batch {
            count: 1,
            ..Batch::control(1, b"ab".to_vec())
        };
        assert!(counted.validate().is_err());
        let large = Batch::events(1, vec![0; MAX_PAYLOAD_BYTES]).with_context(vec![0]);
        assert!(matches!(
            large.validate(),
            Err(InvalidBatch::TooLarge { .. })
        ));
    }
}
