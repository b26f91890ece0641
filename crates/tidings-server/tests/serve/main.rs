//! Scenarios with the real program: what an admin does, and what they see.

mod bad_input;
mod follow;
mod run;
mod support;
