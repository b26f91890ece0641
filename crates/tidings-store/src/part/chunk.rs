//! Encodes the values of one column in one row group: a dictionary page perhaps, and data pages.

use rustc_hash::FxHashMap;

use super::choose::Choice;
use super::layout::{Chunk, DATA_PAGE_ROWS, Encoding};
use super::page::{PageKind, PageWriter};
use crate::encode::bits::width_of;
use crate::encode::bytes::{self, Arena};
use crate::encode::presence::Presence;
use crate::encode::{delta, hybrid};
use crate::{Kind, Result};

/// Texts of a page beyond this are cut into smaller pages.
const MAX_PAGE_TEXT: usize = 4 << 20;
/// A chunk that takes fewer raw bytes is one page: small pages cost more than they prune.
const ONE_PAGE_BYTES: usize = 4096;

/// The values of one column in one row group, nulls left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupColumn<'a> {
    pub(crate) kind: Kind,
    /// Present in every row of the part; then no definition levels are written.
    pub(crate) required: bool,
    /// Whether pages keep their least and greatest value: the table's time column.
    pub(crate) prunes: bool,
    pub(crate) presence: &'a Presence,
    pub(crate) values: GroupValues<'a>,
}

/// Values, one for each row that has one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GroupValues<'a> {
    Words(&'a [u64]),
    Texts { codes: &'a [u32], values: &'a Arena },
}

impl GroupValues<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Texts { codes, .. } => codes.len(),
        }
    }
}

/// Encodes chunks; keeps buffers and tables from one to the next.
#[derive(Debug)]
pub(crate) struct ChunkEncoder {
    pub(crate) pages: PageWriter,
    pub(crate) dictionary: LocalDictionary,
    pub(crate) raw: Vec<u8>,
    pub(crate) integers: Vec<i64>,
    pub(crate) lengths: Vec<i64>,
}

/// The distinct values of one chunk, in order of appearance, and each value's place in it.
#[derive(Debug, Default)]
pub(crate) struct LocalDictionary {
    /// For each value of the chunk.
    pub(crate) codes: Vec<u32>,
    /// Distinct words, or the texts' codes in their arena.
    pub(crate) words: Vec<u64>,
    /// Texts: local code + 1 by the arena's code.
    of_text: Vec<u32>,
    of_word: FxHashMap<u64, u32>,
    /// Whether `words` are codes of texts, with marks in `of_text`.
    holds_texts: bool,
}

impl LocalDictionary {
    /// Takes in a chunk's texts.
    fn of_texts(&mut self, codes: &[u32], arena: &Arena) {
        self.forget();
        self.holds_texts = true;
        if self.of_text.len() < arena.len() {
            self.of_text.resize(arena.len(), 0);
        }
        for &code in codes {
            let local = &mut self.of_text[code as usize];
            if *local == 0 {
                self.words.push(u64::from(code));
                *local = self.words.len() as u32;
            }
            self.codes.push(*local - 1);
        }
    }

    /// Takes in a chunk's words; gives up (and says so) beyond `limit` distinct ones.
    fn of_words(&mut self, words: &[u64], limit: usize) -> bool {
        self.forget();
        self.of_word.clear();
        let (mut last_word, mut last_code) = (0, u32::MAX);
        for &word in words {
            if word != last_word || last_code == u32::MAX {
                let next = self.words.len() as u32;
                last_code = *self.of_word.entry(word).or_insert(next);
                last_word = word;
                if last_code == next {
                    self.words.push(word);
                    if self.words.len() > limit {
                        return false;
                    }
                }
            }
            self.codes.push(last_code);
        }
        true
    }

    fn forget(&mut self) {
        if self.holds_texts {
            for &code in &self.words {
                self.of_text[code as usize] = 0;
            }
        }
        self.holds_texts = false;
        self.words.clear();
        self.codes.clear();
    }

    /// Bits of a code; at least one, since not every reader knows a width of none.
    pub(crate) fn width(&self) -> u32 {
        width_of((self.words.len() as u64).saturating_sub(1)).max(1)
    }
}

impl ChunkEncoder {
    pub(crate) fn new(level: i32) -> Result<Self> {
        Ok(Self {
            pages: PageWriter::new(level)?,
            dictionary: LocalDictionary::default(),
            raw: Vec::new(),
            integers: Vec::new(),
            lengths: Vec::new(),
        })
    }

