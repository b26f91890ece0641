//! The client verbs of the `tidings` binary: what an admin types, and what they read.
//!
//! [`run`] takes the arguments of the process and the [hooks](ServerHooks) that the binary lends. A
//! verb asks a [`Store`]: the server that `--server` names; else the server that answers at the
//! socket in the data directory; else the engine in this process, through
//! [`ServerHooks::open_local`]. What it gets are the objects of [`tidings_engine::contract`], which
//! `--json` prints as they are and the rest of this crate renders for people.
//!
//! Everything that is shown was written by strangers: it passes through one function that makes it
//! harmless before it reaches a terminal.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod args;
mod choose;
mod clock;
mod failure;
mod globals;
mod hooks;
mod http;
mod manage;
mod reference;
mod render;
mod run;
mod session;
mod store;
mod term;
#[cfg(test)]
mod testing;
mod verb;
mod watching;

pub use failure::{Failure, FailureKind};
pub use globals::{Globals, SOCKET_NAME};
pub use hooks::{ParseHook, ParseOptions, ServerHooks};
pub use run::run;
pub use store::{
    AccountObject, AccountsAsked, EventsQuery, ImportOptions, ImportProgress, MessagesQuery,
    ProblemObject, RepairObject, StatsQuery, Store, StoryOptions, VerifyObject,
};
