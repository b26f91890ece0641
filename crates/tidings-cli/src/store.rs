//! What the verbs ask of a history, wherever it lives: in a running server or in the data directory.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidings_engine::contract::{ImportObject, MessageObject, StatsObject, StoryObject};

use crate::failure::Failure;

/// A searchable history, behind a server's socket or opened in this process.
///
/// Every method is called from one thread and may block until its answer is complete. Searches hand
/// over one object at a time, newest first, as soon as it is known; `each` gives `true` to go on and
/// `false` to stop, which is no error. An error may come after some objects: what was handed over
/// before it is right but not all. An object is never handed over twice.
pub trait Store {
    /// Hands over the messages that match, newest first.
    ///
    /// # Errors
    /// [`Usage`](crate::FailureKind::Usage) for a filter that cannot be read, with the place in it.
    fn messages(
        &mut self,
        query: &MessagesQuery,
        each: &mut dyn FnMut(MessageObject) -> bool,
    ) -> Result<(), Failure>;

    /// Hands over the events that match, newest first, in the webhook form with the additional
    /// fields `sequence`, `time`, `level`, `spanId`, and `raw` where lines were asked for.
    ///
    /// # Errors
    /// [`Usage`](crate::FailureKind::Usage) for a filter that cannot be read, with the place in it.
    fn events(
        &mut self,
        query: &EventsQuery,
        each: &mut dyn FnMut(serde_json::Value) -> bool,
    ) -> Result<(), Failure>;

    /// Hands over the stories of the messages that `key` names, newest first: the id of a message, a
    /// queue id, a Message-ID, or an address of sender or recipient. None, if there is no such
    /// message.
    ///
    /// # Errors
    /// Only where the history cannot be read.
    fn stories(
        &mut self,
        key: &str,
        options: &StoryOptions,
        each: &mut dyn FnMut(StoryObject) -> bool,
    ) -> Result<(), Failure>;

    /// Lists accounts, makes one, or gives one a new password; gives those concerned.
    ///
    /// # Errors
    /// [`Usage`](crate::FailureKind::Usage) for a name that is none, is taken, or is not there.
    fn accounts(&mut self, asked: &AccountsAsked) -> Result<Vec<AccountObject>, Failure>;

    /// Sums up a period.
    ///
    /// # Errors
    /// Only where the history cannot be read.
    fn stats(&mut self, query: &StatsQuery) -> Result<StatsObject, Failure>;

    /// Reads log files into the history, in date order, and reports how far it is several times a
    /// second. The paths are absolute. Reading the same lines again adds nothing. A file that cannot be
    /// read, or is refused, is left out and named in the answer.
    ///
    /// # Errors
    /// [`Usage`](crate::FailureKind::Usage) for an option that cannot be,
    /// [`Data`](crate::FailureKind::Data) where the history cannot be written: what was committed
    /// before stays.
    fn import(
        &mut self,
        files: &[PathBuf],
        options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportObject, Failure>;

    /// Checks every byte of the history and changes nothing. Damage is part of the answer, not an
    /// error.
    ///
    /// # Errors
    /// Only where the directory cannot be read at all.
    fn verify(&mut self) -> Result<VerifyObject, Failure>;

    /// Salvages what can be read of a damaged history and sets the rest aside.
    ///
    /// # Errors
    /// Only where the directory cannot be read or written at all.
    fn repair(&mut self) -> Result<RepairObject, Failure>;
}

/// Which messages to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagesQuery {
    /// Filter in the one grammar; empty for all.
    pub filter: String,
    /// First nanosecond of the period, since the unix epoch.
    pub since_ns: Option<i64>,
    /// Last nanosecond of the period.
    pub until_ns: Option<i64>,
    /// At most this many; `None` for all.
    pub limit: Option<u64>,
}

/// Which events to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// Filter in the one grammar; empty for all.
    pub filter: String,
    /// First nanosecond of the period, since the unix epoch.
    pub since_ns: Option<i64>,
    /// Last nanosecond of the period.
    pub until_ns: Option<i64>,
    /// At most this many; `None` for all.
    pub limit: Option<u64>,
    /// Add the line that an event was read from.
    pub raw: bool,
}

/// How stories are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoryOptions {
    /// Add the lines that the steps were read from.
    pub raw: bool,
    /// At most this many stories; `None` for all.
    pub limit: Option<u64>,
    /// This many of them with their steps; `None` for all.
    pub told: Option<u64>,
}

/// What to sum up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsQuery {
    /// First nanosecond of the period, since the unix epoch.
    pub since_ns: Option<i64>,
    /// Last nanosecond of the period.
    pub until_ns: Option<i64>,
    /// Longest length of the lists of senders, reasons and so on.
    pub top: u32,
}

/// What is to be done with accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "action", deny_unknown_fields)]
pub enum AccountsAsked {
    /// List all.
    List,
    /// Make one with a random password.
    Create {
        /// Its name.
        name: String,
        /// Its role.
        role: String,
        /// The domains whose mail a domain viewer may see.
        domains: Vec<String>,
    },
    /// Give one another random password, and let it sign in again.
    Reset {
        /// Its name.
        name: String,
    },
}

/// An account, printed by `tidings account --json`, one an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountObject {
    /// Its id.
    pub id: String,
    /// The name to sign in with.
    pub name: String,
    /// What it may do: `admin`, `operator`, `viewer` or `domain-viewer`.
    pub role: String,
    /// Whether it may sign in.
    pub enable: bool,
    /// The domains whose mail a domain viewer may see.
    pub domains: Vec<String>,
    /// When it last signed in.
    pub last_sign_in: Option<String>,
    /// Its new password, which is shown this once.
    pub password: Option<String>,
}

/// How log files are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportOptions {
    /// Year of the first line, where times carry none; guessed from the file otherwise.
    pub year: Option<i32>,
    /// Time zone of times that carry none: an IANA name or `+01:00`; the machine's otherwise.
    pub timezone: Option<String>,
    /// Read files that look like another rendering of a stream that is in the history already.
    pub force: bool,
}

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportProgress {
    /// The file being read.
    pub file: String,
    /// Bytes of all files, as they lie on the disk.
    pub bytes_total: u64,
    /// Of them read so far.
    pub bytes_done: u64,
    /// Lines added so far.
    pub lines: u64,
    /// Of them recognised.
    pub recognised: u64,
}

/// What `tidings verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifyObject {
    /// Files checked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows of the history that can be read: one an event, with its line, and one a recipient.
    pub rows: u64,
    /// Events of the spool that can be read.
    pub spool_events: u64,
    /// Time it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What is wrong; empty if all is well.
    pub problems: Vec<ProblemObject>,
}

/// Something that is wrong with a file of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProblemObject {
    /// The file, relative to the data directory.
    pub path: String,
    /// What does not fit.
    pub what: String,
    /// What `tidings repair` would do about it, or did.
    pub remedy: String,
    /// What is lost by it, in words; empty if nothing is.
    pub lost: String,
}

/// What `tidings repair` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RepairObject {
    /// What was wrong and has been mended, with what is lost.
    pub repaired: Vec<ProblemObject>,
    /// What is still wrong.
    pub remaining: Vec<ProblemObject>,
    /// Events lost in all, with their lines.
    pub lost_events: u64,
    /// Time it took, in milliseconds.
    pub elapsed_ms: u64,
}
