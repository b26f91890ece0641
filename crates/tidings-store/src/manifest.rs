//! The manifest: which parts make up the history, under one checksummed log of edits.
//!
//! One file, `manifest`. Its first edit makes a whole state, each further one is applied all or
//! nothing. Every edit is written twice, one copy after the other: a torn write spoils both and
//! was never acknowledged, while a flipped bit spoils one, is noticed and mended. When the edits
//! outgrow the state, a new file replaces the old one by rename.

mod edit;
mod log;

pub(crate) use edit::{Edit, PartEntry, State};
pub(crate) use log::{AppendError, Log, MANIFEST, TEMPORARY, load, save};
