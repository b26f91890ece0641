//! The history's reader of the spool: memory table, open messages, parts.
//!
//! What fails is told in a note and tried again, for as long as it takes: the cursor stays where
//! it is, so nothing is lost, and no further events are taken in, so memory stays bounded. When
//! the spool is then at its limit, sources wait.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings::emit;
use tidings_event::{Key, Value};
use tidings_spool::{Clock, Delivery, Frame, Kind, Pin, Reader, Spool, SpoolError};

use super::pipe::Pipe;
use super::{CURSOR_BLOB, Cursor, followed_blobs, line_of, lock, words_of_gap};
use crate::engine::{Engine, OPEN_BLOB};
use crate::error::Error;
use crate::history::HistoryWriter;
use crate::import::packed;
use crate::memory::each_event;
use crate::reopen::StoreReopen;

/// How often the thread looks whether it shall end.
const WAKE: Duration = Duration::from_millis(200);

/// After a failure it waits so long, twice as long each time, up to [`PATIENCE_MAX`].
const PATIENCE: Duration = Duration::from_millis(100);

const PATIENCE_MAX: Duration = Duration::from_secs(30);

const DAY_NS: i64 = 86_400_000_000_000;

/// A day's events are sealed so long after its end.
const DAY_GRACE_NS: i64 = 3_600_000_000_000;

/// The thread's state.
pub(super) struct Keeper {
    pub(super) engine: Arc<Engine>,
    pub(super) spool: Arc<Spool>,
    pub(super) shared: Arc<Mutex<Pipe>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reader: Reader,
    pub(super) pin: Pin,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) writer: HistoryWriter,
    /// Where the spool ended at the start: from there on the memory table is complete.
    pub(super) goal: u64,
    pub(super) seal_bytes: usize,
    /// The spool's directory, for people.
    pub(super) directory: PathBuf,
    /// Whether events are taken into the history, or only passed by: as of the last seal.
    pub(super) is_recording: bool,
    /// Bytes of records since the last seal: those in the memory table, or those passed by.
    pub(super) bytes: usize,
    /// When the first of them came, or earlier.
    pub(super) since_ns: i64,
    /// What was complained of last, and how long is waited after the next failure.
    pub(super) complaint: Option<String>,
    pub(super) patience: Duration,
}

impl Keeper {
    /// Reads until the spool has ended or `stop` is set.
    pub(super) fn run(mut self) {
        while self.step() {}
        self.engine.set_ready(true);
    }

    /// Does one thing; false at the end.
    fn step(&mut self) -> bool {
        if self.reader.sequence() >= self.goal {
            self.engine.set_ready(true);
        }
        if self.is_switch_due() {
            let switched = self.switch();
            return self.told(switched);
        }
        if self.is_seal_due() {
            let sealed = self.seal();
            return self.told(sealed);
        }
        match self.reader.next(WAKE) {
            Ok(Some(delivery)) => {
                self.take(delivery);
                return self.told(Ok(()));
            }
            Ok(None) if self.stop.load(Ordering::Acquire) => return false,
            Ok(None) => {}
            Err(SpoolError::Closed | SpoolError::Poisoned { .. }) => return false,
            Err(error) => return self.told(Err(error.into())),
        }
        true
    }

    fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Frame(frame) if frame.kind() == Kind::Events => {
                // What was in the spool at the start came some time after the last seal.
                if self.bytes == 0 && frame.first_sequence() >= self.goal {
                    self.since_ns = self.clock.now_ns();
                }
                self.bytes += frame.records().len();
                if self.is_recording {
                    self.apply(&frame);
                    self.engine.memory().push(frame);
                }
            }
            Delivery::Frame(_) => {}
            Delivery::Gap(gap) => {
                self.engine.note(format!(
                    "{}: {}",
                    self.directory.display(),
                    words_of_gap(&gap)
                ));
            }
        }
        self.engine.note_applied(self.reader.sequence());
    }

    /// Applies a frame's events to the open messages. Where the history cannot be read for a late
    /// line, the message begins anew with it: better half a message than none after it.
    fn apply(&mut self, frame: &Frame) {
        let (engine, writer) = (&self.engine, &mut self.writer);
        let mut folder = engine.open_messages();
        each_event(frame, &mut |_, event| {
            let pairs: Vec<_> = event.pairs().collect();
            let mut reopen = StoreReopen::new(engine, writer);
            folder.apply(event.header(), &pairs, &mut reopen);
            if let Err(error) = reopen.finish() {
                engine.note(format!(
                    "an older message cannot be read for a late line: {error}"
                ));
            }
        });
    }

    /// When recording is wanted and off, or the other way round. What was in the spool at the start is
    /// taken as it was when it came.
    fn is_switch_due(&self) -> bool {
        let wanted = self.engine.recording();
        self.reader.sequence() >= self.goal
            && wanted.is_some_and(|wanted| wanted != self.is_recording)
    }

    /// Keeps from where on it is otherwise, then does so: after a crash each event is taken or passed by
    /// as before.
    fn switch(&mut self) -> Result<(), Error> {
        self.is_recording = !self.is_recording;
        let sealed = self.seal();
        if sealed.is_err() {
            self.is_recording = !self.is_recording;
        }
        sealed
    }

    /// When the memory table is large, a day is over, or the spool needs the space.
    fn is_seal_due(&self) -> bool {
        if self.bytes == 0 || self.reader.sequence() < self.goal {
            return self.bytes >= self.seal_bytes;
        }
        let day_end_ns = (self.since_ns.div_euclid(DAY_NS) + 1).saturating_mul(DAY_NS);
        self.bytes >= self.seal_bytes
            || self.clock.now_ns() >= day_end_ns.saturating_add(DAY_GRACE_NS)
            || self.spool.stats().held_by.as_deref() == Some(super::PIN)
    }

    /// Writes the memory table, and the messages settled meanwhile, into parts.
    fn seal(&mut self) -> Result<(), Error> {
        let sequence = self.reader.sequence();
        if let Err(error) = self.write_parts(sequence) {
            self.writer.give_up_rows();
            return Err(error);
        }
        self.pin.advance(sequence);
        emit!(History::Sealed, size = self.bytes, sequence = sequence);
        self.bytes = 0;
        // The snapshot moves on with the pin: retention never gets to the last one.
        let mut pipe = lock(&self.shared);
        pipe.save(&self.spool);
        let _ = pipe.flush(&self.spool);
        Ok(())
    }

    fn write_parts(&mut self, sequence: u64) -> Result<(), Error> {
        let (engine, writer) = (&self.engine, &mut self.writer);
        for frame in engine.memory().frames() {
            add_events(&frame, writer)?;
        }
        // From here to the end of the commit no query may see a message both open and settled.
        let mut folder = engine.open_messages();
        let mut reopen = StoreReopen::new(engine, writer);
        folder.mend(&mut reopen);
        reopen.finish()?;
        let mut failed = Ok(());
        folder.each_settled(|message| {
            if failed.is_ok() {
                failed = writer.message(&message);
            }
        });
        failed?;
        writer.find_deleted_again()?;
        let mut saved = Vec::new();
        folder.save(&mut saved);
        engine.note_early(folder.take_early());
        engine.note_unjoined(folder.take_unjoined());
        let cursor = Cursor {
            epoch: self.spool.identity().epoch,
            sequence,
            sealed_ns: self.clock.now_ns(),
            is_recording: self.is_recording,
        };
        let mut blobs = vec![
            (OPEN_BLOB.to_owned(), Some(packed(&saved))),
            (CURSOR_BLOB.to_owned(), Some(cursor.encode())),
        ];
        let followed = lock(&self.shared).followed().clone();
        blobs.extend(followed_blobs(&followed));
        let mut taken_in = engine.taken_in();
        blobs.extend(taken_in.iter().map(|name| (name.clone(), None)));
        writer.commit(&blobs)?;
        taken_in.clear();
        folder.forget_settled();
        engine.forget_reopened(&writer.take_deleted_legs());
        engine.memory().drop_before(sequence);
        lock(&self.shared).forget_finished(&followed);
        Ok(())
    }

    /// Tells of a failure once, and waits a while after it; false if it is time to end.
    fn told(&mut self, outcome: Result<(), Error>) -> bool {
        let Err(error) = outcome else {
            if self.complaint.take().is_some() {
                self.engine.note("the history is written again".to_owned());
            }
            self.patience = PATIENCE;
            return true;
        };
        let complaint = error.to_string();
        if self.complaint.as_ref() != Some(&complaint) {
            self.engine.note(format!(
                "the history cannot be written, trying again: {complaint}"
            ));
            self.complaint = Some(complaint);
        }
        if !self.stop.load(Ordering::Acquire) {
            // Who sets `stop` unparks this thread.
            std::thread::park_timeout(self.patience);
        }
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
        !self.stop.load(Ordering::Acquire)
    }
}

/// The first waiting time after a failure.
pub(super) const fn first_patience() -> Duration {
    PATIENCE
}

fn add_events(frame: &Frame, writer: &mut HistoryWriter) -> Result<(), Error> {
    let mut failed = Ok(());
    each_event(frame, &mut |sequence, event| {
        let mut line = None;
        let mut pairs: Vec<(Key, Value<'_>)> = Vec::with_capacity(16);
        for (key, value) in event.pairs() {
            if key == Key::RAW_LINE {
                line = line_of(&value);
            } else {
                pairs.push((key, value));
            }
        }
        if failed.is_ok() {
            failed = writer.event(event.header(), &pairs, Some(sequence), line.as_deref());
        }
    });
    failed
}
