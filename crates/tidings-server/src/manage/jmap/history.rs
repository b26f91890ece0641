//! What queries over the history have in common: pages of places, newest first.

use std::sync::Arc;

use serde_json::value::RawValue;
use tidings_admin::arguments::{Get, Query};
use tidings_admin::{MethodError, MethodErrorType};
use tidings_engine::{Error, EventQuery, Place};

use super::respond::{GetAnswer, QueryAnswer, raw};
use super::{COUNTED_MAX, OBJECTS_MAX, RESULTS_MAX, Session, too_large, unavailable};

/// Finds the places of results: those behind one, at most so many.
pub(super) type Find<'f> = &'f dyn Fn(Option<Place>, usize) -> Result<Vec<Place>, MethodError>;

/// The results that are asked for, with what is known of the others.
pub(super) struct Results {
    pub(super) places: Vec<Place>,
    position: usize,
    total: Option<usize>,
    is_total_cut: bool,
    limit: Option<usize>,
}

/// Goes through results as RFC 8620, 5.5 says. `anchor` is the place of the anchor, if there is one.
pub(super) fn page(
    query: &Query,
    anchor: Option<Place>,
    find: Find<'_>,
) -> Result<Results, MethodError> {
    if query.anchor.is_some() && anchor.is_none() {
        return Err(MethodError::new(
            MethodErrorType::AnchorNotFound,
            "the anchor is not among the results",
        ));
    }
    let asked = query
        .limit
        .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let count = asked.unwrap_or(RESULTS_MAX).min(RESULTS_MAX);
    let is_ascending = is_ascending(query)?;
    let counts = query.calculate_total.unwrap_or(false);
    let offset = query.anchor_offset.unwrap_or(0);
    let mut results = match anchor {
        Some(place) if offset >= 0 && !is_ascending && !counts => {
            behind(place, offset, count, find)?
        }
        _ => counted(query, anchor, is_ascending, count, find)?,
    };
    let is_more = results.places.len() > count;
    results.places.truncate(count);
    if is_more || asked.is_some_and(|asked| asked > RESULTS_MAX) {
        results.limit = Some(count);
    }
    if !counts {
        results.total = None;
        results.is_total_cut = false;
    }
    Ok(results)
}

/// The next page: the results from so many behind a place on, and one more.
fn behind(place: Place, offset: i64, count: usize, find: Find<'_>) -> Result<Results, MethodError> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let wanted = offset.saturating_add(count);
    if wanted > COUNTED_MAX {
        return Err(too_far());
    }
    let mut places = vec![place];
    places.extend(find(Some(place), wanted + 1)?);
    places.drain(..offset.min(places.len()));
    places.truncate(count + 1);
    Ok(Results {
        places,
        // Where it stands among all would have to be counted.
        position: 0,
        total: None,
        is_total_cut: false,
        limit: None,
    })
}

/// Results by their position among all.
fn counted(
    query: &Query,
    anchor: Option<Place>,
    is_ascending: bool,
    count: usize,
    find: Find<'_>,
) -> Result<Results, MethodError> {
    let counts = query.calculate_total.unwrap_or(false);
    let position = query.position.unwrap_or(0);
    let is_short = anchor.is_none() && position >= 0 && !is_ascending && !counts;
    let wanted = if is_short {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        position.saturating_add(count).saturating_add(1)
    } else {
        COUNTED_MAX + 1
    };
    if wanted > COUNTED_MAX + 1 {
        return Err(too_far());
    }
    let mut places = find(None, wanted)?;
    let is_cut = places.len() > COUNTED_MAX;
    if is_cut && (is_ascending || (anchor.is_none() && position < 0)) {
        let why = format!(
            "there are more than {COUNTED_MAX} results, too many to begin at the oldest; narrow the time"
        );
        return Err(MethodError::new(MethodErrorType::UnsupportedSort, why));
    }
    if is_ascending {
        places.reverse();
    }
    let found = anchor.and_then(|anchor| places.iter().position(|place| *place == anchor));
    let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let start = match (anchor, found) {
        (Some(_), Some(at)) => signed(at).saturating_add(query.anchor_offset.unwrap_or(0)),
        (Some(_), None) => {
            let why = format!("the anchor is not among the first {COUNTED_MAX} results");
            return Err(MethodError::new(MethodErrorType::AnchorNotFound, why));
        }
        (None, _) if position < 0 => signed(places.len()).saturating_add(position),
        (None, _) => position,
    };
    let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX);
    let total = places.len().min(COUNTED_MAX);
    places.drain(..start.min(places.len()));
    Ok(Results {
        places,
        position: start,
        total: Some(total),
        is_total_cut: is_cut,
        limit: None,
    })
}

