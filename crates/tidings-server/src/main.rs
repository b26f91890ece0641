//! The `tidings` binary: the server, and the client verbs.
//!
//! `tidings serve` is [`pipeline`]; every other verb is a client (`tidings-cli`), to which this binary
//! lends the engine.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod check;
mod clock;
mod console;
mod demo;
mod directory;
mod http;
mod live;
mod local;
mod manage;
mod metrics;
mod notify;
mod output;
mod own;
mod parse;
mod pipeline;
mod settings;
mod source;
mod stop;
mod upkeep;

use std::process::ExitCode;

use tidings_cli::ServerHooks;

fn main() -> ExitCode {
    let hooks = ServerHooks {
        open_local: directory::open,
        serve: pipeline::serve,
        parse: parse::parse,
        open_demo: demo::open,
    };
    tidings_cli::run(std::env::args_os(), hooks)
}
