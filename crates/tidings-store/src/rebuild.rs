//! Makes a sidecar again from its part alone: the Parquet file says everything.

use tidings_spool::File;

use crate::build::{prunes, roles};
use crate::encode::presence::Presence;
use crate::part::footer::{self, FileMeta, MAGIC, walk_pages};
use crate::part::layout::{Chunk, Group, Page, PartColumn};
use crate::part::read::{ChunkReader, Source};
use crate::rows::{Data, NULL_CODE};
use crate::sidecar::collect::{Collector, TokenTable};
use crate::sidecar::file::{self, Directory};
use crate::{Error, Result, Schema};

/// A sidecar made anew, and what the part's footer says.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) meta: FileMeta,
    pub(crate) sidecar: Vec<u8>,
    pub(crate) rows: u32,
    pub(crate) times: (i64, i64),
}

/// Reads a whole part and makes its sidecar. Every page of every column is decoded, whether it
/// has tokens or not.
pub(crate) fn rebuild(file: &dyn File, length: u64, schema: &Schema) -> Result<Rebuilt> {
    rebuild_with(file, length, schema, false)
}

/// The same of a damaged part: a row group that cannot be read gets a directory that cannot be
/// read either, so that the others can be saved.
pub(crate) fn rebuild_damaged(file: &dyn File, length: u64, schema: &Schema) -> Result<Rebuilt> {
    rebuild_with(file, length, schema, true)
}

fn rebuild_with(file: &dyn File, length: u64, schema: &Schema, forgiving: bool) -> Result<Rebuilt> {
    let source = Source { file, length };
    let footer = read_footer(&source)?;
    let meta = footer.meta;
    let columns: Vec<Column<'_>> = meta
        .columns
        .iter()
        .map(|had| Column::of(had, schema))
        .collect();
    let roles = roles(schema, &meta);
    let mut reader = ChunkReader::new()?;
    let mut collector = Collector::default();
    let mut directory = Directory::default();
    for (mut group, lengths) in footer.groups {
        match read_group(&mut reader, &source, &columns, &mut group, &lengths) {
            Ok(data) => {
                for (column, data) in columns
                    .iter()
                    .zip(data)
                    .filter(|(column, _)| column.indexed)
                {
                    collect(column, directory.rows(), data, schema, &mut collector);
                }
            }
            Err(Error::Damaged { .. }) if forgiving => make_unreadable(&mut group),
            Err(error) => return Err(error),
        }
        directory.push(&group, &roles);
    }
    let (rows, times) = (directory.rows(), directory.times());
    let sidecar = file::encode(&meta.columns, &roles, &directory, collector.runs)?;
    Ok(Rebuilt {
        meta,
        sidecar,
        rows,
        times,
    })
}

/// Finds the pages of a row group and decodes them all.
fn read_group(
    reader: &mut ChunkReader,
    source: &Source<'_>,
    columns: &[Column<'_>],
    group: &mut Group,
    lengths: &[u64],
) -> Result<Vec<Data>> {
    find_pages(source, group, lengths)?;
    let mut all = Vec::with_capacity(columns.len());
    for (column, chunk) in columns.iter().zip(&mut group.chunks) {
        let data = read_chunk(reader, source, column.had, chunk, group.rows)?;
        if column.prunes {
            chunk.page_ranges = page_ranges(chunk, &data);
        }
        all.push(data);
    }
    Ok(all)
}

/// One page of no bytes a chunk: it does not decompress.
fn make_unreadable(group: &mut Group) {
    let rows = group.rows;
    for chunk in &mut group.chunks {
        chunk.dictionary = None;
        chunk.page_ranges.clear();
        chunk.pages = vec![Page {
            rows,
            header: 0,
            body: 0,
            raw: 1,
        }];
    }
}

struct Column<'a> {
    had: &'a PartColumn,
    indexed: bool,
    prunes: bool,
}

impl<'a> Column<'a> {
    fn of(had: &'a PartColumn, schema: &Schema) -> Self {
        let id = schema
            .column(&had.name)
            .filter(|&id| schema.columns()[id].kind == had.kind);
        Self {
            had,
            indexed: id.is_some_and(|id| schema.columns()[id].indexed),
            prunes: id.is_some_and(|id| prunes(schema, id)),
        }
    }
}

/// The footer, from the file's end.
pub(crate) fn read_footer(source: &Source<'_>) -> Result<footer::Footer> {
    const TAIL: u64 = 8;
    let mut bytes = Vec::new();
    let start = source
        .length
        .checked_sub(TAIL)
        .ok_or_else(|| Error::corrupt("it ends early"))?;
    source.read(start, TAIL, &mut bytes)?;
    let (length, magic) = bytes.split_at(4);
    if magic != MAGIC {
        return Err(Error::corrupt("its end is not Parquet's"));
    }
    let length = u64::from(u32::from_le_bytes(
        length.try_into().expect("four of eight bytes"),
    ));
    let start = start
        .checked_sub(length)
        .ok_or_else(|| Error::corrupt("its footer is longer than the file"))?;
    source.read(start, length, &mut bytes)?;
    footer::decode(&bytes)
}

/// Fills in the pages of a row group's chunks, whose bytes the footer tells.
pub(crate) fn find_pages(source: &Source<'_>, group: &mut Group, lengths: &[u64]) -> Result<()> {
    let mut bytes = Vec::new();
    for (chunk, &length) in group.chunks.iter_mut().zip(lengths) {
        source.read(chunk.offset, length, &mut bytes)?;
        walk_pages(chunk, group.rows, &bytes)?;
    }
    Ok(())
}

/// Reads a whole chunk; its texts are checked.
pub(crate) fn read_chunk(
    reader: &mut ChunkReader,
    source: &Source<'_>,
    column: &PartColumn,
    chunk: &Chunk,
    rows: u32,
) -> Result<Data> {
    let mut data = Data::Absent;
    let all = 0..rows;
    reader.read(source, column, chunk, std::slice::from_ref(&all), &mut data)?;
    data.settle(column.kind)?;
    Ok(data)
}

/// Least and greatest value of each page; none if a page has no value.
fn page_ranges(chunk: &Chunk, data: &Data) -> Vec<(i64, i64)> {
    let Data::Words { words, presence } = data else {
        return Vec::new();
    };
    let mut ranges = Vec::with_capacity(chunk.pages.len());
    let mut row = 0;
    for page in &chunk.pages {
        let end = row + page.rows as usize;
        let values = || {
            (row..end)
                .filter(|&row| presence.get(row))
                .map(|row| words[row] as i64)
        };
        match (values().min(), values().max()) {
            (Some(least), Some(greatest)) => ranges.push((least, greatest)),
            _ => return Vec::new(),
        }
        row = end;
    }
    ranges
}

/// Notes the tokens of a chunk.
fn collect(
    column: &Column<'_>,
    first_row: u32,
    data: Data,
    schema: &Schema,
    collector: &mut Collector,
) {
    match data {
        Data::Absent => {}
        Data::Words {
            mut words,
            presence,
        } => {
            let mut row = 0;
            words.retain(|_| {
                row += 1;
                presence.get(row - 1)
            });
            collector.words(first_row, &presence, column.had.kind, &words);
        }
        Data::Texts { mut codes, values } => {
            let mut presence = Presence::default();
            codes
                .iter()
                .for_each(|&code| presence.push(code != NULL_CODE));
            codes.retain(|&code| code != NULL_CODE);
            let mut table = TokenTable::default();
            table.extend(&values.into_bytes(), schema.tokens());
            collector.texts(first_row, &presence, &codes, &table);
        }
    }
}
