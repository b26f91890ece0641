//! Rows read back from a part, with typed access.

use crate::encode::bytes::Arena;
use crate::encode::presence::Presence;
use crate::{ColumnId, Error, Kind, Result};

/// The code of a row without a text.
pub const NULL_CODE: u32 = u32::MAX;

/// Rows of one part (or of one row group of it, in a scan): row numbers, and the columns asked
/// for. Row `i` of the access functions counts from 0 to `len()`; deleted rows are not among them.
///
/// Asking for a column that was not read, or by another kind, is an error of the calling code; it
/// answers `None`, and stops in debug builds.
#[derive(Debug, Default)]
pub struct Rows {
    pub(crate) numbers: Vec<u32>,
    pub(crate) slots: Vec<u16>,
    pub(crate) columns: Vec<ColumnRows>,
}

#[derive(Debug)]
pub(crate) struct ColumnRows {
    pub(crate) kind: Kind,
    pub(crate) data: Data,
}

/// The rows of one column.
#[derive(Debug, Default)]
pub(crate) enum Data {
    /// The part does not have the column: null in every row.
    #[default]
    Absent,
    /// One word a row, 0 where there is none.
    Words { words: Vec<u64>, presence: Presence },
    /// One code a row into the values, [`NULL_CODE`] where there is none.
    Texts { codes: Vec<u32>, values: Values },
}

impl Data {
    /// Appends rows without a value.
    pub(crate) fn push_nulls(&mut self, rows: usize) {
        match self {
            Self::Absent => {}
            Self::Words { words, presence } => {
                words.resize(words.len() + rows, 0);
                presence.push_run(false, rows);
            }
            Self::Texts { codes, .. } => codes.resize(codes.len() + rows, NULL_CODE),
        }
    }

    /// Checks that texts are UTF-8; what is damaged must not be shown, or written anew, as if it
    /// were whole.
    pub(crate) fn settle(&mut self, kind: Kind) -> Result<()> {
        if let (Kind::Text, Self::Texts { values, .. }) = (kind, self) {
            let taken = std::mem::replace(values, Values::Bytes(Arena::default()));
            *values = taken.into_text()?;
        }
        Ok(())
    }
}

/// Texts by code, not necessarily distinct.
#[derive(Debug)]
pub(crate) enum Values {
    /// While decoding, and for byte columns for good.
    Bytes(Arena),
    /// Checked UTF-8, cut at character boundaries.
    Text { text: String, ends: Vec<usize> },
}

impl Values {
    pub(crate) fn get(&self, code: u32) -> Option<&[u8]> {
        match self {
            Self::Bytes(arena) => Some(arena.get(code as usize)),
            Self::Text { .. } => self.text(code).map(str::as_bytes),
        }
    }

    fn text(&self, code: u32) -> Option<&str> {
        let Self::Text { text, ends } = self else {
            return None;
        };
        let code = code as usize;
        let start = if code == 0 { 0 } else { *ends.get(code - 1)? };
        text.get(start..*ends.get(code)?)
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(arena) => arena.len(),
            Self::Text { ends, .. } => ends.len(),
        }
    }

    /// Checks that all values are UTF-8 each.
    pub(crate) fn into_text(self) -> Result<Self> {
        let Self::Bytes(Arena { bytes, ends }) = self else {
            return Ok(self);
        };
        let text = String::from_utf8(bytes).map_err(|_| Error::corrupt("a text is not UTF-8"))?;
        if ends.iter().any(|&end| !text.is_char_boundary(end)) {
            return Err(Error::corrupt("a text is cut within a character"));
        }
        Ok(Self::Text { text, ends })
    }

    /// The arena again, for the next row group.
    pub(crate) fn into_bytes(self) -> Arena {
        match self {
            Self::Bytes(arena) => arena,
            Self::Text { text, ends } => Arena {
                bytes: text.into_bytes(),
                ends,
            },
        }
    }
}

