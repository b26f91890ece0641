//! `GET /api/live/tracing` and `GET /api/live/metrics`, also at the paths that the reference documents:
//! what happens, as Server-Sent Events.

mod metrics;
mod parameters;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::App;
use super::access::{Caller, Streaming};
use super::answer::{Refusal, come_again};
use super::line::OnLine;
use super::parameters::Pairs;
use crate::clock::now_ns;
use crate::live::{Follow, Hub, Refused, Scope, Since, Stream};

pub(super) use metrics::Snapshot;

/// Seconds after which a client that found no place may come again.
const COME_AGAIN_SECONDS: u32 = 10;

/// Tells proxies (nginx) to pass frames on at once.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The events that are committed from now on, or behind an id.
pub(super) async fn tracing(
    State(app): State<Arc<App>>,
    Streaming(caller): Streaming,
    line: OnLine,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    let parameters = parameters::tracing(pairs, now_ns())?;
    let stream = hub(&app)?.follow(Follow {
        wish: parameters.wish,
        since: last_event_id(&headers).map_or(parameters.since, Since::Id),
        throttle: parameters.throttle,
        scope: Scope::All,
        who: Some(account(&caller)),
    });
    let stream: Stream = stream.map_err(refused)?;
    Ok(answer(&line, Body::new(stream)))
}

/// The metrics now, and again after each interval.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    Streaming(caller): Streaming,
    line: OnLine,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    let wanted = parameters::metrics(pairs)?;
    let seat = hub(&app)?.seat(Some(account(&caller))).map_err(refused)?;
    Ok(answer(&line, metrics::body(app, seat, wanted)))
}

/// Whose stream it is.
fn account(caller: &Caller) -> Arc<str> {
    caller.identity().account.to_string().into()
}

fn hub(app: &App) -> Result<Arc<Hub>, Refusal> {
    app.hub.get().ok_or_else(|| {
        let why = "there are no live streams yet: the server is starting";
        come_again(StatusCode::SERVICE_UNAVAILABLE, why, 1)
    })
}

fn refused(refused: Refused) -> Refusal {
    come_again(
        StatusCode::SERVICE_UNAVAILABLE,
        &refused.to_string(),
        COME_AGAIN_SECONDS,
    )
}

fn answer(line: &OnLine, body: Body) -> Response {
    line.0.becomes_stream();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (CONNECTION, "close"),
        (NO_BUFFERING, "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What a client that connects again has seen last.
fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("last-event-id")?.as_bytes();
    // What is no text is a foreign id, too.
    (!id.is_empty()).then(|| String::from_utf8_lossy(id).into_owned())
}
