//! Events and metrics in the words of others: OTLP, the systemd journal, Prometheus and OpenMetrics.
//!
//! Bytes in, bytes out: this crate opens no socket and no file.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod journal;
pub mod otlp;
pub mod prometheus;

#[cfg(test)]
mod testing;
