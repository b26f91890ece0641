//! Closes a connection so that its client gets the whole answer.
//!
//! A server that answers before it has read the whole request, and then closes, makes the system
//! throw the answer away where it has not been read yet: the client sees a reset connection instead of
//! "413". So the sending side is closed first, and what still comes is read and thrown away for a
//! moment, until the client closes too (RFC 9112, 9.6). Not while the server is stopping: it does not
//! wait for clients that are silent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::line::Line;

/// How long what still comes is read.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connection that is closed in this way.
#[derive(Debug)]
pub(super) struct Lingering<S> {
    stream: S,
    /// Whether the server is stopping.
    stop: watch::Receiver<bool>,
    line: Arc<Line>,
    /// Set when the sending side is closed.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, stop: watch::Receiver<bool>, line: Arc<Line>) -> Lingering<S> {
        Lingering {
            stream,
            stop,
            line,
            deadline: None,
        }
    }

    /// What came of writing: the client of a stream that does not read is not waited for when the
    /// server stops.
    fn written<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.line.is_stream() && *self.stop.borrow() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.deadline.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        // Of a stream's request nothing is left to read.
        if *this.stop.borrow() || this.line.is_stream() {
            return Poll::Ready(Ok(()));
        }
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        loop {
            if deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut thrown_away = [0; 4096];
            let mut buffer = ReadBuf::new(&mut thrown_away);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
