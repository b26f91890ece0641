//! The streams that are open: how many there may be, and how they are ended.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tidings_event::Level;

use super::Refused;
use super::mailbox::Mailbox;

/// What is kept of the server's own events if no stream asks for less important ones.
const UNASKED: Level = Level::Info;

/// The open streams of all kinds.
#[derive(Debug)]
pub(super) struct Registry {
    state: Mutex<State>,
    streams_max: usize,
    /// Ordinal of the least important level that a stream asks for.
    asked: Arc<AtomicU8>,
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
            asked: Arc::new(AtomicU8::new(UNASKED.ordinal())),
        }
    }

    /// Takes a place for a stream, if there is one.
    pub(super) fn enter(
        self: &Arc<Self>,
        mailbox: Mailbox,
        first_id: Option<u64>,
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
        self.note(&state);
        Ok(Place {
            registry: Arc::clone(self),
            mailbox,
            number,
            first_id,
        })
    }

    /// Ordinal of the least important level that a stream asks for; it changes as streams come and
    /// go.
    pub(super) fn asked(&self) -> Arc<AtomicU8> {
        Arc::clone(&self.asked)
    }

    fn note(&self, state: &State) {
        let levels = state.open.values().filter_map(|mailbox| mailbox.level);
        let least = levels.chain([UNASKED]).min().unwrap_or(UNASKED);
        self.asked.store(least.ordinal(), Ordering::Relaxed);
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
    /// The sequence behind which the stream begins; unknown while a time is looked for.
    first_id: Option<u64>,
}

impl Place {
    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    pub(super) fn shared_mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    pub(super) fn first_id(&self) -> Option<u64> {
        self.first_id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.registry.lock();
        state.open.remove(&self.number);
        self.registry.note(&state);
    }
}
