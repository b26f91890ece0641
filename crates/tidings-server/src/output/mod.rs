//! The outputs of the server: started, changed and ended with what surrounds them here.

mod measured;
mod places;
mod push;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings::{Encoder, Written, emit_at};
use tidings_engine::Live;
use tidings_event::{Key, Level};
use tidings_sink::otlp::{Identity, OtlpSink};
use tidings_sink::settings::{self, EventSelection, Otel, SettingsError, Tracer, Variant};
use tidings_sink::{
    ConsoleSink, Cursors, Found, JournalSink, LogFileSink, Outputs, OutputsContext, Refusal,
    Report, Sink, Then, check_not_a_source,
};
use tidings_spool::{Clock, SystemClock};
use tokio::runtime::Handle;

use crate::console::Console;
use crate::metrics::Metrics;
use crate::settings::{Settings, USUAL_CONSOLE, in_words_of_the_file};
use crate::source::Board;

pub(crate) use places::LogPlaces;
pub(crate) use push::Push;
use push::identity;

/// The running outputs; nothing after [`stop`](Running::stop).
#[derive(Debug)]
pub(crate) struct Running {
    outputs: Arc<Mutex<Option<Outputs>>>,
    places: Arc<LogPlaces>,
    console: Console,
}

/// What outputs are made of.
pub(crate) struct Surroundings {
    pub(crate) console: Console,
    /// What is followed: no tracer may write it.
    pub(crate) board: Arc<Board>,
    /// Runs what outputs do on the network.
    pub(crate) runtime: Handle,
}

impl Running {
    /// Starts the tracers on the spool of `live`, and shows their numbers among the metrics.
    pub(crate) fn start(
        live: &Live,
        settings: &Settings,
        metrics: &Metrics,
        around: Surroundings,
    ) -> std::io::Result<Running> {
        let console = around.console.clone();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let spool = live.shared_spool();
        let origin = spool.identity().origin;
        let backend = Arc::clone(live.engine().backend());
        let cursors = Cursors::open(backend, Arc::clone(&clock), spool.identity().epoch)?;
        if let Found::Unusable(why) = cursors.found() {
            console.say(&format!(
                "outputs/cursors cannot be used: {why}; every output begins anew with what the spool holds"
            ));
        }
        let reporter = {
            let console = around.console.clone();
            Arc::new(move |report: Report| {
                console.say(&sentence(&report));
                tell(&report);
            })
        };
        let context = OutputsContext {
            spool,
            cursors: Arc::new(cursors),
            clock: Arc::clone(&clock),
            reporter,
            make: Arc::new(move |tracer| make(tracer, &clock, origin, &around)),
        };
        let outputs = Arc::new(Mutex::new(Some(Outputs::new(context))));
        metrics.add(Arc::new(measured::Measured::new(
            Arc::clone(&outputs),
            metrics.created_ns(),
        )));
        let places = Arc::new(LogPlaces::default());
        let running = Running {
            outputs,
            places,
            console,
        };
        running.apply(settings);
        Ok(running)
    }

    /// Makes these tracers run and no others; says which cannot.
    pub(crate) fn apply(&self, settings: &Settings) {
        let mut tracers = settings.tracers.clone();
        tracers.extend(self.usual_console(settings));
        self.places.set(&tracers);
        let mut outputs = self.lock();
        let Some(outputs) = outputs.as_mut() else {
            return;
        };
        for Refusal { name, reason, then } in outputs.apply(&tracers, &settings.levels) {
            let then = match then {
                Then::OldGoesOn => "; it goes on with its old settings",
                Then::Nothing => "",
                // It says so itself, and again if that takes long.
                Then::TriedAgain => continue,
            };
            self.console
                .say(&format!("the tracer {name} cannot run: {reason}{then}"));
        }
    }

    /// The outputs that run, with their numbers.
    pub(crate) fn running(&self) -> Vec<tidings_sink::Running> {
        self.lock()
            .as_ref()
            .map(Outputs::running)
            .unwrap_or_default()
    }

    /// Has an output deliver again what the spool holds from `sequence` on; gives how many events that are.
    pub(crate) fn replay(&self, name: &str, sequence: u64) -> Result<u64, String> {
        match self.lock().as_mut() {
            Some(outputs) => outputs.replay(name, sequence),
            None => Err("the server is stopping".to_owned()),
        }
    }

