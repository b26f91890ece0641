//! Ids of spans: from the line that opens the span, made unique among recent ones.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use tidings_event::{Id, stable_hash};

use super::LineAt;
use crate::saved::{Load, Save, SavedError};

/// Ids remembered: more than any host opens spans within the disorder of its lines.
const RECENT_MAX: usize = 8192;

const MILLI_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1000 * MILLI_NS;

/// Gives out span ids.
#[derive(Clone, Debug, Default)]
pub(super) struct SpanIds {
    order: VecDeque<u64>,
    recent: FxHashSet<u64>,
}

impl SpanIds {
    /// The id of a span that this line opens.
    ///
    /// The milliseconds of the line's time, then a hash of its position. A time of whole seconds
    /// says nothing about milliseconds: they are taken from the hash, which makes one id for two
    /// lines a thousand times rarer. An id that was given out recently is counted up.
    pub(super) fn fresh(&mut self, at: &LineAt<'_>) -> Id {
        let hash = stable_hash(&[&at.stream_key.to_le_bytes(), &at.line.to_le_bytes()]);
        let time_ns = if at.time_ns % SECOND_NS == 0 {
            at.time_ns
                .saturating_add((hash >> 32) as i64 % 1000 * MILLI_NS)
        } else {
            at.time_ns
        };
        let mut id = Id::at(time_ns, hash);
        while !self.recent.insert(id.0) {
            id = Id(id.0 & !0x1f_ffff | (id.0 + 1) & 0x1f_ffff);
        }
        self.order.push_back(id.0);
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        id
    }

    /// Forgets all ids given out: for a log that ended.
    pub(super) fn forget(&mut self) {
        self.order.clear();
        self.recent.clear();
    }

    pub(super) fn save(&self, save: &mut Save<'_>) {
        save.number(self.order.len() as u64);
        self.order.iter().for_each(|id| save.number(*id));
    }

    pub(super) fn load(load: &mut Load<'_>) -> Result<SpanIds, SavedError> {
        let order = load.list(Load::number)?;
        Ok(SpanIds {
            recent: order.iter().copied().collect(),
            order: order.into(),
        })
    }
}
