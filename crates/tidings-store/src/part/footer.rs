//! A part's Parquet footer: written for everyone else, read by us only to rebuild a sidecar.
//!
//! Source of the field numbers: `parquet.thrift` of <https://github.com/apache/parquet-format>.

use super::layout::{Chunk, Encoding, Group, PartColumn};
use super::page::{PageKind, read_header};
use crate::encode::thrift::{BINARY, Field, List, Reader, STRUCT, Writer};
use crate::encode::varint;
use crate::{Error, Kind, Result};

pub(crate) const MAGIC: &[u8; 4] = b"PAR1";
const CREATED_BY: &str = concat!("tidings version ", env!("CARGO_PKG_VERSION"));
const CODEC_ZSTD: i32 = 6;
const RLE: i32 = 3;

/// What a footer says of the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileMeta {
    pub(crate) table: String,
    pub(crate) columns: Vec<PartColumn>,
    /// Which of the columns order the rows.
    pub(crate) sort: Vec<u16>,
    /// Our own notes, under the key `tidings`.
    pub(crate) notes: String,
}

/// Parquet's physical type.
fn physical(kind: Kind) -> i32 {
    match kind {
        Kind::Bool => 0,
        Kind::Time | Kind::Int | Kind::UInt => 2,
        Kind::Float => 5,
        Kind::Text | Kind::Bytes => 6,
    }
}

/// The end of the file: offset and column indexes, footer, its length, the magic. `base` is
/// where these bytes will lie.
pub(crate) fn encode(
    meta: &FileMeta,
    groups: impl Iterator<Item = Result<Group>> + Clone,
    base: u64,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut places = Vec::new();
    let (mut rows, mut count) = (0u64, 0usize);
    for group in groups.clone() {
        let group = group?;
        for chunk in &group.chunks {
            places.push(put_indexes(chunk, base, &mut out));
        }
        rows += u64::from(group.rows);
        count += 1;
    }
    let start = out.len();
    let mut file = Writer::new(&mut out);
    file.i32(1, 2);
    put_schema(meta, &mut file);
    // Parts have fewer than 2^32 rows.
    file.i64(3, rows as i64);
    file.list(4, STRUCT, count);
    let mut places = places.chunks(meta.columns.len().max(1));
    for (ordinal, group) in groups.enumerate() {
        let mut writer = Writer::new(file.raw());
        put_group(
            meta,
            ordinal,
            &group?,
            places.next().unwrap_or(&[]),
            &mut writer,
        );
        writer.end();
    }
    file.structures(5, std::iter::once(&meta.notes), |pair, notes| {
        pair.binary(1, b"tidings");
        pair.binary(2, notes.as_bytes());
    });
    file.binary(6, CREATED_BY.as_bytes());
    file.structures(7, meta.columns.iter(), |order, _| {
        order.structure(1, |_| {})
    });
    file.end();
    let length = u32::try_from(out.len() - start)
        .map_err(|_| Error::Invalid("a footer of 4 GiB or more cannot be stored".to_owned()))?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(MAGIC);
    Ok(out)
}

/// Where a chunk's indexes lie: (offset, length); the column index may be missing.
struct IndexAt {
    column: Option<(u64, usize)>,
    offset: (u64, usize),
}

fn put_indexes(chunk: &Chunk, base: u64, out: &mut Vec<u8>) -> IndexAt {
    let start = out.len();
    let column = (!chunk.page_ranges.is_empty()).then(|| {
        put_column_index(chunk, out);
        (base + start as u64, out.len() - start)
    });
    let start = out.len();
    put_offset_index(chunk, out);
    IndexAt {
        column,
        offset: (base + start as u64, out.len() - start),
    }
}

fn put_offset_index(chunk: &Chunk, out: &mut Vec<u8>) {
    let mut index = Writer::new(out);
    let mut offset = chunk.offset + chunk.dictionary.map_or(0, |page| page.bytes());
    let mut row = 0;
    index.structures(1, chunk.pages.iter(), |place, page| {
        place.i64(1, offset as i64);
        // A page's header and body together fit i32: the body was compressed from less.
        place.i32(2, page.bytes() as i32);
        place.i64(3, row);
        offset += page.bytes();
        row += i64::from(page.rows);
    });
    index.end();
}

