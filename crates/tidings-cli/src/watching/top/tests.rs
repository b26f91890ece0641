//! Screens of `tidings top`, as golden texts, and what its numbers mean.

use serde_json::{Value, json};

use super::draw::{draw, object, text};
use super::state::Top;
use crate::http::Frame;
use crate::testing::{golden, plain_screen};

fn metrics(counters: &[(&str, u64)], queue: u64) -> Frame {
    let counter =
        |(name, count): &(&str, u64)| json!({ "metric": name, "@type": "Counter", "count": count });
    let mut metrics: Vec<Value> = counters.iter().map(counter).collect();
    metrics.push(json!({ "metric": "queue.count", "@type": "Gauge", "count": queue }));
    metrics.push(json!({ "metric": "server.memory", "@type": "Gauge", "count": 32_739_328 }));
    metrics.push(json!({ "metric": "message.size", "@type": "Histogram", "count": 1, "sum": 9 }));
    Frame {
        event: "metrics".to_owned(),
        data: Value::from(metrics).to_string(),
    }
}

fn answers(sources: Value, readers: Value) -> Vec<Value> {
    vec![
        json!(["x:Source/get", { "list": sources }, "sources"]),
        json!(["x:Reader/get", { "list": readers }, "readers"]),
    ]
}

/// A server under attack, one of whose outputs is far behind.
fn busy() -> Top {
    let mut top = Top::new("/var/lib/tidings/tidings.sock".to_owned());
    for second in 0..90_u64 {
        let counters = [
            ("queue.message-queued", 1_000 + 12 * second),
            ("delivery.delivered", 900 + 11 * second),
            ("queue.rescheduled", 7 + second / 30),
            ("delivery.failed", 3),
            ("smtp.relay-not-allowed", 100 + 3 * second),
            ("smtp.mailbox-does-not-exist", 20 + second / 2),
            ("delivery.connect-error", 4),
            ("auth.failed", 40 + second),
            ("imap.connection-start", 20_000_000 + 150 * second),
        ];
        top.take_metrics(&metrics(&counters, 17), second * 1_000)
            .unwrap();
    }
    for number in 0..40 {
        top.take_sign_in(&json!({
            "createdAt": format!("2026-11-22T12:00:{number:02}Z"), "type": "auth.failed",
            "data": {
                "accountName": format!("admin{number}\u{1b}[2J@a-very-long-domain-name.example.org"),
                "remoteIp": "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "reason": "bad\npassword", "count": number,
            },
        }));
    }
    let sources = json!([
        { "paths": { "/var/log/mail.log": true, "/var/log/dovecot.log": true }, "enable": true,
          "files": 2, "lines": 123_456, "lagBytes": 0, "problem": null },
        { "paths": { "/srv/logs/other-host/var/log/mail.log*": true }, "enable": true, "files": 1,
          "lines": 9, "lagBytes": 48_000_000, "problem": null },
        { "paths": { "/missing": true }, "enable": true, "files": 0, "lines": 0, "lagBytes": 0,
          "problem": "/missing: permission\u{202e} denied" },
        { "paths": { "/off": true }, "enable": false },
    ]);
    let readers = json!([
        { "name": "history", "class": "pinning", "cursor": 14, "lagEvents": 0 },
        { "name": "collector", "class": "durable", "lagEvents": 1_234_567, "lagMs": 5_400_000,
          "delivered": 99, "dropped": 0, "problem": "connection refused" },
        { "name": "console\n", "class": "lossy", "lagEvents": 3, "lagMs": 20, "delivered": 100_000,
          "dropped": 512 },
    ]);
    top.take_objects(&answers(sources, readers)).unwrap();
    top.spool_bytes = Some(536_870_912);
    top
}

#[test]
fn screens_of_every_size() {
    for (columns, rows) in [(80, 24), (120, 40), (60, 20)] {
        let picture = draw(&busy(), &plain_screen(), columns, rows);
        assert_eq!(picture.lines.len(), rows);
        let text = picture.text(columns, rows);
        golden(&format!("golden/top-{columns}x{rows}.txt"), &text);
    }
    let (top, screen) = (busy(), plain_screen());
    for columns in (0..130).step_by(7) {
        for rows in 0..30 {
            let picture = draw(&top, &screen, columns, rows);
            picture.text(columns, rows.max(1));
        }
    }
}

#[test]
fn an_empty_server_says_so() {
    let mut top = Top::new("https://mx.example.org".to_owned());
    let picture = draw(&top, &plain_screen(), 80, 24);
    golden("golden/top-empty.txt", &picture.text(80, 24));
    let refused = "the server refuses access\u{1b}[2J".to_owned();
    top.troubles.insert("objects", refused);
    let screen = draw(&top, &plain_screen(), 80, 24).text(80, 24);
    assert!(
        screen.contains("objects: the server refuses access\\x1b[2J"),
        "{screen}"
    );
    assert!(screen.contains("not known"), "{screen}");
}

#[test]
fn without_a_terminal_it_is_text_or_json() {
    golden(
        "golden/top-plain.txt",
        &(text(&busy(), &plain_screen()).join("\n") + "\n"),
    );
    let json = serde_json::to_string_pretty(&object(&busy())).unwrap();
    golden("golden/top.json", &(json + "\n"));
}

fn rate_of(top: &Top, name: &str) -> (f64, f64, u64) {
    let traffic = top.traffic();
    let found = traffic.iter().find(|traffic| traffic.name == name).unwrap();
    (found.rate.now, found.rate.minute, found.rate.total)
}

#[test]
fn rates_are_of_the_last_second_and_the_last_minute() {
    let mut top = Top::new(String::new());
    let mut take = |at_ms, count| {
        let frame = metrics(&[("delivery.delivered", count)], 0);
        top.take_metrics(&frame, at_ms).unwrap();
        rate_of(&top, "delivered")
    };
    assert_eq!(take(0, 100), (0.0, 0.0, 100));
    assert_eq!(take(2_000, 110), (5.0, 5.0, 110));
    assert_eq!(take(62_000, 110), (0.0, 0.0, 110));
    assert_eq!(take(64_000, 116), (3.0, 3.0, 116));
    // The server was started anew.
    assert_eq!(take(66_000, 2), (0.0, 0.0, 2));
    assert_eq!(take(68_000, 4), (1.0, 1.0, 4));
}

#[test]
fn strange_answers_are_refused_and_name_what_they_are_of() {
    let mut top = Top::new(String::new());
    let frame = |data: &str| Frame {
        event: "metrics".to_owned(),
        data: data.to_owned(),
    };
    for data in ["", "{}", "[1]", r#"[{"metric":"a"}]"#] {
        assert!(top.take_metrics(&frame(data), 0).is_err(), "{data}");
    }
    for answers in [
        json!([]),
        json!([["error", { "type": "forbidden" }, "sources"]]),
        json!([["x:Source/get", { "list": [1] }, "sources"]]),
        json!([1, {}, "x"]),
    ] {
        let error = top.take_objects(answers.as_array().unwrap()).unwrap_err();
        assert!(error.sentence().contains("sources"), "{}", error.sentence());
    }
    top.take_sign_in(&json!(null));
    assert_eq!(top.sign_ins().next().unwrap().attempts, 1);
}
