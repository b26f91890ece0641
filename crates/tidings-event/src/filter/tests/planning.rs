use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::any::{any_filter, expr_of};
use super::*;
use crate::filter::ast::{Expr, Pattern};
use crate::filter::glob::{Glob, Part};
use crate::filter::{Needs, Plan};
use crate::samples::{TIME_NS, any_event};
use crate::token::{Text, terms_of, value_tokens, visit_texts};

fn plan(text: &str) -> Plan {
    Matcher::compile(&filter(text), NOW_NS).plan()
}

fn needs(text: &str) -> String {
    fn show(needs: &Needs) -> String {
        let join =
            |parts: &[Needs], with: &str| parts.iter().map(show).collect::<Vec<_>>().join(with);
        match needs {
            Needs::Anything => "-".to_owned(),
            Needs::Token(token) => token.clone(),
            Needs::All(parts) => join(parts, " & "),
            Needs::Any(parts) => format!("({})", join(parts, " | ")),
        }
    }
    show(&plan(text).needs)
}

#[test]
fn plans_name_the_tokens_that_must_be_there() {
    for (text, expected) in [
        ("", "-"),
        ("Mailbox", "mailbox"),
        ("\"mailbox is full\"", "mailbox & is & full"),
        (
            "from:alice@example.org to:*@gmail.com status:deferred",
            "alice@example.org & gmail.com & deferred",
        ),
        ("a (b OR c) -d", "a & (b | c)"),
        ("-(a OR b)", "-"),
        ("-(-a OR -b)", "a & b"),
        ("a OR since:1h", "-"),
        ("a OR -b", "-"),
        ("to:(a, b*, c)", "-"),
        ("to:(a, *@b.c, a)", "(a | b.c)"),
        ("to!=a", "-"),
        ("-to!=a", "a"),
        ("from=\"Alice Smith\"", "alice & smith"),
        ("from=<>", "-"),
        ("*.example.org", "example.org"),
        ("*x.example.org", "example.org"),
        ("*ample.org", "-"),
        ("hostname:mx?.example.org", "example.org"),
        ("from:alice@*", "alice"),
        ("from:alice*", "-"),
        ("from:alice@b@*", "alice"),
        (r"reason:*\ a:b", "-"),
        (r"reason:*\ a@b\ *", "a@b"),
        ("reason:*mailbox\\ is\\ full*", "is"),
        ("reason:user\\ bob*", "user"),
        ("*part*", "-"),
        ("from:*:25", "-"),
        ("code:550", "-"),
        ("mtaQueueId:12345", "12345"),
        ("size>10mb", "-"),
        ("reason:550", "-"),
        ("reason:full", "full"),
        ("details:*.example.org", "example.org"),
        ("details:5*", "-"),
        ("remoteIp:203.0.113.9", "203.0.113.9"),
        ("remoteIp:203.0.113.9/32", "(203.0.113.9 | 203.0.113.9/32)"),
        ("ip:203.0.113.0/24", "-"),
        ("ip:2001:DB8:0::1", "2001:db8::1"),
        ("from:*", "-"),
        ("span:ba level:warn", "-"),
    ] {
        assert_eq!(needs(text), expected, "{text}");
    }
}

#[test]
fn plans_know_the_times() {
    let hour = 3_600_000_000_000;
    let times = |text: &str| {
        let plan = plan(text);
        (
            plan.since_ns.saturating_sub(NOW_NS),
            plan.until_ns.saturating_sub(NOW_NS),
        )
    };
    let (first, last) = times("");
    assert_eq!((first, last), (i64::MIN, i64::MAX - NOW_NS));
    assert_eq!(times("since:2h"), (-2 * hour, last));
    assert_eq!(times("since:2h until:1h a"), (-2 * hour, -hour));
    assert_eq!(times("since:2h OR since:1h"), (-2 * hour, last));
    assert_eq!(times("since:2h OR a"), (first, last));
    assert_eq!(times("-since:2h"), (first, -2 * hour - 1));
    assert_eq!(
        times("-(since:2h OR -since:4h)"),
        (-4 * hour, -2 * hour - 1)
    );
    assert_eq!(times("time:2026-11-22"), (-13 * hour, 11 * hour - 1));
    assert_eq!(times("time!=2026-11-22"), (first, last));
    assert_eq!(times("time:(2h,4h)"), (-4 * hour, -2 * hour));
    assert!(plan("since:1h until:2h").is_impossible());
    assert!(!plan("since:2h until:1h").is_impossible());
}

#[test]
fn plans_know_the_types() {
    let types = |text: &str| plan(text).types;
    assert!(types("").is_all() && types("a OR type:smtp.quit").is_all());
    let quit: Vec<_> = types("type:smtp.quit a").iter().collect();
    assert_eq!(quit, [EventType::SMTP_QUIT]);
    let family = types("type:delivery.*");
    assert!(family.contains(EventType::DELIVERY_FAILED) && !family.contains(EventType::SMTP_QUIT));
    assert!(
        family
            .iter()
            .all(|kind| kind.name().starts_with("delivery."))
    );
    let without = types("-type:smtp.quit");
    assert!(!without.contains(EventType::SMTP_QUIT) && without.contains(EventType::AUTH_FAILED));
    assert!(
        without.contains(EventType::from_id(9_999)),
        "types of newer versions too"
    );
    assert!(
        types("type:custom.other").contains(EventType::from_id(9_999)),
        "which count as custom.other"
    );
    assert!(plan("type:smtp.quit type:auth.failed").is_impossible());
    assert!(types("type:smtp.quit OR type:auth.failed").iter().count() == 2);
}

