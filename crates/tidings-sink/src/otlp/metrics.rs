//! Pushing metrics: every so often, and once more at the end.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tidings_event::{EventType, Header, Key, Reading, RecordWriter};
use tidings_spool::Clock;
use tidings_wire::otlp::{Deltas, MetricsTime, Origin, Request, Temporality};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::endpoint::Signal;
use super::exporter::{Lane, Tally};
use super::transport::{Identity, Protocol, Remedy, SendError, Transport, TransportSettings};
use crate::driver::AFTER_MAX;
use crate::report::REPORT_INTERVAL_NS;
use crate::settings::{HttpAuth, SettingsError};
use crate::sink::Failure;

/// Waiting after a failed push, doubled after each further one, up to the interval.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// How long the end waits for the push that is under way and the last one together, whatever the
/// time-out of the settings: a collector that is silent must not hold up the end of the program.
pub const LAST_PUSH: Duration = Duration::from_secs(5);

/// Where metrics are pushed, and how (`openTelemetry` of the `Metrics` object).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsPushSettings {
    /// gRPC instead of HTTP.
    pub grpc: bool,
    /// URL of the collector.
    pub endpoint: String,
    /// Time between two pushes. Default 60 s.
    pub interval: Duration,
    /// Longest time that a request may take. Default 10 s.
    pub timeout: Duration,
    /// How we sign in. Default not at all.
    pub auth: HttpAuth,
    /// Headers, or metadata, of every request.
    pub headers: Vec<(String, String)>,
    /// Whether requests are compressed. Default true.
    pub gzip: bool,
    /// Whether sums are sent as such, or as differences. Default as such.
    pub temporality: Temporality,
}

impl MetricsPushSettings {
    /// A push over HTTP to this URL, with the defaults.
    #[must_use]
    pub fn http(endpoint: impl Into<String>) -> Self {
        Self {
            grpc: false,
            endpoint: endpoint.into(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            auth: HttpAuth::Unauthenticated,
            headers: Vec::new(),
            gzip: true,
            temporality: Temporality::Cumulative,
        }
    }

    /// A push over gRPC to this URL, or to `http://localhost:4317`, with the defaults.
    #[must_use]
    pub fn grpc(endpoint: Option<String>) -> Self {
        let default = crate::settings::DEFAULT_GRPC_ENDPOINT.to_owned();
        Self {
            grpc: true,
            ..Self::http(endpoint.unwrap_or(default))
        }
    }
}

/// What a push has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushReport {
    /// Metrics were pushed (`telemetry.metrics-pushed`).
    Pushed {
        /// How long it took.
        elapsed: Duration,
        /// How many metrics.
        metrics: usize,
    },
    /// They were not, or some were refused (`telemetry.otel-metrics-exporter-error`). At most once a
    /// minute.
    Failed {
        /// What was tried.
        details: String,
        /// What was said.
        reason: String,
        /// How often it happened since the last such report.
        count: u64,
    },
    /// They were all taken, but what was said to that is worth a word
    /// (`telemetry.otel-metrics-exporter-error`). At most once a minute.
    Warned {
        /// What was sent, where.
        details: String,
        /// What was said.
        reason: String,
    },
}

impl PushReport {
    /// The report as an event record.
    #[must_use]
    pub fn record(&self, time_ns: i64) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Pushed { elapsed, metrics } => {
                let header = Header::new(EventType::TELEMETRY_METRICS_PUSHED, time_ns);
                let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                RecordWriter::begin(&mut out, &header)
                    .duration_ms(Key::ELAPSED, millis)
                    .uint(Key::TOTAL, *metrics as u64)
                    .finish();
            }
            Self::Failed {
                details,
                reason,
                count,
            } => error_record(&mut out, time_ns, (details, reason), *count),
            Self::Warned { details, reason } => {
                error_record(&mut out, time_ns, (details, reason), 1);
            }
        }
        out
    }
}

fn error_record(out: &mut Vec<u8>, time_ns: i64, (details, reason): (&str, &str), count: u64) {
    let kind = EventType::TELEMETRY_OTEL_METRICS_EXPORTER_ERROR;
    RecordWriter::begin(out, &Header::new(kind, time_ns))
        .str(Key::DETAILS, details)
        .str(Key::REASON, reason)
        .uint(Key::COUNT, count)
        .finish();
}

