//! The collector: one thread that takes the events of all others, puts them in the order of their
//! emission, gives them their ids and hands them to the subscribers.
//!
//! It naps for a millisecond between rounds, sleeps for up to 50 ms when nothing comes (the first
//! event wakes it), and works without a pause under load. `merge` orders, `spans` keeps the open
//! spans, `outgoing` fills batches; this file runs them. A panic in any of them costs the one event
//! that was being handled: it is counted, told as `telemetry.collector-restarted`, and the thread
//! goes on.

mod merge;
mod outgoing;
mod spans;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tidings_event::{EventType, Key};

use crate::clock::{self, Anchor};
use crate::dispatch::{self, Plan};
use crate::encode::Encoder;
use crate::process::{Control, PROCESS};
use crate::ring::{LEVELS, Ring};
use crate::side::{REASONS, Reason};
use merge::{Merge, Take};
use outgoing::Outgoing;
use spans::{Edge, SpanTable};

/// Above so many bytes of events that wait for earlier ones, the reorder window is given up.
const STAGED_BYTES_MAX: usize = 8 << 20;

/// What a collector is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CollectorSettings {
    /// How long an event waits for earlier ones of other threads.
    pub(crate) window: Duration,
    /// What tells this run's events from those of others.
    pub(crate) origin: u32,
}

/// See the module.
pub(crate) struct Collector {
    settings: CollectorSettings,
    /// The first source is the side queue, the others are rings.
    rings: Vec<Source>,
    ring_generation: Option<u64>,
    merge: Merge,
    line: Line,
    side_reported: [[u64; LEVELS]; REASONS],
    restarts: u64,
}

/// A ring and what of its losses was told.
struct Source {
    ring: Arc<Ring>,
    reported: [u64; LEVELS],
}

/// What every event passes, in order.
struct Line {
    plan: Plan,
    anchor: Anchor,
    spans: SpanTable,
    outgoing: Outgoing,
    /// Level of the event that is being handled.
    current: Option<u8>,
}

impl Collector {
    pub(crate) fn new(settings: CollectorSettings) -> Collector {
        Collector {
            rings: Vec::new(),
            ring_generation: None,
            merge: Merge::default(),
            line: Line {
                plan: Plan::empty(),
                anchor: Anchor::now(),
                spans: SpanTable::default(),
                outgoing: Outgoing::new(settings.origin),
                current: None,
            },
            // Losses of an earlier run were told by it.
            side_reported: side_losses(),
            restarts: 0,
            settings,
        }
    }

    /// Runs until it is told to stop and everything is handed on.
    pub(crate) fn run(mut self) {
        PROCESS.enter_collector();
        let mut pause = Duration::from_millis(1);
        loop {
            let begun = clock::ticks();
            match catch_unwind(AssertUnwindSafe(|| self.work())) {
                Ok(()) => break,
                Err(_) => self.recover(),
            }
            // Failures one after the other must not keep a processor busy.
            pause = match clock::since(begun) > Duration::from_secs(10) {
                true => Duration::from_millis(1),
                false => (pause * 2).min(Duration::from_secs(1)),
            };
            std::thread::sleep(pause);
        }
        for queue in dispatch::take_subscribers() {
            queue.close();
        }
        PROCESS.end();
        PROCESS.answer(|control| control.stopped = true);
    }

    fn work(&mut self) {
        let mut idle = 0;
        loop {
            let control = PROCESS.control();
            let is_flush = control.flush_wanted != control.flush_done;
            let handled = self.round(is_flush || control.stop);
            self.line.outgoing.dispatch(&self.line.plan);
            if is_flush {
                let done = |now: &mut Control| now.flush_done = control.flush_wanted;
                PROCESS.answer(done);
            }
            if control.stop && handled == 0 {
                return self.end_spans();
            }
            idle = if handled > 0 { 0 } else { idle + 1 };
            // More than a batch: there will be more.
            if handled < 4096 && !control.stop {
                PROCESS.rest(idle);
            }
        }
    }

