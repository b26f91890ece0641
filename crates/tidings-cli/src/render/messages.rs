//! The list of messages: a line for each recipient, in columns fitted to the screen.
//!
//! On a wide screen, and where the output is no terminal, all stands on one line. On a narrower one
//! the reason moves to the line below, on a narrow one the id and size too.

use tidings_engine::contract::{MessageObject, RecipientObject};

use super::reason::reason;
use crate::term::{
    Screen, Style, bytes, clean, count, fit, fit_address, pad, pad_left, verdict_style, width,
};

/// Messages that are laid out together: their columns fit one another.
const BLOCK_MESSAGES: usize = 200;

/// Recipients of a message that are shown unless all are asked for.
const RECIPIENTS_MAX: usize = 10;

/// Where the output is no terminal, longer addresses stick out of their column rather than widen it.
const ADDRESS_COLUMN_MAX: usize = 40;

const GAP: &str = "  ";

/// `2026-11-22 13:00:05`.
const TIME_WIDTH: usize = 19;

/// How the columns are spread over lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// All on one line; of any length, if nothing is to be shortened.
    Wide,
    /// The reason on a line below.
    Medium,
    /// Id, size and reason on a line below.
    Narrow,
}

impl Layout {
    /// The layout for a screen; `wide` asks for long lines on any.
    pub(crate) fn of(screen: &Screen, wide: bool) -> Layout {
        match screen.width {
            Some(columns) if !wide && columns < 100 => Layout::Narrow,
            Some(columns) if !wide && columns < 160 => Layout::Medium,
            _ => Layout::Wide,
        }
    }
}

/// One recipient's row, its cells made harmless; cells of the message are empty after the first.
#[derive(Default)]
struct Row {
    time: String,
    verdict: String,
    from: String,
    to: String,
    size: String,
    id: String,
    reason: String,
}

/// Widths of the columns.
#[derive(Clone, Copy, Debug, Default)]
struct Widths {
    verdict: usize,
    from: usize,
    to: usize,
    size: usize,
    id: usize,
}

/// Collects messages and lays them out block by block, so that a list of any length needs little
/// memory.
pub(crate) struct MessageTable<'a> {
    screen: &'a Screen,
    layout: Layout,
    /// Shorten nothing.
    whole: bool,
    rows: Vec<Row>,
    messages: usize,
    widths: Widths,
    has_header: bool,
}

impl<'a> MessageTable<'a> {
    /// An empty table; `wide` asks for long lines, unshortened, and for every recipient.
    pub(crate) fn new(screen: &'a Screen, wide: bool) -> MessageTable<'a> {
        MessageTable {
            screen,
            layout: Layout::of(screen, wide),
            whole: wide || screen.width.is_none(),
            rows: Vec::new(),
            messages: 0,
            widths: Widths {
                verdict: "VERDICT".len(),
                from: "FROM".len(),
                to: "TO".len(),
                size: "SIZE".len(),
                id: "ID".len(),
            },
            has_header: false,
        }
    }

    /// Adds a message; gives the lines of a block that became full.
    pub(crate) fn push(&mut self, message: &MessageObject) -> Vec<String> {
        self.rows.extend(rows_of(message, self.screen, self.whole));
        self.messages += 1;
        if self.messages < BLOCK_MESSAGES {
            return Vec::new();
        }
        self.finish()
    }

    /// The lines of what was added since the last block.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        let rows = std::mem::take(&mut self.rows);
        self.messages = 0;
        if rows.is_empty() {
            return Vec::new();
        }
        self.measure(&rows);
        let mut lines = Vec::with_capacity(rows.len() + 1);
        if !self.has_header {
            self.has_header = true;
            lines.push(self.header());
        }
        rows.iter().for_each(|row| self.lay_out(row, &mut lines));
        lines
    }

