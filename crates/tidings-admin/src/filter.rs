//! Filters of `query` (RFC 8620, 5.5): conditions on properties, joined by `AND`, `OR` and `NOT`.

use serde_json::{Map, Value};

use crate::error::MethodError;

/// Deepest nesting.
const DEPTH_MAX: usize = 16;

/// Most conditions.
const CONDITIONS_MAX: usize = 256;

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of these hold.
    All(Vec<Filter>),
    /// One of these holds.
    Any(Vec<Filter>),
    /// None of these holds.
    None(Vec<Filter>),
    /// A property compares so.
    Property {
        /// The property's name.
        name: String,
        /// How it compares.
        compare: Compare,
        /// With what.
        value: Value,
    },
}

/// How a property compares with a value: the suffix of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// No suffix: it is equal, or contains it.
    Equal,
    /// `IsGreaterThan`.
    Greater,
    /// `IsGreaterThanOrEqual`.
    GreaterOrEqual,
    /// `IsLessThan`.
    Less,
    /// `IsLessThanOrEqual`.
    LessOrEqual,
}

/// Suffixes; a longer one before the one that it begins with.
const SUFFIXES: [(&str, Compare); 4] = [
    ("IsGreaterThanOrEqual", Compare::GreaterOrEqual),
    ("IsLessThanOrEqual", Compare::LessOrEqual),
    ("IsGreaterThan", Compare::Greater),
    ("IsLessThan", Compare::Less),
];

impl Filter {
    /// Reads a filter: an object with conditions, all of which must hold, or with `operator` and
    /// `conditions`.
    ///
    /// # Errors
    /// `unsupportedFilter` where it is neither, or too large.
    pub fn read(value: &Value) -> Result<Filter, MethodError> {
        let mut left = CONDITIONS_MAX;
        read(value, DEPTH_MAX, &mut left)
    }

    /// Whether it holds, by what holds of its properties.
    pub fn holds(&self, property: &mut dyn FnMut(&str, Compare, &Value) -> bool) -> bool {
        match self {
            Filter::All(all) => all.iter().all(|one| one.holds(property)),
            Filter::Any(any) => any.iter().any(|one| one.holds(property)),
            Filter::None(none) => !none.iter().any(|one| one.holds(property)),
            Filter::Property {
                name,
                compare,
                value,
            } => property(name, *compare, value),
        }
    }

    /// Every condition on a property, wherever it stands.
    pub fn properties(&self, each: &mut dyn FnMut(&str, Compare, &Value)) {
        match self {
            Filter::All(parts) | Filter::Any(parts) | Filter::None(parts) => {
                for part in parts {
                    part.properties(each);
                }
            }
            Filter::Property {
                name,
                compare,
                value,
            } => each(name, *compare, value),
        }
    }
}

impl Compare {
    /// Whether an order of (what there is, what it is compared with) is what is asked for.
    #[must_use]
    pub fn admits(self, order: std::cmp::Ordering) -> bool {
        match self {
            Compare::Equal => order.is_eq(),
            Compare::Greater => order.is_gt(),
            Compare::GreaterOrEqual => order.is_ge(),
            Compare::Less => order.is_lt(),
            Compare::LessOrEqual => order.is_le(),
        }
    }
}

fn read(value: &Value, depth: usize, left: &mut usize) -> Result<Filter, MethodError> {
    let Some(members) = value.as_object() else {
        return Err(MethodError::filter("a filter must be an object"));
    };
    let Some(depth) = depth.checked_sub(1) else {
        let why = format!("filters may be nested {DEPTH_MAX} deep");
        return Err(MethodError::filter(why));
    };
    match (members.get("operator"), members.get("conditions")) {
        (None, None) => conditions(members, left),
        (Some(operator), Some(Value::Array(parts))) if members.len() == 2 => {
            let parts = parts
                .iter()
                .map(|part| read(part, depth, left))
                .collect::<Result<Vec<_>, _>>()?;
            match operator.as_str() {
                Some("AND") => Ok(Filter::All(parts)),
                Some("OR") => Ok(Filter::Any(parts)),
                Some("NOT") => Ok(Filter::None(parts)),
                _ => Err(MethodError::filter("operator must be AND, OR or NOT")),
            }
        }
        _ => {
            let why = "a filter has either properties, or operator (AND, OR or NOT) and conditions (a list)";
            Err(MethodError::filter(why))
        }
    }
}

fn conditions(members: &Map<String, Value>, left: &mut usize) -> Result<Filter, MethodError> {
    let mut all = Vec::new();
    for (name, value) in members {
        *left = left.checked_sub(1).ok_or_else(|| {
            MethodError::filter(format!("a filter may have {CONDITIONS_MAX} conditions"))
        })?;
        let (name, compare) = parted(name);
        all.push(Filter::Property {
            name: name.to_owned(),
            compare,
            value: value.clone(),
        });
    }
    Ok(match all.len() {
        1 => all.remove(0),
        _ => Filter::All(all),
    })
}

fn parted(name: &str) -> (&str, Compare) {
    for (suffix, compare) in SUFFIXES {
        if let Some(name) = name.strip_suffix(suffix).filter(|name| !name.is_empty()) {
            return (name, compare);
        }
    }
    (name, Compare::Equal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_joined() {
        let is_one = |name: &str, _: Compare, value: &Value| value[name] == 1;
        let of = json!({ "a": 1, "b": 2 });
        for (filter, expected) in [
            (json!({ "a": of }), true),
            (json!({ "b": of }), false),
            (json!({ "a": of, "b": of }), false),
            (json!({}), true),
            (
                json!({ "operator": "OR", "conditions": [{ "b": of }, { "a": of }] }),
                true,
            ),
            (json!({ "operator": "OR", "conditions": [] }), false),
            (
                json!({ "operator": "NOT", "conditions": [{ "b": of }] }),
                true,
            ),
            (
                json!({ "operator": "NOT", "conditions": [{ "b": of }, { "a": of }] }),
                false,
            ),
        ] {
            let read = Filter::read(&filter).unwrap();
            assert_eq!(
                read.holds(&mut |name, compare, value| is_one(name, compare, value)),
                expected,
                "{filter}"
            );
        }
    }

    #[test]
    fn suffixes_say_how_to_compare() {
        for (given, name, compare) in [
            ("timestamp", "timestamp", Compare::Equal),
            ("timestampIsGreaterThan", "timestamp", Compare::Greater),
            (
                "timestampIsGreaterThanOrEqual",
                "timestamp",
                Compare::GreaterOrEqual,
            ),
            ("sizeIsLessThanOrEqual", "size", Compare::LessOrEqual),
            ("sizeIsLessThan", "size", Compare::Less),
            ("IsLessThan", "IsLessThan", Compare::Equal),
        ] {
            assert_eq!(parted(given), (name, compare));
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let mut deep = json!({});
        for _ in 0..20 {
            deep = json!({ "operator": "AND", "conditions": [deep] });
        }
        let many: Map<String, Value> = (0..300).map(|n| (n.to_string(), n.into())).collect();
        for filter in [
            json!([]),
            json!("x"),
            json!({ "operator": "XOR", "conditions": [] }),
            json!({ "operator": "AND" }),
            json!({ "operator": "AND", "conditions": {} }),
            json!({ "operator": "AND", "conditions": [], "a": 1 }),
            json!({ "operator": "AND", "conditions": [1] }),
            deep,
            Value::Object(many),
        ] {
            assert!(Filter::read(&filter).is_err(), "{filter}");
        }
    }
}