    /// Takes what there is and hands on what is old enough, `all` if so asked. Gives the number of
    /// events handled.
    fn round(&mut self, all: bool) -> usize {
        self.find_rings();
        self.line.anchor = Anchor::now();
        let now = clock::ticks();
        let closed: Vec<bool> = self.rings.iter().map(|s| s.ring.is_closed()).collect();
        for (at, source) in self.rings.iter().enumerate() {
            source.ring.drain(self.merge.source(at + 1));
        }
        PROCESS.side.drain(self.merge.source(0));
        self.refresh_plan();
        let is_alone = self.rings.len() <= 1 && !self.has_new_rings();
        let horizon = if all || is_alone || self.merge.bytes() > STAGED_BYTES_MAX {
            now
        } else {
            clock::before(now, self.settings.window)
        };
        let handled = self.release(horizon);
        self.report_losses(now);
        self.retire(&closed);
        self.line.expire_spans(now);
        handled
    }

    /// After the rings were read: who subscribed before an event was emitted gets it.
    fn refresh_plan(&mut self) {
        if self.line.plan.is_stale() {
            self.line.outgoing.dispatch(&self.line.plan);
            self.line.plan = Plan::now();
            self.line.outgoing.expect(self.line.plan.queues.len());
        }
    }

    fn has_new_rings(&self) -> bool {
        self.ring_generation != Some(PROCESS.ring_generation())
    }

    fn find_rings(&mut self) {
        if !self.has_new_rings() {
            return;
        }
        self.ring_generation = Some(PROCESS.ring_generation());
        for ring in PROCESS.rings() {
            if !self
                .rings
                .iter()
                .any(|known| Arc::ptr_eq(&known.ring, &ring))
            {
                self.rings.push(Source {
                    ring,
                    reported: [0; LEVELS],
                });
            }
        }
    }

    fn release(&mut self, horizon: u64) -> usize {
        let Collector {
            merge, line, rings, ..
        } = self;
        merge.release(horizon, &mut Handler { line, rings })
    }

    /// Tells the losses that no gap has told: of threads that emitted nothing afterwards, and of the
    /// side queue.
    fn report_losses(&mut self, now: u64) {
        for (at, source) in self.rings.iter_mut().enumerate() {
            // A gap may be on its way.
            if self.merge.is_empty(at + 1) {
                self.line
                    .gap(now, &source.ring.lost(), &mut source.reported);
            }
        }
        for reason in Reason::ALL {
            let lost = PROCESS.side.lost(reason);
            let reported = &mut self.side_reported[reason as usize];
            self.line.losses(now, &lost, reported, reason.as_str());
        }
    }

    /// Lets go of the rings of threads that had ended before the round, once all is handed on.
    fn retire(&mut self, closed: &[bool]) {
        for at in (0..closed.len()).rev() {
            if closed[at] && self.merge.is_empty(at + 1) {
                let source = self.rings.remove(at);
                self.merge.remove(at + 1);
                PROCESS.retire(source.ring);
            }
        }
    }

    /// After a panic: counts what was being handled, and says so.
    fn recover(&mut self) {
        self.restarts += 1;
        if let Some(level) = self.line.current.take() {
            PROCESS.side.lose(level, Reason::Collector);
        }
        let restarts = self.restarts;
        self.line.own(
            clock::ticks(),
            EventType::TELEMETRY_COLLECTOR_RESTARTED,
            |out| {
                out.pair(Key::COUNT, &restarts);
            },
        );
    }

    /// At shutdown: spans that are still open are ended, as interrupted.
    fn end_spans(&mut self) {
        let now = clock::ticks();
        while let Some(span) = self.line.spans.take_oldest() {
            self.line.interrupt(now, &span);
        }
        self.line.outgoing.dispatch(&self.line.plan);
    }
}

