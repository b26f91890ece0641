//! Times as text: RFC 3339 out and in, and the ways in which people say *when*.
//!
//! A time is an `i64` of nanoseconds since the unix epoch, in UTC, without leap seconds; it spans the
//! years 1677 to 2262. Nothing here knows the current time or a time zone: "now" is an argument, and
//! what has no offset is UTC.

mod civil;
mod duration;
mod rfc3339;
mod when;

use std::fmt;

pub use civil::{civil_from_days, days_from_civil, days_in_month};
pub use duration::parse_duration;
pub use rfc3339::{
    parse_rfc3339, parse_rfc3339_seconds, rfc3339, rfc3339_seconds, write_rfc3339,
    write_rfc3339_seconds,
};
pub use when::{When, parse_when};

pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A text that is not the time or duration it should be; its message says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeError(String);

impl TimeError {
    /// "`text` is not `what`: `why`".
    fn new(text: &str, what: &str, why: &str) -> TimeError {
        TimeError(format!("{text:?} is not {what}: {why}"))
    }
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TimeError {}

#[cfg(test)]
mod tests;
