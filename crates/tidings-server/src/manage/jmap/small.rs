//! Objects of which there are few: all of them are looked at.

use std::cmp::Ordering;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tidings_admin::arguments::{Get, Query};
use tidings_admin::describe::{FilterKind, Object, Takes};
use tidings_admin::{Compare, Filter, MethodError, MethodErrorType, Page, SINGLETON, show};
use tidings_event::time;

use super::history::ids;
use super::respond::{GetAnswer, QueryAnswer, raw};
use super::{RESULTS_MAX, Session};

/// An object with the text of its id.
pub(crate) struct Item {
    pub(crate) id: String,
    /// Where it stands in the order of ids.
    pub(crate) order: u64,
    pub(crate) value: Map<String, Value>,
}

/// The members of a record that are asked for, and `id`.
pub(super) fn selected(record: Value, id: &str, properties: Option<&[String]>) -> Value {
    let Value::Object(mut record) = record else {
        return record;
    };
    let is_known = |wanted: &[String]| {
        wanted
            .iter()
            .any(|name| name == "id" || record.contains_key(name))
    };
    if properties.is_some_and(is_known) {
        record.retain(|name, _| is_wanted(name, properties));
    }
    record.insert("id".to_owned(), id.into());
    Value::Object(record)
}

/// Whether a property is asked for.
pub(super) fn is_wanted(name: &str, properties: Option<&[String]>) -> bool {
    properties.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == name))
}

/// Those of some objects that pass a query, in its order.
pub(super) fn selection<'i>(
    object: &Object,
    items: &'i [Item],
    query: &Query,
) -> Result<Vec<&'i Item>, MethodError> {
    if let Some(filter) = &query.filter {
        check(object, filter)?;
    }
    let passes = |item: &&Item| {
        let mut holds =
            |name: &str, compare: Compare, value: &Value| holds(item, name, compare, value);
        query
            .filter
            .as_ref()
            .is_none_or(|filter| filter.holds(&mut holds))
    };
    let mut selected: Vec<&Item> = items.iter().filter(passes).collect();
    let sort = query.sort.as_ref().and_then(|sort| sort.first());
    let (property, is_ascending) = match sort {
        None => ("id", false),
        Some(sort) => (sort.property.as_str(), sort.is_ascending),
    };
    let is_known = property == "id" || object.list.columns.contains(&property);
    if !is_known {
        let property: String = property.chars().take(100).collect();
        let columns = object.list.columns.join(", ");
        let why = format!(
            "{} can be sorted by id, {columns}, not by {property:?}",
            object.name
        );
        return Err(MethodError::new(MethodErrorType::UnsupportedSort, why));
    }
    selected.sort_by(|one, other| {
        let by_property = match property {
            "id" => Ordering::Equal,
            name => ordered(one.value.get(name), other.value.get(name)),
        };
        let order = by_property.then(one.order.cmp(&other.order));
        if is_ascending { order } else { order.reverse() }
    });
    Ok(selected)
}

/// Refuses conditions on what the object cannot be filtered by.
fn check(object: &Object, filter: &Filter) -> Result<(), MethodError> {
    let mut wrong = None;
    filter.properties(&mut |name, compare, value| {
        if wrong.is_none() {
            wrong = refused(object, name, compare, value);
        }
    });
    wrong.map_or(Ok(()), |why| Err(MethodError::filter(why)))
}

fn refused(object: &Object, name: &str, compare: Compare, value: &Value) -> Option<String> {
    let filters = object.list.filters;
    let Some(filterable) = filters.iter().find(|filter| filter.name == name) else {
        let name: String = name.chars().take(100).collect();
        let names: Vec<&str> = filters.iter().map(|filter| filter.name).collect();
        return Some(if names.is_empty() {
            format!("{} cannot be filtered", object.name)
        } else {
            format!(
                "{} can be filtered by {}, not by {name:?}",
                object.name,
                names.join(", ")
            )
        });
    };
    let is_ordered = matches!(filterable.kind, FilterKind::Date | FilterKind::Integer);
    if compare != Compare::Equal && !is_ordered {
        return Some(format!("{name} has no order; filter by {name} itself"));
    }
    let is_right = match filterable.kind {
        FilterKind::Text => value.is_string(),
        FilterKind::Enum(of) => value.as_str().is_some_and(|word| of.has(word)),
        FilterKind::Date => value
            .as_str()
            .is_some_and(|text| time::parse_rfc3339(text).is_ok()),
        FilterKind::Integer => value.is_i64() || value.is_u64(),
    };
    (!is_right).then(|| match filterable.kind {
        FilterKind::Enum(of) => format!("{name} must be {}", of.allowed()),
        FilterKind::Date => format!("{name} must be a time such as 2026-02-03T04:05:06Z"),
        FilterKind::Integer => format!("{name} must be a whole number"),
        FilterKind::Text => format!("{name} must be a text"),
    })
}

