//! Reads chosen rows of chosen columns: only the pages that hold them.

use std::ops::Range;
use std::path::Path;

use tidings_spool::File;

use super::layout::{Chunk, Encoding, Page, PartColumn};
use super::page::PageReader;
use crate::encode::bits::unpack;
use crate::encode::bytes::{self, Arena};
use crate::encode::presence::Presence;
use crate::encode::{delta, hybrid};
use crate::error::IoContext;
use crate::rows::{Data, NULL_CODE, Values};
use crate::{Error, Kind, Result};

/// Pages this close together are read in one go.
const READ_GAP: u64 = 16 << 10;
/// A code of the dictionary that no row has used yet.
const UNMAPPED: u32 = u32::MAX;

/// Decodes chunks; keeps buffers from one to the next.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    pages: PageReader,
    file_bytes: Vec<u8>,
    raw: Vec<u8>,
    presence: Presence,
    integers: Vec<i64>,
    codes: Vec<u32>,
    texts: Arena,
    dictionary: Dictionary,
}

#[derive(Debug, Default)]
struct Dictionary {
    words: Vec<i64>,
    texts: Arena,
    /// By the dictionary's code: the code in the rows' values.
    mapped: Vec<u32>,
}

/// Where a part's bytes come from, and what its columns are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a dyn File,
    /// Bytes of the file, so that a damaged place is not read.
    pub(crate) length: u64,
}

impl Source<'_> {
    /// Reads bytes of the file, replacing what `into` held.
    pub(crate) fn read(&self, offset: u64, bytes: u64, into: &mut Vec<u8>) -> Result<()> {
        let end = offset.checked_add(bytes).filter(|&end| end <= self.length);
        if end.is_none() {
            return Err(Error::corrupt("a page lies beyond the file's end"));
        }
        into.clear();
        // No larger than the file, which lies on a disk; and a chunk is far smaller.
        into.resize(bytes as usize, 0);
        self.file
            .read_exact_at(into, offset)
            .at("read", Path::new(""))
    }
}

