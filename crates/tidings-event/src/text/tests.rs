use super::*;
use crate::record::{Header, RecordWriter};
use crate::samples::{HOSTILE, attempt_start, bare, hostile, http_end, http_start, of_all_kinds};

fn text(record: &[u8], start: Option<&[u8]>, style: TextStyle) -> String {
    let (event, _) = EventRef::read(record).unwrap();
    let start = start.map(|start| EventRef::read(start).unwrap().0);
    let mut out = Vec::new();
    write_text(&mut out, &event, start.as_ref(), &style);
    String::from_utf8(out).unwrap()
}

const SINGLE: TextStyle = TextStyle {
    multiline: false,
    ansi: false,
    full_time: false,
};
const MULTI: TextStyle = TextStyle {
    multiline: true,
    ..SINGLE
};

#[test]
fn a_line_has_the_form_of_the_reference() {
    let description = EventType::DELIVERY_ATTEMPT_START.info().description;
    assert_eq!(
        text(&attempt_start(), None, SINGLE),
        format!(
            "2026-02-03T04:05:06Z INFO {description} (delivery.attempt-start) queueId = 4711, \
             queueName = \"default\", from = \"a@x.test\", to = [\"b@y.test\", \"c@y.test\"], size = 1530, total = 2\n"
        )
    );
    let bare = text(&bare(), None, SINGLE);
    assert!(
        bare.ends_with("(auth.success) \n"),
        "no pairs, but the blank: {bare:?}"
    );
}

#[test]
fn the_span_start_comes_first_and_duplicates_stay() {
    let line = text(&http_end(), Some(&http_start()), SINGLE);
    assert!(line.ends_with(
        ") listenerId = \"https\", localPort = 443, remoteIp = 2001:db8::7, remotePort = 50112, elapsed = 812ms, localPort = 444\n"
    ));
    let start = http_start();
    assert_eq!(
        text(&start, Some(&start), SINGLE),
        text(&start, None, SINGLE)
    );
}

#[test]
fn a_start_that_was_written_before_gives_the_same_text() {
    for style in [SINGLE, MULTI] {
        for (event, start) in [
            (http_end(), http_start()),
            (bare(), http_start()),
            (http_end(), bare()),
            (bare(), bare()),
            (of_all_kinds(), hostile()),
        ] {
            let (event_ref, _) = EventRef::read(&event).unwrap();
            let (start_ref, _) = EventRef::read(&start).unwrap();
            let (mut details, mut out) = (Vec::new(), Vec::new());
            write_details(&mut details, &start_ref, None, &style);
            write_text_after(&mut out, &event_ref, &details, &style);
            let whole = text(&event, Some(&start), style);
            if event != start {
                assert_eq!(String::from_utf8(out).unwrap(), whole);
            }
        }
    }
}

#[test]
fn the_raw_line_is_never_shown() {
    let mut record = Vec::new();
    let header = Header::new(EventType::AUTH_SUCCESS, 0);
    RecordWriter::begin(&mut record, &header)
        .value(Key::RAW_LINE, &Value::Bytes(b"the line"))
        .uint(Key::SIZE, 1)
        .finish();
    assert!(text(&record, None, SINGLE).ends_with("(auth.success) size = 1\n"));
    assert!(text(&record, None, MULTI).ends_with("(auth.success)\n\tsize = 1\n"));
}

/// Whatever a text holds, a line stays one line, a quote opens and closes once, and nothing reaches
/// the terminal but printable characters.
#[test]
fn hostile_text_stays_inside_its_quotes() {
    for style in [SINGLE, MULTI] {
        let line = text(&hostile(), None, style);
        let lines = if style.multiline { 3 } else { 1 };
        assert_eq!(line.matches('\n').count(), lines);
        let foreign =
            |c: char| c != '\n' && c != '\t' && (c.is_control() || crate::escape::is_hazard(c));
        assert!(!line.contains(foreign), "{line:?}");
        let unescaped = line.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(unescaped.matches('"').count(), 6, "three texts: {line}");
        assert_eq!(
            unescaped.matches(" = ").count(),
            2 + 2,
            "two keys, and once in each hostile text"
        );
    }
    let mut out = Vec::new();
    write_text_value(&mut out, &Value::Str(HOSTILE));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\"a\\\", to = \\\"b\\\\\\r\\n2026-02-03T04:05:06Z INFO x\\t\\x00\\x07\\x1b[2J\\x7f\
         \\u{85}\\u{9b}31m\\u{2028}\\u{2029}\\u{202e}gnp.exe\\u{2066}\\u{61c}\\u{200f}end\""
    );
}

/// All forms of all samples; `TIDINGS_BLESS=1` writes the file anew.
#[test]
fn golden_text() {
    let mut all = String::new();
    for (name, style) in [
        ("single", SINGLE),
        ("multi", MULTI),
        (
            "single ansi full",
            TextStyle {
                ansi: true,
                full_time: true,
                ..SINGLE
            },
        ),
        (
            "multi ansi",
            TextStyle {
                ansi: true,
                ..MULTI
            },
        ),
    ] {
        all += &format!("== {name}\n");
        all += &text(&attempt_start(), None, style);
        all += &text(&http_end(), Some(&http_start()), style);
        all += &text(&of_all_kinds(), None, style);
        all += &text(&hostile(), None, style);
        all += &text(&bare(), None, style);
    }
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write("src/text/golden.txt", &all).unwrap();
    }
    assert_eq!(all, std::fs::read_to_string("src/text/golden.txt").unwrap());
}
