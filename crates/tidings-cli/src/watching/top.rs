//! `tidings top`: traffic, causes, sources, readers and failed sign-ins on one screen.

mod draw;
mod run;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use run::{print, show};
