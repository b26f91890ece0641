//! Thrift's compact protocol, as far as Parquet's metadata needs it.
//!
//! Source: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use super::varint::{self, Cursor};
use crate::{Error, Result};

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(crate) const I32: u8 = 5;
pub(crate) const I64: u8 = 6;
const DOUBLE: u8 = 7;
pub(crate) const BINARY: u8 = 8;
pub(crate) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(crate) const STRUCT: u8 = 12;

/// Nested structures deeper than this are damage, not metadata.
const MAX_DEPTH: u32 = 32;

/// Writes one structure; fields must come in ascending order.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    last: i16,
}

impl<'a> Writer<'a> {
    /// Starts a structure; [`end`](Self::end) closes it.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, last: 0 }
    }

    fn header(&mut self, id: i16, kind: u8) {
        debug_assert!(id > self.last && id - self.last < 16);
        self.out.push(((id - self.last) as u8) << 4 | kind);
        self.last = id;
    }

    pub(crate) fn i32(&mut self, id: i16, value: i32) {
        self.header(id, I32);
        varint::put_signed(self.out, i64::from(value));
    }

    pub(crate) fn i64(&mut self, id: i16, value: i64) {
        self.header(id, I64);
        varint::put_signed(self.out, value);
    }

    pub(crate) fn i16(&mut self, id: i16, value: i16) {
        self.header(id, I16);
        varint::put_signed(self.out, i64::from(value));
    }

    pub(crate) fn byte(&mut self, id: i16, value: u8) {
        self.header(id, BYTE);
        self.out.push(value);
    }

    pub(crate) fn bool(&mut self, id: i16, value: bool) {
        self.header(id, if value { TRUE } else { FALSE });
    }

    pub(crate) fn binary(&mut self, id: i16, value: &[u8]) {
        self.header(id, BINARY);
        varint::put_bytes(self.out, value);
    }

    /// A structure as a field.
    pub(crate) fn structure(&mut self, id: i16, write: impl FnOnce(&mut Writer<'_>)) {
        self.header(id, STRUCT);
        let mut inner = Writer::new(self.out);
        write(&mut inner);
        inner.end();
    }

    /// The head of a list field; its elements follow through [`raw`](Self::raw).
    pub(crate) fn list(&mut self, id: i16, kind: u8, length: usize) {
        self.header(id, LIST);
        if length < 15 {
            self.out.push((length as u8) << 4 | kind);
        } else {
            self.out.push(0xF0 | kind);
            varint::put(self.out, length as u64);
        }
    }

    /// Elements of a list of structures.
    pub(crate) fn structures<T>(
        &mut self,
        id: i16,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Writer<'_>, T),
    ) {
        self.list(id, STRUCT, items.len());
        for item in items {
            let mut inner = Writer::new(self.out);
            write(&mut inner, item);
            inner.end();
        }
    }

    /// The buffer, for elements of a list.
    pub(crate) fn raw(&mut self) -> &mut Vec<u8> {
        self.out
    }

    pub(crate) fn end(self) {
        self.out.push(0);
    }
}

/// One field's value as it is met.
pub(crate) enum Field<'r, 'a> {
    /// Booleans (0 or 1), bytes and all integers.
    Int(i64),
    Binary(&'a [u8]),
    /// A list: kind of its elements, their number, and the reader at the first one. Elements
    /// that are not read are skipped.
    List(List<'r, 'a>),
    Struct(&'r mut Reader<'a>),
    /// A double, set or map; nothing of Parquet that we read has one.
    Other,
}

/// A list's elements, read one by one.
pub(crate) struct List<'r, 'a> {
    reader: &'r mut Reader<'a>,
    kind: u8,
    pub(crate) left: usize,
}

impl<'a> List<'_, 'a> {
    /// Reads the next element, a structure.
    pub(crate) fn structure(
        &mut self,
        each: impl FnMut(i16, Field<'_, 'a>) -> Result<()>,
    ) -> Result<()> {
        if self.kind != STRUCT || self.left == 0 {
            return Err(Error::corrupt("a list in the metadata has other elements"));
        }
        self.left -= 1;
        self.reader.structure(each)
    }

    fn skip_rest(self) -> Result<()> {
        (0..self.left).try_for_each(|_| self.reader.skip(self.kind, true))
    }
}

