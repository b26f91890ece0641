//! Ends of sessions after sign-in: imap, pop3, managesieve, submission.

use super::scan;
use super::statement::{Says, SessionEnd};

/// Reads the end of a session; `None` if the text is something else.
pub(super) fn read(text: &[u8]) -> Option<Says<'_>> {
    const STARTS: &[&[u8]] = &[
        b"Disconnected",
        b"Connection closed",
        b"Logged out",
        b"Connection reset by peer",
        b"Server shutting down",
        b"Inactivity",
        b"Too many invalid",
        b"Too many bad",
        b"Remote closed connection",
        b"Connection lost",
        b"Client has not read server output",
        b"Timeout ",
        b"Kicked by admin",
        b"Mailbox is in inconsistent state",
        b"IMAP session state is inconsistent",
        b"Shutting down",
        b"Input line too long",
        b"Internal error occurred. Refer to server log",
        b"Selected mailbox was deleted",
    ];
    if !scan::starts_any(text, STARTS) {
        return None;
    }
    let (reason, counters) = split_counters(text);
    let mut end = SessionEnd {
        reason,
        logged_out: memchr::memmem::find(reason, b"Logged out").is_some(),
        bytes_in: None,
        bytes_out: None,
        deleted: None,
        expunged: None,
        trashed: None,
        fetched: None,
        fetched_bytes: None,
        counters,
    };
    for counter in counters.split(|byte| *byte == b' ') {
        take(&mut end, counter.strip_suffix(b",").unwrap_or(counter));
    }
    Some(Says::SessionEnd(end))
}

/// Splits `Logged out in=57 out=807` before the words at its end that are counters.
fn split_counters(text: &[u8]) -> (&[u8], &[u8]) {
    let mut start = text.len();
    while let Some(blank) = memchr::memrchr(b' ', &text[..start]) {
        if !is_counter(&text[blank + 1..start]) {
            break;
        }
        start = blank;
    }
    let reason = &text[..start];
    let counters = text.get(start + 1..).unwrap_or(b"");
    (reason.strip_suffix(b",").unwrap_or(reason), counters)
}

/// `in=57`, `top=3/2443,`, `bytes=12/345`, `size=288365`, `1/2`-valued ones, `session=<…>`.
fn is_counter(word: &[u8]) -> bool {
    let word = word.strip_suffix(b",").unwrap_or(word);
    let Some((key, value)) = scan::split_once(word, b"=") else {
        return false;
    };
    let is_key = !key.is_empty()
        && key
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'));
    let is_value = !value.is_empty()
        && value
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'/' | b'.' | b'-' | b'>'));
    is_key && (is_value || key == b"session" || key == b"uidl_hash" || key == b"uidl")
}

fn take(end: &mut SessionEnd<'_>, counter: &[u8]) {
    let Some((key, value)) = scan::split_once(counter, b"=") else {
        return;
    };
    let one = scan::number(value);
    let pair = || {
        let (first, rest) = scan::leading_number(value)?;
        Some((first, scan::number(rest.strip_prefix(b"/")?)?))
    };
    match key {
        b"in" | b"rcvd" | b"input" => end.bytes_in = one,
        b"out" | b"sent" | b"output" => end.bytes_out = one,
        b"bytes" => {
            if let Some((bytes_in, bytes_out)) = pair() {
                (end.bytes_in, end.bytes_out) = (Some(bytes_in), Some(bytes_out));
            }
        }
        b"deleted" => end.deleted = one,
        b"del" => end.deleted = pair().map(|(deleted, _)| deleted).or(one),
        b"expunged" => end.expunged = one,
        b"trashed" => end.trashed = one,
        b"body_count" => end.fetched = one,
        b"body_bytes" => end.fetched_bytes = one,
        b"retr" => {
            if let Some((count, bytes)) = pair() {
                (end.fetched, end.fetched_bytes) = (Some(count), Some(bytes));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> SessionEnd<'_> {
        match read(text.as_bytes()) {
            Some(Says::SessionEnd(end)) => end,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn counters_of_all_ages() {
        let read = end(
            "Disconnected: Logged out in=57 out=807 deleted=1 expunged=2 trashed=3 hdr_count=0 hdr_bytes=0 body_count=4 body_bytes=5",
        );
        assert_eq!(read.reason, b"Disconnected: Logged out");
        assert!(read.logged_out);
        assert_eq!((read.bytes_in, read.bytes_out), (Some(57), Some(807)));
        assert_eq!(
            (read.deleted, read.expunged, read.trashed),
            (Some(1), Some(2), Some(3))
        );
        assert_eq!((read.fetched, read.fetched_bytes), (Some(4), Some(5)));

        let read = end("Disconnected: Logged out top=3/2443, retr=3/2476, del=1/24, size=288365");
        assert_eq!(
            read.counters,
            b"top=3/2443, retr=3/2476, del=1/24, size=288365"
        );
        assert_eq!(
            (read.fetched, read.fetched_bytes, read.deleted),
            (Some(3), Some(2476), Some(1))
        );

        let read = end("Disconnected in IDLE bytes=12/345");
        assert_eq!(
            (read.reason, read.bytes_in),
            (&b"Disconnected in IDLE"[..], Some(12))
        );

        let read = end(
            "Connection closed (IDLE running for 0.001 + waiting input for 9.2 secs, 2 B in + 10 B out, state=wait-input) in=1 out=2",
        );
        assert!(read.reason.ends_with(b"state=wait-input)"));
        assert_eq!((read.bytes_in, read.bytes_out), (Some(1), Some(2)));
        assert!(!read.logged_out);

        let read = end("Disconnected");
        assert_eq!(
            (read.reason, read.counters),
            (&b"Disconnected"[..], &b""[..])
        );
    }

    #[test]
    fn other_texts() {
        assert_eq!(read(b"Login: user=<a>"), None);
        assert_eq!(read(b""), None);
    }
}
