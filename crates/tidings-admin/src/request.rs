//! A request of the JMAP API (RFC 8620, 3.3): what it uses, its method calls, and references of calls to
//! the results of earlier ones (3.7).

mod reference;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{MethodError, RequestError, RequestErrorType};

/// The capabilities that RFC 8620 and the reference name.
pub const CORE: &str = "urn:ietf:params:jmap:core";

/// The capability of the management API, under the reference's name.
pub const MANAGEMENT: &str = "urn:stalwart:jmap";

/// Registered names that clients for mail put into `using` whatever they ask for. Their methods are
/// answered with `unknownMethod`.
const REGISTERED: [&str; 20] = [
    "blob",
    "calendars",
    "calendars:parse",
    "contacts",
    "contacts:parse",
    "filenode",
    "mail",
    "mdn",
    "metadata",
    "principals",
    "principals:availability",
    "principals:owner",
    "quota",
    "sieve",
    "smimeverify",
    "submission",
    "tasks",
    "vacationresponse",
    "webpush-vapid",
    "websocket",
];

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be done, in order.
    pub calls: Vec<Call>,
    /// Ids of objects that were created in earlier requests, by the names that they had there;
    /// nothing where the client does not keep them.
    pub created_ids: Option<Map<String, Value>>,
}

/// A method call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method: `x:Tracer/get`.
    pub name: String,
    /// Its arguments, references still in them.
    pub arguments: Map<String, Value>,
    /// What the answer is marked with.
    pub id: String,
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The method, or `error`.
    pub name: String,
    /// The arguments of the answer, as text.
    pub arguments: Box<RawValue>,
    /// The mark of the call.
    pub id: String,
}

#[derive(Deserialize)]
struct Envelope {
    using: Vec<String>,
    #[serde(rename = "methodCalls")]
    calls: Vec<(String, Map<String, Value>, String)>,
    #[serde(rename = "createdIds", default)]
    created_ids: Option<Map<String, Value>>,
}

impl Request {
    /// Reads a request of at most `calls_max` calls.
    ///
    /// # Errors
    /// When it is no JSON, no request, uses what there is not, or has too many calls.
    pub fn read(body: &[u8], calls_max: usize) -> Result<Request, RequestError> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            RequestError::new(
                RequestErrorType::NotJson,
                format!("the body is no JSON: {error}"),
            )
        })?;
        let envelope: Envelope = serde_json::from_value(value).map_err(|error| {
            let detail = format!(
                "the body must have `using`, a list of texts, and `methodCalls`, a list of [method, arguments, \
                 id]: {error}"
            );
            RequestError::new(RequestErrorType::NotRequest, detail)
        })?;
        if let Some(unknown) = envelope.using.iter().find(|name| !is_known(name)) {
            let name: String = unknown.chars().take(200).collect();
            return Err(RequestError::new(
                RequestErrorType::UnknownCapability,
                format!("{name:?} is not supported here; supported are {CORE} and {MANAGEMENT}"),
            ));
        }
        if envelope.calls.len() > calls_max {
            return Err(RequestError::new(
                RequestErrorType::Limit("maxCallsInRequest"),
                format!("a request may have at most {calls_max} method calls"),
            ));
        }
        let calls = envelope.calls.into_iter();
        Ok(Request {
            calls: calls
                .map(|(name, arguments, id)| Call {
                    name,
                    arguments,
                    id,
                })
                .collect(),
            created_ids: envelope.created_ids,
        })
    }
}

impl Call {
    /// The arguments with references replaced by what they refer to in earlier answers.
    ///
    /// # Errors
    /// `invalidResultReference`, or `invalidArguments` where an argument is given both ways.
    pub fn resolved(&self, answers: &[Answer]) -> Result<Map<String, Value>, MethodError> {
        reference::resolve(&self.arguments, answers)
    }
}

impl Answer {
    /// An answer whose arguments are this value.
    #[must_use]
    pub fn of(name: &str, arguments: &impl serde::Serialize, id: &str) -> Answer {
        let arguments = serde_json::value::to_raw_value(arguments)
            .unwrap_or_else(|_| RawValue::NULL.to_owned());
        Answer {
            name: name.to_owned(),
            arguments,
            id: id.to_owned(),
        }
    }

    /// The answer to a call that failed.
    #[must_use]
    pub fn error(error: &MethodError, id: &str) -> Answer {
        Answer::of("error", error, id)
    }
}

fn is_known(name: &str) -> bool {
    name == MANAGEMENT
        || name
            .strip_prefix("urn:ietf:params:jmap:")
            .is_some_and(|name| name == "core" || REGISTERED.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(body: &str) -> RequestErrorType {
        Request::read(body.as_bytes(), 16).unwrap_err().kind
    }

    #[test]
    fn what_is_no_request_is_told_by_kind() {
        for body in ["", "{", "\u{0}", "{\"using\":[]"] {
            assert_eq!(kind(body), RequestErrorType::NotJson, "{body}");
        }
        for body in [
            "{}",
            "[]",
            "null",
            r#"{"using":["urn:ietf:params:jmap:core"]}"#,
            r#"{"using":"x","methodCalls":[]}"#,
            r#"{"using":[],"methodCalls":[["x:Log/get",{}]]}"#,
            r#"{"using":[],"methodCalls":[["x:Log/get",[],"c"]]}"#,
            r#"{"using":[],"methodCalls":[["x:Log/get",{},0]]}"#,
            r#"{"using":[],"methodCalls":[],"createdIds":[]}"#,
        ] {
            assert_eq!(kind(body), RequestErrorType::NotRequest, "{body}");
        }
        for name in ["urn:example", "urn:ietf:params:jmap:nonsense", ""] {
            let body = format!(r#"{{"using":["{name}"],"methodCalls":[]}}"#);
            assert_eq!(kind(&body), RequestErrorType::UnknownCapability, "{name}");
        }
        let calls = vec![r#"["x:Log/get",{},"c"]"#; 17].join(",");
        let body = format!(r#"{{"using":[],"methodCalls":[{calls}]}}"#);
        assert_eq!(kind(&body), RequestErrorType::Limit("maxCallsInRequest"));
    }

    #[test]
    fn the_names_that_the_references_web_page_uses_are_accepted() {
        let mut using = vec![CORE.to_owned(), MANAGEMENT.to_owned()];
        for name in [
            "blob",
            "mail",
            "calendars",
            "contacts",
            "principals",
            "sieve",
            "vacationresponse",
        ] {
            using.push(format!("urn:ietf:params:jmap:{name}"));
        }
        let body = serde_json::json!({ "using": using, "methodCalls": [["x:Log/get", { "ids": null }, "0"]] });
        let request = Request::read(body.to_string().as_bytes(), 16).unwrap();
        assert_eq!(request.calls[0].name, "x:Log/get");
        assert!(request.created_ids.is_none());
    }
}
