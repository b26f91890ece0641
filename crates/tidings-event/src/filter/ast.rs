//! What a filter says, as a tree.

use super::error::FilterError;
use super::field::{ExtraField, FieldSet};
use super::glob::Glob;
use super::parse;
use crate::key::Key;

/// A parsed filter: which events or messages somebody wants.
///
/// Its `Display` is canonical text, which parses to the same filter again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Nothing for the filter that everything passes.
    pub(crate) root: Option<Expr>,
}

impl Filter {
    /// The filter that everything passes: the parse of an empty text.
    pub fn everything() -> Filter {
        Filter::default()
    }

    /// Parses a filter over objects with these fields.
    ///
    /// # Errors
    /// If the text is no filter: where it fails, and what is allowed there.
    pub fn parse(text: &str, fields: &FieldSet) -> Result<Filter, FilterError> {
        parse::parse(text, fields)
    }

    /// Whether everything passes.
    pub fn is_everything(&self) -> bool {
        self.root.is_none()
    }

    /// The filter that lets pass what both let pass.
    pub fn and(self, other: Filter) -> Filter {
        let both: Vec<Expr> = self.root.into_iter().chain(other.root).collect();
        Filter {
            root: if both.is_empty() {
                None
            } else {
                Some(Expr::and(both))
            },
        }
    }

    /// The canonical names of the fields that occur, each once, in order of appearance. Words without
    /// a field have none.
    pub fn fields(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        if let Some(root) = &self.root {
            root.each_field(&mut |field| {
                if !names.contains(&field.name()) {
                    names.push(field.name());
                }
            });
        }
        names
    }

    /// Whether it looks for words in any text of the object.
    pub fn has_words(&self) -> bool {
        self.root.as_ref().is_some_and(Expr::has_words)
    }
}

/// A node of the tree.
///
/// `And` and `Or` have two branches at least, and none that is of their own kind: [`Expr::and`] and
/// [`Expr::or`] see to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// A word, phrase or glob that some text of the object has to match.
    Text(Pattern),
    /// A test of a field.
    Field(FieldTest),
}

impl Expr {
    /// All of them; one alone is itself. `branches` is not empty.
    pub(crate) fn and(branches: Vec<Expr>) -> Expr {
        let flat = branches.into_iter().flat_map(|branch| match branch {
            Expr::And(inner) => inner,
            other => vec![other],
        });
        Expr::single_or(flat.collect(), Expr::And)
    }

    /// Any of them; one alone is itself. `branches` is not empty.
    pub(crate) fn or(branches: Vec<Expr>) -> Expr {
        let flat = branches.into_iter().flat_map(|branch| match branch {
            Expr::Or(inner) => inner,
            other => vec![other],
        });
        Expr::single_or(flat.collect(), Expr::Or)
    }

    fn single_or(mut branches: Vec<Expr>, many: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
        match branches.pop() {
            Some(only) if branches.is_empty() => only,
            Some(last) => {
                branches.push(last);
                many(branches)
            }
            None => many(branches),
        }
    }

    fn has_words(&self) -> bool {
        match self {
            Expr::And(branches) | Expr::Or(branches) => branches.iter().any(Expr::has_words),
            Expr::Not(inner) => inner.has_words(),
            Expr::Field(_) => false,
            Expr::Text(_) => true,
        }
    }

    fn each_field(&self, f: &mut dyn FnMut(Field)) {
        match self {
            Expr::And(branches) | Expr::Or(branches) => {
                branches.iter().for_each(|branch| branch.each_field(f));
            }
            Expr::Not(inner) => inner.each_field(f),
            Expr::Field(test) => f(test.field),
            Expr::Text(_) => {}
        }
    }
}

/// `field op value`, or `field op (value, value)`: any of the values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldTest {
    pub(crate) field: Field,
    pub(crate) op: Op,
    /// At least one; only one where `op` compares by size.
    pub(crate) values: Vec<Operand>,
}

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field {
    Type,
    Level,
    Time,
    Span,
    /// Any IP address of the object.
    Ip,
    Key(Key),
    Extra(ExtraField),
}

impl Field {
    /// The canonical name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Type => "type",
            Field::Level => "level",
            Field::Time => "time",
            Field::Span => "span",
            Field::Ip => "ip",
            Field::Key(key) => key.name(),
            Field::Extra(extra) => extra.name,
        }
    }
}

/// How it is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// `:`, a text that contains the words, or is equal.
    Has,
    /// `=`, the whole value.
    Is,
    /// `!=`, the opposite of `=`.
    IsNot,
    /// `>`.
    Above,
    /// `>=`.
    AtLeast,
    /// `<`.
    Below,
    /// `<=`.
    AtMost,
}

impl Op {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Op::Has => ":",
            Op::Is => "=",
            Op::IsNot => "!=",
            Op::Above => ">",
            Op::AtLeast => ">=",
            Op::Below => "<",
            Op::AtMost => "<=",
        }
    }

    /// It asks whether a value is more or less than another.
    pub(crate) fn is_ordering(self) -> bool {
        matches!(self, Op::Above | Op::AtLeast | Op::Below | Op::AtMost)
    }
}

/// A value to test against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    One(Pattern),
    /// From one value to another, both included.
    Range(String, String),
}

/// Text to compare with, or a shape of text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pattern {
    Text(String),
    Glob(Glob),
}
