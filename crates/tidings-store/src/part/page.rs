//! Parquet pages: headers, compression, and the way back.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::layout::{Encoding, Page};
use crate::encode::thrift::{Field, Reader, Writer};
use crate::{Error, Result};

const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;
/// Parquet's `RLE`, for definition and repetition levels.
const RLE: i32 = 3;

/// What a page holds besides its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    Data(Encoding),
    Dictionary,
}

/// Compresses pages. Each zstd frame carries a checksum of its content, which every reader of
/// Parquet verifies without knowing it.
pub(crate) struct PageWriter {
    compressor: Compressor<'static>,
    compressed: Vec<u8>,
}

impl std::fmt::Debug for PageWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageWriter").finish_non_exhaustive()
    }
}

impl PageWriter {
    pub(crate) fn new(level: i32) -> Result<Self> {
        let mut compressor = Compressor::new(level).map_err(zstd_failed)?;
        compressor
            .set_parameter(CParameter::ChecksumFlag(true))
            .map_err(zstd_failed)?;
        Ok(Self {
            compressor,
            compressed: Vec::new(),
        })
    }

    /// Bytes that `raw` compresses to.
    pub(crate) fn try_size(&mut self, raw: &[u8]) -> Result<usize> {
        self.compress(raw)?;
        Ok(self.compressed.len())
    }

    fn compress(&mut self, raw: &[u8]) -> Result<()> {
        self.compressed.clear();
        self.compressed
            .reserve(zstd::zstd_safe::compress_bound(raw.len()));
        self.compressor
            .compress_to_buffer(raw, &mut self.compressed)
            .map_err(zstd_failed)?;
        Ok(())
    }

    /// Appends header and compressed body of a page with `rows` rows or entries.
    pub(crate) fn put(
        &mut self,
        kind: PageKind,
        rows: usize,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Page> {
        self.compress(raw)?;
        let sized = |size: usize| {
            i32::try_from(size)
                .map_err(|_| Error::Invalid("a page of 2 GiB or more cannot be stored".to_owned()))
        };
        let (raw_bytes, body) = (sized(raw.len())?, sized(self.compressed.len())?);
        let start = out.len();
        put_header(kind, sized(rows)?, raw_bytes, body, out);
        let header = out.len() - start;
        out.extend_from_slice(&self.compressed);
        // All fit i32, checked above; a header is some 20 bytes.
        Ok(Page {
            rows: rows as u32,
            header: header as u32,
            body: body as u32,
            raw: raw_bytes as u32,
        })
    }
}

fn zstd_failed(error: std::io::Error) -> Error {
    Error::Invalid(format!("zstd refused to work: {error}"))
}

fn put_header(kind: PageKind, rows: i32, raw: i32, body: i32, out: &mut Vec<u8>) {
    let mut header = Writer::new(out);
    match kind {
        PageKind::Data(encoding) => {
            header.i32(1, DATA_PAGE);
            header.i32(2, raw);
            header.i32(3, body);
            header.structure(5, |data| {
                data.i32(1, rows);
                data.i32(2, i32::from(encoding.code()));
                data.i32(3, RLE);
                data.i32(4, RLE);
            });
        }
        PageKind::Dictionary => {
            header.i32(1, DICTIONARY_PAGE);
            header.i32(2, raw);
            header.i32(3, body);
            header.structure(7, |dictionary| {
                dictionary.i32(1, rows);
                dictionary.i32(2, i32::from(Encoding::Plain.code()));
            });
        }
    }
    header.end();
}

/// Reads a page header from the front of `bytes`; gives what it says, with the length of the
/// header itself.
pub(crate) fn read_header(bytes: &[u8]) -> Result<(PageKind, Page)> {
    let mut reader = Reader::new(bytes);
    let (mut kind, mut raw, mut body, mut rows, mut encoding) = (-1, -1, -1, -1, -1);
    reader.structure(|id, field| {
        match (id, field) {
            (1, Field::Int(value)) => kind = value,
            (2, Field::Int(value)) => raw = value,
            (3, Field::Int(value)) => body = value,
            (5 | 7, Field::Struct(inner)) => inner.structure(|id, field| {
                match (id, field) {
                    (1, Field::Int(value)) => rows = value,
                    (2, Field::Int(value)) => encoding = value,
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    let wrong = || Error::corrupt("a page header is not ours");
    let number = |value: i64| u32::try_from(value).map_err(|_| wrong());
    let encoding = u8::try_from(encoding)
        .ok()
        .and_then(Encoding::from_code)
        .ok_or_else(wrong)?;
    let kind = match i32::try_from(kind) {
        Ok(DATA_PAGE) => PageKind::Data(encoding),
        Ok(DICTIONARY_PAGE) => PageKind::Dictionary,
        _ => return Err(wrong()),
    };
    let header = (bytes.len() - reader.cursor.rest.len()) as u32;
    Ok((
        kind,
        Page {
            rows: number(rows)?,
            header,
            body: number(body)?,
            raw: number(raw)?,
        },
    ))
}

/// Decompresses pages.
pub(crate) struct PageReader {
    decompressor: Decompressor<'static>,
}

impl std::fmt::Debug for PageReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageReader").finish_non_exhaustive()
    }
}

impl PageReader {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            decompressor: Decompressor::new().map_err(zstd_failed)?,
        })
    }

    /// Decompresses the body of a page into `raw`, replacing it. `bytes` is the whole page,
    /// header included.
    pub(crate) fn open(&mut self, page: &Page, bytes: &[u8], raw: &mut Vec<u8>) -> Result<()> {
        let body = bytes
            .get(page.header as usize..)
            .ok_or_else(|| Error::corrupt("a page is shorter than its header"))?;
        raw.clear();
        raw.reserve(page.raw as usize);
        self.decompressor
            .decompress_to_buffer(body, raw)
            .map_err(|error| Error::corrupt(format!("a page does not decompress: {error}")))?;
        if raw.len() != page.raw as usize {
            return Err(Error::corrupt(format!(
                "a page of {} bytes decompresses to {}",
                page.raw,
                raw.len()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_written_and_flips_are_found() {
        let mut out = Vec::new();
        let raw: Vec<u8> = (0..5000u32).map(|i| ((i * i) >> 3) as u8).collect();
        let page = PageWriter::new(3)
            .unwrap()
            .put(PageKind::Data(Encoding::Delta), 4096, &raw, &mut out)
            .unwrap();
        assert_eq!(page.bytes(), out.len() as u64);
        assert_eq!(
            read_header(&out).unwrap(),
            (PageKind::Data(Encoding::Delta), page)
        );
        let mut reader = PageReader::new().unwrap();
        let mut back = Vec::new();
        reader.open(&page, &out, &mut back).unwrap();
        assert_eq!(back, raw);
        for at in page.header as usize..out.len() {
            let mut flipped = out.clone();
            flipped[at] ^= 0x10;
            let found = reader.open(&page, &flipped, &mut back).is_err() || back == raw;
            assert!(found, "flip at {at}");
        }
    }
}
