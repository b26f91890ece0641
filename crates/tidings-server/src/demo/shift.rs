//! Moves a log line in time: its time, and the times that its ids are made of, so that ids of
//! different rounds differ as those of a real server do.

use std::ops::RangeInclusive;

use tidings_event::time::{parse_rfc3339, rfc3339};

/// The digits of Postfix's long queue ids: no vowels (`postfix/src/global/safe_ultostr.c`).
const DIGITS: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

const SECOND_NS: i64 = 1_000_000_000;

/// Appends `line`, moved by `shift_s` seconds. Numbers and queue ids are moved where they stand for
/// a time within `span_s`, in seconds since the unix epoch.
pub(super) fn write_line(
    out: &mut Vec<u8>,
    line: &str,
    shift_s: i64,
    span_s: &RangeInclusive<i64>,
) {
    let (time, mut rest) = line.split_once(' ').unwrap_or(("", line));
    if let Ok(time_ns) = parse_rfc3339(time) {
        out.extend_from_slice(rfc3339(time_ns + shift_s * SECOND_NS).as_bytes());
    }
    out.push(b' ');
    while !rest.is_empty() {
        let is_part = |c: char| c.is_ascii_alphanumeric();
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        match moved(word, shift_s, span_s) {
            Some(word) => out.extend_from_slice(word.as_bytes()),
            None => out.extend_from_slice(word.as_bytes()),
        }
        let between = after.find(is_part).unwrap_or(after.len());
        out.extend_from_slice(&after.as_bytes()[..between]);
        rest = &after[between..];
    }
}

/// A word that stands for a time, for the moved one; `None` for any other.
fn moved(word: &str, shift_s: i64, span_s: &RangeInclusive<i64>) -> Option<String> {
    match word.len() {
        10 => {
            let second: i64 = word.parse().ok()?;
            span_s
                .contains(&second)
                .then(|| format!("{:010}", second + shift_s))
        }
        14 => {
            let second = calendar(word)?;
            span_s
                .contains(&second)
                .then(|| digits_of(second + shift_s))
        }
        15.. => queue_id(word, shift_s, span_s),
        _ => None,
    }
}

/// `20261122132327`, in seconds.
fn calendar(word: &str) -> Option<i64> {
    let part = |from: usize, to: usize| word.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    Some(parse_rfc3339(&text).ok()? / SECOND_NS)
}

fn digits_of(second: i64) -> String {
    rfc3339(second * SECOND_NS)
        .chars()
        .take(19)
        .filter(char::is_ascii_digit)
        .collect()
}

/// A long queue id: six digits of seconds, four of microseconds, `z`, and the inode.
fn queue_id(word: &str, shift_s: i64, span_s: &RangeInclusive<i64>) -> Option<String> {
    let (time, rest) = word.split_at_checked(6)?;
    if rest.as_bytes().get(4) != Some(&b'z') {
        return None;
    }
    let mut second: i64 = 0;
    for digit in time.bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        second = second * 52 + i64::try_from(value).ok()?;
    }
    if !span_s.contains(&second) {
        return None;
    }
    let mut moved = second + shift_s;
    let mut digits = [0; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(moved.rem_euclid(52)).ok()?];
        moved = moved.div_euclid(52);
    }
    Some(
        digits
            .iter()
            .map(|digit| char::from(*digit))
            .chain(rest.chars())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ids_move_and_the_rest_stays() {
        let span = 1_795_350_000..=1_795_360_000;
        let moved = |line: &str| {
            let mut out = Vec::new();
            write_line(&mut out, line, 60, &span);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            moved(
                "2026-11-22T13:20:57.5+00:00 mx postfix/cleanup[1]: 4jXV8B0cb1z1YS6l: message-id=<own.1.0066.1795353657@s.test>\n"
            ),
            "2026-11-22T13:21:57.500Z mx postfix/cleanup[1]: 4jXV9L0cb1z1YS6l: message-id=<own.1.0066.1795353717@s.test>\n"
        );
        assert_eq!(
            moved(
                "2026-11-22T23:59:30Z mx a: <20261122132327.001383@mx> 1234567890 é 20200101000000"
            ),
            "2026-11-23T00:00:30Z mx a: <20261122132427.001383@mx> 1234567890 é 20200101000000"
        );
    }
}
