//! The server as a service: beside the other verbs, by HTTP, under a service manager.

use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use super::support::{Place, Server, append, mail, run, stderr, tidings};

fn http(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(super) fn get(server: &Server, path: &str) -> String {
    http(
        server,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    )
}

#[test]
fn every_verb_works_beside_it() {
    let place = Place::new();
    append(&place.log(), &mail(0..10));
    let server = place.serve(&place.following(""));
    place.wait_for(10);
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/own");
    let log = std::fs::canonicalize(own.join("mail.rfc3339.log")).unwrap();
    let done = place.ask(&["import", log.to_str().unwrap(), "--json"]);
    let done: serde_json::Value = serde_json::from_str(done.lines().last().unwrap()).unwrap();
    assert_eq!(
        (done["lines"].as_u64(), done["files"].as_u64()),
        (Some(4583), Some(1)),
        "{done}"
    );
    let again = place.ask(&["import", log.to_str().unwrap(), "--json"]);
    let again: serde_json::Value = serde_json::from_str(again.lines().last().unwrap()).unwrap();
    assert_eq!(
        (again["lines"].as_u64(), again["filesKnown"].as_u64()),
        (Some(0), Some(1)),
        "{again}"
    );
    let listed = place.ask(&["messages", "to:user00003@example.test", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["verdict"], "delivered");
    let story = place.ask(&["story", "user00003@example.test", "--raw"]);
    assert!(
        story.contains("status=sent (250 2.0.0 Ok: queued as X3)"),
        "{story}"
    );
    let stats = place.ask(&["stats", "--json"]);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert!(stats["messages"].as_u64().unwrap() > 200, "{stats}");
    assert!(place.ask(&["verify"]).contains("all is well"));
    let refused = run(&["repair", "--data", &place.data()]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        stderr(&refused).contains("stop the server"),
        "{}",
        stderr(&refused)
    );
    // A line that comes after all that finds its place.
    append(&place.log(), &mail(10..11));
    let begun = std::time::Instant::now();
    while place
        .ask(&["messages", "to:user00010@example.test", "--json"])
        .is_empty()
    {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(server.stop(), 0);
    assert!(!place.path("data/tidings.sock").exists());
    assert!(
        place
            .ask(&["messages", "to:user00010@example.test", "--json"])
            .contains("user00010")
    );
}

#[test]
fn health_and_readiness_are_told() {
    let place = Place::new();
    append(&place.log(), &mail(0..3));
    let server = place.serve(&place.following("[[source]]\npaths = \"/nonexistent/mail.log\"\n"));
    place.wait_for(3);
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200 "));
    server.wait_for("/nonexistent/mail.log: waiting for it: there is no such file");
    let ready = get(&server, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    let body: serde_json::Value = serde_json::from_str(ready.lines().last().unwrap()).unwrap();
    let log = place.log();
    let own = &body["sources"][log.to_str().unwrap()];
    assert_eq!(
        (own["state"].as_str(), own["lines"].as_u64()),
        (Some("following"), Some(15)),
        "{body}"
    );
    let missing = &body["sources"]["/nonexistent/mail.log"];
    assert_eq!(
        (missing["state"].as_str(), missing["why"].as_str()),
        (Some("waiting"), Some("there is no such file"))
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn ingested_events_survive_a_kill() {
    let place = Place::new();
    let server = place.serve("[http]\nlisten = \"127.0.0.1:0\"\n");
    let body: String = (0..500)
        .map(|number| format!("{{\"type\":\"auth.failed\",\"createdAt\":\"2026-11-22T13:00:00Z\",\"data\":{{\"accountName\":\"a{number}\"}}}}\n"))
        .collect();
    let request = format!(
        "POST /ingest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // Not taken before the spool is recovered, some milliseconds after the start.
    let answer = loop {
        let answer = http(&server, &request);
        if !answer.starts_with("HTTP/1.1 503 ") {
            break answer;
        }
    };
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("{\"accepted\":500}"),
        "{answer}"
    );
    server.kill();
    let server = place.serve("[http]\nlisten = \"127.0.0.1:0\"\n");
    let begun = std::time::Instant::now();
    let count = || {
        place
            .ask(&["events", "type:auth.failed", "--json", "--limit", "0"])
            .lines()
            .count()
    };
    while count() < 500 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", count());
    }
    assert_eq!(count(), 500);
    assert_eq!(server.stop(), 0);
}

#[test]
fn the_console_obeys_its_level_and_is_plain_text() {
    let place = Place::new();
    append(&place.log(), &mail(0..4));
    let server = place.serve(&place.following("[console]\nlevel = \"off\"\n"));
    place.wait_for(4);
    server.signal(Signal::HUP);
    let said = server.wait_for("settings read again");
    assert!(
        said.lines().all(|line| line.starts_with("tidings: ")),
        "{said}"
    );
    assert_eq!(server.stop(), 0);
    append(&place.log(), &mail(4..6));
    let server = place.serve(&place.following(""));
    let said = server.wait_for("user00005@example.test");
    assert!(
        !said.contains('\u{1b}') && !said.contains("user00001@"),
        "{said}"
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_service_manager_is_told() {
    let place = Place::new();
    let path = place.path("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let server = Server::start(&place, &place.following(""), |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    let next = || {
        let mut got = [0; 64];
        let length = socket.recv(&mut got).unwrap();
        String::from_utf8_lossy(&got[..length]).into_owned()
    };
    assert_eq!(next(), "READY=1");
    assert_eq!(server.stop(), 0);
    assert_eq!(next(), "STOPPING=1");
}

#[test]
fn the_demo_shows_something() {
    let place = Place::new();
    let output = tidings(&["demo", place.path("demo").to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        text.contains("$ tidings messages") && text.contains("example.test"),
        "{text}"
    );
}

#[test]
fn the_sample_is_replayed() {
    let place = Place::new();
    let server =
        place.serve("[http]\nlisten = []\n[demo]\nreplay = true\n[console]\nlevel = \"off\"\n");
    let begun = std::time::Instant::now();
    let count = || {
        place
            .ask(&["messages", "--json", "--limit", "0"])
            .lines()
            .count()
    };
    while count() < 150 {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{} messages\n{}",
            count(),
            server.said()
        );
    }
    assert_eq!(server.stop(), 0);
}

/// A server that is started while a client verb has the directory waits for it.
#[test]
fn a_start_waits_for_a_client_that_has_the_directory() {
    let place = Place::new();
    append(&place.log(), &mail(0..400));
    place.ask(&["import", place.log().to_str().unwrap()]);
    let data = place.data();
    let busy = std::thread::spawn(move || {
        for _ in 0..15 {
            let output = run(&["events", "--data", &data, "--json", "--limit", "0"]);
            let said = stderr(&output);
            let is_answered = output.status.success() || said.contains("run this again");
            assert!(is_answered, "{said}");
        }
    });
    for _ in 0..4 {
        let server = place.serve(&place.following(""));
        server.wait_for("following ");
        assert_eq!(server.stop(), 0);
    }
    busy.join().unwrap();
}
