//! The body of an answer as a stream of bytes whose end is certain: chunked, of a known length, or up
//! to the end of the connection.

use std::io::{self, BufRead, Read};

use super::head::{Framing, invalid, read_line};

/// Longest line that may announce a chunk, with its extensions, and all trailers together.
const CHUNK_LINE_BYTES_MAX: usize = 16 << 10;

/// Reads a body; gives 0 bytes only at its proper end.
pub(super) struct Body<R> {
    input: R,
    state: State,
}

enum State {
    /// This many bytes are left of the body.
    Length(u64),
    /// This many bytes are left of the chunk; a line end follows it.
    Chunk(u64),
    /// The size of a chunk comes next.
    Size,
    UntilClose,
    Done,
}

impl<R: BufRead> Body<R> {
    pub(super) fn new(input: R, framing: Framing) -> Body<R> {
        let state = match framing {
            Framing::Chunked => State::Size,
            Framing::Length(length) => State::Length(length),
            Framing::UntilClose => State::UntilClose,
        };
        Body { input, state }
    }

    /// Reads the line with a chunk's size; after the last chunk also the trailers.
    fn next_chunk(&mut self) -> io::Result<()> {
        let mut room = CHUNK_LINE_BYTES_MAX;
        let line = read_line(&mut self.input, &mut room)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid("a chunk without a size"));
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| invalid("a chunk without a size"))?;
        if size > 0 {
            self.state = State::Chunk(size);
            return Ok(());
        }
        while !read_line(&mut self.input, &mut room)?.is_empty() {}
        self.state = State::Done;
        Ok(())
    }

    /// Reads the line end that follows a chunk.
    fn end_chunk(&mut self) -> io::Result<()> {
        let mut room = 2;
        if read_line(&mut self.input, &mut room)?.is_empty() {
            self.state = State::Size;
            return Ok(());
        }
        Err(invalid("a chunk that is longer than it said"))
    }

    /// Reads into `buffer`, at most `left` bytes, of which there must be at least one.
    fn some_of(&mut self, left: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        match self.input.read(&mut buffer[..most])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Done | State::Length(0) => return Ok(0),
                State::UntilClose => return self.input.read(buffer),
                State::Size => self.next_chunk()?,
                State::Chunk(0) => self.end_chunk()?,
                State::Chunk(left) => {
                    let read = self.some_of(left, buffer)?;
                    self.state = State::Chunk(left - read as u64);
                    return Ok(read);
                }
                State::Length(left) => {
                    let read = self.some_of(left, buffer)?;
                    self.state = State::Length(left - read as u64);
                    return Ok(read);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], framing: Framing) -> io::Result<String> {
        let mut out = String::new();
        Body::new(text, framing).read_to_string(&mut out)?;
        Ok(out)
    }

    #[test]
    fn bodies_end_where_they_should() {
        let chunked = b"5\r\nhello\r\n1;a=b\r\n!\r\n00\r\nTrailer: x\r\n\r\nnext answer";
        assert_eq!(read(chunked, Framing::Chunked).unwrap(), "hello!");
        assert_eq!(read(b"hello, next", Framing::Length(5)).unwrap(), "hello");
        assert_eq!(read(b"hello", Framing::UntilClose).unwrap(), "hello");
        assert_eq!(read(b"", Framing::Length(0)).unwrap(), "");
    }

    #[test]
    fn an_early_end_is_an_error_at_any_byte() {
        let whole = b"5\r\nhello\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            let error = read(&whole[..end], Framing::Chunked).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{end}");
        }
        let error = read(b"hell", Framing::Length(5)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn wrong_chunks_are_refused() {
        for text in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "+5\r\nhello",
            "fffffffffffffffff\r\n",
            "2\r\nhello\r\n",
        ] {
            let error = read(text.as_bytes(), Framing::Chunked).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
        }
        let endless = "0".repeat(CHUNK_LINE_BYTES_MAX + 1);
        let error = read(endless.as_bytes(), Framing::Chunked).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
