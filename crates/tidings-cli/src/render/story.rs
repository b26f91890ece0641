//! The story of a message: who, what became of it for each recipient and why, then step by step.

use std::collections::BTreeMap;

use tidings_engine::contract::{JoinObject, MessageObject, StepObject, StoryObject};
use tidings_event::time::parse_rfc3339;

use super::messages::address_of;
use super::raw_line;
use crate::term::{
    Screen, Style, bytes, clean, duration, pad, pad_left, shell_word, verdict_style, width, wrap,
};

/// Joins followed when a leg's depth is found; a chain of more hops is shown no deeper.
const DEPTH_MAX: usize = 8;

/// The story as lines.
pub(crate) fn story_lines(screen: &Screen, story: &StoryObject) -> Vec<String> {
    let mut lines = header(screen, story);
    lines.push(String::new());
    verdicts(screen, story, &mut lines);
    if !story.timeline.is_empty() {
        lines.push(heading(screen, "What happened"));
        timeline(screen, story, &mut lines);
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
    fact("joined by", unplaced_joins(story));
    lines
}

/// The ways in which legs were joined that the timeline cannot show, as it does not name both legs.
fn unplaced_joins(story: &StoryObject) -> String {
    let is_shown = |leg: &str| story.timeline.iter().any(|step| step.leg == leg);
    let mut ways: Vec<String> = Vec::new();
    for join in &story.message.joins {
        let way = join_words(&join.by);
        if !(ways.contains(&way) || is_shown(&join.from) && is_shown(&join.to)) {
            ways.push(way);
        }
    }
    ways.join(", ")
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
        (Ok(first), Ok(last)) if last > first => {
            let end = screen.zone.show(&message.last_time);
            let end = match (
                start.get(..11),
                end.strip_prefix(start.get(..11).unwrap_or("\n")),
            ) {
                (Some(_), Some(time_of_day)) => time_of_day.to_owned(),
                _ => end,
            };
            let took = duration(last.abs_diff(first) / 1_000_000);
            format!(" {} {end} ({took})", screen.symbols.dash)
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

/// The steps leg by leg, each leg beneath the one it was joined to.
fn timeline(screen: &Screen, story: &StoryObject, lines: &mut Vec<String>) {
    let start = story
        .timeline
        .iter()
        .find_map(|step| parse_rfc3339(&step.time).ok());
    for leg in legs_of(story) {
        let indent = "  ".repeat(leg.depth + 1);
        lines.push(format!("{indent}{}", leg_title(screen, &leg)));
        let programs = leg
            .steps
            .iter()
            .map(|step| width(&clean(&step.program)))
            .max();
        let programs = programs.unwrap_or(0).min(24);
        let mut times = Vec::new();
        for step in &leg.steps {
            let time = offset(screen, start, &step.time);
            times.push(time);
        }
        let time_width = times.iter().map(|time| width(time)).max().unwrap_or(0);
        for (step, time) in leg.steps.iter().zip(times) {
            let time = pad_left(&time, time_width);
            step_lines(screen, step, &format!("{indent}  "), &time, programs, lines);
        }
        lines.push(String::new());
    }
}

/// One leg with its steps, in order.
struct Leg<'a> {
    name: &'a str,
    host: &'a str,
    join: Option<&'a JoinObject>,
    depth: usize,
    steps: Vec<&'a StepObject>,
}

/// The legs in the order of their first step.
fn legs_of(story: &StoryObject) -> Vec<Leg<'_>> {
    let mut joins: BTreeMap<&str, &JoinObject> = BTreeMap::new();
    for join in &story.message.joins {
        joins.entry(join.to.as_str()).or_insert(join);
    }
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut legs: Vec<Leg<'_>> = Vec::new();
    for step in &story.timeline {
        let key = (step.leg.as_str(), step.host.as_str());
        let at = *places.entry(key).or_insert_with(|| {
            let join = joins.get(step.leg.as_str()).copied();
            legs.push(Leg {
                name: &step.leg,
                host: &step.host,
                join,
                depth: depth_of(&step.leg, &joins),
                steps: Vec::new(),
            });
            legs.len() - 1
        });
        legs[at].steps.push(step);
    }
    legs
}

/// How many joins lead to a leg; joins that go in a circle end it.
fn depth_of(leg: &str, joins: &BTreeMap<&str, &JoinObject>) -> usize {
    let mut depth = 0;
    let mut leg = leg;
    while let Some(join) = joins.get(leg).filter(|_| depth < DEPTH_MAX) {
        depth += 1;
        leg = &join.from;
    }
    depth
}

fn leg_title(screen: &Screen, leg: &Leg<'_>) -> String {
    let name = match leg.name {
        "" => "without a queue id".to_owned(),
        name => clean(name).into_owned(),
    };
    let mut title = screen.paint(Style::Bold, &name);
    if !leg.host.is_empty() {
        title.push_str(&format!(" on {}", clean(leg.host)));
    }
    if let Some(time_ns) = leg
        .steps
        .first()
        .and_then(|step| parse_rfc3339(&step.time).ok())
    {
        title.push_str(&format!(", {}", screen.zone.millis(time_ns)));
    }
    if let Some(join) = leg.join {
        let how = format!(", from {} by {}", clean(&join.from), join_words(&join.by));
        title.push_str(&screen.paint(Style::Dim, &how));
    }
    title
}

/// How a join was made, in words.
fn join_words(by: &str) -> String {
    match by {
        "content-filter" => "the content filter's reply".to_owned(),
        "next-hop-reply" => "the next hop's reply".to_owned(),
        "lmtp-reply" => "the LMTP server's reply".to_owned(),
        "forward" => "forwarding".to_owned(),
        "message-id" => "the same Message-ID".to_owned(),
        other => clean(other).replace('-', " "),
    }
}

/// `+1.234 s` since the start of the story.
fn offset(screen: &Screen, start: Option<i64>, time: &str) -> String {
    let (Some(start), Ok(time_ns)) = (start, parse_rfc3339(time)) else {
        return clean(time).into_owned();
    };
    let sign = if time_ns < start {
        screen.symbols.dash
    } else {
        "+"
    };
    let ms = time_ns.abs_diff(start) / 1_000_000;
    if ms < 60_000 {
        format!("{sign}{}.{:03} s", ms / 1_000, ms % 1_000)
    } else {
        format!("{sign}{}", duration(ms))
    }
}

fn step_lines(
    screen: &Screen,
    step: &StepObject,
    indent: &str,
    time: &str,
    programs: usize,
    lines: &mut Vec<String>,
) {
    let mut text = match step.text.as_str() {
        "" => clean(&step.event).into_owned(),
        text => clean(text).into_owned(),
    };
    let recipient = clean(&step.recipient);
    if !recipient.is_empty() && !text.contains(&*recipient) {
        text = format!("{recipient}: {text}");
    }
    let program = pad(&clean(&step.program), programs);
    let before = format!(
        "{indent}{}  {}  ",
        screen.paint(Style::Dim, time),
        screen.paint(Style::Cyan, &program)
    );
    let used = width(indent) + width(time) + width(&program) + 4;
    let room = match screen.width {
        Some(columns) => columns.saturating_sub(used).max(20),
        None => usize::MAX,
    };
    for (at, part) in wrap(&text, room).into_iter().enumerate() {
        if at == 0 {
            lines.push(format!("{before}{part}"));
        } else {
            lines.push(format!("{}{part}", " ".repeat(used)));
        }
    }
    if let Some(raw) = &step.raw {
        lines.push(raw_line(screen, &format!("{indent}    "), raw));
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
