//! What it costs to count the events of a log: `cargo run --release -p tidings-engine --example meters_bench LOG
//! [TYPE]`.
//!
//! Prints nanoseconds an event: of all, which are more than the processor's cache holds, then by type, a
//! thousand at a time, as they are when they have just been written; then what it costs to read the metrics.

#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tidings::meters::{Meters, Selection};
use tidings_engine::MailMeters;
use tidings_event::{Drafts, EventRef, Records};
use tidings_mail::correlate::{Correlator, Limits, LineAt, NoLookup};
use tidings_mail::envelope::{Format, Program, read};
use tidings_mail::postfix;
use tidings_mail::provider::Providers;

const PASSES: usize = 30;

fn main() {
    let path = std::env::args().nth(1).expect("usage: meters_bench LOG");
    let log = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let records = records(&log);
    let events: Vec<EventRef<'_>> = Records::new(&records).map_while(Result::ok).collect();
    let meters = MailMeters::new(
        Arc::new(Meters::new(0)),
        Arc::new(Providers::builtin().clone()),
    );
    println!("{} events", events.len());
    show(&meters, "all", &events);
    let mut by_kind: BTreeMap<&str, Vec<EventRef<'_>>> = BTreeMap::new();
    for event in &events {
        by_kind.entry(event.kind().name()).or_default().push(*event);
    }
    let only = std::env::args().nth(2);
    for (kind, events) in by_kind {
        if only.as_deref().is_some_and(|only| only != kind) {
            continue;
        }
        show(&meters, kind, &events[..events.len().min(1000)]);
    }
    let times = (0..100).map(|_| {
        let start = Instant::now();
        let readings = (meters.read(&Selection::all()), meters.read_labelled());
        let time = start.elapsed();
        (time, readings.0.len() + readings.1.len())
    });
    let (time, count) = times.min().expect("a hundred times");
    println!("reading {count} metrics: {} µs", time.as_micros());
}

fn show(meters: &MailMeters, what: &str, events: &[EventRef<'_>]) {
    let rounds = u32::try_from(10_000 / events.len().max(1)).map_or(1, |rounds| rounds.max(1));
    let passes = (0..PASSES).map(|_| {
        let start = Instant::now();
        for _ in 0..rounds {
            for event in events {
                meters.record(event);
            }
        }
        start.elapsed() / rounds
    });
    let best = passes.min().expect("there are passes");
    println!(
        "  {what:<40} {:>8} events {:>6} ns",
        events.len(),
        best.as_nanos() / events.len().max(1) as u128
    );
}

/// The events of a log of Postfix, two lines a millisecond.
fn records(log: &[u8]) -> Vec<u8> {
    let mut correlator = Correlator::new(Limits::default());
    let (mut drafts, mut records) = (Drafts::default(), Vec::new());
    for (number, line) in log.split(|byte| *byte == b'\n').enumerate() {
        let mut scratch = Vec::new();
        let envelope = read(line, Format::Unknown, &mut scratch);
        let program = Program::of(envelope.tag, envelope.body);
        let at = LineAt {
            time_ns: 1_795_348_800_000_000_000 + number as i64 * 500_000,
            host: envelope.host,
            tag: envelope.tag,
            listener: program.listener,
            service: program.service,
            pid: envelope.pid,
            stream: 1,
            line: number as u64,
            stream_key: 7,
            repeated: 1,
        };
        let line = postfix::parse(program.service, envelope.body);
        drafts.clear();
        correlator.postfix(&at, &line, &NoLookup, &mut drafts);
        records.append(&mut drafts.to_records());
    }
    records
}
