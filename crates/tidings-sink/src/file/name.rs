//! Names of log files: of the one that is written, and of those that are set aside.

use tidings_event::time::{parse_rfc3339, write_rfc3339_seconds};

use crate::settings::{Compression, LogFile, Rotate};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60;

/// Length of `2026-02-03`, and so on.
const DAY_CHARS: usize = 10;
const HOUR_CHARS: usize = 13;
const MINUTE_CHARS: usize = 16;

/// One of our files, as its name tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// `2026-02-03`; empty for files that do not rotate by time.
    pub(super) period: String,
    /// The number with which a file was set aside because of its size; 0 for the first.
    pub(super) number: u64,
    /// What it is compressed with.
    pub(super) compression: Compression,
    /// It is a compressed file that is not finished.
    pub(super) is_unfinished: bool,
}

/// The period of a time in nanoseconds, as the suffix has it; empty for [`Rotate::Never`].
pub(super) fn period_of(rotate: Rotate, time_ns: i64) -> String {
    let chars = match rotate {
        Rotate::Daily => DAY_CHARS,
        Rotate::Hourly => HOUR_CHARS,
        Rotate::Minutely => MINUTE_CHARS,
        Rotate::Never => return String::new(),
    };
    let mut text = Vec::with_capacity(24);
    // Years beyond four digits have a sign in front; they are no years of logs.
    let seconds = time_ns.div_euclid(NANOS_PER_SECOND);
    write_rfc3339_seconds(&mut text, seconds);
    text.truncate(chars);
    String::from_utf8(text).expect("times are ASCII")
}

/// The first nanosecond after the period of a time; the end of time for [`Rotate::Never`].
pub(super) fn period_end_ns(rotate: Rotate, time_ns: i64) -> i64 {
    match length_ns(rotate) {
        Some(length) => start_ns(rotate, time_ns).saturating_add(length),
        None => i64::MAX,
    }
}

/// The first nanosecond of the period of a time; the beginning of time for [`Rotate::Never`].
pub(super) fn start_ns(rotate: Rotate, time_ns: i64) -> i64 {
    match length_ns(rotate) {
        Some(length) => time_ns.div_euclid(length).saturating_mul(length),
        None => i64::MIN,
    }
}

/// The first nanosecond of the period before one that begins at `start_ns`.
pub(super) fn previous_start_ns(rotate: Rotate, start_ns: i64) -> i64 {
    start_ns.saturating_sub(length_ns(rotate).unwrap_or(i64::MAX))
}

fn length_ns(rotate: Rotate) -> Option<i64> {
    let seconds = match rotate {
        Rotate::Daily => 1440 * MINUTE,
        Rotate::Hourly => 60 * MINUTE,
        Rotate::Minutely => MINUTE,
        Rotate::Never => return None,
    };
    Some(seconds * NANOS_PER_SECOND)
}

/// The first nanosecond of a period that a name tells, if it is one of this rotation.
pub(super) fn period_start_ns(rotate: Rotate, period: &str) -> Option<i64> {
    let rest = match (rotate, period.len()) {
        (Rotate::Daily, DAY_CHARS) => "T00:00:00Z",
        (Rotate::Hourly, HOUR_CHARS) => ":00:00Z",
        (Rotate::Minutely, MINUTE_CHARS) => ":00Z",
        _ => return None,
    };
    parse_rfc3339(&format!("{period}{rest}")).ok()
}

/// `prefix`, `prefix.2026-02-03`.
pub(super) fn active_name(prefix: &str, period: &str) -> String {
    if period.is_empty() {
        prefix.to_owned()
    } else {
        format!("{prefix}.{period}")
    }
}

/// What a file name ends with when compressed.
pub(super) fn extension(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    }
}

/// Marks a compressed file that is not finished.
pub(super) const UNFINISHED: &str = ".part";

