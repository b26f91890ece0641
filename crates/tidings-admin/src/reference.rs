//! The reference page of the objects, made from their description.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-admin reference` writes `docs/reference/objects.md` anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::describe::{
    Default, Enum, Field, Fields, Form, Format, Kind, Member, NumberFormat, Object, Takes, Update,
};
use crate::{OBJECTS, Permission, write};

const HEAD: &str = "\
# Objects of the management API

<!-- Made from crates/tidings-admin/src/objects; do not edit. -->

How they are asked for and written stands in [management.md](../management.md). Times are RFC 3339 in UTC,
durations whole milliseconds, sizes bytes. A set is an object with members that are `true`, a list one with
the members `\"0\"`, `\"1\"` and so on.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for object in OBJECTS {
        write_object(&mut page, object);
    }
    write_parts(&mut page);
    write_words(&mut page);
    write_permissions(&mut page);
    page
}

fn write_object(page: &mut String, object: &Object) {
    let kind = match object.kind {
        Kind::Many => "Any number; `get`, `set`, `query`, `changes`, `queryChanges`.",
        Kind::Singleton => "One, with the id `singleton`; `get`, `set`, `changes`.",
        Kind::Record => "Made by the server; `get`, `query`.",
        Kind::Action => "To create one is to do it; `set`.",
    };
    let _ = write!(
        page,
        "\n## `x:{}`\n\n{}\n\n{kind}\n",
        object.name, object.about
    );
    let filters = object.list.filters;
    if !filters.is_empty() {
        let names: Vec<String> = filters
            .iter()
            .map(|filter| format!("`{}`", filter.name))
            .collect();
        let _ = writeln!(page, "Filters: {}.", names.join(", "));
    }
    write_form(page, object.form, "###");
}

fn write_form(page: &mut String, form: &'static Form, heading: &str) {
    match form.fields {
        Fields::Single(fields) => write_fields(page, &fields.iter().collect::<Vec<_>>()),
        Fields::Multiple { variants, default } => {
            for variant in variants {
                let _ = write!(
                    page,
                    "\n{heading} `{}` `{}`\n\n{}",
                    form.name, variant.name, variant.label
                );
                page.push_str(if variant.is_refused {
                    "; not supported."
                } else {
                    "."
                });
                page.push_str(if default == Some(variant.name) {
                    " The default.\n"
                } else {
                    "\n"
                });
                let fields: Vec<_> = variant.all().collect();
                if !fields.is_empty() && !variant.is_refused {
                    write_fields(page, &fields);
                }
            }
        }
    }
}

fn write_fields(page: &mut String, fields: &[&Field]) {
    page.push_str("\n| property | takes | default | what it is |\n|---|---|---|---|\n");
    for field in fields {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            field.name,
            cell(&takes(&field.takes)),
            default(field),
            cell(field.about)
        );
    }
}

fn default(field: &Field) -> String {
    match (field.update, field.default) {
        (Update::ServerSet, _) => "set by the server".to_owned(),
        (update, default) => {
            let mut text = match default {
                Default::Required => "required".to_owned(),
                _ => write::default_value(field)
                    .map_or_else(String::new, |value| format!("`{value}`")),
            };
            if update == Update::Immutable {
                text.push_str(", fixed");
            }
            text
        }
    }
}

