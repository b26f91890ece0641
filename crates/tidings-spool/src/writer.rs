//! The one thread that writes: groups what is queued, writes and syncs it, then shows it to readers.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use crate::batch::Kind;
use crate::error::SpoolError;
use crate::files::create_segment;
use crate::frame::{FRAME_HEADER_BYTES, Frame, FrameEncoder, FrameHeader, Position, seed_of};
use crate::recover::{Active, SegmentInfo};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path};
use crate::state::{Life, Oldest, Queued, Shared, State};

/// Most bytes of batches in one group, so that producers can fill the queue while it is written.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// A buffer that grew beyond this is given back after the commit.
const KEPT_BUFFER_BYTES: usize = 4 << 20;

/// Time without a sync that counts for later ones, so that one slow sync after a while of quiet does
/// not delay what comes next.
const SAVED_NS: u64 = 1_000_000_000;

/// The writer's own state; the thread owns it.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    active: Active,
    encoder: FrameEncoder,
    /// Encoded frames that are not yet durable.
    buffer: Vec<u8>,
    /// The same for the readers.
    frames: Vec<Arc<Frame>>,
    /// What they took of the queue's capacity.
    taken_bytes: usize,
    /// The sequence after the last one in `buffer`.
    next_sequence: u64,
    last_sync_ns: u64,
    /// When the disk has had its share of time for all syncs so far, by the monotonic clock.
    rested_ns: u64,
    /// Whether nothing was written behind the last seal.
    sealed: bool,
}

