//! `--field name=value` and `--where name>=value`: texts as what the property takes.

use serde_json::Value;
use tidings_admin::TYPE;
use tidings_admin::describe::{Field, FilterKind, Form, NumberFormat, Object, Takes, Text};

use super::Map;
use super::name::{field, no_field};
use crate::failure::Failure;

/// `name=value` as the path of the property, and its value. The path may go into parts, maps and sets:
/// `httpHeaders/X-Tenant=mail`, `httpAuth/@type=Basic`, `events/auth.failed=true`.
pub(crate) fn assigned(object: &Object, text: &str) -> Result<(Vec<String>, Value), Failure> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Failure::usage(format!(
            "--field {text:?} is no name=value; write it as --field name=main"
        )));
    };
    let mut path = Vec::new();
    let mut form = Some(object.form);
    let mut takes: Option<Takes> = None;
    let mut in_set = false;
    for segment in name.trim().split('/') {
        match (form, takes) {
            (Some(_), _) if segment == TYPE => {
                path.push(TYPE.to_owned());
                (form, takes) = (None, None);
            }
            (Some(of), _) => {
                let found = field(of, segment).ok_or_else(|| no_field(object.name, of, segment))?;
                path.push(found.name.to_owned());
                form = part(found);
                takes = Some(found.takes);
            }
            (None, Some(Takes::Set { .. })) => {
                path.push(segment.to_owned());
                (takes, in_set) = (None, true);
            }
            (None, Some(Takes::Map { .. })) => {
                path.push(segment.to_owned());
                takes = None;
            }
            (None, Some(Takes::ObjectList { form: of, .. })) => {
                path.push(segment.to_owned());
                (form, takes) = (Some(of), None);
            }
            _ => {
                return Err(Failure::usage(format!(
                    "{name:?} goes too far: nothing is below {}",
                    path.join("/")
                )));
            }
        }
    }
    let value = match takes {
        Some(takes) => typed(name, &takes, value)?,
        // Out of the set with it.
        None if in_set && value == "null" => Value::Null,
        None if in_set => flag(name, value)?,
        None => text_or_json(name, value)?,
    };
    Ok((path, value))
}

/// `name>=value` as a condition of a filter. Names that the object does not have are passed on as they
/// are: a server may know more than this program.
pub(crate) fn condition(object: &Object, text: &str) -> Result<(String, Value), Failure> {
    const OPERATORS: [(&str, &str); 5] = [
        (">=", "IsGreaterThanOrEqual"),
        ("<=", "IsLessThanOrEqual"),
        (">", "IsGreaterThan"),
        ("<", "IsLessThan"),
        ("=", ""),
    ];
    let mut split = OPERATORS
        .iter()
        .filter_map(|(sign, suffix)| Some((text.split_once(sign)?, *sign, *suffix)));
    let Some(((name, value), sign, suffix)) = split.next() else {
        return Err(Failure::usage(format!(
            "--where {text:?} is no condition; write it as name=value, or with >=, <=, > or <"
        )));
    };
    let (name, value) = (name.trim(), value.trim());
    let mut filters = object.list.filters.iter();
    let filter = filters.find(|filter| filter.name.eq_ignore_ascii_case(name));
    let known = field(object.form, name);
    if name.is_empty() {
        return Err(Failure::usage(format!("--where {text:?} names nothing")));
    }
    let compares = match (
        filter.map(|filter| filter.kind),
        known.map(|field| field.takes),
    ) {
        (Some(kind), _) => matches!(kind, FilterKind::Date | FilterKind::Integer),
        (None, Some(takes)) => matches!(takes, Takes::Number(_) | Takes::UtcDateTime { .. }),
        (None, None) => true,
    };
    if !compares && !suffix.is_empty() {
        return Err(Failure::usage(format!(
            "{name} is neither a number nor a time, so {sign} says nothing of it; write {name}=…"
        )));
    }
    let shown = match (filter, known) {
        (Some(filter), _) => filter.name,
        (None, Some(field)) => field.name,
        (None, None) => name,
    };
    let value = match (
        filter.map(|filter| filter.kind),
        known.map(|field| field.takes),
    ) {
        (Some(FilterKind::Integer), _) => number(name, value)?,
        (None, Some(Takes::Boolean)) => flag(name, value)?,
        (None, Some(Takes::Number(of))) => sized(name, of.format, value)?,
        _ => value.into(),
    };
    Ok((format!("{shown}{suffix}"), value))
}