impl Rows {
    /// Whether a column was read.
    #[inline]
    pub fn has(&self, column: ColumnId) -> bool {
        let slot = self.slots.get(column).copied().unwrap_or(u16::MAX);
        usize::from(slot) < self.columns.len()
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The number of row `i` in its part.
    pub fn number(&self, i: usize) -> u32 {
        self.numbers.get(i).copied().unwrap_or(u32::MAX)
    }

    /// All row numbers, ascending.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    #[inline]
    fn data(&self, column: ColumnId, kinds: &[Kind]) -> Option<&Data> {
        let slot = self.slots.get(column).copied().unwrap_or(u16::MAX);
        let found = self.columns.get(usize::from(slot));
        debug_assert!(found.is_some(), "column {column} was not read");
        let found = found?;
        debug_assert!(
            kinds.contains(&found.kind),
            "column {column} holds {:?}",
            found.kind
        );
        kinds.contains(&found.kind).then_some(&found.data)
    }

    #[inline]
    fn word(&self, column: ColumnId, i: usize, kinds: &[Kind]) -> Option<u64> {
        match self.data(column, kinds)? {
            Data::Words { words, presence } => words.get(i).copied().filter(|_| presence.get(i)),
            _ => None,
        }
    }

    /// A time, in nanoseconds since 1970-01-01 UTC.
    #[inline]
    pub fn time(&self, column: ColumnId, i: usize) -> Option<i64> {
        self.word(column, i, &[Kind::Time]).map(|word| word as i64)
    }

    /// A signed integer (or a time).
    #[inline]
    pub fn int(&self, column: ColumnId, i: usize) -> Option<i64> {
        self.word(column, i, &[Kind::Int, Kind::Time])
            .map(|word| word as i64)
    }

    /// An unsigned integer.
    #[inline]
    pub fn uint(&self, column: ColumnId, i: usize) -> Option<u64> {
        self.word(column, i, &[Kind::UInt])
    }

    /// A float.
    #[inline]
    pub fn float(&self, column: ColumnId, i: usize) -> Option<f64> {
        self.word(column, i, &[Kind::Float]).map(f64::from_bits)
    }

    /// A truth value.
    #[inline]
    pub fn bool(&self, column: ColumnId, i: usize) -> Option<bool> {
        self.word(column, i, &[Kind::Bool]).map(|word| word != 0)
    }

    /// A text.
    #[inline]
    pub fn text(&self, column: ColumnId, i: usize) -> Option<&str> {
        match self.data(column, &[Kind::Text])? {
            Data::Texts { codes, values } => codes
                .get(i)
                .filter(|&&code| code != NULL_CODE)
                .and_then(|&code| values.text(code)),
            _ => None,
        }
    }

    /// The bytes of a text or byte string.
    #[inline]
    pub fn bytes(&self, column: ColumnId, i: usize) -> Option<&[u8]> {
        match self.data(column, &[Kind::Text, Kind::Bytes])? {
            Data::Texts { codes, values } => codes
                .get(i)
                .filter(|&&code| code != NULL_CODE)
                .and_then(|&code| values.get(code)),
            _ => None,
        }
    }

    /// Whether a row has a value in a column.
    pub fn is_null(&self, column: ColumnId, i: usize) -> bool {
        let slot = self.slots.get(column).copied().unwrap_or(u16::MAX);
        match self.columns.get(usize::from(slot)).map(|found| &found.data) {
            Some(Data::Words { presence, .. }) => !presence.get(i),
            Some(Data::Texts { codes, .. }) => codes.get(i).is_none_or(|&code| code == NULL_CODE),
            _ => true,
        }
    }

    /// A text or byte column as codes, for aggregates: one code a row ([`NULL_CODE`] where there
    /// is none) into [`value`](Self::value). Equal values mostly share a code, but need not. `None`
    /// if the part lacks the column: then every row is null.
    pub fn codes(&self, column: ColumnId) -> Option<&[u32]> {
        match self.data(column, &[Kind::Text, Kind::Bytes])? {
            Data::Texts { codes, .. } => Some(codes),
            _ => None,
        }
    }

    /// How many codes a text column has: they are dense from 0.
    pub fn code_count(&self, column: ColumnId) -> usize {
        match self.data(column, &[Kind::Text, Kind::Bytes]) {
            Some(Data::Texts { values, .. }) => values.len(),
            _ => 0,
        }
    }

    /// The bytes that a code stands for.
    pub fn value(&self, column: ColumnId, code: u32) -> Option<&[u8]> {
        match self.data(column, &[Kind::Text, Kind::Bytes])? {
            Data::Texts { values, .. } if (code as usize) < values.len() => values.get(code),
            _ => None,
        }
    }

    /// The text that a code stands for.
    pub fn value_text(&self, column: ColumnId, code: u32) -> Option<&str> {
        match self.data(column, &[Kind::Text])? {
            Data::Texts { values, .. } => values.text(code),
            _ => None,
        }
    }

    /// A time, integer, float or boolean column as raw words (two's complement, float bits, 0 or
    /// 1; 0 where there is none), for aggregates. `None` if the part lacks the column.
    pub fn words(&self, column: ColumnId) -> Option<&[u64]> {
        let kinds = [Kind::Time, Kind::Int, Kind::UInt, Kind::Float, Kind::Bool];
        match self.data(column, &kinds)? {
            Data::Words { words, .. } => Some(words),
            _ => None,
        }
    }
}
