//! What the output is written on: how wide, with colours or without, in which time zone.

use super::{Style, Zone};

/// Properties of the output that rendering depends on.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// Colours are wanted.
    pub(crate) colours: bool,
    /// Cells in a line; `None` where the output is no terminal, so that nothing is shortened.
    pub(crate) width: Option<usize>,
    /// The signs that the terminal can show.
    pub(crate) symbols: &'static Symbols,
    /// Zone of the times.
    pub(crate) zone: Zone,
    /// The time of the call.
    pub(crate) now_ns: i64,
}

impl Screen {
    /// The text in a style.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        style.paint(self.colours, text)
    }

    /// The width to wrap prose to: that of the terminal, but no longer than one reads with ease.
    pub(crate) fn prose_width(&self) -> usize {
        self.width.unwrap_or(100).clamp(30, 100)
    }
}

/// Signs beyond ASCII, with what stands for them where the locale has no UTF-8.
#[derive(Debug)]
pub(crate) struct Symbols {
    /// Says that something was cut off.
    pub(crate) ellipsis: &'static str,
    /// From here to there.
    pub(crate) arrow: &'static str,
    /// A range.
    pub(crate) dash: &'static str,
    /// One full cell of a bar.
    pub(crate) full: &'static str,
    /// Eighths of a cell, from one to seven; empty where there are none.
    pub(crate) eighths: &'static [&'static str],
    /// An empty cell of a progress bar.
    pub(crate) empty: &'static str,
}

impl Symbols {
    /// For a locale with UTF-8.
    pub(crate) const UNICODE: &'static Symbols = &Symbols {
        ellipsis: "…",
        arrow: "→",
        dash: "–",
        full: "█",
        eighths: &["▏", "▎", "▍", "▌", "▋", "▊", "▉"],
        empty: "░",
    };

    /// For any other.
    pub(crate) const ASCII: &'static Symbols = &Symbols {
        ellipsis: "...",
        arrow: "->",
        dash: "-",
        full: "#",
        eighths: &[],
        empty: ".",
    };

    /// A bar for `part` of `whole` in at most `cells` cells; something is never nothing.
    pub(crate) fn bar(&self, part: u64, whole: u64, cells: usize) -> String {
        if part == 0 || whole == 0 {
            return String::new();
        }
        let steps = self.eighths.len() + 1;
        let all = (cells * steps) as u128;
        let filled = (u128::from(part.min(whole)) * all / u128::from(whole)).max(1);
        let filled = usize::try_from(filled).unwrap_or(cells * steps);
        let rest = filled % steps;
        let mut bar = self.full.repeat(filled / steps);
        if rest > 0 {
            bar.push_str(self.eighths[rest - 1]);
        }
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        let bar = |part, whole| Symbols::UNICODE.bar(part, whole, 4);
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(10, 10), "████");
        assert_eq!(bar(5, 10), "██");
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!(bar(20, 10), "████");
        assert_eq!(bar(1, 0), "");
        assert_eq!(bar(u64::MAX, u64::MAX), "████");
        assert_eq!(Symbols::ASCII.bar(3, 10, 10), "###");
        assert_eq!(Symbols::ASCII.bar(1, 1_000, 10), "#");
    }
}
