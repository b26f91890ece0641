//! `tidings top`: the mail system as a whole.

use super::search;
use crate::args::TopArgs;
use crate::choose;
use crate::failure::Stop;
use crate::session::{Outcome, Session};
use crate::watching::{is_full_screen, top};

pub(super) fn run(args: TopArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    search::set_zone(args.form.zone, session);
    let server = choose::server(&session.globals)?;
    if is_full_screen(args.form) {
        top::show(&server, session)?;
    } else {
        top::print(args.form.output.json, &server, session)?;
    }
    Ok(Outcome::Done)
}
