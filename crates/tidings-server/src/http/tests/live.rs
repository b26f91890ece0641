//! Live streams over real sockets.

use std::io::{BufRead, BufReader};

use super::*;

/// A stream that is read frame by frame.
struct Events {
    reader: BufReader<UnixStream>,
    head: String,
}

/// A frame: its event, data and id.
#[derive(Debug, Default, PartialEq)]
struct Frame {
    event: String,
    data: String,
    id: String,
}

impl Events {
    fn open(server: &Running, path: &str, headers: &str) -> Events {
        let mut stream = server.socket();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Events { reader, head }
    }

    /// The next frame; `None` at the end.
    fn next(&mut self) -> Option<Frame> {
        let mut frame = Frame::default();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", event)) => frame.event = event.to_owned(),
                Some(("data", data)) => frame.data = data.to_owned(),
                Some(("id", id)) => frame.id = id.to_owned(),
                Some(_) => {}
                None => return Some(frame),
            }
        }
    }

    /// The accounts of the next events, until there are so many.
    fn accounts(&mut self, count: usize) -> (Vec<String>, String) {
        let mut accounts = Vec::new();
        let mut id = String::new();
        while accounts.len() < count {
            let frame = self.next().expect("the stream goes on");
            if frame.event != "trace" {
                assert_eq!(frame.event, "ping", "{frame:?}");
                continue;
            }
            id = frame.id;
            let events: serde_json::Value = serde_json::from_str(&frame.data).unwrap();
            for event in events.as_array().unwrap() {
                assert_eq!(event["event"], "auth.failed");
                let pair = &event["keyValues"]["0"];
                assert_eq!(pair["key"], "accountName");
                accounts.push(pair["value"]["value"].as_str().unwrap().to_owned());
            }
        }
        (accounts, id)
    }
}

fn send(server: &Running, accounts: &[&str]) {
    let body: String = accounts.iter().map(|account| event(account)).collect();
    let (status, answer) = server.ask(post("/ingest", NDJSON, body.as_bytes()));
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn events_are_shown_as_they_are_committed_each_once() {
    let server = Running::with("");
    for path in ["/api/live/tracing", "/api/telemetry/traces/live"] {
        let mut all = Events::open(&server, &format!("{path}?throttle=0"), "");
        let mut some = Events::open(&server, &format!("{path}?account-name=ali&throttle=0"), "");
        for header in ["text/event-stream", "no-store"] {
            assert!(
                all.head.to_ascii_lowercase().contains(header),
                "{}",
                all.head
            );
        }
        let ping = all.next().unwrap();
        assert_eq!(
            (&*ping.event, &*ping.data),
            ("ping", "{\"interval\": 30000}")
        );
        send(&server, &["alice", "bob"]);
        send(&server, &["alina"]);
        assert_eq!(all.accounts(3).0, ["alice", "bob", "alina"]);
        assert_eq!(some.accounts(2).0, ["alice", "alina"]);
    }
}

#[test]
fn a_client_goes_on_where_it_was() {
    let server = Running::with("");
    let path = "/api/live/tracing?throttle=0";
    let mut first = Events::open(&server, path, "");
    let start = first.next().unwrap().id;
    send(&server, &["a", "b"]);
    let (_, id) = first.accounts(2);
    drop(first);
    send(&server, &["c", "d"]);
    let again = format!("Last-Event-ID: {id}\r\n");
    let mut second = Events::open(&server, path, &again);
    assert_eq!(second.accounts(2).0, ["c", "d"]);
    send(&server, &["e"]);
    assert_eq!(second.accounts(1).0, ["e"]);
    let mut since = Events::open(&server, &format!("{path}&since={start}"), "");
    assert_eq!(since.accounts(5).0, ["a", "b", "c", "d", "e"]);
    // The events are of 2026-11-22 at 13:00.
    for (time, count) in [("2026-11-22T12:59:59Z", 5), ("2026-11-22T13:00:01Z", 0)] {
        let mut since = Events::open(&server, &format!("{path}&since={time}"), "");
        let ping = since.next().unwrap();
        assert_eq!(
            (&*ping.event, &*ping.id),
            ("ping", ""),
            "nothing is promised yet"
        );
        // Those that are found in the spool come before those that are committed now.
        if count > 0 {
            assert_eq!(since.accounts(count).0, ["a", "b", "c", "d", "e"]);
        } else {
            std::thread::sleep(Duration::from_millis(100));
            send(&server, &["now"]);
            assert_eq!(since.accounts(1).0, ["now"]);
        }
    }
}

#[test]
fn a_foreign_id_gets_a_gap_and_not_silence() {
    let server = Running::with("");
    send(&server, &["a"]);
    for id in ["17", "0123456789abcdef-1", "\u{fc}"] {
        let header = format!("Last-Event-ID: {id}\r\n");
        let mut events = Events::open(&server, "/api/live/tracing?throttle=0", &header);
        assert_eq!(events.next().unwrap().event, "ping");
        let gap = events.next().unwrap();
        assert_eq!(gap.event, "gap");
        assert_eq!(gap.data, "{\"count\":null,\"reason\":\"foreign-id\"}");
        send(&server, &["b"]);
        assert_eq!(events.accounts(1).0, ["b"]);
    }
}

#[test]
fn wrong_parameters_are_named_and_unknown_ones_ignored() {
    let server = Running::with("");
    for (query, why) in [
        ("level=loud", "level: \\\"loud\\\" is not allowed"),
        ("event=no.such", "event: "),
        ("q=nokey%3Ax", "q: "),
        ("throttle=-1", "throttle: "),
        ("throttle=61000", "from 0 to 60000"),
        ("since=yesterday", "since: "),
    ] {
        let (status, answer) = server.ask_socket(get(&format!("/api/live/tracing?{query}")));
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer.contains(why), "{query}: {answer}");
    }
    let (status, answer) = server.ask_socket(get("/api/live/metrics?interval=0"));
    assert!(status == 400 && answer.contains("interval"), "{answer}");
    let path = "/api/live/tracing?nothing=1&filter=&level=DEBUG&event=auth.*&q=bob&throttle=0";
    let mut events = Events::open(&server, path, "");
    send(&server, &["alice", "bob"]);
    assert_eq!(events.accounts(1).0, ["bob"]);
}