/// Puts a value where a path leads to, with the parts on the way.
pub(crate) fn put(object: &mut Map, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            object.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let part = object
                .entry(first.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if !part.is_object() {
                *part = Value::Object(Map::new());
            }
            if let Value::Object(part) = part {
                put(part, rest, value);
            }
        }
    }
}

fn part(field: &'static Field) -> Option<&'static Form> {
    match field.takes {
        Takes::Object { form } => Some(form),
        _ => None,
    }
}

/// A text as what a property takes.
fn typed(name: &str, takes: &Takes, text: &str) -> Result<Value, Failure> {
    if text.is_empty() || text == "null" {
        if takes.is_nullable() {
            return Ok(Value::Null);
        }
    } else if text.starts_with(['{', '[']) {
        return json(name, text);
    }
    match takes {
        Takes::Boolean => flag(name, text),
        Takes::Number(of) => sized(name, of.format, text),
        // Members, one after the other.
        Takes::Set { .. } => {
            let members = text.split(',').map(str::trim).filter(|one| !one.is_empty());
            Ok(Value::Object(
                members.map(|one| (one.to_owned(), true.into())).collect(),
            ))
        }
        Takes::String(Text { .. })
        | Takes::UtcDateTime { .. }
        | Takes::Enum { .. }
        | Takes::ObjectId { .. } => Ok(text.into()),
        Takes::Object { .. } | Takes::ObjectList { .. } | Takes::Map { .. } => {
            Err(Failure::usage(format!(
                "{name} takes JSON, as {name}='{{…}}', or one of its members, as {name}/MEMBER=…"
            )))
        }
    }
}

fn text_or_json(name: &str, text: &str) -> Result<Value, Failure> {
    if text == "null" {
        return Ok(Value::Null);
    }
    if text.starts_with(['{', '[']) {
        return json(name, text);
    }
    Ok(text.into())
}

fn json(name: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::usage(format!("what {name} is given is no JSON")).because(error))
}

fn flag(name: &str, text: &str) -> Result<Value, Failure> {
    text.parse::<bool>()
        .map(Value::from)
        .map_err(|_| Failure::usage(format!("{name}={text:?} must be true or false")))
}

fn number(name: &str, text: &str) -> Result<Value, Failure> {
    let whole = text.parse::<i64>().map(Value::from);
    let number = whole.or_else(|_| text.parse::<f64>().map(Value::from));
    match number {
        Ok(number) if number.is_number() => Ok(number),
        _ => Err(Failure::usage(format!("{name}={text:?} must be a number"))),
    }
}

