//! Scenarios with the real program: what an admin does, and what they see.

#![expect(clippy::disallowed_methods, reason = "scenarios measure real time")]

mod accounts;
mod api;
mod bad_input;
mod changing;
mod conformance;
mod follow;
mod foreign;
mod forward;
mod manage;
mod outputs;
mod reading;
mod run;
mod samples;
mod support;
mod watching;
