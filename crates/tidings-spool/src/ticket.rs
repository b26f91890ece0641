//! A producer's claim on a batch it appended: ask it, or wait, until the batch is durable.

use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::error::SpoolError;
use crate::state::{Life, Shared, State};

/// Stands for a batch that was taken. Dropping it changes nothing: the batch is written all the
/// same, only a little later, because nobody waits for it.
#[derive(Clone, Debug)]
#[must_use = "a batch is durable only when its ticket says so"]
pub struct Ticket {
    shared: Arc<Shared>,
    number: u64,
    sequences: Range<u64>,
}

impl Ticket {
    pub(crate) fn new(shared: Arc<Shared>, number: u64, sequences: Range<u64>) -> Self {
        Self {
            shared,
            number,
            sequences,
        }
    }

    /// The sequences its records get, if they become durable.
    #[must_use]
    pub fn sequences(&self) -> Range<u64> {
        self.sequences.clone()
    }

    /// Asks for a commit at once and waits until the batch is durable, however long that takes;
    /// on a full disk, until there is room.
    ///
    /// # Errors
    /// [`SpoolError::Poisoned`] when it could not be written. It may be there after a restart all
    /// the same, as after any failed write.
    pub fn wait(&self) -> Result<Range<u64>, SpoolError> {
        let mut state = self.ask();
        loop {
            if let Some(outcome) = self.outcome(&state) {
                return outcome;
            }
            state = self
                .shared
                .moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`wait`](Self::wait), but not longer than `timeout`; nothing when that is over.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<Range<u64>>, SpoolError> {
        let state = self.ask();
        let must_wait = |state: &mut State| self.outcome(state).is_none();
        let waited = self
            .shared
            .moved
            .wait_timeout_while(state, timeout, must_wait);
        self.outcome(&waited.unwrap_or_else(PoisonError::into_inner).0)
            .transpose()
    }

    /// Asks for a commit at once, without waiting; for callers that are woken by
    /// [`Spool::subscribe`](crate::Spool::subscribe) and then ask [`poll`](Self::poll).
    pub fn hurry(&self) {
        drop(self.ask());
    }

    /// Whether the batch is durable, without waiting.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn poll(&self) -> Result<Option<Range<u64>>, SpoolError> {
        self.outcome(&self.shared.lock()).transpose()
    }

    fn ask(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.shared.lock();
        if state.wanted < self.number && state.committed < self.number {
            state.wanted = self.number;
            self.shared.work.notify_all();
        }
        state
    }

    fn outcome(&self, state: &State) -> Option<Result<Range<u64>, SpoolError>> {
        if state.committed >= self.number {
            return Some(Ok(self.sequences()));
        }
        match &state.life {
            Life::Open | Life::Closing => None,
            Life::Closed => Some(Err(SpoolError::Closed)),
            Life::Poisoned(cause) => Some(Err(SpoolError::Poisoned {
                cause: Arc::clone(cause),
            })),
        }
    }
}
