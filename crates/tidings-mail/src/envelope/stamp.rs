//! The time at the head of a log line, read in every spelling that mail hosts write.
//!
//! Reading keeps what the line says and adds nothing: a stamp without year or zone stays so, and
//! [`Clock`](super::Clock) turns it into a moment.

use super::month;

/// What a line says about its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// Nothing.
    None,
    /// A count since 1970 UTC (`-o short-unix`, journal JSON, TAI64N).
    Epoch {
        /// Nanoseconds since 1970 UTC.
        ns: i64,
        /// How fine the count is.
        precision: Precision,
    },
    /// A date and a time of day.
    Civil(Civil),
}

/// A date and a time of day as written. Fields are in range; the day is at most 29 in February.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, where written.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60 (leap second).
    pub second: u8,
    /// Fraction of the second in nanoseconds.
    pub nanos: u32,
    /// Seconds east of UTC, where written.
    pub offset: Option<i32>,
    /// How many digits the fraction had.
    pub precision: Precision,
}

/// How fine a stamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Whole seconds.
    Second,
    /// Up to 3 digits after the point.
    Milli,
    /// Up to 6 digits.
    Micro,
    /// Up to 9 digits; further ones are dropped.
    Nano,
}

impl Precision {
    fn of_digits(digits: usize) -> Self {
        match digits {
            0 => Self::Second,
            1..=3 => Self::Milli,
            4..=6 => Self::Micro,
            _ => Self::Nano,
        }
    }
}

/// Reads `Nov 22 13:08:45` with English month names, and a fraction if there is one. Gives the
/// bytes taken. This is the fast path: anything else about the stamp is left to [`any`].
pub(super) fn rfc3164(text: &[u8]) -> Option<(Civil, usize)> {
    let head: &[u8; 15] = text.first_chunk()?;
    let month = month::english([head[0], head[1], head[2]])?;
    let tens = if head[4] == b' ' { b'0' } else { head[4] };
    let day = two(tens, head[5])?;
    let (hour, minute, second) = clock_time(&head[7..15])?;
    if head[3] != b' ' || head[6] != b' ' || !plausible(month, day) {
        return None;
    }
    let (nanos, precision, fraction) = fraction(&text[15..]);
    let civil = Civil {
        year: None,
        month,
        day,
        hour,
        minute,
        second,
        nanos,
        offset: None,
        precision,
    };
    Some((civil, 15 + fraction))
}

/// Reads `2026-11-22T13:08:45.123456+01:00`: date and time separated by `T`, `t`, `_` or a blank,
/// the date's parts by `-`, `/` or `.`; fraction and zone may be absent. Gives the bytes taken.
pub(super) fn iso(text: &[u8]) -> Option<(Civil, usize)> {
    let head: &[u8; 19] = text.first_chunk()?;
    let year = i16::from(two(head[0], head[1])?) * 100 + i16::from(two(head[2], head[3])?);
    let month = two(head[5], head[6])?;
    let day = two(head[8], head[9])?;
    let (hour, minute, second) = clock_time(&head[11..19])?;
    let separators = matches!(head[4], b'-' | b'/' | b'.')
        && head[7] == head[4]
        && matches!(head[10], b'T' | b't' | b' ' | b'_');
    if !separators || !plausible(month, day) {
        return None;
    }
    let (nanos, precision, fraction) = fraction(&text[19..]);
    let at = 19 + fraction;
    let (offset, zone) = match zone(&text[at..]) {
        Some((offset, length)) => (Some(offset), length),
        None => (None, 0),
    };
    let civil = Civil {
        year: Some(year),
        month,
        day,
        hour,
        minute,
        second,
        nanos,
        offset,
        precision,
    };
    Some((civil, at + zone))
}

/// Reads a stamp in any known shape at the head of `text`. Gives the bytes taken, without blanks
/// that follow.
pub(super) fn any(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.first() == Some(&b'[') {
        let (stamp, length) = any_bare(&text[1..])?;
        return (text.get(length + 1) == Some(&b']')).then_some((stamp, length + 2));
    }
    any_bare(text)
}

