//! Answers: refusals as error objects, and results as a stream of JSON lines.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use tidings_cli::{Failure, FailureKind};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::clock::Watch;

/// Lines that are sent in one piece.
const PIECE_BYTES: usize = 16 << 10;

/// How long a line waits for others to be sent with it.
const PIECE_WAIT: Duration = Duration::from_millis(50);

/// Pieces that may wait for a client to read them.
const PIECES: usize = 4;

/// A request that is refused, or failed: a problem object (RFC 9457) that has besides what the client verbs
/// look for, `"error": {"message": "…", "code": "…"}`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    json: String,
    /// After how many seconds it can be sent again.
    retry_seconds: Option<u32>,
}

impl Refusal {
    /// The status of the answer.
    pub(super) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    /// A refusal with an object of its own.
    pub(super) fn with_json(status: StatusCode, json: String) -> Refusal {
        Refusal {
            status,
            json,
            retry_seconds: None,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let status = match failure.kind() {
            FailureKind::Usage => StatusCode::BAD_REQUEST,
            FailureKind::Data => StatusCode::CONFLICT,
            FailureKind::File => StatusCode::UNPROCESSABLE_ENTITY,
            FailureKind::Server => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refusal::with_json(status, failure.to_json())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = super::problem::with_error(self.status, &self.json);
        if let Some(seconds) = self.retry_seconds {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            super::problem::challenge(response.headers_mut());
        }
        response
    }
}

/// A refusal with a sentence.
pub(super) fn refuse(status: StatusCode, why: &str) -> Refusal {
    let kind = match status {
        StatusCode::BAD_REQUEST => FailureKind::Usage,
        StatusCode::CONFLICT => FailureKind::Data,
        _ => FailureKind::Server,
    };
    Refusal::with_json(status, Failure::new(kind, why).to_json())
}

/// As [`refuse`], for a request that can be sent again after some seconds.
pub(super) fn come_again(status: StatusCode, why: &str, seconds: u32) -> Refusal {
    Refusal {
        retry_seconds: Some(seconds),
        ..refuse(status, why)
    }
}

/// A JSON object as an answer.
pub(super) fn object(status: StatusCode, json: String) -> Response {
    let mut response = (status, json + "\n").into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// There is nothing at this path.
pub(super) async fn not_found(uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(200).collect();
    refuse(
        StatusCode::NOT_FOUND,
        &format!("there is nothing at {path} here"),
    )
}

/// There is something at this path, for another method.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(200).collect();
    refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("{path} does not take {method}"),
    )
}

/// What goes from the thread that finds to the connection.
enum Piece {
    /// Whole lines.
    Lines(Bytes),
    /// Nothing more is found, or could be. An answer without this is broken off, so that nobody
    /// takes it for a shorter result.
    End(Result<(), Failure>),
}

/// Takes the lines of an answer from the thread that finds them. The thread waits where the client
/// reads more slowly than they are found, but not for ever.
pub(super) struct LineSink {
    pieces: mpsc::Sender<Piece>,
    runtime: Handle,
    stall_timeout: Duration,
    lines: Vec<u8>,
    since: Watch,
    is_gone: bool,
}

impl LineSink {
    /// Adds an object as a line; gives whether more is wanted.
    pub(super) fn push(&mut self, line: &impl Serialize) -> bool {
        // Writing into memory fails only for objects that are no JSON, which ours are.
        if self.is_gone() || serde_json::to_writer(&mut self.lines, line).is_err() {
            self.is_gone = true;
            return false;
        }
        self.lines.push(b'\n');
        if self.lines.len() >= PIECE_BYTES || self.since.elapsed() >= PIECE_WAIT {
            self.flush();
        }
        !self.is_gone
    }

    /// Whether the client has gone, or has not read for too long.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone || self.pieces.is_closed()
    }

