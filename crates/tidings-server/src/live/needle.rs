//! Texts to look for as the reference does: anywhere in a value, upper and lower case being different.
//!
//! Found in are texts, times as RFC 3339 to the second, and addresses; a truth value is equal to
//! `true` or `false`, or not. Numbers, durations, lists, nested events and bytes never match.

use tidings_event::digits::push_ip;
use tidings_event::time::write_rfc3339_seconds;
use tidings_event::{EventRef, Key, Value};

/// A text to look for, in the values of one key or of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needle {
    /// `None` for any key.
    pub(crate) key: Option<Key>,
    /// Never empty.
    pub(crate) text: String,
}

impl Needle {
    /// Whether a value of the event has it.
    pub(super) fn is_in(&self, event: &EventRef<'_>, scratch: &mut Vec<u8>) -> bool {
        let of_key = |key| self.key.is_none_or(|wanted| wanted == key);
        event
            .pairs()
            .any(|(key, value)| of_key(key) && self.matches(&value, scratch))
    }

    fn matches(&self, value: &Value<'_>, scratch: &mut Vec<u8>) -> bool {
        match *value {
            Value::Str(text) => text.contains(&self.text),
            Value::Bool(truth) => self.text == word(truth),
            _ => text_of(value, scratch).is_some_and(|text| {
                // All that is rendered is ASCII.
                std::str::from_utf8(text).is_ok_and(|text| text.contains(&self.text))
            }),
        }
    }
}

/// The text that needles are looked for in; `None` for values that never match. `scratch` is
/// overwritten.
pub(super) fn text_of<'a>(value: &Value<'a>, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    scratch.clear();
    match *value {
        Value::Str(text) => return Some(text.as_bytes()),
        Value::Bool(truth) => return Some(word(truth).as_bytes()),
        Value::Timestamp(seconds) => {
            write_rfc3339_seconds(scratch, i64::try_from(seconds).unwrap_or(i64::MAX));
        }
        Value::Ipv4(ip) => push_ip(scratch, ip.into()),
        Value::Ipv6(ip) => push_ip(scratch, ip.into()),
        _ => return None,
    }
    Some(scratch)
}

fn word(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}
