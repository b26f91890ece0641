use proptest::prelude::*;

use super::any::any_filter;
use super::*;
use crate::filter::{MAX_FILTER_BYTES, MAX_FILTER_DEPTH};

/// The canonical text of each filter; and that it is canonical.
#[test]
fn filters_print_in_their_canonical_form() {
    for (text, canonical) in [
        ("", ""),
        ("  a  b ", "a b"),
        ("a AND b OR c d", "a b OR c d"),
        ("(a OR b) c", "(a OR b) c"),
        ("((a)) ((b c))", "a b c"),
        ("a OR (b OR (c))", "a OR b OR c"),
        ("NOT a NOT (b c) --d", "-a -(b c) --d"),
        ("-(a)", "-a"),
        ("\"mailbox\" \"mailbox full\"", "mailbox \"mailbox full\""),
        (
            "\"a \\\" b \\\\ c\" x\\ y DOMAIN\\user",
            "\"a \\\" b \\\\ c\" \"x y\" \"DOMAIN\\\\user\"",
        ),
        ("\\*a a\\*b* \"a*b\"", "\"*a\" a\\*b* \"a*b\""),
        ("a**?*b", "a*?*b"),
        (
            "from:Alice remote-ip:203.0.113.9 RemoteIP:::1",
            "from:Alice remoteIp:203.0.113.9 remoteIp:\"::1\"",
        ),
        (
            "since:2h until=2026-11-22 time>=1d time<=1d",
            "since:2h until:2026-11-22 since:1d until:1d",
        ),
        (
            "time>2h time:2026-11-22T13:00",
            "time>2h time:\"2026-11-22T13:00\"",
        ),
        ("to:(a , b,\"c d\", e*)", "to:(a, b, \"c d\", e*)"),
        ("to:(a)", "to:a"),
        (
            "code:500..599 value:\"500..599\" subject:a..b",
            "code:500..599 value:\"500..599\" subject:\"a..b\"",
        ),
        (
            "code>=500 code!=(1,2) size>10mb",
            "code>=500 code!=(1, 2) size>10mb",
        ),
        ("from:<> from=\"\"", "from:\"<>\" from=\"\""),
        ("\"OR\" \"NOT\" from:AND", "\"OR\" \"NOT\" from:\"AND\""),
        (
            "type:delivery.* level:warn span:ba spanId:ba",
            "type:delivery.* level:warn span:ba span:ba",
        ),
        ("\"-a\" from:-a -a-b", "\"-a\" from:-a -a-b"),
        ("https://x.test/a=b", "\"https://x.test/a=b\""),
        (
            "fe80::1 2001:db8::/32 <a=b@x.test>",
            "\"fe80::1\" \"2001:db8::/32\" \"<a=b@x.test>\"",
        ),
        ("a,b 12:30", "\"a,b\" \"12:30\""),
        ("(a)b", "a b"),
        ("*a=b*", "*a\\=b*"),
    ] {
        let parsed = filter(text);
        assert_eq!(parsed.to_string(), canonical, "{text}");
        assert_eq!(filter(canonical), parsed, "{text}");
    }
}

#[test]
fn filters_can_be_joined() {
    let both = |a: &str, b: &str| filter(a).and(filter(b)).to_string();
    assert_eq!(both("", ""), "");
    assert_eq!(both("a", ""), "a");
    assert_eq!(both("a OR b", "c d"), "(a OR b) c d");
    assert!(filter("").is_everything() && !filter("a").is_everything());
}

#[test]
fn filters_name_their_fields() {
    let names = filter("a since:1h (from:x OR -remote-ip:::1) until:1m from:y").fields();
    assert_eq!(names, ["time", "from", "remoteIp"]);
    assert!(FieldSet::EVENTS.names().any(|name| name == "queueId"));
    assert_eq!(
        MESSAGES.names().take(7).collect::<Vec<_>>(),
        [
            "status",
            "provider",
            "retryCount",
            "since",
            "until",
            "time",
            "ip"
        ]
    );
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| "(".repeat(depth) + "a" + &")".repeat(depth);
    assert!(Filter::parse(&nested(MAX_FILTER_DEPTH), &FieldSet::EVENTS).is_ok());
    let long = "a ".repeat(MAX_FILTER_BYTES / 2);
    assert!(Filter::parse(&long, &FieldSet::EVENTS).is_ok());
    for wrong in [
        nested(MAX_FILTER_DEPTH + 1),
        "-".repeat(MAX_FILTER_DEPTH + 1) + "a",
        long + "a",
        format!("{}*", "a".repeat(256)),
        format!("\"{}\"", "a ".repeat(65)),
        format!("from:\"{}\"", "a ".repeat(65)),
        "(".repeat(MAX_FILTER_BYTES),
    ] {
        assert!(
            Filter::parse(&wrong, &FieldSet::EVENTS).is_err(),
            "{}",
            &wrong[..40]
        );
    }
}

proptest! {
    #[test]
    fn every_filter_is_the_parse_of_its_text(filter in any_filter()) {
        let text = filter.to_string();
        match Filter::parse(&text, &MESSAGES.with_events()) {
            Ok(parsed) => prop_assert_eq!(parsed, filter, "{}", text),
            Err(error) => prop_assert!(false, "{}", error.render(&text)),
        }
    }

    /// Any text either is refused with a place inside it, or has a canonical form.
    #[test]
    fn no_text_panics(parts in proptest::collection::vec(
        prop_oneof![
            Just("from:"), Just("size>"), Just("code!="), Just("since:"), Just("type:"), Just("ip:"), Just("("), Just(")"),
            Just("\""), Just("*"), Just("?"), Just("\\"), Just("-"), Just(" "), Just(" OR "), Just("NOT "), Just(","), Just(".."),
            Just("a"), Just("10mb"), Just("2h"), Just("::1"), Just("delivery.*"), Just("é"), Just("\u{3000}"), Just("://"),
        ], 0..14)) {
        let text = parts.concat();
        match Filter::parse(&text, &FieldSet::EVENTS) {
            Ok(filter) => {
                let canonical = filter.to_string();
                let again = Filter::parse(&canonical, &FieldSet::EVENTS);
                prop_assert_eq!(again.as_ref(), Ok(&filter), "{} became {}", text, canonical);
                let _ = Matcher::compile(&filter, i64::MIN).plan();
                let _ = Matcher::compile(&filter, i64::MAX).plan();
            }
            Err(error) => {
                prop_assert!(error.at() + error.length() <= text.len());
                prop_assert!(text.get(error.at()..error.at() + error.length()).is_some(), "{:?} in {}", error, text);
                prop_assert_eq!(error.render(&text).lines().count(), 3);
            }
        }
    }

    #[test]
    fn no_characters_panic(text in "\\PC{0,30}|[ -~]{0,40}") {
        if let Err(error) = Filter::parse(&text, &FieldSet::EVENTS) {
            let _ = error.render(&text);
        }
    }
}
