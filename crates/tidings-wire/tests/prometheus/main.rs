//! Others read our metrics: the client library of Prometheus in Python sample by sample, `promtool`, and
//! Prometheus itself, which scrapes them and evaluates the rules in `contrib/prometheus`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod contrib;
mod page;
mod reading;
mod server;
mod sets;
