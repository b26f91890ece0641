//! Measures what an event costs from the spool to a log file: reading, filtering, rendering, writing.
//!
//! `cargo run --release -p tidings-sink --example sink_bench [-- DIRECTORY [EVENTS]]`; the directory is
//! created below the given one (default: the current one) and removed at the end. The events are
//! synthetic mail sessions: a start with listener and client, 20 events of two to five pairs within the
//! span, an end; a line shows the pairs of the start, too, so about eight of them, some 270 bytes.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark may panic, and asks for the time"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tidings_event::text::{TextStyle, write_text};
use tidings_event::{EventRef, EventType, Header, Id, Key, Level, RecordWriter, Records};
use tidings_sink::feed::SpoolFeed;
use tidings_sink::{
    Batch, Cursors, Driver, DriverContext, Interest, LogFileSink, Outcome, Output, Report, Sink,
    settings,
};
use tidings_spool::{
    Batch as SpoolBatch, Clock, DiskBackend, Identity, Spool, SpoolConfig, SystemClock,
};

const EVENTS_DEFAULT: u64 = 1_000_000;
const FRAME_EVENTS: u64 = 512;
const LIMIT: Duration = Duration::from_secs(600);

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let parent = arguments
        .next()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let events = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(EVENTS_DEFAULT);
    let directory = parent.join(format!("sink-bench-{}", std::process::id()));
    print_machine();
    let (spool, sample) = fill(&directory, events);
    render(&sample);
    println!("{events} events through the spool; CPU of all threads");
    println!(
        "{:<44} {:>9} {:>9} {:>9}",
        "", "ns CPU/ev", "k ev/s", "bytes/ev"
    );
    for (name, level) in [
        ("nobody wants them (level error)", Level::Error),
        ("filtered and batched, nothing rendered", Level::Trace),
    ] {
        drive(&directory, &spool, name, level, events, Box::new(Nowhere));
    }
    for (name, change) in [
        ("log file", (|_| ()) as fn(&mut settings::LogFile)),
        ("log file, colours", |log| log.ansi = true),
        ("log file, a line for each pair", |log| log.multiline = true),
        ("log file, a new one each 16 MiB", |log| {
            log.rotate_bytes = Some(16 << 20)
        }),
    ] {
        let path = directory.join("logs");
        let mut log = settings::LogFile {
            ansi: false,
            ..settings::LogFile::new(&path)
        };
        change(&mut log);
        let sink = LogFileSink::new(&log, Arc::new(SystemClock::new()));
        drive(
            &directory,
            &spool,
            name,
            Level::Trace,
            events,
            Box::new(sink),
        );
        std::fs::remove_dir_all(&path).unwrap();
    }
    drop(spool);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Takes everything and does nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn deliver(&mut self, _: &Batch<'_>) -> Outcome {
        Outcome::Delivered
    }
}

fn drive(
    directory: &Path,
    spool: &Spool,
    name: &str,
    level: Level,
    events: u64,
    sink: Box<dyn Sink>,
) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let backend = Arc::new(DiskBackend::new(directory.join("cursors")).unwrap());
    let cursors = Arc::new(Cursors::open(backend, clock.clone(), 1).unwrap());
    let cursor = cursors.take(name, 1, 1);
    let feed = SpoolFeed::open(spool, 1).unwrap();
    let output = Output {
        name: name.to_owned(),
        interest: Interest::from_level(level),
        lossy: false,
        error_kind: EventType::TELEMETRY_LOG_ERROR,
        sink,
    };
    let context = DriverContext {
        clock,
        reporter: Arc::new(|report: Report| eprintln!("{report:?}")),
    };
    let (cpu, wall) = (cpu_ns(), Instant::now());
    let driver = Driver::start(output, Box::new(feed), Some(cursor), context).unwrap();
    let state = driver.state();
    assert!(driver.finish(LIMIT));
    let (cpu, wall) = (cpu_ns() - cpu, wall.elapsed());
    let stats = state.read();
    assert_eq!(stats.delivered + stats.unwanted, events, "{stats:?}");
    println!(
        "{name:<44} {:>9.0} {:>9.0} {:>9.0}",
        cpu as f64 / events as f64,
        events as f64 / wall.as_secs_f64() / 1e3,
        bytes_below(&directory.join("logs")) as f64 / events as f64
    );
}

