//! The output of events: log records and spans.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidings_event::{EventId, EventRef, EventType, Header, RecordWriter};
use tidings_spool::Clock;
use tidings_wire::otlp::{Encoded, Origin, Reply, Request, TraceIds};
use tokio::runtime::Handle;

use super::collector::{Collector, SpanCounters};
use super::endpoint::Signal;
use super::transport::{Identity, Protocol, Remedy, SendError, Transport, TransportSettings};
use crate::batch::Batch;
use crate::settings::{Otel, SettingsError};
use crate::sink::{Batching, Failure, Outcome, Sink};

/// What receivers take by default, before compression.
pub(super) const REQUEST_BYTES_MAX: usize = 4 << 20;

/// Log records and spans to an OpenTelemetry collector.
///
/// Both signals of a batch are sent one after the other; the batch is delivered when both are. What
/// arrived is not sent again when the rest is tried again.
///
/// **Spans** are gathered until they end, within bounds: [`MAX_SPANS`](super::MAX_SPANS) spans of 32 MiB
/// together, the oldest being forgotten beyond; of each [`MAX_EVENTS_PER_SPAN`](super::MAX_EVENTS_PER_SPAN)
/// events of [`MAX_SPAN_BYTES`](super::MAX_SPAN_BYTES), further ones being left out. Both are counted in
/// [`span_counters`](Self::span_counters). Open spans hold the cursor, for a minute
/// ([`SPAN_HOLD`](super::SPAN_HOLD)) and 65,536 events at most: these are read again after a restart,
/// and sent as log records once more.
///
/// [`deliver`](Sink::deliver) waits for the answer, at most the time-out of the settings for each
/// request, on a runtime that somebody else drives: it must not be called on one of that runtime's
/// own threads.
pub struct OtlpSink {
    runtime: Handle,
    clock: Arc<dyn Clock>,
    lane: Lane,
    origin: Origin,
    logs: bool,
    spans: Option<Collector>,
    traces: TraceIds,
    /// The spool whose sequences the events have.
    spool: Option<u32>,
    throttle: Duration,
    /// Sequence up to which events have gone to the collector of spans.
    taken: Option<u64>,
    /// Sequence up to which log records have arrived, or were refused for good.
    sent: Option<u64>,
}

impl fmt::Debug for OtlpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpSink")
            .field("endpoint", &self.lane.transport.shown())
            .finish_non_exhaustive()
    }
}

