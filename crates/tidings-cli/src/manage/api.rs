//! Calls of the management API, and what their refusals mean to somebody at the command line.

use serde_json::{Value, json};
use tidings_admin::SINGLETON;
use tidings_admin::describe::{Kind, Object};

use super::Map;
use crate::failure::{Failure, FailureKind};
use crate::http::Server;

/// Objects that are asked for at a time.
const PAGE: usize = 200;

/// Objects that are written at a time; the server takes up to 500.
pub(super) const CHUNK: usize = 200;

/// The management API of a running server.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    server: Server,
}

/// Which objects to find.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The filter of the query, if any.
    pub(crate) filter: Option<Value>,
    /// The order, if not the usual one.
    pub(crate) sort: Option<Value>,
    /// At most so many.
    pub(crate) limit: Option<usize>,
    /// These properties; all where nothing is said.
    pub(crate) properties: Option<Vec<String>>,
}

impl Api {
    pub(crate) fn of(server: Server) -> Api {
        Api { server }
    }

    /// The objects with these ids; those that are not there are missing.
    pub(crate) fn get(
        &self,
        object: &Object,
        ids: &[String],
        properties: Option<&[String]>,
    ) -> Result<Vec<Map>, Failure> {
        let arguments = json!({ "ids": ids, "properties": properties });
        let mut answer = self.one(object, "get", &arguments)?;
        Ok(maps(answer.remove("list")))
    }

    /// The one object of a kind of which there is one.
    pub(crate) fn singleton(&self, object: &Object) -> Result<Map, Failure> {
        let found = self.get(object, &[SINGLETON.to_owned()], None)?;
        found.into_iter().next().ok_or_else(|| strange(object))
    }

    /// Hands over the objects that are found, page by page, until `each` gives `false`.
    pub(crate) fn find(
        &self,
        object: &Object,
        asked: &Asked,
        each: &mut dyn FnMut(Map) -> bool,
    ) -> Result<(), Failure> {
        let mut left = asked.limit.unwrap_or(usize::MAX);
        let mut anchor: Option<Value> = None;
        let (query, get) = (method(object, "query"), method(object, "get"));
        while left > 0 {
            let limit = left.min(PAGE);
            let mut arguments = json!({ "limit": limit });
            let members = [("filter", &asked.filter), ("sort", &asked.sort)];
            for (name, member) in members {
                if let Some(member) = member {
                    arguments[name] = member.clone();
                }
            }
            if let Some(anchor) = anchor.take() {
                arguments["anchor"] = anchor;
                arguments["anchorOffset"] = 1.into();
            }
            let ids = json!({ "resultOf": "q", "name": query, "path": "/ids" });
            let wanted = json!({ "#ids": ids, "properties": asked.properties });
            let calls = json!([[query, arguments, "q"], [get, wanted, "g"]]);
            let mut answers = self.server.call(&calls)?.into_iter();
            let mut next = |name: &str| match answers.next() {
                Some(answer) => content(object, name, answer),
                None => Err(strange(object)),
            };
            next(&query)?;
            let list = maps(next(&get)?.remove("list"));
            let count = list.len();
            anchor = list.last().and_then(|last| last.get("id").cloned());
            for one in list {
                left -= 1;
                if !each(one) {
                    return Ok(());
                }
            }
            if count < limit {
                return Ok(());
            }
        }
        Ok(())
    }

    /// All objects of a kind.
    pub(crate) fn all(&self, object: &Object) -> Result<Vec<Map>, Failure> {
        let mut all = Vec::new();
        self.find(object, &Asked::default(), &mut |one| {
            all.push(one);
            true
        })?;
        Ok(all)
    }

    /// Makes changes; gives the answer as it is, refusals of single objects among it.
    pub(crate) fn set(&self, object: &Object, arguments: &Value) -> Result<Map, Failure> {
        self.one(object, "set", arguments)
    }

    fn one(&self, object: &Object, verb: &str, arguments: &Value) -> Result<Map, Failure> {
        let name = method(object, verb);
        let calls = json!([[name, arguments, "c0"]]);
        let answer = self.server.call(&calls)?.into_iter().next();
        content(object, &name, answer.unwrap_or_default())
    }
}

/// What of an answer to `set` was refused under this member, by id: `notCreated`, `notUpdated`,
/// `notDestroyed`.
pub(crate) fn refused(answer: &Map, member: &str) -> Vec<(String, Value)> {
    let refused = answer.get(member).and_then(Value::as_object);
    let refused = refused.into_iter().flatten();
    refused
        .map(|(id, error)| (id.clone(), error.clone()))
        .collect()
}

/// A refusal of an object in words: what is wrong, and with which property.
pub(crate) fn words(error: &Value) -> String {
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    let problems = error["validationErrors"].as_array();
    let problems: Vec<String> = problems.into_iter().flatten().map(problem).collect();
    let mut words = match (text("description"), problems.is_empty()) {
        ("", true) => text("type").to_owned(),
        ("", false) => return problems.join("; "),
        (description, _) => description.to_owned(),
    };
    let properties = error["properties"].as_array();
    let properties: Vec<&str> = properties
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| !words.starts_with(*name))
        .collect();
    if !properties.is_empty() {
        words = format!("{}: {words}", properties.join(", "));
    }
    words
}

/// What is wrong with one property.
fn problem(error: &Value) -> String {
    let property = error["property"].as_str().unwrap_or_default();
    let limit = &error["required"];
    match error["type"].as_str().unwrap_or_default() {
        "Required" => format!("{property} is required"),
        "Invalid" => format!("{property} cannot be {}", error["value"]),
        "MaxLength" => format!("{property} is longer than {limit}"),
        "MinLength" => format!("{property} is shorter than {limit}"),
        "MaxValue" => format!("{property} is more than {limit}"),
        "MinValue" => format!("{property} is less than {limit}"),
        other => format!("{property}: {other}"),
    }
}

/// Refuses what asks for several of an object of which there is one, and the other way round.
pub(crate) fn check_kind(object: &Object, is_query: bool) -> Result<(), Failure> {
    let name = object.name;
    match object.kind {
        Kind::Singleton if is_query => Err(Failure::usage(format!(
            "there is one {name} only: `tidings get {name}`"
        ))),
        Kind::Action => Err(Failure::usage(format!(
            "{name} is something to do, of which nothing is kept: `tidings create {name}/…` \
             (`tidings describe {name}`)"
        ))),
        _ => Ok(()),
    }
}

fn method(object: &Object, verb: &str) -> String {
    format!("x:{}/{verb}", object.name)
}

/// The arguments of an answer, `[name, arguments, id]`.
fn content(object: &Object, name: &str, mut answer: Value) -> Result<Map, Failure> {
    let named = answer[0].as_str().unwrap_or_default().to_owned();
    let Some(Value::Object(content)) = answer.get_mut(1).map(Value::take) else {
        return Err(strange(object));
    };
    if named == name {
        return Ok(content);
    }
    if named != "error" {
        return Err(strange(object));
    }
    let error = Value::Object(content);
    let kind = match error["type"].as_str() {
        Some("forbidden" | "serverFail" | "serverUnavailable" | "serverPartialFail") => {
            FailureKind::Server
        }
        _ => FailureKind::Usage,
    };
    Err(Failure::new(kind, words(&error)))
}

fn strange(object: &Object) -> Failure {
    Failure::server(format!(
        "the server's answer about {} is not one of the management API",
        object.name
    ))
}

fn maps(list: Option<Value>) -> Vec<Map> {
    match list {
        Some(Value::Array(list)) => list
            .into_iter()
            .filter_map(|one| match one {
                Value::Object(one) => Some(one),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
