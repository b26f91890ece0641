//! What objects there are, and what each of them has, for people.

use tidings_admin::describe::{
    Default, Enum, Field, FilterKind, Form, Format, Kind, Member, NumberFormat, Object, Takes,
    Update,
};
use tidings_admin::{OBJECTS, verbs};

use crate::term::{Screen, Style, pad, width, wrap};

/// Every object with its sentence.
pub(crate) fn list_lines(screen: &Screen) -> Vec<String> {
    let longest = OBJECTS.iter().map(|object| object.name.len()).max();
    let names = longest.unwrap_or_default();
    let line = |object: &&'static Object| {
        let name = screen.paint(Style::Bold, &pad(object.name, names));
        format!("{name}  {}", object.about)
    };
    OBJECTS.iter().map(line).collect()
}

/// One object: its properties, what it can be filtered by, and who may do what with it.
pub(crate) fn object_lines(screen: &Screen, object: &'static Object) -> Vec<String> {
    let mut lines = vec![screen.paint(Style::Bold, object.name)];
    lines.extend(wrap(object.about, screen.prose_width()));
    lines.push(how_many(object));
    if object.form.variants().is_empty() {
        lines.push(String::new());
        fields(screen, &mut lines, &object.form.all_fields(), 0);
    }
    for variant in object.form.variants() {
        lines.push(String::new());
        let name = format!("{}/{}", object.name, variant.name);
        let label = match variant.is_refused {
            true => format!("{}; not supported", variant.label),
            false => variant.label.to_owned(),
        };
        lines.push(format!("{}  {label}", screen.paint(Style::Bold, &name)));
        if !variant.is_refused {
            fields(screen, &mut lines, &variant.all().collect::<Vec<_>>(), 0);
        }
    }
    filters(screen, &mut lines, object);
    let prefix = object.permission_prefix();
    let permissions = verbs(object).iter().map(|verb| format!("{prefix}{verb:?}"));
    lines.push(String::new());
    lines.push(format!(
        "{}  {}",
        screen.paint(Style::Bold, "Permissions"),
        permissions.collect::<Vec<_>>().join(", ")
    ));
    lines
}

fn how_many(object: &Object) -> String {
    let name = object.name;
    match object.kind {
        Kind::Many => format!("Any number: tidings query {name}, create {name}, …"),
        Kind::Singleton => format!("One: tidings get {name}, update {name}"),
        Kind::Record => format!("Made by the server: tidings query {name}, get {name} ID"),
        Kind::Action => format!("Something to do: tidings create {name}/…"),
    }
}

fn filters(screen: &Screen, lines: &mut Vec<String>, object: &Object) {
    if object.list.filters.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(screen.paint(Style::Bold, "Filters"));
    let filters = object.list.filters;
    let names = filters.iter().map(|filter| filter.name.len()).max();
    for filter in filters {
        let kind = match filter.kind {
            FilterKind::Text => "text".to_owned(),
            FilterKind::Enum(of) => of.allowed(),
            FilterKind::Date => "a time; also with >=, <=, > and <".to_owned(),
            FilterKind::Integer => "a number; also with >=, <=, > and <".to_owned(),
        };
        let name = pad(filter.name, names.unwrap_or_default());
        lines.push(format!("  {name}  {kind}"));
    }
}

/// Parts within parts are described as far as this.
const DEPTH_MAX: usize = 3;

fn fields(screen: &Screen, lines: &mut Vec<String>, fields: &[&'static Field], depth: usize) {
    let names = fields.iter().map(|field| width(field.name)).max();
    let indent = "  ".repeat(depth + 1);
    for field in fields {
        let name = screen.paint(Style::Cyan, &pad(field.name, names.unwrap_or_default()));
        lines.push(format!(
            "{indent}{name}  {}{}",
            takes(&field.takes),
            default(field)
        ));
        let below = format!("{indent}{}", " ".repeat(names.unwrap_or_default() + 2));
        let room = screen.prose_width().saturating_sub(below.len()).max(30);
        lines.extend(
            wrap(field.about, room)
                .into_iter()
                .map(|line| format!("{below}{line}")),
        );
        if let (Takes::Object { form }, true) = (&field.takes, depth < DEPTH_MAX) {
            self::form(screen, lines, form, depth + 1);
        }
    }
}

/// The properties of a part.
fn form(screen: &Screen, lines: &mut Vec<String>, form: &'static Form, depth: usize) {
    let variants = form.variants();
    if variants.is_empty() {
        return fields(screen, lines, &form.all_fields(), depth);
    }
    for variant in variants.iter().filter(|variant| !variant.is_refused) {
        let indent = "  ".repeat(depth + 1);
        lines.push(format!("{indent}@type {}", variant.name));
        fields(screen, lines, &variant.all().collect::<Vec<_>>(), depth + 1);
    }
}

fn takes(takes: &Takes) -> String {
    let what = match takes {
        Takes::Boolean => "true or false".to_owned(),
        Takes::String(text) => format(text.format).to_owned(),
        Takes::Number(number) => {
            let unit = match number.format {
                NumberFormat::Duration => " ms (or 30s, 5m, 2h, 90d)",
                NumberFormat::Size => " bytes (or 10MiB)",
                _ => "",
            };
            let (min, max) = (number.min, number.max);
            match max {
                i64::MAX => format!("a number from {min}{unit}"),
                max => format!("a number from {min} to {max}{unit}"),
            }
        }
        Takes::UtcDateTime { .. } => "a time, as 2026-11-22T13:00:00Z".to_owned(),
        Takes::Enum { of, .. } => of.allowed(),
        Takes::ObjectId { object, .. } => format!("the id of one {object}"),
        Takes::Object { form } => format!("a part ({})", form.name),
        Takes::ObjectList { form, .. } => format!("a list of parts ({})", form.name),
        Takes::Set { of, .. } => format!("a set of {}", member(*of)),
        Takes::Map { .. } => "texts by name".to_owned(),
    };
    match takes.is_nullable() {
        true => format!("{what}, or null"),
        false => what,
    }
}

fn member(of: Member) -> String {
    match of {
        Member::String(of) => format!("texts ({})", format(of)),
        Member::Enum(Enum::Of(words)) => words.name.to_owned(),
        Member::Enum(of) => of.name().to_owned(),
        Member::EventPattern => "event types, in which * stands for any part".to_owned(),
    }
}

fn format(format: Format) -> &'static str {
    match format {
        Format::String => "text",
        Format::Text => "text of several lines",
        Format::Uri => "a URL",
        Format::EmailAddress => "an address of mail",
        Format::Secret => "a secret",
        Format::IpAddress => "an IP address",
        Format::Domain => "a domain",
    }
}

fn default(field: &Field) -> String {
    match (field.update, field.default) {
        (Update::ServerSet, _) => "; set by the server".to_owned(),
        (_, Default::Required) => "; required".to_owned(),
        (_, Default::Flag(flag)) => format!("; default {flag}"),
        (_, Default::Number(number)) => format!("; default {number}"),
        (_, Default::Text(text)) => format!("; default {text}"),
        (_, Default::Part(variant, _)) => format!("; default {variant}"),
        (_, Default::Null | Default::Empty) => String::new(),
    }
}
