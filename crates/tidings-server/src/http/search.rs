//! Searches, and the other things that client verbs ask of a running server.
//!
//! Each runs on a thread that may block, of which there are few; the answers are streamed, so that
//! neither side holds them whole.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tidings::emit;
use tidings_cli::{
    EventsQuery, Failure, FailureKind, ImportOptions, MessagesQuery, StatsQuery, Store,
    StoryOptions,
};
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::access::Searching;
use super::answer::{LineSink, Refusal, come_again, refuse, stream};
use super::parameters::{Pairs, Parameters};
use crate::clock::Watch;
use crate::local::EngineStore;

/// How long a search waits for its turn at most, and an import for the sources.
const TURN: Duration = Duration::from_secs(10);

/// How often an import tells how far it is.
const PROGRESS: Duration = Duration::from_millis(100);

/// Length of the lists in `stats` where the client names none, and at most.
const TOP: (u32, u32) = (10, 1_000);

/// What searches can be asked with; each takes its part of it.
const ASKED: &[&str] = &["filter", "since", "until", "limit", "raw"];

/// What a story can be asked with.
const ASKED_STORY: &[&str] = &["key", "limit", "told", "raw"];

/// What `stats` can be asked with.
const ASKED_STATS: &[&str] = &["since", "until", "top"];

/// What is to be imported.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedImport {
    files: Vec<PathBuf>,
    #[serde(default)]
    year: Option<i32>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    force: bool,
}

type Answer = Result<Response, Refusal>;

pub(super) async fn messages(State(app): State<Arc<App>>, _: Searching, pairs: Pairs) -> Answer {
    let asked = Parameters::of(pairs, ASKED)?;
    let query = MessagesQuery {
        since_ns: asked.time("since")?,
        until_ns: asked.time("until")?,
        filter: asked.text("filter").unwrap_or_default().to_owned(),
        limit: asked.number("limit")?,
    };
    search(app, "messages", move |store, sink| {
        store.messages(&query, &mut |message| sink.push(&message))
    })
    .await
}

pub(super) async fn events(State(app): State<Arc<App>>, _: Searching, pairs: Pairs) -> Answer {
    let asked = Parameters::of(pairs, ASKED)?;
    let query = EventsQuery {
        since_ns: asked.time("since")?,
        until_ns: asked.time("until")?,
        filter: asked.text("filter").unwrap_or_default().to_owned(),
        limit: asked.number("limit")?,
        raw: asked.flag("raw")?,
    };
    search(app, "events", move |store, sink| {
        store.events(&query, &mut |event| sink.push(&event))
    })
    .await
}

pub(super) async fn story(State(app): State<Arc<App>>, _: Searching, pairs: Pairs) -> Answer {
    let asked = Parameters::of(pairs, ASKED_STORY)?;
    let Some(key) = asked.text("key").map(str::to_owned) else {
        let why = "the parameter `key` is missing: an id, a queue id, a Message-ID or an address";
        return Err(refuse(StatusCode::BAD_REQUEST, why));
    };
    let options = StoryOptions {
        raw: asked.flag("raw")?,
        limit: asked.number("limit")?,
        told: asked.number("told")?,
    };
    search(app, "story", move |store, sink| {
        store.stories(&key, &options, &mut |story| sink.push(&story))
    })
    .await
}

pub(super) async fn stats(State(app): State<Arc<App>>, _: Searching, pairs: Pairs) -> Answer {
    let asked = Parameters::of(pairs, ASKED_STATS)?;
    let top = asked.number("top")?;
    let query = StatsQuery {
        since_ns: asked.time("since")?,
        until_ns: asked.time("until")?,
        top: top
            .map_or(TOP.0, |top| u32::try_from(top).unwrap_or(TOP.1))
            .min(TOP.1),
    };
    search(app, "stats", move |store, sink| {
        sink.push(&store.stats(&query)?);
        Ok(())
    })
    .await
}

