//! A layer for `tracing`: what a program tells there flows into its telemetry.
//!
//! ```
//! use tracing_subscriber::layer::SubscriberExt;
//! use tracing_subscriber::util::SubscriberInitExt;
//!
//! let telemetry = tidings::start(tidings::Settings::default())?;
//! tracing_subscriber::registry().with(tidings::TracingLayer::new()).init();
//!
//! tracing::warn!(remote_ip = "192.0.2.7", attempts = 3, "too many tries");
//! tracing::info!(event = "auth.failed", account_name = "alice@example.org");
//! # Ok::<(), tidings::TelemetryError>(())
//! ```
//!
//! * An event becomes `program.event` with the level that it has there, the target under `target` and
//!   the message under `details`. A span becomes `program.span-start` and `program.span-end`, its name
//!   under `value`; fields that are recorded later stand in its end.
//! * A field whose name is a key of the catalogue in snake_case (`remote_ip`) comes under that key,
//!   any other as `attribute = [name, value]`. Numbers, truth values, texts and errors keep their
//!   kind; what comes by `Debug` or `Display` is text.
//! * An event becomes one of the catalogue, with the catalogue's level, if its field `event` holds
//!   the name (`event = "auth.failed"`), or it is named so (`info!(name: "auth.failed", …)`). A span
//!   does if its name, or its field `event`, is that of a span's start (`imap.connection-start`).
//! * Spans nest as in `tracing`; outside of any the event belongs to the [span](crate::Span) that the
//!   thread is in.

use std::fmt;
use std::time::Duration;

use tidings_event::{EventType, Id, Key, Level};
use tracing_core::field::{Field as Name, Visit};
use tracing_core::span::{Attributes, Id as SpanKey, Record};
use tracing_core::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::emit::emit_at;
use crate::encode::Encoder;
use crate::field::{Cause, Field, Fields};
use crate::gate::Gate;
use crate::process::PROCESS;
use crate::span::current;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingLayer(());

impl TracingLayer {
    /// A layer that passes everything on to the running telemetry; what is wanted is said by its
    /// subscribers.
    pub fn new() -> TracingLayer {
        TracingLayer(())
    }
}

/// What is kept of a span while it is open.
struct Open {
    id: Id,
    end: EventType,
    level: Level,
    begun: u64,
    /// Fields recorded after the start, each once: at most as many as the span declares.
    recorded: Vec<(&'static str, Recorded)>,
}

/// A value that was recorded into a span.
enum Recorded {
    UInt(u64),
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl<S> Layer<S> for TracingLayer
where
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, key: &SpanKey, context: Context<'_, S>) {
        let Some(span) = context.span(key) else {
            return;
        };
        let metadata = attributes.metadata();
        let named = |write: &mut dyn Visit| attributes.record(write);
        let (start, end, level) = span_type(metadata, named);
        let parent = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Open>().map(|open| open.id.0)
        });
        let open = Open {
            id: PROCESS.new_span(),
            end,
            level,
            begun: clock::ticks(),
            recorded: Vec::new(),
        };
        let pairs = Pairs {
            metadata,
            record: |write: &mut dyn Visit| attributes.record(write),
            is_span: true,
            parent: parent.unwrap_or_else(current),
        };
        emit_at(start, level, open.id.0, &pairs);
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, key: &SpanKey, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(key)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut Keep(&mut open.recorded));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let span = context.event_span(event).and_then(|span| {
            let extensions = span.extensions();
            extensions.get::<Open>().map(|open| open.id.0)
        });
        let (kind, level) = event_type(metadata, |write| event.record(write));
        let pairs = Pairs {
            metadata,
            record: |write: &mut dyn Visit| event.record(write),
            is_span: false,
            parent: 0,
        };
        emit_at(kind, level, span.unwrap_or_else(current), &pairs);
    }

    fn on_close(&self, key: SpanKey, context: Context<'_, S>) {
        let Some(span) = context.span(&key) else {
            return;
        };
        let Some(open) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        let ended = Ended {
            elapsed: clock::since(open.begun),
            recorded: &open.recorded,
        };
        emit_at(open.end, open.level, open.id.0, &ended);
    }
}

