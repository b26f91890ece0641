//! A screen as data: lines of styled text, which tests read as plain text.

use crate::term::{Screen, Style, fit, width};

/// A line of a screen: pieces of [clean](crate::term::clean) text, each in a style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Style, String)>);

impl Line {
    /// A line of one piece.
    pub(crate) fn of(style: Style, text: impl Into<String>) -> Line {
        Line::default().and(style, text)
    }

    /// A line without a style.
    pub(crate) fn plain(text: impl Into<String>) -> Line {
        Line::of(Style::Plain, text)
    }

    /// The same with another piece at its end.
    pub(crate) fn and(mut self, style: Style, text: impl Into<String>) -> Line {
        self.0.push((style, text.into()));
        self
    }

    /// The same filled up or cut to `columns` cells, then another line.
    pub(crate) fn beside(self, columns: usize, ellipsis: &str, other: Line) -> Line {
        let mut line = self.cut(columns, ellipsis);
        let blanks = columns.saturating_sub(line.width());
        line.0.push((Style::Plain, " ".repeat(blanks)));
        line.0.extend(other.0);
        line
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// The line in at most `columns` cells.
    pub(crate) fn cut(self, columns: usize, ellipsis: &str) -> Line {
        if self.width() <= columns {
            return self;
        }
        let mut room = columns;
        let mut pieces = Vec::new();
        for (style, text) in self.0 {
            let cells = width(&text);
            if cells < room {
                room -= cells;
                pieces.push((style, text));
                continue;
            }
            // What follows is more than fits, so this piece ends in the mark even where it would fit.
            let text = match room > width(ellipsis) {
                true => fit(&format!("{text}{ellipsis}{ellipsis}"), room, ellipsis),
                false => fit(ellipsis, room, ""),
            };
            pieces.push((style, text));
            break;
        }
        Line(pieces)
    }

    /// The text without styles.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn painted(&self, colours: bool) -> String {
        let paint = |(style, text): &(Style, String)| style.paint(colours, text);
        self.0.iter().map(paint).collect()
    }
}

/// All of a screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) lines: Vec<Line>,
    /// Where the cursor stands, where it is shown: column and row.
    pub(crate) cursor: Option<(usize, usize)>,
}

impl Picture {
    /// The lines as they are printed, cut to the screen.
    pub(crate) fn painted(&self, screen: &Screen, columns: usize, rows: usize) -> Vec<String> {
        let lines = self.lines.iter().take(rows);
        lines
            .map(|line| {
                let line = line.clone().cut(columns, screen.symbols.ellipsis);
                line.painted(screen.colours)
            })
            .collect()
    }

    /// The screen as a text.
    #[cfg(test)]
    pub(crate) fn text(&self, columns: usize, rows: usize) -> String {
        assert!(self.lines.len() <= rows, "{} lines", self.lines.len());
        let mut text = String::new();
        for line in &self.lines {
            let line = line.clone().cut(columns, "…").text();
            assert!(width(&line) <= columns, "{line}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_across_their_pieces() {
        let line = || Line::of(Style::Bold, "abc").and(Style::Dim, "def");
        assert_eq!(line().cut(6, "…").text(), "abcdef");
        assert_eq!(line().cut(5, "…").text(), "abcd…");
        assert_eq!(line().cut(3, "…").text(), "ab…");
        assert_eq!(line().cut(0, "…").text(), "");
        assert_eq!(line().beside(8, "…", Line::plain("x")).text(), "abcdef  x");
        assert_eq!(line().beside(4, "…", Line::plain("x")).text(), "abc…x");
        let wide = Line::plain("収件人").and(Style::Red, "x");
        for columns in 0..8 {
            assert!(width(&wide.clone().cut(columns, "…").text()) <= columns);
        }
    }
}