fn put_column_index(chunk: &Chunk, out: &mut Vec<u8>) {
    const BOOL: u8 = 2;
    const FALSE: u8 = 2;
    let pages = chunk.page_ranges.len();
    let mut index = Writer::new(out);
    index.list(1, BOOL, pages);
    index.raw().extend(std::iter::repeat_n(FALSE, pages));
    index.list(2, BINARY, pages);
    for (least, _) in &chunk.page_ranges {
        varint::put_bytes(index.raw(), &least.to_le_bytes());
    }
    index.list(3, BINARY, pages);
    for (_, greatest) in &chunk.page_ranges {
        varint::put_bytes(index.raw(), &greatest.to_le_bytes());
    }
    // Boundary order: unordered.
    index.i32(4, 0);
    index.end();
}

fn put_schema(meta: &FileMeta, file: &mut Writer<'_>) {
    file.list(2, STRUCT, meta.columns.len() + 1);
    let mut root = Writer::new(file.raw());
    root.binary(4, meta.table.as_bytes());
    // A schema has at most 4,096 columns.
    root.i32(5, meta.columns.len() as i32);
    root.end();
    for column in &meta.columns {
        let mut element = Writer::new(file.raw());
        element.i32(1, physical(column.kind));
        element.i32(3, i32::from(!column.required));
        element.binary(4, column.name.as_bytes());
        match column.kind {
            Kind::Text => {
                element.i32(6, 0);
                element.structure(10, |logical| logical.structure(1, |_| {}));
            }
            Kind::Time => element.structure(10, |logical| {
                logical.structure(8, |timestamp| {
                    timestamp.bool(1, false);
                    timestamp.structure(2, |unit| unit.structure(3, |_| {}));
                });
            }),
            Kind::UInt => {
                element.i32(6, 14);
                element.structure(10, |logical| {
                    logical.structure(10, |integer| {
                        integer.byte(1, 64);
                        integer.bool(2, false);
                    });
                });
            }
            _ => {}
        }
        element.end();
    }
}

fn put_group(
    meta: &FileMeta,
    ordinal: usize,
    group: &Group,
    places: &[IndexAt],
    out: &mut Writer<'_>,
) {
    out.structures(
        1,
        group.chunks.iter().zip(places),
        |chunk_out, (chunk, place)| {
            chunk_out.i64(2, 0);
            chunk_out.structure(3, |data| {
                put_chunk(
                    &meta.columns[usize::from(chunk.column)],
                    chunk,
                    group.rows,
                    data,
                );
            });
            chunk_out.i64(4, place.offset.0 as i64);
            chunk_out.i32(5, place.offset.1 as i32);
            if let Some((offset, length)) = place.column {
                chunk_out.i64(6, offset as i64);
                chunk_out.i32(7, length as i32);
            }
        },
    );
    out.i64(
        2,
        group.chunks.iter().map(Chunk::raw_bytes).sum::<u64>() as i64,
    );
    out.i64(3, i64::from(group.rows));
    if !meta.sort.is_empty() {
        out.structures(4, meta.sort.iter(), |sort, &column| {
            sort.i32(1, i32::from(column));
            sort.bool(2, false);
            sort.bool(3, true);
        });
    }
    out.i64(
        5,
        group.chunks.first().map_or(0, |chunk| chunk.offset) as i64,
    );
    out.i64(6, group.chunks.iter().map(Chunk::bytes).sum::<u64>() as i64);
    if let Ok(ordinal) = i16::try_from(ordinal) {
        out.i16(7, ordinal);
    }
}

