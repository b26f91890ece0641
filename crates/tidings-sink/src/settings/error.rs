//! A setting that cannot be.

use std::fmt;

/// Which field of which object is wrong, what stands there, and what may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The object: `Tracer "main"`.
    pub object: String,
    /// The field, in camelCase as the management API has it: `eventsPolicy`.
    pub field: String,
    /// What stands there; never a secret.
    pub value: String,
    /// What may stand there.
    pub allowed: String,
}

impl SettingsError {
    pub(crate) fn new(object: &str, field: &str, value: impl fmt::Display, allowed: &str) -> Self {
        Self {
            object: object.to_owned(),
            field: field.to_owned(),
            value: value.to_string(),
            allowed: allowed.to_owned(),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            field,
            value,
            allowed,
        } = self;
        write!(f, "{object}: {field} is {value:?}: it must be {allowed}")
    }
}

impl std::error::Error for SettingsError {}
