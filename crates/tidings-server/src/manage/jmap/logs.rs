//! `Log`: each event of the history as an entry.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tidings_admin::arguments::{Get, Query};
use tidings_admin::{Compare, Filter, MethodError};
use tidings_engine::{EventQuery, FoundEvent, Place};
use tidings_event::filter::FieldSet;
use tidings_event::text::{TextStyle, write_details};
use tidings_event::time::rfc3339_seconds;
use tidings_event::{EventType, Level};

use super::filter::{Search, field, only_equal, quoted, text, timestamp};
use super::history::{asked, ids, page};
use super::respond::raw;
use super::{OBJECTS_MAX, Session};
use crate::manage::Hider;

/// Filters by the words of an entry, and by our language; by its properties; and by any key of events.
fn word(name: &str, compare: Compare, value: &Value) -> Result<String, MethodError> {
    match name {
        "text" => {
            only_equal(name, compare)?;
            Ok(quoted(text(name, value)?))
        }
        "q" => search_text(name, compare, value, &FieldSet::EVENTS),
        "timestamp" => timestamp(compare, value),
        "event" => {
            only_equal(name, compare)?;
            let event = text(name, value)?;
            match EventType::from_name(event) {
                Some(kind) => Ok(format!("type:{}", kind.name())),
                None => Err(MethodError::filter(format!(
                    "there is no event type {event:?}"
                ))),
            }
        }
        "level" => match text(name, value)?.parse::<Level>() {
            Ok(level) => {
                field("level", compare, &level.as_str().into()).map(|text| text.replace('"', ""))
            }
            Err(_) => Err(MethodError::filter(
                "level must be error, warn, info, debug or trace",
            )),
        },
        key => match FieldSet::EVENTS.names().find(|known| *known == key) {
            Some(key) => field(key, compare, value),
            None => Err(MethodError::filter(format!(
                "Log cannot be filtered by {key:?}; it can by text, q, level, event, timestamp and every key of events"
            ))),
        },
    }
}

/// A filter that is written in the language of searches already.
pub(super) fn search_text(
    name: &str,
    compare: Compare,
    value: &Value,
    fields: &FieldSet,
) -> Result<String, MethodError> {
    only_equal(name, compare)?;
    let text = text(name, value)?;
    match tidings_event::filter::Filter::parse(text, fields) {
        Ok(filter) if filter.is_everything() => Ok("time>0001-01-01".to_owned()),
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(MethodError::filter(error.render(text))),
    }
}

impl Session<'_> {
    pub(super) fn query_logs(&mut self, query: &Query) -> Result<Box<RawValue>, MethodError> {
        let search = search(query.filter.as_ref())?;
        let anchor = match &query.anchor {
            Some(id) => self.entries(std::slice::from_ref(id))?.pop().flatten(),
            None => None,
        };
        let anchor = anchor.map(|found| found.place());
        let find = |behind: Option<Place>, limit: usize| {
            let Some(filter) = &search else {
                return Ok(Vec::new());
            };
            let query = EventQuery {
                filter: filter.clone(),
                behind,
                scope: self.scope.clone(),
                limit,
                now_ns: self.now_ns,
                ..EventQuery::default()
            };
            self.manager.engine.event_places(&query).map_err(asked)
        };
        let results = page(query, anchor, &find)?;
        self.results(results, &|place| self.entry_id(place))
    }

    pub(super) fn get_logs(&mut self, get: &Get) -> Result<Box<RawValue>, MethodError> {
        let (mut list, mut not_found) = (Vec::new(), Vec::new());
        let properties = get.properties.as_deref();
        match ids(get)? {
            None => {
                let newest = EventQuery {
                    scope: self.scope.clone(),
                    limit: OBJECTS_MAX,
                    now_ns: self.now_ns,
                    ..EventQuery::default()
                };
                for found in self.manager.engine.events(&newest).map_err(asked)? {
                    let id = self.entry_id(found.place());
                    list.push(entry(&found, &id, properties)?);
                }
            }
            Some(ids) => {
                for (id, found) in ids.iter().zip(self.entries(ids)?) {
                    match found {
                        Some(found) => list.push(entry(&found, id, properties)?),
                        None => not_found.push(id.clone()),
                    }
                }
            }
        }
        self.records(list, not_found)
    }
}

impl Session<'_> {
    /// The id of an entry.
    fn entry_id(&self, place: Place) -> String {
        match self.scope {
            None => place.to_string(),
            Some(_) => self.manager.hider.hide(place),
        }
    }

    /// The entries with these ids, in their order.
    fn entries(&self, ids: &[String]) -> Result<Vec<Option<FoundEvent>>, MethodError> {
        let engine = &self.manager.engine;
        let Some(scope) = &self.scope else {
            let places: Vec<Option<Place>> = ids.iter().map(|id| Place::parse(id)).collect();
            let known: Vec<Place> = places.iter().copied().flatten().collect();
            let mut found = engine.events_at(&known).map_err(asked)?.into_iter();
            let entries = places
                .into_iter()
                .map(|place| place.and_then(|_| found.next().flatten()));
            return Ok(entries.collect());
        };
        let mut entries = Vec::new();
        for id in ids {
            let Some(time_ns) = Hider::time_ns(id) else {
                entries.push(None);
                continue;
            };
            let of_moment = EventQuery {
                since_ns: Some(time_ns),
                until_ns: Some(time_ns),
                scope: Some(Arc::clone(scope)),
                limit: usize::MAX,
                now_ns: self.now_ns,
                ..EventQuery::default()
            };
            let found = engine.events(&of_moment).map_err(asked)?;
            let hider = &self.manager.hider;
            entries.push(
                found
                    .into_iter()
                    .find(|found| hider.hide(found.place()) == *id),
            );
        }
        Ok(entries)
    }
}

/// The search of a filter; nothing where nothing can pass it.
fn search(filter: Option<&Filter>) -> Result<Option<String>, MethodError> {
    Ok(match Search::of(filter, &word)? {
        Search::Everything => Some(String::new()),
        Search::Nothing => None,
        Search::Text(text) => Some(text),
    })
}

/// An event as an entry of the log.
fn entry(
    found: &FoundEvent,
    id: &str,
    properties: Option<&[String]>,
) -> Result<Box<RawValue>, MethodError> {
    let event = found.event();
    let mut details = Vec::new();
    write_details(&mut details, &event, None, &TextStyle::default());
    let entry = json!({
        "timestamp": rfc3339_seconds(event.time_ns().div_euclid(1_000_000_000)),
        "level": event.level().as_str(),
        "event": event.kind().name(),
        "details": String::from_utf8_lossy(&details),
    });
    raw(&super::small::selected(entry, id, properties))
}
