//! Forms: events with the same type and the same keys are written alike, so how to write them is
//! worked out once.

use rustc_hash::FxHashMap;
use tidings_event::{EventType, Key, Value};
use tidings_store::{ColumnId, RowBatch};

use super::{FIRST_KEY, KEYS, Kind, column_of};
use crate::template::{Pairs, Scratch, Template};

/// Templates kept for a form; the statement of a form rarely has more spellings.
const TEMPLATES_MAX: usize = 24;

/// Forms kept; beyond that all are worked out anew.
const FORMS_MAX: usize = 20_000;

/// How a pair is stored: the letter that stands for it in `shape`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Text, in the key's column.
    Text,
    /// An IP address, as text in the key's column.
    Address,
    /// A number, in the key's column.
    Number,
    /// A duration, in the key's column.
    Duration,
    /// A queue id that follows from host and the server's own id.
    LongId,
    /// A queue id that follows from these and the age of the leg.
    ShortId,
    /// Encoded, in the column `more`.
    More,
}

impl How {
    pub(super) fn letter(self) -> char {
        match self {
            How::Text => 's',
            How::Address => 'a',
            How::Number => 'u',
            How::Duration => 'd',
            How::LongId => 'l',
            How::ShortId => 'q',
            How::More => 'm',
        }
    }

    pub(super) fn of_letter(letter: char) -> Option<How> {
        [
            How::Text,
            How::Address,
            How::Number,
            How::Duration,
            How::LongId,
            How::ShortId,
            How::More,
        ]
        .into_iter()
        .find(|how| how.letter() == letter)
    }

    /// How a value is stored under a key that has not occurred in the event yet.
    pub(super) fn of(column: Option<ColumnId>, value: &Value<'_>) -> How {
        let Some(column) = column else {
            return How::More;
        };
        let fits = |number: u64| i64::try_from(number).is_ok();
        match (KEYS[column - FIRST_KEY].1, value) {
            (Kind::Text, Value::Str(_)) => How::Text,
            (Kind::Text, Value::Ipv4(_) | Value::Ipv6(_)) => How::Address,
            (Kind::UInt, Value::UInt(_)) => How::Number,
            (Kind::Int, Value::UInt(number)) if fits(*number) => How::Number,
            (Kind::Int, Value::Duration(millis)) if fits(*millis) => How::Duration,
            _ => How::More,
        }
    }
}

/// How events of one form are written.
#[derive(Debug)]
pub(super) struct Form {
    kind: EventType,
    keys: Vec<(Key, How)>,
    /// Column of each pair; 0 for those in `more`.
    pub(super) columns: Vec<ColumnId>,
    /// The text of the column `shape`.
    pub(super) shape: String,
    pub(super) type_code: Code,
    pub(super) shape_code: Code,
    templates: Vec<(Template, Code)>,
    verbatim_code: Code,
}

/// The code that a batch has given a text, for as long as it keeps its texts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Code {
    epoch: u64,
    code: u32,
}

impl Code {
    /// Sets a column of the current row to the text.
    #[inline]
    pub(super) fn put(&mut self, batch: &mut RowBatch, column: ColumnId, text: &[u8]) {
        if self.epoch != batch.epoch() {
            self.epoch = batch.epoch();
            self.code = batch.code(column, text);
        }
        batch.put_code(column, self.code);
    }
}

impl Form {
    /// Takes a line apart; gives its template, with the rest in `residue`.
    pub(super) fn take_apart(
        &mut self,
        line: &[u8],
        time_ns: i64,
        pairs: &Pairs<'_>,
        scratch: &mut Scratch,
        residue: &mut Vec<u8>,
    ) -> (&[u8], &mut Code) {
        for at in 0..self.templates.len() {
            residue.clear();
            if self.templates[at]
                .0
                .take_apart(line, time_ns, pairs, scratch, residue)
            {
                // The ones used last come first: the next line is like one of the last.
                self.templates.swap(at, at / 2);
                let (template, code) = &mut self.templates[at / 2];
                return (template.code(), code);
            }
        }
        residue.clear();
        let mut template = Template::find(line, time_ns, pairs, scratch);
        if !template.take_apart(line, time_ns, pairs, scratch, residue) {
            template = Template::verbatim();
            residue.clear();
            residue.extend_from_slice(line);
        }
        // A verbatim template fits everything and would hide the others: it is never kept.
        if template == Template::verbatim() {
            return (VERBATIM_CODE, &mut self.verbatim_code);
        }
        if self.templates.len() >= TEMPLATES_MAX {
            self.templates.pop();
        }
        self.templates.insert(0, (template, Code::default()));
        let (template, code) = &mut self.templates[0];
        (template.code(), code)
    }
}

const VERBATIM_CODE: &[u8] = &[4];

/// All forms met so far.
#[derive(Debug, Default)]
pub(super) struct Forms {
    by_hash: FxHashMap<u64, Form>,
}

impl Forms {
    /// The form of an event with these keys.
    pub(super) fn of(&mut self, kind: EventType, keys: &[(Key, How)]) -> &mut Form {
        let hash = hash_of(kind, keys);
        if self.by_hash.len() > FORMS_MAX {
            self.by_hash.clear();
        }
        let form = self
            .by_hash
            .entry(hash)
            .or_insert_with(|| new_form(kind, keys));
        // Two forms with one hash take turns; the hash is of few small numbers, so this is rare.
        if form.kind != kind || form.keys != keys {
            *form = new_form(kind, keys);
        }
        form
    }
}

fn hash_of(kind: EventType, keys: &[(Key, How)]) -> u64 {
    keys.iter().fold(u64::from(kind.id()), |hash, (key, how)| {
        let word = u64::from(key.id()) << 8 | *how as u64;
        (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
    })
}

fn new_form(kind: EventType, keys: &[(Key, How)]) -> Form {
    let mut shape = String::with_capacity(keys.len() * 3);
    for (key, how) in keys {
        let id = u32::from(key.id());
        for digit in [id >> 6, id & 63] {
            shape.push(char::from_u32(u32::from(b'0') + digit).unwrap_or('?'));
        }
        shape.push(how.letter());
    }
    Form {
        kind,
        keys: keys.to_vec(),
        columns: keys
            .iter()
            .map(|(key, how)| {
                if *how == How::More {
                    0
                } else {
                    column_of(*key).unwrap_or(0)
                }
            })
            .collect(),
        shape,
        type_code: Code::default(),
        shape_code: Code::default(),
        templates: Vec::new(),
        verbatim_code: Code::default(),
    }
}
