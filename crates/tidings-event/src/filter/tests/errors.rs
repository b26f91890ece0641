use super::*;

/// The text of the error and the part of the filter that it points at.
fn error(text: &str) -> (String, String) {
    let error = Filter::parse(text, &FieldSet::EVENTS).expect_err(text);
    (
        text[error.at()..error.at() + error.length()].to_owned(),
        error.to_string(),
    )
}

#[test]
fn errors_point_at_the_place_and_say_what_is_allowed() {
    for (text, place, message) in [
        (
            "form:a",
            "form",
            "unknown field `form`; did you mean `from`?",
        ),
        (
            "a statsu:x",
            "statsu",
            "(fields of an event are type, level, span, since, until, time, ip and every key of events",
        ),
        ("quota=5", "quota", "a word that is no field must be quoted"),
        (
            "from:",
            "",
            "expected a value for `from`; an empty text is written \"\"",
        ),
        ("from: a", "", "expected a value"),
        ("to:(a", "(", "this `(` has no `)` behind it"),
        ("to:(a b)", "b", "values of a list are separated by commas"),
        ("to:()", "", "expected a value"),
        ("to:(a,)", "", "expected a value"),
        ("size>(1,2)", "(", "takes one value, no list"),
        ("(a", "(", "this `(` has no `)` behind it"),
        ("a)", ")", "this `)` has no `(` before it"),
        (
            "()",
            ")",
            "expected a word, a \"phrase\", field:value, NOT or (",
        ),
        ("a OR", "", "expected a word"),
        ("OR a", "OR", "expected a word"),
        ("a AND AND b", "AND", "expected a word"),
        ("NOT", "", "expected a word"),
        ("\"abc", "\"abc", "the quote that begins here has no end"),
        ("a\"b\"", "\"", "put a blank before this"),
        ("from:a(b)", "(", "put a blank before this"),
        ("-", "-", "this holds no word to search for"),
        ("\"...\"", "\"...\"", "this holds no word to search for"),
        ("**", "**", "match anything: add letters"),
        ("a,b*", "a,b*", "write it with `*` at both ends"),
        (
            "https://x.test/a?b=c",
            "https://x.test/a?b=c",
            "write it with `*` at both ends",
        ),
        ("from>a", "from>", "`from` cannot be compared with `>`"),
        (
            "size:big",
            "big",
            "`size` holds a number, such as 550, 1.5 or 10mb",
        ),
        ("size:1..big", "1..big", "`size` holds a number"),
        (
            "elapsed>soon",
            "soon",
            "`elapsed` holds a duration, such as 200ms",
        ),
        ("tls:maybe", "maybe", "`tls` holds true or false"),
        (
            "remoteIp:203.0.113.999",
            "203.0.113.999",
            "`remoteIp` holds an IP address",
        ),
        ("ip:10.0.0.0/33", "10.0.0.0/33", "`ip` holds an IP address"),
        ("ip:10.*", "10.*", "`ip` holds an IP address"),
        (
            "nextRetry:soon",
            "soon",
            "\"soon\" is not a time: write a duration before now",
        ),
        (
            "since:2026-13-01",
            "2026-13-01",
            "the month must be 1 to 12",
        ),
        ("since:*", "*", "`time` holds a time"),
        (
            "since>2h",
            "since>",
            "write `since:`; to compare in other ways use `time`",
        ),
        (
            "reason>full",
            "full",
            "`>` compares with a number, a duration or a time",
        ),
        (
            "type:delivery.faild",
            "delivery.faild",
            "no event type is named \"delivery.faild\"; did you mean `delivery.failed`",
        ),
        ("type:xyzzy", "xyzzy", "a family is written delivery.*"),
        ("type:xyzzy.*", "xyzzy.*", "no event type has such a name"),
        (
            "type>auth.failed",
            "type>",
            "`type` cannot be compared with `>`",
        ),
        (
            "level:loud",
            "loud",
            "unknown level \"loud\": must be one of trace",
        ),
        ("level:w*", "w*", "a level is one of trace"),
        ("span:A", "A", "a span is named by its id"),
    ] {
        let (found, said) = error(text);
        assert_eq!(found, place, "{text}: {said}");
        assert!(said.contains(message), "{text}: {said}");
    }
}

#[test]
fn messages_have_no_type_and_only_known_statuses() {
    let error = |text: &str| Filter::parse(text, &MESSAGES).expect_err(text).to_string();
    assert!(
        error("type:delivery.failed").contains("unknown field `type`"),
        "not the key of that name"
    );
    assert!(error("level:warn").contains("unknown field `level`"));
    assert!(
        error("level:warn").contains("fields of a message are status, provider, retryCount, since")
    );
    assert!(error("status:defered").contains(
        "`status` holds one of delivered, deferred, bounced, in-queue; did you mean `deferred`?"
    ));
    assert!(error("status:x*").contains("`status` holds one of delivered, deferred, bounced"));
    // As the list shows it, and as it is written without quotes.
    let plain = Filter::parse("status:in-queue", &MESSAGES).unwrap();
    for text in [
        "status:\"in queue\"",
        "status:in_queue",
        "status:\"In Queue\"",
    ] {
        assert_eq!(
            Filter::parse(text, &MESSAGES).unwrap().to_string(),
            plain.to_string()
        );
    }
}

#[test]
fn rendering_draws_carets_under_the_place() {
    let render = |text: &str| {
        Filter::parse(text, &FieldSet::EVENTS)
            .unwrap_err()
            .render(text)
    };
    assert_eq!(
        render("é to:bob tls:maybe x"),
        "`tls` holds true or false\n  é to:bob tls:maybe x\n               ^^^^^"
    );
    assert_eq!(render("from:").lines().nth(2), Some("       ^"));
    assert_eq!(
        render("a\u{1b}[2J\n\u{202e} )").lines().nth(1),
        Some("  a\u{fffd}[2J \u{fffd} )")
    );
    let long = format!("{} ) {}", "a".repeat(200), "b".repeat(200));
    let lines: Vec<String> = render(&long).lines().map(str::to_owned).collect();
    assert!(lines[1].starts_with("  …a") && lines[1].ends_with("b…"));
    assert!(lines[1].chars().count() < 130);
    let caret = lines[2].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[1].chars().nth(caret), Some(')'));
}

/// Every filter that the reference page shows is one.
#[test]
fn the_reference_page_shows_filters() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/filter.md"
    );
    let page = std::fs::read_to_string(path).unwrap();
    let no_filters = [
        "field:value",
        "field:shape*",
        "field=shape*",
        "field!=value",
        "field=value",
        "field:*",
        "dsn=5.1.1",
        "time>",
    ];
    let mut shown = 0;
    for line in page.lines().filter(|line| !line.contains("``")) {
        // Every other part between backticks is code.
        for code in line.split('`').skip(1).step_by(2) {
            let is_test =
                code.contains([':', '=', '>', '<']) && code.starts_with(char::is_alphabetic);
            if !is_test || code.ends_with(':') || no_filters.contains(&code) {
                continue;
            }
            if let Err(error) = Filter::parse(code, &FieldSet::EVENTS) {
                panic!("{line}\n{}", error.render(code));
            }
            shown += 1;
        }
    }
    assert!(shown > 40, "{shown}");
    let example = page
        .split("```")
        .nth(1)
        .unwrap()
        .trim_start_matches("text")
        .trim();
    assert!(Filter::parse(example, &FieldSet::EVENTS).is_ok());
    let error = Filter::parse("form:alice@example.org since:2h", &FieldSet::EVENTS).unwrap_err();
    assert!(page.contains(&error.render("form:alice@example.org since:2h")));
}
