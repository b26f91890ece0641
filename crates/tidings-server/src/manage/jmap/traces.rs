//! `Trace`: a session or a delivery attempt with its events.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tidings_admin::arguments::{Get, Query};
use tidings_admin::{Compare, Filter, MethodError};
use tidings_engine::{FoundSpan, Place, SpanFilter, SpanQuery};
use tidings_event::filter::FieldSet;
use tidings_event::json::write_registry;
use tidings_event::time::rfc3339_seconds;
use tidings_event::token::tokens_of;
use tidings_event::{EventRef, EventType, Id, Key, Value as EventValue};

use super::filter::{field, only_equal, quoted, text, time_of};
use super::history::{asked, ids, page};
use super::logs::search_text;
use super::respond::raw;
use super::small::is_wanted;
use super::{OBJECTS_MAX, Session};

/// Most values of `to` in the list of recipients.
const RECIPIENTS_MAX: usize = 1_000;

/// A filter of traces: what has to hold, and when they began.
#[derive(Debug, Default)]
struct Wanted {
    filter: SpanFilter,
    since_ns: Option<i64>,
    until_ns: Option<i64>,
}

impl Wanted {
    fn of(filter: Option<&Filter>) -> Result<Wanted, MethodError> {
        let mut wanted = Wanted::default();
        if let Some(filter) = filter {
            wanted.filter = wanted.take(filter, true)?;
        }
        Ok(wanted)
    }

    /// What a filter means. Times bound the whole search, so they stand where everything must hold.
    fn take(&mut self, filter: &Filter, is_outer: bool) -> Result<SpanFilter, MethodError> {
        let mut all = |parts: &[Filter], is_outer: bool| -> Result<Vec<SpanFilter>, MethodError> {
            parts.iter().map(|part| self.take(part, is_outer)).collect()
        };
        match filter {
            Filter::All(parts) => Ok(SpanFilter::All(all(parts, is_outer)?)),
            Filter::Any(parts) => Ok(SpanFilter::Any(all(parts, false)?)),
            Filter::None(parts) => Ok(SpanFilter::Not(Box::new(SpanFilter::Any(all(
                parts, false,
            )?)))),
            Filter::Property {
                name,
                compare,
                value,
            } if name == "timestamp" => {
                if !is_outer {
                    let why =
                        "timestamp can be used beside other conditions, not within OR and NOT";
                    return Err(MethodError::filter(why));
                }
                self.bound(*compare, value)?;
                Ok(SpanFilter::default())
            }
            Filter::Property {
                name,
                compare,
                value,
            } => condition(name, *compare, value),
        }
    }

    fn bound(&mut self, compare: Compare, value: &Value) -> Result<(), MethodError> {
        let (time_ns, _) = time_of(value)?;
        let later = |bound: &mut Option<i64>, time: i64| {
            *bound = Some(bound.map_or(time, |old| old.max(time)))
        };
        let earlier = |bound: &mut Option<i64>, time: i64| {
            *bound = Some(bound.map_or(time, |old| old.min(time)))
        };
        match compare {
            Compare::Greater => later(&mut self.since_ns, time_ns.saturating_add(1)),
            Compare::GreaterOrEqual => later(&mut self.since_ns, time_ns),
            Compare::Less => earlier(&mut self.until_ns, time_ns.saturating_sub(1)),
            Compare::LessOrEqual => earlier(&mut self.until_ns, time_ns),
            // A trace says its time to the second.
            Compare::Equal => {
                let second = time_ns - time_ns.rem_euclid(1_000_000_000);
                later(&mut self.since_ns, second);
                earlier(&mut self.until_ns, second.saturating_add(999_999_999));
            }
        }
        Ok(())
    }
}

fn condition(name: &str, compare: Compare, value: &Value) -> Result<SpanFilter, MethodError> {
    let by_key = |key: &str| Ok(SpanFilter::Event(field(key, compare, value)?));
    if matches!(name, "text" | "event" | "queueId") {
        only_equal(name, compare)?;
    }
    match name {
        "text" => Ok(words(text(name, value)?)),
        "q" => Ok(SpanFilter::Event(search_text(
            name,
            compare,
            value,
            &FieldSet::EVENTS,
        )?)),
        "event" => {
            let event = text(name, value)?;
            match EventType::from_name(event) {
                Some(kind) => Ok(SpanFilter::Begins(vec![kind])),
                None => Err(MethodError::filter(format!(
                    "there is no event type {event:?}"
                ))),
            }
        }
        "queueId" => {
            let id = text(name, value)?;
            let by_name = SpanFilter::Event(format!("mtaQueueId={}", quoted(id)));
            Ok(match Id::parse(id) {
                Some(id) => SpanFilter::Any(vec![
                    SpanFilter::Event(format!("queueId:{}", id.0)),
                    by_name,
                ]),
                None => by_name,
            })
        }
        "account" => Ok(SpanFilter::Any(vec![
            by_key("accountName")?,
            by_key("accountId")?,
        ])),
        "remoteHost" => Ok(SpanFilter::Any(vec![
            by_key("hostname")?,
            by_key("domain")?,
        ])),
        key => match FieldSet::EVENTS.names().find(|known| *known == key) {
            Some(key) => by_key(key),
            None => Err(MethodError::filter(format!(
                "Trace cannot be filtered by {key:?}; it can by text, q, event, queueId, account, remoteIp, \
                 remoteHost, timestamp and every key of events"
            ))),
        },
    }
}

