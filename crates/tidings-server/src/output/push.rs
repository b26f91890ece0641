//! Metrics that are pushed to a collector: a task that is replaced when its settings change.

use std::sync::Arc;
use std::time::Duration;

use tidings::emit;
use tidings_sink::otlp::{Identity, LAST_PUSH, MetricsPush, MetricsPushSettings, PushReport};
use tidings_spool::SystemClock;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::console::Console;
use crate::metrics::{Metrics, Set};
use crate::settings::in_words_of_the_file;

/// What comes after the last push has a moment of its own.
const MOMENT: Duration = Duration::from_secs(1);

/// The running push, if there is one.
#[derive(Debug)]
pub(crate) struct Push {
    metrics: Arc<Metrics>,
    console: Console,
    settings: Option<MetricsPushSettings>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Push {
    /// Nothing is pushed yet.
    pub(crate) fn new(metrics: Arc<Metrics>, console: Console) -> Push {
        Push {
            metrics,
            console,
            settings: None,
            running: None,
        }
    }

    /// Pushes by these settings from now on; what runs by others pushes once more and ends.
    pub(crate) async fn apply(&mut self, settings: Option<&MetricsPushSettings>) {
        if self.settings.as_ref() == settings {
            return;
        }
        self.stop().await;
        self.settings = settings.cloned();
        let Some(settings) = settings else { return };
        let (metrics, console) = (Arc::clone(&self.metrics), self.console.clone());
        let push = identity().and_then(|identity| {
            let push = MetricsPush::new(
                settings,
                &identity,
                Arc::new(SystemClock::new()),
                &Handle::current(),
                move || metrics.read(Set::All),
                move |report| tell(&console, report),
            );
            push.map_err(|error| in_words_of_the_file("otel_metrics", &error, &settings.auth))
        });
        match push {
            Ok(push) => {
                let (stop, stopped) = oneshot::channel();
                let task = tokio::spawn(push.run(async {
                    // Whoever drops the sender wants it to stop, too.
                    let _ = stopped.await;
                }));
                self.running = Some((stop, task));
            }
            Err(error) => self
                .console
                .say(&format!("metrics are not pushed: {error}")),
        }
    }

    /// Pushes once more, and ends.
    pub(crate) async fn stop(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            let _ = stop.send(());
            // It ends by itself in time; should it not, nobody waits for it. One that panicked has said so.
            let abort = task.abort_handle();
            if tokio::time::timeout(LAST_PUSH + MOMENT, task)
                .await
                .is_err()
            {
                abort.abort();
            }
        }
    }
}

/// Who we are to collectors, as far as the environment does not say otherwise.
pub(super) fn identity() -> Result<Identity, String> {
    let identity = Identity::new("tidings", env!("CARGO_PKG_VERSION")).with_environment();
    identity.map_err(|error| error.to_string())
}

fn tell(console: &Console, report: PushReport) {
    match report {
        PushReport::Pushed { elapsed, metrics } => {
            emit!(Telemetry::MetricsPushed, elapsed = elapsed, total = metrics);
        }
        PushReport::Failed {
            details,
            reason,
            count,
        } => {
            console.say(&format!("metrics are not pushed: {details}: {reason}"));
            emit!(
                Telemetry::OtelMetricsExporterError,
                details = details,
                reason = reason,
                count = count
            );
        }
        PushReport::Warned { details, reason } => {
            console.say(&format!("{details}: {reason}"));
            emit!(
                Telemetry::OtelMetricsExporterError,
                details = details,
                reason = reason,
                count = 1_u64
            );
        }
    }
}
