//! What a stream is asked for with. As the reference does, parameters that are not known are ignored;
//! those that are known and wrong are refused.

use std::time::Duration;

use axum::extract::Query;
use axum::http::StatusCode;
use tidings_event::filter::{FieldSet, Filter};
use tidings_event::time::parse_when;
use tidings_event::{EventSet, Key, Level};

use crate::http::answer::{Refusal, refuse};
use crate::http::parameters::Pairs;
use crate::live::{Needle, Since, Wish, is_id};

/// How often bundles are sent at most, unless the client says otherwise: as the reference.
const THROTTLE_MS: u64 = 1_000;

/// The longest throttle, in milliseconds.
const THROTTLE_MS_MAX: u64 = 60_000;

/// Seconds between the frames of metrics, unless the client says otherwise: as the reference.
const INTERVAL_SECONDS: u64 = 30;

/// The longest interval.
const INTERVAL_SECONDS_MAX: u64 = 86_400;

/// Needles that one stream may have.
const NEEDLES_MAX: usize = 32;

/// The longest needle, in bytes.
const NEEDLE_BYTES_MAX: usize = 1_024;

/// What a stream of events is asked for.
#[derive(Debug)]
pub(super) struct Tracing {
    pub(super) wish: Wish,
    pub(super) since: Since,
    pub(super) throttle: Duration,
}

/// Reads the parameters of a stream of events. Those without a value count as not given.
pub(super) fn tracing(pairs: Pairs, now_ns: i64) -> Result<Tracing, Refusal> {
    let mut wish = Wish::everything();
    let mut since = Since::Now;
    let mut throttle_ms = THROTTLE_MS;
    let mut query = Filter::everything();
    let mut patterns: Vec<String> = Vec::new();
    let mut needles = 0;
    for (name, value) in given(pairs)? {
        match name.to_ascii_lowercase().as_str() {
            "q" => {
                let filter = Filter::parse(&value, &FieldSet::EVENTS);
                query = query.and(filter.map_err(|error| wrong(&format!("q: {error}")))?);
            }
            "level" => {
                let level = value.to_ascii_lowercase().parse::<Level>().ok();
                let level = level.filter(|level| *level != Level::Disable);
                wish = wish.level(read(
                    &name,
                    &value,
                    "trace, debug, info, warn, error",
                    level,
                )?);
            }
            "event" => patterns.extend(list(&value)),
            "since" => since = read_since(&value, now_ns)?,
            "throttle" => throttle_ms = number(&name, &value, 0, THROTTLE_MS_MAX)?,
            "token" => {}
            lower => {
                let key = Key::from_name(&name).or_else(|| Key::from_name(lower));
                if lower != "filter" && key.is_none() {
                    continue;
                }
                needles += 1;
                if needles > NEEDLES_MAX || value.len() > NEEDLE_BYTES_MAX {
                    return Err(wrong(&format!(
                        "{name}: too much to look for; allowed are {NEEDLES_MAX} parameters of \
                         {NEEDLE_BYTES_MAX} bytes each"
                    )));
                }
                let key = key.filter(|_| lower != "filter");
                wish = wish.needle(Needle { key, text: value });
            }
        }
    }
    if !patterns.is_empty() {
        let events = EventSet::of(patterns.iter().map(String::as_str));
        wish = wish.events(events.map_err(|error| wrong(&format!("event: {error}")))?);
    }
    Ok(Tracing {
        wish: wish.query(&query, now_ns),
        since,
        throttle: Duration::from_millis(throttle_ms),
    })
}

/// What a stream of metrics is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Names of metrics; empty for all.
    pub(super) names: Vec<String>,
    pub(super) interval: Duration,
}

/// Reads the parameters of a stream of metrics.
pub(super) fn metrics(pairs: Pairs) -> Result<Wanted, Refusal> {
    let mut wanted = Wanted {
        names: Vec::new(),
        interval: Duration::from_secs(INTERVAL_SECONDS),
    };
    for (name, value) in given(pairs)? {
        match name.to_ascii_lowercase().as_str() {
            "metrics" => wanted.names.extend(list(&value)),
            "interval" => {
                let seconds = number(&name, &value, 1, INTERVAL_SECONDS_MAX)?;
                wanted.interval = Duration::from_secs(seconds);
            }
            _ => {}
        }
    }
    Ok(wanted)
}

fn given(pairs: Pairs) -> Result<impl Iterator<Item = (String, String)>, Refusal> {
    let Query(pairs) = pairs.map_err(|_| wrong("the address holds parameters that are no text"))?;
    Ok(pairs.into_iter().filter(|(_, value)| !value.is_empty()))
}

fn list(value: &str) -> impl Iterator<Item = String> {
    let names = value.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned)
}

/// An id of a frame, or a time: `2026-11-22T10:00:00Z`, `15m` ago.
fn read_since(value: &str, now_ns: i64) -> Result<Since, Refusal> {
    if is_id(value) {
        return Ok(Since::Id(value.to_owned()));
    }
    match parse_when(value, now_ns) {
        Ok(when) => Ok(Since::Time(when.start_ns)),
        Err(error) => Err(wrong(&format!(
            "since: {error}; allowed are the id of a frame, and a time"
        ))),
    }
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, Refusal> {
    let number = value.parse().ok();
    let number = number.filter(|number| (least..=most).contains(number));
    read(
        name,
        value,
        &format!("a whole number from {least} to {most}"),
        number,
    )
}

fn read<T>(name: &str, value: &str, allowed: &str, read: Option<T>) -> Result<T, Refusal> {
    read.ok_or_else(|| {
        let shown: String = value.chars().take(40).collect();
        wrong(&format!(
            "{name}: {shown:?} is not allowed; allowed is {allowed}"
        ))
    })
}

fn wrong(why: &str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, why)
}