fn tokens(record: &[u8]) -> HashSet<String> {
    let mut tokens = HashSet::new();
    for (_, value) in EventRef::read(record).unwrap().0.pairs() {
        value_tokens(&value, &mut |token| {
            tokens.insert(token.to_owned());
        });
    }
    tokens
}

fn texts(record: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    for (_, value) in EventRef::read(record).unwrap().0.pairs() {
        visit_texts(&value, &mut |text| {
            let (Text::Plain(text) | Text::Ip(text)) = text;
            texts.push(text.to_owned());
            false
        });
    }
    texts
}

/// A word, phrase or shape that some text of the event has, or nearly has.
fn pattern_of(texts: Vec<String>) -> BoxedStrategy<Pattern> {
    let texts = if texts.is_empty() {
        vec!["mailbox full".to_owned()]
    } else {
        texts
    };
    let parts = (
        proptest::sample::select(texts),
        any::<(Index, Index, u8, bool)>(),
    );
    parts
        .prop_map(|(text, (from, to, choice, upper))| {
            let text = if upper { text.to_uppercase() } else { text };
            let places: Vec<usize> = text
                .char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .collect();
            let (from, to) = (
                places[from.index(places.len())],
                places[to.index(places.len())],
            );
            let (from, to) = (from.min(to), from.max(to));
            let literal = |text: &str| Part::Literal(text.to_owned());
            let mut terms = Vec::new();
            terms_of(&text, &mut |term| terms.push(term.to_owned()));
            let parts = match choice % 8 {
                0 => return Pattern::Text(text),
                1 => return Pattern::Text(terms.first().cloned().unwrap_or(text)),
                2 => return Pattern::Text(text[from..to].to_owned()),
                3 => vec![literal(&text[..to]), Part::Any],
                4 => vec![Part::Any, literal(&text[from..])],
                5 => vec![Part::Any, literal(&text[from..to]), Part::Any],
                6 => vec![literal(&text[..from]), Part::Any, literal(&text[to..])],
                _ => {
                    let next = text[from..]
                        .chars()
                        .next()
                        .map_or(from, |c| from + c.len_utf8());
                    vec![literal(&text[..from]), Part::One, literal(&text[next..])]
                }
            };
            Pattern::Glob(Glob::new(
                parts.into_iter().filter(|part| *part != literal("")),
            ))
        })
        .boxed()
}

/// An event, and a filter of words that it has.
fn event_and_filter() -> impl Strategy<Value = (Vec<u8>, Filter)> {
    any_event().prop_flat_map(|record| {
        let expr = expr_of(pattern_of(texts(&record)));
        (
            Just(record),
            expr.prop_map(|root| Filter { root: Some(root) }),
        )
    })
}

/// Whether the event matches, and if so, that it satisfies the plan.
fn matches_and_plan_holds(record: &[u8], filter: &Filter) -> (bool, Plan) {
    let (event, _) = EventRef::read(record).unwrap();
    let matcher = Matcher::compile(filter, TIME_NS);
    let (is_match, plan) = (matcher.matches(&event), matcher.plan());
    let tokens = tokens(record);
    let is_admitted = plan.admits(Some(event.kind()), event.time_ns(), &mut |token| {
        tokens.contains(token)
    });
    assert!(
        !is_match || is_admitted,
        "{filter}\n matches, but {plan:?}\n is not met by {tokens:?}"
    );
    (is_match, plan)
}

/// The property below would hold of a plan that needs nothing and of filters that never match.
#[test]
fn the_property_has_something_to_say() {
    let mut runner = TestRunner::deterministic();
    let (mut matching, mut needing) = (0, 0);
    for _ in 0..4_000 {
        let (record, filter) = event_and_filter().new_tree(&mut runner).unwrap().current();
        let (is_match, plan) = matches_and_plan_holds(&record, &filter);
        matching += usize::from(is_match);
        needing += usize::from(is_match && plan.needs != Needs::Anything);
    }
    assert!(
        matching > 1_000 && needing > 200,
        "{matching} match, {needing} of them need tokens"
    );
}

proptest! {
    /// Index and matcher give the same answer: whatever matches is found by its plan.
    #[test]
    fn whatever_matches_satisfies_the_plan((record, filter) in event_and_filter()) {
        matches_and_plan_holds(&record, &filter);
    }

    #[test]
    fn so_it_does_with_unrelated_filters(record in any_event(), filter in any_filter()) {
        matches_and_plan_holds(&record, &filter);
    }

    /// For a single word the plan is exact: the index alone could answer.
    #[test]
    fn a_word_matches_exactly_where_its_token_is(record in any_event(), word in "[abc]{1,2}|gmail\\.com|mailbox|2001:db8::1|203\\.0\\.113\\.9") {
        let found = tokens(&record).contains(&word);
        let filter = Filter { root: Some(Expr::Text(Pattern::Text(word.clone()))) };
        let (event, _) = EventRef::read(&record).unwrap();
        prop_assert_eq!(Matcher::compile(&filter, 0).matches(&event), found);
        prop_assert_eq!(Matcher::compile(&filter, 0).plan().needs, Needs::Token(word));
    }

    /// The plan of a negation is the plan of the opposite, never of the filter itself.
    #[test]
    fn negations_are_never_planned_too_narrowly((record, filter) in event_and_filter()) {
        let negated = filter.root.clone().map(|root| Expr::Not(Box::new(root)));
        let (is_match, _) = matches_and_plan_holds(&record, &filter);
        let (is_other, _) = matches_and_plan_holds(&record, &Filter { root: negated });
        prop_assert_ne!(is_match, is_other);
    }
}