fn takes(takes: &Takes) -> String {
    let or_null = if takes.is_nullable() { ", or null" } else { "" };
    let what = match takes {
        Takes::Boolean => "true or false".to_owned(),
        Takes::String(text) => match text.format {
            Format::String => "text".to_owned(),
            Format::Text => "text in lines".to_owned(),
            Format::Uri => "URL".to_owned(),
            Format::EmailAddress => "address of mail".to_owned(),
            Format::Secret => "secret".to_owned(),
            Format::IpAddress => "IP address".to_owned(),
            Format::Domain => "domain".to_owned(),
        },
        Takes::Number(number) => {
            let what = match number.format {
                NumberFormat::UnsignedInteger | NumberFormat::Integer => "number",
                NumberFormat::Float => "fraction",
                NumberFormat::Size => "bytes",
                NumberFormat::Duration => "milliseconds",
            };
            match (number.min, number.max) {
                (0, i64::MAX) | (i64::MIN, _) => what.to_owned(),
                (min, i64::MAX) => format!("{what}, from {min}"),
                (min, max) => format!("{what}, {min} to {max}"),
            }
        }
        Takes::UtcDateTime { .. } => "time".to_owned(),
        Takes::Enum { of, .. } => words(*of),
        Takes::ObjectId { object, .. } => format!("id of `x:{object}`"),
        Takes::Object { form } => format!("[{}](#{})", form.name, form.name.to_lowercase()),
        Takes::ObjectList { form, .. } => {
            format!("list of [{}](#{})", form.name, form.name.to_lowercase())
        }
        Takes::Set { of, .. } => match of {
            Member::String(_) => "set of texts".to_owned(),
            Member::Enum(of) => format!("set of {}", words(*of)),
            Member::EventPattern => "set of event types, also by wildcard".to_owned(),
        },
        Takes::Map { .. } => "texts by name".to_owned(),
    };
    what + or_null
}

fn words(of: Enum) -> String {
    match of {
        Enum::Of(words) => format!("[{}](#words)", words.name),
        Enum::EventType => "[event type](events.md)".to_owned(),
        Enum::MetricType => "[metric](metrics.md)".to_owned(),
        Enum::Key => "[key](keys.md)".to_owned(),
    }
}

fn write_parts(page: &mut String) {
    page.push_str("\n# Parts\n");
    let mut forms: Vec<&'static Form> = Vec::new();
    for object in OBJECTS {
        gather(object.form, &mut forms);
    }
    for form in forms {
        let _ = writeln!(page, "\n## {}", form.name);
        write_form(page, form, "###");
    }
}

/// The forms of parts, each once.
fn gather(form: &'static Form, forms: &mut Vec<&'static Form>) {
    for field in form.all_fields() {
        if let Takes::Object { form } | Takes::ObjectList { form, .. } = field.takes
            && !forms.iter().any(|known| known.name == form.name)
        {
            forms.push(form);
            gather(form, forms);
        }
    }
}

fn write_words(page: &mut String) {
    page.push_str("\n# Words\n\n| list | words |\n|---|---|\n");
    let mut forms: Vec<&'static Form> = OBJECTS.iter().map(|object| object.form).collect();
    for object in OBJECTS {
        gather(object.form, &mut forms);
    }
    let mut told = Vec::new();
    for field in forms.iter().flat_map(|form| form.all_fields()) {
        if let Takes::Enum {
            of: Enum::Of(words),
            ..
        } = field.takes
            && !told.contains(&words.name)
        {
            told.push(words.name);
            let list: Vec<String> = words
                .words
                .iter()
                .map(|(word, label)| format!("`{word}` ({label})"))
                .collect();
            let _ = writeln!(page, "| {} | {} |", words.name, list.join(", "));
        }
    }
}

fn write_permissions(page: &mut String) {
    page.push_str(
        "\n# Permissions\n\nEach role has what is listed for it, and what the roles below it have.\n\n| role | permissions |\n|---|---|\n",
    );
    let all = Permission::all();
    for role in [
        crate::Role::Admin,
        crate::Role::Operator,
        crate::Role::Viewer,
        crate::Role::DomainViewer,
    ] {
        let names: Vec<String> = all
            .iter()
            .filter(|one| one.least == role)
            .map(|one| format!("`{}`", one.name))
            .collect();
        let _ = writeln!(page, "| `{}` | {} |", role.name(), names.join(", "));
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/objects.md");
    let made = page();
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/reference/objects.md differs; bless it");
}
