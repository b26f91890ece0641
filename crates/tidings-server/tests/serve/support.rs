//! Starts the program, writes mail logs, and asks as an admin would.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The program, with nothing of the surroundings that could change what it does.
pub(crate) fn tidings(args: &[&str]) -> Command {
    tidings_at(Path::new(env!("CARGO_BIN_EXE_tidings")), args)
}

fn tidings_at(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    for name in [
        "TIDINGS_DATA",
        "TIDINGS_TOKEN",
        "NOTIFY_SOCKET",
        "NO_COLOR",
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    tidings(args).output().unwrap()
}

/// What a finished program said on its standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory with a data directory, a log folder and a settings file.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(place.path("log")).unwrap();
        place
    }

    /// Lets every user into the place, and puts the program there: builds may lie where only
    /// their owner comes.
    pub(crate) fn open_to_all(&self) {
        use std::os::unix::fs::PermissionsExt;
        let all = || std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.dir.path(), all()).unwrap();
        let program = self.path("tidings");
        std::fs::copy(env!("CARGO_BIN_EXE_tidings"), &program).unwrap();
        std::fs::set_permissions(program, all()).unwrap();
    }

    /// The program, as every user may run it in a place that is [open](Self::open_to_all).
    pub(crate) fn tidings(&self, args: &[&str]) -> Command {
        let program = self.path("tidings");
        if program.exists() {
            tidings_at(&program, args)
        } else {
            tidings(args)
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> String {
        self.path("data").to_str().unwrap().to_owned()
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path("log/mail.log")
    }

    /// Settings that follow the log from its beginning, and more.
    pub(crate) fn following(&self, more: &str) -> String {
        let log = self.log();
        format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[[source]]\npaths = {:?}\nstart = \"beginning\"\n{more}",
            log.to_str().unwrap()
        )
    }

    pub(crate) fn serve(&self, settings: &str) -> Server {
        Server::start(self, settings, |_| ())
    }

    /// Runs a verb on the data directory; it must succeed or find nothing.
    pub(crate) fn ask(&self, args: &[&str]) -> String {
        let mut all = vec!["--data"];
        let data = self.data();
        all.push(&data);
        all.extend(args);
        let output = run(&all);
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{args:?}: {}",
            stderr(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Recipients of deliveries, sorted: each as often as there is an event of it.
    pub(crate) fn delivered(&self) -> Vec<String> {
        let found = self.ask(&[
            "events",
            "type:delivery.delivered",
            "--json",
            "--limit",
            "0",
        ]);
        let mut to: Vec<String> = found
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|event| event["data"]["to"].as_str().unwrap().to_owned())
            .collect();
        to.sort();
        to
    }

    /// Waits until this many deliveries are found; gives how long it took.
    pub(crate) fn wait_for(&self, count: usize) -> Duration {
        let begun = Instant::now();
        loop {
            let found = self.delivered();
            if found.len() >= count {
                assert_eq!(found, recipients(count), "each line once");
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{} of {count}: {found:?}",
                found.len()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The recipients of the first `count` messages.
fn recipients(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("user{number:05}@example.test"))
        .collect()
}

/// The lines of these messages, delivered now.
pub(crate) fn mail(numbers: std::ops::Range<usize>) -> String {
    let now = now_text();
    let mut text = String::new();
    for number in numbers {
        let id = format!("{:011X}", 0x4000_0000 + number);
        for line in [
            format!("postfix/smtpd[11]: {id}: client=out.sender.test[198.51.100.7]"),
            format!("postfix/cleanup[12]: {id}: message-id=<{number}@sender.test>"),
            format!(
                "postfix/qmgr[13]: {id}: from=<ann@sender.test>, size=1000, nrcpt=1 (queue active)"
            ),
            format!(
                "postfix/smtp[14]: {id}: to=<user{number:05}@example.test>, relay=mx.example.test[192.0.2.1]:25, \
                 delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as X{number})"
            ),
            format!("postfix/qmgr[13]: {id}: removed"),
        ] {
            text.push_str(&format!("{now} mx {line}\n"));
        }
    }
    text
}

fn now_text() -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%S.000000+00:00"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Appends to a log, as a syslog daemon does.
pub(crate) fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Packs a file as logrotate does, and removes it.
pub(crate) fn gzip(path: &Path) {
    assert!(Command::new("gzip").arg(path).status().unwrap().success());
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Server {
    pub(crate) fn start(
        place: &Place,
        settings: &str,
        change: impl FnOnce(&mut Command),
    ) -> Server {
        let config = place.path("tidings.toml");
        std::fs::write(&config, settings).unwrap();
        let mut command = place.tidings(&[
            "serve",
            "--data",
            &place.data(),
            "--config",
            config.to_str().unwrap(),
        ]);
        command.stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(errors) = child.stderr.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                for line in BufReader::new(errors).lines().map_while(Result::ok) {
                    let mut said = said.lock().unwrap();
                    said.push_str(&line);
                    said.push('\n');
                }
            });
        }
        let server = Server { child, said };
        let socket = place.path("data/tidings.sock");
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{}",
                server.said()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let said = self.said();
            if said.contains(words) {
                return said;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "not said: {words:?}\n{said}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The address on which it listens.
    pub(crate) fn address(&self) -> String {
        let said = self.wait_for("listening on http://");
        let (_, rest) = said.split_once("listening on http://").unwrap();
        rest.lines().next().unwrap().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Tells it to stop as a service manager does; gives the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "it does not stop\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test came to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
