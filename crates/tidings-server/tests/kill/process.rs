//! The program as a process: started, killed, asked; and what a data directory then shows.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tidings_engine::{Engine, EngineOptions, LiveOptions};

use super::world::Shown;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program on a data directory, with nothing of the surroundings that could change what it does.
pub(crate) fn tidings(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.arg("--data").arg(data).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    for name in ["TIDINGS_DATA", "TIDINGS_TOKEN", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub(crate) fn run(data: &Path, args: &[&str]) -> Output {
    let mut command = tidings(data, args);
    command.stderr(Stdio::piped()).output().unwrap()
}

/// Starts the server; what it says is added to `said`.
pub(crate) fn serve(data: &Path, settings: &Path, said: &Path) -> Child {
    let said = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(said)
        .unwrap();
    let mut command = tidings(data, &["serve", "--config", settings.to_str().unwrap()]);
    command.stderr(said).spawn().unwrap()
}

/// Kills a process as the kernel does, without a word.
pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Tells the server to stop, and waits for it.
pub(crate) fn stop(mut child: Child) {
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(
        child.wait().unwrap().success(),
        "the server did not end well"
    );
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server said that it has it.
    Acknowledged,
    /// Nobody knows.
    Unknown,
    /// The server said that it does not take it, or there was none.
    Refused,
}

/// Ingests a body through the server's socket.
pub(crate) fn ingest(data: &Path, body: &str) -> Answer {
    let head = format!(
        "POST /ingest HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}",
        body.len()
    );
    let Some(answer) = exchange(data, &head, body) else {
        return Answer::Refused;
    };
    match answer.get(..12) {
        Some("HTTP/1.1 200") => Answer::Acknowledged,
        Some("HTTP/1.1 503" | "HTTP/1.1 429") => Answer::Refused,
        None => Answer::Unknown,
        Some(_) => panic!("{answer}"),
    }
}

/// Whether the server follows its log: from then on it knows where it began.
pub(crate) fn is_following(data: &Path) -> bool {
    exchange(data, "GET /readyz HTTP/1.1", "")
        .is_some_and(|answer| answer.contains("\"state\":\"following\""))
}

/// What the server answers, as far as it does; `None` if nobody listens.
fn exchange(data: &Path, head: &str, body: &str) -> Option<String> {
    let mut stream = UnixStream::connect(data.join("tidings.sock")).ok()?;
    let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n{body}");
    let mut answer = Vec::new();
    // A server that is killed breaks the connection off.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Waits until searches of the running server find so many lines.
pub(crate) fn wait_for_lines(data: &Path, lines: usize, round: &str, said: &Path) {
    let begun = Instant::now();
    loop {
        let found = run(data, &["events", "--json", "--raw", "--limit", "0"]);
        let text = String::from_utf8_lossy(&found.stdout);
        let count = text.matches("\"raw\":").count();
        if count >= lines {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{round}: {count} of {lines} lines\n{}",
            std::fs::read_to_string(said).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes sure that `tidings verify` finds nothing wrong.
pub(crate) fn verify(data: &Path, round: &str) {
    let output = run(data, &["verify"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("all is well"),
        "{round}: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Everything in a data directory that no process has open.
pub(crate) fn shown(data: &Path) -> Shown {
    let engine = Arc::new(Engine::open(data, EngineOptions::default()).unwrap());
    let live = engine.live(LiveOptions::default()).unwrap();
    let begun = Instant::now();
    while !engine.is_ready() || live.history_lag() > 0 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", engine.take_notes());
        std::thread::sleep(Duration::from_millis(1));
    }
    let shown = Shown::of(&engine);
    live.shutdown().unwrap();
    shown
}
