//! Outputs of a running server: what they get, over restarts and changed settings.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::run::get;
use super::support::{Place, Server, append, mail};

/// The delivered recipients in all files of a tracer, in their order.
fn delivered(directory: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut to = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for line in text.lines() {
            if line.contains("(delivery.delivered)") {
                let rest = line
                    .split_once("to = \"")
                    .expect("it names its recipient")
                    .1;
                to.push(rest.split('"').next().unwrap().to_owned());
            }
        }
    }
    to
}

fn wait_for(directory: &Path, count: usize) {
    let begun = Instant::now();
    while delivered(directory).len() < count {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{} of {count} in {}",
            delivered(directory).len(),
            directory.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn tracer(directory: &Path, more: &str) -> String {
    format!(
        "[[tracer]]\ntype = \"log\"\nname = \"{}\"\npath = \"{}\"\n{more}",
        directory.file_name().unwrap().to_str().unwrap(),
        directory.display()
    )
}

fn users(range: std::ops::Range<usize>) -> Vec<String> {
    range
        .map(|number| format!("user{number:05}@example.test"))
        .collect()
}

#[test]
fn log_files_hold_each_event_once_over_restarts_and_changes() {
    let place = Place::new();
    let (one, two) = (place.path("one"), place.path("two"));
    append(&place.log(), "");
    let server = place.serve(&place.following(&tracer(&one, "")));
    server.wait_for("following");
    append(&place.log(), &mail(0..5));
    wait_for(&one, 5);
    assert_eq!(server.stop(), 0);

    // A second one begins with what comes next; the first goes on where it stood.
    append(&place.log(), &mail(5..8));
    let both = place.following(&format!("{}{}", tracer(&one, ""), tracer(&two, "")));
    let server = place.serve(&both);
    wait_for(&one, 8);
    wait_for(&two, 3);

    // Changed while it runs: the first gets no deliveries any more.
    let less = tracer(&one, "events = [\"delivery.*\"]\n");
    let settings = place.following(&format!("{less}{}", tracer(&two, "")));
    std::fs::write(place.path("tidings.toml"), settings).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("settings read again");
    append(&place.log(), &mail(8..12));
    wait_for(&two, 7);
    assert_eq!(server.stop(), 0);
    assert_eq!(delivered(&one), users(0..8));
    assert_eq!(delivered(&two), users(5..12));
}

#[test]
fn a_tracer_whose_file_would_be_followed_is_refused() {
    let place = Place::new();
    append(&place.log(), &mail(0..1));
    let directory = place.log().parent().unwrap().to_owned();
    let settings = place.following(&tracer(
        &directory,
        "prefix = \"mail.log\"\nrotate = \"never\"\n",
    ));
    let server = place.serve(&settings);
    server.wait_for("is not followed: a tracer writes it");
    assert_eq!(server.stop(), 0);
}

#[test]
fn bad_settings_at_a_reload_change_nothing() {
    let place = Place::new();
    let logs = place.path("logs");
    append(&place.log(), "");
    let server = place.serve(&place.following(&tracer(&logs, "")));
    server.wait_for("following");
    let wrong = place.following(&tracer(&logs, "rotate = \"weekly\"\n"));
    std::fs::write(place.path("tidings.toml"), wrong).unwrap();
    server.signal(Signal::HUP);
    let said = server.wait_for("everything goes on as it was");
    assert!(
        said.contains("tracer.rotate = \"weekly\": it must be"),
        "{said}"
    );
    append(&place.log(), &mail(0..2));
    wait_for(&logs, 2);
    assert_eq!(server.stop(), 0);
}

/// The value of a metric of an output on the page for scrapers.
fn metric(server: &Server, name: &str, output: &str) -> Option<String> {
    let page = get(server, "/metrics");
    let start = format!("{name}{{output=\"{output}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start))?;
    Some(line.to_owned())
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_tracer_that_cannot_run_at_the_start_is_tried_again_and_misses_nothing() {
    let place = Place::new();
    append(&place.log(), "");
    let socket = place.path("journal.socket");
    let tracer = format!(
        "[[tracer]]\ntype = \"journal\"\nevents = [\"delivery.delivered\"]\nevents_policy = \"include\"\n\
         socket = {:?}\n",
        socket.to_str().unwrap()
    );
    let server = place.serve(&place.following(&tracer));
    let said = server.wait_for("the tracer journal: ");
    assert!(
        said.contains("it cannot run yet and is tried again") && said.contains("journal.socket"),
        "{said}"
    );
    append(&place.log(), &mail(0..3));
    let shows =
        |name: &str, value: &str| metric(&server, name, "journal").as_deref() == Some(value);
    wait_until("it is shown as down", || {
        shows("tidings_output_up", "0") && !shows("tidings_output_retries_total", "0")
    });
    assert_eq!(server.said().matches("the tracer journal: ").count(), 1);
    let journald = UnixDatagram::bind(&socket).unwrap();
    journald
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut delivered = 0;
    while delivered < 3 {
        let mut entry = [0; 65_536];
        let length = journald.recv(&mut entry).unwrap();
        delivered += usize::from(length > 0);
    }
    wait_until("it is shown as up", || shows("tidings_output_up", "1"));
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_collector_that_is_silent_does_not_hold_up_the_end() {
    let place = Place::new();
    append(&place.log(), "");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let push = format!(
        "[otel_metrics]\nprotocol = \"http\"\nendpoint = \"http://{}\"\ntimeout = \"10m\"\ninterval = \"1s\"\n",
        silent.local_addr().unwrap()
    );
    let server = place.serve(&place.following(&push));
    server.wait_for("following");
    // It takes the request, and never answers.
    let (mut connection, _) = silent.accept().unwrap();
    assert!(connection.read(&mut [0; 1024]).unwrap() > 0);
    let begun = Instant::now();
    assert_eq!(server.stop(), 0);
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn names_from_a_log_are_not_raw_on_the_page_of_metrics() {
    let place = Place::new();
    append(&place.log(), &mail(0..1));
    let line = mail(0..1).lines().next().unwrap().to_owned();
    let (head, _) = line.split_once(" postfix/").expect("a line of Postfix");
    append(
        &place.log(),
        &format!("{head} po\u{1b}[31m\u{7}st[12]: hello\n"),
    );
    let server = place.serve(&place.following(""));
    wait_until("the name", || {
        get(&server, "/metrics").contains("{program=\"po")
    });
    let page = get(&server, "/metrics");
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(!body.contains(['\u{1b}', '\u{7}']), "{body:?}");
    if let Some(python) = std::env::var_os("TIDINGS_PROMETHEUS_PYTHON") {
        let file = place.path("page");
        std::fs::write(&file, body).unwrap();
        let program = "import sys\n\
             from prometheus_client.parser import text_string_to_metric_families as read\n\
             names = [s.labels.get('program') for f in read(open(sys.argv[1]).read()) for s in f.samples]\n\
             assert any(name and name.startswith('po') for name in names), names";
        let read = Command::new(python)
            .args(["-c", program])
            .arg(&file)
            .output();
        let read = read.unwrap();
        assert!(read.status.success(), "{read:?}");
    } else {
        eprintln!("skipped: TIDINGS_PROMETHEUS_PYTHON names no Python with prometheus-client");
    }
    assert_eq!(server.stop(), 0);
}
