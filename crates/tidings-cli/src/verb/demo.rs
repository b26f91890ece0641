//! `tidings demo`: a small sample log in a directory of its own, and what can be asked of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tidings_engine::contract::{MessageObject, StoryObject};

use super::search;
use crate::args::DemoArgs;
use crate::failure::{Failure, Stop};
use crate::render::{MessageTable, story_lines};
use crate::session::{Outcome, Session};
use crate::store::{MessagesQuery, Store, StoryOptions};
use crate::term::{Style, clean, shell_word};

/// Marks a directory as filled by `demo`, so that no other one is ever touched.
const MARKER: &str = "this-is-the-tidings-demo";

/// Messages of the sample that are listed.
const MESSAGES_SHOWN: u64 = 10;

/// Messages among which the one to tell is chosen.
const MESSAGES_LOOKED_AT: u64 = 1_000;

pub(super) fn run(args: &DemoArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    search::set_zone(args.zone, session);
    let directory = match &args.directory {
        Some(directory) => directory.clone(),
        None => beside(&session.globals.data),
    };
    prepare(&directory)?;
    let mut store = (session.hooks.open_demo)(&directory)?;
    let shown = shell_word(&clean(&directory.to_string_lossy())).into_owned();
    say(
        session,
        &format!("tidings messages --data {shown} --limit {MESSAGES_SHOWN}"),
    )?;
    let newest = list(store.as_mut(), session)?;
    if let Some(message) = newest {
        session.line("")?;
        let key = message.queue_ids.first().unwrap_or(&message.id).clone();
        let word = shell_word(&clean(&key)).into_owned();
        say(session, &format!("tidings story --data {shown} {word}"))?;
        tell(store.as_mut(), &message.id, session)?;
    }
    session.line("")?;
    session.note(&format!(
        "the sample stays in {shown}; ask it more: tidings stats --data {shown}"
    ))?;
    Ok(Outcome::Done)
}

/// `DIR-demo` beside the data directory.
fn beside(data: &Path) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push("-demo");
    data.with_file_name(name)
}

/// Makes the directory, or makes sure that it is one of the demo's.
fn prepare(directory: &Path) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::data(format!(
            "cannot prepare the directory {}",
            directory.display()
        ))
        .because(error)
    };
    let marker = directory.join(MARKER);
    fs::create_dir_all(directory).map_err(cannot)?;
    if marker.exists() {
        return Ok(());
    }
    if fs::read_dir(directory).map_err(cannot)?.next().is_some() {
        return Err(Failure::data(format!(
            "{} holds something already, which the demo does not touch; name a new directory",
            directory.display()
        )));
    }
    fs::write(&marker, "").map_err(cannot)
}

/// A command as it would be typed, above what it gives.
fn say(session: &mut Session<'_>, command: &str) -> io::Result<()> {
    let line = session.screen.paint(Style::Bold, &format!("$ {command}"));
    session.line(&line)
}

/// Prints the newest messages; gives the one among many whose story is worth telling most.
fn list(store: &mut dyn Store, session: &mut Session<'_>) -> Result<Option<MessageObject>, Stop> {
    let query = MessagesQuery {
        limit: Some(MESSAGES_LOOKED_AT),
        ..MessagesQuery::default()
    };
    let screen = session.screen.clone();
    let mut table = MessageTable::new(&screen, false);
    let mut best: Option<MessageObject> = None;
    let mut number = 0;
    search::list(
        Some(MESSAGES_LOOKED_AT),
        false,
        |each| store.messages(&query, each),
        &mut |message: MessageObject| {
            number += 1;
            let lines = match number <= MESSAGES_SHOWN {
                true => table.push(&message),
                false => Vec::new(),
            };
            if best
                .as_ref()
                .is_none_or(|best| interest(&message) > interest(best))
            {
                best = Some(message);
            }
            session.lines(&lines)
        },
    )?;
    session.lines(&table.finish())?;
    Ok(best)
}

/// How much there is to tell of a message: that it went through several servers, that there is
/// something to do about it, that it has several recipients.
fn interest(message: &MessageObject) -> usize {
    let needs_attention = matches!(message.verdict.as_str(), "deferred" | "bounced" | "expired");
    let sized = |number: usize, most: usize| number.min(most);
    usize::from(needs_attention) * 20
        + sized(message.joins.len(), 3) * 10
        + sized(message.related.len(), 1) * 5
        + sized(message.recipients.len(), 4)
}

fn tell(store: &mut dyn Store, id: &str, session: &mut Session<'_>) -> Result<(), Stop> {
    let options = StoryOptions {
        raw: false,
        limit: Some(1),
        told: None,
    };
    search::list(
        Some(1),
        false,
        |each| store.stories(id, &options, each),
        &mut |story: StoryObject| {
            let lines = story_lines(&session.screen, &story);
            session.lines(&lines)
        },
    )?;
    Ok(())
}