fn side_losses() -> [[u64; LEVELS]; REASONS] {
    Reason::ALL.map(|reason| PROCESS.side.lost(reason))
}

/// Where released entries go.
struct Handler<'c> {
    line: &'c mut Line,
    rings: &'c mut [Source],
}

impl Take for Handler<'_> {
    #[inline]
    fn event(&mut self, _: usize, event: &merge::Event<'_>) {
        self.line.event(event);
    }

    fn gap(&mut self, source: usize, ticks: u64, lost: &[u64; LEVELS]) {
        // The first source is the side queue, which writes no gaps.
        if let Some(source) = source.checked_sub(1).and_then(|at| self.rings.get_mut(at)) {
            self.line.gap(ticks, lost, &mut source.reported);
        }
    }
}

impl Line {
    #[inline(always)]
    fn event(&mut self, event: &merge::Event<'_>) {
        self.current = Some(event.level);
        #[cfg(all(test, not(loom)))]
        tests::fail_if_told(event);
        match self.spans.edge(event.kind) {
            None => {}
            Some(Edge::Start { end }) => {
                if let Some(given_up) = self.spans.begin(event.span, end, event.level, event.ticks)
                {
                    self.interrupt(event.ticks, &given_up);
                }
            }
            Some(Edge::End) => self.spans.end(event.span),
        }
        let mask = self.plan.mask(event.kind, event.level);
        if mask != 0 {
            let time_ns = self.anchor.time_ns(event.ticks);
            let is_full = self.outgoing.add(event, time_ns, mask);
            if is_full {
                self.outgoing.dispatch(&self.plan);
            }
        }
        self.current = None;
    }

    /// Events were lost in a ring; `lost` are its counts so far.
    fn gap(&mut self, ticks: u64, lost: &[u64; LEVELS], reported: &mut [u64; LEVELS]) {
        self.losses(ticks, lost, reported, "ring full");
    }

    fn losses(
        &mut self,
        ticks: u64,
        lost: &[u64; LEVELS],
        reported: &mut [u64; LEVELS],
        reason: &str,
    ) {
        let new: [u64; LEVELS] =
            std::array::from_fn(|level| lost[level].saturating_sub(reported[level]));
        if new == [0; LEVELS] {
            return;
        }
        *reported = *lost;
        self.own(ticks, EventType::TELEMETRY_EVENTS_LOST, |out| {
            outgoing::write_losses(out, &new, reason);
        });
    }

    /// An event of the collector's own.
    fn own(&mut self, ticks: u64, kind: EventType, pairs: impl Fn(&mut Encoder<'_>)) {
        crate::emit::count_own(kind);
        let words = outgoing::encode(pairs);
        let event = merge::Event {
            kind: kind.id(),
            level: kind.level().ordinal(),
            ticks,
            span: 0,
            bytes: words.1,
            pairs: &words.0,
        };
        let mask = self.plan.mask(event.kind, event.level);
        if mask != 0 {
            self.outgoing.add(&event, self.anchor.time_ns(ticks), mask);
        }
    }

    /// Ends a span whose end nobody told.
    fn interrupt(&mut self, now: u64, span: &spans::Open) {
        let elapsed = Duration::from_nanos(clock::nanos_between(span.begun, now));
        let words = outgoing::encode(|out| {
            out.pair(Key::ELAPSED, &elapsed)
                .pair(Key::INTERRUPTED, &true);
        });
        let event = merge::Event {
            kind: span.end,
            level: span.level,
            ticks: now,
            span: span.id,
            bytes: words.1,
            pairs: &words.0,
        };
        crate::emit::count_own(EventType::from_id(span.end));
        let mask = self.plan.mask(event.kind, event.level);
        if mask != 0 {
            self.outgoing.add(&event, self.anchor.time_ns(now), mask);
        }
    }

    fn expire_spans(&mut self, now: u64) {
        while let Some(span) = self.spans.take_expired(now) {
            self.interrupt(now, &span);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
