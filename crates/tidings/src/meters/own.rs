//! What Tidings tells of itself: the metrics of its outputs and of what was lost on the way.
//!
//! Names and labels only, and the step from numbers to readings: whoever has the numbers gives them
//! when the metrics are read.

use tidings_event::{FamilyInfo, LabelInfo, Level, MetricKind, Reading, Series, SeriesValue};

/// The numbers of one output at one time. Counters begin when the output starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputNumbers {
    /// Name of the output, as in the settings.
    pub output: String,
    /// Events delivered.
    pub delivered: u64,
    /// Wanted events left out because the output was too far behind, by the ordinal of their level.
    pub skipped: [u64; Level::ALL.len()],
    /// Events gone before they could be read.
    pub lost: u64,
    /// Events that the receiver will not have.
    pub rejected: u64,
    /// Deliveries tried again.
    pub retries: u64,
    /// Failures of any kind.
    pub failures: u64,
    /// Events behind the end.
    pub behind_events: u64,
    /// Bytes behind the end.
    pub behind_bytes: u64,
    /// For how long the oldest of them has been waiting, in nanoseconds.
    pub behind_ns: u64,
    /// Whether the last delivery failed.
    pub is_failing: bool,
}

/// What [`outputs`] gives, in its order.
pub static OUTPUT_FAMILIES: [FamilyInfo; 9] = [
    family(
        "tidings_output_delivered_events",
        "Events that the output delivered",
        ("count", MetricKind::Counter),
        BY_OUTPUT,
    ),
    family(
        "tidings_output_dropped_events",
        "Wanted events that the output did not deliver, by reason: skipped (it was too far behind), lost (gone before they were read), rejected (by the receiver)",
        ("count", MetricKind::Counter),
        &[OUTPUT, REASON],
    ),
    family(
        "tidings_output_skipped_events",
        "Wanted events that a lossy output left out because it was too far behind, by level",
        ("count", MetricKind::Counter),
        &[OUTPUT, LEVEL],
    ),
    family(
        "tidings_output_retries",
        "Deliveries that the output tried again",
        ("count", MetricKind::Counter),
        BY_OUTPUT,
    ),
    family(
        "tidings_output_failures",
        "Failures of the output",
        ("count", MetricKind::Counter),
        BY_OUTPUT,
    ),
    family(
        "tidings_output_lag_events",
        "Events that the output has yet to deliver or leave out",
        ("events", MetricKind::Gauge),
        BY_OUTPUT,
    ),
    family(
        "tidings_output_lag_bytes",
        "Bytes that the output has yet to read",
        ("bytes", MetricKind::Gauge),
        BY_OUTPUT,
    ),
    FamilyInfo {
        divisor: 1000,
        ..family(
            "tidings_output_lag_seconds",
            "For how long the oldest event that the output has yet to deliver has been waiting",
            ("seconds", MetricKind::Gauge),
            BY_OUTPUT,
        )
    },
    family(
        "tidings_output_up",
        "Whether the last delivery of the output succeeded: 1 or 0",
        ("count", MetricKind::Gauge),
        BY_OUTPUT,
    ),
];

/// The numbers of the live streams at one time. Counters begin when the server starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveNumbers {
    /// Streams that are open, of events and metrics.
    pub streams: usize,
    /// Events sent, counted for each client.
    pub sent: u64,
    /// Events that clients read too slowly to get, counted for each client.
    pub missed: u64,
}

/// What [`live`] gives, in its order.
pub static LIVE_FAMILIES: [FamilyInfo; 3] = [
    family(
        "tidings_live_streams",
        "Live streams that are open, of events and metrics",
        ("count", MetricKind::Gauge),
        &[],
    ),
    family(
        "tidings_live_sent_events",
        "Events sent to live streams, each once for each client",
        ("count", MetricKind::Counter),
        &[],
    ),
    family(
        "tidings_live_missed_events",
        "Events that clients of live streams read too slowly to get, and were told of as gaps",
        ("count", MetricKind::Counter),
        &[],
    ),
];

/// Events lost before the spool, by level: the rings of the emitting threads were full.
pub static EVENTS_LOST: FamilyInfo = family(
    "tidings_events_lost",
    "Events lost on their way from the emitting thread, by level",
    ("count", MetricKind::Counter),
    &[LEVEL],
);

const OUTPUT: LabelInfo = LabelInfo {
    name: "output",
    // As many as are configured.
    max_values: u16::MAX,
};
const LEVEL: LabelInfo = LabelInfo {
    name: "level",
    max_values: 6,
};
const REASON: LabelInfo = LabelInfo {
    name: "reason",
    max_values: 3,
};
const BY_OUTPUT: &[LabelInfo] = &[OUTPUT];

/// The readings of all outputs, families in the order of [`OUTPUT_FAMILIES`], outputs in the order
/// given.
pub fn outputs(numbers: &[OutputNumbers], created_ns: i64) -> Vec<Reading> {
    OUTPUT_FAMILIES
        .iter()
        .map(|info| {
            let series = numbers.iter().flat_map(|numbers| series_of(info, numbers));
            info.reading(created_ns, series.collect())
        })
        .collect()
}

