//! All outputs of a program that has a spool: started, stopped and changed while they run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidings_spool::{Clock, Spool};

use crate::cursors::Cursors;
use crate::driver::{Driver, DriverContext, Output};
use crate::feed::SpoolFeed;
use crate::interest::{Interest, LevelOverrides};
use crate::later::MadeLater;
use crate::report::Reporter;
use crate::settings::Tracer;
use crate::sink::Sink;
use crate::state::SinkState;

/// How long an output whose settings changed may take to deliver what it holds before it is replaced;
/// what it has not delivered then is delivered by its successor.
const HAND_OVER: Duration = Duration::from_secs(5);

/// Makes the sink of a tracer, or says in a sentence why it cannot be. It must not wait for long, and may
/// be called on the thread of an output.
pub type SinkMaker = dyn Fn(&Tracer) -> Result<Box<dyn Sink>, String> + Send + Sync;

/// What [`Outputs`] works with.
#[derive(Clone)]
pub struct OutputsContext {
    /// Where the events come from.
    pub spool: Arc<Spool>,
    /// Where the outputs keep their places.
    pub cursors: Arc<Cursors>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Takes the outputs' reports.
    pub reporter: Arc<dyn Reporter>,
    /// Makes sinks.
    pub make: Arc<SinkMaker>,
}

impl fmt::Debug for OutputsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputsContext").finish_non_exhaustive()
    }
}

/// The running outputs.
#[derive(Debug)]
pub struct Outputs {
    context: OutputsContext,
    drivers: BTreeMap<String, Entry>,
    overrides: LevelOverrides,
}

#[derive(Debug)]
struct Entry {
    tracer: Tracer,
    driver: Driver,
}

/// An output as it is running now.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its settings.
    pub tracer: Tracer,
    /// Its numbers.
    pub state: Arc<SinkState>,
}

/// An output that could not be started or changed; the others are not concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its name.
    pub name: String,
    /// Why, in a sentence.
    pub reason: String,
    /// What becomes of it.
    pub then: Then,
}

/// What becomes of an output that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It goes on with the settings that it had.
    OldGoesOn,
    /// It is among the running ones, as failing, and is tried again with back-off until it can run; its
    /// driver reports why it cannot.
    TriedAgain,
    /// It does not run until it is applied anew.
    Nothing,
}

impl Outputs {
    /// No output yet.
    #[must_use]
    pub fn new(context: OutputsContext) -> Self {
        Self {
            context,
            drivers: BTreeMap::new(),
            overrides: LevelOverrides::new(),
        }
    }

    /// Makes these tracers run and no others, while events go on coming.
    ///
    /// * One that is new begins at the end of the spool, one whose settings changed goes on where it
    ///   was, one that did not change is left alone. The cursor belongs to the name.
    /// * One that is gone delivers what it holds, ends, and its place is forgotten; one that is
    ///   disabled ends likewise, and begins at the end if it is enabled again.
    /// * One that cannot be made, or wants no event at all, is told. If it ran before, it goes on as
    ///   it was; a new one that cannot be made is tried again for as long as it takes, and gets
    ///   afterwards what happened meanwhile.
    pub fn apply(&mut self, tracers: &[Tracer], overrides: &LevelOverrides) -> Vec<Refusal> {
        let enabled: BTreeMap<&str, &Tracer> = tracers
            .iter()
            .filter(|tracer| tracer.enable)
            .map(|tracer| (tracer.name.as_str(), tracer))
            .collect();
        let gone = |name: &String| !enabled.contains_key(name.as_str());
        let ended: Vec<String> = self
            .drivers
            .keys()
            .filter(|name| gone(name))
            .cloned()
            .collect();
        let all_change = self.overrides != *overrides;
        self.overrides = overrides.clone();
        self.end(&ended);
        let mut refusals = Vec::new();
        for (name, tracer) in &enabled {
            let old = self.drivers.get(*name);
            if old.is_some_and(|old| old.tracer == **tracer && !all_change) {
                continue;
            }
            let ran_before = old.is_some();
            let refused = match self.replace(tracer) {
                Ok(None) => continue,
                Ok(Some(reason)) => (reason, Then::TriedAgain),
                Err(reason) if ran_before && self.drivers.contains_key(*name) => {
                    (reason, Then::OldGoesOn)
                }
                Err(reason) => (reason, Then::Nothing),
            };
            refusals.push(Refusal {
                name: (*name).to_owned(),
                reason: refused.0,
                then: refused.1,
            });
        }
        // A refused new one keeps its place, so that it loses nothing once it can be started.
        self.context
            .cursors
            .retain(|name| enabled.contains_key(name));
        refusals
    }

