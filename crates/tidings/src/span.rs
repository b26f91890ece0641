//! Spans: a session, a delivery attempt, and the events that belong to it.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tidings_event::{Id, Key};

use crate::catalogue::SpanType;
use crate::clock;
use crate::emit::emit_edge;
use crate::field::{Fields, With};
use crate::gate::Gate;
use crate::process::PROCESS;

thread_local! {
    /// The span that this thread is in; 0 for none.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// The span that the calling thread is in; 0 for none.
#[inline]
pub fn current() -> u64 {
    CURRENT.get()
}

/// A span that is open. Made by [`span!`](crate::span), which emits its start event; dropping it
/// emits its end event with `elapsed`.
///
/// A span that is dropped by a panic, or never (its thread was killed, it was leaked), gets an end
/// event marked `interrupted`: at once, or when the telemetry is shut down, the span is a day old, or
/// 65,536 younger ones are open.
///
/// The guard may be sent to other threads. It does not make its span the current one: see
/// [`enter`](Self::enter).
#[derive(Debug)]
#[must_use = "the span ends when its guard is dropped"]
pub struct Span {
    id: Id,
    kind: SpanType,
    begun: u64,
    is_open: bool,
}

impl Span {
    /// Begins a span within `parent` (0 for none). What [`span!`](crate::span) does.
    #[doc(hidden)]
    pub fn begin<F: Fields>(kind: SpanType, parent: u64, fields: F) -> Span {
        let span = Span {
            id: PROCESS.new_span(),
            kind,
            begun: clock::ticks(),
            is_open: true,
        };
        let gate = Gate::of(kind.start_event().id());
        if gate.is_open() {
            let event = kind.start_event();
            match parent {
                0 => emit_edge(event, gate, span.id.0, &fields),
                parent => {
                    let value = &Id(parent);
                    let both = Both(
                        fields,
                        With {
                            key: Key::PARENT_SPAN_ID,
                            value,
                            rest: (),
                        },
                    );
                    emit_edge(event, gate, span.id.0, &both);
                }
            }
        }
        span
    }

    /// The span's id: in the header of all its events.
    pub fn id(&self) -> Id {
        self.id
    }

    /// What other threads need to emit within this span.
    pub fn context(&self) -> SpanContext {
        SpanContext(self.id)
    }

    /// How long the span has been open.
    pub fn elapsed(&self) -> Duration {
        clock::since(self.begun)
    }

    /// Makes this the current span of the calling thread until the answer is dropped: `emit!` and
    /// `span!` below it belong to it.
    ///
    /// Not across an `await`: the thread runs other tasks meanwhile. See
    /// [`SpanContext::instrument`].
    pub fn enter(&self) -> Entered<'_> {
        Entered::new(self.id)
    }

    /// Ends the span with further pairs. What [`end!`](crate::end) does.
    #[doc(hidden)]
    pub fn end_with<F: Fields>(mut self, fields: F) {
        self.end(fields, false);
    }

    fn end<F: Fields>(&mut self, fields: F, is_interrupted: bool) {
        if !std::mem::replace(&mut self.is_open, false) {
            return;
        }
        let event = self.kind.end_event();
        let gate = Gate::of(event.id());
        if !gate.is_open() {
            return;
        }
        let elapsed = &clock::since(self.begun);
        let elapsed = With {
            key: Key::ELAPSED,
            value: elapsed,
            rest: (),
        };
        if is_interrupted {
            let interrupted = With {
                key: Key::INTERRUPTED,
                value: &true,
                rest: (),
            };
            emit_edge(
                event,
                gate,
                self.id.0,
                &Both(elapsed, Both(fields, interrupted)),
            );
        } else {
            emit_edge(event, gate, self.id.0, &Both(elapsed, fields));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.end((), std::thread::panicking());
    }
}

/// The identity of a span, to emit within it from anywhere. Does not keep it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanContext(Id);

impl SpanContext {
    /// The span that the calling thread is in, if any.
    pub fn current() -> Option<SpanContext> {
        match current() {
            0 => None,
            id => Some(SpanContext(Id(id))),
        }
    }

    /// The span's id.
    pub fn id(self) -> Id {
        self.0
    }

    /// As [`Span::enter`].
    pub fn enter(self) -> Entered<'static> {
        Entered::new(self.0)
    }

    /// A future that runs within the span, on whatever thread it is polled.
    pub fn instrument<F: Future>(self, future: F) -> Instrumented<F> {
        Instrumented {
            span: self,
            future: Box::pin(future),
        }
    }
}

/// What an event can be emitted within: a span, or its context.
pub trait Within {
    /// The span's id.
    fn span_id(&self) -> u64;
}

impl Within for Span {
    fn span_id(&self) -> u64 {
        self.id.0
    }
}

impl Within for SpanContext {
    fn span_id(&self) -> u64 {
        self.0.0
    }
}

impl<W: Within + ?Sized> Within for &W {
    fn span_id(&self) -> u64 {
        (**self).span_id()
    }
}

/// The calling thread is in a span as long as this lives. Those entered later are to be left first.
#[derive(Debug)]
#[must_use = "the span is left when this is dropped"]
pub struct Entered<'s> {
    before: u64,
    /// Of this thread.
    not_send: PhantomData<*const ()>,
    span: PhantomData<&'s Span>,
}

impl Entered<'_> {
    fn new(id: Id) -> Self {
        Entered {
            before: CURRENT.replace(id.0),
            not_send: PhantomData,
            span: PhantomData,
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// See [`SpanContext::instrument`].
#[derive(Debug)]
pub struct Instrumented<F> {
    span: SpanContext,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = self.span.enter();
        self.future.as_mut().poll(context)
    }
}

/// Pairs, and after them others.
struct Both<A, B>(A, B);

impl<A: Fields, B: Fields> Fields for Both<A, B> {
    fn encode(&self, out: &mut crate::Encoder<'_>) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn number(&self, key: Key) -> Option<u64> {
        self.0.number(key).or_else(|| self.1.number(key))
    }
}
