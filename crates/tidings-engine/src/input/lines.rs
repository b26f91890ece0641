//! Blocks of whole lines, and the lines in them.

use memchr::{memchr, memchr_iter};

/// A piece of a stream, about 1 MiB, that ends at a line end; reused from read to read.
///
/// It ends elsewhere only where a line is longer than the limit, or where the stream ends without
/// a `\n`; [`Line::end`] tells. Its coordinates are the stream's: they are the same whether the
/// file was read plain, packed or under another name.
#[derive(Debug, Default)]
pub struct Block {
    /// Only the first `length` bytes are content: to shrink and grow the vector would write zeros.
    pub(super) data: Vec<u8>,
    pub(super) length: usize,
    pub(super) offset: u64,
    pub(super) first_line: u64,
    pub(super) starts_mid_line: bool,
    pub(super) last_end: LineEnd,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnd {
    /// With `\n`, which is not among its bytes. A `\r` before it is: it belongs to the raw text.
    #[default]
    Newline,
    /// It was longer than the limit; the next line of the next block continues it.
    Cut,
    /// The stream ends here without `\n`. If it grows later, what comes continues this line.
    StreamEnd,
}

/// One line of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes without `\n`.
    pub bytes: &'a [u8],
    /// Where it begins, in bytes of the stream.
    pub offset: u64,
    /// Its number in the stream, from 1; pieces of a cut line share it.
    pub number: u64,
    /// Whether it continues a line of which the beginning was delivered before.
    pub continues: bool,
    /// How it ends.
    pub end: LineEnd,
}

impl Block {
    /// A block without lines, to be read into. Its memory (1 MiB by default) comes with the first
    /// read.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The raw text, line ends included.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.data[..self.length]
    }

    /// Where the block begins, in bytes of the stream.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of its first line in the stream, from 1.
    #[must_use]
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// How many lines [`lines`](Self::lines) gives.
    #[must_use]
    pub fn line_count(&self) -> u64 {
        memchr_iter(b'\n', self.bytes()).count() as u64
            + u64::from(self.last_end != LineEnd::Newline)
    }

    /// The lines in order.
    #[must_use]
    pub fn lines(&self) -> Lines<'_> {
        Lines {
            rest: self.bytes(),
            offset: self.offset,
            number: self.first_line,
            continues: self.starts_mid_line,
            last_end: self.last_end,
        }
    }
}

/// The lines of a [`Block`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    offset: u64,
    number: u64,
    continues: bool,
    last_end: LineEnd,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (length, used, end) = match memchr(b'\n', self.rest) {
            Some(at) => (at, at + 1, LineEnd::Newline),
            None => (self.rest.len(), self.rest.len(), self.last_end),
        };
        let line = Line {
            bytes: &self.rest[..length],
            offset: self.offset,
            number: self.number,
            continues: self.continues,
            end,
        };
        self.rest = &self.rest[used..];
        self.offset += used as u64;
        self.number += 1;
        self.continues = false;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_raw_text() {
        let text = b"one\r\n\ntwo";
        let block = Block {
            data: text.to_vec(),
            length: text.len(),
            offset: 100,
            first_line: 7,
            starts_mid_line: true,
            last_end: LineEnd::StreamEnd,
        };
        let lines: Vec<Line<'_>> = block.lines().collect();
        let line = |bytes, offset, number, continues, end| Line {
            bytes,
            offset,
            number,
            continues,
            end,
        };
        assert_eq!(
            lines,
            [
                line(b"one\r".as_slice(), 100, 7, true, LineEnd::Newline),
                line(b"", 105, 8, false, LineEnd::Newline),
                line(b"two", 106, 9, false, LineEnd::StreamEnd),
            ]
        );
        assert_eq!(block.line_count(), 3);
    }
}
