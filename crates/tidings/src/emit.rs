//! What happens in the emitting thread: count, stamp, write into the thread's ring.

use std::cell::RefCell;
use std::time::Duration;

use tidings_event::{EventType, Level};

use crate::catalogue::Event;
use crate::clock;
use crate::encode::Encoder;
use crate::field::{ErrorEvent, Fields, Written};
use crate::gate::{self, Gate};
use crate::interest::is_edge;
use crate::process::{self, PROCESS, WhenFull};
use crate::ring::{MAX_PAIRS_BYTES, Refused, Stamp, Writer};
use crate::side::Reason;
use crate::span;

thread_local! {
    static WRITER: RefCell<Option<Writer>> = const { RefCell::new(None) };
}

/// Emits an event whose gate is open.
#[inline]
pub fn emit<F: Fields>(event: Event, gate: Gate, span: u64, fields: &F) {
    if gate.is_counted() {
        count(event.kind(), gate, fields);
    }
    if gate.is_built() {
        build(event.id(), gate.level(), span, false, fields);
    }
}

/// Whether anybody wants an event of this type at this level.
#[inline]
pub fn is_wanted(kind: EventType, level: Level) -> bool {
    gate::is_wanted_at(kind, level)
}

/// Emits an event whose type and level are known only at run time, within a span (0 for none). For
/// code that passes on the events of others; a type that the settings switched off stays off.
pub fn emit_at<F: Fields>(kind: EventType, level: Level, span: u64, fields: &F) {
    let gate = Gate::of(kind.id());
    if gate.is_counted() {
        count(kind, gate, fields);
    }
    if is_wanted(kind, level) {
        build(kind.id(), level.ordinal(), span, is_edge(kind), fields);
    }
}

/// Emits an error as the event that it is, within the span that the thread is in.
pub fn report(error: &dyn ErrorEvent) {
    let event = error.event();
    let gate = Gate::of(event.id());
    if gate.is_open() {
        let pairs = Written(|out: &mut Encoder<'_>| error.pairs(out));
        emit(event, gate, span::current(), &pairs);
    }
}

/// Emits the start or the end of a span, whose gate is open.
pub(crate) fn emit_edge<F: Fields>(event: Event, gate: Gate, span: u64, fields: &F) {
    if gate.is_counted() {
        count(event.kind(), gate, fields);
    }
    if gate.is_built() {
        build(event.id(), gate.level(), span, true, fields);
    }
}

/// Counts an event that nobody wants and whose values feed nothing.
#[inline]
pub fn count_only(event: Event) {
    if let Some(meters) = PROCESS.meters.get() {
        meters.count(event.kind());
    }
}

/// Counts an event that the collector makes itself.
pub(crate) fn count_own(kind: EventType) {
    if let Some(meters) = PROCESS.meters.get() {
        meters.count(kind);
    }
}

#[inline]
fn count<F: Fields>(kind: EventType, gate: Gate, fields: &F) {
    let Some(meters) = PROCESS.meters.get() else {
        return;
    };
    meters.count(kind);
    if gate.has_value()
        && let Some(key) = meters.value_key(kind)
        && let Some(value) = fields.number(key)
    {
        meters.observe(kind, value);
    }
}

/// Writes an event into this thread's ring.
#[inline]
pub(crate) fn build<F: Fields>(kind: u16, level: u8, span: u64, keep: bool, fields: &F) {
    let stamp = |ticks| Stamp {
        kind,
        level,
        ticks,
        span,
        keep,
    };
    let written = WRITER.try_with(|writer| match writer.try_borrow_mut() {
        Ok(mut slot) => {
            let writer = match &mut *slot {
                Some(writer) => writer,
                empty => match first(empty) {
                    Some(writer) => writer,
                    None => return Err(Reason::Threads),
                },
            };
            let stamp = stamp(clock::ticks());
            if !writer.try_write(&stamp, fields) {
                write_slowly(writer, &stamp, fields);
            } else if PROCESS.is_asleep() || writer.used() > writer.capacity() / 4 {
                PROCESS.wake(writer.used() > writer.capacity() / 4);
            }
            Ok(())
        }
        // A value that emits while it is written.
        Err(_) => Err(Reason::Nested),
    });
    // The thread's ring is gone already: it is ending.
    let written = written.unwrap_or(Err(Reason::Threads));
    if let Err(reason) = written {
        without_ring(reason, &stamp(clock::ticks()), fields);
    }
}

/// Makes this thread's ring.
#[cold]
fn first(slot: &mut Option<Writer>) -> Option<&mut Writer> {
    let ring = PROCESS.new_ring()?;
    Some(slot.insert(Writer::new(ring, PROCESS.shares())))
}

#[cold]
fn without_ring(reason: Reason, stamp: &Stamp, fields: &dyn Fields) {
    match reason {
        Reason::Threads => PROCESS.side.write(stamp, fields),
        reason => PROCESS.side.lose(stamp.level, reason),
    }
    PROCESS.wake(true);
}

/// Looks again; where the ring does not take the event, it goes by the side queue, waits, or is
/// counted as lost.
#[cold]
fn write_slowly(writer: &mut Writer, stamp: &Stamp, fields: &dyn Fields) {
    let Err(refused) = writer.write(stamp, fields) else {
        return;
    };
    PROCESS.wake(true);
    match refused {
        Refused::Large { bytes } if bytes > MAX_PAIRS_BYTES => {
            PROCESS.side.lose(stamp.level, Reason::TooLong);
        }
        Refused::Large { .. } => PROCESS.side.write(stamp, fields),
        Refused::Full => {
            // The policy may have changed since the thread began.
            writer.set_shares(PROCESS.shares());
            let limit = match PROCESS.when_full() {
                WhenFull::Refuse => Duration::ZERO,
                // The collector would wait for itself.
                WhenFull::Block { .. } if process::is_collector() => Duration::ZERO,
                WhenFull::Block { limit } => limit,
            };
            if !wait_and_write(writer, stamp, fields, limit) {
                writer.lose(stamp.level);
            }
        }
    }
}

/// Tries again until `limit` is over; says whether the event was written.
fn wait_and_write(
    writer: &mut Writer,
    stamp: &Stamp,
    fields: &dyn Fields,
    limit: Duration,
) -> bool {
    let begun = clock::ticks();
    let mut pause = Duration::from_micros(20);
    while !limit.is_zero() && clock::since(begun) < limit && PROCESS.is_running() {
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
        match writer.write(stamp, fields) {
            Ok(()) => return true,
            Err(Refused::Full) => PROCESS.wake(true),
            Err(Refused::Large { .. }) => {
                PROCESS.side.write(stamp, fields);
                return true;
            }
        }
    }
    false
}
