//! The frames of Server-Sent Events (WHATWG HTML, 9.2), as the reference names them: `ping`, `trace`;
//! and `gap`, which says what a client did not get.

use std::io::Write as _;

use bytes::Bytes;

use super::id::StreamId;

/// How long a client is to wait before it connects again, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// Seconds without anything after which a ping is sent.
pub(super) const PING_SECONDS: u64 = 30;

/// Events that a client will not get, or not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) why: Why,
    /// How many; `None` if nobody can know.
    pub(super) count: Option<u64>,
    /// The sequences of the first and the last, if they are known.
    pub(super) from_to: Option<(u64, u64)>,
}

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The client did not read them in time.
    Slow,
    /// The spool's limit removed them.
    Removed,
    /// The medium damaged them, or a repair found them lost.
    Lost,
    /// The id to go on behind is of another spool, or of none.
    ForeignId,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Why::Slow => "slow-client",
            Why::Removed => "removed",
            Why::Lost => "lost",
            Why::ForeignId => "foreign-id",
        }
    }
}

/// Appends a ping; `last` is the sequence up to which everything was sent, if that is known already.
pub(super) fn write_ping(out: &mut Vec<u8>, id: StreamId, last: Option<u64>, is_first: bool) {
    let interval_ms = PING_SECONDS * 1000;
    write(
        out,
        format_args!("event: ping\ndata: {{\"interval\": {interval_ms}}}\n"),
    );
    if is_first {
        write(out, format_args!("retry: {RETRY_MS}\n"));
    }
    match last {
        Some(last) => end(out, id, last),
        None => out.push(b'\n'),
    }
}

/// Appends a bundle of events, which are objects of JSON without line feeds.
pub(super) fn write_events(out: &mut Vec<u8>, id: StreamId, last: u64, events: &[Bytes]) {
    out.extend_from_slice(b"event: trace\ndata: [");
    for (at, event) in events.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(event);
    }
    out.extend_from_slice(b"]\n");
    end(out, id, last);
}

/// Appends what is missing.
pub(super) fn write_gap(out: &mut Vec<u8>, id: StreamId, last: u64, gap: &Gap) {
    out.extend_from_slice(b"event: gap\ndata: {\"count\":");
    match gap.count {
        Some(count) => write(out, format_args!("{count}")),
        None => out.extend_from_slice(b"null"),
    }
    write(out, format_args!(",\"reason\":\"{}\"", gap.why.as_str()));
    if let Some((from, to)) = gap.from_to {
        write(
            out,
            format_args!(",\"from\":\"{}\",\"to\":\"{}\"", id.of(from), id.of(to)),
        );
    }
    out.extend_from_slice(b"}\n");
    end(out, id, last);
}

fn end(out: &mut Vec<u8>, id: StreamId, last: u64) {
    write(out, format_args!("id: {}\n\n", id.of(last)));
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_reference_and_ours() {
        let id = StreamId { epoch: 0x5eed };
        let mut out = Vec::new();
        write_ping(&mut out, id, None, false);
        write_ping(&mut out, id, Some(0), true);
        write_events(
            &mut out,
            id,
            8,
            &[Bytes::from_static(b"{}"), Bytes::from_static(b"{}")],
        );
        let gap = |count, from_to| Gap {
            why: Why::Slow,
            count,
            from_to,
        };
        write_gap(&mut out, id, 12, &gap(Some(3), Some((9, 12))));
        write_gap(&mut out, id, 12, &gap(None, None));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "event: ping\ndata: {\"interval\": 30000}\n\n\
             event: ping\ndata: {\"interval\": 30000}\nretry: 2000\nid: 0000000000005eed-0\n\n\
             event: trace\ndata: [{},{}]\nid: 0000000000005eed-8\n\n\
             event: gap\ndata: {\"count\":3,\"reason\":\"slow-client\",\"from\":\"0000000000005eed-9\",\
             \"to\":\"0000000000005eed-12\"}\nid: 0000000000005eed-12\n\n\
             event: gap\ndata: {\"count\":null,\"reason\":\"slow-client\"}\nid: 0000000000005eed-12\n\n"
        );
    }
}
