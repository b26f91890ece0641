//! A reader's claim on what it has not read yet: retention keeps it.

use std::sync::Arc;

use crate::state::{PinState, Shared};

/// Keeps every segment that holds its sequence or a later one. Dropping it lets go.
#[derive(Debug)]
#[must_use = "a pin holds only while it lives"]
pub struct Pin {
    shared: Arc<Shared>,
    id: u64,
}

impl Pin {
    pub(crate) fn new(shared: Arc<Shared>, name: String, sequence: u64) -> Self {
        let mut state = shared.lock();
        state.last_pin += 1;
        let id = state.last_pin;
        state.pins.insert(id, PinState { name, sequence });
        drop(state);
        Self { shared, id }
    }

    /// Lets go of everything before `sequence`; never goes back.
    pub fn advance(&self, sequence: u64) {
        let mut state = self.shared.lock();
        if let Some(pin) = state.pins.get_mut(&self.id) {
            pin.sequence = pin.sequence.max(sequence);
        }
        drop(state);
        self.look_again();
    }

    /// The oldest sequence it keeps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.shared
            .lock()
            .pins
            .get(&self.id)
            .map_or(0, |pin| pin.sequence)
    }

    /// Has the writer remove what a pin kept from removal until now.
    fn look_again(&self) {
        let mut state = self.shared.lock();
        if state.counters.held_by.is_some() && state.is_released() {
            state.maintenance_wanted += 1;
            self.shared.work.notify_all();
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.lock().pins.remove(&self.id);
        self.look_again();
    }
}
