//! JMAP (RFC 8620): the methods `get`, `set`, `query`, `changes` and `queryChanges` of all objects.
//!
//! A request's calls are answered one after the other, on a thread that may block. What a query has
//! found is remembered until the request's end, so that a `get` of it need not look again.

mod catalogue;
mod filter;
mod history;
mod kept;
mod logs;
mod messages;
mod respond;
mod samples;
mod small;
mod traces;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use tidings_admin::describe::{Kind, Object};
use tidings_admin::{Answer, Call, MethodError, MethodErrorType, Request, Verb};
use tidings_engine::Scope;
use tidings_mail::message::Message;

pub(crate) use small::Item;

use super::{Identity, Manager};

/// Most calls of a request.
pub(crate) const CALLS_MAX: usize = 16;

/// Most bytes of a request.
pub(crate) const REQUEST_BYTES_MAX: usize = 10_000_000;

/// Most requests of one client at a time, as the session says.
pub(crate) const REQUESTS_MAX: usize = 64;

/// Most objects that one `get` gives, and one `set` takes.
pub(crate) const OBJECTS_MAX: usize = 500;

/// Most results of a query.
const RESULTS_MAX: usize = 5_000;

/// Results that are counted, and gone through by position.
const COUNTED_MAX: usize = 100_000;

/// Most bytes of all answers to a request together.
const ANSWERS_BYTES_MAX: usize = 64 << 20;

/// What there is while a request is answered.
struct Session<'m> {
    manager: &'m Manager,
    who: &'m Identity,
    /// What may be seen of mail, if that is not everything.
    scope: Option<Arc<Scope>>,
    now_ns: i64,
    /// Ids of new objects by the names that the request has for them.
    created: HashMap<String, String>,
    /// What was found, for `get`.
    found: Found,
    /// Bytes that answers may still have.
    bytes_left: usize,
}

/// What the queries of a request have found, by the ids that they gave.
#[derive(Default)]
struct Found {
    messages: HashMap<String, Message>,
}

/// Answers a request; gives the body of the answer.
pub(crate) fn answer(manager: &Manager, who: &Identity, request: &Request, now_ns: i64) -> String {
    let given = request.created_ids.clone().unwrap_or_default();
    let mut session = Session {
        manager,
        who,
        scope: who.scope(),
        now_ns,
        created: given
            .iter()
            .filter_map(|(name, id)| Some((name.clone(), id.as_str()?.to_owned())))
            .collect(),
        found: Found::default(),
        bytes_left: ANSWERS_BYTES_MAX,
    };
    let mut answers: Vec<Answer> = Vec::new();
    for call in &request.calls {
        let result = call
            .resolved(&answers)
            .and_then(|arguments| session.call(call, arguments));
        answers.push(match result {
            Ok(answer) => answer,
            Err(error) => Answer::error(&error, &call.id),
        });
    }
    let created = request.created_ids.as_ref().map(|_| &session.created);
    respond::body(&answers, created, &who.state())
}

impl Session<'_> {
    fn call(&mut self, call: &Call, arguments: Map<String, Value>) -> Result<Answer, MethodError> {
        if call.name == "Core/echo" {
            return Ok(Answer::of(&call.name, &arguments, &call.id));
        }
        let (object, method) = named(&call.name)?;
        let result = match method {
            "get" => self.get(object, arguments)?,
            "query" => self.query(object, arguments)?,
            "set" => self.set(object, arguments)?,
            "changes" => self.changes(object, arguments)?,
            "queryChanges" => self.query_changes(object, arguments)?,
            _ => return Err(unknown(&call.name)),
        };
        let answer = Answer {
            name: call.name.clone(),
            arguments: result,
            id: call.id.clone(),
        };
        let Some(left) = self.bytes_left.checked_sub(answer.arguments.get().len()) else {
            return Err(too_large(
                "the answers of a request may have 64 MiB together; ask for fewer objects or properties",
            ));
        };
        self.bytes_left = left;
        Ok(answer)
    }

    /// Refuses who may not do this to an object.
    fn needs(&self, object: &Object, verb: Verb) -> Result<(), MethodError> {
        self.who
            .needs(&format!("{}{}", object.permission_prefix(), verb.name()))
    }
}

/// The object and the verb of `x:Tracer/get`.
fn named(name: &str) -> Result<(&'static Object, &str), MethodError> {
    let parts = name
        .strip_prefix("x:")
        .and_then(|name| name.split_once('/'));
    let found = parts.and_then(|(object, method)| Some((Object::named(object)?, method)));
    match found {
        Some((object, "query" | "queryChanges")) if object.kind == Kind::Singleton => {
            Err(unknown(name))
        }
        Some(found) => Ok(found),
        None => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> MethodError {
    let name: String = name.chars().take(200).collect();
    MethodError::new(
        MethodErrorType::UnknownMethod,
        format!("there is no method {name:?}"),
    )
}

fn too_large(why: &str) -> MethodError {
    MethodError::new(MethodErrorType::RequestTooLarge, why)
}

/// Something here is broken.
fn unavailable(why: &dyn std::fmt::Display) -> MethodError {
    MethodError::new(MethodErrorType::ServerUnavailable, why.to_string())
}
