//! Reading, recognising and following log files, through the public interface and on real files.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "input/follow.rs"]
mod follow;
#[path = "input/follow_model.rs"]
mod follow_model;
#[path = "input/matching.rs"]
mod matching;
#[path = "input/reader.rs"]
mod reader;
#[path = "input/sample.rs"]
mod sample;
#[path = "input/support.rs"]
mod support;
