//! How long it takes to read envelopes, resolve times, and read Dovecot's statements.
//!
//! `cargo run --release -p tidings-mail --example envelope_bench [FILES…]`: each file is read into
//! memory and passed over several times; the best pass counts. Without files, lines are made up.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tidings_mail::dovecot;
use tidings_mail::envelope::{Clock, ClockSettings, Family, Format, Zone, read};

const PASSES: usize = 7;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        for (name, lines) in made_up() {
            report(name, &lines);
        }
    }
    for file in files {
        match std::fs::read(&file) {
            Ok(text) => report(&file, &text),
            Err(error) => println!("{file}: {error}"),
        }
    }
}

/// A hundred thousand lines of the two common shapes.
fn made_up() -> [(&'static str, Vec<u8>); 2] {
    let mut old = Vec::new();
    let mut new = Vec::new();
    for n in 0..100_000_u32 {
        let (minute, second) = (n / 60 % 60, n % 60);
        let text = "mx postfix/smtpd[725]: connect from out.sender.test[198.51.100.7]\n";
        old.extend(format!("Nov 22 13:{minute:02}:{second:02} {text}").into_bytes());
        let stamp = format!("2026-11-22T13:{minute:02}:{second:02}.{n:06}+00:00");
        new.extend(format!("{stamp} {text}").into_bytes());
    }
    [("RFC 3164, made up", old), ("RFC 3339, made up", new)]
}

fn report(name: &str, text: &[u8]) {
    let lines: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .filter(|l| !l.is_empty())
        .collect();
    let hint = Format::detect(lines.iter().take(100).copied());
    let mut scratch = Vec::new();
    let envelope = best(|| {
        let mut hint = hint;
        for line in &lines {
            let envelope = read(line, hint, &mut scratch);
            hint = envelope.format;
            black_box(&envelope);
        }
    });
    let timed = best(|| {
        let mut hint = hint;
        let settings = ClockSettings {
            zone: Zone::Utc,
            year: None,
            reference_ns: 1_800_000_000_000_000_000,
        };
        let mut clock = Clock::new(settings);
        for line in &lines {
            let envelope = read(line, hint, &mut scratch);
            hint = envelope.format;
            black_box(clock.resolve(&envelope.stamp));
            black_box(&envelope);
        }
    });
    let count = lines.len().max(1);
    let each = |time: Duration| time.as_secs_f64() * 1e9 / count as f64;
    println!(
        "{name}: {count} lines, {hint:?}: envelope {:.0} ns, with time {:.0} ns a line",
        each(envelope),
        each(timed)
    );
    dovecot_report(&lines, hint);
}

fn dovecot_report(lines: &[&[u8]], hint: Format) {
    let mut scratch = Vec::new();
    let mut own = Vec::new();
    for line in lines {
        let envelope = read(line, hint, &mut scratch);
        if envelope.program().family == Family::Dovecot {
            own.push((envelope.body.to_vec(), envelope.own_file));
        }
    }
    if own.is_empty() {
        return;
    }
    let time = best(|| {
        for (body, own_file) in &own {
            black_box(dovecot::parse(body, *own_file));
        }
    });
    let each = time.as_secs_f64() * 1e9 / own.len() as f64;
    println!(
        "  Dovecot: {} lines, statement {each:.0} ns a line",
        own.len()
    );
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn best(mut pass: impl FnMut()) -> Duration {
    (0..PASSES)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}
