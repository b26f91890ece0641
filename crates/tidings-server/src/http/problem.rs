//! Refusals of the management API: problem details (RFC 9457), with what HTTP wants beside them.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tidings_admin::RequestError;

use crate::manage::access::Denied;

/// How to show who one is; the names are the reference's, which its clients look for.
const BEARER: &str =
    "Bearer realm=\"Stalwart Server\", resource_metadata=\"/.well-known/oauth-protected-resource\"";
const BASIC: &str = "Basic realm=\"Stalwart Server\"";

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// The members of a problem of a special type.
    json: Option<Value>,
    retry_seconds: Option<u32>,
}

impl Problem {
    /// A refusal with a sentence.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            json: None,
            retry_seconds: None,
        }
    }

    /// The same, for a request that can be sent again after some seconds.
    pub(crate) fn come_again(status: StatusCode, detail: &str, seconds: u32) -> Problem {
        Problem {
            retry_seconds: Some(seconds),
            ..Problem::new(status, detail)
        }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Problem {
        Problem {
            json: Some(error.to_json()),
            ..Problem::new(StatusCode::BAD_REQUEST, error.detail)
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        let (status, retry_seconds) = match denied {
            Denied::Wrong(_) => (StatusCode::UNAUTHORIZED, None),
            Denied::TooMany(seconds) => (StatusCode::TOO_MANY_REQUESTS, Some(seconds)),
            Denied::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, Some(10)),
        };
        Problem {
            retry_seconds,
            ..Problem::new(status, denied.to_string())
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let usual = || {
            json!({
                "type": "about:blank",
                "status": self.status.as_u16(),
                "title": title,
                "detail": self.detail,
            })
        };
        let body = self.json.clone().unwrap_or_else(usual);
        let mut response = (self.status, body.to_string() + "\n").into_response();
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

/// Tells how to show who one is.
pub(super) fn challenge(headers: &mut HeaderMap) {
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(BEARER));
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(BASIC));
}
