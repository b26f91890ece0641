//! The forwarder against a small server on loopback: acknowledged, refused for now, refused for
//! good, away and back.

#![cfg(feature = "forward")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tidings::forward::{ForwardSettings, Forwarder};
use tidings::{Key, Settings, emit};
use tidings_event::Records;

const LONG: Duration = Duration::from_secs(20);

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the server has: the numbers of the events by their ids, and how it answers.
#[derive(Default)]
struct Server {
    totals: Mutex<Vec<u64>>,
    known: Mutex<BTreeSet<(u32, u64)>>,
    /// How often to say 503 first.
    busy: Mutex<u32>,
    /// An event with this total is refused, with all that come with it.
    poison: Option<u64>,
    /// Takes the first body and does not answer.
    deaf: Mutex<bool>,
}

impl Server {
    fn start(self, listener: TcpListener) -> Arc<Server> {
        let server = Arc::new(self);
        let shared = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = shared.clone();
                thread::spawn(move || server.serve(stream.unwrap()));
            }
        });
        server
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some((head, body)) = request(&mut reader) {
            assert!(head.starts_with("POST /ingest HTTP/1.1"), "{head}");
            assert!(head.contains("application/vnd.tidings.records"), "{head}");
            assert!(head.contains("Bearer s3cret"), "{head}");
            let (status, extra, answer) = self.take(&body);
            if status == 0 {
                return;
            }
            let length = answer.len();
            let text =
                format!("HTTP/1.1 {status} X\r\n{extra}content-length: {length}\r\n\r\n{answer}");
            if stream.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &[u8]) -> (u16, &'static str, String) {
        let mut busy = self.busy.lock().unwrap();
        if *busy > 0 {
            *busy -= 1;
            return (503, "retry-after: 0\r\n", "come again".into());
        }
        let events: Vec<_> = Records::new(body).map(Result::unwrap).collect();
        let totals = || events.iter().filter_map(|event| event.uint(Key::TOTAL));
        if self
            .poison
            .is_some_and(|poison| totals().any(|n| n == poison))
        {
            return (400, "", "bad event".into());
        }
        let (mut accepted, mut duplicates) = (0, 0);
        for event in &events {
            let id = event.header().event_id.unwrap();
            if self.known.lock().unwrap().insert((id.origin, id.number)) {
                accepted += 1;
                let total = event.uint(Key::TOTAL).unwrap();
                self.totals.lock().unwrap().push(total);
            } else {
                duplicates += 1;
            }
        }
        if std::mem::take(&mut *self.deaf.lock().unwrap()) {
            return (0, "", String::new());
        }
        let answer = format!("{{\"accepted\":{accepted},\"duplicates\":{duplicates}}}");
        (200, "", answer)
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn listen() -> (TcpListener, ForwardSettings) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, ForwardSettings::new(url).token("s3cret"))
}

fn emit_range(range: std::ops::Range<u64>) {
    for total in range {
        emit!(Delivery::Delivered, total = total);
    }
}

#[test]
fn what_is_emitted_is_acknowledged_once() {
    let _turn = turn();
    let (listener, settings) = listen();
    let server = Server {
        busy: Mutex::new(2),
        deaf: Mutex::new(true),
        ..Server::default()
    };
    let server = server.start(listener);
    let telemetry = tidings::start(Settings::default()).unwrap();
    let forwarder = Forwarder::start(&telemetry, settings).unwrap();
    emit_range(0..2000);
    telemetry.shutdown(LONG).unwrap();
    let stats = forwarder.close(LONG);
    assert_eq!(stats.acknowledged, 2000, "{stats:?}");
    assert!(stats.duplicates > 0 && stats.retries >= 3, "{stats:?}");
    assert_eq!((stats.dropped, stats.unsent, stats.refused), (0, 0, 0));
    assert!(server.totals.lock().unwrap().iter().copied().eq(0..2000));
}

#[test]
fn an_event_that_the_server_cannot_read_is_left_out() {
    let _turn = turn();
    let (listener, settings) = listen();
    let server = Server {
        poison: Some(77),
        ..Server::default()
    };
    let server = server.start(listener);
    let telemetry = tidings::start(Settings::default()).unwrap();
    let forwarder = Forwarder::start(&telemetry, settings).unwrap();
    emit_range(0..200);
    telemetry.shutdown(LONG).unwrap();
    let stats = forwarder.close(LONG);
    assert_eq!((stats.acknowledged, stats.refused), (199, 1), "{stats:?}");
    let expected = (0..200).filter(|total| *total != 77);
    assert!(server.totals.lock().unwrap().iter().copied().eq(expected));
}

#[test]
fn without_a_spool_what_was_not_sent_is_counted() {
    let _turn = turn();
    let (listener, settings) = listen();
    drop(listener);
    let telemetry = tidings::start(Settings::default()).unwrap();
    let forwarder = Forwarder::start(&telemetry, settings).unwrap();
    emit_range(0..100);
    telemetry.shutdown(LONG).unwrap();
    let stats = forwarder.close(Duration::from_millis(100));
    assert_eq!((stats.acknowledged, stats.unsent), (0, 100), "{stats:?}");
    assert!(stats.last_error.is_some());
}

#[test]
fn a_spool_keeps_events_until_the_server_is_back() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (listener, settings) = listen();
    let address = listener.local_addr().unwrap();
    let settings = settings.spool(folder.path(), 4 << 20);
    drop(listener);
    for run in 0..2u64 {
        let telemetry = tidings::start(Settings::default()).unwrap();
        let forwarder = Forwarder::start(&telemetry, settings.clone()).unwrap();
        emit_range(run * 100..run * 100 + 100);
        telemetry.shutdown(LONG).unwrap();
        let stats = forwarder.close(Duration::from_millis(300));
        assert_eq!((stats.acknowledged, stats.unsent), (0, 0), "{stats:?}");
    }
    let server = Server::default().start(TcpListener::bind(address).unwrap());
    let telemetry = tidings::start(Settings::default()).unwrap();
    let forwarder = Forwarder::start(&telemetry, settings.clone()).unwrap();
    emit_range(200..300);
    telemetry.shutdown(LONG).unwrap();
    let stats = forwarder.close(LONG);
    assert_eq!(stats.acknowledged, 300, "{stats:?}");
    assert!(server.totals.lock().unwrap().iter().copied().eq(0..300));
    // What was acknowledged is not sent again.
    let telemetry = tidings::start(Settings::default()).unwrap();
    let forwarder = Forwarder::start(&telemetry, settings).unwrap();
    telemetry.shutdown(LONG).unwrap();
    assert_eq!(forwarder.close(LONG).acknowledged, 0);
}

#[test]
fn a_wrong_url_is_told_and_a_token_is_not_shown() {
    let _turn = turn();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let settings = ForwardSettings::new("tidings.example.org").token("s3cret");
    assert!(!format!("{settings:?}").contains("s3cret"));
    let error = Forwarder::start(&telemetry, settings).unwrap_err();
    assert!(error.to_string().contains("tidings.example.org"), "{error}");
}
