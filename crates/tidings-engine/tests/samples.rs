//! The history of metrics against a small model, over restarts, kills, crashes at any write, failing
//! media and rot.

#[path = "samples/crash.rs"]
mod crash;
#[path = "samples/model.rs"]
mod model;
#[path = "samples/retention.rs"]
mod retention;
#[path = "samples/support.rs"]
mod support;
