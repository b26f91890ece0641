//! What mail logs mean: lines become statements, statements become events, events become stories.
//!
//! The path of a line: [`envelope`] splits off time, host, program and pid; [`postfix`] or
//! [`dovecot`] turns the text into a typed statement; [`correlate`] turns statements into events
//! with spans and ids; [`message`] folds events into one row per message with a verdict per
//! recipient. [`diagnose`] says what a reply means, [`provider`] whose server gave it.
//!
//! [`labels`] says what an event adds to which metric.
//!
//! Everything here is pure: no clock, no files, no sockets. Years, zones and "now" are arguments.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod correlate;
mod counters;
pub mod diagnose;
pub mod dovecot;
pub mod envelope;
pub mod labels;
pub mod message;
pub mod postfix;
pub mod provider;
mod saved;
