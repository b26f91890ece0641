//! Times as people read and write them: in the local time zone, or in UTC.

use std::ffi::OsStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tidings_event::time::{When, parse_rfc3339, parse_when};

use super::clean;
use crate::failure::Failure;

/// The zone in which times are shown and read.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// The machine's zone; UTC where none can be found, with a sentence if one was asked for by
    /// `TZ`, whose value is given.
    pub(crate) fn system(asked: Option<&OsStr>) -> (Zone, Option<String>) {
        match TimeZone::try_system() {
            Ok(zone) => (Zone(zone), None),
            Err(_) => (Zone::utc(), asked.map(unknown)),
        }
    }

    /// UTC.
    pub(crate) fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// A fixed number of hours from UTC.
    #[cfg(test)]
    pub(crate) fn fixed(hours: i8) -> Zone {
        Zone(TimeZone::fixed(jiff::tz::offset(hours)))
    }

    /// What the zone is called: `Europe/Berlin`, `+01:00`, `UTC`.
    pub(crate) fn name(&self, now_ns: i64) -> String {
        if let Some(name) = self.0.iana_name() {
            return name.to_owned();
        }
        let offset = self.0.to_offset(timestamp(now_ns));
        if offset.seconds() == 0 {
            return "UTC".to_owned();
        }
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }

    /// `2026-11-22 13:00:05`.
    pub(crate) fn seconds(&self, time_ns: i64) -> String {
        self.format(time_ns, "%Y-%m-%d %H:%M:%S")
    }

    /// `2026-11-22 13:00:05.123`.
    pub(crate) fn millis(&self, time_ns: i64) -> String {
        self.format(time_ns, "%Y-%m-%d %H:%M:%S.%3f")
    }

    /// `2026-11-22 13:00`.
    pub(crate) fn minutes(&self, time_ns: i64) -> String {
        self.format(time_ns, "%Y-%m-%d %H:%M")
    }

    /// `2026-11-22`.
    pub(crate) fn date(&self, time_ns: i64) -> String {
        self.format(time_ns, "%Y-%m-%d")
    }

    fn format(&self, time_ns: i64, format: &str) -> String {
        let zoned = timestamp(time_ns).to_zoned(self.0.clone());
        zoned.strftime(format).to_string()
    }

    /// A time of an object, RFC 3339, as `2026-11-22 13:00:05`; what is no time is shown as it is.
    pub(crate) fn show(&self, time: &str) -> String {
        match parse_rfc3339(time) {
            Ok(time_ns) => self.seconds(time_ns),
            Err(_) => clean(time).into_owned(),
        }
    }

    /// Reads what somebody wrote for `--since` or `--until`: `2h` ago, `2026-11-22`,
    /// `2026-11-22T13:00`, RFC 3339. What has no offset is in this zone.
    ///
    /// # Errors
    /// If the text is none of these; the message says what is allowed.
    pub(crate) fn parse(&self, option: &str, text: &str, now_ns: i64) -> Result<When, Failure> {
        let when = parse_when(text.trim(), now_ns)
            .map_err(|error| Failure::usage(format!("{option}: {error}")))?;
        if !is_civil(text.trim()) {
            return Ok(when);
        }
        // Read as UTC so far: the same wall clock in this zone.
        Ok(When {
            start_ns: self.at_wall_clock(when.start_ns),
            end_ns: self.at_wall_clock(when.end_ns),
        })
    }

    /// The time at which clocks in this zone show what clocks in UTC show at `utc_ns`.
    fn at_wall_clock(&self, utc_ns: i64) -> i64 {
        let civil: DateTime = timestamp(utc_ns).to_zoned(TimeZone::UTC).datetime();
        let Ok(zoned) = civil.to_zoned(self.0.clone()) else {
            return utc_ns;
        };
        i64::try_from(zoned.timestamp().as_nanosecond()).unwrap_or(utc_ns)
    }
}

fn timestamp(time_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time_ns))
        .expect("64 bits of nanoseconds are less than jiff's range of years")
}

/// Whether a text that is a time is a date, or a date and time without an offset.
fn is_civil(text: &str) -> bool {
    let is_date = text.get(4..5) == Some("-") && text.as_bytes()[0].is_ascii_digit();
    let has_offset =
        text.ends_with(['z', 'Z']) || text.get(10..).is_some_and(|time| time.contains(['+', '-']));
    is_date && !has_offset
}

fn unknown(asked: &OsStr) -> String {
    format!(
        "TZ is {:?}, which is no known time zone: times are in UTC; set it to an IANA name such as \
         Europe/Berlin",
        asked.to_string_lossy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_348_805_123_000_000;

    #[test]
    fn times_are_shown_in_the_zone() {
        assert_eq!(Zone::utc().millis(NOW), "2026-11-22 12:00:05.123");
        assert_eq!(Zone::fixed(1).seconds(NOW), "2026-11-22 13:00:05");
        assert_eq!(Zone::fixed(1).name(NOW), "+01:00");
        assert_eq!(Zone::utc().name(NOW), "UTC");
        assert_eq!(
            Zone::fixed(-3).show("2026-11-22T12:00:05.5Z"),
            "2026-11-22 09:00:05"
        );
        assert_eq!(Zone::utc().show("\u{1b}[1m"), "\\x1b[1m");
        assert_eq!(Zone::utc().seconds(i64::MIN), "1677-09-21 00:12:43");
        assert_eq!(Zone::fixed(14).seconds(i64::MAX), "2262-04-12 13:47:16");
    }

    #[test]
    fn times_are_read_in_the_zone() {
        let hour = 3_600_000_000_000;
        let noon = NOW - 5_123_000_000;
        let read = |text| Zone::fixed(1).parse("--since", text, NOW).unwrap();
        assert_eq!(read("2026-11-22T13:00").start_ns, noon);
        assert_eq!(read("2026-11-22 13:00").start_ns, noon);
        assert_eq!(read("2026-11-22T13:00Z").start_ns, noon + hour);
        assert_eq!(read("2026-11-22T13:00-01:00").start_ns, noon + 2 * hour);
        assert_eq!(read("2h").start_ns, NOW - 2 * hour);
        assert_eq!(read("-2h").start_ns, NOW - 2 * hour);
        let day = read("2026-11-22");
        assert_eq!(day.start_ns, noon - 13 * hour);
        assert_eq!(day.end_ns, noon + 11 * hour - 1);
    }

    #[test]
    fn a_wrong_time_says_what_is_allowed() {
        let error = Zone::utc()
            .parse("--since", "yesterday", NOW)
            .unwrap_err()
            .sentence();
        assert!(
            error.starts_with("--since: \"yesterday\" is not"),
            "{error}"
        );
        assert!(error.contains("2026-11-22"), "{error}");
        for text in ["", "-", "é234-", "2026-13-01", "99999999999d"] {
            assert!(Zone::utc().parse("--since", text, NOW).is_err(), "{text}");
        }
    }
}
