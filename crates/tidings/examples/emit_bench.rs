//! What emitting an event costs: nanoseconds in the emitting thread, and CPU in all threads.
//!
//! `cargo run --release -p tidings --example emit_bench [EVENTS]`
//!
//! Five typed keys (number, address, static text, short text, duration) to a subscriber that counts.
//! In the emitting thread: bursts of 64 events, timed one by one, with a pause after each 1,024 so
//! that the collector keeps up; the median of all bursts. CPU: EVENTS (default 8 million) without a
//! pause, threads wait when their rings are full, so that nothing is lost; user and system time of
//! the process, all threads. Then events that nobody wants, and the same through `tracing` with a
//! non-blocking writer.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tidings::{Interest, Level, Received, Settings, Subscription, WhenFull, emit};

const LONG: Duration = Duration::from_secs(60);
const BURST: usize = 64;

fn main() {
    let events: u64 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(8_000_000);
    println!("{} events, load {}", events, load());
    for threads in [1, 2] {
        emitting(threads);
        sustained(threads as u64, events);
    }
    unwanted();
    by_tracing(events / 8);
}

#[inline(never)]
fn one(number: u64) {
    let ip = IpAddr::V4(Ipv4Addr::from(0xc000_0200 | number as u32 & 0xff));
    let short = ["alice", "bob", "carol@example.org", "dan"][number as usize & 3];
    emit!(
        Smtp::Ehlo,
        queue_id = number,
        remote_ip = ip,
        listener_id = "submission",
        domain = black_box(short),
        elapsed = Duration::from_millis(number & 1023),
    );
}

struct Running {
    telemetry: tidings::Telemetry,
    counter: thread::JoinHandle<()>,
    counted: Arc<AtomicU64>,
}

fn start() -> Running {
    let settings = Settings {
        when_full: WhenFull::Block { limit: LONG },
        ..Settings::default()
    };
    let telemetry = tidings::start(settings).expect("nothing else runs it");
    let subscription = Subscription::new("counter").interest(Interest::all());
    let mut subscriber = telemetry
        .subscribe(subscription)
        .expect("it is the first subscriber");
    let counted = Arc::new(AtomicU64::new(0));
    let sum = counted.clone();
    let counter = thread::spawn(move || {
        loop {
            match subscriber.next(LONG) {
                Received::Batch(batch) => {
                    sum.fetch_add(batch.len() as u64, Ordering::Relaxed);
                }
                Received::TimedOut => {}
                Received::Closed => return,
            }
        }
    });
    Running {
        telemetry,
        counter,
        counted,
    }
}

impl Running {
    fn stop(self, expected: u64) {
        self.telemetry.shutdown(LONG).expect("in time");
        self.counter.join().expect("the counter does not panic");
        let counted = self.counted.load(Ordering::Relaxed);
        assert_eq!(counted, expected, "events are missing");
    }
}

fn emitting(threads: usize) {
    const BURSTS: usize = 20_000;
    let running = start();
    let barrier = Barrier::new(threads);
    let times: Vec<u64> = thread::scope(|scope| {
        let work = || {
            barrier.wait();
            bursts(BURSTS)
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let times = handles
            .into_iter()
            .flat_map(|h| h.join().expect("no panic"));
        times.collect()
    });
    running.stop((threads * BURSTS * BURST) as u64);
    show(
        &format!("{threads} thread(s), in the emitting thread"),
        times,
    );
}

fn bursts(count: usize) -> Vec<u64> {
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let begun = Instant::now();
        for at in 0..BURST {
            one((number * BURST + at) as u64);
        }
        times.push(begun.elapsed().as_nanos() as u64);
        if number % 16 == 15 {
            thread::sleep(Duration::from_micros(100));
        }
    }
    times
}