fn any_bare(text: &[u8]) -> Option<(Stamp, usize)> {
    let day_name = weekday(text);
    let rest = &text[day_name..];
    let civil = match rest.first()? {
        b'@' => return tai64n(rest),
        b'0'..=b'9' => iso(rest)
            .or_else(|| day_first(rest))
            .or_else(|| year_first(rest)),
        _ => None,
    };
    if let Some((civil, length)) = civil.or_else(|| month_first(rest)) {
        let (civil, length) = tail(civil, length, rest);
        return Some((Stamp::Civil(civil), day_name + length));
    }
    if day_name == 0 { epoch(rest) } else { None }
}

/// What may follow the time: `AM` or `PM`, a year (`Nov 22 13:08:45 2026`), a zone as number or
/// name.
fn tail(mut civil: Civil, mut length: usize, text: &[u8]) -> (Civil, usize) {
    if let Some(hour) = text
        .get(length..)
        .and_then(|rest| half_day(civil.hour, rest))
    {
        civil.hour = hour;
        length += 3;
    }
    for _ in 0..2 {
        let Some(rest) = text.get(length..).and_then(|rest| rest.strip_prefix(b" ")) else {
            break;
        };
        if civil.year.is_none()
            && let Some(year) = year(rest)
        {
            civil.year = Some(year);
            length += 5;
        } else if civil.offset.is_none()
            && let Some((offset, taken)) = zone(rest).or_else(|| zone_name(rest))
        {
            civil.offset = Some(offset);
            length += 1 + taken;
        } else {
            break;
        }
    }
    (civil, length)
}

/// The hour of the day that `hour` and ` AM` or ` PM` at the head mean; `None` where neither stands
/// there, or the hour is not one of twelve.
fn half_day(hour: u8, text: &[u8]) -> Option<u8> {
    let is_hour = (1..=12).contains(&hour);
    match text.first_chunk::<4>() {
        Some(b" AM " | b" am ") if is_hour => Some(hour % 12),
        Some(b" PM " | b" pm ") if is_hour => Some(hour % 12 + 12),
        _ => None,
    }
}

/// `Nov 22 13:08:45`, `nov. 22 13:08:45`, `Nov 22 2026 13:08:45`, `11月 22 13:08:45`.
fn month_first(text: &[u8]) -> Option<(Civil, usize)> {
    let (month, mut at) = month::any(text)?;
    at += blanks(text, at)?;
    let (day, taken) = day(&text[at..])?;
    at += taken;
    at += usize::from(text.get(at) == Some(&b','));
    at += blanks(text, at)?;
    let year = year(&text[at..]);
    if year.is_some() {
        at += 4;
        at += blanks(text, at)?;
    }
    with_time(text, at, year, month, day)
}

/// `22 Nov 2026 13:08:45`, `22-Nov-2026 13:08:45`, `22/Nov/2026:13:08:45`, `22.11.2026 13:08:45`,
/// `22 nov. 13:08:45`.
fn day_first(text: &[u8]) -> Option<(Civil, usize)> {
    let (day, mut at) = day(text)?;
    let separator = *text.get(at)?;
    if !matches!(separator, b' ' | b'-' | b'/' | b'.') {
        return None;
    }
    at += 1;
    let month = if separator == b'.' && text.get(at)?.is_ascii_digit() {
        let month = two(*text.get(at)?, *text.get(at + 1)?)?;
        at += 2;
        month
    } else {
        at += usize::from(separator == b'.' && text.get(at) == Some(&b' '));
        let (month, taken) = month::any(text.get(at..)?)?;
        at += taken;
        month
    };
    if !matches!(text.get(at)?, b' ' | b'-' | b'/' | b'.') {
        return None;
    }
    at += 1;
    let year = year_before(&text[at..], |byte| matches!(byte, b' ' | b':'));
    if year.is_some() {
        at += 5;
    }
    with_time(text, at, year, month, day)
}

