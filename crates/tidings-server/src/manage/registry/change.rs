//! What was changed, by whom, and when.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use tidings_event::Id;

/// A change of one object. Values are not kept, as some are secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    pub(crate) id: Id,
    pub(crate) kind: ChangeKind,
    /// Who made it.
    pub(crate) by: String,
    pub(crate) time_ns: i64,
    /// Names of the properties that differ.
    pub(crate) properties: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChangeKind {
    Created,
    Updated,
    Destroyed,
}

/// What became of which objects since a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) created: Vec<Id>,
    pub(crate) updated: Vec<Id>,
    pub(crate) destroyed: Vec<Id>,
    /// The state that this leads to.
    pub(crate) state: u64,
    /// There are later changes still.
    pub(crate) has_more: bool,
}

impl ChangeKind {
    /// What it is, from whether the object was there before, and is afterwards.
    pub(super) fn of(was: bool, is: bool) -> Option<ChangeKind> {
        match (was, is) {
            (false, true) => Some(ChangeKind::Created),
            (true, true) => Some(ChangeKind::Updated),
            (true, false) => Some(ChangeKind::Destroyed),
            (false, false) => None,
        }
    }
}

impl Changes {
    pub(super) fn since(state: u64) -> Changes {
        Changes {
            state,
            ..Changes::default()
        }
    }

    /// Takes in the next change (RFC 8620, 5.2: each id once, and not at all where it came and went).
    /// Gives false where there would be more than `max` ids.
    pub(super) fn add(&mut self, state: u64, change: &Change, max: usize) -> bool {
        let id = change.id;
        let count = self.created.len() + self.updated.len() + self.destroyed.len();
        let is_known = [&self.created, &self.updated, &self.destroyed]
            .iter()
            .any(|ids| ids.contains(&id));
        if count >= max && !is_known {
            self.has_more = true;
            return false;
        }
        let was_created = self.created.contains(&id);
        match change.kind {
            ChangeKind::Created => self.created.push(id),
            ChangeKind::Updated if !is_known => self.updated.push(id),
            ChangeKind::Updated => {}
            ChangeKind::Destroyed => {
                self.created.retain(|known| *known != id);
                self.updated.retain(|known| *known != id);
                if !was_created {
                    self.destroyed.push(id);
                }
            }
        }
        self.state = state;
        true
    }
}

/// Names of the properties in which two versions of an object differ.
pub(super) fn differing(
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else {
        return Vec::new();
    };
    let mut names: Vec<String> = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value))
        .map(|(name, _)| name.clone())
        .collect();
    names.extend(old.keys().filter(|name| !new.contains_key(*name)).cloned());
    names
}

fn write_id<S: Serializer>(id: &Id, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
    let text = String::deserialize(deserializer)?;
    Id::parse(&text).ok_or_else(|| serde::de::Error::custom("no id"))
}