/// The start and end types of a span, and their level.
fn span_type(
    metadata: &Metadata<'_>,
    record: impl Fn(&mut dyn Visit),
) -> (EventType, EventType, Level) {
    let named = type_named(metadata, record).filter(|kind| kind.info().is_span_start());
    let end = named.and_then(|start| {
        let begun = start.name().strip_suffix("-start")?;
        EventType::from_name(&format!("{begun}-end"))
    });
    match named.zip(end) {
        Some((start, end)) => (start, end, effective_level(start)),
        None => (
            EventType::PROGRAM_SPAN_START,
            EventType::PROGRAM_SPAN_END,
            level_of(metadata),
        ),
    }
}

fn event_type(metadata: &Metadata<'_>, record: impl Fn(&mut dyn Visit)) -> (EventType, Level) {
    let is_plain = |kind: &EventType| !crate::interest::is_edge(*kind);
    match type_named(metadata, record).filter(is_plain) {
        Some(kind) => (kind, effective_level(kind)),
        None => (EventType::PROGRAM_EVENT, level_of(metadata)),
    }
}

/// The type of the catalogue that the field `event` names, or else the name of the event or span.
fn type_named(metadata: &Metadata<'_>, record: impl Fn(&mut dyn Visit)) -> Option<EventType> {
    let mut found = Find(None);
    if metadata.fields().field("event").is_some() {
        record(&mut found);
    }
    found.0.or_else(|| {
        // The names that the macros make hold the place, with a blank.
        let name = Some(metadata.name()).filter(|name| !name.contains(' '))?;
        EventType::from_name(name)
    })
}

/// The level that the settings, or else the catalogue, give to a type.
fn effective_level(kind: EventType) -> Level {
    let gate = Gate::of(kind.id());
    let set = Level::from_ordinal(gate.level()).filter(|_| gate.is_open());
    set.unwrap_or_else(|| kind.level())
}

fn level_of(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}

/// Looks for a type's name in the field `event`.
struct Find(Option<EventType>);

impl Visit for Find {
    fn record_str(&mut self, name: &Name, value: &str) {
        if name.name() == "event" {
            self.0 = EventType::from_name(value);
        }
    }

    fn record_debug(&mut self, _: &Name, _: &dyn fmt::Debug) {}
}

/// The pairs of an event or of the start of a span.
struct Pairs<'m, R> {
    metadata: &'m Metadata<'m>,
    record: R,
    is_span: bool,
    /// The span around a span that begins; 0 for none.
    parent: u64,
}

impl<R: Fn(&mut dyn Visit)> Fields for Pairs<'_, R> {
    fn encode(&self, out: &mut Encoder<'_>) {
        (self.record)(&mut Write(out));
        if self.is_span {
            out.pair(Key::VALUE, self.metadata.name());
        }
        out.pair(Key::TARGET, self.metadata.target());
        if self.parent != 0 {
            out.pair(Key::PARENT_SPAN_ID, &self.parent);
        }
    }

    fn number(&self, key: Key) -> Option<u64> {
        let mut number = NumberOf(key, None);
        (self.record)(&mut number);
        number.1
    }
}

/// The pairs of the end of a span.
struct Ended<'o> {
    elapsed: Duration,
    recorded: &'o [(&'static str, Recorded)],
}

impl Fields for Ended<'_> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.pair(Key::ELAPSED, &self.elapsed);
        for (name, value) in self.recorded {
            named(out, name, value);
        }
    }

    fn number(&self, key: Key) -> Option<u64> {
        (key == Key::ELAPSED).then(|| self.elapsed.number())?
    }
}

impl Field for Recorded {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Recorded::UInt(number) => out.uint(*number),
            Recorded::Int(number) => out.int(*number),
            Recorded::Float(number) => out.float(*number),
            Recorded::Bool(truth) => out.bool(*truth),
            Recorded::Text(text) => out.str(text),
        }
    }
}

/// Writes a value under the key that its name is, or as an attribute.
fn named<F: Field + ?Sized>(out: &mut Encoder<'_>, name: &str, value: &F) {
    match key_of(name) {
        Some(key) => out.pair(key, value),
        None => out.pair(Key::ATTRIBUTE, &(name, value)),
    };
}

