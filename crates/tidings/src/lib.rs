//! The crate that a Rust server embeds to tell what it does: typed events from one catalogue, spans, and
//! meters that count them.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod meters;
