//! The catalogue after every rule has been checked: what the renderers work from.

use std::collections::{BTreeMap, BTreeSet};

/// First id of the event types and keys that the reference does not have.
pub(super) const FIRST_OWN_ID: u16 = 1024;

/// Last id of the catalogue; higher ones are given out at run time.
pub(super) const LAST_ID: u16 = 4095;

/// Everything the catalogue says, complete and consistent.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// What each event family is about, by family.
    pub(super) families: BTreeMap<String, String>,
    /// All event types by id: the reference's from 0 without a gap, then our own.
    pub(super) events: Vec<Event>,
    /// All keys by id: the reference's from 0 without a gap, then our own.
    pub(super) keys: Vec<Key>,
    /// All metrics by id, from 0 without a gap.
    pub(super) metrics: Vec<Metric>,
    /// Old event names with the current ones.
    pub(super) event_aliases: BTreeMap<String, String>,
    /// Old key names with the current ones.
    pub(super) key_aliases: BTreeMap<String, String>,
}

/// One event type.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: u16,
    pub(super) name: String,
    /// One of [`LEVELS`].
    pub(super) level: String,
    pub(super) description: String,
    pub(super) span_start: bool,
    pub(super) span_end: bool,
    pub(super) raw_io: bool,
    pub(super) metric: bool,
    pub(super) history: bool,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: u16,
    pub(super) name: String,
    pub(super) kebab: String,
    /// Words of [`VALUE_TYPES`].
    pub(super) types: Vec<String>,
    pub(super) description: String,
}

/// One metric.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) id: u16,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) unit: String,
    pub(super) description: String,
    pub(super) history: bool,
    pub(super) community_export: bool,
    /// Upper bounds of a histogram's buckets but the last, rising; empty for other kinds.
    pub(super) bounds: Vec<u64>,
}

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Default levels that an event type may have.
pub(super) const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// Words for the type of a key's value.
pub(super) const VALUE_TYPES: [&str; 12] = [
    "string",
    "uint",
    "int",
    "float",
    "bool",
    "timestamp",
    "duration",
    "ip",
    "bytes",
    "list",
    "event",
    "any",
];

/// Units of metrics.
pub(super) const UNITS: [&str; 7] = [
    "count",
    "bytes",
    "milliseconds",
    "connections",
    "messages",
    "users",
    "domains",
];

impl Catalogue {
    /// Every accepted event name with its id, old names included.
    pub(super) fn event_names(&self) -> BTreeMap<&str, u16> {
        let current: BTreeMap<&str, u16> = self
            .events
            .iter()
            .map(|e| (e.name.as_str(), e.id))
            .collect();
        let old = self
            .event_aliases
            .iter()
            .map(|(old, name)| (old.as_str(), current[name.as_str()]));
        current.clone().into_iter().chain(old).collect()
    }

    /// Every accepted spelling of a key with its id, old names included.
    pub(super) fn key_names(&self) -> BTreeMap<String, u16> {
        let current: BTreeMap<&str, u16> =
            self.keys.iter().map(|k| (k.name.as_str(), k.id)).collect();
        let old = self
            .key_aliases
            .iter()
            .map(|(old, name)| (old.as_str(), current[name.as_str()]));
        let names = current.iter().map(|(name, id)| (*name, *id)).chain(old);
        names
            .flat_map(|(name, id)| key_spellings(name).into_iter().map(move |s| (s, id)))
            .collect()
    }
}

impl Event {
    /// The part of the name before the dot.
    pub(super) fn family(&self) -> &str {
        self.name
            .split_once('.')
            .map_or(self.name.as_str(), |(family, _)| family)
    }

    /// Whether the reference does not have it.
    pub(super) fn is_own(&self) -> bool {
        self.id >= FIRST_OWN_ID
    }
}

impl Key {
    /// Whether the reference does not have it.
    pub(super) fn is_own(&self) -> bool {
        self.id >= FIRST_OWN_ID
    }
}

/// The Rust constant for a name: `auth.success` gives `AUTH_SUCCESS`, `remoteIp` gives `REMOTE_IP`.
pub(super) fn constant_name(name: &str) -> String {
    spaced(name, '_').to_ascii_uppercase()
}

/// A camelCase name in kebab-case: `remoteIp` gives `remote-ip`.
pub(super) fn kebab_name(name: &str) -> String {
    spaced(name, '-').to_ascii_lowercase()
}

/// The spellings under which a key is found: camelCase, kebab-case and lower case; fewer where they are equal.
pub(super) fn key_spellings(name: &str) -> BTreeSet<String> {
    BTreeSet::from([name.to_owned(), kebab_name(name), name.to_ascii_lowercase()])
}

/// Puts `separator` before each capital and in place of dots and hyphens.
fn spaced(name: &str, separator: char) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c == '.' || c == '-' {
            out.push(separator);
        } else {
            if c.is_ascii_uppercase() {
                out.push(separator);
            }
            out.push(c);
        }
    }
    out
}
