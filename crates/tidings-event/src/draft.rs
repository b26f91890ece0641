//! Drafts: events on their way from one stage of this process to the next, not encoded yet.
//!
//! Writing a draft and walking it cost a fraction of writing and reading a
//! [record](crate::RecordWriter): texts are checked once, numbers stay numbers. What leaves the
//! process, or is kept, is a record.

use std::net::{IpAddr, Ipv4Addr};

use crate::key::Key;
use crate::record::{Header, RecordWriter, write_value};
use crate::value::{Value, read_value};

/// A run of drafted events, in order. Texts that an event has in common with the one before, at
/// the same place, are held once.
#[derive(Clone, Debug, Default)]
pub struct Drafts {
    texts: String,
    /// Encoded values of the rarer kinds.
    encoded: Vec<u8>,
    pairs: Vec<Pair>,
    events: Vec<Event>,
}

/// A drafted event: its header and where its pairs end.
#[derive(Clone, Copy, Debug)]
struct Event {
    header: Header,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    key: Key,
    cell: Cell,
}

/// A value, in place or where it is in the buffers.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Text { length: u32, start: usize },
    UInt(u64),
    Duration(u64),
    Ipv4(Ipv4Addr),
    Encoded { start: usize },
}

impl Drafts {
    /// Begins the next event; the caller adds pairs and finishes it.
    pub fn begin(&mut self, header: &Header) -> Draft<'_> {
        Draft {
            start: self.pairs.len(),
            header: *header,
            before: self.begin_of(self.events.len().saturating_sub(1)),
            finished: false,
            drafts: self,
        }
    }

    /// The events, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = DraftRef<'_>> + Clone {
        self.since(0)
    }

    /// The events from number `first` on, counted from 0.
    pub fn since(&self, first: usize) -> impl ExactSizeIterator<Item = DraftRef<'_>> + Clone {
        let first = first.min(self.events.len());
        self.events[first..]
            .iter()
            .enumerate()
            .map(move |(at, event)| DraftRef {
                drafts: self,
                header: &event.header,
                pairs: &self.pairs[self.begin_of(first + at)..event.end],
            })
    }

    /// The headers of the events from number `first` on, to be corrected.
    pub fn headers_since(&mut self, first: usize) -> impl Iterator<Item = &mut Header> {
        let first = first.min(self.events.len());
        self.events[first..]
            .iter_mut()
            .map(|event| &mut event.header)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Leaves the first `count` events.
    pub fn truncate(&mut self, count: usize) {
        if count < self.events.len() {
            self.pairs.truncate(self.begin_of(count));
            self.events.truncate(count);
        }
    }

    /// Forgets all events, keeps the memory.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.encoded.clear();
        self.pairs.clear();
        self.events.clear();
    }

    /// The events as records, one after the other.
    pub fn to_records(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for event in self.iter() {
            event.record(&mut out).finish();
        }
        out
    }

    fn begin_of(&self, event: usize) -> usize {
        match event.checked_sub(1) {
            Some(before) => self.events[before].end,
            None => 0,
        }
    }

    fn value(&self, cell: Cell) -> Value<'_> {
        match cell {
            Cell::Text { length, start } => {
                let text = self.texts.get(start..start + length as usize);
                Value::Str(text.unwrap_or_default())
            }
            Cell::UInt(number) => Value::UInt(number),
            Cell::Duration(millis) => Value::Duration(millis),
            Cell::Ipv4(ip) => Value::Ipv4(ip),
            Cell::Encoded { start } => {
                let mut bytes = &self.encoded[start..];
                read_value(&mut bytes, 0).unwrap_or(Value::None)
            }
        }
    }
}

/// Writes one event: add pairs, finish. One that is dropped without
/// [`finish`](Self::finish) takes its pairs back.
pub struct Draft<'d> {
    drafts: &'d mut Drafts,
    header: Header,
    start: usize,
    /// Where the pairs of the event before begin.
    before: usize,
    finished: bool,
}

