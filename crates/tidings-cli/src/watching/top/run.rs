//! Gathers what `tidings top` shows: two streams, and the management API every two seconds.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::draw::{draw, object, text};
use super::state::Top;
use crate::failure::{Failure, Stop};
use crate::http::{Server, Watch, Watched};
use crate::session::Session;
use crate::watching::terminal::{Key, Terminal};
use crate::watching::{EVENTS_PATH, Live, Signals, read_live};

/// The stream of metrics.
const METRICS_PATH: &str = "/api/telemetry/metrics/live";

/// What waits to be taken; whoever brings more waits.
const INPUTS_MAX: usize = 64;

/// How often the management API is asked.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How often the screen is drawn anew where nothing else makes it.
const DRAW_AGAIN_MS: u64 = 1_000;

/// How long a key may take until it is noticed.
const LOOK: Duration = Duration::from_millis(100);

/// How long a snapshot may take, in milliseconds: two readings of the metrics are a second apart.
const SNAPSHOT_MS: u64 = 6_000;

/// What comes from the threads.
enum Input {
    Metrics(Watched),
    SignIns(Watched),
    Objects(Result<Vec<Value>, Failure>, Option<u64>),
}

/// The threads that gather; they end with this.
struct Gathering {
    inputs: Receiver<Input>,
    _metrics: Watch,
    _sign_ins: Watch,
    /// Dropped to end the thread that asks for objects.
    _stop: SyncSender<()>,
}

fn gather(server: &Server, spool: Option<PathBuf>) -> Gathering {
    let (put, inputs) = sync_channel(INPUTS_MAX);
    let (put_metrics, put_sign_ins) = (put.clone(), put.clone());
    let every_second = vec![("interval", "1".to_owned())];
    let metrics = server.watch(METRICS_PATH, every_second, move |watched| {
        put_metrics.send(Input::Metrics(watched)).is_ok()
    });
    let failed = vec![
        ("event", "auth.failed,auth.too-many-attempts".to_owned()),
        ("level", "debug".to_owned()),
        ("since", "1h".to_owned()),
        ("throttle", "500".to_owned()),
    ];
    let sign_ins = server.watch(EVENTS_PATH, failed, move |watched| {
        put_sign_ins.send(Input::SignIns(watched)).is_ok()
    });
    let (stop, stopped) = sync_channel(1);
    let server = server.clone();
    thread::spawn(move || ask_for_objects(&server, spool.as_deref(), &put, &stopped));
    Gathering {
        inputs,
        _metrics: metrics,
        _sign_ins: sign_ins,
        _stop: stop,
    }
}

