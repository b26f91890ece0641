//! The verbs: each asks a history, prints what it gets, and says how it ended.

mod account;
mod check;
mod demo;
mod events;
mod import;
mod live;
mod manage;
mod messages;
mod parse;
mod search;
mod stats;
mod story;
mod top;

use std::io::{self, Write};

use clap_complete::Shell;

use crate::args::Verb;
use crate::failure::Stop;
use crate::session::{Outcome, Session};

/// Does what was asked for.
pub(crate) fn execute(verb: Verb, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    match verb {
        Verb::Import(args) => import::run(&args, session),
        Verb::Messages(args) => messages::run(&args, session),
        Verb::Story(args) => story::run(&args, session),
        Verb::Events(args) => events::run(&args, session),
        Verb::Live(args) => live::run(&args, session),
        Verb::Top(args) => top::run(args, session),
        Verb::Stats(args) => stats::run(&args, session),
        Verb::Parse(args) => parse::run(&args, session),
        Verb::Verify(args) => check::verify(args, session),
        Verb::Repair(args) => check::repair(args, session),
        Verb::Account(args) => account::run(&args, session),
        Verb::Describe(args) => manage::describe(&args, session),
        Verb::Get(args) => manage::get(&args, session),
        Verb::Query(args) => manage::query(&args, session),
        Verb::Create(args) => manage::create(&args, session),
        Verb::Update(args) => manage::update(&args, session),
        Verb::Delete(args) => manage::delete(&args, session),
        Verb::Apply(args) => manage::apply(&args, session),
        Verb::Snapshot(args) => manage::snapshot(&args, session),
        Verb::Demo(args) => demo::run(&args, session),
        Verb::Serve => {
            (session.hooks.serve)(&session.globals)?;
            Ok(Outcome::Done)
        }
        // Done before there is a session: they need no history.
        Verb::Completions(_) | Verb::Man(_) => Ok(Outcome::Done),
    }
}

/// Prints the completions for a shell.
pub(crate) fn completions(
    shell: Shell,
    command: &mut clap::Command,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "tidings", &mut script);
    out.write_all(&script)
}