fn put_chunk(column: &PartColumn, chunk: &Chunk, rows: u32, data: &mut Writer<'_>) {
    data.i32(1, physical(column.kind));
    let encodings = [
        i32::from(chunk.encoding.code()),
        RLE,
        i32::from(Encoding::Plain.code()),
    ];
    let used = if chunk.dictionary.is_some() {
        &encodings[..]
    } else {
        &encodings[..2]
    };
    data.list(2, crate::encode::thrift::I32, used.len());
    for &encoding in used {
        varint::put_signed(data.raw(), i64::from(encoding));
    }
    data.list(3, BINARY, 1);
    varint::put_bytes(data.raw(), column.name.as_bytes());
    data.i32(4, CODEC_ZSTD);
    data.i64(5, i64::from(rows));
    data.i64(6, chunk.raw_bytes() as i64);
    data.i64(7, chunk.bytes() as i64);
    let dictionary = chunk.dictionary.map_or(0, |page| page.bytes());
    data.i64(9, (chunk.offset + dictionary) as i64);
    if dictionary > 0 {
        data.i64(11, chunk.offset as i64);
    }
    data.structure(12, |statistics| {
        statistics.i64(3, i64::from(chunk.nulls));
        if let Some((least, greatest)) = chunk.range {
            statistics.binary(5, &greatest.to_le_bytes());
            statistics.binary(6, &least.to_le_bytes());
        }
    });
}

/// What a footer tells: the file's own notes, and each chunk's encoding and place. Pages are
/// found by walking their headers, see [`walk_pages`].
#[derive(Debug)]
pub(crate) struct Footer {
    pub(crate) meta: FileMeta,
    /// Row groups whose pages are not known yet, and the bytes of each of their chunks.
    pub(crate) groups: Vec<(Group, Vec<u64>)>,
}

