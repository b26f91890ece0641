//! The objects of a history as text for people. Each part is a pure function from an object and the
//! [screen](crate::term::Screen) to lines; every string of an object is made harmless on the way.

mod event;
mod histogram;
mod import;
mod messages;
mod parsed;
mod problems;
mod reason;
mod stats;
mod story;

pub(crate) use event::{description, event_line, event_text, level_style, pairs_text, raw_line};
pub(crate) use import::{progress_line, summary as import_summary};
pub(crate) use messages::{MessageTable, other_line};
pub(crate) use parsed::{ParseTally, ProgramTally, parsed_lines};
pub(crate) use problems::problem_lines;
pub(crate) use stats::stats_lines;
pub(crate) use story::story_lines;

#[cfg(test)]
mod tests;