impl Draft<'_> {
    /// Adds a value of any kind.
    pub fn value(&mut self, key: Key, value: &Value<'_>) -> &mut Self {
        match *value {
            Value::Str(text) => self.str(key, text),
            Value::UInt(number) => self.put(key, Cell::UInt(number)),
            Value::Duration(millis) => self.put(key, Cell::Duration(millis)),
            Value::Ipv4(ip) => self.put(key, Cell::Ipv4(ip)),
            ref other => self.encode(key, other),
        }
    }

    /// Adds text.
    pub fn str(&mut self, key: Key, text: &str) -> &mut Self {
        if let Some(known) = self.known(key, text.as_bytes()) {
            return self.put(key, known);
        }
        let Ok(length) = u32::try_from(text.len()) else {
            return self.encode(key, &Value::Str(text));
        };
        let start = self.drafts.texts.len();
        self.drafts.texts.push_str(text);
        self.put(key, Cell::Text { length, start })
    }

    /// Adds text that came from outside as bytes; what is not UTF-8 becomes U+FFFD.
    pub fn text(&mut self, key: Key, text: &[u8]) -> &mut Self {
        if let Some(known) = self.known(key, text) {
            return self.put(key, known);
        }
        match std::str::from_utf8(text) {
            Ok(text) => self.str(key, text),
            Err(_) => self.str(key, &String::from_utf8_lossy(text)),
        }
    }

    /// Adds text if there is any.
    pub fn text_if(&mut self, key: Key, text: &[u8]) -> &mut Self {
        if text.is_empty() {
            self
        } else {
            self.text(key, text)
        }
    }

    /// Adds an unsigned number.
    pub fn uint(&mut self, key: Key, number: u64) -> &mut Self {
        self.put(key, Cell::UInt(number))
    }

    /// Adds a duration in milliseconds.
    pub fn duration_ms(&mut self, key: Key, millis: u64) -> &mut Self {
        self.put(key, Cell::Duration(millis))
    }

    /// Adds a truth value.
    pub fn bool(&mut self, key: Key, truth: bool) -> &mut Self {
        self.encode(key, &Value::Bool(truth))
    }

    /// Adds an IP address.
    pub fn ip(&mut self, key: Key, ip: IpAddr) -> &mut Self {
        self.value(key, &Value::from(ip))
    }

    /// Adds pairs of another event.
    pub fn pairs<'p>(&mut self, pairs: impl IntoIterator<Item = (Key, Value<'p>)>) -> &mut Self {
        for (key, value) in pairs {
            self.value(key, &value);
        }
        self
    }

    /// Closes the event.
    pub fn finish(&mut self) {
        self.finished = true;
        self.drafts.events.push(Event {
            header: self.header,
            end: self.drafts.pairs.len(),
        });
    }

    #[inline]
    fn put(&mut self, key: Key, cell: Cell) -> &mut Self {
        self.drafts.pairs.push(Pair { key, cell });
        self
    }

    fn encode(&mut self, key: Key, value: &Value<'_>) -> &mut Self {
        let start = self.drafts.encoded.len();
        write_value(&mut self.drafts.encoded, value);
        self.put(key, Cell::Encoded { start })
    }

    /// The text of the event before at the same place, if this is the same.
    #[inline]
    fn known(&self, key: Key, text: &[u8]) -> Option<Cell> {
        let at = self.before + (self.drafts.pairs.len() - self.start);
        let pair = self.drafts.pairs[..self.start].get(at)?;
        let Cell::Text { length, start } = pair.cell else {
            return None;
        };
        let is_same = pair.key == key
            && length as usize == text.len()
            && self.drafts.texts.as_bytes()[start..start + length as usize] == *text;
        is_same.then_some(pair.cell)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.drafts.pairs.truncate(self.start);
        }
    }
}

