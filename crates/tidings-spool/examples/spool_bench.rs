//! Measures the spool on this machine: CPU time and bytes per event, with and without waiting.
//!
//! `cargo run --release -p tidings-spool --example spool_bench [-- DIRECTORY [EVENTS]]`; the
//! directory is created below the given one (default: the current one) and removed at the end.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark may panic, and asks for the time"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tidings_spool::{
    Backend, Batch, Delivery, DiskBackend, Identity, OpenMode, Opened, Spool, SpoolConfig,
    SystemClock,
};

const EVENTS_DEFAULT: u64 = 2_000_000;
const RECORD_BYTES: usize = 84;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let parent = arguments
        .next()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let events = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(EVENTS_DEFAULT);
    let directory = parent.join(format!("spool-bench-{}", std::process::id()));
    let backend = Arc::new(DiskBackend::new(&directory).unwrap());
    print_machine(backend.as_ref());

    let records = Records::new(events);
    println!("{events} events of {RECORD_BYTES} bytes; CPU of all threads");
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>8}",
        "", "µs CPU/ev", "k ev/s", "bytes/ev", "commits"
    );
    for batch in [1, 16, 256, 4096] {
        streaming(&backend, &records, batch);
    }
    for (threads, batch) in [(1, 256), (4, 256), (16, 16)] {
        waiting(&backend, &records, threads, batch);
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Appends without waiting for durability, then reads everything from memory and from disk.
fn streaming(backend: &Arc<DiskBackend>, records: &Records, batch: u64) {
    let (spool, events) = (open(backend), records.events);
    let meter = Meter::start();
    for first in (0..events).step_by(batch as usize) {
        drop(
            spool
                .append(records.batch(first..(first + batch).min(events)))
                .unwrap(),
        );
    }
    spool.sync().unwrap();
    meter.report(&format!("append, batches of {batch}"), events, Some(&spool));
    let meter = Meter::start();
    assert_eq!(read(&spool), events);
    meter.report("  read from disk", events, None);
    clear(backend, spool);
}

/// Several producers that each wait for every batch.
fn waiting(backend: &Arc<DiskBackend>, records: &Records, threads: u64, batch: u64) {
    let spool = open(backend);
    let events = (records.events / 10).min(threads * batch * 1000);
    let share = events / threads / batch;
    let meter = Meter::start();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let spool = &spool;
            scope.spawn(move || {
                for nth in 0..share {
                    let first = (thread * share + nth) * batch;
                    spool
                        .append(records.batch(first..first + batch))
                        .unwrap()
                        .wait()
                        .unwrap();
                }
            });
        }
    });
    let name = format!("durable, {threads} threads, batches of {batch}");
    meter.report(&name, share * threads * batch, Some(&spool));
    clear(backend, spool);
}

fn open(backend: &Arc<DiskBackend>) -> Spool {
    let identity = Identity {
        epoch: 1,
        origin: 1,
    };
    let config = SpoolConfig {
        disk_divisor: 0,
        tail_bytes: 0,
        ..SpoolConfig::default()
    };
    let Opened { spool, .. } = Spool::open(
        backend.clone(),
        Arc::new(SystemClock::new()),
        config,
        identity,
    )
    .unwrap();
    spool
}

fn read(spool: &Spool) -> u64 {
    let mut reader = spool.reader(1).unwrap();
    let mut events = 0;
    while let Some(delivery) = reader.next(Duration::ZERO).unwrap() {
        match delivery {
            Delivery::Frame(frame) => events += u64::from(frame.count()),
            Delivery::Gap(gap) => panic!("{gap:?}"),
        }
    }
    events
}

fn clear(backend: &DiskBackend, spool: Spool) {
    drop(spool);
    for (name, _) in backend.list(Path::new("spool")).unwrap() {
        backend.remove(&Path::new("spool").join(name)).unwrap();
    }
}

struct Meter {
    started: Instant,
    cpu: Duration,
}

impl Meter {
    fn start() -> Self {
        Self {
            started: Instant::now(),
            cpu: cpu_time(),
        }
    }

    fn report(&self, name: &str, events: u64, spool: Option<&Spool>) {
        let cpu = (cpu_time() - self.cpu).as_secs_f64() * 1e6 / events as f64;
        let rate = events as f64 / self.started.elapsed().as_secs_f64() / 1e3;
        print!("{name:<34} {cpu:>9.3} {rate:>9.0}");
        if let Some(stats) = spool.map(Spool::stats) {
            print!(
                " {:>9.1} {:>8}",
                stats.written_bytes as f64 / events as f64,
                stats.commits
            );
        }
        println!();
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

/// What the disk and the memory can do, so that figures of different machines can be compared.
fn print_machine(backend: &dyn Backend) {
    let file = backend.open(Path::new("probe"), OpenMode::Write).unwrap();
    let mut times: Vec<Duration> = (0..200)
        .map(|n| {
            file.write_all_at(&[7; 4096], n * 4096).unwrap();
            let started = Instant::now();
            file.sync().unwrap();
            started.elapsed()
        })
        .collect();
    backend.remove(Path::new("probe")).unwrap();
    times.sort_unstable();
    let source = vec![1_u8; 256 << 20];
    let mut target = vec![2_u8; 256 << 20];
    let started = Instant::now();
    target.copy_from_slice(&source);
    let copy = source.len() as f64 / started.elapsed().as_secs_f64() / 1e9;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "machine: {cores} cores, memory copy {copy:.1} GB/s, fdatasync of an appended 4 KiB p50 {:?}, p99 {:?}",
        times[100], times[198]
    );
    assert_eq!(target[1 << 20], 1);
}

/// Records as mail events look, made beforehand: a header, a session's id, a time that moves on,
/// an address of many, a host of few, a queue id, a reply.
struct Records {
    bytes: Vec<u8>,
    events: u64,
}

impl Records {
    fn new(events: u64) -> Self {
        let mut bytes = Vec::with_capacity(events as usize * RECORD_BYTES);
        let mut state = 42_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut sessions = [0_u64; 8];
        for n in 0..events {
            let lane = (random() % 8) as usize;
            if random() % 10 == 0 || sessions[lane] == 0 {
                sessions[lane] = random();
            }
            let kind = random() % 24;
            let start = bytes.len();
            bytes.extend_from_slice(&[RECORD_BYTES as u8, 0, kind as u8, 2]);
            bytes.extend_from_slice(&(1_704_067_200_000_000_000 + n * 1_031_017).to_le_bytes());
            bytes.extend_from_slice(&sessions[lane].to_le_bytes());
            let user = sessions[lane] % 20_000;
            let text = format!(
                "user{user:05}@domain{:03}.example \x02mx{} \x03{:08X} 250 ok",
                user % 400,
                lane,
                random() as u32
            );
            bytes.extend_from_slice(text.as_bytes());
            bytes.resize(start + RECORD_BYTES, b' ');
        }
        Self { bytes, events }
    }

    fn batch(&self, numbers: std::ops::Range<u64>) -> Batch {
        let at = |number: u64| number as usize * RECORD_BYTES;
        let count = u32::try_from(numbers.end - numbers.start).unwrap();
        Batch::events(
            count,
            self.bytes[at(numbers.start)..at(numbers.end)].to_vec(),
        )
    }
}
