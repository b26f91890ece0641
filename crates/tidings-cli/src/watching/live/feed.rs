//! The rows of a stream: what is shown, what waits while it is paused, and which row is selected.

use std::collections::VecDeque;

use serde_json::Value;

/// Rows that are kept; the oldest are let go, which the title counts.
const ROWS_MAX: usize = 5_000;

/// Bytes of the events that are kept, as they came; the oldest are let go beyond it.
const BYTES_MAX: usize = 64 << 20;

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Row {
    /// An event, in the form of `tidings events --json`.
    Event(Value),
    /// Something said about the stream.
    Note(String),
}

/// Rows with how many bytes each came in, limited in both.
#[derive(Clone, Debug, Default)]
struct Ring {
    rows: VecDeque<(Row, usize)>,
    bytes: usize,
}

impl Ring {
    /// Adds a row; gives how many had to be let go for it.
    fn push(&mut self, row: Row, bytes: usize) -> u64 {
        self.bytes += bytes;
        self.rows.push_back((row, bytes));
        let mut gone = 0;
        while self.rows.len() > ROWS_MAX || (self.bytes > BYTES_MAX && self.rows.len() > 1) {
            let Some((_, bytes)) = self.rows.pop_front() else {
                break;
            };
            self.bytes -= bytes;
            gone += 1;
        }
        gone
    }
}

/// What came while it was paused.
#[derive(Clone, Debug, Default)]
struct Pause {
    waiting: Ring,
    /// Rows that are not kept any more.
    left_out: u64,
}

/// A stream as it is shown. Rows are numbered from the first that ever came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    ring: Ring,
    /// The number of the first row that is kept: how many were let go.
    first: u64,
    pause: Option<Pause>,
    /// The selected row; without one, the newest is at the bottom.
    selected: Option<u64>,
    /// The row at the top of the screen, while one is selected.
    top: u64,
}

impl Feed {
    /// Adds a row that came in so many bytes.
    pub(crate) fn push(&mut self, row: Row, bytes: usize) {
        match &mut self.pause {
            Some(pause) => pause.left_out += pause.waiting.push(row, bytes),
            None => self.show(row, bytes),
        }
    }

    fn show(&mut self, row: Row, bytes: usize) {
        self.first += self.ring.push(row, bytes);
        self.selected = self.selected.map(|selected| selected.max(self.first));
        self.top = self.top.max(self.first);
    }

    /// Stops and goes on.
    pub(crate) fn toggle_pause(&mut self) {
        let Some(pause) = self.pause.take() else {
            self.pause = Some(Pause::default());
            return;
        };
        if pause.left_out > 0 {
            let left_out = crate::term::plural(pause.left_out, "event", "events");
            self.show(
                Row::Note(format!("{left_out} left out: the pause was too long")),
                0,
            );
        }
        for (row, bytes) in pause.waiting.rows {
            self.show(row, bytes);
        }
    }

    /// How many rows wait, and how many were left out, while it is paused.
    pub(crate) fn paused(&self) -> Option<(usize, u64)> {
        let pause = self.pause.as_ref()?;
        Some((pause.waiting.rows.len(), pause.left_out))
    }

    /// The number behind the last row.
    fn end(&self) -> u64 {
        self.first + self.ring.rows.len() as u64
    }

    /// How many rows are not kept any more.
    pub(crate) fn let_go(&self) -> u64 {
        self.first
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.ring.rows.len()
    }

    /// The selected row.
    pub(crate) fn selected(&self) -> Option<&Row> {
        let at = usize::try_from(self.selected? - self.first).ok()?;
        self.ring.rows.get(at).map(|(row, _)| row)
    }

    /// Moves the selection; beyond the last row nothing is selected, and the newest is shown again.
    pub(crate) fn select(&mut self, by: i64) {
        if self.end() == self.first {
            return;
        }
        let from = self.selected.unwrap_or(self.end());
        let to = from.saturating_add_signed(by).max(self.first);
        self.selected = (to < self.end()).then_some(to);
    }

    /// Selects the oldest row.
    pub(crate) fn select_first(&mut self) {
        self.selected = (self.end() > self.first).then_some(self.first);
    }

    /// Selects nothing: the newest row is shown.
    pub(crate) fn unselect(&mut self) {
        self.selected = None;
    }

