//! The reference of the objects that `--json` prints, drawn from the doc comments of their fields.

use std::fmt::Write;

use crate::testing::golden;

/// Where the objects are described: the engine's contract, and what this crate adds.
const SOURCES: [&str; 2] = [
    include_str!("../../../tidings-engine/src/contract.rs"),
    include_str!("../store.rs"),
];

/// What each verb prints, in the order of the page; an empty name stands for all other structures.
const PRINTED: [(&str, &str); 9] = [
    ("MessageObject", "`tidings messages --json`, one a message"),
    ("StoryObject", "`tidings story --json`, one a message"),
    ("StatsObject", "`tidings stats --json`, one"),
    ("ParsedLineObject", "`tidings parse --json`, one a line"),
    ("ImportObject", "`tidings import --json`, one"),
    ("VerifyObject", "`tidings verify --json`, one"),
    ("RepairObject", "`tidings repair --json`, one"),
    ("AccountObject", "`tidings account --json`, one an account"),
    ("", "their parts"),
];

const HEAD: &str = "\
<!-- Generated from the doc comments of the objects with
     `TIDINGS_BLESS=1 cargo test -p tidings-cli`; do not edit. -->

# JSON

The objects that `--json` prints, one a line, and that a server sends over its socket. Fields are added,
never renamed or removed. Times are RFC 3339 in UTC, ids are text, absent values are `null`.
`tidings events --json` prints the [event types](events.md) with their [keys](keys.md) under `data`;
besides `id`, `createdAt` and `type` these have `time` (nanoseconds since 1970), `level`, `spanId`,
`sequence`, and `raw` where lines were asked for.
";

/// A structure with its fields: name, type, description.
struct Object<'a> {
    name: &'a str,
    about: String,
    fields: Vec<(String, String, String)>,
}

/// The public structures of a source file whose names end with `Object`.
fn objects_of(source: &str) -> Vec<Object<'_>> {
    let mut objects: Vec<Object<'_>> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut is_open = false;
    for line in source.lines() {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text.trim());
        } else if let Some(name) = line.strip_prefix("pub struct ") {
            let name = name.trim_end_matches([' ', '{']);
            is_open = name.ends_with("Object");
            if is_open {
                let about = comment.join(" ");
                let fields = Vec::new();
                objects.push(Object {
                    name,
                    about,
                    fields,
                });
            }
            comment.clear();
        } else if let Some((name, kind)) = field_of(line).filter(|_| is_open) {
            let object = objects.last_mut().expect("a structure is open");
            object
                .fields
                .push((camel(name), kind_words(kind), comment.join(" ")));
            comment.clear();
        } else if !line.starts_with("#[") {
            is_open &= line != "}";
            comment.clear();
        }
    }
    objects
}

fn field_of(line: &str) -> Option<(&str, &str)> {
    let (name, kind) = line
        .strip_prefix("pub ")?
        .strip_suffix(',')?
        .split_once(": ")?;
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        .then_some((name, kind))
}

/// `last_time` as `lastTime`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}

/// A type of Rust in the words of JSON.
fn kind_words(kind: &str) -> String {
    if let Some(inner) = kind.strip_prefix("Option<") {
        return format!("{} or null", kind_words(inner.trim_end_matches('>')));
    }
    if let Some(inner) = kind.strip_prefix("Vec<") {
        return format!("list of {}", kind_words(inner.trim_end_matches('>')));
    }
    match kind {
        "String" => "text".to_owned(),
        "bool" => "truth value".to_owned(),
        "serde_json::Value" => "event".to_owned(),
        object if object.ends_with("Object") => format!("[{}](#{})", title(object), anchor(object)),
        number => {
            assert!(number.starts_with(['u', 'i', 'f']), "{number} has no words");
            "number".to_owned()
        }
    }
}

/// `RecipientObject` as `recipient`.
fn title(name: &str) -> String {
    let name = name.trim_end_matches("Object");
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn anchor(name: &str) -> String {
    title(name).replace(' ', "-")
}

fn page() -> String {
    let objects: Vec<Object<'_>> = SOURCES.into_iter().flat_map(objects_of).collect();
    let is_printed = |name: &str| PRINTED.iter().any(|(printed, _)| *printed == name);
    let mut page = HEAD.to_owned();
    for (name, whence) in PRINTED {
        let shown = |object: &&Object<'_>| match name {
            "" => !is_printed(object.name),
            name => object.name == name,
        };
        let mut found = objects.iter().filter(shown).peekable();
        assert!(found.peek().is_some(), "{name} is not there");
        for object in found {
            let by = match name {
                "" => String::new(),
                _ if object.about.contains("--json") => String::new(),
                _ => format!(" Printed by {whence}."),
            };
            let (title, about) = (title(object.name), &object.about);
            write!(
                page,
                "\n## {title}\n\n{about}{by}\n\n| Field | | |\n|---|---|---|\n"
            )
            .expect("a text takes everything");
            for (name, kind, about) in &object.fields {
                let about = about.replace('|', "\\|");
                writeln!(page, "| `{name}` | {kind} | {about} |").expect("a text takes everything");
            }
        }
    }
    page
}

#[test]
fn the_reference_of_the_objects_is_up_to_date() {
    golden("../../docs/reference/json.md", &page());
}
