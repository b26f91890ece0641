//! `GET /api/live/tracing` and `GET /api/live/metrics`, also at the paths that the reference documents:
//! what happens, as Server-Sent Events.

mod metrics;
mod parameters;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::App;
use super::access::{Caller, stream_caller};
use super::answer::{Refusal, come_again};
use super::line::OnLine;
use super::parameters::Pairs;
use super::problem::Problem;
use crate::clock::now_ns;
use crate::live::{Follow, Hub, Refused, Scope, Since, Stream};
use crate::manage::access::Stream as Kind;

pub(super) use metrics::Snapshot;

/// Seconds after which a client that found no place may come again.
const COME_AGAIN_SECONDS: u32 = 10;

/// Tells proxies (nginx) to pass frames on at once.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The events that are committed from now on, or behind an id.
pub(super) async fn tracing(
    State(app): State<Arc<App>>,
    EventViewer(caller): EventViewer,
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
        who: Some(name_of(&caller)),
    });
    let stream: Stream = stream.map_err(refused)?;
    Ok(answer(&line, Body::new(stream)))
}

/// The metrics now, and again after each interval.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    MetricViewer(caller): MetricViewer,
    line: OnLine,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    let wanted = parameters::metrics(pairs)?;
    let seat = hub(&app)?.seat(Some(name_of(&caller))).map_err(refused)?;
    Ok(answer(&line, metrics::body(app, seat, wanted)))
}

/// Who may follow events.
pub(super) struct EventViewer(Caller);

impl FromRequestParts<Arc<App>> for EventViewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<EventViewer, Problem> {
        viewer(parts, app, Kind::Tracing).await.map(EventViewer)
    }
}

/// Who may follow metrics.
pub(super) struct MetricViewer(Caller);

impl FromRequestParts<Arc<App>> for MetricViewer {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<MetricViewer, Problem> {
        viewer(parts, app, Kind::Metrics).await.map(MetricViewer)
    }
}

/// Who opens a stream, by `?token=` or as usual.
async fn viewer(parts: &mut Parts, app: &Arc<App>, kind: Kind) -> Result<Caller, Problem> {
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let token = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="));
    let caller = stream_caller(parts, app, kind, token).await?;
    if caller.identity().domains.is_some() {
        let why = "live streams show all mail, and this account may see that of some domains only";
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    Ok(caller)
}

/// By what the streams of an account are cut off.
fn name_of(caller: &Caller) -> Arc<str> {
    Arc::from(caller.identity().account.to_string())
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
