//! What `tidings live` knows and shows, and what each key does to it.

use tidings_event::filter::{FieldSet, Filter};

use super::feed::{Feed, Row};
use super::follow::{Followed, followed};
use crate::failure::Failure;
use crate::http::Watched;
use crate::watching::terminal::Key;
use crate::watching::{Live, read_live};

/// Longest filter that can be typed, in bytes: the language's own limit.
const FILTER_BYTES_MAX: usize = 16_384;

/// Which stream something came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The one that the filter asks for.
    Main,
    /// The one of the message that is followed.
    Follow,
}

/// What is on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The events.
    List,
    /// All of the selected event, from this line on.
    Details { scroll: usize },
    /// The events, and the filter that is being typed.
    Edit { text: String },
    /// The keys.
    Help,
}

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Nothing,
    Quit,
    Suspend,
    Redraw,
    /// Watch what the filter asks for now, instead of what it asked for.
    WatchMain,
    /// Watch the message that is followed, too.
    WatchFollow,
    /// Watch no message any more.
    EndFollow,
}

/// The view.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) filter: String,
    main: Feed,
    follow: Option<(Followed, Feed)>,
    pub(crate) mode: Mode,
    /// The connection is lost, and why.
    pub(crate) trouble: Option<String>,
    /// What is said about the last key.
    pub(crate) message: Option<String>,
    /// Rows of a page.
    page: usize,
}

impl View {
    pub(crate) fn new(filter: String) -> View {
        View {
            filter,
            main: Feed::default(),
            follow: None,
            mode: Mode::List,
            trouble: None,
            message: None,
            page: 20,
        }
    }

    /// The feed that is on the screen.
    pub(crate) fn feed(&self) -> &Feed {
        match &self.follow {
            Some((_, feed)) => feed,
            None => &self.main,
        }
    }

    pub(crate) fn feed_mut(&mut self) -> &mut Feed {
        match &mut self.follow {
            Some((_, feed)) => feed,
            None => &mut self.main,
        }
    }

    /// The message that is followed.
    pub(crate) fn followed(&self) -> Option<&Followed> {
        self.follow.as_ref().map(|(followed, _)| followed)
    }

    /// Sets how many rows a page has.
    pub(crate) fn set_page(&mut self, rows: usize) {
        self.page = rows.max(1);
    }

