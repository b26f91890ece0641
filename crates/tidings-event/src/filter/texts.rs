//! Tests of texts: words and phrases in them, the whole of them, or their shape.

use super::ast::{Op, Pattern};
use super::glob::{Glob, GlobMatcher};
use super::plan::Needs;
use crate::token::{Text, suffix_tokens, term_has, terms_of};

/// How many terms a phrase may have: the matcher keeps a bit for each.
pub(crate) const MAX_PHRASE_TERMS: usize = 64;

/// A test of one text.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    /// These terms one after the other.
    Phrase(Vec<String>),
    /// This text, lower-cased, and nothing else.
    Whole(String),
    /// A shape.
    Shape {
        glob: Glob,
        matcher: GlobMatcher,
        /// The whole text may have it.
        of_text: bool,
        /// A term, or the host name at its end, may have it.
        of_words: bool,
    },
}

impl TextTest {
    /// The test of `field op pattern` (`Op::IsNot` as `Op::Is`; the caller turns it round).
    pub(super) fn of_field(op: Op, pattern: &Pattern) -> TextTest {
        let has = op == Op::Has;
        match pattern {
            Pattern::Text(text) if has => {
                let terms = terms(text);
                if terms.is_empty() {
                    TextTest::Whole(lower(text))
                } else {
                    TextTest::Phrase(terms)
                }
            }
            Pattern::Text(text) => TextTest::Whole(lower(text)),
            Pattern::Glob(glob) => TextTest::shape(glob, true, has),
        }
    }

    /// The test of a pattern without a field.
    pub(super) fn of_any(pattern: &Pattern) -> TextTest {
        match pattern {
            Pattern::Text(text) => TextTest::Phrase(terms(text)),
            Pattern::Glob(glob) => TextTest::shape(glob, glob.is_floating(), true),
        }
    }

    fn shape(glob: &Glob, of_text: bool, of_words: bool) -> TextTest {
        TextTest::Shape {
            matcher: GlobMatcher::new(glob),
            glob: glob.clone(),
            of_text,
            of_words,
        }
    }

    /// Whether the text passes.
    pub(super) fn matches(&self, text: &Text<'_>) -> bool {
        match (self, text) {
            (TextTest::Phrase(terms), Text::Plain(text)) => has_phrase(text, terms),
            (TextTest::Phrase(terms), Text::Ip(ip)) => {
                matches!(terms.as_slice(), [term] if term == ip)
            }
            (TextTest::Whole(whole), Text::Plain(text) | Text::Ip(text)) => {
                equals_folded(text, whole)
            }
            (TextTest::Shape { matcher, .. }, Text::Ip(ip)) => matcher.matches(ip),
            (
                TextTest::Shape {
                    matcher,
                    of_text,
                    of_words,
                    ..
                },
                Text::Plain(text),
            ) => *of_text && matcher.matches(text) || *of_words && has_word(text, matcher),
        }
    }

    /// The tokens that every text has which passes.
    pub(super) fn needs(&self) -> Needs {
        match self {
            TextTest::Phrase(terms) => Needs::all(terms.iter().cloned().map(Needs::Token)),
            TextTest::Whole(whole) => Needs::all(terms(whole).into_iter().map(Needs::Token)),
            TextTest::Shape { glob, .. } => {
                Needs::all(glob.required_tokens().into_iter().map(Needs::Token))
            }
        }
    }
}

fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    terms_of(text, &mut |term| terms.push(term.to_owned()));
    terms
}

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether the terms occur in the text one after the other, each as a token of the term there.
fn has_phrase(text: &str, terms: &[String]) -> bool {
    let whole: u64 = match terms.len().checked_sub(1) {
        Some(last) if last < MAX_PHRASE_TERMS => 1 << last,
        _ => return false,
    };
    // Bit n is set when the first n + 1 terms end at the current term of the text.
    let mut ends: u64 = 0;
    let mut found = false;
    terms_of(text, &mut |term| {
        if found {
            return;
        }
        let candidates = ends << 1 | 1;
        ends = 0;
        for (at, wanted) in terms.iter().enumerate() {
            if candidates >> at & 1 != 0 && term_has(term, wanted) {
                ends |= 1 << at;
            }
        }
        found = ends & whole != 0;
    });
    found
}

/// Whether a term of the text, or the host names at its end, have the shape.
fn has_word(text: &str, shape: &GlobMatcher) -> bool {
    let mut found = false;
    terms_of(text, &mut |term| {
        found = found || shape.matches(term);
        suffix_tokens(term, &mut |suffix| found = found || shape.matches(suffix));
    });
    found
}

/// Whether `text`, lower-cased, is `lower`.
fn equals_folded(text: &str, lower: &str) -> bool {
    if text.is_ascii() {
        return text.eq_ignore_ascii_case(lower);
    }
    text.chars().flat_map(char::to_lowercase).eq(lower.chars())
}
