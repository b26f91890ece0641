//! What can go wrong, told by who has to act.

use std::fmt;
use std::path::PathBuf;

use crate::input::InputError;

/// A failure of the engine.
#[derive(Debug)]
pub enum Error {
    /// The directory cannot be used: another process has it, or it is no data directory.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not, and what is allowed.
        why: String,
    },
    /// An input file cannot be read.
    Input(InputError),
    /// The history refused: the medium, damage, or misuse.
    History(tidings_store::Error),
    /// The spool refused.
    Spool(tidings_spool::SpoolError),
    /// What was asked for cannot be: a filter, a key, an option.
    Asked(String),
    /// Saved state does not fit this version, or is damaged.
    State(String),
    /// The file of samples is damaged, or cannot be read or written; nothing else is concerned.
    Samples(String),
}

impl Error {
    /// Whether a file of the history is not there: damage, or the work of the process that owns the
    /// directory.
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Error::History(error) if error.is_missing_file())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Directory { path, why } => write!(f, "data directory {}: {why}", path.display()),
            Error::Input(error) => write!(f, "{error}"),
            Error::History(error) => write!(f, "history: {error}"),
            Error::Spool(error) => write!(f, "spool: {error}"),
            Error::Asked(why) => f.write_str(why),
            Error::State(why) => write!(f, "saved state: {why}"),
            Error::Samples(why) => write!(f, "samples.redb: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// An error with its causes in our style: the system's "Permission denied (os error 13)" as
/// "permission denied".
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = match error.downcast_ref::<std::io::Error>() {
        Some(error) => system_words(&error.to_string()),
        None => error.to_string(),
    };
    if let Some(cause) = error.source() {
        let cause = in_words(cause);
        if !words.ends_with(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

fn system_words(text: &str) -> String {
    let text = text.split(" (os error ").next().unwrap_or(text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

impl From<InputError> for Error {
    fn from(error: InputError) -> Error {
        Error::Input(error)
    }
}

impl From<tidings_store::Error> for Error {
    fn from(error: tidings_store::Error) -> Error {
        Error::History(error)
    }
}

impl From<tidings_spool::SpoolError> for Error {
    fn from(error: tidings_spool::SpoolError) -> Error {
        Error::Spool(error)
    }
}

impl From<tidings_mail::correlate::SavedError> for Error {
    fn from(error: tidings_mail::correlate::SavedError) -> Error {
        Error::State(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// "cannot lock …/lock" was all that was said where a directory may not be written.
    #[test]
    fn causes_are_told_in_plain_words() {
        let denied = tidings_spool::LockError::Io {
            path: "/srv/lock".into(),
            source: io::Error::from_raw_os_error(13),
        };
        assert_eq!(
            in_words(&denied),
            "cannot lock /srv/lock: permission denied"
        );
        let missing = io::Error::from_raw_os_error(2);
        assert_eq!(in_words(&missing), "no such file or directory");
    }
}
