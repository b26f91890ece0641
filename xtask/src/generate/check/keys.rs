//! Rules for keys.

use super::words::is_camel_case;
use super::{Ids, Place, Report, Seen};
use crate::generate::catalogue::{Key, VALUE_TYPES, constant_name, kebab_name, key_spellings};
use crate::generate::raw::{KeyFile, RawKey};

const FILE: &str = "catalogue/keys.toml";

/// The keys by id.
pub(super) fn keys(report: &mut Report, file: &KeyFile) -> Vec<Key> {
    let mut seen = SeenFields::default();
    let mut keys: Vec<Key> = file
        .key
        .iter()
        .map(|raw| key(report, raw, &mut seen))
        .collect();
    keys.sort_by_key(|k| k.id);
    report.no_gap(FILE, keys.iter().map(|k| k.id));
    keys
}

/// Values that must differ between keys.
#[derive(Default)]
struct SeenFields {
    ids: Seen,
    spellings: Seen,
    constants: Seen,
}

fn key(report: &mut Report, raw: &RawKey, seen: &mut SeenFields) -> Key {
    let place = Place {
        file: FILE,
        entry: format!("key `{}`", raw.name),
    };
    let id = report.id(&place, raw.id, Ids::ReferenceOrOwn, &mut seen.ids);
    if is_camel_case(&raw.name) {
        report.unique(
            &place,
            "constant of name",
            &constant_name(&raw.name),
            &mut seen.constants,
        );
        for spelling in key_spellings(&raw.name) {
            report.unique(&place, "spelling of name", &spelling, &mut seen.spellings);
        }
    } else {
        report.add(&place, "name", &raw.name, "a word in camelCase");
    }
    if raw.kebab != kebab_name(&raw.name) {
        report.add(&place, "kebab", &raw.kebab, kebab_name(&raw.name));
    }
    let types: Vec<String> = raw.value_type.split('|').map(str::to_owned).collect();
    for value_type in &types {
        report.word(&place, "type", value_type, &VALUE_TYPES);
    }
    report.sentence(&place, "description", &raw.description);
    Key {
        id: id.unwrap_or(0),
        name: raw.name.clone(),
        kebab: raw.kebab.clone(),
        types,
        description: raw.description.clone(),
    }
}
