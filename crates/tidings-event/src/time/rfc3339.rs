//! RFC 3339: `2026-02-03T04:05:06.789Z`.

use super::civil::{civil_from_days, days_from_civil, days_in_month};
use super::{NANOS_PER_SECOND, TimeError};
use crate::digits::{push_padded, push_u64};

const SECONDS_PER_DAY: i64 = 86_400;
const ALLOWED: &str =
    "write RFC 3339, such as 2026-02-03T04:05:06Z or 2026-02-03T04:05:06.789+01:00";
const WHAT: &str = "a time";

/// Appends whole seconds since the unix epoch as `2026-02-03T04:05:06Z`.
///
/// Beyond the four digits that RFC 3339 has for the year, a sign and at least six digits are
/// written (ISO 8601's expanded form), so that any number has a text of its own.
pub fn write_rfc3339_seconds(out: &mut Vec<u8>, unix_seconds: i64) {
    write_date_and_time(out, unix_seconds);
    out.push(b'Z');
}

/// Appends a time in full resolution: the seconds with no, three, six or nine decimals, the fewest
/// that hold it.
pub fn write_rfc3339(out: &mut Vec<u8>, time_ns: i64) {
    write_date_and_time(out, time_ns.div_euclid(NANOS_PER_SECOND));
    let nanos = time_ns.rem_euclid(NANOS_PER_SECOND).unsigned_abs();
    let (fraction, width) = match nanos {
        0 => return out.push(b'Z'),
        _ if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
        _ if nanos.is_multiple_of(1_000) => (nanos / 1_000, 6),
        _ => (nanos, 9),
    };
    out.push(b'.');
    push_padded(out, fraction, width);
    out.push(b'Z');
}

/// The text that [`write_rfc3339_seconds`] writes.
pub fn rfc3339_seconds(unix_seconds: i64) -> String {
    let mut out = Vec::with_capacity(20);
    write_rfc3339_seconds(&mut out, unix_seconds);
    String::from_utf8(out).expect("digits and signs are ASCII")
}

/// The text that [`write_rfc3339`] writes.
pub fn rfc3339(time_ns: i64) -> String {
    let mut out = Vec::with_capacity(30);
    write_rfc3339(&mut out, time_ns);
    String::from_utf8(out).expect("digits and signs are ASCII")
}

/// Reads an RFC 3339 time into nanoseconds since the unix epoch. Any offset and any number of
/// decimals are taken (beyond nine they are dropped); a leap second is the second after it.
///
/// # Errors
/// If the text is not such a time, or lies outside the years 1677 to 2262.
pub fn parse_rfc3339(text: &str) -> Result<i64, TimeError> {
    let moment = parse_exact(text)?;
    moment.nanoseconds().ok_or_else(|| out_of_range(text))
}

/// Reads an RFC 3339 time into whole seconds since the unix epoch, for any year from 0000 to 9999;
/// decimals are dropped.
///
/// # Errors
/// If the text is not such a time.
pub fn parse_rfc3339_seconds(text: &str) -> Result<i64, TimeError> {
    parse_exact(text).map(|moment| moment.seconds)
}

/// A time as read: its parts, and how much of it was written.
pub(super) struct Moment {
    /// Seconds since the unix epoch.
    pub(super) seconds: i64,
    /// Nanoseconds of the second.
    pub(super) nanos: i64,
    /// Length of the last written unit: a day, a minute, a second or a decimal of it.
    pub(super) unit_ns: i64,
    /// An offset from UTC was written.
    pub(super) has_offset: bool,
}

impl Moment {
    /// Nanoseconds since the unix epoch, if they fit.
    pub(super) fn nanoseconds(&self) -> Option<i64> {
        let nanos =
            i128::from(self.seconds) * i128::from(NANOS_PER_SECOND) + i128::from(self.nanos);
        i64::try_from(nanos).ok()
    }
}

pub(super) fn out_of_range(text: &str) -> TimeError {
    TimeError::new(text, WHAT, "it must lie between 1677-09-22 and 2262-04-11")
}

fn parse_exact(text: &str) -> Result<Moment, TimeError> {
    let moment = parse_moment(text, ALLOWED)?;
    if moment.has_offset && moment.unit_ns <= NANOS_PER_SECOND {
        Ok(moment)
    } else {
        Err(TimeError::new(text, WHAT, ALLOWED))
    }
}