#[test]
fn streams_are_refused_to_strangers_and_beyond_the_limit() {
    let server = Running::with("[live]\nclients = 1\n");
    let stranger = server.ask(get("/api/live/tracing"));
    assert_eq!(stranger.0, 401, "{}", stranger.1);
    let open = Events::open(&server, "/api/live/metrics", "");
    let (status, answer) = server.ask_socket(get("/api/live/tracing"));
    assert_eq!(status, 503);
    assert!(answer.contains("live.clients"), "{answer}");
    drop(open);
    // The place is free as soon as the server notices.
    let is_free = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        server.app.hub.get().unwrap().numbers().streams == 0
    });
    assert!(is_free);
    let settings = format!("[http]\ntoken = \"{TOKEN}\"\napi = false\n");
    let server = Running::with(&settings);
    assert_eq!(server.ask(get("/api/live/tracing")).0, 401);
}

#[test]
fn streams_do_not_count_as_connections() {
    let server = Running::with("[http]\nconnections = 2\n");
    let mut open: Vec<_> = (0..8)
        .map(|_| Events::open(&server, "/api/live/tracing", ""))
        .collect();
    assert_eq!(server.ask_socket(get("/healthz")).0, 200);
    assert!(open.iter_mut().all(|events| events.next().is_some()));
}

#[test]
fn open_streams_do_not_hold_up_the_end() {
    let mut server = Running::with("");
    let mut events = Events::open(&server, "/api/live/tracing", "");
    let mut metrics = Events::open(&server, "/api/live/metrics", "");
    // One that never reads, with more to come than sockets and buffers take.
    let _stalled = Events::open(&server, "/api/live/tracing?throttle=0", "");
    let account = "x".repeat(100_000);
    for _ in 0..40 {
        send(&server, &[&account]);
    }
    let watch = Watch::start();
    assert_eq!(server.stop(), 0, "none is broken off");
    assert!(watch.elapsed() < Duration::from_millis(400));
    while events.next().is_some() {}
    while metrics.next().is_some() {}
}

#[test]
fn who_reads_too_slowly_is_told_what_it_missed() {
    let server = Running::with("[live]\nbuffer = \"16KiB\"\n");
    let mut slow = Events::open(&server, "/api/live/tracing?throttle=0", "");
    let mut other = Events::open(&server, "/api/live/tracing?throttle=0&filter=small", "");
    let account = "x".repeat(100_000);
    for _ in 0..40 {
        send(&server, &[&account]);
    }
    send(&server, &["small"]);
    assert_eq!(
        other.accounts(1).0,
        ["small"],
        "nobody waits for the slow one"
    );
    let (mut shown, mut missed, mut last) = (0, 0, String::new());
    while shown + missed < 41 {
        let frame = slow.next().unwrap();
        let data: serde_json::Value = serde_json::from_str(&frame.data).unwrap();
        match &*frame.event {
            "trace" => shown += data.as_array().unwrap().len() as u64,
            "gap" => {
                assert_eq!(data["reason"], "slow-client");
                missed += data["count"].as_u64().unwrap();
                last = frame.id;
            }
            other => assert_eq!(other, "ping"),
        }
    }
    assert!(missed > 0 && !last.is_empty());
    assert_eq!(server.app.hub.get().unwrap().numbers().missed, missed);
    send(&server, &["after"]);
    assert_eq!(slow.accounts(1).0, ["after"]);
}

#[test]
fn metrics_come_at_once_and_again() {
    let server = Running::with("");
    send(&server, &["alice"]);
    let of = |events: &mut Events| {
        let frame = events.next().unwrap();
        assert_eq!(frame.event, "metrics");
        serde_json::from_str::<serde_json::Value>(&frame.data).unwrap()
    };
    for path in ["/api/live/metrics", "/api/telemetry/metrics/live"] {
        let path = format!("{path}?metrics=auth.failed,queue.count,no.such&interval=1");
        let mut events = Events::open(&server, &path, "");
        let counted = serde_json::json!({"metric": "auth.failed", "@type": "Counter", "count": 1});
        let queue = serde_json::json!({"metric": "queue.count", "@type": "Gauge", "count": 0});
        let is_shown = (0..5).any(|_| of(&mut events) == serde_json::json!([counted, queue]));
        assert!(is_shown);
    }
}
