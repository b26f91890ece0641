//! A UTC day, by which parts are partitioned.

use std::fmt;

/// Nanoseconds in a day.
pub const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// A UTC day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day that holds a time in nanoseconds since the epoch.
    pub fn of(time_ns: i64) -> Self {
        // Every quotient of an i64 by a day's nanoseconds fits: ±106,751.
        Self(time_ns.div_euclid(DAY_NS) as i32)
    }

    /// The first nanosecond of the day; saturates at the ends of `i64`.
    pub fn start_ns(self) -> i64 {
        i64::from(self.0).saturating_mul(DAY_NS)
    }

    /// Year, month (1–12) and day of month (1–31), proleptic Gregorian.
    pub fn civil(self) -> (i32, u32, u32) {
        // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
        let z = i64::from(self.0) + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year as i32, month as u32, day as u32)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_print_as_dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (20_779, "2026-11-22"),
            (11_016, "2000-02-29"),
        ] {
            assert_eq!(Day(days).to_string(), text);
        }
        assert_eq!(Day::of(-1), Day(-1));
        assert_eq!(Day::of(Day(20_779).start_ns()), Day(20_779));
    }
}
