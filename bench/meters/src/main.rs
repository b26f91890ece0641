//! What counting costs, beside `prometheus-client` and `metrics` in the same run.
//!
//! `cargo run --release --manifest-path bench/meters/Cargo.toml --target-dir target/bench`
//!
//! Prints nanoseconds of processor time per call and thread: the median of some passes, of one thread and of two that count the same
//! thing at the same time.

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Barrier};

use tidings::meters::{Family, Meters, Selection};
use tidings_event::{EventRef, EventType, Header, Id, Key, RecordWriter};
use tidings_mail::labels;
use tidings_mail::provider::Providers;
use tidings_wire::prometheus::{Format, Naming, write};

const CALLS: u64 = 4_000_000;
const PASSES: usize = 9;

fn main() {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    println!(
        "machine: {}",
        model
            .unwrap_or("unknown")
            .trim_start_matches(['\t', ':', ' '])
    );
    println!(
        "{:<58} {:>9} {:>9}",
        "ns per call and thread", "1 thread", "2 threads"
    );
    counters();
    histograms();
    records();
    scrapes();
}

fn counters() {
    let meters = Meters::new(0);
    show("counter: tidings, Meters::count", &|| {
        meters.count(black_box(EventType::DELIVERY_DELIVERED));
    });
    show("  an event that is not counted", &|| {
        meters.count(black_box(EventType::SMTP_RAW_INPUT));
    });
    show("  an event that moves a gauge too", &|| {
        meters.count(black_box(EventType::DELIVERY_ATTEMPT_START));
    });
    let theirs: prometheus_client::metrics::counter::Counter = Default::default();
    show("counter: prometheus-client", &|| {
        black_box(&theirs).inc();
    });
    let theirs = metrics::Counter::from_arc(Arc::new(AtomicU64::new(0)));
    show("counter: metrics", &|| black_box(&theirs).increment(1));
}

fn histograms() {
    let meters = Meters::new(0);
    let values: Vec<u64> = (0..1024u64)
        .map(|n| n.wrapping_mul(0x9e37_79b9) % 90_000)
        .collect();
    let next = |at: &mut usize| {
        *at = (*at + 1) & 1023;
        values[*at]
    };
    show_with("histogram: tidings, Meters::observe", &|at| {
        meters.observe(black_box(EventType::SMTP_CONNECTION_END), next(at));
    });
    let bounds = [
        250., 500., 1e3, 5e3, 1e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6, 1.8e7,
    ];
    let theirs = prometheus_client::metrics::histogram::Histogram::new(bounds);
    show_with("histogram: prometheus-client", &|at| {
        black_box(&theirs).observe(next(at) as f64);
    });
    let bucket = Arc::new(metrics_util::storage::AtomicBucket::<f64>::new());
    let theirs = metrics::Histogram::from_arc(bucket.clone());
    show_with("histogram: metrics (keeps the values, for later)", &|at| {
        black_box(&theirs).record(next(at) as f64);
    });
    bucket.clear();
}

fn records() {
    let meters = Meters::new(0);
    let event = |kind, span: Option<Id>| {
        let mut bytes = Vec::new();
        let header = Header {
            span,
            ..Header::new(kind, 1_700_000_000_000_000_000)
        };
        let mut writer = RecordWriter::begin(&mut bytes, &header);
        writer
            .str(Key::LISTENER_ID, "smtp")
            .duration_ms(Key::ELAPSED, 812)
            .finish();
        drop(writer);
        bytes
    };
    for (what, kind, span) in [
        ("Meters::record, a counter", EventType::AUTH_FAILED, None),
        (
            "Meters::record, a counter with its span",
            EventType::AUTH_FAILED,
            Some(Id(7)),
        ),
        (
            "Meters::record, counter, gauge, histogram, span",
            EventType::SMTP_CONNECTION_END,
            Some(Id(7)),
        ),
    ] {
        let bytes = event(kind, span);
        let event = EventRef::read(&bytes).expect("written above").0;
        show(what, &|| meters.record(black_box(&event)));
    }
}

/// All metrics, read and written: those with labels have a thousand sets of label values.
fn scrapes() {
    let meters = Meters::new(0);
    for info in EventType::all() {
        meters.count(EventType::from_id(info.id));
    }
    let families: Vec<Family> = labels::Family::ALL
        .iter()
        .map(|family| Family::new(family.info(), 0))
        .collect();
    for (n, provider) in Providers::builtin().iter().enumerate() {
        for outcome in ["delivered", "deferred", "bounced", "expired"] {
            for family in &families {
                let labels = [provider.key(), outcome, "accepted"];
                let span = Some((Id(n as u64 + 1), 1_700_000_000_000_000_000));
                family.count(&labels, n as u64, span);
                family.observe(&["a", "b"], n as u64, span);
            }
        }
    }
    for (what, format) in [("text", Format::Text), ("OpenMetrics", Format::OpenMetrics)] {
        let mut out = Vec::new();
        let scrape = |out: &mut Vec<u8>| {
            out.clear();
            let mut readings = meters.read(&Selection::all());
            readings.extend(families.iter().map(Family::read));
            write(out, &readings, format, Naming::Conventional);
        };
        let mut times: Vec<f64> = (0..201)
            .map(|_| {
                let begun = cpu_ns();
                scrape(&mut out);
                cpu_ns() - begun
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let lines = out.iter().filter(|byte| **byte == b'\n').count();
        println!(
            "scrape of everything, {what}: {:.0} µs for {lines} lines, {} KiB",
            times[100] / 1000.0,
            out.len() / 1024
        );
    }
}

fn show(what: &str, call: &(impl Fn() + Sync)) {
    show_with(what, &|_| call());
}

fn show_with<F: Fn(&mut usize) + Sync>(what: &str, call: &F) {
    println!(
        "{what:<58} {:>9.2} {:>9.2}",
        median(1, call),
        median(2, call)
    );
}

fn median<F: Fn(&mut usize) + Sync>(threads: usize, call: &F) -> f64 {
    let mut passes: Vec<f64> = (0..PASSES).map(|_| pass(threads, call)).collect();
    passes.sort_by(f64::total_cmp);
    passes[PASSES / 2]
}

/// Processor time of this thread in nanoseconds: others may share the machine.
fn cpu_ns() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds per call of the slowest thread.
fn pass<F: Fn(&mut usize) + Sync>(threads: usize, call: &F) -> f64 {
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut at = 0;
                    start.wait();
                    let begun = cpu_ns();
                    for _ in 0..CALLS {
                        call(&mut at);
                    }
                    (cpu_ns() - begun) / CALLS as f64
                })
            })
            .collect();
        let times = workers
            .into_iter()
            .map(|worker| worker.join().expect("it only counts"));
        times.fold(0.0, f64::max)
    })
}
