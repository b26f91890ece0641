//! A filter made ready to be matched with many objects.

use super::ast::{Expr, Field, FieldTest, Filter, Op, Operand, Pattern};
use super::operand::{Interval, Meaning};
use super::plan::{Needs, Plan};
use super::subject::Subject;
use super::texts::TextTest;
use super::types::TypeSet;
use crate::event_type::EventType;
use crate::id::Id;
use crate::key::Key;
use crate::level::Level;
use crate::token::visit_texts;
use crate::value::Value;

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Matcher {
    root: Node,
}

impl Matcher {
    /// Compiles a filter. Durations such as `since:2h` count from `now_ns` (nanoseconds since the unix
    /// epoch), once and for all: what runs for long must compile again.
    pub fn compile(filter: &Filter, now_ns: i64) -> Matcher {
        let root = filter.root.as_ref().map(|root| Node::compile(root, now_ns));
        Matcher {
            root: root.unwrap_or(Node::And(Vec::new())),
        }
    }

    /// Whether the filter lets the object pass. Nothing is allocated as long as texts are ASCII.
    pub fn matches(&self, subject: &impl Subject) -> bool {
        self.root.matches(subject)
    }

    /// What every object that passes has, for an index to find them by.
    pub fn plan(&self) -> Plan {
        self.root.plan(false)
    }
}

#[derive(Clone, Debug)]
enum Node {
    /// All of them; true if there are none.
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// Any text of the object.
    Text(TextTest),
    Type(TypeSet),
    /// One bit for each level, by ordinal.
    Level(u8),
    Time(Vec<Interval>),
    Span(Vec<Id>),
    /// Any value of the object.
    AnyValue(Vec<Meaning>),
    Key(Key, Vec<Meaning>),
    Extra {
        id: u16,
        is_indexed: bool,
        meanings: Vec<Meaning>,
    },
}

impl Node {
    fn compile(expr: &Expr, now_ns: i64) -> Node {
        let all = |branches: &[Expr]| {
            branches
                .iter()
                .map(|branch| Node::compile(branch, now_ns))
                .collect()
        };
        match expr {
            Expr::And(branches) => Node::And(all(branches)),
            Expr::Or(branches) => Node::Or(all(branches)),
            Expr::Not(inner) => Node::Not(Box::new(Node::compile(inner, now_ns))),
            Expr::Text(pattern) => Node::Text(TextTest::of_any(pattern)),
            Expr::Field(test) if test.op == Op::IsNot => {
                Node::Not(Box::new(Node::compile_test(test, Op::Is, now_ns)))
            }
            Expr::Field(test) => Node::compile_test(test, test.op, now_ns),
        }
    }

    fn compile_test(test: &FieldTest, op: Op, now_ns: i64) -> Node {
        let kind = test.field.kind();
        let meanings = || {
            test.values
                .iter()
                .map(|value| Meaning::new(kind, op, value, now_ns))
        };
        match test.field {
            Field::Type => Node::Type(types(&test.values)),
            Field::Level => Node::Level(
                test.values
                    .iter()
                    .map(|value| levels(op, value))
                    .fold(0, |all, one| all | one),
            ),
            Field::Time => Node::Time(meanings().filter_map(|meaning| meaning.times()).collect()),
            Field::Span => Node::Span(spans(&test.values)),
            Field::Ip => Node::AnyValue(test.values.iter().map(Meaning::of_any_ip).collect()),
            Field::Key(key) => Node::Key(key, meanings().collect()),
            Field::Extra(extra) => Node::Extra {
                id: extra.id,
                is_indexed: extra.is_indexed,
                meanings: meanings().collect(),
            },
        }
    }

