//! The HTTP server over real sockets: what it takes, what it refuses, and what it does under load.

mod access;
mod jmap;
mod live;
mod metrics;
mod oauth;
mod requests;
mod rights;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tidings::meters::Meters;
use tidings_cli::SOCKET_NAME;
use tidings_engine::{Engine, EngineOptions, LiveOptions};
use tokio::sync::watch;

use super::{App, Front, Listeners, Tls};
use crate::clock::Watch;
use crate::console::Console;
use crate::live::Hub;
use crate::manage::{Access, Manager, Registry};
use crate::metrics::{Metrics, spawn_counting};
use crate::settings::{Settings, parse};
use crate::source::{Board, State};
use crate::stop::Stop;

const TOKEN: &str = "0123456789abcdef";

/// A server on a directory of its own.
struct Running {
    dir: TempDir,
    address: SocketAddr,
    app: Arc<App>,
    registry: Arc<Registry>,
    stop: watch::Sender<bool>,
    counting: Stop,
    thread: Option<JoinHandle<usize>>,
}

impl Running {
    fn with(settings: &str) -> Running {
        Running::started(settings, true)
    }

    fn started(settings: &str, is_live: bool) -> Running {
        let settings: Settings = parse("test.toml".as_ref(), settings).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(dir.path(), EngineOptions::default()).unwrap());
        let (console, _) = Console::start();
        let board = Arc::new(Board::default());
        board.update("/var/log/mail.log", |status| {
            status.state = State::Following;
            status.lines = 7;
        });
        board.complete();
        let meters = Arc::new(Meters::new(1_770_000_000_000_000_000));
        let registry = Arc::new(Registry::open(dir.path()).unwrap());
        let access = Access::open(dir.path(), Arc::clone(&registry)).unwrap();
        let manager = Manager::new(Arc::clone(&engine), Arc::new(access), settings.clone());
        let manager = Arc::new(manager.unwrap());
        let metrics = Metrics::new(meters, Arc::clone(&engine), settings.metrics);
        let metrics = Arc::new(metrics);
        let app = App::new(
            Arc::clone(&engine),
            board,
            Arc::clone(&metrics),
            manager,
            console,
            Front {
                tls: settings
                    .http
                    .tls
                    .as_ref()
                    .map(|tls| Tls::open(tls).unwrap()),
                http: settings.http,
            },
            settings.ingest,
        );
        let app = Arc::new(app);
        let counting = Stop::new().unwrap();
        if is_live {
            let live = Arc::new(engine.live(LiveOptions::default()).unwrap());
            spawn_counting(&live, metrics, app.console.clone(), counting.clone()).unwrap();
            let hub = Hub::start(live.shared_spool(), settings.live).unwrap();
            app.hub.set(Some(Arc::new(hub)));
            app.live.set(Some(live));
            while !app.is_ready() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let listeners = Listeners::open(&["127.0.0.1:0".parse().unwrap()], dir.path()).unwrap();
        let address = listeners.addresses().next().unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = Arc::clone(&app);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime
                .block_on(listeners.serve(serving, stopped, Duration::from_millis(500)))
                .unwrap()
        });
        Running {
            dir,
            address,
            app,
            registry,
            stop,
            counting,
            thread: Some(thread),
        }
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn socket(&self) -> UnixStream {
        UnixStream::connect(self.dir.path().join(SOCKET_NAME)).unwrap()
    }

    /// Sends a request by TCP; gives status and the rest of the answer.
    fn ask(&self, request: impl AsRef<[u8]>) -> (u16, String) {
        exchange(self.tcp(), request.as_ref())
    }

    /// Sends a request through the socket.
    fn ask_socket(&self, request: impl AsRef<[u8]>) -> (u16, String) {
        exchange(self.socket(), request.as_ref())
    }

    /// Tells the server to stop; gives how many requests were broken off.
    fn stop(&mut self) -> usize {
        self.counting.set();
        if let Some(hub) = self.app.hub.get() {
            hub.end();
        }
        self.stop.send(true).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> (u16, String) {
    stream.write_all(request).unwrap();
    read_answer(&mut stream)
}

fn read_answer(stream: &mut impl Read) -> (u16, String) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (status.parse().unwrap(), answer)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";

fn event(account: &str) -> String {
    format!(
        "{{\"type\":\"auth.failed\",\"createdAt\":\"2026-11-22T13:00:00Z\",\"data\":{{\"accountName\":\"{account}\"}}}}\n"
    )
}

/// Accounts of the events that the socket finds.
fn accounts(server: &Running) -> Vec<String> {
    let (status, answer) = server.ask_socket(get("/api/tidings/events?filter=type%3Aauth.failed"));
    assert_eq!(status, 200, "{answer}");
    let lines = answer.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| {
            event["data"]["accountName"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[test]
fn what_was_answered_200_is_durable_and_findable() {
    let server = Running::with("");
    let body = format!("{}\n{}", event("alice"), event("bob"));
    let (status, answer) = server.ask(post("/ingest", NDJSON, body.as_bytes()));
    assert_eq!(status, 200, "{answer}");
    assert!(answer.ends_with("{\"accepted\":2}\n"), "{answer}");
    let mut found = Vec::new();
    for _ in 0..100 {
        found = accounts(&server);
        if found.len() == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    found.sort();
    assert_eq!(found, ["alice", "bob"]);
}

#[test]
fn a_bad_line_is_named_and_nothing_of_its_body_is_taken() {
    let server = Running::with("");
    let body = format!(
        "{}\n\nnonsense\n{}",
        event("alice").trim_end(),
        event("bob")
    );
    let (status, answer) = server.ask(post("/ingest", NDJSON, body.as_bytes()));
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer.contains("\"message\":\"line 3: ") && answer.contains("\"line\":3"),
        "{answer}"
    );
    std::thread::sleep(Duration::from_millis(200));
    assert!(accounts(&server).is_empty());
}

#[test]
fn packed_bodies_are_taken_and_bombs_are_not() {
    let server = Running::with("[ingest]\nunpacked = \"1MiB\"\n");
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let (gzip_head, zstd_head) = (
        format!("{NDJSON}Content-Encoding: gzip\r\n"),
        format!("{NDJSON}Content-Encoding: zstd\r\n"),
    );
    let good = event("alice");
    let bomb = vec![b'\n'; 50 << 20];
    for (head, body, wanted) in [
        (&gzip_head, gzip(good.as_bytes()), 200),
        (&zstd_head, zstd(good.as_bytes()), 200),
        (&gzip_head, gzip(&bomb), 413),
        (&zstd_head, zstd(&bomb), 413),
        (&gzip_head, good.clone().into_bytes(), 400),
        (&gzip_head, gzip(good.as_bytes())[..20].to_vec(), 400),
        (&zstd_head, zstd(good.as_bytes())[..20].to_vec(), 400),
    ] {
        let (status, answer) = server.ask(post("/ingest", head, &body));
        assert_eq!(status, wanted, "{answer}");
    }
    let (status, answer) = server.ask(post(
        "/ingest",
        &format!("{NDJSON}Content-Encoding: br\r\n"),
        b"x",
    ));
    assert!(
        status == 415 && answer.contains("gzip, zstd or absent"),
        "{answer}"
    );
}

#[test]
fn limits_are_told() {
    let server =
        Running::with("[ingest]\nbody = \"2KiB\"\nunpacked = \"1KiB\"\nwaiting = \"4KiB\"\n");
    let (status, answer) = server.ask(post("/ingest", NDJSON, &[b'\n'; 3000]));
    assert!(
        status == 413 && answer.contains("2048 bytes allowed (ingest.body)"),
        "{answer}"
    );
    let (status, answer) = server.ask(post("/ingest", NDJSON, &[b'\n'; 1500]));
    assert!(
        status == 413 && answer.contains("(ingest.unpacked)"),
        "{answer}"
    );
    // Of unknown length.
    let chunk = format!("{:x}\r\n{}\r\n", 1000, "\n".repeat(1000));
    let chunked = format!(
        "POST /ingest HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{NDJSON}Connection: close\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(3)
    );
    assert_eq!(server.ask(chunked).0, 413);
    assert_eq!(
        server
            .ask(post("/ingest", "Content-Type: application/json\r\n", b"{}"))
            .0,
        415
    );
    assert_eq!(server.ask(post("/ingest", "", b"{}")).0, 415);
    assert_eq!(server.ask(get("/ingest")).0, 405);
    let (status, answer) = server.ask(get("/other"));
    assert!(
        status == 404 && answer.contains("there is nothing at /other here"),
        "{answer}"
    );
}

#[test]
fn who_is_refused_early_still_gets_the_answer() {
    let server = Running::with("");
    for _ in 0..20 {
        let mut stream = server.tcp();
        let head = format!(
            "POST /ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n{NDJSON}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // More than fits into the buffers between here and there.
        for _ in 0..64 {
            stream.write_all(&[b'\n'; 64 << 10]).unwrap();
        }
        assert_eq!(read_answer(&mut stream).0, 413);
    }
}

#[test]
fn bodies_that_wait_are_bounded_in_all() {
    let server = Running::with("[ingest]\nbody = \"4KiB\"\nwaiting = \"4KiB\"\n");
    // One that is received slowly has most of the room.
    let mut slow = server.tcp();
    let head = format!(
        "POST /ingest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 4000\r\n{NDJSON}\r\n"
    );
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&[b'\n'; 3900]).unwrap();
    let mut refused = String::new();
    for _ in 0..100 {
        let (status, answer) = server.ask(post("/ingest", NDJSON, &[b'\n'; 2000]));
        if status == 429 {
            refused = answer;
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(
        refused.to_lowercase().contains("retry-after: 1"),
        "{refused}"
    );
    slow.write_all(&[b'\n'; 100]).unwrap();
    assert_eq!(read_answer(&mut slow).0, 200);
    assert_eq!(
        server.ask(post("/ingest", NDJSON, &[b'\n'; 2000])).0,
        200,
        "the room is free again"
    );
}

#[test]
fn slow_clients_are_sent_away() {
    let server = Running::with("[http]\nhead_timeout = \"300ms\"\nbody_timeout = \"300ms\"\n");
    let watch = Watch::start();
    let mut silent = server.tcp();
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).unwrap();
    let mut half = server.tcp();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost: lo")
        .unwrap();
    half.read_to_end(&mut answer).unwrap();
    let mut body = server.tcp();
    body.write_all(&post("/ingest", NDJSON, &[b'\n'; 50])[..120])
        .unwrap();
    assert_eq!(read_answer(&mut body).0, 408);
    let mut idle = server.tcp();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(read_answer(&mut idle).0, 200);
    assert!(
        watch.elapsed() < Duration::from_secs(10),
        "{:?}",
        watch.elapsed()
    );
}

#[test]
fn connections_are_bounded() {
    let server = Running::with("[http]\nconnections = 2\n");
    let held = [server.tcp(), server.tcp()];
    let mut third = server.tcp();
    third
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    third.write_all(get("/healthz").as_bytes()).unwrap();
    let mut byte = [0];
    assert!(third.read(&mut byte).is_err(), "it waits");
    drop(held);
    third
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(read_answer(&mut third).0, 200);
}

#[test]
fn without_a_token_only_this_machine_s_names_pass() {
    let server = Running::with("");
    let named = |host: &str| {
        let request = String::from_utf8(post("/ingest", NDJSON, b"")).unwrap();
        server
            .ask(request.replace("Host: localhost", &format!("Host: {host}")))
            .0
    };
    assert_eq!(named("127.0.0.1:8686"), 200);
    assert_eq!(named("rebound.evil.test"), 421);
    assert_eq!(
        server.ask(get("/api/tidings/events")).0,
        401,
        "who searches says who they are"
    );
    let (status, answer) = server.ask(get("/readyz"));
    assert!(
        status == 200 && answer.contains("/var/log/mail.log"),
        "{answer}"
    );
}

#[test]
fn with_a_token_only_who_shows_it_passes() {
    let server = Running::with(&format!("[http]\ntoken = \"{TOKEN}\"\napi = true\n"));
    let with = |path: &str, token: &str| {
        server.ask(get(path).replace(
            "\r\n\r\n",
            &format!("\r\nAuthorization: Bearer {token}\r\n\r\n"),
        ))
    };
    assert_eq!(server.ask(get("/api/tidings/events")).0, 401);
    assert_eq!(with("/api/tidings/events", "0123456789abcdeX").0, 401);
    assert_eq!(with("/api/tidings/events", TOKEN).0, 200);
    assert_eq!(server.ask(post("/ingest", NDJSON, b"")).0, 401);
    assert_eq!(server.ask(get("/healthz")).0, 200);
    let (status, answer) = server.ask(get("/readyz"));
    assert!(status == 200 && !answer.contains("mail.log"), "{answer}");
    assert!(with("/readyz", TOKEN).1.contains("mail.log"));
    assert_eq!(
        server.ask_socket(get("/api/tidings/events")).0,
        200,
        "the socket needs none"
    );
}

#[test]
fn wrong_questions_are_answered_with_what_is_wrong() {
    let server = Running::with("");
    for (path, wanted) in [
        (
            "/api/tidings/messages?filter=nosuchfield%3Ax",
            "nosuchfield",
        ),
        ("/api/tidings/events?since=yesterday", "since: "),
        ("/api/tidings/events?limt=5", "limt"),
        (
            "/api/tidings/events?limit=many",
            r#"limit: \"many\" is not allowed; allowed is a whole number from 0 up"#,
        ),
        (
            "/api/tidings/events?raw=1",
            r#"raw: \"1\" is not allowed; allowed is true or false"#,
        ),
        (
            "/api/tidings/stats?tops=3",
            "there is no parameter `tops`; allowed are since, until, top",
        ),
        (
            "/api/tidings/story?limit=1",
            "the parameter `key` is missing",
        ),
        ("/api/tidings/story?key=a&key=b", "`key` is there twice"),
        ("/api/tidings/story", "key"),
    ] {
        let (status, answer) = server.ask_socket(get(path));
        assert!(
            status == 400 && answer.contains(wanted) && answer.contains("\"code\":\"usage\""),
            "{path}: {answer}"
        );
    }
    let (status, answer) = server.ask_socket(post("/api/tidings/repair", "", b"{}"));
    assert!(
        status == 409 && answer.contains("stop the server"),
        "{answer}"
    );
}

#[test]
fn files_are_imported_through_the_socket_only() {
    let server = Running::with(&format!("[http]\ntoken = \"{TOKEN}\"\napi = true\n"));
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/own/postfix-b.maillog_file.log");
    let corpus = std::fs::canonicalize(corpus).unwrap();
    let json = "Content-Type: application/json\r\n";
    let body =
        serde_json::json!({ "files": [corpus], "year": 2026, "timezone": "UTC", "force": false })
            .to_string();
    let by_tcp = format!("{json}Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(
        server
            .ask(post("/api/tidings/import", &by_tcp, body.as_bytes()))
            .0,
        403
    );
    let (status, answer) = server.ask_socket(post("/api/tidings/import", json, body.as_bytes()));
    assert_eq!(status, 200, "{answer}");
    let result = answer
        .lines()
        .rfind(|line| line.starts_with("{\"result\":"))
        .unwrap();
    let result: serde_json::Value = serde_json::from_str(result).unwrap();
    assert_eq!(result["result"]["lines"], 50);
    let (status, answer) = server.ask_socket(get("/api/tidings/messages?limit=2"));
    assert_eq!(
        (
            status,
            answer.lines().filter(|line| line.starts_with('{')).count()
        ),
        (200, 2),
        "{answer}"
    );

    let missing = serde_json::json!({ "files": ["/nonexistent.log"] }).to_string();
    let (status, answer) = server.ask_socket(post("/api/tidings/import", json, missing.as_bytes()));
    assert!(
        status == 200
            && answer.contains("cannot open /nonexistent.log")
            && answer.contains("the server reads it"),
        "{answer}"
    );
    let relative = serde_json::json!({ "files": ["mail.log"] }).to_string();
    assert_eq!(
        server
            .ask_socket(post("/api/tidings/import", json, relative.as_bytes()))
            .0,
        400
    );
}

#[test]
fn who_does_not_read_its_answer_holds_nothing_up() {
    let server = Running::with("[http]\nsearches = 1\nstall_timeout = \"300ms\"\n");
    let corpus =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/own/mail.rfc3339.log");
    let options = tidings_engine::ImportOptions::default();
    server
        .app
        .engine
        .import(&[corpus], &options, &mut |_| {})
        .unwrap();
    let mut stalled = server.socket();
    stalled
        .write_all(get("/api/tidings/events?raw=true").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let watch = Watch::start();
    let (status, _) = server.ask_socket(get("/api/tidings/events?limit=1"));
    assert_eq!(status, 200);
    assert!(
        watch.elapsed() < Duration::from_secs(8),
        "{:?}",
        watch.elapsed()
    );
    let mut answer = String::new();
    let _ = stalled.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.ends_with("\r\n0\r\n\r\n"));
    let (_, whole) = server.ask_socket(get("/api/tidings/events?raw=true"));
    assert!(whole.len() > answer.len() && whole.ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn before_it_has_recovered_it_says_so() {
    let server = Running::started("", false);
    assert_eq!(server.ask(get("/healthz")).0, 200);
    let (status, answer) = server.ask(get("/readyz"));
    assert!(
        status == 503 && answer.contains("\"isReady\":false"),
        "{answer}"
    );
    let (status, answer) = server.ask(post("/ingest", NDJSON, event("a").as_bytes()));
    assert!(
        status == 503 && answer.to_lowercase().contains("retry-after"),
        "{answer}"
    );
}

#[test]
fn a_stop_finishes_what_is_open_and_breaks_off_what_hangs() {
    let mut server = Running::with("");
    let mut open = server.tcp();
    let request = post("/ingest", NDJSON, event("alice").as_bytes());
    let (first, rest) = request.split_at(request.len() - 20);
    open.write_all(first).unwrap();
    let idle = server.tcp();
    std::thread::sleep(Duration::from_millis(100));
    server.stop.send(true).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    open.write_all(rest).unwrap();
    assert_eq!(read_answer(&mut open).0, 200);
    let address = server.address;
    assert_eq!(server.thread.take().unwrap().join().unwrap(), 0);
    assert!(TcpStream::connect(address).is_err());
    assert!(!server.dir.path().join(SOCKET_NAME).exists());
    drop(idle);

    let mut server = Running::with("");
    let mut hanging = server.tcp();
    hanging.write_all(first).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.stop(), 1);
}

#[test]
fn searches_beyond_the_limit_wait_and_then_are_refused() {
    let server = Running::with("[http]\nsearches = 1\n");
    let held = Arc::clone(&server.app.limits.searches)
        .try_acquire_owned()
        .unwrap();
    let mut waiting = server.socket();
    waiting
        .write_all(get("/api/tidings/events").as_bytes())
        .unwrap();
    let place = loop {
        std::thread::sleep(Duration::from_millis(10));
        let left = server.app.limits.waiting.available_permits();
        if left == super::WAITING_PER_SEARCH {
            break Arc::clone(&server.app.limits.waiting)
                .try_acquire_many_owned(u32::try_from(left).unwrap())
                .unwrap();
        }
    };
    let (status, answer) = server.ask_socket(get("/api/tidings/events"));
    assert!(
        status == 503 && answer.to_lowercase().contains("retry-after: 2"),
        "{answer}"
    );
    drop((held, place));
    assert_eq!(read_answer(&mut waiting).0, 200);
}
