//! Passes over rows whose texts do not hold an address that is looked for, before they are read whole.
//!
//! The index tells in which thousand rows a token stands; of an address that is somewhere in most of them
//! nearly all rows are candidates. To read a row whole, and to match it, costs some microseconds; to look
//! for a few bytes in its texts costs a hundredth of that.

use tidings_event::filter::Needs;
use tidings_store::{ColumnId, NULL_CODE, Part, RowSet};

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
///
/// A page in which no text has an `@` is marked, and never read for this again: most columns have none.
pub(super) fn holding(
    part: &Part,
    rows: RowSet,
    compiled: &Compiled,
    columns: &[ColumnId],
) -> Result<RowSet, Error> {
    let mut left = rows;
    for address in &compiled.addresses {
        let mut held = RowSet::none();
        for &column in columns {
            let pages = pages_to_read(part, &left.minus(&held), column);
            if !pages.is_empty() {
                held = held.or(&holding_in(part, &pages, column, address.as_bytes())?);
            }
        }
        left = left.and(&held);
    }
    Ok(left)
}

/// The pages, whole, in which these rows are, but for the marked ones.
fn pages_to_read(part: &Part, rows: &RowSet, column: ColumnId) -> RowSet {
    let mut ranges = Vec::new();
    let mut next = 0;
    for range in rows.ranges() {
        let first = (range.start / Part::PAGE_ROWS).max(next);
        let end = range.end.div_ceil(Part::PAGE_ROWS);
        for page in (first..end).filter(|page| !part.is_marked(column, *page)) {
            let start = page * Part::PAGE_ROWS;
            ranges.push(start..start.saturating_add(Part::PAGE_ROWS).min(part.rows()));
        }
        next = next.max(end);
    }
    RowSet::from_ranges(ranges)
}

/// The rows whose text in this column may hold the address; marks pages where no text could hold any.
fn holding_in(
    part: &Part,
    pages: &RowSet,
    column: ColumnId,
    address: &[u8],
) -> Result<RowSet, Error> {
    let values = part.read(&[column], pages)?;
    // A part has fewer than 2^32 rows, hence codes.
    let judged: Vec<Holds> = (0..values.code_count(column) as u32)
        .map(|code| {
            let bytes = values.value(column, code);
            bytes.map_or(Holds::NoAddress, |bytes| judge(bytes, address))
        })
        .collect();
    let of_code = |code: u32| match code {
        NULL_CODE => Holds::NoAddress,
        code => judged.get(code as usize).copied().unwrap_or(Holds::Maybe),
    };
    let codes = values.codes(column).unwrap_or_default();
    let rows = values.numbers().iter().zip(codes);
    let held = rows
        .clone()
        .filter(|(_, code)| of_code(**code) == Holds::Maybe)
        .map(|(row, _)| *row);
    let held = RowSet::from_sorted_rows(held);
    let mut plain: Vec<u32> = pages
        .ranges()
        .iter()
        .flat_map(|range| range.start / Part::PAGE_ROWS..range.end.div_ceil(Part::PAGE_ROWS))
        .collect();
    for (row, code) in rows {
        if of_code(*code) != Holds::NoAddress
            && let Ok(at) = plain.binary_search(&(row / Part::PAGE_ROWS))
        {
            plain.remove(at);
        }
    }
    plain.into_iter().for_each(|page| part.mark(column, page));
    Ok(held)
}

/// What a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// No address at all.
    NoAddress,
    /// Others.
    Others,
    /// The one that is looked for.
    Maybe,
}

fn judge(text: &[u8], address: &[u8]) -> Holds {
    if may_hold(text, address) {
        Holds::Maybe
    } else if memchr::memchr(b'@', text).is_some() {
        Holds::Others
    } else {
        Holds::NoAddress
    }
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
    }) || is_strange(text)
}

/// Whether one of these letters stands in it, beside an `@`.
fn is_strange(text: &[u8]) -> bool {
    let has = |letter: &&str| memchr::memmem::find(text, letter.as_bytes()).is_some();
    !text.is_ascii() && memchr::memchr(b'@', text).is_some() && BECOME_ASCII.iter().any(has)
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
