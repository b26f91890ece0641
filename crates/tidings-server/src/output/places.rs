//! Which files tracers write: what a tracer wrote must never be read as a log, it would come back as
//! events for ever.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use tidings_sink::check_not_a_source;
use tidings_sink::settings::{LogFile, Tracer, Variant};

/// The log files of the tracers that are configured now.
#[derive(Debug, Default)]
pub(crate) struct LogPlaces(RwLock<Vec<LogFile>>);

impl LogPlaces {
    /// Takes the places of these tracers for those of the ones before.
    pub(super) fn set(&self, tracers: &[Tracer]) {
        let logs = tracers.iter().filter_map(|tracer| match &tracer.variant {
            Variant::Log(log) if tracer.enable => Some(log.clone()),
            _ => None,
        });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = logs.collect();
    }

    /// Whether a tracer writes a file of this name, or would.
    pub(crate) fn hold(&self, path: &Path) -> bool {
        let path = [PathBuf::from(path)];
        let logs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        logs.iter()
            .any(|log| check_not_a_source("Tracer", log, &path).is_err())
    }
}
