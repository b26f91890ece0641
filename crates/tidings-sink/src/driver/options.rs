//! What a driver is started with.

use std::fmt;
use std::sync::Arc;

use tidings_event::EventType;
use tidings_spool::Clock;

use crate::interest::Interest;
use crate::report::Reporter;
use crate::sink::Sink;

/// An output to be driven.
pub struct Output {
    /// Its name in the settings, which is also the name of its cursor.
    pub name: String,
    /// What it wants.
    pub interest: Interest,
    /// Whether it skips to the end when it is too far behind.
    pub lossy: bool,
    /// The event that reports failures of the driver itself, such as reading the spool.
    pub error_kind: EventType,
    /// Where the events go.
    pub sink: Box<dyn Sink>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("name", &self.name)
            .field("lossy", &self.lossy)
            .finish_non_exhaustive()
    }
}

/// What a driver shares with the program around it.
#[derive(Clone)]
pub struct DriverContext {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Takes its reports.
    pub reporter: Arc<dyn Reporter>,
}

impl fmt::Debug for DriverContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverContext").finish_non_exhaustive()
    }
}
