//! The catalogue's rules: turns the files as written into a `Catalogue`, or lists everything that breaks a rule.

use std::collections::BTreeMap;
use std::fmt;

use super::catalogue::{Catalogue, FIRST_OWN_ID, LAST_ID};
use super::raw::Raw;

mod aliases;
mod events;
mod keys;
mod metrics;
mod words;

/// A value that breaks a rule: where it stands and what would be right there.
#[derive(Debug)]
pub(super) struct Problem {
    file: String,
    entry: String,
    field: String,
    value: String,
    allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            entry,
            field,
            value,
            allowed,
        } = self;
        write!(f, "{file}: {entry}: {field} is {value}; allowed: {allowed}")
    }
}

/// Checks every rule and gives the catalogue, or all problems at once in the order of the files.
pub(super) fn check(raw: &Raw) -> Result<Catalogue, Vec<Problem>> {
    let mut report = Report::default();
    let families = events::families(&mut report, &raw.events);
    let events = events::events(&mut report, &raw.events, &families);
    let keys = keys::keys(&mut report, &raw.keys);
    let metrics = metrics::metrics(&mut report, &raw.metrics, &events);
    let event_aliases = aliases::events(&mut report, &raw.aliases.events, &events);
    let key_aliases = aliases::keys(&mut report, &raw.aliases.keys, &keys);
    if report.problems.is_empty() {
        Ok(Catalogue {
            families,
            events,
            keys,
            metrics,
            event_aliases,
            key_aliases,
        })
    } else {
        Err(report.problems)
    }
}

/// The problems found so far.
#[derive(Default)]
struct Report {
    problems: Vec<Problem>,
}

/// Where a value stands: its file and the entry in it, such as ``event `auth.failed` ``.
struct Place<'a> {
    file: &'a str,
    entry: String,
}

/// Which values of a field have been seen, and in which entry.
type Seen = BTreeMap<String, String>;

/// Which entries have an id of their own.
#[derive(Clone, Copy)]
enum Ids {
    /// The reference's ids, or our own from [`FIRST_OWN_ID`].
    ReferenceOrOwn,
    /// The reference's ids only.
    Reference,
}

impl Report {
    fn add(
        &mut self,
        place: &Place<'_>,
        field: &str,
        value: impl fmt::Display,
        allowed: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: place.file.to_owned(),
            entry: place.entry.clone(),
            field: format!("`{field}`"),
            value: format!("`{value}`"),
            allowed: allowed.into(),
        });
    }

    /// The value of a field where it must be there and be one of `words`.
    fn word(&mut self, place: &Place<'_>, field: &str, value: &str, words: &[&str]) {
        if !words.contains(&value) {
            self.add(place, field, value, words.join(", "));
        }
    }

    /// Whether no entry before has this value; says which one has it.
    fn unique(&mut self, place: &Place<'_>, field: &str, value: &str, seen: &mut Seen) {
        let here = format!("{} in {}", place.entry, place.file);
        if let Some(other) = seen.insert(value.to_owned(), here) {
            self.add(
                place,
                field,
                value,
                format!("a value of its own; {other} has it already"),
            );
        }
    }

    /// The id where it is there, in range, and nobody else's.
    fn id(&mut self, place: &Place<'_>, id: Option<i64>, ids: Ids, seen: &mut Seen) -> Option<u16> {
        let last = match ids {
            Ids::ReferenceOrOwn => LAST_ID,
            Ids::Reference => FIRST_OWN_ID - 1,
        };
        let in_range = id
            .and_then(|id| u16::try_from(id).ok())
            .filter(|id| *id <= last);
        match (in_range, id) {
            (Some(valid), _) => self.unique(place, "id", &valid.to_string(), seen),
            (None, Some(wrong)) => self.add(place, "id", wrong, format!("0 to {last}")),
            (None, None) => self.add(place, "id", "missing", format!("0 to {last}")),
        }
        in_range
    }

    /// That the reference's ids have no gap, because the tables are indexed by them. `sorted` rises.
    fn no_gap(&mut self, file: &str, sorted: impl Iterator<Item = u16>) {
        for (expected, id) in (0..).zip(sorted.take_while(|id| *id < FIRST_OWN_ID)) {
            if id != expected {
                let place = Place {
                    file,
                    entry: format!("id {expected}"),
                };
                self.add(
                    &place,
                    "id",
                    "missing",
                    "the ids of the reference without a gap",
                );
                return;
            }
        }
    }
}
