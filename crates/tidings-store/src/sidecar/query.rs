//! What to look up in a sidecar: tokens under AND and OR.

use crate::{Result, RowSet};

/// Tokens that a row must hold, as the sidecar can judge it.
///
/// The answer is a set of *candidates*: every row that matches is in it, rows that do not match
/// may be in it too (rows of the same page, tokens of another column, colliding fingerprints).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenExpr {
    /// Every row: for conditions that tokens cannot narrow.
    All,
    /// Rows that hold this token in an indexed column; made by the table's tokeniser, or the
    /// decimal text of an integer.
    Token(String),
    /// Rows that satisfy all; `And(vec![])` is every row.
    And(Vec<TokenExpr>),
    /// Rows that satisfy one or more; `Or(vec![])` is no row.
    Or(Vec<TokenExpr>),
}

impl TokenExpr {
    /// A token.
    pub fn token(token: impl Into<String>) -> Self {
        Self::Token(token.into())
    }

    /// Evaluates with a look-up for single tokens.
    pub(crate) fn evaluate(
        &self,
        rows: u32,
        look_up: &mut dyn FnMut(&str) -> Result<RowSet>,
    ) -> Result<RowSet> {
        match self {
            Self::All => Ok(RowSet::range(0..rows)),
            Self::Token(token) => look_up(token),
            Self::And(all) => {
                let mut set = RowSet::range(0..rows);
                for one in all {
                    if set.is_empty() {
                        break;
                    }
                    set = set.and(&one.evaluate(rows, look_up)?);
                }
                Ok(set)
            }
            Self::Or(any) => {
                let mut set = RowSet::none();
                for one in any {
                    set = set.or(&one.evaluate(rows, look_up)?);
                }
                Ok(set)
            }
        }
    }
}
