//! Events as JSON: the webhook form that goes out and comes in, and the registry form of the
//! management API and the live stream.
//!
//! **Webhook form** ([`write_webhook`]): `{"id":…,"createdAt":…,"type":…,"data":{…}}`, the
//! reference's. With [`Additional`] fields it becomes our own event JSON, which carries the rest of
//! what is known of the event as well:
//!
//! | field | value |
//! |---|---|
//! | `id` | text given by the sender; for the reference, a number that changes with every sending |
//! | `createdAt` | RFC 3339 with whole seconds |
//! | `type` | name of the event type |
//! | `data` | the pairs; `spanId` is a number here, as the reference has it |
//! | `sequence` | place in the sender's spool: a number up to 2^53, above that a text, because many readers of JSON hold numbers as doubles |
//! | `time` | RFC 3339 in full resolution |
//! | `level` | `trace`, `debug`, `info`, `warn`, `error` or `disable` |
//! | `spanId` | the span's id as base-32 text, safe where a number is not |
//! | `eventId` | the event's lasting identity, `<8 hexadecimal digits>-<number>` |
//! | `late`, `imported` | `true`, or absent |
//! | `node` | the host that the event arose on |
//! | `raw` | the line that the event was read from; where it is not UTF-8, with U+FFFD in it |
//! | `rawBase64` | its bytes, only where they are not UTF-8 |
//!
//! **Registry form** ([`write_registry`]): `{"event":…,"timestamp":…,"keyValues":{"0":{…}}}` with
//! typed values.
//!
//! [`EventReader`] reads both.

pub(crate) mod encode;
mod names;
mod parse;
mod read;
mod registry;
mod webhook;
mod write;

use std::fmt;

pub use read::{EventReader, MAX_EVENT_JSON_BYTES, ReadEvent};
pub use registry::write_registry;
pub use webhook::{Additional, write_webhook};
pub use write::{write_json_string, write_json_value};

/// JSON that is not what it should be: where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    at: usize,
    message: String,
}

impl JsonError {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> JsonError {
        JsonError {
            at,
            message: message.into(),
        }
    }

    /// Offset of the byte at which reading stopped.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.message)
    }
}

impl std::error::Error for JsonError {}

#[cfg(test)]
mod tests;
