//! `tidings messages`: the messages that match a filter, newest first.

use tidings_engine::contract::MessageObject;

use super::search;
use crate::args::{MessagesArgs, join_filter};
use crate::choose::{self, Purpose};
use crate::failure::Stop;
use crate::render::MessageTable;
use crate::session::{Outcome, Session};
use crate::store::MessagesQuery;

pub(super) fn run(args: &MessagesArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let period = search::period(&args.period, args.zone, session)?;
    let limit = search::limit(args.limit, args.output.json);
    let query = MessagesQuery {
        filter: join_filter(&args.filter),
        since_ns: period.since_ns,
        until_ns: period.until_ns,
        limit: search::one_more(limit),
    };
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Read)?;
    let screen = session.screen.clone();
    let mut table = MessageTable::new(&screen, args.wide);
    let found = search::list(
        limit,
        args.limit.reverse,
        |each| store.messages(&query, each),
        &mut |message: MessageObject| match args.output.json {
            true => session.json(&message),
            false => session.lines(&table.push(&message)),
        },
    );
    // What was found before a failure is shown, too.
    let rest = session.lines(&table.finish());
    let found = found?;
    rest?;
    if args.output.json {
        return Ok(found.outcome());
    }
    if found.shown == 0 {
        search::nothing(session, store.as_mut(), "message", &query.filter, period)?;
    } else {
        search::footer(session, ("message", "messages"), &found)?;
    }
    Ok(found.outcome())
}
