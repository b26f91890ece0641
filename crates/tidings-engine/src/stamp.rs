//! The time at the start of a log line, written again from nanoseconds.

use std::fmt::Write as _;

/// How a line writes its time. Everything needed to write it again is in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StampForm {
    /// `Nov 22 12:58:44`, at so many seconds east of UTC; the day padded with a blank.
    Bsd { offset: i32 },
    /// `2026-11-22T12:58:44.123456+00:00`: fraction digits, separator, offset and its spelling.
    Iso {
        digits: u8,
        separator: u8,
        offset: i32,
        zulu: bool,
    },
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl StampForm {
    /// The form of the time at the start of `line`, if that time is `time_ns`, and where it ends.
    pub(crate) fn detect(line: &[u8], time_ns: i64) -> Option<(usize, StampForm)> {
        if line.first()?.is_ascii_digit() {
            detect_iso(line, time_ns)
        } else {
            detect_bsd(line, time_ns)
        }
    }

    /// Appends the time in this form; `None` if it cannot be written.
    pub(crate) fn write(self, time_ns: i64, out: &mut Vec<u8>) -> Option<()> {
        match self {
            StampForm::Bsd { offset } => {
                let civil = Civil::of(time_ns.div_euclid(1_000_000_000) + i64::from(offset));
                out.extend_from_slice(MONTHS[civil.month - 1].as_bytes());
                out.push(b' ');
                two(out, civil.day, b' ');
                out.push(b' ');
                clock(out, &civil);
            }
            StampForm::Iso {
                digits,
                separator,
                offset,
                zulu,
            } => {
                let civil = Civil::of(time_ns.div_euclid(1_000_000_000) + i64::from(offset));
                let year = u32::try_from(civil.year)
                    .ok()
                    .filter(|year| *year < 10_000)?;
                two(out, year / 100, b'0');
                two(out, year % 100, b'0');
                out.push(b'-');
                two(out, civil.month as u32, b'0');
                out.push(b'-');
                two(out, civil.day, b'0');
                out.push(separator);
                clock(out, &civil);
                fraction(out, time_ns.rem_euclid(1_000_000_000), digits);
                zone(out, offset, zulu, separator);
            }
        }
        Some(())
    }

    /// Appends the form as text for a template.
    pub(crate) fn write_code(self, out: &mut Vec<u8>) {
        let mut code = String::new();
        let _ = match self {
            StampForm::Bsd { offset } => write!(code, "b{offset};"),
            StampForm::Iso {
                digits,
                separator,
                offset,
                zulu,
            } => {
                let zulu = if zulu { 'Z' } else { '+' };
                write!(code, "i{digits}{}{zulu}{offset};", char::from(separator))
            }
        };
        out.extend_from_slice(code.as_bytes());
    }

    /// Reads what [`write_code`](Self::write_code) wrote, and gives what follows.
    pub(crate) fn read_code(code: &[u8]) -> Option<(StampForm, &[u8])> {
        let end = memchr::memchr(b';', code)?;
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i32>().ok();
        let form = match &code[..end] {
            [b'b', offset @ ..] => StampForm::Bsd {
                offset: number(offset)?,
            },
            [b'i', digits, separator, zulu, offset @ ..] => StampForm::Iso {
                digits: digits.checked_sub(b'0').filter(|digits| *digits <= 9)?,
                separator: *separator,
                offset: number(offset)?,
                zulu: *zulu == b'Z',
            },
            _ => return None,
        };
        Some((form, &code[end + 1..]))
    }
}

