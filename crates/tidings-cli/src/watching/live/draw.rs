//! `tidings live` as a screen.

use serde_json::{Map, Value};

use super::feed::Row;
use super::state::{Mode, View};
use crate::render::{description, level_style, pairs_text};
use crate::term::{Screen, Style, clean, count, fit, pad, plural, width, wrap};
use crate::watching::picture::{Line, Picture};

/// What tells most of an event, and stands first.
const FIRST_KEYS: [&str; 9] = [
    "mtaQueueId",
    "accountName",
    "from",
    "to",
    "remoteIp",
    "code",
    "reason",
    "details",
    "messageId",
];

/// What is told only of one event by itself.
const LEFT_OUT_KEYS: [&str; 4] = ["node", "program", "pid", "queueId"];

const KEYS: [(&str, &str); 12] = [
    (
        "space",
        "pause; what comes meanwhile is kept, and shown when you go on",
    ),
    ("/", "change the filter; begins with the last five minutes"),
    ("up, down", "select an event; PageUp, PageDown, Home too"),
    ("End, G", "back to the newest"),
    (
        "Enter",
        "all of the selected event; left and right show its neighbours",
    ),
    (
        "f",
        "follow the message, or the session, of the selected event",
    ),
    (
        "Esc",
        "back: from details, from a selection, from a message",
    ),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-U", "while a filter is typed: empty it"),
    ("Ctrl-Z", "stop for a while; fg goes on"),
    ("?", "these keys"),
    ("q, Ctrl-C", "quit"),
];

/// The view as a screen of this size.
pub(crate) fn draw(view: &mut View, screen: &Screen, columns: usize, rows: usize) -> Picture {
    let body = rows.saturating_sub(2);
    view.set_page(body);
    let mut lines = vec![title(view, screen)];
    lines.extend(match view.mode.clone() {
        Mode::Help => help(),
        Mode::Details { scroll } => details(view, screen, columns, scroll, body),
        Mode::List | Mode::Edit { .. } => list(view, screen, body),
    });
    lines.truncate(rows.saturating_sub(1));
    lines.resize(rows.saturating_sub(1), Line::default());
    let (last, cursor) = bottom(view, screen, columns);
    lines.push(last);
    Picture {
        lines,
        cursor: cursor.map(|column| (column, rows.saturating_sub(1))),
    }
}

fn title(view: &View, screen: &Screen) -> Line {
    let feed = view.feed();
    let line = Line::of(Style::Bold, "tidings live");
    let line = match view.followed() {
        Some(followed) => line.and(
            Style::Magenta,
            format!("  following {}", clean(&followed.name)),
        ),
        None if view.filter.is_empty() => line.and(Style::Plain, "  all events"),
        None => line.and(Style::Cyan, format!("  {}", clean(&view.filter))),
    };
    let line = match feed.paused() {
        Some((waiting, left_out)) => {
            let waiting = count(waiting as u64);
            let mut text = format!("  PAUSED, {waiting} waiting");
            if left_out > 0 {
                text.push_str(&format!(", {} left out", count(left_out)));
            }
            line.and(Style::Yellow, text)
        }
        None => line,
    };
    let shown = plural(feed.len() as u64, "row", "rows");
    let gone = match feed.let_go() {
        0 => String::new(),
        gone => format!(", {} gone by", count(gone)),
    };
    let zone = screen.zone.name(screen.now_ns);
    line.and(Style::Dim, format!("  {shown}{gone}, {zone}"))
}

fn list(view: &mut View, screen: &Screen, rows: usize) -> Vec<Line> {
    let is_empty = view.feed().len() == 0;
    if is_empty {
        let text = format!("waiting for events {}", screen.symbols.ellipsis);
        return vec![Line::of(Style::Dim, text)];
    }
    let window = view.feed_mut().window(rows);
    let line = |(row, is_selected): (&Row, bool)| {
        let mark = if is_selected { "> " } else { "  " };
        let line = Line::of(Style::Bold, mark);
        match row {
            Row::Event(event) => event_row(line, event, screen),
            Row::Note(text) => line.and(
                Style::Yellow,
                format!("{} {}", screen.symbols.ellipsis, clean(text)),
            ),
        }
    };
    window.into_iter().map(line).collect()
}

/// `13:00:05 INFO  Message delivered  to = "bob@example.net", …`.
fn event_row(line: Line, event: &Value, screen: &Screen) -> Line {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = screen.zone.show(text("createdAt"));
    // The date stands in the details.
    let time = time.split_once(' ').map_or(time.as_str(), |(_, time)| time);
    let level = clean(text("level")).to_ascii_uppercase();
    let plain = Screen {
        colours: false,
        ..screen.clone()
    };
    let pairs = match event.get("data") {
        Some(Value::Object(data)) => pairs_text(&plain, &row_pairs(data)),
        _ => String::new(),
    };
    line.and(Style::Dim, format!("{time} "))
        .and(level_style(&level), pad(&fit(&level, 5, ""), 6))
        .and(Style::Bold, description(text("type")))
        .and(Style::Plain, format!("  {pairs}"))
}

