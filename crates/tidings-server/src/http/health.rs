//! `GET /healthz`: the process runs. `GET /readyz`: what it holds can be searched.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::App;
use super::access::IsAllowed;
use super::answer::object;
use crate::source::Status;

/// The answer of `/readyz`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Readiness {
    is_ready: bool,
    /// By name; only for those who may know.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<BTreeMap<String, Status>>,
}

/// 200 as long as the server answers at all.
pub(super) async fn healthz() -> Response {
    object(StatusCode::OK, r#"{"status":"ok"}"#.to_owned())
}

/// 200 when everything stored can be searched and events are taken, else 503; in either case with the
/// sources. A source that waits for its file does not make the server unready: the rest of it works.
pub(super) async fn readyz(State(app): State<Arc<App>>, allowed: IsAllowed) -> Response {
    let is_ready = app.is_ready();
    let sources = allowed.0.then(|| app.board.all());
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let json = serde_json::to_string(&Readiness { is_ready, sources });
    object(status, json.expect("texts and numbers are JSON"))
}
