use super::*;
use crate::json::parse::{MAX_JSON_DEPTH, Number, Parser};

#[test]
fn the_parser_is_strict() {
    for wrong in [
        "",
        "{",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"a\tb\"",
        "\"\u{0}\"",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x1",
        "1e999",
        "nul",
        "True",
        "tru",
        "[1 2]",
        "{\"a\" 1}",
        "NaN",
        "\u{feff}1",
        "\"\\",
        "\"\\u\u{e9}\"",
    ] {
        let mut parser = Parser::new(wrong);
        assert!(
            parser.skip().and_then(|()| parser.end()).is_err(),
            "{wrong:?}"
        );
    }
    for right in [
        "{}",
        "[]",
        " [ 1 , -0.5e-3 , \"\\ud83d\\ude00\\/\" , {\"a\":[null]} ] ",
        "\"\u{7f}\"",
        "0",
        "-0",
        "1E5",
    ] {
        let mut parser = Parser::new(right);
        assert!(
            parser.skip().and_then(|()| parser.end()).is_ok(),
            "{right:?}"
        );
    }
    assert_eq!(Parser::new("\"\\ud83d\\ude00\"").string().unwrap(), "😀");
    for (text, number) in [
        ("18446744073709551615", Number::UInt(u64::MAX)),
        (
            "18446744073709551616",
            Number::Float(18_446_744_073_709_551_616.0),
        ),
        ("-9223372036854775808", Number::Int(i64::MIN)),
        ("-0", Number::Int(0)),
        ("1.0", Number::Float(1.0)),
        ("2e3", Number::Float(2000.0)),
    ] {
        assert_eq!(Parser::new(text).number(), Ok(number));
    }
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let limit = usize::from(MAX_JSON_DEPTH);
    assert!(Parser::new(&nested(limit)).skip().is_ok());
    assert!(Parser::new(&nested(limit + 1)).skip().is_err());
    assert!(Parser::new(&"[".repeat(1_000_000)).skip().is_err());

    let lists = |depth| {
        format!(
            r#"{{"type":"auth.failed","data":{{"to":{}}}}}"#,
            nested(depth)
        )
    };
    assert!(read(&lists(16)).is_ok());
    assert!(refusal(&lists(17)).contains("values nest deeper than 16"));
    let typed = |depth| {
        let (open, close) = (r#"{"@type":"List","value":{"0":"#, "}}");
        let inner = r#"{"@type":"Null"}"#;
        let value = open.repeat(depth) + inner + &close.repeat(depth);
        format!(r#"{{"event":"auth.failed","keyValues":{{"0":{{"key":"to","value":{value}}}}}}}"#)
    };
    assert!(read(&typed(16)).is_ok(), "{:?}", read(&typed(16)));
    assert!(read(&typed(17)).is_err());
    let events = |depth| {
        let open = r#"{"@type":"Event","event":"auth.failed","value":{"0":{"key":"to","value":"#;
        let value = open.repeat(depth) + r#"{"@type":"Null"}"# + &"}}}".repeat(depth);
        format!(r#"{{"event":"auth.failed","keyValues":{{"0":{{"key":"to","value":{value}}}}}}}"#)
    };
    assert!(read(&events(16)).is_ok(), "{:?}", read(&events(16)));
    assert!(read(&events(17)).is_err());
}
