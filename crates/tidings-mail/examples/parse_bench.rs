//! How many Postfix lines one core parses in a second.
//!
//! `zcat postfix-volume.log.gz | cargo run --release -p tidings-mail --example parse_bench`
//!
//! Reads log lines (RFC 3164 or RFC 3339 headers) from standard input, or from the file named,
//! and prints the facts of the machine first. The lines are in memory before the clock starts.

#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]

use std::hint::black_box;
use std::io::Read;
use std::time::Instant;

use tidings_mail::envelope::{self, Format};
use tidings_mail::postfix::{self, Says};

/// Passes over the lines; the fastest counts, as the others shared the machine.
const PASSES: usize = 7;

fn main() -> std::io::Result<()> {
    print_machine();
    let mut log = Vec::new();
    match std::env::args_os().nth(1) {
        Some(path) => std::fs::File::open(path)?.read_to_end(&mut log)?,
        None => std::io::stdin().lock().read_to_end(&mut log)?,
    };
    let lines: Vec<&[u8]> = log
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let bodies: Vec<(&[u8], &[u8])> = lines.iter().filter_map(|line| split(line)).collect();
    println!(
        "input: {} lines, {} bytes, {} of Postfix",
        lines.len(),
        log.len(),
        bodies.len()
    );
    let unrecognised = bodies
        .iter()
        .filter(|(service, body)| unrecognised(service, body))
        .count();
    println!("unrecognised: {unrecognised}");
    time("statement", bodies.len(), || {
        for (service, body) in &bodies {
            black_box(postfix::parse(black_box(service), black_box(body)));
        }
    });
    let mut scratch = Vec::new();
    let mut format = Format::Unknown;
    time("envelope, program and statement", lines.len(), || {
        for line in &lines {
            let envelope = envelope::read(black_box(line), format, &mut scratch);
            format = envelope.format;
            let service = envelope.program().service;
            black_box((envelope.stamp, envelope.host, envelope.pid));
            black_box(postfix::parse(service, envelope.body));
        }
    });
    Ok(())
}

fn unrecognised(service: &[u8], body: &[u8]) -> bool {
    postfix::parse(service, body).says == Says::Unrecognised
}

/// Runs `work` several times and prints the best rate.
fn time(what: &str, lines: usize, mut work: impl FnMut()) {
    let best = (0..PASSES)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .expect("there is at least one pass");
    let nanos = best.as_nanos().max(1);
    let rate = lines as u128 * 1_000_000_000 / nanos;
    println!(
        "{what}: {rate} lines/s, {} ns a line ({PASSES} passes, best)",
        nanos / lines.max(1) as u128
    );
}

/// Service and text of a line of Postfix: cuts at the tag, without reading time and host.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memmem::find(line, b": ")?;
    let tag = line[..colon].rsplit(|byte| *byte == b' ').next()?;
    let name = tag.split(|byte| *byte == b'[').next()?;
    let service = name.rsplit(|byte| *byte == b'/').next()?;
    name.starts_with(b"postfix")
        .then_some((service, &line[colon + 2..]))
}

/// Processor, its count, memory, kernel and build, as far as the system tells.
fn print_machine() {
    let field = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default();
        line.split(':')
            .nth(1)
            .map(|value| value.trim().to_owned())
            .unwrap_or_default()
    };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!(
        "processor: {} x {processors}",
        field("/proc/cpuinfo", "model name")
    );
    println!("memory: {}", field("/proc/meminfo", "MemTotal"));
    println!("kernel: {}", kernel.trim());
    println!(
        "build: {}",
        if cfg!(debug_assertions) {
            "debug (no benchmark)"
        } else {
            "release"
        }
    );
}
