//! What the history of metrics costs: `cargo run --release -p tidings-engine --example samples_bench [SERIES]`.
//!
//! Writes 48 hours of minutes and 90 days of hours, of the catalogue's metrics and of SERIES series with
//! labels (default 500), of which a third change between two ticks; then asks for one metric. Synced to the
//! disk of the temporary directory at each tick.

#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]

use std::time::Instant;

use tidings::meters::{Meters, Selection};
use tidings_engine::{Engine, EngineOptions, SampleQuery};
use tidings_event::{EventType, MetricInfo, MetricKind, Reading, Series, SeriesValue};

const MINUTE_NS: i64 = 60_000_000_000;
const START_NS: i64 = 1_770_094_800_000_000_000;

fn main() {
    let series = std::env::args()
        .nth(1)
        .map_or(500, |text| text.parse().expect("SERIES is a number"));
    let dir = std::env::temp_dir().join(format!("samples-bench-{}", std::process::id()));
    let engine = Engine::open(&dir, EngineOptions::default()).expect("a directory of our own");
    let meters = Meters::new(0);
    let begun = Instant::now();
    let (hours, minutes) = (90 * 24, 48 * 60);
    for tick in 0..hours + minutes {
        measure(&meters, tick);
        let mut readings = meters.read(&Selection::all());
        readings.push(labelled(series, tick));
        // Hours first, then minutes of which each 60th is an hour.
        let minute = tick - hours;
        let (time_ns, is_scheduled) = if minute < 0 {
            (START_NS + tick * 60 * MINUTE_NS, true)
        } else {
            let hours_ns = hours * 60 * MINUTE_NS;
            (START_NS + hours_ns + minute * MINUTE_NS, minute % 60 == 0)
        };
        engine
            .samples()
            .write(time_ns, &readings, is_scheduled)
            .expect("it can be written");
    }
    let each = begun.elapsed() / u32::try_from(hours + minutes).expect("few");
    let bytes = std::fs::metadata(dir.join("samples.redb")).map_or(0, |file| file.len());
    println!(
        "a tick: {each:?} with its sync; {} ticks of {} series: {bytes} bytes",
        hours + minutes,
        series + 369
    );
    drop(engine);

    let begun = Instant::now();
    let engine = Engine::open(&dir, EngineOptions::default()).expect("it was open before");
    engine.samples().open().expect("it was written well");
    println!("opened and checked: {:?}", begun.elapsed());
    for (what, fine) in [("90 days by the hour", false), ("all minutes", true)] {
        for metric in [
            "delivery.delivered",
            "message.size",
            "mail_hosts",
            "all of the catalogue",
        ] {
            let query = SampleQuery {
                metrics: (!metric.contains(' ')).then(|| vec![metric.to_owned()]),
                with_labels: true,
                fine,
                limit: 100_000,
                ..SampleQuery::default()
            };
            let begun = Instant::now();
            let found = engine
                .samples()
                .query(&query)
                .expect("it can be read")
                .len();
            println!("{metric}, {what}: {found} samples in {:?}", begun.elapsed());
        }
    }
    drop(engine);
    let _ = std::fs::remove_dir_all(dir);
}

/// A third of everything happens between two ticks.
fn measure(meters: &Meters, tick: i64) {
    let kinds = MetricInfo::all().iter();
    let kinds = kinds.filter_map(|metric| EventType::from_name(metric.name));
    for (at, kind) in kinds.enumerate() {
        if (at as i64 + tick) % 3 == 0 {
            meters.count(kind);
            meters.observe(kind, (at as u64 * 7919 + tick as u64 * 104_729) % 3_000_000);
        }
    }
}

fn labelled(series: i64, tick: i64) -> Reading {
    let one = |at: i64| Series {
        labels: vec![("host", at.to_string().into())],
        value: SeriesValue::Counter {
            count: ((at + tick) / 3) as u64,
            exemplar: None,
        },
    };
    Reading {
        name: "mail_hosts".into(),
        description: "Hosts".into(),
        unit: "count",
        kind: MetricKind::Counter,
        divisor: 1,
        created_ns: 0,
        series: (0..series).map(one).collect(),
    }
}
