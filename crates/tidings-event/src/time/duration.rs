//! Durations as people write them: `2h`, `1d12h`, `1.5s`.

use super::TimeError;

/// Units with their nanoseconds; a month is none of them, because its length varies.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 7 * 86_400_000_000_000),
    ("y", 365 * 86_400_000_000_000),
];

const ALLOWED: &str = "write numbers with a unit, such as 90s, 30m, 2h, 1d12h or 1.5s \
                       (units ns, us, ms, s, m or min, h, d, w, y)";

/// Reads a duration: numbers, each with a unit, one after the other. Gives nanoseconds; a year is
/// 365 days.
///
/// # Errors
/// If the text is no duration, or is longer than 2^64 nanoseconds (584 years).
pub fn parse_duration(text: &str) -> Result<u64, TimeError> {
    let wrong = |why: &str| TimeError::new(text, "a duration", why);
    if text.is_empty() {
        return Err(wrong(ALLOWED));
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .bytes()
            .take_while(|b| !b.is_ascii_digit() && *b != b'.')
            .count();
        let (unit, tail) = tail.split_at(letters);
        let nanos = UNITS
            .iter()
            .find(|(name, _)| unit.eq_ignore_ascii_case(name));
        let nanos = nanos.ok_or_else(|| wrong(ALLOWED))?.1;
        let part = scaled(number, nanos).ok_or_else(|| wrong(ALLOWED))?;
        let sum = part.and_then(|part| total.checked_add(part));
        total = sum.ok_or_else(|| wrong("the longest duration is 584 years"))?;
        rest = tail;
    }
    Ok(total)
}

/// `number` (digits with at most one point) times `unit`. `None` if it is no number,
/// `Some(None)` if the product does not fit. What is finer than a nanosecond is dropped.
fn scaled(number: &str, unit: u64) -> Option<Option<u64>> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole
        .parse::<u64>()
        .ok()
        .and_then(|whole| whole.checked_mul(unit));
    let mut part: u128 = 0;
    let mut place = u128::from(unit) * 10_000_000_000;
    for digit in fraction.bytes().take(18) {
        place /= 10;
        part += place * u128::from(digit - b'0');
    }
    let part = u64::try_from(part / 10_000_000_000).ok();
    Some(
        whole
            .zip(part)
            .and_then(|(whole, part)| whole.checked_add(part)),
    )
}
