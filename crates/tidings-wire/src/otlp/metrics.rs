//! Readings of meters as metrics.

use tidings_event::{Distribution, Exemplar, MetricKind, Reading, Series, SeriesValue};

use super::attributes::push_text;
use super::ids::{push_span_id, push_trace_id};
use super::logs::push_time;
use super::proto::{BYTES, FIXED64, VARINT, bytes, fixed64, message, tag};
use super::request::Request;

/// What sums and histograms count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// From when counting began: a lost request does no harm.
    #[default]
    Cumulative,
    /// From the request before. What is pushed must be differences: see [`Deltas`](super::Deltas).
    Delta,
}

/// When a reading was taken, and what its numbers count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsTime {
    /// When the meters were read, nanoseconds since the unix epoch.
    pub now_ns: i64,
    /// What sums and histograms count from.
    pub temporality: Temporality,
}

impl Request {
    /// Adds a reading as a metric: a monotonic sum, a gauge or a histogram.
    ///
    /// Metrics of the catalogue (with a dot in the name) are sent as the reference sends them: with
    /// its units, and only once there is something to tell (a counter above 0, a histogram with a
    /// value). Others have the units of UCUM that OpenTelemetry uses, and zeros too. What is left
    /// without a value is not added; the return value tells.
    ///
    /// A span in an exemplar is its trace as well: which trace a child belongs to is not known here.
    pub fn push_metric(&mut self, reading: &Reading, time: &MetricsTime) -> bool {
        let is_told = |series: &&Series| !is_dotted(reading) || has_value(&series.value);
        let told: Vec<&Series> = reading.series.iter().filter(is_told).collect();
        if told.is_empty() {
            return false;
        }
        message(&mut self.buffer, tag(2, BYTES), 2, |out| {
            push_metric(out, reading, &told, time);
        });
        self.count_item();
        true
    }
}

fn is_dotted(reading: &Reading) -> bool {
    reading.name.contains('.')
}

fn has_value(value: &SeriesValue) -> bool {
    match value {
        SeriesValue::Counter { count, .. } => *count > 0,
        SeriesValue::Gauge(_) => true,
        SeriesValue::Histogram(distribution) => distribution.count() > 0,
    }
}

fn push_metric(out: &mut Vec<u8>, reading: &Reading, told: &[&Series], time: &MetricsTime) {
    bytes(out, tag(1, BYTES), reading.name.as_bytes());
    bytes(out, tag(2, BYTES), reading.description.as_bytes());
    bytes(out, tag(3, BYTES), unit(reading).as_bytes());
    let field = match reading.kind {
        MetricKind::Gauge => tag(5, BYTES),
        MetricKind::Counter => tag(7, BYTES),
        MetricKind::Histogram => tag(9, BYTES),
    };
    let point = Point { reading, time };
    message(out, field, 2, |out| {
        for series in told {
            message(out, tag(1, BYTES), 1, |out| point.push(out, series));
        }
        if reading.kind != MetricKind::Gauge {
            out.extend_from_slice(&[tag(2, VARINT), temporality(time.temporality)]);
        }
        if reading.kind == MetricKind::Counter {
            out.extend_from_slice(&[tag(3, VARINT), 1]);
        }
    });
}

fn temporality(temporality: Temporality) -> u8 {
    match temporality {
        Temporality::Delta => 1,
        Temporality::Cumulative => 2,
    }
}

fn unit(reading: &Reading) -> &'static str {
    if is_dotted(reading) {
        return match (reading.kind, reading.unit) {
            (MetricKind::Counter, "count") => "events",
            (_, unit) => unit,
        };
    }
    match reading.unit {
        "seconds" => "s",
        "milliseconds" => "ms",
        "bytes" => "By",
        "count" => "1",
        unit => unit,
    }
}

/// What the points of one metric have in common.
struct Point<'a> {
    reading: &'a Reading,
    time: &'a MetricsTime,
}

impl Point<'_> {
    fn push(&self, out: &mut Vec<u8>, series: &Series) {
        let labels = |out: &mut Vec<u8>, tag: u8| {
            for (name, value) in &series.labels {
                push_text(out, tag, name, value.as_bytes());
            }
        };
        match &series.value {
            SeriesValue::Counter { count, exemplar } => {
                self.push_times(out, true);
                self.push_number(out, i128::from(*count));
                if let Some(exemplar) = exemplar {
                    self.push_exemplar(out, tag(5, BYTES), exemplar);
                }
                labels(out, tag(7, BYTES));
            }
            SeriesValue::Gauge(value) => {
                self.push_times(out, false);
                self.push_number(out, i128::from(*value));
                labels(out, tag(7, BYTES));
            }
            SeriesValue::Histogram(distribution) => {
                self.push_times(out, true);
                self.push_distribution(out, distribution);
                labels(out, tag(9, BYTES));
            }
        }
    }

    fn push_times(&self, out: &mut Vec<u8>, has_start: bool) {
        if has_start {
            push_time(out, tag(2, FIXED64), self.reading.created_ns);
        }
        push_time(out, tag(3, FIXED64), self.time.now_ns);
    }

    /// The value of a number point: whole if it is whole and OTLP's whole numbers can hold it.
    fn push_number(&self, out: &mut Vec<u8>, number: i128) {
        match i64::try_from(number) {
            Ok(number) if self.reading.divisor <= 1 => {
                fixed64(out, tag(6, FIXED64), number as u64);
            }
            _ => fixed64(out, tag(4, FIXED64), self.divided(number as f64).to_bits()),
        }
    }

    fn push_distribution(&self, out: &mut Vec<u8>, distribution: &Distribution) {
        let double = |out: &mut Vec<u8>, field: u8, number: u64| {
            let number = self.divided(number as f64);
            fixed64(out, tag(field, FIXED64), number.to_bits());
        };
        fixed64(out, tag(4, FIXED64), distribution.count());
        double(out, 5, distribution.sum);
        message(out, tag(6, BYTES), 1, |out| {
            for count in &distribution.counts {
                out.extend_from_slice(&count.to_le_bytes());
            }
        });
        message(out, tag(7, BYTES), 1, |out| {
            for bound in distribution.bounds {
                out.extend_from_slice(&self.divided(*bound as f64).to_le_bytes());
            }
        });
        for exemplar in distribution.exemplars.iter().flatten() {
            self.push_exemplar(out, tag(8, BYTES), exemplar);
        }
        if let Some((least, greatest)) = distribution.extremes {
            double(out, 11, least);
            double(out, 12, greatest);
        }
    }

    fn push_exemplar(&self, out: &mut Vec<u8>, field: u8, exemplar: &Exemplar) {
        message(out, field, 1, |out| {
            push_time(out, tag(2, FIXED64), exemplar.time_ns);
            let value = self.divided(exemplar.value as f64);
            fixed64(out, tag(3, FIXED64), value.to_bits());
            push_span_id(out, tag(4, BYTES), exemplar.span);
            push_trace_id(out, tag(5, BYTES), exemplar.span);
        });
    }

    fn divided(&self, value: f64) -> f64 {
        value / f64::from(self.reading.divisor.max(1))
    }
}