    /// Has a running output deliver again what the spool holds from `sequence` on, and then go on; gives
    /// how many events of the spool that are, wanted or not.
    ///
    /// # Errors
    /// A sentence, when there is no such output, it is lossy and would skip them, or it cannot go on.
    pub fn replay(&mut self, name: &str, sequence: u64) -> Result<u64, String> {
        let Some(Entry { tracer, .. }) = self.drivers.get(name) else {
            return Err(format!("no output {name} is running"));
        };
        let tracer = tracer.clone();
        if tracer.lossy {
            return Err(format!("the output {name} is lossy: it would skip them"));
        }
        self.end(&[name.to_owned()]);
        let OutputsContext { spool, cursors, .. } = &self.context;
        let stats = spool.stats();
        // What it has not delivered yet is not passed over.
        let place = cursors.get(name).unwrap_or(stats.head);
        let from = sequence.max(stats.oldest).min(place);
        cursors.put(name, from);
        let stored = cursors.save();
        self.replace(&tracer)?;
        stored.map_err(|error| format!("its place cannot be stored: {error}"))?;
        Ok(stats.head.saturating_sub(from))
    }

    /// Has all outputs open anew what they write to, as after a signal that logs were rotated.
    pub fn reopen(&self) {
        for entry in self.drivers.values() {
            entry.driver.reopen();
        }
    }

    /// The running outputs, by name.
    #[must_use]
    pub fn running(&self) -> Vec<Running> {
        let running = |entry: &Entry| Running {
            tracer: entry.tracer.clone(),
            state: entry.driver.state(),
        };
        self.drivers.values().map(running).collect()
    }

    /// Ends all outputs at the same time, within about `limit`, and stores their places. Gives the
    /// names of those that were held up by what they write to and left behind; they go on from their
    /// stored place at the next start.
    pub fn stop(mut self, limit: Duration) -> Vec<String> {
        let names: Vec<String> = self.drivers.keys().cloned().collect();
        self.end_within(&names, limit)
    }

    fn end(&mut self, names: &[String]) {
        self.end_within(names, HAND_OVER);
    }

    fn end_within(&mut self, names: &[String], limit: Duration) -> Vec<String> {
        let ending: Vec<(String, Driver)> = names
            .iter()
            .filter_map(|name| self.drivers.remove_entry(name))
            .map(|(name, entry)| (name, entry.driver))
            .collect();
        for (_, driver) in &ending {
            driver.stop(limit);
        }
        let started = self.context.clock.monotonic_ns();
        let mut left_behind = Vec::new();
        for (name, driver) in ending {
            let passed = self.context.clock.monotonic_ns().saturating_sub(started);
            let left = limit.saturating_sub(Duration::from_nanos(passed));
            if !driver.finish(left) {
                left_behind.push(name);
            }
        }
        left_behind
    }

    /// Starts a tracer in place of the one of its name, if there is one. Gives the reason where it could
    /// not be made and is tried again.
    fn replace(&mut self, tracer: &Tracer) -> Result<Option<String>, String> {
        let OutputsContext { spool, cursors, .. } = &self.context;
        let stats = spool.stats();
        // Its place is fixed first: what comes while it is made is not missed.
        let old = self.drivers.get(&tracer.name);
        // One that could never be made has nothing to go on with.
        let ran_before = old.is_some_and(|old| old.driver.state().read().is_ready);
        if old.is_none() {
            drop(cursors.take(&tracer.name, stats.oldest, stats.head));
            // Stored at once: killed within a second, it must not begin at a later end.
            cursors
                .save()
                .map_err(|error| format!("its place cannot be stored: {error}"))?;
        }
        let kind = tracer.variant.error_kind();
        let interest = Interest::new(
            &tracer.name,
            tracer.level,
            &tracer.selection,
            &self.overrides,
            &[kind],
        );
        if interest.types().is_empty() {
            return Err("its level and its list of events leave no event".to_owned());
        }
        let make = &self.context.make;
        let (sink, refused) = match make(tracer) {
            Ok(sink) => (sink, None),
            Err(reason) if ran_before => return Err(reason),
            Err(reason) => {
                let later = MadeLater::new(Arc::clone(make), tracer.clone());
                (Box::new(later) as Box<dyn Sink>, Some(reason))
            }
        };
        let output = Output {
            name: tracer.name.clone(),
            interest,
            lossy: tracer.lossy,
            error_kind: kind,
            sink,
        };
        self.end(std::slice::from_ref(&tracer.name));
        self.start(tracer, output).map(|()| refused)
    }

    fn start(&mut self, tracer: &Tracer, output: Output) -> Result<(), String> {
        let OutputsContext {
            spool,
            cursors,
            clock,
            reporter,
            ..
        } = &self.context;
        let stats = spool.stats();
        let cursor = cursors.take(&tracer.name, stats.oldest, stats.head);
        let feed = SpoolFeed::open(spool, cursor.sequence()).map_err(|error| error.to_string())?;
        let context = DriverContext {
            clock: Arc::clone(clock),
            reporter: Arc::clone(reporter),
        };
        let driver = Driver::start(output, Box::new(feed), Some(cursor), context)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        let entry = Entry {
            tracer: tracer.clone(),
            driver,
        };
        self.drivers.insert(tracer.name.clone(), entry);
        Ok(())
    }
}
