//! The objects of an answer, one a line.

use std::io::{self, BufRead, BufReader, Read};

use serde::de::DeserializeOwned;

use super::LINE_BYTES_MAX;
use super::head::invalid;

/// What a line that reports a failure begins with; no object of ours has a field of this name first.
const ERROR_START: &[u8] = b"{\"error\":";

/// Reads the lines of a body.
pub(super) struct Lines<R: Read> {
    input: BufReader<R>,
    line: Vec<u8>,
    line_bytes_max: usize,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(body: R) -> Lines<R> {
        Lines {
            input: BufReader::new(body),
            line: Vec::new(),
            line_bytes_max: LINE_BYTES_MAX,
        }
    }

    /// The same with another limit.
    #[cfg(test)]
    pub(super) fn with_limit(body: R, line_bytes_max: usize) -> Lines<R> {
        Lines {
            line_bytes_max,
            ..Lines::new(body)
        }
    }

    /// The next line that is not empty, without its end; `None` at the end of the body.
    ///
    /// # Errors
    /// What reading the body gives, or `InvalidData` for a line that is too long.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.line.clear();
            let limit = self.line_bytes_max as u64 + 1;
            (&mut self.input)
                .take(limit)
                .read_until(b'\n', &mut self.line)?;
            if self.line.is_empty() {
                return Ok(None);
            }
            if self.line.len() > self.line_bytes_max {
                return Err(invalid("an object that is too long"));
            }
            let end = self.line.trim_ascii_end().len();
            if end > 0 {
                return Ok(Some(&self.line[..end]));
            }
        }
    }
}

/// Whether a line reports a failure instead of a result.
pub(super) fn is_error(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(ERROR_START)
}

/// The object on a line.
///
/// # Errors
/// `InvalidData` if it is none.
pub(super) fn object<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(invalid("something that is not a JSON object"));
    }
    serde_json::from_slice(line).map_err(|_| invalid("a JSON object that cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_and_bounded() {
        let mut lines = Lines::new(&b"{\"a\":1}\r\n\n{\"b\":2}"[..]);
        assert_eq!(lines.next().unwrap(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(lines.next().unwrap(), Some(&b"{\"b\":2}"[..]));
        assert_eq!(lines.next().unwrap(), None);

        let mut lines = Lines::with_limit(&b"12345\n123456\n"[..], 6);
        assert_eq!(lines.next().unwrap(), Some(&b"12345"[..]));
        assert_eq!(lines.next().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn only_objects_are_objects() {
        assert!(object::<serde_json::Value>(b"{\"a\":1}").is_ok());
        for line in ["[1]", "1", "{\"a\":", "<html>"] {
            assert!(
                object::<serde_json::Value>(line.as_bytes()).is_err(),
                "{line}"
            );
        }
        assert!(is_error(br#"{"error":{"message":"m","code":"data"}}"#));
        assert!(!is_error(br#"{"id":"x","error":1}"#));
    }
}
