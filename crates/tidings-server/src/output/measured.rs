//! What outputs do, as metrics.

use std::sync::{Arc, Mutex, PoisonError};

use tidings::meters::own::{OutputNumbers, outputs};
use tidings_event::Reading;
use tidings_sink::{Outputs, Running};

use crate::metrics::Readings;

/// The numbers of the outputs.
pub(super) struct Measured {
    outputs: Arc<Mutex<Option<Outputs>>>,
    created_ns: i64,
}

impl Measured {
    /// Of outputs that count from `created_ns` on.
    pub(super) fn new(outputs: Arc<Mutex<Option<Outputs>>>, created_ns: i64) -> Measured {
        Measured {
            outputs,
            created_ns,
        }
    }
}

impl Readings for Measured {
    fn read(&self) -> Vec<Reading> {
        let running = self
            .outputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(Outputs::running)
            .unwrap_or_default();
        let numbers: Vec<OutputNumbers> = running.into_iter().map(numbers).collect();
        outputs(&numbers, self.created_ns)
    }
}

fn numbers(running: Running) -> OutputNumbers {
    let stats = running.state.read();
    OutputNumbers {
        output: running.tracer.name,
        delivered: stats.delivered,
        skipped: stats.skipped,
        lost: stats.lost,
        rejected: stats.rejected,
        retries: stats.retries,
        failures: stats.failures,
        behind_events: stats.behind_events,
        behind_bytes: stats.behind_bytes,
        behind_ns: stats.behind_ns,
        is_failing: stats.is_failing,
    }
}
