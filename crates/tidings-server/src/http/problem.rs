//! Refusals as problem objects (RFC 9457), which the management API answers with.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tidings_admin::RequestError;

use crate::manage::access::Denied;

/// A request that is refused: `{"type": …, "status": …, "title": …, "detail": …}`.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    json: Value,
    retry_seconds: Option<u32>,
}

impl Problem {
    /// A problem of no special type, with a sentence.
    pub(super) fn new(status: StatusCode, detail: &str) -> Problem {
        let json = json!({
            "type": "about:blank",
            "status": status.as_u16(),
            "title": status.canonical_reason().unwrap_or_default(),
            "detail": detail,
        });
        Problem {
            status,
            json,
            retry_seconds: None,
        }
    }

    /// The same, for a request that can be sent again after some seconds.
    pub(super) fn come_again(status: StatusCode, detail: &str, seconds: u32) -> Problem {
        Problem {
            retry_seconds: Some(seconds),
            ..Problem::new(status, detail)
        }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Problem {
        Problem {
            status: StatusCode::BAD_REQUEST,
            json: error.to_json(),
            retry_seconds: None,
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        let why = denied.to_string();
        match denied {
            Denied::Wrong(_) => Problem::new(StatusCode::UNAUTHORIZED, &why),
            Denied::TooMany(seconds) => {
                Problem::come_again(StatusCode::TOO_MANY_REQUESTS, &why, seconds)
            }
            Denied::Unavailable(_) => {
                Problem::come_again(StatusCode::SERVICE_UNAVAILABLE, &why, 10)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.json.to_string()).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            challenge(headers);
        }
        response
    }
}

/// A failure of a client verb, `{"error": {…}}`, as a problem object around it.
pub(super) fn with_error(status: StatusCode, failure: &str) -> Response {
    let failure: Value = serde_json::from_str(failure).unwrap_or_default();
    let detail = failure["error"]["message"].as_str().unwrap_or_default();
    let mut problem = Problem::new(status, detail);
    if let (Value::Object(json), Value::Object(failure)) = (&mut problem.json, failure) {
        json.extend(failure);
    }
    problem.into_response()
}

/// Tells how to show who one is.
pub(super) fn challenge(headers: &mut HeaderMap) {
    let bearer =
        "Bearer realm=\"Tidings\", resource_metadata=\"/.well-known/oauth-protected-resource\"";
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
    let basic = "Basic realm=\"Tidings\"";
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(basic));
}
