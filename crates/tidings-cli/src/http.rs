//! Asks a running server: HTTP/1.1 over its socket in the data directory, or over TCP and TLS.
//!
//! One request per connection, no queue, no retry, but for streams, which are opened again. Everything that the server sends is bounded: the
//! head of an answer by [`HEAD_BYTES_MAX`], a line of its body by [`LINE_BYTES_MAX`]; an answer that
//! exceeds them, or ends before its end, is a failure and never a shorter result.

mod body;
mod connect;
mod head;
mod lines;
mod remote;
mod request;
mod server;
mod sse;
mod url;
mod watch;

pub(crate) use remote::{HttpStore, answers};
pub(crate) use server::Server;
pub(crate) use sse::Frame;
pub(crate) use watch::{Watch, Watched};

/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Longest line of an answer's body, in bytes: one object, of which a story with hundreds of
/// thousands of steps would be the longest.
const LINE_BYTES_MAX: usize = 256 << 20;

#[cfg(test)]
mod tests;
