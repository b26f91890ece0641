//! `tidings live` and `tidings top` on a running server, with and without a terminal.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Place, append, mail, run, stderr, tidings};

/// A program that prints lines as long as it runs.
struct Watcher {
    child: Child,
    lines: Receiver<String>,
}

impl Watcher {
    fn start(mut command: Command) -> Watcher {
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (put, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if put.send(line).is_err() {
                    break;
                }
            }
        });
        Watcher { child, lines }
    }

    /// The next line that has this in it.
    fn wait_for(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let left = Duration::from_secs(20).saturating_sub(begun.elapsed());
            let line = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no {words}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Ends it by a signal; gives its exit code.
    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn events_are_printed_as_they_happen_and_go_on_after_a_restart() {
    let place = Place::new();
    append(&place.log(), "");
    let server = place.serve(&place.following(""));
    let live = |more: &[&str]| {
        let data = place.data();
        let args = ["live", "--data", &data, "type:delivery.delivered"];
        Watcher::start(tidings(&[&args, more].concat()))
    };
    let (text, json) = (
        live(&["--since", "1h"]),
        live(&["--since", "1h", "--json", "--raw"]),
    );
    append(&place.log(), &mail(0..1));
    let line = text.wait_for("user00000@example.test");
    assert!(
        line.contains(" INFO Message delivered (delivery.delivered) "),
        "{line}"
    );
    assert!(
        !line.contains("status=sent"),
        "the log line is not asked for: {line}"
    );
    let event: Value = serde_json::from_str(&json.wait_for("user00000@")).unwrap();
    assert_eq!(event["data"]["to"], "user00000@example.test");
    assert!(
        event["raw"].as_str().unwrap().contains("status=sent"),
        "{event}"
    );

    assert_eq!(server.stop(), 0);
    let _server = place.serve(&place.following(""));
    append(&place.log(), &mail(1..2));
    let line = text.wait_for("@example.test");
    assert!(line.contains("user00001@"), "nothing twice: {line}");
    json.wait_for("user00001@");
    assert_eq!(text.end(Signal::INT), Some(0));
    assert_eq!(json.end(Signal::TERM), Some(0));
}

#[test]
fn without_a_server_or_with_a_wrong_filter_it_says_so() {
    let place = Place::new();
    for verb in ["live", "top"] {
        let output = run(&[verb, "--data", &place.data()]);
        assert_eq!(output.status.code(), Some(5));
        let said = stderr(&output);
        assert!(
            said.contains("no server runs on the data directory"),
            "{said}"
        );
    }
    append(&place.log(), "");
    let _server = place.serve(&place.following(""));
    let output = run(&["live", "--data", &place.data(), "frm:alice"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("did you mean `from`?"), "{said}");
}

#[test]
fn top_sums_up_what_happens() {
    let place = Place::new();
    append(&place.log(), &mail(0..5));
    let _server = place.serve(&place.following(""));
    place.wait_for(5);
    let found: Value = serde_json::from_str(&place.ask(&["top", "--json"])).unwrap();
    assert_eq!(found["traffic"]["delivered"]["total"], 5, "{found}");
    assert_eq!(found["traffic"]["received"]["total"], 5, "{found}");
    assert_eq!(found["sources"][0]["lines"], 25, "{found}");
    assert_eq!(found["readers"][0]["name"], "history", "{found}");
    assert_eq!(found["troubles"], serde_json::json!({}), "{found}");
    let text = place.ask(&["top"]);
    assert!(text.contains("delivered              0"), "{text}");
    assert!(text.contains("/log/mail.log"), "{text}");
}

/// Runs the program at a terminal of 80 by 24 and presses keys, each after the screen has shown some
/// words; prints all that the terminal got.
const AT_TERMINAL: &str = r#"
import fcntl, os, pty, select, signal, struct, sys, termios, time
steps, program = eval(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvpe(program[0], program, dict(os.environ, TERM="xterm", LANG="C.UTF-8"))
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(terminal)
got, begun = b"", time.time()
while time.time() - begun < 30:
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        got += data
        sys.stdout.buffer.write(data)
    if steps and steps[0][0] in got:
        words, keys = steps.pop(0)
        got = b""
        if isinstance(keys, int):
            os.kill(pid, keys)
        else:
            os.write(terminal, keys)
if time.time() - begun >= 30:
    os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
sys.stdout.flush()
sys.exit(99 if steps else os.waitstatus_to_exitcode(status))
"#;

/// What the terminal got, and the exit code; `None` where there is no Python to make a terminal.
fn at_terminal(place: &Place, steps: &str, args: &[&str]) -> Option<(i32, String)> {
    let mut command = Command::new("python3");
    command
        .args([
            "-c",
            AT_TERMINAL,
            steps,
            env!("CARGO_BIN_EXE_tidings"),
            "--data",
        ])
        .arg(place.data())
        .args(args)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut child = command.spawn().ok()?;
    let mut shown = Vec::new();
    child.stdout.take()?.read_to_end(&mut shown).unwrap();
    let code = child.wait().unwrap().code().unwrap_or(-1);
    Some((code, String::from_utf8_lossy(&shown).into_owned()))
}

/// The terminal is as it was before: the cursor is seen, the other screen is left, last of all.
fn assert_given_back(shown: &str) {
    let end = &shown[shown
        .rfind("\u{1b}[?1049l")
        .expect("the full screen is left")..];
    assert!(!end.contains("\u{1b}[?1049h"), "{end:?}");
    let show = shown.rfind("\u{1b}[?25h").expect("the cursor is shown");
    assert!(shown.rfind("\u{1b}[?25l").is_none_or(|hide| hide < show));
}

#[test]
fn the_full_screen_is_left_as_it_was() {
    let place = Place::new();
    append(&place.log(), &mail(0..2));
    let _server = place.serve(&place.following(""));
    place.wait_for(2);
    // Select the newest, look at all of it, follow its message, go back, pause, quit.
    let follow = r#"[(b"Delivery attempt ended", b"\x1b[H"), (b">\x1b[0m", b"\x1b[B\x1b[B\r"), (b"Esc back", b"f"), (b"following", b"\x1b"), (b"all events", b" "), (b"PAUSED", b"q")]"#;
    let Some((code, shown)) = at_terminal(&place, follow, &["live", "--since", "1h"]) else {
        return;
    };
    assert_eq!(code, 0, "{shown}");
    assert_given_back(&shown);
    // A signal.
    let (code, shown) = at_terminal(&place, r#"[(b"TRAFFIC", 15)]"#, &["top"]).unwrap();
    assert_eq!(code, 0, "{shown}");
    assert_given_back(&shown);
    let (code, shown) = at_terminal(&place, r#"[(b"q quits", b"q")]"#, &["top"]).unwrap();
    assert_eq!(code, 0, "{shown}");
    assert_given_back(&shown);
}
