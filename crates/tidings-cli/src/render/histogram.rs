//! Traffic over time: a line for each hour, or for a longer time where there are many.

use tidings_engine::contract::{HourObject, StatsObject};
use tidings_event::time::parse_rfc3339;

use crate::term::{Screen, Style, Zone, count, pad, pad_left};

/// More lines than this do not fit a screen: hours are added up to days then, days to more.
const LINES_MAX: usize = 48;

/// Cells of the longest bar.
const BAR_CELLS: usize = 24;

/// What happened in some hours.
#[derive(Default)]
struct Row {
    label: String,
    sum: HourObject,
}

/// What a count stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Hour,
    /// A day of UTC, which is none of another zone.
    Day,
}

impl Step {
    fn of(stats: &StatsObject) -> Step {
        match stats.hours_step_s {
            0..86_400 => Step::Hour,
            _ => Step::Day,
        }
    }
}

/// The lines of the histogram, a heading first; none without hours.
pub(super) fn histogram(screen: &Screen, stats: &StatsObject) -> Vec<String> {
    let step = Step::of(stats);
    let rows = rows_of(screen, &stats.hours, step);
    if rows.is_empty() {
        return Vec::new();
    }
    let longest = rows.iter().map(|row| row.sum.messages).max().unwrap_or(0);
    let labels = rows.iter().map(|row| row.label.len()).max().unwrap_or(0);
    let columns: [Column; 5] = [
        ("messages", |row| row.sum.messages),
        ("delivered", |row| row.sum.delivered),
        ("deferred", |row| row.sum.deferred),
        ("bounced", |row| row.sum.bounced),
        ("refused", |row| row.sum.refused),
    ];
    let note = match step {
        Step::Hour => "",
        Step::Day => "days in UTC",
    };
    let labels = labels.max(note.len());
    let mut head = format!("  {}", pad(note, labels));
    for (name, _) in &columns {
        head.push_str(&pad_left(name, 11));
    }
    let mut lines = vec![screen.paint(Style::Dim, &head)];
    for run in rows.chunk_by(|a, b| a.is_empty() && b.is_empty()) {
        if run[0].is_empty() && run.len() >= FOLDED_MIN {
            let (first, last) = (&run[0].label, &run[run.len() - 1].label);
            let text = format!("  {first} to {last}: nothing");
            lines.push(screen.paint(Style::Dim, &text));
            continue;
        }
        let told = run
            .iter()
            .map(|row| line_of(screen, row, labels, longest, &columns));
        lines.extend(told);
    }
    lines
}

/// Rows in which nothing happened become one from this many on.
const FOLDED_MIN: usize = 3;

impl Row {
    fn is_empty(&self) -> bool {
        let sum = &self.sum;
        let counts = [
            sum.messages,
            sum.delivered,
            sum.deferred,
            sum.bounced,
            sum.refused,
        ];
        counts.iter().all(|count| *count == 0)
    }
}

fn line_of(screen: &Screen, row: &Row, labels: usize, longest: u64, columns: &[Column]) -> String {
    let mut line = format!("  {}", pad(&row.label, labels));
    for (name, value) in columns {
        let value = value(row);
        let text = match value {
            0 => ".".to_owned(),
            value => count(value),
        };
        line.push_str(&screen.paint(style_of(name, value), &pad_left(&text, 11)));
    }
    let bar = screen.symbols.bar(row.sum.messages, longest, BAR_CELLS);
    let has_room = screen
        .width
        .is_none_or(|width| width >= 2 + labels + 55 + 2 + BAR_CELLS);
    if has_room && !bar.is_empty() {
        line.push_str(&format!("  {}", screen.paint(Style::Cyan, &bar)));
    }
    line
}

