//! Rules for event types and their families.

use std::collections::{BTreeMap, BTreeSet};

use super::words::{is_dotted_name, is_kebab};
use super::{Ids, Place, Report, Seen};
use crate::generate::catalogue::{Event, FIRST_OWN_ID, LEVELS, constant_name};
use crate::generate::raw::{EventFile, RawEvent};

/// The one file for events that the reference does not have.
const OWN_FILE: &str = "catalogue/events/own.toml";

/// What each family is about.
pub(super) fn families(
    report: &mut Report,
    files: &[(String, EventFile)],
) -> BTreeMap<String, String> {
    let mut families = BTreeMap::new();
    let mut seen = Seen::new();
    for (file, contents) in files {
        for (family, about) in &contents.families {
            let place = Place {
                file,
                entry: "families".to_owned(),
            };
            if !is_kebab(family) {
                report.add(
                    &place,
                    "families",
                    family,
                    "words in lower case with hyphens between them",
                );
            }
            report.unique(&place, "families", family, &mut seen);
            report.sentence(&place, family, about);
            families.insert(family.clone(), about.clone());
        }
    }
    families
}

/// The event types by id. One without a usable id is left out, its problem being in the report.
pub(super) fn events(
    report: &mut Report,
    files: &[(String, EventFile)],
    families: &BTreeMap<String, String>,
) -> Vec<Event> {
    let mut seen = SeenFields::default();
    let mut events = Vec::new();
    for (file, contents) in files {
        for raw in &contents.event {
            let place = Place {
                file,
                entry: format!("event `{}`", raw.name),
            };
            let event = event(report, &place, raw, &mut seen);
            if !families.contains_key(event.family()) {
                report.add(
                    &place,
                    "name",
                    &event.name,
                    "a family that stands under [families] of a file",
                );
            }
            events.push(event);
        }
    }
    events.sort_by_key(|e| e.id);
    report.no_gap("catalogue/events", events.iter().map(|e| e.id));
    check_families_used(report, files, &events);
    events
}

/// Values that must differ between events.
#[derive(Default)]
struct SeenFields {
    ids: Seen,
    names: Seen,
    constants: Seen,
    descriptions: Seen,
}

fn event(report: &mut Report, place: &Place<'_>, raw: &RawEvent, seen: &mut SeenFields) -> Event {
    let id = report.id(place, raw.id, Ids::ReferenceOrOwn, &mut seen.ids);
    let event = Event {
        id: id.unwrap_or(0),
        name: raw.name.clone(),
        level: raw.level.clone(),
        description: raw.description.clone(),
        span_start: raw.span.as_deref() == Some("start"),
        span_end: raw.span.as_deref() == Some("end"),
        raw_io: raw.raw_io,
        metric: raw.metric,
        history: raw.history,
    };
    check_name(report, place, &event, seen);
    if id.is_some() {
        check_file(report, place, &event);
    }
    report.word(place, "level", &raw.level, &LEVELS);
    report.label(place, &raw.description, &raw.name);
    report.unique(
        place,
        "description",
        &raw.description,
        &mut seen.descriptions,
    );
    if let Some(span) = &raw.span {
        report.word(place, "span", span, &["start", "end"]);
    }
    if raw.raw_io && raw.metric {
        report.add(
            place,
            "metric",
            true,
            "absent, because raw input and output is never counted",
        );
    }
    event
}

fn check_name(report: &mut Report, place: &Place<'_>, event: &Event, seen: &mut SeenFields) {
    if is_dotted_name(&event.name) {
        report.unique(place, "name", &event.name, &mut seen.names);
        report.unique(
            place,
            "constant of name",
            &constant_name(&event.name),
            &mut seen.constants,
        );
    } else {
        report.add(
            place,
            "name",
            &event.name,
            "a family and a name in lower case with one dot between them",
        );
    }
}

/// The reference's events stay in the file of their family and ours in one of their own, so that either set is
/// recognisable.
fn check_file(report: &mut Report, place: &Place<'_>, event: &Event) {
    let expected = if event.is_own() {
        OWN_FILE.to_owned()
    } else {
        format!("catalogue/events/{}.toml", event.family())
    };
    if place.file != expected {
        let allowed = format!("this id and name in {expected}; own ids begin at {FIRST_OWN_ID}");
        report.add(place, "id", event.id, allowed);
    }
}

fn check_families_used(report: &mut Report, files: &[(String, EventFile)], events: &[Event]) {
    let used: BTreeSet<&str> = events.iter().map(Event::family).collect();
    for (file, contents) in files {
        for family in contents
            .families
            .keys()
            .filter(|family| !used.contains(family.as_str()))
        {
            let place = Place {
                file,
                entry: "families".to_owned(),
            };
            report.add(&place, "families", family, "families that have events");
        }
    }
}
