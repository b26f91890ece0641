use std::borrow::Cow;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Metric, exemplar};
use tidings_event::{Distribution, Exemplar, MetricKind, Reading, Series, SeriesValue};

use super::*;

const CREATED_NS: i64 = NOW_NS - 60_000_000_000;

fn reading(name: &'static str, kind: MetricKind, divisor: u32, series: Vec<Series>) -> Reading {
    Reading {
        name: Cow::Borrowed(name),
        description: Cow::Borrowed("what it is"),
        unit: "count",
        kind,
        divisor,
        created_ns: CREATED_NS,
        series,
    }
}

fn counter(count: u64, label: Option<&str>) -> Series {
    Series {
        labels: label
            .map(|label| ("provider", Cow::Owned(label.to_owned())))
            .into_iter()
            .collect(),
        value: SeriesValue::Counter {
            count,
            exemplar: Some(Exemplar {
                value: 1,
                time_ns: NOW_NS - 5,
                span: Id(9),
            }),
        },
    }
}

fn histogram(counts: [u64; 3], sum: u64, extremes: Option<(u64, u64)>) -> Series {
    let exemplar = Exemplar {
        value: 250,
        time_ns: NOW_NS - 5,
        span: Id(9),
    };
    Series {
        labels: Vec::new(),
        value: SeriesValue::Histogram(Distribution {
            bounds: &[100, 500],
            counts: counts.to_vec(),
            sum,
            extremes,
            exemplars: vec![None, Some(exemplar), None],
        }),
    }
}

fn metrics(readings: &[Reading], temporality: Temporality) -> Vec<Metric> {
    let time = MetricsTime {
        now_ns: NOW_NS,
        temporality,
    };
    let mut request = Request::new(&origin());
    let pushed = readings.iter().filter(|r| request.push_metric(r, &time));
    let pushed = pushed.count();
    let encoded = request.finish();
    let read = ExportMetricsServiceRequest::decode(encoded.as_bytes()).unwrap();
    assert_eq!(read.encoded_len(), encoded.as_bytes().len());
    let [resource] = read.resource_metrics.try_into().unwrap();
    let [scope] = resource.scope_metrics.try_into().unwrap();
    assert_eq!(scope.metrics.len(), pushed);
    scope.metrics
}

fn data(readings: &[Reading], temporality: Temporality) -> Data {
    let [metric] = metrics(readings, temporality).try_into().unwrap();
    metric.data.unwrap()
}

#[test]
fn counters_are_monotonic_sums_with_exemplars() {
    let sum = reading("smtp.quit", MetricKind::Counter, 1, vec![counter(3, None)]);
    let [metric] = metrics(&[sum], Temporality::Cumulative).try_into().unwrap();
    assert_eq!(
        (
            metric.name.as_str(),
            metric.unit.as_str(),
            metric.description.as_str()
        ),
        ("smtp.quit", "events", "what it is")
    );
    let Some(Data::Sum(sum)) = metric.data else {
        panic!("{:?}", metric.data)
    };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality, 2);
    let [point] = sum.data_points.try_into().unwrap();
    assert_eq!(point.value, Some(Number::AsInt(3)));
    assert_eq!(point.start_time_unix_nano, CREATED_NS as u64);
    assert_eq!(point.time_unix_nano, NOW_NS as u64);
    let [seen] = point.exemplars.try_into().unwrap();
    assert_eq!(seen.span_id, u64::to_be_bytes(9));
    assert_eq!(seen.trace_id, u128::to_be_bytes(9));
    assert_eq!(seen.value, Some(exemplar::Value::AsDouble(1.0)));
}

