//! Whatever field a stranger's text gets into, it is harmless once it is rendered.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tidings_engine::contract::{
    ImportObject, MessageObject, ParsedLineObject, StatsObject, StoryObject,
};

use super::*;
use crate::store::{ImportProgress, ProblemObject};
use crate::term::Screen;
use crate::testing::plain_screen;

const HOSTILE: &str = "\u{1b}[2J\u{9b}1m\r\n\u{202e}\u{200b}\u{7}";

/// The objects of a golden file with hostile text in every string: behind it, where `keep` is set, so
/// that times and verdicts are hostile too, else instead of it.
fn poisoned<T: DeserializeOwned>(text: &str, keep: bool) -> Vec<T> {
    let objects = text.lines().map(|line| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        poison(&mut object, keep);
        serde_json::from_value(object).unwrap()
    });
    objects.collect()
}

fn poison(value: &mut Value, keep: bool) {
    match value {
        Value::String(text) if keep => text.push_str(HOSTILE),
        Value::String(text) => *text = HOSTILE.to_owned(),
        Value::Array(values) => values.iter_mut().for_each(|value| poison(value, keep)),
        Value::Object(pairs) => {
            pairs.values_mut().for_each(|value| poison(value, keep));
        }
        _ => {}
    }
}

fn assert_harmless(lines: &[String]) {
    assert!(!lines.is_empty());
    for line in lines {
        let bad = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!line.contains(bad), "{line:?}");
    }
}

fn screens() -> [Screen; 4] {
    [None, Some(40), Some(110), Some(170)].map(|width| Screen {
        width,
        ..plain_screen()
    })
}

#[test]
fn every_field_of_every_object_is_made_harmless() {
    for (screen, keep) in screens()
        .iter()
        .flat_map(|screen| [(screen, true), (screen, false)])
    {
        let mut table = MessageTable::new(screen, false);
        let messages = include_str!("../../golden/messages.ndjson");
        for message in poisoned::<MessageObject>(messages, keep) {
            assert_harmless(&[other_line(screen, &message)]);
            table.push(&message);
        }
        assert_harmless(&table.finish());
        let stories = include_str!("../../golden/stories.ndjson");
        for story in poisoned::<StoryObject>(stories, keep) {
            assert_harmless(&story_lines(screen, &story));
        }
        for event in poisoned::<Value>(include_str!("../../golden/events.ndjson"), keep) {
            assert_harmless(&[event_line(screen, &event)]);
        }
        for stats in poisoned::<StatsObject>(include_str!("../../golden/stats.json"), keep) {
            assert_harmless(&stats_lines(screen, &stats));
        }
        let mut tally = ParseTally::default();
        let parsed = include_str!("../../golden/parsed.ndjson");
        for line in poisoned::<ParsedLineObject>(parsed, keep) {
            assert_harmless(&parsed_lines(screen, &line));
            tally.add(&line);
        }
        assert_harmless(&ProgramTally::lines(screen, &tally.programs(5)));
    }
}

#[test]
fn so_are_paths_and_warnings() {
    let text = || HOSTILE.to_owned();
    for screen in &screens() {
        let problem = ProblemObject {
            path: text(),
            what: text(),
            remedy: text(),
            lost: text(),
        };
        assert_harmless(&problem_lines(screen, &problem));
        let import = ImportObject {
            first_time: Some(text()),
            last_time: Some(text()),
            warnings: vec![text()],
            ..ImportObject::default()
        };
        assert_harmless(&import_summary(screen, &import));
        let progress = ImportProgress {
            file: text(),
            ..ImportProgress::default()
        };
        assert_harmless(&[progress_line(screen, &progress, 5_000)]);
    }
}
