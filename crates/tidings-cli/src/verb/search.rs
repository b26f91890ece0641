//! What the searches have in common: their period, their limit, and what they say at the end.

use std::io;

use tidings_engine::contract::MessageObject;

use crate::args::{LimitArgs, PeriodArgs, ZoneArgs};
use crate::failure::{Failure, Stop};
use crate::session::{Outcome, Printer, Session};
use crate::store::{MessagesQuery, Store};
use crate::term::{Zone, clean, plural, shell_word};

/// Results shown on a screen unless another limit is given.
const LIMIT_DEFAULT: u64 = 50;

/// The time range of a search, in nanoseconds since the unix epoch, both ends in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Period {
    pub(super) since_ns: Option<i64>,
    pub(super) until_ns: Option<i64>,
}

/// Sets the zone in which times are read and shown, and reads the period.
pub(super) fn period(
    period: &PeriodArgs,
    zone: ZoneArgs,
    session: &mut Session<'_>,
) -> Result<Period, Failure> {
    set_zone(zone, session);
    let screen = &session.screen;
    let read = |option: &str, text: &Option<String>| match text {
        Some(text) => screen.zone.parse(option, text, screen.now_ns).map(Some),
        None => Ok(None),
    };
    let since = read("--since", &period.since)?;
    let until = read("--until", &period.until)?;
    if let (Some(since), Some(until)) = (since, until)
        && since.start_ns > until.end_ns
    {
        return Err(Failure::usage(format!(
            "--since ({}) is later than --until ({})",
            screen.zone.seconds(since.start_ns),
            screen.zone.seconds(until.end_ns)
        )));
    }
    Ok(Period {
        since_ns: since.map(|when| when.start_ns),
        until_ns: until.map(|when| when.end_ns),
    })
}

/// Sets the zone in which times are read and shown.
pub(super) fn set_zone(zone: ZoneArgs, session: &mut Session<'_>) {
    if zone.utc {
        session.screen.zone = Zone::utc();
        session.err_screen.zone = Zone::utc();
    }
}

/// How many results to show; `None` for all.
pub(super) fn limit(args: LimitArgs, json: bool) -> Option<u64> {
    match args.limit {
        Some(0) => None,
        Some(limit) => Some(limit),
        None if json => None,
        None => Some(LIMIT_DEFAULT),
    }
}

/// The limit that a search is given: one more result tells whether there are more.
pub(super) fn one_more(limit: Option<u64>) -> Option<u64> {
    limit.map(|limit| limit.saturating_add(1))
}

/// What a search gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Results shown.
    pub(super) shown: u64,
    /// The limit they were shown up to.
    pub(super) limit: Option<u64>,
    /// There are more than that.
    pub(super) has_more: bool,
}

impl Found {
    pub(super) fn outcome(&self) -> Outcome {
        match self.shown {
            0 => Outcome::Nothing,
            _ => Outcome::Done,
        }
    }
}

/// Runs a search and prints at most `limit` results: each as it comes or, where the oldest is to be
/// first, all at the end, held in memory until then. Results that came before a failure are printed.
pub(super) fn list<T>(
    limit: Option<u64>,
    reverse: bool,
    search: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<(), Failure>,
    print: &mut dyn FnMut(T) -> io::Result<()>,
) -> Result<Found, Stop> {
    let mut printer = Printer::new();
    let mut held = Vec::new();
    let mut found = Found {
        shown: 0,
        limit,
        has_more: false,
    };
    let searched = search(&mut |result| {
        if limit.is_some_and(|limit| found.shown >= limit) {
            found.has_more = true;
            return false;
        }
        found.shown += 1;
        if reverse {
            held.push(result);
            return true;
        }
        printer.goes_on(print(result))
    });
    for result in held.into_iter().rev() {
        print(result)?;
    }
    printer.finish(searched)?;
    Ok(found)
}

/// What is said beneath a list: how many results it shows, and how to see more.
pub(super) fn footer(
    session: &mut Session<'_>,
    what: (&str, &str),
    found: &Found,
) -> io::Result<()> {
    let zone = session.screen.zone.name(session.screen.now_ns);
    let shown = plural(found.shown, what.0, what.1);
    let more = match found.limit {
        Some(limit) if found.has_more => format!(
            " shown, the newest; there are more: --limit {}, or narrow it with --since or a filter",
            limit.saturating_mul(4)
        ),
        _ => String::new(),
    };
    session.note(&format!("{shown}{more}; times in {zone}"))
}

/// What is said where nothing matches: what was looked for, and what might help.
pub(super) fn nothing(
    session: &mut Session<'_>,
    store: &mut dyn Store,
    what: &str,
    filter: &str,
    period: Period,
) -> Result<(), Stop> {
    let zone = session.screen.zone.clone();
    let mut sentence = format!("no {what}");
    if !filter.is_empty() {
        sentence.push_str(&format!(" matches {}", clean(filter)));
    }
    match (period.since_ns, period.until_ns) {
        (Some(since), Some(until)) => sentence.push_str(&format!(
            " between {} and {}",
            zone.seconds(since),
            zone.seconds(until)
        )),
        (Some(since), None) => sentence.push_str(&format!(" since {}", zone.seconds(since))),
        (None, Some(until)) => sentence.push_str(&format!(" up to {}", zone.seconds(until))),
        (None, None) => sentence.push_str(" in the whole history"),
    }
    sentence.push_str(&format!(" (times in {})", zone.name(session.screen.now_ns)));
    session.note(&sentence)?;
    let advice = advice(session, store, filter, period)?;
    for text in advice {
        session.note(&format!("  {} {text}", session.screen.symbols.arrow))?;
    }
    Ok(())
}

/// What might help where nothing was found.
fn advice(
    session: &Session<'_>,
    store: &mut dyn Store,
    filter: &str,
    period: Period,
) -> Result<Vec<String>, Failure> {
    let Some(newest) = newest_message(store)? else {
        return Ok(vec![
            "the history holds no messages yet: read your logs with `tidings import FILES`"
                .to_owned(),
        ]);
    };
    let time = session.screen.zone.show(&newest.time);
    let mut advice = vec![format!("the newest message of the history is of {time}")];
    if period.since_ns.is_some() || period.until_ns.is_some() {
        advice.push("leave out --since and --until to search all of it".to_owned());
    }
    if filter.contains('@') && !filter.contains('*') {
        advice.push(format!(
            "an address is matched whole; a part of one is written with stars, as {}",
            shell_word("to:*@example.org")
        ));
    }
    Ok(advice)
}

fn newest_message(store: &mut dyn Store) -> Result<Option<MessageObject>, Failure> {
    let query = MessagesQuery {
        limit: Some(1),
        ..MessagesQuery::default()
    };
    let mut newest = None;
    store.messages(&query, &mut |message| {
        newest = Some(message);
        false
    })?;
    Ok(newest)
}
