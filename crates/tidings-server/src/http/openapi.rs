//! `GET /api/openapi.json`: what there is besides JMAP, for programs and people (OpenAPI 3.1).

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;

use super::gzip;

/// The document, whose version is the program's.
static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| include_str!("openapi.json").replace("\"VERSION\"", VERSION));

const VERSION: &str = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");

static TAG: LazyLock<String> = LazyLock::new(|| {
    let hash = ring::digest::digest(&ring::digest::SHA256, DOCUMENT.as_bytes());
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12]))
});

/// `GET /api/openapi.json`.
pub(super) async fn openapi(headers: HeaderMap) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).into_iter();
    let mut known = known.filter_map(|value| value.to_str().ok());
    let shown = [(ETAG, TAG.as_str()), (CACHE_CONTROL, "no-cache")];
    if known.any(|tags| tags == "*" || tags.contains(TAG.as_str())) {
        return (StatusCode::NOT_MODIFIED, shown).into_response();
    }
    let (body, is_accepted) = (DOCUMENT.as_bytes().to_vec(), gzip::is_accepted(&headers));
    let answer = gzip::answer(body, Compression::default(), is_accepted);
    (shown, [(CONTENT_TYPE, "application/json")], answer).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Every path of the routers, as their source has it.
    fn routed() -> BTreeSet<&'static str> {
        let source = include_str!("mod.rs");
        let routes = source.split(".route(").skip(1);
        routes.filter_map(|rest| rest.split('"').nth(1)).collect()
    }

    #[test]
    fn every_path_is_described_and_no_other() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let described: BTreeSet<&str> = document["paths"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(described, routed());
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn every_reference_is_there_and_every_parameter_of_a_path_described() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"].is_object(), "{method} {path}");
                let parameters = operation["parameters"].as_array();
                let of_path = parameters.into_iter().flatten();
                let of_path = of_path.filter(|parameter| parameter["in"] == "path");
                assert_eq!(of_path.count(), path.matches('{').count(), "{path}");
            }
        }
        let schemes = &document["components"]["securitySchemes"];
        for scheme in document["security"].as_array().unwrap() {
            let name = scheme.as_object().unwrap().keys().next().unwrap();
            assert!(schemes[name].is_object(), "{name}");
        }
    }
}
