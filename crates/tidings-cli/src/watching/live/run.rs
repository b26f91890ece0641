//! Runs `tidings live` on a full screen.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::draw::draw;
use super::state::{Ask, Stream, View};
use crate::failure::{Failure, Stop};
use crate::http::{Server, Watch, Watched};
use crate::session::Session;
use crate::watching::terminal::Terminal;
use crate::watching::{EVENTS_PATH, Signals};

/// Frames that wait to be taken; the threads that read them wait where there are more.
const FRAMES_MAX: usize = 16;

/// How long it takes at most until something is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// From when on a new filter is asked for.
const FILTER_SINCE: &str = "5m";

/// From when on a message is asked for.
const FOLLOW_SINCE: &str = "1h";

/// What came, and by which watch: one that was replaced may still have sent something.
type Input = (Stream, u64, Watched);

/// The streams that are watched.
struct Watches<'a> {
    server: &'a Server,
    put: SyncSender<Input>,
    main: Option<Watch>,
    follow: Option<Watch>,
    /// The numbers of the watches that count.
    main_number: u64,
    follow_number: u64,
    last_number: u64,
}

impl Watches<'_> {
    fn open(&mut self, stream: Stream, filter: &str, since: Option<&str>) {
        self.close(stream);
        self.last_number += 1;
        let number = self.last_number;
        let put = self.put.clone();
        let mut parameters = vec![("throttle", "100".to_owned())];
        if !filter.is_empty() {
            parameters.push(("q", filter.to_owned()));
        }
        if let Some(since) = since {
            parameters.push(("since", since.to_owned()));
        }
        let watch = self.server.watch(EVENTS_PATH, parameters, move |watched| {
            put.send((stream, number, watched)).is_ok()
        });
        match stream {
            Stream::Main => (self.main, self.main_number) = (Some(watch), number),
            Stream::Follow => (self.follow, self.follow_number) = (Some(watch), number),
        }
    }

    fn close(&mut self, stream: Stream) {
        match stream {
            Stream::Main => self.main = None,
            Stream::Follow => self.follow = None,
        }
    }

    /// Whether this came by a watch that still counts.
    fn counts(&self, stream: Stream, number: u64) -> bool {
        match stream {
            Stream::Main => number == self.main_number,
            Stream::Follow => number == self.follow_number && self.follow.is_some(),
        }
    }
}

/// Shows the events that pass `filter` until somebody ends it; first those since `since`.
///
/// # Errors
/// If the server does not answer or refuses, or the terminal cannot be used.
pub(crate) fn show(
    filter: String,
    since: Option<String>,
    server: &Server,
    session: &mut Session<'_>,
) -> Result<(), Stop> {
    let signals = Signals::catch()?;
    signals.catch_suspend()?;
    let (put, take) = sync_channel(FRAMES_MAX);
    let mut watches = Watches {
        server,
        put,
        main: None,
        follow: None,
        main_number: 0,
        follow_number: 0,
        last_number: 0,
    };
    watches.open(Stream::Main, &filter, since.as_deref());
    let mut view = View::new(filter);
    let mut terminal = Terminal::enter()?;
    let mut is_stale = true;
    while !signals.is_stopped() {
        if signals.take_suspend() {
            terminal.suspend()?;
            is_stale = true;
        }
        is_stale |= take_all(&mut view, &take, &watches)?;
        if std::mem::take(&mut is_stale) {
            session.screen.now_ns = session.clock.now_ns();
            let (columns, rows) = terminal.size();
            let picture = draw(&mut view, &session.screen, columns, rows);
            terminal.draw(&session.screen, &picture)?;
        }
        let Some(key) = terminal.key(LOOK)? else {
            continue;
        };
        is_stale = true;
        match view.press(key) {
            Ask::Quit => break,
            Ask::Suspend => terminal.suspend()?,
            Ask::Redraw => terminal.forget(),
            Ask::WatchMain => watches.open(Stream::Main, &view.filter, Some(FILTER_SINCE)),
            Ask::WatchFollow => {
                if let Some(followed) = view.followed() {
                    watches.open(Stream::Follow, &followed.filter, Some(FOLLOW_SINCE));
                }
            }
            Ask::EndFollow => watches.close(Stream::Follow),
            Ask::Nothing => {}
        }
    }
    Ok(())
}

/// Takes what came; gives whether there was anything. So much at a time that keys are heeded.
fn take_all(
    view: &mut View,
    take: &Receiver<Input>,
    watches: &Watches<'_>,
) -> Result<bool, Failure> {
    let mut has_come = false;
    for (stream, number, watched) in take.try_iter().take(FRAMES_MAX) {
        if watches.counts(stream, number) {
            has_come = true;
            view.take(stream, watched)?;
        }
    }
    Ok(has_come)
}