fn too_far() -> MethodError {
    MethodError::arguments(format!(
        "position and limit reach beyond {COUNTED_MAX} results; go on by `anchor`, the id of the last one"
    ))
}

/// Whether the oldest come first. Results can be sorted by time, which is the order of their ids.
fn is_ascending(query: &Query) -> Result<bool, MethodError> {
    let Some(sort) = query.sort.as_ref().and_then(|sort| sort.first()) else {
        return Ok(false);
    };
    if !matches!(sort.property.as_str(), "id" | "timestamp") {
        let property: String = sort.property.chars().take(100).collect();
        let why = format!("results can be sorted by id or timestamp, not by {property:?}");
        return Err(MethodError::new(MethodErrorType::UnsupportedSort, why));
    }
    Ok(sort.is_ascending)
}

/// What the engine refuses, or cannot do.
pub(super) fn asked(error: Error) -> MethodError {
    match error {
        Error::Asked(why) => MethodError::filter(why),
        error => unavailable(&error),
    }
}

impl Session<'_> {
    /// The answer to a query with these results.
    pub(super) fn results(
        &self,
        results: Results,
        id: &dyn Fn(Place) -> String,
    ) -> Result<Box<RawValue>, MethodError> {
        raw(&QueryAnswer {
            account_id: self.who.account.to_string(),
            query_state: self.history_state()?,
            can_calculate_changes: false,
            position: results.position,
            ids: results.places.iter().map(|place| id(*place)).collect(),
            total: results.total,
            is_total_cut: results.is_total_cut,
            limit: results.limit,
        })
    }

    /// The answer to a `get` of records.
    pub(super) fn records(
        &self,
        list: Vec<Box<RawValue>>,
        not_found: Vec<String>,
    ) -> Result<Box<RawValue>, MethodError> {
        raw(&GetAnswer {
            account_id: self.who.account.to_string(),
            state: self.history_state()?,
            list,
            not_found,
        })
    }

    /// The state of the history: how far it is filled; for who may see some of it, what is its newest.
    pub(super) fn history_state(&self) -> Result<String, MethodError> {
        let manager = self.manager;
        if let Some(scope) = &self.scope {
            let newest = EventQuery {
                scope: Some(Arc::clone(scope)),
                limit: 1,
                now_ns: self.now_ns,
                ..EventQuery::default()
            };
            let newest = manager.engine.event_places(&newest).map_err(asked)?;
            let newest = newest.first().map(|place| manager.hider.hide(*place));
            return Ok(newest.unwrap_or_default());
        }
        let sealed = manager.engine.history_sequence();
        Ok(format!("{sealed}-{}", manager.head().unwrap_or(sealed)))
    }
}

/// The ids of a `get`, unless there are too many.
pub(super) fn ids(get: &Get) -> Result<Option<&[String]>, MethodError> {
    match &get.ids {
        Some(ids) if ids.len() > OBJECTS_MAX => Err(too_large(&format!(
            "at most {OBJECTS_MAX} objects are given at a time"
        ))),
        ids => Ok(ids.as_deref()),
    }
}
