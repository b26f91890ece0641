//! Views that change while one looks: `tidings live` and `tidings top`.
//!
//! What is shown is a state, drawn by a pure function into a [picture](picture::Picture); only
//! `terminal` knows a terminal. Threads read the streams of the server and hand over what comes,
//! through channels of a few places: where nobody takes it they wait, and the server tells what it
//! left out.

mod event;
mod signals;

pub(crate) use event::{Gap, Live, read_live};
pub(crate) use signals::Signals;

/// The stream of events.
pub(crate) const EVENTS_PATH: &str = "/api/telemetry/traces/live";
