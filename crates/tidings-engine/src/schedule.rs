//! When something that recurs happens next: every hour, day or week, by the clock on the wall.
//!
//! Pure: now and the zone are arguments. Where the clock is put forward or back, what recurs daily or
//! weekly happens once on that day, and what recurs hourly happens at every such minute that there is.

use std::fmt;
use std::str::FromStr;

use tidings_mail::envelope::{LocalOffset, Zone};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const SECOND_NS: i64 = 1_000_000_000;

/// Local time and UTC are never further apart: Samoa moved by a day, from 11 hours behind to 13 ahead.
const APART: i64 = 26 * HOUR;

/// Names of days, Sunday first, as `Weekly` counts them.
const DAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

/// When something recurs, in local time.
///
/// Its text is `hourly at minute 5`, `daily at 02:00` or `weekly on sunday at 02:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every hour.
    Hourly {
        /// 0 to 59.
        minute: u8,
    },
    /// Every day.
    Daily {
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
    /// Every week.
    Weekly {
        /// 0 is Sunday, 6 Saturday.
        day: u8,
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
}

impl Schedule {
    /// What texts of schedules look like.
    pub const ALLOWED: &str = "\"hourly at minute 0\", \"daily at 02:00\" or \"weekly on sunday at 02:00\", with any minute, time and day";

    /// The first moment after `now_ns` at which it happens; both in nanoseconds since 1970, UTC.
    ///
    /// A daily or weekly time that a change of the clock skips is taken as if the clock had not been
    /// changed (02:30 is then 03:30); of one that comes twice, the first is taken.
    pub fn next_after(&self, now_ns: i64, zone: &Zone) -> i64 {
        let now = now_ns.div_euclid(SECOND_NS);
        let (step, ahead) = match self {
            Schedule::Hourly { .. } => (HOUR, HOUR),
            Schedule::Daily { .. } => (DAY, DAY),
            Schedule::Weekly { .. } => (DAY, 7 * DAY),
        };
        let first = (now - APART).div_euclid(step);
        let last = (now + APART + ahead).div_euclid(step);
        let candidates = (first..=last)
            .map(|number| number * step + self.within(step))
            .filter(|local| self.is_on(*local))
            .flat_map(|local| self.moments(local, zone))
            .flatten();
        let next = candidates
            .map(|moment| moment.saturating_mul(SECOND_NS))
            .filter(|moment_ns| *moment_ns > now_ns)
            .min();
        // Only at the end of what nanoseconds can hold is there none.
        next.unwrap_or(i64::MAX)
    }

    /// Seconds from the beginning of the hour or day.
    fn within(&self, step: i64) -> i64 {
        match *self {
            Schedule::Hourly { minute } => i64::from(minute) * 60 % step,
            Schedule::Daily { hour, minute } | Schedule::Weekly { hour, minute, .. } => {
                (i64::from(hour) * HOUR + i64::from(minute) * 60) % step
            }
        }
    }

    fn is_on(&self, local: i64) -> bool {
        match *self {
            // 1970 began on a Thursday.
            Schedule::Weekly { day, .. } => {
                (local.div_euclid(DAY) + 4).rem_euclid(7) == i64::from(day)
            }
            _ => true,
        }
    }

    /// When it happens at a local time: not at all, once or twice.
    fn moments(&self, local: i64, zone: &Zone) -> [Option<i64>; 2] {
        let at = |offset: i32| Some(local - i64::from(offset));
        let offset = match zone {
            Zone::Utc => LocalOffset::Unambiguous(0),
            Zone::Fixed(seconds) => LocalOffset::Unambiguous(*seconds),
            Zone::Rule(rule) => rule(local),
        };
        let is_hourly = matches!(self, Schedule::Hourly { .. });
        match offset {
            LocalOffset::Unambiguous(offset) => [at(offset), None],
            LocalOffset::Gap { .. } if is_hourly => [None, None],
            LocalOffset::Gap { before, .. } => [at(before), None],
            LocalOffset::Fold { before, after } if is_hourly => [at(before), at(after)],
            LocalOffset::Fold { before, .. } => [at(before), None],
        }
    }
}

impl Default for Schedule {
    /// Every full hour.
    fn default() -> Schedule {
        Schedule::Hourly { minute: 0 }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Schedule::Hourly { minute } => write!(f, "hourly at minute {minute}"),
            Schedule::Daily { hour, minute } => write!(f, "daily at {hour:02}:{minute:02}"),
            Schedule::Weekly { day, hour, minute } => {
                let day = DAYS.get(usize::from(day)).unwrap_or(&"no day");
                write!(f, "weekly on {day} at {hour:02}:{minute:02}")
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Schedule, String> {
        let lower = text.to_ascii_lowercase();
        let words: Vec<&str> = lower.split_ascii_whitespace().collect();
        let read = match *words.as_slice() {
            ["hourly", "at", "minute", minute] => {
                number(minute, 59).map(|minute| Schedule::Hourly { minute })
            }
            ["daily", "at", time] => {
                time_of_day(time).map(|(hour, minute)| Schedule::Daily { hour, minute })
            }
            ["weekly", "on", day, "at", time] => {
                let day = DAYS.iter().position(|known| *known == day);
                let day = day.and_then(|day| u8::try_from(day).ok());
                day.zip(time_of_day(time))
                    .map(|(day, (hour, minute))| Schedule::Weekly { day, hour, minute })
            }
            _ => None,
        };
        read.ok_or_else(|| {
            let allowed = Schedule::ALLOWED;
            format!("{text:?} is no schedule: it must be {allowed}")
        })
    }
}

fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    Some((number(hour, 23)?, number(minute, 59)?))
}

fn number(text: &str, most: u8) -> Option<u8> {
    let is_plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| is_plain && *number <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};
    use tidings_event::time::{parse_rfc3339, rfc3339};

    use super::*;

    fn next(schedule: &str, zone: &str, now: &str) -> String {
        let schedule: Schedule = schedule.parse().unwrap();
        let zone = crate::zone(zone).unwrap();
        let next = schedule.next_after(parse_rfc3339(now).unwrap(), &zone);
        rfc3339(next).to_string()
    }

    #[test]
    fn the_next_moment_follows_the_clock_on_the_wall() {
        let table = [
            // Strictly after now.
            (
                "hourly at minute 0",
                "UTC",
                "2026-02-03T05:00:00Z",
                "2026-02-03T06:00:00Z",
            ),
            (
                "hourly at minute 0",
                "UTC",
                "2026-02-03T05:00:00.000000001Z",
                "2026-02-03T06:00:00Z",
            ),
            (
                "hourly at minute 59",
                "UTC",
                "2026-12-31T23:59:30Z",
                "2027-01-01T00:59:00Z",
            ),
            (
                "hourly at minute 0",
                "Asia/Kolkata",
                "2026-02-03T05:00:00Z",
                "2026-02-03T05:30:00Z",
            ),
            (
                "daily at 02:00",
                "+02:00",
                "2026-02-03T00:00:00Z",
                "2026-02-04T00:00:00Z",
            ),
            (
                "daily at 23:59",
                "-11:00",
                "2026-02-03T10:58:59Z",
                "2026-02-03T10:59:00Z",
            ),
            // 2026-02-01 is a Sunday.
            (
                "weekly on sunday at 02:00",
                "UTC",
                "2026-02-01T01:59:00Z",
                "2026-02-01T02:00:00Z",
            ),
            (
                "weekly on sunday at 02:00",
                "UTC",
                "2026-02-01T02:00:00Z",
                "2026-02-08T02:00:00Z",
            ),
            (
                "weekly on saturday at 00:00",
                "UTC",
                "2026-02-01T02:00:00Z",
                "2026-02-07T00:00:00Z",
            ),
            (
                "weekly on monday at 00:30",
                "Pacific/Auckland",
                "2026-02-01T00:00:00Z",
                "2026-02-01T11:30:00Z",
            ),
            // Berlin: 02:00 becomes 03:00 on 2026-03-29, at 01:00 UTC.
            (
                "daily at 02:30",
                "Europe/Berlin",
                "2026-03-28T12:00:00Z",
                "2026-03-29T01:30:00Z",
            ),
            (
                "daily at 02:30",
                "Europe/Berlin",
                "2026-03-29T01:30:00Z",
                "2026-03-30T00:30:00Z",
            ),
            (
                "daily at 03:00",
                "Europe/Berlin",
                "2026-03-29T00:59:00Z",
                "2026-03-29T01:00:00Z",
            ),
            (
                "hourly at minute 30",
                "Europe/Berlin",
                "2026-03-29T00:30:00Z",
                "2026-03-29T01:30:00Z",
            ),
            (
                "weekly on sunday at 02:15",
                "Europe/Berlin",
                "2026-03-28T12:00:00Z",
                "2026-03-29T01:15:00Z",
            ),
            // Berlin: 03:00 becomes 02:00 on 2026-10-25, at 01:00 UTC.
            (
                "daily at 02:30",
                "Europe/Berlin",
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "daily at 02:30",
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
            ),
            (
                "hourly at minute 30",
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            (
                "hourly at minute 30",
                "Europe/Berlin",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:30:00Z",
            ),
            // Lord Howe: 02:00 becomes 02:30 on 2026-10-04, at 15:30 UTC of the day before.
            (
                "hourly at minute 15",
                "Australia/Lord_Howe",
                "2026-10-03T14:45:00Z",
                "2026-10-03T16:15:00Z",
            ),
            (
                "hourly at minute 45",
                "Australia/Lord_Howe",
                "2026-10-03T15:15:00Z",
                "2026-10-03T15:45:00Z",
            ),
            // Samoa had no 2011-12-30.
            (
                "daily at 02:00",
                "Pacific/Apia",
                "2011-12-30T09:00:00Z",
                "2011-12-30T12:00:00Z",
            ),
            (
                "daily at 02:00",
                "Pacific/Apia",
                "2011-12-30T12:00:00Z",
                "2011-12-31T12:00:00Z",
            ),
            (
                "hourly at minute 0",
                "Pacific/Apia",
                "2011-12-30T09:00:00Z",
                "2011-12-30T10:00:00Z",
            ),
        ];
        for (schedule, zone, now, expected) in table {
            let found = next(schedule, zone, now);
            let found = parse_rfc3339(&found).unwrap();
            let expected_ns = parse_rfc3339(expected).unwrap();
            assert_eq!(
                found,
                expected_ns,
                "{schedule}, {zone}, {now}: {}",
                rfc3339(found)
            );
        }
    }

    #[test]
    fn texts_are_read_and_written() {
        for text in [
            "hourly at minute 0",
            "daily at 23:59",
            "weekly on friday at 00:05",
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!(
            "Daily  at 2:0".parse(),
            Ok(Schedule::Daily { hour: 2, minute: 0 })
        );
        for wrong in [
            "",
            "hourly",
            "hourly at minute 60",
            "hourly at minute -1",
            "hourly at minute +1",
            "daily at 24:00",
            "daily at 2",
            "weekly on sonntag at 02:00",
            "monthly at 02:00",
        ] {
            let error = wrong.parse::<Schedule>().unwrap_err();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("daily at 02:00"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn it_is_always_later_and_no_step_is_missed(seconds in 0i64..4_000_000_000, minute in 0u8..60, hour in 0u8..24, day in 0u8..7, kind in 0u8..3, nanos in any::<u32>()) {
            let (schedule, at_most) = match kind {
                0 => (Schedule::Hourly { minute }, 2 * HOUR),
                1 => (Schedule::Daily { hour, minute }, DAY + HOUR),
                _ => (Schedule::Weekly { day, hour, minute }, 7 * DAY + HOUR),
            };
            let now_ns = seconds * SECOND_NS + i64::from(nanos % 1_000_000_000);
            for zone in ["UTC", "-09:30", "Europe/Berlin", "America/New_York"] {
                let next = schedule.next_after(now_ns, &crate::zone(zone).unwrap());
                assert!(next > now_ns && next - now_ns <= at_most * SECOND_NS, "{zone}: {next}");
            }
        }
    }

    #[test]
    fn no_time_is_too_odd() {
        for now in [i64::MIN, -1, 0, i64::MAX] {
            let _ = Schedule::default().next_after(now, &Zone::Utc);
        }
    }
}
