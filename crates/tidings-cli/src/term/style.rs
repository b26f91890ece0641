//! Colours: few, and each with one meaning.

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Style {
    /// The parameters of the escape sequence that switches it on; the sixteen colours every terminal
    /// has, so that they fit its scheme.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Red => Some("31"),
            Self::Green => Some("32"),
            Self::Yellow => Some("33"),
            Self::Blue => Some("34"),
            Self::Magenta => Some("35"),
            Self::Cyan => Some("36"),
        }
    }

    /// The text in this style, if colours are `on`. Blanks around it stay outside.
    pub(crate) fn paint(self, on: bool, text: &str) -> String {
        let inner = text.trim();
        match self.code() {
            Some(code) if on && !inner.is_empty() => {
                let start = text.len() - text.trim_start().len();
                let end = start + inner.len();
                format!(
                    "{}\u{1b}[{code}m{inner}\u{1b}[0m{}",
                    &text[..start],
                    &text[end..]
                )
            }
            _ => text.to_owned(),
        }
    }
}

/// The colour of a verdict: green is done, yellow may still come, red has failed, magenta waits for
/// a decision, cyan is under way; dim says that nobody will hear of it.
pub(crate) fn verdict_style(verdict: &str) -> Style {
    match verdict {
        "delivered" => Style::Green,
        "deferred" => Style::Yellow,
        "bounced" | "expired" | "rejected" => Style::Red,
        "held" => Style::Magenta,
        "in queue" => Style::Cyan,
        "filtered" | "discarded" | "unknown" => Style::Dim,
        _ => Style::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_is_off_without_colours_and_leaves_blanks_alone() {
        assert_eq!(Style::Red.paint(false, "x "), "x ");
        assert_eq!(Style::Red.paint(true, " x  "), " \u{1b}[31mx\u{1b}[0m  ");
        assert_eq!(Style::Plain.paint(true, "x"), "x");
        assert_eq!(Style::Red.paint(true, "  "), "  ");
    }
}
