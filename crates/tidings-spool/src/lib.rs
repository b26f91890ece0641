//! A durable, append-only log of event records with cursors and crash recovery.

mod backend;

pub use backend::{Backend, File, OpenMode};
