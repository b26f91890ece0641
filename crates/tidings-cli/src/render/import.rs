//! How an import goes, on one line that is drawn over, and how it went.

use tidings_engine::contract::ImportObject;

use crate::store::ImportProgress;
use crate::term::{Screen, Style, bytes, clean, count, duration, fit, percent, plural, width};

/// Cells of the bar.
const BAR_CELLS: usize = 16;

/// The progress after `elapsed_ms`: share, bar, time left, rate, recognised share, and the file, as far as the line has room.
pub(crate) fn progress_line(screen: &Screen, progress: &ImportProgress, elapsed_ms: u64) -> String {
    let done = progress.bytes_done.min(progress.bytes_total);
    let symbols = screen.symbols;
    let mut bar = symbols.bar(done, progress.bytes_total, BAR_CELLS);
    let missing = BAR_CELLS.saturating_sub(width(&bar));
    bar.push_str(&symbols.empty.repeat(missing));
    let mut parts = vec![format!(
        "{} {bar}",
        // Whole percents: more would only flicker.
        format_args!("{:>3} %", share(done, progress.bytes_total))
    )];
    if let Some(left) = time_left(done, progress.bytes_total, elapsed_ms) {
        parts.push(format!("{} left", whole_seconds(left)));
    }
    let rate = per_second(progress.lines, elapsed_ms);
    parts.push(format!("{} lines/s", count(rate)));
    if progress.lines > 0 {
        parts.push(format!(
            "{} recognised",
            percent(progress.recognised, progress.lines)
        ));
    }
    let name = progress.file.rsplit('/').next().unwrap_or_default();
    parts.push(clean(name).into_owned());
    // The last cell stays free: some terminals break the line there.
    let columns = screen.width.unwrap_or(80).saturating_sub(1);
    fit(&parts.join("  "), columns, symbols.ellipsis)
}

fn share(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 0,
        _ => u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(100),
    }
}

fn per_second(number: u64, elapsed_ms: u64) -> u64 {
    let rate = u128::from(number) * 1_000 / u128::from(elapsed_ms.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// A duration without parts of a second, which would only flicker.
fn whole_seconds(ms: u64) -> String {
    match ms.div_ceil(1_000).max(1) {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => duration(seconds.saturating_mul(1_000)),
    }
}

/// Milliseconds left at the present rate, once there is one.
fn time_left(done: u64, whole: u64, elapsed_ms: u64) -> Option<u64> {
    if done == 0 || elapsed_ms < 1_000 {
        return None;
    }
    let left = u128::from(whole - done) * u128::from(elapsed_ms) / u128::from(done);
    u64::try_from(left).ok()
}

/// What an import did, as lines.
pub(crate) fn summary(screen: &Screen, import: &ImportObject) -> Vec<String> {
    let mut lines = vec![format!(
        "{} in {}{}",
        screen.paint(Style::Bold, &added(import)),
        duration(import.elapsed_ms),
        period(screen, import)
    )];
    if import.lines > 0 {
        let rate = count(per_second(import.lines, import.elapsed_ms));
        let share = percent(import.recognised, import.lines);
        lines.push(format!(
            "  {share} of the lines recognised; {rate} lines/s, {} read",
            bytes(import.bytes)
        ));
        lines.push(format!(
            "  {}, {}{}",
            plural(import.events, "event", "events"),
            plural(import.messages, "message", "messages"),
            match import.open {
                0 => String::new(),
                1 => "; 1 in the history may still get further lines".to_owned(),
                open => format!(
                    "; {} in the history may still get further lines",
                    count(open)
                ),
            }
        ));
    }
    if import.files_known > 0 && import.lines > 0 {
        let known = plural(import.files_known, "file", "files");
        lines.push(format!("  {known} held nothing new"));
    }
    for warning in &import.warnings {
        lines.push(format!(
            "  {} {}",
            screen.paint(Style::Yellow, "warning:"),
            clean(warning)
        ));
    }
    lines
}

fn added(import: &ImportObject) -> String {
    let files = plural(import.files, "file", "files");
    match import.lines {
        0 if import.files_known == import.files && import.files > 0 => {
            format!("Nothing new: every line of {files} is in the history already")
        }
        lines => format!("Added {} from {files}", plural(lines, "line", "lines")),
    }
}

/// `: 2026-11-01 00:00:03 – 2026-11-22 13:00:05`.
fn period(screen: &Screen, import: &ImportObject) -> String {
    match (&import.first_time, &import.last_time) {
        (Some(first), Some(last)) => format!(
            ": {} {} {}, times in {}",
            screen.zone.show(first),
            screen.symbols.dash,
            screen.zone.show(last),
            screen.zone.name(screen.now_ns)
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain_screen;

    fn progress() -> ImportProgress {
        ImportProgress {
            file: "/var/log/mail.log.2.gz".to_owned(),
            bytes_done: 380,
            bytes_total: 1_000,
            lines: 1_234_567,
            recognised: 1_222_222,
        }
    }

    #[test]
    fn the_line_tells_share_rate_and_time_left() {
        let mut screen = plain_screen();
        screen.width = Some(100);
        assert_eq!(
            progress_line(&screen, &progress(), 3_000),
            " 38 % ██████░░░░░░░░░░  5 s left  411,522 lines/s  99.0 % recognised  mail.log.2.gz"
        );
    }

    #[test]
    fn time_left_counts_down_in_seconds() {
        for (ms, text) in [
            (0, "1 s"),
            (1_000, "1 s"),
            (1_001, "2 s"),
            (185_000, "3 min 5 s"),
        ] {
            assert_eq!(whole_seconds(ms), text);
        }
    }

    #[test]
    fn the_line_always_fits_and_never_fails() {
        let mut screen = plain_screen();
        for columns in 20..120 {
            screen.width = Some(columns);
            assert!(width(&progress_line(&screen, &progress(), 3_000)) < columns);
        }
        let strange = ImportProgress {
            bytes_done: u64::MAX,
            lines: u64::MAX,
            ..ImportProgress::default()
        };
        let line = progress_line(&screen, &strange, 0);
        assert!(line.starts_with("  0 % ░░"), "{line}");
    }
}