    /// Where tracers write log files.
    pub(crate) fn places(&self) -> Arc<LogPlaces> {
        Arc::clone(&self.places)
    }

    /// Opens log files anew.
    pub(crate) fn reopen(&self) {
        if let Some(outputs) = self.lock().as_ref() {
            outputs.reopen();
        }
    }

    /// Delivers what is left, within about this time; says which outputs could not.
    pub(crate) fn stop(&self, limit: Duration) {
        let Some(outputs) = self.lock().take() else {
            return;
        };
        for name in outputs.stop(limit) {
            self.console.say(&format!(
                "the tracer {name} did not end in time; it goes on at the next start"
            ));
        }
    }

    /// The console of `[console]`, unless a tracer takes its place.
    fn usual_console(&self, settings: &Settings) -> Option<Tracer> {
        let is_console = |tracer: &Tracer| matches!(tracer.variant, Variant::Console(_));
        if settings.console_level == Level::Disable || settings.tracers.iter().any(is_console) {
            return None;
        }
        Some(Tracer {
            name: USUAL_CONSOLE.to_owned(),
            enable: true,
            level: settings.console_level,
            // Whoever looks at it wants to see what happens now.
            lossy: true,
            selection: EventSelection::default(),
            variant: Variant::Console(settings::Console {
                ansi: self.console.is_coloured(),
                ..settings::Console::default()
            }),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Outputs>> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the sink of a tracer.
fn make(
    tracer: &Tracer,
    clock: &Arc<dyn Clock>,
    origin: u32,
    around: &Surroundings,
) -> Result<Box<dyn Sink>, String> {
    match &tracer.variant {
        Variant::Log(log) => {
            let sources: Vec<PathBuf> = around.board.all().into_keys().map(PathBuf::from).collect();
            check_not_a_source("Tracer", log, &sources).map_err(|error| error.to_string())?;
            Ok(Box::new(LogFileSink::new(log, Arc::clone(clock))))
        }
        Variant::Console(console) => Ok(Box::new(ConsoleSink::new(
            console,
            around.console.terminal(),
        ))),
        Variant::Journal(journal) => {
            let sink = JournalSink::connect(journal, "tidings");
            let sink = sink.map_err(|error| format!("{}: {error}", journal.socket.display()))?;
            Ok(Box::new(sink))
        }
        Variant::OtelHttp(otel) => collector(tracer, otel, OtlpSink::http, clock, around)
            .map(|sink| Box::new(sink.with_ids_of(origin)) as Box<dyn Sink>),
        Variant::OtelGrpc(otel) => collector(tracer, otel, OtlpSink::grpc, clock, around)
            .map(|sink| Box::new(sink.with_ids_of(origin)) as Box<dyn Sink>),
    }
}

/// Makes an output to a collector, over either protocol.
type MakeCollector =
    fn(&str, &Otel, &Identity, Arc<dyn Clock>, Handle) -> Result<OtlpSink, SettingsError>;

fn collector(
    tracer: &Tracer,
    otel: &Otel,
    make: MakeCollector,
    clock: &Arc<dyn Clock>,
    around: &Surroundings,
) -> Result<OtlpSink, String> {
    let (clock, runtime) = (Arc::clone(clock), around.runtime.clone());
    let sink = make(&tracer.name, otel, &identity()?, clock, runtime);
    sink.map_err(|error| in_words_of_the_file("tracer", &error, &otel.auth))
}

/// A report as an event.
fn tell(report: &Report) {
    let pairs = Written(|out: &mut Encoder<'_>| {
        out.pair(Key::OUTPUT, &report.output);
        for (key, text) in [
            (Key::DETAILS, &report.details),
            (Key::REASON, &report.reason),
        ] {
            if !text.is_empty() {
                out.pair(key, text);
            }
        }
        out.pair(Key::COUNT, &report.count);
    });
    emit_at(report.kind, report.kind.level(), 0, &pairs);
}

/// A report in words.
fn sentence(report: &Report) -> String {
    let Report {
        kind,
        output,
        details,
        reason,
        count,
    } = report;
    let mut sentence = format!("the tracer {output}: {}", kind.info().description);
    for part in [details, reason]
        .into_iter()
        .filter(|part| !part.is_empty())
    {
        sentence.push_str(": ");
        sentence.push_str(part);
    }
    if *count > 1 {
        sentence.push_str(&format!(" ({count} times)"));
    }
    sentence
}
