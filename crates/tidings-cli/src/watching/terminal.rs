//! The terminal as a full screen: taken over, drawn on, asked for keys, and always given back.

use std::io::{self, Write};
use std::sync::Once;
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};

use super::picture::Picture;
use super::signals::suspend;
use crate::term::Screen;

/// What somebody did at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Left,
    Right,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C or Ctrl-D.
    Quit,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-U: empty the line that is typed.
    Clear,
    /// Ctrl-L: draw everything again.
    Redraw,
    /// The screen has another size now.
    Resized,
}

/// A terminal that is taken over; given back when this is dropped, and when the program panics.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// What stands on it, line by line.
    drawn: Vec<String>,
    drawn_size: (u16, u16),
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// If it cannot be switched to single keys, or not be written to.
    pub(crate) fn enter() -> io::Result<Terminal> {
        static ON_PANIC: Once = Once::new();
        ON_PANIC.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                before(panic);
            }));
        });
        // From here on a failure gives it back.
        let terminal = Terminal {
            drawn: Vec::new(),
            drawn_size: (0, 0),
        };
        take()?;
        Ok(terminal)
    }

    /// Columns and rows; 80 and 24 where the terminal does not tell.
    pub(crate) fn size(&self) -> (usize, usize) {
        match size() {
            Ok((columns, rows)) if columns > 0 && rows > 0 => (columns.into(), rows.into()),
            _ => (80, 24),
        }
    }

    /// Shows a picture; only lines that changed are written.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    pub(crate) fn draw(&mut self, screen: &Screen, picture: &Picture) -> io::Result<()> {
        let (columns, rows) = self.size();
        let lines = picture.painted(screen, columns, rows);
        let mut out = io::stdout().lock();
        let now = size().unwrap_or_default();
        if self.drawn_size != now {
            queue!(out, Clear(ClearType::All))?;
            self.drawn.clear();
            self.drawn_size = now;
        }
        queue!(out, Hide)?;
        for row in 0..lines.len().max(self.drawn.len()).min(rows) {
            let line = lines.get(row).map(String::as_str).unwrap_or_default();
            if self.drawn.get(row).is_some_and(|drawn| drawn == line) {
                continue;
            }
            let at = u16::try_from(row).unwrap_or(u16::MAX);
            queue!(out, MoveTo(0, at), Clear(ClearType::CurrentLine))?;
            out.write_all(line.as_bytes())?;
        }
        if let Some((column, row)) = picture.cursor {
            let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
            queue!(out, MoveTo(place(column), place(row)), Show)?;
        }
        self.drawn = lines;
        out.flush()
    }

    /// Draws everything anew the next time.
    pub(crate) fn forget(&mut self) {
        self.drawn_size = (0, 0);
    }

    /// The next key, if one comes in this time.
    ///
    /// # Errors
    /// If the terminal went away.
    pub(crate) fn key(&mut self, wait: Duration) -> io::Result<Option<Key>> {
        if !event::poll(wait)? {
            return Ok(None);
        }
        Ok(match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key.code, key.modifiers),
            Event::Resize(..) => Some(Key::Resized),
            _ => None,
        })
    }

    /// Gives the terminal back, stops the process until it is told to go on, and takes it over again.
    ///
    /// # Errors
    /// If the terminal cannot be switched.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        leave();
        suspend()?;
        self.forget();
        take()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, Hide)
}

/// Puts the terminal back, as far as it goes: nobody is left to be told what does not.
fn leave() {
    let _ = execute!(io::stdout(), Show, EnableLineWrap, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

fn key_of(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    if modifiers.contains(KeyModifiers::CONTROL) {
        return match code {
            KeyCode::Char('c' | 'd') => Some(Key::Quit),
            KeyCode::Char('z') => Some(Key::Suspend),
            KeyCode::Char('u') => Some(Key::Clear),
            KeyCode::Char('l') => Some(Key::Redraw),
            _ => None,
        };
    }
    Some(match code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
