//! The body of a stream: bundles of events at their times, and pings where nothing happens.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Sleep, sleep};

use super::frame::{PING_SECONDS, write_ping};
use super::hub::Inner;
use super::mailbox::{Found, Mailbox};
use super::registry::Place;
use crate::clock::Watch;

const PING: Duration = Duration::from_secs(PING_SECONDS);

/// What a client reads. Dropped, it leaves the hub.
#[derive(Debug)]
pub(crate) struct Stream {
    place: Place,
    hub: Arc<Inner>,
    throttle: Duration,
    /// When the last bundle was sent; nothing before the first.
    sent: Option<Watch>,
    /// When anything was sent; nothing before the first ping.
    said: Option<Watch>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(super) fn new(place: Place, hub: Arc<Inner>, throttle: Duration) -> Stream {
        Stream {
            place,
            hub,
            throttle,
            sent: None,
            said: None,
            alarm: None,
        }
    }

    fn mailbox(&self) -> &Mailbox {
        self.place.mailbox()
    }

    fn bundle(&mut self) -> Vec<u8> {
        let taken = self.mailbox().take(self.hub.id);
        let sent = &self.hub.numbers.sent;
        sent.fetch_add(taken.events, Ordering::Relaxed);
        let now = Some(Watch::start());
        (self.sent, self.said) = (now, now);
        taken.bytes
    }

    fn ping(&mut self, published: u64) -> Vec<u8> {
        let last = self.mailbox().next(published).checked_sub(1);
        let mut out = Vec::with_capacity(128);
        write_ping(&mut out, self.hub.id, last, self.said.is_none());
        self.said = Some(Watch::start());
        out
    }

    /// How long until something must be sent.
    fn wait(&self, found: Found) -> Duration {
        let until = |from: Option<Watch>, after: Duration| {
            from.map_or(Duration::ZERO, |from| after.saturating_sub(from.elapsed()))
        };
        match found {
            Found::Nothing => until(self.said, PING),
            Found::Something => until(self.sent, self.throttle),
            Found::Much | Found::Closed => Duration::ZERO,
        }
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            // Before the mailbox is looked into: what is put in later is behind it.
            let published = this.hub.published.load(Ordering::Acquire);
            let found = this.mailbox().poll(context);
            if found == Found::Closed {
                return Poll::Ready(None);
            }
            let data = if this.said.is_none() {
                // The first frame, at once; it promises nothing about what waits.
                this.first()
            } else if !this.wait(found).is_zero() {
                let alarm = this.alarm.insert(Box::pin(sleep(this.wait(found))));
                if alarm.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                continue;
            } else if found == Found::Nothing {
                this.ping(published)
            } else {
                this.bundle()
            };
            return Poll::Ready(Some(Ok(Frame::data(data.into()))));
        }
    }
}

impl Stream {
    fn first(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        write_ping(&mut out, self.hub.id, self.place.first_id(), true);
        self.said = Some(Watch::start());
        out
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.mailbox().leave();
    }
}
