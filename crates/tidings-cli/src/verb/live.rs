//! `tidings live`: events as they happen.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::Value;
use tidings_event::time::rfc3339;

use super::search;
use crate::args::{LiveArgs, join_filter};
use crate::choose;
use crate::failure::{Failure, Stop};
use crate::http::{Server, Watched};
use crate::render::event_line;
use crate::session::{Outcome, Session};
use crate::term::{Style, clean};
use crate::watching::{EVENTS_PATH, Live, Signals, read_live};

/// Frames that wait to be printed; the thread that reads them waits where there are more.
const FRAMES_MAX: usize = 16;

/// How long it takes at most until a signal is noticed.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &LiveArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    search::set_zone(args.form.zone, session);
    let parameters = parameters(args, session)?;
    let server = choose::server(&session.globals)?;
    print(args.form.output.json, &server, parameters, session)
}

fn parameters(
    args: &LiveArgs,
    session: &Session<'_>,
) -> Result<Vec<(&'static str, String)>, Failure> {
    // Often enough to look immediate, seldom enough to bundle what comes in bursts.
    let mut parameters = vec![("throttle", "100".to_owned())];
    let filter = join_filter(&args.filter);
    if !filter.is_empty() {
        parameters.push(("q", filter));
    }
    if let Some(since) = &args.since {
        let screen = &session.screen;
        let when = screen.zone.parse("--since", since, screen.now_ns)?;
        parameters.push(("since", rfc3339(when.start_ns)));
    }
    Ok(parameters)
}

/// Prints what comes, line by line, until a signal.
fn print(
    json: bool,
    server: &Server,
    parameters: Vec<(&'static str, String)>,
    session: &mut Session<'_>,
) -> Result<Outcome, Stop> {
    let signals = Signals::catch()?;
    let (put, take) = sync_channel(FRAMES_MAX);
    let _watch = server.watch(EVENTS_PATH, parameters, move |watched| {
        put.send(watched).is_ok()
    });
    let mut has_been_open = false;
    while !signals.is_stopped() {
        match take.recv_timeout(LOOK) {
            Ok(Watched::Open) if has_been_open => session.note("tidings: connected again")?,
            Ok(Watched::Open) => {
                has_been_open = true;
                session.hint("watching; Ctrl-C ends it")?;
            }
            Ok(Watched::Frame(frame)) => {
                print_live(json, read_live(&frame)?, session)?;
                session.out.flush()?;
            }
            Ok(Watched::Lost { why, retry_ms }) => {
                let seconds = retry_ms.div_ceil(1000);
                let why = clean(&why);
                session.note(&format!("tidings: {why}; trying again in {seconds} s"))?;
            }
            Ok(Watched::Failed(failure)) => return Err(failure.into()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(Outcome::Done)
}

fn print_live(json: bool, live: Live, session: &mut Session<'_>) -> std::io::Result<()> {
    match live {
        Live::Events(events) => events
            .iter()
            .try_for_each(|event| print_event(json, event, session)),
        Live::Gap(gap) if json => session.json(&gap.to_json()),
        Live::Gap(gap) => {
            let text = format!("{} {}", session.screen.symbols.ellipsis, gap.sentence());
            let line = session.screen.paint(Style::Yellow, &text);
            session.line(&line)
        }
        Live::Nothing => Ok(()),
    }
}

fn print_event(json: bool, event: &Value, session: &mut Session<'_>) -> std::io::Result<()> {
    if json {
        return session.json(event);
    }
    let line = event_line(&session.screen, event);
    session.line(&line)
}
