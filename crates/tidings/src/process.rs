//! What all threads of the process share: the rings, the side queue, the collector's state of sleep.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use tidings_event::Id;

use crate::clock;
use crate::meters::Meters;
use crate::ring::{LEVELS, Ring};
use crate::side::Side;

/// How many threads have a ring at a time; further ones use the side queue.
const THREADS_MAX: usize = 1024;

/// How many rings of ended threads are kept for new ones.
const SPARE_MAX: usize = 16;

/// What to do with an event that finds its thread's ring full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Never wait. A ring that fills refuses by level: trace above 50 %, debug above 75 %, info above
    /// 90 %, warnings, errors and the starts and ends of spans when it is full.
    Refuse,
    /// Wait until the collector has made room, at most so long for one event; then it is lost.
    Block {
        /// The longest time that an event may hold its thread up.
        limit: Duration,
    },
}

/// The collector works, naps for a moment, or sleeps for longer.
const WORKS: u8 = 0;
const NAPS: u8 = 1;
const SLEEPS: u8 = 2;

pub(crate) static PROCESS: Process = Process::new();

/// See the module.
pub(crate) struct Process {
    pub(crate) meters: OnceLock<Arc<Meters>>,
    pub(crate) side: Side,
    running: AtomicBool,
    state: AtomicU8,
    collector: Mutex<Option<Thread>>,
    rings: Mutex<Rings>,
    /// Rises with every ring that comes.
    ring_generation: AtomicU64,
    ring_bytes: AtomicUsize,
    /// 0 for refusing.
    block_ns: AtomicU64,
    /// The upper 43 bits count milliseconds, the lower ones spans of a millisecond.
    last_span: AtomicU64,
    control: Mutex<Control>,
    changed: Condvar,
}

struct Rings {
    all: Vec<Arc<Ring>>,
    spare: Vec<Arc<Ring>>,
}

/// What is asked of the collector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Control {
    /// Number of the last flush that was asked for, and of the last one done.
    pub(crate) flush_wanted: u64,
    pub(crate) flush_done: u64,
    pub(crate) stop: bool,
    pub(crate) stopped: bool,
}

