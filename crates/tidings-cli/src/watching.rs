//! Views that change while one looks: `tidings live` and `tidings top`.
//!
//! What is shown is a state, drawn by a pure function into a [picture](picture::Picture); only
//! `terminal` knows a terminal. Threads read the streams of the server and hand over what comes,
//! through channels of a few places: where nobody takes it they wait, and the server tells what it
//! left out.

mod event;
pub(crate) mod live;
mod picture;
mod signals;
mod terminal;
pub(crate) mod top;

use std::io::{IsTerminal, stdin, stdout};

pub(crate) use event::{Live, read_live};
pub(crate) use signals::Signals;

use crate::args::WatchArgs;

/// The stream of events.
pub(crate) const EVENTS_PATH: &str = "/api/telemetry/traces/live";

/// Whether there is a full screen to show something on, and nobody wants lines.
pub(crate) fn is_full_screen(form: WatchArgs) -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    !form.plain && !form.output.json && !is_dumb && stdin().is_terminal() && stdout().is_terminal()
}
