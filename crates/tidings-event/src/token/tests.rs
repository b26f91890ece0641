use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::samples::{any_text, record};
use crate::{EventRef, EventType, Key};

fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    tokens_of(text, &mut |token| found.push(token.to_owned()));
    found
}

fn terms(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    terms_of(text, &mut |term| found.push(term.to_owned()));
    found
}

#[test]
fn an_address_is_found_by_itself_its_parts_and_its_domains() {
    assert_eq!(
        tokens("<Alice@Mail.Example.ORG>"),
        [
            "alice@mail.example.org",
            "alice",
            "mail.example.org",
            "example.org"
        ]
    );
    assert_eq!(
        tokens("bob@example.org"),
        ["bob@example.org", "bob", "example.org"]
    );
    assert_eq!(tokens("a@b@c.d"), ["a@b@c.d", "a", "c.d"]);
    assert_eq!(tokens("postmaster@"), ["postmaster@", "postmaster"]);
    assert_eq!(tokens("@x"), ["@x", "x"]);
    assert_eq!(tokens("@"), ["@"]);
}

#[test]
fn hosts_have_their_parents() {
    assert_eq!(
        tokens("mx1.eu.example.org"),
        ["mx1.eu.example.org", "example.org", "eu.example.org"]
    );
    assert_eq!(
        tokens("//lists.example.org"),
        ["//lists.example.org", "example.org", "lists.example.org"]
    );
    assert_eq!(tokens("a..b.c.d"), ["a..b.c.d", "c.d", "b.c.d"]);
    for alone in ["example.org", "203.0.113.9", "5.1.1", "localhost", "a..b"] {
        assert_eq!(tokens(alone), [alone], "has no further tokens");
    }
    let long = format!("{}.example.org", "a".repeat(300));
    assert_eq!(tokens(&long), [long.as_str(), "example.org"]);
}

#[test]
fn log_text_falls_into_words() {
    assert_eq!(
        terms(
            "to=<bob@x.test>, relay=mx[203.0.113.9]:25, dsn=5.1.1 (host said: 550 \"No such user.\")"
        ),
        [
            "to",
            "bob@x.test",
            "relay",
            "mx",
            "203.0.113.9",
            "25",
            "dsn",
            "5.1.1",
            "host",
            "said",
            "550",
            "no",
            "such",
            "user",
        ]
    );
    assert_eq!(
        terms("CAF+abc=Xy@mail.gmail.com"),
        ["caf+abc", "xy@mail.gmail.com"]
    );
    assert_eq!(
        terms("1xV7JE-0000BY-32: done. -- ..."),
        ["1xv7je-0000by-32", "done"]
    );
    assert_eq!(
        terms("2026-11-22T13:00:05Z"),
        ["2026-11-22t13", "00", "05z"]
    );
    assert_eq!(terms(r"DOMAIN\user|x`y"), ["domain", "user", "x", "y"]);
    assert_eq!(terms(""), [""; 0]);
}

#[test]
fn ipv6_addresses_keep_their_colons_and_become_canonical() {
    for text in [
        "2001:db8::7",
        "[2001:DB8:0:0::7]:25",
        "IPv6:2001:db8::7",
        "2001:db8::7:",
        "2001:db8::0007.",
        "2001:0db8:0000:0000:0000:0000:0000:0007",
        "client:[IPv6:2001:db8::7]",
        "x:y:2001:db8::7",
    ] {
        assert!(
            terms(text).contains(&"2001:db8::7".to_owned()),
            "{text}: {:?}",
            terms(text)
        );
    }
    assert_eq!(terms("fe80::1%eth0"), ["fe80::1", "eth0"]);
    assert_eq!(terms("2001:db8::/32"), ["2001:db8::", "32"]);
    assert_eq!(terms("::ffff:203.0.113.9"), ["203.0.113.9"]);
    assert_eq!(terms("::1%::2%::3/::4"), ["::1", "::2", "::3", "::4"]);
    assert_eq!(terms("12:34:56"), ["12", "34", "56"]);
    assert_eq!(terms("2001:db8::1x"), ["2001", "db8", "1x"]);
    assert_eq!(terms("std::string::x"), ["std", "string", "x"]);
    assert_eq!(
        terms("00:11:22:33:44:55"),
        ["00", "11", "22", "33", "44", "55"]
    );
}

#[test]
fn letters_of_any_script_lose_their_case() {
    assert_eq!(
        tokens("ÄÖÜ@BÜCHER.Example"),
        ["äöü@bücher.example", "äöü", "bücher.example"]
    );
    assert_eq!(
        terms("ein\u{a0}Wort\u{2028}x\u{3000}Y"),
        ["ein", "wort", "x", "y"]
    );
    assert_eq!(terms("ΣΊΣΥΦΟΣ"), ["σίσυφοσ"]);
    let long = "A".repeat(STACK_BYTES + 1);
    assert_eq!(terms(&long), [long.to_ascii_lowercase()]);
}

#[test]
fn values_have_the_tokens_of_their_texts() {
    let record = record(
        EventType::AUTH_FAILED,
        |_| (),
        |record| {
            record
                .texts(Key::TO, ["b@y.test", "Über uns"])
                .uint(Key::CODE, 550)
                .bool(Key::TLS, true)
                .ip(Key::REMOTE_IP, Ipv4Addr::new(203, 0, 113, 9).into())
                .ip(
                    Key::LOCAL_IP,
                    "::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap().into(),
                )
                .duration_ms(Key::ELAPSED, 5)
                .value(Key::CONTENTS, &Value::Bytes(b"raw"));
        },
    );
    let (event, _) = EventRef::read(&record).unwrap();
    let mut found = Vec::new();
    for (_, value) in event.pairs() {
        value_tokens(&value, &mut |token| found.push(token.to_owned()));
    }
    assert_eq!(
        found,
        [
            "b@y.test",
            "b",
            "y.test",
            "über",
            "uns",
            "203.0.113.9",
            "192.0.2.1"
        ]
    );
}

proptest! {
    #[test]
    fn tokens_are_clean(text in any_text()) {
        tokens_of(&text, &mut |token| {
            assert!(!token.is_empty());
            assert!(!token.contains(is_separator), "{token:?}");
            assert!(token.chars().flat_map(char::to_lowercase).eq(token.chars()), "{token:?}");
        });
    }

    /// Searching for a token gives that token: what is found in the index can be asked for.
    #[test]
    fn a_term_is_its_own_only_term(text in any_text()) {
        for term in terms(&text) {
            prop_assert_eq!(terms(&term), [term]);
        }
    }

    /// Equality without regard to case implies the same terms, which the planner builds on.
    #[test]
    fn case_does_not_matter(text in any_text()) {
        let lower: String = text.chars().flat_map(char::to_lowercase).collect();
        prop_assert_eq!(terms(&text), terms(&lower));
        prop_assert_eq!(terms(&text), terms(&text.to_ascii_uppercase()));
    }

    #[test]
    fn having_a_token_is_the_same_as_giving_it(text in any_text(), other in any_text()) {
        let others = tokens(&other);
        for term in terms(&text) {
            let mut given = Vec::new();
            tokens_of(&term, &mut |token| given.push(token.to_owned()));
            for at in term.char_indices().map(|(at, _)| at) {
                for part in [&term[at..], &term[..at]] {
                    prop_assert_eq!(term_has(&term, part), given.iter().any(|token| token == part), "{} in {}", part, term);
                }
            }
            for token in &others {
                prop_assert_eq!(term_has(&term, token), given.contains(token), "{} in {}", token, term);
            }
        }
    }
}