fn detect_bsd(line: &[u8], time_ns: i64) -> Option<(usize, StampForm)> {
    let stamp = line.get(..15)?;
    let month = MONTHS
        .iter()
        .position(|month| month.as_bytes() == &stamp[..3])?
        + 1;
    let day = number_at(&stamp[4..6])?;
    let of_day = clock_at(&stamp[7..15])?;
    let civil = Civil::of(time_ns.div_euclid(1_000_000_000));
    // The year is not written: the one that lies closest is meant, as the offset is at most a day.
    let days = days_from_civil(civil.year, month as i64, i64::from(day));
    let mut offset = days * 86_400 + i64::from(of_day) - time_ns.div_euclid(1_000_000_000);
    for year in [civil.year - 1, civil.year + 1] {
        let other = days_from_civil(year, month as i64, i64::from(day)) * 86_400
            + i64::from(of_day)
            - time_ns.div_euclid(1_000_000_000);
        if other.abs() < offset.abs() {
            offset = other;
        }
    }
    (offset.abs() <= 86_400).then_some((
        15,
        StampForm::Bsd {
            offset: offset as i32,
        },
    ))
}

fn detect_iso(line: &[u8], time_ns: i64) -> Option<(usize, StampForm)> {
    let stamp = line.get(..19)?;
    let separator = stamp[10];
    if stamp[4] != b'-' || stamp[7] != b'-' || !matches!(separator, b'T' | b' ' | b't') {
        return None;
    }
    let year = number_at(&stamp[..4])?;
    let days = days_from_civil(
        i64::from(year),
        i64::from(number_at(&stamp[5..7])?),
        i64::from(number_at(&stamp[8..10])?),
    );
    let local = days * 86_400 + i64::from(clock_at(&stamp[11..19])?);
    let offset = i32::try_from(local - time_ns.div_euclid(1_000_000_000)).ok()?;
    let mut end = 19;
    let mut digits = 0;
    if line.get(end) == Some(&b'.') {
        digits = line[end + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        end += 1 + digits;
    }
    let digits = u8::try_from(digits).ok().filter(|digits| *digits <= 9)?;
    let zulu = match line.get(end) {
        Some(b'Z') => {
            end += 1;
            true
        }
        Some(b'+' | b'-') if separator == b'T' => {
            end += 6;
            false
        }
        _ if separator != b'T' => false,
        _ => return None,
    };
    (offset.abs() <= 86_400 && end <= line.len()).then_some((
        end,
        StampForm::Iso {
            digits,
            separator,
            offset,
            zulu,
        },
    ))
}

fn zone(out: &mut Vec<u8>, offset: i32, zulu: bool, separator: u8) {
    if zulu {
        out.push(b'Z');
    } else if separator == b'T' {
        out.push(if offset < 0 { b'-' } else { b'+' });
        let minutes = offset.unsigned_abs() / 60;
        two(out, minutes / 60, b'0');
        out.push(b':');
        two(out, minutes % 60, b'0');
    }
}

fn fraction(out: &mut Vec<u8>, nanos: i64, digits: u8) {
    if digits > 0 {
        let mut text = [b'0'; 10];
        text[0] = b'.';
        let mut rest = nanos;
        for digit in text[1..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&text[..usize::from(digits) + 1]);
    }
}

fn clock(out: &mut Vec<u8>, civil: &Civil) {
    two(out, civil.second_of_day / 3600, b'0');
    out.push(b':');
    two(out, civil.second_of_day / 60 % 60, b'0');
    out.push(b':');
    two(out, civil.second_of_day % 60, b'0');
}

fn two(out: &mut Vec<u8>, number: u32, pad: u8) {
    out.push(if number < 10 {
        pad
    } else {
        b'0' + (number / 10 % 10) as u8
    });
    out.push(b'0' + (number % 10) as u8);
}

fn number_at(text: &[u8]) -> Option<u32> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })
}

fn clock_at(text: &[u8]) -> Option<u32> {
    if text[2] != b':' || text[5] != b':' {
        return None;
    }
    Some(number_at(&text[..2])? * 3600 + number_at(&text[3..5])? * 60 + number_at(&text[6..8])?)
}

struct Civil {
    year: i64,
    month: usize,
    day: u32,
    second_of_day: u32,
}

impl Civil {
    /// Civil time of seconds since the unix epoch (proleptic Gregorian calendar).
    fn of(seconds: i64) -> Civil {
        let days = seconds.div_euclid(86_400);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as usize,
            day: day as u32,
            second_of_day: seconds.rem_euclid(86_400) as u32,
        }
    }
}

/// Days since the unix epoch of a civil date.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}
