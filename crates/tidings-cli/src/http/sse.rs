//! Server-Sent Events (WHATWG HTML, 9.2.6) as they arrive, in pieces of any size.

use std::io;

use super::head::invalid;

/// Largest frame, in bytes, and largest line: the server's buffer for one client (`live.buffer`) and
/// the largest event are far below it unless somebody set them so.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// One frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its name; empty where it has none.
    pub(crate) event: String,
    /// Its data, the lines joined by line feeds.
    pub(crate) data: String,
}

/// Reads frames out of a stream of bytes.
#[derive(Debug)]
pub(crate) struct FrameReader {
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
    /// The id that the frame in the making has set.
    next_id: Option<String>,
    last_id: Option<String>,
    retry_ms: Option<u64>,
    /// The last byte was a carriage return: a line feed after it belongs to it.
    after_cr: bool,
    is_first_line: bool,
    frame_bytes: usize,
    frame_bytes_max: usize,
}

impl FrameReader {
    /// Begins a stream. `last_id` is the id of the last frame of the stream that this one goes on.
    pub(crate) fn new(last_id: Option<String>) -> FrameReader {
        FrameReader {
            line: Vec::new(),
            frame: Frame::default(),
            has_data: false,
            next_id: last_id.clone(),
            last_id,
            retry_ms: None,
            after_cr: false,
            is_first_line: true,
            frame_bytes: 0,
            frame_bytes_max: FRAME_BYTES_MAX,
        }
    }

    /// The id of the last frame that was complete: where to go on.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the server wants to be left alone before somebody connects again.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Reads a piece, up to the end of its first frame. Gives how many bytes of it were read, and the
    /// frame if it is complete; what is left of the piece comes next.
    ///
    /// # Errors
    /// `InvalidData` for a frame that is too long.
    pub(crate) fn read(&mut self, piece: &[u8]) -> io::Result<(usize, Option<Frame>)> {
        let mut at = 0;
        while at < piece.len() {
            if std::mem::take(&mut self.after_cr) && piece[at] == b'\n' {
                at += 1;
                continue;
            }
            let rest = &piece[at..];
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let text = &rest[..end.unwrap_or(rest.len())];
            self.frame_bytes += text.len();
            if self.frame_bytes > self.frame_bytes_max {
                return Err(invalid("a frame that is too long"));
            }
            self.line.extend_from_slice(text);
            at += text.len();
            if end.is_none() {
                break;
            }
            self.after_cr = piece[at] == b'\r';
            at += 1;
            if let Some(frame) = self.end_line() {
                return Ok((at, Some(frame)));
            }
        }
        Ok((at, None))
    }

    /// The line is complete; an empty one ends the frame.
    fn end_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        let mut text = String::from_utf8_lossy(&line);
        if std::mem::take(&mut self.is_first_line)
            && let Some(rest) = text.strip_prefix('\u{feff}')
        {
            text = rest.to_owned().into();
        }
        if text.is_empty() {
            return self.end_frame();
        }
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        self.field(field, value.strip_prefix(' ').unwrap_or(value));
        // The memory of the line is used again.
        self.line = line;
        self.line.clear();
        None
    }

    fn field(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.frame.event),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.has_data = true;
                self.frame.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.next_id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok();
            }
            // Comments have an empty name; unknown fields are to be ignored.
            _ => {}
        }
    }

    /// Frames without data only set the id.
    fn end_frame(&mut self) -> Option<Frame> {
        self.frame_bytes = 0;
        self.last_id.clone_from(&self.next_id);
        let frame = std::mem::take(&mut self.frame);
        std::mem::take(&mut self.has_data).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All frames of a stream that comes in pieces of this size.
    fn frames(text: &[u8], piece_bytes: usize) -> (Vec<(String, String)>, FrameReader) {
        let mut reader = FrameReader::new(None);
        let mut frames = Vec::new();
        for mut piece in text.chunks(piece_bytes) {
            while !piece.is_empty() {
                let (used, frame) = reader.read(piece).unwrap();
                assert!(used > 0);
                frames.extend(frame.map(|frame| (frame.event, frame.data)));
                piece = &piece[used..];
            }
        }
        (frames, reader)
    }

    /// A stream, its frames, and the id to go on behind.
    type Case = (&'static str, Frames, Option<&'static str>);
    type Frames = &'static [(&'static str, &'static str)];

    #[test]
    fn frames_are_read_however_they_are_cut() {
        // The cases of the standard, and the frames of our server.
        let cases: &[Case] = &[
            (
                "data: YHOO\ndata: +2\ndata: 10\n\n",
                &[("", "YHOO\n+2\n10")],
                None,
            ),
            (
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
                &[
                    ("", "first event"),
                    ("", "second event"),
                    ("", " third event"),
                ],
                Some(""),
            ),
            ("data\n\ndata\ndata\n\ndata:", &[("", ""), ("", "\n")], None),
            (
                "data:test\n\ndata: test\n\n",
                &[("", "test"), ("", "test")],
                None,
            ),
            (
                "\u{feff}event: a\rdata: 1\r\rdata: 2\r\n\r\n",
                &[("a", "1"), ("", "2")],
                None,
            ),
            (
                "id: 7\n\nevent: x\n\ndata: y\nwhat: z\n\n",
                &[("", "y")],
                Some("7"),
            ),
            (
                "id: 8\ndata: x\n\nid: 9\ndata: never ends\n",
                &[("", "x")],
                Some("8"),
            ),
            ("id: a\0b\ndata: x\n\n", &[("", "x")], None),
            (
                "event: ping\ndata: {\"interval\": 30000}\nretry: 2000\nid: 5eed-0\n\nevent: trace\ndata: [{}]\nid: 5eed-8\n\n",
                &[("ping", "{\"interval\": 30000}"), ("trace", "[{}]")],
                Some("5eed-8"),
            ),
        ];
        for (text, expected, id) in cases {
            for piece_bytes in 1..=text.len() {
                let (found, reader) = frames(text.as_bytes(), piece_bytes);
                let found: Vec<_> = found.iter().map(|(a, b)| (&a[..], &b[..])).collect();
                assert_eq!(found, *expected, "{text:?} by {piece_bytes}");
                assert_eq!(reader.last_id(), *id, "{text:?} by {piece_bytes}");
            }
        }
    }

    #[test]
    fn the_servers_wish_to_be_left_alone_is_heeded() {
        let retry = |text: &str| frames(text.as_bytes(), 3).1.retry_ms();
        assert_eq!(retry("retry: 2000\n\n"), Some(2000));
        for text in ["retry: -1\n\n", "retry:\n\n", "retry: 1s\n\n", "x: 1\n\n"] {
            assert_eq!(retry(text), None, "{text}");
        }
    }

    #[test]
    fn endless_frames_end() {
        for text in ["data: 12345", "data: 1\ndata: 2\n", ":::::::::::::"] {
            let mut reader = FrameReader::new(None);
            reader.frame_bytes_max = 10;
            let error = reader.read(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
        }
        let mut reader = FrameReader::new(None);
        reader.frame_bytes_max = 10;
        for _ in 0..5 {
            assert_eq!(reader.read(b"data: 1\n\n").unwrap().0, 9);
        }
    }

    #[test]
    fn what_is_not_utf_8_is_marked() {
        let (found, _) = frames(b"data: \xff\xfe!\n\n", 1);
        assert_eq!(found[0].1, "\u{fffd}\u{fffd}!");
    }
}
