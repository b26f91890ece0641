//! `tidings live` on a full screen.

mod draw;
mod feed;
mod follow;
mod run;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use run::show;