    fn flush(&mut self) {
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            self.send(Piece::Lines(lines.into()));
        }
        self.since = Watch::start();
    }

    fn finish(mut self, result: Result<(), Failure>) {
        self.flush();
        if !self.is_gone {
            self.send(Piece::End(result));
        }
    }

    fn send(&mut self, piece: Piece) {
        let sending = self.pieces.send(piece);
        let sent = self
            .runtime
            .block_on(async { tokio::time::timeout(self.stall_timeout, sending).await });
        self.is_gone = !matches!(sent, Ok(Ok(())));
    }
}

/// Runs `find` on a thread of its own and answers with the lines that it pushes. A failure before
/// the first line decides the status; a later one is the last line.
pub(super) async fn stream(
    stall_timeout: Duration,
    find: impl FnOnce(&mut LineSink) -> Result<(), Failure> + Send + 'static,
) -> Result<Response, Refusal> {
    let (pieces, mut queue) = mpsc::channel(PIECES);
    let mut sink = LineSink {
        pieces,
        runtime: Handle::current(),
        stall_timeout,
        lines: Vec::new(),
        since: Watch::start(),
        is_gone: false,
    };
    tokio::task::spawn_blocking(move || {
        let result = find(&mut sink);
        sink.finish(result);
    });
    let first = match queue.recv().await {
        Some(Piece::End(Err(failure))) => return Err(failure.into()),
        None => {
            let why = "the search broke off; the server's console says why";
            return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, why));
        }
        Some(first) => first,
    };
    let mut response = Body::new(Lines {
        next: Some(first),
        queue,
        is_over: false,
    })
    .into_response();
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    Ok(response)
}

/// The body of an answer.
struct Lines {
    next: Option<Piece>,
    queue: mpsc::Receiver<Piece>,
    is_over: bool,
}

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let piece = match self.next.take() {
            Some(piece) => Some(piece),
            None => std::task::ready!(self.queue.poll_recv(context)),
        };
        let lines = match piece {
            Some(Piece::Lines(lines)) => lines,
            Some(Piece::End(Ok(()))) => {
                self.is_over = true;
                return Poll::Ready(None);
            }
            Some(Piece::End(Err(failure))) => {
                self.is_over = true;
                Bytes::from(failure.to_json() + "\n")
            }
            None => {
                self.is_over = true;
                return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
            }
        };
        Poll::Ready(Some(Ok(http_body::Frame::data(lines))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// Status and body of an answer, or that the body broke off.
    fn answered(
        find: impl FnOnce(&mut LineSink) -> Result<(), Failure> + Send + 'static,
    ) -> (u16, Option<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let response = stream(Duration::from_secs(5), find).await.into_response();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.ok();
            let text = body.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap());
            (status, text)
        })
    }

    #[test]
    fn an_answer_that_ends_early_is_never_taken_for_a_whole_one() {
        let lines = |sink: &mut LineSink, count: u32| (0..count).all(|number| sink.push(&number));
        let (status, text) = answered(move |sink| {
            assert!(lines(sink, 10_000));
            Ok(())
        });
        let text = text.unwrap();
        assert_eq!((status, text.lines().count()), (200, 10_000));
        assert_eq!(text.lines().next_back(), Some("9999"));
        assert_eq!(answered(|_| Ok(())), (200, Some(String::new())));

        let (status, text) = answered(move |sink| {
            lines(sink, 10_000);
            Err(Failure::data("damaged"))
        });
        let last = r#"{"error":{"code":"data","message":"damaged"}}"#;
        let same = |line: &str| {
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            value(line) == value(last)
        };
        assert!(status == 200 && same(text.unwrap().lines().next_back().unwrap()));
        assert_eq!(answered(|_| Err(Failure::usage("no such field"))).0, 400);

        let (status, text) = answered(move |sink| {
            lines(sink, 10_000);
            panic!("a panic that this test makes");
        });
        assert_eq!((status, text), (200, None));
        assert_eq!(answered(|_| panic!("a panic that this test makes")).0, 500);
    }
}
