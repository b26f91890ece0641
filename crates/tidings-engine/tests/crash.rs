//! Crashes, full disks and rot: what was acknowledged is there afterwards, once, with the same
//! ids, and what the medium damaged is named.

#[path = "crash/again.rs"]
mod again;
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/import.rs"]
mod import;
#[path = "crash/live.rs"]
mod live;
#[path = "crash/rot.rs"]
mod rot;
#[path = "crash/world.rs"]
mod world;
