//! Turns the times that lines carry into moments: supplies the year and the zone they leave out.
//!
//! A [`Clock`] belongs to one stream (one file, one sender) and is fed its lines in order, because
//! what a line leaves out is inferred from the lines before it:
//!
//! * **Year.** The first line takes the year that puts it at or before the reference time. After
//!   that the stream goes forward: from December to January the year rolls, and lines may lag by
//!   up to [`LAG_SECONDS`] (logs interleave by seconds, zones by hours), never by months.
//! * **Daylight saving.** A local time that occurs twice is its first occurrence unless the stream
//!   is already past that; one that never occurs is read with the offset before the change.

use super::stamp::{Civil, Precision, Stamp};

/// How far a line may lie behind the one before it without meaning a new year.
pub const LAG_SECONDS: i64 = 2 * 86_400;

/// How far a line may lie ahead of the reference time: zones and a bad clock.
const AHEAD_SECONDS: i64 = 86_400;

const HALF_YEAR_SECONDS: i64 = 183 * 86_400;

/// How far lines interleave where a local hour occurs twice.
const FOLD_LAG_SECONDS: i64 = 300;

/// Cells in which a zone's offset is taken to be one: all changes since 1970 happen on a quarter
/// of an hour.
const CELL_SECONDS: i64 = 900;

/// Offsets of a zone at a local time, in seconds east of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalOffset {
    /// The time occurs once.
    Unambiguous(i32),
    /// The time is skipped by a change from `before` to `after`.
    Gap {
        /// Offset before the change.
        before: i32,
        /// Offset after the change.
        after: i32,
    },
    /// The time occurs twice, first with `before`, then with `after`.
    Fold {
        /// Offset before the change.
        before: i32,
        /// Offset after the change.
        after: i32,
    },
}

/// A zone's rule: takes local time as seconds since 1970-01-01 00:00 local, gives its offsets.
pub type ZoneRule = std::sync::Arc<dyn Fn(i64) -> LocalOffset + Send + Sync>;

/// The zone of stamps that name none.
#[derive(Clone)]
pub enum Zone {
    /// UTC.
    Utc,
    /// A fixed offset, in seconds east of UTC.
    Fixed(i32),
    /// A rule with changes, such as an IANA zone; the caller brings its database.
    Rule(ZoneRule),
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Utc => f.write_str("Utc"),
            Self::Fixed(seconds) => write!(f, "Fixed({seconds})"),
            Self::Rule(_) => f.write_str("Rule"),
        }
    }
}

/// What a stream's stamps leave out.
#[derive(Debug)]
pub struct ClockSettings {
    /// Zone of stamps that name none.
    pub zone: Zone,
    /// Year of the first line without one; inferred from `reference_ns` if absent.
    pub year: Option<i32>,
    /// A moment that no line lies after, in nanoseconds since 1970 UTC: a file's modification
    /// time, or the time of receipt. See also [`Clock::set_reference`].
    pub reference_ns: i64,
}

/// A moment, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// How fine the stamp was.
    pub precision: Precision,
    /// The stamp had no year.
    pub guessed_year: bool,
}

/// Resolves the stamps of one stream, in their order.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: Zone,
    year: Option<i32>,
    reference: i64,
    /// Local seconds and UTC seconds of the last stamp.
    last: Option<Last>,
    /// The last stamp without its fraction, and its UTC seconds: lines come many a second.
    memo: Option<(Civil, i64)>,
    cell: Option<(i64, i32)>,
    rollovers: u32,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    year: i32,
    local: i64,
    utc: i64,
}

impl Clock {
    /// A clock for a new stream.
    pub fn new(settings: ClockSettings) -> Self {
        Self {
            zone: settings.zone,
            year: settings.year,
            reference: settings.reference_ns.div_euclid(1_000_000_000),
            last: None,
            memo: None,
            cell: None,
            rollovers: 0,
        }
    }

    /// Moves the reference time, in nanoseconds since 1970 UTC. A live stream calls this at least
    /// once a day, so that its years can be told.
    pub fn set_reference(&mut self, reference_ns: i64) {
        self.reference = self.reference.max(reference_ns.div_euclid(1_000_000_000));
        // Another reference can change what the same stamp means.
        self.memo = None;
    }

    /// How often the year rolled from one line to the next. A caller who reads a file of several
    /// years can pass over it once and start again with the reference's year less this number.
    pub fn rollovers(&self) -> u32 {
        self.rollovers
    }