/// The pairs in the order of their weight for a row.
fn row_pairs(data: &Map<String, Value>) -> Map<String, Value> {
    let first = FIRST_KEYS.iter().filter_map(|key| data.get_key_value(*key));
    let is_other = |key: &&String| {
        !FIRST_KEYS.contains(&key.as_str()) && !LEFT_OUT_KEYS.contains(&key.as_str())
    };
    let others = data.iter().filter(|(key, _)| is_other(key));
    let pair = |(key, value): (&String, &Value)| (key.clone(), value.clone());
    first.chain(others).map(pair).collect()
}

/// All of the selected event, from a line on; the last screen full at the most.
fn details(view: &View, screen: &Screen, columns: usize, scroll: usize, rows: usize) -> Vec<Line> {
    let mut lines = match view.feed().selected() {
        Some(Row::Event(event)) => event_lines(event, screen, columns),
        Some(Row::Note(text)) => vec![Line::plain(clean(text))],
        None => Vec::new(),
    };
    let scroll = scroll.min(lines.len().saturating_sub(rows));
    lines.drain(..scroll);
    lines
}

fn event_lines(event: &Value, screen: &Screen, columns: usize) -> Vec<Line> {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = text("type");
    let level = clean(text("level")).to_ascii_uppercase();
    let head = Line::of(Style::Bold, description(kind))
        .and(Style::Plain, format!(" ({})  ", clean(kind)))
        .and(Style::Dim, screen.zone.show(text("createdAt")))
        .and(level_style(&level), format!("  {level}"));
    let mut lines = vec![head, Line::default()];
    if let Some(Value::Object(data)) = event.get("data") {
        for (key, value) in data {
            lines.extend(pair_lines(key, value, screen, columns));
        }
    }
    if let Some(raw) = event.get("raw").and_then(Value::as_str) {
        lines.push(Line::default());
        let wrapped = wrap(&clean(raw), columns.saturating_sub(1));
        lines.extend(wrapped.into_iter().map(|line| Line::of(Style::Dim, line)));
    }
    lines
}

/// A key, and its value beside it on as many lines as it needs.
fn pair_lines(key: &str, value: &Value, screen: &Screen, columns: usize) -> Vec<Line> {
    let plain = Screen {
        colours: false,
        ..screen.clone()
    };
    // By itself, so that what the span's id is left out of lists does not hide it here.
    let text = match (key, value) {
        ("spanId", value) => value.to_string(),
        (_, value) => {
            let pair = std::iter::once((key.to_owned(), value.clone())).collect();
            let text = pairs_text(&plain, &pair);
            let start = format!("{} = ", clean(key));
            text.strip_prefix(&start).map(str::to_owned).unwrap_or(text)
        }
    };
    let key = pad(&clean(key), 16);
    let indent = width(&key) + 1;
    let wrapped = wrap(&text, columns.saturating_sub(indent + 1).max(8));
    let mut lines = Vec::with_capacity(wrapped.len());
    for (at, text) in wrapped.into_iter().enumerate() {
        let start = if at == 0 {
            key.clone()
        } else {
            " ".repeat(indent - 1)
        };
        lines.push(Line::of(Style::Cyan, start).and(Style::Plain, format!(" {text}")));
    }
    lines
}

fn help() -> Vec<Line> {
    let row = |(key, what): &(&str, &str)| {
        Line::of(Style::Bold, format!("  {}", pad(key, 11))).and(Style::Plain, *what)
    };
    std::iter::once(Line::default())
        .chain(KEYS.iter().map(row))
        .collect()
}

/// The last line, and the column of the cursor in it, where something is typed.
fn bottom(view: &View, screen: &Screen, columns: usize) -> (Line, Option<usize>) {
    if let Mode::Edit { text } = &view.mode {
        return edit_line(view, text, screen, columns);
    }
    let line = match (&view.message, &view.trouble, &view.mode) {
        (Some(message), _, _) => Line::of(Style::Yellow, clean(message)),
        (None, Some(trouble), _) => Line::of(Style::Red, clean(trouble)),
        (None, None, Mode::Details { .. }) => Line::of(
            Style::Dim,
            "Esc back   up/down scroll   left/right other events   f follow",
        ),
        (None, None, Mode::Help) => Line::of(Style::Dim, "any key goes back"),
        (None, None, _) => Line::of(
            Style::Dim,
            "space pause  / filter  arrows select  Enter details  f follow  ? keys  q quit",
        ),
    };
    (line, None)
}

/// The filter that is typed: its end, where it is too long; behind it what is wrong with it.
fn edit_line(view: &View, text: &str, screen: &Screen, columns: usize) -> (Line, Option<usize>) {
    let text = clean(text);
    let room = columns.saturating_sub(10);
    let mut shown = text.as_ref();
    while width(shown) > room {
        let mut letters = shown.chars();
        letters.next();
        shown = letters.as_str();
    }
    let mark = if shown.len() < text.len() {
        screen.symbols.ellipsis
    } else {
        ""
    };
    let start = format!("filter: {mark}{shown}");
    let column = width(&start);
    let line = Line::plain(start);
    let line = match &view.message {
        Some(message) => {
            let first = message.lines().next().unwrap_or_default();
            line.and(Style::Red, format!("   {}", clean(first)))
        }
        None => line,
    };
    (line, Some(column))
}