    /// Appends a chunk's pages to `out`; the chunk's offset is where it starts in `out`.
    pub(crate) fn encode(
        &mut self,
        number: u16,
        column: &GroupColumn<'_>,
        choice: &mut Choice,
        out: &mut Vec<u8>,
    ) -> Result<Chunk> {
        self.learn(&column.values, column.kind, choice);
        self.choose(column, choice)?;
        let mut chunk = Chunk {
            column: number,
            encoding: choice.encoding,
            offset: out.len() as u64,
            dictionary: None,
            pages: Vec::new(),
            nulls: (column.presence.rows() - column.values.len()) as u32,
            range: range_of(column.kind, &column.values),
            page_ranges: Vec::new(),
        };
        if choice.encoding == Encoding::Dictionary {
            self.put_dictionary_values(&column.values);
            let raw = std::mem::take(&mut self.raw);
            let entries = self.dictionary.words.len();
            chunk.dictionary = Some(self.pages.put(PageKind::Dictionary, entries, &raw, out)?);
            self.raw = raw;
        }
        self.data_pages(column, choice, &mut chunk, out)?;
        Ok(chunk)
    }

    /// Fills the local dictionary where the choice needs or may need it.
    fn learn(&mut self, values: &GroupValues<'_>, kind: Kind, choice: &mut Choice) {
        match values {
            GroupValues::Texts { codes, values } => self.dictionary.of_texts(codes, values),
            GroupValues::Words(words) => {
                let wanted = choice.is_due() || choice.encoding == Encoding::Dictionary;
                let limit = words.len() / 2;
                let small =
                    kind != Kind::Bool && wanted && self.dictionary.of_words(words, limit.max(1));
                if wanted && !small {
                    choice.without_dictionary();
                }
                choice.dictionary_known = small;
            }
        }
    }

    /// Replaces `raw` by the body of the dictionary page.
    pub(crate) fn put_dictionary_values(&mut self, values: &GroupValues<'_>) {
        self.raw.clear();
        match values {
            GroupValues::Words(_) => {
                for word in &self.dictionary.words {
                    self.raw.extend_from_slice(&word.to_le_bytes());
                }
            }
            GroupValues::Texts { values, .. } => {
                let texts = self
                    .dictionary
                    .words
                    .iter()
                    .map(|&code| values.get(code as usize));
                bytes::encode_plain(texts, &mut self.raw);
            }
        }
    }

    fn data_pages(
        &mut self,
        column: &GroupColumn<'_>,
        choice: &Choice,
        chunk: &mut Chunk,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let step = self.rows_per_page(column, choice.encoding, chunk.range);
        let (rows, mut row, mut value) = (column.presence.rows(), 0, 0);
        let mut complete = column.prunes;
        while row < rows {
            let mut end = (row + step).min(rows);
            let mut value_end = value + column.presence.count(row, end);
            while self.too_large(&column.values, choice.encoding, value, value_end) && end - row > 1
            {
                end = row + (end - row) / 2;
                value_end = value + column.presence.count(row, end);
            }
            self.raw.clear();
            if !column.required {
                column.presence.encode(row, end, &mut self.raw);
            }
            self.put_values(column.kind, &column.values, choice, value, value_end);
            let raw = std::mem::take(&mut self.raw);
            let page = self
                .pages
                .put(PageKind::Data(choice.encoding), end - row, &raw, out)?;
            self.raw = raw;
            chunk.pages.push(page);
            if complete {
                complete = put_page_range(&column.values, value, value_end, chunk);
            }
            (row, value) = (end, value_end);
        }
        if !complete {
            chunk.page_ranges.clear();
        }
        Ok(())
    }

