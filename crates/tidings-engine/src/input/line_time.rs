//! When a line was written, as far as two renderings of it can be compared: one may lack the year,
//! and be in another zone.

use tidings_event::time::{civil_from_days, days_from_civil};
use tidings_mail::envelope::{Civil, Format, Stamp, read};

const DAY_S: i64 = 86_400;

/// Zones differ by so many quarter hours at most, UTC and the farthest of them.
const ZONE_QUARTERS: i64 = 14 * 4;

const QUARTER_S: i64 = 900;

/// A year that has every day there is, by which times without a year are told.
const LEAP_YEAR: i64 = 2000;

const LEAP_YEAR_S: i64 = 366 * DAY_S;

/// The time of a line, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineTime {
    /// Nobody knows: no time was found, or an older version noted none.
    Unknown,
    /// Several, at which the same line was written: it does not tell where in a stream one is.
    Several,
    /// Since the beginning of a leap year: the line names no year.
    OfYear(i64),
    /// Since 1970 by the writer's clock: the line names no zone.
    Local(i64),
    /// Since 1970.
    Utc(i64),
}

impl LineTime {
    /// The time of a line in any of the envelopes that are read.
    pub(super) fn of(line: &[u8]) -> LineTime {
        let mut scratch = Vec::new();
        match read(line, Format::Unknown, &mut scratch).stamp {
            Stamp::None => LineTime::Unknown,
            Stamp::Epoch { ns, .. } => LineTime::Utc(ns.div_euclid(1_000_000_000)),
            Stamp::Civil(civil) => LineTime::of_civil(&civil),
        }
    }

    fn of_civil(civil: &Civil) -> LineTime {
        let of_day =
            i64::from(civil.hour) * 3600 + i64::from(civil.minute) * 60 + i64::from(civil.second);
        let seconds = |year: i64| days_from_civil(year, civil.month, civil.day) * DAY_S + of_day;
        match (civil.year, civil.offset) {
            (None, _) => {
                LineTime::OfYear(seconds(LEAP_YEAR) - days_from_civil(LEAP_YEAR, 1, 1) * DAY_S)
            }
            (Some(year), None) => LineTime::Local(seconds(year.into())),
            (Some(year), Some(offset)) => LineTime::Utc(seconds(year.into()) - i64::from(offset)),
        }
    }

    /// How many quarter hours another rendering of this line is ahead, if that is one: as zones may
    /// differ, and years where one is not named. `Some(None)` if nobody knows.
    pub(super) fn shift_to(self, other: LineTime) -> Option<Option<i64>> {
        use LineTime::{Local, OfYear, Several, Unknown, Utc};
        let seconds = match (self, other) {
            (Unknown | Several, _) | (_, Unknown | Several) => return Some(None),
            (Utc(one), Utc(other)) => {
                return (one.abs_diff(other) < QUARTER_S as u64 / 2).then_some(Some(0));
            }
            (OfYear(one), OfYear(other)) => within_year(other - one),
            (OfYear(one), Local(other) | Utc(other)) => within_year(of_year(other) - one),
            (Local(one) | Utc(one), OfYear(other)) => within_year(other - of_year(one)),
            (Local(one) | Utc(one), Local(other) | Utc(other)) => other.saturating_sub(one),
        };
        // What is less than a quarter hour is in the key of a line.
        let quarters = seconds.saturating_add(QUARTER_S / 2).div_euclid(QUARTER_S);
        (-ZONE_QUARTERS..=ZONE_QUARTERS)
            .contains(&quarters)
            .then_some(Some(quarters))
    }

    /// Eight bytes: what is known, and the seconds.
    pub(super) fn encode(self) -> u64 {
        let (kind, seconds) = match self {
            LineTime::Unknown => (0, 0),
            LineTime::Several => (1, 0),
            LineTime::OfYear(seconds) => (2, seconds),
            LineTime::Local(seconds) => (3, seconds),
            LineTime::Utc(seconds) => (4, seconds),
        };
        kind | (seconds as u64) << 3
    }

    /// Reads what [`encode`](Self::encode) wrote; a kind that does not exist is nothing known.
    pub(super) fn decode(bits: u64) -> LineTime {
        let seconds = (bits as i64) >> 3;
        match bits & 7 {
            1 => LineTime::Several,
            2 => LineTime::OfYear(seconds),
            3 => LineTime::Local(seconds),
            4 => LineTime::Utc(seconds),
            _ => LineTime::Unknown,
        }
    }
}

/// Seconds since 1970 as those of a leap year.
fn of_year(seconds: i64) -> i64 {
    let (_, month, day) = civil_from_days(seconds.div_euclid(DAY_S));
    let days = days_from_civil(LEAP_YEAR, month, day) - days_from_civil(LEAP_YEAR, 1, 1);
    days * DAY_S + seconds.rem_euclid(DAY_S)
}

/// The least difference that this one is modulo a year.
fn within_year(seconds: i64) -> i64 {
    (seconds + LEAP_YEAR_S / 2).rem_euclid(LEAP_YEAR_S) - LEAP_YEAR_S / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(one: &str, other: &str) -> Option<Option<i64>> {
        let time = |stamp: &str| {
            let line = format!("{stamp} mx postfix/qmgr[1]: AB: removed");
            let time = LineTime::of(line.as_bytes());
            assert_eq!(LineTime::decode(time.encode()), time, "{stamp}");
            time
        };
        let there = time(one).shift_to(time(other));
        let back = time(other).shift_to(time(one));
        assert_eq!(there.map(|q| q.map(|q| -q)), back, "{one}, {other}");
        there
    }

    #[test]
    fn zones_and_years_make_a_rendering_and_days_do_not() {
        let same = Some(Some(0));
        assert_eq!(shift("Nov 22 13:20:35", "Nov 22 13:20:35"), same);
        let precise = "2026-11-22T13:20:35.858771+00:00";
        assert_eq!(shift("Nov 22 13:20:35", precise), same);
        assert_eq!(shift("2026-11-22T18:50:35+05:30", precise), same);
        assert_eq!(shift("Nov 22 18:50:35", precise), Some(Some(-22)));
        assert_eq!(shift("Nov 23 03:20:35", precise), Some(Some(-56)));
        // The turn of the year, with and without it.
        assert_eq!(
            shift("Dec 31 23:30:00", "2027-01-01T00:30:00Z"),
            Some(Some(4))
        );
        assert_eq!(shift("Dec 31 23:30:00", "Jan  1 00:30:00"), Some(Some(4)));
        for (one, other) in [
            ("Nov 22 13:20:35", "Nov 23 13:20:35"),
            ("Nov 23 03:35:35", precise),
            ("2026-11-22T13:20:35+00:00", "2026-11-22T14:20:35+00:00"),
            ("2025-11-22T13:20:35+00:00", precise),
            ("Oct 22 13:20:35", precise),
        ] {
            assert_eq!(shift(one, other), None, "{one}, {other}");
        }
        assert_eq!(shift("no time", precise), Some(None));
        for bits in [0, 1, 5, 6, 7, u64::MAX] {
            let time = LineTime::decode(bits);
            let _ = time.shift_to(LineTime::decode(u64::MAX - 3));
        }
        for far in [i64::MIN >> 3, i64::MAX >> 3] {
            let far = LineTime::decode((far as u64) << 3 | 4);
            let _ = far.shift_to(LineTime::decode(2));
            let _ = LineTime::decode((i64::MIN as u64) | 3).shift_to(far);
        }
    }
}
