//! Where a filter is wrong, and why.

use std::fmt;

use crate::escape::is_hazard;

/// How much of a long filter [`FilterError::render`] shows before and behind the place.
const CONTEXT_CHARS: usize = 60;

/// A text that is not a filter: the place, and a sentence that says what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    at: usize,
    length: usize,
    message: String,
}

impl FilterError {
    pub(crate) fn new(at: usize, length: usize, message: impl Into<String>) -> FilterError {
        FilterError {
            at,
            length,
            message: message.into(),
        }
    }

    /// Offset of the first byte that is wrong; the length of the text where something is missing.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Number of bytes that are wrong; 0 where something is missing.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The error as three lines: the message, the filter, and carets under the place.
    ///
    /// `input` is the text that was parsed. What could disturb a terminal is shown as U+FFFD, and of a
    /// long filter only the part around the place.
    pub fn render(&self, input: &str) -> String {
        let at = floor_boundary(input, self.at);
        let end = floor_boundary(input, self.at.saturating_add(self.length)).max(at);
        let before: Vec<char> = input[..at].chars().collect();
        let skipped = before.len().saturating_sub(CONTEXT_CHARS);
        let mut shown: String = before[skipped..].iter().copied().map(printable).collect();
        if skipped > 0 {
            shown.insert(0, '…');
        }
        let column = shown.chars().count();
        let place: String = input[at..end]
            .chars()
            .take(CONTEXT_CHARS)
            .map(printable)
            .collect();
        let carets = place.chars().count().max(1);
        shown += &place;
        let mut after = input[end..].chars();
        shown.extend(after.by_ref().take(CONTEXT_CHARS).map(printable));
        if after.next().is_some() {
            shown.push('…');
        }
        format!(
            "{}\n  {shown}\n  {}{}",
            self.message,
            " ".repeat(column),
            "^".repeat(carets)
        )
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.at)
    }
}

impl std::error::Error for FilterError {}

fn printable(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || is_hazard(c) => '\u{fffd}',
        c => c,
    }
}

/// The last character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}
