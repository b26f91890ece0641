//! Who wants what: the list of subscribers, the levels, and the masks that the collector works by.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_event::{EventType, Level};

use crate::gate::{self, Gate, TYPES};
use crate::interest::{Interest, is_edge};
use crate::process::PROCESS;
use crate::subscribe::{Queue, Subscription};

/// How many subscribers there may be at a time: a bit each.
pub(crate) const SUBSCRIBERS_MAX: usize = 64;

/// How many levels there are, `disable` with them.
const LEVELS: usize = Level::ALL.len();

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

/// Rises with every change.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// What is wanted now.
#[derive(Default)]
struct Table {
    levels: HashMap<EventType, Level>,
    subscribers: Vec<(Arc<Queue>, Interest)>,
    /// Nothing is built: the telemetry does not run.
    paused: bool,
}

/// What the collector works by: a copy of the table, turned into masks.
pub(crate) struct Plan {
    pub(crate) generation: u64,
    pub(crate) queues: Vec<Arc<Queue>>,
    /// For each type and level, which subscribers want it: one bit each.
    masks: Box<[[u64; LEVELS]]>,
}

impl Plan {
    /// Nobody wants anything.
    pub(crate) fn empty() -> Plan {
        Plan {
            generation: u64::MAX,
            queues: Vec::new(),
            masks: Box::new([]),
        }
    }

    /// The present one.
    pub(crate) fn now() -> Plan {
        let table = table();
        let table = table.as_ref();
        let subscribers = table.map(|table| table.subscribers.as_slice());
        let subscribers = subscribers.unwrap_or_default();
        let mut masks = vec![[0; LEVELS]; TYPES].into_boxed_slice();
        for (id, by_level) in (0u16..).zip(masks.iter_mut()) {
            let kind = EventType::from_id(id);
            for (level, mask) in Level::ALL.into_iter().zip(by_level) {
                *mask = mask_of(subscribers, kind, level);
            }
        }
        Plan {
            generation: GENERATION.load(Ordering::Acquire),
            queues: subscribers.iter().map(|(queue, _)| queue.clone()).collect(),
            masks,
        }
    }

    /// Whether the table has changed since.
    pub(crate) fn is_stale(&self) -> bool {
        self.generation != GENERATION.load(Ordering::Acquire)
    }

    /// Which subscribers want the event.
    #[inline]
    pub(crate) fn mask(&self, kind: u16, level: u8) -> u64 {
        let by_level = self.masks.get(usize::from(kind));
        let mask = by_level.and_then(|levels| levels.get(usize::from(level)));
        mask.copied().unwrap_or(0)
    }
}

fn mask_of(subscribers: &[(Arc<Queue>, Interest)], kind: EventType, level: Level) -> u64 {
    let bits = subscribers.iter().enumerate();
    bits.filter(|(_, (_, interest))| interest.wants(kind, level))
        .fold(0, |mask, (at, _)| mask | 1 << at)
}

/// Adds a subscriber; `None` if there are too many.
pub(crate) fn subscribe(subscription: Subscription) -> Option<Arc<Queue>> {
    let queue = Arc::new(Queue::new(&subscription));
    let added = change(|table| {
        let has_room = table.subscribers.len() < SUBSCRIBERS_MAX;
        if has_room {
            table
                .subscribers
                .push((queue.clone(), subscription.interest));
        }
        has_room
    });
    added.then_some(queue)
}

/// Forgets a subscriber.
pub(crate) fn unsubscribe(queue: &Arc<Queue>) {
    change(|table| {
        table
            .subscribers
            .retain(|(known, _)| !Arc::ptr_eq(known, queue));
    });
}

pub(crate) fn change_interest(queue: &Arc<Queue>, interest: Interest) {
    change(|table| {
        for (known, old) in &mut table.subscribers {
            if Arc::ptr_eq(known, queue) {
                *old = interest.clone();
            }
        }
    });
}

/// Sets the levels that differ from the catalogue's; all others are the catalogue's again.
pub(crate) fn set_levels(levels: impl IntoIterator<Item = (EventType, Level)>) {
    change(|table| table.levels = levels.into_iter().collect());
}

/// Whether events are built and counted.
pub(crate) fn set_paused(paused: bool) {
    change(|table| table.paused = paused);
}

/// Takes all subscribers out.
pub(crate) fn take_subscribers() -> Vec<Arc<Queue>> {
    change(|table| {
        table
            .subscribers
            .drain(..)
            .map(|(queue, _)| queue)
            .collect()
    })
}

fn change<T>(what: impl FnOnce(&mut Table) -> T) -> T {
    let mut slot = table();
    let table = slot.get_or_insert_with(Table::default);
    let answer = what(table);
    // First: an event that a gate lets pass from now on finds the collector with a new plan, which
    // it makes once this lock is free.
    GENERATION.fetch_add(1, Ordering::Release);
    set_gates(table);
    answer
}

fn table() -> MutexGuard<'static, Option<Table>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_gates(table: &Table) {
    let meters = PROCESS.meters.get().filter(|_| !table.paused);
    gate::set_all(|kind| {
        let level = table.levels.get(&kind).copied();
        let level = level.unwrap_or_else(|| kind.level());
        let wants = |level| !table.paused && mask_of(&table.subscribers, kind, level) != 0;
        let has_value = meters.is_some_and(|meters| meters.value_key(kind).is_some());
        let is_counted =
            meters.is_some() && (kind.info().is_metric() || has_value || is_edge(kind));
        let levels = Level::ALL.into_iter().filter(|level| wants(*level));
        // A type that is switched off is wanted at no level.
        let levels = match level {
            Level::Disable => 0,
            _ => levels.fold(0, |bits, level| bits | 1 << level.ordinal()),
        };
        (
            Gate::new(level, wants(level), is_counted, has_value),
            levels,
        )
    });
}
