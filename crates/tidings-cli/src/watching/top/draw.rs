//! `tidings top` as a screen, and as text.

use std::cmp::Reverse;

use serde_json::{Value, json};
use tidings_event::EventType;

use super::state::{Reader, SignIn, Source, Top, Traffic};
use crate::term::{Screen, Style, bytes, clean, count, duration, fit, pad, pad_left};
use crate::watching::picture::{Line, Picture};

/// Cells of the table of traffic.
const TRAFFIC_COLUMNS: usize = 43;

/// Causes that are shown: as many as stand beside the traffic.
const CAUSES_MAX: usize = 8;

/// Failed sign-ins that stand in the text.
const SIGN_INS_IN_TEXT: usize = 20;

/// The state as a screen of this size.
pub(crate) fn draw(top: &Top, screen: &Screen, columns: usize, rows: usize) -> Picture {
    let room = rows.saturating_sub(1);
    let mut lines = vec![title(top, screen)];
    let is_wide = columns >= 76;
    lines.extend(traffic_and_causes(top, screen, columns, is_wide));
    lines.push(Line::default());
    // What is behind comes before who fails to sign in: that list takes what is left. Three lists have
    // three headings, and two empty lines between them.
    let left = room.saturating_sub(lines.len() + 5);
    let sources = sources(top, screen);
    let sources_rows = (left / 3).clamp(1, sources.len());
    let left = left.saturating_sub(sources_rows.min(sources.len() - 1));
    let readers = readers(top, screen);
    let readers_rows = (left / 2).clamp(1, readers.len());
    let left = left.saturating_sub(readers_rows.min(readers.len() - 1));
    lines.extend(section(sources, sources_rows, "sources"));
    lines.extend(section(readers, readers_rows, "readers"));
    lines.extend(section(sign_ins(top, screen), left.max(1), "sign-ins"));
    lines.truncate(room);
    lines.resize(room, Line::default());
    lines.push(footer(top));
    Picture {
        lines,
        cursor: None,
    }
}

/// The state as text without limits.
pub(crate) fn text(top: &Top, screen: &Screen) -> Vec<String> {
    let mut lines = vec![title(top, screen)];
    lines.extend(traffic_and_causes(top, screen, usize::MAX, false));
    for part in [
        sources(top, screen),
        readers(top, screen),
        section(sign_ins(top, screen), SIGN_INS_IN_TEXT, "sign-ins"),
    ] {
        lines.push(Line::default());
        lines.extend(part);
    }
    for (what, why) in &top.troubles {
        lines.push(Line::of(Style::Red, format!("{what}: {}", clean(why))));
    }
    let painted = Picture {
        lines,
        cursor: None,
    }
    .painted(screen, usize::MAX, usize::MAX);
    let trimmed = painted.iter().map(|line| line.trim_end().to_owned());
    trimmed.collect()
}

/// The state as JSON.
pub(crate) fn object(top: &Top) -> Value {
    let rate = |traffic: &Traffic| {
        let rate = traffic.rate;
        let value = json!({ "perSecond": rate.now, "total": rate.total });
        (traffic.name.to_owned(), value)
    };
    let traffic: serde_json::Map<_, _> = top.traffic().iter().map(rate).collect();
    let causes = top.causes();
    let cause =
        |(name, rate): &(String, super::state::Rate)| json!({ "type": name, "total": rate.total });
    json!({
        "server": top.place,
        "queue": top.gauge("queue.count"),
        "memoryBytes": top.gauge("server.memory"),
        "spoolBytes": top.spool_bytes,
        "traffic": traffic,
        "causes": causes.iter().map(cause).collect::<Vec<_>>(),
        "sources": top.sources.iter().map(|source| json!({
            "paths": source.paths.keys().collect::<Vec<_>>(),
            "state": source_state(source).1,
            "files": source.files, "lines": source.lines, "lagBytes": source.lag_bytes,
            "problem": source.problem,
        })).collect::<Vec<_>>(),
        "readers": top.readers.iter().map(|reader| json!({
            "name": reader.name, "class": reader.class,
            "lagEvents": reader.lag_events, "lagMs": reader.lag_ms,
            "delivered": reader.delivered, "dropped": reader.dropped, "problem": reader.problem,
        })).collect::<Vec<_>>(),
        "failedSignIns": top.sign_ins().map(|one| json!({
            "time": one.time, "account": one.account, "remoteIp": one.remote,
            "reason": one.reason, "attempts": one.attempts,
        })).collect::<Vec<_>>(),
        "troubles": top.troubles,
    })
}

fn title(top: &Top, screen: &Screen) -> Line {
    let mut line = Line::of(Style::Bold, "tidings top").and(
        Style::Plain,
        format!("  {}", screen.zone.seconds(screen.now_ns)),
    );
    let mut tell = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            let piece = format!("  {what} ");
            line = std::mem::take(&mut line)
                .and(Style::Dim, piece)
                .and(Style::Plain, value);
        }
    };
    tell("queue", top.gauge("queue.count").map(count));
    tell("spool", top.spool_bytes.map(bytes));
    tell("memory", top.gauge("server.memory").map(bytes));
    tell("at", Some(clean(&top.place).into_owned()));
    line
}

