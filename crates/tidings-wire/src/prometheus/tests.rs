use std::borrow::Cow;

use tidings_event::Id;

use super::*;

const HOSTILE: &str = "a\\b\"c\nd}\u{2028}# EOF";

fn reading(
    name: &'static str,
    kind: MetricKind,
    unit: &'static str,
    series: Vec<Series>,
) -> Reading {
    Reading {
        name: name.into(),
        description: "Says \"so\"\\\nor not".into(),
        unit,
        kind,
        divisor: if unit == "seconds" { 1000 } else { 1 },
        created_ns: 1_700_000_000_250_000_000,
        series,
    }
}

fn one(labels: &[(&'static str, &'static str)], value: SeriesValue) -> Series {
    Series {
        labels: labels
            .iter()
            .map(|(name, value)| (*name, Cow::Borrowed(*value)))
            .collect(),
        value,
    }
}

fn readings() -> Vec<Reading> {
    let exemplar = Exemplar {
        value: 12,
        time_ns: 1_700_000_001_000_000_000,
        span: Id(32),
    };
    let times = |exemplars| {
        SeriesValue::Histogram(Distribution {
            bounds: &[10, 1_000_000],
            counts: vec![3, 2, 1],
            sum: 2_000_048,
            extremes: Some((1, 1_999_999)),
            exemplars,
        })
    };
    let counter = |count, exemplar| SeriesValue::Counter { count, exemplar };
    vec![
        reading(
            "auth.failed",
            MetricKind::Counter,
            "count",
            vec![one(
                &[],
                counter(
                    7,
                    Some(Exemplar {
                        value: 1,
                        ..exemplar
                    }),
                ),
            )],
        ),
        reading(
            "auth.error",
            MetricKind::Counter,
            "count",
            vec![one(&[], counter(0, None))],
        ),
        reading(
            "server.memory",
            MetricKind::Gauge,
            "bytes",
            vec![one(&[], SeriesValue::Gauge(-1))],
        ),
        reading(
            "dns.lookup-time",
            MetricKind::Histogram,
            "milliseconds",
            vec![one(&[], times(vec![None, Some(exemplar), None]))],
        ),
        reading(
            "mail_deliveries",
            MetricKind::Counter,
            "count",
            vec![
                one(
                    &[("provider", "google"), ("outcome", "delivered")],
                    counter(u64::MAX, None),
                ),
                one(&[("provider", HOSTILE), ("outcome", "")], counter(1, None)),
            ],
        ),
        reading(
            "mail_delivery_delay_seconds",
            MetricKind::Histogram,
            "seconds",
            vec![one(&[("phase", "queue")], times(Vec::new()))],
        ),
        reading(
            "mail_queue_messages",
            MetricKind::Gauge,
            "messages",
            Vec::new(),
        ),
    ]
}

fn written(format: Format, naming: Naming) -> String {
    let mut out = Vec::new();
    write(&mut out, &readings(), format, naming);
    String::from_utf8(out).unwrap()
}

#[test]
fn text_with_the_names_of_the_reference() {
    let expected = r#"# HELP auth_failed Says "so"\\\nor not
# TYPE auth_failed counter
auth_failed 7
# HELP auth_error Says "so"\\\nor not
# TYPE auth_error counter
auth_error 0
# HELP server_memory Says "so"\\\nor not
# TYPE server_memory gauge
server_memory -1
# HELP dns_lookup_time Says "so"\\\nor not
# TYPE dns_lookup_time histogram
dns_lookup_time_bucket{le="10"} 3
dns_lookup_time_bucket{le="1000000"} 5
dns_lookup_time_bucket{le="+Inf"} 6
dns_lookup_time_sum 2000048
dns_lookup_time_count 6
# HELP mail_deliveries_total Says "so"\\\nor not
# TYPE mail_deliveries_total counter
mail_deliveries_total{provider="google",outcome="delivered"} 18446744073709551615
mail_deliveries_total{provider="a\\b\"c\nd}*# EOF",outcome=""} 1
# HELP mail_delivery_delay_seconds Says "so"\\\nor not
# TYPE mail_delivery_delay_seconds histogram
mail_delivery_delay_seconds_bucket{phase="queue",le="0.01"} 3
mail_delivery_delay_seconds_bucket{phase="queue",le="1000"} 5
mail_delivery_delay_seconds_bucket{phase="queue",le="+Inf"} 6
mail_delivery_delay_seconds_sum{phase="queue"} 2000.048
mail_delivery_delay_seconds_count{phase="queue"} 6
# HELP mail_queue_messages Says "so"\\\nor not
# TYPE mail_queue_messages gauge
"#;
    assert_eq!(
        written(Format::Text, Naming::Reference),
        expected.replace('*', "\u{2028}")
    );
}

