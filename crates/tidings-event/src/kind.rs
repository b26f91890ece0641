//! What kind of value a key holds, as far as the catalogue is sure of it.

/// The kind of value under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Text, or a list of texts.
    Text,
    /// A whole number.
    Number,
    /// A duration in milliseconds.
    Duration,
    /// A time in whole seconds.
    Timestamp,
    /// An IP address.
    Ip,
    /// A truth value.
    Bool,
    /// Anything: the catalogue names several kinds or none.
    Any,
}