/// Reads a footer, without length and magic.
pub(crate) fn decode(bytes: &[u8]) -> Result<Footer> {
    let mut meta = FileMeta {
        table: String::new(),
        columns: Vec::new(),
        sort: Vec::new(),
        notes: String::new(),
    };
    let mut groups = Vec::new();
    Reader::new(bytes).structure(|id, field| {
        match (id, field) {
            (2, Field::List(list)) => read_schema(list, &mut meta)?,
            (4, Field::List(mut list)) => {
                while list.left > 0 {
                    groups.push(read_group(&mut list, &mut meta.sort)?);
                }
            }
            (5, Field::List(mut list)) => {
                while list.left > 0 {
                    read_notes(&mut list, &mut meta)?;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    if groups
        .iter()
        .any(|(group, _)| group.chunks.len() != meta.columns.len())
    {
        return Err(Error::corrupt("a row group lacks a column"));
    }
    Ok(Footer { meta, groups })
}

fn read_notes(list: &mut List<'_, '_>, meta: &mut FileMeta) -> Result<()> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    list.structure(|id, field| {
        match (id, field) {
            (1, Field::Binary(bytes)) => key = bytes,
            (2, Field::Binary(bytes)) => value = bytes,
            _ => {}
        }
        Ok(())
    })?;
    if key == b"tidings" {
        meta.notes = String::from_utf8_lossy(value).into_owned();
    }
    Ok(())
}

fn read_schema(mut list: List<'_, '_>, meta: &mut FileMeta) -> Result<()> {
    let mut first = true;
    while list.left > 0 {
        let (mut name, mut required) = (String::new(), false);
        let (mut physical, mut logical) = (-1, -1);
        list.structure(|id, field| {
            match (id, field) {
                (1, Field::Int(value)) => physical = value,
                (3, Field::Int(value)) => required = value == 0,
                (4, Field::Binary(bytes)) => name = String::from_utf8_lossy(bytes).into_owned(),
                (10, Field::Struct(inner)) => inner.structure(|id, _| {
                    logical = i64::from(id);
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        if std::mem::take(&mut first) {
            meta.table = name;
            continue;
        }
        let kind = match (physical, logical) {
            (0, _) => Kind::Bool,
            (2, 8) => Kind::Time,
            (2, 10) => Kind::UInt,
            (2, _) => Kind::Int,
            (5, _) => Kind::Float,
            (6, 1) => Kind::Text,
            (6, _) => Kind::Bytes,
            _ => {
                return Err(Error::corrupt(format!(
                    "column {name} is of a type that is not ours"
                )));
            }
        };
        meta.columns.push(PartColumn {
            name,
            kind,
            required,
        });
    }
    Ok(())
}

fn read_group(list: &mut List<'_, '_>, sort: &mut Vec<u16>) -> Result<(Group, Vec<u64>)> {
    let (mut group, mut lengths) = (Group::default(), Vec::new());
    let mut order = Vec::new();
    list.structure(|id, field| {
        match (id, field) {
            (1, Field::List(mut chunks)) => {
                while chunks.left > 0 {
                    let column = group.chunks.len() as u16;
                    let (chunk, length) = read_chunk(&mut chunks, column)?;
                    group.chunks.push(chunk);
                    lengths.push(length);
                }
            }
            (3, Field::Int(rows)) => {
                group.rows = u32::try_from(rows)
                    .map_err(|_| Error::corrupt("a row group has an impossible size"))?;
            }
            (4, Field::List(mut columns)) => {
                while columns.left > 0 {
                    columns.structure(|id, field| {
                        if let (1, Field::Int(column)) = (id, field) {
                            order.push(u16::try_from(column).unwrap_or(u16::MAX));
                        }
                        Ok(())
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    *sort = order;
    Ok((group, lengths))
}

fn read_chunk(list: &mut List<'_, '_>, column: u16) -> Result<(Chunk, u64)> {
    let mut chunk = Chunk {
        column,
        encoding: Encoding::Plain,
        offset: 0,
        dictionary: None,
        pages: Vec::new(),
        nulls: 0,
        range: None,
        page_ranges: Vec::new(),
    };
    let (mut data, mut dictionary, mut length) = (0, None, 0);
    list.structure(|id, field| {
        if let (3, Field::Struct(inner)) = (id, field) {
            inner.structure(|id, field| {
                match (id, field) {
                    (7, Field::Int(bytes)) => length = bytes,
                    (9, Field::Int(offset)) => data = offset,
                    (11, Field::Int(offset)) => dictionary = Some(offset),
                    (12, Field::Struct(statistics)) => read_statistics(statistics, &mut chunk)?,
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    chunk.offset = u64::try_from(dictionary.unwrap_or(data))
        .map_err(|_| Error::corrupt("a chunk starts before the file"))?;
    let length =
        u64::try_from(length).map_err(|_| Error::corrupt("a chunk has an impossible length"))?;
    Ok((chunk, length))
}

fn read_statistics(statistics: &mut Reader<'_>, chunk: &mut Chunk) -> Result<()> {
    let word = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).ok().map(u64::from_le_bytes);
    let (mut least, mut greatest) = (None, None);
    statistics.structure(|id, field| {
        match (id, field) {
            (3, Field::Int(nulls)) => chunk.nulls = u32::try_from(nulls).unwrap_or(0),
            (5, Field::Binary(bytes)) => greatest = word(bytes),
            (6, Field::Binary(bytes)) => least = word(bytes),
            _ => {}
        }
        Ok(())
    })?;
    chunk.range = least.zip(greatest);
    Ok(())
}

/// Fills in a chunk's pages by walking their headers. `bytes` starts at the chunk's offset.
pub(crate) fn walk_pages(chunk: &mut Chunk, rows: u32, mut bytes: &[u8]) -> Result<()> {
    let mut found = 0u64;
    chunk.pages.clear();
    while found < u64::from(rows) {
        let (kind, page) = read_header(bytes)?;
        match kind {
            PageKind::Dictionary => chunk.dictionary = Some(page),
            PageKind::Data(encoding) => {
                chunk.encoding = encoding;
                found += u64::from(page.rows);
                chunk.pages.push(page);
            }
        }
        let next = usize::try_from(page.bytes()).unwrap_or(usize::MAX);
        bytes = bytes
            .get(next..)
            .ok_or_else(|| Error::corrupt("a page ends beyond its chunk"))?;
    }
    if found != u64::from(rows) {
        return Err(Error::corrupt(
            "the pages of a chunk do not add up to its row group",
        ));
    }
    Ok(())
}
