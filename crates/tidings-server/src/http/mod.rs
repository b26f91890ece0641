//! HTTP: health, ingest, live streams, and the searches that the client verbs ask a running server for.
//!
//! The same handlers serve the socket in the data directory, which only its owner and group can
//! reach, and the TCP addresses of the settings, which offer less (see [`access`]).
//!
//! Everything is bounded: connections, head and body of a request and the time for them, bytes
//! waiting to be stored, searches at a time and in line, and how long a client may leave an answer
//! unread. What does not fit is told to come again.

mod access;
mod answer;
mod health;
mod ingest;
mod jmap;
mod line;
mod linger;
mod live;
mod metrics;
mod parameters;
mod problem;
mod search;
mod serve;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::routing::{any, get, post};
use tidings_engine::{Engine, Live};
use tokio::sync::Semaphore;

use crate::console::Console;
use crate::live::Hub;
use crate::manage::Manager;
use crate::metrics::Metrics;
use crate::settings::{HttpSettings, IngestSettings};
use crate::source::Board;

pub(crate) use serve::Listeners;

/// Searches that may wait for each that may run.
const WAITING_PER_SEARCH: usize = 8;

/// Bytes of ingested bodies are counted in these.
const INGEST_UNIT_BYTES: usize = 1024;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    /// Set when the live part has been recovered, a moment after listening starts; taken away again
    /// at the end.
    pub(crate) live: Slot<Live>,
    /// The live streams, as soon as there is a spool to follow.
    pub(crate) hub: Slot<Hub>,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) manager: Arc<Manager>,
    pub(crate) console: Console,
    pub(crate) http: HttpSettings,
    pub(crate) ingest: IngestSettings,
    snapshot: live::Snapshot,
    limits: Limits,
}

/// A part of the server that comes later than the handlers and goes earlier.
#[derive(Debug)]
pub(crate) struct Slot<T>(RwLock<Option<Arc<T>>>);

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(RwLock::new(None))
    }
}

impl<T> Slot<T> {
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, part: Option<Arc<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = part;
    }
}

#[derive(Debug)]
struct Limits {
    /// Searches that may run.
    searches: Arc<Semaphore>,
    /// Searches that may run or wait.
    waiting: Arc<Semaphore>,
    /// Imports that may run.
    imports: Arc<Semaphore>,
    /// [`INGEST_UNIT_BYTES`] of bodies in memory.
    ingest_units: Arc<Semaphore>,
    /// Bodies that are unpacked or stored at a time.
    ingests: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        engine: Arc<Engine>,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
        manager: Arc<Manager>,
        console: Console,
        http: HttpSettings,
        ingest: IngestSettings,
    ) -> App {
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let limits = Limits {
            searches: permits(http.searches_max),
            waiting: permits(http.searches_max * (1 + WAITING_PER_SEARCH)),
            imports: permits(1),
            ingest_units: permits(ingest.waiting_bytes_max / INGEST_UNIT_BYTES),
            ingests: permits(2),
        };
        App {
            engine,
            live: Slot::default(),
            hub: Slot::default(),
            board,
            metrics,
            manager,
            console,
            http,
            ingest,
            snapshot: live::Snapshot::default(),
            limits,
        }
    }

    /// Whether everything that was stored before the start can be searched again.
    pub(crate) fn is_ready(&self) -> bool {
        self.live.get().is_some() && self.engine.is_ready()
    }
}

/// What the socket in the data directory serves: everything.
fn socket_router(app: &Arc<App>) -> Router {
    common(app).merge(searches(app))
}

/// What TCP serves: searches only where the settings say so.
fn tcp_router(app: &Arc<App>) -> Router {
    let routes = common(app);
    if app.http.api {
        routes.merge(searches(app))
    } else {
        routes
    }
}

fn common(app: &Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/ingest", post(ingest::ingest))
        .route("/metrics", any(metrics::all))
        .route("/metrics/prometheus", any(metrics::reference))
        .merge(management())
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(Arc::clone(app))
}

/// The management API. Who asks has to say who they are, wherever they come from.
fn management() -> Router<Arc<App>> {
    Router::new()
        .route("/jmap", post(jmap::jmap))
        .route("/jmap/", post(jmap::jmap))
        .route("/jmap/session", get(jmap::session))
        .route("/.well-known/jmap", get(jmap::well_known))
        .route("/api/schema", get(jmap::schema))
        .route("/api/schema/{hash}", get(jmap::schema_by_hash))
        .route("/api/account", get(jmap::account))
        .method_not_allowed_fallback(answer::wrong_method)
}

fn searches(app: &Arc<App>) -> Router {
    Router::new()
        .route("/api/tidings/messages", get(search::messages))
        .route("/api/tidings/events", get(search::events))
        .route("/api/tidings/story", get(search::story))
        .route("/api/tidings/stats", get(search::stats))
        .route("/api/live/tracing", get(live::tracing))
        .route("/api/telemetry/traces/live", get(live::tracing))
        .route("/api/live/metrics", get(live::metrics))
        .route("/api/telemetry/metrics/live", get(live::metrics))
        .route("/api/tidings/import", post(search::import))
        .route("/api/tidings/verify", post(search::verify))
        .route("/api/tidings/repair", post(search::repair))
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(Arc::clone(app))
}
