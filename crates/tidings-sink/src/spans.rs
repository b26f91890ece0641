//! The starts of the spans that are open: what a log line says of the session its event belongs to.
//!
//! **Bounds**: 16,384 spans and 8 MiB of records. Beyond either, the spans that began first are
//! forgotten: their later events are delivered without what their start said. Nothing is lost, so
//! nothing is counted.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use tidings_event::Id;

const MAX_SPANS: usize = 16_384;
const MAX_BYTES: usize = 8 << 20;

/// Start records by span id.
#[derive(Debug, Default)]
pub(crate) struct SpanTable {
    open: FxHashMap<u64, Start>,
    /// Ids in the order in which they came, with the turn that tells a reused id apart.
    order: VecDeque<(u64, u64)>,
    turn: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Start {
    record: Box<[u8]>,
    turn: u64,
}

impl SpanTable {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A span began with this record.
    pub(crate) fn open(&mut self, id: Id, record: &[u8]) {
        self.turn += 1;
        self.bytes += record.len();
        let start = Start {
            record: record.into(),
            turn: self.turn,
        };
        if let Some(old) = self.open.insert(id.0, start) {
            self.bytes -= old.record.len();
        }
        self.order.push_back((id.0, self.turn));
        while self.open.len() > MAX_SPANS || self.bytes > MAX_BYTES {
            if !self.drop_oldest() {
                break;
            }
        }
        // Spans that ended leave their place in the order behind.
        if self.order.len() > 2 * MAX_SPANS {
            let open = &self.open;
            self.order
                .retain(|(id, turn)| open.get(id).is_some_and(|start| start.turn == *turn));
        }
    }

    /// A span is known to have begun with this record, if nothing else is known of it.
    pub(crate) fn recall(&mut self, id: Id, record: &[u8]) {
        if !self.open.contains_key(&id.0) {
            self.open(id, record);
        }
    }

    /// A span ended.
    pub(crate) fn close(&mut self, id: Id) {
        if let Some(start) = self.open.remove(&id.0) {
            self.bytes -= start.record.len();
        }
    }

    /// The record that opened a span.
    pub(crate) fn get(&self, id: Id) -> Option<&[u8]> {
        self.open.get(&id.0).map(|start| &*start.record)
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((id, turn)) = self.order.pop_front() else {
            return false;
        };
        if self.open.get(&id).is_some_and(|start| start.turn == turn) {
            self.close(Id(id));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_in_number_and_in_bytes() {
        let mut table = SpanTable::new();
        for id in 1..=2 * MAX_SPANS as u64 {
            table.open(Id(id), b"start");
            assert!(table.order.len() <= 2 * MAX_SPANS + 1);
        }
        assert_eq!(table.open.len(), MAX_SPANS);
        assert!(table.get(Id(1)).is_none() && table.get(Id(2 * MAX_SPANS as u64)).is_some());
        for id in 0..20 {
            table.open(Id(id), &vec![0; 1 << 20]);
            assert!(table.bytes <= MAX_BYTES);
        }
        assert_eq!(table.open.len(), 8);
        for id in 0..20 {
            table.close(Id(id));
        }
        assert_eq!((table.bytes, table.open.len()), (0, 0));
    }

    #[test]
    fn a_span_that_is_opened_and_closed_for_ever_takes_no_room() {
        let mut table = SpanTable::new();
        for _ in 0..100_000 {
            table.open(Id(5), b"start");
            table.recall(Id(5), b"other");
            assert_eq!(table.get(Id(5)), Some(&b"start"[..]));
            table.close(Id(5));
            assert!(table.get(Id(5)).is_none());
        }
        assert!(table.order.len() <= 2 * MAX_SPANS + 1);
    }
}
