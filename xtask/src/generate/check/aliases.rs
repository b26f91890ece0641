//! Rules for old names: each must be free and lead to a current name.

use std::collections::{BTreeMap, BTreeSet};

use super::words::{is_camel_case, is_dotted_name};
use super::{Place, Report};
use crate::generate::catalogue::{Event, Key, key_spellings};

const FILE: &str = "catalogue/aliases.toml";

/// Old event names with the current ones.
pub(super) fn events(
    report: &mut Report,
    aliases: &BTreeMap<String, String>,
    events: &[Event],
) -> BTreeMap<String, String> {
    let names: BTreeSet<&str> = events.iter().map(|e| e.name.as_str()).collect();
    for (old, current) in aliases {
        let place = Place {
            file: FILE,
            entry: format!("events `{old}`"),
        };
        if !is_dotted_name(old) || names.contains(old.as_str()) {
            report.add(&place, "old name", old, "a dotted name that no event has");
        }
        if !names.contains(current.as_str()) {
            report.add(&place, "current name", current, "the name of an event");
        }
    }
    aliases.clone()
}

/// Old key names with the current ones.
pub(super) fn keys(
    report: &mut Report,
    aliases: &BTreeMap<String, String>,
    keys: &[Key],
) -> BTreeMap<String, String> {
    let names: BTreeSet<&str> = keys.iter().map(|k| k.name.as_str()).collect();
    let mut taken: BTreeSet<String> = keys.iter().flat_map(|k| key_spellings(&k.name)).collect();
    for (old, current) in aliases {
        let place = Place {
            file: FILE,
            entry: format!("keys `{old}`"),
        };
        let spellings = key_spellings(old);
        if !is_camel_case(old) || spellings.iter().any(|s| taken.contains(s)) {
            report.add(
                &place,
                "old name",
                old,
                "a camelCase name of which no key has a spelling",
            );
        }
        taken.extend(spellings);
        if !names.contains(current.as_str()) {
            report.add(&place, "current name", current, "the name of a key");
        }
    }
    aliases.clone()
}
