//! Many live clients of a real server: how late events come, and what that takes.
//!
//! usage: live_bench [CLIENTS [EVENTS_PER_SECOND [SECONDS [THROTTLE_MS]]]]
//!
//! Starts the server that `TIDINGS` names (by default the one beside this program) on a new directory.
//! Each client has a filter of its own; events go in as `POST /ingest`, each for one client. An event
//! carries when it was sent, so what is measured includes its way into the spool. One more client
//! never reads. This program takes its share of the machine, too.

#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tokio::net::UnixStream as Stream;

type Any = Box<dyn Error + Send + Sync>;

/// Requests a second.
const BATCHES: u64 = 50;

fn main() -> Result<(), Any> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut number = |usual| numbers.next().unwrap_or(Ok(usual));
    let plan = Plan {
        clients: number(1_000)?,
        rate: number(20_000)?,
        seconds: number(60)?,
        throttle_ms: number(1_000)?,
    };
    // The server inherits it.
    let limit = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, limit)?;
    let dir = tempfile::tempdir()?;
    let mut server = Server::start(dir.path())?;
    let result = plan.run(&server);
    server.stop()?;
    result
}

struct Plan {
    clients: u64,
    rate: u64,
    seconds: u64,
    throttle_ms: u64,
}

struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    fn start(dir: &Path) -> Result<Server, Any> {
        let beside = std::env::current_exe()?.with_file_name("../tidings");
        let program = std::env::var_os("TIDINGS").map_or(beside, PathBuf::from);
        let config = dir.join("tidings.toml");
        std::fs::write(
            &config,
            "[http]\nlisten = []\n[console]\nlevel = \"off\"\n[live]\nclients = 5000\n\
             [[source]]\npaths = [\"/nonexistent/mail.log\"]\n",
        )?;
        let child = Command::new(program)
            .arg("--data")
            .arg(dir.join("data"))
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()?;
        let server = Server {
            child,
            socket: dir.join("data/tidings.sock"),
        };
        for _ in 0..500 {
            if server
                .ask("GET /readyz", "")
                .is_ok_and(|answer| answer.contains(" 200 "))
            {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the server does not get ready".into())
    }

    fn ask(&self, what: &str, body: &str) -> Result<String, Any> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let length = body.len();
        write!(
            stream,
            "{what} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn stop(&mut self) -> Result<(), Any> {
        let started = Instant::now();
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        self.child.wait()?;
        println!("stopped within {} ms", started.elapsed().as_millis());
        Ok(())
    }

    /// CPU seconds of a thread by name; of all without one, also of those that ended.
    fn cpu(&self, thread: Option<&str>) -> f64 {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let parts = match thread {
            Some(_) => {
                let tasks = std::fs::read_dir(process.join("task"));
                let tasks = tasks.into_iter().flatten().flatten();
                tasks.map(|task| task.path()).collect()
            }
            None => vec![process],
        };
        let ticks: u64 = parts
            .iter()
            .filter_map(|part| std::fs::read_to_string(part.join("stat")).ok())
            .filter_map(|stat| {
                let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
                let fields: Vec<_> = rest.split_whitespace().collect();
                let ticks =
                    fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
                thread.is_none_or(|thread| thread == name).then_some(ticks)
            })
            .sum();
        ticks as f64 / 100.0
    }

    fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    }
}

