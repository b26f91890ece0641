//! Events of a batch as text, the start of each span written once.

use rustc_hash::FxHashMap;
use tidings_event::text::{TextStyle, write_details, write_text, write_text_after};

use crate::batch::BatchEvent;

/// Writes the events of one batch after the other. Keeps the text of the starts of a batch's spans, so
/// no more than a batch has of them.
#[derive(Debug)]
pub(super) struct Renderer {
    style: TextStyle,
    /// Texts of starts, one after the other.
    starts: Vec<u8>,
    /// Where the text of a start lies, by the address of its record: within a batch each start has one.
    places: FxHashMap<usize, (usize, usize)>,
}

impl Renderer {
    pub(super) fn new(style: TextStyle) -> Self {
        Self {
            style,
            starts: Vec::new(),
            places: FxHashMap::default(),
        }
    }

    /// A new batch: the addresses of the old one mean nothing any more.
    pub(super) fn begin(&mut self) {
        self.starts.clear();
        self.places.clear();
    }

    /// Appends an event.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, item: &BatchEvent<'_>) {
        let Some(start) = &item.span_start else {
            return write_text(out, &item.event, None, &self.style);
        };
        let address = start.as_bytes().as_ptr().addr();
        let (starts, style) = (&mut self.starts, &self.style);
        let (from, to) = *self.places.entry(address).or_insert_with(|| {
            let from = starts.len();
            write_details(starts, start, None, style);
            (from, starts.len())
        });
        write_text_after(out, &item.event, &self.starts[from..to], &self.style);
    }
}