/// Imports files that the server can read, one import at a time. It goes on to its end even if the
/// client goes away.
pub(super) async fn import(
    State(app): State<Arc<App>>,
    allowed: Searching,
    asked: Result<Json<AskedImport>, JsonRejection>,
) -> Answer {
    allowed.may_read_files()?;
    let Json(asked) = asked.map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.body_text()))?;
    if let Some(relative) = asked.files.iter().find(|file| !file.is_absolute()) {
        let why = format!("files: {} is no absolute path", relative.display());
        return Err(refuse(StatusCode::BAD_REQUEST, &why));
    }
    if !sources_have_begun(&app).await {
        let why = "the server is still looking for where it goes on with the logs that it follows, which it \
                   must know before it imports others";
        return Err(come_again(StatusCode::SERVICE_UNAVAILABLE, why, 10));
    }
    let Ok(turn) = Arc::clone(&app.limits.imports).try_acquire_owned() else {
        let why = "another import is running; wait for its end";
        return Err(come_again(StatusCode::SERVICE_UNAVAILABLE, why, 10));
    };
    let options = ImportOptions {
        year: asked.year,
        timezone: asked.timezone,
        force: asked.force,
    };
    stream(app.http.stall_timeout, move |sink| {
        let _turn = turn;
        let mut told = Watch::start();
        let mut store = EngineStore::new(Arc::clone(&app.engine));
        let done = store.import(&asked.files, &options, &mut |progress| {
            if told.elapsed() >= PROGRESS {
                told = Watch::start();
                sink.push(progress);
            }
        });
        let mut done = done?;
        for refused in done.refused.iter_mut().filter(|refused| !refused.force) {
            refused.why.push_str(&read_by_server());
        }
        sink.push(&serde_json::json!({ "result": done }));
        Ok(())
    })
    .await
}

/// Waits until it is known what is followed: what a source is about to read is not to be imported.
async fn sources_have_begun(app: &App) -> bool {
    let watch = Watch::start();
    while app.live.get().is_none() || !app.board.has_begun() {
        if watch.elapsed() > TURN {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

/// Who could not read a file: it is not who asked.
fn read_by_server() -> String {
    let own = rustix::process::geteuid().as_raw();
    format!(" (the server reads it, as the user with id {own})")
}

pub(super) async fn verify(State(app): State<Arc<App>>, _: Searching) -> Answer {
    search(app, "verify", |store, sink| {
        sink.push(&serde_json::json!({ "result": store.verify()? }));
        Ok(())
    })
    .await
}

/// A repair needs the directory for itself.
pub(super) async fn repair(_: Searching) -> Refusal {
    let why = "a history is repaired while no server runs on it; stop the server, then run `tidings repair` again";
    refuse(StatusCode::CONFLICT, why)
}

/// Runs a search when it is its turn; `what` names it where it is told of.
async fn search(
    app: Arc<App>,
    what: &'static str,
    find: impl FnOnce(&mut EngineStore, &mut LineSink) -> Result<(), Failure> + Send + 'static,
) -> Answer {
    let Some(turn) = turn(&app).await else {
        let why = "too many searches are running (http.searches)";
        return Err(come_again(StatusCode::SERVICE_UNAVAILABLE, why, 2));
    };
    stream(app.http.stall_timeout, move |sink| {
        let _turn = turn;
        if sink.is_gone() {
            return Ok(());
        }
        let watch = Watch::start();
        let found = find(&mut EngineStore::new(Arc::clone(&app.engine)), sink);
        match &found {
            Ok(()) => emit!(History::Query, details = what, elapsed = watch.elapsed()),
            // Told to whoever asked; nothing is wrong with the history.
            Err(failure) if failure.kind() == FailureKind::Usage => {
                let (elapsed, reason) = (watch.elapsed(), failure.sentence());
                emit!(
                    History::Query,
                    details = what,
                    elapsed = elapsed,
                    reason = reason
                );
            }
            Err(failure) => {
                emit!(
                    History::QueryError,
                    details = what,
                    reason = failure.sentence()
                )
            }
        }
        found
    })
    .await
}

/// Waits for a place among the searches; `None` if too many wait already, or it takes too long.
pub(super) async fn turn(app: &App) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
    let place = Arc::clone(&app.limits.waiting).try_acquire_owned().ok()?;
    let turn = Arc::clone(&app.limits.searches).acquire_owned();
    let turn = tokio::time::timeout(TURN, turn).await.ok()?.ok()?;
    Some((place, turn))
}
