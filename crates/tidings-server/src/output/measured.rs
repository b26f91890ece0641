//! What outputs do, as metrics.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_event::{Level, MetricKind, Reading, Series, SeriesValue};
use tidings_sink::{Outputs, SinkStats};

use crate::metrics::Readings;

/// The numbers of the outputs.
pub(super) struct Measured {
    outputs: Arc<Mutex<Option<Outputs>>>,
    created_ns: i64,
}

impl Measured {
    pub(super) fn new(outputs: Arc<Mutex<Option<Outputs>>>, created_ns: i64) -> Measured {
        Measured {
            outputs,
            created_ns,
        }
    }
}

/// A number of an output.
type Number = (
    &'static str,
    &'static str,
    &'static str,
    MetricKind,
    fn(&SinkStats) -> u64,
);

const NUMBERS: [Number; 8] = [
    (
        "tidings_output_delivered",
        "Events that the output took",
        "count",
        MetricKind::Counter,
        |stats| stats.delivered,
    ),
    (
        "tidings_output_lost",
        "Events that were gone from the spool before the output could have them",
        "count",
        MetricKind::Counter,
        |stats| stats.lost,
    ),
    (
        "tidings_output_rejected",
        "Events that the receiver will not have",
        "count",
        MetricKind::Counter,
        |stats| stats.rejected,
    ),
    (
        "tidings_output_retries",
        "Deliveries that were tried again",
        "count",
        MetricKind::Counter,
        |stats| stats.retries,
    ),
    (
        "tidings_output_failures",
        "Failures of the output",
        "count",
        MetricKind::Counter,
        |stats| stats.failures,
    ),
    (
        "tidings_output_lag_events",
        "Events that the output has not looked at yet",
        "events",
        MetricKind::Gauge,
        |stats| stats.behind_events,
    ),
    (
        "tidings_output_lag_bytes",
        "Bytes of the spool that the output has not read yet",
        "bytes",
        MetricKind::Gauge,
        |stats| stats.behind_bytes,
    ),
    (
        "tidings_output_lag_seconds",
        "For how long the oldest event has been waiting for the output",
        "seconds",
        MetricKind::Gauge,
        |stats| stats.behind_ns / 1_000_000,
    ),
];

impl Readings for Measured {
    fn read(&self) -> Vec<Reading> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(outputs) = outputs.as_ref() else {
            return Vec::new();
        };
        let running: Vec<(String, SinkStats)> = outputs
            .running()
            .into_iter()
            .map(|running| (running.tracer.name, running.state.read()))
            .collect();
        let mut readings: Vec<Reading> = NUMBERS
            .iter()
            .map(|number| self.reading(number, &running))
            .collect();
        readings.push(self.skipped(&running));
        readings
    }
}

impl Measured {
    fn reading(&self, number: &Number, running: &[(String, SinkStats)]) -> Reading {
        let (name, description, unit, kind, value) = *number;
        let series = running.iter().map(|(output, stats)| Series {
            labels: vec![("output", Cow::Owned(output.clone()))],
            value: match kind {
                MetricKind::Gauge => {
                    SeriesValue::Gauge(i64::try_from(value(stats)).unwrap_or(i64::MAX))
                }
                _ => counted(value(stats)),
            },
        });
        Reading {
            name: name.into(),
            description: description.into(),
            unit,
            kind,
            divisor: if unit == "seconds" { 1000 } else { 1 },
            created_ns: self.created_ns,
            series: series.collect(),
        }
    }

    fn skipped(&self, running: &[(String, SinkStats)]) -> Reading {
        let mut series = Vec::new();
        for (output, stats) in running {
            for (level, count) in Level::ALL.into_iter().zip(stats.skipped) {
                if level != Level::Disable {
                    series.push(Series {
                        labels: vec![
                            ("output", Cow::Owned(output.clone())),
                            ("level", level.as_str().into()),
                        ],
                        value: counted(count),
                    });
                }
            }
        }
        Reading {
            name: "tidings_output_skipped".into(),
            description: "Events that a lossy output left out, as it was too far behind".into(),
            unit: "count",
            kind: MetricKind::Counter,
            divisor: 1,
            created_ns: self.created_ns,
            series,
        }
    }
}

fn counted(count: u64) -> SeriesValue {
    SeriesValue::Counter {
        count,
        exemplar: None,
    }
}
