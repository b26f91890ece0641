//! Follows one log file: reads it as it grows and feeds what it reads to the engine.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings::emit;
use tidings_engine::input::{
    Block, Checkpoint, FollowOptions, Follower, InputError, Notice, Poll, Start,
};
use tidings_engine::{Error, Live, LiveSource};

use super::board::{Board, State};
use super::watch::FileWatch;
use crate::clock::{self, Watch};
use crate::console::Console;
use crate::settings::SourceSettings;
use crate::stop::Stop;

/// How long to wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A followed file, with everything its thread needs.
pub(super) struct FileSource {
    pub(super) path: PathBuf,
    pub(super) settings: SourceSettings,
    /// It appeared while the server was running, so all of it is new.
    pub(super) is_new: bool,
    pub(super) live: Arc<Live>,
    pub(super) board: Arc<Board>,
    pub(super) console: Console,
    pub(super) stop: Stop,
}

impl FileSource {
    /// Follows the file until the stop signal is set. What cannot be stored is read again from the
    /// last place that was.
    pub(super) fn run(&self) {
        let name = self.name();
        let mut told = String::new();
        while !self.stop.is_set() {
            let Err(error) = self.follow(&name) else {
                return;
            };
            let why = error.to_string();
            if why != told {
                self.console
                    .say(&format!("{name}: cannot be stored, trying again: {why}"));
                emit!(Source::Error, path = name, reason = why);
                told.clone_from(&why);
            }
            self.board.update(&name, |status| {
                status.state = State::Failed;
                status.why = why;
            });
            self.stop.wait(RETRY);
        }
    }

    /// What the source is called: by its path, under which its place is kept.
    fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Follows until the stop signal is set, or until storing fails.
    fn follow(&self, name: &str) -> Result<(), Error> {
        let mut live = self
            .live
            .source(name, &self.settings.timezone, self.settings.year)?;
        let Some(start) = self.start(name, &live)? else {
            return Ok(());
        };
        let options = FollowOptions {
            imported: self.live.engine().chains()?,
            ..FollowOptions::default()
        };
        let mut follower = Follower::with_options(&self.path, start, options);
        let mut watch = FileWatch::new(&self.path, self.stop.clone());
        let mut block = Block::new();
        let running = Watch::start();
        while !self.stop.is_set() {
            let now = u64::try_from(running.elapsed().as_nanos()).unwrap_or(u64::MAX);
            match follower.poll(now, &mut block) {
                Ok(Poll::Lines) => self.feed(name, &mut live, &follower, &block)?,
                Ok(Poll::Notice(notice)) => self.tell(name, &notice),
                Ok(Poll::Working) => self.keep_first_place(&mut live, &follower)?,
                Ok(Poll::Idle) => {
                    self.keep_first_place(&mut live, &follower)?;
                    self.idle(name);
                    watch.wait();
                }
                Err(error) => {
                    self.waiting(name, &error);
                    self.stop.wait(RETRY);
                }
            }
        }
        Ok(())
    }

    /// Where to begin; `None` if the stop signal came before that could be told.
    fn start(&self, name: &str, live: &LiveSource) -> Result<Option<Start>, Error> {
        if let Some(place) = live.resume() {
            let place = Checkpoint::decode(&place);
            let place = place.map_err(|error| Error::State(error.to_string()))?;
            return Ok(Some(Start::Resume(place)));
        }
        while !self.stop.is_set() {
            match self.live.engine().imported_place(&self.path) {
                Ok(Some(place)) => return Ok(Some(Start::Resume(place))),
                // Once it is there, all of it is new.
                Err(Error::Input(error)) if is_missing(&error) => {
                    return Ok(Some(self.new_start()));
                }
                Ok(None) => return Ok(Some(self.new_start())),
                Err(Error::Input(error)) => {
                    self.waiting(name, &error);
                    self.stop.wait(RETRY);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Where to begin with a log of which nothing is known.
    fn new_start(&self) -> Start {
        if self.settings.from_beginning || self.is_new {
            Start::Beginning
        } else {
            Start::End
        }
    }

    fn feed(
        &self,
        name: &str,
        live: &mut LiveSource,
        follower: &Follower,
        block: &Block,
    ) -> Result<(), Error> {
        // Lines were just delivered, so there is a place behind them and a stream they belong to.
        let place = follower
            .checkpoint()
            .map(|place| place.encode())
            .unwrap_or_default();
        live.feed(
            block,
            follower.stream().unwrap_or_default(),
            &place,
            clock::now_ns(),
        )?;
        let lag_bytes = follower.lag_bytes();
        self.board.update(name, |status| {
            status.lines += block.line_count();
            status.lag_bytes = lag_bytes;
            if lag_bytes > 0 && status.state != State::Following {
                status.state = State::CatchingUp;
            }
        });
        Ok(())
    }

    /// Keeps the place where following began, before the first line is taken: what is written while
    /// the server is down is then not taken for old, and a log that is rotated meanwhile is known.
    fn keep_first_place(&self, live: &mut LiveSource, follower: &Follower) -> Result<(), Error> {
        let Some(place) = follower.checkpoint().filter(|_| live.resume().is_none()) else {
            return Ok(());
        };
        let stream = follower.stream().unwrap_or_default();
        live.feed(&Block::new(), stream, &place.encode(), clock::now_ns())?;
        self.live.spool().sync()?;
        Ok(())
    }

    /// Everything there is was read, unless the file is being waited for.
    fn idle(&self, name: &str) {
        self.board.update(name, |status| {
            if matches!(
                status.state,
                State::Starting | State::CatchingUp | State::Failed
            ) {
                status.state = State::Following;
                status.why.clear();
            }
            status.lag_bytes = 0;
        });
    }

    /// Tells of a notice as an event, unless it is about waiting.
    fn emit(&self, name: &str, notice: &Notice) {
        match notice {
            Notice::Waiting(_) | Notice::Readable => {}
            // The first file that is read was not rotated.
            Notice::Next { .. } if !self.board.is_reading(name) => {}
            Notice::Next { .. } | Notice::Truncated { .. } => {
                emit!(Source::Rotated, path = name, details = notice.to_string());
            }
            _ => emit!(Source::Gap, path = name, details = notice.to_string()),
        }
    }

    fn tell(&self, name: &str, notice: &Notice) {
        self.emit(name, notice);
        match notice {
            Notice::Waiting(error) => return self.waiting(name, error),
            Notice::Readable => self.board.update(name, |status| {
                status.state = State::Following;
                status.why.clear();
            }),
            // Its name stands before everything that is said of it.
            Notice::Next { path } if *path == self.path => {
                return self
                    .console
                    .say(&format!("{name}: reading it from its beginning"));
            }
            _ => {}
        }
        self.console.say(&format!("{name}: {notice}"));
    }

    fn waiting(&self, name: &str, error: &InputError) {
        let why = match error {
            error if is_missing(error) => "there is no such file".to_owned(),
            error => error.to_string(),
        };
        let mut is_news = false;
        self.board.update(name, |status| {
            is_news = status.why != why;
            status.state = State::Waiting;
            status.why.clone_from(&why);
        });
        if is_news {
            emit!(Source::Error, path = name, reason = why);
            self.console.say(&format!("{name}: waiting for it: {why}"));
        }
    }
}

fn is_missing(error: &InputError) -> bool {
    matches!(error, InputError::Open { source, .. } if source.kind() == ErrorKind::NotFound)
}
