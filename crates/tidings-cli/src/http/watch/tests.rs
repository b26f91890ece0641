//! A watch against a server that breaks off, goes away and comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{RETRY_MS_MAX, Watch, Watched, wait_ms};
use crate::http::Server;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// Answers one connection after the other, and gives what was asked by each.
fn answer(socket: &Path, answers: Vec<String>) -> JoinHandle<Vec<String>> {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let one = |answer: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = head_of(&stream);
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        };
        answers.into_iter().map(one).collect()
    })
}

fn head_of(stream: &UnixStream) -> String {
    let mut text = String::new();
    let mut input = BufReader::new(stream);
    while !text.ends_with("\r\n\r\n") {
        assert!(input.read_line(&mut text).unwrap() > 0, "{text}");
    }
    text
}

fn watch(socket: PathBuf) -> (Watch, Receiver<Watched>) {
    let (put, take) = sync_channel(1);
    let parameters = vec![("q", "to:bob & co".to_owned())];
    let watch = Server::at_socket(socket).watch("/stream", parameters, move |watched| {
        put.send(watched).is_ok()
    });
    (watch, take)
}

/// What comes, in a word each.
fn words(take: &Receiver<Watched>, count: usize) -> Vec<String> {
    let word = |_| match take.recv_timeout(Duration::from_secs(10)).unwrap() {
        Watched::Open => "open".to_owned(),
        Watched::Frame(frame) => frame.data,
        Watched::Lost { why, .. } => format!("lost: {why}"),
        Watched::Failed(failure) => format!("failed: {}", failure.sentence()),
    };
    (0..count).map(word).collect()
}

fn ends(take: &Receiver<Watched>) -> bool {
    take.recv_timeout(Duration::from_secs(10)).err() == Some(RecvTimeoutError::Disconnected)
}

#[test]
fn a_stream_goes_on_where_it_broke() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let server = answer(
        &socket,
        vec![
            format!(
                "{HEAD}retry: 20\nid: a-1\ndata: one\n\nid: a-2\ndata: two\n\nid: a-3\ndata: cut off"
            ),
            format!("{HEAD}data: three\n\n"),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nlate".to_owned(),
            format!("{HEAD}id: a-4\ndata: four\n\n"),
        ],
    );
    let (watch, take) = watch(socket);
    let found = words(&take, 11);
    let (lost, others): (Vec<_>, Vec<_>) = found.iter().partition(|word| word.starts_with("lost"));
    assert_eq!(
        others,
        ["open", "one", "two", "open", "three", "open", "four"]
    );
    assert_eq!(lost[0], "lost: the server ended the stream");
    assert!(lost[2].contains("503"), "{lost:?}");
    drop(watch);

    let asked = server.join().unwrap();
    assert!(
        asked[0].starts_with("GET /stream?q=to%3Abob%20%26%20co HTTP/1.1\r\n"),
        "{}",
        asked[0]
    );
    assert!(
        asked[0].contains("\r\nAccept: text/event-stream\r\n"),
        "{}",
        asked[0]
    );
    assert!(!asked[0].contains("Last-Event-ID"), "{}", asked[0]);
    for asked in &asked[1..] {
        assert!(asked.contains("\r\nLast-Event-ID: a-2\r\n"), "{asked}");
    }
}

#[test]
fn a_server_that_refuses_at_first_is_not_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let body = r#"{"error":{"message":"q: unknown field `frm`","code":"usage"}}"#;
    let refusal = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let server = answer(&socket, vec![refusal]);
    let (_watch, take) = watch(socket.clone());
    assert_eq!(words(&take, 1), ["failed: q: unknown field `frm`"]);
    assert!(ends(&take));
    server.join().unwrap();

    std::fs::remove_file(&socket).unwrap();
    let (_watch, take) = watch(socket);
    assert!(words(&take, 1)[0].starts_with("failed: cannot reach the server at"));
    assert!(ends(&take));
}

#[test]
fn a_server_that_is_starting_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let starting = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nlate";
    let open = format!("{HEAD}data: x\n\n");
    let server = answer(&socket, vec![starting.to_owned(), open]);
    let (_watch, take) = watch(socket);
    let found = words(&take, 3);
    assert!(found[0].starts_with("lost: "), "{found:?}");
    assert_eq!(found[1..], ["open", "x"]);
    server.join().unwrap();
}

#[test]
fn a_watch_that_is_dropped_hangs_up() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let (watch, take) = watch(socket);
    let (mut stream, _) = listener.accept().unwrap();
    head_of(&stream);
    stream.write_all(HEAD.as_bytes()).unwrap();
    assert_eq!(words(&take, 1), ["open"]);
    drop(watch);
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the other side hung up");
}

#[test]
fn a_watch_that_waits_ends_when_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let server = answer(&socket, vec![format!("{HEAD}retry: 30000\ndata: x\n\n")]);
    let (watch, take) = watch(socket);
    assert_eq!(words(&take, 3)[..2], ["open", "x"]);
    drop(watch);
    assert!(ends(&take));
    server.join().unwrap();
}

#[test]
fn waits_double_up_to_their_limit() {
    let waits: Vec<u64> = (0..6).map(|failures| wait_ms(2_000, failures)).collect();
    assert_eq!(
        waits,
        [2_000, 4_000, 8_000, 16_000, RETRY_MS_MAX, RETRY_MS_MAX]
    );
    assert_eq!(wait_ms(u64::MAX, u32::MAX), RETRY_MS_MAX);
    assert_eq!(wait_ms(0, 0), 100);
}
