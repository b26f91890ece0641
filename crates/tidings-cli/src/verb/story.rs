//! `tidings story`: what became of a message, and why.

use tidings_engine::contract::{MessageObject, StoryObject};

use super::search;
use crate::args::StoryArgs;
use crate::choose::{self, Purpose};
use crate::failure::{Failure, Stop};
use crate::render::{other_line, story_lines};
use crate::session::{Outcome, Session};
use crate::store::StoryOptions;
use crate::term::{clean, count, plural, shell_word};

/// Messages told in full unless another number is asked for.
const TOLD_DEFAULT: u64 = 1;

/// Further messages that are listed beneath.
const LISTED_MAX: u64 = 20;

pub(super) fn run(args: &StoryArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    search::set_zone(args.zone, session);
    let key = args.key.trim();
    if key.is_empty() {
        return Err(Failure::usage(
            "story needs a message: its id, a queue id, a Message-ID, or an address",
        )
        .into());
    }
    let told = match args.limit {
        Some(0) => None,
        None if args.output.json => None,
        limit => Some(limit.unwrap_or(TOLD_DEFAULT)),
    };
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Read)?;
    let most = match told {
        Some(told) if !args.output.json => Some(told.saturating_add(LISTED_MAX)),
        told => told,
    };
    let options = StoryOptions {
        raw: args.raw,
        limit: search::one_more(most),
        told: told.filter(|_| !args.output.json),
    };
    let mut others = Vec::new();
    let mut number = 0;
    let found = search::list(
        most,
        false,
        |each| store.stories(key, &options, each),
        &mut |story: StoryObject| {
            number += 1;
            if args.output.json {
                return session.json(&story);
            }
            if told.is_some_and(|told| number > told) {
                others.push(story.message);
                return Ok(());
            }
            tell(session, &story, number)
        },
    )?;
    if args.output.json {
        return Ok(found.outcome());
    }
    if found.shown == 0 {
        nothing(session, key)?;
    }
    list_others(session, key, told.unwrap_or(0), &others, found.has_more)?;
    Ok(found.outcome())
}

fn tell(session: &mut Session<'_>, story: &StoryObject, number: u64) -> std::io::Result<()> {
    if number > 1 {
        let rule = session
            .screen
            .symbols
            .dash
            .repeat(session.screen.prose_width());
        session.lines(&[String::new(), rule, String::new()])?;
    }
    let lines = story_lines(&session.screen, story);
    session.lines(&lines)
}

/// The messages that the key names besides those told, and how to see them.
fn list_others(
    session: &mut Session<'_>,
    key: &str,
    told: u64,
    others: &[MessageObject],
    has_more: bool,
) -> std::io::Result<()> {
    if others.is_empty() {
        return Ok(());
    }
    let number = others.len() as u64;
    let (at_least, verb) = match (has_more, number) {
        (true, _) => ("at least ", "match"),
        (false, 1) => ("", "matches"),
        (false, _) => ("", "match"),
    };
    let older = plural(
        number + u64::from(has_more),
        "older message",
        "older messages",
    );
    session.line("")?;
    session.line(&format!("{at_least}{older} {verb}, too; the newest:"))?;
    for message in others {
        let line = format!("  {}", other_line(&session.screen, message));
        session.line(&line)?;
    }
    let all = match search_for(key) {
        Some(command) => format!(", or list them all with {command}"),
        None => String::new(),
    };
    session.note(&format!(
        "name one by its id, or tell more with --limit {}{all}",
        count(told.saturating_add(number))
    ))
}

/// The search that finds what a key names, for keys that are plain words in a filter.
fn search_for(key: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
    if !key.chars().all(is_plain) {
        return None;
    }
    let filter = match key.contains('@') {
        true => format!("from:{key} OR to:{key}"),
        false => key.to_owned(),
    };
    Some(format!("tidings messages {}", shell_word(&filter)))
}

fn nothing(session: &mut Session<'_>, key: &str) -> std::io::Result<()> {
    let arrow = session.screen.symbols.arrow;
    session.note(&format!(
        "no message has the id, queue id, Message-ID or address {}",
        clean(key)
    ))?;
    session.note(&format!(
        "  {arrow} it has to be whole; a part of one is searched for with stars: tidings messages \
         'to:*@example.org'"
    ))
}
