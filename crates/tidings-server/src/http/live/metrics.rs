//! A stream of metrics: their values now, as the reference shows them.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use tidings_event::json::write_json_string;
use tidings_event::{MetricKind, Reading, SeriesValue};
use tokio::sync::mpsc;

use super::parameters::Wanted;
use crate::clock::Watch;
use crate::http::App;
use crate::live::Seat;
use crate::metrics::{Metrics, Set};

/// How old values may be that are shown to another client: clients share one reading.
const FRESH: Duration = Duration::from_millis(400);

/// Gauges that are read anew for who asks for them by name.
const COUNTED: [&str; 3] = ["queue.count", "user.count", "domain.count"];

/// The values that were read last.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(Mutex<Option<(Watch, Arc<Vec<Reading>>)>>);

impl Snapshot {
    /// The values, if they are fresh.
    fn fresh(&self) -> Option<Arc<Vec<Reading>>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, readings) = last.as_ref()?;
        (read.elapsed() < FRESH).then(|| Arc::clone(readings))
    }

    /// Reads them anew. Messages in the queue may be counted for it, which takes some milliseconds.
    fn read(&self, metrics: &Metrics) -> Arc<Vec<Reading>> {
        let mut readings = metrics.read(Set::Reference);
        // A stable sort: the catalogue's order within a kind.
        readings.sort_by_key(|reading| match reading.kind {
            MetricKind::Counter => 0,
            MetricKind::Gauge => 1,
            MetricKind::Histogram => 2,
        });
        let readings = Arc::new(readings);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Watch::start(), Arc::clone(&readings)));
        readings
    }
}

/// The body of a stream.
///
/// **Queue**: one frame waits for the client. Who reads slowly gets fewer frames; nothing is lost by
/// that, because values are counts since the start.
pub(super) fn body(app: Arc<App>, seat: Seat, wanted: Wanted) -> Body {
    let (frames, queue) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = seat.over() => {}
            () = frames.closed() => {}
            () = send(&app, &wanted, &frames) => {}
        }
    });
    Body::new(Frames(queue))
}

async fn send(app: &Arc<App>, wanted: &Wanted, frames: &mpsc::Sender<Bytes>) {
    let mut is_anew = wanted.names.iter().any(|name| COUNTED.contains(&&**name));
    let mut ticks = tokio::time::interval(wanted.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let fresh = if is_anew { None } else { app.snapshot.fresh() };
        is_anew = false;
        let readings = match fresh {
            Some(readings) => readings,
            None => {
                let app = Arc::clone(app);
                let reading = move || app.snapshot.read(&app.metrics);
                match tokio::task::spawn_blocking(reading).await {
                    Ok(readings) => readings,
                    // It panicked; the console says so.
                    Err(_) => return,
                }
            }
        };
        if frames.send(frame(&readings, &wanted.names)).await.is_err() {
            return;
        }
    }
}

/// The frame with these metrics; all, if there is no name.
fn frame(readings: &[Reading], names: &[String]) -> Bytes {
    let mut out = b"event: metrics\ndata: [".to_vec();
    let mut is_first = true;
    for reading in readings {
        if !names.is_empty() && !names.iter().any(|name| *name == reading.name) {
            continue;
        }
        // Metrics of the catalogue have no labels.
        let Some(value) = reading.series.first().map(|series| &series.value) else {
            continue;
        };
        let rest = match value {
            SeriesValue::Counter { count: 0, .. } => continue,
            SeriesValue::Counter { count, .. } => format!("\"Counter\",\"count\":{count}"),
            SeriesValue::Gauge(value) => format!("\"Gauge\",\"count\":{value}"),
            SeriesValue::Histogram(distribution) => match distribution.count() {
                0 => continue,
                count => format!(
                    "\"Histogram\",\"count\":{count},\"sum\":{}",
                    distribution.sum
                ),
            },
        };
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"metric\":");
        write_json_string(&mut out, &reading.name);
        write!(out, ",\"@type\":{rest}}}").expect("writing to memory does not fail");
    }
    out.extend_from_slice(b"]\n\n");
    out.into()
}

struct Frames(mpsc::Receiver<Bytes>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let next = self.0.poll_recv(context);
        next.map(|frame| frame.map(|frame| Ok(http_body::Frame::data(frame))))
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::{Distribution, Series};

    use super::*;

    fn reading(name: &'static str, value: SeriesValue) -> Reading {
        Reading {
            name: name.into(),
            description: "".into(),
            unit: "count",
            kind: MetricKind::Counter,
            divisor: 1,
            created_ns: 0,
            series: vec![Series {
                labels: Vec::new(),
                value,
            }],
        }
    }

    #[test]
    fn metrics_are_shown_as_the_reference_does() {
        let counter = |count| SeriesValue::Counter {
            count,
            exemplar: None,
        };
        let histogram = |counts: Vec<u64>| {
            SeriesValue::Histogram(Distribution {
                bounds: &[10],
                counts,
                sum: 1811,
                extremes: None,
                exemplars: Vec::new(),
            })
        };
        let readings = [
            reading("auth.failed", counter(5)),
            reading("auth.success", counter(0)),
            reading("queue.count", SeriesValue::Gauge(0)),
            reading("message.size", histogram(vec![1, 1])),
            reading("delivery.time", histogram(vec![0, 0])),
        ];
        let shown = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            String::from_utf8(frame(&readings, &names).to_vec()).unwrap()
        };
        let all = "event: metrics\ndata: [{\"metric\":\"auth.failed\",\"@type\":\"Counter\",\"count\":5},\
                   {\"metric\":\"queue.count\",\"@type\":\"Gauge\",\"count\":0},\
                   {\"metric\":\"message.size\",\"@type\":\"Histogram\",\"count\":2,\"sum\":1811}]\n\n";
        assert_eq!(shown(&[]), all);
        let queue = "event: metrics\ndata: [{\"metric\":\"queue.count\",\"@type\":\"Gauge\",\"count\":0}]\n\n";
        assert_eq!(shown(&["queue.count", "no.such"]), queue);
        assert_eq!(shown(&["no.such"]), "event: metrics\ndata: []\n\n");
    }
}
