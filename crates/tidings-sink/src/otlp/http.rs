//! OTLP over HTTP.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::ClientConfig;
use tidings_wire::otlp::{Reply, RpcStatus};

use super::endpoint::Signal;
use super::transport::{ANSWER_BYTES_MAX, Common, Remedy, SendError, chain};
use crate::settings::SettingsError;

/// Level 1 leaves a twelfth of the bytes of log records; level 6 would save a twentieth of those, at
/// three times the time.
const GZIP_LEVEL: u32 = 1;

/// A client of one collector.
pub(super) struct Http {
    client: Client,
    common: Common,
}

impl Http {
    pub(super) fn new(
        object: &str,
        common: Common,
        agent: &str,
        tls: ClientConfig,
    ) -> Result<Http, SettingsError> {
        let client = Client::builder()
            .user_agent(agent)
            .timeout(common.timeout)
            // A redirect would carry the events, and the password, to somebody else.
            .redirect(Policy::none())
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|error| {
                let reason = chain(&error);
                SettingsError::new(object, "endpoint", reason, "one that a client can be made for")
            })?;
        Ok(Http { client, common })
    }

    pub(super) fn shown(&self) -> String {
        self.common.endpoint.shown()
    }

    pub(super) fn shown_for(&self, signal: Signal) -> String {
        self.common.endpoint.shown_for(signal)
    }

    pub(super) async fn send(
        &self,
        signal: Signal,
        body: Bytes,
        now_ns: i64,
    ) -> Result<Reply, SendError> {
        let mut headers = self.common.headers.clone();
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        headers.insert(CONTENT_TYPE, protobuf);
        let body = if self.common.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            compressed(&body)
        } else {
            body
        };
        let url = self.common.endpoint.http(signal);
        let request = self.client.post(url).headers(headers).body(body);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let retry_after = retry_after(response.headers(), now_ns);
        let is_json = is_json(response.headers());
        let answer = read(response).await?;
        if status.is_success() {
            return Ok(taken(&answer, is_json));
        }
        Err(refused(status, retry_after, &answer))
    }
}

/// What was said with a success.
///
/// The specification has a receiver answer 200, with an `Export…ServiceResponse`, if and only if it
/// accepted the data; only `partial_success` in that answer takes some of it back, and a client must
/// not send again what was accepted. So it is the status that counts: whatever the body is, the events
/// are delivered and none is rejected. Some receivers answer with nothing or with JSON. Anything else may
/// well be the page of a web server, which is worth a word to the operator and no failure.
fn taken(answer: &[u8], is_json: bool) -> Reply {
    match Reply::read(answer) {
        Ok(reply) => reply,
        Err(_) if is_json => Reply::default(),
        Err(_) => Reply {
            rejected: 0,
            message: "the answer is not OTLP: is there a collector at this URL?".to_owned(),
        },
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/json"))
}

fn compressed(body: &[u8]) -> Bytes {
    let out = Vec::with_capacity(body.len() / 4);
    let mut encoder = GzEncoder::new(out, Compression::new(GZIP_LEVEL));
    encoder
        .write_all(body)
        .expect("writing to memory does not fail");
    let out = encoder.finish().expect("writing to memory does not fail");
    out.into()
}

/// The request did not come to an answer.
fn failed(error: reqwest::Error) -> SendError {
    let remedy = if error.is_builder() {
        Remedy::None
    } else {
        Remedy::Retry(None)
    };
    // The URL may have a token in its query.
    SendError::new(remedy, chain(&error.without_url()))
}

async fn read(mut response: Response) -> Result<Bytes, SendError> {
    let mut answer = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        let room = ANSWER_BYTES_MAX - answer.len();
        answer.extend_from_slice(&piece[..piece.len().min(room)]);
        if answer.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(answer.freeze())
}

fn refused(status: StatusCode, retry_after: Option<Duration>, answer: &[u8]) -> SendError {
    let said = RpcStatus::read(answer).unwrap_or_default();
    let remedy = match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Remedy::Retry(retry_after.or(said.retry_after)),
        StatusCode::PAYLOAD_TOO_LARGE => Remedy::Smaller,
        // Not the events are wrong but the address or the secret, which somebody will mend.
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Remedy::Retry(retry_after),
        status if status.is_redirection() => Remedy::Retry(None),
        _ => Remedy::None,
    };
    let mut reason = format!("HTTP {status}");
    if !said.message.is_empty() {
        reason.push_str(": ");
        reason.push_str(&said.message);
    }
    SendError::new(remedy, reason)
}

/// `Retry-After`: seconds, or the time until a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now_ns: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    let now = Duration::from_nanos(u64::try_from(now_ns).unwrap_or(0));
    Some(since_epoch.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // 2026-02-03T04:05:06Z.
        let now_ns = 1_770_091_506_000_000_000;
        for (text, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Tue, 03 Feb 2026 04:05:16 GMT", Some(10)),
            ("Tue, 03 Feb 2026 04:05:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now_ns), expected, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now_ns), None);
    }

    #[test]
    fn a_success_of_somebody_else_is_doubted() {
        assert_eq!(taken(b"", false), Reply::default());
        assert_eq!(taken(b"{\"partialSuccess\":{}}", true), Reply::default());
        let page = taken(b"<!doctype html><title>Welcome", false);
        assert!(page.rejected == 0 && page.message.contains("is there a collector"));
    }

    #[test]
    fn what_the_specification_names_and_what_can_be_mended_is_tried_again() {
        for status in 300..600 {
            let status = StatusCode::from_u16(status).unwrap();
            let expected = match status.as_u16() {
                429 | 502 | 503 | 504 => Remedy::Retry(None),
                300..=399 | 401 | 403 | 404 | 405 | 407 => Remedy::Retry(None),
                413 => Remedy::Smaller,
                _ => Remedy::None,
            };
            assert_eq!(refused(status, None, b"<html>").remedy, expected);
        }
    }
}