#[test]
fn open_metrics_with_units_creation_and_exemplars() {
    let expected = r##"# HELP auth_failed Says \"so\"\\\nor not
# TYPE auth_failed counter
auth_failed_total 7 # {span_id="ba"} 1 1700000001
auth_failed_created 1700000000.25
# HELP auth_error Says \"so\"\\\nor not
# TYPE auth_error counter
auth_error_total 0
auth_error_created 1700000000.25
# HELP server_memory_bytes Says \"so\"\\\nor not
# TYPE server_memory_bytes gauge
# UNIT server_memory_bytes bytes
server_memory_bytes -1
# HELP dns_lookup_time_seconds Says \"so\"\\\nor not
# TYPE dns_lookup_time_seconds histogram
# UNIT dns_lookup_time_seconds seconds
dns_lookup_time_seconds_bucket{le="0.01"} 3
dns_lookup_time_seconds_bucket{le="1000.0"} 5 # {span_id="ba"} 0.012 1700000001
dns_lookup_time_seconds_bucket{le="+Inf"} 6
dns_lookup_time_seconds_sum 2000.048
dns_lookup_time_seconds_count 6
dns_lookup_time_seconds_created 1700000000.25
# HELP mail_deliveries Says \"so\"\\\nor not
# TYPE mail_deliveries counter
mail_deliveries_total{provider="google",outcome="delivered"} 18446744073709551615
mail_deliveries_created{provider="google",outcome="delivered"} 1700000000.25
mail_deliveries_total{provider="a\\b\"c\nd}*# EOF",outcome=""} 1
mail_deliveries_created{provider="a\\b\"c\nd}*# EOF",outcome=""} 1700000000.25
# HELP mail_delivery_delay_seconds Says \"so\"\\\nor not
# TYPE mail_delivery_delay_seconds histogram
# UNIT mail_delivery_delay_seconds seconds
mail_delivery_delay_seconds_bucket{phase="queue",le="0.01"} 3
mail_delivery_delay_seconds_bucket{phase="queue",le="1000.0"} 5
mail_delivery_delay_seconds_bucket{phase="queue",le="+Inf"} 6
mail_delivery_delay_seconds_sum{phase="queue"} 2000.048
mail_delivery_delay_seconds_count{phase="queue"} 6
mail_delivery_delay_seconds_created{phase="queue"} 1700000000.25
# HELP mail_queue_messages Says \"so\"\\\nor not
# TYPE mail_queue_messages gauge
# UNIT mail_queue_messages messages
# EOF
"##;
    let expected = expected.replace('*', "\u{2028}");
    assert_eq!(written(Format::OpenMetrics, Naming::Reference), expected);
    assert_eq!(written(Format::OpenMetrics, Naming::Conventional), expected);
}

#[test]
fn text_with_conventional_names_differs_in_names_and_units_only() {
    let text = written(Format::Text, Naming::Conventional);
    for line in [
        "# TYPE auth_failed_total counter",
        "auth_failed_total 7",
        "server_memory_bytes -1",
        "dns_lookup_time_seconds_bucket{le=\"0.01\"} 3",
        "dns_lookup_time_seconds_sum 2000.048",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(!text.contains("# UNIT") && !text.contains("_created") && !text.contains("\n# EOF"));
}
