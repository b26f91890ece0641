//! The filter that follows the message of an event.

use serde_json::Value;
use tidings_event::Id;

/// A message to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    /// What it is called on the screen.
    pub(crate) name: String,
    /// The filter that finds its events.
    pub(crate) filter: String,
}

/// The message that an event tells of: what has its queue id, its Message-ID or its session. `None`
/// if it has none of them.
pub(crate) fn followed(event: &Value) -> Option<Followed> {
    let value = |key: &str| event.get("data")?.get(key);
    let text = |key: &str| value(key)?.as_str().filter(|text| !text.is_empty());
    let number = |key: &str| value(key)?.as_u64();
    let mut terms = Vec::new();
    let mut names = Vec::new();
    if let Some(id) = number("queueId") {
        // Ids that derive from the lines are not used again, as those of the mail server are.
        terms.push(format!("queueId={id}"));
        names.push(text("mtaQueueId").map_or_else(|| format!("queue id {id}"), str::to_owned));
    } else if let Some(id) = text("mtaQueueId") {
        terms.push(format!("mtaQueueId={}", quoted(id)));
        names.push(id.to_owned());
    }
    if let Some(id) = text("messageId") {
        terms.push(format!("messageId={}", quoted(id)));
        names.push(id.to_owned());
    }
    if let Some(id) = number("spanId") {
        let id = Id(id).to_string();
        terms.push(format!("span:{id}"));
        names.push(format!("session {id}"));
    }
    Some(Followed {
        name: names.into_iter().next()?,
        filter: terms.join(" OR "),
    })
}

/// A text in quotes, which take the meaning from everything in it but themselves and backslashes.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidings_event::filter::{FieldSet, Filter};

    use super::*;

    #[test]
    fn whatever_an_event_has_is_followed() {
        let filter = |data: Value| followed(&json!({ "data": data }));
        assert_eq!(filter(json!({ "to": "bob" })), None);
        assert_eq!(followed(&json!(null)), None);
        let found =
            filter(json!({ "queueId": 7, "mtaQueueId": "4AB", "messageId": "<a@b>", "spanId": 9 }));
        let found = found.unwrap();
        assert_eq!(found.name, "4AB");
        let span = Id(9).to_string();
        assert_eq!(
            found.filter,
            format!("queueId=7 OR messageId=\"<a@b>\" OR span:{span}")
        );
        let found = filter(json!({ "mtaQueueId": "4AB" })).unwrap();
        assert_eq!(found.filter, "mtaQueueId=\"4AB\"");
    }

    #[test]
    fn strangers_cannot_change_the_filter() {
        for id in ["a\" OR to:*", "\\\" OR x", "*", "a\nb", "\\"] {
            let event = json!({ "data": { "messageId": id } });
            let filter = followed(&event).unwrap().filter;
            let read = Filter::parse(&filter, &FieldSet::EVENTS);
            assert!(read.is_ok(), "{filter}: {read:?}");
            assert!(!format!("{read:?}").contains("Or("), "{read:?}");
        }
    }
}
