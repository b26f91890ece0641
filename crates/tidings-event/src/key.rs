//! Keys: the names under which an event carries its values.

use std::fmt;

use crate::catalogue_gen::{KEY_NAMES, OWN_KEYS, REFERENCE_KEYS};
use crate::kind::KeyKind;

/// The key of a value in an event, such as `remoteIp`: a stable numeric id.
///
/// Ids below 1024 are the reference's, from 1024 Tidings' own, from 4096 registered at run time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(crate) u16);

/// What the catalogue says of a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyInfo {
    /// Stable id.
    pub id: u16,
    /// Name on every wire: `remoteIp`.
    pub name: &'static str,
    /// Spelling with hyphens: `remote-ip`.
    pub kebab: &'static str,
    /// What the value means, with its unit.
    pub description: &'static str,
    pub(crate) kind: KeyKind,
}

static UNKNOWN: KeyInfo = KeyInfo {
    id: u16::MAX,
    name: "unknown",
    kebab: "unknown",
    description: "A key that this version does not know",
    kind: KeyKind::Any,
};

impl Key {
    /// The key with this id. Any id is a key; one that the catalogue lacks is named `unknown`.
    pub fn from_id(id: u16) -> Key {
        Key(id)
    }

    /// The key of this name: camelCase, kebab-case or lower case.
    pub fn from_name(name: &str) -> Option<Key> {
        let at = KEY_NAMES
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        Some(Key(KEY_NAMES[at].1))
    }

    /// The stable id.
    pub fn id(self) -> u16 {
        self.0
    }

    /// What the catalogue says of it.
    pub fn info(self) -> &'static KeyInfo {
        if let Some(info) = REFERENCE_KEYS.get(usize::from(self.0)) {
            return info;
        }
        match OWN_KEYS.binary_search_by_key(&self.0, |info| info.id) {
            Ok(at) => &OWN_KEYS[at],
            Err(_) => &UNKNOWN,
        }
    }

    /// Name on every wire: `remoteIp`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Every key of the catalogue: the reference's by id, then our own by id.
    pub fn all() -> impl Iterator<Item = &'static KeyInfo> {
        REFERENCE_KEYS.iter().chain(OWN_KEYS)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.0, self.name())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_the_key() {
        for info in Key::all() {
            for spelling in [info.name, info.kebab, &info.name.to_ascii_lowercase()] {
                assert_eq!(
                    Key::from_name(spelling).map(Key::id),
                    Some(info.id),
                    "{spelling}"
                );
            }
        }
        assert_eq!(Key::from_name("remote-ip"), Some(Key::REMOTE_IP));
        assert_eq!(Key::from_name("nothing"), None);
    }
}
