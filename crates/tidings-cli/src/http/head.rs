//! The head of an answer: its status and the few headers that matter.

use std::io::{self, BufRead};

use super::HEAD_BYTES_MAX;

/// The head of an HTTP/1.1 answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Status code.
    pub(super) status: u16,
    /// Where the answer is to be found instead.
    pub(super) location: Option<String>,
    /// How long the body is.
    pub(super) framing: Framing,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// By chunks (RFC 9112, 7.1).
    Chunked,
    /// By its length in bytes.
    Length(u64),
    /// By the end of the connection.
    #[default]
    UntilClose,
}

/// Reads the head of an answer, past interim ones (`100 Continue`).
///
/// # Errors
/// `InvalidData` for what is not HTTP/1.x or too long, `UnexpectedEof` for an early end.
pub(super) fn read_head(input: &mut impl BufRead) -> io::Result<Head> {
    let mut room = HEAD_BYTES_MAX;
    loop {
        let status = status_of(&read_line(input, &mut room)?)?;
        let mut head = Head {
            status,
            ..Head::default()
        };
        loop {
            let line = read_line(input, &mut room)?;
            if line.is_empty() {
                break;
            }
            header(&mut head, &line)?;
        }
        if !(100..200).contains(&status) {
            if matches!(status, 204 | 304) {
                head.framing = Framing::Length(0);
            }
            return Ok(head);
        }
    }
}

/// Reads a line without its end, of at most `room` bytes, which it uses up.
pub(super) fn read_line(input: &mut impl BufRead, room: &mut usize) -> io::Result<String> {
    let mut line = Vec::new();
    let limit = u64::try_from(*room).unwrap_or(u64::MAX);
    io::Read::take(&mut *input, limit).read_until(b'\n', &mut line)?;
    *room -= line.len();
    if line.pop() != Some(b'\n') {
        return Err(if *room == 0 {
            invalid("a head that is too long")
        } else {
            io::ErrorKind::UnexpectedEof.into()
        });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| invalid("a header that is no text"))
}

/// The status of `HTTP/1.1 200 OK`.
fn status_of(line: &str) -> io::Result<u16> {
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let status = words.next().filter(|word| word.len() == 3);
    match status.and_then(|word| word.parse().ok()) {
        Some(status) if is_http && status >= 100 => Ok(status),
        _ => Err(invalid("something that is not HTTP")),
    }
}

fn header(head: &mut Head, line: &str) -> io::Result<()> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(invalid("a header without a colon"));
    };
    let value = value.trim();
    if name.eq_ignore_ascii_case("transfer-encoding") {
        if !value.eq_ignore_ascii_case("chunked") {
            return Err(invalid("a transfer encoding that was not asked for"));
        }
        head.framing = Framing::Chunked;
    } else if name.eq_ignore_ascii_case("content-length") && head.framing != Framing::Chunked {
        let length = value
            .parse()
            .map_err(|_| invalid("a length that is no number"))?;
        head.framing = Framing::Length(length);
    } else if name.eq_ignore_ascii_case("location") {
        head.location = Some(value.to_owned());
    }
    Ok(())
}

/// "The server sent …".
pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Head> {
        read_head(&mut text.as_bytes())
    }

    #[test]
    fn heads_are_read() {
        let head = read("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        assert_eq!((head.status, head.framing), (200, Framing::Length(5)));
        let head = read("HTTP/1.1 200\nTRANSFER-ENCODING: Chunked\nContent-Length: 5\n\n").unwrap();
        assert_eq!(head.framing, Framing::Chunked);
        let head = read("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n").unwrap();
        assert_eq!(
            (head.location.as_deref(), head.framing),
            (Some("/x"), Framing::UntilClose)
        );
        let head = read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n").unwrap();
        assert_eq!((head.status, head.framing), (204, Framing::Length(0)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 20 \r\n\r\n",
            "HTTP/1.1 099 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert_eq!(
                read(text).unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{text}"
            );
        }
        for text in [
            "",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nA: b",
        ] {
            assert_eq!(
                read(text).unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof,
                "{text}"
            );
        }
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(HEAD_BYTES_MAX));
        assert_eq!(
            read(&endless).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(HEAD_BYTES_MAX / 20);
        assert_eq!(
            read(&interim).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