fn holds(item: &Item, name: &str, compare: Compare, value: &Value) -> bool {
    if name == "text" {
        let needle = value.as_str().unwrap_or_default().to_lowercase();
        let has = |value: &Value| {
            value
                .as_str()
                .is_some_and(|text| text.to_lowercase().contains(&needle))
        };
        return item.value.values().any(has);
    }
    match item.value.get(name) {
        None | Some(Value::Null) => false,
        Some(found) => compare.admits(ordered(Some(found), Some(value))),
    }
}

fn ordered(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    match (one, other) {
        (Some(Value::String(one)), Some(Value::String(other))) => {
            match (time::parse_rfc3339(one), time::parse_rfc3339(other)) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                _ => one.cmp(other),
            }
        }
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_i64().cmp(&other.as_i64()),
        (Some(Value::Bool(one)), Some(Value::Bool(other))) => one.cmp(other),
        (Some(Value::Object(one)), Some(Value::Object(other))) => one.keys().cmp(other.keys()),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

impl Session<'_> {
    /// The answer to a query of few objects.
    pub(super) fn query_items(
        &self,
        object: &Object,
        items: &[Item],
        state: &str,
        can_calculate_changes: bool,
        query: &Query,
    ) -> Result<Box<RawValue>, MethodError> {
        let selected = selection(object, items, query)?;
        let anchor = query.anchor.as_ref();
        let anchor = anchor.and_then(|id| selected.iter().position(|item| item.id == *id));
        let page = Page::of(query, selected.len(), anchor, RESULTS_MAX)?;
        let ids = selected.iter().skip(page.start).take(page.count);
        raw(&QueryAnswer {
            account_id: self.who.account.to_string(),
            query_state: state.to_owned(),
            can_calculate_changes,
            position: page.start,
            ids: ids.map(|item| item.id.clone()).collect(),
            total: query
                .calculate_total
                .unwrap_or(false)
                .then_some(selected.len()),
            is_total_cut: false,
            limit: page.limit,
        })
    }

    /// The answer to a `get` of few objects.
    pub(super) fn get_items(
        &self,
        object: &Object,
        items: &[Item],
        state: &str,
        get: &Get,
    ) -> Result<Box<RawValue>, MethodError> {
        let (mut list, mut not_found) = (Vec::new(), Vec::new());
        let shown = |item: &Item| {
            raw(&show(
                object,
                &item.id,
                &item.value,
                get.properties.as_deref(),
            ))
        };
        match ids(get)? {
            None => {
                for item in items.iter().take(super::OBJECTS_MAX) {
                    list.push(shown(item)?);
                }
            }
            Some(ids) => {
                for id in ids {
                    match items.iter().find(|item| item.id == *id) {
                        Some(item) => list.push(shown(item)?),
                        None => not_found.push(id.clone()),
                    }
                }
            }
        }
        raw(&GetAnswer {
            account_id: self.who.account.to_string(),
            state: state.to_owned(),
            list,
            not_found,
        })
    }
}

/// Whether an object refers to this id.
pub(super) fn refers(object: &Object, value: &Map<String, Value>, to: &Object, id: &str) -> bool {
    object
        .form
        .all_fields()
        .iter()
        .any(|field| match field.takes {
            Takes::ObjectId { object, .. } if object == to.name && id != SINGLETON => {
                value.get(field.name).and_then(Value::as_str) == Some(id)
            }
            _ => false,
        })
}
