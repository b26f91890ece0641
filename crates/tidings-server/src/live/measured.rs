//! What the live streams do, as metrics.

use std::sync::Arc;

use tidings::meters::own::live;
use tidings_event::Reading;

use super::Hub;
use crate::metrics::Readings;

/// The numbers of a hub.
#[derive(Debug)]
pub(crate) struct Measured {
    hub: Arc<Hub>,
    created_ns: i64,
}

impl Measured {
    /// Of a hub that counts from `created_ns` on.
    pub(crate) fn new(hub: Arc<Hub>, created_ns: i64) -> Measured {
        Measured { hub, created_ns }
    }
}

impl Readings for Measured {
    fn read(&self) -> Vec<Reading> {
        live(&self.hub.numbers(), self.created_ns)
    }
}