/// Reads `2026-02-03`, `2026-02-03T04:05`, `…:06`, `….789`, the latter three with or without offset.
/// `allowed` is what the error says when the shape is wrong.
pub(super) fn parse_moment(text: &str, allowed: &str) -> Result<Moment, TimeError> {
    let mut scan = Scan {
        rest: text.as_bytes(),
        text,
        allowed,
    };
    let days = scan.date()?;
    if scan.rest.is_empty() {
        let seconds = days * SECONDS_PER_DAY;
        let unit_ns = SECONDS_PER_DAY * NANOS_PER_SECOND;
        return Ok(Moment {
            seconds,
            nanos: 0,
            unit_ns,
            has_offset: false,
        });
    }
    if !(scan.eat(b'T') || scan.eat(b't') || scan.eat(b' ')) {
        return Err(scan.malformed());
    }
    let hour = scan.field(2, "the hour", 0, 23)?;
    scan.expect(b':')?;
    let minute = scan.field(2, "the minute", 0, 59)?;
    let mut moment = Moment {
        seconds: 0,
        nanos: 0,
        unit_ns: 60 * NANOS_PER_SECOND,
        has_offset: false,
    };
    let mut second = 0;
    if scan.eat(b':') {
        second = scan.field(2, "the second", 0, 60)?;
        moment.unit_ns = NANOS_PER_SECOND;
        if scan.eat(b'.') {
            (moment.nanos, moment.unit_ns) = scan.fraction()?;
        }
    }
    let offset = scan.offset()?;
    moment.has_offset = offset.is_some();
    if !scan.rest.is_empty() {
        return Err(scan.malformed());
    }
    moment.seconds =
        days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second - offset.unwrap_or(0);
    Ok(moment)
}

fn write_date_and_time(out: &mut Vec<u8>, unix_seconds: i64) {
    let (year, month, day) = civil_from_days(unix_seconds.div_euclid(SECONDS_PER_DAY));
    let second = unix_seconds.rem_euclid(SECONDS_PER_DAY).unsigned_abs();
    if !(0..=9_999).contains(&year) {
        out.push(if year < 0 { b'-' } else { b'+' });
        push_padded(out, year.unsigned_abs(), 6);
    } else {
        push_padded(out, year.unsigned_abs(), 4);
    }
    for (separator, part) in [
        (b'-', u64::from(month)),
        (b'-', u64::from(day)),
        (b'T', second / 3_600),
        (b':', second / 60 % 60),
        (b':', second % 60),
    ] {
        out.push(separator);
        if part < 10 {
            out.push(b'0');
        }
        push_u64(out, part);
    }
}

struct Scan<'a> {
    rest: &'a [u8],
    text: &'a str,
    allowed: &'a str,
}

impl Scan<'_> {
    fn malformed(&self) -> TimeError {
        TimeError::new(self.text, WHAT, self.allowed)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), TimeError> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// A number of exactly `width` digits within bounds.
    fn field(&mut self, width: usize, name: &str, min: i64, max: i64) -> Result<i64, TimeError> {
        let digits = self
            .rest
            .get(..width)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let digits = digits.ok_or_else(|| self.malformed())?;
        let number = digits
            .iter()
            .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        if !(min..=max).contains(&number) {
            let why = format!("{name} must be {min} to {max}");
            return Err(TimeError::new(self.text, WHAT, &why));
        }
        self.rest = &self.rest[width..];
        Ok(number)
    }

    /// Days since the epoch.
    fn date(&mut self) -> Result<i64, TimeError> {
        let year = self.field(4, "the year", 0, 9_999)?;
        self.expect(b'-')?;
        // Both fit: the bounds are below 256.
        let month = self.field(2, "the month", 1, 12)? as u8;
        self.expect(b'-')?;
        let last = i64::from(days_in_month(year, month));
        let day = self.field(2, "the day", 1, last)? as u8;
        Ok(days_from_civil(year, month, day))
    }

    /// The nanoseconds, and the length of the last decimal place.
    fn fraction(&mut self) -> Result<(i64, i64), TimeError> {
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            return Err(self.malformed());
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        let mut unit = NANOS_PER_SECOND;
        let mut nanos = 0;
        for digit in digits.iter().take(9) {
            unit /= 10;
            nanos += unit * i64::from(digit - b'0');
        }
        Ok((nanos, unit))
    }

    /// Seconds east of UTC; `None` where no offset is written.
    fn offset(&mut self) -> Result<Option<i64>, TimeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if self.eat(b'Z') || self.eat(b'z') {
            return Ok(Some(0));
        }
        let sign = if self.eat(b'-') { -1 } else { 1 };
        if sign == 1 {
            self.expect(b'+')?;
        }
        let hours = self.field(2, "the offset's hour", 0, 23)?;
        self.expect(b':')?;
        let minutes = self.field(2, "the offset's minute", 0, 59)?;
        Ok(Some(sign * (hours * 3_600 + minutes * 60)))
    }
}
