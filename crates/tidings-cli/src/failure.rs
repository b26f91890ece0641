//! What can go wrong for somebody at the command line, told by who has to act, with its exit code.

use std::error::Error;
use std::fmt;
use std::io;

use serde::Deserialize;

/// Who has to act on a failure; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The command, its filter or the configuration is wrong: whoever wrote it acts. Exit code 2.
    Usage,
    /// The data directory is missing, in use, or damaged. Exit code 3.
    Data,
    /// A file could not be read, or the output not written. Exit code 4.
    File,
    /// The server could not be reached, refused, or broke off, or it cannot listen. Exit code 5.
    Server,
}

impl FailureKind {
    /// The word for it in the error objects of the socket's protocol.
    pub fn code(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Data => "data",
            Self::File => "file",
            Self::Server => "server",
        }
    }

    /// The kind that `code` stands for; `None` for a word this version does not know.
    pub fn from_code(code: &str) -> Option<FailureKind> {
        [Self::Usage, Self::Data, Self::File, Self::Server]
            .into_iter()
            .find(|kind| kind.code() == code)
    }

    /// What the process exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Data => 3,
            Self::File => 4,
            Self::Server => 5,
        }
    }
}

/// A failure that ends a verb: one sentence for people, in lower case without a full stop, naming
/// the thing, the value and what is allowed; the causes beneath it are chained.
#[derive(Debug)]
pub struct Failure {
    kind: FailureKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    is_passing: bool,
}

impl Failure {
    /// A failure with no further cause.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
            source: None,
            is_passing: false,
        }
    }

    /// The same failure of a server that is starting, or has too much to do: it will pass.
    pub(crate) fn passing(mut self) -> Failure {
        self.is_passing = true;
        self
    }

    /// Whether the same may succeed a little later.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_passing
    }

    /// The same failure, with what caused it.
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        self.source = Some(source.into());
        self
    }

    /// Wrong usage, filter or configuration.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Usage, message)
    }

    /// A data directory that is missing, in use, or damaged.
    pub fn data(message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Data, message)
    }

    /// A file that cannot be read or written.
    pub fn file(message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::File, message)
    }

    /// A server that cannot be reached, refuses, or breaks off.
    pub fn server(message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Server, message)
    }

    /// Who has to act.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The sentence with all its causes: `cannot read /var/log/mail.log: permission denied`. A
    /// cause that only repeats what was said before it is left out.
    pub fn sentence(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let words = words_of(error);
            if !text.ends_with(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            cause = error.source();
        }
        text
    }

    /// The failure as the socket's protocol carries it:
    /// `{"error":{"message":"…","code":"usage"}}`.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "error": { "message": self.sentence(), "code": self.kind.code() }
        })
        .to_string()
    }

    /// Reads the form that [`to_json`](Self::to_json) writes; `fallback` is the kind where the code
    /// is one this version does not know. `None` if the text is no such object.
    pub fn from_json(text: &[u8], fallback: FailureKind) -> Option<Failure> {
        let envelope: Envelope = serde_json::from_slice(text).ok()?;
        let kind = match &envelope.error.code {
            serde_json::Value::String(code) => FailureKind::from_code(code),
            _ => None,
        };
        Some(Failure::new(
            kind.unwrap_or(fallback),
            envelope.error.message,
        ))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// A cause in our style: the system's "Permission denied (os error 13)" as "permission denied".
fn words_of(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<io::Error>() {
        Some(error) => io_words(error),
        None => error.to_string(),
    }
}

/// The system's words for an error, in lower case and without its number.
pub(crate) fn io_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match text.find(" (os error ") {
        Some(at) => &text[..at],
        None => &text,
    };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown error".to_owned(),
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: Inner,
}

#[derive(Deserialize)]
struct Inner {
    message: String,
    #[serde(default)]
    code: serde_json::Value,
}

/// Why a verb stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failure(Failure),
    /// Its output could not be written; a reader that went away (`| head`) is no failure.
    Output(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failure(failure)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_chained_and_not_repeated() {
        let inner = io::Error::from_raw_os_error(13);
        let failure = Failure::file("cannot read /var/log/mail.log").because(inner);
        assert_eq!(
            failure.sentence(),
            "cannot read /var/log/mail.log: permission denied"
        );
        let twice = Failure::file("a: b").because("b");
        assert_eq!(twice.sentence(), "a: b");
    }

    #[test]
    fn failures_survive_the_wire() {
        for kind in ["usage", "data", "file", "server"] {
            let kind = FailureKind::from_code(kind).unwrap();
            let sent = Failure::new(kind, "no \"such\" field").because("try `from`");
            let got = Failure::from_json(sent.to_json().as_bytes(), FailureKind::Server).unwrap();
            assert_eq!(got.kind(), kind);
            assert_eq!(got.sentence(), "no \"such\" field: try `from`");
        }
        let strange = br#"{"error":{"message":"m","code":17}}"#;
        let got = Failure::from_json(strange, FailureKind::Data).unwrap();
        assert_eq!(got.kind(), FailureKind::Data);
        assert!(Failure::from_json(b"{\"id\":\"x\"}", FailureKind::Data).is_none());
    }
}
