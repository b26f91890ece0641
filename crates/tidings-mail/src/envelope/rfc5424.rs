//! Syslog of RFC 5424: `<22>1 2026-11-22T13:08:45.1+00:00 mx postfix/smtpd 725 - - text`.

use super::header::Header;
use super::stamp::{self, Stamp};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads what follows `<22>1 `. `None` if it is not of that shape.
///
/// One blank before the text is dropped: rsyslog keeps the one that stood behind the tag.
pub(super) fn read(text: &[u8]) -> Option<(Stamp, Header<'_>)> {
    let (time, rest) = word(text)?;
    let stamp = match time {
        b"-" => Stamp::None,
        time => stamp::iso(time)
            .filter(|(_, length)| *length == time.len())
            .map(|(civil, _)| Stamp::Civil(civil))?,
    };
    let (host, rest) = word(rest)?;
    let (tag, rest) = word(rest)?;
    let (pid, rest) = word(rest)?;
    let (_message_id, rest) = word(rest)?;
    let body = after_structured_data(rest)?;
    let body = body.strip_prefix(b" ").unwrap_or(body);
    let body = body.strip_prefix(BOM).unwrap_or(body);
    let body = body.strip_prefix(b" ").unwrap_or(body);
    let pid = std::str::from_utf8(pid)
        .ok()
        .and_then(|pid| pid.parse().ok());
    let header = Header {
        host: given(host),
        tag: given(tag),
        pid,
        priority: None,
        body,
    };
    Some((stamp, header))
}

/// One field and the rest behind its blank.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    (end > 0).then(|| (&text[..end], &text[end + 1..]))
}

fn given(field: &[u8]) -> &[u8] {
    if field == b"-" { b"" } else { field }
}

/// What follows `-` or `[id name="value"]…`; values may hold `\"`, `\\` and `\]`.
fn after_structured_data(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return (rest.is_empty() || rest[0] == b' ').then_some(rest);
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix(b"[") {
        let mut quoted = false;
        let mut at = 0;
        loop {
            match element.get(at)? {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                b']' if !quoted => break,
                _ => {}
            }
            at += 1;
        }
        rest = &element[at + 1..];
    }
    (rest.len() < text.len() && matches!(rest.first(), None | Some(b' '))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let line = b"2026-11-22T13:08:45.1+00:00 mx postfix/smtpd 725 - -  connect from";
        let (stamp, header) = read(line).expect("a header");
        assert!(matches!(stamp, Stamp::Civil(_)));
        assert_eq!(
            header,
            Header {
                host: b"mx",
                tag: b"postfix/smtpd",
                pid: Some(725),
                priority: None,
                body: b"connect from"
            }
        );
    }

    #[test]
    fn structured_data() {
        let body = |text: &'static str| {
            read(text.as_bytes())
                .map(|(_, header)| String::from_utf8_lossy(header.body).into_owned())
        };
        let cases = [
            (
                "- mx a - - [x@1 k=\"a \\\"] b\"][y] \u{feff}text",
                Some("text"),
            ),
            ("- - - - - -", Some("")),
            ("- mx a 1 ID [x k=\"]\"] t", Some("t")),
            ("- mx a 1 ID [x k=\"", None),
            ("- mx a 1 ID x t", None),
            ("Nov 22 13:08:45 mx a", None),
        ];
        for (line, expected) in cases {
            assert_eq!(body(line).as_deref(), expected, "{line}");
        }
    }
}