/// Reads structures; unknown fields are skipped.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) cursor: Cursor<'a>,
    depth: u32,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            depth: 0,
        }
    }

    /// Reads one structure, handing over each field. What the callback leaves unread of a list
    /// is skipped; of a structure it must read all or nothing.
    pub(crate) fn structure(
        &mut self,
        mut each: impl FnMut(i16, Field<'_, 'a>) -> Result<()>,
    ) -> Result<()> {
        self.deeper()?;
        let mut last = 0;
        while let Some((id, kind)) = self.field(last)? {
            last = id;
            match kind {
                TRUE | FALSE => each(id, Field::Int(i64::from(kind == TRUE)))?,
                BYTE => {
                    let value = self.cursor.byte()?;
                    each(id, Field::Int(i64::from(value as i8)))?;
                }
                I16 | I32 | I64 => {
                    let value = self.cursor.signed()?;
                    each(id, Field::Int(value))?;
                }
                BINARY => {
                    let bytes = self.cursor.bytes()?;
                    each(id, Field::Binary(bytes))?;
                }
                LIST => self.list(|list| each(id, Field::List(list)))?,
                STRUCT => {
                    let before = self.cursor.rest.len();
                    each(id, Field::Struct(self))?;
                    if self.cursor.rest.len() == before {
                        self.skip(STRUCT, false)?;
                    }
                }
                other => {
                    self.skip(other, false)?;
                    each(id, Field::Other)?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::corrupt("metadata is nested too deeply"));
        }
        Ok(())
    }

    fn field(&mut self, last: i16) -> Result<Option<(i16, u8)>> {
        let byte = self.cursor.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let id = match byte >> 4 {
            0 => i16::try_from(self.cursor.signed()?)
                .map_err(|_| Error::corrupt("a field of the metadata has an impossible id"))?,
            delta => last.saturating_add(i16::from(delta)),
        };
        Ok(Some((id, byte & 0x0F)))
    }

    fn list(&mut self, read: impl FnOnce(List<'_, 'a>) -> Result<()>) -> Result<()> {
        let (kind, left) = self.list_head()?;
        let before = self.cursor.rest.len();
        read(List {
            reader: self,
            kind,
            left,
        })?;
        if self.cursor.rest.len() == before {
            List {
                reader: self,
                kind,
                left,
            }
            .skip_rest()?;
        }
        Ok(())
    }

    fn list_head(&mut self) -> Result<(u8, usize)> {
        let byte = self.cursor.byte()?;
        let length = match byte >> 4 {
            15 => self.cursor.count()?,
            length => usize::from(length),
        };
        Ok((byte & 0x0F, length))
    }

    fn skip(&mut self, kind: u8, in_list: bool) -> Result<()> {
        match kind {
            TRUE | FALSE if in_list => self.cursor.byte().map(drop),
            TRUE | FALSE => Ok(()),
            BYTE => self.cursor.byte().map(drop),
            I16 | I32 | I64 => self.cursor.varint().map(drop),
            DOUBLE => self.cursor.take(8).map(drop),
            BINARY => self.cursor.bytes().map(drop),
            LIST | SET => {
                self.deeper()?;
                let (kind, left) = self.list_head()?;
                (0..left).try_for_each(|_| self.skip(kind, true))?;
                self.depth -= 1;
                Ok(())
            }
            STRUCT => {
                self.deeper()?;
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    last = id;
                    self.skip(kind, false)?;
                }
                self.depth -= 1;
                Ok(())
            }
            MAP => Err(Error::corrupt("a map in the metadata")),
            _ => Err(Error::corrupt("an unknown type in the metadata")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_read_as_written_and_unknown_fields_skipped() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.i32(1, -5);
        writer.bool(2, true);
        writer.structure(4, |inner| {
            inner.binary(1, b"abc");
            inner.structures(2, [7i64, 8].into_iter(), |item, value| item.i64(3, value));
        });
        writer.structures(9, 0..20i32, |item, value| item.i32(1, value));
        writer.i16(12, 300);
        writer.end();
        let mut seen = Vec::new();
        Reader::new(&bytes)
            .structure(|id, field| {
                match field {
                    Field::Int(value) => seen.push((id, value)),
                    Field::List(mut list) => {
                        for _ in 0..20 {
                            list.structure(|_, field| {
                                if let Field::Int(value) = field {
                                    seen.push((id, value));
                                }
                                Ok(())
                            })?;
                        }
                    }
                    _ => {}
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(seen[..2], [(1, -5), (2, 1)]);
        assert_eq!(seen.len(), 23);
        assert_eq!(seen[22], (12, 300));
        for cut in 0..bytes.len() {
            assert!(Reader::new(&bytes[..cut]).structure(|_, _| Ok(())).is_err());
        }
    }
}
