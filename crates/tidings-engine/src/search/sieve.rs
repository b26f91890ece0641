//! Passes over rows by few columns, before all columns are read of the rest.

use tidings_mail::message::{Message, Name};
use tidings_store::{ColumnId, NULL_CODE, Part, RowSet, Rows};

use super::Compiled;
use super::held::holding;
use crate::error::Error;
use crate::message_rows::{
    self, FROM, ID, LEGS, MESSAGE_ID, ORIGINAL_TO, QUEUE_IDS, TO, has_leg, message_of_row,
};

/// What has to be read of rows to tell which are worth reading whole, and how that is told.
#[derive(Clone, Copy)]
pub(super) enum Sieve<'s> {
    /// Rows of which these columns make a message, with one recipient, that passes.
    Filter {
        columns: &'s [ColumnId],
        passes: &'s dyn Fn(&Message) -> bool,
    },
    /// Rows that hold the addresses which are looked for.
    Holding(&'s Compiled),
    /// Rows of messages of this name.
    Name(Name<'s>),
}

impl Sieve<'_> {
    /// The rows that are left.
    pub(super) fn rows(self, part: &Part, rows: &RowSet) -> Result<RowSet, Error> {
        if let Sieve::Holding(compiled) = self {
            return holding(part, rows.clone(), compiled, message_rows::text_columns());
        }
        let values = part.read(self.columns(), rows)?;
        let left = match self {
            Sieve::Filter { passes, .. } => (0..values.len())
                .map(|row| passes(&message_of_row(&values, row)))
                .collect(),
            // Done above.
            Sieve::Holding(_) => vec![true; values.len()],
            Sieve::Name(Name::Leg(leg)) => (0..values.len())
                .map(|row| has_leg(&values, row, leg))
                .collect(),
            Sieve::Name(Name::Text(name)) => rows_named(&values, self.columns(), name),
        };
        let left = left.iter().enumerate().filter(|(_, is_left)| **is_left);
        Ok(RowSet::from_sorted_rows(
            left.map(|(row, _)| values.number(row)),
        ))
    }

    fn columns(&self) -> &[ColumnId] {
        match self {
            Sieve::Filter { columns, .. } => columns,
            Sieve::Holding(_) => message_rows::text_columns(),
            Sieve::Name(Name::Leg(_)) => &[ID, LEGS],
            // No server's queue id has this sign.
            Sieve::Name(Name::Text(name)) if name.contains('@') => {
                &[MESSAGE_ID, FROM, TO, ORIGINAL_TO]
            }
            Sieve::Name(Name::Text(_)) => &[MESSAGE_ID, QUEUE_IDS, FROM, TO, ORIGINAL_TO],
        }
    }
}

/// For each row, whether one of the columns holds the name; each text is looked at once.
fn rows_named(values: &Rows, columns: &[ColumnId], name: &str) -> Vec<bool> {
    let mut named = vec![false; values.len()];
    for &column in columns {
        let Some(codes) = values.codes(column) else {
            continue;
        };
        // A part has fewer than 2^32 rows, hence codes.
        let is_name: Vec<bool> = (0..values.code_count(column) as u32)
            .map(|code| {
                let text = values.value_text(column, code);
                text.is_some_and(|text| text.split('\n').any(|item| is_named(item, name)))
            })
            .collect();
        if !is_name.contains(&true) {
            continue;
        }
        for (named, &code) in named.iter_mut().zip(codes) {
            *named |= code != NULL_CODE && is_name.get(code as usize) == Some(&true);
        }
    }
    named
}

/// Whether a queue id, Message-ID or address is this one, which has no angle brackets.
pub(super) fn is_named(text: &str, name: &str) -> bool {
    text.trim_matches(['<', '>']).eq_ignore_ascii_case(name)
}
