//! Times lines to messages, without storage: `cargo run --release --example fold_bench LOG`.
//!
//! Prints nanoseconds a line for the events (envelope, statement, correlation), and for their
//! folding into messages.

#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_event::Drafts;
use tidings_mail::correlate::{Correlator, Limits, LineAt, NoLookup};
use tidings_mail::envelope::{Format, Program, read};
use tidings_mail::message::{Folder, FolderLimits};
use tidings_mail::postfix;
use tidings_mail::provider::Providers;

/// Lines between two looks at the clock.
const BATCH: usize = 4096;

fn main() {
    let path = std::env::args().nth(1).expect("usage: fold_bench LOG");
    let log = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let mut correlator = Correlator::new(Limits::default());
    let providers = Arc::new(Providers::builtin().clone());
    let mut folder = Folder::new(FolderLimits::default(), providers);
    let (mut drafts, mut messages) = (Drafts::default(), 0);
    let (mut to_events, mut to_messages) = (Duration::ZERO, Duration::ZERO);
    for (batch, some) in lines.chunks(BATCH).enumerate() {
        let start = Instant::now();
        drafts.clear();
        for (number, line) in some.iter().enumerate() {
            let number = (batch * BATCH + number) as u64;
            correlate(&mut correlator, number, line, &mut drafts);
        }
        to_events += start.elapsed();
        let start = Instant::now();
        let mut pairs = Vec::new();
        for event in drafts.iter() {
            pairs.clear();
            pairs.extend(event.pairs());
            folder.apply(event.header(), &pairs, &mut ());
        }
        folder.take_settled(|_| messages += 1);
        to_messages += start.elapsed();
    }
    let per_line = |time: Duration| time.as_nanos() / lines.len().max(1) as u128;
    println!(
        "{} lines, {messages} messages settled and {} open: {} ns a line to events, {} ns to messages",
        lines.len(),
        folder.open_count(),
        per_line(to_events),
        per_line(to_messages)
    );
}

/// Two lines a millisecond: the times of the log do not matter here.
fn correlate(state: &mut Correlator, number: u64, line: &[u8], events: &mut Drafts) {
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
        line: number,
        stream_key: 7,
        repeated: 1,
    };
    let line = postfix::parse(program.service, envelope.body);
    state.postfix(&at, &line, &NoLookup, events);
}