/// The readings of the live streams, families in the order of [`LIVE_FAMILIES`].
pub fn live(numbers: &LiveNumbers, created_ns: i64) -> Vec<Reading> {
    let streams = gauge(u64::try_from(numbers.streams).unwrap_or(u64::MAX));
    let values = [streams, counter(numbers.sent), counter(numbers.missed)];
    let families = LIVE_FAMILIES.iter().zip(values);
    families
        .map(|(info, value)| info.reading(created_ns, vec![one(Vec::new(), value)]))
        .collect()
}

/// The reading of [`EVENTS_LOST`], given how many were lost by the ordinal of their level.
pub fn events_lost(lost: &[u64; Level::ALL.len()], created_ns: i64) -> Reading {
    let series =
        by_level(lost).map(|(level, count)| one(vec![("level", level.into())], counter(count)));
    EVENTS_LOST.reading(created_ns, series.collect())
}

fn series_of(info: &FamilyInfo, numbers: &OutputNumbers) -> Vec<Series> {
    let output = || ("output", numbers.output.clone().into());
    let of = |value| vec![one(vec![output()], value)];
    match info.name {
        "tidings_output_delivered_events" => of(counter(numbers.delivered)),
        "tidings_output_dropped_events" => {
            let skipped = numbers
                .skipped
                .iter()
                .fold(0u64, |sum, count| sum.saturating_add(*count));
            let reasons = [
                ("skipped", skipped),
                ("lost", numbers.lost),
                ("rejected", numbers.rejected),
            ];
            let reasons = reasons.into_iter();
            let reasons = reasons.map(|(reason, count)| {
                one(vec![output(), ("reason", reason.into())], counter(count))
            });
            reasons.collect()
        }
        "tidings_output_skipped_events" => by_level(&numbers.skipped)
            .map(|(level, count)| one(vec![output(), ("level", level.into())], counter(count)))
            .collect(),
        "tidings_output_retries" => of(counter(numbers.retries)),
        "tidings_output_failures" => of(counter(numbers.failures)),
        "tidings_output_lag_events" => of(gauge(numbers.behind_events)),
        "tidings_output_lag_bytes" => of(gauge(numbers.behind_bytes)),
        "tidings_output_lag_seconds" => of(gauge(numbers.behind_ns / 1_000_000)),
        "tidings_output_up" => of(gauge(u64::from(!numbers.is_failing))),
        _ => Vec::new(),
    }
}

/// The levels that an event can have, by name; `disable` is none.
fn by_level(counts: &[u64; Level::ALL.len()]) -> impl Iterator<Item = (&'static str, u64)> {
    let levels = Level::ALL.into_iter().zip(*counts);
    levels
        .filter(|(level, _)| *level != Level::Disable)
        .map(|(level, count)| (level.as_str(), count))
}

fn one(labels: Vec<(&'static str, std::borrow::Cow<'static, str>)>, value: SeriesValue) -> Series {
    Series { labels, value }
}

fn counter(count: u64) -> SeriesValue {
    SeriesValue::Counter {
        count,
        exemplar: None,
    }
}

fn gauge(value: u64) -> SeriesValue {
    SeriesValue::Gauge(i64::try_from(value).unwrap_or(i64::MAX))
}

const fn family(
    name: &'static str,
    description: &'static str,
    (unit, kind): (&'static str, MetricKind),
    labels: &'static [LabelInfo],
) -> FamilyInfo {
    FamilyInfo {
        name,
        description,
        unit,
        kind,
        divisor: 1,
        bounds: &[],
        labels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_a_series_for_every_output() {
        let numbers = [
            OutputNumbers {
                output: "file".into(),
                behind_ns: 1_530_000_000,
                skipped: [1, 2, 3, 4, 5, 0],
                ..OutputNumbers::default()
            },
            OutputNumbers {
                output: "otel".into(),
                is_failing: true,
                ..OutputNumbers::default()
            },
        ];
        let readings = outputs(&numbers, 7);
        for (reading, info) in readings.iter().zip(&OUTPUT_FAMILIES) {
            assert_eq!((&*reading.name, reading.created_ns), (info.name, 7));
            assert!(reading.series.len() >= 2, "{}", info.name);
            for series in &reading.series {
                let names: Vec<_> = series.labels.iter().map(|(name, _)| *name).collect();
                let declared: Vec<_> = info.labels.iter().map(|label| label.name).collect();
                assert_eq!(names, declared, "{}", info.name);
            }
        }
        let of = |name: &str| {
            let reading = readings
                .iter()
                .find(|reading| reading.name == name)
                .unwrap();
            reading
                .series
                .iter()
                .map(|series| series.value.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of("tidings_output_lag_seconds")[0],
            SeriesValue::Gauge(1530)
        );
        assert_eq!(
            of("tidings_output_up"),
            [SeriesValue::Gauge(1), SeriesValue::Gauge(0)]
        );
        assert_eq!(of("tidings_output_dropped_events")[0], counter(15));
        assert_eq!(of("tidings_output_skipped_events").len(), 10);
        assert_eq!(
            events_lost(&[0, 0, 9, 0, 0, 0], 7).series[2].value,
            counter(9)
        );
    }
}
