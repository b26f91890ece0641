//! What happened to a message, leg by leg, each leg beneath the one it was joined to.

mod fold;

use std::collections::BTreeMap;

use tidings_engine::contract::{JoinObject, StepObject, StoryObject};
use tidings_event::time::parse_rfc3339;

use crate::render::raw_line;
use crate::term::{Screen, Style, clean, duration, pad, pad_left, width, wrap};

/// Joins followed when a leg's depth is found; a chain of more hops is shown no deeper.
const DEPTH_MAX: usize = 8;

/// Widest column of programs, in cells.
const PROGRAM_WIDTH_MAX: usize = 24;

/// One leg with its steps, in order.
struct Leg<'a> {
    /// Its id; empty for a session that brought no leg, and where the server tells no ids.
    id: &'a str,
    name: &'a str,
    host: &'a str,
    join: Option<Join<'a>>,
    depth: usize,
    steps: Vec<&'a StepObject>,
}

/// How a leg goes on from an earlier one.
#[derive(Clone, Copy)]
struct Join<'a> {
    /// Name of the earlier leg.
    from: &'a str,
    by: &'a str,
}

/// Appends the legs with their steps, times relative to the first step of the first leg.
pub(super) fn timeline(screen: &Screen, story: &StoryObject, lines: &mut Vec<String>) {
    let legs = legs_of(story);
    let first = legs.first().and_then(|leg| leg.steps.first());
    let start = first.and_then(|step| parse_rfc3339(&step.time).ok());
    for leg in legs {
        let indent = "  ".repeat(leg.depth + 1);
        lines.push(format!("{indent}{}", leg_title(screen, &leg)));
        let programs = leg
            .steps
            .iter()
            .map(|step| width(&clean(&step.program)))
            .max();
        let programs = programs.unwrap_or(0).min(PROGRAM_WIDTH_MAX);
        let times: Vec<String> = leg
            .steps
            .iter()
            .map(|step| offset(screen, start, &step.time))
            .collect();
        let time_width = times.iter().map(|time| width(time)).max().unwrap_or(0);
        let indent = format!("{indent}  ");
        let timed: Vec<(&StepObject, String)> = leg.steps.iter().copied().zip(times).collect();
        for part in fold::parts(&leg.steps) {
            for (step, time) in &timed[part.shown] {
                let time = pad_left(time, time_width);
                step_lines(screen, step, &indent, &time, programs, lines);
            }
            if let Some(again) = part.again {
                let until = timed
                    .get(again.end - 1)
                    .map_or("", |(_, time)| time.as_str());
                lines.push(format!(
                    "{indent}{}",
                    again.words(until, screen.symbols.ellipsis)
                ));
            }
        }
        lines.push(String::new());
    }
}

/// The ways in which legs were joined that the timeline cannot show, as no step names the legs.
pub(super) fn unplaced_joins(story: &StoryObject) -> Vec<String> {
    let ids: Vec<&str> = story.timeline.iter().filter_map(leg_id).collect();
    let mut ways: Vec<String> = Vec::new();
    for join in &story.message.joins {
        let is_placed = ids.contains(&join.from.as_str()) && ids.contains(&join.to.as_str());
        let way = join_words(&join.by);
        if !is_placed && !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// The legs in the order of their first step, but each behind the leg that it was joined to: the
/// clock of another host, or one of whole seconds, does not change what came first.
fn legs_of(story: &StoryObject) -> Vec<Leg<'_>> {
    let legs = legs_by_time(story);
    let mut children: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (at, leg) in legs.iter().enumerate() {
        let is_here = |join: &&JoinObject| legs.iter().any(|other| other.id == join.from);
        match join_to(story, leg.id).filter(is_here) {
            Some(join) => children.entry(join.from.as_str()).or_default().push(at),
            None => roots.push(at),
        }
    }
    let mut legs: Vec<Option<Leg<'_>>> = legs.into_iter().map(Some).collect();
    let mut ordered: Vec<Leg<'_>> = Vec::with_capacity(legs.len());
    // Legs that were joined in a circle have no first one: they come last, as they are.
    for first in roots.into_iter().chain(0..legs.len()) {
        let mut next = vec![(first, None, 0)];
        while let Some((at, join, depth)) = next.pop() {
            let Some(mut leg) = legs[at].take() else {
                continue;
            };
            (leg.join, leg.depth) = (join, depth);
            let joined = children.get(leg.id).map(Vec::as_slice).unwrap_or_default();
            for child in joined.iter().rev() {
                let to = legs[*child].as_ref().map_or("", |child| child.id);
                let join = join_to(story, to).map(|join| Join {
                    from: leg.name,
                    by: &join.by,
                });
                next.push((*child, join, (depth + 1).min(DEPTH_MAX)));
            }
            ordered.push(leg);
        }
    }
    ordered
}

/// The join by which a leg was found to go on from another.
fn join_to<'a>(story: &'a StoryObject, leg: &str) -> Option<&'a JoinObject> {
    let mut joins = story.message.joins.iter();
    joins.find(|join| !leg.is_empty() && join.to == leg && join.from != leg)
}

