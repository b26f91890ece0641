//! `Message`: the story of a message.

use std::cell::RefCell;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tidings_admin::arguments::{Get, Query};
use tidings_admin::{Compare, MethodError};
use tidings_engine::{MESSAGE_FIELDS, MessageQuery, Place, message_object};
use tidings_event::Id;
use tidings_mail::message::Message;

use super::filter::{Search, field, text, timestamp};
use super::history::{asked, ids, page};
use super::logs::search_text;
use super::respond::raw;
use super::small::{is_wanted, selected};
use super::{OBJECTS_MAX, Session, unavailable};

/// Properties that take reading every event of a message.
const TOLD: [&str; 2] = ["summaries", "timeline"];

/// Filters by our language, which `text` is here, and by every field of messages.
fn word(name: &str, compare: Compare, value: &Value) -> Result<String, MethodError> {
    match name {
        "text" | "q" => search_text(name, compare, value, &MESSAGE_FIELDS),
        "timestamp" => timestamp(compare, value),
        "verdict" => field("status", compare, value),
        "queueId" => {
            // Of the ways to write it down, what a log has is the usual one.
            let id = text(name, value)?;
            field("queueId", compare, &id.into())
        }
        name => match MESSAGE_FIELDS.names().find(|known| *known == name) {
            Some(name) => field(name, compare, value),
            None => Err(MethodError::filter(format!(
                "Message cannot be filtered by {name:?}; it can by text, timestamp and every field of messages: \
                 from, to, status, account, ip, …"
            ))),
        },
    }
}

impl Session<'_> {
    pub(super) fn query_messages(&mut self, query: &Query) -> Result<Box<RawValue>, MethodError> {
        let search = match Search::of(query.filter.as_ref(), &word)? {
            Search::Everything => Some(String::new()),
            Search::Nothing => None,
            Search::Text(text) => Some(text),
        };
        let anchor = match query.anchor.as_deref().and_then(Id::parse) {
            Some(id) => self.message(id)?.map(|message| Place::of_message(&message)),
            None => None,
        };
        let engine = &self.manager.engine;
        let met = RefCell::new(Vec::new());
        let find = |behind: Option<Place>, limit: usize| {
            let Some(filter) = &search else {
                return Ok(Vec::new());
            };
            let query = MessageQuery {
                filter: filter.clone(),
                behind,
                scope: self.scope.clone(),
                limit,
                now_ns: self.now_ns,
                ..MessageQuery::default()
            };
            if limit > OBJECTS_MAX + 1 {
                return engine.message_places(&query).map_err(asked);
            }
            let found = engine.messages(&query).map_err(asked)?;
            let places = found.iter().map(Place::of_message).collect();
            *met.borrow_mut() = found;
            Ok(places)
        };
        let results = page(query, anchor, &find)?;
        let met = met.into_inner();
        let found = met
            .into_iter()
            .map(|message| (Id(message.id).to_string(), message));
        self.found.messages.extend(found);
        self.results(results, &|place| place.id().to_string())
    }

    pub(super) fn get_messages(&mut self, get: &Get) -> Result<Box<RawValue>, MethodError> {
        let properties = get.properties.as_deref();
        let (mut list, mut not_found) = (Vec::new(), Vec::new());
        match ids(get)? {
            None => {
                let newest = MessageQuery {
                    scope: self.scope.clone(),
                    limit: OBJECTS_MAX,
                    now_ns: self.now_ns,
                    ..MessageQuery::default()
                };
                for message in self.manager.engine.messages(&newest).map_err(asked)? {
                    let id = Id(message.id).to_string();
                    list.push(self.story(&id, &message, properties)?);
                }
            }
            Some(ids) => {
                for id in ids {
                    let found = match self.found.messages.get(id) {
                        Some(message) => Some(message.clone()),
                        None => match Id::parse(id) {
                            Some(id) => self.message(id)?,
                            None => None,
                        },
                    };
                    match found {
                        Some(message) => list.push(self.story(id, &message, properties)?),
                        None => not_found.push(id.clone()),
                    }
                }
            }
        }
        self.records(list, not_found)
    }

    /// The message that holds the leg with this id.
    fn message(&self, id: Id) -> Result<Option<Message>, MethodError> {
        let scope = self.scope.as_deref();
        self.manager.engine.message(id, scope).map_err(asked)
    }

    /// A message as it is shown, under the id by which it was asked for.
    fn story(
        &self,
        id: &str,
        message: &Message,
        properties: Option<&[String]>,
    ) -> Result<Box<RawValue>, MethodError> {
        let mut shown = as_json(message_object(message))?;
        let recipients: Vec<&str> = message
            .recipients
            .iter()
            .map(|recipient| recipient.address.as_str())
            .filter(|address| !address.is_empty())
            .collect();
        let to = match recipients.is_empty() {
            true => Value::Null,
            false => recipients.join("; ").into(),
        };
        let mut renamed = Map::new();
        for (name, value) in std::mem::take(&mut shown) {
            let (name, value) = match name.as_str() {
                "id" => continue,
                "time" => ("timestamp".to_owned(), value),
                "lastTime" => ("lastTimestamp".to_owned(), value),
                "queueIds" | "hosts" => (name, members(value)),
                "recipients" | "joins" | "related" => (name, numbered(value)),
                _ => (name, value),
            };
            renamed.insert(name, value);
        }
        renamed.insert("to".to_owned(), to);
        if properties.is_some_and(|wanted| TOLD.iter().any(|name| is_wanted(name, Some(wanted)))) {
            let story = self
                .manager
                .engine
                .story_of(message, self.scope.as_deref())
                .map_err(asked)?;
            let told = as_json(story)?;
            for name in TOLD {
                let value = told.get(name).cloned().unwrap_or(Value::Null);
                renamed.insert(name.to_owned(), numbered(value));
            }
        }
        raw(&selected(Value::Object(renamed), id, properties))
    }
}

fn as_json(object: impl serde::Serialize) -> Result<Map<String, Value>, MethodError> {
    match serde_json::to_value(object) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(unavailable(&error)),
    }
}

/// A list as JMAP objects have it: `{"0":…,"1":…}`.
fn numbered(list: Value) -> Value {
    match list {
        Value::Array(entries) => {
            let keys = (0_usize..).map(|number| number.to_string());
            Value::Object(keys.zip(entries).collect())
        }
        other => other,
    }
}

/// A set as JMAP objects have it: `{"member":true}`.
fn members(list: Value) -> Value {
    match list {
        Value::Array(entries) => {
            let names = entries.iter().filter_map(Value::as_str);
            Value::Object(names.map(|name| (name.to_owned(), true.into())).collect())
        }
        other => other,
    }
}
