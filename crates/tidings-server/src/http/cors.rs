//! Web pages of other origins: those that the settings name may ask with tokens of their own. Cookies
//! are never for them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;

/// Answers what browsers ask before, and tells them who may read an answer.
pub(super) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let is_named = |origin: &HeaderValue| {
        let mut named = app.http.cors_origins.iter();
        named.any(|named| named.as_bytes() == origin.as_bytes())
    };
    let origin = origin.filter(is_named);
    let asks_before = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, asks_before) {
        (Some(_), true) => before(),
        _ => next.run(request).await,
    };
    if !app.http.cors_origins.is_empty() {
        response
            .headers_mut()
            .append(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = origin {
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

fn before() -> Response {
    let allow = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    let allow = allow.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (StatusCode::NO_CONTENT, HeaderMap::from_iter(allow)).into_response()
}