    /// The moment of a stamp; `None` for [`Stamp::None`].
    #[inline]
    pub fn resolve(&mut self, stamp: &Stamp) -> Option<Resolved> {
        match stamp {
            Stamp::None => None,
            Stamp::Epoch { ns, precision } => Some(Resolved {
                time_ns: *ns,
                precision: *precision,
                guessed_year: false,
            }),
            Stamp::Civil(civil) => Some(self.resolve_civil(civil)),
        }
    }

    #[inline]
    fn resolve_civil(&mut self, civil: &Civil) -> Resolved {
        let whole = Civil {
            nanos: 0,
            precision: Precision::Second,
            ..*civil
        };
        let utc = match self.memo {
            Some((memo, utc)) if memo == whole => utc,
            _ => {
                let utc = self.utc_seconds(&whole);
                self.memo = Some((whole, utc));
                utc
            }
        };
        Resolved {
            time_ns: utc
                .saturating_mul(1_000_000_000)
                .saturating_add(i64::from(civil.nanos)),
            precision: civil.precision,
            guessed_year: civil.year.is_none(),
        }
    }

    fn utc_seconds(&mut self, civil: &Civil) -> i64 {
        let year = match civil.year {
            Some(year) => i32::from(year),
            None => self.infer_year(civil),
        };
        let local = local_seconds(civil, year);
        let offset = match civil.offset {
            Some(offset) => offset,
            None => self.zone_offset(local),
        };
        let utc = local - i64::from(offset);
        self.last = Some(Last { year, local, utc });
        utc
    }

    fn infer_year(&mut self, civil: &Civil) -> i32 {
        let Some(last) = self.last else {
            return self
                .year
                .unwrap_or_else(|| self.year_before_reference(civil));
        };
        let same = local_seconds(civil, last.year);
        let back = last.local - same;
        if back > LAG_SECONDS {
            let next = last.year + 1;
            // Nearer to next year's date than to this year's: the year has turned. Otherwise the
            // stream left months out, unless that would put it after the reference.
            if back > HALF_YEAR_SECONDS || !self.is_ahead(civil, next) {
                self.rollovers += 1;
                return next;
            }
        } else if back < -HALF_YEAR_SECONDS {
            let previous = last.year - 1;
            let lag = last.local - local_seconds(civil, previous);
            if lag <= LAG_SECONDS || self.is_ahead(civil, last.year) {
                return previous;
            }
        }
        last.year
    }

    /// The latest year in which the date is not ahead of the reference, and exists.
    fn year_before_reference(&self, civil: &Civil) -> i32 {
        let year = civil_from_days(self.reference.div_euclid(86_400)).0;
        let mut year = if self.is_ahead(civil, year) {
            year - 1
        } else {
            year
        };
        // A leap year comes within eight years.
        while civil.month == 2 && civil.day == 29 && !is_leap(year) {
            year -= 1;
        }
        year
    }

    fn is_ahead(&self, civil: &Civil, year: i32) -> bool {
        let zone = match self.zone {
            Zone::Fixed(offset) => offset,
            _ => 0,
        };
        let offset = i64::from(civil.offset.unwrap_or(zone));
        local_seconds(civil, year) - offset > self.reference + AHEAD_SECONDS
    }

    fn zone_offset(&mut self, local: i64) -> i32 {
        let rule = match &self.zone {
            Zone::Utc => return 0,
            Zone::Fixed(offset) => return *offset,
            Zone::Rule(rule) => rule,
        };
        let cell = local.div_euclid(CELL_SECONDS);
        if let Some((known, offset)) = self.cell
            && known == cell
        {
            return offset;
        }
        let first = rule(cell * CELL_SECONDS);
        let end = rule((cell + 1) * CELL_SECONDS - 1);
        if let (LocalOffset::Unambiguous(offset), true) = (first, first == end) {
            self.cell = Some((cell, offset));
            return offset;
        }
        match rule(local) {
            LocalOffset::Unambiguous(offset) | LocalOffset::Gap { before: offset, .. } => offset,
            LocalOffset::Fold { before, after } => {
                let first = local - i64::from(before);
                let is_past = self
                    .last
                    .is_some_and(|last| first < last.utc - FOLD_LAG_SECONDS);
                if is_past { after } else { before }
            }
        }
    }
}

/// Local time as seconds since 1970-01-01 00:00 local.
fn local_seconds(civil: &Civil, year: i32) -> i64 {
    days_from_civil(year, civil.month, civil.day) * 86_400
        + i64::from(civil.hour) * 3_600
        + i64::from(civil.minute) * 60
        + i64::from(civil.second)
}

fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, by counting from March, so that the
/// leap day is the last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    // Both fit: a day is at most 31, a month at most 12.
    let day = (day_of_year - (153 * month + 2) / 5 + 1) as u8;
    let month = if month < 10 { month + 3 } else { month - 9 } as u8;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(1970), month, day)
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