/// The two tables side by side, or one below the other.
fn traffic_and_causes(top: &Top, screen: &Screen, columns: usize, is_wide: bool) -> Vec<Line> {
    let left = traffic(top);
    if !is_wide {
        let gap = std::iter::once(Line::default());
        let causes = causes(top, screen, columns);
        return gap.clone().chain(left).chain(gap).chain(causes).collect();
    }
    let mut right = causes(top, screen, columns.saturating_sub(TRAFFIC_COLUMNS)).into_iter();
    let beside = |line: Line| {
        let right = right.next().unwrap_or_default();
        line.beside(TRAFFIC_COLUMNS, screen.symbols.ellipsis, right)
    };
    let lines: Vec<Line> = left.into_iter().map(beside).collect();
    std::iter::once(Line::default()).chain(lines).collect()
}

fn heading(text: impl Into<String>) -> Line {
    Line::of(Style::Dim, text)
}

fn traffic(top: &Top) -> Vec<Line> {
    let head = heading(format!(
        "{:<16}{:>8}{:>8}{:>9}",
        "TRAFFIC", "now/s", "min/s", "total"
    ));
    let has_rates = top.has_rates();
    let row = |traffic: &Traffic| {
        let rate = |rate: f64| match has_rates {
            true => per_second(rate),
            false => "-".to_owned(),
        };
        let now = pad_left(&rate(traffic.rate.now), 8);
        let minute = pad_left(&rate(traffic.rate.minute), 8);
        let total = pad_left(&short_count(traffic.rate.total), 9);
        let style = match traffic.rate.minute_count {
            0 => Style::Plain,
            _ => style_of(traffic.name),
        };
        Line::of(style, pad(traffic.words, 16)).and(Style::Plain, format!("{now}{minute}{total}"))
    };
    std::iter::once(head)
        .chain(top.traffic().iter().map(row))
        .collect()
}

fn style_of(name: &str) -> Style {
    match name {
        "delivered" | "signIns" => Style::Green,
        "deferred" => Style::Yellow,
        "bounced" | "rejected" | "signInsFailed" => Style::Red,
        _ => Style::Plain,
    }
}

/// `0`, `0.25`, `12.5`, `1,234`: three digits tell enough.
fn per_second(rate: f64) -> String {
    match rate {
        rate if rate <= 0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.2}"),
        rate if rate < 100.0 => format!("{rate:.1}"),
        // Below 2^53, where doubles end to be exact, and far above what a machine can do.
        rate => count(rate.min(9e15) as u64),
    }
}

/// A number in at most eight cells.
fn short_count(number: u64) -> String {
    match number {
        0..=9_999_999 => number.to_string(),
        10_000_000..=9_999_999_999 => format!("{}M", number / 1_000_000),
        _ => format!("{}G", number / 1_000_000_000),
    }
}

fn causes(top: &Top, screen: &Screen, columns: usize) -> Vec<Line> {
    // Where there is little room, words tell more than the total.
    let has_total = columns > 48;
    let numbers = |minute: &str, total: &str| match has_total {
        true => format!("{minute:>5} {total:>7}  "),
        false => format!("{minute:>5}  "),
    };
    let start = numbers("min", "total");
    let room = columns.saturating_sub(start.len());
    let mut lines = vec![heading(format!("{start}CAUSES"))];
    let causes = top.causes();
    if causes.is_empty() {
        let start = numbers("", "");
        lines.push(Line::of(Style::Dim, format!("{start}nothing failed yet")));
    }
    for (name, rate) in causes.iter().take(CAUSES_MAX) {
        let words =
            EventType::from_name(name).map_or(name.as_str(), |kind| kind.info().description);
        let words = fit(&clean(words), room, screen.symbols.ellipsis);
        let start = numbers(&short_count(rate.minute_count), &short_count(rate.total));
        lines.push(Line::plain(format!("{start}{words}")));
    }
    lines
}

fn sources(top: &Top, screen: &Screen) -> Vec<Line> {
    let mut lines = vec![heading(format!(
        "{:<34} {:<9} {:>6} {:>11} {:>10}",
        "SOURCES", "state", "files", "lines", "behind"
    ))];
    if top.sources.is_empty() {
        lines.push(none("none is configured ([[source]])", top, "objects"));
    }
    let mut sources: Vec<&Source> = top.sources.iter().collect();
    // Where not all have room, those that need somebody are seen.
    sources.sort_by_key(|source| Reverse((source.problem.is_some(), source.lag_bytes)));
    for source in sources {
        let paths: Vec<&str> = source.paths.keys().map(String::as_str).collect();
        let paths = fit(&clean(&paths.join(" ")), 34, screen.symbols.ellipsis);
        let (style, state) = source_state(source);
        let files = source.files.map_or_else(String::new, count);
        let read = source.lines.map_or_else(String::new, count);
        let behind = source.lag_bytes.map_or_else(String::new, bytes);
        let mut line = Line::plain(pad(&paths, 35))
            .and(style, pad(state, 9))
            .and(Style::Plain, format!(" {files:>6} {read:>11} {behind:>10}"));
        if let Some(problem) = &source.problem {
            line = line.and(Style::Red, format!("  {}", clean(problem)));
        }
        lines.push(line);
    }
    lines
}

