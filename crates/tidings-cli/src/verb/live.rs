//! `tidings live`: events as they happen.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::Value;
use tidings_event::time::rfc3339;

use super::search;
use crate::args::{LiveArgs, join_filter};
use crate::choose;
use crate::failure::{Failure, Stop};
use crate::http::{Server, Watched};
use crate::render::{event_line, raw_line};
use crate::session::{Outcome, Session};
use crate::term::{Style, clean};
use crate::watching::{EVENTS_PATH, Live, Signals, is_full_screen, live, read_live};

/// Frames that wait to be printed; the thread that reads them waits where there are more.
const FRAMES_MAX: usize = 16;

/// How long it takes at most until a signal is noticed.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &LiveArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    search::set_zone(args.form.zone, session);
    let filter = join_filter(&args.filter);
    let since = since(args, session)?;
    let server = choose::server(&session.globals)?;
    if is_full_screen(args.form) {
        live::show(filter, since, &server, session)?;
    } else {
        let form = if args.form.output.json {
            Form::Json { raw: args.raw }
        } else {
            Form::Text { raw: args.raw }
        };
        print(form, &server, parameters(filter, since), session)?;
    }
    Ok(Outcome::Done)
}

fn since(args: &LiveArgs, session: &Session<'_>) -> Result<Option<String>, Failure> {
    let Some(since) = &args.since else {
        return Ok(None);
    };
    let screen = &session.screen;
    let when = screen.zone.parse("--since", since, screen.now_ns)?;
    Ok(Some(rfc3339(when.start_ns)))
}

fn parameters(filter: String, since: Option<String>) -> Vec<(&'static str, String)> {
    // Often enough to look immediate, seldom enough to bundle what comes in bursts.
    let mut parameters = vec![("throttle", "100".to_owned())];
    if !filter.is_empty() {
        parameters.push(("q", filter));
    }
    if let Some(since) = since {
        parameters.push(("since", since));
    }
    parameters
}

/// How events are printed, and whether with the lines that they were read from.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text { raw: bool },
    Json { raw: bool },
}

/// Prints what comes, line by line, until a signal.
fn print(
    form: Form,
    server: &Server,
    parameters: Vec<(&'static str, String)>,
    session: &mut Session<'_>,
) -> Result<(), Stop> {
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
                print_live(form, read_live(&frame)?, session)?;
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
    Ok(())
}

fn print_live(form: Form, live: Live, session: &mut Session<'_>) -> io::Result<()> {
    match (live, form) {
        (Live::Events(events), form) => events
            .into_iter()
            .try_for_each(|event| print_event(form, event, session)),
        (Live::Gap(gap), Form::Json { .. }) => session.json(&gap.to_json()),
        (Live::Gap(gap), Form::Text { .. }) => {
            let text = format!("{} {}", session.screen.symbols.ellipsis, gap.sentence());
            let line = session.screen.paint(Style::Yellow, &text);
            session.line(&line)
        }
        (Live::Nothing, _) => Ok(()),
    }
}

fn print_event(form: Form, mut event: Value, session: &mut Session<'_>) -> io::Result<()> {
    let raw = match (form, event.as_object_mut()) {
        (Form::Text { raw: false } | Form::Json { raw: false }, Some(event)) => {
            event.shift_remove("raw");
            None
        }
        (Form::Text { raw: true }, Some(event)) => event.shift_remove("raw"),
        _ => None,
    };
    if matches!(form, Form::Json { .. }) {
        return session.json(&event);
    }
    let line = event_line(&session.screen, &event);
    session.line(&line)?;
    if let Some(Value::String(raw)) = raw {
        let line = raw_line(&session.screen, "    ", &raw);
        session.line(&line)?;
    }
    Ok(())
}
