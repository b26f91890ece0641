//! What a Rust server embeds to tell what it does: typed events from one catalogue, spans, and meters
//! that count them.
//!
//! ```
//! use std::time::Duration;
//! use tidings::{Interest, Settings, Subscription, emit, span};
//!
//! // Once, in main.
//! let telemetry = tidings::start(Settings::default())?;
//! let mut everything = telemetry.subscribe(Subscription::new("everything").interest(Interest::all()))?;
//!
//! // Anywhere.
//! let session = span!(Smtp::ConnectionStart, remote_ip = std::net::Ipv4Addr::LOCALHOST, remote_port = 40_000u16);
//! emit!(in session, Auth::Failed, account_name = "alice@example.org", total = 3u32);
//! drop(session);
//!
//! // On the subscriber's thread.
//! telemetry.flush(Duration::from_secs(1))?;
//! let batch = everything.recv().expect("the telemetry runs");
//! let names: Vec<_> = batch.events().flatten().map(|event| event.kind().name()).collect();
//! assert_eq!(names, ["smtp.connection-start", "auth.failed", "smtp.connection-end"]);
//! # Ok::<(), tidings::TelemetryError>(())
//! ```
//!
//! # What it costs, and what it promises
//!
//! * An event that nobody wants costs one load. One that is wanted is encoded straight into a ring
//!   that the emitting thread shares with nobody but the collector: no lock, no allocation, no system
//!   call, some tens of nanoseconds. Its time is taken when it is emitted, in nanoseconds.
//! * The **collector**, a thread of its own, takes the rings' events, puts them in the order of their
//!   times, gives each its id, keeps track of open spans, and hands batches of records to the
//!   [subscribers](Subscriber).
//! * **Nothing is lost in silence.** A ring that fills refuses by level, or makes its thread wait, as
//!   [`WhenFull`] says. Every event that is lost is counted by level, and an event
//!   `telemetry.events-lost` stands where it is missing.
//! * Every queue is bounded: the [rings](Settings::ring_bytes) (for 1,024 threads at a time), the
//!   queue for large events and further threads (8 MiB; events above 1 MiB are refused and counted),
//!   each [subscriber's queue](Subscription::queue_bytes), the table of open spans (65,536, for a day).
//! * A thread that ends, a [flush](Telemetry::flush), a [panic](Telemetry::install_panic_hook) and the
//!   [shutdown](Telemetry::shutdown) leave nothing behind.
//! * All of the catalogue's counters, gauges and histograms are fed at the same place, wanted or not:
//!   see [`meters`](mod@meters).
//!
//! The crate has no runtime and no `unsafe`.
//!
//! # Features
//!
//! * `tracing`: a layer through which the spans and events of `tracing` flow in (`TracingLayer`).
//! * `forward`: ships events to a Tidings server, which acknowledges them (`forward::Forwarder`).

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![forbid(unsafe_code)]

pub mod catalogue;
mod clock;
mod collector;
mod dispatch;
mod emit;
mod encode;
mod field;
#[cfg(feature = "forward")]
pub mod forward;
mod gate;
mod interest;
#[cfg(feature = "tracing")]
pub mod layer;
mod macros;
pub mod meters;
mod process;
mod ring;
mod side;
mod span;
mod subscribe;
mod sync;
mod telemetry;

pub use tidings_event::{EventRef, EventSet, EventType, Id, Key, Level, UnknownEvent};

pub use emit::{emit_at, is_wanted, report};
pub use encode::Encoder;
pub use field::{Bytes, Cause, ErrorEvent, Field, Fields, Shown, Written};
pub use interest::Interest;
#[cfg(feature = "tracing")]
pub use layer::TracingLayer;
pub use process::WhenFull;
pub use span::{Entered, Instrumented, Span, SpanContext, Within};
pub use subscribe::{Batch, Received, Subscriber, SubscriberStats, Subscription};
pub use telemetry::{Settings, Telemetry, TelemetryError, meters, start};

/// What the macros expand to; not to be used by hand.
#[doc(hidden)]
pub mod private {
    pub use crate::emit::{count_only, emit};
    pub use crate::field::With;
    pub use crate::gate::Gate;
    pub use crate::span::current;

    use crate::catalogue::Event;
    use crate::span::Within;

    /// What to do with an event.
    #[inline]
    pub fn gate(event: Event) -> Gate {
        Gate::of(event.id())
    }

    /// The id of a span.
    #[inline]
    pub fn span_of(span: &impl Within) -> u64 {
        span.span_id()
    }
}

/// The examples of the README are programs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
