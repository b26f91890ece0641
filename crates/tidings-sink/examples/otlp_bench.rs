//! How fast events go out to an OpenTelemetry collector that only counts: spool, driver, filter,
//! encoding, gzip and protocol included.
//!
//! `cargo run --release -p tidings-sink --example otlp_bench [EVENTS]`. The collector for HTTP is this
//! program started once more; with `TIDINGS_OTLP_PYTHON` set, gRPC is measured too, against
//! `tests/otlp_receiver.py`. CPU is that of this process, all its threads; the collector's is not in it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark stops where it cannot go on, and asks the clock"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use rustix::time::{ClockId, clock_gettime};
use tidings_event::{EventId, EventRef, EventType, Header, Id, Key, Level, RecordWriter};
use tidings_sink::otlp::{Identity, OtlpSink};
use tidings_sink::settings::Otel;
use tidings_sink::{
    BatchBuffer, Cursors, Driver, DriverContext, Interest, Output, Report, Sink, feed,
};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Batch as SpoolBatch, Spool, SpoolConfig, SystemClock};
use tidings_wire::otlp::{Origin, Request, Resource};
use tokio::runtime::{Builder, Handle};

const FRAME: u64 = 1_000;

fn main() {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("collector") {
        return collect();
    }
    let events: u64 = argument.map_or(2_000_000, |text| text.parse().unwrap());
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    encode(events.min(1_000_000));
    for (gzip, spans) in [(false, false), (true, false), (false, true), (true, true)] {
        let exe = std::env::current_exe().unwrap();
        let mut collector = Collector::start(Command::new(exe).arg("collector"));
        let url = format!("http://127.0.0.1:{}", collector.http);
        export("HTTP", &url, events, gzip, spans, runtime.handle());
        println!("    the collector counted {}", collector.finish());
    }
    let Some(python) = std::env::var_os("TIDINGS_OTLP_PYTHON") else {
        return println!("gRPC: not measured, as TIDINGS_OTLP_PYTHON is not set");
    };
    for gzip in [false, true] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp_receiver.py");
        let mut command = Command::new(&python);
        let mut collector = Collector::start(command.arg(script).arg("--count"));
        let url = format!("http://127.0.0.1:{}", collector.grpc);
        export("gRPC", &url, events, gzip, false, runtime.handle());
        println!("    the collector counted {}", collector.finish());
    }
}

/// Encoding alone, one thread.
fn encode(events: u64) {
    let records: Vec<u8> = (0..events.min(100_000)).flat_map(record).collect();
    let mut buffer = BatchBuffer::new();
    for (at, event) in tidings_event::Records::new(&records).enumerate() {
        buffer.push(&event.unwrap(), at as u64);
    }
    let origin = Origin::new(&Resource::new("tidings", "1"), "tidings", "1");
    let mut request = Request::new(&origin);
    let (begun, mut bytes, mut count) = (cpu(), 0, 0);
    while count < events {
        for item in buffer.batch().events() {
            request.push_log(&item.event, item.event.span(), 1_770_091_506_000_000_000);
            if request.len() == 8_192 {
                bytes += request.finish().as_bytes().len();
            }
            count += 1;
        }
    }
    bytes += request.finish().as_bytes().len();
    let spent = cpu() - begun;
    println!(
        "encoding alone: {:.0} ns a log record, {:.0} bytes each",
        spent.as_nanos() as f64 / count as f64,
        bytes as f64 / count as f64
    );
}

