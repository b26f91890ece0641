//! HTTP: health, ingest, live streams, and the searches that the client verbs ask a running server for.
//!
//! The same handlers serve the socket in the data directory, which only its owner and group can
//! reach, and the TCP addresses of the settings, which offer less (see [`access`]).
//!
//! Everything is bounded: connections, head and body of a request and the time for them, bytes
//! waiting to be stored, searches at a time and in line, and how long a client may leave an answer
//! unread. What does not fit is told to come again.

mod access;
mod account;
mod answer;
mod client;
mod cors;
mod gzip;
mod health;
mod ingest;
mod jmap;
mod line;
mod linger;
mod live;
mod metrics;
mod oauth;
mod openapi;
mod parameters;
mod problem;
mod requests;
mod search;
mod serve;
mod shares;
mod sign_in_page;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{any, get, post};
use tidings_engine::{Engine, Live};
use tokio::sync::Semaphore;

use crate::console::Console;
use crate::live::Hub;
use crate::manage::jmap::REQUESTS_MAX;
use crate::manage::{Access, Manager};
use crate::metrics::Metrics;
use crate::settings::{HttpSettings, IngestSettings};
use crate::source::Board;

pub(crate) use serve::Listeners;
use shares::Shares;
pub(crate) use tls::Tls;

/// Searches that may wait for each that may run.
const WAITING_PER_SEARCH: usize = 16;

/// Bytes of what is sent to sign in.
const SIGN_IN_BYTES_MAX: usize = 16 << 10;

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
    /// Where the settings have a certificate.
    pub(crate) tls: Option<Tls>,
    pub(crate) access: Arc<Access>,
    pub(crate) ingest: IngestSettings,
    snapshot: live::Snapshot,
    limits: Limits,
}

/// How what there is is served.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) http: HttpSettings,
    pub(crate) tls: Option<Tls>,
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
    /// Management requests that are served at a time, by account.
    requests: Shares,
}

impl App {
    pub(crate) fn new(
        engine: Arc<Engine>,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
        manager: Arc<Manager>,
        console: Console,
        front: Front,
        ingest: IngestSettings,
    ) -> App {
        let Front { http, tls } = front;
        let access = Arc::clone(&manager.access);
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let limits = Limits {
            searches: permits(http.searches_max),
            waiting: permits(http.searches_max * (1 + WAITING_PER_SEARCH)),
            imports: permits(1),
            ingest_units: permits(ingest.waiting_bytes_max / INGEST_UNIT_BYTES),
            ingests: permits(2),
            requests: Shares::new(REQUESTS_MAX),
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
            tls,
            access,
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
    told(app, common(app).merge(searches(app)))
}

/// What TCP serves: searches only where the settings say so.
fn tcp_router(app: &Arc<App>) -> Router {
    let mut routes = common(app);
    if app.http.api {
        routes = routes.merge(searches(app));
    }
    // Around everything, also what is refused for its method.
    let cors = middleware::from_fn_with_state(Arc::clone(app), cors::cors);
    told(app, routes.layer(cors))
}

/// With an id for each request, and an event of it.
fn told(app: &Arc<App>, routes: Router) -> Router {
    let told = middleware::from_fn_with_state(Arc::clone(app), requests::told);
    routes.layer(told)
}

fn common(app: &Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/ingest", post(ingest::ingest))
        .route("/metrics", any(metrics::all))
        .route("/metrics/prometheus", any(metrics::reference))
        .merge(accounts())
        .merge(management())
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(Arc::clone(app))
}

/// Signing in, and whatever is about who one is.
fn accounts() -> Router<Arc<App>> {
    Router::new()
        .route("/api/account", get(account::account))
        .route("/api/sign-in", post(account::sign_in))
        .route("/api/sign-out", post(account::sign_out))
        .route("/api/token/{stream}", get(account::stream_token))
        .route("/api/discover/{user}", get(oauth::discover))
        .route(
            "/oauth/authorize",
            get(oauth::authorize).post(oauth::signed),
        )
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/revoke", post(oauth::revoke))
        .route(
            "/.well-known/oauth-authorization-server",
            get(oauth::metadata),
        )
        .route("/.well-known/openid-configuration", get(oauth::metadata))
        .route(
            "/.well-known/oauth-protected-resource",
            get(oauth::resource),
        )
        .layer(DefaultBodyLimit::max(SIGN_IN_BYTES_MAX))
}

/// The management API and the live streams. Who asks has to say who they are, wherever they come from.
fn management() -> Router<Arc<App>> {
    Router::new()
        .route("/jmap", post(jmap::jmap))
        .route("/jmap/", post(jmap::jmap))
        .route("/jmap/session", get(jmap::session))
        .route("/.well-known/jmap", get(jmap::well_known))
        .route("/api/openapi.json", get(openapi::openapi))
        .route("/api/schema", get(jmap::schema))
        .route("/api/schema/{hash}", get(jmap::schema_by_hash))
        .route("/api/live/tracing", get(live::tracing))
        .route("/api/telemetry/traces/live", get(live::tracing))
        .route("/api/live/metrics", get(live::metrics))
        .route("/api/telemetry/metrics/live", get(live::metrics))
        .method_not_allowed_fallback(answer::wrong_method)
}

fn searches(app: &Arc<App>) -> Router {
    Router::new()
        .route("/api/tidings/messages", get(search::messages))
        .route("/api/tidings/events", get(search::events))
        .route("/api/tidings/story", get(search::story))
        .route("/api/tidings/stats", get(search::stats))
        .route("/api/tidings/accounts", post(account::manage))
        .route("/api/tidings/import", post(search::import))
        .route("/api/tidings/verify", post(search::verify))
        .route("/api/tidings/repair", post(search::repair))
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(Arc::clone(app))
}
