//! `POST /ingest`: events of other programs, one JSON object a line or as encoded records, answered
//! when they are durable.
//!
//! **Queue**: the bodies that are being received or wait to be stored take at most the bytes that the
//! settings name; beyond that a request is answered 429 with `Retry-After`, and nothing of it is
//! stored. Nothing is ever dropped after it was accepted, so there is no counter of drops.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use tidings::emit;
use tidings_engine::{IngestError, IngestReport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Allowed;
use super::answer::{Refusal, come_again, object, refuse};
use super::{App, INGEST_UNIT_BYTES};
use crate::clock;

/// After how many seconds a client shall come again when it is too much.
const RETRY_SECONDS: u32 = 1;

/// The most memory that unpacking zstd may take for its window.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

/// The type of a body of encoded records.
const RECORDS_TYPE: &str = "application/vnd.tidings.records";

/// What a body consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// JSON, an event a line.
    Lines,
    /// Encoded records one after the other.
    Records,
}

/// Stores the events of a body: all of them or none.
pub(super) async fn ingest(
    State(app): State<Arc<App>>,
    _: Allowed,
    request: Request,
) -> Result<Response, Refusal> {
    let form = form(request.headers())?;
    let report = take(app, form, request).await.inspect_err(|refusal| {
        emit!(
            Source::EventsRefused,
            source = "POST /ingest",
            code = refusal.code()
        );
    })?;
    let IngestReport {
        accepted,
        duplicates,
    } = report;
    emit!(
        Source::EventsTaken,
        source = "POST /ingest",
        count = accepted
    );
    let answer = match form {
        Form::Lines => format!("{{\"accepted\":{accepted}}}"),
        Form::Records => format!("{{\"accepted\":{accepted},\"duplicates\":{duplicates}}}"),
    };
    Ok(object(StatusCode::OK, answer))
}

async fn take(app: Arc<App>, form: Form, request: Request) -> Result<IngestReport, Refusal> {
    let (parts, body) = request.into_parts();
    let packing = packing(&parts.headers)?;
    let length = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > app.ingest.body_bytes_max as u64) {
        return Err(too_long(app.ingest.body_bytes_max, "ingest.body"));
    }
    let units = Arc::clone(&app.limits.ingest_units);
    let receiving = receive(body, units, app.ingest.body_bytes_max);
    let (packed, room) = tokio::time::timeout(app.http.body_timeout, receiving)
        .await
        .map_err(|_| {
            refuse(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time (http.body_timeout)",
            )
        })??;
    let Ok(turn) = Arc::clone(&app.limits.ingests).acquire_owned().await else {
        return Err(not_taking());
    };
    let storing = tokio::task::spawn_blocking(move || {
        let stored = store(&app, form, packing, packed);
        drop((room, turn));
        stored
    });
    storing.await.unwrap_or_else(|_| {
        let why = "storing the events panicked; see the server's console";
        Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, why))
    })
}

/// Only a type that no web page may send to another host without asking first.
fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let name = given.split(';').next().unwrap_or_default().trim();
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match () {
        () if is(RECORDS_TYPE) => Ok(Form::Records),
        () if is("application/x-ndjson") || is("application/ndjson") || is("application/jsonl") => {
            Ok(Form::Lines)
        }
        () => Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be one JSON object a line, as Content-Type: application/x-ndjson, or \
             encoded records, as application/vnd.tidings.records",
        )),
    }
}

fn packing(headers: &HeaderMap) -> Result<Packing, Refusal> {
    let given = headers
        .get(CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    match given.as_deref() {
        None | Some("" | "identity") => Ok(Packing::None),
        Some("gzip" | "x-gzip") => Ok(Packing::Gzip),
        Some("zstd") => Ok(Packing::Zstd),
        Some(_) => Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is packed in a way that is not read; Content-Encoding must be gzip, zstd or absent",
        )),
    }
}

/// Receives a body; the permits stand for the memory that it takes.
async fn receive(
    mut body: Body,
    units: Arc<Semaphore>,
    bytes_max: usize,
) -> Result<(Vec<u8>, Vec<OwnedSemaphorePermit>), Refusal> {
    let mut received = Vec::new();
    let mut room = Vec::new();
    let mut paid = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|_| refuse(StatusCode::BAD_REQUEST, "the body broke off before its end"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if received.len() + data.len() > bytes_max {
            return Err(too_long(bytes_max, "ingest.body"));
        }
        let needed = (received.len() + data.len()).div_ceil(INGEST_UNIT_BYTES) - paid;
        let more = u32::try_from(needed)
            .ok()
            .and_then(|needed| Arc::clone(&units).try_acquire_many_owned(needed).ok());
        let Some(more) = more else {
            let why = "too many bodies are waiting to be stored (ingest.waiting); nothing of this one was stored";
            return Err(come_again(
                StatusCode::TOO_MANY_REQUESTS,
                why,
                RETRY_SECONDS,
            ));
        };
        paid += needed;
        room.push(more);
        received.extend_from_slice(&data);
    }
    Ok((received, room))
}

/// Unpacks and stores, on a thread that may block.
fn store(
    app: &App,
    form: Form,
    packing: Packing,
    packed: Vec<u8>,
) -> Result<IngestReport, Refusal> {
    let body = unpack(packing, packed, app.ingest.unpacked_bytes_max)?;
    let Some(live) = app.live.get() else {
        return Err(not_taking());
    };
    let now_ns = clock::now_ns();
    let stored = match form {
        Form::Lines => live.ingest(&body, now_ns),
        Form::Records => live.ingest_records(&body, now_ns),
    };
    stored.map_err(|error| refused(app, &error))
}

fn refused(app: &App, error: &IngestError) -> Refusal {
    match error {
        IngestError::Bad { line, .. } => {
            let json = serde_json::json!({
                "error": { "message": error.to_string(), "code": "usage", "line": line }
            });
            Refusal::with_json(StatusCode::BAD_REQUEST, json.to_string())
        }
        IngestError::Full => come_again(
            StatusCode::TOO_MANY_REQUESTS,
            "the spool is full; nothing of this body was stored",
            RETRY_SECONDS,
        ),
        IngestError::Failed(error) => {
            app.console.say(&format!(
                "POST /ingest: the events cannot be stored: {error}"
            ));
            refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "the events cannot be stored; see the server's console",
            )
        }
    }
}

fn unpack(packing: Packing, packed: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let read = match packing {
        Packing::None if packed.len() > bytes_max => {
            return Err(too_long(bytes_max, "ingest.unpacked"));
        }
        Packing::None => return Ok(packed),
        Packing::Gzip => read_limited(
            flate2::read::MultiGzDecoder::new(packed.as_slice()),
            bytes_max,
        ),
        Packing::Zstd => zstd::Decoder::new(packed.as_slice()).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            read_limited(decoder, bytes_max)
        }),
    };
    let bytes = read.map_err(|error| {
        refuse(
            StatusCode::BAD_REQUEST,
            &format!("the body cannot be unpacked: {error}"),
        )
    })?;
    if bytes.len() > bytes_max {
        return Err(too_long(bytes_max, "ingest.unpacked"));
    }
    Ok(bytes)
}

/// Reads at most one byte more than allowed.
fn read_limited(mut input: impl Read, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut input)
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn too_long(bytes_max: usize, setting: &str) -> Refusal {
    refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!(
            "the body is longer than the {bytes_max} bytes allowed ({setting}); send it in several"
        ),
    )
}

fn not_taking() -> Refusal {
    let why = "the server takes no events now, as it is starting or stopping";
    come_again(StatusCode::SERVICE_UNAVAILABLE, why, RETRY_SECONDS)
}