/// Reads the meters; called on a thread of the runtime, so it must be quick.
type Meters = Box<dyn Fn() -> Vec<Reading> + Send + Sync>;
/// Takes reports; must not block.
type Reports = Box<dyn Fn(PushReport) + Send + Sync>;

/// Pushes metrics to a collector: the first time one interval after the start, then every interval,
/// and once more when it is told to stop.
///
/// It holds no queue: a push that fails is tried again, with what the meters show then, after 1 s,
/// doubled up to the interval or as the receiver says, until it is time for the next. Sums count from
/// the beginning, or, as differences, from the last push that arrived, so nothing is missing
/// afterwards.
pub struct MetricsPush {
    lane: Lane,
    origin: Origin,
    interval: Duration,
    deltas: Option<Deltas>,
    clock: Arc<dyn Clock>,
    meters: Meters,
    reports: Reports,
    /// Failures that were not reported yet, and when the last report was.
    unreported: u64,
    reported_ns: Option<u64>,
    warned_ns: Option<u64>,
}

impl fmt::Debug for MetricsPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsPush")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl MetricsPush {
    /// Makes one; nothing is connected yet. `meters` reads what is to be pushed, `reports` takes what
    /// there is to tell.
    ///
    /// # Errors
    /// When a setting is wrong or a secret cannot be read.
    pub fn new(
        settings: &MetricsPushSettings,
        identity: &Identity,
        clock: Arc<dyn Clock>,
        runtime: &Handle,
        meters: impl Fn() -> Vec<Reading> + Send + Sync + 'static,
        reports: impl Fn(PushReport) + Send + Sync + 'static,
    ) -> Result<Self, SettingsError> {
        if settings.interval.is_zero() {
            let allowed = "at least 1 millisecond";
            return Err(SettingsError::new("Metrics", "interval", "0", allowed));
        }
        let transport = TransportSettings {
            object: "Metrics",
            protocol: if settings.grpc {
                Protocol::Grpc
            } else {
                Protocol::Http
            },
            endpoint: &settings.endpoint,
            timeout: settings.timeout,
            auth: &settings.auth,
            headers: &settings.headers,
            gzip: settings.gzip,
        };
        let is_delta = settings.temporality == Temporality::Delta;
        Ok(Self {
            lane: Lane::new(Transport::new(&transport, identity, runtime)?),
            origin: Origin::new(&identity.resource, "tidings", &identity.version),
            interval: settings.interval,
            deltas: is_delta.then(Deltas::default),
            clock,
            meters: Box::new(meters),
            reports: Box::new(reports),
            unreported: 0,
            reported_ns: None,
            warned_ns: None,
        })
    }

    /// Runs until `stop` is ready; then pushes once more, and ends within [`LAST_PUSH`].
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let (tell, told) = watch::channel(false);
        let has_ended = {
            let mut work = pin!(self.push_until(told));
            let mut end = pin!(async {
                stop.await;
                tell.send_replace(true);
                sleep(LAST_PUSH).await;
            });
            std::future::poll_fn(|context| {
                if work.as_mut().poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                end.as_mut().poll(context).map(|()| false)
            })
            .await
        };
        if !has_ended {
            let seconds = LAST_PUSH.as_secs();
            let reason = format!("the collector did not answer within {seconds} s at the end");
            self.fail(&SendError::new(Remedy::None, reason));
        }
    }

    /// Pushes at every interval, and once more after it was told to stop.
    async fn push_until(&mut self, mut told: watch::Receiver<bool>) {
        let mut wait = self.interval;
        while !is_told(&mut told, wait).await {
            let began_ns = self.clock.monotonic_ns();
            if self.push_until_due(began_ns, &mut told).await {
                break;
            }
            let spent = Duration::from_nanos(self.clock.monotonic_ns().saturating_sub(began_ns));
            wait = self.interval.saturating_sub(spent);
        }
        // What went wrong is reported there.
        let _ = self.push().await;
    }

    /// Pushes, and tries again until the next push is due; whether it is time to stop.
    async fn push_until_due(&mut self, began_ns: u64, told: &mut watch::Receiver<bool>) -> bool {
        let mut wait = RETRY_MIN;
        loop {
            let Err(error) = self.push().await else {
                return false;
            };
            let Remedy::Retry(after) = error.remedy else {
                return false;
            };
            let spent = Duration::from_nanos(self.clock.monotonic_ns().saturating_sub(began_ns));
            let pause = after.map_or(wait, |after| after.min(AFTER_MAX));
            if after.is_none() && spent + pause >= self.interval {
                return false; // the next push says it all
            }
            if is_told(told, pause).await {
                return true;
            }
            wait = wait.saturating_mul(2);
        }
    }

    /// Pushes what the meters show now.
    async fn push(&mut self) -> Result<(), SendError> {
        let began_ns = self.clock.monotonic_ns();
        let readings = (self.meters)();
        let mut tally = Tally::default();
        let result = self.send(&readings, &mut tally).await;
        match tally.failure {
            Some(failure) if tally.rejected == 0 => self.warn(failure),
            Some(failure) => self.fail(&SendError::new(Remedy::None, failure.to_string())),
            None => {}
        }
        match &result {
            Ok(metrics) => {
                let elapsed = self.clock.monotonic_ns().saturating_sub(began_ns);
                (self.reports)(PushReport::Pushed {
                    elapsed: Duration::from_nanos(elapsed),
                    metrics: *metrics,
                });
            }
            Err(error) => self.fail(error),
        }
        result.map(|_| ())
    }

    /// Sends readings, in as many requests as they take; gives the number of metrics.
    async fn send(&mut self, readings: &[Reading], tally: &mut Tally) -> Result<usize, SendError> {
        let (mut first, mut sent) = (0, 0);
        let now_ns = self.clock.now_ns();
        let differences = self.deltas.as_ref().map(|d| d.difference(readings));
        let pushed = differences.as_deref().unwrap_or(readings);
        let temporality = match self.deltas {
            Some(_) => Temporality::Delta,
            None => Temporality::Cumulative,
        };
        let time = MetricsTime {
            now_ns,
            temporality,
        };
        while first < pushed.len() {
            let mut request = Request::new(&self.origin);
            let mut next = first;
            while let Some(reading) = pushed.get(next) {
                let mark = request.mark();
                request.push_metric(reading, &time);
                if request.bytes_max() > self.lane.request_bytes && request.len() > 1 {
                    request.take_back(mark);
                    break;
                }
                next += 1;
            }
            let count = request.len();
            if count > 0 {
                let encoded = request.finish();
                let result = self
                    .lane
                    .ship(Signal::Metrics, encoded, now_ns, tally)
                    .await;
                if result.as_ref().is_err_and(|e| e.remedy == Remedy::Smaller) {
                    self.lane.shrink();
                    continue;
                }
                result?;
            }
            if let Some(deltas) = &mut self.deltas {
                deltas.sent(&readings[first..next], now_ns);
            }
            (first, sent) = (next, sent + count);
        }
        Ok(sent)
    }

    /// Reports what a collector said that took everything, at most once a minute.
    fn warn(&mut self, failure: Failure) {
        let now_ns = self.clock.monotonic_ns();
        if is_recent(self.warned_ns, now_ns) {
            return;
        }
        self.warned_ns = Some(now_ns);
        (self.reports)(PushReport::Warned {
            details: failure.details,
            reason: failure.reason,
        });
    }

    /// Reports a failure, at most once a minute.
    fn fail(&mut self, error: &SendError) {
        self.unreported += 1;
        let now_ns = self.clock.monotonic_ns();
        if is_recent(self.reported_ns, now_ns) {
            return;
        }
        self.reported_ns = Some(now_ns);
        let failure = self.lane.failure(Signal::Metrics, error.clone());
        (self.reports)(PushReport::Failed {
            details: failure.details,
            reason: failure.reason,
            count: std::mem::take(&mut self.unreported),
        });
    }
}

/// Whether something was reported less than a minute ago.
fn is_recent(reported_ns: Option<u64>, now_ns: u64) -> bool {
    reported_ns.is_some_and(|last| now_ns.saturating_sub(last) < REPORT_INTERVAL_NS)
}

/// Waits until it is told to stop, or so long; whether it was.
async fn is_told(told: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    let told = async { told.wait_for(|is_told| *is_told).await.is_ok() };
    timeout(wait, told).await.unwrap_or(false)
}