/// The key of the catalogue with this name in snake_case. The message is the details; what only
/// Tidings itself may say is no key.
fn key_of(name: &str) -> Option<Key> {
    if name == "message" {
        return Some(Key::DETAILS);
    }
    let own = [
        Key::RAW_LINE,
        Key::ATTRIBUTE,
        Key::PARENT_SPAN_ID,
        Key::INTERRUPTED,
        Key::SEQUENCE,
    ];
    let mut kebab = [0; 32];
    let kebab = kebab.get_mut(..name.len())?;
    kebab.copy_from_slice(name.as_bytes());
    for byte in kebab.iter_mut().filter(|byte| **byte == b'_') {
        *byte = b'-';
    }
    let key = Key::from_name(std::str::from_utf8(kebab).ok()?)?;
    // Only in snake_case: `remoteip` is somebody's own name.
    let is_known = key.info().kebab.as_bytes() == kebab;
    (is_known && !own.contains(&key)).then_some(key)
}

/// Writes fields as they come.
struct Write<'w, 'r>(&'w mut Encoder<'r>);

impl Visit for Write<'_, '_> {
    fn record_f64(&mut self, name: &Name, value: f64) {
        named(self.0, name.name(), &value);
    }

    fn record_i64(&mut self, name: &Name, value: i64) {
        // The macros take any whole literal for signed.
        match u64::try_from(value) {
            Ok(value) => named(self.0, name.name(), &value),
            Err(_) => named(self.0, name.name(), &value),
        }
    }

    fn record_u64(&mut self, name: &Name, value: u64) {
        named(self.0, name.name(), &value);
    }

    fn record_bool(&mut self, name: &Name, value: bool) {
        named(self.0, name.name(), &value);
    }

    fn record_str(&mut self, name: &Name, value: &str) {
        let is_type = name.name() == "event" && EventType::from_name(value).is_some();
        if !is_type {
            named(self.0, name.name(), value);
        }
    }

    fn record_error(&mut self, name: &Name, value: &(dyn std::error::Error + 'static)) {
        match name.name() {
            "error" | "err" => {
                self.0.pair(Key::CAUSED_BY, &Cause::error(value));
            }
            name => named(self.0, name, &Cause::error(value)),
        }
    }

    fn record_debug(&mut self, name: &Name, value: &dyn fmt::Debug) {
        named(self.0, name.name(), &format!("{value:?}"));
    }
}

/// Keeps what is recorded into a span.
struct Keep<'k>(&'k mut Vec<(&'static str, Recorded)>);

impl Keep<'_> {
    fn put(&mut self, name: &Name, value: Recorded) {
        match self.0.iter_mut().find(|(known, _)| *known == name.name()) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.name(), value)),
        }
    }
}

impl Visit for Keep<'_> {
    fn record_f64(&mut self, name: &Name, value: f64) {
        self.put(name, Recorded::Float(value));
    }

    fn record_i64(&mut self, name: &Name, value: i64) {
        let value = u64::try_from(value).map_or(Recorded::Int(value), Recorded::UInt);
        self.put(name, value);
    }

    fn record_u64(&mut self, name: &Name, value: u64) {
        self.put(name, Recorded::UInt(value));
    }

    fn record_bool(&mut self, name: &Name, value: bool) {
        self.put(name, Recorded::Bool(value));
    }

    fn record_str(&mut self, name: &Name, value: &str) {
        self.put(name, Recorded::Text(value.to_owned()));
    }

    fn record_debug(&mut self, name: &Name, value: &dyn fmt::Debug) {
        self.put(name, Recorded::Text(format!("{value:?}")));
    }
}

/// Looks for a number under a key.
struct NumberOf(Key, Option<u64>);

impl Visit for NumberOf {
    fn record_u64(&mut self, name: &Name, value: u64) {
        if key_of(name.name()) == Some(self.0) {
            self.1 = Some(value);
        }
    }

    fn record_i64(&mut self, name: &Name, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.record_u64(name, value);
        }
    }

    fn record_debug(&mut self, _: &Name, _: &dyn fmt::Debug) {}
}