/// The legs in the order of their first step.
fn legs_by_time(story: &StoryObject) -> Vec<Leg<'_>> {
    let by_span = legs_by_span(story);
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut legs: Vec<Leg<'_>> = Vec::new();
    for step in &story.timeline {
        let (id, name) = leg_of(step, &by_span);
        let at = *places.entry((id, name, &step.host)).or_insert_with(|| {
            legs.push(Leg {
                id,
                name,
                host: &step.host,
                join: None,
                depth: 0,
                steps: Vec::new(),
            });
            legs.len() - 1
        });
        legs[at].steps.push(step);
    }
    legs
}

fn leg_id(step: &StepObject) -> Option<&str> {
    step.leg_id.as_deref().filter(|id| !id.is_empty())
}

/// The leg of each session, its id and its name: what was said before and after a message belongs to
/// the message, too.
fn legs_by_span(story: &StoryObject) -> BTreeMap<&str, (&str, &str)> {
    let mut legs = BTreeMap::new();
    for step in story.timeline.iter().filter(|step| !step.leg.is_empty()) {
        if let Some(span) = &step.span_id {
            let leg = (leg_id(step).unwrap_or_default(), step.leg.as_str());
            legs.entry(span.as_str()).or_insert(leg);
        }
    }
    legs
}

fn leg_of<'a>(
    step: &'a StepObject,
    by_span: &BTreeMap<&str, (&'a str, &'a str)>,
) -> (&'a str, &'a str) {
    if let Some(id) = leg_id(step) {
        return (id, &step.leg);
    }
    if !step.leg.is_empty() {
        return ("", &step.leg);
    }
    let span = step.span_id.as_deref().unwrap_or_default();
    by_span.get(span).copied().unwrap_or_default()
}

fn leg_title(screen: &Screen, leg: &Leg<'_>) -> String {
    let name = match leg.name {
        "" => "session".to_owned(),
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
        let how = format!(", from {} by {}", clean(join.from), join_words(join.by));
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
        "requeue" => "requeuing".to_owned(),
        "session" => "the same transaction".to_owned(),
        other => clean(other).replace('-', " "),
    }
}

