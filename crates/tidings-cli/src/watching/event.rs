//! What the stream of events carries: bundles of events in the registry's form, and gaps.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tidings_event::EventType;

use crate::failure::Failure;
use crate::http::Frame;
use crate::term::{clean, plural};

/// A frame of the stream of events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Live {
    /// Events, oldest first, in the form of `tidings events --json`.
    Events(Vec<Value>),
    /// Events that do not come.
    Gap(Gap),
    /// A sign of life, or something that a later version knows.
    Nothing,
}

/// Events that the server did not send.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Gap {
    /// How many; absent where nobody knows.
    pub(crate) count: Option<u64>,
    /// Why, in the server's word.
    pub(crate) reason: String,
}

impl Gap {
    /// What is missing and why, in words.
    pub(crate) fn sentence(&self) -> String {
        let what = match self.count {
            Some(count) => plural(count, "event", "events"),
            None => "some events".to_owned(),
        };
        match self.reason.as_str() {
            "slow-client" => {
                format!("{what} left out: they came faster than they could be taken")
            }
            "removed" => {
                format!("{what} left out: only the history has them by now (`tidings events`)")
            }
            "lost" => format!("{what} left out: they are damaged (`tidings verify`)"),
            "foreign-id" => {
                "events may be missing: this is another data directory; going on with what happens \
                 now"
                .to_owned()
            }
            other => format!("{what} left out: {}", clean(other)),
        }
    }

    /// The gap as a line of `--json`.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "gap": { "count": self.count, "reason": self.reason } })
    }
}

/// Reads a frame of the stream of events.
///
/// # Errors
/// [`Server`](crate::FailureKind::Server) if its data is not what its name says.
pub(crate) fn read_live(frame: &Frame) -> Result<Live, Failure> {
    let strange = |error: serde_json::Error| {
        let name = clean(&frame.event).into_owned();
        Failure::server(format!(
            "the server sent a frame {name} that cannot be read"
        ))
        .because(error)
    };
    match frame.event.as_str() {
        "trace" => {
            let events: Vec<Value> = serde_json::from_str(&frame.data).map_err(strange)?;
            Ok(Live::Events(events.into_iter().map(object_of).collect()))
        }
        "gap" => serde_json::from_str(&frame.data)
            .map(Live::Gap)
            .map_err(strange),
        _ => Ok(Live::Nothing),
    }
}

/// An event of the registry's form (`TraceEvent`) in that of `tidings events --json`. Its level is its
/// type's, as the registry's form has none.
fn object_of(mut event: Value) -> Value {
    let mut take = |name: &str| event.get_mut(name).map(Value::take).unwrap_or_default();
    let kind = take("event");
    let mut data = pairs_of(take("keyValues"));
    let raw = data.shift_remove("rawLine");
    let created = take("timestamp");
    let level = kind
        .as_str()
        .and_then(EventType::from_name)
        .map(|kind| kind.info().level.as_str());
    let mut object = Map::new();
    object.insert("createdAt".to_owned(), created);
    object.insert("type".to_owned(), kind);
    object.insert("data".to_owned(), Value::Object(data));
    if let Some(level) = level {
        object.insert("level".to_owned(), level.into());
    }
    if let Some(raw) = raw {
        object.insert("raw".to_owned(), raw);
    }
    Value::Object(object)
}

/// `{"0":{"key":…,"value":…},…}` as `{key: value, …}`.
fn pairs_of(positions: Value) -> Map<String, Value> {
    let Value::Object(positions) = positions else {
        return Map::new();
    };
    let pair = |mut item: Value| match item.get_mut("key").map(Value::take)? {
        Value::String(key) => {
            let value = item.get_mut("value").map(Value::take).unwrap_or_default();
            Some((key, value_of(value)))
        }
        _ => None,
    };
    positions
        .into_iter()
        .filter_map(|(_, item)| pair(item))
        .collect()
}

/// `{"@type":…,"value":…}` as the value itself.
fn value_of(mut typed: Value) -> Value {
    let value = typed.get_mut("value").map(Value::take).unwrap_or_default();
    match typed.get("@type").and_then(Value::as_str) {
        Some("List") => match value {
            Value::Object(items) => items.into_iter().map(|(_, item)| value_of(item)).collect(),
            _ => Value::Null,
        },
        Some("Event") => {
            let kind = typed.get_mut("event").map(Value::take).unwrap_or_default();
            json!({ "type": kind, "data": pairs_of(value) })
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(event: &str, data: &str) -> Frame {
        Frame {
            event: event.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_get_the_form_of_searches() {
        let data = r#"[{"event":"auth.failed","timestamp":"2026-11-22T13:00:00Z","keyValues":{
            "0":{"key":"accountName","value":{"@type":"String","value":"eve"}},
            "1":{"key":"remoteIp","value":{"@type":"IpAddr","value":"192.0.2.7"}},
            "2":{"key":"to","value":{"@type":"List","value":{
                "0":{"@type":"String","value":"a"},"1":{"@type":"UnsignedInt","value":7},"2":{"@type":"Null"}}}},
            "3":{"key":"causedBy","value":{"@type":"Event","event":"smtp.error","value":{
                "0":{"key":"code","value":{"@type":"Integer","value":-1}}}}},
            "4":{"key":"rawLine","value":{"@type":"String","value":"a line"}},
            "5":{"key":"spanId","value":{"@type":"UnsignedInt","value":99}}}}]"#;
        let Live::Events(events) = read_live(&frame("trace", data)).unwrap() else {
            panic!("no events");
        };
        assert_eq!(
            events,
            [json!({
                "createdAt": "2026-11-22T13:00:00Z", "type": "auth.failed", "level": "debug",
                "data": {
                    "accountName": "eve", "remoteIp": "192.0.2.7", "to": ["a", 7, null],
                    "causedBy": { "type": "smtp.error", "data": { "code": -1 } }, "spanId": 99,
                },
                "raw": "a line",
            })]
        );
    }

    #[test]
    fn what_is_strange_is_an_error_or_empty_and_never_a_panic() {
        for data in ["", "{}", "[", "1"] {
            assert!(read_live(&frame("trace", data)).is_err(), "{data}");
            assert!(read_live(&frame("gap", data)).is_err(), "{data}");
            assert_eq!(read_live(&frame("ping", data)).unwrap(), Live::Nothing);
        }
        for data in [
            "[1]",
            "[{}]",
            r#"[{"event":1,"keyValues":[]}]"#,
            r#"[{"keyValues":{"0":1,"1":{"key":2},"2":{"key":"x"},"3":{"key":"y","value":{"@type":"List","value":3}}}}]"#,
        ] {
            let live = read_live(&frame("trace", data)).unwrap();
            assert!(
                matches!(live, Live::Events(events) if events.len() == 1),
                "{data}"
            );
        }
    }

    #[test]
    fn gaps_say_what_is_missing() {
        let gap = |data| match read_live(&frame("gap", data)).unwrap() {
            Live::Gap(gap) => gap.sentence(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            gap(r#"{"count":1311,"reason":"slow-client","from":"a-1","to":"a-2"}"#),
            "1,311 events left out: they came faster than they could be taken"
        );
        assert_eq!(
            gap(r#"{"count":null,"reason":"new\n"}"#),
            "some events left out: new\\n"
        );
        assert!(gap(r#"{"count":null,"reason":"foreign-id"}"#).contains("another data directory"));
    }
}
