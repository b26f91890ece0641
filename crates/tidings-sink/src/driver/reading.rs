//! Reading: from the feed to the batch, or past what a lossy output is too late for.

use std::time::Duration;

use tidings_event::{EventRef, EventType, Level, Records};

use super::lag::Lag;
use super::{End, FEED_RETRY, Run, WAIT};
use crate::feed::{Fed, FeedError, Piece};
use crate::report::Report;
use crate::sink::Failure;
use crate::state::add;

impl Run {
    /// Reads until the batch is full, or nothing more is there and a delivery is due.
    pub(super) fn fill(&mut self) -> Result<(), End> {
        while self.batch.len() < self.batching.events && self.batch.bytes() < self.batching.bytes {
            if self.piece.is_some() {
                self.take_from_piece();
                continue;
            }
            let stopping = self.stop_by_ns().is_some();
            let timeout = if stopping {
                Duration::ZERO
            } else if self.batch.is_empty() {
                WAIT
            } else {
                // In steps, so that other things are looked after and an end is noticed.
                self.until_due().min(WAIT)
            };
            match self.feed.next(timeout) {
                Ok(Some(fed)) => self.feed_with(fed),
                Ok(None) if stopping => return Err(End::Done),
                Ok(None) if self.batch.is_empty() || self.until_due().is_zero() => return Ok(()),
                Ok(None) => self.look_after(false),
                Err(FeedError::Closed) => return Err(End::Done),
                Err(FeedError::Failed(reason)) => {
                    let details = "cannot read the events";
                    self.failed(Failure::new(self.error_kind, details, reason), 1);
                    if stopping {
                        return Err(End::Unfinished);
                    }
                    self.control.sleep(FEED_RETRY);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn feed_with(&mut self, fed: Fed) {
        match fed {
            Fed::Piece(piece) => {
                self.at = self.at.max(piece.first_sequence());
                self.recall_spans(&piece);
                self.piece = Some((piece, 0));
            }
            Fed::Lost {
                until,
                events,
                reason,
            } => {
                self.at = self.at.max(until);
                add(&self.state.lost, events);
                self.report(Report {
                    kind: EventType::TELEMETRY_OUTPUT_SKIPPED,
                    output: self.name.clone(),
                    details: "events were gone before the output could read them".to_owned(),
                    reason,
                    count: events,
                });
                self.settle_if_empty();
            }
        }
    }

    fn recall_spans(&mut self, piece: &Piece) {
        for start in Records::new(piece.context()).map_while(Result::ok) {
            if let Some(id) = start.span() {
                self.spans.recall(id, start.as_bytes());
            }
        }
    }

    /// Moves events from the piece to the batch, until either ends.
    fn take_from_piece(&mut self) {
        let Some((piece, mut offset)) = self.piece.take() else {
            return;
        };
        // Frames come whole: the first may begin before the cursor.
        let mut sequence = if offset == 0 {
            piece.first_sequence()
        } else {
            self.at
        };
        let records = piece.records();
        let mut unwanted = 0;
        let is_over = loop {
            if self.batch.len() >= self.batching.events || self.batch.bytes() >= self.batching.bytes
            {
                break offset == records.len();
            }
            // What cannot be read would not be read later either; the history tells of damage.
            let Ok((event, rest)) = EventRef::read(&records[offset..]) else {
                break true;
            };
            offset = records.len() - rest.len();
            if sequence >= self.done {
                unwanted += u64::from(!self.take_event(&event, sequence));
            } else {
                self.follow_span(&event);
            }
            sequence += 1;
        };
        self.at = self.at.max(sequence);
        add(&self.state.unwanted, unwanted);
        if is_over {
            self.at = self.at.max(piece.end_sequence().unwrap_or(0));
            self.settle_if_empty();
        } else {
            self.piece = Some((piece, offset));
        }
    }

    /// Adds an event to the batch if it is wanted, and tells whether it is.
    #[inline]
    fn take_event(&mut self, event: &EventRef<'_>, sequence: u64) -> bool {
        let wanted = self.interest.wants(event);
        if let Some(level) = wanted {
            self.batch.push_with(event, level, sequence, &self.spans);
        }
        self.follow_span(event);
        wanted.is_some()
    }

    /// Keeps the table of open spans.
    #[inline]
    fn follow_span(&mut self, event: &EventRef<'_>) {
        let Some(id) = event.span() else { return };
        let info = event.kind().info();
        if info.is_span_start() {
            self.spans.open(id, event.as_bytes());
            self.batch.forget_span(id);
        } else if info.is_span_end() {
            self.spans.close(id);
            self.batch.forget_span(id);
        }
    }

    /// Where nothing waits to be delivered, everything read is done with.
    pub(super) fn settle_if_empty(&mut self) {
        if self.batch.is_empty() {
            self.done = self.at;
        }
    }

    /// Whether a lossy output has to skip.
    pub(super) fn is_too_far_behind(&self) -> bool {
        self.is_lossy
            && self
                .lag
                .is_too_far(self.feed.behind(), self.clock.monotonic_ns())
    }

    /// Leaves out everything up to what is now the end, counting it.
    pub(super) fn skip(&mut self) -> Result<(), End> {
        let until = self.feed.head();
        let mut skipped = [0_u64; Level::ALL.len()];
        loop {
            for item in self.batch.batch().events() {
                skipped[usize::from(item.event.level().ordinal())] += 1;
            }
            self.batch.clear();
            self.done = self.at;
            if self.at >= until && self.piece.is_none() || self.is_past_the_end() {
                break;
            }
            if self.piece.is_some() {
                self.take_from_piece();
                continue;
            }
            match self.feed.next(Duration::ZERO) {
                Ok(Some(fed)) => self.feed_with(fed),
                Ok(None) | Err(_) => break,
            }
        }
        let count = skipped.iter().sum();
        for (level, skipped) in Level::ALL.into_iter().zip(skipped) {
            self.state.skip(level, skipped);
        }
        self.lag = Lag::default();
        if count > 0 {
            self.report(Report {
                kind: EventType::TELEMETRY_OUTPUT_SKIPPED,
                output: self.name.clone(),
                details: "the output was too far behind".to_owned(),
                reason: "it is set to be lossy".to_owned(),
                count,
            });
        }
        if self.is_past_the_end() {
            return Err(End::Unfinished);
        }
        Ok(())
    }
}
