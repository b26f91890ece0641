//! Filters of queries in the language of searches (`docs/reference/filter.md`).

use serde_json::Value;
use tidings_admin::{Compare, Filter, MethodError};
use tidings_event::time;

/// A filter in the language of searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// It always holds.
    Everything,
    /// It never holds.
    Nothing,
    /// It holds where this does.
    Text(String),
}

/// What a property says in the language of searches.
type Word<'w> = &'w dyn Fn(&str, Compare, &Value) -> Result<String, MethodError>;

impl Search {
    /// The filter in the language of searches; `word` says what a property means.
    pub(super) fn of(filter: Option<&Filter>, word: Word<'_>) -> Result<Search, MethodError> {
        filter.map_or(Ok(Search::Everything), |filter| search(filter, word))
    }
}

fn search(filter: &Filter, word: Word<'_>) -> Result<Search, MethodError> {
    let all = |parts: &[Filter]| -> Result<Vec<Search>, MethodError> {
        parts.iter().map(|part| search(part, word)).collect()
    };
    match filter {
        Filter::All(parts) => Ok(every(all(parts)?)),
        Filter::Any(parts) => Ok(any(all(parts)?)),
        Filter::None(parts) => Ok(match any(all(parts)?) {
            Search::Everything => Search::Nothing,
            Search::Nothing => Search::Everything,
            Search::Text(text) => Search::Text(format!("NOT ({text})")),
        }),
        Filter::Property {
            name,
            compare,
            value,
        } => word(name, *compare, value).map(Search::Text),
    }
}

fn every(parts: Vec<Search>) -> Search {
    joined(parts, " ", Search::Nothing, Search::Everything)
}

fn any(parts: Vec<Search>) -> Search {
    joined(parts, " OR ", Search::Everything, Search::Nothing)
}

/// Joins parts; one that is `decides` is the result, one that is `counts_not` is left out.
fn joined(parts: Vec<Search>, by: &str, decides: Search, counts_not: Search) -> Search {
    let mut texts = Vec::new();
    for part in parts {
        match part {
            Search::Text(text) => texts.push(format!("({text})")),
            part if part == decides => return decides,
            _ => {}
        }
    }
    if texts.is_empty() {
        return counts_not;
    }
    Search::Text(texts.join(by))
}

/// A text in quotes, nothing in which means anything but itself.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// What a condition on a field of searches is there.
pub(super) fn field(name: &str, compare: Compare, value: &Value) -> Result<String, MethodError> {
    let sign = match compare {
        Compare::Equal => ":",
        Compare::Greater => ">",
        Compare::GreaterOrEqual => ">=",
        Compare::Less => "<",
        Compare::LessOrEqual => "<=",
    };
    let value = match value {
        Value::String(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => {
            let why = format!("the filter {name} must be a text, a number, or true or false");
            return Err(MethodError::filter(why));
        }
    };
    Ok(format!("{name}{sign}{value}"))
}

/// What a condition on the time is there.
pub(super) fn timestamp(compare: Compare, value: &Value) -> Result<String, MethodError> {
    let (time_ns, text) = time_of(value)?;
    if compare == Compare::Equal {
        // The whole of the second, or what is as precise as it is written.
        return Ok(format!("time:{}", quoted(text)));
    }
    // To the nanosecond: a second would be a stretch of time, which `>` leaves out as a whole.
    let whole = time::rfc3339_seconds(time_ns.div_euclid(1_000_000_000));
    let whole = whole.trim_end_matches('Z');
    let fraction = time_ns.rem_euclid(1_000_000_000);
    field("time", compare, &format!("{whole}.{fraction:09}Z").into())
}

/// A time of a filter, in nanoseconds.
pub(super) fn time_of(value: &Value) -> Result<(i64, &str), MethodError> {
    let wrong = || {
        let why = "a timestamp must be a time such as 2026-02-03T04:05:06Z";
        MethodError::filter(why)
    };
    let text = value.as_str().ok_or_else(wrong)?;
    let time_ns = time::parse_rfc3339(text).map_err(|_| wrong())?;
    Ok((time_ns, text))
}

/// A text of a filter.
pub(super) fn text<'v>(name: &str, value: &'v Value) -> Result<&'v str, MethodError> {
    value
        .as_str()
        .ok_or_else(|| MethodError::filter(format!("the filter {name} must be a text")))
}

/// It cannot be compared so.
pub(super) fn only_equal(name: &str, compare: Compare) -> Result<(), MethodError> {
    if compare == Compare::Equal {
        return Ok(());
    }
    Err(MethodError::filter(format!(
        "{name} has no order; filter by {name} itself"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(filter: Value) -> Search {
        let filter = Filter::read(&filter).unwrap();
        Search::of(Some(&filter), &field).unwrap()
    }

    #[test]
    fn trees_become_searches() {
        let text = |text: &str| Search::Text(text.to_owned());
        for (filter, expected) in [
            (json!({}), Search::Everything),
            (json!({ "from": "a@b.c" }), text(r#"from:"a@b.c""#)),
            (
                json!({ "from": "x", "sizeIsGreaterThan": 5 }),
                text(r#"(from:"x") (size>5)"#),
            ),
            (
                json!({ "operator": "OR", "conditions": [{ "from": "x" }, { "to": "y" }] }),
                text(r#"(from:"x") OR (to:"y")"#),
            ),
            (
                json!({ "operator": "NOT", "conditions": [{ "from": "x" }] }),
                text(r#"NOT ((from:"x"))"#),
            ),
            (
                json!({ "operator": "NOT", "conditions": [] }),
                Search::Everything,
            ),
            (
                json!({ "operator": "NOT", "conditions": [{}] }),
                Search::Nothing,
            ),
            (
                json!({ "operator": "OR", "conditions": [] }),
                Search::Nothing,
            ),
            (
                json!({ "operator": "OR", "conditions": [{}, { "to": "y" }] }),
                Search::Everything,
            ),
        ] {
            assert_eq!(of(filter.clone()), expected, "{filter}");
        }
    }

    #[test]
    fn texts_mean_nothing_but_themselves() {
        assert_eq!(quoted(r#"a" OR "b"#), r#""a\" OR \"b""#);
        assert_eq!(quoted(r"a\"), r#""a\\""#);
    }

    #[test]
    fn times_are_exact() {
        let given = json!("2026-02-03T04:05:06.5Z");
        let text = timestamp(Compare::Less, &given).unwrap();
        assert_eq!(text, r#"time<"2026-02-03T04:05:06.500000000Z""#);
        assert!(timestamp(Compare::Less, &json!(5)).is_err());
    }
}
