//! Splits any text into terms and tokens: each is clean, and a term is a text of that one term.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_event::token::{terms_of, tokens_of};

fuzz_target!(|text: &str| {
    let mut terms = Vec::new();
    terms_of(text, &mut |term| terms.push(term.to_owned()));
    for term in &terms {
        let mut again = Vec::new();
        terms_of(term, &mut |term| again.push(term.to_owned()));
        assert_eq!(again, [term.as_str()], "{text:?}");
    }
    let mut count = 0;
    tokens_of(text, &mut |token| {
        assert!(
            !token.is_empty() && !token.contains(char::is_whitespace),
            "{token:?}"
        );
        count += usize::from(terms.iter().any(|term| term == token));
    });
    assert!(count >= terms.len(), "every term is a token");
});
