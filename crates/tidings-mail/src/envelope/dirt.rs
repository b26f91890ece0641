//! What gets into log lines besides the log: line ends, byte order marks, NULs, colours, escapes.

use std::borrow::Cow;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The line without CR, LF and NUL at its end, and without byte order mark and NULs at its start
/// (a crash leaves a run of NULs in a file).
#[inline]
pub(super) fn trim(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n' | b'\r' | 0] = line {
        line = rest;
    }
    if matches!(line.first(), Some(0 | 0xef)) {
        line = line.strip_prefix(BOM).unwrap_or(line);
        while let [0, rest @ ..] = line {
            line = rest;
        }
        line = line.strip_prefix(BOM).unwrap_or(line);
    }
    line
}

/// Appends `line` without the escape sequences of terminals (`ESC [ … letter`).
pub(super) fn strip_colours(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(at) = memchr::memchr(0x1b, rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(sequence) = rest.strip_prefix(b"[") {
            let end = sequence.iter().position(|byte| (0x40..0x7f).contains(byte));
            rest = end.map_or(&[][..], |end| &sequence[end + 1..]);
        }
    }
    out.extend_from_slice(rest);
}

/// Undoes `#012`, `#011`, `#015`: how rsyslog writes control characters, three octal digits each.
///
/// Only control characters are undone, so that `#123` in a subject stays. Borrows where there is
/// none.
pub fn unescape_controls(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memmem::find(text, b"#0")
        .filter(|at| control(&text[*at..]).is_some())
        .or_else(|| memchr::memchr_iter(b'#', text).find(|at| control(&text[*at..]).is_some()))
    else {
        return Cow::Borrowed(text);
    };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let mut at = first;
    while at < text.len() {
        match control(&text[at..]) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// The control character that `#ooo` at the head stands for.
fn control(text: &[u8]) -> Option<u8> {
    let [
        b'#',
        tens @ b'0'..=b'1',
        eights @ b'0'..=b'7',
        ones @ b'0'..=b'7',
    ] = *text.first_chunk()?
    else {
        return None;
    };
    let byte = (tens - b'0') * 64 + (eights - b'0') * 8 + (ones - b'0');
    (byte < 0x20 || byte == 0x7f).then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        assert_eq!(trim(b"\xef\xbb\xbfa b\r\n"), b"a b");
        assert_eq!(trim(b"\0\0\0a\0\n\0"), b"a");
        assert_eq!(trim(b"\n"), b"");
        assert_eq!(trim(b"a "), b"a ");
    }

    #[test]
    fn colours() {
        let mut out = Vec::new();
        strip_colours(b"\x1b[36mmx | \x1b[0m\x1b[1;31ma\x1b", &mut out);
        assert_eq!(out, b"mx | a");
    }

    #[test]
    fn controls() {
        assert_eq!(unescape_controls(b"a#012b#011#177").as_ref(), b"a\nb\t\x7f");
        assert_eq!(
            unescape_controls(b"re #123 #040 #").as_ref(),
            b"re #123 #040 #"
        );
        assert!(matches!(unescape_controls(b"issue #099"), Cow::Borrowed(_)));
    }
}
