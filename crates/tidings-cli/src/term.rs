//! Text on a screen: what makes foreign text harmless, how wide it is, colours, numbers, times.

mod clean;
mod number;
mod screen;
mod shell;
mod style;
mod width;
mod zone;

pub(crate) use clean::{clean, json_line};
pub(crate) use number::{bytes, count, duration, percent, plural};
pub(crate) use screen::{Screen, Symbols};
pub(crate) use shell::shell_word;
pub(crate) use style::{Style, verdict_style};
pub(crate) use width::{fit, fit_address, pad, pad_left, width, wrap};
pub(crate) use zone::Zone;
