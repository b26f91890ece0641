//! `tidings events`: the events that match a filter, newest first.

use serde_json::Value;

use super::search;
use crate::args::{EventsArgs, join_filter};
use crate::choose::{self, Purpose};
use crate::failure::Stop;
use crate::render::{event_line, raw_line};
use crate::session::{Outcome, Session};
use crate::store::EventsQuery;

pub(super) fn run(args: &EventsArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let period = search::period(&args.period, args.zone, session)?;
    let limit = search::limit(args.limit, args.output.json);
    let query = EventsQuery {
        filter: join_filter(&args.filter),
        since_ns: period.since_ns,
        until_ns: period.until_ns,
        limit: search::one_more(limit),
        raw: args.raw,
    };
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Read)?;
    let found = search::list(
        limit,
        args.limit.reverse,
        |each| store.events(&query, each),
        &mut |event: Value| match args.output.json {
            true => session.json(&event),
            false => print(session, &event),
        },
    )?;
    if args.output.json {
        return Ok(found.outcome());
    }
    if found.shown == 0 {
        search::nothing(session, store.as_mut(), "event", &query.filter, period)?;
    } else {
        search::footer(session, ("event", "events"), &found)?;
    }
    Ok(found.outcome())
}

fn print(session: &mut Session<'_>, event: &Value) -> std::io::Result<()> {
    let line = event_line(&session.screen, event);
    session.line(&line)?;
    if let Some(raw) = event.get("raw").and_then(Value::as_str) {
        let line = raw_line(&session.screen, "    ", raw);
        session.line(&line)?;
    }
    Ok(())
}