    /// The rows for a screen of this height, each with whether it is selected. Moves as little as it
    /// has to.
    pub(crate) fn window(&mut self, height: usize) -> Vec<(&Row, bool)> {
        let height_64 = height.max(1) as u64;
        let lowest_top = self.end().saturating_sub(height_64).max(self.first);
        self.top = match self.selected {
            None => lowest_top,
            Some(selected) => {
                let highest = selected.saturating_sub(height_64 - 1);
                self.top.clamp(highest, selected).max(self.first)
            }
        };
        let skip = usize::try_from(self.top - self.first).unwrap_or(usize::MAX);
        let rows = self.ring.rows.iter().skip(skip).take(height);
        let numbered = rows.zip(self.top..);
        numbered
            .map(|((row, _), number)| (row, self.selected == Some(number)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(rows: usize) -> Feed {
        let mut feed = Feed::default();
        (0..rows).for_each(|number| feed.push(note(number), 1));
        feed
    }

    fn note(number: usize) -> Row {
        Row::Note(number.to_string())
    }

    fn shown(feed: &mut Feed, height: usize) -> String {
        let rows = feed.window(height).into_iter();
        let word = |(row, is_selected): (&Row, bool)| match row {
            Row::Note(text) if is_selected => format!("[{text}]"),
            Row::Note(text) => text.clone(),
            Row::Event(_) => "event".to_owned(),
        };
        rows.map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_newest_are_at_the_bottom_until_one_is_selected() {
        let mut feed = feed(5);
        assert_eq!(shown(&mut feed, 3), "2 3 4");
        feed.push(note(5), 1);
        assert_eq!(shown(&mut feed, 3), "3 4 5");
        feed.select(-1);
        assert_eq!(shown(&mut feed, 3), "3 4 [5]");
        feed.push(note(6), 1);
        assert_eq!(shown(&mut feed, 3), "3 4 [5]");
        feed.select(-3);
        assert_eq!(shown(&mut feed, 3), "[2] 3 4");
        feed.select(-100);
        assert_eq!(shown(&mut feed, 3), "[0] 1 2");
        feed.select(4);
        assert_eq!(shown(&mut feed, 3), "2 3 [4]");
        feed.select(100);
        assert_eq!(shown(&mut feed, 3), "4 5 6");
        feed.select_first();
        assert_eq!(shown(&mut feed, 99), "[0] 1 2 3 4 5 6");
    }

    #[test]
    fn a_pause_keeps_what_comes_and_says_what_it_could_not_keep() {
        let mut feed = feed(2);
        feed.toggle_pause();
        feed.push(note(2), 1);
        assert_eq!(feed.paused(), Some((1, 0)));
        assert_eq!(shown(&mut feed, 9), "0 1");
        feed.toggle_pause();
        assert_eq!(feed.paused(), None);
        assert_eq!(shown(&mut feed, 9), "0 1 2");

        feed.toggle_pause();
        (0..ROWS_MAX + 7).for_each(|number| feed.push(note(number), 1));
        assert_eq!(feed.paused(), Some((ROWS_MAX, 7)));
        feed.toggle_pause();
        assert_eq!(feed.len(), ROWS_MAX);
        // The three rows from before, and the note.
        assert_eq!(feed.let_go(), 4);
        assert_eq!(shown(&mut feed, 1), (ROWS_MAX + 6).to_string());
    }

    #[test]
    fn rows_and_bytes_are_limited() {
        let mut many = feed(ROWS_MAX + 5);
        assert_eq!((many.len(), many.let_go()), (ROWS_MAX, 5));
        many.select_first();
        many.push(note(0), 1);
        assert_eq!(shown(&mut many, 2), "[6] 7");

        let mut large = Feed::default();
        (0..5).for_each(|number| large.push(note(number), BYTES_MAX / 2));
        assert_eq!((large.len(), large.let_go()), (2, 3));
        large.push(note(9), BYTES_MAX * 2);
        assert_eq!(shown(&mut large, 9), "9");
    }

    #[test]
    fn nothing_is_out_of_bounds() {
        let mut feed = Feed::default();
        for by in [-1, 1, i64::MIN, i64::MAX] {
            feed.select(by);
            assert_eq!(feed.selected(), None);
        }
        feed.select_first();
        assert!(feed.window(0).is_empty());
        feed.push(note(0), 1);
        feed.select(i64::MIN);
        assert_eq!(shown(&mut feed, 0), "");
        assert!(feed.selected().is_some());
    }
}
