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

#[cfg(test)]
mod tests {
    use tidings_sink::settings::RawTracer;

    use super::*;

    #[test]
    fn files_of_tracers_are_known_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let tracer = |enable| {
            let raw = RawTracer {
                name: "log".to_owned(),
                variant: "log".to_owned(),
                enable: Some(enable),
                path: Some(dir.path().to_string_lossy().into_owned()),
                ..RawTracer::default()
            };
            Tracer::check(&raw).unwrap()
        };
        let places = LogPlaces::default();
        let ours = dir.path().join("tidings.2026-11-23");
        assert!(!places.hold(&ours));
        places.set(&[tracer(true)]);
        assert!(places.hold(&ours));
        assert!(!places.hold(&dir.path().join("mail.log")));
        places.set(&[tracer(false)]);
        assert!(!places.hold(&ours));
    }
}