impl OtlpSink {
    /// The output of the tracer of this name, over HTTP. Nothing is connected yet.
    ///
    /// # Errors
    /// When a setting is wrong or a secret cannot be read.
    pub fn http(
        name: &str,
        settings: &Otel,
        identity: &Identity,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self, SettingsError> {
        Self::new(name, Protocol::Http, settings, identity, clock, runtime)
    }

    /// The same over gRPC.
    ///
    /// # Errors
    /// When a setting is wrong or a secret cannot be read.
    pub fn grpc(
        name: &str,
        settings: &Otel,
        identity: &Identity,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self, SettingsError> {
        Self::new(name, Protocol::Grpc, settings, identity, clock, runtime)
    }

    fn new(
        name: &str,
        protocol: Protocol,
        settings: &Otel,
        identity: &Identity,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self, SettingsError> {
        let transport = TransportSettings {
            object: &format!("Tracer {name:?}"),
            protocol,
            endpoint: &settings.endpoint,
            timeout: settings.timeout,
            auth: &settings.auth,
            headers: &settings.headers,
            gzip: settings.gzip,
        };
        Ok(Self {
            lane: Lane::new(Transport::new(&transport, identity, &runtime)?),
            origin: Origin::new(&identity.resource, "tidings", &identity.version),
            logs: settings.logs,
            spans: settings.spans.then(Collector::default),
            traces: TraceIds::default(),
            spool: None,
            throttle: settings.throttle,
            taken: None,
            sent: None,
            clock,
            runtime,
        })
    }

    /// Gives events that have no id of their own one of this spool, `origin` being that of its
    /// identity: with their sequence it is their `log.record.uid`, by which a receiver recognises what
    /// it gets twice. Not for sequences that begin anew with the process.
    #[must_use]
    pub fn with_ids_of(mut self, origin: u32) -> Self {
        self.spool = Some(origin);
        self
    }

    /// Counters of what becomes of spans, to be read while the sink is in its driver's hands; nothing
    /// if spans are not exported.
    #[must_use]
    pub fn span_counters(&self) -> Option<Arc<SpanCounters>> {
        self.spans.as_ref().map(Collector::counters)
    }

    /// Gives the events to the collector of spans, each once however often the batch is tried.
    fn take(&mut self, batch: &Batch<'_>) {
        for item in batch.events() {
            if self.taken.is_some_and(|taken| item.sequence <= taken) {
                continue;
            }
            self.taken = Some(item.sequence);
            if item.event.kind().info().is_span_start() {
                self.traces.note(&item.event);
            }
            if let Some(spans) = &mut self.spans {
                let traces = &mut self.traces;
                spans.take(
                    &item.event,
                    item.span_start.as_ref(),
                    item.sequence,
                    |span| traces.trace_of(span, |id| start_of(batch, &item, id)),
                );
            }
        }
    }

    async fn export(&mut self, batch: &Batch<'_>) -> Outcome {
        self.take(batch);
        let mut tally = Tally::default();
        let logs = if self.logs {
            self.send_logs(batch, &mut tally).await
        } else {
            Ok(())
        };
        let spans = self.send_spans(&mut tally).await;
        match (logs, spans) {
            (Ok(()), Ok(())) => tally.outcome(),
            (Err(error), _) if error.remedy == Remedy::None => Outcome::Rejected {
                index: None,
                failure: self.lane.failure(Signal::Logs, error),
            },
            (Err(error), _) => self.later(batch, Signal::Logs, error),
            (Ok(()), Err(error)) => self.later(batch, Signal::Traces, error),
        }
    }

    /// Sends the log records that have not arrived yet.
    async fn send_logs(&mut self, batch: &Batch<'_>, tally: &mut Tally) -> Result<(), SendError> {
        loop {
            match self.try_logs(batch, tally).await {
                Err(error) if error.remedy == Remedy::Smaller => self.lane.shrink(),
                result => return result,
            }
        }
    }

    async fn try_logs(&mut self, batch: &Batch<'_>, tally: &mut Tally) -> Result<(), SendError> {
        let now_ns = self.clock.now_ns();
        let mut request = Request::new(&self.origin);
        let (mut last, mut record) = (0, Vec::new());
        for item in batch.events() {
            if self.sent.is_some_and(|sent| item.sequence <= sent) {
                continue;
            }
            let trace = item
                .event
                .span()
                .map(|span| self.traces.trace_of(span, |id| start_of(batch, &item, id)));
            let event = match self.spool {
                Some(spool) => identified(&item, spool, &mut record),
                None => item.event,
            };
            let mark = request.mark();
            request.push_log(&event, trace, now_ns);
            if request.bytes_max() > self.lane.request_bytes && request.len() > 1 {
                request.take_back(mark);
                self.ship_logs(&mut request, last, now_ns, tally).await?;
                request.push_log(&event, trace, now_ns);
            }
            last = item.sequence;
        }
        if request.is_empty() {
            return Ok(());
        }
        self.ship_logs(&mut request, last, now_ns, tally).await
    }

    async fn ship_logs(
        &mut self,
        request: &mut Request,
        last: u64,
        now_ns: i64,
        tally: &mut Tally,
    ) -> Result<(), SendError> {
        self.lane
            .ship(Signal::Logs, request.finish(), now_ns, tally)
            .await?;
        self.sent = Some(last);
        Ok(())
    }

    /// Sends the spans that have ended. Those that are refused for good are counted and dropped.
    async fn send_spans(&mut self, tally: &mut Tally) -> Result<(), SendError> {
        let now_ns = self.clock.now_ns();
        let Some(spans) = &mut self.spans else {
            return Ok(());
        };
        while !spans.done().is_empty() {
            let mut request = Request::new(&self.origin);
            let mut count = 0;
            for span in spans.done() {
                let mark = request.mark();
                request.push_span(&span.parts());
                if request.bytes_max() > self.lane.request_bytes && request.len() > 1 {
                    request.take_back(mark);
                    break;
                }
                count += 1;
            }
            let encoded = request.finish();
            match self.lane.ship(Signal::Traces, encoded, now_ns, tally).await {
                Err(error) if error.remedy == Remedy::Smaller => {
                    self.lane.shrink();
                    continue;
                }
                Err(error) if error.remedy == Remedy::None => {
                    let failure = self.lane.failure(Signal::Traces, error);
                    tally.refuse(count as u64, failure);
                }
                result => result?,
            }
            spans.settle(count);
        }
        Ok(())
    }

    /// The rest of the batch has to wait.
    fn later(&self, batch: &Batch<'_>, signal: Signal, error: SendError) -> Outcome {
        let after = match error.remedy {
            Remedy::Retry(after) => after,
            Remedy::Smaller | Remedy::None => None,
        };
        let has_spans = self
            .spans
            .as_ref()
            .is_some_and(|spans| !spans.done().is_empty());
        let delivered = match self.sent {
            Some(sent) if !has_spans => {
                let sent = |sequence: u64| sequence <= sent;
                batch
                    .events()
                    .take_while(|item| sent(item.sequence))
                    .count()
            }
            _ => 0,
        };
        Outcome::RetryAfter {
            delivered,
            after,
            failure: self.lane.failure(signal, error),
        }
    }
}

/// The event with an id: its own, or its place in the spool. `record` is memory for it.
fn identified<'e>(
    item: &crate::batch::BatchEvent<'e>,
    origin: u32,
    record: &'e mut Vec<u8>,
) -> EventRef<'e> {
    let header = item.event.header();
    if header.event_id.is_some() {
        return item.event;
    }
    let number = item.sequence;
    let header = Header {
        event_id: Some(EventId { origin, number }),
        ..*header
    };
    record.clear();
    RecordWriter::begin(record, &header)
        .pairs(item.event.pairs())
        .finish();
    EventRef::read(record).map_or(item.event, |(event, _)| event)
}

/// The event that opened a span, as far as the batch knows.
fn start_of<'b>(
    batch: &Batch<'b>,
    item: &crate::batch::BatchEvent<'b>,
    id: tidings_event::Id,
) -> Option<EventRef<'b>> {
    let own = item.span_start.filter(|start| start.span() == Some(id));
    own.or_else(|| batch.span_start(id))
}

