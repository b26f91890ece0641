//! Values of labels as they may be shown: what a log brings is never shown raw.

use std::borrow::Cow;
use std::fmt::Write as _;

use tidings_event::Reading;

/// How an escape begins.
const MARK: &str = "\\u{";

/// Escapes the control characters in the values of all labels, as `\u{1b}`.
///
/// The text format of Prometheus would carry them, but whoever looks at a page of metrics on a terminal
/// would have it obey the sender of a log line. No two values become one, which a scraper would refuse:
/// a value that looks like an escape is escaped itself.
pub(super) fn escape(readings: &mut [Reading]) {
    let series = readings.iter_mut().flat_map(|reading| &mut reading.series);
    for (_, value) in series.flat_map(|series| &mut series.labels) {
        if let Some(escaped) = escaped(value) {
            *value = Cow::Owned(escaped);
        }
    }
}

/// The value escaped, if it needs to be.
fn escaped(value: &str) -> Option<String> {
    if !value.contains(is_escaped) && !value.contains(MARK) {
        return None;
    }
    let mut escaped = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if c == '\\' {
            escaped.push_str("\\\\");
        } else if is_escaped(c) {
            write!(escaped, "{MARK}{:x}}}", u32::from(c)).expect("writing to memory does not fail");
        } else {
            escaped.push(c);
        }
    }
    Some(escaped)
}

/// Control characters, line ends of Unicode, and what turns the direction of the text around it.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_no_two_values_become_one() {
        for plain in ["postfix/smtpd", "C:\\mail", "größe \"x\"", ""] {
            assert_eq!(escaped(plain), None);
        }
        for (raw, shown) in [
            ("po\u{1b}[31mst", "po\\u{1b}[31mst"),
            ("a\nb\r\0", "a\\u{a}b\\u{d}\\u{0}"),
            ("a\\u{1b}", "a\\\\u{1b}"),
            ("\\\u{9b}", "\\\\\\u{9b}"),
            ("x\u{202e}y", "x\\u{202e}y"),
        ] {
            assert_eq!(escaped(raw).as_deref(), Some(shown));
        }
        let values = ["\u{1b}", "\\u{1b}", "\\\\u{1b}", "\\\u{1b}", "\\"];
        let mut shown: Vec<String> = values
            .iter()
            .map(|value| escaped(value).unwrap_or_else(|| (*value).to_owned()))
            .collect();
        shown.sort();
        shown.dedup();
        assert_eq!(shown.len(), values.len());
    }
}
