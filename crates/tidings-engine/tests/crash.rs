//! Crashes, full disks and rot: what was acknowledged is there afterwards, once, with the same
//! ids, and what the medium damaged is named.

#[path = "crash/import.rs"]
mod import;
#[path = "crash/world.rs"]
mod world;
