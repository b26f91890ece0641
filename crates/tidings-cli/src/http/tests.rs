//! The client against a server that follows a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use tidings_engine::contract::MessageObject;

use super::HttpStore;
use crate::failure::FailureKind;
use crate::store::{EventsQuery, ImportOptions, MessagesQuery, StatsQuery, Store, StoryOptions};

/// Listens on a socket in a directory of its own, answers one request with `answer`, hangs up, and
/// gives what was asked.
struct Script {
    _directory: tempfile::TempDir,
    socket: PathBuf,
    asked: JoinHandle<String>,
}

fn script(answer: impl Into<Vec<u8>>) -> Script {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("tidings.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = answer.into();
    let asked = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let asked = request_of(&stream);
        // A client that has enough may be gone already.
        let _ = (&stream).write_all(&answer);
        asked
    });
    Script {
        _directory: directory,
        socket,
        asked,
    }
}

/// Reads a request: its head, and as much body as that announces.
fn request_of(stream: impl Read) -> String {
    let mut input = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert!(input.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    input.read_exact(&mut body).unwrap();
    text + std::str::from_utf8(&body).unwrap()
}

/// A good answer whose lines are sent as chunks of a few bytes.
fn chunked(lines: &[&str]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in lines.join("\n").as_bytes().chunks(7) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

/// An answer with a status and a body of known length.
fn with_status(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn messages(script: &Script, query: &MessagesQuery) -> (Vec<MessageObject>, Option<String>) {
    let mut found = Vec::new();
    let result = HttpStore::at_socket(script.socket.clone()).messages(query, &mut |message| {
        found.push(message);
        true
    });
    (found, result.err().map(|failure| failure.sentence()))
}

#[test]
fn objects_arrive_over_the_socket() {
    let script = script(chunked(&[
        "{\"id\":\"a\",\"verdict\":\"held\"}",
        "{\"id\":\"b\"}",
        "",
    ]));
    let query = MessagesQuery {
        filter: "from:a@b.org \"é\"".to_owned(),
        since_ns: Some(0),
        until_ns: None,
        limit: Some(51),
    };
    let (found, failure) = messages(&script, &query);
    assert_eq!(failure, None);
    assert_eq!(
        (found.len(), found[0].verdict.as_str(), found[1].id.as_str()),
        (2, "held", "b")
    );
    let asked = script.asked.join().unwrap();
    let first = asked.lines().next().unwrap();
    assert_eq!(
        first,
        "GET /api/tidings/messages?filter=from%3Aa%40b.org%20%22%C3%A9%22&\
         since=1970-01-01T00%3A00%3A00Z&limit=51 HTTP/1.1"
    );
    assert!(
        asked.contains("\r\nHost: localhost\r\nConnection: close\r\n"),
        "{asked}"
    );
}

#[test]
fn each_search_asks_its_own_path() {
    let answer = || chunked(&["{}"]);
    let first_line = |script: Script| {
        let asked = script.asked.join().unwrap();
        asked.lines().next().unwrap().to_owned()
    };
    let at = |script: &Script| HttpStore::at_socket(script.socket.clone());

    let events = script(answer());
    let query = EventsQuery {
        raw: true,
        ..EventsQuery::default()
    };
    at(&events).events(&query, &mut |_| true).unwrap();
    assert_eq!(
        first_line(events),
        "GET /api/tidings/events?raw=true HTTP/1.1"
    );

    let story = script(answer());
    let options = StoryOptions {
        raw: true,
        limit: Some(2),
        told: Some(1),
    };
    at(&story)
        .stories("<a@b>", &options, &mut |_| true)
        .unwrap();
    let asked = "GET /api/tidings/story?key=%3Ca%40b%3E&limit=2&told=1&raw=true HTTP/1.1";
    assert_eq!(first_line(story), asked);

    let stats = script(with_status("200 OK", "{\"messages\":7}\n"));
    let query = StatsQuery {
        top: 5,
        ..StatsQuery::default()
    };
    assert_eq!(at(&stats).stats(&query).unwrap().messages, 7);
    assert_eq!(first_line(stats), "GET /api/tidings/stats?top=5 HTTP/1.1");
}

#[test]
fn an_import_reports_and_ends_with_its_result() {
    let script = script(chunked(&[
        "{\"file\":\"/a\",\"bytesDone\":1,\"bytesTotal\":2,\"lines\":3,\"recognised\":2}",
        "{\"unknown\":true}",
        "{\"result\":{\"lines\":5,\"warnings\":[\"w\"]}}",
    ]));
    let options = ImportOptions {
        year: Some(2024),
        timezone: Some("+01:00".to_owned()),
        force: true,
    };
    let mut lines = Vec::new();
    let done = HttpStore::at_socket(script.socket.clone())
        .import(&[PathBuf::from("/a \"b\"")], &options, &mut |report| {
            lines.push(report.lines)
        })
        .unwrap();
    assert_eq!((done.lines, done.warnings.len()), (5, 1));
    assert_eq!(lines, [3, 0]);
    let asked = script.asked.join().unwrap();
    assert!(
        asked.starts_with("POST /api/tidings/import HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.ends_with(
        "\r\n\r\n{\"files\":[\"/a \\\"b\\\"\"],\"year\":2024,\"timezone\":\"+01:00\",\"force\":true}"
    ));
}

#[test]
fn stopping_early_is_no_failure() {
    let line = format!("{{\"id\":\"{}\"}}", "x".repeat(1_000));
    let script = script(chunked(&vec![line.as_str(); 10_000]));
    let mut seen = 0;
    HttpStore::at_socket(script.socket.clone())
        .messages(&MessagesQuery::default(), &mut |_| {
            seen += 1;
            seen < 3
        })
        .unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn what_the_server_says_is_wrong_is_passed_on() {
    for (status, code, kind) in [
        ("400 Bad Request", "usage", FailureKind::Usage),
        ("500 Broken", "data", FailureKind::Data),
        ("400 Bad Request", "new-word", FailureKind::Usage),
        ("503 Busy", "new-word", FailureKind::Server),
    ] {
        let body =
            format!("{{\"error\":{{\"message\":\"no field \\u001b[m\",\"code\":\"{code}\"}}}}");
        let script = script(with_status(status, &body));
        let failure = HttpStore::at_socket(script.socket.clone())
            .messages(&MessagesQuery::default(), &mut |_| true)
            .unwrap_err();
        assert_eq!(
            (failure.kind(), failure.sentence().as_str()),
            (kind, "no field \u{1b}[m")
        );
    }
}

#[test]
fn a_failure_may_come_after_results() {
    let script = script(chunked(&[
        "{\"id\":\"a\"}",
        "{\"error\":{\"message\":\"events-1.part is damaged\",\"code\":\"data\"}}",
    ]));
    let (found, failure) = messages(&script, &MessagesQuery::default());
    assert_eq!(found.len(), 1);
    assert_eq!(failure.as_deref(), Some("events-1.part is damaged"));
}

#[test]
fn other_answers_are_explained() {
    for (answer, expected) in [
        (
            with_status(
                "404 Not Found",
                "{\"error\":{\"message\":\"nothing here\"}}",
            ),
            "does not answer searches; set http.api and a token there",
        ),
        (
            with_status("404 Not Found", "<html>"),
            "does not offer this (status 404)",
        ),
        (
            with_status("401 Unauthorized", ""),
            "refuses access (status 401); put a token",
        ),
        (
            with_status("502 Bad Gateway", "<html>"),
            "answered with status 502",
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n".to_owned(),
            "is at \"https://x/\" now; name that with --server",
        ),
        (
            "SSH-2.0-OpenSSH_9\r\n".to_owned(),
            "sent something that is not HTTP",
        ),
        (
            with_status("200 OK", "<html>"),
            "sent something that is not a JSON object",
        ),
        (
            with_status("200 OK", "{\"id\":"),
            "sent a JSON object that cannot be read",
        ),
        (String::new(), "broke off before the end of its answer"),
    ] {
        let script = script(answer);
        let failure = messages(&script, &MessagesQuery::default()).1.unwrap();
        let start = format!("the server at {} {expected}", script.socket.display());
        assert!(failure.starts_with(&start), "{failure}");
    }
}

/// However early the connection is cut, it is noticed, and what came before is right.
#[test]
fn a_cut_connection_is_never_a_shorter_list() {
    let whole = chunked(&["{\"id\":\"a\"}", "{\"id\":\"b\"}", ""]);
    for end in 0..whole.len() {
        let script = script(&whole[..end]);
        let (found, failure) = messages(&script, &MessagesQuery::default());
        assert!(failure.is_some(), "{end}");
        for (message, id) in found.iter().zip(["a", "b"]) {
            assert_eq!(message.id, id);
        }
    }
}

#[test]
fn an_import_without_a_result_is_a_failure() {
    let script = script(chunked(&["{\"lines\":3}"]));
    let failure = HttpStore::at_socket(script.socket.clone())
        .import(&[], &ImportOptions::default(), &mut |_| {})
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Server);
    assert!(failure.sentence().contains("broke off"), "{failure}");
}

#[test]
fn a_url_is_asked_over_tcp_with_prefix_and_token() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let asked = request_of(&stream);
        (&stream)
            .write_all(with_status("200 OK", "").as_bytes())
            .unwrap();
        asked
    });
    let url = format!("http://127.0.0.1:{port}/t/");
    let mut store = HttpStore::at_url(&url, Some("s3cret".to_owned())).unwrap();
    store
        .messages(&MessagesQuery::default(), &mut |_| true)
        .unwrap();
    let asked = asked.join().unwrap();
    assert!(
        asked.starts_with("GET /t/api/tidings/messages HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains(&format!("\r\nHost: 127.0.0.1:{port}\r\n")),
        "{asked}"
    );
    assert!(
        asked.contains("\r\nAuthorization: Bearer s3cret\r\n"),
        "{asked}"
    );
}

#[test]
fn a_token_is_never_sent_in_the_clear() {
    for (url, token, expected) in [
        (
            "http://mail.example.org",
            "t",
            "anyone on the way could read it",
        ),
        ("http://127.0.0.1:1", "a b", "visible ASCII"),
        ("http://127.0.0.1:1", "a\r\nX: y", "visible ASCII"),
    ] {
        let mut store = HttpStore::at_url(url, Some(token.to_owned())).unwrap();
        let failure = store
            .messages(&MessagesQuery::default(), &mut |_| true)
            .unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Usage);
        assert!(failure.sentence().contains(expected), "{failure}");
    }
}

#[test]
fn an_unreachable_server_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("tidings.sock");
    let failure = HttpStore::at_socket(socket.clone()).verify().unwrap_err();
    assert_eq!(
        failure.sentence(),
        format!(
            "cannot reach the server at {}: no such file or directory",
            socket.display()
        )
    );
    assert_eq!(failure.kind(), FailureKind::Server);
}
