//! `tidings top`: the mail system as a whole.

use crate::args::TopArgs;
use crate::choose;
use crate::failure::Stop;
use crate::session::{Outcome, Session};

pub(super) fn run(_args: TopArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let _server = choose::server(&session.globals)?;
    Ok(Outcome::Done)
}