impl Sink for OtlpSink {
    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome {
        let runtime = self.runtime.clone();
        runtime.block_on(self.export(batch))
    }

    fn batching(&self) -> Batching {
        Batching {
            interval: self.throttle,
            ..Batching::default()
        }
    }

    fn holds_from(&self) -> Option<u64> {
        self.spans.as_ref()?.holds_from()
    }
}

/// A transport, and how much may go through it at once.
pub(super) struct Lane {
    transport: Transport,
    /// Requests are cut at this size: smaller for a while after one was too large.
    pub(super) request_bytes: usize,
    /// Size of the last request.
    last_bytes: usize,
}

impl Lane {
    pub(super) fn new(transport: Transport) -> Lane {
        Lane {
            transport,
            request_bytes: REQUEST_BYTES_MAX,
            last_bytes: 0,
        }
    }

    /// Sends a request. One that is too large though it has one item only is refused and counted.
    pub(super) async fn ship(
        &mut self,
        signal: Signal,
        request: Encoded,
        now_ns: i64,
        tally: &mut Tally,
    ) -> Result<(), SendError> {
        let items = request.items();
        self.last_bytes = request.as_bytes().len();
        match self.transport.send(signal, request, now_ns).await {
            Ok(reply) => {
                self.request_bytes = (self.request_bytes * 2).min(REQUEST_BYTES_MAX);
                if reply != Reply::default() {
                    tally.refuse(reply.rejected, self.partial(signal, reply));
                }
                Ok(())
            }
            Err(error) if error.remedy == Remedy::Smaller && items <= 1 => {
                tally.refuse(1, self.failure(signal, error));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The last request was too large: halves the size of the next ones.
    pub(super) fn shrink(&mut self) {
        self.request_bytes = self.last_bytes.min(self.request_bytes) / 2;
    }

    /// The failure of a request, for people.
    pub(super) fn failure(&self, signal: Signal, error: SendError) -> Failure {
        let (what, whom) = (signal.items(), self.transport.shown_for(signal));
        let details = format!("cannot send {what} to {whom}");
        let kind = EventType::TELEMETRY_OTEL_EXPORTER_ERROR;
        Failure::new(kind, details, error.to_string())
    }

    fn partial(&self, signal: Signal, reply: Reply) -> Failure {
        let (what, whom) = (signal.items(), self.transport.shown_for(signal));
        let details = match reply.rejected {
            0 => format!("{whom} took the {what} with a warning"),
            rejected => format!("{whom} refused {rejected} of the {what}"),
        };
        let kind = EventType::TELEMETRY_OTEL_EXPORTER_ERROR;
        Failure::new(kind, details, reply.message)
    }
}

/// What was refused for good of a batch that was taken otherwise.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rejected: u64,
    pub(super) failure: Option<Failure>,
}

impl Tally {
    fn refuse(&mut self, count: u64, failure: Failure) {
        self.rejected = self.rejected.saturating_add(count);
        self.failure.get_or_insert(failure);
    }

    fn outcome(self) -> Outcome {
        match self.failure {
            None => Outcome::Delivered,
            Some(failure) => Outcome::Partial {
                rejected: self.rejected,
                failure,
            },
        }
    }
}
