//! `GET /metrics` and `GET /metrics/prometheus`: what was measured, for Prometheus.
//!
//! `/metrics/prometheus` speaks as the reference does, so that dashboards made for it go on working:
//! its names, in the classic text format, whatever the scraper would rather have. `/metrics` shows
//! everything, as OpenMetrics to those who ask for it. `?set=` and `?format=` choose on both.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use tidings_wire::prometheus::{Format, Naming, write as write_readings};

use super::App;
use super::access::IsAllowed;
use super::answer::{Refusal, refuse};
use super::gzip;
use super::parameters::{Pairs, Parameters};
use crate::metrics::Set;

/// The names and the format of the reference, unless the address asks for others.
pub(super) async fn reference(
    State(app): State<Arc<App>>,
    allowed: IsAllowed,
    pairs: Pairs,
    request: Request,
) -> Result<Response, Response> {
    answer(app, allowed, pairs, request.headers(), |_| {
        (Set::Reference, Format::Text)
    })
    .await
}

/// Everything, in the format that the scraper would rather have.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    allowed: IsAllowed,
    pairs: Pairs,
    request: Request,
) -> Result<Response, Response> {
    answer(app, allowed, pairs, request.headers(), |headers| {
        (Set::All, wanted(headers))
    })
    .await
}

async fn answer(
    app: Arc<App>,
    allowed: IsAllowed,
    pairs: Pairs,
    headers: &HeaderMap,
    usual: impl Fn(&HeaderMap) -> (Set, Format),
) -> Result<Response, Response> {
    let settings = app.metrics.settings();
    if !settings.is_scraped {
        let why = "metrics are not shown here (metrics.prometheus)";
        return Err(refuse(StatusCode::NOT_FOUND, why).into_response());
    }
    let is_known = match &settings.user {
        // Whoever has the token may see everything; without one, anyone on this machine could.
        Some(user) => {
            (allowed.0 && app.http.token.is_some())
                || shown_basic(headers).is_some_and(|shown| user.is(&shown))
        }
        None => allowed.0,
    };
    if !is_known {
        return Err(unauthorized());
    }
    let (mut set, mut format) = usual(headers);
    let parameters =
        Parameters::of(pairs, &["set", "format"]).map_err(IntoResponse::into_response)?;
    if let Some(word) = parameters.text("set") {
        set = match word {
            "reference" => Set::Reference,
            "tidings" => Set::Labelled,
            "all" => Set::All,
            _ => return Err(not_allowed("set", "reference, tidings, all").into_response()),
        };
    }
    if let Some(word) = parameters.text("format") {
        format = match word {
            "text" => Format::Text,
            "openmetrics" => Format::OpenMetrics,
            _ => return Err(not_allowed("format", "text, openmetrics").into_response()),
        };
    }
    let is_packed = gzip::is_accepted(headers);
    // Messages in the queue are counted for it, which may take some milliseconds.
    let written = tokio::task::spawn_blocking(move || write(&app, set, format, is_packed)).await;
    written.map_err(|_| {
        let why = "writing the metrics panicked; see the server's console";
        refuse(StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
    })
}

fn write(app: &App, set: Set, format: Format, is_packed: bool) -> Response {
    let readings = app.metrics.read(set);
    let mut text = Vec::with_capacity(64 << 10);
    write_readings(&mut text, &readings, format, Naming::Reference);
    let mut response = gzip::answer(text, Compression::default(), is_packed);
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    response
}

fn not_allowed(name: &str, allowed: &str) -> Refusal {
    refuse(
        StatusCode::BAD_REQUEST,
        &format!("{name} is not what is allowed; allowed are {allowed}"),
    )
}

fn unauthorized() -> Response {
    let why = "metrics are shown to those who authenticate: the user of [metrics], or the token of [http]";
    let mut response = refuse(StatusCode::UNAUTHORIZED, why).into_response();
    for scheme in [
        "Basic realm=\"Tidings metrics\"",
        "Bearer realm=\"Tidings\"",
    ] {
        let value = HeaderValue::from_static(scheme);
        response.headers_mut().append(WWW_AUTHENTICATE, value);
    }
    response
}

/// What the scraper would rather have.
fn wanted(headers: &HeaderMap) -> Format {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    Format::negotiate(accept)
}

/// The user and password of `Authorization: Basic …` (RFC 7617), as `user:password`.
fn shown_basic(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    BASE64.decode(encoded.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn users_are_taken_from_their_header() {
        let shown = |value| shown_basic(&headers(AUTHORIZATION, value));
        assert_eq!(
            shown("Basic cHJvbTpzZWNyZXQ="),
            Some(b"prom:secret".to_vec())
        );
        assert_eq!(
            shown("basic  cHJvbTpzZWNyZXQ="),
            Some(b"prom:secret".to_vec())
        );
        for value in ["Basic ???", "Bearer cHJvbTpzZWNyZXQ=", "Basic", ""] {
            assert_eq!(shown(value), None, "{value}");
        }
    }
}