fn show(what: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize] as f64 / BURST as f64;
    println!(
        "  {what:<52} median {:6.1} ns, 10 % {:.1}, 90 % {:.1}, 99 % {:.1}",
        at(0.5),
        at(0.1),
        at(0.9),
        at(0.99)
    );
}

fn sustained(threads: u64, events: u64) {
    let running = start();
    let (begun, cpu) = (Instant::now(), cpu_ns());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..events / threads).for_each(one));
        }
    });
    running.telemetry.flush(LONG).expect("in time");
    let (wall, cpu) = (begun.elapsed(), cpu_ns() - cpu);
    running.stop(events / threads * threads);
    println!(
        "  {:<52} {:6.1} ns an event, {:.1} M events/s, nothing lost",
        format!("{threads} thread(s), CPU in all"),
        cpu as f64 / events as f64,
        events as f64 / wall.as_secs_f64() / 1e6
    );
}

fn unwanted() {
    plain("an empty loop", |_| ());
    let run = |meters: bool| {
        let settings = Settings {
            meters,
            ..Settings::default()
        };
        let telemetry = tidings::start(settings).expect("nothing else runs it");
        let errors = Subscription::new("errors").interest(Interest::level(Level::Error));
        let subscriber = telemetry.subscribe(errors).expect("there is room");
        (telemetry, subscriber)
    };
    let running = run(true);
    plain("unwanted (smtp.raw-input)", |number| {
        emit!(Smtp::RawInput, size = number);
    });
    plain("unwanted but counted (auth.success)", |number| {
        emit!(Auth::Success, size = number);
    });
    drop(running);
}

/// The best of ten rounds, as a round that the system interrupts says nothing.
fn plain(what: &str, each: impl Fn(u64)) {
    const COUNT: u64 = 10_000_000;
    let round = |_| {
        let begun = Instant::now();
        for number in 0..COUNT {
            each(black_box(number));
        }
        begun.elapsed()
    };
    let best = (0..10).map(round).min().unwrap_or_default();
    let nanos = best.as_nanos() as f64 / COUNT as f64;
    println!("  {what:<52} {nanos:6.2} ns");
}

fn by_tracing(events: u64) {
    let file = fs::File::options()
        .write(true)
        .open("/dev/null")
        .expect("/dev/null is there");
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .lossy(false)
        .finish(file);
    let subscriber = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(false)
        .finish();
    let each = |number: u64| {
        let ip = IpAddr::V4(Ipv4Addr::from(0xc000_0200 | number as u32 & 0xff));
        let short = ["alice", "bob", "carol@example.org", "dan"][number as usize & 3];
        tracing::info!(
            queue_id = number,
            remote_ip = %ip,
            listener_id = "submission",
            domain = black_box(short),
            elapsed = ?Duration::from_millis(number & 1023),
            "ehlo"
        );
    };
    tracing::subscriber::with_default(subscriber, || {
        let cpu = cpu_ns();
        let mut times = Vec::new();
        for number in 0..events / BURST as u64 {
            let begun = Instant::now();
            (0..BURST as u64).for_each(|at| each(number + at));
            times.push(begun.elapsed().as_nanos() as u64);
            if number % 16 == 15 {
                thread::sleep(Duration::from_micros(100));
            }
        }
        drop(guard);
        let cpu = (cpu_ns() - cpu) as f64 / events as f64;
        show("tracing, fmt to a non-blocking writer", times);
        println!("  {:<52} {cpu:6.1} ns an event", "tracing, CPU in all");
    });
}

/// User and system time of the process so far; Linux counts it in hundredths of a second.
fn cpu_ns() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(") ").next().expect("the form of the file");
    let mut fields = after_name.split(' ').skip(11);
    let mut ticks = || fields.next().and_then(|text| text.parse::<u64>().ok());
    let ticks = ticks().zip(ticks()).expect("the form of the file");
    (ticks.0 + ticks.1) * 10_000_000
}

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").expect("Linux");
    load.split(' ').next().unwrap_or_default().to_owned()
}
