//! The management API on HTTP: JMAP with its session, the schema, and what the caller may do.

use std::io::Write;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, json};
use tidings_admin::{CORE, MANAGEMENT, Request, RequestError, RequestErrorType};

use super::App;
use super::access::{Caller, MaybeCaller};
use super::client::Client;
use super::gzip;
use super::problem::Problem;
use super::search::turn;
use crate::clock;
use crate::manage::jmap::{CALLS_MAX, OBJECTS_MAX, REQUEST_BYTES_MAX, REQUESTS_MAX, answer};

/// The schema as it is sent: packed, and named by what it holds.
struct Packed {
    hash: String,
    gzip: Vec<u8>,
}

static SCHEMA: LazyLock<Packed> = LazyLock::new(|| {
    let json = tidings_admin::schema().to_string();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let _ = packer.write_all(json.as_bytes());
    let gzip = packer.finish().unwrap_or_default();
    let hash = ring::digest::digest(&ring::digest::SHA256, &gzip);
    Packed {
        hash: URL_SAFE_NO_PAD.encode(hash),
        gzip,
    }
});

const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

/// `POST /jmap`.
pub(super) async fn jmap(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !is_json(&headers) {
        let why = "the body must be JSON: Content-Type: application/json";
        return Err(RequestError::new(RequestErrorType::NotJson, why).into());
    }
    let who = caller.known.identity;
    let Some(_share) = app.limits.requests.take(&who) else {
        let why = format!("{REQUESTS_MAX} requests of this account are being served already");
        let limit = RequestErrorType::Limit("maxConcurrentRequests");
        return Err(RequestError::new(limit, why).into());
    };
    let body = read(body, app.http.body_timeout).await?;
    let request = Request::read(&body, CALLS_MAX)?;
    let Some(turn) = turn(&app).await else {
        let why = "too many searches are running (http.searches)";
        return Err(Problem::come_again(StatusCode::SERVICE_UNAVAILABLE, why, 2));
    };
    let is_packed = gzip::is_accepted(&headers);
    let answering = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let json = answer(&app.manager, &who, &request, clock::now_ns());
        gzip::answer(json.into(), Compression::fast(), is_packed)
    });
    match answering.await {
        Ok(response) => Ok(([JSON, (CACHE_CONTROL, "no-store")], response).into_response()),
        Err(_) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request could not be answered: the server has an error",
        )),
    }
}

/// Reads a body whole, if it is not too large and comes in time.
async fn read(body: Body, patience: Duration) -> Result<Bytes, Problem> {
    let reading = Limited::new(body, REQUEST_BYTES_MAX).collect();
    match tokio::time::timeout(patience, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let why = format!("a request may have at most {REQUEST_BYTES_MAX} bytes");
            Err(RequestError::new(RequestErrorType::Limit("maxSizeRequest"), why).into())
        }
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "the body is broken off",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long (http.body_timeout)",
        )),
    }
}

/// Whether a body is JSON, as far as its header says; where it says nothing it may be.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let kind = value.to_str().unwrap_or_default().split(';').next();
    kind.unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
}

/// `GET /jmap/session`: where everything is, and what there is for whoever asks.
pub(super) async fn session(
    MaybeCaller(caller): MaybeCaller,
    client: Client,
) -> Result<Response, Problem> {
    let who = caller?.map(|caller| caller.known.identity);
    // The name comes from the client and goes back to it.
    let base = client.origin().unwrap_or_default();
    let (mut accounts, mut primary) = (Map::new(), Map::new());
    let (mut username, mut state) = (String::new(), String::new());
    if let Some(who) = &who {
        let id = who.account.to_string();
        let account = json!({
            "name": who.name,
            "isPersonal": true,
            "isReadOnly": false,
            "accountCapabilities": { MANAGEMENT: {} },
        });
        primary.insert(MANAGEMENT.to_owned(), id.clone().into());
        accounts.insert(id, account);
        username.clone_from(&who.name);
        state = who.state();
    }
    let session = json!({
        "capabilities": {
            CORE: {
                "maxSizeUpload": REQUEST_BYTES_MAX,
                "maxConcurrentUpload": REQUESTS_MAX,
                "maxSizeRequest": REQUEST_BYTES_MAX,
                "maxConcurrentRequests": REQUESTS_MAX,
                "maxCallsInRequest": CALLS_MAX,
                "maxObjectsInGet": OBJECTS_MAX,
                "maxObjectsInSet": OBJECTS_MAX,
                "collationAlgorithms": [],
            },
            MANAGEMENT: {},
        },
        "accounts": accounts,
        "primaryAccounts": primary,
        "username": username,
        "apiUrl": format!("{base}/jmap/"),
        "downloadUrl": format!("{base}/jmap/download/{{accountId}}/{{blobId}}/{{name}}?accept={{type}}"),
        "uploadUrl": format!("{base}/jmap/upload/{{accountId}}/"),
        "eventSourceUrl": format!("{base}/jmap/eventsource/?types={{types}}&closeafter={{closeafter}}&ping={{ping}}"),
        "state": state,
    });
    Ok((
        [JSON, (CACHE_CONTROL, "no-cache, no-store, must-revalidate")],
        session.to_string(),
    )
        .into_response())
}

/// `GET /.well-known/jmap` (RFC 8620, 2.2).
pub(super) async fn well_known() -> Response {
    (
        StatusCode::TEMPORARY_REDIRECT,
        [(LOCATION, "/jmap/session")],
    )
        .into_response()
}

/// `GET /api/schema`: where the schema of now is.
pub(super) async fn schema(_: Caller) -> Response {
    let place = format!("/api/schema/{}", SCHEMA.hash);
    (
        StatusCode::FOUND,
        [(LOCATION, place), (CACHE_CONTROL, "no-cache".to_owned())],
    )
        .into_response()
}

/// `GET /api/schema/HASH`: the schema, which never changes under its name.
pub(super) async fn schema_by_hash(caller: Caller, Path(hash): Path<String>) -> Response {
    if hash != SCHEMA.hash {
        return schema(caller).await;
    }
    let headers = [
        JSON,
        (CONTENT_ENCODING, "gzip"),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, SCHEMA.gzip.as_slice()).into_response()
}
