//! Words that can be pasted into a shell.

use std::borrow::Cow;

/// The text as one word of a POSIX shell, whatever stands in it: as it is where that is safe, else in
/// quotes. The text is [clean](super::clean).
pub(crate) fn shell_word(text: &str) -> Cow<'_, str> {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_safe) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_is_obeyed() {
        assert_eq!(shell_word("4bXkWq1RZbz2JJ"), "4bXkWq1RZbz2JJ");
        assert_eq!(shell_word("bob@example.org"), "bob@example.org");
        assert_eq!(shell_word("<a$(reboot)@b>"), "'<a$(reboot)@b>'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