fn ask_for_objects(
    server: &Server,
    spool: Option<&Path>,
    put: &SyncSender<Input>,
    stopped: &Receiver<()>,
) {
    let calls = json!([
        ["x:Source/get", {}, "sources"],
        ["x:Reader/get", {}, "readers"],
    ]);
    loop {
        let spool_bytes = spool.and_then(bytes_of);
        let input = Input::Objects(server.call(&calls), spool_bytes);
        let is_taken = put.send(input).is_ok();
        if !is_taken || stopped.recv_timeout(ASK_AGAIN) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Bytes of the files of a directory; `None` if this user may not look.
fn bytes_of(directory: &Path) -> Option<u64> {
    let files = std::fs::read_dir(directory).ok()?;
    // A file that goes away meanwhile has no bytes.
    let bytes = files.filter_map(|file| file.ok()?.metadata().ok());
    Some(bytes.map(|file| file.len()).sum())
}

/// Takes what came; fails where there is nothing to show without it.
fn take(top: &mut Top, input: Input, now_ms: u64) -> Result<(), Failure> {
    match input {
        Input::Metrics(watched) => {
            if let Some(frame) = trouble(top, "metrics", watched)? {
                top.take_metrics(&frame, now_ms)?;
            }
        }
        Input::SignIns(Watched::Failed(failure)) => {
            top.troubles.insert("sign-ins", failure.sentence());
        }
        Input::SignIns(watched) => {
            if let Some(frame) = trouble(top, "sign-ins", watched)?
                && let Live::Events(events) = read_live(&frame)?
            {
                events.iter().for_each(|event| top.take_sign_in(event));
            }
        }
        Input::Objects(answer, spool_bytes) => {
            top.spool_bytes = spool_bytes;
            match answer.and_then(|answers| top.take_objects(&answers)) {
                Ok(()) => top.troubles.remove("objects"),
                Err(failure) => top.troubles.insert("objects", failure.sentence()),
            };
        }
    }
    Ok(())
}

/// Notes how a stream is; gives its frame, if it is one.
fn trouble(
    top: &mut Top,
    what: &'static str,
    watched: Watched,
) -> Result<Option<crate::http::Frame>, Failure> {
    match watched {
        Watched::Open => {
            top.troubles.remove(what);
            Ok(None)
        }
        Watched::Frame(frame) => Ok(Some(frame)),
        Watched::Lost { why, .. } => {
            top.troubles.insert(what, why);
            Ok(None)
        }
        Watched::Failed(failure) => Err(failure),
    }
}

/// Where the spool is, if it is on this machine.
fn spool_of(session: &Session<'_>) -> Option<PathBuf> {
    let globals = &session.globals;
    globals.server.is_none().then(|| globals.data.join("spool"))
}

/// Looks for two seconds and prints what there is.
///
/// # Errors
/// If the server does not answer, or the output cannot be written.
pub(crate) fn print(json: bool, server: &Server, session: &mut Session<'_>) -> Result<(), Stop> {
    let gathering = gather(server, spool_of(session));
    let mut top = Top::new(server.place());
    let begun_ms = session.clock.elapsed_ms();
    let mut has_objects = false;
    while !(top.has_rates() && has_objects) {
        let now_ms = session.clock.elapsed_ms();
        if now_ms.saturating_sub(begun_ms) > SNAPSHOT_MS {
            break;
        }
        match gathering.inputs.recv_timeout(LOOK) {
            Ok(input) => {
                has_objects |= matches!(input, Input::Objects(..));
                take(&mut top, input, now_ms)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    session.screen.now_ns = session.clock.now_ns();
    if json {
        session.json(&object(&top))?;
    } else {
        let lines = text(&top, &session.screen);
        session.lines(&lines)?;
    }
    Ok(())
}

/// Shows it on the full screen until somebody ends it.
///
/// # Errors
/// If the server does not answer, or the terminal cannot be used.
pub(crate) fn show(server: &Server, session: &mut Session<'_>) -> Result<(), Stop> {
    let signals = Signals::catch()?;
    signals.catch_suspend()?;
    let gathering = gather(server, spool_of(session));
    let mut top = Top::new(server.place());
    let mut terminal = Terminal::enter()?;
    let mut drawn_ms = None;
    while !signals.is_stopped() {
        if signals.take_suspend() {
            terminal.suspend()?;
        }
        let now_ms = session.clock.elapsed_ms();
        for input in gathering.inputs.try_iter().take(INPUTS_MAX) {
            take(&mut top, input, now_ms)?;
        }
        if drawn_ms.is_none_or(|drawn| now_ms >= drawn + DRAW_AGAIN_MS) {
            session.screen.now_ns = session.clock.now_ns();
            let (columns, rows) = terminal.size();
            terminal.draw(&session.screen, &draw(&top, &session.screen, columns, rows))?;
            drawn_ms = Some(now_ms);
        }
        match terminal.key(LOOK)? {
            Some(Key::Char('q') | Key::Quit | Key::Escape) => break,
            Some(Key::Suspend) => terminal.suspend()?,
            Some(Key::Redraw) => terminal.forget(),
            Some(_) => {}
            None => continue,
        }
        drawn_ms = None;
    }
    Ok(())
}
