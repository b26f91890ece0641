//! Text in columns: how many cells it takes, and how it is cut, filled up and broken into lines.
//!
//! All of it expects [clean](super::clean) text.

use unicode_width::UnicodeWidthChar;

/// How many cells a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

fn cells(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The text in at most `columns` cells; where it is longer its end gives way to `ellipsis`.
pub(crate) fn fit(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mark = width(ellipsis);
    if columns <= mark {
        return beginning(text, columns).to_owned();
    }
    format!("{}{ellipsis}", beginning(text, columns - mark).trim_end())
}

/// An address in at most `columns` cells. Its domain tells most, so the end of the local part gives
/// way first: `newsletter-bou…@lists.example.org`.
pub(crate) fn fit_address(address: &str, columns: usize, ellipsis: &str) -> String {
    if width(address) <= columns {
        return address.to_owned();
    }
    let Some(at) = address.rfind('@') else {
        return fit(address, columns, ellipsis);
    };
    let (local, domain) = address.split_at(at);
    let room = columns.saturating_sub(width(domain) + width(ellipsis));
    // With less than this of the local part, one could not tell two addresses of a domain apart.
    if room < 4 {
        return fit(address, columns, ellipsis);
    }
    format!("{}{ellipsis}{domain}", beginning(local, room))
}

/// The text filled up with blanks on the right to `columns` cells.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", blanks(text, columns))
}

/// The text filled up with blanks on the left to `columns` cells.
pub(crate) fn pad_left(text: &str, columns: usize) -> String {
    format!("{}{text}", blanks(text, columns))
}

fn blanks(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

/// The text broken between words into lines of at most `columns` cells; a longer word is broken too.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word;
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        while line.is_empty() && width(word) > columns {
            let head = match beginning(word, columns) {
                "" => &word[..word.chars().next().map_or(word.len(), char::len_utf8)],
                head => head,
            };
            lines.push(head.to_owned());
            word = &word[head.len()..];
        }
        if !line.is_empty() && !word.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// As much of the text as has room in `columns` cells.
fn beginning(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += cells(c);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_cells() {
        assert_eq!(width("收件人"), 6);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(fit("收件人x", 5, "…"), "收件…");
        assert_eq!(pad("收", 4), "收  ");
        assert_eq!(pad_left("収", 3), " 収");
    }

    #[test]
    fn texts_are_cut_to_their_room() {
        assert_eq!(fit("short", 5, "…"), "short");
        assert_eq!(fit("too long", 5, "…"), "too…");
        assert_eq!(fit("longer", 5, "..."), "lo...");
        assert_eq!(fit("longer", 1, "..."), "l");
        assert_eq!(fit("", 0, "…"), "");
    }

    #[test]
    fn addresses_keep_their_domain() {
        let address = "newsletter-bounces@lists.example.org";
        assert_eq!(fit_address(address, 26, "…"), "newslet…@lists.example.org");
        assert_eq!(fit_address(address, 22, "…"), "newsletter-bounces@li…");
        assert_eq!(fit_address("no-at-sign-here", 5, "…"), "no-a…");
        for columns in 0..40 {
            assert!(width(&fit_address(address, columns, "…")) <= columns);
        }
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("収収", 1), ["収", "収"]);
        assert_eq!(wrap(" ", 4), [""; 0]);
    }
}
