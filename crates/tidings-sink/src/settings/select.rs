//! Lists of event types, with wildcards.

use std::fmt;

use tidings_event::EventType;

use super::SettingsError;

/// Whether a list of types names what is wanted or what is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventsPolicy {
    /// Only the listed.
    Include,
    /// All but the listed.
    #[default]
    Exclude,
}

/// A list of event types and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSelection {
    /// What the list means.
    pub policy: EventsPolicy,
    /// The list.
    pub events: Vec<EventPattern>,
}

/// A name of an event type, or several by wildcard.
#[derive(Clone, PartialEq, Eq)]
pub struct EventPattern {
    text: String,
    types: Vec<EventType>,
}

impl EventSelection {
    /// Checks a list of names; `object` is whose it is. A name may hold `*` for any characters:
    /// `delivery.*`. Older names of the reference's documentation are understood.
    ///
    /// # Errors
    /// When a name is that of no type, or a wildcard matches none.
    pub fn new<'t>(
        object: &str,
        policy: EventsPolicy,
        events: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, SettingsError> {
        let events = events
            .into_iter()
            .map(|text| EventPattern::new(object, text))
            .collect::<Result<_, _>>()?;
        Ok(Self { policy, events })
    }
}

impl EventPattern {
    /// Checks a name or wildcard.
    ///
    /// # Errors
    /// When it stands for no type.
    pub fn new(object: &str, text: &str) -> Result<Self, SettingsError> {
        let Ok(types) = EventType::matching(text) else {
            let allowed = "the name of an event type, such as delivery.delivered, or several by \
                           wildcard, such as delivery.*";
            return Err(SettingsError::new(object, "events", text, allowed));
        };
        Ok(Self {
            text: text.to_owned(),
            types,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The types that it stands for.
    pub fn types(&self) -> impl Iterator<Item = EventType> + '_ {
        self.types.iter().copied()
    }
}

impl fmt::Debug for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_wildcards_are_checked() {
        let list = ["delivery.*", "auth.failed", "queue.queue-message"];
        let selection = EventSelection::new("Tracer \"x\"", EventsPolicy::Include, list).unwrap();
        assert!(selection.events[0].types().count() > 10);
        assert_eq!(
            selection.events[1].types().collect::<Vec<_>>(),
            [EventType::AUTH_FAILED]
        );
        for wrong in ["nothing.*", "auth.fail", ""] {
            let error = EventPattern::new("Tracer \"x\"", wrong).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!(
                    "Tracer \"x\": events is {wrong:?}: it must be the name"
                )),
                "{error}"
            );
        }
    }
}
