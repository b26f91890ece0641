//! The memory table: events that are durable in the spool and in no part yet. It is searched like
//! the history, and made again from the spool after a start.

use std::sync::{Arc, Mutex, PoisonError};

use tidings_event::{EventRef, Key, RecordWriter, Records};
use tidings_spool::Frame;

use crate::search::FoundEvent;

/// Committed frames, oldest first.
///
/// Memory: the frames' records; the history thread seals them into parts at
/// [`LiveOptions::seal_bytes`](crate::LiveOptions::seal_bytes), and takes in no more while that
/// fails, so at most that and one frame.
#[derive(Debug, Default)]
pub(crate) struct MemoryTable {
    frames: Mutex<Vec<Arc<Frame>>>,
}

impl MemoryTable {
    pub(crate) fn push(&self, frame: Arc<Frame>) {
        self.lock().push(frame);
    }

    /// Takes out everything up to this sequence, which is in parts now.
    pub(crate) fn drop_before(&self, sequence: u64) {
        self.lock().retain(|frame| frame.sequences().end > sequence);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The frames of this moment.
    pub(crate) fn frames(&self) -> Vec<Arc<Frame>> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Frame>>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `each` with every event of a frame and its sequence.
pub(crate) fn each_event(frame: &Frame, each: &mut dyn FnMut(u64, &EventRef<'_>)) {
    for (sequence, event) in (frame.first_sequence()..).zip(Records::new(frame.records()).flatten())
    {
        each(sequence, &event);
    }
}

/// An event of the spool as a search gives it: its line apart from its pairs.
pub(crate) fn found(sequence: u64, event: &EventRef<'_>) -> FoundEvent {
    let mut record = Vec::with_capacity(event.as_bytes().len());
    let mut line = None;
    let mut writer = RecordWriter::begin(&mut record, event.header());
    for (key, value) in event.pairs() {
        if key == Key::RAW_LINE {
            line = crate::live::line_of(&value);
        } else {
            writer.value(key, &value);
        }
    }
    writer.finish();
    drop(writer);
    FoundEvent {
        record,
        sequence: Some(sequence),
        line,
    }
}
