//! `tidings stats`: a period summed up.

use super::search;
use crate::args::StatsArgs;
use crate::choose::{self, Purpose};
use crate::failure::Stop;
use crate::render::stats_lines;
use crate::session::{Outcome, Session};
use crate::store::StatsQuery;

pub(super) fn run(args: &StatsArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let period = search::period(&args.period, args.zone, session)?;
    let query = StatsQuery {
        since_ns: period.since_ns,
        until_ns: period.until_ns,
        top: args.top,
    };
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Read)?;
    let stats = store.stats(&query)?;
    if args.output.json {
        session.json(&stats)?;
    } else if stats.messages + stats.refused + stats.sign_ins + stats.sign_in_failures == 0 {
        search::nothing(session, store.as_mut(), "mail", "", period)?;
        return Ok(Outcome::Nothing);
    } else {
        let lines = stats_lines(&session.screen, &stats);
        session.lines(&lines)?;
    }
    Ok(Outcome::Done)
}