fn source_state(source: &Source) -> (Style, &'static str) {
    match source {
        Source { enable: false, .. } => (Style::Dim, "off"),
        Source {
            problem: Some(_), ..
        } => (Style::Red, "failing"),
        Source { files: Some(0), .. } => (Style::Yellow, "no file"),
        Source {
            lag_bytes: Some(1..),
            ..
        } => (Style::Cyan, "reading"),
        _ => (Style::Green, "up"),
    }
}

fn readers(top: &Top, screen: &Screen) -> Vec<Line> {
    let mut lines = vec![heading(format!(
        "{:<24} {:<8} {:>12} {:>10} {:>11} {:>8}",
        "READERS", "class", "events left", "for", "delivered", "dropped"
    ))];
    if top.readers.is_empty() {
        lines.push(none("none", top, "objects"));
    }
    let mut readers: Vec<&Reader> = top.readers.iter().collect();
    readers.sort_by_key(|reader| Reverse((reader.problem.is_some(), reader.lag_events)));
    let row = |reader: &Reader| reader_line(reader, screen);
    lines.extend(readers.into_iter().map(row));
    lines
}

fn reader_line(reader: &Reader, screen: &Screen) -> Line {
    let name = pad(&fit(&clean(&reader.name), 24, screen.symbols.ellipsis), 25);
    let class = pad(&fit(&clean(&reader.class), 8, screen.symbols.ellipsis), 9);
    let left = reader.lag_events.map_or_else(String::new, count);
    let wait = match reader.lag_ms {
        Some(1..) => duration(reader.lag_ms.unwrap_or_default()),
        _ => String::new(),
    };
    let delivered = reader.delivered.map_or_else(String::new, count);
    let dropped = reader.dropped.map_or_else(String::new, count);
    let is_dropping = reader.dropped.is_some_and(|dropped| dropped > 0);
    let mut line = Line::plain(name)
        .and(Style::Dim, class)
        .and(
            Style::Plain,
            format!("{left:>12} {wait:>10} {delivered:>11} "),
        )
        .and(
            if is_dropping {
                Style::Yellow
            } else {
                Style::Plain
            },
            pad_left(&dropped, 8),
        );
    if let Some(problem) = &reader.problem {
        line = line.and(Style::Red, format!("  {}", clean(problem)));
    }
    line
}

fn sign_ins(top: &Top, screen: &Screen) -> Vec<Line> {
    let mut lines = vec![heading(format!(
        "{:<19}  {:<28} {:<18} {:>5}  reason",
        "FAILED SIGN-INS", "account", "from", "tries"
    ))];
    if top.sign_ins().len() == 0 {
        lines.push(none("none in the last hour", top, "sign-ins"));
    }
    let row = |one: &SignIn| {
        let ellipsis = screen.symbols.ellipsis;
        let account = pad(&fit(&clean(&one.account), 28, ellipsis), 28);
        let remote = pad(&fit(&clean(&one.remote), 18, ellipsis), 18);
        let tries = pad_left(&short_count(one.attempts), 5);
        Line::of(Style::Dim, screen.zone.show(&one.time))
            .and(Style::Plain, format!("  {account} {remote} {tries}"))
            .and(Style::Dim, format!("  {}", clean(&one.reason)))
    };
    lines.extend(top.sign_ins().map(row));
    lines
}

/// What stands in an empty list; it is empty because nothing is known where something is wrong.
fn none(words: &str, top: &Top, asked: &str) -> Line {
    match top.troubles.contains_key(asked) {
        true => Line::of(Style::Yellow, "not known"),
        false => Line::of(Style::Dim, words),
    }
}

/// A list with its heading, cut to so many rows, and the number of those that are left out.
fn section(mut lines: Vec<Line>, rows: usize, what: &str) -> Vec<Line> {
    let found = lines.len().saturating_sub(1);
    if found > rows {
        lines.truncate(rows);
        let left = found + 1 - rows;
        lines.push(Line::of(Style::Dim, format!("and {left} more {what}")));
    }
    lines.push(Line::default());
    lines
}

fn footer(top: &Top) -> Line {
    match top.troubles.iter().next() {
        Some((what, why)) => Line::of(Style::Red, format!("{what}: {}", clean(why))),
        None => Line::of(Style::Dim, "q quits   space refreshes"),
    }
}