/// What the writer does next.
enum Task {
    Commit(Vec<Queued>),
    Maintain,
    Finish,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        active: Active,
        next_sequence: u64,
        sealed: bool,
    ) -> Self {
        Self {
            encoder: FrameEncoder::new(seed_of(shared.identity.epoch)),
            shared,
            active,
            buffer: Vec::new(),
            frames: Vec::new(),
            taken_bytes: 0,
            next_sequence,
            last_sync_ns: 0,
            rested_ns: 0,
            sealed,
        }
    }

    /// Works until the spool is closed or a write fails.
    pub(crate) fn run(mut self) {
        let _guard = PanicGuard(Arc::clone(&self.shared));
        if let Err(error) = self.work() {
            end(&self.shared, Life::Poisoned(error.in_full().into()));
        } else {
            end(&self.shared, Life::Closed);
        }
        self.shared.call_subscribers();
    }

    fn work(&mut self) -> Result<(), SpoolError> {
        loop {
            match self.next_task() {
                Task::Commit(group) => self.commit(group)?,
                Task::Maintain => self.maintain()?,
                Task::Finish => return self.seal(),
            }
        }
    }

    /// Waits for something to do.
    fn next_task(&self) -> Task {
        let shared = &self.shared;
        let mut state = shared.lock();
        loop {
            if state.maintenance_wanted > state.maintenance_done {
                return Task::Maintain;
            }
            if !state.queue.is_empty() {
                state = self.wait_for_group(state);
                if self.is_group_due(&state) {
                    return Task::Commit(take_group(&mut state, shared.config.queue_bytes / 2));
                }
                continue;
            }
            if state.is_closing() {
                return Task::Finish;
            }
            let waited = shared
                .work
                .wait_timeout(state, shared.config.maintenance_interval);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() {
                return Task::Maintain;
            }
        }
    }

    /// Lets a group gather, unless somebody waits for it.
    fn wait_for_group<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let config = &self.shared.config;
        let now_ns = self.shared.clock.monotonic_ns();
        let disk_share = Duration::from_nanos(self.rested_ns.saturating_sub(now_ns));
        let delay = config.commit_delay.max(disk_share);
        let must_wait = |state: &mut State| {
            let wanted =
                state.wanted > state.committed || state.maintenance_wanted > state.maintenance_done;
            !wanted && !state.is_closing() && state.queue_bytes < config.group_bytes
        };
        let waited = self.shared.work.wait_timeout_while(state, delay, must_wait);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// False when the wait was cut short by a wish for maintenance, which comes first.
    fn is_group_due(&self, state: &State) -> bool {
        state.maintenance_wanted == state.maintenance_done
    }

    fn commit(&mut self, group: Vec<Queued>) -> Result<(), SpoolError> {
        if self.is_active_old() {
            self.roll()?;
        }
        for queued in group {
            if queued.skip_before {
                self.append_header(&FrameHeader::skip(queued.first_sequence - 1));
            }
            self.append(queued)?;
        }
        self.flush()?;
        self.remove_old();
        Ok(())
    }

    /// Encodes one frame behind the others; ends the segment first if it would grow too large.
    fn append(&mut self, queued: Queued) -> Result<(), SpoolError> {
        let Queued {
            batch,
            first_sequence,
            ..
        } = queued;
        let mut at = self.buffer.len();
        let mut header = self
            .encoder
            .append(&batch, first_sequence, &mut self.buffer);
        let length = self.active.length + self.buffer.len() as u64;
        if length > self.segment_limit() && first_sequence > self.active.first_sequence {
            let frame = self.buffer.split_off(at);
            self.flush()?;
            self.roll()?;
            self.buffer = frame;
            at = 0;
        }
        header.unsynced = unsynced(at);
        self.encoder.finish(&header, at, &mut self.buffer);
        self.next_sequence = header.end_sequence();
        self.taken_bytes += batch.cost();
        let position = self.position(at, first_sequence);
        let next = self.position(self.buffer.len(), self.next_sequence);
        self.frames.push(Arc::new(Frame::of(batch, position, next)));
        Ok(())
    }

    /// Encodes a frame that has no payload.
    fn append_header(&mut self, header: &FrameHeader) {
        let at = self.buffer.len();
        self.buffer.resize(at + FRAME_HEADER_BYTES, 0);
        self.encoder.finish(
            &FrameHeader {
                unsynced: unsynced(at),
                ..*header
            },
            at,
            &mut self.buffer,
        );
        self.next_sequence = header.end_sequence();
    }

    /// Makes what is encoded durable, then visible.
    fn flush(&mut self) -> Result<(), SpoolError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.write()?;
        self.sync()?;
        self.active.length += self.buffer.len() as u64;
        self.sealed = false;
        self.publish();
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        Ok(())
    }

    fn write(&mut self) -> Result<(), SpoolError> {
        let buffer = mem::take(&mut self.buffer);
        let written = self.patiently("write", |writer| {
            let Active { file, length, .. } = &writer.active;
            file.write_all_at(&buffer, *length).or_else(|error| {
                // What was written of it must not lie there while we wait for room.
                file.set_len(*length)?;
                Err(error)
            })
        });
        self.buffer = buffer;
        written
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        let started_ns = self.shared.clock.monotonic_ns();
        self.active
            .file
            .sync()
            .map_err(|error| self.failed("sync", error))?;
        let ended_ns = self.shared.clock.monotonic_ns();
        self.last_sync_ns = ended_ns.saturating_sub(started_ns);
        let share = u64::from(self.shared.config.sync_share);
        let cost_ns = self.last_sync_ns.saturating_mul(share);
        // Time without a sync counts, but no more than is soon used up; and syncs for which
        // somebody waited do not add up to a long delay of others.
        let saved_ns = self.rested_ns.max(ended_ns.saturating_sub(SAVED_NS));
        self.rested_ns = saved_ns.min(ended_ns).saturating_add(cost_ns);
        Ok(())
    }

    /// Shows the flushed frames to readers and ticket holders.
    fn publish(&mut self) {
        let end = self.position(0, self.next_sequence);
        let mut state = self.shared.lock();
        let first_sequence = self.active.first_sequence;
        if let Some(segment) = state.segments.get_mut(&first_sequence) {
            segment.length = self.active.length;
        }
        state.end = end;
        state.head = end.sequence;
        state.committed += self.frames.len() as u64;
        state.queue_bytes = state
            .queue_bytes
            .saturating_sub(mem::take(&mut self.taken_bytes));
        state.counters.commits += 1;
        state.counters.frames += self.frames.len() as u64;
        state.counters.written_bytes += self.buffer.len() as u64;
        state.counters.last_sync_ns = self.last_sync_ns;
        for frame in self.frames.drain(..) {
            state.counters.events += u64::from(frame.count());
            if let Kind::Control { tag } = frame.kind() {
                state.controls.insert(tag, frame.position());
            }
            state.tail.push(frame);
        }
        drop(state);
        self.shared.moved.notify_all();
        self.shared.room.notify_all();
        self.shared.call_subscribers();
    }

    /// Ends the active segment, all of which is durable, and begins the next one.
    fn roll(&mut self) -> Result<(), SpoolError> {
        let header = SegmentHeader {
            identity: self.shared.identity,
            first_sequence: self.next_sequence,
            created_ns: self.shared.clock.now_ns(),
        };
        let file = self.patiently("create a segment in", |writer| {
            let shared = &writer.shared;
            create_segment(shared.backend.as_ref(), &shared.config.directory, &header)
        })?;
        let SegmentHeader {
            first_sequence,
            created_ns,
            ..
        } = header;
        let length = SEGMENT_HEADER_BYTES as u64;
        self.active = Active {
            file,
            first_sequence,
            created_ns,
            length,
        };
        let mut state = self.shared.lock();
        state
            .segments
            .insert(first_sequence, SegmentInfo { created_ns, length });
        state.end = self.position(0, first_sequence);
        drop(state);
        self.shared.moved.notify_all();
        Ok(())
    }

    /// Ends old segments and removes those beyond the limits.
    fn maintain(&mut self) -> Result<(), SpoolError> {
        let wanted = self.shared.lock().maintenance_wanted;
        if self.is_active_old() {
            self.roll()?;
        }
        self.remove_old();
        self.maintained(wanted);
        Ok(())
    }

    fn maintained(&self, wanted: u64) {
        let mut state = self.shared.lock();
        state.maintenance_done = state.maintenance_done.max(wanted);
        drop(state);
        self.shared.maintained.notify_all();
    }

    /// Notes an orderly end: whatever is found damaged later was durable once.
    fn seal(&mut self) -> Result<(), SpoolError> {
        if self.sealed {
            return Ok(());
        }
        self.append_header(&FrameHeader::seal(self.next_sequence));
        let written = self
            .active
            .file
            .write_all_at(&self.buffer, self.active.length);
        match written {
            Err(error) if is_full(&error) => {
                // All events are durable; only the proof of it does not fit.
                let cut = self.active.file.set_len(self.active.length);
                cut.map_err(|error| self.failed("cut", error))
            }
            Err(error) => Err(self.failed("write", error)),
            Ok(()) => {
                self.sync()?;
                self.active.length += self.buffer.len() as u64;
                self.publish();
                Ok(())
            }
        }
    }

    /// Removes segments beyond the limits, oldest first, as far as no pin holds them.
    fn remove_old(&self) {
        let config = &self.shared.config;
        let oldest_ns = self.shared.clock.now_ns().saturating_sub(config.max_age_ns);
        let space = self.shared.backend.space();
        loop {
            let mut state = self.shared.lock();
            if let Ok((_, disk_bytes)) = space {
                state.counters.limit_bytes = config.limit_bytes(disk_bytes);
                state.segment_limit = config.segment_limit(state.counters.limit_bytes);
            }
            let verdict = state.judge_oldest(oldest_ns);
            state.note_verdict(&verdict);
            let Oldest::Remove(first_sequence) = verdict else {
                break;
            };
            drop(state);
            if !self.remove_segment(first_sequence) {
                break;
            }
        }
        self.shared.room.notify_all();
    }

    /// Removes one segment; false when the file system refuses, to be tried again later.
    fn remove_segment(&self, first_sequence: u64) -> bool {
        let directory = &self.shared.config.directory;
        let backend = &self.shared.backend;
        let removed = backend.remove(&segment_path(directory, first_sequence));
        let gone = match &removed {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        // Each removal is made durable before the next: no crash leaves a hole among segments.
        let synced = gone && backend.sync_dir(directory).is_ok();
        let mut state = self.shared.lock();
        if gone {
            state.forget_segment(first_sequence);
        }
        if synced {
            state.counters.segments_removed += 1;
        } else {
            state.counters.removals_failed += 1;
        }
        synced
    }

    /// Tries something until the disk has room for it. Producers are told that it has none; other
    /// errors are final.
    fn patiently<T>(
        &self,
        action: &'static str,
        mut attempt: impl FnMut(&Self) -> io::Result<T>,
    ) -> Result<T, SpoolError> {
        loop {
            match attempt(self) {
                Ok(done) => {
                    self.shared.lock().disk_full = false;
                    return Ok(done);
                }
                Err(error) if is_full(&error) => self.wait_for_space(action, error)?,
                Err(error) => return Err(self.failed(action, error)),
            }
        }
    }

    /// Waits a while for room on the disk; at the spool's end there is no more waiting.
    fn wait_for_space(&self, action: &'static str, error: io::Error) -> Result<(), SpoolError> {
        let mut state = self.shared.lock();
        if state.is_closing() {
            return Err(self.failed(action, error));
        }
        state.disk_full = true;
        self.shared.room.notify_all();
        let must_wait = |state: &mut State| {
            !state.is_closing() && state.maintenance_wanted == state.maintenance_done
        };
        let delay = self.shared.config.retry_delay;
        let waited = self.shared.work.wait_timeout_while(state, delay, must_wait);
        let wanted = waited
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .maintenance_wanted;
        self.remove_old();
        self.maintained(wanted);
        Ok(())
    }

    /// Whether the active segment has events, and is as old as a segment may be.
    fn is_active_old(&self) -> bool {
        let age_ns = self
            .shared
            .clock
            .now_ns()
            .saturating_sub(self.active.created_ns);
        self.next_sequence > self.active.first_sequence
            && age_ns >= self.shared.config.segment_age_ns
    }

    fn segment_limit(&self) -> u64 {
        self.shared.lock().segment_limit
    }

    /// The place `at` bytes behind the durable end.
    fn position(&self, at: usize, sequence: u64) -> Position {
        let offset = self.active.length + at as u64;
        Position {
            segment: self.active.first_sequence,
            offset,
            sequence,
        }
    }

    fn failed(&self, action: &'static str, error: io::Error) -> SpoolError {
        let path = segment_path(&self.shared.config.directory, self.active.first_sequence);
        SpoolError::io(action, &path, error)
    }
}

/// Poisons the spool when the writer's thread dies of a panic, so that nobody waits for ever.
struct PanicGuard(Arc<Shared>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            end(
                &self.0,
                Life::Poisoned("the writer's thread panicked".into()),
            );
        }
    }
}

/// Ends the spool's life and wakes everybody who waits for it.
fn end(shared: &Shared, life: Life) {
    let mut state = shared.lock();
    state.life = life;
    state.queue.clear();
    drop(state);
    shared.wake_all();
}

/// Takes batches from the queue, at least one, until they are `max_bytes` or more.
fn take_group(state: &mut State, max_bytes: usize) -> Vec<Queued> {
    let max_bytes = max_bytes.min(GROUP_BYTES_MAX);
    let mut group = Vec::new();
    let mut bytes = 0;
    while bytes < max_bytes || group.is_empty() {
        let Some(queued) = state.queue.pop_front() else {
            break;
        };
        bytes += queued.batch.cost();
        group.push(queued);
    }
    group
}

/// Bytes before a frame in its group.
fn unsynced(at: usize) -> u32 {
    // A group is at most 16 MiB and one batch of 64 MiB, and lz4 makes none larger.
    u32::try_from(at).expect("a group is far smaller than 4 GiB")
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}