/// `+1.234 s` since the start of the story.
fn offset(screen: &Screen, start: Option<i64>, time: &str) -> String {
    let (Some(start), Ok(time_ns)) = (start, parse_rfc3339(time)) else {
        return clean(time).into_owned();
    };
    // A stamp of whole seconds may lie before the finer one of what it follows.
    let is_coarse = time_ns.rem_euclid(1_000_000_000) == 0;
    if is_coarse && time_ns < start && start - time_ns < 1_000_000_000 {
        return "~0 s".to_owned();
    }
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

#[cfg(test)]
mod tests {
    use tidings_engine::contract::MessageObject;

    use super::*;
    use crate::testing::plain_screen;

    fn step(leg: &str, span: &str) -> StepObject {
        StepObject {
            leg: leg.to_owned(),
            leg_id: Some(format!("id-{leg}")).filter(|_| !leg.is_empty()),
            span_id: Some(span.to_owned()).filter(|span| !span.is_empty()),
            ..StepObject::default()
        }
    }

    fn join(from: &str, to: &str) -> JoinObject {
        JoinObject {
            by: "forward".to_owned(),
            from: format!("id-{from}"),
            to: format!("id-{to}"),
        }
    }

    fn story(joins: &[JoinObject], timeline: &[StepObject]) -> StoryObject {
        StoryObject {
            message: MessageObject {
                joins: joins.to_vec(),
                ..MessageObject::default()
            },
            timeline: timeline.to_vec(),
            ..StoryObject::default()
        }
    }

    fn shape(story: &StoryObject) -> Vec<(String, usize, usize)> {
        let legs = legs_of(story);
        legs.iter()
            .map(|leg| (leg.name.to_owned(), leg.depth, leg.steps.len()))
            .collect()
    }

    #[test]
    fn sessions_belong_to_the_leg_they_brought() {
        let steps = [
            step("", "s1"),
            step("A", "s1"),
            step("", "s2"),
            step("B", "s2"),
            step("", ""),
        ];
        assert_eq!(
            shape(&story(&[], &steps)),
            [
                ("A".to_owned(), 0, 2),
                ("B".to_owned(), 0, 2),
                (String::new(), 0, 1)
            ]
        );
    }

    #[test]
    fn legs_stand_beneath_those_they_come_from() {
        let steps = [step("A", ""), step("B", ""), step("C", "")];
        let chain = story(&[join("A", "B"), join("B", "C")], &steps);
        assert_eq!(
            shape(&chain),
            [
                ("A".to_owned(), 0, 1),
                ("B".to_owned(), 1, 1),
                ("C".to_owned(), 2, 1)
            ]
        );
        assert!(unplaced_joins(&chain).is_empty());
        let legs = legs_of(&chain);
        assert_eq!(
            legs[2].join.map(|join| (join.from, join.by)),
            Some(("B", "forward"))
        );
        let circle = story(&[join("A", "B"), join("B", "A")], &steps[..2]);
        assert_eq!(shape(&circle).len(), 2, "none is lost");
    }

    /// Dovecot's log has whole seconds: its leg seemed to come before the one that led to it.
    #[test]
    fn a_leg_stands_behind_the_one_it_comes_from_whatever_the_clocks_say() {
        let steps = [step("C", ""), step("A", ""), step("B", ""), step("D", "")];
        let joins = [join("A", "B"), join("B", "C"), join("A", "D")];
        let names = ["A", "B", "C", "D"].map(str::to_owned);
        let depths = [0, 1, 2, 1];
        let found = shape(&story(&joins, &steps));
        assert_eq!(
            found
                .iter()
                .map(|leg| (leg.0.clone(), leg.1))
                .collect::<Vec<_>>(),
            names.into_iter().zip(depths).collect::<Vec<_>>()
        );
    }

    #[test]
    fn joins_of_unknown_legs_are_told_all_the_same() {
        let steps = [step("A", ""), step("B", "")];
        let story = story(&[join("A", "B"), join("B", "X")], &steps);
        assert_eq!(shape(&story)[1], ("B".to_owned(), 1, 1));
        assert_eq!(unplaced_joins(&story), ["forwarding"]);
    }

    #[test]
    fn a_message_taken_up_again_is_not_told_as_forwarded() {
        assert_eq!(join_words("requeue"), "requeuing");
        assert_eq!(join_words("session"), "the same transaction");
        assert_eq!(join_words("next-new-way"), "next new way");
    }

    #[test]
    fn times_count_from_the_first_step() {
        let screen = plain_screen();
        let start = parse_rfc3339("2026-11-22T12:00:00Z").ok();
        assert_eq!(offset(&screen, start, "2026-11-22T12:00:01.5Z"), "+1.500 s");
        assert_eq!(offset(&screen, start, "2026-11-22T11:59:59Z"), "–1.000 s");
        assert_eq!(offset(&screen, start, "2026-11-22T14:00:00Z"), "+2 h");
        assert_eq!(offset(&screen, None, "?"), "?");
        let fine = parse_rfc3339("2026-11-22T12:00:00.219Z").ok();
        assert_eq!(offset(&screen, fine, "2026-11-22T12:00:00Z"), "~0 s");
        assert_eq!(offset(&screen, fine, "2026-11-22T12:00:00.1Z"), "–0.119 s");
    }
}
