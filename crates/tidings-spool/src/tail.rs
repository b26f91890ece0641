//! The newest committed frames, kept in memory so that readers share them instead of the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frame::{Frame, Position};

/// A byte-bounded window on the end of the spool.
///
/// Capacity is given in bytes; when it is full the oldest frame goes, which costs a reader that is
/// still before it a read from disk and nothing else. It always reaches to the newest frame.
#[derive(Debug)]
pub(crate) struct Tail {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    max_bytes: usize,
}

impl Tail {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            max_bytes,
        }
    }

    /// Adds the newest frame.
    pub(crate) fn push(&mut self, frame: Arc<Frame>) {
        self.bytes += frame.cost();
        self.frames.push_back(frame);
        while self.bytes > self.max_bytes {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes -= oldest.cost();
        }
    }

    /// The first frame at or behind a position, if no frame between them can be missing here.
    pub(crate) fn at_or_after(&self, position: Position) -> Option<&Arc<Frame>> {
        let oldest = self.frames.front()?;
        if position.place() < oldest.position().place() {
            return None;
        }
        self.frames.get(
            self.frames
                .partition_point(|frame| frame.position().place() < position.place()),
        )
    }

    /// The position of the oldest frame that holds `sequence` or a later one, if the tail reaches
    /// back to it. Nothing is skipped that a search from the beginning of the spool would find.
    pub(crate) fn find(&self, sequence: u64) -> Option<&Arc<Frame>> {
        // An older frame that is not here ends at or before the first sequence here; at it, control
        // frames could be missing.
        let oldest = self.frames.front()?;
        if sequence <= oldest.first_sequence() {
            return None;
        }
        let at = self.frames.partition_point(|frame| {
            frame.sequences().end <= sequence && frame.first_sequence() != sequence
        });
        self.frames.get(at)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;

    fn frame(first_sequence: u64, count: u32, offset: u64) -> Arc<Frame> {
        let place = |offset, sequence| Position {
            segment: 1,
            offset,
            sequence,
        };
        let batch = Batch::events(count, vec![0; count as usize]).prepare();
        let end = first_sequence + u64::from(count);
        Arc::new(Frame::of(
            batch,
            place(offset, first_sequence),
            place(offset + 10, end),
        ))
    }

    fn filled(max_frames: usize) -> Tail {
        let mut tail = Tail::new(max_frames * frame(1, 2, 0).cost());
        for n in 0..10 {
            tail.push(frame(1 + 2 * n, 2, 100 + 10 * n));
        }
        tail
    }

    #[test]
    fn the_oldest_go_first() {
        let tail = filled(3);
        let at = |offset| {
            let position = Position {
                segment: 1,
                offset,
                sequence: 0,
            };
            tail.at_or_after(position)
                .map(|frame| frame.position().offset)
        };
        assert_eq!(at(169), None, "behind the window");
        assert_eq!(at(170), Some(170));
        assert_eq!(at(175), Some(180), "a seal may lie between");
        assert_eq!(at(191), None, "at the end");
        assert!(tail.bytes() <= tail.max_bytes);
    }

    #[test]
    fn sequences_are_found() {
        let tail = filled(3);
        let find = |sequence| tail.find(sequence).map(|frame| frame.first_sequence());
        assert_eq!(find(15), None, "a control frame at 15 may have gone");
        assert_eq!(find(16), Some(15));
        assert_eq!(find(17), Some(17));
        assert_eq!(find(20), Some(19));
        assert_eq!(find(21), None);
    }

    #[test]
    fn a_frame_beyond_the_capacity_is_not_kept() {
        let mut tail = Tail::new(10);
        tail.push(frame(1, 2, 64));
        assert_eq!((tail.bytes(), tail.frames.len()), (0, 0));
    }
}