    /// All rows when the chunk is small, else [`DATA_PAGE_ROWS`].
    fn rows_per_page(
        &self,
        column: &GroupColumn<'_>,
        encoding: Encoding,
        range: Option<(u64, u64)>,
    ) -> usize {
        let (rows, values) = (column.presence.rows(), column.values.len());
        let levels = if values == 0 || values == rows {
            0
        } else {
            (rows / 8).min(values * 2)
        };
        let body = match (&column.values, encoding) {
            (_, Encoding::Dictionary) if self.dictionary.words.len() == 1 => 0,
            (_, Encoding::Dictionary) => values * self.dictionary.width() as usize / 8,
            (GroupValues::Words(_), _) if column.kind == Kind::Bool => values / 8,
            (GroupValues::Words(_), Encoding::Delta) => {
                let (least, greatest) = range.unwrap_or((0, 0));
                values * width_of(greatest.wrapping_sub(least)) as usize / 8
            }
            (GroupValues::Words(_), _) => values * 8,
            (GroupValues::Texts { codes, values }, _) => codes
                .iter()
                .map(|&code| values.get(code as usize).len() + 1)
                .sum(),
        };
        if levels + body <= ONE_PAGE_BYTES {
            rows.max(1)
        } else {
            DATA_PAGE_ROWS
        }
    }

    fn too_large(
        &self,
        values: &GroupValues<'_>,
        encoding: Encoding,
        from: usize,
        to: usize,
    ) -> bool {
        match values {
            GroupValues::Texts { codes, values } if encoding != Encoding::Dictionary => {
                codes[from..to]
                    .iter()
                    .map(|&code| values.get(code as usize).len())
                    .sum::<usize>()
                    > MAX_PAGE_TEXT
            }
            _ => false,
        }
    }

    /// Appends the encoded values `from..to` to `raw`.
    pub(crate) fn put_values(
        &mut self,
        kind: Kind,
        values: &GroupValues<'_>,
        choice: &Choice,
        from: usize,
        to: usize,
    ) {
        match (choice.encoding, values) {
            (Encoding::Dictionary, _) => {
                let width = self.dictionary.width();
                self.raw.push(width as u8);
                hybrid::encode(&self.dictionary.codes[from..to], width, &mut self.raw);
            }
            (_, GroupValues::Words(words)) if kind == Kind::Bool => {
                crate::encode::bits::pack(words[from..to].iter().copied(), 1, &mut self.raw);
            }
            (Encoding::Delta, GroupValues::Words(words)) => {
                self.integers.clear();
                self.integers
                    .extend(words[from..to].iter().map(|&word| word as i64));
                delta::encode(&self.integers, choice.whole_bytes, &mut self.raw);
            }
            (_, GroupValues::Words(words)) => {
                for word in &words[from..to] {
                    self.raw.extend_from_slice(&word.to_le_bytes());
                }
            }
            (encoding, GroupValues::Texts { codes, values }) => {
                let texts = codes[from..to]
                    .iter()
                    .map(|&code| values.get(code as usize));
                match encoding {
                    Encoding::Fronts => {
                        bytes::encode_fronts(texts, &mut self.lengths, &mut self.raw);
                    }
                    Encoding::Lengths => {
                        bytes::encode_lengths(texts, &mut self.lengths, &mut self.raw);
                    }
                    _ => bytes::encode_plain(texts, &mut self.raw),
                }
            }
        }
    }
}

/// Least and greatest value of a time or integer column, as bits.
fn range_of(kind: Kind, values: &GroupValues<'_>) -> Option<(u64, u64)> {
    let GroupValues::Words(words) = values else {
        return None;
    };
    match kind {
        Kind::Time | Kind::Int => {
            signed_range(words).map(|(least, greatest)| (least as u64, greatest as u64))
        }
        Kind::UInt if !words.is_empty() => {
            let widen =
                |(least, greatest): (u64, u64), &word: &u64| (word.min(least), word.max(greatest));
            Some(words.iter().fold((u64::MAX, 0), widen))
        }
        _ => None,
    }
}

/// One pass that the compiler turns into vector instructions, as `min` and `max` are not.
fn signed_range(words: &[u64]) -> Option<(i64, i64)> {
    let widen = |(least, greatest): (i64, i64), &word: &u64| {
        ((word as i64).min(least), (word as i64).max(greatest))
    };
    (!words.is_empty()).then(|| words.iter().fold((i64::MAX, i64::MIN), widen))
}

/// Notes a page's least and greatest time; false where it has no value.
fn put_page_range(values: &GroupValues<'_>, from: usize, to: usize, chunk: &mut Chunk) -> bool {
    let GroupValues::Words(words) = values else {
        return false;
    };
    match signed_range(&words[from..to]) {
        Some(range) => {
            chunk.page_ranges.push(range);
            true
        }
        None => false,
    }
}