/// A drafted event, read in place.
#[derive(Clone, Copy, Debug)]
pub struct DraftRef<'d> {
    drafts: &'d Drafts,
    header: &'d Header,
    pairs: &'d [Pair],
}

impl<'d> DraftRef<'d> {
    /// All that every event has.
    pub fn header(&self) -> &'d Header {
        self.header
    }

    /// The key/value pairs, in order.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (Key, Value<'d>)> + use<'d> {
        let drafts = self.drafts;
        self.pairs
            .iter()
            .map(move |pair| (pair.key, drafts.value(pair.cell)))
    }

    /// Begins a record of the event at the end of `out`, for the caller to add to and finish.
    pub fn record<'b>(&self, out: &'b mut Vec<u8>) -> RecordWriter<'b> {
        let mut record = RecordWriter::begin(out, self.header);
        for (key, value) in self.pairs() {
            record.value(key, &value);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Records;
    use crate::samples;
    use crate::{EventRef, EventType, Id};

    fn drafted(records: &[u8]) -> Drafts {
        let mut drafts = Drafts::default();
        for event in Records::new(records).map(Result::unwrap) {
            drafts.begin(event.header()).pairs(event.pairs()).finish();
        }
        drafts
    }

    #[test]
    fn drafts_say_what_records_say() {
        let records = [
            samples::attempt_start(),
            samples::of_all_kinds(),
            samples::http_start(),
            samples::http_end(),
            samples::hostile(),
            samples::bare(),
        ]
        .concat();
        let drafts = drafted(&records);
        assert_eq!(drafts.to_records(), records);
        for (draft, event) in drafts.iter().zip(Records::new(&records)) {
            let event: EventRef<'_> = event.unwrap();
            assert_eq!(draft.header(), event.header());
            assert!(draft.pairs().eq(event.pairs()));
        }
    }

    #[test]
    fn texts_of_the_event_before_are_held_once() {
        let mut drafts = Drafts::default();
        let header = Header::new(EventType::SMTP_CONNECTION_START, 7);
        for from in ["a@example.org", "b@example.org"] {
            drafts
                .begin(&header)
                .text(Key::NODE, b"mx1.example.org")
                .str(Key::FROM, from)
                .text(Key::TO, b"\xff")
                .finish();
        }
        assert_eq!(drafts.texts.matches("mx1").count(), 1);
        let froms: Vec<_> = drafts.iter().filter_map(|e| e.pairs().nth(1)).collect();
        assert_eq!(froms[0].1, Value::Str("a@example.org"));
        assert_eq!(froms[1].1, Value::Str("b@example.org"));
        assert_eq!(
            drafts.iter().next().unwrap().pairs().nth(2).unwrap().1,
            Value::Str("\u{fffd}")
        );
    }

    #[test]
    fn an_unfinished_draft_leaves_nothing_and_the_last_can_be_taken_back() {
        let mut drafts = Drafts::default();
        let header = Header::new(EventType::SMTP_CONNECTION_START, 7);
        drafts.begin(&header).uint(Key::SIZE, 1).finish();
        drafts.begin(&header).uint(Key::SIZE, 2);
        drafts.begin(&header).uint(Key::SIZE, 3).finish();
        for header in drafts.headers_since(1) {
            header.span = Some(Id(9));
        }
        fn sizes(drafts: &Drafts) -> Vec<(Option<Id>, Value<'_>)> {
            let pairs = drafts
                .iter()
                .map(|event| (event.header().span, event.pairs().next()));
            pairs.map(|(span, pair)| (span, pair.unwrap().1)).collect()
        }
        let both = vec![(None, Value::UInt(1)), (Some(Id(9)), Value::UInt(3))];
        assert_eq!(sizes(&drafts), both);
        drafts.truncate(1);
        assert_eq!(sizes(&drafts), both[..1]);
        drafts.truncate(1);
        drafts.clear();
        assert!(drafts.is_empty());
    }
}
