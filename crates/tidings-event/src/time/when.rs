//! *When*, as an admin says it: `2h`, `2026-11-22`, `2026-11-22T13:00`, or a full RFC 3339 time.

use super::TimeError;
use super::duration::parse_duration;
use super::rfc3339::{out_of_range, parse_moment};

const ALLOWED: &str = "write a duration before now (2h, 30m, 1d12h; with + in front: after now), \
                       a date (2026-11-22), a date and time (2026-11-22T13:00, UTC without an offset) or now";

/// What a text about a time names: a period as long as the last unit that was written, so that
/// `2026-11-22` is a day, `2026-11-22T13:00` a minute, and `2h` an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// First nanosecond of the period, since the unix epoch.
    pub start_ns: i64,
    /// Last nanosecond of the period: the same as the first for an instant.
    pub end_ns: i64,
}

/// Reads `2h` (two hours before `now_ns`), `+2h` (after it), `now`, `2026-11-22`,
/// `2026-11-22T13:00`, `2026-11-22T13:00:05.123+01:00`. A blank may stand for the `T`; what has no
/// offset is UTC. "Since" such a time is from its `start_ns`, "until" is up to its `end_ns`.
///
/// # Errors
/// If the text is none of these, or lies outside the years 1677 to 2262.
pub fn parse_when(text: &str, now_ns: i64) -> Result<When, TimeError> {
    let instant = |time_ns| When {
        start_ns: time_ns,
        end_ns: time_ns,
    };
    if text.eq_ignore_ascii_case("now") {
        return Ok(instant(now_ns));
    }
    let (ahead, distance) = match text.split_at_checked(1) {
        Some(("+", rest)) => (true, rest),
        Some(("-", rest)) => (false, rest),
        _ => (false, text),
    };
    if looks_like_duration(distance) {
        let distance = parse_duration(distance)?;
        let time = if ahead {
            now_ns.checked_add_unsigned(distance)
        } else {
            now_ns.checked_sub_unsigned(distance)
        };
        return time.map(instant).ok_or_else(|| out_of_range(text));
    }
    let moment = parse_moment(text, ALLOWED)?;
    let start_ns = moment.nanoseconds().ok_or_else(|| out_of_range(text))?;
    Ok(When {
        start_ns,
        end_ns: start_ns.saturating_add(moment.unit_ns - 1),
    })
}

/// Digits and then a letter, where a date has digits and then `-`.
fn looks_like_duration(text: &str) -> bool {
    let number = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'.')
        .count();
    number > 0 && text[number..].starts_with(char::is_alphabetic)
}
