//! Numbers as Prometheus and OpenMetrics write them.

use std::io::Write;

use tidings_event::digits::{push_i64, push_u64};

/// Appends `number / divisor`, exactly where the divisor is a power of ten: `3`, `0.5`, `1.53`.
pub(super) fn push_divided(out: &mut Vec<u8>, number: u64, divisor: u32) {
    let divisor = u64::from(divisor.max(1));
    let rest = number % divisor;
    match decimals_of(divisor) {
        Some(decimals) => {
            push_u64(out, number / divisor);
            push_fraction(out, rest, decimals);
        }
        // Of another divisor the quotient may have no end.
        None if rest != 0 => {
            write!(out, "{}", number as f64 / divisor as f64)
                .expect("writing to memory does not fail");
        }
        None => push_u64(out, number / divisor),
    }
}

/// The same for a number that may be negative.
pub(super) fn push_signed(out: &mut Vec<u8>, number: i64, divisor: u32) {
    if divisor <= 1 {
        return push_i64(out, number);
    }
    if number < 0 {
        out.push(b'-');
    }
    push_divided(out, number.unsigned_abs(), divisor);
}

/// Appends a time in nanoseconds as seconds.
pub(super) fn push_seconds(out: &mut Vec<u8>, time_ns: i64) {
    push_signed(out, time_ns, 1_000_000_000);
}

/// Appends a bound as OpenMetrics has it: the form of a floating-point number, which always has a point
/// or an exponent, and an exponent from a million up: `0.01`, `500.0`, `1e+06`, `2.5e+07`.
pub(super) fn push_canonical(out: &mut Vec<u8>, number: u64, divisor: u32) {
    let value = number as f64 / f64::from(divisor.max(1));
    if value < 1e6 {
        let start = out.len();
        push_divided(out, number, divisor);
        if !out[start..].contains(&b'.') {
            out.extend_from_slice(b".0");
        }
        return;
    }
    // Shortest digits that read back as the same number, as `2.5e7`.
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    write!(out, "{digits}e+{exponent:0>2}").expect("writing to memory does not fail");
}

fn decimals_of(divisor: u64) -> Option<usize> {
    let decimals = divisor.checked_ilog10()?;
    (10u64.pow(decimals) == divisor).then_some(decimals as usize)
}

fn push_fraction(out: &mut Vec<u8>, rest: u64, decimals: usize) {
    if rest == 0 {
        return;
    }
    let text = format!("{rest:0>decimals$}");
    out.push(b'.');
    out.extend_from_slice(text.trim_end_matches('0').as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotients_are_exact() {
        for (number, divisor, expected) in [
            (3, 1, "3"),
            (1530, 1000, "1.53"),
            (1000, 1000, "1"),
            (5, 1000, "0.005"),
            (u64::MAX, 1000, "18446744073709551.615"),
            (u64::MAX, 1, "18446744073709551615"),
            (1, 3, "0.3333333333333333"),
            (6, 3, "2"),
            (7, 0, "7"),
        ] {
            assert_eq!(text(|out| push_divided(out, number, divisor)), expected);
        }
        assert_eq!(text(|out| push_signed(out, -1530, 1000)), "-1.53");
        assert_eq!(
            text(|out| push_signed(out, i64::MIN, 1)),
            "-9223372036854775808"
        );
        assert_eq!(
            text(|out| push_seconds(out, 1_700_000_000_250_000_000)),
            "1700000000.25"
        );
    }

    /// The table of canonical numbers in the specification of OpenMetrics.
    #[test]
    fn bounds_are_canonical() {
        for (number, divisor, expected) in [
            (0, 1, "0.0"),
            (10, 1000, "0.01"),
            (1, 1, "1.0"),
            (2500, 1000, "2.5"),
            (999_999, 1, "999999.0"),
            (1_000_000, 1, "1e+06"),
            (25_000_000, 1, "2.5e+07"),
            (500_000_000, 1, "5e+08"),
            (10_000_000_000, 1, "1e+10"),
        ] {
            assert_eq!(text(|out| push_canonical(out, number, divisor)), expected);
        }
    }
}