/// `2026 Nov 22 13:08:45`.
fn year_first(text: &[u8]) -> Option<(Civil, usize)> {
    let year = year(text)?;
    let (month, taken) = month::any(text.get(5..)?)?;
    let mut at = 5 + taken;
    at += blanks(text, at)?;
    let (day, taken) = day(&text[at..])?;
    at += taken;
    at += blanks(text, at)?;
    with_time(text, at, Some(year), month, day)
}

fn with_time(
    text: &[u8],
    at: usize,
    year: Option<i16>,
    month: u8,
    day: u8,
) -> Option<(Civil, usize)> {
    let (hour, minute, second) = clock_time(text.get(at..at + 8)?)?;
    if !plausible(month, day) {
        return None;
    }
    let (nanos, precision, fraction) = fraction(&text[at + 8..]);
    let civil = Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
        nanos,
        offset: None,
        precision,
    };
    Some((civil, at + 8 + fraction))
}

/// Seconds since 1970 with an optional fraction, or the same in milli-, micro- or nanoseconds,
/// followed by a blank, a colon or the end. Only the years 2001 to 2286, whose seconds have ten
/// digits.
fn epoch(text: &[u8]) -> Option<(Stamp, usize)> {
    let digits = text
        .iter()
        .take(20)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number = std::str::from_utf8(&text[..digits])
        .ok()?
        .parse::<i64>()
        .ok()?;
    let (ns, precision, length) = match digits {
        10 => {
            let (nanos, precision, fraction) = fraction(&text[10..]);
            let ns = number
                .checked_mul(1_000_000_000)?
                .checked_add(i64::from(nanos))?;
            (ns, precision, 10 + fraction)
        }
        13 => (number.checked_mul(1_000_000)?, Precision::Milli, 13),
        16 => (number.checked_mul(1_000)?, Precision::Micro, 16),
        19 => (number, Precision::Nano, 19),
        _ => return None,
    };
    let ends = matches!(text.get(length), None | Some(b' ' | b':' | b']'));
    ends.then_some((Stamp::Epoch { ns, precision }, length))
}

/// `@40000000…`: TAI64N as multilog writes it, ten seconds ahead of UTC.
fn tai64n(text: &[u8]) -> Option<(Stamp, usize)> {
    let hex = std::str::from_utf8(text.get(1..25)?).ok()?;
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let label = u64::from_str_radix(&hex[..16], 16).ok()?;
    let nanos = i64::from_str_radix(&hex[16..], 16).ok()?;
    let seconds = i64::try_from(label.checked_sub((1 << 62) + 10)?).ok()?;
    let ns = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    Some((
        Stamp::Epoch {
            ns,
            precision: Precision::Nano,
        },
        25,
    ))
}

/// Length of `Sun ` or `Sun, ` at the head; 0 if there is none.
fn weekday(text: &[u8]) -> usize {
    let Some(head) = text.first_chunk::<4>() else {
        return 0;
    };
    let known = matches!(
        &head[..3],
        b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun"
    );
    match (known, head[3]) {
        (true, b' ') => 4,
        (true, b',') if text.get(4) == Some(&b' ') => 5,
        _ => 0,
    }
}

/// Number of blanks at `at`; `None` if there is none.
fn blanks(text: &[u8], at: usize) -> Option<usize> {
    let count = text
        .get(at..)?
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    (count > 0).then_some(count)
}

/// One or two digits.
fn day(text: &[u8]) -> Option<(u8, usize)> {
    let first = *text.first()?;
    match text.get(1) {
        Some(second) if second.is_ascii_digit() => Some((two(first, *second)?, 2)),
        _ => Some((two(b'0', first)?, 1)),
    }
}

/// Four digits of a year from 1980 to 2199 and a blank after them.
fn year(text: &[u8]) -> Option<i16> {
    year_before(text, |byte| byte == b' ')
}

