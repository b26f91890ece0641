//! A log that grows while it is followed, as a server's file source does it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidings_engine::input::{Block, Checkpoint, Follower, Poll, Start};
use tidings_engine::{Engine, Error, Live, LiveOptions};
use tidings_spool::SpoolConfig;

use super::world::NOW_NS;

/// A log file of which so many lines were written.
pub(crate) struct GrowingLog {
    pub(crate) path: PathBuf,
    lines: Vec<Vec<u8>>,
    written: usize,
    now_ns: i64,
    /// What the follower told.
    pub(crate) notices: Vec<String>,
}

impl GrowingLog {
    pub(crate) fn new(path: &Path, log: &[u8]) -> GrowingLog {
        std::fs::write(path, b"").unwrap();
        let lines = log
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec);
        GrowingLog {
            path: path.to_owned(),
            lines: lines.collect(),
            written: 0,
            now_ns: NOW_NS,
            notices: Vec::new(),
        }
    }

    /// Appends some lines; false if there are no more.
    pub(crate) fn grow(&mut self, lines: usize) -> bool {
        let end = self.written.saturating_add(lines).min(self.lines.len());
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&self.path)
            .unwrap();
        file.write_all(&self.lines[self.written..end].concat())
            .unwrap();
        let grown = end > self.written;
        self.written = end;
        grown
    }

    /// Follows the log from where the source stands to its end, while it grows by `step` lines at
    /// a time; before each step `each` is called.
    pub(crate) fn follow(
        &mut self,
        live: &Live,
        step: usize,
        each: &mut dyn FnMut(&Live),
    ) -> Result<(), Error> {
        let mut source = live.source("mail.log", "UTC", None)?;
        let start = match source.resume() {
            Some(place) => Start::Resume(Checkpoint::decode(&place).unwrap()),
            None => Start::Beginning,
        };
        let mut follower = Follower::new(&self.path, start);
        let mut block = Block::new();
        loop {
            match follower.poll(0, &mut block).unwrap() {
                Poll::Lines => {
                    // A snapshot of the correlator with every fourth block.
                    self.now_ns += 8_000_000_000;
                    let place = follower.checkpoint().unwrap().encode();
                    source.feed(&block, follower.stream().unwrap(), &place, self.now_ns)?;
                }
                Poll::Notice(notice) => self.notices.push(notice.to_string()),
                Poll::Working => {}
                Poll::Idle => {
                    each(live);
                    if !self.grow(step) {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Seals often, and keeps small segments.
pub(crate) fn live_options() -> LiveOptions {
    LiveOptions {
        spool: SpoolConfig {
            segment_bytes: 64 << 10,
            commit_delay: Duration::from_millis(1),
            retry_delay: Duration::from_millis(2),
            ..SpoolConfig::default()
        },
        seal_bytes: 24 << 10,
        ..LiveOptions::default()
    }
}

/// Waits until everything that was fed is durable and seen by searches.
pub(crate) fn catch_up(live: &Live) {
    live.spool().sync().unwrap();
    for _ in 0..2000 {
        if live.history_lag() == 0 && live.engine().is_ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!(
        "the history is {} events behind: {:?}",
        live.history_lag(),
        live.engine().take_notes()
    );
}

/// Starts the live path of an engine with [`live_options`].
pub(crate) fn start(engine: Engine) -> Live {
    let engine = Arc::new(engine);
    engine
        .live(live_options())
        .unwrap_or_else(|error| panic!("{error}"))
}