/// Rendering alone, from memory: the best of many rounds, as it depends on nothing but the processor.
fn render(records: &[u8]) {
    let events: Vec<EventRef<'_>> = Records::new(records).map(Result::unwrap).collect();
    let mut out = Vec::with_capacity(8 << 20);
    let mut best = u64::MAX;
    for _ in 0..200 {
        let (cpu, mut start) = (cpu_ns(), None);
        out.clear();
        for event in &events {
            if event.kind().info().is_span_start() {
                start = Some(*event);
            }
            write_text(&mut out, event, start.as_ref(), &TextStyle::default());
        }
        best = best.min(cpu_ns() - cpu);
    }
    let count = events.len() as f64;
    println!(
        "write_text alone: {:.0} ns CPU and {:.0} bytes per event",
        best as f64 / count,
        out.len() as f64 / count
    );
}

fn fill(directory: &Path, events: u64) -> (Spool, Vec<u8>) {
    let backend = Arc::new(DiskBackend::new(directory.join("data")).unwrap());
    let identity = Identity {
        epoch: 1,
        origin: 1,
    };
    let clock = Arc::new(SystemClock::new());
    let opened = Spool::open(backend, clock, SpoolConfig::default(), identity).unwrap();
    let mut sample = Vec::new();
    for first in (0..events).step_by(usize::try_from(FRAME_EVENTS).unwrap()) {
        let mut records = Vec::new();
        let end = (first + FRAME_EVENTS).min(events);
        (first..end).for_each(|number| event(&mut records, number));
        if sample.len() < 1 << 20 {
            sample.extend_from_slice(&records);
        }
        let count = u32::try_from(end - first).unwrap();
        let batch = SpoolBatch::events(count, records);
        drop(opened.spool.append(batch).unwrap());
    }
    opened.spool.sync().unwrap();
    (opened.spool, sample)
}

/// The event of this number: sessions of 22 events.
fn event(out: &mut Vec<u8>, number: u64) {
    const SESSION: u64 = 22;
    let (session, at) = (number / SESSION, number % SESSION);
    let hash = session.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let kind = match at {
        0 => EventType::SMTP_CONNECTION_START,
        21 => EventType::SMTP_CONNECTION_END,
        at => EventType::from_name(
            [
                "smtp.ehlo",
                "smtp.spf-from-pass",
                "smtp.rcpt-to",
                "delivery.delivered",
                "auth.success",
            ][(at % 5) as usize],
        )
        .unwrap(),
    };
    let header = Header {
        level: Level::Info,
        span: Some(Id(283_726_100_000_000_000 + session)),
        ..Header::new(kind, 1_770_091_506_000_000_000 + number as i64 * 40_000)
    };
    let domain = format!("customer-{}.example.net", hash % 5_000);
    let mut writer = RecordWriter::begin(out, &header);
    match at {
        0 => writer
            .str(Key::LISTENER_ID, "submissions")
            .uint(Key::LOCAL_PORT, 465)
            .ip(Key::REMOTE_IP, IpAddr::V4(Ipv4Addr::from(hash as u32)))
            .uint(Key::REMOTE_PORT, 1024 + hash % 60_000),
        21 => writer.duration_ms(Key::ELAPSED, hash % 9_000),
        at => match at % 5 {
            0 => writer.str(Key::HOSTNAME, &domain),
            1 => writer
                .str(Key::DOMAIN, &domain)
                .str(Key::FROM, "bounce+5f3a@mail.example.org")
                .duration_ms(Key::ELAPSED, 9),
            2 => writer
                .texts(Key::TO, [format!("user{}@{domain}", hash % 977).as_str()])
                .str(Key::DOMAIN, &domain),
            3 => writer
                .str(Key::DOMAIN, &domain)
                .str(Key::HOSTNAME, "mx1.example.com")
                .uint(Key::CODE, 250)
                .str(Key::DETAILS, "250 2.0.0 Ok: queued as 4F0C2D11A9")
                .duration_ms(Key::ELAPSED, 210),
            _ => writer
                .str(Key::ACCOUNT_NAME, "alice@example.org")
                .uint(Key::ACCOUNT_ID, hash % 300_000)
                .duration_ms(Key::ELAPSED, 2),
        },
    };
    writer.finish();
}

fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn print_machine() {
    let source = vec![1_u8; 64 << 20];
    let mut target = vec![0_u8; 64 << 20];
    let watch = Instant::now();
    for _ in 0..8 {
        target.copy_from_slice(std::hint::black_box(&source));
        std::hint::black_box(&target);
    }
    let rate = (8 * source.len()) as f64 / watch.elapsed().as_secs_f64() / 1e9;
    println!("machine: memory copy {rate:.1} GB/s");
}