    fn matches(&self, subject: &impl Subject) -> bool {
        match self {
            Node::And(branches) => branches.iter().all(|branch| branch.matches(subject)),
            Node::Or(branches) => branches.iter().any(|branch| branch.matches(subject)),
            Node::Not(inner) => !inner.matches(subject),
            Node::Type(types) => subject.kind().is_some_and(|kind| types.contains(kind)),
            Node::Level(mask) => subject
                .level()
                .is_some_and(|level| mask >> level.ordinal() & 1 != 0),
            Node::Time(times) => {
                let time = i128::from(subject.time_ns());
                times.iter().any(|interval| interval.contains(time))
            }
            Node::Span(spans) => subject.span().is_some_and(|span| spans.contains(&span)),
            Node::Text(test) => subject.any_value(None, &mut |value| {
                visit_texts(value, &mut |text| test.matches(&text))
            }),
            Node::AnyValue(meanings) => {
                subject.any_value(None, &mut |value| any_matches(meanings, value))
            }
            Node::Key(key, meanings) => {
                subject.any_value(Some(*key), &mut |value| any_matches(meanings, value))
            }
            Node::Extra { id, meanings, .. } => {
                subject.any_extra(*id, &mut |value| any_matches(meanings, value))
            }
        }
    }

    /// The plan of this node, or of its negation.
    fn plan(&self, negated: bool) -> Plan {
        let tokens = |needs: Needs| {
            if negated {
                Plan::anything()
            } else {
                Plan {
                    needs,
                    ..Plan::anything()
                }
            }
        };
        let of_any = |meanings: &[Meaning]| tokens(Needs::any(meanings.iter().map(Meaning::needs)));
        match self {
            Node::And(branches) | Node::Or(branches) => {
                let plans = branches.iter().map(|branch| branch.plan(negated));
                // Not (a and b) is (not a) or (not b).
                if matches!(self, Node::And(_)) != negated {
                    Plan::all(plans)
                } else {
                    Plan::any(plans)
                }
            }
            Node::Not(inner) => inner.plan(!negated),
            Node::Type(types) => {
                let types = if negated {
                    types.complement()
                } else {
                    types.clone()
                };
                Plan {
                    types,
                    ..Plan::anything()
                }
            }
            Node::Time(times) => Plan::of_times(times, negated),
            Node::Text(test) => tokens(test.needs()),
            Node::AnyValue(meanings) | Node::Key(_, meanings) => of_any(meanings),
            Node::Extra {
                is_indexed: true,
                meanings,
                ..
            } => of_any(meanings),
            Node::Extra { .. } | Node::Level(_) | Node::Span(_) => Plan::anything(),
        }
    }
}

fn any_matches(meanings: &[Meaning], value: &Value<'_>) -> bool {
    meanings.iter().any(|meaning| meaning.matches(value))
}

fn types(values: &[Operand]) -> TypeSet {
    let mut types = TypeSet::none();
    for value in values {
        match value {
            Operand::One(Pattern::Text(name)) => {
                EventType::from_name(name)
                    .into_iter()
                    .for_each(|kind| types.insert(kind));
            }
            Operand::One(Pattern::Glob(glob)) => types.insert_matching(glob),
            Operand::Range(..) => {}
        }
    }
    types
}

fn spans(values: &[Operand]) -> Vec<Id> {
    let id = |value: &Operand| match value {
        Operand::One(Pattern::Text(text)) => Id::parse(text),
        _ => None,
    };
    values.iter().filter_map(id).collect()
}

/// One bit for each level that `op value` lets pass. `Disable` is no step above `Error`: only its own
/// name lets it pass.
fn levels(op: Op, value: &Operand) -> u8 {
    let (low, high) = match value {
        Operand::One(Pattern::Text(text)) => (text.parse::<Level>(), text.parse::<Level>()),
        Operand::Range(low, high) => (low.parse(), high.parse()),
        Operand::One(Pattern::Glob(_)) => return 0,
    };
    let (Ok(low), Ok(high)) = (low, high) else {
        return 0;
    };
    let passes = |level: &&Level| match op {
        Op::Has | Op::Is | Op::IsNot => (low..=high).contains(*level),
        _ if **level == Level::Disable => false,
        Op::Above => **level > high,
        Op::AtLeast => **level >= low,
        Op::Below => **level < low,
        Op::AtMost => **level <= high,
    };
    Level::ALL
        .iter()
        .filter(passes)
        .fold(0, |mask, level| mask | 1 << level.ordinal())
}
