//! Answers, written as text.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use tidings_admin::{Answer, MethodError, SetError};

use super::unavailable;

/// The answer to `get`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetAnswer {
    pub(super) account_id: String,
    pub(super) state: String,
    pub(super) list: Vec<Box<RawValue>>,
    pub(super) not_found: Vec<String>,
}

/// The answer to `query`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryAnswer {
    pub(super) account_id: String,
    pub(super) query_state: String,
    pub(super) can_calculate_changes: bool,
    pub(super) position: usize,
    pub(super) ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<usize>,
    /// There are more than `total`: counting stops at 100,000.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_total_cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<usize>,
}

/// The answer to `set`; what is empty is left out, as the reference does.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetAnswer {
    pub(super) account_id: String,
    pub(super) old_state: String,
    pub(super) new_state: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) created: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) updated: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) destroyed: Vec<String>,
    #[serde(skip_serializing_if = "Refused::is_empty")]
    pub(super) not_created: Refused,
    #[serde(skip_serializing_if = "Refused::is_empty")]
    pub(super) not_updated: Refused,
    #[serde(skip_serializing_if = "Refused::is_empty")]
    pub(super) not_destroyed: Refused,
}

/// Errors by the name or id of their object, in the order in which they came.
#[derive(Default)]
pub(super) struct Refused(Vec<(String, SetError)>);

impl Refused {
    pub(super) fn add(&mut self, name: &str, error: SetError) {
        self.0.push((name.to_owned(), error));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Refused {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, error)| (name, error)))
    }
}

/// The answer to `changes`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangesAnswer {
    pub(super) account_id: String,
    pub(super) old_state: String,
    pub(super) new_state: String,
    pub(super) has_more_changes: bool,
    pub(super) created: Vec<String>,
    pub(super) updated: Vec<String>,
    pub(super) destroyed: Vec<String>,
}

/// The answer to `queryChanges`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryChangesAnswer {
    pub(super) account_id: String,
    pub(super) old_query_state: String,
    pub(super) new_query_state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<usize>,
    pub(super) removed: Vec<String>,
    pub(super) added: Vec<AddedItem>,
}

/// A result that is new, and where it stands.
#[derive(Serialize)]
pub(super) struct AddedItem {
    pub(super) id: String,
    pub(super) index: usize,
}

/// Arguments of an answer as text.
pub(super) fn raw(value: &impl Serialize) -> Result<Box<RawValue>, MethodError> {
    to_raw_value(value).map_err(|error| unavailable(&error))
}

/// The body of the answer to a request.
pub(super) fn body(
    answers: &[Answer],
    created: Option<&HashMap<String, String>>,
    state: &str,
) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        method_responses: Vec<(&'a str, &'a RawValue, &'a str)>,
        session_state: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_ids: Option<&'a HashMap<String, String>>,
    }
    let body = Body {
        method_responses: answers
            .iter()
            .map(|answer| (answer.name.as_str(), &*answer.arguments, answer.id.as_str()))
            .collect(),
        session_state: state,
        created_ids: created.filter(|created| !created.is_empty()),
    };
    serde_json::to_string(&body).unwrap_or_default()
}
