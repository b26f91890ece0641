//! From text to filter: a recursive descent over words, operators and parentheses.

use super::ast::{Expr, Field, FieldTest, Filter, Op, Operand, Pattern};
use super::error::FilterError;
use super::field::{FieldSet, Named};
use super::operand;
use super::texts::MAX_PHRASE_TERMS;
use super::word::{Cursor, Word};
use crate::token::{is_separator, terms_of};

/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 16 << 10;

/// How deep parentheses and negations may nest.
pub const MAX_FILTER_DEPTH: usize = 32;

const WHAT_FOLLOWS: &str = "a word, a \"phrase\", field:value, NOT or (";

/// Parses a whole filter.
pub(super) fn parse(text: &str, fields: &FieldSet) -> Result<Filter, FilterError> {
    if text.len() > MAX_FILTER_BYTES {
        let message = format!(
            "the filter has {} bytes: at most {MAX_FILTER_BYTES} are allowed",
            text.len()
        );
        return Err(FilterError::new(0, text.len(), message));
    }
    let mut parser = Parser {
        cursor: Cursor { text, at: 0 },
        fields,
        depth: 0,
    };
    parser.cursor.skip_space();
    if parser.cursor.rest().is_empty() {
        return Ok(Filter::everything());
    }
    let root = parser.alternatives()?;
    if parser.cursor.rest().is_empty() {
        return Ok(Filter { root: Some(root) });
    }
    // Alternatives end at a closing parenthesis or at the end.
    Err(parser.cursor.error(1, "this `)` has no `(` before it"))
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    fields: &'a FieldSet,
    depth: usize,
}

