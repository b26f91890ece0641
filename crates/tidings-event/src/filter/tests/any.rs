//! Random filters.

use proptest::prelude::*;
use proptest::sample::select;

use super::matching::any_glob;
use super::*;
use crate::filter::ast::{Expr, Field, FieldTest, Op, Operand, Pattern};
use crate::filter::operand;
use crate::samples::any_text;
use crate::token::{is_separator, terms_of};

impl FieldSet {
    /// The same with the fields of events, so that one test has them all.
    pub(super) fn with_events(&self) -> FieldSet {
        FieldSet {
            is_event: true,
            ..*self
        }
    }
}

/// A filter over the fields of messages and events.
pub(super) fn any_filter() -> impl Strategy<Value = Filter> {
    proptest::option::weighted(0.95, any_expr(any_text().boxed())).prop_map(|root| Filter { root })
}

/// An expression whose words are these texts, or shapes of any kind.
pub(super) fn any_expr(texts: BoxedStrategy<String>) -> impl Strategy<Value = Expr> {
    let pattern = prop_oneof![
        3 => texts.clone().prop_map(Pattern::Text),
        1 => any_glob().prop_map(Pattern::Glob),
    ]
    .boxed();
    expr_of(pattern)
}

/// An expression whose words are these patterns.
pub(super) fn expr_of(pattern: BoxedStrategy<Pattern>) -> impl Strategy<Value = Expr> {
    let word = pattern
        .clone()
        .prop_filter("a searchable word", is_searchable)
        .prop_map(Expr::Text);
    let leaf = prop_oneof![7 => word, 5 => any_test(pattern).prop_map(Expr::Field)];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Expr::and),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Expr::or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

/// The rules of the parser for words without a field.
fn is_searchable(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Text(text) => {
            let mut count = 0;
            terms_of(text, &mut |_| count += 1);
            count > 0
        }
        Pattern::Glob(glob) if glob.is_floating() => glob.literals().next().is_some(),
        Pattern::Glob(glob) => !glob
            .literals()
            .any(|text| text.contains(is_separator) || text.contains(':')),
    }
}

fn any_test(pattern: BoxedStrategy<Pattern>) -> impl Strategy<Value = FieldTest> {
    let field = prop_oneof![
        1 => select(vec![Field::Type, Field::Level, Field::Time, Field::Span, Field::Ip]),
        3 => crate::samples::any_key().prop_map(Field::Key),
        1 => select(vec![Key::REMOTE_IP, Key::ELAPSED, Key::DUE, Key::TLS, Key::MTA_QUEUE_ID]).prop_map(Field::Key),
        1 => select(MESSAGES.extra.to_vec()).prop_map(Field::Extra),
    ];
    let value = prop_oneof![3 => pattern.prop_map(Operand::One), 4 => special_value()];
    let ops = vec![
        Op::Has,
        Op::Has,
        Op::Has,
        Op::Is,
        Op::IsNot,
        Op::Above,
        Op::AtLeast,
        Op::Below,
        Op::AtMost,
    ];
    (field, select(ops), proptest::collection::vec(value, 1..4)).prop_filter_map(
        "a valid test",
        |(field, op, mut values)| {
            values.retain(|value| {
                operand::check_value(field, op, value).is_ok() && suits(field, op, value)
            });
            values.truncate(if op.is_ordering() { 1 } else { 3 });
            let is_valid = operand::check_op(field, op).is_ok() && !values.is_empty();
            is_valid.then_some(FieldTest { field, op, values })
        },
    )
}

/// Ranges are only made where the parser makes them.
fn suits(field: Field, op: Op, value: &Operand) -> bool {
    match value {
        Operand::Range(low, high) => {
            let text = Pattern::Text(format!("{low}..{high}"));
            operand::with_range(field, op, &text).is_some()
        }
        Operand::One(_) => true,
    }
}

fn special_value() -> impl Strategy<Value = Operand> {
    let words = select(vec![
        "550",
        "-7",
        "2.5",
        "10mb",
        "2s",
        "2500",
        "30m",
        "2h",
        "2026-02-03",
        "2026-02-03T03",
        "2026-02-03T03:00",
        "true",
        "no",
        "203.0.113.9",
        "203.0.113.0/24",
        "2001:db8::1",
        "::/0",
        "info",
        "warn",
        "disable",
        "delivery.failed",
        "smtp.quit",
        "ba",
        "deferred",
        "bounced",
        "AND",
        "-a",
        "a..b",
        "",
    ]);
    let ends = select(vec![
        "1",
        "500",
        "599",
        "1s",
        "2m",
        "1h",
        "3h",
        "2026-02-03",
        "trace",
        "warn",
    ]);
    let globs = select(vec!["delivery.*", "*", "5??", "*.failed", "d*ed"]);
    prop_oneof![
        3 => words.prop_map(|word| Operand::One(Pattern::Text(word.to_owned()))),
        2 => (ends.clone(), ends).prop_map(|(low, high)| Operand::Range(low.to_owned(), high.to_owned())),
        1 => globs.prop_map(|glob| match filter(&format!("from:{glob}")).root {
            Some(Expr::Field(test)) => test.values[0].clone(),
            other => panic!("a test: {other:?}"),
        }),
    ]
}
