//! Trace and span ids: which trace a span belongs to.

use std::collections::{HashMap, VecDeque};

use tidings_event::{EventRef, Id, Key};

use super::proto::bytes;

/// How many spans with a parent are remembered.
const MAX_CHILDREN: usize = 65_536;
/// How far a chain of parents is followed; data can hold a circle.
const MAX_CHAIN: usize = 64;

/// Which trace each span belongs to: a trace is named after its outermost span.
///
/// Spans without a parent, nearly all in a mail server, are traces of their own and take no memory
/// here. Of those with a parent the latest 65,536 are remembered; a span that was forgotten, or whose
/// parent is not known, is traced up to the outermost ancestor that is.
#[derive(Debug, Default)]
pub struct TraceIds {
    children: HashMap<Id, Id>,
    order: VecDeque<Id>,
    /// The last answer: events of a span often come in a row.
    last: Option<(Id, Id)>,
}

impl TraceIds {
    /// Notes the parent of the span that `start` opens, if it has one.
    pub fn note(&mut self, start: &EventRef<'_>) {
        let (Some(span), Some(parent)) = (start.span(), parent_of(start)) else {
            return;
        };
        self.last = None;
        if self.children.insert(span, parent).is_none() {
            self.order.push_back(span);
            if self.order.len() > MAX_CHILDREN
                && let Some(oldest) = self.order.pop_front()
            {
                self.children.remove(&oldest);
            }
        }
    }

    /// The trace of `span`. `span_start` gives the event that opened a span, where it is known.
    pub fn trace_of<'e>(
        &mut self,
        span: Id,
        span_start: impl Fn(Id) -> Option<EventRef<'e>>,
    ) -> Id {
        if let Some((known, trace)) = self.last
            && known == span
        {
            return trace;
        }
        let mut trace = span;
        for _ in 0..MAX_CHAIN {
            let parent = match self.children.get(&trace) {
                Some(parent) => Some(*parent),
                None => span_start(trace).as_ref().and_then(parent_of),
            };
            match parent {
                Some(parent) => trace = parent,
                None => break,
            }
        }
        self.last = Some((span, trace));
        trace
    }
}

/// The span within which the span that this event opens began.
pub fn parent_of(start: &EventRef<'_>) -> Option<Id> {
    let parent = start
        .get(Key::PARENT_SPAN_ID)?
        .as_u64()
        .filter(|id| *id != 0)?;
    (start.span() != Some(Id(parent))).then_some(Id(parent))
}

/// Appends a trace id: 16 bytes, the id of the outermost span as a number, high byte first.
pub(super) fn push_trace_id(out: &mut Vec<u8>, tag: u8, trace: Id) {
    bytes(out, tag, &u128::from(trace.0).to_be_bytes());
}

/// Appends a span id: 8 bytes, high byte first.
pub(super) fn push_span_id(out: &mut Vec<u8>, tag: u8, span: Id) {
    bytes(out, tag, &span.0.to_be_bytes());
}