impl ChunkReader {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            pages: PageReader::new()?,
            file_bytes: Vec::new(),
            raw: Vec::new(),
            presence: Presence::default(),
            integers: Vec::new(),
            codes: Vec::new(),
            texts: Arena::default(),
            dictionary: Dictionary::default(),
        })
    }

    /// Gives up buffers that one large page has blown up.
    pub(crate) fn trim(&mut self) {
        /// Kept between two uses.
        const IDLE_BYTES: usize = 1 << 20;
        for buffer in [&mut self.file_bytes, &mut self.raw, &mut self.texts.bytes] {
            if buffer.capacity() > IDLE_BYTES {
                *buffer = Vec::new();
            }
        }
        if self.dictionary.texts.bytes.capacity() > IDLE_BYTES {
            self.dictionary = Dictionary::default();
        }
    }

    /// Appends the rows `ranges` (counted from the row group's first) of a chunk to `out`.
    pub(crate) fn read(
        &mut self,
        source: &Source<'_>,
        column: &PartColumn,
        chunk: &Chunk,
        ranges: &[Range<u32>],
        out: &mut Data,
    ) -> Result<()> {
        prepare(out, column.kind);
        let wanted = wanted_pages(chunk, ranges);
        let mut first = true;
        let mut at = 0;
        while at < wanted.len() {
            let mut end = at + 1;
            while end < wanted.len() && wanted[end].offset <= wanted[end - 1].end() + READ_GAP {
                end += 1;
            }
            let mut start = wanted[at].offset;
            let dictionary = chunk.dictionary.filter(|_| std::mem::take(&mut first));
            if let Some(page) = dictionary {
                if start <= chunk.offset + page.bytes() + READ_GAP {
                    start = chunk.offset;
                } else {
                    self.fill(source, chunk.offset, page.bytes())?;
                    self.load_dictionary(column.kind, &page, 0)?;
                }
            }
            self.fill(source, start, wanted[end - 1].end() - start)?;
            if let Some(page) = dictionary.filter(|_| start == chunk.offset) {
                self.load_dictionary(column.kind, &page, 0)?;
            }
            for page in &wanted[at..end] {
                let offset = (page.offset - start) as usize;
                self.read_page(column, chunk.encoding, page, offset, ranges, out)?;
            }
            at = end;
        }
        Ok(())
    }

    fn fill(&mut self, source: &Source<'_>, offset: u64, bytes: u64) -> Result<()> {
        source.read(offset, bytes, &mut self.file_bytes)
    }

    fn open_page(&mut self, page: &Page, offset: usize) -> Result<()> {
        let bytes = usize::try_from(page.bytes()).unwrap_or(usize::MAX);
        let bytes = self
            .file_bytes
            .get(offset..offset.saturating_add(bytes))
            .ok_or_else(|| Error::corrupt("a page lies beyond what was read"))?;
        self.pages.open(page, bytes, &mut self.raw)
    }

    fn load_dictionary(&mut self, kind: Kind, page: &Page, offset: usize) -> Result<()> {
        self.open_page(page, offset)?;
        let entries = page.rows as usize;
        let dictionary = &mut self.dictionary;
        dictionary.words.clear();
        dictionary.texts.clear();
        if kind.is_text() {
            bytes::decode_plain(&self.raw, entries, &mut dictionary.texts)?;
        } else {
            decode_words(&self.raw, entries, &mut dictionary.words)?;
        }
        dictionary.mapped.clear();
        dictionary.mapped.resize(entries, UNMAPPED);
        Ok(())
    }

    fn read_page(
        &mut self,
        column: &PartColumn,
        encoding: Encoding,
        wanted: &WantedPage,
        offset: usize,
        ranges: &[Range<u32>],
        out: &mut Data,
    ) -> Result<()> {
        self.open_page(&wanted.page, offset)?;
        let rows = wanted.page.rows as usize;
        self.presence.clear();
        let (values, body) = if column.required {
            self.presence.push_run(true, rows);
            (rows, &self.raw[..])
        } else {
            let body = self.presence.decode(&self.raw, rows)?;
            (self.presence.count(0, rows), body)
        };
        let ranges = local_ranges(ranges, wanted.first_row, wanted.page.rows);
        match out {
            Data::Words { words, presence } => {
                let kind = column.kind;
                self.integers.clear();
                self.codes.clear();
                match encoding {
                    _ if kind == Kind::Bool => decode_bools(body, values, &mut self.integers)?,
                    Encoding::Plain => decode_words(body, values, &mut self.integers)?,
                    Encoding::Delta => {
                        delta::decode(body, values, &mut self.integers)?;
                    }
                    Encoding::Dictionary => {
                        decode_codes(body, values, &mut self.codes)?;
                        look_up(&self.dictionary.words, &self.codes, &mut self.integers)?;
                    }
                    _ => return Err(Error::corrupt("a number is encoded as a text")),
                }
                let integers = &self.integers;
                select(&self.presence, ranges, |value| {
                    words.push(value.map_or(0, |at| integers[at] as u64));
                    presence.push(value.is_some());
                });
            }
            Data::Texts {
                codes,
                values: Values::Bytes(arena),
            } => {
                if encoding == Encoding::Dictionary {
                    self.codes.clear();
                    decode_codes(body, values, &mut self.codes)?;
                    self.select_codes(ranges, codes, arena)?;
                } else {
                    self.texts.clear();
                    decode_texts(encoding, body, values, &mut self.integers, &mut self.texts)?;
                    let texts = &self.texts;
                    select(&self.presence, ranges, |value| {
                        codes.push(match value {
                            None => NULL_CODE,
                            Some(at) => push_text(arena, texts.get(at)),
                        });
                    });
                }
            }
            _ => {
                return Err(Error::Invalid(
                    "rows were read into another kind".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Appends codes of chosen rows, bringing each dictionary entry over when it is first used.
    fn select_codes(
        &mut self,
        ranges: impl Iterator<Item = Range<usize>>,
        out: &mut Vec<u32>,
        arena: &mut Arena,
    ) -> Result<()> {
        let Dictionary { texts, mapped, .. } = &mut self.dictionary;
        let codes = &self.codes;
        let mut beyond = false;
        select(&self.presence, ranges, |value| {
            let Some(at) = value else {
                return out.push(NULL_CODE);
            };
            let code = codes[at] as usize;
            let Some(slot) = mapped.get_mut(code) else {
                beyond = true;
                return;
            };
            if *slot == UNMAPPED {
                *slot = push_text(arena, texts.get(code));
            }
            out.push(*slot);
        });
        if beyond {
            Err(beyond_dictionary())
        } else {
            Ok(())
        }
    }
}

fn push_text(arena: &mut Arena, text: &[u8]) -> u32 {
    arena.push(text);
    // A part has fewer than 2^32 rows, hence values.
    arena.len() as u32 - 1
}

fn beyond_dictionary() -> Error {
    Error::corrupt("a code lies beyond its dictionary")
}

/// Makes `out` ready to take rows of a kind.
fn prepare(out: &mut Data, kind: Kind) {
    if matches!(out, Data::Absent) {
        *out = if kind.is_text() {
            Data::Texts {
                codes: Vec::new(),
                values: Values::Bytes(Arena::default()),
            }
        } else {
            Data::Words {
                words: Vec::new(),
                presence: Presence::default(),
            }
        };
    }
    if let Data::Texts { values, .. } = out
        && matches!(values, Values::Text { .. })
    {
        let taken = std::mem::replace(values, Values::Bytes(Arena::default()));
        *values = Values::Bytes(taken.into_bytes());
    }
}

#[derive(Clone, Copy, Debug)]
struct WantedPage {
    page: Page,
    first_row: u32,
    offset: u64,
}

impl WantedPage {
    fn end(&self) -> u64 {
        self.offset + self.page.bytes()
    }
}

/// The pages that hold any of the rows.
fn wanted_pages(chunk: &Chunk, ranges: &[Range<u32>]) -> Vec<WantedPage> {
    let mut offset = chunk.offset + chunk.dictionary.map_or(0, |page| page.bytes());
    let mut first_row = 0;
    let mut wanted = Vec::new();
    for &page in &chunk.pages {
        let end = first_row + page.rows;
        let after = ranges.partition_point(|range| range.end <= first_row);
        if ranges.get(after).is_some_and(|range| range.start < end) {
            wanted.push(WantedPage {
                page,
                first_row,
                offset,
            });
        }
        offset += page.bytes();
        first_row = end;
    }
    wanted
}

/// The ranges within a page, counted from its first row.
fn local_ranges(
    ranges: &[Range<u32>],
    first: u32,
    rows: u32,
) -> impl Iterator<Item = Range<usize>> + '_ {
    let after = ranges.partition_point(|range| range.end <= first);
    ranges[after..]
        .iter()
        .take_while(move |range| range.start < first + rows)
        .map(move |range| {
            let start = range.start.saturating_sub(first);
            start as usize..(range.end - first).min(rows) as usize
        })
}

/// Calls for each chosen row with the place of its value.
#[inline]
fn select(
    presence: &Presence,
    ranges: impl Iterator<Item = Range<usize>>,
    mut each: impl FnMut(Option<usize>),
) {
    let rows = presence.rows();
    let full = presence.count(0, rows) == rows;
    let (mut value, mut counted) = (0, 0);
    for range in ranges {
        if full {
            range.for_each(|at| each(Some(at)));
            continue;
        }
        value += presence.count(counted, range.start);
        counted = range.end;
        for row in range {
            if presence.get(row) {
                each(Some(value));
                value += 1;
            } else {
                each(None);
            }
        }
    }
}

fn decode_words(body: &[u8], count: usize, out: &mut Vec<i64>) -> Result<()> {
    let bytes = body
        .get(..count.saturating_mul(8))
        .ok_or_else(|| Error::corrupt("a page holds too few values"))?;
    let word = |chunk: &[u8]| i64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
    out.extend(bytes.chunks_exact(8).map(word));
    Ok(())
}

fn decode_bools(body: &[u8], count: usize, out: &mut Vec<i64>) -> Result<()> {
    if body.len() < count.div_ceil(8) {
        return Err(Error::corrupt("a page holds too few values"));
    }
    unpack(body, 1, count, |bit| out.push(bit as i64));
    Ok(())
}

fn decode_codes(body: &[u8], count: usize, out: &mut Vec<u32>) -> Result<()> {
    let Some((&width, runs)) = body.split_first() else {
        return if count == 0 {
            Ok(())
        } else {
            Err(Error::corrupt("a page of codes is empty"))
        };
    };
    hybrid::decode(runs, u32::from(width), count, out)
}

fn look_up(dictionary: &[i64], codes: &[u32], out: &mut Vec<i64>) -> Result<()> {
    for &code in codes {
        out.push(
            *dictionary
                .get(code as usize)
                .ok_or_else(beyond_dictionary)?,
        );
    }
    Ok(())
}

fn decode_texts(
    encoding: Encoding,
    body: &[u8],
    count: usize,
    scratch: &mut Vec<i64>,
    out: &mut Arena,
) -> Result<()> {
    match encoding {
        Encoding::Plain => bytes::decode_plain(body, count, out),
        Encoding::Lengths => bytes::decode_lengths(body, count, scratch, out),
        Encoding::Fronts => bytes::decode_fronts(body, count, scratch, out),
        _ => Err(Error::corrupt("a text is encoded as a number")),
    }
}
