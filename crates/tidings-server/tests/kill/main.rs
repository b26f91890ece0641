//! Kills the real program at random moments: what was acknowledged is there afterwards, once, with
//! the ids of a run that nobody killed.
//!
//! Every test prints its seed and how many rounds it did; `TIDINGS_KILL_SEED` chooses the seed. The
//! moments of the kills depend on the machine, so a seed repeats what is done, not when it is cut off.

#![expect(clippy::disallowed_methods, reason = "scenarios measure real time")]

mod import;
mod process;
mod random;
mod script;
mod serve;
#[path = "../../../tidings-engine/tests/crash/world.rs"]
mod world;
