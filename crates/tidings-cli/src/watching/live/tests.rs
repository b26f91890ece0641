//! Screens of `tidings live`, as golden texts, and what its keys do.

use serde_json::{Value, json};

use super::draw::draw;
use super::state::{Ask, Mode, Stream, View};
use crate::failure::Failure;
use crate::http::{Frame, Watched};
use crate::testing::{golden, plain_screen};
use crate::watching::terminal::Key;

fn pair(at: usize, key: &str, value: Value) -> (String, Value) {
    let tag = if value.is_number() {
        "UnsignedInt"
    } else {
        "String"
    };
    let value = json!({ "@type": tag, "value": value });
    (at.to_string(), json!({ "key": key, "value": value }))
}

fn event(kind: &str, second: usize, data: Value) -> Value {
    let Value::Object(data) = data else {
        panic!("{data}")
    };
    let pairs = data.into_iter().enumerate();
    let pairs: serde_json::Map<_, _> = pairs
        .map(|(at, (key, value))| pair(at, &key, value))
        .collect();
    json!({ "event": kind, "timestamp": format!("2026-11-22T12:00:{second:02}Z"), "keyValues": pairs })
}

fn frame(name: &str, data: &Value) -> Watched {
    Watched::Frame(Frame {
        event: name.to_owned(),
        data: data.to_string(),
    })
}

fn delivery(second: usize) -> Value {
    event(
        "delivery.delivered",
        second,
        json!({
            "node": "mx", "program": "postfix/smtp", "queueId": 7_711_477_110_380_054_575_u64,
            "mtaQueueId": "4ABCD12345F", "to": format!("bob{second}@example.test"),
            "remoteIp": "192.0.2.1", "code": 250, "details": "250 2.0.0 Ok \u{1b}[2Jqueued",
            "spanId": 99,
            "rawLine": format!("Nov 22 12:00:{second:02} mx postfix/smtp[14]: 4ABCD12345F: to=<bob{second}@example.test>, status=sent"),
        }),
    )
}

fn view(filter: &str) -> View {
    let mut view = View::new(filter.to_owned());
    let mut take = |watched| view.take(Stream::Main, watched).unwrap();
    take(Watched::Open);
    take(frame("ping", &json!({ "interval": 30_000 })));
    let attack = event(
        "auth.failed",
        1,
        json!({ "accountName": "eve\n@x.test", "remoteIp": "203.0.113.9", "reason": "\u{202e}bad" }),
    );
    take(frame("trace", &json!([delivery(0), attack])));
    take(frame(
        "gap",
        &json!({ "count": 311, "reason": "slow-client" }),
    ));
    let more: Vec<Value> = (2..40).map(delivery).collect();
    take(frame("trace", &more.into()));
    view
}

fn screen(view: &mut View, columns: usize, rows: usize) -> String {
    let picture = draw(view, &plain_screen(), columns, rows);
    assert_eq!(picture.lines.len(), rows.max(1));
    picture.text(columns, rows.max(1))
}

fn press(view: &mut View, keys: &[Key]) -> Vec<Ask> {
    let asks = keys.iter().map(|key| view.press(*key));
    asks.filter(|ask| *ask != Ask::Nothing).collect()
}

fn type_in(view: &mut View, text: &str) {
    text.chars()
        .for_each(|c| assert_eq!(view.press(Key::Char(c)), Ask::Nothing));
}

#[test]
fn screens_of_every_size_and_mode() {
    let mut view = view("");
    golden("golden/live-80x24.txt", &screen(&mut view, 80, 24));
    golden("golden/live-120x40.txt", &screen(&mut view, 120, 40));
    press(&mut view, &[Key::Home, Key::Down]);
    golden("golden/live-selected.txt", &screen(&mut view, 80, 10));
    press(&mut view, &[Key::Up, Key::Enter]);
    golden("golden/live-details.txt", &screen(&mut view, 60, 20));
    press(&mut view, &[Key::Escape, Key::Char('?')]);
    golden("golden/live-help.txt", &screen(&mut view, 80, 24));
}

#[test]
fn nothing_is_drawn_beyond_the_screen() {
    let modes: [&[Key]; 5] = [
        &[],
        &[Key::Home],
        &[Key::Home, Key::Enter],
        &[Key::Char('/')],
        &[Key::Char('?')],
    ];
    for keys in modes {
        let mut view = view("to:bob@example.test");
        press(&mut view, keys);
        for columns in (0..90).step_by(5) {
            for rows in [0, 1, 2, 3, 13] {
                let text = screen(&mut view, columns, rows);
                let bad = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
                assert!(!text.contains(bad), "{text}");
            }
        }
    }
}

