//! Replies of real mail servers get the diagnosis that an admin would give them.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tidings_mail::diagnose::{Action, Class, Permanence, Reply, diagnose};

/// One line of `data/replies-expected.txt`.
struct Case<'a> {
    number: usize,
    expected: &'a str,
    provider: Option<&'a str>,
    text: &'a str,
}

fn cases() -> Vec<Case<'static>> {
    include_str!("../data/replies-expected.txt")
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(i, line)| {
            let (head, text) = line
                .split_once(" | ")
                .unwrap_or_else(|| panic!("line {}", i + 1));
            let (expected, provider) = match head.split_once(" @") {
                Some((expected, provider)) => (expected, Some(provider)),
                None => (head, None),
            };
            Case {
                number: i + 1,
                expected,
                provider,
                text,
            }
        })
        .collect()
}

#[test]
fn real_replies_get_the_expected_diagnosis() {
    let cases = cases();
    assert!(cases.len() >= 250, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let found = diagnose(&Reply {
            provider: case.provider,
            ..Reply::parse(case.text)
        });
        let got = format!(
            "{} {} {}",
            found.class.as_str(),
            found.scope.as_str(),
            found.action.as_str()
        );
        if got != case.expected {
            wrong.push(format!(
                "line {}: expected {}, got {got} by {:?}: {}",
                case.number, case.expected, found.wording, case.text
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_expected_replies_touch_every_class() {
    let cases = cases();
    for class in Class::ALL {
        let covered = cases
            .iter()
            .any(|c| c.expected.starts_with(&format!("{} ", class.as_str())));
        assert!(covered, "no reply for {}", class.as_str());
    }
}

/// The plain-language parts of a diagnosis are whole sentences for every reply.
#[test]
fn every_diagnosis_has_an_advice() {
    for case in cases() {
        let found = diagnose(&Reply::parse(case.text));
        assert!(
            found.advice.ends_with('.'),
            "line {}: {}",
            case.number,
            found.advice
        );
    }
}

/// A bounce is final: its advice never waits for the queue.
#[test]
fn a_permanent_failure_is_not_waited_for() {
    for case in cases() {
        let found = diagnose(&Reply::parse(case.text));
        if found.permanence == Permanence::Permanent {
            assert_ne!(found.action, Action::Retry, "line {}", case.number);
        }
    }
}

proptest! {
    /// Any bytes may stand in a log.
    #[test]
    fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let reply = Reply::parse(&text);
        prop_assert!(!diagnose(&reply).advice.is_empty());
    }

    /// Bytes that matter to the parser, more often than chance brings them.
    #[test]
    fn no_framing_panics(text in "(host |reject: |[a-z]\\[|\\]: ?|said: |SMTP error |rejected |after |<|>|\"|@|#01|\\\\n|55[0-9]|[245]\\.[0-9]|\\.|-|_| |: |\\(in reply to |%4|0|é){0,40}") {
        let _ = diagnose(&Reply::parse(&text));
    }

    /// What stands in angle brackets, or in a token with an @, changes nothing.
    #[test]
    fn masked_parts_change_nothing(
        at in 0usize..600,
        address in "[a-z._-]{0,12}@[a-z.-]{1,12}",
        words in "(mailbox|full|user|unknown|spam|quota|blocked| |-|\\.){0,8}",
    ) {
        let cases = cases();
        let case = &cases[at % cases.len()];
        // The words go where the text ends, so that no wording is torn apart.
        let plain = diagnose(&Reply::parse(&format!("550 {}", case.text)));
        for masked in [format!("<{words}>"), format!("<{address}>"), address] {
            let found = diagnose(&Reply::parse(&format!("550 {} {masked}", case.text)));
            prop_assert_eq!(plain, found, "{} {}", case.text, masked);
        }
    }
}
