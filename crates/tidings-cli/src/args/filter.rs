//! Filters on the command line: their words stand there without quotes, and a term may be negated.
//!
//! `tidings events -type:smtp.quit` must not read as the options `-t -y -p …`. So before clap sees
//! the arguments, negated terms get a mark in front of their hyphen, which is taken off again when
//! the filter is put together.

use std::ffi::OsString;

/// Stands before the hyphen of a negated term while clap reads the arguments: a character of the
/// private use area, which no shell and no keyboard gives.
const MARK: char = '\u{f8ff}';

/// Verbs whose positional arguments are a filter.
const FILTER_VERBS: [&str; 3] = ["messages", "events", "live"];

/// Marks the negated terms among the arguments of a verb that takes a filter.
pub(crate) fn shield_negated_terms(args: Vec<OsString>) -> Vec<OsString> {
    let mut in_filter_verb = false;
    let mut options_ended = false;
    args.into_iter()
        .map(|arg| {
            let Some(text) = arg.to_str() else { return arg };
            in_filter_verb |= FILTER_VERBS.contains(&text);
            options_ended |= text == "--";
            if in_filter_verb && !options_ended && is_negated_term(text) {
                return OsString::from(format!("{MARK}{text}"));
            }
            arg
        })
        .collect()
}

/// Whether `text` is `-field:…`, `-"phrase"` or `-(…)`: none of them can be an option of ours.
fn is_negated_term(text: &str) -> bool {
    let Some(term) = text.strip_prefix('-') else {
        return false;
    };
    if term.starts_with(['"', '(']) {
        return true;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match term.find(|c| !is_name(c)) {
        Some(at) => at > 1 && term[at..].starts_with(':') && !term.starts_with('-'),
        None => false,
    }
}

/// The filter that the words of the command line make.
pub(crate) fn join(words: &[String]) -> String {
    let words: Vec<&str> = words
        .iter()
        .map(|word| word.strip_prefix(MARK).unwrap_or(word).trim())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shielded(line: &str) -> Vec<String> {
        let args = line.split(' ').map(OsString::from).collect();
        let shielded = shield_negated_terms(args);
        shielded
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect()
    }

    #[test]
    fn negated_terms_are_told_from_options() {
        for term in [
            "-type:smtp.quit",
            "-remote-ip:1.2.3.4",
            "-\"a",
            "-(a",
            "-to:*@x.org",
        ] {
            assert!(is_negated_term(term), "{term}");
        }
        for option in [
            "-n5",
            "-n",
            "--since",
            "--since:x",
            "-",
            "-2h",
            "from:a",
            "-n:5",
            "--",
        ] {
            assert!(!is_negated_term(option), "{option}");
        }
    }

    #[test]
    fn only_filters_are_marked_and_the_mark_comes_off() {
        let args = shielded("tidings messages -to:bob -n 5 from:alice");
        assert_eq!(args[2], "\u{f8ff}-to:bob");
        assert_eq!(args[3..], ["-n", "5", "from:alice"]);
        let words = [args[2].clone(), args[5].clone(), " ".to_owned()];
        assert_eq!(join(&words), "-to:bob from:alice");
        assert_eq!(shielded("tidings story -to:bob")[2], "-to:bob");
        assert_eq!(shielded("tidings events -- -to:bob")[3], "-to:bob");
    }
}
