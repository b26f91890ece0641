//! The streams that are open: how many there may be, and how they are ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::Refused;
use super::mailbox::Mailbox;

/// The open streams of all kinds.
#[derive(Debug)]
pub(super) struct Registry {
    state: Mutex<State>,
    streams_max: usize,
}

#[derive(Debug, Default)]
struct State {
    open: FxHashMap<u64, Arc<Mailbox>>,
    opened: u64,
    is_over: bool,
}

impl Registry {
    pub(super) fn new(streams_max: usize) -> Registry {
        Registry {
            state: Mutex::default(),
            streams_max,
        }
    }

    /// Takes a place for a stream, if there is one.
    pub(super) fn enter(
        self: &Arc<Self>,
        mailbox: Mailbox,
        first_id: u64,
    ) -> Result<Place, Refused> {
        let mut state = self.lock();
        if state.is_over {
            return Err(Refused::Stopping);
        }
        if state.open.len() >= self.streams_max {
            return Err(Refused::Full {
                streams: self.streams_max,
            });
        }
        let mailbox = Arc::new(mailbox);
        state.opened += 1;
        let number = state.opened;
        state.open.insert(number, Arc::clone(&mailbox));
        Ok(Place {
            registry: Arc::clone(self),
            mailbox,
            number,
            first_id,
        })
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Ends the streams of this account; gives how many there were.
    pub(super) fn cut(&self, who: &str) -> usize {
        self.close(|mailbox| mailbox.who.as_deref() == Some(who))
    }

    /// Ends all streams and takes no new ones.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.close(|_| true);
    }

    fn close(&self, is_meant: impl Fn(&Mailbox) -> bool) -> usize {
        let meant: Vec<_> = {
            let state = self.lock();
            let meant = state.open.values().filter(|mailbox| is_meant(mailbox));
            meant.cloned().collect()
        };
        meant.iter().for_each(|mailbox| mailbox.close());
        meant.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the open streams; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    mailbox: Arc<Mailbox>,
    number: u64,
    /// The sequence behind which the stream begins.
    first_id: u64,
}

impl Place {
    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    pub(super) fn shared_mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    pub(super) fn first_id(&self) -> u64 {
        self.first_id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.lock().open.remove(&self.number);
    }
}