fn export(protocol: &str, url: &str, events: u64, gzip: bool, spans: bool, runtime: &Handle) {
    let clock = Arc::new(SystemClock::new());
    let backend = Arc::new(MemoryBackend::new());
    let identity = tidings_spool::Identity {
        epoch: 9,
        origin: 7,
    };
    let config = SpoolConfig::default();
    let spool = Spool::open(backend.clone(), clock.clone(), config, identity)
        .unwrap()
        .spool;
    let epoch = spool.identity().epoch;
    let cursors = Arc::new(Cursors::open(backend, clock.clone(), epoch).unwrap());
    let cursor = cursors.take("collector", 1, spool.head());
    let feed = feed::SpoolFeed::open(&spool, cursor.sequence()).unwrap();
    for first in (0..events).step_by(FRAME as usize) {
        let records: Vec<u8> = (first..first + FRAME).flat_map(record).collect();
        let batch = SpoolBatch::events(FRAME as u32, records);
        spool.append(batch).unwrap().wait().unwrap();
    }
    let mut settings = Otel::new(url);
    (settings.gzip, settings.spans) = (gzip, spans);
    let make = if protocol == "HTTP" {
        OtlpSink::http
    } else {
        OtlpSink::grpc
    };
    let identity = Identity::new("tidings", "1");
    let sink = make(
        "bench",
        &settings,
        &identity,
        clock.clone(),
        runtime.clone(),
    )
    .unwrap();
    let output = Output {
        name: "bench".to_owned(),
        interest: Interest::from_level(Level::Trace),
        lossy: false,
        error_kind: EventType::TELEMETRY_OTEL_EXPORTER_ERROR,
        sink: Box::new(sink) as Box<dyn Sink>,
    };
    let reporter = Arc::new(|report: Report| println!("    {report:?}"));
    let context = DriverContext { clock, reporter };
    let (began, cpu_before) = (Instant::now(), cpu());
    let driver = Driver::start(output, Box::new(feed), Some(cursor), context).unwrap();
    while driver.state().read().delivered < events {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (wall, spent) = (began.elapsed(), cpu() - cpu_before);
    assert!(driver.finish(Duration::from_secs(5)));
    println!(
        "{protocol}, gzip {}, {}: {:.0} ns CPU an event = {:.0} k/s per core; {:.0} k/s in all",
        if gzip { "on" } else { "off" },
        if spans { "logs and spans" } else { "logs" },
        spent.as_nanos() as f64 / events as f64,
        events as f64 / spent.as_secs_f64() / 1e3,
        events as f64 / wall.as_secs_f64() / 1e3,
    );
}

/// Sessions of eight events: five typed keys each, as a mail server has them.
fn record(number: u64) -> Vec<u8> {
    let kind = match number % 8 {
        0 => EventType::SMTP_CONNECTION_START,
        7 => EventType::SMTP_CONNECTION_END,
        _ => EventType::DELIVERY_DELIVERED,
    };
    let mut header = Header::new(kind, 1_770_091_506_000_000_000 + number as i64 * 1_000_000);
    header.span = Some(Id(283_726_100_000_001 + number / 8));
    header.event_id = Some(EventId { origin: 7, number });
    let mut out = Vec::with_capacity(128);
    RecordWriter::begin(&mut out, &header)
        .uint(Key::QUEUE_ID, 4_711_000_000 + number)
        .ip(Key::REMOTE_IP, [203, 0, 113, number as u8].into())
        .str(Key::HOSTNAME, "mx1.example.org")
        .str(Key::TO, &format!("user{}@example.net", number % 5_000))
        .duration_ms(Key::ELAPSED, number % 900)
        .finish();
    debug_assert!(EventRef::read(&out).is_ok());
    out
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A collector in a process of its own.
struct Collector {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    http: u64,
    grpc: u64,
}

impl Collector {
    fn start(command: &mut Command) -> Collector {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ports: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Collector {
            process,
            lines,
            http: ports["http"].as_u64().unwrap_or(0),
            grpc: ports["grpc"].as_u64().unwrap_or(0),
        }
    }

    /// What it counted.
    fn finish(&mut self) -> String {
        drop(self.process.stdin.take());
        let counted = self.lines.next().unwrap().unwrap();
        self.process.wait().unwrap();
        counted
    }
}

/// The collector for HTTP: reads requests, counts what is in them, answers 200.
fn collect() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{{\"http\": {}}}", listener.local_addr().unwrap().port());
    let counts = Arc::new(std::sync::Mutex::new((0u64, 0u64)));
    let counted = Arc::clone(&counts);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let counts = Arc::clone(&counted);
            std::thread::spawn(move || serve(stream, &counts));
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let (requests, items) = *counts.lock().unwrap();
    println!("{items} items in {requests} requests");
}

fn serve(stream: TcpStream, counts: &std::sync::Mutex<(u64, u64)>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let (mut body, mut plain) = (Vec::new(), Vec::new());
    loop {
        let (mut length, mut is_gzip, mut line) = (0, false, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let lower = line.trim_end().to_ascii_lowercase();
            if let Some(text) = lower.strip_prefix("content-length: ") {
                length = text.parse().unwrap();
            }
            is_gzip |= lower == "content-encoding: gzip";
            if lower.is_empty() {
                break;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).unwrap();
        let message = if is_gzip {
            plain.clear();
            GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
            &plain
        } else {
            &body
        };
        let items = count(message, 3);
        {
            let mut counts = counts.lock().unwrap();
            (counts.0, counts.1) = (counts.0 + 1, counts.1 + items);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        reader.get_mut().write_all(answer).unwrap();
    }
}

/// Counts the items of a request: fields 1 hold fields 2, which hold fields 2.
fn count(mut message: &[u8], depth: u32) -> u64 {
    let mut items = 0;
    while let [tag, rest @ ..] = message {
        message = rest;
        let length = varint(&mut message) as usize;
        let (inner, rest) = message.split_at(length);
        message = rest;
        match (tag, depth) {
            (0x12, 1) => items += 1,
            (0x0a, 3) | (0x12, 2) => items += count(inner, depth - 1),
            _ => {}
        }
    }
    items
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut at) = (0, 0);
    loop {
        let byte = bytes[at];
        number |= u64::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte & 0x80 == 0 {
            *bytes = &bytes[at..];
            return number;
        }
    }
}
