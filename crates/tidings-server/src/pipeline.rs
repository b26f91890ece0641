//! The wiring of the server: what is started, in which order, and how it ends.
//!
//! ```text
//! log files ─► source threads ─┐                       ┌─► history   (the engine's own thread)
//!                              ├─► spool (engine::Live) ┼─► meters    (thread) ─► GET /metrics, samples (thread)
//! POST /ingest ─► HTTP tasks ──┘                       ├─► outputs   (a thread each)
//!                                                      └─► live      (threads) ─► HTTP tasks
//!
//! searches ─► HTTP tasks ─► blocking threads ─► engine
//! ```
//!
//! **Start**: the directory's lock, then the sockets, so that clients find the server within
//! milliseconds; then the spool's recovery; then outputs and sources, and systemd is told.
//! **End**, on SIGTERM or SIGINT: no new connections, sources stop behind a whole line, open requests
//! are finished within [`PATIENCE`], outputs deliver what is left, the spool is closed.
//! **SIGHUP**: sources, outputs, levels of events and metrics go by the changed settings; log files are opened
//! anew. A second signal ends the waiting. What is
//! then still running is broken off, which loses nothing that was acknowledged.

use std::io::IsTerminal as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tidings::emit;
use tidings::meters::Meters;
use tidings_cli::{Failure, Globals, SOCKET_NAME};
use tidings_engine::{Engine, Live, LiveOptions};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::clock::Watch;
use crate::console::Console;
use crate::directory::{LOCK_PATIENCE, open_engine};
use crate::http::{App, Front, Listeners, Tls};
use crate::live::{Hub, Measured};
use crate::local::failure;
use crate::manage::{Access, Effective, Manager, Registry, Runs};
use crate::metrics::{Metrics, spawn_counting, spawn_sampling};
use crate::output::{self, Push, Surroundings};
use crate::own::Own;
use crate::settings::{self, Settings};
use crate::source::{Board, Sources, Wanted};
use crate::stop::Stop;
use crate::upkeep::Upkeep;
use crate::{clock, demo, notify};

/// How long the end waits for requests and sources.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end waits for outputs to deliver what is left.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// How often the engine is asked for what it has to tell.
const NOTES: Duration = Duration::from_secs(1);

/// How often what is known of sessions is tidied up.
const TIDYING: Duration = Duration::from_secs(60);

/// `tidings serve`: runs until it is told to stop.
pub(crate) fn serve(globals: &Globals) -> Result<(), Failure> {
    let settings = settings::load(globals.config.as_deref())?;
    let (console, printing) = Console::start();
    raise_file_limit();
    let result = run(settings, globals, &console);
    printing.finish(console);
    result
}

