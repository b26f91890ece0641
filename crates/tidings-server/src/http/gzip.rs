//! Packs answers for clients that can unpack them.

use std::io::Write as _;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Answers below this length are not packed.
const BYTES_MIN: usize = 1024;

/// Whether the client can unpack gzip.
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter();
    let lists = values.filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        !is_refused && (name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip"))
    })
}

/// An answer with this body, packed where that `is_accepted` and worth it. It takes some milliseconds for
/// a megabyte.
pub(super) fn answer(mut body: Vec<u8>, level: Compression, is_accepted: bool) -> Response {
    let mut is_packed = false;
    if is_accepted && body.len() >= BYTES_MIN {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), level);
        let packed = encoder.write_all(&body).and_then(|()| encoder.finish());
        if let Ok(packed) = packed {
            body = packed;
            is_packed = true;
        }
    }
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_packed_for_those_who_can_unpack_them() {
        for (accept, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accept));
            assert_eq!(is_accepted(&headers), expected, "{accept}");
        }
    }
}
