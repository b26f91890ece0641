//! How important an event is.

use std::fmt;
use std::str::FromStr;

/// The level of an event, in rising order of importance.
///
/// The ordinals 0 to 5 are the ones of the wire (`Trace` = 0 … `Disable` = 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Raw detail, such as protocol input and output.
    Trace = 0,
    /// Steps of a session that only matter when something is looked into.
    Debug = 1,
    /// What a server is there for: accepted, delivered, rejected.
    Info = 2,
    /// Something an operator may want to look at.
    Warn = 3,
    /// Something an operator has to look at.
    Error = 4,
    /// Switched off: passes no level filter.
    Disable = 5,
}

impl Level {
    /// All levels, by ordinal.
    pub const ALL: [Level; 6] = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Warn,
        Level::Error,
        Level::Disable,
    ];

    /// The level with this ordinal, if there is one.
    pub fn from_ordinal(ordinal: u8) -> Option<Level> {
        Level::ALL.get(usize::from(ordinal)).copied()
    }

    /// The ordinal, 0 to 5.
    pub fn ordinal(self) -> u8 {
        self as u8
    }

    /// Lower-case name, as in JSON: `info`.
    pub fn as_str(self) -> &'static str {
        ["trace", "debug", "info", "warn", "error", "disable"][usize::from(self as u8)]
    }

    /// Upper-case name, as in text logs: `INFO`.
    pub fn as_upper_str(self) -> &'static str {
        ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "DISABLE"][usize::from(self as u8)]
    }

    /// Whether a filter set to this level lets an event of `event` level pass: the event is at
    /// least as important, and neither is `Disable`.
    pub fn accepts(self, event: Level) -> bool {
        event >= self && self != Level::Disable && event != Level::Disable
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is not a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLevel(String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown level {:?}: must be one of trace, debug, info, warn, error, disable",
            self.0
        )
    }
}

impl std::error::Error for UnknownLevel {}

impl FromStr for Level {
    type Err = UnknownLevel;

    /// Reads a level name in any letter case.
    fn from_str(text: &str) -> Result<Level, UnknownLevel> {
        Level::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_levels_accept_what_is_at_least_as_important() {
        assert!(Level::Info.accepts(Level::Warn));
        assert!(!Level::Info.accepts(Level::Debug));
        assert!(!Level::Trace.accepts(Level::Disable));
        assert!(!Level::Disable.accepts(Level::Error));
    }

    #[test]
    fn names_round_trip() {
        for level in Level::ALL {
            assert_eq!(level.as_upper_str().parse(), Ok(level));
            assert_eq!(Level::from_ordinal(level.ordinal()), Some(level));
        }
        assert!("loud".parse::<Level>().is_err());
    }
}