    /// Widens the columns to the rows, as far as the screen has room.
    fn measure(&mut self, rows: &[Row]) {
        let widest = |cell: fn(&Row) -> &str| rows.iter().map(|row| width(cell(row))).max();
        let grow = |column: &mut usize, cell| *column = (*column).max(widest(cell).unwrap_or(0));
        let widths = &mut self.widths;
        grow(&mut widths.verdict, |row| &row.verdict);
        grow(&mut widths.size, |row| &row.size);
        grow(&mut widths.id, |row| &row.id);
        widths.id = widths.id.min(24);
        grow(&mut widths.from, |row| &row.from);
        grow(&mut widths.to, |row| &row.to);
        let Some(columns) = self.screen.width.filter(|_| !self.whole) else {
            widths.from = widths.from.min(ADDRESS_COLUMN_MAX);
            widths.to = widths.to.min(ADDRESS_COLUMN_MAX);
            return;
        };
        let fixed = TIME_WIDTH
            + widths.verdict
            + match self.layout {
                Layout::Narrow => 3 * GAP.len(),
                _ => widths.size + widths.id + 5 * GAP.len(),
            };
        let room = columns.saturating_sub(fixed);
        // The reason needs room beside the addresses only where it stands on the same line.
        let room = match self.layout {
            Layout::Wide => (room.saturating_sub(GAP.len())) * 3 / 5,
            _ => room,
        };
        (widths.from, widths.to) = share(widths.from, widths.to, room);
    }

    fn header(&self) -> String {
        let mut cells = vec![
            pad("TIME", TIME_WIDTH),
            pad("VERDICT", self.widths.verdict),
            pad("FROM", self.widths.from),
            pad("TO", self.widths.to),
        ];
        if self.layout != Layout::Narrow {
            cells.push(pad_left("SIZE", self.widths.size));
            cells.push(pad("ID", self.widths.id));
        }
        if self.layout == Layout::Wide {
            cells.push("REASON".to_owned());
        }
        self.screen.paint(Style::Bold, cells.join(GAP).trim_end())
    }

    fn lay_out(&self, row: &Row, lines: &mut Vec<String>) {
        let widths = &self.widths;
        let screen = self.screen;
        let verdict = pad(&row.verdict, widths.verdict);
        let mut cells = vec![
            screen.paint(Style::Dim, &pad(&row.time, TIME_WIDTH)),
            screen.paint(verdict_style(&row.verdict), &verdict),
            pad(&self.address(&row.from, widths.from), widths.from),
            pad(&self.address(&row.to, widths.to), widths.to),
        ];
        if self.layout != Layout::Narrow {
            cells.push(pad_left(&row.size, widths.size));
            cells.push(pad(&self.cut(&row.id, widths.id), widths.id));
        }
        let mut about = String::new();
        match self.layout {
            Layout::Wide => {
                let used = cells_width(widths) + GAP.len();
                cells.push(self.cut_to_screen(&row.reason, used));
            }
            Layout::Medium => {}
            Layout::Narrow => {
                about = [row.id.as_str(), &row.size].join(GAP).trim().to_owned();
            }
        }
        lines.push(cells.join(GAP).trim_end().to_owned());
        if self.layout != Layout::Wide && !(about.is_empty() && row.reason.is_empty()) {
            lines.push(self.line_below(&about, &row.reason));
        }
    }

    /// The line beneath a row, a little further in than its verdict.
    fn line_below(&self, about: &str, reason: &str) -> String {
        let indent = TIME_WIDTH + 2 * GAP.len();
        let mut line = format!(
            "{}{}",
            " ".repeat(indent),
            self.screen.paint(Style::Dim, about)
        );
        let mut used = indent + width(about);
        if !about.is_empty() && !reason.is_empty() {
            line.push_str(GAP);
            used += GAP.len();
        }
        line.push_str(&self.cut_to_screen(reason, used));
        line
    }

    fn address(&self, address: &str, columns: usize) -> String {
        if self.whole {
            return address.to_owned();
        }
        fit_address(address, columns, self.screen.symbols.ellipsis)
    }

