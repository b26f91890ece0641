//! Rules for names and for texts that people read.

use super::{Place, Report};

/// Longest description of an event or metric, in characters: it is a label inside a log line.
const LABEL_CHARS_MAX: usize = 60;

/// Longest description of a key or family, in characters.
const SENTENCE_CHARS_MAX: usize = 140;

/// Characters that a label must not have: they delimit it in a log line, or mean something in Markdown.
const LABEL_FORBIDDEN: &[char] = &['(', ')', '"', '<', '>', '[', ']', '`', '|', '\\', '*'];

/// Whether `text` is a dotted name such as `message-ingest.imap-append`.
pub(super) fn is_dotted_name(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(family, name)| is_kebab(family) && is_kebab(name))
}

/// Whether `text` is a camelCase name such as `remoteIp`.
pub(super) fn is_camel_case(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Whether `text` is one word or several with single hyphens between them, in lower case.
pub(super) fn is_kebab(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    text.split('-').all(is_part)
}

impl Report {
    /// Checks the description of an event or metric called `name`.
    pub(super) fn label(&mut self, place: &Place<'_>, text: &str, name: &str) {
        let count = text.chars().count();
        let rule = if count == 0 || count > LABEL_CHARS_MAX {
            format!("1 to {LABEL_CHARS_MAX} characters")
        } else if text.contains(LABEL_FORBIDDEN) || text.chars().any(char::is_control) {
            format!(
                "text without control characters and without {}",
                LABEL_FORBIDDEN.iter().collect::<String>()
            )
        } else if !starts_like_sentence(text) {
            "text that begins with a capital letter or a digit".to_owned()
        } else if text.ends_with(['.', ' ']) {
            "text without a full stop or blank at its end".to_owned()
        } else if text.eq_ignore_ascii_case(name) {
            "text that says more than the name".to_owned()
        } else {
            return;
        };
        self.add(place, "description", text, rule);
    }

    /// Checks the description of a key or family.
    pub(super) fn sentence(&mut self, place: &Place<'_>, field: &str, text: &str) {
        let count = text.chars().count();
        // Between backticks anything goes; outside, these would be HTML or links in the documentation.
        let is_markup = text
            .split('`')
            .step_by(2)
            .any(|plain| plain.contains(['<', '>', '[', ']']));
        let rule = if count == 0 || count > SENTENCE_CHARS_MAX {
            format!("1 to {SENTENCE_CHARS_MAX} characters")
        } else if text.contains('|') || text.chars().any(char::is_control) || is_markup {
            "text without control characters, without | and without <>[] outside backticks"
                .to_owned()
        } else if !starts_like_sentence(text) || !text.ends_with('.') {
            "a sentence from a capital letter to a full stop".to_owned()
        } else {
            return;
        };
        self.add(place, field, text, rule);
    }
}

fn starts_like_sentence(text: &str) -> bool {
    text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
}
