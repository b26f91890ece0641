//! Writes the events of one line: position, host, program and pid are the same for all of them.

use tidings_event::{Draft, Drafts, EventType, Header, Id, Key, Position};

use super::LineAt;

/// The events of one line, in order.
pub(super) struct Emit<'o, 'a> {
    out: &'o mut Drafts,
    at: &'o LineAt<'a>,
    count: u16,
}

impl<'o, 'a> Emit<'o, 'a> {
    pub(super) fn new(out: &'o mut Drafts, at: &'o LineAt<'a>) -> Emit<'o, 'a> {
        Emit { out, at, count: 0 }
    }

    /// The line.
    pub(super) fn at(&self) -> &'o LineAt<'a> {
        self.at
    }

    /// Begins the next event; the caller adds pairs and finishes it.
    pub(super) fn event(&mut self, kind: EventType, span: Option<Id>) -> Draft<'_> {
        let at = self.at;
        let position = Position {
            stream: at.stream,
            line: at.line,
            ordinal: self.count,
        };
        self.count += 1;
        let header = Header {
            span,
            position: Some(position),
            ..Header::new(kind, at.time_ns)
        };
        let mut draft = self.out.begin(&header);
        draft
            .text_if(Key::NODE, at.host)
            .text_if(Key::PROGRAM, at.tag);
        if let Some(pid) = at.pid {
            draft.uint(Key::PID, u64::from(pid));
        }
        if at.repeated > 1 {
            draft.uint(Key::REPEATED, u64::from(at.repeated));
        }
        draft
    }

    /// Whether the line has no event yet.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ends the line: a line without an event of its own gets `otherwise`. Gives the number of
    /// events.
    pub(super) fn finish(mut self, otherwise: EventType) -> u16 {
        if self.count == 0 {
            self.event(otherwise, None).finish();
        }
        self.count
    }
}