    fn cut(&self, text: &str, columns: usize) -> String {
        if self.whole {
            return text.to_owned();
        }
        fit(text, columns, self.screen.symbols.ellipsis)
    }

    /// The text cut to what the screen has left after `used` cells.
    fn cut_to_screen(&self, text: &str, used: usize) -> String {
        match self.screen.width {
            Some(columns) if !self.whole => self.cut(text, columns.saturating_sub(used)),
            _ => text.to_owned(),
        }
    }
}

/// What the columns before the reason take, with the gaps between them.
fn cells_width(widths: &Widths) -> usize {
    TIME_WIDTH + widths.verdict + widths.from + widths.to + widths.size + widths.id + 5 * GAP.len()
}

/// Shares the room among two columns: what one does not need the other may have.
fn share(one: usize, other: usize, room: usize) -> (usize, usize) {
    if one + other <= room {
        return (one, other);
    }
    let half = room / 2;
    if one <= half {
        (one, room - one)
    } else if other <= half {
        (room - other, other)
    } else {
        (half, room - half)
    }
}

fn rows_of(message: &MessageObject, screen: &Screen, all: bool) -> Vec<Row> {
    let mut next = Row {
        time: screen.zone.show(&message.time),
        verdict: clean(&message.verdict).into_owned(),
        from: clean(message.from.as_deref().unwrap_or(screen.symbols.dash)).into_owned(),
        to: screen.symbols.dash.to_owned(),
        size: message.size.map(bytes).unwrap_or_default(),
        id: clean(handle(message)).into_owned(),
        reason: String::new(),
    };
    let shown = match message.recipients.len() {
        many if many > RECIPIENTS_MAX && !all => RECIPIENTS_MAX - 1,
        few => few,
    };
    let mut rows = Vec::with_capacity(shown + 1);
    for recipient in &message.recipients[..shown] {
        rows.push(Row {
            verdict: clean(&recipient.verdict).into_owned(),
            to: clean(address_of(recipient)).into_owned(),
            reason: reason(recipient),
            ..next
        });
        next = Row::default();
    }
    let hidden = message.recipients.len() - shown;
    if rows.is_empty() {
        rows.push(next);
    } else if hidden > 0 {
        rows.push(Row {
            to: format!("and {} more recipients", count(hidden as u64)),
            ..next
        });
    }
    rows
}

/// What `tidings story` is best given for a message: its queue id, which the admin knows from the
/// log, else its own id.
fn handle(message: &MessageObject) -> &str {
    message.queue_ids.first().unwrap_or(&message.id)
}

/// The recipient's address, or what it was before it was rewritten; `?` where the log names none.
pub(super) fn address_of(recipient: &RecipientObject) -> &str {
    let address = recipient.address.as_str();
    match recipient.original_address.as_deref() {
        Some(original) if address.is_empty() && !original.is_empty() => original,
        _ if address.is_empty() => "?",
        _ => address,
    }
}

/// A message on one line, for the list of further messages beneath a story.
pub(crate) fn other_line(screen: &Screen, message: &MessageObject) -> String {
    let to = match message.recipients.as_slice() {
        [] => screen.symbols.dash.to_owned(),
        [one] => clean(address_of(one)).into_owned(),
        [first, others @ ..] => {
            let first = clean(address_of(first)).into_owned();
            format!("{first} and {} more", count(others.len() as u64))
        }
    };
    let from = clean(message.from.as_deref().unwrap_or(screen.symbols.dash)).into_owned();
    let line = format!(
        "{}{GAP}{}{GAP}{}{GAP}{from} {} {to}",
        screen.paint(Style::Dim, &screen.zone.show(&message.time)),
        screen.paint(
            verdict_style(&message.verdict),
            &pad(&clean(&message.verdict), 9)
        ),
        pad(&clean(handle(message)), 14),
        screen.symbols.arrow,
    );
    line.trim_end().to_owned()
}
