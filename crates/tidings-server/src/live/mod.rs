//! Live streams: events as they are committed, to many clients, each with a filter of its own.
//!
//! ```text
//! spool ─► hub (one thread): index of wishes ─► mailbox of each client ─► HTTP task ─► client
//!   └────► resumer (one thread): for those who go on behind an id, until they reach the hub
//! ```
//!
//! An event is rendered once, however many clients get it. Filters run before anything is kept; what
//! is kept for a client is bounded (see [`mailbox`]), and what does not fit is counted and told as a
//! gap. Nobody waits for a slow client: neither the spool, nor the hub, nor another client.
//!
//! **An event comes once**: a client is at a sequence. The hub shows it what it commits from there on;
//! the resumer reads up to where the hub is and hands the client over under the hub's lock.

mod frame;
mod hub;
mod id;
mod index;
mod mailbox;
mod matching;
mod measured;
mod needle;
mod registry;
mod resume;
mod stream;
#[cfg(test)]
mod tests;
mod wish;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidings_event::EventRef;

pub(crate) use hub::{Hub, Seat};
pub(crate) use id::is_id;
pub(crate) use measured::Measured;
pub(crate) use needle::Needle;
pub(crate) use resume::first_since;
pub(crate) use stream::Stream;
pub(crate) use wish::Wish;

/// The limits of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveOptions {
    /// Streams that may be open, of events and metrics together.
    pub(crate) streams_max: usize,
    /// Bytes of events that may wait for one client.
    pub(crate) buffer_bytes: usize,
}

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct Follow {
    /// Which events.
    pub(crate) wish: Wish,
    /// From where on.
    pub(crate) since: Since,
    /// Bundles are sent at most so often, unless the buffer fills.
    pub(crate) throttle: Duration,
    /// What it may see.
    pub(crate) scope: Scope,
    /// The account, by which the stream can be cut off.
    pub(crate) who: Option<Arc<str>>,
}

/// From where a stream goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// What is committed from now on.
    Now,
    /// Behind the frame with this id. One of another spool gives a gap, and then what is committed
    /// from now on.
    Id(String),
    /// What happened since then, in nanoseconds since the unix epoch, as far as the spool has it.
    Time(i64),
}

/// Which events a client may see: the one place where this is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    All,
}

impl Scope {
    /// Whether it may see this event; `start` is the one that opened its span, if known.
    fn may_see(self, _event: &EventRef<'_>, _start: Option<&EventRef<'_>>) -> bool {
        match self {
            Scope::All => true,
        }
    }
}

/// Why there is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many are open as may be.
    Full {
        /// How many.
        streams: usize,
    },
    /// The server stops, or its spool has failed.
    Stopping,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Full { streams } => write!(
                f,
                "{streams} live streams are open, which is as many as the settings allow (live.clients)"
            ),
            Refused::Stopping => f.write_str("there are no live streams: the server is stopping"),
        }
    }
}
