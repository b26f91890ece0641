//! The story of a message: who, what became of it for each recipient and why, then step by step.

mod timeline;

use tidings_engine::contract::{MessageObject, StoryObject};
use tidings_event::time::parse_rfc3339;

use super::messages::address_of;
use crate::term::{
    Screen, Style, bytes, clean, duration, pad, shell_word, verdict_style, width, wrap,
};

/// The story as lines.
pub(crate) fn story_lines(screen: &Screen, story: &StoryObject) -> Vec<String> {
    let mut lines = header(screen, story);
    lines.push(String::new());
    verdicts(screen, story, &mut lines);
    if !story.timeline.is_empty() {
        lines.push(heading(screen, "What happened"));
        timeline::timeline(screen, story, &mut lines);
    }
    related(screen, &story.message, &mut lines);
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn heading(screen: &Screen, text: &str) -> String {
    screen.paint(Style::Bold, text)
}

fn header(screen: &Screen, story: &StoryObject) -> Vec<String> {
    let message = &story.message;
    let title = match message.kind.as_str() {
        "refused" => "Refused message",
        _ => "Message",
    };
    let mut lines = vec![format!("{} {}", heading(screen, title), clean(&message.id))];
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let name = screen.paint(Style::Dim, &pad(name, 11));
            lines.push(format!("  {name}  {value}"));
        }
    };
    let known = |text: &Option<String>| clean(text.as_deref().unwrap_or_default()).into_owned();
    let list = |texts: &[String]| clean(&texts.join(", ")).into_owned();
    fact("Message-ID", known(&message.message_id));
    fact("from", sender(message));
    fact("size", message.size.map(bytes).unwrap_or_default());
    fact("client", client(message));
    fact("hosts", list(&message.hosts));
    fact("queue ids", list(&message.queue_ids));
    fact("seen", seen(screen, message));
    fact("joined by", timeline::unplaced_joins(story).join(", "));
    lines
}

fn sender(message: &MessageObject) -> String {
    let from = clean(message.from.as_deref().unwrap_or_default()).into_owned();
    let from = if from == "<>" {
        "<> (a notification: it has no sender)".to_owned()
    } else {
        from
    };
    match message.account.as_deref() {
        Some(account) if !account.is_empty() => format!("{from} (signed in as {})", clean(account))
            .trim_start()
            .to_owned(),
        _ => from,
    }
}

fn client(message: &MessageObject) -> String {
    let name = clean(message.client_name.as_deref().unwrap_or_default());
    let ip = clean(message.client_ip.as_deref().unwrap_or_default());
    match (name.is_empty(), ip.is_empty()) {
        (_, true) => name.into_owned(),
        (true, false) => format!("[{ip}]"),
        (false, false) => format!("{name} [{ip}]"),
    }
}

/// `2026-11-22 13:00:05 – 13:00:09 (4.1 s), times in Europe/Berlin`.
fn seen(screen: &Screen, message: &MessageObject) -> String {
    let zone = screen.zone.name(screen.now_ns);
    let start = screen.zone.show(&message.time);
    let span = match (
        parse_rfc3339(&message.time),
        parse_rfc3339(&message.last_time),
    ) {
        (Ok(first), Ok(last)) if last.saturating_sub(first) >= 1_000_000 => {
            let end = screen.zone.show(&message.last_time);
            let took = duration(last.abs_diff(first) / 1_000_000);
            let dash = screen.symbols.dash;
            match start.get(..11).and_then(|day| end.strip_prefix(day)) {
                _ if end == start => format!(" ({took})"),
                Some(time_of_day) => format!(" {dash} {time_of_day} ({took})"),
                None => format!(" {dash} {end} ({took})"),
            }
        }
        _ => String::new(),
    };
    format!("{start}{span}, times in {zone}")
}

/// A paragraph for each recipient: verdict, what happened, what to do.
fn verdicts(screen: &Screen, story: &StoryObject, lines: &mut Vec<String>) {
    let columns = screen.prose_width().saturating_sub(4);
    for (at, summary) in story.summaries.iter().enumerate() {
        let recipient = story.message.recipients.get(at);
        let address = match recipient {
            Some(recipient) if summary.address.is_empty() => address_of(recipient),
            _ if summary.address.is_empty() => "?",
            _ => &summary.address,
        };
        let verdict = screen.paint(verdict_style(&summary.verdict), &clean(&summary.verdict));
        let mut line = format!("{}: {verdict}", clean(address));
        if let Some(original) = recipient.and_then(|found| found.original_address.as_deref())
            && !original.is_empty()
            && original != address
        {
            line.push_str(&format!(" (addressed to {})", clean(original)));
        }
        lines.push(line);
        for text in wrap(&clean(&summary.text), columns) {
            lines.push(format!("    {text}"));
        }
        let arrow = screen.symbols.arrow;
        let indent = width(arrow) + 1;
        let advice = wrap(&clean(&summary.advice), columns.saturating_sub(indent));
        for (at, text) in advice.into_iter().enumerate() {
            let mark = if at == 0 {
                format!("{arrow} ")
            } else {
                " ".repeat(indent)
            };
            lines.push(format!("    {mark}{text}"));
        }
        lines.push(String::new());
    }
}

/// Other messages that it has to do with, with the command to see them.
fn related(screen: &Screen, message: &MessageObject, lines: &mut Vec<String>) {
    if message.related.is_empty() {
        return;
    }
    lines.push(heading(screen, "Related messages"));
    for other in &message.related {
        let what = match other.relation.as_str() {
            "parent" => "this is a notification about",
            "child" => "a notification about this is",
            relation => &clean(relation),
        };
        let id = clean(&other.queue_id);
        lines.push(format!("  {what} {id}: tidings story {}", shell_word(&id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain_screen;

    #[test]
    fn the_time_of_a_message_is_told_as_briefly_as_it_can_be() {
        for (first, last, expected) in [
            (
                "12:00:00Z",
                "12:00:00Z",
                "2026-11-22 13:00:00, times in +01:00",
            ),
            (
                "12:00:00Z",
                "12:00:00.0009Z",
                "2026-11-22 13:00:00, times in +01:00",
            ),
            (
                "12:00:00Z",
                "12:00:00.3Z",
                "2026-11-22 13:00:00 (300 ms), times in +01:00",
            ),
            (
                "12:00:00Z",
                "12:00:09Z",
                "2026-11-22 13:00:00 – 13:00:09 (9.0 s), times in +01:00",
            ),
            (
                "12:00:00Z",
                "23:00:00Z",
                "2026-11-22 13:00:00 – 2026-11-23 00:00:00 (11 h), times in +01:00",
            ),
        ] {
            let message = MessageObject {
                time: format!("2026-11-22T{first}"),
                last_time: format!("2026-11-22T{last}"),
                ..MessageObject::default()
            };
            assert_eq!(seen(&plain_screen(), &message), expected);
        }
    }
}