impl Plan {
    fn run(&self, server: &Server) -> Result<(), Any> {
        let Plan {
            clients,
            rate,
            seconds,
            throttle_ms,
        } = self;
        println!("{clients} clients, {rate} events/s for {seconds} s, throttle {throttle_ms} ms");
        let seen = Arc::new(Seen::default());
        let epoch = Instant::now();
        let mut stalled = UnixStream::connect(&server.socket)?;
        stalled
            .write_all(b"GET /api/live/tracing?throttle=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let reading = {
            let (seen, socket) = (Arc::clone(&seen), server.socket.clone());
            let (clients, throttle_ms) = (*clients, *throttle_ms);
            std::thread::spawn(move || read_all(&socket, clients, throttle_ms, &seen, epoch))
        };
        while seen.open.load(Ordering::Relaxed) < *clients {
            if reading.is_finished() {
                return Err("a client could not connect".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("connected within {} ms", epoch.elapsed().as_millis());
        let before = (server.cpu(None), server.cpu(Some("live")), Instant::now());
        let sent = self.feed(server, epoch)?;
        let wall = before.2.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_millis(throttle_ms + 1_500));
        let cores = |now: f64, before: f64| (now - before) / wall;
        println!(
            "server: {:.2} cores, thread `live` {:.2} cores, peak RSS {} MiB",
            cores(server.cpu(None), before.0),
            cores(server.cpu(Some("live")), before.1),
            server.peak_mib()
        );
        let mut late = std::mem::take(&mut *seen.late.lock().map_err(|_| "a reader panicked")?);
        late.sort_unstable();
        let at = |share: f64| {
            late.get((late.len() as f64 * share) as usize)
                .map_or(0, |late| late / 1000)
        };
        println!(
            "{sent} events sent in {wall:.1} s, {} received, {} in gaps; sent → client: median {} ms, p99 {} ms, most {} ms",
            late.len(),
            seen.gaps.load(Ordering::Relaxed),
            at(0.5),
            at(0.99),
            late.last().map_or(0, |late| late / 1000)
        );
        let metrics = server.ask("GET /metrics", "")?;
        for line in metrics
            .lines()
            .filter(|line| line.starts_with("tidings_live_"))
        {
            println!("{line}");
        }
        drop(stalled);
        Ok(())
    }

    /// Sends the events, evenly; gives how many.
    fn feed(&self, server: &Server, epoch: Instant) -> Result<u64, Any> {
        let started = Instant::now();
        let mut sent = 0;
        for batch in 0..self.seconds * BATCHES {
            let due = started + Duration::from_millis(batch * 1000 / BATCHES);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut body = String::new();
            let now_us = epoch.elapsed().as_micros();
            for _ in 0..self.rate / BATCHES {
                let client = sent % self.clients;
                writeln!(
                    body,
                    "{{\"type\":\"delivery.delivered\",\"data\":{{\"from\":\"list@sender.test\",\"to\":\"user{client}@client{client}.test\",\
                     \"hostname\":\"mx.client.test\",\"code\":250,\"details\":\"2.0.0 Ok: queued\",\"queueName\":\"at={now_us};\",\
                     \"remoteIp\":\"192.0.2.7\",\"size\":12345,\"elapsed\":817}}}}"
                )?;
                sent += 1;
            }
            let answer = server.ask("POST /ingest", &body)?;
            if !answer.contains(" 200 ") {
                return Err(answer.into());
            }
        }
        Ok(sent)
    }
}

/// What all clients saw.
#[derive(Default)]
struct Seen {
    open: AtomicU64,
    gaps: AtomicU64,
    /// Microseconds.
    late: Mutex<Vec<u64>>,
}

fn read_all(
    socket: &Path,
    clients: u64,
    throttle_ms: u64,
    seen: &Arc<Seen>,
    epoch: Instant,
) -> Result<(), Any> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for client in 0..clients {
            let stream = Stream::connect(socket).await?;
            let request = format!(
                "GET /api/live/tracing?to=@client{client}.test&throttle={throttle_ms} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            );
            stream.writable().await?;
            stream.try_write(request.as_bytes())?;
            let seen = Arc::clone(seen);
            tokio::spawn(async move { read(stream, &seen, epoch).await });
            tokio::task::yield_now().await;
        }
        std::future::pending::<Result<(), Any>>().await
    })
}

async fn read(stream: Stream, seen: &Seen, epoch: Instant) {
    let mut buffer = vec![0; 64 << 10];
    let mut kept: Vec<u8> = Vec::new();
    let mut is_open = false;
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => kept.extend_from_slice(&buffer[..length]),
            Err(_) => continue,
        }
        let now_us = epoch.elapsed().as_micros() as u64;
        // Whole frames; what is behind them waits for its rest.
        let Some(end) = kept.windows(2).rposition(|end| end == b"\n\n") else {
            continue;
        };
        let rest = kept.split_off(end + 2);
        let frames = String::from_utf8_lossy(&kept);
        if !is_open && frames.contains("event: ping") {
            is_open = true;
            seen.open.fetch_add(1, Ordering::Relaxed);
        }
        let gaps = frames.matches("event: gap").count() as u64;
        seen.gaps.fetch_add(gaps, Ordering::Relaxed);
        let marks = frames.split("\"at=").skip(1);
        let sent = marks.filter_map(|mark| mark.split_once(';')?.0.parse::<u64>().ok());
        let late: Vec<u64> = sent.map(|sent| now_us.saturating_sub(sent)).collect();
        kept = rest;
        if let Ok(mut all) = seen.late.lock() {
            all.extend(late);
        }
    }
}
