//! Checks of values that have no parts.

use std::net::IpAddr;

use serde_json::Value;

use super::HIDDEN;
use super::path::Path;
use crate::describe::{Enum, Form, Format, Number, NumberFormat, Takes, Text};
use crate::error::{SetError, ValidationError};
use tidings_event::time;

/// Checks a value without parts; `old` is what stands there now, which a hidden secret leaves.
pub(super) fn plain(
    takes: &Takes,
    value: &Value,
    old: Option<&Value>,
    at: &Path,
) -> Result<Value, SetError> {
    match takes {
        Takes::Boolean if value.is_boolean() => Ok(value.clone()),
        Takes::Boolean => Err(wrong(at, "true or false")),
        Takes::String(text) => string(*text, value, old, at),
        Takes::Number(number) => whole(*number, value, at),
        Takes::UtcDateTime { .. } => date(value, at),
        Takes::Enum { of, .. } => word(*of, value, at),
        _ => Err(wrong(at, "something else")),
    }
}

/// The value is not of the right type.
pub(super) fn wrong(at: &Path, allowed: &str) -> SetError {
    SetError::patch(
        at.clone(),
        format!("Invalid value for object property: it must be {allowed}"),
    )
}

/// The value is of the right type, and cannot be.
pub(super) fn invalid(at: &Path, value: &Value, allowed: &str) -> SetError {
    let shown = match value {
        Value::String(text) => Value::from(text.chars().take(200).collect::<String>()),
        value => value.clone(),
    };
    let error = ValidationError::Invalid {
        property: at.to_string(),
        value: shown,
    };
    SetError::invalid(error, format!("{at} must be {allowed}"))
}

/// Refuses a variant that is there for others' tools only.
pub(super) fn supported(form: &'static Form, variant: &str, at: &Path) -> Result<(), SetError> {
    let variants = form.variants();
    let is_refused = |name: &str| {
        variants
            .iter()
            .any(|variant| variant.name == name && variant.is_refused)
    };
    if !is_refused(variant) {
        return Ok(());
    }
    let names: Vec<&str> = variants
        .iter()
        .filter(|variant| !variant.is_refused)
        .map(|variant| variant.name)
        .collect();
    let allowed = format!("one of {}: {variant} is not supported", names.join(", "));
    Err(invalid(&at.then(super::TYPE), &variant.into(), &allowed))
}

fn string(text: Text, value: &Value, old: Option<&Value>, at: &Path) -> Result<Value, SetError> {
    let given = value.as_str().ok_or_else(|| wrong(at, "a text"))?;
    if text.format == Format::Secret && given == HIDDEN {
        return match old {
            Some(old @ Value::String(_)) => Ok(old.clone()),
            _ => Err(invalid(
                at,
                value,
                "a secret: there is none yet that could stay as it is",
            )),
        };
    }
    clean(text.format, given, at, text.max).map(Value::from)
}

/// A text as it is kept: trimmed, and what its format says.
pub(super) fn clean(
    format: Format,
    given: &str,
    at: &Path,
    max: usize,
) -> Result<String, SetError> {
    let is_secret = format == Format::Secret;
    let kept = if is_secret { given } else { given.trim() };
    if kept.is_empty() {
        let error = ValidationError::MinLength {
            property: at.to_string(),
            required: 1,
        };
        return Err(SetError::invalid(error, format!("{at} must not be empty")));
    }
    if kept.chars().count() > max {
        let error = ValidationError::MaxLength {
            property: at.to_string(),
            required: i64::try_from(max).unwrap_or(i64::MAX),
        };
        let why = format!("{at} must have at most {max} characters");
        return Err(SetError::invalid(error, why));
    }
    let is_lines = format == Format::Text;
    let is_control = |c: char| c.is_control() && !(is_lines && matches!(c, '\n' | '\r' | '\t'));
    if kept.chars().any(is_control) {
        let shown = Value::from(if is_secret { HIDDEN } else { kept });
        return Err(invalid(at, &shown, "without control characters"));
    }
    match formatted(format, kept) {
        Ok(kept) => Ok(kept),
        Err(allowed) => Err(invalid(at, &kept.into(), allowed)),
    }
}

/// What is kept of a text in this format, or what would be right.
fn formatted(format: Format, text: &str) -> Result<String, &'static str> {
    match format {
        Format::String | Format::Text | Format::Secret => Ok(text.to_owned()),
        Format::Uri => is_uri(text)
            .then(|| text.to_owned())
            .ok_or("a URL that begins with http:// or https://"),
        Format::EmailAddress => address(text).ok_or("an address of mail, such as bill@example.org"),
        Format::IpAddress => text
            .parse::<IpAddr>()
            .map(|ip| ip.to_string())
            .map_err(|_| "an IP address"),
        Format::Domain => domain(text).ok_or("a domain, such as example.org"),
    }
}

fn is_uri(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let rest = lower
        .strip_prefix("http://")
        .or_else(|| lower.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
        && !text.contains(char::is_whitespace)
}

fn address(text: &str) -> Option<String> {
    let (local, host) = text.rsplit_once('@')?;
    let is_local = !local.is_empty() && local.len() <= 64 && !local.contains(char::is_whitespace);
    is_local
        .then(|| domain(host))?
        .map(|host| format!("{}@{host}", local.to_lowercase()))
}

fn domain(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    (text.len() <= 253 && text.split('.').all(is_label)).then_some(text)
}

fn whole(number: Number, value: &Value, at: &Path) -> Result<Value, SetError> {
    let allowed = match number.format {
        NumberFormat::Duration => "a whole number of milliseconds",
        NumberFormat::Size => "a whole number of bytes",
        NumberFormat::Integer => "a whole number",
        NumberFormat::Float => "a number",
        NumberFormat::UnsignedInteger => "a whole number, not below zero",
    };
    let given = value.as_i64().ok_or_else(|| wrong(at, allowed))?;
    let (error, bound) = if given < number.min {
        let required = number.min;
        let property = at.to_string();
        (
            ValidationError::MinValue { property, required },
            format!("at least {required}"),
        )
    } else if given > number.max {
        let required = number.max;
        let property = at.to_string();
        (
            ValidationError::MaxValue { property, required },
            format!("at most {required}"),
        )
    } else {
        return Ok(given.into());
    };
    Err(SetError::invalid(error, format!("{at} must be {bound}")))
}

fn date(value: &Value, at: &Path) -> Result<Value, SetError> {
    let allowed = "a time such as 2026-02-03T04:05:06Z";
    let text = value.as_str().ok_or_else(|| wrong(at, allowed))?;
    match time::parse_rfc3339(text) {
        Ok(time_ns) => Ok(time::rfc3339(time_ns).into()),
        Err(_) => Err(wrong(at, allowed)),
    }
}

fn word(of: Enum, value: &Value, at: &Path) -> Result<Value, SetError> {
    match value.as_str() {
        Some(text) if of.has(text) => Ok(text.into()),
        _ => Err(wrong(at, &of.allowed())),
    }
}