fn run(settings: Settings, globals: &Globals, console: &Console) -> Result<(), Failure> {
    let data = globals.data.as_path();
    // A server that answers stays; a client verb on the directory is gone in a moment.
    let is_served = UnixStream::connect(data.join(SOCKET_NAME)).is_ok();
    let patience = if is_served {
        Duration::ZERO
    } else {
        LOCK_PATIENCE
    };
    let engine = Arc::new(open_engine(data, patience)?);
    let tls = settings.http.tls.as_ref().map(Tls::open).transpose()?;
    let access = open_access(data)?;
    let listeners = Listeners::open(&settings.http.listen, data)?;
    make_first_account(&access, console)?;
    let own = Own::start();
    let meters = tidings::meters().cloned();
    let meters = meters.unwrap_or_else(|| Arc::new(Meters::new(clock::now_ns())));
    let metrics = Metrics::new(meters, Arc::clone(&engine), settings.metrics.clone());
    let manager = Manager::new(Arc::clone(&engine), access, settings.clone())
        .map_err(|error| Failure::data(error.to_string()))?;
    let manager = Arc::new(manager);
    let settings = apply(&manager, console);
    metrics.set(settings.metrics.clone());
    engine.set_recording(settings.is_recording);
    let app = App::new(
        Arc::clone(&engine),
        Arc::new(Board::default()),
        Arc::new(metrics),
        manager,
        console.clone(),
        Front {
            http: settings.http.clone(),
            tls,
        },
        settings.ingest,
    );
    let server = Server {
        config: globals.config.clone(),
        settings,
        engine,
        app: Arc::new(app),
        own: Mutex::new(own),
        console: console.clone(),
    };
    server.greet(&listeners);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(server.settings.http.searches_max + 8)
        .thread_stack_size(1 << 20)
        .build()
        .map_err(|error| Failure::server("cannot start the server's runtime").because(error))?;
    let result = runtime.block_on(server.run(listeners));
    // What still blocks was waited for already.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Lets the process have as many files and connections open as it may: the usual limit of 1,024 is there for
/// programs that call `select`.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // As it was, then: what does not fit is told when it is opened.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Who may use the server.
fn open_access(data: &Path) -> Result<Arc<Access>, Failure> {
    let registry = Registry::open(data).map_err(|error| Failure::data(error.to_string()))?;
    let access = Access::open(data, Arc::new(registry)).map_err(Failure::data)?;
    Ok(Arc::new(access))
}

/// Makes an account where there is none, once everything else is sure to start.
fn make_first_account(access: &Access, console: &Console) -> Result<(), Failure> {
    if let Some(first) = access.make_first(clock::now_ns()).map_err(Failure::data)? {
        let (name, password) = (&first.name, &first.password);
        if std::io::stderr().is_terminal() {
            console.say(&format!(
                "the account {name} was made; its password, which is shown this once: {password}"
            ));
        } else {
            let path = access.keep_first(&first).map_err(|error| {
                Failure::data("cannot keep the password of the first account").because(error)
            })?;
            console.say(&format!(
                "the account {name} was made; its password is in {} until it is used",
                path.display()
            ));
        }
    }
    Ok(())
}

/// What the program goes by now; says what of the registry it cannot go by.
fn apply(manager: &Manager, console: &Console) -> Settings {
    let Effective { settings, problems } = manager.effective();
    for problem in problems {
        console.say(&format!("not applied: {problem}"));
        emit!(Registry::BuildError, reason = problem);
    }
    settings
}

/// What everything is made of.
struct Server {
    /// The settings file.
    config: Option<PathBuf>,
    settings: Settings,
    engine: Arc<Engine>,
    app: Arc<App>,
    own: Mutex<Option<Own>>,
    console: Console,
}

impl Server {
    fn greet(&self, listeners: &Listeners) {
        self.console
            .say(&format!("serving {}", self.engine.dir().display()));
        for address in listeners.addresses() {
            let scheme = if self.app.tls.is_some() {
                "https"
            } else {
                "http"
            };
            self.console
                .say(&format!("listening on {scheme}://{address}"));
        }
        self.tell_notes();
    }

    fn tell_notes(&self) {
        for note in self.engine.take_notes() {
            self.console.say(&note);
        }
    }

    async fn run(&self, listeners: Listeners) -> Result<(), Failure> {
        let cannot = |what: &'static str| move |error| Failure::server(what).because(error);
        let mut signals = Signals::new().map_err(cannot("cannot wait for signals"))?;
        let (stop_http, stopped) = watch::channel(false);
        let http = tokio::spawn(listeners.serve(Arc::clone(&self.app), stopped, PATIENCE));
        let engine = Arc::clone(&self.engine);
        let live = tokio::task::spawn_blocking(move || engine.live(LiveOptions::default())).await;
        let live = live
            .map_err(|_| Failure::data("the recovery of the spool panicked"))?
            .map_err(failure)?;
        let live = Arc::new(live);
        let hub = Hub::start(live.shared_spool(), self.settings.live);
        let hub = Arc::new(hub.map_err(cannot("cannot start the live streams"))?);
        self.app.hub.set(Some(Arc::clone(&hub)));
        let metrics = &self.app.metrics;
        let measured = Measured::new(Arc::clone(&hub), metrics.created_ns());
        metrics.add(Arc::new(measured));
        let threads = self
            .start(&live, &hub)
            .map_err(cannot("cannot start a thread"))?;
        self.app.live.set(Some(Arc::clone(&live)));
        self.app.manager.set_runs(Some(Arc::new(Runs {
            live: Arc::downgrade(&live),
            outputs: Arc::clone(&threads.outputs),
            board: Arc::clone(&self.app.board),
        })));
        notify::tell("READY=1");

        let mut push = Push::new(Arc::clone(&self.app.metrics), self.console.clone());
        push.apply(self.settings.pushed.as_ref()).await;
        let changing = Changing {
            outputs: &threads.outputs,
            sources: &threads.sources,
            upkeep: &threads.upkeep,
            push: &mut push,
        };
        self.until_stopped(&mut signals, Some(changing)).await;

        notify::tell("STOPPING=1");
        self.console.say("stopping");
        let _ = stop_http.send(true);
        // They never end by themselves.
        hub.end();
        tokio::select! {
            () = self.finish(http, threads, live, push) => {}
            () = self.until_stopped(&mut signals, None) => self.console.say("told to stop twice: not waiting any longer"),
        }
        self.tell_notes();
        Ok(())
    }

    /// Starts the readers of the spool, then what feeds it.
    fn start(&self, live: &Arc<Live>, hub: &Hub) -> std::io::Result<Threads> {
        let (feeding, counting) = (Stop::new()?, Stop::new()?);
        let demo_log = self.settings.demo.then(|| demo::log_in(self.engine.dir()));
        let counting_thread = spawn_counting(
            live,
            Arc::clone(&self.app.metrics),
            self.console.clone(),
            counting.clone(),
        )?;
        let around = Surroundings {
            console: self.console.clone(),
            board: Arc::clone(&self.app.board),
            runtime: Handle::current(),
        };
        let outputs = output::Running::start(live, &self.settings, &self.app.metrics, around)?;
        if let Some(own) = self.own().as_mut() {
            own.keep_for(&self.settings.tracers, &self.settings.levels);
            own.feed(Arc::clone(live), hub.asked(), self.console.clone())?;
        }
        let wanted = Wanted::new(self.settings.followed(demo_log.as_deref()))?;
        let wanted = Arc::new(wanted);
        let sources = Sources {
            wanted: Arc::clone(&wanted),
            data: self.engine.dir().to_owned(),
            demo_log: demo_log.clone(),
            places: outputs.places(),
            live: Arc::clone(live),
            board: Arc::clone(&self.app.board),
            console: self.console.clone(),
            stop: feeding.clone(),
        };
        let mut feeders = Vec::new();
        if let Some(log) = demo_log {
            feeders.push(demo::spawn_replay(
                log,
                self.console.clone(),
                feeding.clone(),
            )?);
        }
        feeders.push(sources.spawn()?);
        let upkeep = Upkeep::spawn(
            Arc::clone(&self.engine),
            self.settings.rules(),
            self.console.clone(),
            feeding.clone(),
        )?;
        let sampling = Stop::new()?;
        let sampling_thread = spawn_sampling(
            Arc::clone(&self.engine),
            Arc::clone(&self.app.metrics),
            self.console.clone(),
            sampling.clone(),
        )?;
        Ok(Threads {
            feeding,
            feeders,
            sources: wanted,
            upkeep,
            counting,
            readers: vec![counting_thread],
            sampling: (sampling, sampling_thread),
            outputs: Arc::new(outputs),
        })
    }

    fn own(&self) -> MutexGuard<'_, Option<Own>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for SIGTERM or SIGINT, and tells what there is to tell meanwhile.
    async fn until_stopped(&self, signals: &mut Signals, mut changing: Option<Changing<'_>>) {
        let mut notes = tokio::time::interval(NOTES);
        let mut tidying = tokio::time::interval(TIDYING);
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.hang_up.recv() => self.reload(changing.as_mut()).await,
                () = self.app.manager.reload.wanted.notified() => self.reload(changing.as_mut()).await,
                () = self.app.manager.changed.notified() => self.change(changing.as_mut()).await,
                _ = notes.tick() => {
                    self.tell_notes();
                    self.reload_tls(false);
                }
                _ = tidying.tick() => self.tidy_access(),
            }
        }
    }

    /// Goes by another certificate, if there is one.
    fn reload_tls(&self, in_any_case: bool) {
        let tls = self.app.tls.as_ref();
        if let Some(said) = tls.and_then(|tls| tls.reload(in_any_case)) {
            self.console.say(&said);
        }
    }

    /// Keeps what is known of uses, and forgets what has expired; on a thread that may block.
    fn tidy_access(&self) {
        let (access, console) = (Arc::clone(&self.app.manager.access), self.console.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = access.tidy(clock::now_ns()) {
                console.say(&error);
            }
        });
    }

    /// Reads the settings again, and goes by those that can change while the server runs.
    async fn reload(&self, changing: Option<&mut Changing<'_>>) {
        notify::tell("RELOADING=1");
        self.reload_tls(true);
        let result = match settings::load(self.config.as_deref()) {
            Ok(changed) => {
                if !changed.differs_only_in_changeable(&self.settings) {
                    self.console
                        .say("settings other than those of sources, outputs, metrics and the history need a restart");
                }
                self.app.manager.set_file(changed);
                self.change(changing).await;
                self.console
                    .say("settings read again, log files opened anew");
                Ok(())
            }
            Err(failure) => {
                let why = failure.sentence();
                self.console
                    .say(&format!("everything goes on as it was: {why}"));
                emit!(Telemetry::SettingsError, reason = &why);
                Err(why)
            }
        };
        self.app.manager.reload.done(&result);
        notify::tell("READY=1");
    }

    /// Goes by what the settings file and the registry say now; log files are opened anew.
    async fn change(&self, changing: Option<&mut Changing<'_>>) {
        let Some(Changing {
            outputs,
            sources,
            upkeep,
            push,
        }) = changing
        else {
            return;
        };
        if let Some(hub) = self.app.hub.get() {
            for account in self.app.manager.take_concerned() {
                hub.cut(&account.to_string());
            }
        }
        let changed = apply(&self.app.manager, &self.console);
        self.app.metrics.set(changed.metrics.clone());
        self.engine.set_recording(changed.is_recording);
        upkeep.set(changed.rules());
        let demo_log = self.settings.demo.then(|| demo::log_in(self.engine.dir()));
        sources.set(changed.followed(demo_log.as_deref()));
        if let Some(own) = self.own().as_ref() {
            own.keep_for(&changed.tracers, &changed.levels);
        }
        push.apply(changed.pushed.as_ref()).await;
        let outputs = Arc::clone(outputs);
        let applying = tokio::task::spawn_blocking(move || {
            outputs.apply(&changed);
            outputs.reopen();
        });
        // An output that is slow to end must not keep the server from ending.
        let _ = tokio::time::timeout(PATIENCE, applying).await;
    }

    async fn finish(&self, http: Serving, threads: Threads, live: Arc<Live>, mut push: Push) {
        threads.feeding.set();
        let mut feeders = threads.feeders;
        feeders.push(threads.upkeep.cancel());
        let all_fed = joined(feeders).await;
        match http.await {
            Ok(Ok(0)) => {}
            Ok(Ok(open)) => self.console.say(&format!(
                "{open} requests took too long and were broken off"
            )),
            Ok(Err(error)) => self
                .console
                .say(&format!("the HTTP server failed: {error}")),
            Err(_) => self.console.say("the HTTP server panicked"),
        }
        let access = Arc::clone(&self.app.manager.access);
        let _ = tokio::task::spawn_blocking(move || access.tidy(clock::now_ns())).await;
        let own = self.own().take();
        let _ = tokio::task::spawn_blocking(move || own.map(Own::stop)).await;
        threads.counting.set();
        joined(threads.readers).await;
        if let Some(hub) = self.app.hub.get() {
            let _ = tokio::task::spawn_blocking(move || hub.stop()).await;
        }
        let (sampling, thread) = threads.sampling;
        sampling.set();
        joined(vec![thread]).await;
        // What they do on the network is done by this runtime, so it must not be blocked here.
        let outputs = threads.outputs;
        let _ = tokio::task::spawn_blocking(move || outputs.stop(LAST_DELIVERY)).await;
        push.stop().await;
        self.app.hub.set(None);
        self.app.live.set(None);
        self.app.manager.set_runs(None);
        // Somebody still feeds: the next start recovers, as after a crash.
        let (true, Some(live)) = (all_fed, Arc::into_inner(live)) else {
            return self.console.say(
                "some work did not end in time; the next start goes on behind what is durable",
            );
        };
        let closing = tokio::task::spawn_blocking(move || live.shutdown());
        match tokio::time::timeout(PATIENCE, closing).await {
            Ok(Ok(Ok(()))) => self.console.say("stopped"),
            Ok(Ok(Err(error))) => self
                .console
                .say(&format!("the spool was not closed properly: {error}")),
            Ok(Err(_)) => self.console.say("closing the spool panicked"),
            Err(_) => self
                .console
                .say("closing the spool took too long and was broken off"),
        }
    }
}

/// What SIGHUP can change.
struct Changing<'r> {
    outputs: &'r Arc<output::Running>,
    sources: &'r Wanted,
    upkeep: &'r Upkeep,
    push: &'r mut Push,
}

type Serving = tokio::task::JoinHandle<std::io::Result<usize>>;

/// The threads, with the signals that end them.
struct Threads {
    feeding: Stop,
    feeders: Vec<JoinHandle<()>>,
    sources: Arc<Wanted>,
    upkeep: Upkeep,
    counting: Stop,
    readers: Vec<JoinHandle<()>>,
    /// Ends when everything is counted.
    sampling: (Stop, JoinHandle<()>),
    outputs: Arc<output::Running>,
}

/// Waits for threads that were told to end; gives whether all have.
async fn joined(threads: Vec<JoinHandle<()>>) -> bool {
    let watch = Watch::start();
    while threads.iter().any(|thread| !thread.is_finished()) {
        if watch.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

/// The signals that are heeded.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}
