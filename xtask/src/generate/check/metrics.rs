//! Rules for metrics, and for counters and their events.

use std::collections::{BTreeMap, BTreeSet};

use super::words::is_dotted_name;
use super::{Ids, Place, Report, Seen};
use crate::generate::catalogue::{Event, Kind, Metric, UNITS};
use crate::generate::raw::{MetricFile, RawMetric};

const FILE: &str = "catalogue/metrics.toml";

/// The metrics by id. A counter takes its description from the event of its name.
pub(super) fn metrics(report: &mut Report, file: &MetricFile, events: &[Event]) -> Vec<Metric> {
    let counted: BTreeMap<&str, &str> = events
        .iter()
        .filter(|e| e.metric)
        .map(|e| (e.name.as_str(), e.description.as_str()))
        .collect();
    let mut seen = SeenFields::default();
    let mut metrics: Vec<Metric> = file
        .metric
        .iter()
        .filter_map(|raw| metric(report, raw, &counted, &mut seen))
        .collect();
    metrics.sort_by_key(|m| m.id);
    report.no_gap(FILE, metrics.iter().map(|m| m.id));
    let names: BTreeSet<&str> = metrics
        .iter()
        .filter(|m| m.kind == Kind::Counter)
        .map(|m| m.name.as_str())
        .collect();
    for name in counted.keys().filter(|name| !names.contains(*name)) {
        let place = Place {
            file: FILE,
            entry: format!("metric `{name}`"),
        };
        report.add(
            &place,
            "name",
            "missing",
            "a counter for each event that has metric = true",
        );
    }
    metrics
}

/// Values that must differ between metrics.
#[derive(Default)]
struct SeenFields {
    ids: Seen,
    names: Seen,
    descriptions: Seen,
}

fn metric(
    report: &mut Report,
    raw: &RawMetric,
    counted: &BTreeMap<&str, &str>,
    seen: &mut SeenFields,
) -> Option<Metric> {
    let place = Place {
        file: FILE,
        entry: format!("metric `{}`", raw.name),
    };
    let id = report.id(&place, raw.id, Ids::Reference, &mut seen.ids);
    if !is_dotted_name(&raw.name) {
        report.add(
            &place,
            "name",
            &raw.name,
            "a family and a name in lower case with one dot between them",
        );
    }
    report.unique(&place, "name", &raw.name, &mut seen.names);
    report.word(&place, "unit", &raw.unit, &UNITS);
    let kind = kind(report, &place, raw)?;
    let description = if kind == Kind::Counter {
        counter_description(report, &place, raw, counted)
    } else {
        own_description(report, &place, raw, seen)
    };
    Some(Metric {
        id: id.unwrap_or(0),
        name: raw.name.clone(),
        kind,
        unit: raw.unit.clone(),
        description,
        history: raw.history,
        community_export: kind == Kind::Counter || raw.community_export == Some(true),
        bounds: bounds(report, &place, raw, kind),
    })
}

fn kind(report: &mut Report, place: &Place<'_>, raw: &RawMetric) -> Option<Kind> {
    report.word(place, "kind", &raw.kind, &["counter", "gauge", "histogram"]);
    match raw.kind.as_str() {
        "counter" => Some(Kind::Counter),
        "gauge" => Some(Kind::Gauge),
        "histogram" => Some(Kind::Histogram),
        _ => None,
    }
}

fn counter_description(
    report: &mut Report,
    place: &Place<'_>,
    raw: &RawMetric,
    counted: &BTreeMap<&str, &str>,
) -> String {
    if let Some(text) = &raw.description {
        report.add(
            place,
            "description",
            text,
            "absent, because a counter takes it from its event",
        );
    }
    if raw.community_export.is_some() {
        report.add(
            place,
            "community-export",
            "present",
            "absent, because a counter is always exported",
        );
    }
    let Some(description) = counted.get(raw.name.as_str()) else {
        report.add(
            place,
            "name",
            &raw.name,
            "for a counter, the name of an event that has metric = true",
        );
        return String::new();
    };
    (*description).to_owned()
}

fn own_description(
    report: &mut Report,
    place: &Place<'_>,
    raw: &RawMetric,
    seen: &mut SeenFields,
) -> String {
    let text = raw.description.clone().unwrap_or_default();
    report.label(place, &text, &raw.name);
    report.unique(place, "description", &text, &mut seen.descriptions);
    text
}

/// Rising bounds for a histogram, none for other kinds.
fn bounds(report: &mut Report, place: &Place<'_>, raw: &RawMetric, kind: Kind) -> Vec<u64> {
    let bounds: Vec<u64> = raw
        .bounds
        .iter()
        .filter_map(|b| u64::try_from(*b).ok())
        .collect();
    let is_complete = bounds.len() == raw.bounds.len();
    let is_rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let value = format!("{:?}", raw.bounds);
    if kind == Kind::Histogram && (bounds.is_empty() || !is_complete || !is_rising) {
        report.add(
            place,
            "bounds",
            value,
            "for a histogram, rising numbers from 0 up",
        );
    } else if kind != Kind::Histogram && !raw.bounds.is_empty() {
        report.add(place, "bounds", value, "absent except for a histogram");
    }
    bounds
}
