//! What the server measures: every event is counted once, when it is committed.
//!
//! One thread reads the spool from where it ends at the start, and counts. It keeps no cursor: after a
//! restart everything begins at zero, which consumers see by the time at which counting began. Not
//! counted are imported events, which are not of now, and events that bring an id from elsewhere: they
//! were counted where they arose.

mod counting;
mod labels;
mod sampling;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tidings::meters::{Gauge, Meters};
use tidings_engine::{Engine, MailMeters};
use tidings_event::Reading;
use tidings_mail::provider::Providers;

use crate::clock::Watch;
use crate::settings::MetricsSettings;

pub(crate) use counting::spawn as spawn_counting;
pub(crate) use sampling::spawn as spawn_sampling;

/// The messages in the queues are counted anew at most so often: there may be 200,000.
const RECOUNT: Duration = Duration::from_secs(5);

/// Everything that is measured.
pub(crate) struct Metrics {
    mail: MailMeters,
    engine: Arc<Engine>,
    settings: RwLock<Arc<MetricsSettings>>,
    recounted: Mutex<Option<Watch>>,
    others: RwLock<Vec<Arc<dyn Readings>>>,
}

/// A part of the server that measures itself.
pub(crate) trait Readings: Send + Sync {
    /// What it shows now.
    fn read(&self) -> Vec<Reading>;
}

/// Which metrics are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Those of the catalogue, under the reference's names.
    Reference,
    /// Those with labels.
    Labelled,
    /// Both.
    All,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// All at zero; counting begins at `created_ns`.
    pub(crate) fn new(
        meters: Arc<Meters>,
        engine: Arc<Engine>,
        settings: MetricsSettings,
    ) -> Metrics {
        Metrics {
            mail: MailMeters::new(meters, Arc::new(Providers::builtin().clone())),
            engine,
            settings: RwLock::new(Arc::new(settings)),
            recounted: Mutex::new(None),
            others: RwLock::default(),
        }
    }

    /// When counting began, in nanoseconds since the unix epoch.
    pub(crate) fn created_ns(&self) -> i64 {
        self.mail.meters().created_ns()
    }

    /// Shows these besides.
    pub(crate) fn add(&self, readings: Arc<dyn Readings>) {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.push(readings);
    }

    /// What is exported, and to whom.
    pub(crate) fn settings(&self) -> Arc<MetricsSettings> {
        let settings = self.settings.read();
        Arc::clone(&settings.unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes by these from now on.
    pub(crate) fn set(&self, settings: MetricsSettings) {
        let mut known = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(settings);
    }

    /// What is measured now; values of labels have no control characters.
    pub(crate) fn read(&self, set: Set) -> Vec<Reading> {
        self.look();
        let mut readings = Vec::new();
        if set != Set::Labelled {
            readings = self.mail.read(&self.settings().selection);
        }
        if set != Set::Reference {
            readings.extend(self.mail.read_labelled());
            let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
            others
                .iter()
                .for_each(|other| readings.extend(other.read()));
        }
        labels::escape(&mut readings);
        readings
    }

    /// Sets what is not told by events.
    fn look(&self) {
        if let Some(bytes) = resident_bytes() {
            self.mail.meters().set_gauge(Gauge::ServerMemory, bytes);
        }
        let mut recounted = self
            .recounted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if recounted
            .as_ref()
            .is_some_and(|watch| watch.elapsed() < RECOUNT)
        {
            return;
        }
        *recounted = Some(Watch::start());
        let depth = self.engine.queue_depth();
        let states = [
            ("in-queue", depth.active),
            ("deferred", depth.deferred),
            ("held", depth.held),
        ];
        for (state, messages) in states {
            self.mail.set_queue(state, messages);
        }
        let all = states.iter().map(|(_, messages)| messages).sum();
        self.mail.meters().set_gauge(Gauge::QueueCount, all);
    }
}

/// Memory of this process that is in use, from `/proc/self/statm`.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
