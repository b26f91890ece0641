//! The spool itself: opening, appending, reading, closing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::backend::Backend;
use crate::batch::{Batch, Prepared};
use crate::clock::Clock;
use crate::config::SpoolConfig;
use crate::control::{Checkpoints, Control, last_control};
use crate::error::{AppendError, Full, InvalidBatch, SpoolError};
use crate::pin::Pin;
use crate::reader::{Reader, Start};
use crate::recover::{Recovered, RecoveryReport, recover};
use crate::segment::Identity;
use crate::state::{Hook, Life, Queued, Shared, State};
use crate::stats::SpoolStats;
use crate::ticket::Ticket;
use crate::verify::{End, VerifyReport, verify_segments};
use crate::writer::Writer;

/// A durable log of event batches, with one writer thread and any number of readers.
///
/// **Queue.** Before the writer is a queue of [`queue_bytes`](SpoolConfig::queue_bytes) bytes.
/// When it is full, [`append`](Self::append) waits and [`try_append`](Self::try_append) refuses
/// (counted in [`SpoolStats::refused_queue`]). When the spool is at its byte limit and a pin holds
/// its oldest segment, or when the disk is full, both refuse ([`SpoolStats::refused_pinned`],
/// [`SpoolStats::refused_disk`]): a source has to wait. A batch that was taken is never dropped,
/// unless a write fails, which poisons the spool.
///
/// **Visibility.** Readers see a batch when it is durable, never before, so a sequence once seen
/// is never given to another event.
///
/// **After a failed write or sync** the spool is poisoned: it refuses batches with the reason, and
/// reading what is durable goes on, until it is opened again.
pub struct Spool {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// What opening gives.
#[derive(Debug)]
pub struct Opened {
    /// The spool.
    pub spool: Spool,
    /// What was found.
    pub recovery: RecoveryReport,
    /// Keeps every segment, so that the readers that need old ones can take their own
    /// [pins](Spool::pin) first. Drop it when they have: nothing is removed before.
    pub hold: Pin,
}

/// Keeps a hook called; see [`Spool::subscribe`].
#[derive(Debug)]
#[must_use = "the hook is called only while the subscription lives"]
pub struct Subscription {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.unsubscribe(self.id);
    }
}

impl Spool {
    /// Opens the spool in `config.directory` of `backend`, recovering it if need be, or makes one
    /// with `new_identity`, two random numbers. The caller holds the directory's lock.
    ///
    /// # Errors
    /// When the medium fails, or files are there that are not this spool's and would be in the way.
    pub fn open(
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        config: SpoolConfig,
        new_identity: Identity,
    ) -> Result<Opened, SpoolError> {
        let Recovered {
            identity,
            segments,
            active,
            controls,
            sealed,
            report,
        } = recover(backend.as_ref(), clock.as_ref(), &config, new_identity)?;
        let (_, disk_bytes) = backend
            .space()
            .map_err(|error| SpoolError::io("inspect", &config.directory, error))?;
        let end = active.end(report.head);
        let state = State::new(&config, segments, controls, end, disk_bytes);
        let shared = Arc::new(Shared::new(backend, clock, config, identity, state));
        let writer = Writer::new(Arc::clone(&shared), active, report.head, sealed);
        let thread = std::thread::Builder::new().name("tidings-spool".to_owned());
        let thread = thread.spawn(move || writer.run());
        let thread = thread.map_err(|error| {
            SpoolError::io("start a thread for", &shared.config.directory, error)
        })?;
        let hold = Pin::new(Arc::clone(&shared), "opening".to_owned(), 0);
        let spool = Self {
            shared,
            writer: Mutex::new(Some(thread)),
        };
        Ok(Opened {
            spool,
            recovery: report,
            hold,
        })
    }