    /// Takes what came by a stream.
    ///
    /// # Errors
    /// If the stream of the filter ended for good, or cannot be read.
    pub(crate) fn take(&mut self, stream: Stream, watched: Watched) -> Result<(), Failure> {
        let feed = match (stream, &mut self.follow) {
            (Stream::Main, _) => &mut self.main,
            (Stream::Follow, Some((_, feed))) => feed,
            (Stream::Follow, None) => return Ok(()),
        };
        match watched {
            Watched::Open => {
                if self.trouble.take().is_some() {
                    feed.push(Row::Note("connected again".to_owned()), 0);
                }
            }
            Watched::Frame(frame) => {
                let bytes = frame.data.len();
                match read_live(&frame)? {
                    Live::Events(events) => {
                        let share = bytes / events.len().max(1);
                        let rows = events.into_iter().map(Row::Event);
                        rows.for_each(|row| feed.push(row, share));
                    }
                    Live::Gap(gap) => feed.push(Row::Note(gap.sentence()), 0),
                    Live::Nothing => {}
                }
            }
            Watched::Lost { why, retry_ms } => {
                let seconds = retry_ms.div_ceil(1_000);
                if self.trouble.is_none() {
                    feed.push(Row::Note(format!("connection lost: {why}")), 0);
                }
                self.trouble = Some(format!("{why}; trying again in {seconds} s"));
            }
            Watched::Failed(failure) if stream == Stream::Follow => {
                feed.push(Row::Note(failure.sentence()), 0);
            }
            Watched::Failed(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Does what a key means.
    pub(crate) fn press(&mut self, key: Key) -> Ask {
        self.message = None;
        match key {
            Key::Suspend => return Ask::Suspend,
            Key::Redraw => return Ask::Redraw,
            Key::Quit => return Ask::Quit,
            _ => {}
        }
        match &mut self.mode {
            Mode::List => self.press_list(key),
            Mode::Details { .. } => self.press_details(key),
            Mode::Edit { .. } => self.press_edit(key),
            Mode::Help => {
                self.mode = Mode::List;
                Ask::Nothing
            }
        }
    }

    fn press_list(&mut self, key: Key) -> Ask {
        let page = i64::try_from(self.page).unwrap_or(i64::MAX);
        match key {
            Key::Char('q') => return Ask::Quit,
            Key::Char('?' | 'h') => self.mode = Mode::Help,
            Key::Char(' ' | 'p') => self.feed_mut().toggle_pause(),
            Key::Char('/') if self.follow.is_none() => {
                let text = self.filter.clone();
                self.mode = Mode::Edit { text };
            }
            Key::Char('/') => self.say("Esc leaves this message first"),
            Key::Char('f') => return self.press_follow(),
            Key::Up | Key::Char('k') => self.feed_mut().select(-1),
            Key::Down | Key::Char('j') => self.feed_mut().select(1),
            Key::PageUp => self.feed_mut().select(-page),
            Key::PageDown => self.feed_mut().select(page),
            Key::Home | Key::Char('g') => self.feed_mut().select_first(),
            Key::End | Key::Char('G') => self.feed_mut().unselect(),
            Key::Enter => match self.feed().selected() {
                Some(_) => self.mode = Mode::Details { scroll: 0 },
                None => self.say("select an event first, with the arrow keys"),
            },
            Key::Escape if self.feed().selected().is_some() => self.feed_mut().unselect(),
            Key::Escape if self.follow.take().is_some() => return Ask::EndFollow,
            _ => {}
        }
        Ask::Nothing
    }

    fn press_details(&mut self, key: Key) -> Ask {
        let page = self.page;
        let Mode::Details { scroll } = &mut self.mode else {
            return Ask::Nothing;
        };
        match key {
            Key::Up | Key::Char('k') => *scroll = scroll.saturating_sub(1),
            Key::Down | Key::Char('j') => *scroll = scroll.saturating_add(1),
            Key::PageUp => *scroll = scroll.saturating_sub(page),
            Key::PageDown => *scroll = scroll.saturating_add(page),
            Key::Home => *scroll = 0,
            Key::Left => self.feed_mut().select(-1),
            Key::Right => self.feed_mut().select(1),
            Key::Char('f') => return self.press_follow(),
            Key::Escape | Key::Enter | Key::Char('q') => self.mode = Mode::List,
            _ => {}
        }
        // Behind the last row there is nothing to show.
        if self.feed().selected().is_none() {
            self.mode = Mode::List;
        }
        Ask::Nothing
    }

    fn press_edit(&mut self, key: Key) -> Ask {
        let Mode::Edit { text } = &mut self.mode else {
            return Ask::Nothing;
        };
        match key {
            Key::Char(c) if text.len() + c.len_utf8() <= FILTER_BYTES_MAX => text.push(c),
            Key::Backspace => {
                text.pop();
            }
            Key::Clear => text.clear(),
            Key::Escape => self.mode = Mode::List,
            Key::Enter => {
                let filter = text.trim().to_owned();
                return self.set_filter(filter);
            }
            _ => {}
        }
        Ask::Nothing
    }

    /// Takes the filter that was typed; one that cannot be read is left to be corrected.
    fn set_filter(&mut self, filter: String) -> Ask {
        if let Err(error) = Filter::parse(&filter, &FieldSet::EVENTS) {
            self.say(&error.to_string());
            return Ask::Nothing;
        }
        self.mode = Mode::List;
        self.filter = filter;
        self.main = Feed::default();
        Ask::WatchMain
    }

    fn press_follow(&mut self) -> Ask {
        let event = match self.feed().selected() {
            Some(Row::Event(event)) => event,
            _ => {
                self.say("select an event first, with the arrow keys");
                return Ask::Nothing;
            }
        };
        let Some(followed) = followed(event) else {
            self.say("this event names no message and no session");
            return Ask::Nothing;
        };
        self.follow = Some((followed, Feed::default()));
        self.mode = Mode::List;
        Ask::WatchFollow
    }

    fn say(&mut self, text: &str) {
        self.message = Some(text.to_owned());
    }
}