type Column = (&'static str, fn(&Row) -> u64);

fn style_of(column: &str, value: u64) -> Style {
    match column {
        _ if value == 0 => Style::Dim,
        "deferred" => Style::Yellow,
        "bounced" | "refused" => Style::Red,
        _ => Style::Plain,
    }
}

/// The hours, or days, added up until they fit. One without a time belongs to the line before it.
fn rows_of(screen: &Screen, hours: &[HourObject], step: Step) -> Vec<Row> {
    let zone = match step {
        Step::Hour => screen.zone.clone(),
        Step::Day => Zone::utc(),
    };
    let by_hour = |time_ns| zone.minutes(time_ns);
    let by_day = |time_ns| zone.date(time_ns);
    let by_month = |time_ns| zone.date(time_ns)[..7].to_owned();
    let by_year = |time_ns| zone.date(time_ns)[..4].to_owned();
    let labels: [&dyn Fn(i64) -> String; 4] = [&by_hour, &by_day, &by_month, &by_year];
    let labels = match step {
        Step::Hour => &labels[..],
        Step::Day => &labels[1..],
    };
    let mut rows = Vec::new();
    for label in labels {
        rows = grouped(hours, label);
        if rows.len() <= LINES_MAX {
            break;
        }
    }
    rows
}

fn grouped(hours: &[HourObject], label: &dyn Fn(i64) -> String) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for hour in hours {
        let text = match parse_rfc3339(&hour.time) {
            Ok(time_ns) => label(time_ns),
            Err(_) => rows.last().map(|row| row.label.clone()).unwrap_or_default(),
        };
        if rows.last().is_none_or(|row| row.label != text) {
            rows.push(Row {
                label: text,
                ..Row::default()
            });
        }
        let row = rows.last_mut().expect("a row was just made sure of");
        add(&mut row.sum, hour);
    }
    rows
}

fn add(sum: &mut HourObject, hour: &HourObject) {
    sum.messages = sum.messages.saturating_add(hour.messages);
    sum.delivered = sum.delivered.saturating_add(hour.delivered);
    sum.deferred = sum.deferred.saturating_add(hour.deferred);
    sum.bounced = sum.bounced.saturating_add(hour.bounced);
    sum.refused = sum.refused.saturating_add(hour.refused);
}

#[cfg(test)]
mod tests {
    use tidings_event::time::rfc3339;

    use super::*;
    use crate::testing::plain_screen;

    fn rows(hours: i64) -> Vec<Row> {
        let hours: Vec<HourObject> = (0..hours)
            .map(|hour| HourObject {
                time: rfc3339(1_767_222_000_000_000_000 + hour * 3_600_000_000_000),
                messages: 1,
                ..HourObject::default()
            })
            .collect();
        rows_of(&plain_screen(), &hours, Step::Hour)
    }

    #[test]
    fn hours_are_added_up_until_they_fit() {
        for (hours, lines, first) in [
            (0, 0, ""),
            (1, 1, "2026-01-01 00:00"),
            (48, 48, "2026-01-01 00:00"),
            (49, 3, "2026-01-01"),
            (24 * 48, 48, "2026-01-01"),
            (24 * 49, 2, "2026-01"),
            (24 * 365 * 5, 5, "2026"),
        ] {
            let rows = rows(hours);
            let sum: u64 = rows.iter().map(|row| row.sum.messages).sum();
            assert_eq!((rows.len(), sum), (lines, hours.unsigned_abs()), "{hours}");
            assert_eq!(rows.first().map_or("", |row| row.label.as_str()), first);
        }
    }

    /// Days of UTC were shown as hours, and in other zones as the day before.
    #[test]
    fn days_stay_the_days_they_are() {
        let days: Vec<HourObject> = (0..3)
            .map(|day| HourObject {
                time: rfc3339(1_767_225_600_000_000_000 + day * 86_400_000_000_000),
                messages: 1,
                ..HourObject::default()
            })
            .collect();
        let screen = Screen {
            zone: Zone::fixed(-5),
            ..plain_screen()
        };
        let rows = rows_of(&screen, &days, Step::Day);
        let labels: Vec<&str> = rows.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["2026-01-01", "2026-01-02", "2026-01-03"]);
        let stats = StatsObject {
            hours: days,
            hours_step_s: 86_400,
            ..StatsObject::default()
        };
        assert!(histogram(&screen, &stats)[0].contains("days in UTC"));
    }

    /// A month with one busy day was thirty lines of dots.
    #[test]
    fn times_in_which_nothing_happened_are_one_line() {
        let hour = |hour: i64, messages| HourObject {
            time: rfc3339(1_767_222_000_000_000_000 + hour * 3_600_000_000_000),
            messages,
            ..HourObject::default()
        };
        let busy = [1, 0, 0, 1, 0, 0, 0, 0];
        let stats = StatsObject {
            hours: (0..).zip(busy).map(|(at, n)| hour(at, n)).collect(),
            hours_step_s: 3_600,
            ..StatsObject::default()
        };
        let lines = histogram(&plain_screen(), &stats);
        assert_eq!(lines.len(), 1 + 4 + 1, "{lines:#?}");
        assert_eq!(lines[5], "  2026-01-01 04:00 to 2026-01-01 07:00: nothing");
    }
}