    /// Hands over a batch, waiting while the queue is full. It will be durable soon: at once when
    /// somebody waits for a ticket, else after the pace that [`SpoolConfig`] sets.
    ///
    /// # Errors
    /// With the batch back: [`SpoolError::Full`] for any other reason than the queue,
    /// [`SpoolError::InvalidBatch`], [`SpoolError::Poisoned`], [`SpoolError::Closed`].
    pub fn append(&self, batch: Batch) -> Result<Ticket, AppendError> {
        self.enqueue(batch, true)
    }

    /// As [`append`](Self::append), but refuses where that would wait.
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`Full::Queue`].
    pub fn try_append(&self, batch: Batch) -> Result<Ticket, AppendError> {
        self.enqueue(batch, false)
    }

    /// Waits until everything appended so far is durable, and gives the sequence after it.
    ///
    /// # Errors
    /// As [`Ticket::wait`].
    pub fn sync(&self) -> Result<u64, SpoolError> {
        let (number, next_sequence) = {
            let state = self.shared.lock();
            (state.appended, state.next_sequence)
        };
        let ticket = Ticket::new(
            Arc::clone(&self.shared),
            number,
            next_sequence..next_sequence,
        );
        Ok(ticket.wait()?.end)
    }

    /// A reader from a sequence (`0` or `1` is the beginning) or a [`Position`](crate::Position) on.
    ///
    /// # Errors
    /// [`SpoolError::Ahead`] when the spool never got that far.
    pub fn reader(&self, from: impl Into<Start>) -> Result<Reader, SpoolError> {
        Reader::new(&self.shared, from.into())
    }

    /// Keeps everything from `sequence` on, until the pin advances or is dropped. The name is for
    /// people who look for what fills the disk.
    pub fn pin(&self, name: impl Into<String>, sequence: u64) -> Pin {
        Pin::new(Arc::clone(&self.shared), name.into(), sequence)
    }

    /// The newest control frame of a tag, if there is a sound one among the segments kept. Looks
    /// into memory first; before one was appended, it searches backwards from the last segment.
    ///
    /// # Errors
    /// When the medium cannot be read.
    pub fn last_control(&self, tag: u8) -> Result<Option<Control>, SpoolError> {
        last_control(&self.shared, tag)
    }

    /// The checkpoints from a place up to what is now the end, oldest first.
    ///
    /// # Errors
    /// As [`reader`](Self::reader).
    pub fn checkpoints(&self, from: impl Into<Start>) -> Result<Checkpoints, SpoolError> {
        let end = self.shared.lock().end;
        Ok(Checkpoints::new(self.reader(from)?, end))
    }

    /// Has `hook` called after every commit, and when the spool is closed or poisoned, for those
    /// that cannot block in [`Reader::next`] or [`Ticket::wait`].
    ///
    /// It is called on the writer's thread, which it holds up: it should wake somebody and return,
    /// and must not panic, wait, or close the spool.
    pub fn subscribe(&self, hook: Box<dyn Fn() + Send + Sync>) -> Subscription {
        let hook: Hook = hook;
        Subscription {
            shared: Arc::clone(&self.shared),
            id: self.shared.subscribe(hook),
        }
    }

    /// Ends the active segment if it is old, and removes segments beyond the limits, now; waits
    /// until that is done. The writer does it by itself, too, after commits and once a minute.
    ///
    /// # Errors
    /// When the spool is closed or poisoned.
    pub fn maintain(&self) -> Result<(), SpoolError> {
        let mut state = self.shared.lock();
        state.maintenance_wanted += 1;
        let wanted = state.maintenance_wanted;
        self.shared.work.notify_all();
        while state.maintenance_done < wanted {
            match &state.life {
                Life::Closed => return Err(SpoolError::Closed),
                Life::Poisoned(cause) => {
                    return Err(SpoolError::Poisoned {
                        cause: Arc::clone(cause),
                    });
                }
                Life::Open | Life::Closing => {}
            }
            state = self
                .shared
                .maintained
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Checks everything that is durable now, as [`verify`](crate::verify) does, while the spool
    /// goes on. Segments that retention removes meanwhile are left out.
    ///
    /// # Errors
    /// As [`verify`](crate::verify).
    pub fn verify(&self) -> Result<VerifyReport, SpoolError> {
        let lengths = {
            let state = self.shared.lock();
            state
                .segments
                .iter()
                .map(|(first, segment)| (*first, segment.length))
                .collect()
        };
        let Shared {
            backend,
            config,
            identity,
            ..
        } = self.shared.as_ref();
        verify_segments(
            backend.as_ref(),
            &config.directory,
            *identity,
            &lengths,
            End::Durable,
        )
    }

    /// Which spool this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    /// The sequence after the last committed event: that of the next one.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.shared.lock().head
    }

    /// The numbers of this moment.
    #[must_use]
    pub fn stats(&self) -> SpoolStats {
        self.shared.lock().stats(&self.shared.config)
    }

    /// Takes no more batches, makes durable what is queued, notes the orderly end, and waits for
    /// the writer to finish. Done by dropping, too, but then nobody hears of a failure.
    ///
    /// # Errors
    /// [`SpoolError::Poisoned`] when something could not be written.
    pub fn close(&self) -> Result<(), SpoolError> {
        let mut state = self.shared.lock();
        if matches!(state.life, Life::Open) {
            state.life = Life::Closing;
        }
        drop(state);
        self.shared.wake_all();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // A panic has already been noted as the reason of the poisoning.
            let _ = writer.join();
        }
        match &self.shared.lock().life {
            Life::Poisoned(cause) => Err(SpoolError::Poisoned {
                cause: Arc::clone(cause),
            }),
            Life::Open | Life::Closing | Life::Closed => Ok(()),
        }
    }

    fn enqueue(&self, batch: Batch, may_wait: bool) -> Result<Ticket, AppendError> {
        if let Err(reason) = batch.validate() {
            return Err(AppendError {
                batch: Box::new(batch),
                error: SpoolError::InvalidBatch(reason),
            });
        }
        // Joined before the lock is taken; a refusal takes it apart again.
        let batch = batch.prepare();
        self.enqueue_prepared(batch, may_wait)
            .map_err(|(batch, error)| AppendError {
                batch: Box::new(batch.into_batch()),
                error,
            })
    }

    fn enqueue_prepared(
        &self,
        batch: Prepared,
        may_wait: bool,
    ) -> Result<Ticket, (Prepared, SpoolError)> {
        let shared = &self.shared;
        let cost = batch.cost();
        let mut state = shared.lock();
        loop {
            if let Err(error) = state.check_open() {
                state.count_refusal(&error);
                return Err((batch, error));
            }
            let queued_bytes = state.queue_bytes;
            let queue_bytes = shared.config.queue_bytes;
            if queued_bytes == 0 || queued_bytes.saturating_add(cost) <= queue_bytes {
                break;
            }
            if !may_wait {
                let error = SpoolError::Full(Full::Queue {
                    queued_bytes,
                    queue_bytes,
                });
                state.count_refusal(&error);
                return Err((batch, error));
            }
            state = shared
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let count = u64::from(batch.count);
        let Some((first_sequence, skip_before)) = state.take_sequences(&batch) else {
            return Err((
                batch,
                SpoolError::InvalidBatch(InvalidBatch::SequencesExhausted),
            ));
        };
        let was_idle = state.queue.is_empty();
        state.queue.push_back(Queued {
            batch,
            first_sequence,
            skip_before,
        });
        state.queue_bytes += cost;
        state.appended += 1;
        if was_idle || state.queue_bytes >= shared.config.group_bytes {
            shared.work.notify_all();
        }
        Ok(Ticket::new(
            Arc::clone(shared),
            state.appended,
            first_sequence..first_sequence + count,
        ))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // The failure is in the statistics and was given to everybody who waited.
        let _ = self.close();
    }
}
