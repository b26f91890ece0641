//! Passes over rows whose texts do not hold an address that is looked for, before they are read whole.
//!
//! The index tells in which thousand rows a token stands; of an address that is somewhere in most of them
//! nearly all rows are candidates. To read a row whole, and to match it, costs some microseconds; to look
//! for a few bytes in its texts costs a hundredth of that.

use tidings_event::filter::Needs;
use tidings_store::{ColumnId, NULL_CODE, Part, RowSet, Rows};

use super::Compiled;
use crate::error::Error;

/// The addresses that every row that passes holds: what stands for them in the index has an `@`, which
/// no number, no IP address and no word of ours has, so they can only be in a text.
pub(super) fn addresses(needs: &Needs) -> Vec<String> {
    match needs {
        Needs::Token(token) if token.contains('@') && token.is_ascii() => vec![token.clone()],
        Needs::All(parts) => parts.iter().flat_map(addresses).collect(),
        Needs::Token(_) | Needs::Anything | Needs::Any(_) => Vec::new(),
    }
}

/// The rows that hold the addresses in one of these columns of texts, and perhaps some others.
pub(super) fn holding(
    part: &Part,
    rows: RowSet,
    compiled: &Compiled,
    columns: &[ColumnId],
) -> Result<RowSet, Error> {
    if compiled.addresses.is_empty() {
        return Ok(rows);
    }
    let values = part.read(columns, &rows)?;
    let left = rows_holding(&values, columns, compiled);
    let left = left.iter().enumerate().filter(|(_, is_left)| **is_left);
    Ok(RowSet::from_sorted_rows(
        left.map(|(row, _)| values.number(row)),
    ))
}

/// For each row, whether it may hold the addresses.
pub(super) fn rows_holding(values: &Rows, columns: &[ColumnId], compiled: &Compiled) -> Vec<bool> {
    let mut is_left = vec![true; values.len()];
    for address in &compiled.addresses {
        let mut holds = vec![false; values.len()];
        for &column in columns {
            let Some(codes) = values.codes(column) else {
                continue;
            };
            // A part has fewer than 2^32 rows, hence codes.
            let has: Vec<bool> = (0..values.code_count(column) as u32)
                .map(|code| {
                    let bytes = values.value(column, code);
                    bytes.is_some_and(|bytes| may_hold(bytes, address.as_bytes()))
                })
                .collect();
            if !has.contains(&true) {
                continue;
            }
            for (holds, &code) in holds.iter_mut().zip(codes) {
                *holds |= code != NULL_CODE && has.get(code as usize) == Some(&true);
            }
        }
        for (is_left, holds) in is_left.iter_mut().zip(holds) {
            *is_left &= holds;
        }
    }
    is_left
}

/// Other letters than ASCII ones that in lower case are, or begin with, one: the Kelvin sign, and İ.
const BECOME_ASCII: [&str; 2] = ["\u{212a}", "\u{130}"];

/// Whether a text, or what is encoded with texts in it, may have the address as a term.
fn may_hold(text: &[u8], address: &[u8]) -> bool {
    let Some(before) = memchr::memchr(b'@', address) else {
        return true;
    };
    memchr::memchr_iter(b'@', text).any(|at| {
        let here = at.checked_sub(before).and_then(|start| {
            let end = start.checked_add(address.len())?;
            text.get(start..end)
        });
        here.is_some_and(|here| here.eq_ignore_ascii_case(address))
    }) || !text.is_ascii() && BECOME_ASCII.iter().any(|letter| has(text, letter))
}

fn has(text: &[u8], letter: &str) -> bool {
    memchr::memmem::find(text, letter.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_has_the_term_may_hold_it() {
        let address = "ann@example.org";
        for text in [
            "ann@example.org",
            "<Ann@EXAMPLE.org>",
            "x@y, ann@example.org;",
            "\u{212a}elvin@x, \u{e9}",
            "a@ann@example.org",
        ] {
            assert!(may_hold(text.as_bytes(), address.as_bytes()), "{text}");
        }
        for text in [
            "",
            "@",
            "ann",
            "nn@example.org",
            "ann@example.or",
            "bob@example.org",
        ] {
            assert!(!may_hold(text.as_bytes(), address.as_bytes()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_term_is_passed_over(text in "[a-cA-C@.<> é,K]{0,24}") {
            tidings_event::token::terms_of(&text, &mut |term| {
                if term.contains('@') && term.is_ascii() {
                    assert!(may_hold(text.as_bytes(), term.as_bytes()), "{text:?} {term:?}");
                }
            });
        }
    }
}