/// All words of a text, each in some event of the span.
fn words(text: &str) -> SpanFilter {
    let mut words = Vec::new();
    tokens_of(text, &mut |word: &str| {
        if words.len() < 64 {
            words.push(SpanFilter::Event(quoted(word)));
        }
    });
    SpanFilter::All(words)
}

/// A place of a span, by its id.
fn place_of(id: Id) -> Place {
    Place::of_id(id.time_ns(), id.0)
}

impl Session<'_> {
    pub(super) fn query_traces(&mut self, query: &Query) -> Result<Box<RawValue>, MethodError> {
        let wanted = Wanted::of(query.filter.as_ref())?;
        let anchor = match query.anchor.as_deref().and_then(Id::parse) {
            Some(id) => self.spans(&[id])?.pop().flatten().map(|_| place_of(id)),
            None => None,
        };
        let find = |behind: Option<Place>, limit: usize| {
            let query = SpanQuery {
                filter: wanted.filter.clone(),
                since_ns: wanted.since_ns,
                until_ns: wanted.until_ns,
                behind,
                scope: self.scope.clone(),
                limit,
                now_ns: self.now_ns,
            };
            self.manager.engine.span_places(&query).map_err(asked)
        };
        let results = page(query, anchor, &find)?;
        self.results(results, &|place| place.id().to_string())
    }

    pub(super) fn get_traces(&mut self, get: &Get) -> Result<Box<RawValue>, MethodError> {
        let engine = &self.manager.engine;
        let properties = get.properties.as_deref();
        let (mut list, mut not_found) = (Vec::new(), Vec::new());
        match ids(get)? {
            None => {
                let newest = SpanQuery {
                    scope: self.scope.clone(),
                    limit: OBJECTS_MAX,
                    now_ns: self.now_ns,
                    ..SpanQuery::default()
                };
                for span in engine.spans(&newest).map_err(asked)? {
                    list.push(trace(&span, properties)?);
                }
            }
            Some(ids) => {
                let parsed: Vec<Option<Id>> = ids.iter().map(|id| Id::parse(id)).collect();
                let known: Vec<Id> = parsed.iter().copied().flatten().collect();
                let mut found = self.spans(&known)?.into_iter();
                for (id, parsed) in ids.iter().zip(parsed) {
                    match parsed.and_then(|_| found.next().flatten()) {
                        Some(span) => list.push(trace(&span, properties)?),
                        None => not_found.push(id.clone()),
                    }
                }
            }
        }
        self.records(list, not_found)
    }
}

impl Session<'_> {
    /// The spans with these ids, in their order, as far as they may be seen.
    fn spans(&self, ids: &[Id]) -> Result<Vec<Option<FoundSpan>>, MethodError> {
        let found = self.manager.engine.spans_with_ids(ids).map_err(asked)?;
        let Some(scope) = &self.scope else {
            return Ok(found);
        };
        let seen = found
            .into_iter()
            .map(|span| span.and_then(|span| scope.span(span)));
        Ok(seen.collect())
    }
}

/// A span as a trace.
fn trace(span: &FoundSpan, properties: Option<&[String]>) -> Result<Box<RawValue>, MethodError> {
    #[derive(Serialize)]
    struct Trace {
        #[serde(skip_serializing_if = "Option::is_none")]
        events: Option<Box<RawValue>>,
        #[serde(flatten)]
        others: Map<String, Value>,
    }
    let events: Vec<EventRef<'_>> = span.events.iter().map(|found| found.event()).collect();
    let first_ns = events.first().map_or(span.id.time_ns(), EventRef::time_ns);
    let mut others = Map::new();
    others.insert(
        "timestamp".to_owned(),
        rfc3339_seconds(first_ns.div_euclid(1_000_000_000)).into(),
    );
    if let Some(from) = first(&events, Key::FROM) {
        let text = from.as_str().map_or(Value::Null, Value::from);
        others.insert("from".to_owned(), text);
    }
    if let Some(to) = first(&events, Key::TO) {
        others.insert("to".to_owned(), listed(&to));
    }
    if let Some(size) = events.iter().find_map(|event| event.uint(Key::SIZE)) {
        others.insert("size".to_owned(), size.into());
    }
    others.retain(|name, _| is_wanted(name, properties));
    others.insert("id".to_owned(), span.id.to_string().into());
    let events = if is_wanted("events", properties) {
        Some(all_events(&events)?)
    } else {
        None
    };
    raw(&Trace { events, others })
}

/// The first value of a key.
fn first<'e>(events: &[EventRef<'e>], key: Key) -> Option<EventValue<'e>> {
    events.iter().find_map(|event| event.get(key))
}

/// Recipients, with `; ` between them.
fn listed(to: &EventValue<'_>) -> Value {
    match to {
        EventValue::Str(text) => (*text).into(),
        EventValue::Array(array) => {
            let texts: Vec<&str> = array
                .filter_map(|value| value.as_str())
                .take(RECIPIENTS_MAX)
                .collect();
            texts.join("; ").into()
        }
        _ => Value::Null,
    }
}

/// `{"0":…,"1":…}`.
fn all_events(events: &[EventRef<'_>]) -> Result<Box<RawValue>, MethodError> {
    let mut json = Vec::with_capacity(512 * events.len());
    json.push(b'{');
    for (number, event) in events.iter().enumerate() {
        if number > 0 {
            json.push(b',');
        }
        json.extend_from_slice(format!("\"{number}\":").as_bytes());
        write_registry(&mut json, event);
    }
    json.push(b'}');
    let text = String::from_utf8(json).map_err(|error| super::unavailable(&error))?;
    RawValue::from_string(text).map_err(|error| super::unavailable(&error))
}