impl Parser<'_> {
    /// `a b OR c`: runs of conditions with `OR` between them.
    fn alternatives(&mut self) -> Result<Expr, FilterError> {
        let mut branches = vec![self.conditions()?];
        while self.cursor.eat_keyword("OR") {
            branches.push(self.conditions()?);
        }
        Ok(Expr::or(branches))
    }

    /// `a b AND c`: conditions that all hold. Ends before `OR`, `)` and the end.
    fn conditions(&mut self) -> Result<Expr, FilterError> {
        let mut branches = Vec::new();
        loop {
            branches.push(self.condition()?);
            self.cursor.skip_space();
            if self.cursor.eat_keyword("AND") {
                continue;
            }
            let mut ahead = self.cursor;
            if matches!(ahead.peek(), None | Some(')')) || ahead.eat_keyword("OR") {
                return Ok(Expr::and(branches));
            }
        }
    }

    /// One condition, possibly negated or in parentheses.
    fn condition(&mut self) -> Result<Expr, FilterError> {
        self.cursor.skip_space();
        let start = self.cursor;
        if self.cursor.eat_keyword("NOT") || self.eat_minus() {
            let inner = self.deeper(&start, Parser::condition)?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.cursor.eat('(') {
            let inner = self.deeper(&start, Parser::alternatives)?;
            if self.cursor.eat(')') {
                return Ok(inner);
            }
            return Err(start.error(1, "this `(` has no `)` behind it"));
        }
        let mut ahead = start;
        if matches!(start.peek(), None | Some(')'))
            || ahead.eat_keyword("OR")
            || ahead.eat_keyword("AND")
        {
            let found = ahead
                .at
                .max(start.at + usize::from(start.peek() == Some(')')));
            return Err(start.error(found - start.at, format!("expected {WHAT_FOLLOWS}")));
        }
        match self.cursor.name_and_op() {
            Some((name, op)) => self.field_test(name, start.at, op),
            None => self.text(),
        }
    }

    /// A hyphen that negates what follows at once.
    fn eat_minus(&mut self) -> bool {
        let negates = self.cursor.rest().strip_prefix('-').is_some_and(|rest| {
            rest.chars()
                .next()
                .is_some_and(|c| !c.is_whitespace() && c != ')')
        });
        negates && self.cursor.eat('-')
    }

    fn deeper(
        &mut self,
        start: &Cursor<'_>,
        parse: impl FnOnce(&mut Self) -> Result<Expr, FilterError>,
    ) -> Result<Expr, FilterError> {
        if self.depth == MAX_FILTER_DEPTH {
            let message = format!("parentheses and negations nest deeper than {MAX_FILTER_DEPTH}");
            return Err(start.error(1, message));
        }
        self.depth += 1;
        let inner = parse(self);
        self.depth -= 1;
        inner
    }

    /// A word, phrase or glob without a field.
    fn text(&mut self) -> Result<Expr, FilterError> {
        let word = self.cursor.word(false)?;
        match &word.pattern {
            Pattern::Text(text) => check_phrase(&word, text, true)?,
            Pattern::Glob(glob) if glob.is_floating() => {
                if glob.literals().next().is_none() {
                    return Err(word
                        .error("`*` and `?` alone match anything: add letters, or leave it out"));
                }
            }
            Pattern::Glob(glob) => {
                let splits = |text: &str| text.contains(is_separator);
                let is_ip_part = |text: &str| {
                    text.chars()
                        .all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.')
                };
                if glob
                    .literals()
                    .any(|text| splits(text) || text.contains(':') && !is_ip_part(text))
                {
                    let message = "this can match no single word: write it with `*` at both ends to search inside texts";
                    return Err(word.error(message));
                }
            }
        }
        Ok(Expr::Text(word.pattern))
    }

    /// What follows `name op`.
    fn field_test(&mut self, name: &str, at: usize, op: Op) -> Result<Expr, FilterError> {
        let end = self.cursor.at;
        let wrong = |message: String| FilterError::new(at, end - at, message);
        let (field, op) = match self.fields.resolve(name, at)? {
            Named::Field(field) => (field, op),
            Named::Since | Named::Until if !matches!(op, Op::Has | Op::Is) => {
                return Err(wrong(format!(
                    "write `{name}:`; to compare in other ways use `time`"
                )));
            }
            Named::Since => (Field::Time, Op::AtLeast),
            Named::Until => (Field::Time, Op::AtMost),
        };
        operand::check_op(field, op).map_err(wrong)?;
        let is_list = self.cursor.peek() == Some('(');
        if is_list && op.is_ordering() {
            return Err(self.cursor.error(
                1,
                format!("`{name}{}` takes one value, no list", op.as_str()),
            ));
        }
        let values = if is_list {
            self.list(field, op)?
        } else {
            vec![self.value(field, op, false)?]
        };
        Ok(Expr::Field(FieldTest { field, op, values }))
    }

    /// `(a, b, "c d")`.
    fn list(&mut self, field: Field, op: Op) -> Result<Vec<Operand>, FilterError> {
        let start = self.cursor;
        self.cursor.eat('(');
        let mut values = Vec::new();
        loop {
            self.cursor.skip_space();
            values.push(self.value(field, op, true)?);
            self.cursor.skip_space();
            if self.cursor.eat(')') {
                return Ok(values);
            }
            if self.cursor.rest().is_empty() {
                return Err(start.error(1, "this `(` has no `)` behind it"));
            }
            if !self.cursor.eat(',') {
                return Err(self.cursor.error(
                    1,
                    "expected `,` or `)`: values of a list are separated by commas",
                ));
            }
        }
    }

    fn value(&mut self, field: Field, op: Op, in_list: bool) -> Result<Operand, FilterError> {
        let word = self.cursor.word(in_list)?;
        if word.start == word.end {
            let message = format!(
                "expected a value for `{}`; an empty text is written \"\"",
                field.name()
            );
            return Err(self.cursor.error(0, message));
        }
        if op == Op::Has
            && let Pattern::Text(text) = &word.pattern
        {
            check_phrase(&word, text, false)?;
        }
        let value = if word.is_literal {
            operand::with_range(field, op, &word.pattern)
        } else {
            None
        };
        let value =
            value.unwrap_or_else(|| Operand::One(operand::in_one_word(field, &word.pattern)));
        operand::check_value(field, op, &value).map_err(|message| word.error(message))?;
        Ok(value)
    }
}

/// Refuses a phrase that could never match or is too long.
fn check_phrase(word: &Word, text: &str, needs_terms: bool) -> Result<(), FilterError> {
    let mut count = 0;
    terms_of(text, &mut |_| count += 1);
    if count == 0 && needs_terms {
        return Err(word.error("this holds no word to search for"));
    }
    if count > MAX_PHRASE_TERMS {
        return Err(word.error(format!("a phrase has at most {MAX_PHRASE_TERMS} words")));
    }
    Ok(())
}