/// A number, with a unit where it is a time or a size: `90d`, `10MiB`.
fn sized(name: &str, format: NumberFormat, text: &str) -> Result<Value, Failure> {
    let units: &[(&str, u64)] = match format {
        NumberFormat::Duration => &[
            ("ms", 1),
            ("s", 1_000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ],
        NumberFormat::Size => &[
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("B", 1),
        ],
        _ => &[],
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let factor = units.iter().find(|(known, _)| *known == unit.trim_start());
    if let (Ok(count), Some((_, factor))) = (count.parse::<u64>(), factor)
        && let Some(value) = count.checked_mul(*factor)
    {
        return Ok(value.into());
    }
    number(name, text).map_err(|failure| match units.first() {
        None => failure,
        Some(_) => {
            let names: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
            Failure::usage(format!(
                "{name}={text:?} must be a number, with one of {} behind it if need be",
                names.join(", ")
            ))
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::name::object;
    use super::*;

    fn assigns(of: &str, text: &str) -> Result<(String, Value), String> {
        let assigned = assigned(object(of).unwrap(), text);
        assigned
            .map(|(path, value)| (path.join("/"), value))
            .map_err(|failure| failure.sentence())
    }

    #[test]
    fn values_are_what_their_property_takes() {
        for (of, text, path, value) in [
            ("Tracer", "NAME=main", "name", json!("main")),
            ("Tracer", "enable=false", "enable", json!(false)),
            ("Tracer", "throttle=1500", "throttle", json!(1500)),
            ("Tracer", "keep=90d", "keep", json!(7_776_000_000_u64)),
            ("Tracer", "keep=null", "keep", Value::Null),
            (
                "Tracer",
                "rotateBytes=10MiB",
                "rotateBytes",
                json!(10 << 20),
            ),
            (
                "Tracer",
                "events=auth.failed, delivery.*",
                "events",
                json!({"auth.failed": true, "delivery.*": true}),
            ),
            (
                "Tracer",
                "events/auth.failed=true",
                "events/auth.failed",
                json!(true),
            ),
            ("Tracer", "httpHeaders/X-A=1", "httpHeaders/X-A", json!("1")),
            (
                "Tracer",
                "httpheaders/X-A=null",
                "httpHeaders/X-A",
                Value::Null,
            ),
            (
                "Tracer",
                "httpAuth={\"@type\":\"Basic\"}",
                "httpAuth",
                json!({"@type": "Basic"}),
            ),
            (
                "WebHook",
                "httpAuth/@type=Basic",
                "httpAuth/@type",
                json!("Basic"),
            ),
            ("Tracer", "path=/var/log/a=b", "path", json!("/var/log/a=b")),
        ] {
            assert_eq!(assigns(of, text), Ok((path.to_owned(), value)), "{text}");
        }
        for (of, text, why) in [
            ("Tracer", "name", "is no name=value"),
            ("Tracer", "nam=x", "has no property \"nam\""),
            ("Tracer", "enable=yes", "must be true or false"),
            (
                "Tracer",
                "keep=3 weeks",
                "with one of ms, s, m, h, d behind it",
            ),
            ("Tracer", "httpAuth=Basic", "takes JSON"),
            ("Tracer", "name/x=1", "goes too far"),
            ("Tracer", "events={", "no JSON"),
        ] {
            let refused = assigns(of, text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn conditions_compare_what_can_be_compared() {
        let read = |of: &str, text: &str| {
            let condition = condition(object(of).unwrap(), text);
            condition.map_err(|failure| failure.sentence())
        };
        for (of, text, name, value) in [
            ("Trace", "text=bill", "text", json!("bill")),
            (
                "Trace",
                "timestamp>=2026-02-01T00:00:00Z",
                "timestampIsGreaterThanOrEqual",
                json!("2026-02-01T00:00:00Z"),
            ),
            (
                "Trace",
                "timestamp<2026-02-01T00:00:00Z",
                "timestampIsLessThan",
                json!("2026-02-01T00:00:00Z"),
            ),
            (
                "Metric",
                "metric=auth.failed",
                "metric",
                json!("auth.failed"),
            ),
            ("Tracer", "enable=true", "enable", json!(true)),
            ("Message", "size>1MiB", "sizeIsGreaterThan", json!(1 << 20)),
            ("Log", "remoteIp=192.0.2.1", "remoteIp", json!("192.0.2.1")),
        ] {
            assert_eq!(read(of, text), Ok((name.to_owned(), value)), "{text}");
        }
        for (of, text, why) in [
            ("Trace", "bill", "is no condition"),
            ("Tracer", "name>5", "neither a number nor a time"),
            ("Tracer", "enable=5", "must be true or false"),
            ("Trace", "=5", "names nothing"),
        ] {
            let refused = read(of, text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn paths_make_the_parts_on_their_way() {
        let mut object = Map::new();
        let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        put(&mut object, &path("a/b/c"), 1.into());
        put(&mut object, &path("a/d"), 2.into());
        put(&mut object, &path("e"), 3.into());
        assert_eq!(
            Value::Object(object),
            json!({"a": {"b": {"c": 1}, "d": 2}, "e": 3})
        );
    }
}