#[test]
fn labels_divisors_and_numbers_beyond_the_range() {
    let series = vec![counter(0, Some("gmail \"x\"")), counter(u64::MAX, None)];
    let labelled = reading("mail_deliveries", MetricKind::Counter, 1, series);
    let Data::Sum(sum) = data(&[labelled], Temporality::Cumulative) else {
        panic!()
    };
    let [zero, great] = sum.data_points.try_into().unwrap();
    assert_eq!(zero.value, Some(Number::AsInt(0)), "zeros are told");
    let label = Any::StringValue("gmail \"x\"".to_owned());
    assert_eq!(zero.attributes, [key_value("provider", label)]);
    assert_eq!(great.value, Some(Number::AsDouble(u64::MAX as f64)));
    let gauge = Series {
        labels: Vec::new(),
        value: SeriesValue::Gauge(-1500),
    };
    let gauge = reading("tidings_lag_seconds", MetricKind::Gauge, 1000, vec![gauge]);
    let Data::Gauge(gauge) = data(&[gauge], Temporality::Cumulative) else {
        panic!()
    };
    assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(-1.5)));
}

#[test]
fn histograms_keep_their_buckets() {
    let series = vec![histogram([1, 2, 3], 4000, Some((50, 2000)))];
    let divided = reading("mail_delay_seconds", MetricKind::Histogram, 1000, series);
    let Data::Histogram(histogram) = data(&[divided], Temporality::Delta) else {
        panic!()
    };
    assert_eq!(histogram.aggregation_temporality, 1);
    let [point] = histogram.data_points.try_into().unwrap();
    assert_eq!(point.bucket_counts, [1, 2, 3]);
    assert_eq!(point.explicit_bounds, [0.1, 0.5]);
    assert_eq!((point.count, point.sum), (6, Some(4.0)));
    assert_eq!((point.min, point.max), (Some(0.05), Some(2.0)));
    assert_eq!(
        point.exemplars[0].value,
        Some(exemplar::Value::AsDouble(0.25))
    );
}

#[test]
fn of_the_catalogue_only_what_happened_is_sent() {
    let nothing = [
        reading("smtp.quit", MetricKind::Counter, 1, vec![counter(0, None)]),
        reading(
            "message.size",
            MetricKind::Histogram,
            1,
            vec![histogram([0; 3], 0, None)],
        ),
        reading("mail_none", MetricKind::Counter, 1, Vec::new()),
    ];
    assert!(metrics(&nothing, Temporality::Cumulative).is_empty());
}

#[test]
fn differences_add_up_and_survive_a_failed_push_and_a_restart() {
    let at = |count, counts, sum| {
        [
            reading("mail_a", MetricKind::Counter, 1, vec![counter(count, None)]),
            reading(
                "mail_b",
                MetricKind::Histogram,
                1,
                vec![histogram(counts, sum, Some((50, 2000)))],
            ),
        ]
    };
    let count = |readings: &[Reading]| match &readings[0].series[0].value {
        SeriesValue::Counter { count, exemplar } => (*count, exemplar.is_some()),
        other => panic!("{other:?}"),
    };
    let buckets = |readings: &[Reading]| match &readings[1].series[0].value {
        SeriesValue::Histogram(d) => (d.counts.clone(), d.sum, d.extremes),
        other => panic!("{other:?}"),
    };
    let mut deltas = Deltas::default();
    let first = at(3, [1, 0, 0], 50);
    let difference = deltas.difference(&first);
    assert_eq!(difference, first, "all of it");
    deltas.sent(&first, NOW_NS);
    let second = at(5, [1, 2, 0], 850);
    let lost = deltas.difference(&second);
    assert_eq!(count(&lost), (2, false), "and its exemplar is old");
    assert_eq!(lost[0].created_ns, NOW_NS);
    assert_eq!(buckets(&lost), (vec![0, 2, 0], 800, None));
    let third = at(9, [1, 2, 1], 2850);
    let difference = deltas.difference(&third);
    assert_eq!(count(&difference).0, 6, "what was lost is in the next");
    assert_eq!(buckets(&difference), (vec![0, 2, 1], 2800, None));
    deltas.sent(&third, NOW_NS + 1);
    let mut anew = at(2, [0, 0, 1], 900);
    anew.iter_mut().for_each(|r| r.created_ns = NOW_NS + 2);
    let difference = deltas.difference(&anew);
    assert_eq!(count(&difference).0, 2);
    assert_eq!(difference[0].created_ns, NOW_NS + 2);
}
