//! The smallest pieces of a filter: words, quoted texts, and names with an operator behind them.

use std::net::Ipv6Addr;

use super::ast::{Op, Pattern};
use super::error::FilterError;
use super::glob::{Glob, MAX_GLOB_CHARS, Part};

/// A place in a filter's text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A word or quoted text, as it was read.
pub(super) struct Word {
    pub(super) pattern: Pattern,
    /// Where it stands, quotes included.
    pub(super) start: usize,
    pub(super) end: usize,
    /// It was written without quotes and without escapes, so `..` and keywords in it mean something.
    pub(super) is_literal: bool,
}

impl Word {
    /// An error at the word.
    pub(super) fn error(&self, message: impl Into<String>) -> FilterError {
        FilterError::new(self.start, self.end - self.start, message)
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Steps over `c` if it comes next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Steps over a keyword, if one comes next that stands alone.
    pub(super) fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.rest().strip_prefix(keyword).is_some_and(|rest| {
            rest.chars()
                .next()
                .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | '"'))
        });
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// An error at what comes next: `length` bytes of it.
    pub(super) fn error(&self, length: usize, message: impl Into<String>) -> FilterError {
        FilterError::new(self.at, length, message)
    }

    /// Reads a field's name and the operator behind it, if they come next: the name is ASCII letters,
    /// digits and hyphens. An IPv6 address or a URL is none.
    pub(super) fn name_and_op(&mut self) -> Option<(&'a str, Op)> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let behind = &rest[name.len()..];
        let ops = [
            Op::IsNot,
            Op::AtLeast,
            Op::AtMost,
            Op::Above,
            Op::Below,
            Op::Has,
            Op::Is,
        ];
        let op = ops.into_iter().find(|op| behind.starts_with(op.as_str()))?;
        if behind.starts_with("://") || starts_with_ipv6(rest) {
            return None;
        }
        self.at += name.len() + op.as_str().len();
        Some((name, op))
    }

    /// Reads a quoted text or a word. In a list, a comma ends a word too.
    pub(super) fn word(&mut self, in_list: bool) -> Result<Word, FilterError> {
        let start = self.at;
        let (pattern, is_literal) = if self.eat('"') {
            (Pattern::Text(self.quoted(start)?), false)
        } else {
            self.bare(in_list)
        };
        let word = Word {
            pattern,
            start,
            end: self.at,
            is_literal,
        };
        if let Pattern::Glob(glob) = &word.pattern
            && glob.chars() > MAX_GLOB_CHARS
        {
            return Err(word.error(format!(
                "a word with `*` or `?` has at most {MAX_GLOB_CHARS} characters"
            )));
        }
        match self.peek() {
            Some('(' | '"') => {
                Err(self.error(1, "put a blank before this, or quote the whole word"))
            }
            _ => Ok(word),
        }
    }

    /// The text up to the closing quote; the opening one, at `start`, has been read.
    fn quoted(&mut self, start: usize) -> Result<String, FilterError> {
        let mut text = String::new();
        while let Some(c) = self.next_char() {
            match c {
                ('"', false) => return Ok(text),
                (c, _) => text.push(c),
            }
        }
        Err(FilterError::new(
            start,
            self.text.len() - start,
            "the quote that begins here has no end",
        ))
    }

    /// The word up to white space, a parenthesis or a quote; and whether it has no escapes.
    fn bare(&mut self, in_list: bool) -> (Pattern, bool) {
        let start = self.at;
        let mut parts: Vec<Part> = Vec::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, '(' | ')' | '"') || in_list && c == ',' {
                break;
            }
            let Some((c, is_escaped)) = self.next_char() else {
                break;
            };
            match (c, is_escaped, parts.last_mut()) {
                ('*', false, _) => parts.push(Part::Any),
                ('?', false, _) => parts.push(Part::One),
                (c, _, Some(Part::Literal(text))) => text.push(c),
                (c, ..) => parts.push(Part::Literal(c.into())),
            }
        }
        let is_literal = !self.text[start..self.at].contains('\\');
        let pattern = match parts.as_mut_slice() {
            [] => Pattern::Text(String::new()),
            [Part::Literal(text)] => Pattern::Text(std::mem::take(text)),
            _ => Pattern::Glob(Glob::new(parts)),
        };
        (pattern, is_literal)
    }

    /// The next character, and whether a backslash took its special meaning. A backslash does so
    /// before anything but letters and digits; before those it is itself, as in `DOMAIN\user`.
    fn next_char(&mut self) -> Option<(char, bool)> {
        let mut chars = self.rest().chars();
        let c = chars.next()?;
        self.at += c.len_utf8();
        match chars.next() {
            Some(next) if c == '\\' && !next.is_alphanumeric() => {
                self.at += next.len_utf8();
                Some((next, true))
            }
            _ => Some((c, false)),
        }
    }
}

/// Whether the word at the start of `text` is an IPv6 address, with a prefix length or zone or not.
fn starts_with_ipv6(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let ends_there = text[end..]
        .chars()
        .next()
        .is_none_or(|c| c.is_whitespace() || "/%)".contains(c));
    ends_there && text[..end].parse::<Ipv6Addr>().is_ok()
}
