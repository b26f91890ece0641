//! Numbers for reading: counts with separators, sizes, durations, shares.

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 message`, `2 messages`.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size in units of 1,000: `999 B`, `1.2 kB`, `12 MB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut unit = 0;
    let mut whole = u128::from(number) * 10;
    // What would round to 1,000 takes the next unit.
    while whole >= 9_995 && unit + 1 < UNITS.len() {
        whole = (whole + 500) / 1_000;
        unit += 1;
    }
    if unit == 0 {
        format!("{number} B")
    } else if whole < 100 {
        format!("{}.{} {}", whole / 10, whole % 10, UNITS[unit])
    } else {
        format!("{} {}", (whole + 5) / 10, UNITS[unit])
    }
}

/// Milliseconds as `12 ms`, `1.2 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{} {big_unit}", count(big)),
        _ => format!("{} {big_unit} {small} {small_unit}", count(big)),
    };
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        10_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600_000..86_400_000 => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

/// A share as `98.7 %`. Only what is whole is `100 %`, and only what is nothing `0 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let permille = u128::from(part) * 1_000 / u128::from(whole);
    match permille {
        _ if part == whole => "100 %".to_owned(),
        0 if part == 0 => "0 %".to_owned(),
        0 => "<0.1 %".to_owned(),
        _ => format!("{}.{} %", permille / 10, permille % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "file", "files"), "1 file");
        assert_eq!(plural(0, "file", "files"), "0 files");
    }

    #[test]
    fn sizes_have_two_or_three_digits() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_249, "1.2 kB"),
            (9_960, "10 kB"),
            (12_400, "12 kB"),
            (999_400, "999 kB"),
            (999_600, "1.0 MB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (86_400_000 * 4 + 3_600_000 * 3, "4 d 3 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn shares_never_round_to_all_or_nothing() {
        assert_eq!(percent(0, 0), "–");
        assert_eq!(percent(0, 5), "0 %");
        assert_eq!(percent(1, 100_000), "<0.1 %");
        assert_eq!(percent(99_999, 100_000), "99.9 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "99.9 %");
    }
}