#[test]
fn a_pause_shows_what_waits() {
    let mut view = view("");
    press(&mut view, &[Key::Char(' ')]);
    let before = screen(&mut view, 80, 10);
    view.take(Stream::Main, frame("trace", &json!([delivery(41)])))
        .unwrap();
    let paused = screen(&mut view, 80, 10);
    assert!(paused.contains("PAUSED, 1 waiting"), "{paused}");
    assert_eq!(before.lines().nth(8), paused.lines().nth(8));
    press(&mut view, &[Key::Char(' ')]);
    assert!(screen(&mut view, 80, 10).contains("bob41@"));
}

#[test]
fn a_filter_is_typed_and_checked() {
    let mut view = view("to:bob");
    press(&mut view, &[Key::Char('/'), Key::Clear]);
    type_in(&mut view, "frm:alicf");
    assert_eq!(
        press(&mut view, &[Key::Backspace, Key::Char('e'), Key::Enter]),
        []
    );
    let refused = screen(&mut view, 100, 10);
    assert!(
        refused.contains("filter: frm:alice   unknown field `frm`"),
        "{refused}"
    );
    press(&mut view, &[Key::Clear]);
    type_in(&mut view, "from:alice");
    assert_eq!(press(&mut view, &[Key::Enter]), [Ask::WatchMain]);
    assert_eq!(view.filter, "from:alice");
    assert_eq!(view.feed().len(), 0, "what passed the old filter is gone");
    // What is given up changes nothing.
    press(&mut view, &[Key::Char('/')]);
    type_in(&mut view, "x");
    assert_eq!(press(&mut view, &[Key::Escape]), []);
    assert_eq!(
        (view.filter.as_str(), view.mode.clone()),
        ("from:alice", Mode::List)
    );
    let long = "é".repeat(20_000);
    press(&mut view, &[Key::Char('/')]);
    type_in(&mut view, &long);
    assert!(matches!(&view.mode, Mode::Edit { text } if text.len() <= 16_384));
    screen(&mut view, 80, 24);
}

#[test]
fn a_message_is_followed_and_left_again() {
    let mut view = view("");
    assert_eq!(press(&mut view, &[Key::Char('f')]), []);
    assert!(view.message.as_deref().unwrap().contains("select an event"));
    assert_eq!(
        press(&mut view, &[Key::Home, Key::Char('f')]),
        [Ask::WatchFollow]
    );
    let filter = view.followed().unwrap().filter.clone();
    assert!(
        filter.starts_with("queueId=7711477110380054575 OR span:"),
        "{filter}"
    );
    view.take(Stream::Follow, frame("trace", &json!([delivery(7)])))
        .unwrap();
    // The others go on meanwhile.
    view.take(Stream::Main, frame("trace", &json!([delivery(50)])))
        .unwrap();
    golden("golden/live-follow.txt", &screen(&mut view, 80, 8));
    assert_eq!(press(&mut view, &[Key::Escape]), [Ask::EndFollow]);
    view.take(Stream::Follow, frame("trace", &json!([delivery(8)])))
        .unwrap();
    press(&mut view, &[Key::End]);
    assert!(screen(&mut view, 80, 8).contains("bob50@"));
}

#[test]
fn an_event_without_a_message_cannot_be_followed() {
    let mut view = view("");
    press(&mut view, &[Key::Home, Key::Down]);
    assert_eq!(press(&mut view, &[Key::Char('f')]), []);
    assert!(
        view.message
            .as_deref()
            .unwrap()
            .contains("names no message")
    );
}

#[test]
fn troubles_are_shown_until_they_are_over() {
    let mut view = view("");
    let lost = || Watched::Lost {
        why: "the server hung\u{1b} up".to_owned(),
        retry_ms: 2_000,
    };
    view.take(Stream::Main, lost()).unwrap();
    view.take(Stream::Main, lost()).unwrap();
    let text = screen(&mut view, 80, 10);
    assert!(
        text.contains("the server hung\\x1b up; trying again in 2 s"),
        "{text}"
    );
    assert_eq!(text.matches("connection lost").count(), 1, "{text}");
    view.take(Stream::Main, Watched::Open).unwrap();
    let text = screen(&mut view, 80, 10);
    assert!(text.contains("connected again"), "{text}");
    assert!(!text.contains("trying again"), "{text}");
    let refused = Watched::Failed(Failure::server("no more"));
    assert!(view.take(Stream::Main, refused).is_err());
}

#[test]
fn every_key_can_be_pressed_everywhere() {
    let keys = [
        Key::Char('q'),
        Key::Char('?'),
        Key::Char(' '),
        Key::Char('/'),
        Key::Char('f'),
        Key::Char('x'),
        Key::Enter,
        Key::Escape,
        Key::Backspace,
        Key::Left,
        Key::Right,
        Key::Up,
        Key::Down,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Quit,
        Key::Suspend,
        Key::Clear,
        Key::Redraw,
        Key::Resized,
    ];
    let views = [View::new(String::new()), view("")];
    for first in keys {
        for second in keys {
            for mut view in views.clone() {
                press(&mut view, &[Key::Up, first, second]);
                draw(&mut view, &plain_screen(), 40, 6);
            }
        }
    }
}