fn year_before(text: &[u8], ends: impl Fn(u8) -> bool) -> Option<i16> {
    let head: &[u8; 5] = text.first_chunk()?;
    let year = i16::from(two(head[0], head[1])?) * 100 + i16::from(two(head[2], head[3])?);
    (ends(head[4]) && (1980..2200).contains(&year)).then_some(year)
}

/// `hh:mm:ss`.
fn clock_time(text: &[u8]) -> Option<(u8, u8, u8)> {
    let head: &[u8; 8] = text.first_chunk()?;
    let hour = two(head[0], head[1])?;
    let minute = two(head[3], head[4])?;
    let second = two(head[6], head[7])?;
    let fits = head[2] == b':' && head[5] == b':' && hour < 24 && minute < 60 && second <= 60;
    fits.then_some((hour, minute, second))
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<u8> {
    let tens = tens.wrapping_sub(b'0');
    let ones = ones.wrapping_sub(b'0');
    (tens <= 9 && ones <= 9).then(|| tens * 10 + ones)
}

/// Nanoseconds, precision and length of `.123456` or `,123`; zeros if there is none.
fn fraction(text: &[u8]) -> (u32, Precision, usize) {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return (0, Precision::Second, 0);
    }
    let digits = text[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 {
        return (0, Precision::Second, 0);
    }
    let mut nanos = 0_u32;
    for place in 0..9 {
        let digit = if place < digits {
            text[1 + place] - b'0'
        } else {
            0
        };
        nanos = nanos * 10 + u32::from(digit);
    }
    (nanos, Precision::of_digits(digits), 1 + digits)
}

/// `Z`, `+01:00`, `+0100`, `+01` and with `-`: seconds east of UTC and the bytes taken. Something
/// other than a digit or letter must follow.
fn zone(text: &[u8]) -> Option<(i32, usize)> {
    let sign = match text.first()? {
        b'Z' | b'z' => return ends_word(text, 1).then_some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = i32::from(two(*text.get(1)?, *text.get(2)?)?);
    let colon = usize::from(text.get(3) == Some(&b':'));
    let minutes = match (text.get(3 + colon), text.get(4 + colon)) {
        (Some(tens), Some(ones)) => two(*tens, *ones).map(i32::from),
        _ => None,
    };
    let length = if minutes.is_some() { 5 + colon } else { 3 };
    let minutes = minutes.unwrap_or(0);
    let fits = hours <= 15 && minutes < 60 && ends_word(text, length);
    fits.then_some((sign * (hours * 3600 + minutes * 60), length))
}

fn ends_word(text: &[u8], at: usize) -> bool {
    text.get(at)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// Zone names whose offset is not in doubt, in capitals as `date` and journald write them.
const ZONE_NAMES: &[(&[u8], i32)] = &[
    (b"UTC", 0),
    (b"GMT", 0),
    (b"WET", 0),
    (b"WEST", 1),
    (b"CET", 1),
    (b"CEST", 2),
    (b"EET", 2),
    (b"EEST", 3),
    (b"MSK", 3),
    (b"JST", 9),
    (b"AEST", 10),
    (b"AEDT", 11),
    (b"EST", -5),
    (b"EDT", -4),
    (b"CDT", -5),
    (b"MST", -7),
    (b"MDT", -6),
    (b"PST", -8),
    (b"PDT", -7),
];

fn zone_name(text: &[u8]) -> Option<(i32, usize)> {
    let end = text
        .iter()
        .take(6)
        .position(|byte| !byte.is_ascii_uppercase())?;
    let ends = matches!(text.get(end), Some(b' ' | b':' | b']'));
    let (name, hours) = ZONE_NAMES.iter().find(|(name, _)| *name == &text[..end])?;
    ends.then_some((hours * 3600, name.len()))
}

/// Whether a month can have that day (in some year).
fn plausible(month: u8, day: u8) -> bool {
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 29,
        1..=12 => 31,
        _ => 0,
    };
    (1..=longest).contains(&day)
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
