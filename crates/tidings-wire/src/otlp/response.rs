//! What a receiver answers: partial success, and the status of an RPC with its advice on retrying.

use std::fmt;
use std::time::Duration;

use super::proto::{Field, Fields};

/// Texts of a receiver are cut to this many bytes: they end up in reports.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The answer to a request that arrived (`Export*ServiceResponse`, the same bytes for all signals).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// How many log records, spans or data points the receiver refused for good.
    pub rejected: u64,
    /// Why, or a warning if none were refused; empty if there is none. At most 4 KiB.
    pub message: String,
}

impl Reply {
    /// Reads an answer.
    ///
    /// # Errors
    /// If the bytes are not such a message.
    pub fn read(bytes: &[u8]) -> Result<Reply, Damaged> {
        let mut reply = Reply::default();
        for field in Fields(bytes) {
            if let Field::Bytes(1, partial) = field.map_err(|()| Damaged("export response"))? {
                for field in Fields(partial) {
                    match field.map_err(|()| Damaged("partial success"))? {
                        // An int64: a negative count says nothing.
                        Field::Varint(1, count) => {
                            reply.rejected = u64::try_from(count as i64).unwrap_or(0);
                        }
                        Field::Bytes(2, text) => reply.message = lossy(text),
                        _ => (),
                    }
                }
            }
        }
        Ok(reply)
    }
}

/// Why a request failed (`google.rpc.Status`): the body of an HTTP answer of class 4xx or 5xx, and
/// `grpc-status-details-bin` of a gRPC answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcStatus {
    /// The code, as of gRPC.
    pub code: i32,
    /// The message for people; at most 4 KiB.
    pub message: String,
    /// When to try again (`google.rpc.RetryInfo`), if it says.
    pub retry_after: Option<Duration>,
}

impl RpcStatus {
    /// Reads a status.
    ///
    /// # Errors
    /// If the bytes are not such a message. Details that are not understood are stepped over.
    pub fn read(bytes: &[u8]) -> Result<RpcStatus, Damaged> {
        let mut status = RpcStatus::default();
        for field in Fields(bytes) {
            match field.map_err(|()| Damaged("status"))? {
                Field::Varint(1, code) => status.code = code as i32,
                Field::Bytes(2, text) => status.message = lossy(text),
                Field::Bytes(3, detail) => {
                    status.retry_after = retry_info(detail).or(status.retry_after);
                }
                _ => (),
            }
        }
        Ok(status)
    }
}

/// Bytes that are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(&'static str);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a protobuf message", self.0)
    }
}

impl std::error::Error for Damaged {}

fn lossy(text: &[u8]) -> String {
    let text = &text[..text.len().min(MESSAGE_BYTES_MAX)];
    String::from_utf8_lossy(text).into_owned()
}

/// The delay of a `google.protobuf.Any` that holds a `google.rpc.RetryInfo`.
fn retry_info(any: &[u8]) -> Option<Duration> {
    let (mut kind, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields(any) {
        match field.ok()? {
            Field::Bytes(1, name) => kind = name,
            Field::Bytes(2, bytes) => value = bytes,
            _ => (),
        }
    }
    if kind.rsplit(|byte| *byte == b'/').next()? != b"google.rpc.RetryInfo" {
        return None;
    }
    let delay = Fields(value).find_map(|field| match field {
        Ok(Field::Bytes(1, delay)) => Some(delay),
        _ => None,
    });
    duration(delay.unwrap_or_default())
}

/// A `google.protobuf.Duration`; one below zero is none.
fn duration(bytes: &[u8]) -> Option<Duration> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    for field in Fields(bytes) {
        match field.ok()? {
            Field::Varint(1, number) => seconds = number as i64,
            Field::Varint(2, number) => nanos = number as i64,
            _ => (),
        }
    }
    let nanos = u32::try_from(nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}
