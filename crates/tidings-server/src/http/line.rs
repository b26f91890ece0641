//! What a handler may know of the connection that its request came by.
//!
//! A live stream never ends by itself. So it does not count among the connections that the settings
//! allow, but among the streams; and when the server stops while its client does not read, what is
//! left is not waited for.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Its place among the connections; given back when it becomes a stream.
    room: Mutex<Option<OwnedSemaphorePermit>>,
    is_stream: AtomicBool,
}

impl Line {
    pub(super) fn new(room: OwnedSemaphorePermit) -> Arc<Line> {
        Arc::new(Line {
            room: Mutex::new(Some(room)),
            is_stream: AtomicBool::new(false),
        })
    }

    /// What is answered now is the last answer of this connection, and a stream.
    pub(super) fn becomes_stream(&self) {
        self.is_stream.store(true, Ordering::Relaxed);
        self.free();
    }

    pub(super) fn is_stream(&self) -> bool {
        self.is_stream.load(Ordering::Relaxed)
    }

    /// The connection is closed.
    pub(super) fn free(&self) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        drop(room.take());
    }
}

/// The line that a request came by.
#[derive(Clone, Debug)]
pub(super) struct OnLine(pub(super) Arc<Line>);

impl<S: Sync> FromRequestParts<S> for OnLine {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<OnLine, Infallible> {
        let line = parts.extensions.get::<Arc<Line>>();
        Ok(OnLine(line.cloned().unwrap_or_default()))
    }
}
