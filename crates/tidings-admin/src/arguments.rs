//! The arguments of the methods `get`, `set`, `query`, `changes` and `queryChanges` (RFC 8620, 5).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::MethodError;
use crate::filter::Filter;

/// Arguments of `get`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Get {
    /// Which objects; all of them where nothing is said.
    pub ids: Option<Vec<String>>,
    /// Which properties; all of them where nothing is said.
    pub properties: Option<Vec<String>>,
}

/// Arguments of `set`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Set {
    /// Nothing is done unless this is the state.
    pub if_in_state: Option<String>,
    /// New objects by names for this request.
    pub create: Option<Map<String, Value>>,
    /// Patches by id.
    pub update: Option<Map<String, Value>>,
    /// Ids of objects to remove.
    pub destroy: Option<Vec<String>>,
}

/// Arguments of `query`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Query {
    /// Which objects.
    #[serde(rename = "filter")]
    raw_filter: Option<Value>,
    /// In which order.
    pub sort: Option<Vec<Sort>>,
    /// How many results to leave out; below zero: from the end.
    pub position: Option<i64>,
    /// The id of the result from which to begin, instead.
    pub anchor: Option<String>,
    /// How many results behind the anchor to begin.
    pub anchor_offset: Option<i64>,
    /// Most results.
    pub limit: Option<u64>,
    /// Whether to count them all.
    pub calculate_total: Option<bool>,
    /// The filter, read.
    #[serde(skip)]
    pub filter: Option<Filter>,
}

/// An order of results.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sort {
    /// By what.
    pub property: String,
    /// Whether the least comes first.
    #[serde(default = "yes")]
    pub is_ascending: bool,
}

fn yes() -> bool {
    true
}

/// Arguments of `changes`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// The state from which on.
    pub since_state: String,
    /// Most ids.
    #[serde(default)]
    pub max_changes: Option<u64>,
}

/// Arguments of `queryChanges`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryChanges {
    /// As for `query`.
    #[serde(flatten)]
    pub query: Query,
    /// The state of the query from which on.
    pub since_query_state: String,
    /// Most ids.
    #[serde(default)]
    pub max_changes: Option<u64>,
}

impl Get {
    /// Reads them.
    ///
    /// # Errors
    /// `invalidArguments`.
    pub fn read(arguments: Map<String, Value>) -> Result<Get, MethodError> {
        read(arguments)
    }
}

impl Set {
    /// Reads them.
    ///
    /// # Errors
    /// `invalidArguments`.
    pub fn read(arguments: Map<String, Value>) -> Result<Set, MethodError> {
        read(arguments)
    }

    /// How many objects it is about.
    #[must_use]
    pub fn count(&self) -> usize {
        let of = |map: &Option<Map<String, Value>>| map.as_ref().map_or(0, Map::len);
        of(&self.create) + of(&self.update) + self.destroy.as_ref().map_or(0, Vec::len)
    }
}

impl Query {
    /// Reads them.
    ///
    /// # Errors
    /// `invalidArguments`, or `unsupportedFilter`.
    pub fn read(arguments: Map<String, Value>) -> Result<Query, MethodError> {
        read::<Query>(arguments)?.with_filter()
    }

    fn with_filter(mut self) -> Result<Query, MethodError> {
        self.filter = match self.raw_filter.take() {
            None | Some(Value::Null) => None,
            Some(filter) => Some(Filter::read(&filter)?),
        };
        Ok(self)
    }
}

impl Changes {
    /// Reads them.
    ///
    /// # Errors
    /// `invalidArguments`.
    pub fn read(arguments: Map<String, Value>) -> Result<Changes, MethodError> {
        read(arguments)
    }
}

impl QueryChanges {
    /// Reads them.
    ///
    /// # Errors
    /// `invalidArguments`, or `unsupportedFilter`.
    pub fn read(arguments: Map<String, Value>) -> Result<QueryChanges, MethodError> {
        let read: QueryChanges = read(arguments)?;
        Ok(QueryChanges {
            query: read.query.with_filter()?,
            ..read
        })
    }
}

fn read<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, MethodError> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| MethodError::arguments(format!("the arguments cannot be: {error}")))
}
