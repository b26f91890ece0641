//! How the sources are: what `/readyz` shows, and what is told when it changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// What a source is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// It looks for the place where it was left.
    #[default]
    Starting,
    /// It reads what was written before, and is not at the end yet.
    CatchingUp,
    /// It has read everything there is.
    Following,
    /// The file is missing or cannot be read now; it is tried again.
    Waiting,
    /// What it read cannot be stored; it is tried again.
    Failed,
}

/// How a source is.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// What it is doing.
    pub(crate) state: State,
    /// Why it waits or failed; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) why: String,
    /// Lines read since the server was started.
    pub(crate) lines: u64,
    /// Bytes that are there and not yet read.
    pub(crate) lag_bytes: u64,
}

/// The sources by name, shared by their threads and the HTTP server.
#[derive(Debug, Default)]
pub(crate) struct Board {
    sources: Mutex<BTreeMap<String, Status>>,
    /// All sources that there are at the start are known.
    is_complete: AtomicBool,
}

impl Board {
    /// Changes the status of a source, which is added if it is new.
    pub(crate) fn update(&self, name: &str, change: impl FnOnce(&mut Status)) {
        let mut sources = self.lock();
        match sources.get_mut(name) {
            Some(status) => change(status),
            None => change(sources.entry(name.to_owned()).or_default()),
        }
    }

    /// Forgets a source that is not followed any more.
    pub(super) fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// All sources, by name.
    pub(crate) fn all(&self) -> BTreeMap<String, Status> {
        self.lock().clone()
    }

    /// Whether a source has come to its file.
    pub(super) fn is_reading(&self, name: &str) -> bool {
        let state = self.lock().get(name).map(|status| status.state);
        matches!(state, Some(State::Following | State::CatchingUp))
    }

    /// Notes that the sources that there are at the start are known.
    pub(crate) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// Whether every source knows where it goes on, as far as its file can be read.
    pub(crate) fn has_begun(&self) -> bool {
        let is_starting = |status: &Status| status.state == State::Starting;
        self.is_complete.load(Ordering::Acquire) && !self.lock().values().any(is_starting)
    }

    /// A status is whole between any two of its changes.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Status>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