impl Process {
    const fn new() -> Process {
        Process {
            meters: OnceLock::new(),
            side: Side::new(),
            running: AtomicBool::new(false),
            state: AtomicU8::new(WORKS),
            collector: Mutex::new(None),
            rings: Mutex::new(Rings {
                all: Vec::new(),
                spare: Vec::new(),
            }),
            ring_generation: AtomicU64::new(0),
            ring_bytes: AtomicUsize::new(256 << 10),
            block_ns: AtomicU64::new(0),
            last_span: AtomicU64::new(0),
            control: Mutex::new(Control {
                flush_wanted: 0,
                flush_done: 0,
                stop: false,
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Marks the process's telemetry as running; `false` if it was already.
    pub(crate) fn begin(&self, ring_bytes: usize, when_full: WhenFull) -> bool {
        if self.running.swap(true, Ordering::AcqRel) {
            return false;
        }
        let block = match when_full {
            WhenFull::Refuse => Duration::ZERO,
            WhenFull::Block { limit } => limit.max(Duration::from_nanos(1)),
        };
        let block_ns = u64::try_from(block.as_nanos()).unwrap_or(u64::MAX);
        self.block_ns.store(block_ns, Ordering::Relaxed);
        self.ring_bytes.store(ring_bytes, Ordering::Relaxed);
        let mut control = lock(&self.control);
        control.stop = false;
        control.stopped = false;
        true
    }

    pub(crate) fn end(&self) {
        self.running.store(false, Ordering::Release);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    pub(crate) fn when_full(&self) -> WhenFull {
        match self.block_ns.load(Ordering::Relaxed) {
            0 => WhenFull::Refuse,
            nanos => WhenFull::Block {
                limit: Duration::from_nanos(nanos),
            },
        }
    }

    /// At how many hundredths of a ring an event is refused, by level.
    pub(crate) fn shares(&self) -> [u8; LEVELS] {
        match self.when_full() {
            WhenFull::Refuse => [50, 75, 90, 100, 100],
            WhenFull::Block { .. } => [100; LEVELS],
        }
    }

    /// A ring for a new thread; `None` if there are too many.
    pub(crate) fn new_ring(&self) -> Option<Arc<Ring>> {
        let bytes = self.ring_bytes.load(Ordering::Relaxed);
        let mut rings = lock(&self.rings);
        if rings.all.len() >= THREADS_MAX {
            return None;
        }
        let fits = |ring: &Arc<Ring>| ring.capacity() == Ring::words_for(bytes) as u64;
        let spare = rings.spare.iter().position(fits);
        let ring = match spare {
            Some(at) => rings.spare.swap_remove(at),
            None => Arc::new(Ring::new(bytes)),
        };
        rings.all.push(ring.clone());
        self.ring_generation.fetch_add(1, Ordering::Release);
        Some(ring)
    }

    /// Rises when a ring comes.
    pub(crate) fn ring_generation(&self) -> u64 {
        self.ring_generation.load(Ordering::Acquire)
    }

    pub(crate) fn rings(&self) -> Vec<Arc<Ring>> {
        lock(&self.rings).all.clone()
    }

    /// Takes away a ring whose thread has ended and from which all was read.
    pub(crate) fn retire(&self, ring: Arc<Ring>) {
        let mut rings = lock(&self.rings);
        rings.all.retain(|known| !Arc::ptr_eq(known, &ring));
        if rings.spare.len() < SPARE_MAX {
            ring.reset();
            rings.spare.push(ring);
        }
    }

    #[inline]
    pub(crate) fn is_asleep(&self) -> bool {
        self.state.load(Ordering::Relaxed) == SLEEPS
    }

    /// Wakes the collector: from sleep, or, `urgent`, from a nap too.
    ///
    /// The state is read without a fence, so one in many wakes may be missed; no sleep is longer
    /// than [`SLEEP`].
    #[cold]
    pub(crate) fn wake(&self, urgent: bool) {
        let state = self.state.load(Ordering::Relaxed);
        let is_due = state == SLEEPS || urgent && state == NAPS;
        if is_due
            && self.state.swap(WORKS, Ordering::AcqRel) != WORKS
            && let Some(thread) = &*lock(&self.collector)
        {
            thread.unpark();
        }
    }

    /// Says that the calling thread is the collector.
    pub(crate) fn enter_collector(&self) {
        IS_COLLECTOR.set(true);
        *lock(&self.collector) = Some(std::thread::current());
    }

    /// Rests, in the collector; `idle` rounds found nothing.
    pub(crate) fn rest(&self, idle: u32) {
        let (state, time) = if idle < IDLE_ROUNDS {
            (NAPS, NAP)
        } else {
            (SLEEPS, SLEEP)
        };
        self.state.store(state, Ordering::Release);
        std::thread::park_timeout(time);
        self.state.store(WORKS, Ordering::Release);
    }

    pub(crate) fn control(&self) -> Control {
        *lock(&self.control)
    }

    /// Asks something of the collector, and wakes it.
    pub(crate) fn ask(&self, what: impl FnOnce(&mut Control)) {
        what(&mut lock(&self.control));
        self.wake(true);
    }

    /// Says that something asked for is done.
    pub(crate) fn answer(&self, what: impl FnOnce(&mut Control)) {
        what(&mut lock(&self.control));
        self.changed.notify_all();
    }

    /// Waits until `done` says so, at most so long; says whether it came about.
    pub(crate) fn wait(&self, limit: Duration, done: impl Fn(&Control) -> bool) -> bool {
        let control = lock(&self.control);
        let waited = self
            .changed
            .wait_timeout_while(control, limit, |control| !done(control));
        let (control, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&control)
    }

    /// An id that no other span of this process has.
    pub(crate) fn new_span(&self) -> Id {
        // Twelve bits for the spans of a millisecond, nine that differ between processes.
        const PER_MILLI: u64 = 1 << 12;
        let start = Id::at(clock::wall_ns(), 0).0 >> 21;
        let mut number = 0;
        let next = |last: u64| {
            number = (last + 1).max(start * PER_MILLI);
            Some(number)
        };
        // Never fails: `next` always gives a number.
        let _ = self
            .last_span
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Id(number << 9 | u64::from(node()))
    }
}

/// How long a nap is, how many there are before the collector sleeps, and how long that is.
const NAP: Duration = Duration::from_millis(1);
const IDLE_ROUNDS: u32 = 20;
const SLEEP: Duration = Duration::from_millis(50);

thread_local! {
    static IS_COLLECTOR: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is the collector.
pub(crate) fn is_collector() -> bool {
    IS_COLLECTOR.get()
}

/// Nine random bits of this process.
fn node() -> u16 {
    static NODE: OnceLock<u16> = OnceLock::new();
    *NODE.get_or_init(|| (random() & 0x1ff) as u16)
}

/// A random number, from the seeds that the system gives to hash tables.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