impl Name {
    /// Reads the name of a file if it is one of ours with this prefix: whatever its rotation, so that
    /// files from before a change of settings are still ours.
    pub(super) fn parse(prefix: &str, name: &str) -> Option<Name> {
        let mut rest = name.strip_prefix(prefix)?;
        let mut parsed = Name {
            period: String::new(),
            number: 0,
            compression: Compression::None,
            is_unfinished: false,
        };
        if let Some(stem) = rest.strip_suffix(UNFINISHED) {
            (rest, parsed.is_unfinished) = (stem, true);
        }
        for compression in [Compression::Gzip, Compression::Zstd] {
            if let Some(stem) = rest.strip_suffix(extension(compression)) {
                (rest, parsed.compression) = (stem, compression);
                break;
            }
        }
        if parsed.is_unfinished && parsed.compression == Compression::None {
            return None;
        }
        if rest.is_empty() {
            return Some(parsed);
        }
        let mut parts = rest.strip_prefix('.')?.split('.');
        let mut part = parts.next()?;
        if is_period(part) {
            part.clone_into(&mut parsed.period);
            match parts.next() {
                Some(number) => part = number,
                None => return Some(parsed),
            }
        }
        let is_number = !part.is_empty()
            && !part.starts_with('0')
            && part.bytes().all(|byte| byte.is_ascii_digit());
        parsed.number = part.parse().ok().filter(|_| is_number)?;
        parts.next().is_none().then_some(parsed)
    }

    /// The name again.
    pub(super) fn text(&self, prefix: &str) -> String {
        let mut text = active_name(prefix, &self.period);
        if self.number > 0 {
            text.push_str(&format!(".{}", self.number));
        }
        text.push_str(extension(self.compression));
        if self.is_unfinished {
            text.push_str(UNFINISHED);
        }
        text
    }
}

fn is_period(text: &str) -> bool {
    let shape: &[u8] = match text.len() {
        DAY_CHARS => b"9999-99-99",
        HOUR_CHARS => b"9999-99-99T99",
        MINUTE_CHARS => b"9999-99-99T99:99",
        _ => return false,
    };
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'9' => byte.is_ascii_digit(),
        other => byte == *other,
    };
    text.bytes().zip(shape).all(fits)
}

/// Whether a file of this name in the log's directory is, or could become, one of its files.
pub(super) fn is_ours(log: &LogFile, name: &str) -> bool {
    Name::parse(&log.prefix, name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-02-03T04:05:06.5Z.
    const TIME: i64 = 1_770_091_506_500_000_000;

    #[test]
    fn periods_are_those_of_the_reference() {
        for (rotate, period, end) in [
            (Rotate::Daily, "2026-02-03", "2026-02-04"),
            (Rotate::Hourly, "2026-02-03T04", "2026-02-03T05"),
            (Rotate::Minutely, "2026-02-03T04:05", "2026-02-03T04:06"),
        ] {
            assert_eq!(period_of(rotate, TIME), period);
            let next = period_end_ns(rotate, TIME);
            assert_eq!(period_of(rotate, next), end);
            assert_eq!(period_of(rotate, next - 1), period);
        }
        assert_eq!(period_of(Rotate::Never, TIME), "");
        assert_eq!(period_end_ns(Rotate::Never, TIME), i64::MAX);
        period_end_ns(Rotate::Daily, i64::MAX);
        period_of(Rotate::Daily, i64::MIN);
    }

    #[test]
    fn only_our_own_names_are_ours() {
        for ours in [
            "mail.log",
            "mail.log.1",
            "mail.log.12.gz",
            "mail.log.2026-02-03",
            "mail.log.2026-02-03T04.7",
            "mail.log.2026-02-03T04:05.zst",
            "mail.log.2026-02-03.3.gz.part",
        ] {
            let name = Name::parse("mail.log", ours).unwrap_or_else(|| panic!("{ours}"));
            assert_eq!(name.text("mail.log"), ours);
        }
        for foreign in [
            "mail.logs",
            "mail.log.",
            "mail.log.0",
            "mail.log.01",
            "mail.log.1.2",
            "mail.log.bz2",
            "mail.log.part",
            "mail.log.2026-02-03.txt",
            "mail.log.2026-2-3",
            "mail.log.2026-02-03.1.2",
            "xmail.log",
            "mail.log.old",
            "mail.log.-1",
        ] {
            assert_eq!(Name::parse("mail.log", foreign), None, "{foreign}");
        }
    }
}
