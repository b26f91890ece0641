//! The canonical text of a filter.

use std::fmt::{self, Write};

use super::ast::{Expr, Field, FieldTest, Filter, Op, Operand, Pattern};
use super::glob::{Glob, Part};

impl fmt::Display for Filter {
    /// Text that parses to the same filter again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root
            .as_ref()
            .map_or(Ok(()), |root| write!(f, "{root}"))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::And(branches) => write_joined(f, branches, " "),
            Expr::Or(branches) => write_joined(f, branches, " OR "),
            Expr::Not(inner) => match **inner {
                Expr::And(_) | Expr::Or(_) => write!(f, "-({inner})"),
                _ => write!(f, "-{inner}"),
            },
            Expr::Text(Pattern::Text(text)) => write_text(f, text, &['-']),
            Expr::Text(Pattern::Glob(glob)) => write_glob(f, glob),
            Expr::Field(test) => write!(f, "{test}"),
        }
    }
}

impl fmt::Display for FieldTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.field, self.op) {
            (Field::Time, Op::AtLeast) => f.write_str("since:")?,
            (Field::Time, Op::AtMost) => f.write_str("until:")?,
            (field, op) => write!(f, "{}{}", field.name(), op.as_str())?,
        }
        match self.values.as_slice() {
            [only] => write!(f, "{only}"),
            values => {
                f.write_char('(')?;
                for (at, value) in values.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    write!(f, "{value}")?;
                }
                f.write_char(')')
            }
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::One(Pattern::Text(text)) => write_text(f, text, &[]),
            Operand::One(Pattern::Glob(glob)) => write_glob(f, glob),
            Operand::Range(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, branches: &[Expr], between: &str) -> fmt::Result {
    for (at, branch) in branches.iter().enumerate() {
        f.write_str(if at > 0 { between } else { "" })?;
        match branch {
            Expr::Or(_) => write!(f, "({branch})")?,
            _ => write!(f, "{branch}")?,
        }
    }
    Ok(())
}

/// The text bare where it is only a word, otherwise in quotes. A word does not begin with one of
/// `not_first`.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str, not_first: &[char]) -> fmt::Result {
    let is_word = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "@._+/%-".contains(c))
        && !text.starts_with(not_first)
        && !text.contains("..")
        && !["AND", "OR", "NOT"].contains(&text);
    if is_word {
        return f.write_str(text);
    }
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

/// The glob, with a backslash before whatever is not plainly part of a word.
fn write_glob(f: &mut fmt::Formatter<'_>, glob: &Glob) -> fmt::Result {
    for part in &glob.parts {
        match part {
            Part::Any => f.write_char('*')?,
            Part::One => f.write_char('?')?,
            Part::Literal(text) => {
                for c in text.chars() {
                    if !c.is_alphanumeric() && !"@._+/%".contains(c) {
                        f.write_char('\\')?;
                    }
                    f.write_char(c)?;
                }
            }
        }
    }
    Ok(())
}
